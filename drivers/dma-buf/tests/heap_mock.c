// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-backed buffers for tests; see heap_mock.h.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/device.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/swiotlb.h>

#include "../buffer/dma-buf-internal.h"
#include "heap_mock.h"
#include "mock.h"

u64 heap_mock_mark(unsigned long i)
{
	return 0xb0ff000000000000ull + i;
}

static void heap_mock_free_run(void *priv, struct page *page,
			       unsigned long nr_pages)
{
	struct heap_mock *mock = priv;

	mock->freed += nr_pages;
	mock->runs_freed++;
	__free_pages(page, compound_order(page));
}

struct heap_mock *heap_mock_create(struct kunit *test)
{
	struct heap_mock *mock = kunit_kzalloc(test, sizeof(*mock), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mock);
	mock->test = test;
	mock->ops.free_run = heap_mock_free_run;
	mock->buf = heap_pages_alloc(&mock->ops, mock);
	KUNIT_ASSERT_NOT_NULL(test, mock->buf);
	return mock;
}

struct page *heap_mock_add(struct heap_mock *mock, unsigned int order)
{
	gfp_t gfp = GFP_KERNEL | __GFP_ZERO | (order ? __GFP_COMP : 0);
	struct page *page = alloc_pages(gfp, order);
	unsigned long i;
	u64 *word;

	KUNIT_ASSERT_NOT_NULL(mock->test, page);
	for (i = 0; i < 1UL << order; i++) {
		word = page_address(nth_page(page, i));
		*word = heap_mock_mark(mock->added + i);
	}
	KUNIT_ASSERT_EQ(mock->test,
			heap_pages_add(mock->buf, page, 1UL << order), 0);
	mock->added += 1UL << order;
	return page;
}

struct heap_mock *heap_mock_create_runs(struct kunit *test, const int *orders)
{
	struct heap_mock *mock = heap_mock_create(test);

	for (; *orders >= 0; orders++)
		heap_mock_add(mock, *orders);
	return mock;
}

void heap_mock_export(struct heap_mock *mock)
{
	mock->dmabuf = heap_pages_export(mock->buf, "heap-mock", O_RDWR);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(mock->test, mock->dmabuf);
	KUNIT_EXPECT_EQ(mock->test, mock->dmabuf->size,
			mock->added << PAGE_SHIFT);
}

void heap_mock_put(struct heap_mock *mock)
{
	unsigned long end = jiffies + 10 * HZ;

	KUNIT_EXPECT_EQ(mock->test, mock->freed, 0);
	dma_buf_put(mock->dmabuf);
	mock_flush_files();
	/* A worker may have begun with the file before. */
	while (READ_ONCE(mock->freed) != mock->added &&
	       time_before(jiffies, end))
		schedule_timeout_uninterruptible(1);
	KUNIT_EXPECT_EQ(mock->test, mock->freed, mock->added);
	mock->buf = NULL;
	mock->dmabuf = NULL;
}

struct device *heap_mock_device(struct kunit *test)
{
	static atomic_t number = ATOMIC_INIT(0);
	char *name = kunit_kzalloc(test, 24, GFP_KERNEL);
	struct device *dev;

	KUNIT_ASSERT_NOT_NULL(test, name);
	/* The devices of a test need different names. */
	snprintf(name, 24, "heap-mock-%d", atomic_inc_return(&number));
	dev = kunit_device_register(test, name);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, dma_coerce_mask_and_coherent(dev,
							   DMA_BIT_MASK(64)),
			0);
	mock_keep_mappings(test, dev);
	return dev;
}

struct heap_mock_import heap_mock_attach_dev(struct kunit *test,
					     struct heap_mock *mock,
					     struct device *dev)
{
	struct heap_mock_import imp = { .mock = mock, .dev = dev };

	heap_mock_export(mock);
	imp.attach = dma_buf_attach(mock->dmabuf, imp.dev);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, imp.attach);
	to_attached(imp.attach)->maps_again = true;
	return imp;
}

struct heap_mock_import heap_mock_attach(struct kunit *test,
					 struct heap_mock *mock)
{
	return heap_mock_attach_dev(test, mock, heap_mock_device(test));
}

void heap_mock_detach(struct heap_mock_import *imp)
{
	dma_buf_detach(imp->mock->dmabuf, imp->attach);
	KUNIT_EXPECT_TRUE(imp->mock->test,
			  list_empty(&imp->mock->buf->mappings));
	heap_mock_put(imp->mock);
}

void heap_mock_need_kept(struct heap_mock_import *imp)
{
	if (!is_swiotlb_force_bounce(imp->dev))
		return;
	heap_mock_detach(imp);
	kunit_skip(imp->mock->test,
		   "swiotlb=force: nothing is kept with bounce buffers");
}

struct sg_table *heap_mock_map(struct dma_buf_attachment *attach,
			       enum dma_data_direction dir)
{
	struct sg_table *sgt;

	dma_resv_lock(attach->dmabuf->resv, NULL);
	sgt = heap_pages_map(attach, dir);
	dma_resv_unlock(attach->dmabuf->resv);
	return sgt;
}

void heap_mock_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		     enum dma_data_direction dir)
{
	dma_resv_lock(attach->dmabuf->resv, NULL);
	heap_pages_unmap(attach, sgt, dir);
	dma_resv_unlock(attach->dmabuf->resv);
}

unsigned int heap_mock_mappings(struct dma_buf_attachment *attach)
{
	struct heap_pages *buf = attach->dmabuf->priv;
	struct heap_mapping *map;
	unsigned int n = 0;

	list_for_each_entry(map, &buf->mappings, node)
		n += map->attach == attach;
	return n;
}

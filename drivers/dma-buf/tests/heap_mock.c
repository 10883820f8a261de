// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-backed buffers for tests; see heap_mock.h.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/device.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/mm.h>

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
	KUNIT_EXPECT_EQ(mock->test, mock->freed, 0);
	dma_buf_put(mock->dmabuf);
	mock_flush_files();
	KUNIT_EXPECT_EQ(mock->test, mock->freed, mock->added);
	mock->buf = NULL;
	mock->dmabuf = NULL;
}

struct device *heap_mock_device(struct kunit *test)
{
	struct device *dev = kunit_device_register(test, "heap-mock");

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, dma_coerce_mask_and_coherent(dev,
							   DMA_BIT_MASK(64)),
			0);
	return dev;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which mappings of page-backed buffers the core may keep, and unbalanced
 * unmaps.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/kthread.h>
#include <linux/sched/mm.h>

#include "../buffer/dma-buf-internal.h"
#include "heap_mock.h"
#include "mock.h"

/* Enough for the shrinker to get past the kept mappings of other buffers. */
#define ALL 10000

static struct heap_mock_import import_create(struct kunit *test)
{
	return heap_mock_attach(test, HEAP_MOCK(test, 4, 0));
}

static void map_once(struct kunit *test, struct heap_mock_import *imp)
{
	struct sg_table *sgt = dma_buf_map_attachment_unlocked(imp->attach,
							       DMA_TO_DEVICE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	dma_buf_unmap_attachment_unlocked(imp->attach, sgt, DMA_TO_DEVICE);
}

static struct heap_mapping *only_mapping(struct heap_mock_import *imp)
{
	return list_first_entry(&imp->mock->buf->mappings, struct heap_mapping,
				node);
}

/* An idle mapping belongs to the CPU, unless the device is coherent. */
static void keep_lets_the_core_keep(struct kunit *test)
{
	struct heap_mock_import imp = import_create(test);
	bool changes_hands = dma_dev_need_sync(imp.dev);
	struct heap_mapping *map;

	heap_mock_need_kept(&imp);
	map_once(test, &imp);
	KUNIT_ASSERT_EQ(test, 1, heap_mock_mappings(imp.attach));
	KUNIT_EXPECT_EQ(test, to_attached(imp.attach)->keep,
			changes_hands ? DMA_BUF_KEEP_IDLE : DMA_BUF_KEEP_AS_IS);
	map = only_mapping(&imp);
	KUNIT_EXPECT_EQ(test, map->busy, !changes_hands);
	for (int i = 0; i < 3; i++) {
		map_once(test, &imp);
		KUNIT_EXPECT_EQ(test, 1, heap_mock_mappings(imp.attach));
		KUNIT_EXPECT_PTR_EQ(test, map, only_mapping(&imp));
	}
	heap_mock_detach(&imp);
}

/* Lockdep would report a lock that the shrinker must not take in reclaim. */
static void unmap_in_reclaim(struct kunit *test)
{
	struct heap_mock_import imp = import_create(test);

	heap_mock_need_kept(&imp);
	map_once(test, &imp);
	fs_reclaim_acquire(GFP_KERNEL);
	KUNIT_EXPECT_LE(test, 1, dma_buf_shrink_kept(ALL));
	fs_reclaim_release(GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, 0, heap_mock_mappings(imp.attach));
	map_once(test, &imp);
	KUNIT_EXPECT_EQ(test, 1, heap_mock_mappings(imp.attach));
	heap_mock_detach(&imp);
}

/* A kept mapping might occupy bounce buffers that other devices wait for. */
static void keep_limited_device_never(struct kunit *test)
{
	struct heap_mock *mock = heap_mock_create(test);
	struct page *page = heap_mock_add(mock, 0);
	struct heap_mock_import imp = heap_mock_attach(test, mock);

	heap_mock_need_kept(&imp);
	/* The device reaches this page, but not all memory. */
	imp.dev->bus_dma_limit = PFN_PHYS(page_to_pfn(page) + 1) - 1;
	if (!dma_addressing_limited(imp.dev)) {
		heap_mock_detach(&imp);
		kunit_skip(test, "the page is the last of the memory");
	}
	map_once(test, &imp);
	KUNIT_EXPECT_EQ(test, 0, heap_mock_mappings(imp.attach));
	heap_mock_detach(&imp);
}

static void keep_fresh_mappings_never(struct kunit *test)
{
	struct heap_mock *mock = HEAP_MOCK(test, 4, 0);
	struct heap_mock_import imp;

	mock->ops.fresh_mappings = true;
	imp = heap_mock_attach(test, mock);
	map_once(test, &imp);
	KUNIT_EXPECT_EQ(test, 0, heap_mock_mappings(imp.attach));
	heap_mock_detach(&imp);
}

/* The core only counts tables: the heap itself knows which one is mapped. */
static void unmap_twice_warns(struct kunit *test)
{
	struct heap_mock_import imp = import_create(test);
	struct sg_table *a = heap_mock_map(imp.attach, DMA_TO_DEVICE);
	struct sg_table *b = heap_mock_map(imp.attach, DMA_TO_DEVICE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, a);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, b);
	heap_mock_unmap(imp.attach, b, DMA_TO_DEVICE);
	mock_warn_begin(test);
	heap_mock_unmap(imp.attach, b, DMA_TO_DEVICE);
	mock_warn_end(test, "heap_pages_unmap", 1);
	KUNIT_EXPECT_EQ(test, 1, heap_mock_mappings(imp.attach));
	heap_mock_unmap(imp.attach, a, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 0, heap_mock_mappings(imp.attach));
	heap_mock_detach(&imp);
}

static void detach_ends_what_is_left(struct kunit *test)
{
	struct heap_mock_import imp = import_create(test);

	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, heap_mock_map(imp.attach,
							 DMA_TO_DEVICE));
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, heap_mock_map(imp.attach,
							 DMA_FROM_DEVICE));
	heap_mock_detach(&imp);
}

#define ROUNDS 300

static int shrink_thread(void *unused)
{
	while (!kthread_should_stop()) {
		dma_buf_shrink_kept(4);
		cond_resched();
	}
	return 0;
}

/*
 * The window: the shrinker, which has no reference, finds a mapping whose
 * attachment is being detached and freed.
 */
static void unmap_in_reclaim_races_users(struct kunit *test)
{
	struct heap_mock_import imp = import_create(test);
	struct task_struct *task = kthread_run(shrink_thread, NULL,
					       "mock-shrinker");

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	for (int i = 0; i < ROUNDS; i++) {
		map_once(test, &imp);
		map_once(test, &imp);
		dma_buf_detach(imp.mock->dmabuf, imp.attach);
		imp.attach = dma_buf_attach(imp.mock->dmabuf, imp.dev);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, imp.attach);
		to_attached(imp.attach)->maps_again = true;
	}
	kthread_stop(task);
	heap_mock_detach(&imp);
}

static struct kunit_case heap_pages_kept_cases[] = {
	KUNIT_CASE(keep_lets_the_core_keep),
	KUNIT_CASE(unmap_in_reclaim),
	KUNIT_CASE(keep_limited_device_never),
	KUNIT_CASE(keep_fresh_mappings_never),
	KUNIT_CASE(unmap_twice_warns),
	KUNIT_CASE(detach_ends_what_is_left),
	KUNIT_CASE(unmap_in_reclaim_races_users),
	{}
};

static struct kunit_suite heap_pages_kept_suite = {
	.name = "heap_pages_kept",
	.test_cases = heap_pages_kept_cases,
};

kunit_test_suite(heap_pages_kept_suite);

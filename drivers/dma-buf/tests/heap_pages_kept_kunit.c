// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of page-backed buffers that are kept: what lack of memory, detach
 * and the maker's choice do to them.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/dma-buf.h>
#include <linux/err.h>

#include "../heaps/heap-pages.h"
#include "heap_mock.h"
#include "mock.h"

/* Enough to come past what other buffers of the machine have. */
#define ALL 10000

static struct heap_mock_import import_create(struct kunit *test)
{
	return heap_mock_attach(test, HEAP_MOCK(test, 4, 0));
}

static void map_once(struct kunit *test, struct heap_mock_import *imp)
{
	struct sg_table *sgt = heap_mock_map(imp->attach, DMA_TO_DEVICE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	heap_mock_unmap(imp->attach, sgt, DMA_TO_DEVICE);
}

static void shrink_drops_what_is_kept(struct kunit *test)
{
	struct heap_mock_import imp = import_create(test);

	map_once(test, &imp);
	KUNIT_EXPECT_EQ(test, 1, heap_mock_mappings(imp.attach));
	KUNIT_EXPECT_LE(test, 1, heap_mappings_shrink(ALL));
	KUNIT_EXPECT_EQ(test, 0, heap_mock_mappings(imp.attach));
	KUNIT_EXPECT_EQ(test, 0, heap_mappings_shrink(ALL));
	/* As good as new. */
	map_once(test, &imp);
	KUNIT_EXPECT_EQ(test, 1, heap_mock_mappings(imp.attach));
	heap_mock_detach(&imp);
	KUNIT_EXPECT_EQ(test, 0, heap_mappings_shrink(ALL));
}

static void shrink_leaves_what_is_in_use(struct kunit *test)
{
	struct heap_mock_import imp = import_create(test);
	struct sg_table *sgt;

	heap_mappings_shrink(ALL);
	/* Once kept, and taken up again. */
	map_once(test, &imp);
	sgt = heap_mock_map(imp.attach, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	KUNIT_EXPECT_EQ(test, 0, heap_mappings_shrink(ALL));
	KUNIT_EXPECT_EQ(test, 1, heap_mock_mappings(imp.attach));
	heap_mock_unmap(imp.attach, sgt, DMA_TO_DEVICE);
	heap_mock_detach(&imp);
}

/* What is mapped again and again is passed by once. */
static void shrink_spares_what_is_used(struct kunit *test)
{
	struct heap_mock_import old = import_create(test);
	struct heap_mock_import new = import_create(test);

	heap_mappings_shrink(ALL);
	map_once(test, &new);
	map_once(test, &old);
	map_once(test, &new);
	KUNIT_EXPECT_EQ(test, 1, heap_mappings_shrink(2));
	KUNIT_EXPECT_EQ(test, 0, heap_mock_mappings(old.attach));
	KUNIT_EXPECT_EQ(test, 1, heap_mock_mappings(new.attach));
	KUNIT_EXPECT_EQ(test, 1, heap_mappings_shrink(1));
	KUNIT_EXPECT_EQ(test, 0, heap_mock_mappings(new.attach));
	heap_mock_detach(&old);
	heap_mock_detach(&new);
}

/* Reclaim may come from wherever memory is allocated: it waits for nobody. */
static void shrink_passes_a_busy_buffer_by(struct kunit *test)
{
	struct heap_mock_import busy = import_create(test);
	struct heap_mock_import idle = import_create(test);

	heap_mappings_shrink(ALL);
	map_once(test, &busy);
	map_once(test, &idle);
	scoped_guard(mutex, &busy.mock->buf->lock)
		KUNIT_EXPECT_EQ(test, 1, heap_mappings_shrink(2));
	KUNIT_EXPECT_EQ(test, 1, heap_mock_mappings(busy.attach));
	KUNIT_EXPECT_EQ(test, 0, heap_mock_mappings(idle.attach));
	heap_mock_detach(&busy);
	heap_mock_detach(&idle);
}

static void maker_may_choose_fresh_mappings(struct kunit *test)
{
	struct heap_mock *mock = HEAP_MOCK(test, 4, 0);
	struct heap_mock_import imp;

	mock->ops.fresh_mappings = true;
	imp = heap_mock_attach(test, mock);
	map_once(test, &imp);
	KUNIT_EXPECT_EQ(test, 0, heap_mock_mappings(imp.attach));
	heap_mock_detach(&imp);
}

/* The core counts mappings: it does not know which of two this is. */
static void unmap_twice_warns(struct kunit *test)
{
	struct heap_mock_import imp = import_create(test);
	struct sg_table *a = heap_mock_map(imp.attach, DMA_TO_DEVICE);
	struct sg_table *b = heap_mock_map(imp.attach, DMA_TO_DEVICE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, a);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, b);
	heap_mock_unmap(imp.attach, a, DMA_TO_DEVICE);
	mock_warn_begin(test);
	heap_mock_unmap(imp.attach, a, DMA_TO_DEVICE);
	mock_warn_end(test, "heap_pages_unmap", 1);
	KUNIT_EXPECT_EQ(test, 2, heap_mock_mappings(imp.attach));
	heap_mock_unmap(imp.attach, b, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 1, heap_mock_mappings(imp.attach));
	heap_mock_detach(&imp);
}

static struct kunit_case heap_pages_kept_cases[] = {
	KUNIT_CASE(shrink_drops_what_is_kept),
	KUNIT_CASE(shrink_leaves_what_is_in_use),
	KUNIT_CASE(shrink_spares_what_is_used),
	KUNIT_CASE(shrink_passes_a_busy_buffer_by),
	KUNIT_CASE(maker_may_choose_fresh_mappings),
	KUNIT_CASE(unmap_twice_warns),
	{}
};

static struct kunit_suite heap_pages_kept_suite = {
	.name = "heap_pages_kept",
	.test_cases = heap_pages_kept_cases,
};

kunit_test_suite(heap_pages_kept_suite);

MODULE_LICENSE("GPL");

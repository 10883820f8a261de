/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A page pool for each case, and pages to put into it.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_BUF_TESTS_PAGE_POOL_MOCK_H
#define _DMA_BUF_TESTS_PAGE_POOL_MOCK_H

#include <kunit/test.h>
#include <linux/bits.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/topology.h>

#include "../heaps/page-pool.h"

#define MIN_ORDER	HEAP_POOL_MIN_ORDER
#define TOP_ORDER	HEAP_POOL_MAX_ORDER
#define LIMIT		BIT(TOP_ORDER)

static inline int page_pool_mock_init_always(struct kunit *test)
{
	/* The thread, which lives for this case, stays on its node. */
	set_cpus_allowed_ptr(current, cpumask_of(raw_smp_processor_id()));
	test->priv = heap_page_pool_create("heap-pool-kunit", LIMIT);
	KUNIT_ASSERT_NOT_NULL(test, test->priv);
	return 0;
}

static inline int page_pool_mock_init(struct kunit *test)
{
	if (want_init_on_free())
		kunit_skip(test, "with init_on_free=1 the pool keeps nothing");
	return page_pool_mock_init_always(test);
}

static inline void page_pool_mock_exit(struct kunit *test)
{
	if (test->priv)
		heap_page_pool_destroy(test->priv);
}

/* A page full of data, on this node, where get looks for pages. */
static inline struct page *dirty_page(struct kunit *test, unsigned int order)
{
	gfp_t gfp = GFP_KERNEL | __GFP_THISNODE | (order ? __GFP_COMP : 0);
	struct page *page = alloc_pages_node(numa_mem_id(), gfp, order);

	KUNIT_ASSERT_NOT_NULL(test, page);
	memset(page_address(page), 0xa5, PAGE_SIZE << order);
	return page;
}

static inline long pages_in(struct heap_page_pool *pool)
{
	return atomic_long_read(&pool->nr_pages);
}

static inline unsigned long dirty_in(struct heap_page_pool *pool,
				     unsigned int order)
{
	return pool->nodes[numa_mem_id()].nr[HEAP_POOL_DIRTY][order];
}

static inline unsigned long clean_in(struct heap_page_pool *pool,
				     unsigned int order)
{
	return pool->nodes[numa_mem_id()].nr[HEAP_POOL_CLEAN][order];
}

/* Puts a zeroed page into the pool, as clean. */
static inline struct page *put_zeroed(struct kunit *test, unsigned int order)
{
	struct page *page = dirty_page(test, order);

	memset(page_address(page), 0, PAGE_SIZE << order);
	heap_page_pool_put(test->priv, page, HEAP_POOL_CLEAN);
	return page;
}

/* Puts a page full of data into the pool, as dirty. */
static inline struct page *put_dirty(struct kunit *test, unsigned int order)
{
	struct page *page = dirty_page(test, order);

	heap_page_pool_put(test->priv, page, HEAP_POOL_DIRTY);
	return page;
}

/* Runs the worker now, however few pages there are; not if it is disabled. */
static inline void zero_all(struct heap_page_pool *pool)
{
	queue_work(pool->wq, &pool->work);
	flush_work(&pool->work);
}

#endif /* _DMA_BUF_TESTS_PAGE_POOL_MOCK_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The heaps' page pool: no page leaves it with old contents, and it gives back
 * what it is asked for. Its work and its shrinker are stepped by hand.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/test.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/shrinker.h>
#include <linux/string.h>
#include <linux/topology.h>

#include "../heaps/page-pool.h"

#define LIMIT 1024

static int pool_init(struct kunit *test)
{
	test->priv = heap_page_pool_create("heap-pool-kunit", LIMIT);
	KUNIT_ASSERT_NOT_NULL(test, test->priv);
	return 0;
}

static void pool_exit(struct kunit *test)
{
	if (test->priv)
		heap_page_pool_destroy(test->priv);
}

/* A page full of somebody's data; of this node, where get() looks. */
static struct page *dirty_page(struct kunit *test, unsigned int order)
{
	gfp_t gfp = GFP_KERNEL | __GFP_THISNODE | (order ? __GFP_COMP : 0);
	struct page *page = alloc_pages_node(numa_mem_id(), gfp, order);

	KUNIT_ASSERT_NOT_NULL(test, page);
	memset(page_address(page), 0xa5, PAGE_SIZE << order);
	return page;
}

static void expect_zeroed(struct kunit *test, struct page *page,
			  unsigned int order)
{
	KUNIT_EXPECT_NULL(test, memchr_inv(page_address(page), 0,
					   PAGE_SIZE << order));
	KUNIT_EXPECT_EQ(test, compound_order(page), order);
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 1);
}

static long pages_in(struct heap_page_pool *pool)
{
	return atomic_long_read(&pool->nr_pages);
}

static void get_from_empty_pool(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;
	unsigned int order;

	for (order = 0; order <= HEAP_POOL_MAX_ORDER; order++)
		KUNIT_EXPECT_NULL(test, heap_page_pool_get(pool, order));
	KUNIT_EXPECT_EQ(test, atomic_read(&pool->misses),
			HEAP_POOL_MAX_ORDER + 1);
}

/* Now, however few they are; if the work is disabled nothing happens. */
static void zero_all(struct heap_page_pool *pool)
{
	queue_work(pool->wq, &pool->work);
	flush_work(&pool->work);
}

static const unsigned int orders[] = { 0, 1, 4, 8, 9 };

static void describe_order(const unsigned int *order, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "order %u", *order);
}

KUNIT_ARRAY_PARAM(orders, orders, describe_order);

/* The work may or may not be done by then. */
static void get_right_after_put(struct kunit *test)
{
	unsigned int order = *(const unsigned int *)test->param_value;
	struct heap_page_pool *pool = test->priv;
	struct page *page;
	int i;

	for (i = 0; i < 20; i++) {
		heap_page_pool_put(pool, dirty_page(test, order));
		page = heap_page_pool_get(pool, order);
		/* Or it is being zeroed right now. */
		if (!page) {
			zero_all(pool);
			page = heap_page_pool_get(pool, order);
		}
		KUNIT_ASSERT_NOT_NULL(test, page);
		expect_zeroed(test, page, order);
		__free_pages(page, order);
	}
	KUNIT_EXPECT_EQ(test, pages_in(pool), 0);
}

static void get_of_a_dirty_page(struct kunit *test)
{
	unsigned int order = *(const unsigned int *)test->param_value;
	struct heap_page_pool *pool = test->priv;
	struct page *page;

	/* Nobody zeroes anything in the background. */
	disable_work_sync(&pool->work);
	heap_page_pool_put(pool, dirty_page(test, order));
	KUNIT_EXPECT_EQ(test, list_lru_count(&pool->dirty[order]), 1);
	page = heap_page_pool_get(pool, order);
	enable_work(&pool->work);
	KUNIT_ASSERT_NOT_NULL(test, page);
	expect_zeroed(test, page, order);
	KUNIT_EXPECT_EQ(test, atomic_read(&pool->dirty_hits), 1);
	__free_pages(page, order);
}

static void get_of_a_clean_page(struct kunit *test)
{
	unsigned int order = *(const unsigned int *)test->param_value;
	struct heap_page_pool *pool = test->priv;
	struct page *in = dirty_page(test, order), *page;

	heap_page_pool_put(pool, in);
	zero_all(pool);
	KUNIT_EXPECT_EQ(test, list_lru_count(&pool->dirty[order]), 0);
	KUNIT_EXPECT_EQ(test, list_lru_count(&pool->clean[order]), 1);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 1L << order);
	page = heap_page_pool_get(pool, order);
	KUNIT_ASSERT_PTR_EQ(test, page, in);
	expect_zeroed(test, page, order);
	KUNIT_EXPECT_EQ(test, atomic_read(&pool->hits), 1);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 0);
	__free_pages(page, order);
}

static void get_prefers_clean_pages(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;
	struct page *clean = dirty_page(test, 2), *dirty = dirty_page(test, 2);
	struct page *page;

	heap_page_pool_put(pool, clean);
	zero_all(pool);
	disable_work_sync(&pool->work);
	heap_page_pool_put(pool, dirty);
	page = heap_page_pool_get(pool, 2);
	enable_work(&pool->work);
	KUNIT_EXPECT_PTR_EQ(test, page, clean);
	__free_pages(page, 2);
}

static void orders_do_not_mix(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;

	heap_page_pool_put(pool, dirty_page(test, 3));
	zero_all(pool);
	KUNIT_EXPECT_NULL(test, heap_page_pool_get(pool, 2));
	KUNIT_EXPECT_NULL(test, heap_page_pool_get(pool, 4));
	KUNIT_EXPECT_EQ(test, pages_in(pool), 8);
}

static void put_beyond_the_limit_frees(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;

	heap_page_pool_set_limit(pool, 20);
	heap_page_pool_put(pool, dirty_page(test, 4));
	KUNIT_EXPECT_EQ(test, pages_in(pool), 16);
	heap_page_pool_put(pool, dirty_page(test, 3));
	KUNIT_EXPECT_EQ(test, pages_in(pool), 16);
	heap_page_pool_put(pool, dirty_page(test, 2));
	KUNIT_EXPECT_EQ(test, pages_in(pool), 20);
	heap_page_pool_put(pool, dirty_page(test, 0));
	KUNIT_EXPECT_EQ(test, pages_in(pool), 20);
	zero_all(pool);
}

static void lower_limit_frees(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;
	int i;

	for (i = 0; i < 8; i++)
		heap_page_pool_put(pool, dirty_page(test, 2));
	zero_all(pool);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 32);
	heap_page_pool_set_limit(pool, 12);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 12);
	heap_page_pool_set_limit(pool, 0);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 0);
	heap_page_pool_put(pool, dirty_page(test, 0));
	KUNIT_EXPECT_EQ(test, pages_in(pool), 0);
}

/* Somebody else may still write to it: not for the next buffer. */
static void put_of_a_shared_page_frees(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;
	struct page *page = dirty_page(test, 0);

	get_page(page);
	heap_page_pool_put(pool, page);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 0);
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 1);
	put_page(page);
}

static unsigned long shrinker_count(struct heap_page_pool *pool)
{
	struct shrink_control sc = { .nid = numa_mem_id() };

	return pool->shrinker->count_objects(pool->shrinker, &sc);
}

static unsigned long shrinker_scan(struct heap_page_pool *pool,
				   unsigned long nr)
{
	struct shrink_control sc = {
		.nid = numa_mem_id(),
		.nr_to_scan = nr,
		.nr_scanned = nr,
	};
	unsigned long freed;

	freed = pool->shrinker->scan_objects(pool->shrinker, &sc);
	if (freed != SHRINK_STOP && sc.nr_scanned < freed)
		return SHRINK_STOP;
	return freed;
}

/* Until there are enough of them for a worker; whoever wants one zeroes it. */
static void few_small_pages_stay_dirty(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;
	int i;

	for (i = 0; i < HEAP_POOL_BATCH - 1; i++)
		heap_page_pool_put(pool, dirty_page(test, 0));
	flush_work(&pool->work);
	KUNIT_EXPECT_EQ(test, list_lru_count(&pool->dirty[0]),
			HEAP_POOL_BATCH - 1);
	heap_page_pool_put(pool, dirty_page(test, 0));
	flush_work(&pool->work);
	KUNIT_EXPECT_EQ(test, list_lru_count(&pool->dirty[0]), 0);
	KUNIT_EXPECT_EQ(test, list_lru_count(&pool->clean[0]), HEAP_POOL_BATCH);
}

static void shrinker_empties_the_pool(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;
	unsigned long freed = 0, nr;
	int i;

	KUNIT_EXPECT_EQ(test, shrinker_count(pool), SHRINK_EMPTY);
	KUNIT_EXPECT_EQ(test, shrinker_scan(pool, 1), SHRINK_STOP);
	for (i = 0; i < ARRAY_SIZE(orders); i++)
		heap_page_pool_put(pool, dirty_page(test, orders[i]));
	zero_all(pool);
	for (i = 0; i < 3; i++)
		heap_page_pool_put(pool, dirty_page(test, 0));
	zero_all(pool);
	KUNIT_EXPECT_EQ(test, shrinker_count(pool), pages_in(pool));
	for (i = 0; pages_in(pool) && i < 100; i++) {
		nr = shrinker_scan(pool, 1);
		KUNIT_ASSERT_NE(test, nr, SHRINK_STOP);
		freed += nr;
	}
	KUNIT_EXPECT_EQ(test, freed, 1 + 2 + 16 + 256 + 512 + 3);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 0);
	KUNIT_EXPECT_EQ(test, shrinker_count(pool), SHRINK_EMPTY);
}

static void shrinker_frees_enough_and_no_more(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;
	int i;

	for (i = 0; i < 32; i++)
		heap_page_pool_put(pool, dirty_page(test, 0));
	zero_all(pool);
	KUNIT_EXPECT_EQ(test, shrinker_scan(pool, 10), 10);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 22);
	KUNIT_EXPECT_EQ(test, shrinker_scan(pool, 1000), 22);
}

/* Work has gone into clean pages, and large ones are hard to get. */
static void shrinker_spares_what_is_dear(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;

	heap_page_pool_put(pool, dirty_page(test, 0));
	heap_page_pool_put(pool, dirty_page(test, 4));
	zero_all(pool);
	disable_work_sync(&pool->work);
	heap_page_pool_put(pool, dirty_page(test, 1));
	KUNIT_EXPECT_EQ(test, shrinker_scan(pool, 2), 2);
	KUNIT_EXPECT_EQ(test, list_lru_count(&pool->dirty[1]), 0);
	KUNIT_EXPECT_EQ(test, shrinker_scan(pool, 1), 1);
	KUNIT_EXPECT_EQ(test, list_lru_count(&pool->clean[0]), 0);
	KUNIT_EXPECT_EQ(test, list_lru_count(&pool->clean[4]), 1);
	enable_work(&pool->work);
}

static void destroy_frees_the_pages(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;
	struct page *page = dirty_page(test, 0);

	heap_page_pool_put(pool, page);
	zero_all(pool);
	/* Keeps the page from being somebody else's when we look. */
	get_page(page);
	heap_page_pool_destroy(pool);
	test->priv = NULL;
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 1);
	put_page(page);
}

static struct kunit_case pool_cases[] = {
	KUNIT_CASE(get_from_empty_pool),
	KUNIT_CASE_PARAM(get_right_after_put, orders_gen_params),
	KUNIT_CASE_PARAM(get_of_a_dirty_page, orders_gen_params),
	KUNIT_CASE_PARAM(get_of_a_clean_page, orders_gen_params),
	KUNIT_CASE(get_prefers_clean_pages),
	KUNIT_CASE(orders_do_not_mix),
	KUNIT_CASE(put_beyond_the_limit_frees),
	KUNIT_CASE(lower_limit_frees),
	KUNIT_CASE(put_of_a_shared_page_frees),
	KUNIT_CASE(few_small_pages_stay_dirty),
	KUNIT_CASE(shrinker_empties_the_pool),
	KUNIT_CASE(shrinker_frees_enough_and_no_more),
	KUNIT_CASE(shrinker_spares_what_is_dear),
	KUNIT_CASE(destroy_frees_the_pages),
	{}
};

static struct kunit_suite pool_suite = {
	.name = "heap_page_pool",
	.init = pool_init,
	.exit = pool_exit,
	.test_cases = pool_cases,
};

kunit_test_suite(pool_suite);

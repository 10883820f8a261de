// SPDX-License-Identifier: GPL-2.0-only
/*
 * The heaps' page pool: it stays within its limit, and the shrinker frees what
 * it is asked for. The test steps the worker and the shrinker by hand.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/test.h>
#include <linux/mm.h>
#include <linux/shrinker.h>
#include <linux/topology.h>

#include "page_pool_mock.h"

static void put_beyond_the_limit_frees(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;
	struct page *old;

	heap_page_pool_set_limit(pool, (2L << MIN_ORDER) + 1);
	put_zeroed(test, MIN_ORDER);
	old = put_zeroed(test, MIN_ORDER);
	put_zeroed(test, MIN_ORDER);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 2L << MIN_ORDER);
	KUNIT_EXPECT_PTR_EQ(test, heap_page_pool_get(pool, MIN_ORDER), old);
	__free_pages(old, MIN_ORDER);
}

/* Else a pool full of large pages would never serve small buffers again. */
static void put_at_the_limit_displaces_other_orders(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;
	struct page *page;

	heap_page_pool_set_limit(pool, 8L << MIN_ORDER);
	put_zeroed(test, MIN_ORDER + 2);
	put_zeroed(test, MIN_ORDER + 2);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 8L << MIN_ORDER);

	page = put_zeroed(test, MIN_ORDER);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 5L << MIN_ORDER);
	KUNIT_EXPECT_PTR_EQ(test, heap_page_pool_get(pool, MIN_ORDER), page);
	heap_page_pool_put(pool, page, HEAP_POOL_CLEAN);

	put_zeroed(test, MIN_ORDER + 2);
	KUNIT_EXPECT_EQ(test, clean_in(pool, MIN_ORDER), 0);
	KUNIT_EXPECT_EQ(test, clean_in(pool, MIN_ORDER + 2), 2);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 8L << MIN_ORDER);
}

/* The page does not fit an empty pool either, so others must not make room. */
static void put_larger_than_the_limit_displaces_nothing(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;

	heap_page_pool_set_limit(pool, 3L << MIN_ORDER);
	put_zeroed(test, MIN_ORDER);
	put_zeroed(test, MIN_ORDER + 2);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 1L << MIN_ORDER);
}

static void set_limit_lower_frees(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;
	int i;

	for (i = 0; i < 8; i++)
		put_dirty(test, MIN_ORDER);
	zero_all(pool);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 8L << MIN_ORDER);
	heap_page_pool_set_limit(pool, 3L << MIN_ORDER);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 3L << MIN_ORDER);
	heap_page_pool_set_limit(pool, 0);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 0);
	put_dirty(test, MIN_ORDER);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 0);
}

/* The limit drops while the worker has the page, which is on no list then. */
static void work_heeds_lower_limit(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;

	disable_work_sync(&pool->work);
	put_dirty(test, MIN_ORDER);
	WRITE_ONCE(pool->limit, 0);
	enable_work(&pool->work);
	zero_all(pool);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 0);
	KUNIT_EXPECT_EQ(test, clean_in(pool, MIN_ORDER), 0);
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

static void shrinker_scan_empties_the_pool(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;
	long freed = 0, want = 0, nr;
	int i;

	KUNIT_EXPECT_EQ(test, shrinker_count(pool), SHRINK_EMPTY);
	KUNIT_EXPECT_EQ(test, shrinker_scan(pool, 1), SHRINK_STOP);
	for (i = MIN_ORDER; i < TOP_ORDER; i++) {
		put_dirty(test, i);
		want += 1L << i;
	}
	zero_all(pool);
	disable_work_sync(&pool->work);
	put_dirty(test, MIN_ORDER);
	want += 1L << MIN_ORDER;
	KUNIT_EXPECT_EQ(test, shrinker_count(pool), pages_in(pool));
	for (i = 0; pages_in(pool) && i < 100; i++) {
		nr = shrinker_scan(pool, 1);
		KUNIT_ASSERT_NE(test, nr, SHRINK_STOP);
		freed += nr;
	}
	enable_work(&pool->work);
	KUNIT_EXPECT_EQ(test, freed, want);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 0);
	KUNIT_EXPECT_EQ(test, shrinker_count(pool), SHRINK_EMPTY);
}

static void shrinker_scan_frees_enough_and_no_more(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;
	int i;

	for (i = 0; i < 8; i++)
		put_zeroed(test, MIN_ORDER);
	KUNIT_EXPECT_EQ(test, shrinker_scan(pool, (2L << MIN_ORDER) + 1), 3L << MIN_ORDER);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 5L << MIN_ORDER);
	KUNIT_EXPECT_EQ(test, shrinker_scan(pool, 100L << MIN_ORDER), 5L << MIN_ORDER);
}

/* Clean pages cost work, and large ones are hard to get: they go last. */
static void shrinker_scan_spares_costly_pages(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;

	put_zeroed(test, MIN_ORDER);
	put_zeroed(test, MIN_ORDER + 2);
	disable_work_sync(&pool->work);
	put_dirty(test, MIN_ORDER + 1);
	KUNIT_EXPECT_EQ(test, shrinker_scan(pool, 1), 2L << MIN_ORDER);
	KUNIT_EXPECT_EQ(test, dirty_in(pool, MIN_ORDER + 1), 0);
	KUNIT_EXPECT_EQ(test, shrinker_scan(pool, 1), 1L << MIN_ORDER);
	KUNIT_EXPECT_EQ(test, clean_in(pool, MIN_ORDER), 0);
	KUNIT_EXPECT_EQ(test, clean_in(pool, MIN_ORDER + 2), 1);
	enable_work(&pool->work);
}

static struct kunit_case limit_cases[] = {
	KUNIT_CASE(put_beyond_the_limit_frees),
	KUNIT_CASE(put_at_the_limit_displaces_other_orders),
	KUNIT_CASE(put_larger_than_the_limit_displaces_nothing),
	KUNIT_CASE(set_limit_lower_frees),
	KUNIT_CASE(work_heeds_lower_limit),
	KUNIT_CASE(shrinker_scan_empties_the_pool),
	KUNIT_CASE(shrinker_scan_frees_enough_and_no_more),
	KUNIT_CASE(shrinker_scan_spares_costly_pages),
	{}
};

static struct kunit_suite limit_suite = {
	.name = "heap_page_pool_limit",
	.init = page_pool_mock_init,
	.exit = page_pool_mock_exit,
	.test_cases = limit_cases,
};

kunit_test_suite(limit_suite);

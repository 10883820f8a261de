// SPDX-License-Identifier: GPL-2.0-only
/*
 * The heaps' page pool: which pages it keeps, and that no page leaves it with
 * old contents. The test steps its worker by hand.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/test.h>
#include <linux/gfp.h>
#include <linux/mempolicy.h>
#include <linux/mm.h>
#include <linux/nodemask.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/topology.h>
#include <linux/vmstat.h>

#include "page_pool_mock.h"

static void expect_zeroed(struct kunit *test, struct page *page,
			  unsigned int order)
{
	KUNIT_EXPECT_NULL(test, memchr_inv(page_address(page), 0,
					   PAGE_SIZE << order));
	KUNIT_EXPECT_EQ(test, compound_order(page), order);
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 1);
}

static void get_from_empty_pool(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;
	unsigned int order;

	for (order = MIN_ORDER; order <= TOP_ORDER; order++)
		KUNIT_EXPECT_NULL(test, heap_page_pool_get(pool, order));
	KUNIT_EXPECT_EQ(test, atomic_read(&pool->misses), TOP_ORDER - MIN_ORDER + 1);
}

/* A kept small page would keep its surroundings from becoming a huge page. */
static void put_small_pages_frees(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;
	unsigned int order;

	for (order = 0; order < MIN_ORDER; order++) {
		put_dirty(test, order);
		put_zeroed(test, order);
		KUNIT_EXPECT_EQ(test, pages_in(pool), 0);
		KUNIT_EXPECT_NULL(test, heap_page_pool_get(pool, order));
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&pool->misses), 0);
}

static const unsigned int orders[] = { MIN_ORDER, MIN_ORDER + 1, TOP_ORDER - 2, TOP_ORDER - 1 };

static void describe_order(const unsigned int *order, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "order %u", *order);
}

KUNIT_ARRAY_PARAM(orders, orders, describe_order);

/* The worker may or may not have zeroed the page by then. */
static void get_right_after_put(struct kunit *test)
{
	unsigned int order = *(const unsigned int *)test->param_value;
	struct heap_page_pool *pool = test->priv;
	struct page *page;
	int i;

	for (i = 0; i < 20; i++) {
		put_dirty(test, order);
		page = heap_page_pool_get(pool, order);
		/* The worker is zeroing the page right now. */
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

	/* The worker does not run. */
	disable_work_sync(&pool->work);
	put_dirty(test, order);
	KUNIT_EXPECT_EQ(test, dirty_in(pool, order), 1);
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
	struct page *in = put_dirty(test, order), *page;

	zero_all(pool);
	KUNIT_EXPECT_EQ(test, dirty_in(pool, order), 0);
	KUNIT_EXPECT_EQ(test, clean_in(pool, order), 1);
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
	struct page *clean = put_zeroed(test, MIN_ORDER), *page;

	disable_work_sync(&pool->work);
	put_dirty(test, MIN_ORDER);
	page = heap_page_pool_get(pool, MIN_ORDER);
	enable_work(&pool->work);
	KUNIT_EXPECT_PTR_EQ(test, page, clean);
	__free_pages(page, MIN_ORDER);
}

/* The last page may still be in the CPU's cache. */
static void get_prefers_what_came_last(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;
	struct page *page[4];
	int i;

	for (i = 0; i < ARRAY_SIZE(page); i++)
		page[i] = put_zeroed(test, MIN_ORDER);
	while (i--) {
		KUNIT_EXPECT_PTR_EQ(test, heap_page_pool_get(pool, MIN_ORDER),
				    page[i]);
		__free_pages(page[i], MIN_ORDER);
	}
	KUNIT_EXPECT_EQ(test, pages_in(pool), 0);
}

/* A page that nobody has written to needs no zeroing. */
static void put_of_a_zeroed_page(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;
	struct page *in = put_zeroed(test, MIN_ORDER), *page;

	KUNIT_EXPECT_FALSE(test, work_pending(&pool->work));
	KUNIT_EXPECT_EQ(test, dirty_in(pool, MIN_ORDER), 0);
	page = heap_page_pool_get(pool, MIN_ORDER);
	KUNIT_ASSERT_PTR_EQ(test, page, in);
	expect_zeroed(test, page, MIN_ORDER);
	KUNIT_EXPECT_EQ(test, atomic_read(&pool->hits), 1);
	__free_pages(page, MIN_ORDER);
}

static void get_does_not_mix_orders(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;

	put_zeroed(test, MIN_ORDER + 1);
	KUNIT_EXPECT_NULL(test, heap_page_pool_get(pool, MIN_ORDER));
	KUNIT_EXPECT_NULL(test, heap_page_pool_get(pool, MIN_ORDER + 2));
	KUNIT_EXPECT_EQ(test, pages_in(pool), 2L << MIN_ORDER);
}

/* Somebody else may still write to the page, and so into the next buffer. */
static void put_of_a_shared_page_frees(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;
	struct page *page = dirty_page(test, MIN_ORDER);

	get_page(page);
	heap_page_pool_put(pool, page, HEAP_POOL_DIRTY);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 0);
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 1);
	put_page(page);
}

#ifdef CONFIG_MEMORY_FAILURE
static void poison(struct page *page)
{
	SetPageHWPoison(page);
	num_poisoned_pages_inc(page_to_pfn(page));
}

static void unpoison(struct page *page)
{
	ClearPageHWPoison(page);
	num_poisoned_pages_sub(page_to_pfn(page), 1);
}

static const unsigned int parts[] = { 0, 1, (1 << MIN_ORDER) - 1 };

static void describe_part(const unsigned int *part, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "part %u", *part);
}

KUNIT_ARRAY_PARAM(parts, parts, describe_part);

static void put_of_a_poisoned_page_frees(struct kunit *test)
{
	unsigned int part = *(const unsigned int *)test->param_value;
	struct page *page = dirty_page(test, MIN_ORDER);

	poison(page + part);
	heap_page_pool_put(test->priv, page, HEAP_POOL_DIRTY);
	unpoison(page + part);
	KUNIT_EXPECT_EQ(test, pages_in(test->priv), 0);
}

/* A page that failed in the pool would kill the program that gets it. */
static void get_passes_over_poisoned_pages(struct kunit *test)
{
	unsigned int part = *(const unsigned int *)test->param_value;
	struct heap_page_pool *pool = test->priv;
	struct page *sound = put_zeroed(test, MIN_ORDER), *page;
	struct page *clean = put_zeroed(test, MIN_ORDER), *dirty;

	disable_work_sync(&pool->work);
	dirty = put_dirty(test, MIN_ORDER);
	poison(clean + part);
	poison(dirty + part);
	page = heap_page_pool_get(pool, MIN_ORDER);
	KUNIT_EXPECT_PTR_EQ(test, page, sound);
	__free_pages(page, MIN_ORDER);
	KUNIT_EXPECT_NULL(test, heap_page_pool_get(pool, MIN_ORDER));
	unpoison(clean + part);
	unpoison(dirty + part);
	enable_work(&pool->work);
	KUNIT_EXPECT_EQ(test, pages_in(pool), 0);
}
#endif

#ifdef CONFIG_NUMA
/* Only the page allocator knows the nodes that a memory policy allows. */
static void get_with_a_memory_policy_is_left_to_the_system(struct kunit *test)
{
	struct mempolicy policy = { .mode = MPOL_BIND }, *old;
	struct heap_page_pool *pool = test->priv;
	struct page *in = put_zeroed(test, MIN_ORDER), *page;

	old = current->mempolicy;
	current->mempolicy = &policy;
	page = heap_page_pool_get(pool, MIN_ORDER);
	current->mempolicy = old;
	KUNIT_EXPECT_NULL(test, page);
	KUNIT_EXPECT_PTR_EQ(test, heap_page_pool_get(pool, MIN_ORDER), in);
	__free_pages(in, MIN_ORDER);
}
#endif

#ifdef CONFIG_CPUSETS
static void get_outside_the_cpuset_is_left_to_the_system(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;
	nodemask_t allowed = current->mems_allowed;
	struct page *in, *page;

	in = put_zeroed(test, MIN_ORDER);
	/* Maybe the only node: nothing allocates before it is back. */
	node_clear(page_to_nid(in), current->mems_allowed);
	page = heap_page_pool_get(pool, MIN_ORDER);
	current->mems_allowed = allowed;
	KUNIT_EXPECT_NULL(test, page);
	KUNIT_EXPECT_PTR_EQ(test, heap_page_pool_get(pool, MIN_ORDER), in);
	__free_pages(in, MIN_ORDER);
}
#endif

static unsigned long reclaimable_pages(void)
{
	return node_page_state(NODE_DATA(numa_mem_id()),
			       NR_KERNEL_MISC_RECLAIMABLE);
}

/* Who looks where the memory went finds it among what can be reclaimed. */
static void pages_show_in_the_statistics(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;
	const unsigned int order = TOP_ORDER - 1;
	unsigned long before, within;
	struct page *page;

	/* Each CPU counts up to 127 pages for itself. */
	before = reclaimable_pages();
	put_zeroed(test, order);
	within = reclaimable_pages();
	KUNIT_EXPECT_GE(test, within - before + 127, 1UL << order);
	page = heap_page_pool_get(pool, order);
	KUNIT_ASSERT_NOT_NULL(test, page);
	KUNIT_EXPECT_LE(test, reclaimable_pages(), before + 127);
	__free_pages(page, order);
}

static void destroy_frees_the_pages(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;
	struct page *page = put_zeroed(test, MIN_ORDER);

	/* The reference keeps the page from being reused before the check. */
	get_page(page);
	heap_page_pool_destroy(pool);
	test->priv = NULL;
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 1);
	put_page(page);
}

static struct kunit_case pool_cases[] = {
	KUNIT_CASE(get_from_empty_pool),
	KUNIT_CASE(put_small_pages_frees),
	KUNIT_CASE_PARAM(get_right_after_put, orders_gen_params),
	KUNIT_CASE_PARAM(get_of_a_dirty_page, orders_gen_params),
	KUNIT_CASE_PARAM(get_of_a_clean_page, orders_gen_params),
	KUNIT_CASE(get_prefers_clean_pages),
	KUNIT_CASE(get_prefers_what_came_last),
	KUNIT_CASE(put_of_a_zeroed_page),
	KUNIT_CASE(get_does_not_mix_orders),
	KUNIT_CASE(put_of_a_shared_page_frees),
#ifdef CONFIG_MEMORY_FAILURE
	KUNIT_CASE_PARAM(put_of_a_poisoned_page_frees, parts_gen_params),
	KUNIT_CASE_PARAM(get_passes_over_poisoned_pages, parts_gen_params),
#endif
#ifdef CONFIG_NUMA
	KUNIT_CASE(get_with_a_memory_policy_is_left_to_the_system),
#endif
#ifdef CONFIG_CPUSETS
	KUNIT_CASE(get_outside_the_cpuset_is_left_to_the_system),
#endif
	KUNIT_CASE(pages_show_in_the_statistics),
	KUNIT_CASE(destroy_frees_the_pages),
	{}
};

static struct kunit_suite pool_suite = {
	.name = "heap_page_pool",
	.init = page_pool_mock_init,
	.exit = page_pool_mock_exit,
	.test_cases = pool_cases,
};

/*
 * With init_on_free=1 data must be gone when it is freed, not some time later.
 */
static void put_keeps_nothing_with_init_on_free(struct kunit *test)
{
	struct heap_page_pool *pool = test->priv;

	put_dirty(test, MIN_ORDER);
	KUNIT_EXPECT_EQ(test, pages_in(pool),
			want_init_on_free() ? 0 : 1L << MIN_ORDER);
}

static struct kunit_case init_on_free_cases[] = {
	KUNIT_CASE(put_keeps_nothing_with_init_on_free),
	{}
};

static struct kunit_suite init_on_free_suite = {
	.name = "heap_page_pool_init_on_free",
	.init = page_pool_mock_init_always,
	.exit = page_pool_mock_exit,
	.test_cases = init_on_free_cases,
};

kunit_test_suites(&pool_suite, &init_on_free_suite);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * dma-heap: adding heaps, and buffers of the system heap. A heap cannot be
 * removed: those added here stay until the machine goes down.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/topology.h>
#include <linux/uaccess.h>

#include "../heaps/heap-pages.h"
#include "../heaps/page-pool.h"
#include "../heaps/system_heap.h"
#include "mock.h"

#define POOL_PAGES	(SZ_16M >> PAGE_SHIFT)

/* Added by the first test that needs it. */
static struct dma_heap *system_heap;
static struct heap_page_pool *system_pool;

/* Frees all pages of the pool. */
static void empty_pool(void)
{
	heap_page_pool_set_limit(system_pool, 0);
	heap_page_pool_set_limit(system_pool, POOL_PAGES);
}

static struct dma_heap *get_system_heap(struct kunit *test)
{
	struct dma_heap_export_info info = {
		.name = "kunit-system",
		.ops = &system_heap_ops,
	};

	if (!system_heap) {
		system_pool = heap_page_pool_create("dma-heap-pool-kunit",
						    POOL_PAGES);
		KUNIT_ASSERT_NOT_NULL(test, system_pool);
		info.priv = system_pool;
		system_heap = dma_heap_add(&info);
	}
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, system_heap);
	empty_pool();
	return system_heap;
}

static struct dma_buf *allocate_system(struct kunit *test, size_t size)
{
	return system_heap_ops.allocate(get_system_heap(test), size,
					O_RDWR | O_CLOEXEC, 0);
}

/* Expects zeroes, then dirties the whole buffer. */
static void expect_zeroed(struct kunit *test, struct dma_buf *dmabuf)
{
	struct iosys_map map;

	KUNIT_ASSERT_EQ(test, dma_buf_vmap_unlocked(dmabuf, &map), 0);
	KUNIT_EXPECT_NULL(test, memchr_inv(map.vaddr, 0, dmabuf->size));
	memset(map.vaddr, 0xa5, dmabuf->size);
	dma_buf_vunmap_unlocked(dmabuf, &map);
}

static void put(struct dma_buf *dmabuf)
{
	dma_buf_put(dmabuf);
	mock_flush_files();
}

/* Adding heaps */

static struct dma_buf *no_allocate(struct dma_heap *heap, unsigned long len,
				   u32 fd_flags, u64 heap_flags)
{
	return ERR_PTR(-ENOMEM);
}

static const struct dma_heap_ops test_ops = { .allocate = no_allocate };
static const struct dma_heap_ops empty_ops;

struct add_case {
	const char *name;
	struct dma_heap_export_info info;
};

static const struct add_case add_cases[] = {
	{ "no name", { NULL, &test_ops } },
	{ "empty name", { "", &test_ops } },
	{ "no operations", { "kunit-bad", NULL } },
	{ "no way to allocate", { "kunit-bad", &empty_ops } },
};

KUNIT_ARRAY_PARAM_DESC(add, add_cases, name);

static void add_incomplete_is_einval(struct kunit *test)
{
	const struct add_case *c = test->param_value;

	KUNIT_EXPECT_PTR_EQ(test, dma_heap_add(&c->info), ERR_PTR(-EINVAL));
}

static void add_keeps_what_it_is_given(struct kunit *test)
{
	static int priv;
	struct dma_heap_export_info info = { "kunit-first", &test_ops, &priv };
	struct dma_heap *heap = dma_heap_add(&info);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, heap);
	KUNIT_EXPECT_STREQ(test, dma_heap_get_name(heap), "kunit-first");
	KUNIT_EXPECT_PTR_EQ(test, dma_heap_get_drvdata(heap), (void *)&priv);

	KUNIT_EXPECT_PTR_EQ(test, dma_heap_add(&info), ERR_PTR(-EINVAL));
	/* The failed add leaves nothing behind that makes the next one fail. */
	info.name = "kunit-second";
	KUNIT_EXPECT_NOT_ERR_OR_NULL(test, dma_heap_add(&info));
}

static void add_same_name_as_system_is_einval(struct kunit *test)
{
	struct dma_heap_export_info info = { "system", &test_ops };

	KUNIT_EXPECT_PTR_EQ(test, dma_heap_add(&info), ERR_PTR(-EINVAL));
}

/* The system heap */

static const size_t sizes[] = {
	SZ_4K, SZ_8K, SZ_64K - SZ_4K, SZ_64K, SZ_64K + SZ_4K, SZ_1M - SZ_4K,
	SZ_1M, SZ_2M, SZ_2M + SZ_1M + SZ_64K + SZ_4K, SZ_8M,
};

static void describe_size(const size_t *size, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%zu KiB", *size / SZ_1K);
}

KUNIT_ARRAY_PARAM(sizes, sizes, describe_size);

static int pool_hits(void)
{
	return atomic_read(&system_pool->hits) +
	       atomic_read(&system_pool->dirty_hits);
}

static void system_heap_allocate_zeroed(struct kunit *test)
{
	size_t size = *(const size_t *)test->param_value;
	struct dma_heap *heap = get_system_heap(test);
	int i, hits = pool_hits();
	struct dma_buf *dmabuf;
	struct heap_pages *buf;

	/* The later rounds get pages that the earlier ones dirtied. */
	for (i = 0; i < 3; i++) {
		dmabuf = system_heap_ops.allocate(heap, size,
						  O_RDWR | O_CLOEXEC, 0);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabuf);
		KUNIT_EXPECT_EQ(test, dmabuf->size, size);
		KUNIT_EXPECT_STREQ(test, dmabuf->exp_name, "kunit-system");
		buf = dmabuf->priv;
		KUNIT_EXPECT_EQ(test, buf->nr_pages, size >> PAGE_SHIFT);
		expect_zeroed(test, dmabuf);
		put(dmabuf);
	}
	KUNIT_EXPECT_EQ(test, pool_hits() > hits,
			size >= SZ_64K && !want_init_on_free());
}

/* A page of the pool that is not zeroed would show another program's data. */
static void system_heap_allocate_from_dirty_pool(struct kunit *test)
{
	struct dma_buf *dmabufs[ARRAY_SIZE(sizes)];
	int round, i, hits;

	get_system_heap(test);
	hits = pool_hits();
	for (round = 0; round < 3; round++) {
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			dmabufs[i] = system_heap_ops.allocate(system_heap,
							      sizes[i], O_RDWR,
							      0);
			KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabufs[i]);
			expect_zeroed(test, dmabufs[i]);
		}
		for (i = 0; i < ARRAY_SIZE(sizes); i++)
			put(dmabufs[i]);
	}
	KUNIT_EXPECT_EQ(test, pool_hits() > hits, !want_init_on_free());
}

static void system_heap_allocate_large_pieces(struct kunit *test)
{
	struct dma_buf *dmabuf = allocate_system(test, SZ_4M + SZ_64K + SZ_4K);
	struct heap_pages *buf;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabuf);
	buf = dmabuf->priv;
	/* Just after boot pages of all orders are free. */
	KUNIT_EXPECT_EQ(test, buf->nr_runs, 4);
	put(dmabuf);
}

struct orders_case {
	const char *name;
	unsigned int page_shift;
	unsigned int pmd_shift;
	unsigned int max_order;
	struct heap_orders want;
};

static const struct orders_case orders_cases[] = {
	{ "4 KiB", 12, 21, 10, { 4, { 9, 8, 4, 0 } } },
	{ "4 KiB, small orders", 12, 21, 8, { 3, { 8, 4, 0 } } },
	{ "16 KiB", 14, 25, 11, { 4, { 11, 6, 2, 0 } } },
	{ "16 KiB, PMD too large", 14, 25, 10, { 3, { 6, 2, 0 } } },
	{ "64 KiB", 16, 29, 13, { 3, { 13, 4, 0 } } },
	{ "64 KiB, PMD too large", 16, 29, 10, { 2, { 4, 0 } } },
	{ "256 KiB", 18, 22, 10, { 3, { 4, 2, 0 } } },
	{ "1 MiB PMD", 12, 20, 10, { 3, { 8, 4, 0 } } },
};

KUNIT_ARRAY_PARAM_DESC(orders, orders_cases, name);

static void system_heap_orders_init_page_sizes(struct kunit *test)
{
	const struct orders_case *c = test->param_value;
	struct heap_orders orders = { };

	system_heap_orders_init(&orders, c->page_shift, c->pmd_shift,
				c->max_order);
	KUNIT_EXPECT_MEMEQ(test, &orders, &c->want, sizeof(orders));
}

static void system_heap_orders_init_this_machine(struct kunit *test)
{
	struct heap_orders orders = { };
	unsigned int i;

	system_heap_orders_init(&orders, PAGE_SHIFT, PMD_SHIFT, MAX_PAGE_ORDER);
	KUNIT_ASSERT_GE(test, orders.nr, 1);
	KUNIT_EXPECT_LE(test, orders.order[0], MAX_PAGE_ORDER);
	for (i = 1; i < orders.nr; i++)
		KUNIT_EXPECT_LT(test, orders.order[i], orders.order[i - 1]);
	KUNIT_EXPECT_EQ(test, orders.order[orders.nr - 1], 0);
}

static void system_heap_allocate_beyond_memory(struct kunit *test)
{
	unsigned long pages = totalram_pages() + 1;

	KUNIT_EXPECT_PTR_EQ(test, allocate_system(test, pages << PAGE_SHIFT),
			    ERR_PTR(-ENOMEM));
	KUNIT_EXPECT_PTR_EQ(test, allocate_system(test, ~0ul & PAGE_MASK),
			    ERR_PTR(-ENOMEM));
}

#if IS_ENABLED(CONFIG_FAILSLAB) && IS_ENABLED(CONFIG_FAULT_INJECTION_DEBUG_FS)
/* Let sleeping allocations fail too, in threads with a fail_nth. */
static void fail_sleeping_allocations(struct kunit *test)
{
	struct file *file = mock_debugfs_open(test, "failslab/ignore-gfp-wait",
					      O_WRONLY);
	char __user *user = mock_user_alloc(test, PAGE_SIZE);
	loff_t pos = 0;
	ssize_t ret;

	KUNIT_ASSERT_EQ(test, copy_to_user(user, "N", 1), 0);
	ret = vfs_write(file, user, 1, &pos);
	__fput_sync(file);
	KUNIT_ASSERT_EQ(test, ret, 1);
}

/* The number of pages of all orders that the pool has in this state. */
static unsigned long pool_count(enum heap_pool_state state)
{
	unsigned long nr = 0;
	unsigned int order;

	for (order = HEAP_POOL_MIN_ORDER; order <= HEAP_POOL_MAX_ORDER; order++)
		nr += system_pool->nodes[numa_mem_id()].nr[state][order];
	return nr;
}

/*
 * Each allocation fails once. Nobody has seen the memory by then, so it goes
 * back to the pool as clean. Some failures do not make the call fail.
 */
static void system_heap_allocate_failed_stays_clean(struct kunit *test)
{
	struct dma_heap *heap = get_system_heap(test);
	unsigned long kept = 0;
	struct dma_buf *dmabuf;
	int nth = 0, left;

	if (want_init_on_free())
		kunit_skip(test, "with init_on_free=1 the pool keeps nothing");
	fail_sleeping_allocations(test);
	disable_work_sync(&system_pool->work);
	do {
		WRITE_ONCE(current->fail_nth, ++nth);
		dmabuf = system_heap_ops.allocate(heap, SZ_1M + SZ_64K,
						  O_RDWR | O_CLOEXEC, 0);
		left = READ_ONCE(current->fail_nth);
		WRITE_ONCE(current->fail_nth, 0);
		if (IS_ERR(dmabuf)) {
			KUNIT_EXPECT_EQ(test, pool_count(HEAP_POOL_DIRTY), 0);
			kept = max(kept, pool_count(HEAP_POOL_CLEAN));
		} else if (!left) {
			put(dmabuf);
			empty_pool();
		}
	} while (!left && nth < 100);
	KUNIT_EXPECT_GT(test, nth, 1);
	KUNIT_EXPECT_EQ(test, kept, 2);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabuf);
	expect_zeroed(test, dmabuf);
	put(dmabuf);
	KUNIT_EXPECT_EQ(test, pool_count(HEAP_POOL_DIRTY), 2);
	enable_work(&system_pool->work);
}
#endif

/* A killed program must not go on to allocate all that it asked for. */
static void system_heap_allocate_fatal_signal(struct kunit *test)
{
	struct dma_buf *dmabuf;

	allow_signal(SIGKILL);
	send_sig(SIGKILL, current, 1);
	KUNIT_ASSERT_TRUE(test, fatal_signal_pending(current));
	dmabuf = allocate_system(test, SZ_1M);
	flush_signals(current);
	disallow_signal(SIGKILL);
	KUNIT_EXPECT_PTR_EQ(test, dmabuf, ERR_PTR(-EINTR));
}

static struct kunit_case heap_cases[] = {
	KUNIT_CASE_PARAM(add_incomplete_is_einval, add_gen_params),
	KUNIT_CASE(add_keeps_what_it_is_given),
	KUNIT_CASE(add_same_name_as_system_is_einval),
	KUNIT_CASE_PARAM(system_heap_allocate_zeroed, sizes_gen_params),
	KUNIT_CASE(system_heap_allocate_from_dirty_pool),
	KUNIT_CASE(system_heap_allocate_large_pieces),
	KUNIT_CASE_PARAM(system_heap_orders_init_page_sizes, orders_gen_params),
	KUNIT_CASE(system_heap_orders_init_this_machine),
	KUNIT_CASE(system_heap_allocate_beyond_memory),
#if IS_ENABLED(CONFIG_FAILSLAB) && IS_ENABLED(CONFIG_FAULT_INJECTION_DEBUG_FS)
	KUNIT_CASE(system_heap_allocate_failed_stays_clean),
#endif
	KUNIT_CASE(system_heap_allocate_fatal_signal),
	{}
};

static struct kunit_suite heap_suite = {
	.name = "dma_heap",
	.test_cases = heap_cases,
};

kunit_test_suite(heap_suite);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Iterating over chains of arrays: every fence is visited once, and no
 * reference is leaked wherever the iteration ends.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence-array.h>
#include <linux/dma-fence-chain.h>
#include <linux/dma-fence-unwrap.h>
#include <linux/dma-fence.h>

#include "../fence/dma-fence-internal.h"
#include "mock.h"

#define NUM 6

struct ctx {
	struct mock_timeline *timelines[NUM];
};

static int unwrap_test_init(struct kunit *test)
{
	struct ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	test->priv = ctx;
	for (int i = 0; i < NUM; i++)
		ctx->timelines[i] = mock_timeline_create(test, "merge");
	return 0;
}

/* Fence @seqno of timeline @i; contexts rise with @i. */
static struct dma_fence *make(struct kunit *test, int i, u64 seqno)
{
	struct ctx *ctx = test->priv;

	return mock_fence_create_at(ctx->timelines[i], seqno, 0);
}

static void expect_visit(struct kunit *test, struct dma_fence *head, int num,
			 struct dma_fence **expected)
{
	unsigned int refs = head ? kref_read(&head->refcount) : 0;
	struct dma_fence_unwrap cursor;
	struct dma_fence *fence;
	int i = 0;

	dma_fence_unwrap_for_each(fence, &cursor, head) {
		KUNIT_ASSERT_LT(test, i, num);
		KUNIT_EXPECT_PTR_EQ(test, fence, expected[i]);
		i++;
	}
	KUNIT_EXPECT_EQ(test, i, num);
	KUNIT_EXPECT_NULL(test, cursor.chain);
	if (!head)
		return;
	KUNIT_EXPECT_EQ(test, dma_fence_unwrap_count(head), num);
	KUNIT_EXPECT_EQ(test, kref_read(&head->refcount), refs);
}

static void unwrap_next_visits_each_shape(struct kunit *test)
{
	struct dma_fence *f[NUM], *array, *chain;

	for (int i = 0; i < NUM; i++)
		f[i] = make(test, i, 1);
	expect_visit(test, NULL, 0, NULL);
	expect_visit(test, f[0], 1, &f[0]);
	array = mock_array_of(test, 3, f);
	expect_visit(test, array, 3, f);

	/* Newest link first, arrays in their order, the plain fence last. */
	chain = mock_link_after(test, dma_fence_get(f[5]), dma_fence_get(f[4]), 1);
	chain = mock_link_after(test, chain, dma_fence_get(f[3]), 2);
	chain = mock_link_after(test, chain, array, 3);
	expect_visit(test, chain, 6,
		     (struct dma_fence *[]){ f[0], f[1], f[2], f[3], f[4],
					     f[5] });
	/* Signalled links are skipped, signalled members of arrays are not. */
	dma_fence_signal(f[3]);
	dma_fence_signal(f[1]);
	expect_visit(test, chain, 5,
		     (struct dma_fence *[]){ f[0], f[1], f[2], f[4], f[5] });
	mock_fence_put_last(test, chain);
	for (int i = 0; i < NUM; i++)
		mock_fence_put_last(test, f[i]);
}

/* An empty array in the middle must not end the iteration. */
static void unwrap_next_skips_empty_array(struct kunit *test)
{
	struct dma_fence *one = make(test, 0, 1), *two = make(test, 1, 1);
	struct dma_fence_array *empty = dma_fence_array_alloc(0);
	struct dma_fence *chain;

	KUNIT_ASSERT_NOT_NULL(test, empty);
	mock_warn_begin(test);
	dma_fence_array_init(empty, 0, NULL, 1, 1, false);
	mock_warn_end(test, "dma_fence_array_init", 1);

	chain = mock_link_after(test, NULL, dma_fence_get(one), 1);
	chain = mock_link_after(test, chain, &empty->base, 2);
	chain = mock_link_after(test, chain, dma_fence_get(two), 3);
	expect_visit(test, chain, 2, (struct dma_fence *[]){ two, one });
	mock_fence_put_last(test, chain);
	mock_fence_put_last(test, one);
	mock_fence_put_last(test, two);
}

static void unwrap_next_left_early_keeps_one(struct kunit *test)
{
	struct dma_fence *one = make(test, 0, 1), *two = make(test, 1, 1);
	struct dma_fence_unwrap cursor;
	struct dma_fence *chain, *fence;

	chain = mock_link_after(test, NULL, dma_fence_get(one), 1);
	chain = mock_link_after(test, chain, dma_fence_get(two), 2);
	dma_fence_unwrap_for_each(fence, &cursor, chain) {
		if (fence == one)
			break;
	}
	KUNIT_EXPECT_PTR_EQ(test, fence, one);
	KUNIT_EXPECT_PTR_EQ(test, dma_fence_chain_contained(cursor.chain), one);
	dma_fence_put(cursor.chain);
	mock_fence_put_last(test, chain);
	mock_fence_put_last(test, one);
	mock_fence_put_last(test, two);
}

static struct kunit_case dma_fence_unwrap_cases[] = {
	KUNIT_CASE(unwrap_next_visits_each_shape),
	KUNIT_CASE(unwrap_next_skips_empty_array),
	KUNIT_CASE(unwrap_next_left_early_keeps_one),
	{}
};

static struct kunit_suite dma_fence_unwrap_suite = {
	.name = "dma_fence_unwrap",
	.init = unwrap_test_init,
	.test_cases = dma_fence_unwrap_cases,
};

kunit_test_suite(dma_fence_unwrap_suite);

MODULE_LICENSE("GPL");

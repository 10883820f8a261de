// SPDX-License-Identifier: GPL-2.0-only
/*
 * Looking through chains of arrays, and merging: what comes out for none, one
 * and many, that nothing is left out and nothing is in there twice, and that a
 * merge is sorted.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence-array.h>
#include <linux/dma-fence-chain.h>
#include <linux/dma-fence-unwrap.h>
#include <linux/dma-fence.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "../dma-buf-internal.h"
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

static void put_last(struct kunit *test, struct dma_fence *fence)
{
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 1);
	dma_fence_put(fence);
}

/* Container of references of its own. */
static struct dma_fence *array_of(struct kunit *test, int num,
				  struct dma_fence **members)
{
	struct dma_fence **fences = kcalloc(num, sizeof(*fences), GFP_KERNEL);
	struct dma_fence_array *array;

	KUNIT_ASSERT_NOT_NULL(test, fences);
	for (int i = 0; i < num; i++)
		fences[i] = dma_fence_get(members[i]);
	array = dma_fence_array_create(num, fences,
				       dma_fence_context_alloc(1), 1, false);
	KUNIT_ASSERT_NOT_NULL(test, array);
	return &array->base;
}

/* Consumes both. */
static struct dma_fence *link_after(struct kunit *test, struct dma_fence *prev,
				    struct dma_fence *fence, u64 seqno)
{
	struct dma_fence_chain *chain = dma_fence_chain_alloc();

	KUNIT_ASSERT_NOT_NULL(test, chain);
	dma_fence_chain_init(chain, prev, fence, seqno);
	return &chain->base;
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

static void visit_of_each_shape(struct kunit *test)
{
	struct dma_fence *f[NUM], *array, *chain;

	for (int i = 0; i < NUM; i++)
		f[i] = make(test, i, 1);
	expect_visit(test, NULL, 0, NULL);
	expect_visit(test, f[0], 1, &f[0]);
	array = array_of(test, 3, f);
	expect_visit(test, array, 3, f);

	/* Newest link first, arrays in their order, a plain fence at the end. */
	chain = link_after(test, dma_fence_get(f[5]), dma_fence_get(f[4]), 1);
	chain = link_after(test, chain, dma_fence_get(f[3]), 2);
	chain = link_after(test, chain, array, 3);
	expect_visit(test, chain, 6,
		     (struct dma_fence *[]){ f[0], f[1], f[2], f[3], f[4],
					     f[5] });
	/* Links that have signalled are left out, members of arrays are not. */
	dma_fence_signal(f[3]);
	dma_fence_signal(f[1]);
	expect_visit(test, chain, 5,
		     (struct dma_fence *[]){ f[0], f[1], f[2], f[4], f[5] });
	put_last(test, chain);
	for (int i = 0; i < NUM; i++)
		put_last(test, f[i]);
}

/* An array without members in the middle ends nothing. */
static void visit_passes_over_empty_array(struct kunit *test)
{
	struct dma_fence *one = make(test, 0, 1), *two = make(test, 1, 1);
	struct dma_fence_array *empty = dma_fence_array_alloc(0);
	struct dma_fence *chain;

	KUNIT_ASSERT_NOT_NULL(test, empty);
	mock_warn_begin(test);
	dma_fence_array_init(empty, 0, NULL, 1, 1, false);
	mock_warn_end(test, "dma_fence_array_init", 1);

	chain = link_after(test, NULL, dma_fence_get(one), 1);
	chain = link_after(test, chain, &empty->base, 2);
	chain = link_after(test, chain, dma_fence_get(two), 3);
	expect_visit(test, chain, 2, (struct dma_fence *[]){ two, one });
	put_last(test, chain);
	put_last(test, one);
	put_last(test, two);
}

static void visit_left_early_keeps_one_reference(struct kunit *test)
{
	struct dma_fence *one = make(test, 0, 1), *two = make(test, 1, 1);
	struct dma_fence_unwrap cursor;
	struct dma_fence *chain, *fence;

	chain = link_after(test, NULL, dma_fence_get(one), 1);
	chain = link_after(test, chain, dma_fence_get(two), 2);
	dma_fence_unwrap_for_each(fence, &cursor, chain) {
		if (fence == one)
			break;
	}
	KUNIT_EXPECT_PTR_EQ(test, fence, one);
	KUNIT_EXPECT_PTR_EQ(test, dma_fence_chain_contained(cursor.chain), one);
	dma_fence_put(cursor.chain);
	put_last(test, chain);
	put_last(test, one);
	put_last(test, two);
}

/* Nothing is pending: a signalled fence, of the time of the latest. */
static void merge_of_none_is_signaled(struct kunit *test)
{
	struct dma_fence *merged = dma_fence_unwrap_merge(NULL, NULL);
	struct dma_fence *one = make(test, 0, 1), *two = make(test, 1, 1);

	KUNIT_ASSERT_NOT_NULL(test, merged);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(merged), 1);
	dma_fence_put(merged);

	dma_fence_signal_timestamp(one, 2000);
	dma_fence_signal_timestamp(two, 1000);
	merged = dma_fence_unwrap_merge(NULL, two, one, two);
	KUNIT_ASSERT_NOT_NULL(test, merged);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(merged), 1);
	KUNIT_EXPECT_EQ(test, dma_fence_timestamp(merged), 2000);
	KUNIT_EXPECT_FALSE(test, dma_fence_is_container(merged));
	dma_fence_put(merged);
	merged = dma_fence_unwrap_merge(one);
	KUNIT_EXPECT_EQ(test, dma_fence_timestamp(merged), 2000);
	dma_fence_put(merged);
	put_last(test, one);
	put_last(test, two);
}

/* Who has an old fence and merges it gets a time that is long ago. */
static void merge_of_signaled_at_0(struct kunit *test)
{
	struct dma_fence *one = make(test, 0, 1), *merged;

	dma_fence_signal_timestamp(one, 0);
	merged = dma_fence_unwrap_merge(one);
	KUNIT_EXPECT_EQ(test, dma_fence_timestamp(merged), 0);
	dma_fence_put(merged);
	put_last(test, one);
}

/* Expect @pending itself, with a reference of its own; drop that. */
static void expect_only(struct kunit *test, struct dma_fence *merged,
			struct dma_fence *pending)
{
	unsigned int refs = kref_read(&pending->refcount);

	KUNIT_EXPECT_PTR_EQ(test, merged, pending);
	dma_fence_put(merged);
	if (merged == pending)
		KUNIT_EXPECT_EQ(test, kref_read(&pending->refcount), refs - 1);
}

static void merge_of_one_is_that_fence(struct kunit *test)
{
	struct dma_fence *one = make(test, 0, 1), *done = make(test, 1, 1);
	struct dma_fence *array, *chain;

	dma_fence_signal(done);
	array = array_of(test, 2, (struct dma_fence *[]){ done, one });
	chain = link_after(test, NULL, dma_fence_get(one), 1);
	chain = link_after(test, chain, dma_fence_get(done), 2);

	expect_only(test, dma_fence_unwrap_merge(one), one);
	expect_only(test, dma_fence_unwrap_merge(NULL, one, NULL), one);
	expect_only(test, dma_fence_unwrap_merge(one, one, one), one);
	expect_only(test, dma_fence_unwrap_merge(done, one, done), one);
	expect_only(test, dma_fence_unwrap_merge(array), one);
	expect_only(test, dma_fence_unwrap_merge(chain, array, one), one);
	put_last(test, array);
	put_last(test, chain);
	put_last(test, one);
	put_last(test, done);
}

static void merge_of_one_timeline_is_the_latest(struct kunit *test)
{
	struct dma_fence *one = make(test, 0, 0xfffffff0);
	struct dma_fence *two = make(test, 0, 0xffffffff);
	struct dma_fence *three = make(test, 0, 5), *array;

	/* In 32 bits, which wrap. */
	expect_only(test, dma_fence_unwrap_merge(one, two, three), three);
	expect_only(test, dma_fence_unwrap_merge(three, two, one), three);
	expect_only(test, dma_fence_unwrap_merge(two, one), two);
	array = array_of(test, 3, (struct dma_fence *[]){ two, three, one });
	expect_only(test, dma_fence_unwrap_merge(one, array), three);
	put_last(test, array);

	/* The latest has signalled: so have those before, says the timeline. */
	dma_fence_signal(three);
	expect_only(test, dma_fence_unwrap_merge(one, two, three), two);
	put_last(test, one);
	put_last(test, two);
	put_last(test, three);
}

/* Expect an array of these, each with one more reference; drop it. */
static void expect_array(struct kunit *test, struct dma_fence *merged, int num,
			 struct dma_fence **expected)
{
	struct dma_fence_array *array;

	KUNIT_ASSERT_NOT_NULL(test, merged);
	array = to_dma_fence_array(merged);
	KUNIT_ASSERT_NOT_NULL(test, array);
	KUNIT_EXPECT_EQ(test, merged->seqno, 1);
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(merged));
	KUNIT_ASSERT_EQ(test, array->num_fences, num);
	for (int i = 0; i < num; i++) {
		KUNIT_EXPECT_PTR_EQ(test, array->fences[i], expected[i]);
		/* A timeline of its own. */
		KUNIT_EXPECT_NE(test, merged->context, expected[i]->context);
	}
	put_last(test, merged);
}

/* Sorted by timeline, the latest of each, whatever they came in. */
static void merge_of_many_is_sorted(struct kunit *test)
{
	struct dma_fence *f[NUM], *old[NUM], *array, *chain;

	for (int i = 0; i < NUM; i++) {
		old[i] = make(test, i, 1);
		f[i] = make(test, i, 2);
	}
	expect_array(test, dma_fence_unwrap_merge(f[3], f[0], f[5]), 3,
		     (struct dma_fence *[]){ f[0], f[3], f[5] });
	expect_array(test, dma_fence_unwrap_merge(f[0], f[3], f[5]), 3,
		     (struct dma_fence *[]){ f[0], f[3], f[5] });
	expect_array(test, dma_fence_unwrap_merge(f[1], f[0], f[1], NULL, f[0],
						  old[1]), 2,
		     (struct dma_fence *[]){ f[0], f[1] });
	/* An old one that is left because there is no newer one. */
	expect_array(test, dma_fence_unwrap_merge(old[2], f[1], old[1]), 2,
		     (struct dma_fence *[]){ f[1], old[2] });

	array = array_of(test, 4,
			 (struct dma_fence *[]){ f[5], old[0], f[4], f[2] });
	chain = link_after(test, NULL, dma_fence_get(f[1]), 1);
	chain = link_after(test, chain, array, 2);
	chain = link_after(test, chain, dma_fence_get(f[0]), 3);
	dma_fence_signal(f[4]);
	expect_array(test, dma_fence_unwrap_merge(old[4], chain, f[2]), 5,
		     (struct dma_fence *[]){ f[0], f[1], f[2], old[4],
					     f[5] });
	put_last(test, chain);
	for (int i = 0; i < NUM; i++) {
		put_last(test, f[i]);
		put_last(test, old[i]);
	}
}

/* Some drivers do not number their fences: none of them may be left out. */
static void merge_keeps_equals(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *f[3], *merged;
	struct dma_fence_array *array;
	u32 seen = 0;

	ctx->timelines[0]->context = 0;
	for (int i = 0; i < 3; i++)
		f[i] = make(test, 0, 0);
	merged = dma_fence_unwrap_merge(f[2], f[0], f[2], f[1], f[0]);
	KUNIT_ASSERT_NOT_NULL(test, merged);
	array = to_dma_fence_array(merged);
	KUNIT_ASSERT_NOT_NULL(test, array);
	KUNIT_EXPECT_EQ(test, array->num_fences, 3);
	for (int i = 0; i < array->num_fences; i++) {
		for (int j = 0; j < 3; j++)
			seen |= array->fences[i] == f[j] ? BIT(j) : 0;
	}
	KUNIT_EXPECT_EQ(test, seen, 7);
	put_last(test, merged);
	for (int i = 0; i < 3; i++)
		put_last(test, f[i]);
}

/* The inputs stay the caller's, and so do all references to them. */
static void merge_takes_what_it_needs(struct kunit *test)
{
	struct dma_fence *f[3], *merged;

	for (int i = 0; i < 3; i++)
		f[i] = make(test, i, 1);
	merged = dma_fence_unwrap_merge(f[0], f[1], f[2]);
	for (int i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, kref_read(&f[i]->refcount), 2);
	/* Nobody waits for the result yet. */
	KUNIT_EXPECT_EQ(test, atomic_read(&to_mock_fence(f[0])->enabled), 0);
	for (int i = 0; i < 3; i++) {
		KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(merged));
		dma_fence_signal(f[i]);
	}
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(merged));
	put_last(test, merged);
	for (int i = 0; i < 3; i++)
		put_last(test, f[i]);
}

/* Random sets: each timeline is there once, by its latest pending fence. */
static void merge_matches_model(struct kunit *test)
{
	struct dma_fence_unwrap cursors[32];
	struct dma_fence *in[32];
	struct rnd_state rnd;

	prandom_seed_state(&rnd, 99);
	for (int round = 0; round < 300; round++) {
		struct dma_fence *latest[NUM] = {}, *expected[NUM], *merged;
		int num = 1 + prandom_u32_state(&rnd) % ARRAY_SIZE(in);
		int kept = 0;

		for (int i = 0; i < num; i++) {
			int at = prandom_u32_state(&rnd) % NUM;

			/* Unique numbers in random order. */
			in[i] = make(test, at, (i * 7) % 32 + 64 * round);
			if (!(prandom_u32_state(&rnd) % 4))
				dma_fence_signal(in[i]);
			else if (!latest[at] ||
				 dma_fence_is_later(in[i], latest[at]))
				latest[at] = in[i];
		}
		for (int i = 0; i < NUM; i++) {
			if (latest[i])
				expected[kept++] = latest[i];
		}
		merged = __dma_fence_unwrap_merge(num, in, cursors);
		if (kept > 1)
			expect_array(test, merged, kept, expected);
		else if (kept)
			expect_only(test, merged, expected[0]);
		else
			dma_fence_put(merged);
		for (int i = 0; i < num; i++)
			put_last(test, in[i]);
	}
}

static struct kunit_case dma_fence_unwrap_cases[] = {
	KUNIT_CASE(visit_of_each_shape),
	KUNIT_CASE(visit_passes_over_empty_array),
	KUNIT_CASE(visit_left_early_keeps_one_reference),
	KUNIT_CASE(merge_of_none_is_signaled),
	KUNIT_CASE(merge_of_signaled_at_0),
	KUNIT_CASE(merge_of_one_is_that_fence),
	KUNIT_CASE(merge_of_one_timeline_is_the_latest),
	KUNIT_CASE(merge_of_many_is_sorted),
	KUNIT_CASE(merge_keeps_equals),
	KUNIT_CASE(merge_takes_what_it_needs),
	KUNIT_CASE(merge_matches_model),
	{}
};

static struct kunit_suite dma_fence_unwrap_suite = {
	.name = "dma_fence_unwrap",
	.init = unwrap_test_init,
	.test_cases = dma_fence_unwrap_cases,
};

kunit_test_suite(dma_fence_unwrap_suite);

MODULE_LICENSE("GPL");

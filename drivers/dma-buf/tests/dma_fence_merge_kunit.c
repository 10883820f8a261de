// SPDX-License-Identifier: GPL-2.0-only
/*
 * Merging fences: the result for none, one and many, that no pending fence is
 * left out or doubled, that the result is sorted, and that no error is lost,
 * whenever the merge is made.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence-array.h>
#include <linux/dma-fence-chain.h>
#include <linux/dma-fence-unwrap.h>
#include <linux/dma-fence.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "mock.h"

#define NUM 6

struct ctx {
	struct mock_timeline *timelines[NUM];
};

static int merge_test_init(struct kunit *test)
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

/* With nothing pending the result has signalled, at the time of the latest. */
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
	mock_fence_put_last(test, one);
	mock_fence_put_last(test, two);
}

/* The time 0 must not be taken for a missing timestamp. */
static void merge_of_signaled_at_0(struct kunit *test)
{
	struct dma_fence *one = make(test, 0, 1), *merged;

	dma_fence_signal_timestamp(one, 0);
	merged = dma_fence_unwrap_merge(one);
	KUNIT_EXPECT_EQ(test, dma_fence_timestamp(merged), 0);
	dma_fence_put(merged);
	mock_fence_put_last(test, one);
}

/* Expects @pending itself with one more reference, and drops that. */
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
	array = mock_array_of(test, 2, (struct dma_fence *[]){ done, one });
	chain = mock_link_after(test, NULL, dma_fence_get(one), 1);
	chain = mock_link_after(test, chain, dma_fence_get(done), 2);

	expect_only(test, dma_fence_unwrap_merge(one), one);
	expect_only(test, dma_fence_unwrap_merge(NULL, one, NULL), one);
	expect_only(test, dma_fence_unwrap_merge(one, one, one), one);
	expect_only(test, dma_fence_unwrap_merge(done, one, done), one);
	expect_only(test, dma_fence_unwrap_merge(array), one);
	expect_only(test, dma_fence_unwrap_merge(chain, array, one), one);
	mock_fence_put_last(test, array);
	mock_fence_put_last(test, chain);
	mock_fence_put_last(test, one);
	mock_fence_put_last(test, done);
}

static void merge_of_one_timeline_is_the_latest(struct kunit *test)
{
	struct dma_fence *one = make(test, 0, 0xfffffff0);
	struct dma_fence *two = make(test, 0, 0xffffffff);
	struct dma_fence *three = make(test, 0, 5), *array;

	/* The numbers wrap at 32 bits. */
	expect_only(test, dma_fence_unwrap_merge(one, two, three), three);
	expect_only(test, dma_fence_unwrap_merge(three, two, one), three);
	expect_only(test, dma_fence_unwrap_merge(two, one), two);
	array = mock_array_of(test, 3, (struct dma_fence *[]){ two, three, one });
	expect_only(test, dma_fence_unwrap_merge(one, array), three);
	mock_fence_put_last(test, array);

	/* The latest has signalled and is left out: the next one stands. */
	dma_fence_signal(three);
	expect_only(test, dma_fence_unwrap_merge(one, two, three), two);
	mock_fence_put_last(test, one);
	mock_fence_put_last(test, two);
	mock_fence_put_last(test, three);
}

/* Expects an array of these fences, and drops it. */
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
		/* The array has a context of its own. */
		KUNIT_EXPECT_NE(test, merged->context, expected[i]->context);
	}
	mock_fence_put_last(test, merged);
}

/*
 * The latest fence of each timeline, sorted, whatever containers they are in.
 */
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
	/* old[2] stays, since there is no newer fence of its timeline. */
	expect_array(test, dma_fence_unwrap_merge(old[2], f[1], old[1]), 2,
		     (struct dma_fence *[]){ f[1], old[2] });

	array = mock_array_of(test, 4,
			      (struct dma_fence *[]){ f[5], old[0], f[4], f[2] });
	chain = mock_link_after(test, NULL, dma_fence_get(f[1]), 1);
	chain = mock_link_after(test, chain, array, 2);
	chain = mock_link_after(test, chain, dma_fence_get(f[0]), 3);
	dma_fence_signal(f[4]);
	expect_array(test, dma_fence_unwrap_merge(old[4], chain, f[2]), 5,
		     (struct dma_fence *[]){ f[0], f[1], f[2], old[4],
					     f[5] });
	mock_fence_put_last(test, chain);
	for (int i = 0; i < NUM; i++) {
		mock_fence_put_last(test, f[i]);
		mock_fence_put_last(test, old[i]);
	}
}

/* Some drivers do not number their fences: a waiter needs all of them. */
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
	mock_fence_put_last(test, merged);
	for (int i = 0; i < 3; i++)
		mock_fence_put_last(test, f[i]);
}

/* In context 0 numbers mean nothing: a higher one does not replace a lower. */
static void merge_keeps_all_of_context_0(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *low, *high, *merged;

	ctx->timelines[0]->context = 0;
	low = make(test, 0, 1);
	high = make(test, 0, 2);
	merged = dma_fence_unwrap_merge(high, low, high);
	KUNIT_ASSERT_NOT_NULL(test, merged);
	KUNIT_ASSERT_TRUE(test, dma_fence_is_array(merged));
	KUNIT_EXPECT_EQ(test, to_dma_fence_array(merged)->num_fences, 2);
	mock_fence_put_last(test, merged);
	mock_fence_put_last(test, low);
	mock_fence_put_last(test, high);
}

static void fail(struct dma_fence *fence, int error, ktime_t time)
{
	dma_fence_set_error(fence, error);
	dma_fence_signal_timestamp(fence, time);
}

/* Expects a fence that has signalled with @error at @time, and drops it. */
static void expect_failed(struct kunit *test, struct dma_fence *merged,
			  int error, ktime_t time)
{
	KUNIT_ASSERT_NOT_NULL(test, merged);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(merged), error);
	KUNIT_EXPECT_EQ(test, dma_fence_timestamp(merged), time);
	mock_fence_put_last(test, merged);
}

/* All have signalled: the result has the first error and the last time. */
static void merge_of_failed_has_failed(struct kunit *test)
{
	struct dma_fence *ok = make(test, 0, 1), *first = make(test, 1, 1);
	struct dma_fence *second = make(test, 2, 1), *array;

	dma_fence_signal_timestamp(ok, 3000);
	fail(first, -EIO, 1000);
	fail(second, -ENOENT, 2000);
	expect_failed(test, dma_fence_unwrap_merge(first), -EIO, 1000);
	expect_failed(test, dma_fence_unwrap_merge(ok, second), -ENOENT, 3000);
	expect_failed(test, dma_fence_unwrap_merge(second, first), -EIO, 2000);
	array = mock_array_of(test, 2, (struct dma_fence *[]){ second, ok });
	expect_failed(test, dma_fence_unwrap_merge(array, first), -EIO, 3000);
	mock_fence_put_last(test, array);
	mock_fence_put_last(test, ok);
	mock_fence_put_last(test, first);
	mock_fence_put_last(test, second);
}

/* A failed fence stays in the array, or its error would be lost. */
static void merge_of_failed_and_pending(struct kunit *test)
{
	struct dma_fence *failed = make(test, 2, 1), *late = make(test, 3, 1);
	struct dma_fence *pending = make(test, 1, 1), *merged;

	fail(failed, -EIO, 1000);
	fail(late, -ENOENT, 2000);
	merged = dma_fence_unwrap_merge(pending, late, failed);
	KUNIT_ASSERT_NOT_NULL(test, merged);
	KUNIT_ASSERT_TRUE(test, dma_fence_is_array(merged));
	KUNIT_EXPECT_EQ(test, to_dma_fence_array(merged)->num_fences, 2);
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(merged));
	dma_fence_set_error(pending, -ETIME);
	dma_fence_signal(pending);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(merged), -EIO);
	dma_fence_put(merged);
	mock_fence_put_last(test, failed);
	mock_fence_put_last(test, late);
	mock_fence_put_last(test, pending);
}

enum step { MERGE, FAIL, FINISH };

struct when {
	const char *desc;
	enum step steps[3];
};

static const struct when whens[] = {
	{ "merged, failed, finished", { MERGE, FAIL, FINISH } },
	{ "failed, merged, finished", { FAIL, MERGE, FINISH } },
	{ "failed, finished, merged", { FAIL, FINISH, MERGE } },
};

KUNIT_ARRAY_PARAM_DESC(when, whens, desc);

/* The status of a merge of @one, which fails, and @two, in the order @when. */
static int status_of_merge(struct dma_fence *one, struct dma_fence *two,
			   const struct when *when)
{
	struct dma_fence *merged = NULL;
	int status;

	for (int i = 0; i < 3; i++) {
		switch (when->steps[i]) {
		case MERGE:
			merged = dma_fence_unwrap_merge(one, two);
			dma_fence_enable_sw_signaling(merged);
			break;
		case FAIL:
			fail(one, -EIO, 1000);
			break;
		case FINISH:
			dma_fence_signal_timestamp(two, 2000);
			break;
		}
	}
	dma_fence_wait(merged, false);
	status = dma_fence_get_status(merged);
	dma_fence_put(merged);
	mock_irq_work_settle();
	dma_fence_put(one);
	dma_fence_put(two);
	return status;
}

static void merge_has_one_status_at_any_time(struct kunit *test)
{
	const struct when *when = test->param_value;

	KUNIT_EXPECT_EQ(test, status_of_merge(make(test, 0, 1),
					      make(test, 1, 1), when), -EIO);
	/* The later fence of a timeline replaces the earlier one. */
	KUNIT_EXPECT_EQ(test, status_of_merge(make(test, 2, 1),
					      make(test, 2, 2), when), 1);
}

/* A later fence that signalled early does not replace a pending one. */
static void merge_of_failed_keeps_all_pending(struct kunit *test)
{
	struct dma_fence *early = make(test, 0, 2), *pending = make(test, 0, 1);
	struct dma_fence *failed = make(test, 1, 1);

	dma_fence_signal(early);
	fail(failed, -EIO, 1000);
	expect_array(test, dma_fence_unwrap_merge(early, pending, failed), 2,
		     (struct dma_fence *[]){ failed, pending });
	mock_fence_put_last(test, early);
	mock_fence_put_last(test, pending);
	mock_fence_put_last(test, failed);
}

/* The caller keeps its references; the result has its own. */
static void merge_takes_what_it_needs(struct kunit *test)
{
	struct dma_fence *f[3], *merged;

	for (int i = 0; i < 3; i++)
		f[i] = make(test, i, 1);
	merged = dma_fence_unwrap_merge(f[0], f[1], f[2]);
	for (int i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, kref_read(&f[i]->refcount), 2);
	/* Nobody waits for the result, so no member is enabled. */
	KUNIT_EXPECT_EQ(test, atomic_read(&to_mock_fence(f[0])->enabled), 0);
	for (int i = 0; i < 3; i++) {
		KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(merged));
		dma_fence_signal(f[i]);
	}
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(merged));
	mock_fence_put_last(test, merged);
	for (int i = 0; i < 3; i++)
		mock_fence_put_last(test, f[i]);
}

/* Random sets: the latest pending fence stands for each timeline. */
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

			/* The numbers are unique and not sorted. */
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
			mock_fence_put_last(test, in[i]);
	}
}

static struct kunit_case dma_fence_merge_cases[] = {
	KUNIT_CASE(merge_of_none_is_signaled),
	KUNIT_CASE(merge_of_signaled_at_0),
	KUNIT_CASE(merge_of_one_is_that_fence),
	KUNIT_CASE(merge_of_one_timeline_is_the_latest),
	KUNIT_CASE(merge_of_many_is_sorted),
	KUNIT_CASE(merge_keeps_equals),
	KUNIT_CASE(merge_keeps_all_of_context_0),
	KUNIT_CASE(merge_of_failed_has_failed),
	KUNIT_CASE(merge_of_failed_and_pending),
	KUNIT_CASE_PARAM(merge_has_one_status_at_any_time, when_gen_params),
	KUNIT_CASE(merge_of_failed_keeps_all_pending),
	KUNIT_CASE(merge_takes_what_it_needs),
	KUNIT_CASE(merge_matches_model),
	{}
};

static struct kunit_suite dma_fence_merge_suite = {
	.name = "dma_fence_merge",
	.init = merge_test_init,
	.test_cases = dma_fence_merge_cases,
};

kunit_test_suite(dma_fence_merge_suite);

MODULE_LICENSE("GPL");

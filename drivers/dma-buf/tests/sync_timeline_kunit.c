// SPDX-License-Identifier: GPL-2.0-only
/*
 * The software timeline in use: order, sharing, wrap-around, error, deadline.
 * Its end is tested in sync_timeline_life_kunit.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/test.h>
#include <linux/dma-fence.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "../sync/sync_timeline.h"
#include "mock.h"
#include "sync_mock.h"

static void inc_signals_in_order(struct kunit *test)
{
	static const u32 values[] = { 7, 3, 9, 1, 5, 12 };
	static const int order[] = { 4, 2, 5, 1, 3, 0 };
	struct sync_mock *mock = test->priv;

	for (int i = 0; i < ARRAY_SIZE(values); i++)
		sync_mock_add(test, i, values[i]);
	sync_timeline_inc(mock->timelines[0], 0);
	KUNIT_EXPECT_EQ(test, mock->calls, 0);
	sync_timeline_inc(mock->timelines[0], 9);

	KUNIT_EXPECT_EQ(test, sync_timeline_value(mock->timelines[0]), 9);
	for (int i = 0; i < ARRAY_SIZE(values); i++) {
		struct dma_fence *fence = mock->points[i].fence;

		KUNIT_EXPECT_EQ(test, mock->points[i].called, order[i]);
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), !!order[i]);
		KUNIT_EXPECT_EQ(test, fence->context,
				mock->timelines[0]->context);
		KUNIT_EXPECT_EQ(test, fence->seqno, values[i]);
	}
	sync_timeline_inc(mock->timelines[0], 3);
	KUNIT_EXPECT_EQ(test, mock->points[5].called, 6);
	for (int i = 0; i < ARRAY_SIZE(values); i++)
		mock_fence_put_last(test, mock->points[i].fence);
}

static void inc_wraps(struct kunit *test)
{
	struct sync_mock *mock = test->priv;

	sync_timeline_inc(mock->timelines[0], 0xfffffff0);
	sync_mock_add(test, 0, 5);
	sync_mock_add(test, 1, 0xfffffff8);
	sync_mock_add(test, 2, 4);
	KUNIT_EXPECT_TRUE(test, dma_fence_is_later(mock->points[0].fence,
						   mock->points[1].fence));

	sync_timeline_inc(mock->timelines[0], 0x14);
	KUNIT_EXPECT_EQ(test, sync_timeline_value(mock->timelines[0]), 4);
	KUNIT_EXPECT_EQ(test, mock->points[1].called, 1);
	KUNIT_EXPECT_EQ(test, mock->points[2].called, 2);
	KUNIT_EXPECT_EQ(test, mock->points[0].called, 0);
	sync_timeline_inc(mock->timelines[0], 1);
	KUNIT_EXPECT_EQ(test, mock->points[0].called, 3);
	for (int i = 0; i < 3; i++)
		mock_fence_put_last(test, mock->points[i].fence);
}

static void inc_beyond_int_max(struct kunit *test)
{
	struct sync_mock *mock = test->priv;

	sync_mock_add(test, 0, INT_MAX);
	sync_mock_add(test, 1, 1);
	sync_timeline_inc(mock->timelines[0], U32_MAX);
	KUNIT_EXPECT_EQ(test, sync_timeline_value(mock->timelines[0]), U32_MAX);
	KUNIT_EXPECT_EQ(test, mock->points[1].called, 1);
	KUNIT_EXPECT_EQ(test, mock->points[0].called, 2);
	mock_fence_put_last(test, mock->points[0].fence);
	mock_fence_put_last(test, mock->points[1].fence);
}

#define MANY 1000

/* The worst order for a sorted list: each new fence comes first. */
static void inc_signals_many(struct kunit *test)
{
	struct sync_mock *mock = test->priv;
	struct dma_fence **fences;
	int signaled = 0;

	fences = kunit_kcalloc(test, MANY, sizeof(*fences), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fences);
	for (int i = MANY - 1; i >= 0; i--)
		fences[i] = sync_timeline_fence(mock->timelines[0], i + 1);

	sync_timeline_inc(mock->timelines[0], MANY / 2);
	for (int i = 0; i < MANY; i++) {
		signaled += dma_fence_get_status(fences[i]);
		dma_fence_put(fences[i]);
	}
	KUNIT_EXPECT_EQ(test, signaled, MANY / 2);
	KUNIT_EXPECT_EQ(test, kref_read(&mock->timelines[0]->kref), 1);
}

/* A value more than INT_MAX ahead counts as reached. */
static void fence_reached_is_signaled(struct kunit *test)
{
	static const u32 values[] = { 100, 99, 0, 101 + (u32)INT_MAX, U32_MAX };
	struct sync_mock *mock = test->priv;

	sync_timeline_inc(mock->timelines[0], 100);
	for (int i = 0; i < ARRAY_SIZE(values); i++) {
		struct dma_fence *fence =
			sync_timeline_fence(mock->timelines[0], values[i]);

		KUNIT_ASSERT_NOT_NULL(test, fence);
		KUNIT_EXPECT_EQ_MSG(test, dma_fence_get_status(fence), 1,
				    "value %u", values[i]);
		mock_fence_put_last(test, fence);
	}
}

static void fence_pending_is_shared(struct kunit *test)
{
	struct sync_mock *mock = test->priv;
	struct dma_fence *first = sync_mock_add(test, 0, 5);
	struct dma_fence *second = sync_timeline_fence(mock->timelines[0], 5);

	KUNIT_EXPECT_PTR_EQ(test, first, second);
	KUNIT_EXPECT_EQ(test, kref_read(&first->refcount), 2);
	/* The point that was not needed has dropped its reference. */
	KUNIT_EXPECT_EQ(test, kref_read(&mock->timelines[0]->kref), 2);

	sync_timeline_inc(mock->timelines[0], 5);
	dma_fence_put(second);
	second = sync_timeline_fence(mock->timelines[0], 5);
	KUNIT_EXPECT_PTR_NE(test, first, second);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(second), 1);
	mock_fence_put_last(test, second);
	mock_fence_put_last(test, first);
	KUNIT_EXPECT_EQ(test, kref_read(&mock->timelines[0]->kref), 1);
}

static void set_error_holds_until_changed(struct kunit *test)
{
	static const int errors[] = { 0, -EIO, -EIO, 0, -ETIME };
	static const int steps[] = { 0, -EIO, 1, 0, -ETIME };
	struct sync_mock *mock = test->priv;

	for (int i = 0; i < ARRAY_SIZE(errors); i++)
		sync_mock_add(test, i, i + 1);
	for (int i = 0; i < ARRAY_SIZE(errors); i++) {
		if (steps[i] <= 0)
			sync_timeline_set_error(mock->timelines[0], steps[i]);
		sync_timeline_inc(mock->timelines[0], 1);
	}
	for (int i = 0; i < ARRAY_SIZE(errors); i++) {
		KUNIT_EXPECT_EQ(test, mock->points[i].called, i + 1);
		KUNIT_EXPECT_EQ(test,
				dma_fence_get_status(mock->points[i].fence),
				errors[i] ?: 1);
		mock_fence_put_last(test, mock->points[i].fence);
	}
}

/* A failed fence is visited too, for as long as somebody has a reference. */
static void next_fence_visits_in_order(struct kunit *test)
{
	static const u32 values[] = { 4, 2, 8, 6, 1 };
	struct sync_mock *mock = test->priv;
	struct sync_timeline *timeline = mock->timelines[0];
	struct dma_fence *fence;
	u64 last = 1, from = 0;
	int count = 0;

	for (int i = 0; i < ARRAY_SIZE(values); i++)
		sync_mock_add(test, i, values[i]);
	sync_timeline_inc(timeline, 1);
	dma_fence_put(mock->points[4].fence);
	/* From here on only the fences keep the timeline. */
	sync_mock_destroy(test);

	while ((fence = sync_timeline_next_fence(timeline, &from))) {
		KUNIT_EXPECT_EQ(test, fence->seqno, ++count * 2);
		KUNIT_EXPECT_GT(test, from, last);
		KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
		last = from;
		dma_fence_put(fence);
	}
	KUNIT_EXPECT_EQ(test, count, 4);
	for (int i = 0; i < 4; i++)
		mock_fence_put_last(test, mock->points[i].fence);
}

static void fence_deadline_earliest_wins(struct kunit *test)
{
	struct sync_mock *mock = test->priv;
	struct dma_fence *fence = sync_mock_add(test, 0, 1), *stub;
	ktime_t deadline = 1;

	stub = dma_fence_get_stub();
	KUNIT_EXPECT_EQ(test, sync_timeline_fence_deadline(stub, &deadline),
			-EINVAL);
	dma_fence_put(stub);
	KUNIT_EXPECT_EQ(test, sync_timeline_fence_deadline(fence, &deadline),
			-ENOENT);
	KUNIT_EXPECT_EQ(test, deadline, 1);

	dma_fence_set_deadline(fence, 3000);
	dma_fence_set_deadline(fence, 2000);
	dma_fence_set_deadline(fence, 4000);
	KUNIT_EXPECT_EQ(test, sync_timeline_fence_deadline(fence, &deadline),
			0);
	KUNIT_EXPECT_EQ(test, deadline, 2000);

	/* A deadline after the signal is ignored, the old one stays. */
	sync_timeline_inc(mock->timelines[0], 1);
	dma_fence_set_deadline(fence, 1000);
	KUNIT_EXPECT_EQ(test, sync_timeline_fence_deadline(fence, &deadline),
			0);
	KUNIT_EXPECT_EQ(test, deadline, 2000);
	mock_fence_put_last(test, fence);
}

static void value_str_prints_both_values(struct kunit *test)
{
	struct sync_mock *mock = test->priv;
	struct dma_fence *fence;
	char value[32], now[32];

	sync_timeline_inc(mock->timelines[0], 0xfffffff0);
	fence = sync_mock_fence(test, 0, 0xfffffff1);
	fence->ops->fence_value_str(fence, value, sizeof(value));
	fence->ops->timeline_value_str(fence, now, sizeof(now));
	KUNIT_EXPECT_STREQ(test, value, "4294967281");
	KUNIT_EXPECT_STREQ(test, now, "-16");
	mock_fence_put_last(test, fence);
}

static struct kunit_case sync_timeline_cases[] = {
	KUNIT_CASE(inc_signals_in_order),
	KUNIT_CASE(inc_wraps),
	KUNIT_CASE(inc_beyond_int_max),
	KUNIT_CASE_SLOW(inc_signals_many),
	KUNIT_CASE(fence_reached_is_signaled),
	KUNIT_CASE(fence_pending_is_shared),
	KUNIT_CASE(set_error_holds_until_changed),
	KUNIT_CASE(next_fence_visits_in_order),
	KUNIT_CASE(fence_deadline_earliest_wins),
	KUNIT_CASE(value_str_prints_both_values),
	{}
};

static struct kunit_suite sync_timeline_suite = {
	.name = "sync_timeline",
	.init = sync_mock_init,
	.exit = sync_mock_exit,
	.test_cases = sync_timeline_cases,
};

kunit_test_suite(sync_timeline_suite);

MODULE_LICENSE("GPL");

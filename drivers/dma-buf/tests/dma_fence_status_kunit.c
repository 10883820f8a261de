// SPDX-License-Identifier: GPL-2.0-only
/*
 * The status, order and timestamp of fences; setting an error and a deadline.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/dma-fence.h>
#include <linux/err.h>
#include <linux/spinlock.h>

#include "mock.h"

/* What a callback saw. */
struct probe {
	struct dma_fence_cb cb;
	int called;
	int status;
};

static void probe_func(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct probe *probe = container_of(cb, struct probe, cb);

	probe->called++;
	probe->status = dma_fence_get_status_locked(fence);
}

static int fence_test_init(struct kunit *test)
{
	test->priv = mock_timeline_create(test, "status");
	return 0;
}

static void get_status_is_the_error(struct kunit *test)
{
	static const int errors[] = { -1, -EIO, -ETIME, -MAX_ERRNO };

	for (int i = 0; i < ARRAY_SIZE(errors); i++) {
		struct dma_fence *fence = mock_fence_create(test->priv);
		struct probe probe = {};

		KUNIT_ASSERT_EQ(test,
				dma_fence_add_callback(fence, &probe.cb,
						       probe_func), 0);
		dma_fence_set_error(fence, errors[i]);
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), 0);
		dma_fence_signal(fence);
		KUNIT_EXPECT_EQ(test, probe.status, errors[i]);
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), errors[i]);
		/* The wait itself succeeds. */
		KUNIT_EXPECT_EQ(test, dma_fence_wait(fence, true), 0);
		mock_fence_put_last(test, fence);
	}
}

/* Some makers store other values in @error, which must not look like errors. */
static void get_status_ignores_no_error(struct kunit *test)
{
	for (int error = 0; error < 3; error++) {
		struct dma_fence *fence = mock_fence_create(test->priv);

		fence->error = error;
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), 0);
		dma_fence_signal(fence);
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), 1);
		mock_fence_put_last(test, fence);
	}
}

/* Asking for the status polls the maker, and signals if the job is done. */
static void get_status_polls_maker(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);
	struct mock_fence *mock = to_mock_fence(fence);
	struct probe probe = {};

	KUNIT_ASSERT_EQ(test, dma_fence_add_callback(fence, &probe.cb,
						     probe_func), 0);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), 0);
	mock->done = true;
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), 1);
	KUNIT_EXPECT_EQ(test, probe.called, 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->polled), 2);
	mock_fence_put_last(test, fence);
}

static void is_signaled_polls_until_done(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *fence = mock_fence_create(timeline);
	struct mock_fence *mock = to_mock_fence(fence);

	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(fence));
	scoped_guard(spinlock_irqsave, fence->lock)
		KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled_locked(fence));
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->polled), 2);

	mock->done = true;
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(fence));
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->polled), 3);
	/* A signalled fence is not polled again. */
	mock->done = false;
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(fence));
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->polled), 3);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->enabled), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->late), 0);
	mock_fence_put_last(test, fence);
}

struct bad_error {
	const char *desc;
	int error;
};

static const struct bad_error bad_errors[] = {
	{ "zero", 0 }, { "positive", EIO }, { "no errno", -MAX_ERRNO - 1 },
};

KUNIT_ARRAY_PARAM_DESC(bad_error, bad_errors, desc);

static void set_error_bad_value_warns(struct kunit *test)
{
	const struct bad_error *param = test->param_value;
	struct dma_fence *fence = mock_fence_create(test->priv);

	mock_warn_begin(test);
	dma_fence_set_error(fence, param->error);
	mock_warn_end(test, "set_error", 1);
	dma_fence_signal(fence);
	mock_fence_put_last(test, fence);
}

static void set_error_late_warns(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create_signaled(test->priv);

	mock_warn_begin(test);
	dma_fence_set_error(fence, -EIO);
	mock_warn_end(test, "set_error", 1);
	mock_fence_put_last(test, fence);
}

static void timestamp_pending_warns(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);
	ktime_t before = ktime_get(), time;

	mock_warn_begin(test);
	time = dma_fence_timestamp(fence);
	mock_warn_end(test, "timestamp_pending", 1);
	KUNIT_EXPECT_GE(test, time, before);
	mock_fence_put_last(test, fence);
}

struct order {
	const char *desc;
	u64 one, two;
	/* Is @one later than @two, compared in 32 and in 64 bits? */
	bool later32, later64;
};

static const struct order orders[] = {
	{ "next", 2, 1, true, true },
	{ "previous", 1, 2, false, false },
	{ "equal", 5, 5, false, false },
	{ "equal in the lower half", 5, 5 | BIT_ULL(32), false, false },
	{ "wrapped", 0, U32_MAX, true, false },
	{ "before the wrap", U32_MAX, 0, false, true },
	{ "carry into the upper half", BIT_ULL(32), U32_MAX, true, true },
	{ "INT_MAX ahead", INT_MAX, 0, true, true },
	{ "INT_MAX ahead, wrapped", INT_MAX - 10, -10ULL, true, false },
	{ "half way round", BIT_ULL(31), 0, false, true },
	{ "half way round, behind", 0, BIT_ULL(31), false, false },
	{ "largest", U64_MAX, 0, false, true },
};

KUNIT_ARRAY_PARAM_DESC(order, orders, desc);

static void expect_order(struct kunit *test, unsigned int flags, bool later)
{
	const struct order *param = test->param_value;
	struct dma_fence *one, *two, *last;

	one = mock_fence_create_at(test->priv, param->one, flags);
	two = mock_fence_create_at(test->priv, param->two, flags);
	last = later ? one : two;

	KUNIT_EXPECT_EQ(test, __dma_fence_is_later(param->one, param->two,
						   one->ops), later);
	KUNIT_EXPECT_EQ(test, dma_fence_is_later(one, two), later);
	KUNIT_EXPECT_EQ(test, dma_fence_is_later_or_same(one, two), later);
	/* Only the same object is the same, not an equal number. */
	KUNIT_EXPECT_TRUE(test, dma_fence_is_later_or_same(one, one));

	KUNIT_EXPECT_PTR_EQ(test, dma_fence_later(one, two), last);
	KUNIT_EXPECT_EQ(test, kref_read(&last->refcount), 1);
	dma_fence_signal(last == one ? two : one);
	KUNIT_EXPECT_PTR_EQ(test, dma_fence_later(one, two), last);
	dma_fence_signal(last);
	KUNIT_EXPECT_NULL(test, dma_fence_later(one, two));
	mock_fence_put_last(test, one);
	mock_fence_put_last(test, two);
}

static void is_later_with_32_bits(struct kunit *test)
{
	const struct order *param = test->param_value;

	expect_order(test, 0, param->later32);
}

static void is_later_with_64_bits(struct kunit *test)
{
	const struct order *param = test->param_value;

	expect_order(test, MOCK_FENCE_64BIT, param->later64);
}

static void is_later_other_context_warns(struct kunit *test)
{
	struct mock_timeline *other = mock_timeline_create(test, "other");
	struct dma_fence *one = mock_fence_create_at(test->priv, 1, 0);
	struct dma_fence *two = mock_fence_create_at(other, 2, 0);

	mock_warn_begin(test);
	KUNIT_EXPECT_FALSE(test, dma_fence_is_later(two, one));
	mock_warn_end(test, "other_context", 1);
	mock_warn_begin(test);
	KUNIT_EXPECT_NULL(test, dma_fence_later(two, one));
	mock_warn_end(test, "other_context", 1);
	mock_fence_put_last(test, one);
	mock_fence_put_last(test, two);
}

static void set_deadline_reaches_maker(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *fence = mock_fence_create(timeline);
	struct mock_fence *mock = to_mock_fence(fence);

	dma_fence_set_deadline(fence, 3000);
	KUNIT_EXPECT_EQ(test, mock->deadline, 3000);
	dma_fence_set_deadline(fence, 2000);
	KUNIT_EXPECT_EQ(test, mock->deadline, 2000);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->deadlines), 2);
	/* A deadline is a hint and does not enable signalling. */
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->enabled), 0);

	dma_fence_signal(fence);
	dma_fence_set_deadline(fence, 1000);
	KUNIT_EXPECT_EQ(test, mock->deadline, 2000);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->deadlines), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->late), 0);
	mock_fence_put_last(test, fence);
}

/* The deadline polls the fence: for a finished job it is dropped. */
static void set_deadline_done_is_dropped(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *fence = mock_fence_create(timeline);
	struct mock_fence *mock = to_mock_fence(fence);

	mock->done = true;
	dma_fence_set_deadline(fence, 3000);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->deadlines), 0);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), 1);
	mock_fence_put_last(test, fence);

	/* A maker without the operation. */
	fence = mock_fence_create_at(timeline, 2, MOCK_FENCE_BARE);
	dma_fence_set_deadline(fence, 3000);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), 0);
	mock_fence_put_last(test, fence);
}

static struct kunit_case dma_fence_status_cases[] = {
	KUNIT_CASE(get_status_is_the_error),
	KUNIT_CASE(get_status_ignores_no_error),
	KUNIT_CASE(get_status_polls_maker),
	KUNIT_CASE(is_signaled_polls_until_done),
	KUNIT_CASE_PARAM(set_error_bad_value_warns, bad_error_gen_params),
	KUNIT_CASE(set_error_late_warns),
	KUNIT_CASE(timestamp_pending_warns),
	KUNIT_CASE_PARAM(is_later_with_32_bits, order_gen_params),
	KUNIT_CASE_PARAM(is_later_with_64_bits, order_gen_params),
	KUNIT_CASE(is_later_other_context_warns),
	KUNIT_CASE(set_deadline_reaches_maker),
	KUNIT_CASE(set_deadline_done_is_dropped),
	{}
};

static struct kunit_suite dma_fence_status_suite = {
	.name = "dma_fence_status",
	.init = fence_test_init,
	.test_cases = dma_fence_status_cases,
};

kunit_test_suite(dma_fence_status_suite);

MODULE_LICENSE("GPL");

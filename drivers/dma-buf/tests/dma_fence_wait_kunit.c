// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for a fence and for the first of many: the return values, that no
 * callback is left behind, and which fence woke the waiter.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/dma-fence.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "mock.h"

#define NUM 4

/* Far beyond what any wait here takes. */
#define LONG (60 * HZ)

static int wait_test_init(struct kunit *test)
{
	test->priv = mock_timeline_create(test, "wait");
	return 0;
}

/* Expects the last reference and no callback, and drops the fence. */
static void put_last(struct kunit *test, struct dma_fence *fence)
{
	if (!dma_fence_is_signaled(fence))
		KUNIT_EXPECT_TRUE(test, list_empty(&fence->cb_list));
	mock_fence_put_last(test, fence);
}

static void wait_signaled_returns_at_once(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *fence = mock_fence_create(timeline);

	dma_fence_set_error(fence, -EIO);
	dma_fence_signal(fence);
	/* A pending signal does not interrupt it. */
	mock_signal_begin();
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, true, 0), 1);
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, true, 7), 7);
	KUNIT_EXPECT_EQ(test, dma_fence_default_wait(fence, true, 0), 1);
	KUNIT_EXPECT_EQ(test, dma_fence_default_wait(fence, true, 7), 7);
	KUNIT_EXPECT_EQ(test, dma_fence_wait(fence, true), 0);
	mock_signal_end();
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, false,
						     MAX_SCHEDULE_TIMEOUT),
			MAX_SCHEDULE_TIMEOUT);
	KUNIT_EXPECT_EQ(test, atomic_read(&to_mock_fence(fence)->enabled), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->late), 0);
	put_last(test, fence);
}

static void wait_pending_polls_with_timeout_0(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);
	struct mock_fence *mock = to_mock_fence(fence);

	/* The default wait with a timeout of 0 does not enable signalling. */
	KUNIT_EXPECT_EQ(test, dma_fence_default_wait(fence, true, 0), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->enabled), 0);
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, true, 0), 0);
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, false, 0), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->enabled), 1);
	put_last(test, fence);
}

static void wait_pending_times_out(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);
	unsigned long start = jiffies;

	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, true, 2), 0);
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, false, 1), 0);
	KUNIT_EXPECT_EQ(test, dma_fence_default_wait(fence, false, 1), 0);
	KUNIT_EXPECT_GE(test, jiffies - start, 4);
	KUNIT_EXPECT_EQ(test, READ_ONCE(current->__state), TASK_RUNNING);
	put_last(test, fence);
}

static void wait_signal_pending_is_interrupted(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);

	mock_signal_begin();
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, true, 0),
			-ERESTARTSYS);
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, true, LONG),
			-ERESTARTSYS);
	KUNIT_EXPECT_EQ(test, dma_fence_wait(fence, true), -ERESTARTSYS);
	KUNIT_EXPECT_EQ(test, dma_fence_default_wait(fence, true, LONG),
			-ERESTARTSYS);
	/* An uninterruptible wait ignores the signal. */
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, false, 0), 0);
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, false, 2), 0);
	mock_signal_end();
	put_last(test, fence);
}

static void wait_negative_timeout_warns(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);

	mock_warn_begin(test);
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, true, -1),
			-EINVAL);
	mock_warn_end(test, "dma_fence_wait_timeout", 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&to_mock_fence(fence)->enabled), 0);
	put_last(test, fence);
}

static void wait_done_is_found_by_polling(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);

	to_mock_fence(fence)->done = true;
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, true, 9), 9);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), 1);
	put_last(test, fence);
}

static void wait_done_on_enable(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);

	to_mock_fence(fence)->enable_returns_false = true;
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, true, 9), 9);
	put_last(test, fence);
	fence = mock_fence_create(test->priv);
	to_mock_fence(fence)->signal_on_enable = true;
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, true, 0), 1);
	put_last(test, fence);
}

/* A wait in a thread of its own. */
struct waiter {
	struct dma_fence *fences[NUM];
	int count;
	bool intr;
	long timeout;
	long ret;
	u32 idx;
	struct completion woken;
};

static int wait_thread(void *data)
{
	struct waiter *waiter = data;

	allow_signal(SIGUSR1);
	waiter->idx = U32_MAX;
	if (waiter->count)
		waiter->ret = dma_fence_wait_any_timeout(waiter->fences,
							 waiter->count,
							 waiter->intr,
							 waiter->timeout,
							 &waiter->idx);
	else
		waiter->ret = dma_fence_wait_timeout(waiter->fences[0],
						     waiter->intr,
						     waiter->timeout);
	flush_signals(current);
	complete(&waiter->woken);
	return 0;
}

/* Starts the thread, and waits until it is queued on all of its fences. */
static struct task_struct *start_wait(struct kunit *test,
				      struct waiter *waiter)
{
	struct dma_fence *last = waiter->fences[max(waiter->count, 1) - 1];
	struct task_struct *task;
	bool queued = false;

	init_completion(&waiter->woken);
	task = kthread_run(wait_thread, waiter, "waiter");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	get_task_struct(task);
	while (!queued) {
		cond_resched();
		guard(spinlock_irqsave)(last->lock);
		queued = !list_empty(&last->cb_list);
	}
	return task;
}

static void end_wait(struct kunit *test, struct task_struct *task,
		     struct waiter *waiter)
{
	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&waiter->woken,
							  LONG), 0);
	kthread_stop_put(task);
}

struct woken {
	const char *desc;
	bool intr;
	long timeout;
};

static const struct woken wakes[] = {
	{ "interruptible", true, LONG },
	{ "not interruptible", false, LONG },
	{ "without limit", true, MAX_SCHEDULE_TIMEOUT },
};

KUNIT_ARRAY_PARAM_DESC(woken, wakes, desc);

static void wait_is_woken(struct kunit *test)
{
	const struct woken *param = test->param_value;
	struct dma_fence *fence = mock_fence_create(test->priv);
	struct waiter waiter = { .fences[0] = fence, .intr = param->intr,
				 .timeout = param->timeout };
	struct task_struct *task = start_wait(test, &waiter);

	dma_fence_signal(fence);
	end_wait(test, task, &waiter);
	KUNIT_EXPECT_GT(test, waiter.ret, 0);
	KUNIT_EXPECT_LE(test, waiter.ret, param->timeout);
	if (param->timeout == MAX_SCHEDULE_TIMEOUT)
		KUNIT_EXPECT_EQ(test, waiter.ret, MAX_SCHEDULE_TIMEOUT);
	put_last(test, fence);
}

/* A signal wakes all waiters, not just the first. */
static void wait_wakes_all(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);
	struct waiter one = { .fences[0] = fence, .timeout = LONG };
	struct waiter two = { .fences[0] = fence, .timeout = LONG };
	struct task_struct *tasks[2];

	tasks[0] = start_wait(test, &one);
	tasks[1] = start_wait(test, &two);
	dma_fence_signal(fence);
	end_wait(test, tasks[0], &one);
	end_wait(test, tasks[1], &two);
	KUNIT_EXPECT_GT(test, one.ret, 0);
	KUNIT_EXPECT_GT(test, two.ret, 0);
	put_last(test, fence);
}

static void wait_is_interrupted(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);
	struct waiter waiter = { .fences[0] = fence, .intr = true,
				 .timeout = MAX_SCHEDULE_TIMEOUT };
	struct task_struct *task = start_wait(test, &waiter);

	send_sig(SIGUSR1, task, 1);
	end_wait(test, task, &waiter);
	KUNIT_EXPECT_EQ(test, waiter.ret, -ERESTARTSYS);
	/* A callback left behind would be on a stack that is gone. */
	dma_fence_signal(fence);
	put_last(test, fence);
}

/* A maker with a wait operation of its own. */
static struct {
	long ret;
	int calls;
	int enabled;
} custom;

static long custom_wait(struct dma_fence *fence, bool intr, long timeout)
{
	custom.calls++;
	custom.enabled = atomic_read(&to_mock_fence(fence)->enabled);
	return custom.ret;
}

static const struct dma_fence_ops custom_ops = {
	.get_driver_name = mock_fence_driver_name,
	.get_timeline_name = mock_fence_timeline_name,
	.enable_signaling = mock_fence_enable_signaling,
	.release = mock_fence_release,
	.wait = custom_wait,
};

static const long custom_rets[] = { 0, 1, 5, -ETIME, -EDEADLK, -ERESTARTSYS };

static void custom_ret_desc(const long *ret, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "returns %ld", *ret);
}

KUNIT_ARRAY_PARAM(custom_ret, custom_rets, custom_ret_desc);

static void wait_passes_on_what_maker_returns(struct kunit *test)
{
	long ret = *(const long *)test->param_value;
	struct dma_fence *fence;

	fence = mock_fence_create_ops(test->priv, 1, 0, &custom_ops);
	memset(&custom, 0, sizeof(custom));
	custom.ret = ret;
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, true, 9), ret);
	KUNIT_EXPECT_EQ(test, custom.calls, 1);
	KUNIT_EXPECT_EQ(test, custom.enabled, 1);
	KUNIT_EXPECT_EQ(test, dma_fence_wait(fence, true), min(ret, 0L));
	KUNIT_EXPECT_EQ(test, custom.calls, 2);

	/* The maker may be gone now: its operation is not called. */
	dma_fence_signal(fence);
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, true, 9), 9);
	KUNIT_EXPECT_EQ(test, custom.calls, 2);
	put_last(test, fence);
}

static void make_fences(struct kunit *test, struct dma_fence **fences)
{
	for (int i = 0; i < NUM; i++)
		fences[i] = mock_fence_create(test->priv);
}

static void put_fences(struct kunit *test, struct dma_fence **fences)
{
	for (int i = 0; i < NUM; i++)
		put_last(test, fences[i]);
}

static void wait_any_bad_arguments_warn(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);

	mock_warn_begin(test);
	KUNIT_EXPECT_EQ(test, dma_fence_wait_any_timeout(NULL, 1, true, 1,
							 NULL), -EINVAL);
	mock_warn_end(test, "dma_fence_wait_any_timeout", 1);
	mock_warn_begin(test);
	KUNIT_EXPECT_EQ(test, dma_fence_wait_any_timeout(&fence, 0, true, 1,
							 NULL), -EINVAL);
	mock_warn_end(test, "dma_fence_wait_any_timeout", 1);
	mock_warn_begin(test);
	KUNIT_EXPECT_EQ(test, dma_fence_wait_any_timeout(&fence, 1, true, -1,
							 NULL), -EINVAL);
	mock_warn_end(test, "dma_fence_wait_any_timeout", 1);
	put_last(test, fence);
}

static void wait_any_none_signals(struct kunit *test)
{
	struct dma_fence *fences[NUM];
	u32 idx = 77;

	make_fences(test, fences);
	KUNIT_EXPECT_EQ(test, dma_fence_wait_any_timeout(fences, NUM, true, 0,
							 &idx), 0);
	/* A timeout of 0 does not enable signalling. */
	KUNIT_EXPECT_EQ(test, atomic_read(&to_mock_fence(fences[0])->enabled),
			0);
	KUNIT_EXPECT_EQ(test, dma_fence_wait_any_timeout(fences, NUM, true, 2,
							 &idx), 0);
	mock_signal_begin();
	KUNIT_EXPECT_EQ(test, dma_fence_wait_any_timeout(fences, NUM, true,
							 LONG, &idx),
			-ERESTARTSYS);
	mock_signal_end();
	KUNIT_EXPECT_EQ(test, idx, 77);
	for (int i = 0; i < NUM; i++)
		KUNIT_EXPECT_EQ(test,
				atomic_read(&to_mock_fence(fences[i])->enabled),
				1);
	put_fences(test, fences);
}

static const int indices[NUM] = { 0, 1, 2, 3 };

static void index_desc(const int *index, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "fence %d", *index);
}

KUNIT_ARRAY_PARAM(index, indices, index_desc);

static void wait_any_one_has_signaled(struct kunit *test)
{
	int winner = *(const int *)test->param_value;
	struct dma_fence *fences[NUM];
	u32 idx = 77;

	make_fences(test, fences);
	dma_fence_signal(fences[winner]);
	mock_signal_begin();
	KUNIT_EXPECT_EQ(test, dma_fence_wait_any_timeout(fences, NUM, true, 0,
							 &idx), 1);
	KUNIT_EXPECT_EQ(test, idx, winner);
	idx = 77;
	KUNIT_EXPECT_EQ(test, dma_fence_wait_any_timeout(fences, NUM, true, 5,
							 &idx), 5);
	KUNIT_EXPECT_EQ(test, idx, winner);
	KUNIT_EXPECT_EQ(test, dma_fence_wait_any_timeout(fences, NUM, true, 5,
							 NULL), 5);
	mock_signal_end();
	put_fences(test, fences);
}

/* The first fence wins although another signals before the waiter runs. */
static void wait_any_is_woken(struct kunit *test)
{
	int winner = *(const int *)test->param_value;
	struct waiter waiter = { .count = NUM, .intr = true, .timeout = LONG };
	struct task_struct *task;

	make_fences(test, waiter.fences);
	task = start_wait(test, &waiter);
	dma_fence_signal(waiter.fences[winner]);
	dma_fence_signal(waiter.fences[(winner + 1) % NUM]);
	end_wait(test, task, &waiter);
	KUNIT_EXPECT_GT(test, waiter.ret, 0);
	KUNIT_EXPECT_LE(test, waiter.ret, LONG);
	KUNIT_EXPECT_EQ(test, waiter.idx, winner);
	put_fences(test, waiter.fences);
}

static void wait_any_same_fence_twice(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);
	struct dma_fence *fences[2] = { fence, fence };
	u32 idx = 77;

	KUNIT_EXPECT_EQ(test, dma_fence_wait_any_timeout(fences, 2, true, 1,
							 &idx), 0);
	dma_fence_signal(fence);
	KUNIT_EXPECT_EQ(test, dma_fence_wait_any_timeout(fences, 2, true, 3,
							 &idx), 3);
	KUNIT_EXPECT_EQ(test, idx, 0);
	put_last(test, fence);
}

static struct kunit_case dma_fence_wait_cases[] = {
	KUNIT_CASE(wait_signaled_returns_at_once),
	KUNIT_CASE(wait_pending_polls_with_timeout_0),
	KUNIT_CASE(wait_pending_times_out),
	KUNIT_CASE(wait_signal_pending_is_interrupted),
	KUNIT_CASE(wait_negative_timeout_warns),
	KUNIT_CASE(wait_done_is_found_by_polling),
	KUNIT_CASE(wait_done_on_enable),
	KUNIT_CASE_PARAM(wait_is_woken, woken_gen_params),
	KUNIT_CASE(wait_wakes_all),
	KUNIT_CASE(wait_is_interrupted),
	KUNIT_CASE_PARAM(wait_passes_on_what_maker_returns,
			 custom_ret_gen_params),
	KUNIT_CASE(wait_any_bad_arguments_warn),
	KUNIT_CASE(wait_any_none_signals),
	KUNIT_CASE_PARAM(wait_any_one_has_signaled, index_gen_params),
	KUNIT_CASE_PARAM(wait_any_is_woken, index_gen_params),
	KUNIT_CASE(wait_any_same_fence_twice),
	{}
};

static struct kunit_suite dma_fence_wait_suite = {
	.name = "dma_fence_wait",
	.init = wait_test_init,
	.test_cases = dma_fence_wait_cases,
};

kunit_test_suite(dma_fence_wait_suite);

MODULE_LICENSE("GPL");

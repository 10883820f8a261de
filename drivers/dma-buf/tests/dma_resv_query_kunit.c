// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queries of a reservation object: the pending fences of a usage, one fence
 * that stands for all, the text for debugfs; and waiting.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/completion.h>
#include <linux/dma-fence-array.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/kthread.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "../resv/dma-resv-list.h"
#include "mock.h"

/* Queries of one usage, on lists without and with an index. */
struct query {
	const char *desc;
	enum dma_resv_usage usage;
	int num;
};

static const struct query queries[] = {
	{ "nothing there", DMA_RESV_USAGE_BOOKKEEP, 0 },
	{ "kernel of 8", DMA_RESV_USAGE_KERNEL, 8 },
	{ "write of 8", DMA_RESV_USAGE_WRITE, 8 },
	{ "read of 8", DMA_RESV_USAGE_READ, 8 },
	{ "bookkeep of 8", DMA_RESV_USAGE_BOOKKEEP, 8 },
	{ "kernel of 24", DMA_RESV_USAGE_KERNEL, 24 },
	{ "bookkeep of 24", DMA_RESV_USAGE_BOOKKEEP, 24 },
};

KUNIT_ARRAY_PARAM_DESC(query, queries, desc);

static bool is_wanted(const struct query *param, int i)
{
	return i % MOCK_RESV_USAGES <= param->usage;
}

/* Returns the fences of the usage and of stronger ones, in order. */
static void get_fences_of_usage(struct kunit *test)
{
	const struct query *param = test->param_value;
	struct mock_resv *mock = test->priv;
	struct dma_fence **fences = (void *)1;
	unsigned int num = 77, at = 0;

	mock_resv_fill(test, param->num);
	KUNIT_ASSERT_EQ(test, dma_resv_get_fences(&mock->resv, param->usage,
						  &num, &fences), 0);
	KUNIT_EXPECT_EQ(test, num, param->num * (param->usage + 1) / MOCK_RESV_USAGES);
	for (int i = 0; i < param->num && at < num; i++) {
		if (!is_wanted(param, i))
			continue;
		KUNIT_EXPECT_PTR_EQ(test, fences[at], mock->fences[i]);
		KUNIT_EXPECT_EQ(test, kref_read(&fences[at]->refcount), 3);
		dma_fence_put(fences[at++]);
	}
	if (!param->num)
		KUNIT_EXPECT_NULL(test, fences);
	kfree(fences);
}

static void get_fences_leaves_out_signaled(struct kunit *test)
{
	struct mock_resv *mock = test->priv;
	struct dma_fence **fences;
	unsigned int num;

	mock_resv_fill(test, 12);
	for (int i = 0; i < 12; i++) {
		if (i != 5)
			dma_fence_signal(mock->fences[i]);
	}
	KUNIT_ASSERT_EQ(test, dma_resv_get_fences(&mock->resv,
						  DMA_RESV_USAGE_BOOKKEEP,
						  &num, &fences), 0);
	KUNIT_ASSERT_EQ(test, num, 1);
	KUNIT_EXPECT_PTR_EQ(test, fences[0], mock->fences[5]);
	dma_fence_put(fences[0]);
	kfree(fences);

	dma_fence_signal(mock->fences[5]);
	KUNIT_ASSERT_EQ(test, dma_resv_get_fences(&mock->resv,
						  DMA_RESV_USAGE_BOOKKEEP,
						  &num, &fences), 0);
	KUNIT_EXPECT_EQ(test, num, 0);
	KUNIT_EXPECT_NULL(test, fences);
}

/* The object is idle when the last fence of the usage signals, not before. */
static void test_signaled_and_wait_of_usage(struct kunit *test)
{
	const struct query *param = test->param_value;
	struct mock_resv *mock = test->priv;
	int left = param->num * (param->usage + 1) / MOCK_RESV_USAGES;

	mock_resv_fill(test, param->num);
	for (int i = param->num - 1; i >= 0; i--) {
		KUNIT_EXPECT_EQ(test, dma_resv_test_signaled(&mock->resv,
							     param->usage),
				!left);
		KUNIT_EXPECT_EQ(test, dma_resv_wait_timeout(&mock->resv,
							    param->usage,
							    true, 0), !left);
		left -= is_wanted(param, i);
		dma_fence_signal(mock->fences[i]);
	}
	KUNIT_EXPECT_TRUE(test, dma_resv_test_signaled(&mock->resv,
						       param->usage));
	KUNIT_EXPECT_EQ(test, dma_resv_wait_timeout(&mock->resv, param->usage,
						    true, 0), 1);
	KUNIT_EXPECT_EQ(test, dma_resv_wait_timeout(&mock->resv, param->usage,
						    true, 9), 9);
}

/* A wait enables signalling, a test does not. */
static void test_signaled_does_not_enable(struct kunit *test)
{
	struct mock_resv *mock = test->priv;

	mock_resv_fill(test, 4);
	dma_resv_test_signaled(&mock->resv, DMA_RESV_USAGE_BOOKKEEP);
	KUNIT_EXPECT_EQ(test,
			atomic_read(&to_mock_fence(mock->fences[0])->enabled),
			0);
	dma_resv_wait_timeout(&mock->resv, DMA_RESV_USAGE_BOOKKEEP, true, 0);
	KUNIT_EXPECT_EQ(test,
			atomic_read(&to_mock_fence(mock->fences[0])->enabled),
			1);
}

static void wait_is_interrupted_or_times_out(struct kunit *test)
{
	struct mock_resv *mock = test->priv;

	mock_resv_fill(test, 4);
	KUNIT_EXPECT_EQ(test, dma_resv_wait_timeout(&mock->resv,
						    DMA_RESV_USAGE_READ, true,
						    2), 0);
	mock_signal_begin();
	KUNIT_EXPECT_EQ(test, dma_resv_wait_timeout(&mock->resv,
						    DMA_RESV_USAGE_READ, true,
						    100 * HZ), -ERESTARTSYS);
	KUNIT_EXPECT_EQ(test, dma_resv_wait_timeout(&mock->resv,
						    DMA_RESV_USAGE_READ, false,
						    2), 0);
	mock_signal_end();
}

struct waiter {
	struct dma_resv *resv;
	long ret;
	struct completion started;
	struct completion woken;
};

static int wait_thread(void *data)
{
	struct waiter *waiter = data;

	complete(&waiter->started);
	waiter->ret = dma_resv_wait_timeout(waiter->resv,
					    DMA_RESV_USAGE_BOOKKEEP, false,
					    60 * HZ);
	complete(&waiter->woken);
	return 0;
}

static void wait_is_woken_by_last(struct kunit *test)
{
	struct mock_resv *mock = test->priv;
	struct waiter waiter = { .resv = &mock->resv };
	struct task_struct *task;

	init_completion(&waiter.started);
	init_completion(&waiter.woken);
	mock_resv_fill(test, 12);
	task = kthread_run(wait_thread, &waiter, "waiter");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	get_task_struct(task);
	wait_for_completion(&waiter.started);
	for (int i = 11; i >= 0; i--) {
		KUNIT_EXPECT_FALSE(test, completion_done(&waiter.woken));
		dma_fence_signal(mock->fences[i]);
	}
	KUNIT_EXPECT_NE(test, wait_for_completion_timeout(&waiter.woken,
							  60 * HZ), 0);
	kthread_stop_put(task);
	KUNIT_EXPECT_GT(test, waiter.ret, 0);
	KUNIT_EXPECT_LE(test, waiter.ret, 60 * HZ);
}

/* A driver with its own wait, which reports the time left. */
static long custom_ret;
static long custom_timeouts[2];
static int custom_waits;

static long custom_wait(struct dma_fence *fence, bool intr, long timeout)
{
	custom_timeouts[custom_waits++ % 2] = timeout;
	return custom_ret ?: timeout - 10;
}

static const struct dma_fence_ops custom_ops = {
	.get_driver_name = mock_fence_driver_name,
	.get_timeline_name = mock_fence_timeline_name,
	.release = mock_fence_release,
	.wait = custom_wait,
};

/* The timeout is for all fences together; an error ends the wait. */
static void wait_has_one_timeout_for_all(struct kunit *test)
{
	struct mock_resv *mock = test->priv;

	for (int i = 0; i < 2; i++) {
		mock->timeline->context = dma_fence_context_alloc(1);
		mock_resv_own(test, mock_fence_create_ops(mock->timeline, 1, 0, &custom_ops));
		mock_resv_add(test, &mock->resv, mock->fences[i],
			      DMA_RESV_USAGE_READ);
	}
	custom_waits = 0;
	custom_ret = 0;
	KUNIT_EXPECT_EQ(test, dma_resv_wait_timeout(&mock->resv,
						    DMA_RESV_USAGE_READ, true,
						    100), 80);
	KUNIT_EXPECT_EQ(test, custom_waits, 2);
	KUNIT_EXPECT_EQ(test, custom_timeouts[0], 100);
	KUNIT_EXPECT_EQ(test, custom_timeouts[1], 90);

	custom_ret = -EDEADLK;
	KUNIT_EXPECT_EQ(test, dma_resv_wait_timeout(&mock->resv,
						    DMA_RESV_USAGE_READ, true,
						    100), -EDEADLK);
	KUNIT_EXPECT_EQ(test, custom_waits, 3);

	/* A poll stays a poll. */
	custom_ret = 1;
	KUNIT_EXPECT_EQ(test, dma_resv_wait_timeout(&mock->resv,
						    DMA_RESV_USAGE_READ, true,
						    0), 1);
	KUNIT_EXPECT_EQ(test, custom_waits, 5);
	KUNIT_EXPECT_EQ(test, custom_timeouts[0], 0);
	KUNIT_EXPECT_EQ(test, custom_timeouts[1], 0);
}

static void set_deadline_of_usage(struct kunit *test)
{
	const struct query *param = test->param_value;
	struct mock_resv *mock = test->priv;

	mock_resv_fill(test, param->num);
	dma_resv_set_deadline(&mock->resv, param->usage, 500);
	for (int i = 0; i < param->num; i++)
		KUNIT_EXPECT_EQ(test, to_mock_fence(mock->fences[i])->deadline,
				is_wanted(param, i) ? 500 : 0);
}

static void get_singleton_of_none_or_one(struct kunit *test)
{
	struct mock_resv *mock = test->priv;
	struct dma_fence *fence = (void *)1;

	KUNIT_EXPECT_EQ(test, dma_resv_get_singleton(&mock->resv,
						     DMA_RESV_USAGE_BOOKKEEP,
						     &fence), 0);
	KUNIT_EXPECT_NULL(test, fence);
	mock_resv_fill(test, 12);
	for (int i = 1; i < 12; i++)
		dma_fence_signal(mock->fences[i]);
	KUNIT_EXPECT_EQ(test, dma_resv_get_singleton(&mock->resv,
						     DMA_RESV_USAGE_BOOKKEEP,
						     &fence), 0);
	KUNIT_EXPECT_PTR_EQ(test, fence, mock->fences[0]);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 3);
	dma_fence_put(fence);

	dma_fence_signal(mock->fences[0]);
	KUNIT_EXPECT_EQ(test, dma_resv_get_singleton(&mock->resv,
						     DMA_RESV_USAGE_BOOKKEEP,
						     &fence), 0);
	KUNIT_EXPECT_NULL(test, fence);
}

/* Fences of one timeline, or one fence twice, need no array. */
static void get_singleton_of_one_timeline(struct kunit *test)
{
	struct mock_resv *mock = test->priv;
	struct dma_fence *fence;

	for (int i = 0; i < 3; i++)
		mock_resv_own(test, mock_fence_create(mock->timeline));
	mock_resv_add(test, &mock->resv, mock->fences[2], DMA_RESV_USAGE_KERNEL);
	mock_resv_add(test, &mock->resv, mock->fences[0], DMA_RESV_USAGE_READ);
	mock_resv_add(test, &mock->resv, mock->fences[2],
		      DMA_RESV_USAGE_BOOKKEEP);
	mock_resv_add(test, &mock->resv, mock->fences[1], DMA_RESV_USAGE_WRITE);
	KUNIT_EXPECT_EQ(test, dma_resv_get_singleton(&mock->resv,
						     DMA_RESV_USAGE_BOOKKEEP,
						     &fence), 0);
	KUNIT_EXPECT_PTR_EQ(test, fence, mock->fences[2]);
	dma_fence_put(fence);
}

static struct dma_resv *walked;

/* The list seems to be another one in the next step of the walk. */
static bool signaled_restarts_walk(struct dma_fence *fence)
{
	rcu_dereference(walked->fences)->id = U64_MAX;
	return false;
}

static const struct dma_fence_ops restarting_ops = {
	.get_driver_name = mock_fence_driver_name,
	.get_timeline_name = mock_fence_timeline_name,
	.signaled = signaled_restarts_walk,
	.release = mock_fence_release,
};

static void get_singleton_after_a_restart(struct kunit *test)
{
	struct mock_resv *mock = test->priv;
	struct dma_fence *made, *fence;

	made = mock_fence_create_ops(mock->timeline, 1, 0, &restarting_ops);
	mock_resv_own(test, made);
	mock_resv_add(test, &mock->resv, made, DMA_RESV_USAGE_READ);
	walked = &mock->resv;
	KUNIT_ASSERT_EQ(test, dma_resv_get_singleton(&mock->resv,
						     DMA_RESV_USAGE_BOOKKEEP,
						     &fence), 0);
	KUNIT_EXPECT_PTR_EQ(test, fence, made);
	KUNIT_EXPECT_EQ(test, kref_read(&made->refcount), 3);
	dma_fence_put(fence);
}

static void get_singleton_of_many(struct kunit *test)
{
	const struct query *param = test->param_value;
	int num = param->num * (param->usage + 1) / MOCK_RESV_USAGES;
	struct mock_resv *mock = test->priv;
	struct dma_fence_array *array;
	struct dma_fence *fence;

	mock_resv_fill(test, param->num);
	KUNIT_ASSERT_EQ(test, dma_resv_get_singleton(&mock->resv, param->usage,
						     &fence), 0);
	array = to_dma_fence_array(fence);
	KUNIT_EXPECT_EQ(test, !!array, num > 1);
	if (!array)
		return;
	KUNIT_EXPECT_EQ(test, array->num_fences, num);
	KUNIT_EXPECT_EQ(test, fence->seqno, 1);
	for (int i = 0; i < param->num; i++) {
		if (!is_wanted(param, i))
			continue;
		KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(fence));
		dma_fence_signal(mock->fences[i]);
	}
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(fence));
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 1);
	dma_fence_put(fence);
}

/* Fences with equal numbers do not stand for each other. */
static void get_singleton_keeps_equals(struct kunit *test)
{
	struct mock_resv *mock = test->priv;
	struct dma_fence *fence;

	for (int i = 0; i < 2; i++) {
		mock_resv_own(test, mock_fence_create_at(mock->timeline, 1, 0));
		mock_resv_add(test, &mock->resv, mock->fences[i],
			      DMA_RESV_USAGE_READ);
	}
	KUNIT_ASSERT_EQ(test, dma_resv_get_singleton(&mock->resv,
						     DMA_RESV_USAGE_READ,
						     &fence), 0);
	KUNIT_ASSERT_NOT_NULL(test, to_dma_fence_array(fence));
	KUNIT_EXPECT_EQ(test, to_dma_fence_array(fence)->num_fences, 2);
	dma_fence_put(fence);
}

/* Context 0 has no order: a higher number is not later. */
static void get_singleton_of_context_0(struct kunit *test)
{
	struct mock_resv *mock = test->priv;
	struct dma_fence *fence;

	mock->timeline->context = 0;
	for (int i = 0; i < 2; i++) {
		mock_resv_own(test, mock_fence_create(mock->timeline));
		mock_resv_add(test, &mock->resv, mock->fences[i],
			      DMA_RESV_USAGE_READ);
		/* One fence twice counts once. */
		mock_resv_add(test, &mock->resv, mock->fences[i],
			      DMA_RESV_USAGE_BOOKKEEP);
		KUNIT_ASSERT_EQ(test, dma_resv_get_singleton(&mock->resv,
							     DMA_RESV_USAGE_READ,
							     &fence), 0);
		KUNIT_EXPECT_EQ(test, !!to_dma_fence_array(fence), i);
		dma_fence_put(fence);
	}
	KUNIT_ASSERT_EQ(test, dma_resv_get_singleton(&mock->resv,
						     DMA_RESV_USAGE_READ,
						     &fence), 0);
	KUNIT_ASSERT_NOT_NULL(test, to_dma_fence_array(fence));
	KUNIT_EXPECT_EQ(test, to_dma_fence_array(fence)->num_fences, 2);
	dma_fence_put(fence);
}

static void describe_shows_what_orders_access(struct kunit *test)
{
	static const char text[] =
		"\tkernel fence:mock resv seq 1 unsignalled\n"
		"\twrite fence:detached-driver signaled-timeline seq 2 signalled\n"
		"\tread fence:mock resv seq 3 unsignalled\n";
	struct mock_resv *mock = test->priv;
	char buf[256];
	struct seq_file seq = { .buf = buf, .size = sizeof(buf) };

	mock_resv_fill(test, 4);
	dma_fence_signal(mock->fences[1]);
	dma_resv_lock(&mock->resv, NULL);
	dma_resv_describe(&mock->resv, &seq);
	dma_resv_unlock(&mock->resv);
	seq_putc(&seq, '\0');
	KUNIT_EXPECT_STREQ(test, buf, text);
}

static struct kunit_case dma_resv_query_cases[] = {
	KUNIT_CASE_PARAM(get_fences_of_usage, query_gen_params),
	KUNIT_CASE(get_fences_leaves_out_signaled),
	KUNIT_CASE_PARAM(test_signaled_and_wait_of_usage, query_gen_params),
	KUNIT_CASE(test_signaled_does_not_enable),
	KUNIT_CASE(wait_is_interrupted_or_times_out),
	KUNIT_CASE(wait_is_woken_by_last),
	KUNIT_CASE(wait_has_one_timeout_for_all),
	KUNIT_CASE_PARAM(set_deadline_of_usage, query_gen_params),
	KUNIT_CASE(get_singleton_of_none_or_one),
	KUNIT_CASE(get_singleton_of_one_timeline),
	KUNIT_CASE(get_singleton_after_a_restart),
	KUNIT_CASE_PARAM(get_singleton_of_many, query_gen_params),
	KUNIT_CASE(get_singleton_keeps_equals),
	KUNIT_CASE(get_singleton_of_context_0),
	KUNIT_CASE(describe_shows_what_orders_access),
	{}
};

static struct kunit_suite dma_resv_query_suite = {
	.name = "dma_resv_query",
	.init = mock_resv_init,
	.exit = mock_resv_exit,
	.test_cases = dma_resv_query_cases,
};

kunit_test_suite(dma_resv_query_suite);

MODULE_LICENSE("GPL");

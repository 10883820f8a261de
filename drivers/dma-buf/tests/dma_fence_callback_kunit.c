// SPDX-License-Identifier: GPL-2.0-only
/*
 * Callbacks: their order, the context in which they run, removing and freeing
 * them; and enable_signaling, which tells the maker that somebody waits.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/dma-fence.h>
#include <linux/kthread.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "mock.h"

/* What a callback saw. */
struct probe {
	struct dma_fence_cb cb;
	/* Its place in the order of calls, from 1; 0 if not called yet. */
	int called;
	int *calls;
	bool node_empty;
	bool irqs_off;
	/* The two flag bits, as the callback saw them. */
	bool signaled;
	bool has_timestamp;
};

static void probe_func(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct probe *probe = container_of(cb, struct probe, cb);

	lockdep_assert_held(fence->lock);
	probe->called = probe->calls ? ++*probe->calls : probe->called + 1;
	probe->node_empty = list_empty(&cb->node);
	probe->irqs_off = irqs_disabled();
	probe->signaled = test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags);
	probe->has_timestamp = test_bit(DMA_FENCE_FLAG_TIMESTAMP_BIT,
					&fence->flags);
}

static int callback_test_init(struct kunit *test)
{
	test->priv = mock_timeline_create(test, "callback");
	return 0;
}

static void signal_runs_callbacks_in_order(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);
	struct probe probes[8] = {};
	int calls = 0;

	for (int i = 0; i < ARRAY_SIZE(probes); i++) {
		probes[i].calls = &calls;
		KUNIT_ASSERT_EQ(test,
				dma_fence_add_callback(fence, &probes[i].cb,
						       probe_func), 0);
		KUNIT_EXPECT_FALSE(test, list_empty(&probes[i].cb.node));
	}
	KUNIT_EXPECT_EQ(test, calls, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&to_mock_fence(fence)->enabled), 1);

	dma_fence_signal(fence);
	KUNIT_EXPECT_EQ(test, calls, ARRAY_SIZE(probes));
	for (int i = 0; i < ARRAY_SIZE(probes); i++) {
		KUNIT_EXPECT_EQ(test, probes[i].called, i + 1);
		KUNIT_EXPECT_TRUE(test, probes[i].node_empty);
		/* The locks of PREEMPT_RT leave interrupts on. */
		KUNIT_EXPECT_EQ(test, probes[i].irqs_off,
				!IS_ENABLED(CONFIG_PREEMPT_RT));
		KUNIT_EXPECT_TRUE(test, probes[i].signaled);
		KUNIT_EXPECT_TRUE(test, probes[i].has_timestamp);
		KUNIT_EXPECT_TRUE(test, list_empty(&probes[i].cb.node));
		KUNIT_EXPECT_FALSE(test, dma_fence_remove_callback(fence,
								   &probes[i].cb));
	}
	mock_fence_put_last(test, fence);
}

/* cb_list and timestamp share memory: neither must corrupt the other. */
static void signal_timestamp_spares_callbacks(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);
	struct probe one = {}, two = {};

	dma_fence_add_callback(fence, &one.cb, probe_func);
	dma_fence_add_callback(fence, &two.cb, probe_func);
	dma_fence_signal_timestamp(fence, 77);
	KUNIT_EXPECT_EQ(test, one.called, 1);
	KUNIT_EXPECT_EQ(test, two.called, 1);
	KUNIT_EXPECT_EQ(test, dma_fence_timestamp(fence), 77);
	mock_fence_put_last(test, fence);
}

struct self_freeing {
	struct dma_fence_cb cb;
	struct dma_fence *ref;
	int *calls;
};

static void free_func(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct self_freeing *self = container_of(cb, struct self_freeing, cb);

	++*self->calls;
	dma_fence_put(self->ref);
	kfree(self);
}

/* KASAN would report a walk over the list that uses a freed callback. */
static void signal_callback_frees_itself(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);
	int calls = 0;

	for (int i = 0; i < 4; i++) {
		struct self_freeing *self = kmalloc(sizeof(*self), GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, self);
		self->ref = dma_fence_get(fence);
		self->calls = &calls;
		KUNIT_ASSERT_EQ(test, dma_fence_add_callback(fence, &self->cb,
							     free_func), 0);
	}
	dma_fence_signal(fence);
	KUNIT_EXPECT_EQ(test, calls, 4);
	mock_fence_put_last(test, fence);
}

static void other_func(struct dma_fence *fence, struct dma_fence_cb *cb)
{
}

/* drm_syncobj knows from cb->func whether the callback was added. */
static void add_callback_signaled_leaves_func(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create_signaled(test->priv);
	struct probe probe = { .cb.func = other_func };

	KUNIT_EXPECT_EQ(test, dma_fence_add_callback(fence, &probe.cb,
						     probe_func), -ENOENT);
	KUNIT_EXPECT_TRUE(test, probe.cb.func == other_func);
	KUNIT_EXPECT_TRUE(test, list_empty(&probe.cb.node));
	KUNIT_EXPECT_FALSE(test, dma_fence_remove_callback(fence, &probe.cb));
	KUNIT_EXPECT_EQ(test, probe.called, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&to_mock_fence(fence)->enabled), 0);
	mock_fence_put_last(test, fence);
}

static void add_callback_null_warns(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);
	struct probe probe = {};

	mock_warn_begin(test);
	KUNIT_EXPECT_EQ(test, dma_fence_add_callback(NULL, &probe.cb,
						     probe_func), -EINVAL);
	mock_warn_end(test, "dma_fence_add_callback", 1);
	mock_warn_begin(test);
	KUNIT_EXPECT_EQ(test, dma_fence_add_callback(fence, &probe.cb, NULL),
			-EINVAL);
	mock_warn_end(test, "dma_fence_add_callback", 1);

	KUNIT_EXPECT_TRUE(test, list_empty(&fence->cb_list));
	KUNIT_EXPECT_EQ(test, atomic_read(&to_mock_fence(fence)->enabled), 0);
	mock_fence_put_last(test, fence);
}

static void remove_callback_takes_one(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);
	struct probe probes[3] = {};

	for (int i = 0; i < ARRAY_SIZE(probes); i++)
		dma_fence_add_callback(fence, &probes[i].cb, probe_func);
	KUNIT_EXPECT_TRUE(test, dma_fence_remove_callback(fence,
							  &probes[1].cb));
	KUNIT_EXPECT_TRUE(test, list_empty(&probes[1].cb.node));
	KUNIT_EXPECT_FALSE(test, dma_fence_remove_callback(fence,
							   &probes[1].cb));
	dma_fence_signal(fence);
	KUNIT_EXPECT_EQ(test, probes[0].called, 1);
	KUNIT_EXPECT_EQ(test, probes[1].called, 0);
	KUNIT_EXPECT_EQ(test, probes[2].called, 1);
	mock_fence_put_last(test, fence);
}

/* A removed callback may be added again, to another fence too. */
static void remove_callback_leaves_reusable(struct kunit *test)
{
	struct dma_fence *one = mock_fence_create(test->priv);
	struct dma_fence *two = mock_fence_create(test->priv);
	struct probe probe = {};

	dma_fence_add_callback(one, &probe.cb, probe_func);
	dma_fence_remove_callback(one, &probe.cb);
	KUNIT_EXPECT_EQ(test, dma_fence_add_callback(two, &probe.cb,
						     probe_func), 0);
	dma_fence_signal(one);
	KUNIT_EXPECT_EQ(test, probe.called, 0);
	dma_fence_signal(two);
	KUNIT_EXPECT_EQ(test, probe.called, 1);
	mock_fence_put_last(test, one);
	mock_fence_put_last(test, two);
}

struct enable {
	const char *desc;
	bool returns_false;
	bool signals;
};

static const struct enable enables[] = {
	{ "says it is done", true, false },
	{ "signals and says so", true, true },
	{ "signals and says it is pending", false, true },
};

KUNIT_ARRAY_PARAM_DESC(enable, enables, desc);

/* An older callback runs; the one being added must not, as -ENOENT says. */
static void add_callback_done_on_enable(struct kunit *test)
{
	const struct enable *param = test->param_value;
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *fence = mock_fence_create(timeline);
	struct mock_fence *mock = to_mock_fence(fence);
	struct probe first = {}, probe = { .cb.func = other_func };

	/* i915 and vmwgfx add callbacks like this, without enable_signaling. */
	INIT_LIST_HEAD(&first.cb.node);
	first.cb.func = probe_func;
	list_add(&first.cb.node, &fence->cb_list);

	mock->enable_returns_false = param->returns_false;
	mock->signal_on_enable = param->signals;
	KUNIT_EXPECT_EQ(test, dma_fence_add_callback(fence, &probe.cb,
						     probe_func), -ENOENT);
	KUNIT_EXPECT_EQ(test, first.called, 1);
	KUNIT_EXPECT_EQ(test, probe.called, 0);
	KUNIT_EXPECT_TRUE(test, probe.cb.func == other_func);
	KUNIT_EXPECT_TRUE(test, list_empty(&probe.cb.node));
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->enabled), 1);
	mock_fence_put_last(test, fence);
}

static void enable_sw_signaling_done(struct kunit *test)
{
	const struct enable *param = test->param_value;
	struct dma_fence *fence = mock_fence_create(test->priv);
	struct mock_fence *mock = to_mock_fence(fence);

	mock->enable_returns_false = param->returns_false;
	mock->signal_on_enable = param->signals;
	dma_fence_enable_sw_signaling(fence);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), 1);
	dma_fence_enable_sw_signaling(fence);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->enabled), 1);
	mock_fence_put_last(test, fence);
}

static void enable_sw_signaling_once(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *fence = mock_fence_create(timeline);
	struct mock_fence *mock = to_mock_fence(fence);
	struct probe probe = {};

	KUNIT_EXPECT_FALSE(test, test_bit(DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT,
					  &fence->flags));
	dma_fence_enable_sw_signaling(fence);
	KUNIT_EXPECT_TRUE(test, test_bit(DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT,
					 &fence->flags));
	dma_fence_enable_sw_signaling(fence);
	dma_fence_add_callback(fence, &probe.cb, probe_func);
	KUNIT_EXPECT_EQ(test, atomic_read(&mock->enabled), 1);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), 0);
	dma_fence_signal(fence);
	KUNIT_EXPECT_EQ(test, probe.called, 1);
	mock_fence_put_last(test, fence);
}

/* The maker of a signalled fence may be gone and must not be called. */
static void enable_sw_signaling_signaled(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *fence = mock_fence_create_signaled(timeline);

	dma_fence_enable_sw_signaling(fence);
	KUNIT_EXPECT_EQ(test, atomic_read(&to_mock_fence(fence)->enabled), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->late), 0);
	mock_fence_put_last(test, fence);
}

/* enable_signaling is optional. */
static void enable_sw_signaling_without_op(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create_at(test->priv, 1,
						       MOCK_FENCE_BARE);
	struct probe probe = {};

	KUNIT_EXPECT_EQ(test, dma_fence_add_callback(fence, &probe.cb,
						     probe_func), 0);
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(fence));
	dma_fence_signal(fence);
	KUNIT_EXPECT_EQ(test, probe.called, 1);
	mock_fence_put_last(test, fence);
}

/* A slow callback on another CPU. */
struct slow {
	struct dma_fence_cb cb;
	struct dma_fence *fence;
	bool running;
	bool removing;
	bool finished;
};

/*
 * For a bounded time, in case both threads run on one CPU. Interrupts may be
 * off, and the clock may need them.
 */
static void spin_until(bool *flag, unsigned long ms)
{
	for (unsigned long us = 0; us < ms * 1000 && !READ_ONCE(*flag); us++)
		udelay(1);
}

static void slow_func(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct slow *slow = container_of(cb, struct slow, cb);

	WRITE_ONCE(slow->running, true);
	spin_until(&slow->removing, 1000);
	mdelay(5);
	WRITE_ONCE(slow->finished, true);
}

static int signal_slow(void *data)
{
	struct slow *slow = data;

	return dma_fence_signal(slow->fence);
}

/*
 * The window: the callback is off the list and running. Its owner frees the
 * memory after dma_fence_remove_callback(), which must not return before.
 */
static void remove_callback_waits_for_running_one(struct kunit *test)
{
	struct slow slow = {};
	struct dma_fence *fence;
	struct task_struct *task;
	bool removed, finished;

	mock_need_two_cpus(test);
	fence = mock_fence_create(test->priv);
	slow.fence = fence;
	KUNIT_ASSERT_EQ(test, dma_fence_add_callback(fence, &slow.cb,
						     slow_func), 0);
	task = kthread_run(signal_slow, &slow, "signaller");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	get_task_struct(task);

	spin_until(&slow.running, 10000);
	KUNIT_EXPECT_TRUE(test, slow.running);
	WRITE_ONCE(slow.removing, true);
	removed = dma_fence_remove_callback(fence, &slow.cb);
	finished = READ_ONCE(slow.finished);
	KUNIT_EXPECT_FALSE(test, removed);
	KUNIT_EXPECT_TRUE(test, finished);

	KUNIT_EXPECT_EQ(test, kthread_stop_put(task), 0);
	mock_fence_put_last(test, fence);
}

static struct kunit_case dma_fence_callback_cases[] = {
	KUNIT_CASE(signal_runs_callbacks_in_order),
	KUNIT_CASE(signal_timestamp_spares_callbacks),
	KUNIT_CASE(signal_callback_frees_itself),
	KUNIT_CASE(add_callback_signaled_leaves_func),
	KUNIT_CASE(add_callback_null_warns),
	KUNIT_CASE(remove_callback_takes_one),
	KUNIT_CASE(remove_callback_leaves_reusable),
	KUNIT_CASE_PARAM(add_callback_done_on_enable, enable_gen_params),
	KUNIT_CASE_PARAM(enable_sw_signaling_done, enable_gen_params),
	KUNIT_CASE(enable_sw_signaling_once),
	KUNIT_CASE(enable_sw_signaling_signaled),
	KUNIT_CASE(enable_sw_signaling_without_op),
	KUNIT_CASE(remove_callback_waits_for_running_one),
	{}
};

static struct kunit_suite dma_fence_callback_suite = {
	.name = "dma_fence_callback",
	.init = callback_test_init,
	.test_cases = dma_fence_callback_cases,
};

kunit_test_suite(dma_fence_callback_suite);

MODULE_LICENSE("GPL");

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Races on a fence, for a bounded number of rounds: callbacks that are added,
 * removed and run at the same time, and memory that becomes another fence while
 * a reader looks at it.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/dma-fence.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "mock.h"

#define ROUNDS 3000

struct racer {
	struct dma_fence_cb cb;
	int called;
};

/*
 * Shared by two threads: a new fence each round. The test makes it, both meet
 * at @turn and work on it, meet at @finished, and the test drops it.
 */
struct race {
	struct mock_timeline *timeline;
	struct dma_fence *fence;
	atomic_t turn;
	atomic_t finished;
	int double_calls;
	int lost;
};

static void racer_func(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	WRITE_ONCE(container_of(cb, struct racer, cb)->called,
		   container_of(cb, struct racer, cb)->called + 1);
}

/* Wait until the other thread gets here; both run on at the same time. */
static void rendezvous(atomic_t *counter, int target)
{
	int spins = 0;

	atomic_inc(counter);
	while (atomic_read(counter) < target) {
		cpu_relax();
		/* In case both threads run on one CPU. */
		if (!(++spins % 1000))
			cond_resched();
	}
}

/* Adds a callback and removes it: it has run, or never will. */
static int adder(void *data)
{
	struct race *race = data;

	for (int round = 0; round < ROUNDS; round++) {
		struct racer racer = {};
		bool added, removed;

		rendezvous(&race->turn, 2 * (round + 1));
		added = !dma_fence_add_callback(race->fence, &racer.cb,
						racer_func);
		removed = dma_fence_remove_callback(race->fence, &racer.cb);
		if (racer.called > 1)
			race->double_calls++;
		if (racer.called != (added && !removed))
			race->lost++;
		rendezvous(&race->finished, 2 * (round + 1));
	}
	return 0;
}

/*
 * The window: the fence signals after add_callback has tested the bit and
 * before it has added to the list. A lost callback would hang its waiter.
 */
static void add_callback_races_signal(struct kunit *test)
{
	struct race race = { .timeline = test->priv };
	struct task_struct *task;
	int signaled = 0;

	mock_need_two_cpus(test);
	task = kthread_run(adder, &race, "adder");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	get_task_struct(task);
	for (int round = 0; round < ROUNDS; round++) {
		race.fence = mock_fence_create(race.timeline);
		rendezvous(&race.turn, 2 * (round + 1));
		/* Shift the two threads against each other. */
		for (int i = round % 64; i; i--)
			cpu_relax();
		signaled += !dma_fence_signal(race.fence);
		rendezvous(&race.finished, 2 * (round + 1));
		dma_fence_put(race.fence);
	}
	kthread_stop_put(task);
	KUNIT_EXPECT_EQ(test, signaled, ROUNDS);
	KUNIT_EXPECT_EQ(test, race.double_calls, 0);
	KUNIT_EXPECT_EQ(test, race.lost, 0);
}

static int other_signaller(void *data)
{
	struct race *race = data;
	int won = 0;

	for (int round = 0; round < ROUNDS; round++) {
		rendezvous(&race->turn, 2 * (round + 1));
		if (!dma_fence_signal_timestamp(race->fence, 2)) {
			won++;
			if (dma_fence_timestamp(race->fence) != 2)
				race->lost++;
		}
		rendezvous(&race->finished, 2 * (round + 1));
	}
	return won;
}

/* Exactly one of two signallers wins, and its timestamp stays. */
static void signal_races_signal(struct kunit *test)
{
	struct race race = { .timeline = test->priv };
	struct task_struct *task;
	int won = 0, calls = 0;

	mock_need_two_cpus(test);
	task = kthread_run(other_signaller, &race, "signaller");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	get_task_struct(task);
	for (int round = 0; round < ROUNDS; round++) {
		struct racer racer = {};

		race.fence = mock_fence_create(race.timeline);
		dma_fence_add_callback(race.fence, &racer.cb, racer_func);
		rendezvous(&race.turn, 2 * (round + 1));
		if (!dma_fence_signal_timestamp(race.fence, 1)) {
			won++;
			if (dma_fence_timestamp(race.fence) != 1)
				race.lost++;
		}
		rendezvous(&race.finished, 2 * (round + 1));
		calls += racer.called;
		dma_fence_put(race.fence);
	}
	won += kthread_stop_put(task);
	KUNIT_EXPECT_EQ(test, won, ROUNDS);
	KUNIT_EXPECT_EQ(test, calls, ROUNDS);
	KUNIT_EXPECT_EQ(test, race.lost, 0);
}

static int time_reader(void *data)
{
	struct race *race = data;

	for (int round = 0; round < ROUNDS; round++) {
		unsigned long end = jiffies + 10 * HZ;

		rendezvous(&race->turn, 2 * (round + 1));
		while (!dma_fence_is_signaled(race->fence) &&
		       time_before(jiffies, end))
			cond_resched();
		if (dma_fence_timestamp(race->fence) != round)
			race->lost++;
		rendezvous(&race->finished, 2 * (round + 1));
	}
	return 0;
}

/*
 * The window: the fence has signalled, and its timestamp is being written. That
 * the two are ordered shows with KCSAN.
 */
static void timestamp_races_signal(struct kunit *test)
{
	struct race race = { .timeline = test->priv };
	struct task_struct *task;
	int signaled = 0;

	mock_need_two_cpus(test);
	task = kthread_run(time_reader, &race, "reader");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	get_task_struct(task);
	for (int round = 0; round < ROUNDS; round++) {
		race.fence = mock_fence_create(race.timeline);
		rendezvous(&race.turn, 2 * (round + 1));
		for (int i = round % 64; i; i--)
			cpu_relax();
		signaled += !dma_fence_signal_timestamp(race.fence, round);
		rendezvous(&race.finished, 2 * (round + 1));
		dma_fence_put(race.fence);
	}
	kthread_stop_put(task);
	KUNIT_EXPECT_EQ(test, signaled, ROUNDS);
	KUNIT_EXPECT_EQ(test, race.lost, 0);
}

static const char *a_name(struct dma_fence *fence)
{
	return "recycled";
}

static struct kmem_cache *recycled_cache;
static DEFINE_SPINLOCK(recycled_lock);

/* No grace period: the memory may become another fence at once. */
static void recycled_release(struct dma_fence *fence)
{
	kmem_cache_free(recycled_cache, fence);
}

static const struct dma_fence_ops recycled_ops = {
	.get_driver_name = a_name,
	.get_timeline_name = a_name,
	.release = recycled_release,
};

enum { IN_SLOT = 1, NEVER_IN_SLOT = 2 };

static struct dma_fence *recycled_create(u64 context, u64 seqno)
{
	struct dma_fence *fence = kmem_cache_alloc(recycled_cache, GFP_KERNEL);

	if (fence)
		dma_fence_init(fence, &recycled_ops, &recycled_lock, context,
			       seqno);
	return fence;
}

struct recycling {
	struct dma_fence __rcu *slot;
	bool stop;
	int wrong;
	int backwards;
	int seen;
};

static int slot_reader(void *data)
{
	struct recycling *r = data;
	struct dma_fence *fence;
	u64 last = 0;

	while (!READ_ONCE(r->stop)) {
		rcu_read_lock();
		fence = dma_fence_get_rcu_safe(&r->slot);
		rcu_read_unlock();
		if (!fence)
			continue;
		/* The reference keeps the memory from becoming another one. */
		r->wrong += fence->context != IN_SLOT ||
			    fence->ops != &recycled_ops;
		r->backwards += fence->seqno < last;
		last = fence->seqno;
		r->seen++;
		dma_fence_put(fence);
		cond_resched();
	}
	return 0;
}

static void recycle(struct kunit *test, struct recycling *r)
{
	struct dma_fence *old, *new, *other;

	for (u64 seqno = 1; seqno < 20000; seqno++) {
		new = recycled_create(IN_SLOT, seqno);
		KUNIT_ASSERT_NOT_NULL(test, new);
		old = rcu_dereference_protected(r->slot, true);
		rcu_assign_pointer(r->slot, new);
		dma_fence_put(old);
		/* Most likely in the memory of the fence just released. */
		other = recycled_create(NEVER_IN_SLOT, seqno);
		KUNIT_ASSERT_NOT_NULL(test, other);
		dma_fence_put(other);
	}
}

/*
 * The window: between the reader's load of the slot and its reference the fence
 * is released, and another one gets its memory.
 */
static void get_rcu_safe_never_returns_another(struct kunit *test)
{
	struct recycling r = {};
	struct task_struct *task;

	mock_need_two_cpus(test);
	recycled_cache = kmem_cache_create("recycled_fence",
					   sizeof(struct dma_fence), 0,
					   SLAB_TYPESAFE_BY_RCU, NULL);
	KUNIT_ASSERT_NOT_NULL(test, recycled_cache);
	task = kthread_run(slot_reader, &r, "reader");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	get_task_struct(task);

	recycle(test, &r);
	WRITE_ONCE(r.stop, true);
	kthread_stop_put(task);
	dma_fence_put(rcu_dereference_protected(r.slot, true));
	KUNIT_EXPECT_GT(test, r.seen, 0);
	KUNIT_EXPECT_EQ(test, r.wrong, 0);
	KUNIT_EXPECT_EQ(test, r.backwards, 0);
	rcu_barrier();
	kmem_cache_destroy(recycled_cache);
}

/* Where the signaller of a fence is. */
enum { OUTSIDE, INSIDE, THROUGH };

/*
 * A fence on the stack of its owner. All that tells the owner that the
 * signaller has left the fence is the return of a wait.
 */
struct stack_fence {
	struct dma_fence base;
	/* The lock of @base. */
	spinlock_t lock;
	/* Keeps the signaller inside. */
	struct dma_fence_cb linger;
	/* For the owner to remove. */
	struct dma_fence_cb spare;
	int signaller;
};

static struct stack_fence *to_stack_fence(struct dma_fence *fence)
{
	return container_of(fence, struct stack_fence, base);
}

/* Runs with the flag set and the lock held. */
static void linger_func(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct stack_fence *on_stack = to_stack_fence(fence);

	/* Pairs with await_inside(). */
	smp_store_release(&on_stack->signaller, INSIDE);
	mdelay(2);
	/* Pairs with the load after the wait. */
	smp_store_release(&on_stack->signaller, THROUGH);
}

static void spare_func(struct dma_fence *fence, struct dma_fence_cb *cb)
{
}

/* Some makers have a wait operation of their own, which only tests the flag. */
static long wait_for_flag(struct dma_fence *fence, bool intr, long timeout)
{
	while (!test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags))
		cond_resched();
	return timeout ?: 1;
}

static const struct dma_fence_ops stack_fence_ops = {
	.get_driver_name = a_name,
	.get_timeline_name = a_name,
	.wait = wait_for_flag,
};

static int stack_signaller(void *data)
{
	struct stack_fence *on_stack = data;

	dma_fence_signal(&on_stack->base);
	return 0;
}

static void await_inside(struct stack_fence *on_stack)
{
	/* Pairs with linger_func(). */
	while (smp_load_acquire(&on_stack->signaller) == OUTSIDE)
		cond_resched();
}

static void wait_own(struct stack_fence *on_stack)
{
	/*
	 * Begins before the signal, and sees the flag while the callback runs.
	 */
	dma_fence_wait(&on_stack->base, false);
}

static void wait_once_signaled(struct stack_fence *on_stack)
{
	await_inside(on_stack);
	dma_fence_wait(&on_stack->base, false);
}

static void wait_timeout_0(struct stack_fence *on_stack)
{
	await_inside(on_stack);
	dma_fence_wait_timeout(&on_stack->base, false, 0);
}

static void default_wait(struct stack_fence *on_stack)
{
	await_inside(on_stack);
	dma_fence_default_wait(&on_stack->base, false, HZ);
}

static void wait_any(struct stack_fence *on_stack)
{
	struct dma_fence *fences[] = { &on_stack->base };

	await_inside(on_stack);
	dma_fence_wait_any_timeout(fences, 1, false, HZ, NULL);
}

static void wait_any_timeout_0(struct stack_fence *on_stack)
{
	struct dma_fence *fences[] = { &on_stack->base };

	await_inside(on_stack);
	dma_fence_wait_any_timeout(fences, 1, false, 0, NULL);
}

static void remove_callback(struct stack_fence *on_stack)
{
	await_inside(on_stack);
	dma_fence_remove_callback(&on_stack->base, &on_stack->spare);
}

static const struct wait_param {
	const char *desc;
	void (*wait)(struct stack_fence *on_stack);
} wait_params[] = {
	{ "the maker's own wait", wait_own },
	{ "wait", wait_once_signaled },
	{ "wait, no timeout", wait_timeout_0 },
	{ "default wait", default_wait },
	{ "wait for any", wait_any },
	{ "wait for any, no timeout", wait_any_timeout_0 },
	{ "remove a callback", remove_callback },
};

KUNIT_ARRAY_PARAM_DESC(wait, wait_params, desc);

/*
 * The window: the signaller has set the flag but not dropped the lock. A wait
 * that returns now lets the owner's stack frame go under the signaller.
 */
static void wait_returns_after_signaller(struct kunit *test)
{
	const struct wait_param *param = test->param_value;
	struct stack_fence on_stack = {};
	struct task_struct *task;

	mock_need_two_cpus(test);
	spin_lock_init(&on_stack.lock);
	dma_fence_init(&on_stack.base, &stack_fence_ops, &on_stack.lock,
		       dma_fence_context_alloc(1), 1);
	dma_fence_add_callback(&on_stack.base, &on_stack.linger, linger_func);
	dma_fence_add_callback(&on_stack.base, &on_stack.spare, spare_func);
	task = kthread_create(stack_signaller, &on_stack, "signaller");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	get_task_struct(task);
	migrate_disable();
	kthread_bind(task, cpumask_any_but(cpu_online_mask, smp_processor_id()));
	wake_up_process(task);

	param->wait(&on_stack);
	/* Pairs with linger_func(). */
	KUNIT_EXPECT_EQ(test, smp_load_acquire(&on_stack.signaller), THROUGH);
	migrate_enable();
	kthread_stop_put(task);
}

static int race_test_init(struct kunit *test)
{
	test->priv = mock_timeline_create(test, "race");
	return 0;
}

static struct kunit_case dma_fence_race_cases[] = {
	KUNIT_CASE_SLOW(add_callback_races_signal),
	KUNIT_CASE_SLOW(signal_races_signal),
	KUNIT_CASE_SLOW(timestamp_races_signal),
	KUNIT_CASE_SLOW(get_rcu_safe_never_returns_another),
	KUNIT_CASE_PARAM(wait_returns_after_signaller, wait_gen_params),
	{}
};

static struct kunit_suite dma_fence_race_suite = {
	.name = "dma_fence_race",
	.init = race_test_init,
	.test_cases = dma_fence_race_cases,
};

kunit_test_suite(dma_fence_race_suite);

MODULE_LICENSE("GPL");

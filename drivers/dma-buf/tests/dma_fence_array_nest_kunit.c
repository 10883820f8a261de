// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arrays again: visiting their members, arrays of arrays to any depth, and
 * arrays that are armed, polled and released while their members signal.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/dma-fence-array.h>
#include <linux/dma-fence.h>
#include <linux/kthread.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "../fence/dma-fence-internal.h"
#include "mock.h"

#define PATIENCE (60 * HZ)

struct probe {
	struct dma_fence_cb cb;
	atomic_t called;
};

static void probe_func(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	atomic_inc(&container_of(cb, struct probe, cb)->called);
}

static int nest_test_init(struct kunit *test)
{
	test->priv = mock_timeline_create(test, "nest");
	return 0;
}

/*
 * Consumes a reference to each; returns NULL, and leaks them, without memory.
 */
static struct dma_fence *wrap(bool any, struct dma_fence *one,
			      struct dma_fence *two)
{
	int num = two ? 2 : 1;
	struct dma_fence **fences = kmalloc_array(num, sizeof(*fences),
						  GFP_KERNEL);
	struct dma_fence_array *array;

	if (!fences)
		return NULL;
	fences[0] = one;
	if (two)
		fences[1] = two;
	array = dma_fence_array_create(num, fences, 50, 1, any);
	return array ? &array->base : NULL;
}

static struct dma_fence *wrap_both(struct kunit *test, bool any,
				   struct dma_fence *one,
				   struct dma_fence *two)
{
	struct dma_fence *array = wrap(any, dma_fence_get(one),
				       dma_fence_get(two));

	KUNIT_ASSERT_NOT_NULL(test, array);
	return array;
}

static void next_visits_in_order(struct kunit *test)
{
	struct dma_fence *one = mock_fence_create(test->priv);
	struct dma_fence *two = mock_fence_create(test->priv);
	struct dma_fence *array = wrap_both(test, false, one, two);
	struct dma_fence *members[] = { one, two }, *fence;
	unsigned int i;

	dma_fence_array_for_each(fence, i, array)
		KUNIT_EXPECT_PTR_EQ(test, fence, members[i]);
	KUNIT_EXPECT_EQ(test, i, 2);
	/* A plain fence counts as its own only member. */
	dma_fence_array_for_each(fence, i, one)
		KUNIT_EXPECT_PTR_EQ(test, fence, one);
	KUNIT_EXPECT_EQ(test, i, 1);
	dma_fence_array_for_each(fence, i, NULL)
		KUNIT_FAIL(test, "a member of nothing");

	KUNIT_EXPECT_PTR_EQ(test, dma_fence_array_next(array, 1), two);
	KUNIT_EXPECT_NULL(test, dma_fence_array_next(array, 2));
	KUNIT_EXPECT_NULL(test, dma_fence_array_next(array, UINT_MAX));
	KUNIT_EXPECT_NULL(test, dma_fence_array_next(one, 0));
	KUNIT_EXPECT_NULL(test, dma_fence_array_next(NULL, 0));
	KUNIT_EXPECT_NULL(test, to_dma_fence_array(one));
	KUNIT_EXPECT_NULL(test, to_dma_fence_array(NULL));
	mock_fence_put_last(test, array);
	mock_fence_put_last(test, one);
	mock_fence_put_last(test, two);
}

static void match_context_looks_at_members(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct mock_timeline *other = mock_timeline_create(test, "other");
	struct dma_fence *one = mock_fence_create(timeline);
	struct dma_fence *two = mock_fence_create(timeline);
	struct dma_fence *three = mock_fence_create(other);
	struct dma_fence *same = wrap_both(test, false, one, two);
	struct dma_fence *mixed = wrap_both(test, false, one, three);

	KUNIT_EXPECT_TRUE(test, dma_fence_match_context(one,
							timeline->context));
	KUNIT_EXPECT_FALSE(test, dma_fence_match_context(one,
							 other->context));
	KUNIT_EXPECT_TRUE(test, dma_fence_match_context(same,
							timeline->context));
	KUNIT_EXPECT_FALSE(test, dma_fence_match_context(mixed,
							 timeline->context));
	KUNIT_EXPECT_FALSE(test, dma_fence_match_context(mixed,
							 other->context));
	/* The context of the array itself does not count. */
	KUNIT_EXPECT_FALSE(test, dma_fence_match_context(same, same->context));
	mock_fence_put_last(test, same);
	mock_fence_put_last(test, mixed);
	mock_fence_put_last(test, one);
	mock_fence_put_last(test, two);
	mock_fence_put_last(test, three);
}

static void set_deadline_reaches_pending_members(struct kunit *test)
{
	struct dma_fence *one = mock_fence_create(test->priv);
	struct dma_fence *two = mock_fence_create(test->priv);
	struct dma_fence *array = wrap_both(test, false, one, two);

	dma_fence_set_deadline(array, 900);
	KUNIT_EXPECT_EQ(test, to_mock_fence(one)->deadline, 900);
	KUNIT_EXPECT_EQ(test, to_mock_fence(two)->deadline, 900);
	dma_fence_signal(one);
	dma_fence_set_deadline(array, 800);
	KUNIT_EXPECT_EQ(test, to_mock_fence(one)->deadline, 900);
	KUNIT_EXPECT_EQ(test, to_mock_fence(two)->deadline, 800);
	KUNIT_EXPECT_EQ(test, atomic_read(&to_mock_fence(two)->enabled), 0);
	mock_fence_put_last(test, array);
	mock_fence_put_last(test, one);
	mock_fence_put_last(test, two);
}

static void driver_name_of_signaled(struct kunit *test)
{
	struct dma_fence *one = mock_fence_create_signaled(test->priv);
	struct dma_fence *array = wrap_both(test, false, one, NULL);

	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(array));
	scoped_guard(rcu) {
		KUNIT_EXPECT_STREQ(test, dma_fence_driver_name(array),
				   "dma_fence_array");
		KUNIT_EXPECT_STREQ(test, dma_fence_timeline_name(array),
				   "unbound");
	}
	mock_fence_put_last(test, array);
	mock_fence_put_last(test, one);
}

/* Waits for a fence and expects this status. */
static void expect_done(struct kunit *test, struct dma_fence *fence, int status)
{
	KUNIT_EXPECT_GT(test, dma_fence_wait_timeout(fence, false, PATIENCE),
			0);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), status);
}

/* The last fence to signal is in the inner array, or in the outer one. */
static void wait_nested_all(struct kunit *test)
{
	for (int inner_first = 0; inner_first < 2; inner_first++) {
		struct dma_fence *one = mock_fence_create(test->priv);
		struct dma_fence *two = mock_fence_create(test->priv);
		struct dma_fence *inner = wrap_both(test, false, one, NULL);
		struct dma_fence *outer = wrap_both(test, false, inner, two);
		struct probe probe = {};

		KUNIT_EXPECT_EQ(test, dma_fence_add_callback(outer, &probe.cb,
							     probe_func), 0);
		dma_fence_set_error(one, -EIO);
		dma_fence_signal(inner_first ? one : two);
		if (inner_first)
			expect_done(test, inner, -EIO);
		KUNIT_EXPECT_EQ(test, atomic_read(&probe.called), 0);
		dma_fence_signal(inner_first ? two : one);
		expect_done(test, outer, -EIO);
		KUNIT_EXPECT_EQ(test, atomic_read(&probe.called), 1);
		dma_fence_put(outer);
		dma_fence_put(inner);
		dma_fence_put(one);
		dma_fence_put(two);
	}
}

static void wait_nested_any(struct kunit *test)
{
	for (int inner_first = 0; inner_first < 2; inner_first++) {
		struct dma_fence *one = mock_fence_create(test->priv);
		struct dma_fence *two = mock_fence_create(test->priv);
		struct dma_fence *inner = wrap_both(test, false, one, NULL);
		struct dma_fence *outer = wrap_both(test, true, inner, two);

		dma_fence_enable_sw_signaling(outer);
		dma_fence_signal(inner_first ? one : two);
		expect_done(test, outer, 1);
		/* This ends the armed callback of the other member. */
		dma_fence_signal(inner_first ? two : one);
		dma_fence_put(outer);
		dma_fence_put(inner);
		dma_fence_put(one);
		dma_fence_put(two);
	}
}

/* Polling any depth would take unbounded time and stack in one call. */
static void is_signaled_polls_one_level(struct kunit *test)
{
	struct dma_fence *one = mock_fence_create(test->priv);
	struct dma_fence *inner = wrap_both(test, false, one, NULL);
	struct dma_fence *outer = wrap_both(test, false, inner, NULL);

	to_mock_fence(one)->done = true;
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(outer));
	KUNIT_EXPECT_EQ(test, atomic_read(&to_mock_fence(one)->polled), 0);
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(inner));
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(outer));
	mock_fence_put_last(test, outer);
	mock_fence_put_last(test, inner);
	mock_fence_put_last(test, one);
}

/* Deeper than any stack; KASAN makes each allocation slow. */
#define DEPTH (IS_ENABLED(CONFIG_KASAN) ? 5000 : 100000)

static struct dma_fence *wrap_deeply(struct kunit *test,
				     struct dma_fence *fence)
{
	struct dma_fence *array;

	for (int i = 0; i < DEPTH; i++) {
		array = wrap(i & 1, fence, NULL);
		if (!array) {
			dma_fence_put(fence);
			KUNIT_ASSERT_NOT_NULL(test, array);
		}
		fence = array;
		cond_resched();
	}
	return fence;
}

/* A recursive release would overflow the stack. */
static void release_nested_deeply(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *array;

	array = wrap_deeply(test, mock_fence_create(timeline));
	dma_fence_set_deadline(array, 1);
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(array));
	dma_fence_put(array);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), 1);
}

/* Recursive arming or signalling would overflow the stack. */
static void wait_nested_deeply(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *leaf = mock_fence_create(timeline);
	struct dma_fence *array = wrap_deeply(test, dma_fence_get(leaf));
	unsigned long end = jiffies + PATIENCE;
	struct probe probe = {};

	KUNIT_EXPECT_EQ(test, dma_fence_add_callback(array, &probe.cb,
						     probe_func), 0);
	/* Wait until the innermost fence is armed. */
	while (!atomic_read(&to_mock_fence(leaf)->enabled) &&
	       time_before(jiffies, end))
		cond_resched();
	KUNIT_EXPECT_EQ(test, atomic_read(&to_mock_fence(leaf)->enabled), 1);
	dma_fence_set_error(leaf, -EIO);
	dma_fence_signal(leaf);
	expect_done(test, array, -EIO);
	KUNIT_EXPECT_EQ(test, atomic_read(&probe.called), 1);
	dma_fence_put(array);
	dma_fence_put(leaf);
	KUNIT_EXPECT_TRUE(test, mock_timeline_wait_released(timeline, 1));
}

#define ROUNDS 2000

struct race {
	struct dma_fence *members[2];
	struct dma_fence *array;
	atomic_t turn;
	atomic_t finished;
};

static void rendezvous(atomic_t *counter, int target)
{
	int spins = 0;

	atomic_inc(counter);
	while (atomic_read(counter) < target) {
		cpu_relax();
		if (!(++spins % 1000))
			cond_resched();
	}
}

static int signaller(void *data)
{
	struct race *race = data;

	for (int round = 0; round < ROUNDS; round++) {
		rendezvous(&race->turn, 2 * (round + 1));
		for (int i = 0; i < 2; i++) {
			for (int j = (round * 7 + i * 3) % 32; j; j--)
				cpu_relax();
			dma_fence_signal(race->members[i]);
			dma_fence_put(race->members[i]);
		}
		rendezvous(&race->finished, 2 * (round + 1));
	}
	return 0;
}

/* How the test uses the array meanwhile. */
struct use {
	const char *desc;
	bool any;
	bool armed;
};

static const struct use uses[] = {
	{ "armed, all", false, true },
	{ "armed, any", true, true },
	{ "polled, all", false, false },
	{ "polled, any", true, false },
};

KUNIT_ARRAY_PARAM_DESC(use, uses, desc);

/* One round: make an array, meet the signaller, use the array, drop it. */
static bool use_array(struct kunit *test, struct race *race, int round)
{
	const struct use *param = test->param_value;
	struct probe probe = {};
	bool signaled;

	race->array = wrap_both(test, param->any, race->members[0],
				race->members[1]);
	rendezvous(&race->turn, 2 * (round + 1));
	if (!param->armed) {
		while (!dma_fence_is_signaled(race->array))
			cpu_relax();
	} else if (!dma_fence_add_callback(race->array, &probe.cb,
					   probe_func)) {
		while (!atomic_read(&probe.called))
			cpu_relax();
	}
	signaled = dma_fence_get_status(race->array) == 1;
	dma_fence_put(race->array);
	rendezvous(&race->finished, 2 * (round + 1));
	return signaled && atomic_read(&probe.called) <= 1;
}

/*
 * Two windows: a member signals while the array adds callbacks to the others,
 * and the last user drops the array after a member's callback has counted down
 * but before it has returned. KASAN and the reference counts would show it.
 */
static void signal_races_use(struct kunit *test)
{
	struct race race = {};
	struct task_struct *task;
	int good = 0;

	mock_need_two_cpus(test);
	task = kthread_create(signaller, &race, "signaller");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	get_task_struct(task);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < 2; i++)
			race.members[i] = mock_fence_create(test->priv);
		if (!round)
			wake_up_process(task);
		good += use_array(test, &race, round);
	}
	kthread_stop_put(task);
	KUNIT_EXPECT_EQ(test, good, ROUNDS);
}

static void signal_after(struct dma_fence *fence, int delay)
{
	while (delay--)
		cpu_relax();
	dma_fence_signal(fence);
	dma_fence_put(fence);
}

static int second_signaller(void *data)
{
	struct race *race = data;

	for (int round = 0; round < ROUNDS; round++) {
		rendezvous(&race->turn, 2 * (round + 1));
		signal_after(race->members[1], round % 32);
		rendezvous(&race->finished, 2 * (round + 1));
	}
	return 0;
}

/*
 * Both events of an array that signals on any: the second comes while what the
 * first has deferred is still to run, runs, or has just dropped its reference.
 */
static void members_signal_at_once(struct kunit *test)
{
	struct race race = {};
	struct probe probe;
	struct task_struct *task;
	int called = 0;

	mock_need_two_cpus(test);
	task = kthread_create(second_signaller, &race, "signaller");
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	get_task_struct(task);
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < 2; i++)
			race.members[i] = mock_fence_create(test->priv);
		race.array = wrap_both(test, true, race.members[0],
				       race.members[1]);
		probe = (struct probe){};
		KUNIT_EXPECT_EQ(test, dma_fence_add_callback(race.array,
							     &probe.cb,
							     probe_func), 0);
		if (!round)
			wake_up_process(task);
		rendezvous(&race.turn, 2 * (round + 1));
		signal_after(race.members[0], round / 32 % 32);
		while (!atomic_read(&probe.called))
			cpu_relax();
		dma_fence_put(race.array);
		rendezvous(&race.finished, 2 * (round + 1));
		called += atomic_read(&probe.called);
	}
	kthread_stop_put(task);
	KUNIT_EXPECT_EQ(test, called, ROUNDS);
}

static struct kunit_case dma_fence_array_nest_cases[] = {
	KUNIT_CASE(next_visits_in_order),
	KUNIT_CASE(match_context_looks_at_members),
	KUNIT_CASE(set_deadline_reaches_pending_members),
	KUNIT_CASE(driver_name_of_signaled),
	KUNIT_CASE(wait_nested_all),
	KUNIT_CASE(wait_nested_any),
	KUNIT_CASE(is_signaled_polls_one_level),
	KUNIT_CASE_SLOW(release_nested_deeply),
	KUNIT_CASE_SLOW(wait_nested_deeply),
	KUNIT_CASE_PARAM_ATTR(signal_races_use, use_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_SLOW(members_signal_at_once),
	{}
};

static struct kunit_suite dma_fence_array_nest_suite = {
	.name = "dma_fence_array_nest",
	.init = nest_test_init,
	.test_cases = dma_fence_array_nest_cases,
};

kunit_test_suite(dma_fence_array_nest_suite);

MODULE_LICENSE("GPL");

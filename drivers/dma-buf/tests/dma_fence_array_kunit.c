// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arrays whose members are plain fences: when they signal and with which error,
 * that members are enabled only when somebody waits, who holds which reference,
 * and arrays with invalid arguments.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/dma-fence-array.h>
#include <linux/dma-fence.h>
#include <linux/irqflags.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "mock.h"

#define MAX_MEMBERS 16

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

static int array_test_init(struct kunit *test)
{
	test->priv = mock_timeline_create(test, "array");
	return 0;
}

/* An array with references of its own to @members. */
static struct dma_fence *make_array(struct kunit *test, int num,
				    struct dma_fence **members, bool any)
{
	struct dma_fence **fences = kmalloc_array(num, sizeof(*fences),
						  GFP_KERNEL);
	struct dma_fence_array *array;

	KUNIT_ASSERT_NOT_NULL(test, fences);
	for (int i = 0; i < num; i++)
		fences[i] = dma_fence_get(members[i]);
	array = dma_fence_array_create(num, fences, 100, 5, any);
	KUNIT_ASSERT_NOT_NULL(test, array);
	return &array->base;
}

static void make_members(struct kunit *test, int num,
			 struct dma_fence **members)
{
	for (int i = 0; i < num; i++)
		members[i] = mock_fence_create(test->priv);
}

/* Drops the array, which must have dropped its members, and the members. */
static void put_all(struct kunit *test, struct dma_fence *array, int num,
		    struct dma_fence **members)
{
	mock_irq_work_settle();
	mock_fence_put_last(test, array);
	for (int i = 0; i < num; i++)
		mock_fence_put_last(test, members[i]);
}

static void create_takes_over_members(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *members[3], *array;

	make_members(test, 3, members);
	array = make_array(test, 3, members, false);
	KUNIT_EXPECT_EQ(test, array->context, 100);
	KUNIT_EXPECT_EQ(test, array->seqno, 5);
	KUNIT_EXPECT_EQ(test, to_dma_fence_array(array)->num_fences, 3);
	KUNIT_EXPECT_TRUE(test, dma_fence_is_array(array));
	KUNIT_EXPECT_TRUE(test, dma_fence_is_container(array));
	KUNIT_EXPECT_FALSE(test, dma_fence_is_chain(array));
	for (int i = 0; i < 3; i++) {
		KUNIT_EXPECT_PTR_EQ(test, to_dma_fence_array(array)->fences[i],
				    members[i]);
		KUNIT_EXPECT_EQ(test, kref_read(&members[i]->refcount), 2);
		dma_fence_put(members[i]);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), 0);
	mock_fence_put_last(test, array);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), 3);
}

static void alloc_without_memory_fails(struct kunit *test)
{
	struct dma_fence_array *array = dma_fence_array_alloc(0);

	KUNIT_EXPECT_NULL(test, dma_fence_array_alloc(-1));
	KUNIT_EXPECT_NULL(test, dma_fence_array_alloc(INT_MIN));
	/* Too large for an allocation, which must not warn. */
	KUNIT_EXPECT_NULL(test, dma_fence_array_alloc(INT_MAX));
	KUNIT_EXPECT_NOT_NULL(test, array);
	/* xe frees an array like this that it did not need. */
	kfree(array);
}

struct bad_init {
	const char *desc;
	int num;
	bool has_fences;
	bool any;
};

static const struct bad_init bad_inits[] = {
	{ "no members", 0, true, false },
	{ "no members, any", 0, true, true },
	{ "negative", -1, true, false },
	{ "no memory for members", 3, false, false },
};

KUNIT_ARRAY_PARAM_DESC(bad_init, bad_inits, desc);

/* An array without members that stayed pending would hang its waiters. */
static void init_without_members_is_signaled(struct kunit *test)
{
	const struct bad_init *param = test->param_value;
	struct dma_fence_array *arrays[2];
	struct probe probe = {};

	for (int i = 0; i < ARRAY_SIZE(arrays); i++) {
		void *fences = param->has_fences ? kmalloc(8, GFP_KERNEL) :
						   NULL;

		arrays[i] = dma_fence_array_alloc(4);
		KUNIT_ASSERT_NOT_NULL(test, arrays[i]);
		mock_warn_begin(test);
		dma_fence_array_init(arrays[i], param->num, fences, 1, 1,
				     param->any);
		mock_warn_end(test, "dma_fence_array_init", 1);
		KUNIT_EXPECT_EQ(test, arrays[i]->num_fences, 0);
		KUNIT_EXPECT_NULL(test,
				  dma_fence_array_first(&arrays[i]->base));
		dma_fence_set_deadline(&arrays[i]->base, 1);
	}
	/* Both a waiter and a poller find it signalled. */
	KUNIT_EXPECT_EQ(test, dma_fence_add_callback(&arrays[0]->base,
						     &probe.cb, probe_func),
			-ENOENT);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(&arrays[0]->base), 1);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(&arrays[1]->base), 1);
	mock_fence_put_last(test, &arrays[0]->base);
	mock_fence_put_last(test, &arrays[1]->base);
}

struct shape {
	const char *desc;
	int num;
	bool any;
	bool backwards;
};

static const struct shape shapes[] = {
	{ "all of 1", 1, false, false },
	{ "all of 3", 3, false, false },
	{ "all of 16, backwards", 16, false, true },
	{ "any of 1", 1, true, false },
	{ "any of 3", 3, true, false },
	{ "any of 16, backwards", 16, true, true },
};

KUNIT_ARRAY_PARAM_DESC(shape, shapes, desc);

/* An armed array signals with the last of all members, or the first of any. */
static void enable_signaling_signals_in_time(struct kunit *test)
{
	const struct shape *param = test->param_value;
	struct dma_fence *members[MAX_MEMBERS], *array;
	struct probe probe = {};

	make_members(test, param->num, members);
	array = make_array(test, param->num, members, param->any);
	KUNIT_EXPECT_EQ(test, dma_fence_add_callback(array, &probe.cb,
						     probe_func), 0);
	for (int i = 0; i < param->num; i++) {
		bool signals = param->any ? !i : i == param->num - 1;
		int at = param->backwards ? param->num - 1 - i : i;

		dma_fence_signal(members[at]);
		mock_irq_work_settle();
		KUNIT_EXPECT_EQ(test, probe.called, signals || param->any);
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(array),
				signals || param->any);
	}
	KUNIT_EXPECT_EQ(test, probe.status, 1);
	for (int i = 0; i < param->num; i++)
		KUNIT_EXPECT_EQ(test,
				atomic_read(&to_mock_fence(members[i])->enabled),
				1);
	put_all(test, array, param->num, members);
}

/* Polling an array polls its members but does not enable their signalling. */
static void is_signaled_polls_members(struct kunit *test)
{
	const struct shape *param = test->param_value;
	struct dma_fence *members[MAX_MEMBERS], *array;

	make_members(test, param->num, members);
	array = make_array(test, param->num, members, param->any);
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(array));
	for (int i = 0; i < param->num; i++) {
		bool signals = param->any ? !i : i == param->num - 1;
		int at = param->backwards ? param->num - 1 - i : i;

		/* The member signals when it is polled. */
		to_mock_fence(members[at])->done = true;
		KUNIT_EXPECT_EQ(test, dma_fence_is_signaled(array),
				signals || param->any);
	}
	for (int i = 0; i < param->num; i++) {
		KUNIT_EXPECT_EQ(test,
				atomic_read(&to_mock_fence(members[i])->enabled),
				0);
		dma_fence_signal(members[i]);
	}
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(array), 1);
	put_all(test, array, param->num, members);
}

/* Some or all members have signalled before the array is armed. */
static void enable_signaling_after_members(struct kunit *test)
{
	const struct shape *param = test->param_value;

	for (int signaled = 0; signaled <= param->num; signaled++) {
		struct dma_fence *members[MAX_MEMBERS], *array;
		bool done = param->any ? signaled > 0 : signaled == param->num;
		struct probe probe = {};

		make_members(test, param->num, members);
		array = make_array(test, param->num, members, param->any);
		for (int i = 0; i < signaled; i++)
			dma_fence_signal(members[param->backwards ?
						 param->num - 1 - i : i]);
		KUNIT_EXPECT_EQ(test, dma_fence_add_callback(array, &probe.cb,
							     probe_func),
				done ? -ENOENT : 0);
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(array), done);
		for (int i = 0; i < param->num; i++)
			dma_fence_signal(members[i]);
		mock_irq_work_settle();
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(array), 1);
		KUNIT_EXPECT_EQ(test, probe.called, !done);
		put_all(test, array, param->num, members);
	}
}

/* The members find in enable_signaling that their job is done. */
static void enable_signaling_members_done(struct kunit *test)
{
	for (int any = 0; any < 2; any++) {
		struct dma_fence *members[3], *array;
		struct probe probe = {};

		make_members(test, 3, members);
		array = make_array(test, 3, members, any);
		to_mock_fence(members[0])->enable_returns_false = true;
		to_mock_fence(members[1])->signal_on_enable = true;
		to_mock_fence(members[2])->enable_returns_false = true;
		KUNIT_EXPECT_EQ(test, dma_fence_add_callback(array, &probe.cb,
							     probe_func),
				-ENOENT);
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(array), 1);
		put_all(test, array, 3, members);
	}
}

/* The same fence is in the array three times: each place has its callback. */
static void enable_signaling_equal_members(struct kunit *test)
{
	for (int any = 0; any < 2; any++) {
		struct dma_fence *fence = mock_fence_create(test->priv);
		struct dma_fence *members[] = { fence, fence, fence };
		struct dma_fence *array = make_array(test, 3, members, any);
		struct probe probe = {};

		KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 4);
		KUNIT_EXPECT_EQ(test, dma_fence_add_callback(array, &probe.cb,
							     probe_func), 0);
		KUNIT_EXPECT_EQ(test,
				atomic_read(&to_mock_fence(fence)->enabled), 1);
		dma_fence_signal(fence);
		mock_irq_work_settle();
		KUNIT_EXPECT_EQ(test, probe.called, 1);
		mock_fence_put_last(test, array);
		mock_fence_put_last(test, fence);
	}
}

/* An armed array reports the error of the member that failed first in time. */
static void get_status_all_first_error(struct kunit *test)
{
	struct dma_fence *members[4], *array;
	struct probe probe = {};

	make_members(test, 4, members);
	array = make_array(test, 4, members, false);
	dma_fence_add_callback(array, &probe.cb, probe_func);
	dma_fence_signal(members[0]);
	dma_fence_set_error(members[2], -EIO);
	dma_fence_signal(members[2]);
	dma_fence_set_error(members[1], -ETIME);
	dma_fence_signal(members[1]);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(array), 0);
	dma_fence_signal(members[3]);
	mock_irq_work_settle();
	KUNIT_EXPECT_EQ(test, probe.status, -EIO);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(array), -EIO);
	put_all(test, array, 4, members);
}

/* A member that failed before the array was armed must not be missed. */
static void get_status_all_failed_early(struct kunit *test)
{
	for (int polled = 0; polled < 2; polled++) {
		struct dma_fence *members[3], *array;
		struct probe probe = {};

		make_members(test, 3, members);
		array = make_array(test, 3, members, false);
		dma_fence_set_error(members[1], -EIO);
		for (int i = 0; i < 3; i++)
			dma_fence_signal(members[i]);
		if (!polled)
			dma_fence_add_callback(array, &probe.cb, probe_func);
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(array), -EIO);
		put_all(test, array, 3, members);
	}
}

/* The first member completes the array; later errors must not show in it. */
static void get_status_any_ignores_later_error(struct kunit *test)
{
	struct dma_fence *members[2], *array;
	struct probe probe = {};
	unsigned long flags;

	mock_need_spinning_locks(test);
	make_members(test, 2, members);
	array = make_array(test, 2, members, true);
	dma_fence_add_callback(array, &probe.cb, probe_func);
	dma_fence_set_error(members[1], -EIO);
	/* Both before the irq_work gets to run. */
	local_irq_save(flags);
	dma_fence_signal(members[0]);
	dma_fence_signal(members[1]);
	local_irq_restore(flags);
	mock_irq_work_settle();
	KUNIT_EXPECT_EQ(test, probe.called, 1);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(array), 1);
	put_all(test, array, 2, members);
}

static void get_status_any_first_failed(struct kunit *test)
{
	for (int armed = 0; armed < 2; armed++) {
		struct dma_fence *members[3], *array;
		struct probe probe = {};

		make_members(test, 3, members);
		array = make_array(test, 3, members, true);
		if (armed)
			dma_fence_add_callback(array, &probe.cb, probe_func);
		dma_fence_set_error(members[1], -EIO);
		dma_fence_signal(members[1]);
		mock_irq_work_settle();
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(array), -EIO);
		/* Later members change nothing. */
		dma_fence_set_error(members[0], -ETIME);
		dma_fence_signal(members[0]);
		dma_fence_signal(members[2]);
		mock_irq_work_settle();
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(array), -EIO);
		put_all(test, array, 3, members);
	}
}

/*
 * The armed array has the last references to its members, and only the armed
 * callbacks keep the array. A callback runs under the lock that the release of
 * the members takes: a release from the callback would deadlock.
 */
static void release_armed_takes_no_lock(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;

	for (int any = 0; any < 2; any++) {
		struct dma_fence *members[3], *array;
		int before = atomic_read(&timeline->released);

		for (int i = 0; i < 3; i++)
			members[i] = mock_fence_create_ops(timeline, i + 1,
							   MOCK_FENCE_SHARED_LOCK,
							   &mock_fence_locking_ops);
		array = make_array(test, 3, members, any);
		dma_fence_enable_sw_signaling(array);
		dma_fence_put(array);
		for (int i = 0; i < 3; i++) {
			KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released),
					before);
			/* The signaller has a reference across the call. */
			dma_fence_signal(members[i]);
			dma_fence_put(members[i]);
		}
		KUNIT_EXPECT_TRUE(test, mock_timeline_wait_released(timeline,
								    before + 3));
	}
}

static struct kunit_case dma_fence_array_cases[] = {
	KUNIT_CASE(create_takes_over_members),
	KUNIT_CASE(alloc_without_memory_fails),
	KUNIT_CASE_PARAM(init_without_members_is_signaled, bad_init_gen_params),
	KUNIT_CASE_PARAM(enable_signaling_signals_in_time, shape_gen_params),
	KUNIT_CASE_PARAM(is_signaled_polls_members, shape_gen_params),
	KUNIT_CASE_PARAM(enable_signaling_after_members, shape_gen_params),
	KUNIT_CASE(enable_signaling_members_done),
	KUNIT_CASE(enable_signaling_equal_members),
	KUNIT_CASE(get_status_all_first_error),
	KUNIT_CASE(get_status_all_failed_early),
	KUNIT_CASE(get_status_any_ignores_later_error),
	KUNIT_CASE(get_status_any_first_failed),
	KUNIT_CASE(release_armed_takes_no_lock),
	{}
};

static struct kunit_suite dma_fence_array_suite = {
	.name = "dma_fence_array",
	.init = array_test_init,
	.test_cases = dma_fence_array_cases,
};

kunit_test_suite(dma_fence_array_suite);

MODULE_LICENSE("GPL");

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a fence: initialisation, also with invalid arguments and in
 * recycled memory, signalling, references and release.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/dma-fence.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "../fence/dma-fence-internal.h"
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
	test->priv = mock_timeline_create(test, "life");
	return 0;
}

static void init_sets_all_members(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct mock_fence *mock;
	struct dma_fence *fence;

	fence = mock_fence_create_at(timeline, U64_MAX, 0);
	mock = to_mock_fence(fence);
	KUNIT_EXPECT_PTR_EQ(test, fence->lock, &mock->lock);
	KUNIT_EXPECT_NOT_NULL(test, fence->ops);
	KUNIT_EXPECT_EQ(test, fence->context, timeline->context);
	KUNIT_EXPECT_EQ(test, fence->seqno, U64_MAX);
	KUNIT_EXPECT_EQ(test, fence->flags, 0);
	KUNIT_EXPECT_EQ(test, fence->error, 0);
	KUNIT_EXPECT_TRUE(test, list_empty(&fence->cb_list));
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), 0);
	mock_fence_put_last(test, fence);
}

/*
 * Drivers recycle fence memory: no flag or error of the old fence may remain.
 */
static void init_overwrites_recycled_memory(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *fence = mock_fence_create(timeline);
	const struct dma_fence_ops *ops = fence->ops;
	spinlock_t *lock = fence->lock;

	memset(fence, 0xa5, sizeof(*fence));
	dma_fence_init(fence, ops, lock, 7, 9);
	KUNIT_EXPECT_EQ(test, fence->flags, 0);
	KUNIT_EXPECT_EQ(test, fence->error, 0);
	KUNIT_EXPECT_EQ(test, fence->context, 7);
	KUNIT_EXPECT_EQ(test, fence->seqno, 9);
	KUNIT_EXPECT_TRUE(test, list_empty(&fence->cb_list));
	KUNIT_EXPECT_EQ(test, dma_fence_signal(fence), 0);
	mock_fence_put_last(test, fence);
}

static const char *a_name(struct dma_fence *fence)
{
	return "a name";
}

static DEFINE_SPINLOCK(a_lock);
static const struct dma_fence_ops no_driver_name = {
	.get_timeline_name = a_name,
};

static const struct dma_fence_ops no_timeline_name = {
	.get_driver_name = a_name,
};

static const struct dma_fence_ops both_names = {
	.get_driver_name = a_name,
	.get_timeline_name = a_name,
};

struct bad_init {
	const char *desc;
	const struct dma_fence_ops *ops;
	/* Not taken by the cases. */
	spinlock_t *lock;
};

static const struct bad_init bad_inits[] = {
	{ "no lock", &both_names, NULL },
	{ "no operations", NULL, &a_lock },
	{ "no driver name", &no_driver_name, &a_lock },
	{ "no timeline name", &no_timeline_name, &a_lock },
	{ "nothing at all", NULL, NULL },
};

KUNIT_ARRAY_PARAM_DESC(bad_init, bad_inits, desc);

/* A fence that a driver broke must neither hang its waiters nor crash them. */
static void init_missing_argument_is_broken(struct kunit *test)
{
	const struct bad_init *param = test->param_value;
	struct dma_fence *fences[2];
	struct probe probe = {};

	mock_warn_begin(test);
	for (int i = 0; i < ARRAY_SIZE(fences); i++) {
		fences[i] = kmalloc(sizeof(*fences[i]), GFP_KERNEL);
		KUNIT_ASSERT_NOT_NULL(test, fences[i]);
		dma_fence_init(fences[i], param->ops, param->lock, 3, 4);
	}
	/* One warning for both. */
	mock_warn_end(test, "dma_fence_init", 1);

	for (int i = 0; i < ARRAY_SIZE(fences); i++) {
		struct dma_fence *fence = fences[i];

		KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(fence));
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), -EINVAL);
		KUNIT_EXPECT_EQ(test, dma_fence_signal(fence), -EINVAL);
		KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, true, 0), 1);
		KUNIT_EXPECT_EQ(test, dma_fence_add_callback(fence, &probe.cb,
							     probe_func),
				-ENOENT);
		KUNIT_EXPECT_LE(test, dma_fence_timestamp(fence), ktime_get());
		dma_fence_set_deadline(fence, 1);
		scoped_guard(rcu)
			KUNIT_EXPECT_NOT_NULL(test,
					      dma_fence_driver_name(fence));
		mock_fence_put_last(test, fence);
	}
	KUNIT_EXPECT_EQ(test, probe.called, 0);
}

static void context_alloc_is_unique(struct kunit *test)
{
	u64 one = dma_fence_context_alloc(1);
	u64 many = dma_fence_context_alloc(1000);
	u64 next = dma_fence_context_alloc(1);

	/* Other threads may allocate meanwhile, but not from these. */
	KUNIT_EXPECT_GT(test, one, 0);
	KUNIT_EXPECT_GE(test, many, one + 1);
	KUNIT_EXPECT_GE(test, next, many + 1000);

	mock_warn_begin(test);
	dma_fence_context_alloc(0);
	mock_warn_end(test, "dma_fence_context_alloc", 1);
}

static void signal_works_once(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);
	ktime_t before = ktime_get(), time;
	struct probe probe = {};

	KUNIT_ASSERT_EQ(test, dma_fence_add_callback(fence, &probe.cb,
						     probe_func), 0);
	KUNIT_EXPECT_EQ(test, dma_fence_signal(fence), 0);
	time = dma_fence_timestamp(fence);
	KUNIT_EXPECT_GE(test, time, before);
	KUNIT_EXPECT_LE(test, time, ktime_get());

	KUNIT_EXPECT_EQ(test, dma_fence_signal(fence), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_fence_signal_timestamp(fence, 1), -EINVAL);
	scoped_guard(spinlock_irqsave, fence->lock) {
		KUNIT_EXPECT_EQ(test, dma_fence_signal_locked(fence), -EINVAL);
		KUNIT_EXPECT_EQ(test,
				dma_fence_signal_timestamp_locked(fence, 1),
				-EINVAL);
	}
	KUNIT_EXPECT_EQ(test, dma_fence_timestamp(fence), time);
	KUNIT_EXPECT_EQ(test, probe.called, 1);
	KUNIT_EXPECT_EQ(test, probe.status, 1);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), 1);
	mock_fence_put_last(test, fence);
}

static void signal_locked_works(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);
	unsigned long flags;
	int ret;

	spin_lock_irqsave(fence->lock, flags);
	ret = dma_fence_signal_locked(fence);
	spin_unlock_irqrestore(fence->lock, flags);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(fence));
	mock_fence_put_last(test, fence);
}

static void signal_timestamp_is_kept(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);
	struct dma_fence *other = mock_fence_create(test->priv);

	KUNIT_EXPECT_EQ(test, dma_fence_signal_timestamp(fence, 12345), 0);
	KUNIT_EXPECT_EQ(test, dma_fence_timestamp(fence), 12345);
	scoped_guard(spinlock_irqsave, other->lock)
		dma_fence_signal_timestamp_locked(other, 0);
	KUNIT_EXPECT_EQ(test, dma_fence_timestamp(other), 0);
	mock_fence_put_last(test, fence);
	mock_fence_put_last(test, other);
}

/* Drivers signal fences that may be NULL by then. */
static void signal_null_is_silent(struct kunit *test)
{
	mock_warn_begin(test);
	KUNIT_EXPECT_EQ(test, dma_fence_signal(NULL), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_fence_signal_timestamp(NULL, 0), -EINVAL);
	mock_warn_end(test, "nowhere", 0);
}

/* A driver's interrupt handler signals like this. */
static void signal_with_irqs_off(struct kunit *test)
{
	struct dma_fence *fence;
	struct probe probe = {};
	unsigned long flags;

	mock_need_spinning_locks(test);
	fence = mock_fence_create(test->priv);
	KUNIT_ASSERT_EQ(test, dma_fence_add_callback(fence, &probe.cb,
						     probe_func), 0);
	local_irq_save(flags);
	dma_fence_signal(fence);
	KUNIT_EXPECT_TRUE(test, irqs_disabled());
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), 1);
	KUNIT_EXPECT_FALSE(test, dma_fence_remove_callback(fence, &probe.cb));
	mock_fence_put_last(test, fence);
	KUNIT_EXPECT_TRUE(test, irqs_disabled());
	local_irq_restore(flags);
	KUNIT_EXPECT_EQ(test, probe.called, 1);
}

static void get_counts_references(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *fence = mock_fence_create(timeline);

	KUNIT_EXPECT_NULL(test, dma_fence_get(NULL));
	dma_fence_put(NULL);

	KUNIT_EXPECT_PTR_EQ(test, dma_fence_get(fence), fence);
	scoped_guard(rcu)
		KUNIT_EXPECT_PTR_EQ(test, dma_fence_get_rcu(fence), fence);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 3);
	dma_fence_put(fence);
	dma_fence_put(fence);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), 0);
	mock_fence_put_last(test, fence);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), 1);
}

/* An RCU reader may still see a released fence but must not revive it. */
static void get_rcu_released_fails(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);
	struct dma_fence __rcu *slot = RCU_INITIALIZER(fence);

	scoped_guard(rcu) {
		struct dma_fence *got = dma_fence_get_rcu_safe(&slot);

		KUNIT_EXPECT_PTR_EQ(test, got, fence);
		dma_fence_put(got);
		dma_fence_put(fence);
		KUNIT_EXPECT_NULL(test, dma_fence_get_rcu(fence));
		RCU_INIT_POINTER(slot, NULL);
		KUNIT_EXPECT_NULL(test, dma_fence_get_rcu_safe(&slot));
	}
}

/* Without a release operation; kmemleak and KASAN watch the memory. */
static void release_by_default_frees(struct kunit *test)
{
	struct dma_fence *fence = kmalloc(sizeof(*fence), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, fence);
	dma_fence_init(fence, &both_names, &a_lock, 1, 1);
	scoped_guard(rcu) {
		dma_fence_put(fence);
		KUNIT_EXPECT_EQ(test, fence->seqno, 1);
	}
}

/* Some drivers free a fence that they did not need. */
static void free_uninitialised_fence(struct kunit *test)
{
	struct dma_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, fence);
	dma_fence_free(fence);
	rcu_barrier();
}

/* Waiters for a fence that its maker dropped would sleep for ever. */
static void release_pending_fails_callbacks(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *fence = mock_fence_create(timeline);
	struct probe probes[2] = {};

	for (int i = 0; i < ARRAY_SIZE(probes); i++)
		KUNIT_ASSERT_EQ(test,
				dma_fence_add_callback(fence, &probes[i].cb,
						       probe_func), 0);
	mock_warn_begin(test);
	dma_fence_put(fence);
	mock_warn_end(test, "signal_forgotten", 1);

	for (int i = 0; i < ARRAY_SIZE(probes); i++) {
		KUNIT_EXPECT_EQ(test, probes[i].called, 1);
		KUNIT_EXPECT_EQ(test, probes[i].status, -EDEADLK);
	}
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), 1);
}

/* Dropping a pending fence without waiters is fine. */
static void release_pending_without_callbacks(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *fence = mock_fence_create(timeline);
	struct probe probe = {};

	KUNIT_ASSERT_EQ(test, dma_fence_add_callback(fence, &probe.cb,
						     probe_func), 0);
	KUNIT_EXPECT_TRUE(test, dma_fence_remove_callback(fence, &probe.cb));
	mock_fence_put_last(test, fence);
	KUNIT_EXPECT_EQ(test, probe.called, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), 1);
}

static struct kunit_case dma_fence_cases[] = {
	KUNIT_CASE(init_sets_all_members),
	KUNIT_CASE(init_overwrites_recycled_memory),
	KUNIT_CASE_PARAM(init_missing_argument_is_broken, bad_init_gen_params),
	KUNIT_CASE(context_alloc_is_unique),
	KUNIT_CASE(signal_works_once),
	KUNIT_CASE(signal_locked_works),
	KUNIT_CASE(signal_timestamp_is_kept),
	KUNIT_CASE(signal_null_is_silent),
	KUNIT_CASE(signal_with_irqs_off),
	KUNIT_CASE(get_counts_references),
	KUNIT_CASE(get_rcu_released_fails),
	KUNIT_CASE(release_by_default_frees),
	KUNIT_CASE(free_uninitialised_fence),
	KUNIT_CASE(release_pending_fails_callbacks),
	KUNIT_CASE(release_pending_without_callbacks),
	{}
};

static struct kunit_suite dma_fence_suite = {
	.name = "dma_fence",
	.init = fence_test_init,
	.test_cases = dma_fence_cases,
};

kunit_test_suite(dma_fence_suite);

MODULE_LICENSE("GPL");

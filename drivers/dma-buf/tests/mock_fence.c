// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fences that a test makes and signals by hand. A timeline counts its fences
 * and outlives them: a fence that is not released at the end fails the test.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/dma-fence-array.h>
#include <linux/dma-fence-chain.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait_bit.h>

#include "mock.h"

/* Far longer than any release takes, far below the time limit of a test. */
#define PATIENCE (20 * HZ)

/* Each operation begins here: without lock and RCU the maker could be gone. */
static struct mock_timeline *timeline_of(struct dma_fence *fence)
{
	struct mock_timeline *timeline = to_mock_fence(fence)->timeline;

	lockdep_assert(lockdep_is_held(fence->lock) ||
		       rcu_read_lock_any_held());
	if (test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags))
		atomic_inc(&timeline->late);
	return timeline;
}

const char *mock_fence_driver_name(struct dma_fence *fence)
{
	return READ_ONCE(timeline_of(fence)->driver_name) ?: "(freed)";
}

const char *mock_fence_timeline_name(struct dma_fence *fence)
{
	return READ_ONCE(timeline_of(fence)->name) ?: "(freed)";
}

bool mock_fence_enable_signaling(struct dma_fence *fence)
{
	struct mock_fence *mock = to_mock_fence(fence);

	timeline_of(fence);
	lockdep_assert_held(fence->lock);
	atomic_inc(&mock->enabled);
	if (mock->signal_on_enable)
		dma_fence_signal_locked(fence);
	return !mock->enable_returns_false;
}

bool mock_fence_signaled(struct dma_fence *fence)
{
	struct mock_fence *mock = to_mock_fence(fence);

	timeline_of(fence);
	atomic_inc(&mock->polled);
	return READ_ONCE(mock->done);
}

void mock_fence_set_deadline(struct dma_fence *fence, ktime_t deadline)
{
	struct mock_fence *mock = to_mock_fence(fence);

	timeline_of(fence);
	atomic_inc(&mock->deadlines);
	mock->deadline = deadline;
}

void mock_fence_release(struct dma_fence *fence)
{
	struct mock_timeline *timeline = to_mock_fence(fence)->timeline;

	dma_fence_free(fence);
	/* The timeline may go from here on: only its address is used. */
	atomic_inc(&timeline->released);
	wake_up_var(&timeline->released);
}

#define NAMES						\
	.get_driver_name = mock_fence_driver_name,	\
	.get_timeline_name = mock_fence_timeline_name,	\
	.release = mock_fence_release
#define ALL						\
	NAMES,						\
	.enable_signaling = mock_fence_enable_signaling,\
	.signaled = mock_fence_signaled,		\
	.set_deadline = mock_fence_set_deadline

/* For each combination of flags, shifted past MOCK_FENCE_SHARED_LOCK. */
static const struct dma_fence_ops mock_fence_ops[] = {
	{ ALL },
	{ NAMES },
	{ ALL, .use_64bit_seqno = true },
	{ NAMES, .use_64bit_seqno = true },
	{ ALL, .names_persist = true },
	{ NAMES, .names_persist = true },
	{ ALL, .use_64bit_seqno = true, .names_persist = true },
	{ NAMES, .use_64bit_seqno = true, .names_persist = true },
};

static struct dma_fence *create(struct mock_timeline *timeline, u64 seqno,
				unsigned int flags,
				const struct dma_fence_ops *ops)
{
	struct mock_fence *mock = kzalloc(sizeof(*mock), GFP_KERNEL);

	if (!mock)
		return NULL;
	mock->timeline = timeline;
	spin_lock_init(&mock->lock);
	dma_fence_init(&mock->base, ops, flags & MOCK_FENCE_SHARED_LOCK ?
					 &timeline->lock : &mock->lock,
		       timeline->context, seqno);
	atomic_inc(&timeline->created);
	return &mock->base;
}

struct dma_fence *mock_fence_try_create(struct mock_timeline *timeline,
					u64 seqno, unsigned int flags)
{
	return create(timeline, seqno, flags, &mock_fence_ops[flags >> 1]);
}

struct dma_fence *mock_fence_create_ops(struct mock_timeline *timeline,
					u64 seqno, unsigned int flags,
					const struct dma_fence_ops *ops)
{
	struct dma_fence *fence = create(timeline, seqno, flags, ops);

	KUNIT_ASSERT_NOT_NULL(timeline->test, fence);
	return fence;
}

void mock_fence_put_last(struct kunit *test, struct dma_fence *fence)
{
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 1);
	dma_fence_put(fence);
}

struct dma_fence *mock_fence_create_at(struct mock_timeline *timeline,
				       u64 seqno, unsigned int flags)
{
	return mock_fence_create_ops(timeline, seqno, flags,
				     &mock_fence_ops[flags >> 1]);
}

struct dma_fence *mock_fence_create(struct mock_timeline *timeline)
{
	return mock_fence_create_at(timeline, ++timeline->seqno, 0);
}

struct dma_fence *mock_fence_create_alone(struct mock_timeline *timeline)
{
	u64 context = timeline->context;
	struct dma_fence *fence;

	timeline->context = dma_fence_context_alloc(1);
	fence = mock_fence_create(timeline);
	timeline->context = context;
	return fence;
}

struct dma_fence *mock_fence_create_signaled(struct mock_timeline *timeline)
{
	struct dma_fence *fence = mock_fence_create(timeline);

	dma_fence_signal(fence);
	return fence;
}

static void free_name(char **pname)
{
	char *name = *pname;

	if (!name)
		return;
	WRITE_ONCE(*pname, NULL);
	synchronize_rcu();
	memset(name, '!', strlen(name));
	kfree(name);
}

void mock_timeline_free_names(struct mock_timeline *timeline)
{
	free_name(&timeline->name);
	free_name(&timeline->driver_name);
}

int mock_timeline_released(struct mock_timeline *timeline)
{
	mock_flush_files();
	rcu_barrier();
	return atomic_read(&timeline->released);
}

bool mock_timeline_wait_released(struct mock_timeline *timeline, int count)
{
	mock_timeline_released(timeline);
	return wait_var_event_timeout(&timeline->released,
				      atomic_read(&timeline->released) >= count,
				      PATIENCE);
}

static void timeline_end(void *data)
{
	struct mock_timeline *timeline = data;
	int created = atomic_read(&timeline->created);

	if (!mock_timeline_wait_released(timeline, created)) {
		KUNIT_FAIL(timeline->test, "%d of %d fences of '%s' are left",
			   created - atomic_read(&timeline->released), created,
			   timeline->name ?: "?");
		/* The fences may still call the timeline: leak it. */
		return;
	}
	KUNIT_EXPECT_EQ(timeline->test, atomic_read(&timeline->released),
			created);
	/* Wait for frees in progress and for readers of the names. */
	rcu_barrier();
	mock_timeline_free_names(timeline);
	kfree(timeline);
}

struct mock_timeline *mock_timeline_create(struct kunit *test,
					   const char *name)
{
	struct mock_timeline *timeline = kzalloc(sizeof(*timeline), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, timeline);
	timeline->test = test;
	spin_lock_init(&timeline->lock);
	timeline->context = dma_fence_context_alloc(1);
	timeline->name = kstrdup(name, GFP_KERNEL);
	timeline->driver_name = kstrdup("mock", GFP_KERNEL);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, timeline_end,
							timeline), 0);
	KUNIT_ASSERT_NOT_NULL(test, timeline->name);
	KUNIT_ASSERT_NOT_NULL(test, timeline->driver_name);
	return timeline;
}

static void locking_release(struct dma_fence *fence)
{
	struct mock_timeline *timeline = to_mock_fence(fence)->timeline;

	scoped_guard(spinlock_irqsave, &timeline->lock)
		fence->seqno = 0;
	mock_fence_release(fence);
}

const struct dma_fence_ops mock_fence_locking_ops = {
	.get_driver_name = mock_fence_driver_name,
	.get_timeline_name = mock_fence_timeline_name,
	.release = locking_release,
};

struct dma_fence *mock_array_of(struct kunit *test, int num,
				struct dma_fence **members)
{
	struct dma_fence **fences = kcalloc(num, sizeof(*fences), GFP_KERNEL);
	struct dma_fence_array *array;

	KUNIT_ASSERT_NOT_NULL(test, fences);
	for (int i = 0; i < num; i++)
		fences[i] = dma_fence_get(members[i]);
	array = dma_fence_array_create(num, fences,
				       dma_fence_context_alloc(1), 1, false);
	KUNIT_ASSERT_NOT_NULL(test, array);
	return &array->base;
}

struct dma_fence *mock_link_after(struct kunit *test, struct dma_fence *prev,
				  struct dma_fence *fence, u64 seqno)
{
	struct dma_fence_chain *chain = dma_fence_chain_alloc();

	KUNIT_ASSERT_NOT_NULL(test, chain);
	dma_fence_chain_init(chain, prev, fence, seqno);
	return &chain->base;
}

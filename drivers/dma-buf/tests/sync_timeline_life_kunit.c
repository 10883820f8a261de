// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a software timeline and of its fences: fences that are released
 * while the timeline works on them, destruction, and concurrent increments.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/dma-fence.h>
#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched/task.h>
#include <linux/spinlock.h>

#include "../fence/dma-fence-internal.h"
#include "../sync/sync_timeline.h"
#include "mock.h"
#include "sync_mock.h"

/* A point in the state between the last put on another CPU and the release. */
static struct dma_fence *make_dying(struct kunit *test, u32 value)
{
	struct dma_fence *fence = sync_mock_fence(test, 0, value);

	KUNIT_ASSERT_EQ(test, kref_read(&fence->refcount), 1);
	KUNIT_ASSERT_TRUE(test,
			  refcount_dec_and_test(&fence->refcount.refcount));
	return fence;
}

static void fence_dying_is_replaced(struct kunit *test)
{
	struct sync_mock *mock = test->priv;
	struct dma_fence *dying = make_dying(test, 5);
	struct dma_fence *fence = sync_mock_add(test, 0, 5);

	KUNIT_EXPECT_PTR_NE(test, fence, dying);
	KUNIT_EXPECT_EQ(test, kref_read(&dying->refcount), 0);
	dma_fence_release(&dying->refcount);

	/* Its release has not removed the new point from the tree. */
	sync_timeline_inc(mock->timelines[0], 5);
	KUNIT_EXPECT_EQ(test, mock->points[0].called, 1);
	mock_fence_put_last(test, fence);
	KUNIT_EXPECT_EQ(test, kref_read(&mock->timelines[0]->kref), 1);
}

static void inc_dying_is_skipped(struct kunit *test)
{
	struct sync_mock *mock = test->priv;
	struct dma_fence *dying = make_dying(test, 1);
	struct dma_fence *fence = sync_mock_add(test, 0, 2), *seen;
	u64 from = 0;

	/* The visit skips it as well. */
	seen = sync_timeline_next_fence(mock->timelines[0], &from);
	KUNIT_EXPECT_PTR_EQ(test, seen, fence);
	dma_fence_put(seen);

	sync_timeline_inc(mock->timelines[0], 2);
	KUNIT_EXPECT_EQ(test, mock->points[0].called, 1);
	KUNIT_EXPECT_EQ(test, kref_read(&dying->refcount), 0);
	KUNIT_EXPECT_FALSE(test, test_bit(DMA_FENCE_FLAG_SIGNALED_BIT,
					  &dying->flags));
	dma_fence_release(&dying->refcount);
	mock_fence_put_last(test, fence);
}

/*
 * The callback drops the last references to its own fence and to a later one.
 * Both releases take the lock of the timeline: it must not be held here.
 */
static void inc_callback_drops_last_references(struct kunit *test)
{
	struct sync_mock *mock = test->priv;
	struct dma_fence *fence = sync_mock_add(test, 0, 1);

	mock->points[0].drop[0] = fence;
	mock->points[0].drop[1] = sync_timeline_fence(mock->timelines[0], 2);
	fence = sync_mock_add(test, 1, 3);
	KUNIT_EXPECT_EQ(test, kref_read(&mock->timelines[0]->kref), 4);

	sync_timeline_inc(mock->timelines[0], 1);
	KUNIT_EXPECT_EQ(test, mock->points[0].called, 1);
	KUNIT_EXPECT_EQ(test, kref_read(&mock->timelines[0]->kref), 2);
	sync_timeline_inc(mock->timelines[0], 2);
	KUNIT_EXPECT_EQ(test, mock->points[1].called, 2);
	mock_fence_put_last(test, fence);
}

static void release_pending_with_irqs_off(struct kunit *test)
{
	struct sync_mock *mock = test->priv;
	struct dma_fence *fence = sync_timeline_fence(mock->timelines[0], 1);
	struct dma_fence *other = sync_mock_add(test, 0, 2);
	unsigned long flags;
	bool before, after;

	KUNIT_ASSERT_NOT_NULL(test, fence);
	/* A callback of another fence of the timeline runs like this. */
	spin_lock_irqsave(other->lock, flags);
	before = irqs_disabled();
	dma_fence_put(fence);
	after = irqs_disabled();
	spin_unlock_irqrestore(other->lock, flags);

	KUNIT_EXPECT_EQ(test, after, before);
	KUNIT_EXPECT_EQ(test, kref_read(&mock->timelines[0]->kref), 2);
	sync_timeline_inc(mock->timelines[0], 2);
	KUNIT_EXPECT_EQ(test, mock->points[0].called, 1);
	mock_fence_put_last(test, other);
}

static void destroy_fails_pending(struct kunit *test)
{
	struct sync_mock *mock = test->priv;
	struct dma_fence *fence;

	sync_mock_add(test, 0, 20);
	sync_mock_add(test, 1, 1);
	sync_mock_add(test, 2, 10);
	sync_timeline_inc(mock->timelines[0], 1);
	sync_mock_destroy(test);

	KUNIT_EXPECT_EQ(test, mock->points[1].called, 1);
	KUNIT_EXPECT_EQ(test, mock->points[2].called, 2);
	KUNIT_EXPECT_EQ(test, mock->points[0].called, 3);
	for (int i = 0; i < 3; i++) {
		fence = mock->points[i].fence;
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence),
				i == 1 ? 1 : -ENOENT);
		mock_fence_put_last(test, fence);
	}
}

static void fence_after_destroy_fails_at_once(struct kunit *test)
{
	struct sync_mock *mock = test->priv;
	struct sync_timeline *timeline = mock->timelines[0];
	struct dma_fence *fence;

	kref_get(&timeline->kref);
	sync_mock_destroy(test);
	for (u32 value = 0; value < 2; value++) {
		fence = sync_timeline_fence(timeline, value);
		KUNIT_ASSERT_NOT_NULL(test, fence);
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), -ENOENT);
		mock_fence_put_last(test, fence);
	}
	KUNIT_EXPECT_EQ(test, kref_read(&timeline->kref), 1);
	sync_timeline_put(timeline);
}

static void destroy_keeps_names(struct kunit *test)
{
	struct sync_timeline *timeline;
	struct dma_fence *fence;

	timeline = sync_timeline_create("a name of more than 31 characters");
	KUNIT_ASSERT_NOT_NULL(test, timeline);
	fence = sync_timeline_fence(timeline, 1);
	KUNIT_ASSERT_NOT_NULL(test, fence);
	sync_timeline_destroy(timeline);
	sync_mock_destroy(test);

	scoped_guard(rcu) {
		KUNIT_EXPECT_STREQ(test, dma_fence_driver_name(fence),
				   "sw_sync");
		KUNIT_EXPECT_STREQ(test, dma_fence_timeline_name(fence),
				   "a name of more than 31 characte");
	}
	mock_fence_put_last(test, fence);
}

/* Does the iteration over all timelines visit this one? */
static bool is_listed(struct sync_timeline *wanted)
{
	struct sync_timeline *timeline = NULL;
	bool found = false;

	while ((timeline = sync_timeline_next(timeline)))
		found |= timeline == wanted;
	return found;
}

static void next_visits_while_referenced(struct kunit *test)
{
	struct sync_mock *mock = test->priv;
	struct sync_timeline *timeline = mock->timelines[0];
	struct dma_fence *fence = sync_mock_add(test, 0, 1);

	KUNIT_EXPECT_TRUE(test, is_listed(timeline));
	KUNIT_EXPECT_EQ(test, kref_read(&timeline->kref), 2);
	sync_mock_destroy(test);
	KUNIT_EXPECT_TRUE(test, is_listed(timeline));
	mock_fence_put_last(test, fence);
	KUNIT_EXPECT_FALSE(test, is_listed(timeline));
}

#define STEPPERS 3
#define STEPS 500

/* A fence of the race. */
struct racer {
	struct dma_fence_cb cb;
	struct dma_fence *fence;
	struct race *race;
};

struct race {
	struct sync_timeline *timeline;
	struct completion go, done;
	/* Protects @last and @disorder. */
	spinlock_t lock;
	u32 last;
	int disorder;
	struct racer racers[STEPPERS * STEPS];
};

static void raced(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct racer *racer = container_of(cb, struct racer, cb);
	struct race *race = racer->race;

	guard(spinlock_irqsave)(&race->lock);
	race->disorder += fence->seqno != race->last + 1;
	race->last = fence->seqno;
}

static int stepper(void *data)
{
	struct race *race = data;

	wait_for_completion(&race->go);
	for (int i = 0; i < STEPS; i++)
		sync_timeline_inc(race->timeline, 1);
	complete(&race->done);
	return 0;
}

/*
 * The window: one thread has incremented the timeline and is about to signal,
 * another one reaches the next point. No point may be overtaken or left out.
 */
static void inc_concurrent_keeps_order(struct kunit *test)
{
	struct sync_mock *mock = test->priv;
	struct task_struct *tasks[STEPPERS];
	struct race *race;

	race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, race);
	race->timeline = mock->timelines[0];
	init_completion(&race->go);
	init_completion(&race->done);
	spin_lock_init(&race->lock);

	for (int i = 0; i < ARRAY_SIZE(race->racers); i++) {
		struct racer *racer = &race->racers[i];

		racer->race = race;
		racer->fence = sync_timeline_fence(mock->timelines[0], i + 1);
		KUNIT_ASSERT_NOT_NULL(test, racer->fence);
		KUNIT_ASSERT_EQ(test, dma_fence_add_callback(racer->fence,
							     &racer->cb,
							     raced), 0);
	}
	for (int i = 0; i < STEPPERS; i++) {
		tasks[i] = kthread_run(stepper, race, "stepper/%d", i);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, tasks[i]);
		get_task_struct(tasks[i]);
	}
	complete_all(&race->go);
	for (int i = 0; i < STEPPERS; i++)
		wait_for_completion(&race->done);
	for (int i = 0; i < STEPPERS; i++)
		kthread_stop_put(tasks[i]);

	KUNIT_EXPECT_EQ(test, race->last, STEPPERS * STEPS);
	KUNIT_EXPECT_EQ(test, race->disorder, 0);
	KUNIT_EXPECT_EQ(test, sync_timeline_value(mock->timelines[0]),
			STEPPERS * STEPS);
	for (int i = 0; i < ARRAY_SIZE(race->racers); i++)
		mock_fence_put_last(test, race->racers[i].fence);
}

static struct kunit_case sync_timeline_life_cases[] = {
	KUNIT_CASE(fence_dying_is_replaced),
	KUNIT_CASE(inc_dying_is_skipped),
	KUNIT_CASE(inc_callback_drops_last_references),
	KUNIT_CASE(release_pending_with_irqs_off),
	KUNIT_CASE(destroy_fails_pending),
	KUNIT_CASE(fence_after_destroy_fails_at_once),
	KUNIT_CASE(destroy_keeps_names),
	KUNIT_CASE(next_visits_while_referenced),
	KUNIT_CASE_SLOW(inc_concurrent_keeps_order),
	{}
};

static struct kunit_suite sync_timeline_life_suite = {
	.name = "sync_timeline_life",
	.init = sync_mock_init,
	.exit = sync_mock_exit,
	.test_cases = sync_timeline_life_cases,
};

kunit_test_suite(sync_timeline_life_suite);

MODULE_LICENSE("GPL");

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The software timeline: order, sharing, wrap-around, errors, deadlines, the
 * end of a timeline, and the two ways in which a fence can go away while the
 * timeline is at work on it.
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
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "../sync_timeline.h"

#define MAX_POINTS 16

/* A fence under test, and what its callback saw. */
struct point {
	struct dma_fence_cb cb;
	struct dma_fence *fence;
	struct ctx *ctx;
	/* The callback drops these, with the lock of the fence held. */
	struct dma_fence *drop[2];
	/* When it was called: 1 for the first of all; 0 for not yet. */
	int called;
};

struct ctx {
	struct sync_timeline *timeline;
	struct point points[MAX_POINTS];
	int calls;
};

static int timeline_init(struct kunit *test)
{
	struct ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->timeline = sync_timeline_create("test");
	KUNIT_ASSERT_NOT_NULL(test, ctx->timeline);
	test->priv = ctx;
	return 0;
}

static void timeline_exit(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	if (ctx && ctx->timeline)
		sync_timeline_destroy(ctx->timeline);
}

static void destroy(struct ctx *ctx)
{
	sync_timeline_destroy(ctx->timeline);
	ctx->timeline = NULL;
}

static void called(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct point *p = container_of(cb, struct point, cb);

	p->called = ++p->ctx->calls;
	for (int i = 0; i < ARRAY_SIZE(p->drop); i++)
		dma_fence_put(p->drop[i]);
}

/* Point @i of the test is at @value, pending, with a callback. */
static struct dma_fence *add(struct kunit *test, int i, u32 value)
{
	struct ctx *ctx = test->priv;
	struct point *p = &ctx->points[i];

	p->ctx = ctx;
	p->fence = sync_timeline_fence(ctx->timeline, value);
	KUNIT_ASSERT_NOT_NULL(test, p->fence);
	KUNIT_ASSERT_EQ(test, dma_fence_add_callback(p->fence, &p->cb, called),
			0);
	return p->fence;
}

/* Expect that nobody else has a reference, and drop it. */
static void put_last(struct kunit *test, struct dma_fence *fence)
{
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 1);
	dma_fence_put(fence);
}

static void inc_signals_in_order(struct kunit *test)
{
	static const u32 values[] = { 7, 3, 9, 1, 5, 12 };
	static const int order[] = { 4, 2, 5, 1, 3, 0 };
	struct ctx *ctx = test->priv;

	for (int i = 0; i < ARRAY_SIZE(values); i++)
		add(test, i, values[i]);
	sync_timeline_inc(ctx->timeline, 0);
	KUNIT_EXPECT_EQ(test, ctx->calls, 0);
	sync_timeline_inc(ctx->timeline, 9);

	KUNIT_EXPECT_EQ(test, sync_timeline_value(ctx->timeline), 9);
	for (int i = 0; i < ARRAY_SIZE(values); i++) {
		struct dma_fence *fence = ctx->points[i].fence;

		KUNIT_EXPECT_EQ(test, ctx->points[i].called, order[i]);
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), !!order[i]);
		KUNIT_EXPECT_EQ(test, fence->context, ctx->timeline->context);
		KUNIT_EXPECT_EQ(test, fence->seqno, values[i]);
	}
	sync_timeline_inc(ctx->timeline, 3);
	KUNIT_EXPECT_EQ(test, ctx->points[5].called, 6);
	for (int i = 0; i < ARRAY_SIZE(values); i++)
		put_last(test, ctx->points[i].fence);
}

/* What is more than INT_MAX ahead counts as behind. */
static void fence_reached_is_signaled(struct kunit *test)
{
	static const u32 values[] = { 100, 99, 0, 101 + (u32)INT_MAX, U32_MAX };
	struct ctx *ctx = test->priv;

	sync_timeline_inc(ctx->timeline, 100);
	for (int i = 0; i < ARRAY_SIZE(values); i++) {
		struct dma_fence *fence =
			sync_timeline_fence(ctx->timeline, values[i]);

		KUNIT_ASSERT_NOT_NULL(test, fence);
		KUNIT_EXPECT_EQ_MSG(test, dma_fence_get_status(fence), 1,
				    "value %u", values[i]);
		put_last(test, fence);
	}
}

static void fence_pending_is_shared(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *first = add(test, 0, 5);
	struct dma_fence *second = sync_timeline_fence(ctx->timeline, 5);

	KUNIT_EXPECT_PTR_EQ(test, first, second);
	KUNIT_EXPECT_EQ(test, kref_read(&first->refcount), 2);
	/* The point that was made in vain has given its reference back. */
	KUNIT_EXPECT_EQ(test, kref_read(&ctx->timeline->kref), 2);

	sync_timeline_inc(ctx->timeline, 5);
	dma_fence_put(second);
	second = sync_timeline_fence(ctx->timeline, 5);
	KUNIT_EXPECT_PTR_NE(test, first, second);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(second), 1);
	put_last(test, second);
	put_last(test, first);
	KUNIT_EXPECT_EQ(test, kref_read(&ctx->timeline->kref), 1);
}

/* A point as another CPU leaves it between the last put and its release. */
static struct dma_fence *make_dying(struct kunit *test, u32 value)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *fence = sync_timeline_fence(ctx->timeline, value);

	KUNIT_ASSERT_NOT_NULL(test, fence);
	KUNIT_ASSERT_EQ(test, kref_read(&fence->refcount), 1);
	KUNIT_ASSERT_TRUE(test, refcount_dec_and_test(&fence->refcount.refcount));
	return fence;
}

static void fence_dying_is_replaced(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *dying = make_dying(test, 5);
	struct dma_fence *fence = add(test, 0, 5);

	KUNIT_EXPECT_PTR_NE(test, fence, dying);
	KUNIT_EXPECT_EQ(test, kref_read(&dying->refcount), 0);
	dma_fence_release(&dying->refcount);

	/* Its release has not taken the other one out of the tree. */
	sync_timeline_inc(ctx->timeline, 5);
	KUNIT_EXPECT_EQ(test, ctx->points[0].called, 1);
	put_last(test, fence);
	KUNIT_EXPECT_EQ(test, kref_read(&ctx->timeline->kref), 1);
}

static void inc_dying_is_skipped(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *dying = make_dying(test, 1);
	struct dma_fence *fence = add(test, 0, 2), *seen;
	u64 from = 0;

	/* The visit skips it as well. */
	seen = sync_timeline_next_fence(ctx->timeline, &from);
	KUNIT_EXPECT_PTR_EQ(test, seen, fence);
	dma_fence_put(seen);

	sync_timeline_inc(ctx->timeline, 2);
	KUNIT_EXPECT_EQ(test, ctx->points[0].called, 1);
	KUNIT_EXPECT_EQ(test, kref_read(&dying->refcount), 0);
	KUNIT_EXPECT_FALSE(test, test_bit(DMA_FENCE_FLAG_SIGNALED_BIT,
					  &dying->flags));
	dma_fence_release(&dying->refcount);
	put_last(test, fence);
}

/*
 * The callback has the last reference to its own fence and to one further on,
 * whose release needs the lock of the timeline.
 */
static void inc_callback_drops_last_references(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *fence = add(test, 0, 1);

	ctx->points[0].drop[0] = fence;
	ctx->points[0].drop[1] = sync_timeline_fence(ctx->timeline, 2);
	fence = add(test, 1, 3);
	KUNIT_EXPECT_EQ(test, kref_read(&ctx->timeline->kref), 4);

	sync_timeline_inc(ctx->timeline, 1);
	KUNIT_EXPECT_EQ(test, ctx->points[0].called, 1);
	KUNIT_EXPECT_EQ(test, kref_read(&ctx->timeline->kref), 2);
	sync_timeline_inc(ctx->timeline, 2);
	KUNIT_EXPECT_EQ(test, ctx->points[1].called, 2);
	put_last(test, fence);
}

static void release_pending_with_irqs_off(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *fence = sync_timeline_fence(ctx->timeline, 1);
	struct dma_fence *other = add(test, 0, 2);
	unsigned long flags;

	KUNIT_ASSERT_NOT_NULL(test, fence);
	/* As from a callback of another fence of the same timeline. */
	spin_lock_irqsave(other->lock, flags);
	dma_fence_put(fence);
	KUNIT_EXPECT_TRUE(test, irqs_disabled());
	spin_unlock_irqrestore(other->lock, flags);

	KUNIT_EXPECT_EQ(test, kref_read(&ctx->timeline->kref), 2);
	sync_timeline_inc(ctx->timeline, 2);
	KUNIT_EXPECT_EQ(test, ctx->points[0].called, 1);
	put_last(test, other);
}

static void inc_wraps(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	sync_timeline_inc(ctx->timeline, 0xfffffff0);
	add(test, 0, 5);
	add(test, 1, 0xfffffff8);
	add(test, 2, 4);
	KUNIT_EXPECT_TRUE(test, dma_fence_is_later(ctx->points[0].fence,
						   ctx->points[1].fence));

	sync_timeline_inc(ctx->timeline, 0x14);
	KUNIT_EXPECT_EQ(test, sync_timeline_value(ctx->timeline), 4);
	KUNIT_EXPECT_EQ(test, ctx->points[1].called, 1);
	KUNIT_EXPECT_EQ(test, ctx->points[2].called, 2);
	KUNIT_EXPECT_EQ(test, ctx->points[0].called, 0);
	sync_timeline_inc(ctx->timeline, 1);
	KUNIT_EXPECT_EQ(test, ctx->points[0].called, 3);
	for (int i = 0; i < 3; i++)
		put_last(test, ctx->points[i].fence);
}

static void inc_beyond_int_max(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	add(test, 0, INT_MAX);
	add(test, 1, 1);
	sync_timeline_inc(ctx->timeline, U32_MAX);
	KUNIT_EXPECT_EQ(test, sync_timeline_value(ctx->timeline), U32_MAX);
	KUNIT_EXPECT_EQ(test, ctx->points[1].called, 1);
	KUNIT_EXPECT_EQ(test, ctx->points[0].called, 2);
	put_last(test, ctx->points[0].fence);
	put_last(test, ctx->points[1].fence);
}

static void set_error_holds_until_changed(struct kunit *test)
{
	static const int errors[] = { 0, -EIO, -EIO, 0, -ETIME };
	static const int steps[] = { 0, -EIO, 1, 0, -ETIME };
	struct ctx *ctx = test->priv;

	for (int i = 0; i < ARRAY_SIZE(errors); i++)
		add(test, i, i + 1);
	for (int i = 0; i < ARRAY_SIZE(errors); i++) {
		if (steps[i] <= 0)
			sync_timeline_set_error(ctx->timeline, steps[i]);
		sync_timeline_inc(ctx->timeline, 1);
	}
	for (int i = 0; i < ARRAY_SIZE(errors); i++) {
		KUNIT_EXPECT_EQ(test, ctx->points[i].called, i + 1);
		KUNIT_EXPECT_EQ(test,
				dma_fence_get_status(ctx->points[i].fence),
				errors[i] ?: 1);
		put_last(test, ctx->points[i].fence);
	}
}

static void destroy_fails_pending(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *fence;

	add(test, 0, 20);
	add(test, 1, 1);
	add(test, 2, 10);
	sync_timeline_inc(ctx->timeline, 1);
	destroy(ctx);

	KUNIT_EXPECT_EQ(test, ctx->points[1].called, 1);
	KUNIT_EXPECT_EQ(test, ctx->points[2].called, 2);
	KUNIT_EXPECT_EQ(test, ctx->points[0].called, 3);
	for (int i = 0; i < 3; i++) {
		fence = ctx->points[i].fence;
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence),
				i == 1 ? 1 : -ENOENT);
		put_last(test, fence);
	}
}

static void fence_after_destroy_fails_at_once(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct sync_timeline *timeline = ctx->timeline;
	struct dma_fence *fence;

	kref_get(&timeline->kref);
	destroy(ctx);
	for (u32 value = 0; value < 2; value++) {
		fence = sync_timeline_fence(timeline, value);
		KUNIT_ASSERT_NOT_NULL(test, fence);
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), -ENOENT);
		put_last(test, fence);
	}
	KUNIT_EXPECT_EQ(test, kref_read(&timeline->kref), 1);
	sync_timeline_put(timeline);
}

static void names_outlive_maker(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct sync_timeline *timeline;
	struct dma_fence *fence;

	timeline = sync_timeline_create("a name of more than 31 characters");
	KUNIT_ASSERT_NOT_NULL(test, timeline);
	fence = sync_timeline_fence(timeline, 1);
	KUNIT_ASSERT_NOT_NULL(test, fence);
	sync_timeline_destroy(timeline);
	destroy(ctx);

	scoped_guard(rcu) {
		KUNIT_EXPECT_STREQ(test, dma_fence_driver_name(fence),
				   "sw_sync");
		KUNIT_EXPECT_STREQ(test, dma_fence_timeline_name(fence),
				   "a name of more than 31 characte");
	}
	put_last(test, fence);
}

/* Does the visit of all timelines come to this one? */
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
	struct ctx *ctx = test->priv;
	struct sync_timeline *timeline = ctx->timeline;
	struct dma_fence *fence = add(test, 0, 1);

	KUNIT_EXPECT_TRUE(test, is_listed(timeline));
	KUNIT_EXPECT_EQ(test, kref_read(&timeline->kref), 2);
	destroy(ctx);
	KUNIT_EXPECT_TRUE(test, is_listed(timeline));
	put_last(test, fence);
	KUNIT_EXPECT_FALSE(test, is_listed(timeline));
}

/* Also that a failed one can be seen for as long as somebody has it. */
static void next_fence_visits_in_order(struct kunit *test)
{
	static const u32 values[] = { 4, 2, 8, 6, 1 };
	struct ctx *ctx = test->priv;
	struct sync_timeline *timeline = ctx->timeline;
	struct dma_fence *fence;
	u64 last = 1, from = 0;
	int count = 0;

	for (int i = 0; i < ARRAY_SIZE(values); i++)
		add(test, i, values[i]);
	sync_timeline_inc(timeline, 1);
	dma_fence_put(ctx->points[4].fence);
	/* Held by the fences from here on. */
	destroy(ctx);

	while ((fence = sync_timeline_next_fence(timeline, &from))) {
		KUNIT_EXPECT_EQ(test, fence->seqno, ++count * 2);
		KUNIT_EXPECT_GT(test, from, last);
		KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
		last = from;
		dma_fence_put(fence);
	}
	KUNIT_EXPECT_EQ(test, count, 4);
	for (int i = 0; i < 4; i++)
		put_last(test, ctx->points[i].fence);
}

static void deadline_earliest_wins(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *fence = add(test, 0, 1), *stub;
	ktime_t deadline = 1;

	stub = dma_fence_get_stub();
	KUNIT_EXPECT_EQ(test, sync_timeline_fence_deadline(stub, &deadline),
			-EINVAL);
	dma_fence_put(stub);
	KUNIT_EXPECT_EQ(test, sync_timeline_fence_deadline(fence, &deadline),
			-ENOENT);
	KUNIT_EXPECT_EQ(test, deadline, 1);

	dma_fence_set_deadline(fence, 3000);
	dma_fence_set_deadline(fence, 2000);
	dma_fence_set_deadline(fence, 4000);
	KUNIT_EXPECT_EQ(test, sync_timeline_fence_deadline(fence, &deadline),
			0);
	KUNIT_EXPECT_EQ(test, deadline, 2000);

	/* Too late to matter; what was known stays known. */
	sync_timeline_inc(ctx->timeline, 1);
	dma_fence_set_deadline(fence, 1000);
	KUNIT_EXPECT_EQ(test, sync_timeline_fence_deadline(fence, &deadline),
			0);
	KUNIT_EXPECT_EQ(test, deadline, 2000);
	put_last(test, fence);
}

static void value_str_prints_both_values(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *fence;
	char value[32], now[32];

	sync_timeline_inc(ctx->timeline, 0xfffffff0);
	fence = add(test, 0, 0xfffffff1);
	fence->ops->fence_value_str(fence, value, sizeof(value));
	fence->ops->timeline_value_str(fence, now, sizeof(now));
	KUNIT_EXPECT_STREQ(test, value, "4294967281");
	KUNIT_EXPECT_STREQ(test, now, "-16");
	put_last(test, fence);
}

#define MANY 5000

/* Made in the worst order for a list: each new one comes first. */
static void inc_signals_many(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_fence **fences;
	int signaled = 0;

	fences = kunit_kcalloc(test, MANY, sizeof(*fences), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fences);
	for (int i = MANY - 1; i >= 0; i--)
		fences[i] = sync_timeline_fence(ctx->timeline, i + 1);

	sync_timeline_inc(ctx->timeline, MANY / 2);
	for (int i = 0; i < MANY; i++) {
		signaled += dma_fence_get_status(fences[i]);
		dma_fence_put(fences[i]);
	}
	KUNIT_EXPECT_EQ(test, signaled, MANY / 2);
	KUNIT_EXPECT_EQ(test, kref_read(&ctx->timeline->kref), 1);
}

#define STEPPERS 3
#define STEPS 500

/* A fence of the race, with what all of them share. */
struct racer {
	struct dma_fence_cb cb;
	struct dma_fence *fence;
	struct race *race;
};

struct race {
	struct sync_timeline *timeline;
	struct completion go, done;
	/* Protects the two below. */
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
 * The window: one has moved the timeline on and is about to signal, another
 * reaches the point behind. Neither may overtake, and none may be left out.
 */
static void inc_concurrent_keeps_order(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct task_struct *tasks[STEPPERS];
	struct race *race;

	race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, race);
	race->timeline = ctx->timeline;
	init_completion(&race->go);
	init_completion(&race->done);
	spin_lock_init(&race->lock);

	for (int i = 0; i < ARRAY_SIZE(race->racers); i++) {
		struct racer *racer = &race->racers[i];

		racer->race = race;
		racer->fence = sync_timeline_fence(ctx->timeline, i + 1);
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
	KUNIT_EXPECT_EQ(test, sync_timeline_value(ctx->timeline),
			STEPPERS * STEPS);
	for (int i = 0; i < ARRAY_SIZE(race->racers); i++)
		put_last(test, race->racers[i].fence);
}

static struct kunit_case sync_timeline_cases[] = {
	KUNIT_CASE(inc_signals_in_order),
	KUNIT_CASE(inc_wraps),
	KUNIT_CASE(inc_beyond_int_max),
	KUNIT_CASE(inc_dying_is_skipped),
	KUNIT_CASE(inc_callback_drops_last_references),
	KUNIT_CASE(inc_signals_many),
	KUNIT_CASE_SLOW(inc_concurrent_keeps_order),
	KUNIT_CASE(fence_reached_is_signaled),
	KUNIT_CASE(fence_pending_is_shared),
	KUNIT_CASE(fence_dying_is_replaced),
	KUNIT_CASE(fence_after_destroy_fails_at_once),
	KUNIT_CASE(release_pending_with_irqs_off),
	KUNIT_CASE(set_error_holds_until_changed),
	KUNIT_CASE(destroy_fails_pending),
	KUNIT_CASE(names_outlive_maker),
	KUNIT_CASE(next_visits_while_referenced),
	KUNIT_CASE(next_fence_visits_in_order),
	KUNIT_CASE(deadline_earliest_wins),
	KUNIT_CASE(value_str_prints_both_values),
	{}
};

static struct kunit_suite sync_timeline_suite = {
	.name = "sync_timeline",
	.init = timeline_init,
	.exit = timeline_exit,
	.test_cases = sync_timeline_cases,
};

kunit_test_suite(sync_timeline_suite);

MODULE_LICENSE("GPL");

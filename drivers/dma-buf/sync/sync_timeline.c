// SPDX-License-Identifier: GPL-2.0-only
/*
 * The software timeline and its points: making, finding, signalling and
 * releasing them. sw_sync.c has descriptors and ioctls, sync_debug.c the list
 * in debugfs.
 *
 * The points are in a tree by position, as user space may make any number of
 * them: finding and adding one is O(log n), the first one is cached.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <linux/cleanup.h>
#include <linux/dma-fence.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/rbtree.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/wordpart.h>

#include "sync_timeline.h"

#define CREATE_TRACE_POINTS
#include "sync_trace.h"

/**
 * DOC: software timeline
 *
 * The maker of a timeline owns it and steps it. A point is a fence at a
 * position of the timeline. Points made for the same position while it is ahead
 * are one fence.
 *
 * Life cycle: sync_timeline_create() gives the owner a reference, and each
 * point holds another until it is freed. sync_timeline_destroy() fails pending
 * points with -ENOENT and drops the owner's reference; fences that are still
 * referenced keep the timeline, and so their names. A failed point stays in the
 * tree until its last reference is dropped, so that debugfs lists fences that
 * somebody still holds.
 *
 * Signalling: a step first advances &sync_timeline.now, then takes reached
 * points one by one from the front of the tree: it takes a reference under the
 * lock, signals without the lock, and unlinks under it. A point leaves the tree
 * only after it has signalled. So of two concurrent steps neither overtakes the
 * other, and neither returns before the points that it reached have signalled:
 * the second step finds the same point at the front and waits for its lock.
 *
 * **Locking**: each point has a lock of its own for &dma_fence.lock, because
 * callbacks run under that lock and may drop the last reference to any other
 * point of the timeline. The release of a point takes &sync_timeline.lock,
 * which therefore is never held while a fence signals or a reference is
 * dropped. Order: the lock of a point, then the lock of the timeline or of the
 * list of timelines, which do not nest. All are taken with interrupts off.
 *
 * A point whose last reference is dropped stays in the tree until its release
 * gets the lock: code that finds a point takes a reference only if the count is
 * not zero, and otherwise skips or unlinks the point.
 */

/* Bit number in &dma_fence.flags: &sync_pt.deadline is set. */
#define SYNC_PT_HAS_DEADLINE	DMA_FENCE_FLAG_USER_BITS

/* A fence at a position of a timeline. */
struct sync_pt {
	struct dma_fence base;
	/* The lock of @base; also protects @deadline. */
	spinlock_t lock;
	/* Holds a reference; immutable, as is @at once linked. */
	struct sync_timeline *timeline;
	u64 at;
	/* In &sync_timeline.points, protected by &sync_timeline.lock. */
	struct rb_node node;
	ktime_t deadline;
};

/* All timelines; the lock protects only the list. */
static LIST_HEAD(sync_timelines);
static DEFINE_SPINLOCK(sync_timelines_lock);

static const struct dma_fence_ops sync_pt_ops;

static struct sync_pt *to_sync_pt(struct dma_fence *fence)
{
	return container_of(fence, struct sync_pt, base);
}

/* dma_fence_free() frees the point by the address of its fence. */
static_assert(!offsetof(struct sync_pt, base));

#define node_to_sync_pt(n) rb_entry(n, struct sync_pt, node)

/* The order of the tree, of two points and of a position and a point. */
static bool sync_pt_less(struct rb_node *a, const struct rb_node *b)
{
	return node_to_sync_pt(a)->at < node_to_sync_pt(b)->at;
}

static int sync_pt_cmp_at(const void *at, const struct rb_node *node)
{
	u64 a = *(const u64 *)at, b = node_to_sync_pt(node)->at;

	return a < b ? -1 : a > b;
}

/* A step unlinks the point, or its release if that comes first. */
static void sync_pt_unlink_locked(struct sync_pt *pt)
{
	lockdep_assert_held(&pt->timeline->lock);

	if (RB_EMPTY_NODE(&pt->node))
		return;
	rb_erase_cached(&pt->node, &pt->timeline->points);
	RB_CLEAR_NODE(&pt->node);
}

/* The caller holds a reference, and no lock, as this runs the callbacks. */
static void sync_pt_signal(struct sync_pt *pt, int error)
{
	guard(spinlock_irqsave)(&pt->lock);
	/* Another step may have signalled it first. */
	if (dma_fence_is_signaled_locked(&pt->base))
		return;
	if (error)
		dma_fence_set_error(&pt->base, error);
	dma_fence_signal_locked(&pt->base);
}

/**
 * sync_timeline_create - make a timeline at zero
 * @name: name of the timeline; copied, cut after 31 characters
 *
 * Context: Process, may sleep.
 * Return: The timeline, with the owner's reference, which
 * sync_timeline_destroy() drops; NULL if there is no memory.
 */
struct sync_timeline *sync_timeline_create(const char *name)
{
	struct sync_timeline *timeline = kzalloc(sizeof(*timeline), GFP_KERNEL);

	if (!timeline)
		return NULL;
	kref_init(&timeline->kref);
	strscpy(timeline->name, name);
	timeline->context = dma_fence_context_alloc(1);
	spin_lock_init(&timeline->lock);
	timeline->points = RB_ROOT_CACHED;

	guard(spinlock_irqsave)(&sync_timelines_lock);
	list_add_tail(&timeline->node, &sync_timelines);
	return timeline;
}

static void sync_timeline_release(struct kref *kref)
{
	struct sync_timeline *timeline =
		container_of(kref, struct sync_timeline, kref);

	scoped_guard(spinlock_irqsave, &sync_timelines_lock)
		list_del(&timeline->node);
	kfree_rcu(timeline, rcu);
}

/**
 * sync_timeline_put - drop a reference
 * @timeline: the timeline, or NULL
 *
 * Context: Any; the caller may hold locks of fences.
 */
void sync_timeline_put(struct sync_timeline *timeline)
{
	if (timeline)
		kref_put(&timeline->kref, sync_timeline_release);
}

/**
 * sync_timeline_destroy - fail pending points and drop the owner's reference
 * @timeline: the timeline; the owner's reference is consumed
 *
 * Pending points signal with -ENOENT, in order. Holders of other references may
 * still use the timeline: points made from now on fail at once.
 *
 * Context: Any, no lock of a fence held.
 */
void sync_timeline_destroy(struct sync_timeline *timeline)
{
	bool cookie = dma_fence_begin_signalling();
	struct dma_fence *fence;
	u64 from = 0;

	scoped_guard(spinlock_irqsave, &timeline->lock) {
		timeline->dead = true;
		timeline->error = -ENOENT;
	}
	while ((fence = sync_timeline_next_fence(timeline, &from))) {
		sync_pt_signal(to_sync_pt(fence), -ENOENT);
		dma_fence_put(fence);
	}
	dma_fence_end_signalling(cookie);
	sync_timeline_put(timeline);
}

/*
 * Link a new point into the tree, or take the live point that is at its
 * position already, or find that the timeline has reached it; all in one
 * critical section. Return the fence to hand out, with a reference. In the last
 * case return NULL, and in @error the error to signal the new point with.
 */
static struct dma_fence *sync_pt_link(struct sync_pt *pt, u32 value, int *error)
{
	struct sync_timeline *timeline = pt->timeline;
	struct rb_node *node;
	s32 ahead;

	guard(spinlock_irqsave)(&timeline->lock);
	*error = timeline->error;
	ahead = value - lower_32_bits(timeline->now);
	if (timeline->dead || ahead <= 0)
		return NULL;

	pt->at = timeline->now + ahead;
	node = rb_find(&pt->at, &timeline->points.rb_root, sync_pt_cmp_at);
	if (!node) {
		rb_add_cached(&pt->node, &timeline->points, sync_pt_less);
		return &pt->base;
	}

	/* It is ahead of now, so pending; but its release may have begun. */
	if (dma_fence_get_rcu(&node_to_sync_pt(node)->base))
		return &node_to_sync_pt(node)->base;

	rb_replace_node_cached(node, &pt->node, &timeline->points);
	RB_CLEAR_NODE(node);
	return &pt->base;
}

/**
 * sync_timeline_fence - make a fence that signals at a value of a timeline
 * @timeline: the timeline
 * @value: the value; at most INT_MAX ahead, any other counts as behind
 *
 * Context: Process, may sleep.
 * Return: The fence, with a reference for the caller. It is the one that exists
 * already if that is pending, and a signalled one if the timeline has reached
 * @value or has been destroyed. NULL if there is no memory.
 */
struct dma_fence *sync_timeline_fence(struct sync_timeline *timeline, u32 value)
{
	struct sync_pt *pt = kzalloc(sizeof(*pt), GFP_KERNEL);
	struct dma_fence *fence;
	int error;

	if (!pt)
		return NULL;
	spin_lock_init(&pt->lock);
	RB_CLEAR_NODE(&pt->node);
	kref_get(&timeline->kref);
	pt->timeline = timeline;
	dma_fence_init(&pt->base, &sync_pt_ops, &pt->lock, timeline->context,
		       value);

	fence = sync_pt_link(pt, value, &error);
	if (!fence) {
		sync_pt_signal(pt, error);
		return &pt->base;
	}
	if (fence != &pt->base)
		dma_fence_put(&pt->base);
	return fence;
}

/*
 * Unlink @done, which has signalled. Return the next point that the timeline
 * has reached, with a reference, and in @error the error to signal it with.
 */
static struct dma_fence *sync_timeline_step(struct sync_timeline *timeline,
					    struct dma_fence *done, int *error)
{
	struct rb_node *node;
	struct sync_pt *pt;

	guard(spinlock_irqsave)(&timeline->lock);
	if (done)
		sync_pt_unlink_locked(to_sync_pt(done));
	*error = timeline->error;

	while ((node = rb_first_cached(&timeline->points))) {
		pt = node_to_sync_pt(node);
		if (pt->at > timeline->now)
			break;
		if (dma_fence_get_rcu(&pt->base))
			return &pt->base;
		/* Nobody waits for it; its release waits for the lock. */
		sync_pt_unlink_locked(pt);
	}
	return NULL;
}

static void sync_timeline_signal_reached(struct sync_timeline *timeline)
{
	bool cookie = dma_fence_begin_signalling();
	struct dma_fence *fence, *done = NULL;
	int error;

	while ((fence = sync_timeline_step(timeline, done, &error))) {
		/* Not under the lock: this may be the last reference. */
		dma_fence_put(done);
		sync_pt_signal(to_sync_pt(fence), error);
		done = fence;
	}
	dma_fence_put(done);
	dma_fence_end_signalling(cookie);
}

/**
 * sync_timeline_inc - advance a timeline
 * @timeline: the timeline
 * @inc: number to add to its value
 *
 * All points on the way have signalled, in order, when it returns. It advances
 * by at most INT_MAX at a time, so that a value which wraps is never ahead and
 * behind.
 *
 * Context: Any, no lock of a fence held.
 */
void sync_timeline_inc(struct sync_timeline *timeline, u32 inc)
{
	u32 step;

	do {
		step = min_t(u32, inc, INT_MAX);
		scoped_guard(spinlock_irqsave, &timeline->lock) {
			trace_sync_timeline(timeline);
			timeline->now += step;
		}
		sync_timeline_signal_reached(timeline);
		inc -= step;
	} while (inc);
}

/**
 * sync_timeline_set_error - set the error that points signal with from now on
 * @timeline: the timeline
 * @error: a negative errno, or 0 for success
 *
 * Context: Any.
 */
void sync_timeline_set_error(struct sync_timeline *timeline, int error)
{
	guard(spinlock_irqsave)(&timeline->lock);
	timeline->error = error;
}

/**
 * sync_timeline_value - return the value of a timeline
 * @timeline: the timeline
 *
 * Context: Any.
 * Return: The value; it wraps.
 */
u32 sync_timeline_value(struct sync_timeline *timeline)
{
	guard(spinlock_irqsave)(&timeline->lock);
	return lower_32_bits(timeline->now);
}

/**
 * sync_timeline_fence_deadline - return the earliest deadline set on a fence
 * @fence: any fence
 * @deadline: returned: the deadline, in CLOCK_MONOTONIC
 *
 * Context: Any, no lock of a fence held.
 * Return: 0; -EINVAL if @fence is not a point of a software timeline; -ENOENT
 * if no deadline was set.
 */
int sync_timeline_fence_deadline(struct dma_fence *fence, ktime_t *deadline)
{
	struct sync_pt *pt = to_sync_pt(fence);

	if (fence->ops != &sync_pt_ops)
		return -EINVAL;

	guard(spinlock_irqsave)(&pt->lock);
	if (!test_bit(SYNC_PT_HAS_DEADLINE, &fence->flags))
		return -ENOENT;
	*deadline = pt->deadline;
	return 0;
}

/**
 * sync_timeline_next - return the next of all timelines
 * @prev: the previous one, or NULL to begin; its reference is consumed
 *
 * Context: Any.
 * Return: The next one, with a reference; NULL at the end.
 */
struct sync_timeline *sync_timeline_next(struct sync_timeline *prev)
{
	struct sync_timeline *timeline;

	scoped_guard(spinlock_irqsave, &sync_timelines_lock) {
		/* The reference keeps @prev in the list. */
		timeline = list_prepare_entry(prev, &sync_timelines, node);
		list_for_each_entry_continue(timeline, &sync_timelines, node)
			if (kref_get_unless_zero(&timeline->kref))
				break;
	}
	sync_timeline_put(prev);
	if (list_entry_is_head(timeline, &sync_timelines, node))
		return NULL;
	return timeline;
}

/**
 * sync_timeline_next_fence - return the next point in the tree
 * @timeline: the timeline
 * @from: position to search from: 0 to begin, moved behind the point returned
 *
 * The search is by position: the caller holds no lock between calls, and points
 * may come and go.
 *
 * Context: Any.
 * Return: The fence, with a reference for the caller; NULL at the end.
 */
struct dma_fence *sync_timeline_next_fence(struct sync_timeline *timeline,
					   u64 *from)
{
	struct rb_node *node, *next = NULL;
	struct sync_pt *pt;

	guard(spinlock_irqsave)(&timeline->lock);
	node = timeline->points.rb_root.rb_node;
	while (node) {
		if (node_to_sync_pt(node)->at < *from) {
			node = node->rb_right;
		} else {
			next = node;
			node = node->rb_left;
		}
	}
	for (; next; next = rb_next(next)) {
		pt = node_to_sync_pt(next);
		if (!dma_fence_get_rcu(&pt->base))
			continue;
		*from = pt->at + 1;
		return &pt->base;
	}
	return NULL;
}

static const char *sync_pt_get_driver_name(struct dma_fence *fence)
{
	return "sw_sync";
}

static const char *sync_pt_get_timeline_name(struct dma_fence *fence)
{
	return to_sync_pt(fence)->timeline->name;
}

static void sync_pt_set_deadline(struct dma_fence *fence, ktime_t deadline)
{
	struct sync_pt *pt = to_sync_pt(fence);

	guard(spinlock_irqsave)(&pt->lock);
	if (!test_and_set_bit(SYNC_PT_HAS_DEADLINE, &fence->flags) ||
	    ktime_before(deadline, pt->deadline))
		pt->deadline = deadline;
}

static void sync_pt_value_str(struct dma_fence *fence, char *str, int size)
{
	snprintf(str, size, "%llu", fence->seqno);
}

static void sync_pt_timeline_value_str(struct dma_fence *fence, char *str,
				       int size)
{
	snprintf(str, size, "%d",
		 (s32)sync_timeline_value(to_sync_pt(fence)->timeline));
}

/* The caller does not hold the lock of the timeline: see the DOC block. */
static void sync_pt_release(struct dma_fence *fence)
{
	struct sync_pt *pt = to_sync_pt(fence);
	struct sync_timeline *timeline = pt->timeline;

	scoped_guard(spinlock_irqsave, &timeline->lock)
		sync_pt_unlink_locked(pt);
	dma_fence_free(fence);
	sync_timeline_put(timeline);
}

static const struct dma_fence_ops sync_pt_ops = {
	.names_persist		= true,
	.get_driver_name	= sync_pt_get_driver_name,
	.get_timeline_name	= sync_pt_get_timeline_name,
	.release		= sync_pt_release,
	.set_deadline		= sync_pt_set_deadline,
	.fence_value_str	= sync_pt_value_str,
	.timeline_value_str	= sync_pt_timeline_value_str,
};

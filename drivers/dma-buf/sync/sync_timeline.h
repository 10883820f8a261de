/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A timeline in software: a number that its owner advances, and fences that
 * signal when it reaches them. sw_sync gives it to user space, KUnit suites
 * step it in place of a device. See the DOC block in sync_timeline.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _SYNC_TIMELINE_H
#define _SYNC_TIMELINE_H

#include <linux/dma-fence.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/**
 * struct sync_timeline - a number, and the points ahead of it
 */
struct sync_timeline {
	/** @kref: one for the owner, one for each point. */
	struct kref kref;
	/** @name: timeline name of the fences; immutable. */
	char name[32];
	/** @context: context of the fences; immutable. */
	u64 context;
	/** @lock: protects the members up to @dead; nothing nests inside. */
	spinlock_t lock;
	/**
	 * @now: position of the timeline. Users see the lower 32 bits, which
	 * wrap. All 64 do not, and so order @points even while reached points
	 * wait to be signalled and new ones are added at the far end.
	 */
	u64 now;
	/** @points: &sync_pt.node by &sync_pt.at, each position once. */
	struct rb_root_cached points;
	/** @error: error that points signal with from now on, or 0. */
	int error;
	/** @dead: the owner is gone; new points signal at once. */
	bool dead;
	/** @node: in the list of all timelines, protected by its lock. */
	struct list_head node;
	/** @rcu: readers may use @name for a grace period. */
	struct rcu_head rcu;
};

struct sync_timeline *sync_timeline_create(const char *name);
void sync_timeline_put(struct sync_timeline *timeline);
void sync_timeline_destroy(struct sync_timeline *timeline);

struct dma_fence *sync_timeline_fence(struct sync_timeline *timeline,
				      u32 value);
void sync_timeline_inc(struct sync_timeline *timeline, u32 inc);
void sync_timeline_set_error(struct sync_timeline *timeline, int error);
u32 sync_timeline_value(struct sync_timeline *timeline);
int sync_timeline_fence_deadline(struct dma_fence *fence, ktime_t *deadline);

struct sync_timeline *sync_timeline_next(struct sync_timeline *prev);
struct dma_fence *sync_timeline_next_fence(struct sync_timeline *timeline,
					   u64 *from);

#endif /* _SYNC_TIMELINE_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A reservation object holds the fences of all work that uses a buffer, and the
 * lock under which drivers map the buffer, move it and submit more work on it.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _LINUX_RESERVATION_H
#define _LINUX_RESERVATION_H

#include <linux/dma-fence.h>
#include <linux/rcupdate.h>
#include <linux/seqlock.h>
#include <linux/slab.h>
#include <linux/ww_mutex.h>

struct dma_resv_list;

extern struct ww_class reservation_ww_class;

/**
 * enum dma_resv_usage - what the work behind a fence does with the buffer
 * @DMA_RESV_USAGE_KERNEL: moves or clears it; everybody must wait
 * @DMA_RESV_USAGE_WRITE: writes it under implicit synchronisation
 * @DMA_RESV_USAGE_READ: reads it under implicit synchronisation
 * @DMA_RESV_USAGE_BOOKKEEP: only needs its memory to stay in place
 *
 * From the strongest usage to the weakest. A query for one usage sees the
 * fences of this usage and of all stronger ones.
 */
enum dma_resv_usage {
	DMA_RESV_USAGE_KERNEL,
	DMA_RESV_USAGE_WRITE,
	DMA_RESV_USAGE_READ,
	DMA_RESV_USAGE_BOOKKEEP,
};

/**
 * dma_resv_usage_rw - return the usage that an implicit access must wait for
 * @write: whether the access writes
 *
 * Context: Any.
 * Return: The usage to query: a writer waits for readers and writers, a reader
 * for writers.
 */
static inline enum dma_resv_usage dma_resv_usage_rw(bool write)
{
	return write ? DMA_RESV_USAGE_READ : DMA_RESV_USAGE_WRITE;
}

/**
 * struct dma_resv - a reservation object
 *
 * An exporter may share one among several buffers.
 */
struct dma_resv {
	/** @lock: serialises writers of @fences; see dma_resv_lock(). */
	struct ww_mutex lock;
	/** @fences: written under @lock, read by RCU; NULL before the first. */
	struct dma_resv_list __rcu *fences;
};

/**
 * struct dma_resv_iter - the position of a walk over the fences
 *
 * Private to the walk, which takes no lock of its own.
 */
struct dma_resv_iter {
	/** @obj: the object. */
	struct dma_resv *obj;
	/** @usage: the weakest usage that the walk sees. */
	enum dma_resv_usage usage;
	/** @fence_usage: the usage of the current fence. */
	enum dma_resv_usage fence_usage;
	/** @fence: the current fence of an unlocked walk, with a reference. */
	struct dma_fence *fence;
	/** @list_id: the id of the list that @index belongs to. */
	u64 list_id;
	/** @index: the next slot. */
	unsigned int index;
	/** @num_fences: slots in use when the walk began or restarted. */
	unsigned int num_fences;
	/** @is_restarted: the current fence is the first since a restart. */
	bool is_restarted;
};

struct dma_fence *dma_resv_iter_first_unlocked(struct dma_resv_iter *cursor);
struct dma_fence *dma_resv_iter_next_unlocked(struct dma_resv_iter *cursor);
struct dma_fence *dma_resv_iter_first(struct dma_resv_iter *cursor);
struct dma_fence *dma_resv_iter_next(struct dma_resv_iter *cursor);

/**
 * dma_resv_iter_begin - prepare a walk
 * @cursor: the walk
 * @obj: the object
 * @usage: see fences of this and of stronger usages
 *
 * Context: Any.
 */
static inline void dma_resv_iter_begin(struct dma_resv_iter *cursor,
				       struct dma_resv *obj,
				       enum dma_resv_usage usage)
{
	cursor->obj = obj;
	cursor->usage = usage;
	cursor->fence = NULL;
}

/**
 * dma_resv_iter_end - drop the reference that an unlocked walk holds
 * @cursor: the walk
 *
 * Context: Any.
 */
static inline void dma_resv_iter_end(struct dma_resv_iter *cursor)
{
	dma_fence_put(cursor->fence);
}

/**
 * dma_resv_iter_usage - return the usage of the current fence of a walk
 * @cursor: the walk
 *
 * Context: Any.
 * Return: The usage.
 */
static inline enum dma_resv_usage
dma_resv_iter_usage(struct dma_resv_iter *cursor)
{
	return cursor->fence_usage;
}

/**
 * dma_resv_iter_is_restarted - return whether a walk has just (re)started
 * @cursor: the walk
 *
 * An unlocked walk restarts when the list of fences is replaced. A caller that
 * collects fences must then drop those that it has.
 *
 * Context: Any.
 * Return: true if the current fence is the first one.
 */
static inline bool dma_resv_iter_is_restarted(struct dma_resv_iter *cursor)
{
	return cursor->is_restarted;
}

/**
 * dma_resv_for_each_fence_unlocked - walk without the lock
 * @cursor: the walk, between dma_resv_iter_begin() and dma_resv_iter_end()
 * @fence: the current fence, valid until the next step
 *
 * Skips signalled fences. The body may sleep.
 */
#define dma_resv_for_each_fence_unlocked(cursor, fence)			\
	for ((fence) = dma_resv_iter_first_unlocked(cursor); (fence);	\
	     (fence) = dma_resv_iter_next_unlocked(cursor))

/**
 * dma_resv_for_each_fence - walk under the lock
 * @cursor: the walk; needs neither begin nor end
 * @obj: the object, locked
 * @usage: see fences of this and of stronger usages
 * @fence: the current fence, valid while the lock is held
 *
 * Sees signalled fences, too.
 */
#define dma_resv_for_each_fence(cursor, obj, usage, fence)		\
	for (dma_resv_iter_begin(cursor, obj, usage),			\
	     (fence) = dma_resv_iter_first(cursor); (fence);		\
	     (fence) = dma_resv_iter_next(cursor))

#define dma_resv_held(obj) lockdep_is_held(&(obj)->lock.base)
#define dma_resv_assert_held(obj) lockdep_assert_held(&(obj)->lock.base)

#ifdef CONFIG_DEBUG_MUTEXES
void dma_resv_reset_max_fences(struct dma_resv *obj);
#else
static inline void dma_resv_reset_max_fences(struct dma_resv *obj)
{
}
#endif

/**
 * dma_resv_lock - lock a reservation object
 * @obj: the object
 * @ctx: the acquire context to lock more than one object, or NULL
 *
 * Context: Process, may sleep.
 * Return: 0. With a context also -EDEADLK, if the caller must drop all locks of
 * the context and continue with dma_resv_lock_slow(); or -EALREADY, if the
 * context already holds this lock.
 */
static inline int dma_resv_lock(struct dma_resv *obj,
				struct ww_acquire_ctx *ctx)
{
	return ww_mutex_lock(&obj->lock, ctx);
}

/**
 * dma_resv_lock_interruptible - lock a reservation object unless interrupted
 * @obj: the object
 * @ctx: the acquire context to lock more than one object, or NULL
 *
 * Context: Process, may sleep.
 * Return: As dma_resv_lock(), or -EINTR after a signal to the task.
 */
static inline int dma_resv_lock_interruptible(struct dma_resv *obj,
					      struct ww_acquire_ctx *ctx)
{
	return ww_mutex_lock_interruptible(&obj->lock, ctx);
}

/**
 * dma_resv_lock_slow - take the lock that returned -EDEADLK
 * @obj: the object
 * @ctx: the acquire context, which holds no lock
 *
 * Context: Process, may sleep.
 */
static inline void dma_resv_lock_slow(struct dma_resv *obj,
				      struct ww_acquire_ctx *ctx)
{
	ww_mutex_lock_slow(&obj->lock, ctx);
}

/**
 * dma_resv_lock_slow_interruptible - take the lock that returned -EDEADLK
 * @obj: the object
 * @ctx: the acquire context, which holds no lock
 *
 * Context: Process, may sleep.
 * Return: 0, or -EINTR after a signal to the task.
 */
static inline int
dma_resv_lock_slow_interruptible(struct dma_resv *obj,
				 struct ww_acquire_ctx *ctx)
{
	return ww_mutex_lock_slow_interruptible(&obj->lock, ctx);
}

/**
 * dma_resv_trylock - lock a reservation object without waiting
 * @obj: the object
 *
 * Context: Process, atomic sections included.
 * Return: true if the caller has taken the lock, without a context.
 */
static inline bool __must_check dma_resv_trylock(struct dma_resv *obj)
{
	return ww_mutex_trylock(&obj->lock, NULL);
}

/**
 * dma_resv_is_locked - return whether a reservation object is locked
 * @obj: the object
 *
 * Context: Any.
 * Return: true if a task holds the lock.
 */
static inline bool dma_resv_is_locked(struct dma_resv *obj)
{
	return ww_mutex_is_locked(&obj->lock);
}

/**
 * dma_resv_locking_ctx - return the acquire context that holds the lock
 * @obj: the object
 *
 * Context: Any. Without the lock, the answer may be out of date.
 * Return: The context, or NULL.
 */
static inline struct ww_acquire_ctx *dma_resv_locking_ctx(struct dma_resv *obj)
{
	/* A snapshot, as a task may take or drop the lock: no barrier pairs. */
	return READ_ONCE(obj->lock.ctx);
}

/**
 * dma_resv_unlock - unlock a reservation object
 * @obj: the object
 *
 * With CONFIG_DEBUG_MUTEXES this ends all reservations of slots. A driver must
 * not rely on one that it made before.
 *
 * Context: Process, reservation lock held.
 */
static inline void dma_resv_unlock(struct dma_resv *obj)
{
	dma_resv_reset_max_fences(obj);
	ww_mutex_unlock(&obj->lock);
}

void dma_resv_init(struct dma_resv *obj);
void dma_resv_fini(struct dma_resv *obj);
int dma_resv_reserve_fences(struct dma_resv *obj, unsigned int num_fences);
void dma_resv_add_fence(struct dma_resv *obj, struct dma_fence *fence,
			enum dma_resv_usage usage);
void dma_resv_replace_fences(struct dma_resv *obj, uint64_t context,
			     struct dma_fence *replacement,
			     enum dma_resv_usage usage);
int dma_resv_get_fences(struct dma_resv *obj, enum dma_resv_usage usage,
			unsigned int *num_fences, struct dma_fence ***fences);
int dma_resv_get_singleton(struct dma_resv *obj, enum dma_resv_usage usage,
			   struct dma_fence **fence);
int dma_resv_copy_fences(struct dma_resv *dst, struct dma_resv *src);
long dma_resv_wait_timeout(struct dma_resv *obj, enum dma_resv_usage usage,
			   bool intr, unsigned long timeout);
void dma_resv_set_deadline(struct dma_resv *obj, enum dma_resv_usage usage,
			   ktime_t deadline);
bool dma_resv_test_signaled(struct dma_resv *obj, enum dma_resv_usage usage);
void dma_resv_describe(struct dma_resv *obj, struct seq_file *seq);

#endif /* _LINUX_RESERVATION_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A reservation object holds the fences of all work that uses a buffer, and
 * the lock under which the buffer is mapped, moved and given more work.
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
 * @DMA_RESV_USAGE_KERNEL: moves or clears it: everybody waits, always
 * @DMA_RESV_USAGE_WRITE: writes it under implicit synchronisation
 * @DMA_RESV_USAGE_READ: reads it under implicit synchronisation
 * @DMA_RESV_USAGE_BOOKKEEP: keeps its memory in place, nothing more
 *
 * To ask for one usage means to get all fences of it and of those before it.
 */
enum dma_resv_usage {
	DMA_RESV_USAGE_KERNEL,
	DMA_RESV_USAGE_WRITE,
	DMA_RESV_USAGE_READ,
	DMA_RESV_USAGE_BOOKKEEP,
};

/**
 * dma_resv_usage_rw - what an implicitly synchronised access has to wait for
 * @write: true for an access that writes
 *
 * Context: Any.
 * Return: The usage to ask for: a writer waits for readers too.
 */
static inline enum dma_resv_usage dma_resv_usage_rw(bool write)
{
	return write ? DMA_RESV_USAGE_READ : DMA_RESV_USAGE_WRITE;
}

/**
 * struct dma_resv - a reservation object
 *
 * Exporters share one among their objects as they see fit.
 */
struct dma_resv {
	/** @lock: serialises writers of @fences; see dma_resv_lock(). */
	struct ww_mutex lock;
	/** @fences: NULL before the first reservation. Writers: @lock. RCU. */
	struct dma_resv_list __rcu *fences;
};

/**
 * struct dma_resv_iter - where a walk over the fences is
 */
struct dma_resv_iter {
	/** @obj: what is walked. */
	struct dma_resv *obj;
	/** @usage: fences of it and of stronger usages are seen. */
	enum dma_resv_usage usage;
	/** @fence_usage: of @fence. */
	enum dma_resv_usage fence_usage;
	/** @fence: the one it has come to; unlocked walks hold a reference. */
	struct dma_fence *fence;
	/** @list_id: identity of the list that @index belongs to. */
	u64 list_id;
	/** @index: of the next slot. */
	unsigned int index;
	/** @num_fences: slots in use when the walk began. */
	unsigned int num_fences;
	/** @is_restarted: @fence is the first one, maybe once more. */
	bool is_restarted;
};

struct dma_fence *dma_resv_iter_first_unlocked(struct dma_resv_iter *cursor);
struct dma_fence *dma_resv_iter_next_unlocked(struct dma_resv_iter *cursor);
struct dma_fence *dma_resv_iter_first(struct dma_resv_iter *cursor);
struct dma_fence *dma_resv_iter_next(struct dma_resv_iter *cursor);

/**
 * dma_resv_iter_begin - prepare a walk
 * @cursor: the walk
 * @obj: what to walk
 * @usage: see fences of it and of stronger usages
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
 * dma_resv_iter_end - drop what an unlocked walk holds
 * @cursor: the walk
 *
 * Context: Any.
 */
static inline void dma_resv_iter_end(struct dma_resv_iter *cursor)
{
	dma_fence_put(cursor->fence);
}

/**
 * dma_resv_iter_usage - usage of the fence that a walk has come to
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
 * dma_resv_iter_is_restarted - is this the first fence of a walk?
 * @cursor: the walk
 *
 * An unlocked walk begins anew when the set of fences changes; whoever collects
 * has to forget what it has.
 *
 * Context: Any.
 * Return: true if so.
 */
static inline bool dma_resv_iter_is_restarted(struct dma_resv_iter *cursor)
{
	return cursor->is_restarted;
}

/**
 * dma_resv_for_each_fence_unlocked - walk without the lock
 * @cursor: between dma_resv_iter_begin() and dma_resv_iter_end()
 * @fence: the fence, valid until the next step
 *
 * Fences that have signalled are left out. The body may sleep.
 */
#define dma_resv_for_each_fence_unlocked(cursor, fence)			\
	for ((fence) = dma_resv_iter_first_unlocked(cursor); (fence);	\
	     (fence) = dma_resv_iter_next_unlocked(cursor))

/**
 * dma_resv_for_each_fence - walk under the lock
 * @cursor: the walk; needs neither begin nor end
 * @obj: what to walk, locked
 * @usage: see fences of it and of stronger usages
 * @fence: the fence, valid while locked
 *
 * Fences that have signalled are seen too.
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
 * @ctx: the acquire context if more than one is locked, or NULL
 *
 * Context: Process, may sleep.
 * Return: 0; with a context also -EDEADLK when the caller has to drop all
 * locks of it and go on with dma_resv_lock_slow(), and -EALREADY when it
 * holds this one.
 */
static inline int dma_resv_lock(struct dma_resv *obj,
				struct ww_acquire_ctx *ctx)
{
	return ww_mutex_lock(&obj->lock, ctx);
}

/**
 * dma_resv_lock_interruptible - lock a reservation object unless interrupted
 * @obj: the object
 * @ctx: the acquire context if more than one is locked, or NULL
 *
 * Context: Process, may sleep.
 * Return: As dma_resv_lock(), or -EINTR on a signal.
 */
static inline int dma_resv_lock_interruptible(struct dma_resv *obj,
					      struct ww_acquire_ctx *ctx)
{
	return ww_mutex_lock_interruptible(&obj->lock, ctx);
}

/**
 * dma_resv_lock_slow - take the lock that gave -EDEADLK
 * @obj: the object
 * @ctx: the acquire context, no lock of which is held
 *
 * Context: Process, may sleep.
 */
static inline void dma_resv_lock_slow(struct dma_resv *obj,
				      struct ww_acquire_ctx *ctx)
{
	ww_mutex_lock_slow(&obj->lock, ctx);
}

/**
 * dma_resv_lock_slow_interruptible - take the lock that gave -EDEADLK
 * @obj: the object
 * @ctx: the acquire context, no lock of which is held
 *
 * Context: Process, may sleep.
 * Return: 0, or -EINTR on a signal.
 */
static inline int
dma_resv_lock_slow_interruptible(struct dma_resv *obj,
				 struct ww_acquire_ctx *ctx)
{
	return ww_mutex_lock_slow_interruptible(&obj->lock, ctx);
}

/**
 * dma_resv_trylock - lock a reservation object if nobody has
 * @obj: the object
 *
 * Context: Process, also while atomic.
 * Return: true if it is now locked, without a context.
 */
static inline bool __must_check dma_resv_trylock(struct dma_resv *obj)
{
	return ww_mutex_trylock(&obj->lock, NULL);
}

/**
 * dma_resv_is_locked - has anybody locked it?
 * @obj: the object
 *
 * Context: Any.
 * Return: true if so.
 */
static inline bool dma_resv_is_locked(struct dma_resv *obj)
{
	return ww_mutex_is_locked(&obj->lock);
}

/**
 * dma_resv_locking_ctx - the context that it is locked with
 * @obj: the object
 *
 * Context: Any; stable for the holder alone.
 * Return: The context, or NULL.
 */
static inline struct ww_acquire_ctx *dma_resv_locking_ctx(struct dma_resv *obj)
{
	/* Others may be taking or dropping the lock: a plain snapshot. */
	return READ_ONCE(obj->lock.ctx);
}

/**
 * dma_resv_unlock - unlock a reservation object
 * @obj: the object
 *
 * Reserved slots that were not used are no longer promised.
 *
 * Context: Process, @obj locked.
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

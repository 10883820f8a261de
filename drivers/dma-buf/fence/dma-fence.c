// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fence: its life from initialisation to release, signalling, callbacks
 * and status. Waiting is in dma-fence-wait.c, names are in dma-fence-names.c,
 * fences that are signalled from the start are in dma-fence-stub.c, and
 * containers have files of their own.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/atomic.h>
#include <linux/dma-fence.h>
#include <linux/export.h>
#include <linux/lockdep.h>
#include <linux/rculist.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "dma-fence-internal.h"
#include "print-text.h"

#define CREATE_TRACE_POINTS
#include <trace/events/dma_fence.h>

EXPORT_TRACEPOINT_SYMBOL(dma_fence_emit);
EXPORT_TRACEPOINT_SYMBOL(dma_fence_enable_signal);
EXPORT_TRACEPOINT_SYMBOL(dma_fence_signaled);

/**
 * DOC: DMA fences overview
 *
 * A &struct dma_fence stands for a piece of device work. Its maker embeds it in
 * a structure of its own, initialises it with dma_fence_init(), publishes it
 * (in a reservation object, a sync_file, a syncobj) and signals it once, when
 * the work is done or has failed. If it has failed, the maker calls
 * dma_fence_set_error() first.
 *
 * A published fence always signals in finite time. Signalling it must not
 * depend on user space, nor on a wait without bound. The maker also signals the
 * fences of work that failed, timed out or was cancelled.
 *
 * *Life cycle.* dma_fence_init() gives the maker the first reference. The fence
 * is pending until dma_fence_signal(), which runs each callback once: those of
 * sleepers first, then the others in the order in which they were added. The
 * signaller holds a reference of its own across the call. The last
 * dma_fence_put() releases the fence; its memory stays for an RCU grace period.
 * A release never sleeps, because any context may drop the last reference. If a
 * fence is released pending and with callbacks, the core warns and signals it
 * with -EDEADLK.
 *
 * *When the signaller has left.* A fence may live on a stack, or in memory that
 * its owner reuses as soon as the fence has signalled. The flag is too early
 * for that: after the signaller has set it, it still detaches the callbacks,
 * stores the time and drops the lock. The signaller is through with a fence
 * when dma_fence_wait() or any other wait for it has returned success, and when
 * dma_fence_remove_callback() has returned: these take the lock after the
 * signaller. It may not be through when dma_fence_is_signaled() returns true,
 * dma_fence_add_callback() returns -ENOENT or a callback has run. A caller that
 * relies on one of these holds a reference, and so does a maker that sets the
 * flags itself::
 *
 *	CPU 0, signaller		CPU 1, owner
 *
 *	takes the lock
 *	sets the flag
 *					sees the flag
 *	stores the time
 *	runs the callbacks
 *	drops the lock
 *					takes and drops the lock
 *					returns from its function
 *
 * *Outliving the maker.* Sync files and reservation objects keep fences for an
 * unlimited time, while the device or the queue behind a fence may go. A grace
 * period after the fence has signalled, no operation runs but
 * &dma_fence_ops.release, and the names are generic, unless
 * &dma_fence_ops.names_persist is set. The lock, the operations and the code of
 * the release stay until the last put.
 *
 * *Locking.* &dma_fence.lock, which the maker chooses, protects the list of
 * callbacks and serialises signalling. Because many fences may share a lock,
 * the locks of two fences never nest, except that the lock of a chain is taken
 * outside that of an array, and both outside that of a fence that is not a
 * container. All fence locks are taken with interrupts off.
 */

/**
 * DOC: fence cross-driver contract
 *
 * Any driver may wait for the fence of any other driver, so all drivers keep
 * these rules:
 *
 * * A fence signals within a reasonable time after it was published.
 * * Waiting for a fence is allowed under dma_resv_lock(), in a shrinker and in
 *   an MMU notifier. So code that a fence needs to signal must not take that
 *   lock or the mmap lock, nor allocate memory in a way that could wait for
 *   reclaim: only GFP_NOWAIT and GFP_ATOMIC are allowed.
 * * User space does not decide when a fence signals: sw_sync is for tests.
 */

/* The first context is 1: fences of context 0 have no order. */
static atomic64_t next_context = ATOMIC64_INIT(1);

/**
 * dma_fence_context_alloc - allocate contexts for new timelines
 * @num: how many
 *
 * Context: Any.
 * Return: The first of @num consecutive numbers for &dma_fence.context, which
 * the core never gives out again.
 */
u64 dma_fence_context_alloc(unsigned int num)
{
	WARN_ON_ONCE(!num);
	return atomic64_fetch_add(num, &next_context);
}
EXPORT_SYMBOL(dma_fence_context_alloc);

static const char *broken_name(struct dma_fence *fence)
{
	return "broken";
}

static const struct dma_fence_ops broken_ops = {
	.names_persist = true,
	.get_driver_name = broken_name,
	.get_timeline_name = broken_name,
};

static DEFINE_SPINLOCK(broken_lock);

/*
 * Make a fence without operations or lock harmless: it has failed, so nobody
 * waits for it, and the core frees it like a plain fence. Not inline, so that
 * dma_fence_init() takes 4 instructions less.
 */
static noinline void init_broken(struct dma_fence *fence)
{
	dma_fence_init(fence, &broken_ops, &broken_lock, 0, 0);
	fence->error = -EINVAL;
	dma_fence_signal(fence);
}

/**
 * dma_fence_init - initialise a fence
 * @fence: the memory; if it was a fence before, RCU readers may look at it
 * @ops: the operations of the maker; at least the two for names
 * @lock: the &dma_fence.lock; outlives the fence
 * @context: the timeline, or 0 for a fence without order
 * @seqno: the position in it
 *
 * The caller gets the first reference.
 *
 * Context: Any. A trace event may call the name operations.
 */
void dma_fence_init(struct dma_fence *fence, const struct dma_fence_ops *ops,
		    spinlock_t *lock, u64 context, u64 seqno)
{
	if (WARN_ON_ONCE(!lock || !ops || !ops->get_driver_name ||
			 !ops->get_timeline_name)) {
		init_broken(fence);
		return;
	}

	fence->ops = ops;
	fence->lock = lock;
	fence->context = context;
	fence->seqno = seqno;
	fence->flags = 0;
	fence->error = 0;
	INIT_LIST_HEAD(&fence->cb_list);
	/*
	 * Until here dma_fence_get_rcu() fails on reused memory. A reader that
	 * succeeds from now on also sees the rest of this fence. Pairs with
	 * smp_rmb() in dma_fence_get_rcu_safe().
	 */
	smp_wmb();
	kref_init(&fence->refcount);

	trace_dma_fence_init(fence);
}
EXPORT_SYMBOL(dma_fence_init);

/**
 * dma_fence_free - free the memory of a fence
 * @fence: first member of a slab object; need not be initialised
 *
 * Context: Any.
 */
void dma_fence_free(struct dma_fence *fence)
{
	kfree_rcu(fence, rcu);
}
EXPORT_SYMBOL(dma_fence_free);

/*
 * The callbacks of @fence wait for a signal that will never come. Nobody else
 * can hold the lock for this fence, but other fences may share it. Not inline,
 * so that the release of any other fence takes 9 instructions less.
 */
static noinline void signal_forgotten(struct dma_fence *fence)
{
	unsigned long flags;

	scoped_guard(rcu)
		WARN(1, "Fence %s:%s:%llx:%llx released with pending signals!\n",
		     dma_fence_driver_name(fence),
		     dma_fence_timeline_name(fence), fence->context,
		     fence->seqno);
	spin_lock_irqsave(fence->lock, flags);
	fence->error = -EDEADLK;
	dma_fence_signal_locked(fence);
	spin_unlock_irqrestore(fence->lock, flags);
}

static inline void destroy_begin(struct dma_fence *fence)
{
	trace_dma_fence_destroy(fence);
	if (!test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags) &&
	    !list_empty(&fence->cb_list))
		signal_forgotten(fence);
}

/**
 * dma_fence_destroy_begin - begin the release of a fence
 * @fence: a fence whose last reference is gone
 *
 * If the fence is pending and has callbacks, warns and signals it.
 *
 * Context: Any.
 */
void dma_fence_destroy_begin(struct dma_fence *fence)
{
	destroy_begin(fence);
}

/**
 * dma_fence_release - release a fence whose last reference is gone
 * @kref: &dma_fence.refcount
 *
 * Only dma_fence_put() calls it.
 *
 * Context: Any.
 */
void dma_fence_release(struct kref *kref)
{
	struct dma_fence *fence = container_of(kref, struct dma_fence, refcount);

	destroy_begin(fence);
	if (fence->ops->release)
		fence->ops->release(fence);
	else
		dma_fence_free(fence);
}
EXPORT_SYMBOL(dma_fence_release);

/**
 * dma_fence_signal_timestamp_locked - signal a fence with a given time
 * @fence: the fence
 * @timestamp: when the work was done, CLOCK_MONOTONIC
 *
 * Context: Any, &dma_fence.lock held and interrupts off. Runs the callbacks.
 * Return: 0, or -EINVAL if it had signalled before.
 */
int dma_fence_signal_timestamp_locked(struct dma_fence *fence,
				      ktime_t timestamp)
{
	struct dma_fence_cb *cb, *next;
	LIST_HEAD(callbacks);

	lockdep_assert_held(fence->lock);

	/*
	 * Orders &dma_fence.error, and all of the work, before the bit. Pairs
	 * with test_bit_acquire() in dma_fence_is_signaled().
	 */
	if (test_and_set_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags))
		return -EINVAL;

	/* The time takes the place of the list: empty that first. */
	list_splice(&fence->cb_list, &callbacks);
	fence->timestamp = timestamp;
	/* Pairs with the acquire in dma_fence_timestamp(). */
	smp_mb__before_atomic();
	set_bit(DMA_FENCE_FLAG_TIMESTAMP_BIT, &fence->flags);
	trace_dma_fence_signaled(fence);

	/* A function may free its callback: do not touch that afterwards. */
	list_for_each_entry_safe(cb, next, &callbacks, node) {
		INIT_LIST_HEAD(&cb->node);
		cb->func(fence, cb);
	}
	return 0;
}
EXPORT_SYMBOL(dma_fence_signal_timestamp_locked);

/**
 * dma_fence_signal_timestamp - signal a fence with a given time
 * @fence: the fence, or NULL
 * @timestamp: when the work was done, CLOCK_MONOTONIC
 *
 * Context: Any; takes &dma_fence.lock. Runs the callbacks.
 * Return: 0, or -EINVAL if it had signalled before or is NULL.
 */
int dma_fence_signal_timestamp(struct dma_fence *fence, ktime_t timestamp)
{
	unsigned long flags;
	int ret;

	if (!fence)
		return -EINVAL;

	spin_lock_irqsave(fence->lock, flags);
	ret = dma_fence_signal_timestamp_locked(fence, timestamp);
	spin_unlock_irqrestore(fence->lock, flags);
	return ret;
}
EXPORT_SYMBOL(dma_fence_signal_timestamp);

/**
 * dma_fence_signal_locked - signal a fence
 * @fence: the fence
 *
 * Context: Any, &dma_fence.lock held and interrupts off. Runs the callbacks.
 * Return: 0, or -EINVAL if it had signalled before.
 */
int dma_fence_signal_locked(struct dma_fence *fence)
{
	lockdep_assert_held(fence->lock);

	return dma_fence_signal_timestamp_locked(fence, ktime_get());
}
EXPORT_SYMBOL(dma_fence_signal_locked);

/**
 * dma_fence_signal - signal a fence
 * @fence: the fence, or NULL; the caller holds a reference
 *
 * Context: Any; takes &dma_fence.lock. Runs the callbacks.
 * Return: 0, or -EINVAL if it had signalled before or is NULL.
 */
int dma_fence_signal(struct dma_fence *fence)
{
	unsigned long flags;
	bool cookie;
	int ret;

	if (!fence)
		return -EINVAL;

	cookie = dma_fence_begin_signalling();
	spin_lock_irqsave(fence->lock, flags);
	ret = dma_fence_signal_locked(fence);
	spin_unlock_irqrestore(fence->lock, flags);
	dma_fence_end_signalling(cookie);
	return ret;
}
EXPORT_SYMBOL(dma_fence_signal);

/* Ask the maker to signal the fence; return false if it has signalled. */
static bool enable_signaling_locked(struct dma_fence *fence)
{
	lockdep_assert_held(fence->lock);

	if (test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags))
		return false;
	if (test_and_set_bit(DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT, &fence->flags))
		return true;

	trace_dma_fence_enable_signal(fence);
	if (!fence->ops->enable_signaling)
		return true;
	if (!fence->ops->enable_signaling(fence))
		dma_fence_signal_locked(fence);
	/* The maker may have signalled the fence in there, too. */
	return !test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags);
}

/**
 * dma_fence_enable_sw_signaling - make a fence signal without being polled
 * @fence: the fence
 *
 * Adding a callback and waiting do this themselves; pollers have to call it.
 *
 * Context: Any; takes &dma_fence.lock.
 */
void dma_fence_enable_sw_signaling(struct dma_fence *fence)
{
	unsigned long flags;

	spin_lock_irqsave(fence->lock, flags);
	enable_signaling_locked(fence);
	spin_unlock_irqrestore(fence->lock, flags);
}
EXPORT_SYMBOL(dma_fence_enable_sw_signaling);

/**
 * dma_fence_add_callback - have a function called when a fence signals
 * @fence: the fence; the caller keeps it alive until the callback has run or is
 *	removed
 * @cb: memory of the caller, kept for as long; on -ENOENT only
 *	&dma_fence_cb.node is written, as an empty list
 * @func: the function
 *
 * Context: Any; takes &dma_fence.lock.
 * Return: 0 if @func will be called; -ENOENT if the fence has signalled;
 * -EINVAL, with a warning, if @fence or @func is NULL.
 */
int dma_fence_add_callback(struct dma_fence *fence, struct dma_fence_cb *cb,
			   dma_fence_func_t func)
{
	unsigned long flags;
	int ret = -ENOENT;

	if (WARN_ON_ONCE(!fence || !func))
		return -EINVAL;

	/* The flag is never cleared: if it is set, the lock is not needed. */
	if (test_bit_acquire(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags)) {
		INIT_LIST_HEAD(&cb->node);
		return ret;
	}

	spin_lock_irqsave(fence->lock, flags);
	if (enable_signaling_locked(fence)) {
		cb->func = func;
		list_add_tail(&cb->node, &fence->cb_list);
		ret = 0;
	} else {
		INIT_LIST_HEAD(&cb->node);
	}
	spin_unlock_irqrestore(fence->lock, flags);
	return ret;
}
EXPORT_SYMBOL(dma_fence_add_callback);

/**
 * dma_fence_remove_callback - remove a callback from a fence
 * @fence: the fence
 * @cb: a callback that was passed to dma_fence_add_callback()
 *
 * When it returns, the callback is not running and will not run.
 *
 * Context: Any; takes &dma_fence.lock.
 * Return: true if the callback was removed before it ran, false if it has run
 * or was not queued.
 */
bool dma_fence_remove_callback(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	unsigned long flags;
	bool queued;

	spin_lock_irqsave(fence->lock, flags);
	queued = !list_empty(&cb->node);
	if (queued)
		list_del_init(&cb->node);
	spin_unlock_irqrestore(fence->lock, flags);
	return queued;
}
EXPORT_SYMBOL(dma_fence_remove_callback);

/**
 * dma_fence_get_status - return the status of a fence
 * @fence: the fence
 *
 * Context: Any; may take &dma_fence.lock.
 * Return: 0 while pending, 1 when signalled, or the negative errno that it
 * signalled with.
 */
int dma_fence_get_status(struct dma_fence *fence)
{
	guard(rcu)();
	return dma_fence_get_status_rcu(fence);
}
EXPORT_SYMBOL(dma_fence_get_status);

/**
 * DOC: deadline hints
 *
 * A waiter may tell when it needs a fence to signal; a compositor, for example,
 * needs its frame before the next refresh of the display. The driver, which
 * implements &dma_fence_ops.set_deadline, can then raise its clocks for late
 * work and save power on the rest. It is a hint: nothing happens when a
 * deadline passes. An array passes it on to members that are not containers, a
 * chain to fences that are not chains.
 */

/**
 * dma_fence_set_deadline - tell the maker when a waiter needs the work
 * @fence: the fence
 * @deadline: the time, CLOCK_MONOTONIC
 *
 * Context: Any, &dma_fence.lock not held.
 */
void dma_fence_set_deadline(struct dma_fence *fence, ktime_t deadline)
{
	/* The maker of a fence that is pending in here stays until the end. */
	guard(rcu)();
	if (!dma_fence_is_signaled_rcu(fence) && fence->ops->set_deadline)
		fence->ops->set_deadline(fence, deadline);
}
EXPORT_SYMBOL(dma_fence_set_deadline);

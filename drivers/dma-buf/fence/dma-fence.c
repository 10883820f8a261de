// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fence: its life from initialisation to release, signalling, callbacks
 * and status. Waiting is in dma-fence-wait.c, names are in dma-fence-names.c, the
 * fence that has always been signalled is in dma-fence-stub.c, and containers
 * have files of their own.
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
 * A &struct dma_fence stands for a piece of device work. Its maker embeds it
 * in a structure of its own, initialises it with dma_fence_init(), publishes
 * it (a reservation object, a sync_file, a syncobj) and signals it once, when
 * the work is done or has failed; dma_fence_set_error() comes first then.
 *
 * Nobody may need anything from user space, or wait without bound, to get a
 * published fence signalled: a fence that is visible to others always signals
 * in finite time. Work that failed, timed out or was cancelled signals too.
 *
 * *Life cycle.* dma_fence_init() gives the maker the first reference. The fence
 * is pending until dma_fence_signal(); the callbacks run once, in the order in
 * which they were added, but those of sleepers first. The signaller holds a
 * reference of its own across the call. The last dma_fence_put() releases it;
 * memory stays for an RCU grace period. A fence that is released while it has
 * callbacks has been forgotten by its maker: it signals -EDEADLK, with a warning.
 * Nothing in a release sleeps, because the last reference may go anywhere.
 *
 * *When the signaller has left.* A fence may live on a stack, or in memory that
 * its owner uses again as soon as it has signalled. The flag does not say when
 * that may be: the signaller sets it first and then still detaches the callbacks,
 * stores the time and drops the lock. The signaller is through with a fence when
 * dma_fence_wait() or any other wait for it has returned success, and when
 * dma_fence_remove_callback() has returned, because these take the lock after the
 * signaller. Nothing else says so: not dma_fence_is_signaled(), nor -ENOENT from
 * dma_fence_add_callback(), nor that a callback has run. Whoever goes by those
 * holds a reference, as does a maker who sets the flags himself::
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
 * *Outliving the maker.* Sync files and reservation objects keep fences for as
 * long as they like, while what they stood for, a device, a queue, may go. A
 * grace period after a fence has signalled, none of &struct dma_fence_ops runs any
 * more but the release, and names are generic, unless
 * &dma_fence_ops.names_persist. The lock, the ops and the code of the release have
 * to stay until the last put.
 *
 * *Locking.* &dma_fence.lock, which the maker chooses, protects the list of
 * callbacks and serialises signalling. Many fences may share it, so no two
 * locks of fences are ever taken inside each other, except for that of a
 * chain outside that of an array, and of both outside that of a fence that is no
 * container. All of it works in interrupts.
 */

/**
 * DOC: fence cross-driver contract
 *
 * Any driver may come to wait for the fence of any other, so all keep to these
 * rules:
 *
 * * A fence signals within a reasonable time after it was published.
 * * Waiting for a fence is allowed under dma_resv_lock(), in a shrinker and in
 *   an MMU notifier. So nothing that a fence needs to signal may take that
 *   lock, the mmap lock, or allocate memory that reclaim could wait for:
 *   GFP_NOWAIT and GFP_ATOMIC alone are fine.
 * * Fences that user space controls are none: sw_sync is for tests.
 */

/* The first context is 1: 0 stands for fences without any order. */
static atomic64_t next_context = ATOMIC64_INIT(1);

/**
 * dma_fence_context_alloc - new timelines
 * @num: how many
 *
 * Context: Any.
 * Return: The first of @num consecutive numbers for &dma_fence.context, which
 * are never used again.
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
 * waits for it, and the core frees it like a plain fence.
 */
static void init_broken(struct dma_fence *fence)
{
	dma_fence_init(fence, &broken_ops, &broken_lock, 0, 0);
	fence->error = -EINVAL;
	dma_fence_signal(fence);
}

/**
 * dma_fence_init - initialise a fence
 * @fence: the memory; RCU readers may be looking at it, if it has been a fence
 *	before
 * @ops: what the maker implements; at least both names
 * @lock: for &dma_fence.lock; outlives the fence
 * @context: the timeline, or 0 for none
 * @seqno: the position in it
 *
 * The caller gets the first reference.
 *
 * Context: Any. May call the name operations, for the trace.
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
	 * Until here dma_fence_get_rcu() fails on reused memory. Who succeeds
	 * from now on sees the rest of this fence.
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

/**
 * dma_fence_destroy_begin - what comes before each release
 * @fence: a fence that nobody holds a reference to
 *
 * Context: Any.
 */
void dma_fence_destroy_begin(struct dma_fence *fence)
{
	unsigned long flags;

	trace_dma_fence_destroy(fence);

	if (test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags) ||
	    list_empty(&fence->cb_list))
		return;

	scoped_guard(rcu)
		WARN(1, "Fence %s:%s:%llx:%llx released with pending signals!\n",
		     dma_fence_driver_name(fence),
		     dma_fence_timeline_name(fence), fence->context,
		     fence->seqno);
	/*
	 * Somebody waits for work that will never be reported. No other can
	 * hold the lock on behalf of this fence, but it may be a shared one.
	 */
	spin_lock_irqsave(fence->lock, flags);
	fence->error = -EDEADLK;
	dma_fence_signal_locked(fence);
	spin_unlock_irqrestore(fence->lock, flags);
}

/**
 * dma_fence_release - the last reference is gone
 * @kref: &dma_fence.refcount
 *
 * For dma_fence_put() alone.
 *
 * Context: Any.
 */
void dma_fence_release(struct kref *kref)
{
	struct dma_fence *fence = container_of(kref, struct dma_fence, refcount);

	dma_fence_destroy_begin(fence);
	if (fence->ops->release)
		fence->ops->release(fence);
	else
		dma_fence_free(fence);
}
EXPORT_SYMBOL(dma_fence_release);

/**
 * dma_fence_signal_timestamp_locked - signal a fence, at a given time
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

	/* Orders &dma_fence.error, and all of the work, before the bit. */
	if (test_and_set_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags))
		return -EINVAL;

	/* Share storage: the callbacks have to leave first. */
	list_splice(&fence->cb_list, &callbacks);
	fence->timestamp = timestamp;
	/* Pairs with the acquire in dma_fence_timestamp(). */
	smp_mb__before_atomic();
	set_bit(DMA_FENCE_FLAG_TIMESTAMP_BIT, &fence->flags);
	trace_dma_fence_signaled(fence);

	/* Each may free its callback, so nothing of it is read afterwards. */
	list_for_each_entry_safe(cb, next, &callbacks, node) {
		INIT_LIST_HEAD(&cb->node);
		cb->func(fence, cb);
	}
	return 0;
}
EXPORT_SYMBOL(dma_fence_signal_timestamp_locked);

/**
 * dma_fence_signal_timestamp - signal a fence, at a given time
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

/* Have the maker signal on its own; false if the fence has signalled. */
static bool enable_signaling_locked(struct dma_fence *fence)
{
	lockdep_assert_held(fence->lock);

	if (test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags))
		return false;
	if (test_and_set_bit(DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT, &fence->flags))
		return true;

	trace_dma_fence_enable_signal(fence);
	if (fence->ops->enable_signaling && !fence->ops->enable_signaling(fence))
		dma_fence_signal_locked(fence);
	/* It may also have signalled in there, whatever it returned. */
	return !test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags);
}

/**
 * dma_fence_enable_sw_signaling - have the fence signal on its own
 * @fence: the fence
 *
 * Callbacks and waits do so themselves; this is for who polls.
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
 * dma_fence_add_callback - have a function called when the fence signals
 * @fence: the fence; the caller sees to it that it stays until the callback
 *	has run or is removed
 * @cb: the caller's, until then; left alone but for an empty
 *	&dma_fence_cb.node if the function will not be called
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

	/* Never cleared: no need for the lock to know that it is too late. */
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
 * dma_fence_remove_callback - take a callback back
 * @fence: the fence
 * @cb: a callback that was given to dma_fence_add_callback()
 *
 * When it returns, the callback is not running, nor will it.
 *
 * Context: Any; takes &dma_fence.lock.
 * Return: true if the callback will not have run, false if it has.
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
 * dma_fence_get_status - done, and how?
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
 * Who waits for a fence may say when it needs it: a compositor the next
 * refresh of the display. A driver that gets &dma_fence_ops.set_deadline in
 * time can raise its clocks for the work that is late and save power on the
 * rest. It is a hint: nothing happens when a deadline passes. Containers pass
 * it on to the fences that they stand for.
 */

/**
 * dma_fence_set_deadline - say when the work is wanted
 * @fence: the fence
 * @deadline: the time, CLOCK_MONOTONIC
 *
 * Context: Any, without &dma_fence.lock.
 */
void dma_fence_set_deadline(struct dma_fence *fence, ktime_t deadline)
{
	/* The maker of a pending fence stays valid until the section ends. */
	guard(rcu)();
	if (!dma_fence_is_signaled_rcu(fence) && fence->ops->set_deadline)
		fence->ops->set_deadline(fence, deadline);
}
EXPORT_SYMBOL(dma_fence_set_deadline);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sleeping until a fence signals, or one of several.
 *
 * Both waits sleep alike. Callbacks wake the task, which then removes them
 * under the lock of their fence: no callback can still be running when its
 * memory, for a single fence the stack, goes away. A wait that finds the fence
 * signalled takes that lock too: see "When the signaller has left" in
 * dma-fence.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence.h>
#include <linux/export.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <trace/events/dma_fence.h>

/* A sleeping task; @winner is the first callback that woke it, or NULL. */
struct sleeper {
	struct task_struct *task;
	struct dma_fence_cb *winner;
};

struct waiter {
	struct dma_fence_cb cb;
	struct sleeper *sleeper;
};

static void wake_sleeper(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct sleeper *sleeper = container_of(cb, struct waiter, cb)->sleeper;

	/* The first wins. Pairs with READ_ONCE() in sleep_until_woken(). */
	cmpxchg(&sleeper->winner, NULL, cb);
	wake_up_process(sleeper->task);
}

/*
 * Return the jiffies that are left, at least 1, when a callback has run; 0 when
 * the time is up; -ERESTARTSYS on a signal.
 */
static long sleep_until_woken(struct sleeper *sleeper, bool intr, long left)
{
	long ret;

	for (;;) {
		/* Orders the state before the read, so no wake-up is lost. */
		set_current_state(intr ? TASK_INTERRUPTIBLE :
					 TASK_UNINTERRUPTIBLE);
		if (READ_ONCE(sleeper->winner)) {
			ret = max(left, 1L);
			break;
		}
		if (intr && signal_pending(current)) {
			ret = -ERESTARTSYS;
			break;
		}
		if (!left) {
			ret = 0;
			break;
		}
		left = schedule_timeout(left);
	}
	__set_current_state(TASK_RUNNING);
	return ret;
}

/*
 * The signaller sets the flag first and holds the lock until it is through with
 * the fence. So take the lock once after it.
 */
static void wait_for_signaller(struct dma_fence *fence)
{
	unsigned long flags;

	spin_lock_irqsave(fence->lock, flags);
	spin_unlock_irqrestore(fence->lock, flags);
}

/* Queue the waiter, or return false with the result of the wait in @ret. */
static bool start_wait(struct dma_fence *fence, struct waiter *waiter,
		       bool intr, long timeout, long *ret)
{
	unsigned long flags;
	bool queued = false;

	spin_lock_irqsave(fence->lock, flags);
	if (dma_fence_is_signaled_locked(fence)) {
		*ret = timeout ?: 1;
	} else if (intr && signal_pending(current)) {
		*ret = -ERESTARTSYS;
	} else if (!timeout) {
		*ret = 0;
	} else {
		/* At the head: waking a task takes longest, so do it first. */
		waiter->cb.func = wake_sleeper;
		list_add(&waiter->cb.node, &fence->cb_list);
		queued = true;
	}
	spin_unlock_irqrestore(fence->lock, flags);
	return queued;
}

/**
 * dma_fence_default_wait - wait for a fence whose signalling is enabled
 * @fence: the fence
 * @intr: end the wait on a signal
 * @timeout: in jiffies; MAX_SCHEDULE_TIMEOUT for no limit
 *
 * After success the signaller is through with the fence.
 *
 * Context: Process, may sleep.
 * Return: The rest of @timeout, at least 1, when the fence has signalled; 0
 * when the time is up; -ERESTARTSYS on a signal.
 */
signed long dma_fence_default_wait(struct dma_fence *fence, bool intr,
				   signed long timeout)
{
	struct sleeper sleeper = { .task = current };
	struct waiter waiter = { .sleeper = &sleeper };
	long ret;

	if (start_wait(fence, &waiter, intr, timeout, &ret)) {
		ret = sleep_until_woken(&sleeper, intr, timeout);
		dma_fence_remove_callback(fence, &waiter.cb);
	}
	return ret;
}
EXPORT_SYMBOL(dma_fence_default_wait);

static long wait_for_pending(struct dma_fence *fence, bool intr, long timeout)
{
	long ret;

	dma_fence_enable_sw_signaling(fence);
	if (!fence->ops->wait)
		return dma_fence_default_wait(fence, intr, timeout);

	ret = fence->ops->wait(fence, intr, timeout);
	/* The maker's own wait may have returned after the flag was set. */
	if (ret > 0)
		wait_for_signaller(fence);
	return ret;
}

/**
 * dma_fence_wait_timeout - wait for a fence
 * @fence: the fence
 * @intr: end the wait on a signal
 * @timeout: in jiffies; 0 to poll, MAX_SCHEDULE_TIMEOUT for no limit
 *
 * Enables signalling. The wait succeeds even if the fence signals with an
 * error: see dma_fence_get_status(). After success the signaller is through
 * with the fence, so that the caller may free it.
 *
 * Context: Process, may sleep, even with a @timeout of 0.
 * Return: The rest of @timeout, at least 1, when the fence has signalled; 0
 * when the time is up; -ERESTARTSYS on a signal; -EINVAL, with a warning, for a
 * negative @timeout; or what &dma_fence_ops.wait returns.
 */
signed long dma_fence_wait_timeout(struct dma_fence *fence, bool intr,
				   signed long timeout)
{
	signed long ret;

	might_sleep();
	if (WARN_ON_ONCE(timeout < 0))
		return -EINVAL;
	__dma_fence_might_wait();

	trace_dma_fence_wait_start(fence);
	if (test_bit_acquire(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags)) {
		/* Do not call ->wait: the maker may be gone. */
		ret = timeout ?: 1;
		wait_for_signaller(fence);
	} else {
		ret = wait_for_pending(fence, intr, timeout);
	}
	trace_dma_fence_wait_end(fence);
	return ret;
}
EXPORT_SYMBOL(dma_fence_wait_timeout);

/* Return true if a fence has signalled, with its index in @idx. */
static bool poll_any(struct dma_fence **fences, u32 count, u32 *idx)
{
	for (u32 i = 0; i < count; i++) {
		if (dma_fence_is_signaled(fences[i])) {
			*idx = i;
			return true;
		}
	}
	return false;
}

static long wait_any(struct dma_fence **fences, struct waiter *waiters,
		     u32 count, bool intr, long timeout, u32 *idx)
{
	struct sleeper sleeper = { .task = current };
	long ret = timeout;
	u32 i;

	for (i = 0; i < count; i++) {
		waiters[i].sleeper = &sleeper;
		if (dma_fence_add_callback(fences[i], &waiters[i].cb,
					   wake_sleeper)) {
			*idx = i;
			break;
		}
	}
	if (i == count) {
		ret = sleep_until_woken(&sleeper, intr, timeout);
		if (ret > 0)
			*idx = container_of(sleeper.winner, struct waiter, cb) -
			       waiters;
	}
	while (i--)
		dma_fence_remove_callback(fences[i], &waiters[i].cb);
	return ret;
}

/**
 * dma_fence_wait_any_timeout - wait for the first of several fences
 * @fences: the fences
 * @count: how many, not 0
 * @intr: end the wait on a signal
 * @timeout: in jiffies; 0 to poll, MAX_SCHEDULE_TIMEOUT for no limit
 * @idx: if not NULL and the return value is positive, the function stores the
 *	index of a fence that has signalled here
 *
 * After success the signaller of the fence at @idx is through with it.
 *
 * Context: Process, may sleep; any with a @timeout of 0.
 * Return: The rest of @timeout, at least 1, when a fence has signalled; 0
 * when the time is up; -ERESTARTSYS on a signal; -ENOMEM; -EINVAL, with a
 * warning, for no fences or a negative @timeout.
 */
signed long dma_fence_wait_any_timeout(struct dma_fence **fences, u32 count,
				       bool intr, signed long timeout,
				       u32 *idx)
{
	struct waiter *waiters;
	u32 first;
	long ret;

	if (WARN_ON_ONCE(!fences || !count || timeout < 0))
		return -EINVAL;

	if (timeout) {
		might_sleep();
		__dma_fence_might_wait();
	}
	/* Often one of them has signalled: allocate nothing then. */
	if (poll_any(fences, count, &first)) {
		ret = timeout ?: 1;
	} else if (!timeout) {
		ret = 0;
	} else {
		waiters = kvmalloc_array(count, sizeof(*waiters), GFP_KERNEL);
		if (!waiters)
			return -ENOMEM;
		ret = wait_any(fences, waiters, count, intr, timeout, &first);
		kvfree(waiters);
	}
	if (ret > 0) {
		wait_for_signaller(fences[first]);
		if (idx)
			*idx = first;
	}
	return ret;
}
EXPORT_SYMBOL(dma_fence_wait_any_timeout);

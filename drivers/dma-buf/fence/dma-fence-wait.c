// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sleeping until a fence signals, or one of many.
 *
 * Both are the same sleep: callbacks wake the task, and are taken back
 * afterwards under the lock of their fence, so that none can still be running
 * when the memory they live in, the stack for a single fence, goes. A wait that
 * finds the fence signalled takes that lock too: see "When the signaller has left"
 * in dma-fence.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence.h>
#include <linux/export.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include <trace/events/dma_fence.h>

/* The sleeper; @winner is who woke it, NULL so far. */
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

	/* The first one wins; pairs with the reads in sleep_until_woken(). */
	cmpxchg(&sleeper->winner, NULL, cb);
	wake_up_process(sleeper->task);
}

/* Return: jiffies left, at least one, when woken; 0; or -ERESTARTSYS. */
static long sleep_until_woken(struct sleeper *sleeper, bool intr, long left)
{
	long ret;

	for (;;) {
		/* Orders the state before the look: no wake-up is missed. */
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
 * The flag of a fence is set while the signaller is still inside. The signaller
 * holds the lock until it is through with the fence, so take the lock after it.
 */
static void wait_for_signaller(struct dma_fence *fence)
{
	unsigned long flags;

	spin_lock_irqsave(fence->lock, flags);
	spin_unlock_irqrestore(fence->lock, flags);
}

/* Queue the waiter; else why there is nothing to wait for, in @ret. */
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
		/* To the head: who sleeps has waited the longest to run. */
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
 * When it returns success the signaller is through with the fence.
 *
 * Context: Process, may sleep.
 * Return: What is left of @timeout, at least 1, when it has signalled; 0 when
 * the time is up; -ERESTARTSYS on a signal.
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
	/* The maker's own wait may go by the flag alone. */
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
 * Enables signalling. An error of the fence's is no error of the wait: see
 * dma_fence_get_status(). When it returns success the signaller is through with
 * the fence, so that the caller may free it.
 *
 * Context: Process, may sleep, even with a @timeout of 0.
 * Return: What is left of @timeout, at least 1, when it has signalled; 0 when
 * the time is up; -ERESTARTSYS on a signal; -EINVAL, with a warning, for a
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
		/* Its maker, whom ->wait belongs to, may be gone. */
		ret = timeout ?: 1;
		wait_for_signaller(fence);
	} else {
		ret = wait_for_pending(fence, intr, timeout);
	}
	trace_dma_fence_wait_end(fence);
	return ret;
}
EXPORT_SYMBOL(dma_fence_wait_timeout);

/* Has any fence signalled? Then @idx tells which. */
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
 * dma_fence_wait_any_timeout - wait for the first of many fences
 * @fences: the fences
 * @count: how many, not zero
 * @intr: end the wait on a signal
 * @timeout: in jiffies; 0 to poll, MAX_SCHEDULE_TIMEOUT for no limit
 * @idx: returned if not NULL: the index of a fence that has signalled; only
 *	for a positive return value
 *
 * When it returns success the signaller of the fence at @idx is through with it.
 *
 * Context: Process, may sleep.
 * Return: What is left of @timeout, at least 1, when one has signalled; 0 when
 * the time is up; -ERESTARTSYS on a signal; -ENOMEM; -EINVAL, with a warning,
 * for no fences or a negative @timeout.
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
	/* Of many fences one often has, and then it takes no memory. */
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

// SPDX-License-Identifier: GPL-2.0-only
/*
 * poll() on a buffer: waits for the fences of its reservation object.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/atomic.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/init.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

#include "../resv/dma-resv-internal.h"
#include "dma-buf-internal.h"

/**
 * DOC: implicit fence polling
 *
 * A buffer polls readable once all work that writes it is done, and writable
 * once all work that uses it is done. EPOLLIN waits for the fences that a
 * reader has to wait for, EPOLLOUT for those that a writer has to wait for.
 * Both include kernel fences and leave out bookkeeping fences.
 *
 * For each of the two events a buffer has one callback, which all pollers
 * share. The first poller that finds a pending fence arms the callback on it.
 * As fences signal, the callback moves from one to the next; when none is left,
 * it wakes all pollers, once. An armed callback holds a reference to the file,
 * so the buffer lives on even if all descriptors are closed. As long as the
 * fence of the callback has not signalled, poll() does not report the event,
 * even if the reservation object no longer has that fence.
 *
 * *Which fences.* poll() waits for all fences that are pending when it looks,
 * and it looks again after each wake-up. It cannot tell a poller that goes back
 * to sleep from a new one, so it does not remember the fences of the first
 * look. If a user submits work faster than it completes, some fence is always
 * pending and no poller wakes. To wait for the work of one moment, user space
 * exports its fences with DMA_BUF_IOCTL_EXPORT_SYNC_FILE, and polls the
 * sync_file.
 *
 * *Context.* The callback runs under the lock of the signalling fence, often in
 * hard interrupt context. If the buffer has no other fence, as is common, the
 * callback wakes the pollers itself. Otherwise it leaves the search for the
 * next pending fence to a worker: the search may pass any number of fences that
 * have signalled, and asks drivers whether theirs have.
 *
 * The worker may drop the last reference to the file, and so free the buffer
 * and the work item in it. A workqueue allows that: it does not touch an item
 * whose function has started. An irq_work does not: its core marks the item
 * idle after the function has returned. On PREEMPT_RT a thread does both. It is
 * in an RCU read-side critical section then only in those releases of 6.12.y
 * that have a backport for that, in run_irq_workd(). In the others the grace
 * period before the memory is freed does not wait for the thread::
 *
 *	CPU 0, irq_work thread		CPU 1
 *	----------------------		-----
 *	function of the item
 *	  last fput()
 *	<preempted>			release of the buffer
 *					  end of the grace period
 *					  memory is freed
 *	write to the flags of the item
 *
 * *Locking.* The poller that sets &dma_buf_poll_wait.armed owns the other
 * members, and hands them on to the callback, and that to the worker, until one
 * of the three clears it. Polling does not take the reservation lock.
 */

/*
 * Pollers wait for the worker: it has a high priority, and is not bound to a
 * CPU, which may be busy with more urgent tasks.
 */
static struct workqueue_struct *poll_wq __ro_after_init;

/* Clear the pointer before the put: is_waiting() takes no reference. */
static void let_go(struct dma_buf_poll_wait *wait)
{
	dma_fence_put(rcu_replace_pointer(wait->fence, NULL, true));
}

static void disarm(struct dma_buf_poll_wait *wait)
{
	struct dma_buf_object *object = wait->object;

	/*
	 * Wake up after that. A poller that saw armed joined the queue before,
	 * because both exchanges imply a full barrier:
	 *
	 *	CPU 0, poller			CPU 1, signaller
	 *	-------------			----------------
	 *	joins the queue
	 *	sees armed, will sleep
	 *					clears armed
	 *					wakes the queue
	 */
	atomic_xchg(&wait->armed, 0);
	wake_up_poll(&object->poll, wait->events);
	dma_buf_drop(&object->dmabuf);
}

static void wait_callback(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct dma_buf_poll_wait *wait =
		container_of(cb, struct dma_buf_poll_wait, cb);

	if (!dma_resv_is_only_fence(wait->object->dmabuf.resv, fence)) {
		queue_work(poll_wq, &wait->work);
		return;
	}
	/* Not the last reference to the fence: the signaller holds one. */
	let_go(wait);
	disarm(wait);
}

/*
 * Put the callback on @fence, and consume the reference. Returns false if the
 * fence has signalled.
 */
static bool wait_on(struct dma_buf_poll_wait *wait, struct dma_fence *fence)
{
	rcu_assign_pointer(wait->fence, fence);
	/* On success the callback, which may run at once, owns @wait. */
	if (!dma_fence_add_callback(fence, &wait->cb, wait_callback))
		return true;
	let_go(wait);
	return false;
}

/*
 * Put the callback on a pending fence. Returns false if none is left. Newer
 * fences come first: once they have signalled, the older ones usually have. The
 * search goes on from the slot of the last fence, so that n fences take n
 * looks, not n looks each. A last pass from the end finds fences added behind
 * that slot.
 *
 * Context: Process; reschedules, as the number of fences has no limit.
 */
static bool wait_for_next(struct dma_buf_poll_wait *wait)
{
	struct dma_resv *resv = wait->object->dmabuf.resv;
	struct dma_fence *fence;
	bool whole;

	do {
		whole = wait->index == UINT_MAX;
		while ((fence = dma_resv_get_pending(resv, wait->usage,
						     &wait->index))) {
			if (wait_on(wait, fence))
				return true;
			cond_resched();
		}
		wait->index = UINT_MAX;
	} while (!whole);
	return false;
}

/*
 * Once the callback is on the next fence, or disarmed, the buffer with the item
 * in it may be freed. Or a poller arms the callback again, and the callback
 * queues the item while this still runs: the workqueue then runs the item once
 * more.
 */
static void wait_work(struct work_struct *work)
{
	struct dma_buf_poll_wait *wait =
		container_of(work, struct dma_buf_poll_wait, work);

	let_go(wait);
	if (!wait_for_next(wait))
		disarm(wait);
}

/*
 * Wait on behalf of all pollers, first for @fence, whose reference this
 * consumes. Returns false if nothing is pending any more.
 */
static bool arm(struct dma_buf_poll_wait *wait, struct dma_fence *fence,
		unsigned int index)
{
	if (atomic_xchg(&wait->armed, 1)) {
		dma_fence_put(fence);
		return true;
	}

	get_dma_buf(&wait->object->dmabuf);
	wait->index = index;
	if (wait_on(wait, fence) || wait_for_next(wait))
		return true;
	disarm(wait);
	return false;
}

/*
 * Tell whether the fence of the callback has yet to signal; then a wake-up
 * follows. This needs no reference: let_go() clears the pointer before the
 * memory can become another fence, so the flags were those of this fence if the
 * pointer is the same afterwards.
 */
static bool is_waiting(struct dma_buf_poll_wait *wait)
{
	struct dma_fence *fence;

	guard(rcu)();
	fence = rcu_dereference(wait->fence);
	if (!fence || test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags))
		return false;
	/* Read the flags before the pointer; pairs with the put in let_go(). */
	smp_rmb();
	return rcu_access_pointer(wait->fence) == fence;
}

/* Tell whether there is a fence to wait for; if so, a wake-up follows. */
static bool is_pending(struct dma_buf_poll_wait *wait)
{
	unsigned int index = UINT_MAX;
	struct dma_fence *fence;

	if (rcu_access_pointer(wait->fence) && is_waiting(wait))
		return true;
	/*
	 * Look even if armed: a poller that wakes up for one event has to see
	 * the other one, too, though the callback for that may yet have to run.
	 */
	fence = dma_resv_get_pending(wait->object->dmabuf.resv, wait->usage, &index);
	return fence && arm(wait, fence, index);
}

/**
 * dma_buf_poll - implement &file_operations.poll
 * @file: of a buffer
 * @table: the poller, and the events that it requests
 *
 * Context: Process.
 * Return: Those of the requested events, EPOLLIN and EPOLLOUT, that are true.
 */
__poll_t dma_buf_poll(struct file *file, poll_table *table)
{
	struct dma_buf_object *object = to_dma_buf_object(file->private_data);
	__poll_t events = poll_requested_events(table) & (EPOLLIN | EPOLLOUT);

	/*
	 * Whatever the poller requests now: epoll joins the queue only once,
	 * and a later EPOLL_CTL_MOD may request more.
	 */
	poll_wait(file, &object->poll, table);
	if ((events & EPOLLIN) && is_pending(&object->cb_in))
		events &= ~EPOLLIN;
	if ((events & EPOLLOUT) && is_pending(&object->cb_out))
		events &= ~EPOLLOUT;
	return events;
}

static void init_wait_for(struct dma_buf_object *object,
			  struct dma_buf_poll_wait *wait,
			  enum dma_resv_usage usage, __poll_t events)
{
	wait->object = object;
	wait->usage = usage;
	wait->events = events;
	wait->index = UINT_MAX;
	INIT_WORK(&wait->work, wait_work);
}

/**
 * dma_buf_poll_init - initialise the poll state of a new buffer
 * @dmabuf: the buffer
 *
 * Context: Any.
 */
void dma_buf_poll_init(struct dma_buf *dmabuf)
{
	struct dma_buf_object *object = to_dma_buf_object(dmabuf);

	init_waitqueue_head(&object->poll);
	init_wait_for(object, &object->cb_in, dma_resv_usage_rw(false),
		      EPOLLIN);
	init_wait_for(object, &object->cb_out, dma_resv_usage_rw(true),
		      EPOLLOUT);
}

/**
 * dma_buf_poll_setup - create the workqueue
 *
 * Context: Boot.
 * Return: 0 or -ENOMEM.
 */
int __init dma_buf_poll_setup(void)
{
	poll_wq = alloc_workqueue("dma_buf_poll", WQ_UNBOUND | WQ_HIGHPRI, 0);
	return poll_wq ? 0 : -ENOMEM;
}

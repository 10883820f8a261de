// SPDX-License-Identifier: GPL-2.0-only
/*
 * poll() on a buffer waits for the fences in its reservation object.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/init.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

#include "../resv/dma-resv-list.h"
#include "dma-buf-internal.h"

/**
 * DOC: implicit fence polling
 *
 * A buffer polls readable when all work that writes it is done, and writable
 * when all work that uses it is: EPOLLIN stands for what a reader has to wait
 * for and EPOLLOUT for what a writer has to, kernel fences included and
 * bookkeeping fences left out.
 *
 * For each of the two the buffer has one callback, which all pollers share. The
 * first poller who finds work pending arms it: it goes onto a pending fence, and
 * from there, as fences signal, on to the next. When none is left it wakes all
 * pollers, once. An armed callback holds a reference to the file, so the
 * buffer stays although all descriptors may be closed. While the fence that it
 * is on has not signalled, the answer is that there is work, even if that fence
 * was replaced in the reservation object since.
 *
 * *What is waited for.* All that is pending when somebody looks, and poll() looks
 * again after each wake-up: it cannot tell a poller that goes on sleeping from one
 * that comes anew, so the fences of the moment of the call are not remembered.
 * While there is always something pending, because one user submits faster than
 * the work is done, nobody is woken. Whoever wants to wait for the work of one
 * moment takes it with DMA_BUF_IOCTL_EXPORT_SYNC_FILE, and polls that.
 *
 * *Context.* The callback runs under the lock of the fence that signals, often in
 * a hard interrupt. If the buffer has that fence alone, as most do, the callback
 * wakes the pollers itself. Otherwise a worker goes on: any number of the other
 * fences may have signalled by now, and each of them may ask its driver.
 *
 * The worker may drop the last reference to the file, and so free the buffer with
 * the work item in it. A workqueue allows that, as it does not touch an item
 * once the function of the item runs. An irq_work would not do: its core marks
 * the item as idle after the function has returned. On PREEMPT_RT a thread does
 * that, and unless the kernel has it in an RCU read-side critical section, as later
 * releases do, the grace period that the memory stays for does not wait for it::
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
 * *Locking.* The lock of the wait queue &dma_buf_object.poll protects
 * &dma_buf_poll_wait.armed; who has set it owns the rest of the structure until
 * it is cleared. The reservation lock is not needed.
 */

/*
 * Pollers are not to wait for its worker: that is of high priority, and not bound to
 * a CPU, which may be busy with something more urgent still.
 */
static struct workqueue_struct *poll_wq __ro_after_init;

/* Those who read the pointer under RCU hold no reference. */
static void let_go(struct dma_buf_poll_wait *wait)
{
	dma_fence_put(rcu_replace_pointer(wait->fence, NULL, true));
}

static void disarm(struct dma_buf_poll_wait *wait)
{
	struct dma_buf_object *object = wait->object;

	scoped_guard(spinlock_irqsave, &object->poll.lock)
		wait->armed = false;
	/*
	 * After that: who has seen it armed sleeps already or, having been put
	 * into the queue before, will not.
	 */
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
	/* Not the last reference: who signals has to have one. */
	let_go(wait);
	disarm(wait);
}

/*
 * Put the callback on @fence, whose reference it takes; false if that has
 * signalled.
 */
static bool wait_on(struct dma_buf_poll_wait *wait, struct dma_fence *fence)
{
	rcu_assign_pointer(wait->fence, fence);
	/* From here on the callback may be the owner. */
	if (!dma_fence_add_callback(fence, &wait->cb, wait_callback))
		return true;
	let_go(wait);
	return false;
}

/*
 * Put the callback on a pending fence; false if there is none. Newer fences come
 * first: when they have signalled, the older ones mostly have. It goes on from
 * where the last one was, so that n fences are looked at n times, not n times
 * each; what has come in behind that place is found by beginning anew at the end.
 *
 * Context: Process; reschedules, since there is no limit to the fences.
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
 * Once the callback is on the next fence, or disarmed, the buffer with the item in
 * it may be gone. Or a poller arms the callback again, and it queues the item while
 * this runs: the workqueue runs the item once more afterwards.
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
 * Wait on behalf of all pollers, beginning with @fence, whose reference it takes;
 * false if it is too late, as nothing is pending any more.
 */
static bool arm(struct dma_buf_poll_wait *wait, struct dma_fence *fence,
		unsigned int index)
{
	struct dma_buf_object *object = wait->object;
	bool armed;

	scoped_guard(spinlock_irqsave, &object->poll.lock) {
		armed = wait->armed;
		wait->armed = true;
	}
	if (armed) {
		dma_fence_put(fence);
		return true;
	}

	get_dma_buf(&object->dmabuf);
	wait->index = index;
	if (wait_on(wait, fence) || wait_for_next(wait))
		return true;
	disarm(wait);
	return false;
}

/*
 * Has the fence that the callback is on still to signal? A wake-up follows. It
 * needs no reference for that: if it is still the one, it has not been let go
 * meanwhile, nor its memory become another fence.
 */
static bool is_waiting(struct dma_buf_poll_wait *wait)
{
	struct dma_fence *fence;

	guard(rcu)();
	fence = rcu_dereference(wait->fence);
	if (!fence || test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags))
		return false;
	/* The flag before the second look. */
	smp_rmb();
	return rcu_access_pointer(wait->fence) == fence;
}

/* Is there something to wait for? If so, a wake-up will come. */
static bool is_pending(struct dma_buf_poll_wait *wait)
{
	unsigned int index = UINT_MAX;
	struct dma_fence *fence;

	if (rcu_access_pointer(wait->fence) && is_waiting(wait))
		return true;
	/*
	 * Looked at even if it is armed: who is woken for the one event is to
	 * see the other, too, before the callback for that is through.
	 */
	fence = dma_resv_get_pending(wait->object->dmabuf.resv, wait->usage, &index);
	return fence && arm(wait, fence, index);
}

/**
 * dma_buf_poll - &file_operations.poll of buffers
 * @file: of a buffer
 * @table: the poller
 *
 * Context: Process.
 * Return: Those of EPOLLIN and EPOLLOUT that are asked for and true.
 */
__poll_t dma_buf_poll(struct file *file, poll_table *table)
{
	struct dma_buf_object *object = to_dma_buf_object(file->private_data);
	__poll_t events = poll_requested_events(table) & (EPOLLIN | EPOLLOUT);

	/*
	 * Whatever is asked for now: epoll joins the queue once, and another
	 * EPOLL_CTL_MOD may ask for more later.
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
 * dma_buf_poll_init - make a new buffer ready for poll()
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
 * dma_buf_poll_setup - make the workqueue
 *
 * Context: Boot.
 * Return: 0 or -ENOMEM.
 */
int __init dma_buf_poll_setup(void)
{
	poll_wq = alloc_workqueue("dma_buf_poll", WQ_UNBOUND | WQ_HIGHPRI, 0);
	return poll_wq ? 0 : -ENOMEM;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The queue of a device of the importer test driver: one job after the other
 * waits for its fences, runs on the engine, signals, and is retired.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/ktime.h>
#include <linux/sched.h>
#include <linux/workqueue.h>

#include "importer.h"

/**
 * DOC: Life of a job
 *
 * The first job of a queue alone is looked after, by the worker
 * &importer_dev.run. What may happen - a fence signals, a timer ends, user space
 * cancels, the engine is done - sets a bit and queues the worker, from any
 * context. The worker is the only one who draws conclusions, so nothing races:
 *
 * *queued* -> waits for its fences -> *ready*, its timers run -> *started*, it
 * belongs to the engine -> *finished*, its fence has signalled -> *done*, it is
 * retired by a worker that may sleep and take locks.
 *
 * A job that is cancelled, has timed out, or waited for a fence that failed
 * goes from where it is to finished; once started, it belongs to the engine and
 * runs to its end. It is not taken out of the middle of the queue: fences of a
 * timeline signal in order.
 */

static bool has_happened(struct importer_job *job,
			 enum importer_job_event event)
{
	return test_bit(event, &job->events);
}

/* Under the lock of a fence that is none of ours. */
static void importer_dep_signaled(struct dma_fence *fence,
				  struct dma_fence_cb *cb)
{
	importer_job_event(container_of(cb, struct importer_job, dep_cb),
			   IMPORTER_JOB_DEP_SIGNALED);
}

/**
 * importer_job_queue - the job is known to everybody, run it
 * @job: the job; it is not the caller's any more
 *
 * Context: Process, &importer.lock held, so that jobs come in the order of
 * their fences. May hold reservation locks.
 */
void importer_job_queue(struct importer_job *job)
{
	struct importer_dev *dev = job->dev;

	lockdep_assert_held(&dev->importer->lock);
	atomic_inc(&dev->num_jobs);
	guard(spinlock_irqsave)(&dev->lock);
	list_add_tail(&job->node, &dev->queue);
	importer_queue_work(&dev->run);
}

/* Has the fence signalled? If not, the worker will be woken when it does. */
static bool dep_is_signaled(struct importer_job *job, struct dma_fence *fence)
{
	if (!job->dep_armed) {
		clear_bit(IMPORTER_JOB_DEP_SIGNALED, &job->events);
		job->dep_armed = !dma_fence_add_callback(fence, &job->dep_cb,
							 importer_dep_signaled);
		return !job->dep_armed;
	}
	if (!has_happened(job, IMPORTER_JOB_DEP_SIGNALED))
		return false;
	/*
	 * The callback may have done its first half alone. It runs under the
	 * lock that this takes: then it is over, and the job may go away.
	 */
	dma_fence_remove_callback(fence, &job->dep_cb);
	job->dep_armed = false;
	return true;
}

/*
 * Wait for one fence after the other: as all of them have to signal, the order
 * does not matter. Returns 0 when they have, -EINPROGRESS when the worker will
 * be woken, or the error of a fence that user space made the job depend on; an
 * error of those who happened to use the buffer before is theirs.
 */
static int wait_for_deps(struct importer_job *job)
{
	while (job->next_dep < job->num_deps) {
		struct dma_fence *fence = job->deps[job->next_dep];
		int status;

		if (!dep_is_signaled(job, fence))
			return -EINPROGRESS;
		status = dma_fence_get_status(fence);
		if (job->next_dep++ < job->num_explicit && status < 0)
			return status;
	}
	return 0;
}

/* All it waited for is there: from now on it may not take forever. */
static void make_ready(struct importer_job *job)
{
	if (job->ready)
		return;
	job->ready = true;
	mod_timer(&job->timeout, jiffies + msecs_to_jiffies(job->timeout_ms));
	if (job->delay_us)
		hrtimer_start(&job->delay, ns_to_ktime((u64)job->delay_us * NSEC_PER_USEC),
			      HRTIMER_MODE_REL_HARD);
	else
		set_bit(IMPORTER_JOB_DELAYED, &job->events);
}

static void start(struct importer_job *job)
{
	job->started = true;
	if (!job->fail) {
		job->dev->engine->start(job);
		return;
	}
	job->error = job->fail;
	irq_work_queue(&job->irq);
}

static bool is_finished(struct importer_job *job)
{
	guard(spinlock_irq)(&job->dev->lock);
	return job->finished;
}

/*
 * Take the first job as far as it gets. Returns true if that is to the end: it
 * is finished, and can be taken off the queue.
 */
static bool advance(struct importer_job *job)
{
	int ret = 0;

	if (job->started)
		return is_finished(job);

	if (has_happened(job, IMPORTER_JOB_CANCELLED))
		ret = -ECANCELED;
	else if (has_happened(job, IMPORTER_JOB_TIMED_OUT))
		ret = -ETIMEDOUT;
	if (!ret)
		ret = wait_for_deps(job);
	if (ret == -EINPROGRESS)
		return false;
	if (ret) {
		if (job->dep_armed)
			dma_fence_remove_callback(job->deps[job->next_dep],
						  &job->dep_cb);
		importer_job_finish(job, ret);
		return true;
	}

	make_ready(job);
	if (!has_happened(job, IMPORTER_JOB_DELAYED) ||
	    !has_happened(job, IMPORTER_JOB_RELEASED))
		return false;
	start(job);
	return is_finished(job);
}

static struct importer_job *first_job(struct importer_dev *dev)
{
	guard(spinlock_irq)(&dev->lock);
	return list_first_entry_or_null(&dev->queue, struct importer_job, node);
}

static void importer_run(struct work_struct *work)
{
	struct importer_dev *dev = container_of(work, struct importer_dev, run);
	struct importer_job *job;
	bool cookie = dma_fence_begin_signalling();

	while ((job = first_job(dev)) && advance(job)) {
		guard(spinlock_irq)(&dev->lock);
		list_move_tail(&job->node, &dev->done);
		queue_work(system_unbound_wq, &dev->retire);
	}
	dma_fence_end_signalling(cookie);
}

static void importer_retire(struct work_struct *work)
{
	struct importer_dev *dev = container_of(work, struct importer_dev,
						retire);
	struct importer_job *job;

	for (;;) {
		scoped_guard(spinlock_irq, &dev->lock) {
			job = list_first_entry_or_null(&dev->done,
						       struct importer_job, node);
			if (job)
				list_del(&job->node);
		}
		if (!job)
			return;
		/* Each of them may still be on its way out of its function. */
		hrtimer_cancel(&job->delay);
		timer_shutdown_sync(&job->timeout);
		irq_work_sync(&job->irq);
		importer_job_free(job);
		if (atomic_dec_and_test(&dev->num_jobs))
			wake_up(&dev->idle);
	}
}

/**
 * importer_dev_init_queue - make an empty queue
 * @dev: the device, zeroed
 *
 * Context: Any.
 */
void importer_dev_init_queue(struct importer_dev *dev)
{
	spin_lock_init(&dev->lock);
	INIT_LIST_HEAD(&dev->queue);
	INIT_LIST_HEAD(&dev->done);
	atomic_set(&dev->num_jobs, 0);
	init_waitqueue_head(&dev->idle);
	INIT_WORK(&dev->run, importer_run);
	INIT_WORK(&dev->retire, importer_retire);
}

/* Is there a job that user space can know to be over? */
static bool has_signaled_job(struct importer_dev *dev)
{
	struct importer_job *job;

	guard(spinlock_irq)(&dev->lock);
	job = list_first_entry_or_null(&dev->queue, struct importer_job, node);
	return !list_empty(&dev->done) ||
	       (job && dma_fence_is_signaled(job->fence));
}

/**
 * importer_dev_settle - retire all jobs whose fences have signalled
 * @dev: the device
 *
 * A fence signals a moment before its job is taken off the queue; who has seen
 * the one must not be told that the other is still there.
 *
 * Context: Process, may sleep. No reservation lock held.
 */
void importer_dev_settle(struct importer_dev *dev)
{
	bool again;

	/* Look first: what is on no list then is in the hands of what is flushed. */
	do {
		again = has_signaled_job(dev);
		flush_work(&dev->run);
		flush_work(&dev->retire);
		cond_resched();
	} while (again);
}

/**
 * importer_dev_drain - wait until no job is left
 * @dev: the device; jobs that should not run have been cancelled
 *
 * Context: Process, may sleep until the engine is done. No reservation lock
 * held.
 */
void importer_dev_drain(struct importer_dev *dev)
{
	importer_queue_work(&dev->run);
	wait_event(dev->idle, !atomic_read(&dev->num_jobs));
	/* Both may have been woken once more, and touch the device. */
	flush_work(&dev->run);
	flush_work(&dev->retire);
}

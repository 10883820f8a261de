// SPDX-License-Identifier: GPL-2.0-only
/*
 * The queue of a device of the importer test driver. One job after the other
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
 * The worker &importer_dev.run advances the first job of a queue, and only that
 * one. Every event - a fence signals, a timer expires, user space releases or
 * cancels the job, the engine finishes it - is recorded in the job and queues
 * the worker, from any context. Only the worker acts on the events of a job
 * that has not started, so events do not race:
 *
 * *queued*: it waits for its fences -> *ready*: its timers run -> *started*: it
 * belongs to the engine -> *finished*: its fence has signalled -> *done*: the
 * worker &importer_dev.retire, which may sleep and take locks, frees it.
 *
 * When the first job is cancelled, times out, or waits for a fence from user
 * space that fails, it goes to *finished* at once. A started job belongs to the
 * engine, which decides when it ends: the edu engine also looks between two
 * transfers whether the job has been cancelled or has timed out. No job leaves
 * the middle of the queue, as the fences of a timeline signal in order.
 */

static bool has_happened(struct importer_job *job,
			 enum importer_job_event event)
{
	return test_bit(event, &job->events);
}

/* Runs under the lock of another driver's fence. */
static void importer_dep_signaled(struct dma_fence *fence,
				  struct dma_fence_cb *cb)
{
	importer_job_event(container_of(cb, struct importer_job, dep_cb),
			   IMPORTER_JOB_DEP_SIGNALED);
}

/**
 * importer_job_queue - queue a job that has been published
 * @job: the job; the queue owns it from now on
 *
 * Context: Process, &importer.lock held, so that the queue is in the order of
 * the fences. The caller may hold reservation locks.
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

/* Has the fence signalled? If not, its callback will queue the worker. */
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
	 * The callback may have set the bit and not yet queued the worker. It
	 * runs under the lock of the fence, which this takes: afterwards the
	 * callback no longer uses the job, which may be freed.
	 */
	dma_fence_remove_callback(fence, &job->dep_cb);
	job->dep_armed = false;
	return true;
}

/*
 * Wait for one fence after the other; all have to signal, so any order will do.
 * Returns 0 when they have signalled, -EINPROGRESS when a callback is going to
 * queue the worker, or the error of a fence from user space. The error of an
 * earlier user of the buffer is not an error of this job.
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

/* All dependencies have signalled: from now on the job has limited time. */
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
 * Take the first job as far as possible. Returns true once it is finished and
 * can be taken off the queue.
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
		/* The functions of the timers and the irq_work may still run. */
		hrtimer_cancel(&job->delay);
		timer_shutdown_sync(&job->timeout);
		irq_work_sync(&job->irq);
		importer_job_free(job);
		if (atomic_dec_and_test(&dev->num_jobs))
			wake_up(&dev->idle);
	}
}

/**
 * importer_dev_init_queue - initialise the queue of a device
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

/* Is there a job whose fence has signalled and that is not yet retired? */
static bool has_signaled_job(struct importer_dev *dev)
{
	struct importer_job *job;

	guard(spinlock_irq)(&dev->lock);
	job = list_first_entry_or_null(&dev->queue, struct importer_job, node);
	return !list_empty(&dev->done) ||
	       (job && dma_fence_is_signaled(job->fence));
}

/**
 * importer_dev_settle - wait until the jobs whose fences have signalled retire
 * @dev: the device
 *
 * A fence signals before its job is taken off the queue. User space that has
 * seen the fence signal must not find the device busy with the job.
 *
 * Context: Process, may sleep. No reservation lock held.
 */
void importer_dev_settle(struct importer_dev *dev)
{
	bool again;

	/*
	 * Look before flushing: a job that is on no list by then is being
	 * retired by the work item that is flushed.
	 */
	do {
		again = has_signaled_job(dev);
		flush_work(&dev->run);
		flush_work(&dev->retire);
		cond_resched();
	} while (again);
}

/**
 * importer_dev_drain - wait until all jobs of a device are retired
 * @dev: the device; the caller has cancelled the jobs that should not run
 *
 * Context: Process, may sleep until the engine is done. No reservation lock
 * held.
 */
void importer_dev_drain(struct importer_dev *dev)
{
	importer_queue_work(&dev->run);
	wait_event(dev->idle, !atomic_read(&dev->num_jobs));
	/* Both may have been queued once more, and use the device. */
	flush_work(&dev->run);
	flush_work(&dev->retire);
}

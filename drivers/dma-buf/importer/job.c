// SPDX-License-Identifier: GPL-2.0-only
/*
 * A job of the importer test driver as an object: its allocation, its
 * identifier, the events that it collects, its end and its release. queue.c
 * decides what the events lead to and in which order jobs run.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/slab.h>

#include "importer.h"

/**
 * importer_job_event - record an event and wake the worker of the queue
 * @job: the job
 * @event: what has happened
 *
 * Context: Any.
 */
void importer_job_event(struct importer_job *job,
			enum importer_job_event event)
{
	/* Queuing the work orders the bit before the worker's reading it. */
	set_bit(event, &job->events);
	importer_queue_work(&job->dev->run);
}

static enum hrtimer_restart importer_delay_over(struct hrtimer *timer)
{
	importer_job_event(container_of(timer, struct importer_job, delay),
			   IMPORTER_JOB_DELAYED);
	return HRTIMER_NORESTART;
}

static void importer_timed_out(struct timer_list *timer)
{
	struct importer_job *job = from_timer(job, timer, timeout);

	importer_job_event(job, IMPORTER_JOB_TIMED_OUT);
}

static void importer_irq(struct irq_work *irq)
{
	struct importer_job *job = container_of(irq, struct importer_job, irq);

	importer_job_finish(job, job->error);
}

/**
 * importer_job_alloc - allocate a job
 * @dev: the device that it is for
 *
 * Context: Process, may sleep.
 * Return: The job, to be freed by importer_job_free(), or NULL.
 */
struct importer_job *importer_job_alloc(struct importer_dev *dev)
{
	struct importer_job *job = kzalloc(sizeof(*job), GFP_KERNEL_ACCOUNT);

	if (!job)
		return NULL;
	job->dev = dev;
	INIT_LIST_HEAD(&job->node);
	INIT_LIST_HEAD(&job->engine_node);
	hrtimer_init(&job->delay, CLOCK_MONOTONIC, HRTIMER_MODE_REL_HARD);
	job->delay.function = importer_delay_over;
	timer_setup(&job->timeout, importer_timed_out, 0);
	init_irq_work(&job->irq, importer_irq);
	return job;
}

/**
 * importer_job_register - give a job its identifier
 * @job: the job, complete: user space may release or cancel it from now on
 *
 * Context: Process, may sleep.
 * Return: 0, -ENOMEM, or -EBUSY if no identifier is left.
 */
int importer_job_register(struct importer_job *job)
{
	return xa_alloc(&job->dev->importer->jobs, &job->id, job, xa_limit_31b,
			GFP_KERNEL_ACCOUNT);
}

/**
 * importer_job_free - free a job and all that it holds
 * @job: a job that was never queued, or whose fence has signalled
 *
 * Context: Process, may sleep. Takes reservation locks.
 */
void importer_job_free(struct importer_job *job)
{
	unsigned int i;

	if (job->id)
		xa_erase(&job->dev->importer->jobs, job->id);
	importer_operand_fini(job->dev, &job->src);
	importer_operand_fini(job->dev, &job->dst);
	for (i = 0; i < job->num_deps; i++)
		dma_fence_put(job->deps[i]);
	kfree(job->deps);
	dma_fence_put(job->fence);
	kfree(job);
}

/**
 * importer_job_finish - signal the fence of a job
 * @job: the job; it may be freed before this returns
 * @error: 0 or a negative errno
 *
 * Context: Any, interrupts included.
 */
void importer_job_finish(struct importer_job *job, int error)
{
	struct importer_dev *dev = job->dev;

	importer_operand_finish(dev, &job->src);
	importer_operand_finish(dev, &job->dst);
	if (error)
		dma_fence_set_error(job->fence, error);
	dma_fence_signal(job->fence);

	/*
	 * The worker takes the job off the queue when it sees @finished, under
	 * the same lock: until the unlock, job and device stay.
	 */
	guard(spinlock_irqsave)(&dev->lock);
	job->finished = true;
	importer_queue_work(&dev->run);
}

/* A job that is found is not freed before the xarray's lock is dropped. */
static int tell_job(struct importer_cmd *cmd, enum importer_job_event event)
{
	struct dmabuf_importer_id *arg = cmd->arg;
	struct xarray *jobs = &cmd->importer->jobs;
	struct importer_job *job;

	if (arg->pad)
		return -EINVAL;
	xa_lock(jobs);
	job = xa_load(jobs, arg->id);
	if (job)
		importer_job_event(job, event);
	xa_unlock(jobs);
	return job ? 0 : -ENOENT;
}

/**
 * importer_release_job - execute DMABUF_IMPORTER_RELEASE
 * @cmd: the ioctl
 *
 * Context: Process. Does not take &importer.lock, which another thread may hold
 * for long.
 * Return: 0 or a negative errno.
 */
int importer_release_job(struct importer_cmd *cmd)
{
	return tell_job(cmd, IMPORTER_JOB_RELEASED);
}

/**
 * importer_cancel_job - execute DMABUF_IMPORTER_CANCEL
 * @cmd: the ioctl
 *
 * Context: As importer_release_job().
 * Return: 0 or a negative errno.
 */
int importer_cancel_job(struct importer_cmd *cmd)
{
	return tell_job(cmd, IMPORTER_JOB_CANCELLED);
}

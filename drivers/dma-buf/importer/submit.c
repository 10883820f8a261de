// SPDX-License-Identifier: GPL-2.0-only
/*
 * Submission of jobs to the importer test driver: first all that can fail, then
 * the publication of the job's fence.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/slab.h>
#include <linux/sync_file.h>
#include <linux/uaccess.h>

#include "importer.h"

/**
 * DOC: Submission
 *
 * A submission takes these steps. If one fails, it undoes the ones before.
 *
 * 1. Check the arguments, pin and map memory of the caller, look up the fences
 *    to wait for, and create the fence of the job.
 * 2. Reserve a descriptor, create its file, and copy the answer to user space.
 * 3. Lock the reservation objects of all buffers. For each buffer, map it again
 *    if it has moved, reserve a slot for the fence, and collect the fences to
 *    wait for.
 * 4. *From here on nothing can fail.* Add the fence to the reservation objects,
 *    queue the job, and drop the locks.
 * 5. Install the descriptor.
 */

#define IMPORTER_JOB_FLAGS						\
	(DMABUF_IMPORTER_JOB_IMPLICIT | DMABUF_IMPORTER_JOB_OUT_FENCE |	\
	 DMABUF_IMPORTER_JOB_HELD)

static int check_job(const struct dmabuf_importer_job *arg)
{
	if (arg->op > DMABUF_IMPORTER_CHECKSUM || arg->pad ||
	    arg->flags & ~IMPORTER_JOB_FLAGS)
		return -EINVAL;
	if (!arg->length || arg->length > DMABUF_IMPORTER_MAX_LENGTH)
		return -EINVAL;
	if (arg->value > (arg->op == DMABUF_IMPORTER_FILL ? U8_MAX : 0))
		return -EINVAL;
	if (arg->num_in_fences > DMABUF_IMPORTER_MAX_IN_FENCES ||
	    arg->delay_us > DMABUF_IMPORTER_MAX_DELAY_US ||
	    arg->timeout_ms > DMABUF_IMPORTER_MAX_TIMEOUT_MS)
		return -EINVAL;
	if (arg->error > 0 || arg->error < -MAX_ERRNO)
		return -EINVAL;
	return 0;
}

static struct dma_resv *resv_of(const struct importer_operand *op)
{
	return op->att ? op->att->attach->dmabuf->resv : NULL;
}

static struct dma_buf *buffer_of(const struct importer_operand *op)
{
	return op->att ? op->att->attach->dmabuf : NULL;
}

/* Engines do not support jobs that overwrite what they have yet to read. */
static bool overlaps(const struct importer_operand *a,
		     const struct importer_operand *b)
{
	return a->length && b->length && buffer_of(a) &&
	       buffer_of(a) == buffer_of(b) &&
	       a->offset < b->offset + b->length &&
	       b->offset < a->offset + a->length;
}

static int init_operands(struct importer_job *job,
			 const struct dmabuf_importer_job *arg)
{
	u64 read = arg->op == DMABUF_IMPORTER_FILL ? 0 : arg->length;
	u64 written = arg->op == DMABUF_IMPORTER_CHECKSUM ? sizeof(u64) :
							    arg->length;
	int ret;

	ret = importer_operand_init(job->dev, &job->src, &arg->src, read,
				    DMA_TO_DEVICE);
	if (ret)
		return ret;
	ret = importer_operand_init(job->dev, &job->dst, &arg->dst, written,
				    DMA_FROM_DEVICE);
	if (ret)
		return ret;
	return overlaps(&job->src, &job->dst) ? -EINVAL : 0;
}

/* Also allocates room for the fence that each operand's buffer may add. */
static int get_in_fences(struct importer_job *job,
			 const struct dmabuf_importer_job *arg)
{
	const s32 __user *fds = u64_to_user_ptr(arg->in_fences);
	u32 i;

	job->deps = kcalloc(arg->num_in_fences + IMPORTER_NUM_OPERANDS,
			    sizeof(*job->deps), GFP_KERNEL_ACCOUNT);
	if (!job->deps)
		return -ENOMEM;
	for (i = 0; i < arg->num_in_fences; i++) {
		struct dma_fence *fence;
		s32 fd;

		if (get_user(fd, &fds[i]))
			return -EFAULT;
		fence = sync_file_get_fence(fd);
		if (!fence)
			return -EINVAL;
		job->deps[job->num_deps++] = fence;
	}
	job->num_explicit = job->num_deps;
	return 0;
}

static int init_job(struct importer_job *job,
		    const struct dmabuf_importer_job *arg)
{
	struct importer_dev *dev = job->dev;
	int ret;

	job->op = arg->op;
	job->value = arg->value;
	job->length = arg->length;
	job->fail = arg->error;
	job->delay_us = arg->delay_us;
	job->timeout_ms = arg->timeout_ms ?: DMABUF_IMPORTER_DEFAULT_TIMEOUT_MS;
	if (!(arg->flags & DMABUF_IMPORTER_JOB_HELD))
		set_bit(IMPORTER_JOB_RELEASED, &job->events);

	ret = init_operands(job, arg);
	if (ret)
		return ret;
	ret = get_in_fences(job, arg);
	if (ret)
		return ret;
	/* If the submission fails, a gap in the numbers does no harm. */
	job->fence = importer_fence_create(dev->context, ++dev->seqno);
	if (!job->fence)
		return -ENOMEM;
	return importer_job_register(job);
}

/*
 * Lock one or two reservation objects, in any order. On -EDEADLK, drop the one
 * that is held and start with the other, contended one.
 */
static int lock_resvs(struct dma_resv *resvs[IMPORTER_NUM_OPERANDS],
		      struct ww_acquire_ctx *ctx)
{
	bool slow = false;
	int ret;

	ww_acquire_init(ctx, &reservation_ww_class);
	for (;;) {
		ret = slow ? dma_resv_lock_slow_interruptible(resvs[0], ctx) :
			     dma_resv_lock_interruptible(resvs[0], ctx);
		if (ret || !resvs[1])
			break;
		ret = dma_resv_lock_interruptible(resvs[1], ctx);
		if (!ret)
			break;
		dma_resv_unlock(resvs[0]);
		if (ret != -EDEADLK)
			break;
		swap(resvs[0], resvs[1]);
		slow = true;
	}
	if (ret)
		ww_acquire_fini(ctx);
	else
		ww_acquire_done(ctx);
	return ret;
}

static void unlock_resvs(struct dma_resv *resvs[IMPORTER_NUM_OPERANDS],
			 struct ww_acquire_ctx *ctx)
{
	if (resvs[1])
		dma_resv_unlock(resvs[1]);
	dma_resv_unlock(resvs[0]);
	ww_acquire_fini(ctx);
}

/*
 * Do all that may fail for a buffer before the job is published. A job without
 * implicit synchronisation still waits for moves.
 */
static int prepare_buffer(struct importer_job *job, struct importer_operand *op,
			  bool implicit)
{
	struct dma_resv *resv = resv_of(op);
	enum dma_resv_usage usage = DMA_RESV_USAGE_KERNEL;
	struct dma_fence *fence;
	int ret;

	if (!resv)
		return 0;
	dma_resv_assert_held(resv);
	ret = importer_att_refresh(op->att);
	if (ret)
		return ret;
	ret = dma_resv_reserve_fences(resv, 1);
	if (ret)
		return ret;
	if (implicit)
		usage = dma_resv_usage_rw(op->dir == DMA_FROM_DEVICE);
	ret = dma_resv_get_singleton(resv, usage, &fence);
	if (!ret && fence)
		job->deps[job->num_deps++] = fence;
	return ret;
}

/* Publish the job to a buffer; must not fail. */
static void commit_buffer(struct importer_job *job, struct importer_operand *op,
			  bool implicit)
{
	enum dma_resv_usage usage = DMA_RESV_USAGE_BOOKKEEP;

	if (!op->att)
		return;
	dma_resv_assert_held(resv_of(op));
	op->map = op->att->map;
	op->map->users++;
	atomic_inc(&op->att->num_jobs);

	if (implicit)
		usage = op->dir == DMA_FROM_DEVICE ? DMA_RESV_USAGE_WRITE :
						     DMA_RESV_USAGE_READ;
	dma_resv_add_fence(resv_of(op), job->fence, usage);
}

static int publish(struct importer_job *job, bool implicit)
{
	struct dma_resv *resvs[IMPORTER_NUM_OPERANDS] = {
		resv_of(&job->src), resv_of(&job->dst),
	};
	struct ww_acquire_ctx ctx;
	int ret = 0;

	/* Put those that exist first, each of them once. */
	if (!resvs[0] || resvs[0] == resvs[1]) {
		resvs[0] = resvs[1];
		resvs[1] = NULL;
	}
	if (!resvs[0]) {
		importer_job_queue(job);
		return 0;
	}

	ret = lock_resvs(resvs, &ctx);
	if (ret)
		return ret;
	ret = prepare_buffer(job, &job->src, implicit) ?:
	      prepare_buffer(job, &job->dst, implicit);
	if (!ret) {
		/*
		 * If the job reads and writes one buffer, the second call
		 * turns the fence of a read into that of a write.
		 */
		commit_buffer(job, &job->src, implicit);
		commit_buffer(job, &job->dst, implicit);
		importer_job_queue(job);
	}
	unlock_resvs(resvs, &ctx);
	return ret;
}

/* Reserve a descriptor and create its file, without installing it. */
static int reserve_out_fence(struct importer_cmd *cmd,
			     struct importer_job *job, struct file **file)
{
	struct dmabuf_importer_job *arg = cmd->arg;
	struct sync_file *sync_file;
	int fd;

	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	sync_file = sync_file_create(job->fence);
	if (!sync_file) {
		put_unused_fd(fd);
		return -ENOMEM;
	}
	*file = sync_file->file;
	arg->out_fence = fd;
	return 0;
}

/**
 * importer_submit - execute DMABUF_IMPORTER_SUBMIT
 * @cmd: the ioctl
 *
 * Context: Process, &importer.lock held.
 * Return: 0 or a negative errno.
 */
int importer_submit(struct importer_cmd *cmd)
{
	struct dmabuf_importer_job *arg = cmd->arg;
	bool out_fence = arg->flags & DMABUF_IMPORTER_JOB_OUT_FENCE;
	struct file *file = NULL;
	struct importer_dev *dev;
	struct importer_job *job;
	int ret;

	lockdep_assert_held(&cmd->importer->lock);
	ret = check_job(arg);
	if (ret)
		return ret;
	dev = xa_load(&cmd->importer->devs, arg->dev);
	if (!dev)
		return -ENOENT;
	if (atomic_read(&dev->num_jobs) >= DMABUF_IMPORTER_MAX_JOBS)
		importer_dev_settle(dev);
	if (atomic_read(&dev->num_jobs) >= DMABUF_IMPORTER_MAX_JOBS)
		return -EBUSY;
	job = importer_job_alloc(dev);
	if (!job)
		return -ENOMEM;
	ret = init_job(job, arg);
	if (ret)
		goto err_free;

	arg->out_fence = -1;
	if (out_fence) {
		ret = reserve_out_fence(cmd, job, &file);
		if (ret)
			goto err_free;
	}
	arg->job = job->id;
	ret = importer_respond(cmd);
	if (!ret)
		ret = publish(job, arg->flags & DMABUF_IMPORTER_JOB_IMPLICIT);
	if (ret)
		goto err_fd;
	/* The job may have been retired and freed by now. */
	if (out_fence)
		fd_install(arg->out_fence, file);
	return 0;

err_fd:
	if (out_fence) {
		fput(file);
		put_unused_fd(arg->out_fence);
	}
err_free:
	importer_job_free(job);
	return ret;
}

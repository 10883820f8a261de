// SPDX-License-Identifier: GPL-2.0-only
/*
 * An importer: a queue of jobs in which a device fills buffers of any exporter.
 * A work item stands in for the hardware, see template-device.c; everything
 * around it is as for a real device.
 *
 * Copyright the dma-buf project authors
 */
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/slab.h>
#include <linux/sync_file.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include "template.h"

#define TEMPLATE_DELAY_MAX	10000

/* template_job_free() gives back all members that are set. */
struct template_job {
	struct delayed_work work;
	struct work_struct retire;
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	struct dma_fence *fence;
	u8 value;
};

static struct device *template_dev;
static struct workqueue_struct *template_queue;
static struct workqueue_struct *template_retire;

static void template_job_free(struct template_job *job)
{
	if (job->sgt)
		dma_buf_unmap_attachment_unlocked(job->attach, job->sgt,
						  DMA_FROM_DEVICE);
	if (job->attach)
		dma_buf_detach(job->dmabuf, job->attach);
	if (job->dmabuf)
		dma_buf_put(job->dmabuf);
	dma_fence_put(job->fence);
	kfree(job);
}

/*
 * Unmapping takes the reservation lock, whose holder may be waiting for the
 * next job in the queue. No fence depends on this worker, so it may wait for
 * that lock.
 */
static void template_job_retire(struct work_struct *work)
{
	template_job_free(container_of(work, struct template_job, retire));
}

/*
 * A device would do this by itself, and the driver signal from its interrupt.
 * Between begin and end, do not allocate memory, nor take a lock that others
 * hold while they wait for fences: lockdep checks this.
 */
static void template_job_run(struct work_struct *work)
{
	struct template_job *job =
		container_of(work, struct template_job, work.work);
	bool cookie = dma_fence_begin_signalling();
	int ret = template_device_fill(template_dev, job->sgt, job->value);

	if (ret)
		dma_fence_set_error(job->fence, ret);
	dma_fence_signal(job->fence);
	dma_fence_end_signalling(cookie);
	/* This queue goes on to the next job, whatever unmapping waits for. */
	queue_work(template_retire, &job->retire);
}

static int template_job_import(struct template_job *job, int fd)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);
	struct dma_buf_attachment *attach;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	job->dmabuf = dmabuf;
	attach = dma_buf_attach(dmabuf, template_dev);
	if (IS_ERR(attach))
		return PTR_ERR(attach);
	job->attach = attach;
	return 0;
}

/*
 * The caller holds the reservation lock. All that may fail comes first: once
 * the fence is published the job has to run. A driver with a scheduler would
 * not wait here, but make the job depend on the fence from
 * dma_resv_get_singleton().
 */
static int template_job_publish(struct template_job *job)
{
	struct dma_resv *resv = job->dmabuf->resv;
	struct sg_table *sgt;
	long ret;

	sgt = dma_buf_map_attachment(job->attach, DMA_FROM_DEVICE);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	job->sgt = sgt;
	ret = dma_resv_reserve_fences(resv, 1);
	if (ret)
		return ret;
	/* A job that writes waits for everybody, and everybody waits for it. */
	ret = dma_resv_wait_timeout(resv, dma_resv_usage_rw(true), true,
				    MAX_SCHEDULE_TIMEOUT);
	if (ret < 0)
		return ret;
	dma_resv_add_fence(resv, job->fence, DMA_RESV_USAGE_WRITE);
	return 0;
}

/* Return: 0, and the queue owns the job; or an errno, and the caller does. */
static int template_job_submit(struct template_job *job, unsigned int delay_ms)
{
	struct dma_resv *resv = job->dmabuf->resv;
	int ret;

	ret = dma_resv_lock_interruptible(resv, NULL);
	if (ret)
		return ret;
	ret = template_job_publish(job);
	if (!ret)
		queue_delayed_work(template_queue, &job->work,
				   msecs_to_jiffies(delay_ms));
	dma_resv_unlock(resv);
	return ret;
}

static struct template_job *template_job_create(const struct template_fill *data)
{
	struct template_job *job = kzalloc(sizeof(*job), GFP_KERNEL);
	int ret;

	if (!job)
		return ERR_PTR(-ENOMEM);
	INIT_DELAYED_WORK(&job->work, template_job_run);
	INIT_WORK(&job->retire, template_job_retire);
	job->value = data->value;
	job->fence = template_fence_create();
	ret = job->fence ? template_job_import(job, data->fd) : -ENOMEM;
	if (ret) {
		template_job_free(job);
		return ERR_PTR(ret);
	}
	return job;
}

int template_fill(struct template_fill __user *arg)
{
	struct template_fill data;
	struct template_job *job;
	struct sync_file *sync;
	int ret = -ENOMEM;

	if (copy_from_user(&data, arg, sizeof(data)))
		return -EFAULT;
	if (data.delay_ms > TEMPLATE_DELAY_MAX || data.value > U8_MAX)
		return -EINVAL;

	job = template_job_create(&data);
	if (IS_ERR(job))
		return PTR_ERR(job);
	sync = sync_file_create(job->fence);
	if (!sync)
		goto err_job;
	data.fence = get_unused_fd_flags(O_CLOEXEC);
	if (data.fence < 0) {
		ret = data.fence;
		goto err_sync;
	}
	ret = -EFAULT;
	if (copy_to_user(arg, &data, sizeof(data)))
		goto err_fd;
	/* The last step that may fail: on success the queue owns the job. */
	ret = template_job_submit(job, data.delay_ms);
	if (ret)
		goto err_fd;
	fd_install(data.fence, sync->file);
	return 0;

err_fd:
	put_unused_fd(data.fence);
err_sync:
	fput(sync->file);
err_job:
	template_job_free(job);
	return ret;
}

int template_importer_init(struct device *dev)
{
	int ret;

	/* State the limits of the device before the first attach. */
	ret = dma_coerce_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (ret)
		return ret;
	dma_set_max_seg_size(dev, UINT_MAX);
	/* Ordered as the jobs are: unmapping may copy back what they wrote. */
	template_retire = alloc_ordered_workqueue("dmabuf-template-retire", 0);
	if (!template_retire)
		return -ENOMEM;
	/* Memory reclaim may wait for our fences: the queue needs a rescuer. */
	template_queue = alloc_ordered_workqueue("dmabuf-template",
						 WQ_MEM_RECLAIM);
	if (!template_queue) {
		destroy_workqueue(template_retire);
		return -ENOMEM;
	}
	template_dev = dev;
	return 0;
}

/*
 * The fence of each job holds the module, so all jobs that are left have
 * signalled. Destroy the queue first that queues work on the other.
 */
void template_importer_fini(void)
{
	destroy_workqueue(template_queue);
	destroy_workqueue(template_retire);
}

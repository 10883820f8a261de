// SPDX-License-Identifier: GPL-2.0-only
/*
 * The fences of the importer test driver, and the workqueue that they depend
 * on. Each fence is an allocation of its own and refers to constants alone, so
 * it may outlive the file, the device and the job.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/init.h>
#include <linux/slab.h>
#include <linux/stddef.h>
#include <linux/workqueue.h>

#include "importer.h"

struct importer_fence {
	struct dma_fence base;
	/*
	 * Not a lock of the device: that would have to stay for as long as any
	 * fence does. Nothing signals several fences of a timeline at once.
	 */
	spinlock_t lock;
};

static_assert(offsetof(struct importer_fence, base) == 0,
	      "freed by dma_fence_free()");

static const char *importer_fence_driver_name(struct dma_fence *fence)
{
	return "dmabuf-importer";
}

static const char *importer_fence_timeline_name(struct dma_fence *fence)
{
	return "jobs";
}

/*
 * No enable_signaling: the engine interrupts after each job, whether anybody
 * waits or not. No release: the default frees the fence after a grace period.
 */
static const struct dma_fence_ops importer_fence_ops = {
	.use_64bit_seqno	= true,
	.names_persist		= true,
	.get_driver_name	= importer_fence_driver_name,
	.get_timeline_name	= importer_fence_timeline_name,
};

/**
 * importer_fence_create - create a fence
 * @context: the fence context
 * @seqno: the sequence number within @context
 *
 * Context: Process, may sleep.
 * Return: The fence with one reference, or NULL.
 */
struct dma_fence *importer_fence_create(u64 context, u64 seqno)
{
	struct importer_fence *fence = kzalloc(sizeof(*fence),
					       GFP_KERNEL_ACCOUNT);

	if (!fence)
		return NULL;
	spin_lock_init(&fence->lock);
	dma_fence_init(&fence->base, &importer_fence_ops, &fence->lock, context,
		       seqno);
	return &fence->base;
}

/*
 * Fences wait for its work items, and memory reclaim may wait for the fences:
 * hence WQ_MEM_RECLAIM.
 */
static struct workqueue_struct *importer_wq;

/**
 * importer_queue_work - queue a work item that a fence waits for
 * @work: must neither allocate memory nor take reservation locks
 *
 * Context: Any.
 */
void importer_queue_work(struct work_struct *work)
{
	queue_work(importer_wq, work);
}

/**
 * importer_wq_init - allocate the workqueue of importer_queue_work()
 *
 * Context: Boot, before the device node exists.
 * Return: 0 or -ENOMEM.
 */
int __init importer_wq_init(void)
{
	importer_wq = alloc_workqueue("dmabuf-importer",
				      WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	return importer_wq ? 0 : -ENOMEM;
}

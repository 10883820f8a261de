// SPDX-License-Identifier: GPL-2.0-only
/*
 * The devices of the importer test driver and their attachments: created,
 * looked up and destroyed by ioctls, or all at once when the file is closed.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/nospec.h>
#include <linux/slab.h>

#include "importer.h"

/* Bound what one file can pile up; no test needs more. */
#define IMPORTER_MAX_DEVS	64
#define IMPORTER_MAX_ATTS	65536

#define IMPORTER_DEV_FLAGS						\
	(DMABUF_IMPORTER_DEV_DYNAMIC | DMABUF_IMPORTER_DEV_P2P |	\
	 DMABUF_IMPORTER_DEV_CONTIGUOUS)

static const struct importer_engine *const importer_engines[] = {
	[DMABUF_IMPORTER_ENGINE_SW] = &importer_engine_sw,
#ifdef CONFIG_PCI
	[DMABUF_IMPORTER_ENGINE_EDU] = &importer_engine_edu,
#endif
};

/* Is @mask of the form 2^n - 1, with n > 0? */
static bool is_mask(u64 mask)
{
	return mask && !(mask & (mask + 1));
}

static int check_constraints(const struct dmabuf_importer_create_dev *arg)
{
	if (arg->flags & ~IMPORTER_DEV_FLAGS)
		return -EINVAL;
	if (arg->flags & DMABUF_IMPORTER_DEV_P2P &&
	    !(arg->flags & DMABUF_IMPORTER_DEV_DYNAMIC))
		return -EINVAL;
	if (arg->dma_mask && !is_mask(arg->dma_mask))
		return -EINVAL;
	if (arg->segment_boundary &&
	    (!is_mask(arg->segment_boundary) ||
	     arg->segment_boundary < PAGE_SIZE - 1 ||
	     arg->segment_boundary > ULONG_MAX))
		return -EINVAL;
	if (arg->max_segment && arg->max_segment < PAGE_SIZE)
		return -EINVAL;
	return 0;
}

static void free_dev(struct importer_dev *dev)
{
	importer_dev_drain(dev);
	dev->engine->put(dev->dev);
	kfree(dev);
}

/**
 * importer_create_dev - execute DMABUF_IMPORTER_CREATE_DEV
 * @cmd: the ioctl
 *
 * Context: Process, &importer.lock held.
 * Return: 0 or a negative errno.
 */
int importer_create_dev(struct importer_cmd *cmd)
{
	struct dmabuf_importer_create_dev *arg = cmd->arg;
	struct importer *importer = cmd->importer;
	struct importer_dev *dev;
	int ret;

	lockdep_assert_held(&importer->lock);
	if (arg->engine >= ARRAY_SIZE(importer_engines))
		return arg->engine > DMABUF_IMPORTER_ENGINE_EDU ? -EINVAL :
								  -ENODEV;
	ret = check_constraints(arg);
	if (ret)
		return ret;

	dev = kzalloc(sizeof(*dev), GFP_KERNEL_ACCOUNT);
	if (!dev)
		return -ENOMEM;
	dev->importer = importer;
	dev->flags = arg->flags;
	dev->context = dma_fence_context_alloc(1);
	importer_dev_init_queue(dev);

	dev->engine = importer_engines[array_index_nospec(arg->engine,
						ARRAY_SIZE(importer_engines))];
	dev->dev = dev->engine->get(arg);
	if (IS_ERR(dev->dev)) {
		ret = PTR_ERR(dev->dev);
		kfree(dev);
		return ret;
	}

	ret = xa_alloc(&importer->devs, &dev->id, dev,
		       XA_LIMIT(1, IMPORTER_MAX_DEVS), GFP_KERNEL_ACCOUNT);
	if (ret) {
		free_dev(dev);
		return ret == -EBUSY ? -ENOSPC : ret;
	}
	arg->dev = dev->id;
	ret = importer_respond(cmd);
	if (ret) {
		/* Nothing has used it yet: that takes the mutex. */
		xa_erase(&importer->devs, dev->id);
		free_dev(dev);
	}
	return ret;
}

/**
 * importer_destroy_dev - execute DMABUF_IMPORTER_DESTROY_DEV
 * @cmd: the ioctl
 *
 * Context: Process, &importer.lock held.
 * Return: 0 or a negative errno.
 */
int importer_destroy_dev(struct importer_cmd *cmd)
{
	struct dmabuf_importer_id *arg = cmd->arg;
	struct importer_dev *dev;

	lockdep_assert_held(&cmd->importer->lock);
	if (arg->pad)
		return -EINVAL;
	dev = xa_load(&cmd->importer->devs, arg->id);
	if (!dev)
		return -ENOENT;
	/* Jobs whose fences have signalled must not make this fail. */
	importer_dev_settle(dev);
	if (dev->num_atts || atomic_read(&dev->num_jobs))
		return -EBUSY;
	xa_erase(&cmd->importer->devs, dev->id);
	free_dev(dev);
	return 0;
}

static struct dma_buf_attachment *attach_buffer(struct importer_dev *dev,
						struct importer_att *att,
						int fd)
{
	const struct dma_buf_attach_ops *ops = NULL;
	struct dma_buf_attachment *attach;
	struct dma_buf *dmabuf;

	if (dev->flags & DMABUF_IMPORTER_DEV_P2P)
		ops = &importer_attach_ops_p2p;
	else if (dev->flags & DMABUF_IMPORTER_DEV_DYNAMIC)
		ops = &importer_attach_ops;

	dmabuf = dma_buf_get(fd);
	if (IS_ERR(dmabuf))
		return ERR_CAST(dmabuf);
	attach = dma_buf_dynamic_attach(dmabuf, dev->dev, ops, att);
	/* The attachment holds its own reference. */
	dma_buf_put(dmabuf);
	return attach;
}

static void free_att(struct importer_att *att)
{
	importer_att_fini(att);
	dma_buf_detach(att->attach->dmabuf, att->attach);
	att->dev->num_atts--;
	kfree(att);
}

/**
 * importer_attach - execute DMABUF_IMPORTER_ATTACH
 * @cmd: the ioctl
 *
 * Context: Process, &importer.lock held.
 * Return: 0 or a negative errno.
 */
int importer_attach(struct importer_cmd *cmd)
{
	struct dmabuf_importer_attach *arg = cmd->arg;
	struct importer *importer = cmd->importer;
	struct importer_att *att;
	int ret;

	lockdep_assert_held(&importer->lock);
	if (arg->pad)
		return -EINVAL;
	att = kzalloc(sizeof(*att), GFP_KERNEL_ACCOUNT);
	if (!att)
		return -ENOMEM;
	att->dev = xa_load(&importer->devs, arg->dev);
	if (!att->dev) {
		kfree(att);
		return -ENOENT;
	}
	/* Complete @att first: once attached, the exporter may use it. */
	att->attach = attach_buffer(att->dev, att, arg->fd);
	if (IS_ERR(att->attach)) {
		ret = PTR_ERR(att->attach);
		kfree(att);
		return ret;
	}
	att->dev->num_atts++;

	ret = xa_alloc(&importer->atts, &att->id, att,
		       XA_LIMIT(1, IMPORTER_MAX_ATTS), GFP_KERNEL_ACCOUNT);
	if (ret) {
		free_att(att);
		return ret == -EBUSY ? -ENOSPC : ret;
	}
	arg->attachment = att->id;
	ret = importer_respond(cmd);
	if (ret) {
		xa_erase(&importer->atts, att->id);
		free_att(att);
	}
	return ret;
}

/**
 * importer_detach - execute DMABUF_IMPORTER_DETACH
 * @cmd: the ioctl
 *
 * Context: Process, &importer.lock held.
 * Return: 0 or a negative errno.
 */
int importer_detach(struct importer_cmd *cmd)
{
	struct dmabuf_importer_id *arg = cmd->arg;
	struct importer_att *att;

	lockdep_assert_held(&cmd->importer->lock);
	if (arg->pad)
		return -EINVAL;
	att = xa_load(&cmd->importer->atts, arg->id);
	if (!att)
		return -ENOENT;
	importer_dev_settle(att->dev);
	if (att->user_sgt || att->pins || atomic_read(&att->num_jobs))
		return -EBUSY;
	xa_erase(&cmd->importer->atts, att->id);
	free_att(att);
	return 0;
}

/* Cancel all jobs of a file, and wait until they are retired. */
static void cancel_all(struct importer *importer)
{
	struct importer_dev *dev;
	struct importer_job *job;
	unsigned long id;

	xa_lock(&importer->jobs);
	xa_for_each(&importer->jobs, id, job)
		set_bit(IMPORTER_JOB_CANCELLED, &job->events);
	xa_unlock(&importer->jobs);

	xa_for_each(&importer->devs, id, dev)
		importer_dev_drain(dev);
}

/**
 * importer_close_devs - release all jobs, attachments and devices of a file
 * @importer: the file; nobody else uses it any more
 *
 * Context: Process, may sleep until the engines have finished their jobs.
 */
void importer_close_devs(struct importer *importer)
{
	struct importer_dev *dev;
	struct importer_att *att;
	unsigned long id;

	cancel_all(importer);
	xa_for_each(&importer->atts, id, att)
		free_att(att);
	xa_for_each(&importer->devs, id, dev)
		free_dev(dev);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls into the exporter, to pin and to map the memory for a device. Nothing
 * here tracks mappings: dma-buf-map.c counts the tables that the importer
 * holds, dma-buf-kept.c knows the one that the core keeps.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/err.h>

#include "../resv/dma-resv-internal.h"
#include "dma-buf-internal.h"

/**
 * dma_buf_pin_memory - have the exporter keep the memory in place
 * @attach: the attachment
 *
 * Context: Process, may sleep, reservation lock held.
 * Return: 0 or the errno of the exporter.
 */
int dma_buf_pin_memory(struct dma_buf_attachment *attach)
{
	const struct dma_buf_ops *ops = attach->dmabuf->ops;

	dma_resv_assert_held(attach->dmabuf->resv);
	return ops->pin ? ops->pin(attach) : 0;
}

/**
 * dma_buf_unpin_memory - let the exporter move the memory again
 * @attach: the attachment
 *
 * Context: Process, may sleep, reservation lock held.
 */
void dma_buf_unpin_memory(struct dma_buf_attachment *attach)
{
	const struct dma_buf_ops *ops = attach->dmabuf->ops;

	dma_resv_assert_held(attach->dmabuf->resv);
	if (ops->unpin)
		ops->unpin(attach);
}

/**
 * dma_buf_wait_for_moves - wait until moves of the memory are done
 * @attach: the attachment
 *
 * Does nothing for a dynamic importer, which waits itself, when it needs to.
 *
 * Context: Process, may sleep.
 * Return: A negative errno if a signal interrupted the wait; else 0 or more.
 */
long dma_buf_wait_for_moves(struct dma_buf_attachment *attach)
{
	struct dma_resv *resv = attach->dmabuf->resv;

	if (dma_buf_attachment_is_dynamic(attach) || !dma_resv_was_used(resv))
		return 0;
	return dma_resv_wait_timeout(resv, DMA_RESV_USAGE_KERNEL, true,
				     MAX_SCHEDULE_TIMEOUT);
}

/**
 * dma_buf_map_memory - have the exporter map the memory
 * @attach: the attachment
 * @dir: of the data transfers of the device
 *
 * Context: Process, may sleep, reservation lock held.
 * Return: A table for dma_buf_unmap_memory(), or ERR_PTR().
 */
struct sg_table *dma_buf_map_memory(struct dma_buf_attachment *attach,
				    enum dma_data_direction dir)
{
	struct dma_buf *dmabuf = attach->dmabuf;
	struct sg_table *sgt, *wrapped;
	long ret;

	dma_resv_assert_held(dmabuf->resv);

	sgt = dmabuf->ops->map_dma_buf(attach, dir) ?: ERR_PTR(-ENOMEM);
	if (IS_ERR(sgt))
		return sgt;

	ret = dma_buf_wait_for_moves(attach);
	wrapped = ret < 0 ? ERR_PTR(ret) : dma_buf_debug_wrap(sgt);
	if (IS_ERR(wrapped))
		dmabuf->ops->unmap_dma_buf(attach, sgt, dir);
	return wrapped;
}

/**
 * dma_buf_unmap_memory - have the exporter undo a mapping
 * @attach: the attachment
 * @sgt: from dma_buf_map_memory()
 * @dir: the direction that it was mapped for
 *
 * Context: Process, may sleep, reservation lock held; without it for an idle
 * kept mapping, memory reclaim included.
 */
void dma_buf_unmap_memory(struct dma_buf_attachment *attach,
			  struct sg_table *sgt, enum dma_data_direction dir)
{
	attach->dmabuf->ops->unmap_dma_buf(attach, dma_buf_debug_unwrap(sgt),
					   dir);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * What importers do with the memory of a buffer: pinning it, mapping it, and being
 * told that it moves. How the exporter is asked for it is in dma-buf-mapping.c;
 * which mappings are kept when they are not in use is in dma-buf-kept.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/atomic.h>
#include <linux/dma-buf.h>
#include <linux/dma-direction.h>
#include <linux/dma-resv.h>
#include <linux/export.h>

#include "dma-buf-internal.h"

/* Does mapping keep the memory in place? */
static bool pins_on_map(struct dma_buf_attachment *attach)
{
	return dma_buf_is_dynamic(attach->dmabuf) &&
	       !IS_ENABLED(CONFIG_DMABUF_MOVE_NOTIFY);
}

/* Is this what dma_map_sgtable() returns if an IOMMU, or a table, has no room? */
static bool lacks_room(struct sg_table *sgt)
{
	return sgt == ERR_PTR(-ENOMEM) || sgt == ERR_PTR(-EIO) ||
	       sgt == ERR_PTR(-ENOSPC);
}

/* Idle mappings that the core keeps for the device make room for a new one. */
static struct sg_table *map_memory(struct dma_buf_attachment *attach,
				   enum dma_data_direction dir)
{
	struct sg_table *sgt = dma_buf_map_memory(attach, dir);

	if (lacks_room(sgt) && dma_buf_kept_make_room(attach->dev))
		sgt = dma_buf_map_memory(attach, dir);
	return sgt;
}

/**
 * dma_buf_map_on_attach - map for good, for any direction
 * @attach: a new attachment, which nobody else uses yet
 *
 * Context: Process, may sleep, reservation lock held.
 * Return: 0 or a negative errno, and nothing has changed.
 */
int dma_buf_map_on_attach(struct dma_buf_attachment *attach)
{
	struct sg_table *sgt;
	int ret;

	/* An exporter that is not dynamic has nothing to pin. */
	ret = dma_buf_pin_memory(attach);
	if (ret)
		return ret;
	sgt = map_memory(attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt)) {
		dma_buf_unpin_memory(attach);
		return PTR_ERR(sgt);
	}
	dma_buf_kept_share(attach, sgt, DMA_BIDIRECTIONAL);
	return 0;
}

/**
 * dma_buf_unmap_on_detach - give back what the importer has and the core keeps
 * @attach: the attachment; of an importer that has forgotten to, too
 *
 * Context: Process, may sleep, reservation lock held.
 */
void dma_buf_unmap_on_detach(struct dma_buf_attachment *attach)
{
	dma_buf_debug_detach(attach);
	if (dma_buf_kept_detach(attach))
		dma_buf_unpin_memory(attach);
	while (to_attached(attach)->pin_count) {
		dma_buf_unpin_memory(attach);
		to_attached(attach)->pin_count--;
	}
}

/**
 * dma_buf_pin - keep the memory where it is
 * @attach: a dynamic attachment
 *
 * For what cannot follow a move, a display that scans out. Pins are counted.
 *
 * Context: Process, may sleep, reservation lock held.
 * Return: 0, or what the exporter says.
 */
int dma_buf_pin(struct dma_buf_attachment *attach)
{
	int ret;

	/* Others are pinned as long as they are attached. */
	WARN_ON_ONCE(!dma_buf_attachment_is_dynamic(attach));

	ret = dma_buf_pin_memory(attach);
	if (!ret)
		to_attached(attach)->pin_count++;
	return ret;
}
EXPORT_SYMBOL_NS_GPL(dma_buf_pin, DMA_BUF);

/**
 * dma_buf_unpin - let the memory move again
 * @attach: the attachment; without a pin nothing is done, with a warning
 *
 * Context: Process, may sleep, reservation lock held.
 */
void dma_buf_unpin(struct dma_buf_attachment *attach)
{
	dma_resv_assert_held(attach->dmabuf->resv);
	WARN_ON_ONCE(!dma_buf_attachment_is_dynamic(attach));
	if (WARN_ON_ONCE(!to_attached(attach)->pin_count))
		return;

	to_attached(attach)->pin_count--;
	dma_buf_unpin_memory(attach);
}
EXPORT_SYMBOL_NS_GPL(dma_buf_unpin, DMA_BUF);

/* The core keeps a mapping if the exporter agrees, for all or one at a time. */
static void keep(struct dma_buf_attachment *attach, struct sg_table *sgt,
		 enum dma_data_direction dir)
{
	const struct dma_buf_ops *ops = attach->dmabuf->ops;

	if (ops->cache_sgt_mapping)
		dma_buf_kept_share(attach, sgt, dir);
	/* Where mapping keeps the memory in place, unmapping has to let go. */
	else if (ops->keep_mapping && !pins_on_map(attach))
		dma_buf_kept_keep(attach, sgt, dir);
}

/* Slow path: no mapping is kept that fits. */
static struct sg_table *map_anew(struct dma_buf_attachment *attach,
				 enum dma_data_direction dir)
{
	struct sg_table *sgt;
	int ret;

	if (pins_on_map(attach)) {
		ret = dma_buf_pin_memory(attach);
		if (ret)
			return ERR_PTR(ret);
	}
	sgt = map_memory(attach, dir);
	if (!IS_ERR(sgt))
		keep(attach, sgt, dir);
	else if (pins_on_map(attach))
		dma_buf_unpin_memory(attach);
	return sgt;
}

/* The table that all users of the attachment have. */
static struct sg_table *map_shared(struct dma_buf_attachment *attach,
				   enum dma_data_direction dir)
{
	if (attach->dir != dir && attach->dir != DMA_BIDIRECTIONAL)
		return ERR_PTR(-EBUSY);
	return attach->sgt;
}

static bool is_shared(struct dma_buf_attachment *attach)
{
	return atomic_read_acquire(&to_attached(attach)->kept) == DMA_BUF_KEPT_SHARED;
}

/**
 * dma_buf_map_attachment - map the memory for a device
 * @attach: the attachment
 * @direction: what the device does with it
 *
 * A dynamic importer then waits for the kernel fences before the device may
 * begin; for others that has been done.
 *
 * Context: Process, may sleep, reservation lock held.
 * Return: A table of DMA addresses, for dma_buf_unmap_attachment(); pages are
 * not to be looked for in it. Or ERR_PTR(): -EINVAL, with a warning, for no
 * attachment or a direction that is none; -EBUSY if the exporter keeps a
 * mapping for another direction; -ERESTARTSYS or -EINTR on a signal; -ENOMEM; what
 * the exporter says.
 */
struct sg_table *dma_buf_map_attachment(struct dma_buf_attachment *attach,
					enum dma_data_direction direction)
{
	struct sg_table *sgt;

	might_sleep();
	if (WARN_ON_ONCE(!attach || !attach->dmabuf ||
			 !valid_dma_direction(direction)))
		return ERR_PTR(-EINVAL);
	dma_resv_assert_held(attach->dmabuf->resv);

	if (is_shared(attach))
		sgt = map_shared(attach, direction);
	else
		sgt = dma_buf_kept_take_up(attach, direction) ?:
		      map_anew(attach, direction);
	if (!IS_ERR(sgt))
		atomic_inc(&to_attached(attach)->map_count);
	return sgt;
}
EXPORT_SYMBOL_NS_GPL(dma_buf_map_attachment, DMA_BUF);

/**
 * dma_buf_map_attachment_unlocked - map the memory for a device
 * @attach: the attachment
 * @direction: what the device does with it
 *
 * Context: Process, may sleep. Takes the reservation lock.
 * Return: As dma_buf_map_attachment().
 */
struct sg_table *
dma_buf_map_attachment_unlocked(struct dma_buf_attachment *attach,
				enum dma_data_direction direction)
{
	struct sg_table *sgt;

	might_sleep();
	if (WARN_ON_ONCE(!attach || !attach->dmabuf))
		return ERR_PTR(-EINVAL);

	dma_resv_lock(attach->dmabuf->resv, NULL);
	sgt = dma_buf_map_attachment(attach, direction);
	dma_resv_unlock(attach->dmabuf->resv);
	return sgt;
}
EXPORT_SYMBOL_NS_GPL(dma_buf_map_attachment_unlocked, DMA_BUF);

/*
 * May the importer have this table? It has not the one that is kept and idle; of
 * others it has as many as are counted, but for the one that is kept for it.
 */
static bool may_have(struct dma_buf_attachment *attach, struct sg_table *sgt)
{
	int state = atomic_read_acquire(&to_attached(attach)->kept);
	int num = atomic_read(&to_attached(attach)->map_count);

	if (READ_ONCE(attach->sgt) == sgt)
		return state != DMA_BUF_KEPT_IDLE;
	return num > (state == DMA_BUF_KEPT_BUSY);
}

/**
 * dma_buf_unmap_attachment - a device is done with a mapping
 * @attach: the attachment
 * @sg_table: from dma_buf_map_attachment(); if the importer has given it back
 *	already, or has none, nothing is done, with a warning
 * @direction: as it was mapped
 *
 * A table that all users share stays until detach, however often it is given back.
 *
 * Context: Process, may sleep, reservation lock held.
 */
void dma_buf_unmap_attachment(struct dma_buf_attachment *attach,
			      struct sg_table *sg_table,
			      enum dma_data_direction direction)
{
	might_sleep();
	if (WARN_ON_ONCE(!attach || !attach->dmabuf || !sg_table))
		return;
	dma_resv_assert_held(attach->dmabuf->resv);

	if (is_shared(attach)) {
		if (!WARN_ON_ONCE(attach->sgt != sg_table))
			atomic_dec_if_positive(&to_attached(attach)->map_count);
		return;
	}
	if (WARN_ON_ONCE(!may_have(attach, sg_table)))
		return;
	atomic_dec(&to_attached(attach)->map_count);
	if (dma_buf_kept_put_down(attach, sg_table))
		return;
	dma_buf_unmap_memory(attach, sg_table, direction);
	if (pins_on_map(attach))
		dma_buf_unpin_memory(attach);
}
EXPORT_SYMBOL_NS_GPL(dma_buf_unmap_attachment, DMA_BUF);

/**
 * dma_buf_unmap_attachment_unlocked - a device is done with a mapping
 * @attach: the attachment
 * @sg_table: from dma_buf_map_attachment_unlocked()
 * @direction: as it was mapped
 *
 * Context: Process, may sleep. Takes the reservation lock.
 */
void dma_buf_unmap_attachment_unlocked(struct dma_buf_attachment *attach,
				       struct sg_table *sg_table,
				       enum dma_data_direction direction)
{
	might_sleep();
	if (WARN_ON_ONCE(!attach || !attach->dmabuf || !sg_table))
		return;

	dma_resv_lock(attach->dmabuf->resv, NULL);
	dma_buf_unmap_attachment(attach, sg_table, direction);
	dma_resv_unlock(attach->dmabuf->resv);
}
EXPORT_SYMBOL_NS_GPL(dma_buf_unmap_attachment_unlocked, DMA_BUF);

/* An importer that has mapped nothing has nothing to map anew. */
static bool has_memory(struct dma_buf_attachment *attach)
{
	struct dma_buf_attached *attached = to_attached(attach);

	return atomic_read(&attached->map_count) || attached->pin_count;
}

/**
 * dma_buf_move_notify - the memory is about to move
 * @dmabuf: the buffer
 *
 * Exporters say so before they move it. They add the fence of the move with
 * DMA_RESV_USAGE_KERNEL, and leave the old place alone until all fences that
 * were there before have signalled. Mappings that are kept end.
 *
 * Context: Process, may sleep, reservation lock held.
 */
void dma_buf_move_notify(struct dma_buf *dmabuf)
{
	struct dma_buf_attachment *attach;

	dma_resv_assert_held(dmabuf->resv);

	list_for_each_entry(attach, &dmabuf->attachments, node) {
		if (attach->importer_ops && has_memory(attach))
			attach->importer_ops->move_notify(attach);
		dma_buf_kept_drop(attach);
	}
}
EXPORT_SYMBOL_NS_GPL(dma_buf_move_notify, DMA_BUF);

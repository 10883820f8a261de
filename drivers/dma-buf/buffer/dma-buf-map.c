// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pinning, mapping and move notification for importers. dma-buf-mapping.c calls
 * the exporter; dma-buf-kept.c keeps mappings while they are not in use.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/atomic.h>
#include <linux/dma-buf.h>
#include <linux/dma-direction.h>
#include <linux/dma-resv.h>
#include <linux/export.h>

#include "dma-buf-internal.h"

/* Tell whether each map pins the memory, for its unmap to unpin. */
static bool pins_on_map(struct dma_buf_attachment *attach)
{
	return dma_buf_is_dynamic(attach->dmabuf) &&
	       !IS_ENABLED(CONFIG_DMABUF_MOVE_NOTIFY);
}

/* Match the errnos of a map that found no room in an IOMMU or another table. */
static bool lacks_room(struct sg_table *sgt)
{
	return sgt == ERR_PTR(-ENOMEM) || sgt == ERR_PTR(-EIO) ||
	       sgt == ERR_PTR(-ENOSPC);
}

/* If the map lacks room, end the idle kept mappings of the device and retry. */
static struct sg_table *map_memory(struct dma_buf_attachment *attach,
				   enum dma_data_direction dir)
{
	struct sg_table *sgt = dma_buf_map_memory(attach, dir);

	if (lacks_room(sgt) && dma_buf_kept_make_room(attach->dev))
		sgt = dma_buf_map_memory(attach, dir);
	return sgt;
}

/**
 * dma_buf_map_on_attach - pin and map until detach, for both directions
 * @attach: a new attachment, not yet returned to the importer
 *
 * Context: Process, may sleep, reservation lock held.
 * Return: 0; or a negative errno, and nothing has changed.
 */
int dma_buf_map_on_attach(struct dma_buf_attachment *attach)
{
	struct sg_table *sgt;
	int ret;

	/* Does nothing if the exporter is not dynamic. */
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
 * dma_buf_unmap_on_detach - end the kept mapping and undo all pins
 * @attach: the attachment, also if the importer has forgotten to unmap or unpin
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
 * For devices that cannot follow a move, such as a display during scan-out.
 * Pins are counted.
 *
 * Context: Process, may sleep, reservation lock held.
 * Return: 0 or the errno of the exporter.
 */
int dma_buf_pin(struct dma_buf_attachment *attach)
{
	int ret;

	/* The core pins for other importers, from attach to detach. */
	WARN_ON_ONCE(!dma_buf_attachment_is_dynamic(attach));

	ret = dma_buf_pin_memory(attach);
	if (!ret)
		to_attached(attach)->pin_count++;
	return ret;
}
EXPORT_SYMBOL_NS_GPL(dma_buf_pin, DMA_BUF);

/**
 * dma_buf_unpin - let the memory move again
 * @attach: the attachment; if it holds no pin, the core warns and does nothing
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

/*
 * Keep a new mapping, shared or not, if the exporter agrees. One that is not
 * shared is kept from the second map on: many importers map only once.
 */
static void keep(struct dma_buf_attachment *attach, struct sg_table *sgt,
		 enum dma_data_direction dir)
{
	struct dma_buf_attached *attached = to_attached(attach);
	const struct dma_buf_ops *ops = attach->dmabuf->ops;

	if (ops->cache_sgt_mapping)
		dma_buf_kept_share(attach, sgt, dir);
	/* Where a map pins, the unmap has to unpin: no mapping may stay. */
	else if (ops->keep_mapping && !pins_on_map(attach) &&
		 READ_ONCE(attached->maps_again))
		dma_buf_kept_keep(attach, sgt, dir);
	/* Some importers map without the reservation lock. */
	WRITE_ONCE(attached->maps_again, true);
}

/* Slow path: there is no kept mapping that fits. */
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
	if (!IS_ERR(sgt)) {
		atomic_inc(&to_attached(attach)->map_count);
		keep(attach, sgt, dir);
	} else if (pins_on_map(attach)) {
		dma_buf_unpin_memory(attach);
	}
	return sgt;
}

/* Return the table that all users of the attachment share. */
static struct sg_table *map_shared(struct dma_buf_attachment *attach,
				   enum dma_data_direction dir)
{
	if (attach->dir != dir && attach->dir != DMA_BIDIRECTIONAL)
		return ERR_PTR(-EBUSY);
	atomic_inc(&to_attached(attach)->map_count);
	return attach->sgt;
}

static bool is_shared(struct dma_buf_attachment *attach)
{
	return atomic_read_acquire(&to_attached(attach)->kept) == DMA_BUF_KEPT_SHARED;
}

/**
 * dma_buf_map_attachment - map the memory for a device
 * @attach: the attachment
 * @direction: of the data transfers of the device
 *
 * A dynamic importer must then wait for the kernel fences before the device
 * accesses the memory. For other importers the core has waited for moves.
 *
 * Context: Process, may sleep, reservation lock held.
 * Return: A table of DMA addresses, for dma_buf_unmap_attachment(); the
 * importer must not use pages from it. Or ERR_PTR(): -EINVAL, with a warning,
 * for a NULL @attach or an invalid @direction; -EBUSY if all users share a
 * mapping for another direction; -ERESTARTSYS or -EINTR on a signal; -ENOMEM;
 * any errno of the exporter.
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
		return map_shared(attach, direction);
	sgt = dma_buf_kept_take_up(attach, direction);
	return sgt ?: map_anew(attach, direction);
}
EXPORT_SYMBOL_NS_GPL(dma_buf_map_attachment, DMA_BUF);

/**
 * dma_buf_map_attachment_unlocked - map the memory for a device
 * @attach: the attachment
 * @direction: of the data transfers of the device
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
 * Tell whether the importer can hold @sgt. It holds @map_count tables, one of
 * them the kept one if that is busy; it does not hold the kept one if that is
 * idle. An unbind may stop the keeping at any time: read the table before the
 * state, which changes first; and the state before the count, which rises before
 * a table is busy and falls after it is idle.
 */
static bool may_have(struct dma_buf_attachment *attach, struct sg_table *sgt)
{
	struct dma_buf_attached *attached = to_attached(attach);
	/* Pairs with the exchange of the state before end_kept(). */
	bool is_kept = smp_load_acquire(&attach->sgt) == sgt;
	int state = atomic_read_acquire(&attached->kept);
	int num = atomic_read(&attached->map_count);

	if (is_kept)
		return num && state != DMA_BUF_KEPT_IDLE;
	return num > (state == DMA_BUF_KEPT_BUSY);
}

/**
 * dma_buf_unmap_attachment - give back a table, once the device is done with it
 * @attach: the attachment
 * @sg_table: from dma_buf_map_attachment(); if the importer has given it back
 *	already, or holds none, the core warns and does nothing
 * @direction: the direction that it was mapped for
 *
 * A table that all users share stays mapped until detach.
 *
 * Context: Process, may sleep, reservation lock held.
 */
void dma_buf_unmap_attachment(struct dma_buf_attachment *attach,
			      struct sg_table *sg_table,
			      enum dma_data_direction direction)
{
	bool is_kept;

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
	is_kept = dma_buf_kept_put_down(attach, sg_table);
	/* After the state says that the importer no longer has the table. */
	atomic_dec_if_positive(&to_attached(attach)->map_count);
	if (is_kept)
		return;
	dma_buf_unmap_memory(attach, sg_table, direction);
	if (pins_on_map(attach))
		dma_buf_unpin_memory(attach);
}
EXPORT_SYMBOL_NS_GPL(dma_buf_unmap_attachment, DMA_BUF);

/**
 * dma_buf_unmap_attachment_unlocked - give back a table
 * @attach: the attachment
 * @sg_table: from dma_buf_map_attachment_unlocked()
 * @direction: the direction that it was mapped for
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

/* An importer that holds no table and no pin has nothing to map anew. */
static bool has_memory(struct dma_buf_attachment *attach)
{
	struct dma_buf_attached *attached = to_attached(attach);

	return atomic_read(&attached->map_count) || attached->pin_count;
}

/**
 * dma_buf_move_notify - tell importers that the memory is about to move
 * @dmabuf: the buffer
 *
 * An exporter calls this before it moves the memory. It adds the fence of the
 * move with DMA_RESV_USAGE_KERNEL, and does not reuse the old place until all
 * earlier fences have signalled. Idle kept mappings end here, those in use on
 * unmap.
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

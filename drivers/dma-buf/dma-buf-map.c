// SPDX-License-Identifier: GPL-2.0-only
/*
 * What attached devices do with the memory of a buffer: pinning it, mapping it,
 * and being told that it moves. Which mappings are kept when they are not in use,
 * and until when, is in dma-buf-kept.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

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

static int pin_memory(struct dma_buf_attachment *attach)
{
	const struct dma_buf_ops *ops = attach->dmabuf->ops;

	dma_resv_assert_held(attach->dmabuf->resv);
	return ops->pin ? ops->pin(attach) : 0;
}

static void unpin_memory(struct dma_buf_attachment *attach)
{
	const struct dma_buf_ops *ops = attach->dmabuf->ops;

	dma_resv_assert_held(attach->dmabuf->resv);
	if (ops->unpin)
		ops->unpin(attach);
}

/*
 * Importers go by the lengths in there; none may be empty. As a walk by
 * sg_next(), without a function call for each segment.
 */
static bool is_sound(struct sg_table *sgt)
{
	struct scatterlist *sg = sgt->sgl;

	for (unsigned int left = sgt->nents; left; left--, sg++) {
		if (sg_is_chain(sg))
			sg = sg_chain_ptr(sg);
		if (!sg_dma_len(sg))
			return false;
	}
	return true;
}

/*
 * A dynamic importer waits for moves on its own, in its own time; for others it
 * is done here.
 */
static long wait_for_moves(struct dma_buf_attachment *attach)
{
	struct dma_resv *resv = attach->dmabuf->resv;

	if (dma_buf_attachment_is_dynamic(attach) || !dma_resv_was_used(resv))
		return 0;
	return dma_resv_wait_timeout(resv, DMA_RESV_USAGE_KERNEL, true,
				     MAX_SCHEDULE_TIMEOUT);
}

/* Have the exporter map the memory. */
static struct sg_table *map_memory(struct dma_buf_attachment *attach,
				   enum dma_data_direction dir)
{
	struct dma_buf *dmabuf = attach->dmabuf;
	struct sg_table *sgt, *wrapped;
	long ret;

	dma_resv_assert_held(dmabuf->resv);

	sgt = dmabuf->ops->map_dma_buf(attach, dir);
	if (IS_ERR_OR_NULL(sgt))
		return sgt ?: ERR_PTR(-ENOMEM);

	if (WARN_ON_ONCE(!is_sound(sgt)))
		ret = -EINVAL;
	else
		ret = wait_for_moves(attach);
	wrapped = ret < 0 ? ERR_PTR(ret) : dma_buf_debug_wrap(sgt);
	if (IS_ERR(wrapped))
		dmabuf->ops->unmap_dma_buf(attach, sgt, dir);
	return wrapped;
}

static void unmap_memory(struct dma_buf_attachment *attach,
			 struct sg_table *sgt, enum dma_data_direction dir)
{
	dma_resv_assert_held(attach->dmabuf->resv);
	attach->dmabuf->ops->unmap_dma_buf(attach, dma_buf_debug_unwrap(sgt),
					   dir);
}

/**
 * dma_buf_map_on_attach - map for good, for any direction
 * @attach: a new attachment, not on the buffer's list yet
 *
 * Context: Process, may sleep, reservation lock held.
 * Return: 0 or a negative errno, and nothing has changed.
 */
int dma_buf_map_on_attach(struct dma_buf_attachment *attach)
{
	bool pin = dma_buf_is_dynamic(attach->dmabuf);
	struct sg_table *sgt;
	int ret;

	if (pin) {
		ret = pin_memory(attach);
		if (ret)
			return ret;
	}
	sgt = map_memory(attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt)) {
		if (pin)
			unpin_memory(attach);
		return PTR_ERR(sgt);
	}
	attach->sgt = sgt;
	attach->dir = DMA_BIDIRECTIONAL;
	return 0;
}

/**
 * dma_buf_drop_kept - unmap what the core keeps for an importer
 * @attach: the attachment
 *
 * A mapping that the importer has in hand is left to it; it goes when that is
 * done with it.
 *
 * Context: Process, may sleep, reservation lock held.
 */
void dma_buf_drop_kept(struct dma_buf_attachment *attach)
{
	struct sg_table *sgt = attach->sgt;
	bool idle = attach->idle;

	dma_resv_assert_held(attach->dmabuf->resv);
	if (!attach->keep)
		return;
	dma_buf_kept_del(attach);
	attach->keep = DMA_BUF_KEEP_NEVER;
	attach->idle = false;
	attach->sgt = NULL;
	if (idle)
		unmap_memory(attach, sgt, attach->dir);
	else
		attach->map_count++;
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
	if (attach->keep)
		dma_buf_kept_del(attach);
	if (attach->sgt) {
		unmap_memory(attach, attach->sgt, attach->dir);
		if (dma_buf_is_dynamic(attach->dmabuf) && !attach->keep)
			unpin_memory(attach);
	}
	WARN_ON_ONCE(attach->pin_count);
	for (; attach->pin_count; attach->pin_count--)
		unpin_memory(attach);
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

	ret = pin_memory(attach);
	if (!ret)
		attach->pin_count++;
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
	if (WARN_ON_ONCE(!attach->pin_count))
		return;

	attach->pin_count--;
	unpin_memory(attach);
}
EXPORT_SYMBOL_NS_GPL(dma_buf_unpin, DMA_BUF);

/*
 * The core keeps a mapping if the exporter agrees, for all users or one at a time.
 * Where mapping keeps the memory in place, unmapping has to let go of it.
 */
static void adopt(struct dma_buf_attachment *attach, struct sg_table *sgt,
		  enum dma_data_direction dir)
{
	const struct dma_buf_ops *ops = attach->dmabuf->ops;

	if (!ops->cache_sgt_mapping) {
		if (!ops->keep_mapping || pins_on_map(attach))
			return;
		attach->keep = ops->keep_mapping(attach);
		if (!attach->keep)
			return;
		dma_buf_kept_add(attach);
	}
	attach->sgt = sgt;
	attach->dir = dir;
}

/* A mapping that was not there. */
static struct sg_table *map_anew(struct dma_buf_attachment *attach,
				 enum dma_data_direction dir)
{
	struct sg_table *sgt;
	int ret;

	if (pins_on_map(attach)) {
		ret = pin_memory(attach);
		if (ret)
			return ERR_PTR(ret);
	}
	sgt = map_memory(attach, dir);
	if (IS_ERR(sgt)) {
		if (pins_on_map(attach))
			unpin_memory(attach);
		return sgt;
	}
	if (!attach->sgt)
		adopt(attach, sgt, dir);
	return sgt;
}

/* All but the taking up of a mapping that is kept. */
static noinline struct sg_table *map_otherwise(struct dma_buf_attachment *attach,
					       enum dma_data_direction dir)
{
	struct sg_table *sgt = attach->sgt;

	if (sgt && !attach->keep) {
		if (attach->dir != dir && attach->dir != DMA_BIDIRECTIONAL)
			return ERR_PTR(-EBUSY);
	} else {
		/* For another direction, if at all. */
		if (attach->idle)
			dma_buf_drop_kept(attach);
		sgt = map_anew(attach, dir);
		if (IS_ERR(sgt))
			return sgt;
	}
	if (!attach->keep || attach->sgt != sgt)
		attach->map_count++;
	return sgt;
}

/* What may have to be done to take up a mapping that is kept. */
static noinline long prepare(struct dma_buf_attachment *attach)
{
	long ret = wait_for_moves(attach);

	if (ret >= 0 && attach->keep == DMA_BUF_KEEP_IDLE)
		attach->dmabuf->ops->begin_device_access(attach,
					dma_buf_debug_real(attach->sgt));
	return ret;
}

static __always_inline struct sg_table *map_locked(struct dma_buf_attachment *attach,
						   enum dma_data_direction dir)
{
	long ret;

	dma_resv_assert_held(attach->dmabuf->resv);

	if (!attach->idle || attach->dir != dir)
		return map_otherwise(attach, dir);
	if (unlikely(attach->keep == DMA_BUF_KEEP_IDLE ||
		     dma_resv_was_used(attach->dmabuf->resv))) {
		ret = prepare(attach);
		if (ret < 0)
			return ERR_PTR(ret);
	}
	attach->idle = false;
	attach->used = true;
	return attach->sgt;
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
	might_sleep();
	if (WARN_ON_ONCE(!attach || !attach->dmabuf ||
			 !valid_dma_direction(direction)))
		return ERR_PTR(-EINVAL);
	return map_locked(attach, direction);
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
	if (WARN_ON_ONCE(!attach || !attach->dmabuf ||
			 !valid_dma_direction(direction)))
		return ERR_PTR(-EINVAL);

	dma_resv_lock(attach->dmabuf->resv, NULL);
	sgt = map_locked(attach, direction);
	dma_resv_unlock(attach->dmabuf->resv);
	return sgt;
}
EXPORT_SYMBOL_NS_GPL(dma_buf_map_attachment_unlocked, DMA_BUF);

/* All but the putting down of a mapping that is kept. */
static noinline void unmap_otherwise(struct dma_buf_attachment *attach,
				     struct sg_table *sgt,
				     enum dma_data_direction dir)
{
	bool shared = attach->sgt && !attach->keep;

	if (WARN_ON_ONCE(!attach->map_count ||
			 (shared && attach->sgt != sgt) ||
			 /* Twice, while the importer has another one. */
			 (attach->keep && attach->sgt == sgt)))
		return;

	attach->map_count--;
	if (shared)
		return;
	unmap_memory(attach, sgt, dir);
	if (pins_on_map(attach))
		unpin_memory(attach);
}

static __always_inline void unmap_locked(struct dma_buf_attachment *attach,
					 struct sg_table *sgt,
					 enum dma_data_direction dir)
{
	dma_resv_assert_held(attach->dmabuf->resv);

	if (attach->sgt != sgt || !dma_buf_kept_is_busy(attach)) {
		unmap_otherwise(attach, sgt, dir);
		return;
	}
	if (attach->keep == DMA_BUF_KEEP_IDLE)
		attach->dmabuf->ops->end_device_access(attach,
						       dma_buf_debug_real(sgt));
	attach->idle = true;
}

/**
 * dma_buf_unmap_attachment - a device is done with a mapping
 * @attach: the attachment; if nothing is mapped, nothing is done, with a warning
 * @sg_table: from dma_buf_map_attachment(); if it is not what the core keeps for
 *	@attach, nor may be another one, nothing is done, with a warning
 * @direction: as it was mapped
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
	unmap_locked(attach, sg_table, direction);
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
	unmap_locked(attach, sg_table, direction);
	dma_resv_unlock(attach->dmabuf->resv);
}
EXPORT_SYMBOL_NS_GPL(dma_buf_unmap_attachment_unlocked, DMA_BUF);

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
		/* Who has mapped nothing has nothing to map anew. */
		if (attach->importer_ops &&
		    (dma_buf_has_mapped(attach) || attach->pin_count))
			attach->importer_ops->move_notify(attach);
		dma_buf_drop_kept(attach);
	}
}
EXPORT_SYMBOL_NS_GPL(dma_buf_move_notify, DMA_BUF);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that use a buffer: attaching them, pinning and mapping the memory for
 * them, and telling them that it moves. This file states the order of all locks
 * of the subsystem.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/dma-buf.h>
#include <linux/dma-direction.h>
#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/slab.h>

#include "dma-buf-internal.h"

/**
 * DOC: locking convention
 *
 * The order of the locks, outermost first:
 *
 * 1. locks of exporters and importers that they hold around calls into here;
 * 2. the mmap lock of a process;
 * 3. &dma_buf.resv, one, or many with an acquire context;
 * 4. locks of exporters that they take in their operations; memory reclaim;
 *    MMU notifiers; waiting for a fence;
 * 5. &dma_fence.lock of an array or a chain, then that of a fence in it;
 * 6. &dma_buf.lock, the lock of &dma_buf.poll, and those of the list of all
 *    buffers: nothing is taken under them but what waking a task takes.
 *
 * Called by importers *with* the reservation lock: dma_buf_pin(),
 * dma_buf_unpin(), dma_buf_map_attachment(), dma_buf_unmap_attachment(),
 * dma_buf_vmap() and dma_buf_vunmap(); and by exporters dma_buf_move_notify().
 * All others take it if they need it, those named _unlocked among them.
 *
 * Exporters are called *with* it for &dma_buf_ops.pin, &dma_buf_ops.unpin,
 * &dma_buf_ops.map_dma_buf, &dma_buf_ops.unmap_dma_buf, &dma_buf_ops.vmap and
 * &dma_buf_ops.vunmap, and *without* for all others. Importers are called with
 * it for &dma_buf_attach_ops.move_notify.
 */

/**
 * DOC: Attachments
 *
 * *Who copes with moves.* An exporter with &dma_buf_ops.pin is dynamic: its
 * memory moves unless it is pinned. An importer with &struct dma_buf_attach_ops is
 * dynamic: it copes with that. Where only one of the two is, the memory is mapped
 * for good when the device is attached, pinned if it could move otherwise. Where
 * both are, mapping does not pin, if CONFIG_DMABUF_MOVE_NOTIFY is on.
 *
 * *Life cycle.* An attachment goes onto the buffer's list as the last thing,
 * after the exporter has agreed and the memory is mapped. It keeps the buffer
 * alive. Pins and tables that the importer holds are counted: what is given back
 * twice is warned about once and left alone, and pins that are left at the end
 * are undone. An importer that has neither is not told of moves, so that one which
 * is still setting up is never called.
 *
 * *Locking.* &dma_buf.attachments changes under the reservation lock and
 * &dma_buf.lock, so either is enough to read it; all that changes in an
 * attachment is protected by the reservation lock.
 */

/* Does mapping keep the memory in place? */
static bool pins_on_map(struct dma_buf_attachment *attach)
{
	return dma_buf_is_dynamic(attach->dmabuf) &&
	       !IS_ENABLED(CONFIG_DMABUF_MOVE_NOTIFY);
}

/* Is the memory mapped from attach to detach? */
static bool maps_on_attach(struct dma_buf_attachment *attach)
{
	return dma_buf_attachment_is_dynamic(attach) !=
	       dma_buf_is_dynamic(attach->dmabuf);
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

static void unmap_memory(struct dma_buf_attachment *attach,
			 struct sg_table *sgt, enum dma_data_direction dir)
{
	dma_resv_assert_held(attach->dmabuf->resv);
	attach->dmabuf->ops->unmap_dma_buf(attach, dma_buf_debug_unwrap(sgt),
					   dir);
}

/*
 * Have the exporter map the memory. A dynamic importer waits for moves on its
 * own, in its own time; for others it is done here.
 */
static struct sg_table *map_memory(struct dma_buf_attachment *attach,
				   enum dma_data_direction dir)
{
	struct dma_buf *dmabuf = attach->dmabuf;
	struct sg_table *sgt, *wrapped;
	long ret = 0;

	dma_resv_assert_held(dmabuf->resv);

	sgt = dmabuf->ops->map_dma_buf(attach, dir);
	if (IS_ERR_OR_NULL(sgt))
		return sgt ?: ERR_PTR(-ENOMEM);

	if (WARN_ON_ONCE(!is_sound(sgt)))
		ret = -EINVAL;
	else if (!dma_buf_attachment_is_dynamic(attach))
		ret = dma_resv_wait_timeout(dmabuf->resv,
					    DMA_RESV_USAGE_KERNEL, true,
					    MAX_SCHEDULE_TIMEOUT);
	wrapped = ret < 0 ? ERR_PTR(ret) : dma_buf_debug_wrap(sgt);
	if (IS_ERR(wrapped))
		dmabuf->ops->unmap_dma_buf(attach, sgt, dir);
	return wrapped;
}

/* Map for good, for any direction. */
static int map_on_attach(struct dma_buf_attachment *attach)
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

/* All that follows the exporter's consent; publishes the attachment last. */
static int finish_attach(struct dma_buf_attachment *attach)
{
	struct dma_buf *dmabuf = attach->dmabuf;
	int ret = 0;

	dma_resv_lock(dmabuf->resv, NULL);
	if (maps_on_attach(attach))
		ret = map_on_attach(attach);
	if (!ret) {
		guard(spinlock)(&dmabuf->lock);
		list_add(&attach->node, &dmabuf->attachments);
		dmabuf->num_attachments++;
	}
	dma_resv_unlock(dmabuf->resv);
	return ret;
}

static void free_attachment(struct dma_buf_attachment *attach)
{
	dma_buf_put(attach->dmabuf);
	kfree(attach);
}

/**
 * dma_buf_dynamic_attach - attach a device
 * @dmabuf: the buffer; the attachment takes a reference of its own
 * @dev: the device, which stays until dma_buf_detach()
 * @importer_ops: for an importer that copes with moves, else NULL
 * @importer_priv: for &dma_buf_attachment.importer_priv
 *
 * Context: Process, may sleep. Reservation lock not held.
 * Return: The attachment, for dma_buf_detach(); or ERR_PTR(): -EINVAL, with a
 * warning, for no buffer, no device, or @importer_ops that lack move_notify;
 * -ENOMEM; what the exporter says, commonly -EBUSY or -EOPNOTSUPP; -ERESTARTSYS
 * if a signal ended the wait for a move.
 */
struct dma_buf_attachment *
dma_buf_dynamic_attach(struct dma_buf *dmabuf, struct device *dev,
		       const struct dma_buf_attach_ops *importer_ops,
		       void *importer_priv)
{
	struct dma_buf_attachment *attach;
	int ret = 0;

	if (WARN_ON_ONCE(!dmabuf || !dev ||
			 (importer_ops && !importer_ops->move_notify)))
		return ERR_PTR(-EINVAL);

	attach = kzalloc(sizeof(*attach), GFP_KERNEL);
	if (!attach)
		return ERR_PTR(-ENOMEM);
	get_dma_buf(dmabuf);
	attach->dmabuf = dmabuf;
	attach->dev = dev;
	attach->importer_ops = importer_ops;
	attach->importer_priv = importer_priv;
	attach->peer2peer = importer_ops && importer_ops->allow_peer2peer;

	if (dmabuf->ops->attach)
		ret = dmabuf->ops->attach(dmabuf, attach);
	if (!ret) {
		ret = finish_attach(attach);
		if (ret && dmabuf->ops->detach)
			dmabuf->ops->detach(dmabuf, attach);
	}
	if (ret) {
		free_attachment(attach);
		return ERR_PTR(ret);
	}
	return attach;
}
EXPORT_SYMBOL_NS_GPL(dma_buf_dynamic_attach, DMA_BUF);

/**
 * dma_buf_attach - attach a device that cannot cope with moves
 * @dmabuf: the buffer; the attachment takes a reference of its own
 * @dev: the device, which stays until dma_buf_detach()
 *
 * Context: Process, may sleep. Reservation lock not held.
 * Return: As dma_buf_dynamic_attach().
 */
struct dma_buf_attachment *dma_buf_attach(struct dma_buf *dmabuf,
					  struct device *dev)
{
	return dma_buf_dynamic_attach(dmabuf, dev, NULL, NULL);
}
EXPORT_SYMBOL_NS_GPL(dma_buf_attach, DMA_BUF);

/* Give back what the importer has and the core keeps, and unpublish. */
static void begin_detach(struct dma_buf_attachment *attach)
{
	struct dma_buf *dmabuf = attach->dmabuf;

	dma_resv_lock(dmabuf->resv, NULL);
	dma_buf_debug_detach(attach);
	if (attach->sgt) {
		unmap_memory(attach, attach->sgt, attach->dir);
		if (dma_buf_is_dynamic(dmabuf))
			unpin_memory(attach);
	}
	WARN_ON_ONCE(attach->pin_count);
	for (; attach->pin_count; attach->pin_count--)
		unpin_memory(attach);

	scoped_guard(spinlock, &dmabuf->lock) {
		list_del(&attach->node);
		dmabuf->num_attachments--;
	}
	dma_resv_unlock(dmabuf->resv);
}

/**
 * dma_buf_detach - a device is done with a buffer
 * @dmabuf: the buffer
 * @attach: the attachment, unmapped and unpinned; it is freed
 *
 * Context: Process, may sleep. Reservation lock not held.
 */
void dma_buf_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	if (WARN_ON_ONCE(!dmabuf || !attach || attach->dmabuf != dmabuf))
		return;

	begin_detach(attach);
	if (dmabuf->ops->detach)
		dmabuf->ops->detach(dmabuf, attach);
	free_attachment(attach);
}
EXPORT_SYMBOL_NS_GPL(dma_buf_detach, DMA_BUF);

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

/* A table that the core does not keep. */
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
	if (IS_ERR(sgt) && pins_on_map(attach))
		unpin_memory(attach);
	return sgt;
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

	sgt = attach->sgt;
	if (!sgt) {
		sgt = map_anew(attach, direction);
		if (IS_ERR(sgt))
			return sgt;
		if (attach->dmabuf->ops->cache_sgt_mapping) {
			attach->sgt = sgt;
			attach->dir = direction;
		}
	} else if (attach->dir != direction &&
		   attach->dir != DMA_BIDIRECTIONAL) {
		return ERR_PTR(-EBUSY);
	}
	attach->map_count++;
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

/**
 * dma_buf_unmap_attachment - a device is done with a mapping
 * @attach: the attachment; if nothing is mapped, nothing is done, with a warning
 * @sg_table: from dma_buf_map_attachment(); if it is not what the core keeps for
 *	@attach, nothing is done, with a warning
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
	dma_resv_assert_held(attach->dmabuf->resv);
	if (WARN_ON_ONCE(!attach->map_count ||
			 (attach->sgt && attach->sgt != sg_table)))
		return;

	attach->map_count--;
	if (attach->sgt)
		return;
	unmap_memory(attach, sg_table, direction);
	if (pins_on_map(attach))
		unpin_memory(attach);
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

/**
 * dma_buf_move_notify - the memory is about to move
 * @dmabuf: the buffer
 *
 * Exporters say so before they move it. They add the fence of the move with
 * DMA_RESV_USAGE_KERNEL, and leave the old place alone until all fences that
 * were there before have signalled.
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
		    (attach->map_count || attach->pin_count))
			attach->importer_ops->move_notify(attach);
	}
}
EXPORT_SYMBOL_NS_GPL(dma_buf_move_notify, DMA_BUF);

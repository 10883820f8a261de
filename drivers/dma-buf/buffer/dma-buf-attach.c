// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that use a buffer: attaching and detaching them; what they do in
 * between is in dma-buf-map.c. This file states the order of all locks of the
 * subsystem.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/dma-buf.h>
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
 * 5. &dma_fence.lock of a chain, then of an array, then of a fence in it;
 * 6. &dma_buf.lock, &dma_buf.name_lock, the lock of &dma_buf.poll, and those of
 *    the lists of all buffers and of all mappings that are kept: nothing is taken
 *    under them but what waking a task takes.
 *
 * Called by importers *with* the reservation lock: dma_buf_pin(),
 * dma_buf_unpin(), dma_buf_map_attachment(), dma_buf_unmap_attachment(),
 * dma_buf_vmap() and dma_buf_vunmap(); and by exporters dma_buf_move_notify().
 * All others take it if they need it, those named _unlocked among them.
 *
 * Exporters are called *with* it for &dma_buf_ops.pin, &dma_buf_ops.unpin,
 * &dma_buf_ops.map_dma_buf, &dma_buf_ops.unmap_dma_buf,
 * &dma_buf_ops.keep_mapping, &dma_buf_ops.begin_device_access,
 * &dma_buf_ops.end_device_access, &dma_buf_ops.vmap and &dma_buf_ops.vunmap, and
 * *without* for all others. Those with &dma_buf_ops.keep_mapping are called
 * without it for &dma_buf_ops.unmap_dma_buf too, from memory reclaim and elsewhere,
 * to end a mapping that nobody uses. Importers are called with it for
 * &dma_buf_attach_ops.move_notify.
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
 * *Life cycle.* An attachment goes onto the buffer's list, complete, after the
 * exporter has agreed and before the memory is mapped, in one section of the
 * reservation lock with that. It keeps the buffer alive. The core counts the pins
 * and tables that the importer holds: it warns once about a table or pin that is
 * given back twice and leaves it alone, and it undoes pins that are left at the end.
 * The core tells only importers that hold one of them about moves, so that it never
 * calls one that is still setting up. What an importer has unmapped the core may
 * keep for the next time; see "kept mappings".
 *
 * *Locking.* &dma_buf.attachments changes under the reservation lock and
 * &dma_buf.lock, so either is enough to read it. What changes in an attachment is
 * protected by the reservation lock; but of what is kept, a state of its own tells
 * whose it is.
 */

/* Is the memory mapped from attach to detach? */
static bool maps_on_attach(struct dma_buf_attachment *attach)
{
	return dma_buf_attachment_is_dynamic(attach) !=
	       dma_buf_is_dynamic(attach->dmabuf);
}

static void publish(struct dma_buf_attachment *attach)
{
	struct dma_buf *dmabuf = attach->dmabuf;

	guard(spinlock)(&dmabuf->lock);
	list_add(&attach->node, &dmabuf->attachments);
	dmabuf->num_attachments++;
}

static void unpublish(struct dma_buf_attachment *attach)
{
	struct dma_buf *dmabuf = attach->dmabuf;

	guard(spinlock)(&dmabuf->lock);
	list_del(&attach->node);
	dmabuf->num_attachments--;
}

/*
 * All that follows the exporter's consent. The exporter finds the attachment on
 * the list when it pins and maps: some look there at what all importers can do.
 * Others have to wait for the reservation lock, or see no more than the device.
 */
static int finish_attach(struct dma_buf_attachment *attach)
{
	struct dma_buf *dmabuf = attach->dmabuf;
	int ret = 0;

	dma_resv_lock(dmabuf->resv, NULL);
	publish(attach);
	if (maps_on_attach(attach))
		ret = dma_buf_map_on_attach(attach);
	if (ret)
		unpublish(attach);
	dma_resv_unlock(dmabuf->resv);
	return ret;
}

static void free_attachment(struct dma_buf_attachment *attach)
{
	dma_buf_put(attach->dmabuf);
	kfree(to_attached(attach));
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
	struct dma_buf_attached *attached;
	int ret = 0;

	if (WARN_ON_ONCE(!dmabuf || !dev ||
			 (importer_ops && !importer_ops->move_notify)))
		return ERR_PTR(-EINVAL);

	attached = kzalloc(sizeof(*attached), GFP_KERNEL);
	if (!attached)
		return ERR_PTR(-ENOMEM);
	get_dma_buf(dmabuf);
	attach = &attached->attach;
	attach->dmabuf = dmabuf;
	attach->dev = dev;
	attach->peer2peer = importer_ops && importer_ops->allow_peer2peer;
	attach->importer_ops = importer_ops;
	attach->importer_priv = importer_priv;

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
	dma_buf_unmap_on_detach(attach);
	unpublish(attach);
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

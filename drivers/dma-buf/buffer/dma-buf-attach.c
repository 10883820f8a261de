// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attaching devices to a buffer and detaching them. dma-buf-map.c pins and maps
 * the memory in between. This file states the order of all locks of the
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
 * 1. locks that exporters and importers hold around calls into the core;
 * 2. the mmap lock of a process;
 * 3. the reservation lock &dma_buf.resv, one, or many with an acquire context;
 * 4. locks that exporters take in their operations; memory reclaim; MMU
 *    notifiers; waiting for a fence;
 * 5. &dma_fence.lock of a chain, then of an array, then of a fence in it;
 * 6. leaf locks: &dma_buf.lock, &dma_buf.name_lock, the lock of
 *    &dma_buf_object.poll, those of the registry, and those of the list and of
 *    the accounts of kept mappings. Under them the core takes no lock, except
 *    those that waking a task or kfree() takes.
 *
 * Importers hold the reservation lock when they call dma_buf_pin(),
 * dma_buf_unpin(), dma_buf_map_attachment(), dma_buf_unmap_attachment(),
 * dma_buf_vmap() or dma_buf_vunmap(); exporters hold it when they call
 * dma_buf_move_notify(). All other functions take it themselves if they need
 * it, those named _unlocked among them.
 *
 * The core holds the reservation lock when it calls &dma_buf_ops.pin,
 * &dma_buf_ops.unpin, &dma_buf_ops.map_dma_buf, &dma_buf_ops.unmap_dma_buf,
 * &dma_buf_ops.keep_mapping, &dma_buf_ops.begin_device_access,
 * &dma_buf_ops.end_device_access, &dma_buf_ops.vmap and &dma_buf_ops.vunmap of
 * an exporter, and does *not* hold it for the others. To end an idle kept
 * mapping, from memory reclaim among others, it calls
 * &dma_buf_ops.unmap_dma_buf without the lock too, if the exporter has
 * &dma_buf_ops.keep_mapping. It holds the lock when it calls
 * &dma_buf_attach_ops.move_notify of an importer.
 */

/**
 * DOC: Attachments
 *
 * *Moves.* An exporter with &dma_buf_ops.pin is dynamic: its memory may move
 * unless it is pinned. An importer with &struct dma_buf_attach_ops is dynamic:
 * it copes with moves. If only one of the two is dynamic, the core maps the
 * memory once, at attach, and pins it first if the exporter is the dynamic one.
 * If both are, a map pins only if CONFIG_DMABUF_MOVE_NOTIFY is off.
 *
 * *Life cycle.* The core puts a complete attachment on the buffer's list after
 * the exporter has accepted the device, and maps the memory, if that is due at
 * attach, in the same critical section of the reservation lock. An attachment
 * holds a reference to the buffer. The core counts the pins and tables that the
 * importer holds: it warns once about a pin or table that is given back twice,
 * and otherwise ignores it; on detach it undoes pins that are left. The core
 * notifies only importers that hold a pin or a table about a move, so it never
 * calls one that is still setting up. The core may keep a table that the
 * importer has unmapped for the next map; see "kept mappings".
 *
 * *Locking.* &dma_buf.attachments changes under both the reservation lock and
 * &dma_buf.lock, so a reader needs only one of them. The reservation lock
 * protects the mutable members of an attachment, except for the kept table: its
 * state, in &dma_buf_attached.kept, says who owns it.
 */

/* Tell whether the core maps the memory at attach, until detach. */
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
 * Publish first: exporters that pin or map look at all importers on the list,
 * and must find this one there. Other readers wait for the reservation lock, or
 * take &dma_buf.lock alone and look at the device only.
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
 * @dmabuf: the buffer; the attachment takes its own reference
 * @dev: the device; the caller keeps it valid until dma_buf_detach()
 * @importer_ops: operations of an importer that copes with moves, else NULL
 * @importer_priv: value of &dma_buf_attachment.importer_priv
 *
 * Context: Process, may sleep. Reservation lock not held.
 * Return: The attachment, for dma_buf_detach(); or ERR_PTR(): -EINVAL, with a
 * warning, if @dmabuf, @dev or the move_notify of @importer_ops is NULL;
 * -ENOMEM; -ERESTARTSYS if a signal interrupted the wait for a move; any errno
 * of the exporter, commonly -EBUSY or -EOPNOTSUPP.
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
 * dma_buf_attach - attach a device that does not cope with moves
 * @dmabuf: the buffer; the attachment takes its own reference
 * @dev: the device; the caller keeps it valid until dma_buf_detach()
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

static void begin_detach(struct dma_buf_attachment *attach)
{
	struct dma_buf *dmabuf = attach->dmabuf;

	dma_resv_lock(dmabuf->resv, NULL);
	dma_buf_unmap_on_detach(attach);
	unpublish(attach);
	dma_resv_unlock(dmabuf->resv);
}

/**
 * dma_buf_detach - detach a device
 * @dmabuf: the buffer
 * @attach: the attachment, unmapped and unpinned; freed by this call
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

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Checks of the contract between exporters and importers that are too expensive
 * for production kernels.
 *
 * An importer gets a copy of the exporter's table without the pages, which need
 * not exist and which only the exporter may use. So the importer cannot use
 * them, nor modify the table that the exporter relies on.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/atomic.h>
#include <linux/container_of.h>
#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/minmax.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "dma-buf-internal.h"

struct wrapper {
	/* The importer's table. */
	struct sg_table table;
	/* The exporter's table. */
	struct sg_table *real;
	/* Entries of @table; the importer may have modified its own counts. */
	unsigned int num;
};

/* Copy everything but the page. */
static void copy_entry(struct scatterlist *to, struct scatterlist *from)
{
	to->offset = from->offset;
	to->length = from->length;
	sg_dma_address(to) = sg_dma_address(from);
	sg_dma_len(to) = sg_dma_len(from);
#ifdef CONFIG_NEED_SG_DMA_FLAGS
	to->dma_flags = from->dma_flags;
#endif
}

/*
 * Tell whether an empty DMA segment precedes one with data: importers stop at
 * the empty one and miss the rest. They cope with empty segments at the end,
 * which an exporter has if it counts pages instead of DMA segments.
 */
static bool has_gap(struct sg_table *sgt)
{
	struct scatterlist *sg;
	bool empty = false;
	int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		if (empty && sg_dma_len(sg))
			return true;
		empty = !sg_dma_len(sg);
	}
	return false;
}

/**
 * dma_buf_debug_wrap - copy an exporter's table for the importer
 * @sgt: the exporter's table; warns if it has an empty DMA segment before the
 *	end
 *
 * Context: Process, may sleep.
 * Return: The table, for dma_buf_debug_unwrap(); or ERR_PTR(-ENOMEM).
 */
struct sg_table *dma_buf_debug_wrap(struct sg_table *sgt)
{
	unsigned int num = max(sgt->nents, sgt->orig_nents);
	struct wrapper *wrapper = kzalloc(sizeof(*wrapper), GFP_KERNEL);
	struct scatterlist *from, *to;
	unsigned int i;

	if (!wrapper)
		return ERR_PTR(-ENOMEM);
	wrapper->real = sgt;
	wrapper->num = num;
	/* Memory that a device reaches in another way has an empty table. */
	if (!num)
		return &wrapper->table;

	if (sg_alloc_table(&wrapper->table, num, GFP_KERNEL)) {
		kfree(wrapper);
		return ERR_PTR(-ENOMEM);
	}
	WARN_ON_ONCE(has_gap(sgt));
	to = wrapper->table.sgl;
	for_each_sg(sgt->sgl, from, num, i) {
		copy_entry(to, from);
		to = sg_next(to);
	}
	wrapper->table.nents = sgt->nents;
	wrapper->table.orig_nents = sgt->orig_nents;
	return &wrapper->table;
}

/**
 * dma_buf_debug_real - get the exporter's table behind a copy
 * @sgt: from dma_buf_debug_wrap()
 *
 * Context: Any.
 * Return: The table that the exporter returned.
 */
struct sg_table *dma_buf_debug_real(struct sg_table *sgt)
{
	return container_of(sgt, struct wrapper, table)->real;
}

/**
 * dma_buf_debug_unwrap - free a copy and get the exporter's table back
 * @sgt: from dma_buf_debug_wrap(); freed by this call
 *
 * Context: Process, may sleep.
 * Return: The table that the exporter returned.
 */
struct sg_table *dma_buf_debug_unwrap(struct sg_table *sgt)
{
	struct wrapper *wrapper = container_of(sgt, struct wrapper, table);
	struct sg_table *real = wrapper->real;

	wrapper->table.orig_nents = wrapper->num;
	sg_free_table(&wrapper->table);
	kfree(wrapper);
	return real;
}

/**
 * dma_buf_debug_detach - warn if an importer detaches while it maps or pins
 * @attach: the attachment
 *
 * Context: Process, reservation lock held.
 */
void dma_buf_debug_detach(struct dma_buf_attachment *attach)
{
	struct dma_buf_attached *attached = to_attached(attach);
	bool shared = atomic_read(&attached->kept) == DMA_BUF_KEPT_SHARED;

	dma_resv_assert_held(attach->dmabuf->resv);
	/* Detach ends a shared mapping: no unmap is due. */
	WARN_ONCE(!shared && atomic_read(&attached->map_count),
		  "dma_buf: %s detaches without unmapping\n",
		  dev_name(attach->dev));
	WARN_ONCE(attached->pin_count, "dma_buf: %s detaches without unpinning\n",
		  dev_name(attach->dev));
}

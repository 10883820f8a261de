// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-backed buffers as devices see them: attachments, their mappings, and
 * the hand-over between devices and the CPU. The memory itself, and when it
 * goes away, is the business of heap-pages.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-buf.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/swiotlb.h>

#include "heap-pages.h"

/**
 * DOC: kept mappings
 *
 * Importers map a buffer before each piece of work and unmap it afterwards. To
 * set up and tear down an IOMMU mapping every time costs more than the work
 * often does, so unmap only hands the memory back to the CPU (a no-op for
 * coherent devices), and keeps mapping and table with the attachment. The next
 * map in the same direction takes it up again; one in another direction drops
 * it, as does detach.
 *
 * A mapping is *busy* while an importer has its table, which it may modify
 * until it unmaps. So a table is never handed out twice: an attachment that is
 * mapped again while it is busy gets a second mapping, and of the idle ones
 * one is kept.
 *
 * An idle mapping belongs to the CPU, as memory that is not mapped at all. The
 * cache is not touched when it is dropped: that would throw away what the CPU
 * wrote in the meantime.
 *
 * Mappings that go through a bounce buffer are not kept: that memory is scarce
 * and others wait for it.
 *
 * Locking
 * ~~~~~~~
 *
 * The mappings of an attachment change under the reservation lock and, since
 * CPU access brackets walk over them without that, &heap_pages.lock too. Who
 * holds the former may read them.
 */

/**
 * heap_pages_attach - &dma_buf_ops.attach of page-backed buffers
 * @dmabuf: the buffer
 * @attach: the new attachment
 *
 * Context: Process, may sleep. Takes &heap_pages.lock.
 * Return: 0 or -ENOMEM.
 */
int heap_pages_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach)
{
	struct heap_attachment *att = kzalloc(sizeof(*att), GFP_KERNEL);
	struct heap_pages *buf = dmabuf->priv;

	if (!att)
		return -ENOMEM;
	att->dev = attach->dev;
	INIT_LIST_HEAD(&att->mappings);
	attach->priv = att;
	guard(mutex)(&buf->lock);
	list_add(&att->node, &buf->attachments);
	return 0;
}

/*
 * The longest segment for a device, in pages. Devices that state no limit are
 * assumed to have a low one, which must not tear contiguous memory apart: their
 * drivers just expect one segment.
 */
static unsigned long heap_pages_max_segment(const struct heap_pages *buf,
					    struct device *dev)
{
	bool stated = dev->dma_parms && dev->dma_parms->max_segment_size;
	unsigned int max = dma_get_max_seg_size(dev);

	if (buf->ops->contiguous && !stated)
		max = UINT_MAX;
	return max(max >> PAGE_SHIFT, 1U);
}

/* Two walks: a table has to know the number of segments when it is allocated. */
static int heap_pages_fill_table(const struct heap_pages *buf,
				 struct device *dev, struct sg_table *sgt)
{
	unsigned long max = heap_pages_max_segment(buf, dev);
	struct heap_extent ext;
	struct scatterlist *sg;
	unsigned int n = 0;
	int ret;

	heap_extent_start(&ext, buf, 0, buf->nr_pages, max);
	while (heap_extent_next(&ext))
		n++;
	ret = sg_alloc_table(sgt, n, GFP_KERNEL);
	if (ret)
		return ret;

	sg = sgt->sgl;
	heap_extent_start(&ext, buf, 0, buf->nr_pages, max);
	while (heap_extent_next(&ext)) {
		sg_set_page(sg, pfn_to_page(ext.pfn), ext.nr << PAGE_SHIFT, 0);
		sg = sg_next(sg);
	}
	return 0;
}

static struct heap_mapping *heap_mapping_create(const struct heap_pages *buf,
						struct device *dev,
						enum dma_data_direction dir)
{
	struct heap_mapping *map __free(kfree) = kzalloc(sizeof(*map),
							 GFP_KERNEL);
	int ret;

	if (!map)
		return ERR_PTR(-ENOMEM);
	map->dir = dir;
	ret = heap_pages_fill_table(buf, dev, &map->sgt);
	if (ret)
		return ERR_PTR(ret);
	/*
	 * Several devices may have the buffer at a time, and agree by fences on
	 * who uses it. The debugging of the DMA API has no notion of that: a
	 * mapping which hands over the memory is taken to own it.
	 */
	ret = dma_map_sgtable(dev, &map->sgt, dir, DMA_ATTR_SKIP_CPU_SYNC);
	if (ret) {
		sg_free_table(&map->sgt);
		return ERR_PTR(ret);
	}
	dma_sync_sgtable_for_device(dev, &map->sgt, dir);
	return no_free_ptr(map);
}

static void heap_mapping_destroy(struct heap_mapping *map, struct device *dev)
{
	if (map->busy)
		dma_sync_sgtable_for_cpu(dev, &map->sgt, map->dir);
	dma_unmap_sgtable(dev, &map->sgt, map->dir, DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(&map->sgt);
	kfree(map);
}

/*
 * Does a mapping for @dev stay with the attachment? Not if it may take up
 * bounce buffers; which parts really do is not worth finding out.
 */
static bool heap_mapping_is_kept(struct device *dev)
{
	return !dma_addressing_limited(dev) && !is_swiotlb_force_bounce(dev);
}

static struct heap_mapping *heap_attachment_idle(struct heap_attachment *att)
{
	struct heap_mapping *map;

	list_for_each_entry(map, &att->mappings, node)
		if (!map->busy)
			return map;
	return NULL;
}

/**
 * heap_pages_map - &dma_buf_ops.map_dma_buf of page-backed buffers
 * @attach: the attachment
 * @dir: direction
 *
 * Context: Process, may sleep, reservation lock held. Takes &heap_pages.lock.
 * Return: A table that nobody else has, or ERR_PTR().
 */
struct sg_table *heap_pages_map(struct dma_buf_attachment *attach,
				enum dma_data_direction dir)
{
	struct heap_attachment *att = attach->priv;
	struct heap_pages *buf = attach->dmabuf->priv;
	struct heap_mapping *map;

	dma_resv_assert_held(attach->dmabuf->resv);

	map = heap_attachment_idle(att);
	if (map && map->dir != dir) {
		scoped_guard(mutex, &buf->lock)
			list_del(&map->node);
		heap_mapping_destroy(map, att->dev);
		map = NULL;
	}
	if (map) {
		dma_sync_sgtable_for_device(att->dev, &map->sgt, dir);
		guard(mutex)(&buf->lock);
		map->busy = true;
		return &map->sgt;
	}

	map = heap_mapping_create(buf, att->dev, dir);
	if (IS_ERR(map))
		return ERR_CAST(map);
	guard(mutex)(&buf->lock);
	map->busy = true;
	list_add(&map->node, &att->mappings);
	return &map->sgt;
}

/**
 * heap_pages_unmap - &dma_buf_ops.unmap_dma_buf of page-backed buffers
 * @attach: the attachment
 * @sgt: a table from heap_pages_map(), as it was then
 * @dir: direction of that
 *
 * Context: Process, may sleep, reservation lock held. Takes &heap_pages.lock.
 */
void heap_pages_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		      enum dma_data_direction dir)
{
	struct heap_mapping *map = container_of(sgt, struct heap_mapping, sgt);
	struct heap_attachment *att = attach->priv;
	struct heap_pages *buf = attach->dmabuf->priv;

	dma_resv_assert_held(attach->dmabuf->resv);

	if (!heap_attachment_idle(att) && heap_mapping_is_kept(att->dev)) {
		dma_sync_sgtable_for_cpu(att->dev, sgt, map->dir);
		guard(mutex)(&buf->lock);
		map->busy = false;
		return;
	}
	scoped_guard(mutex, &buf->lock)
		list_del(&map->node);
	heap_mapping_destroy(map, att->dev);
}

/**
 * heap_pages_detach - &dma_buf_ops.detach of page-backed buffers
 * @dmabuf: the buffer
 * @attach: the attachment, which nobody maps any more
 *
 * Context: Process, may sleep. Takes &heap_pages.lock.
 */
void heap_pages_detach(struct dma_buf *dmabuf,
		       struct dma_buf_attachment *attach)
{
	struct heap_attachment *att = attach->priv;
	struct heap_pages *buf = dmabuf->priv;
	struct heap_mapping *map, *next;

	scoped_guard(mutex, &buf->lock)
		list_del(&att->node);
	list_for_each_entry_safe(map, next, &att->mappings, node)
		heap_mapping_destroy(map, att->dev);
	kfree(att);
}

/*
 * The part of a CPU access that concerns a mapping: the DMA API takes no other
 * direction than that of the mapping, unless it is bidirectional.
 */
static enum dma_data_direction heap_sync_dir(const struct heap_mapping *map,
					     enum dma_data_direction access)
{
	return map->dir == DMA_BIDIRECTIONAL ? access : map->dir;
}

/*
 * The kernel's mapping may alias in a cache that is indexed by address. The
 * functions behind @flush take the length as an int.
 */
static void heap_pages_sync_vaddr(const struct heap_pages *buf, bool flush)
{
	size_t size = buf->nr_pages << PAGE_SHIFT, pos, len;

	lockdep_assert_held(&buf->lock);
	if (!buf->vaddr || !is_vmalloc_addr(buf->vaddr))
		return;
	for (pos = 0; pos < size; pos += len) {
		len = min_t(size_t, size - pos, SZ_1G);
		if (flush)
			flush_kernel_vmap_range(buf->vaddr + pos, len);
		else
			invalidate_kernel_vmap_range(buf->vaddr + pos, len);
	}
}

/**
 * heap_pages_begin_cpu - &dma_buf_ops.begin_cpu_access of page-backed buffers
 * @dmabuf: the buffer
 * @dir: what the CPU is going to do
 *
 * Only devices that have the buffer mapped right now matter: idle mappings have
 * been handed to the CPU already.
 *
 * Context: Process, may sleep. Takes &heap_pages.lock.
 * Return: 0.
 */
int heap_pages_begin_cpu(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	struct heap_pages *buf = dmabuf->priv;
	struct heap_attachment *att;
	struct heap_mapping *map;

	guard(mutex)(&buf->lock);
	buf->begun = true;
	heap_pages_sync_vaddr(buf, false);
	list_for_each_entry(att, &buf->attachments, node)
		list_for_each_entry(map, &att->mappings, node)
			if (map->busy)
				dma_sync_sgtable_for_cpu(att->dev, &map->sgt,
							 heap_sync_dir(map, dir));
	return 0;
}

/**
 * heap_pages_end_cpu - &dma_buf_ops.end_cpu_access of page-backed buffers
 * @dmabuf: the buffer
 * @dir: what the CPU has done
 *
 * Context: Process, may sleep. Takes &heap_pages.lock.
 * Return: 0; -EINVAL if the maker is strict and there was no begin.
 */
int heap_pages_end_cpu(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	struct heap_pages *buf = dmabuf->priv;
	struct heap_attachment *att;
	struct heap_mapping *map;

	guard(mutex)(&buf->lock);
	if (buf->ops->strict_end && !buf->begun)
		return -EINVAL;
	heap_pages_sync_vaddr(buf, true);
	list_for_each_entry(att, &buf->attachments, node)
		list_for_each_entry(map, &att->mappings, node)
			if (map->busy)
				dma_sync_sgtable_for_device(att->dev, &map->sgt,
							    heap_sync_dir(map, dir));
	return 0;
}

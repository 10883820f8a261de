// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-backed buffers as devices see them: attachments and their mappings. The
 * memory itself, and when it goes away, is the business of heap-pages.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-buf.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
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
 * it, as do detach and lack of memory (heap-pages-kept.c). A maker may choose to
 * have none kept.
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
 * *Locking.* All of that is protected by &heap_pages.lock, which is held while a
 * mapping is made or given up. So it is outside memory reclaim, and the shrinker,
 * who is inside, only tries to take it.
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
	struct heap_attachment *att = kmalloc(sizeof(*att), GFP_KERNEL);
	struct heap_pages *buf = dmabuf->priv;

	if (!att)
		return -ENOMEM;
	att->dev = attach->dev;
	INIT_LIST_HEAD(&att->mappings);
	att->first_taken = false;
	attach->priv = att;
	guard(mutex)(&buf->lock);
	list_add(&att->node, &buf->attachments);
	return 0;
}

/*
 * The longest segment for a device, in pages. Devices that state no limit are
 * assumed to have a low one, which must not tear contiguous memory apart: their
 * drivers just expect one segment. Nor must the size of a bounce buffer, unless
 * there is no other way: contiguous memory is placed where devices reach it.
 */
static unsigned long heap_pages_max_segment(const struct heap_pages *buf,
					    struct device *dev)
{
	bool stated = dev->dma_parms && dev->dma_parms->max_segment_size;
	size_t max = dma_get_max_seg_size(dev);

	if (buf->ops->contiguous && !stated)
		max = UINT_MAX;
	if (!buf->ops->contiguous || is_swiotlb_force_bounce(dev))
		max = min(max, dma_max_mapping_size(dev));
	return max(max >> PAGE_SHIFT, 1UL);
}

/* Two walks: a table has to know the number of segments when it is allocated. */
static int heap_pages_fill_table(const struct heap_extent *start,
				 struct sg_table *sgt)
{
	struct heap_extent ext = *start;
	struct scatterlist *sg;
	unsigned int n = 0;
	int ret;

	while (heap_extent_next(&ext))
		n++;
	ret = sg_alloc_table(sgt, n, GFP_KERNEL);
	if (ret)
		return ret;

	ext = *start;
	for (sg = sgt->sgl; heap_extent_next(&ext); sg = sg_next(sg))
		sg_set_page(sg, pfn_to_page(ext.pfn), ext.nr << PAGE_SHIFT, 0);
	return 0;
}

/* Is it in one piece, and may one segment hold that? */
static bool heap_pages_is_segment(const struct heap_pages *buf,
				  const struct heap_extent *start)
{
	unsigned long pfn = page_to_pfn(buf->runs[0].page);

	return buf->nr_runs == 1 && buf->nr_pages <= start->max &&
	       buf->nr_pages - 1 <= (~pfn & start->boundary);
}

static int heap_mapping_make_table(struct heap_mapping *map,
				   const struct heap_pages *buf)
{
	struct device *dev = map->attach->dev;
	struct heap_extent start;

	/* Asked for once: what a device can do may change. */
	heap_extent_start(&start, buf, 0, buf->nr_pages,
			  heap_pages_max_segment(buf, dev));
	start.boundary = dma_get_seg_boundary(dev) >> PAGE_SHIFT;
	if (!heap_pages_is_segment(buf, &start))
		return heap_pages_fill_table(&start, &map->sgt);

	sg_init_table(&map->segment, 1);
	sg_set_page(&map->segment, buf->runs[0].page,
		    buf->nr_pages << PAGE_SHIFT, 0);
	map->sgt.sgl = &map->segment;
	map->sgt.nents = 1;
	map->sgt.orig_nents = 1;
	return 0;
}

static void heap_mapping_free(struct heap_mapping *map)
{
	struct heap_attachment *att;

	if (!map)
		return;
	att = map->attach->priv;
	if (map->sgt.sgl != &map->segment)
		sg_free_table(&map->sgt);
	kvfree(map->steps);
	/* Unmapped once more, by mistake, the first is found to be idle. */
	map->busy = false;
	if (map == &att->first)
		att->first_taken = false;
	else
		kfree(map);
}

DEFINE_FREE(heap_mapping_free, struct heap_mapping *, heap_mapping_free(_T))

static struct heap_mapping *heap_mapping_alloc(struct dma_buf_attachment *attach,
					       enum dma_data_direction dir)
{
	struct heap_attachment *att = attach->priv;
	struct heap_mapping *map = &att->first;

	if (att->first_taken)
		map = kmalloc(sizeof(*map), GFP_KERNEL);
	else
		att->first_taken = true;
	if (!map)
		return NULL;
	map->attach = attach;
	map->dir = dir;
	map->sgt = (struct sg_table){};
	map->steps = NULL;
	map->num_steps = 0;
	map->busy = false;
	map->used = false;
	return map;
}

/*
 * Note down where the parts of a mapping are. What is one segment for the device
 * may be several pieces of memory behind an IOMMU, but caches are maintained by
 * physical address: a step ends where either ends.
 */
static void heap_mapping_note_steps(struct heap_mapping *map,
				    struct device *dev)
{
	struct scatterlist *dma = map->sgt.sgl, *mem = map->sgt.sgl;
	size_t dma_done = 0, mem_done = 0, len;
	unsigned int left = map->sgt.nents;

	/* It would need that from now on, being mapped, or never will. */
	if (!dma_dev_need_sync(dev))
		return;
	map->steps = kvmalloc_array(map->sgt.nents + map->sgt.orig_nents,
				    sizeof(*map->steps),
				    GFP_KERNEL | __GFP_NOWARN);
	while (map->steps && left && mem) {
		len = min(sg_dma_len(dma) - dma_done, mem->length - mem_done);
		map->steps[map->num_steps].addr = sg_dma_address(dma) + dma_done;
		map->steps[map->num_steps++].len = len;
		dma_done += len;
		mem_done += len;
		if (dma_done == sg_dma_len(dma)) {
			dma = sg_next(dma);
			dma_done = 0;
			left--;
		}
		if (mem_done == mem->length) {
			mem = sg_next(mem);
			mem_done = 0;
		}
	}
}

/* Made, and the device's; in no list yet. */
static struct heap_mapping *heap_mapping_create(struct dma_buf_attachment *attach,
						enum dma_data_direction dir)
{
	struct heap_mapping *map __free(heap_mapping_free) =
		heap_mapping_alloc(attach, dir);
	struct device *dev = attach->dev;
	int ret;

	if (!map)
		return ERR_PTR(-ENOMEM);
	ret = heap_mapping_make_table(map, attach->dmabuf->priv);
	if (ret)
		return ERR_PTR(ret);
	/*
	 * Several devices may have the buffer at a time, and agree by fences on
	 * who uses it. The debugging of the DMA API has no notion of that: a
	 * mapping which hands over the memory is taken to own it.
	 */
	ret = dma_map_sgtable(dev, &map->sgt, dir, DMA_ATTR_SKIP_CPU_SYNC);
	if (ret)
		return ERR_PTR(ret);
	dma_sync_sgtable_for_device(dev, &map->sgt, dir);
	heap_mapping_note_steps(map, dev);
	return no_free_ptr(map);
}

/**
 * heap_mapping_destroy - give up a mapping
 * @map: a mapping that is in no list
 *
 * Context: Process, may sleep, &heap_pages.lock held. The device is still there.
 */
void heap_mapping_destroy(struct heap_mapping *map)
{
	struct device *dev = map->attach->dev;

	if (map->busy)
		dma_sync_sgtable_for_cpu(dev, &map->sgt, map->dir);
	dma_unmap_sgtable(dev, &map->sgt, map->dir, DMA_ATTR_SKIP_CPU_SYNC);
	heap_mapping_free(map);
}

/*
 * Does a mapping stay with its attachment? Not if it may take up bounce buffers;
 * which parts really do is not worth finding out. If the device is coherent and
 * has never had any, none does.
 */
static bool heap_mapping_is_kept(const struct heap_pages *buf,
				 struct device *dev)
{
	if (buf->ops->fresh_mappings)
		return false;
	return !dma_dev_need_sync(dev) ||
	       (!dma_addressing_limited(dev) && !is_swiotlb_force_bounce(dev));
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

	guard(mutex)(&buf->lock);
	map = heap_attachment_idle(att);
	if (map && map->dir == dir) {
		dma_sync_sgtable_for_device(att->dev, &map->sgt, dir);
		map->used = true;
	} else {
		if (map) {
			heap_mapping_del(map);
			heap_mapping_destroy(map);
		}
		map = heap_mapping_create(attach, dir);
		if (IS_ERR(map))
			return ERR_CAST(map);
		heap_mapping_add(map);
	}
	map->busy = true;
	return &map->sgt;
}

/**
 * heap_pages_unmap - &dma_buf_ops.unmap_dma_buf of page-backed buffers
 * @attach: the attachment
 * @sgt: a table from heap_pages_map(), as it was then; if it is kept already
 *	nothing is done, with a warning
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

	guard(mutex)(&buf->lock);
	/* Twice, while another one of the attachment is in use. */
	if (WARN_ON_ONCE(!map->busy))
		return;
	if (heap_mapping_is_kept(buf, att->dev) && !heap_attachment_idle(att)) {
		dma_sync_sgtable_for_cpu(att->dev, sgt, map->dir);
		map->busy = false;
	} else {
		heap_mapping_del(map);
		heap_mapping_destroy(map);
	}
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
	struct heap_mapping *map;

	/* With the lock, or the shrinker might come to it in between. */
	guard(mutex)(&buf->lock);
	list_del(&att->node);
	while ((map = list_first_entry_or_null(&att->mappings,
					       struct heap_mapping, node))) {
		heap_mapping_del(map);
		heap_mapping_destroy(map);
	}
	kfree(att);
}

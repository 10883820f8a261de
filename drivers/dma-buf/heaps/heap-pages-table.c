// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tables of a mapping, one for the DMA API and one for the importer: into
 * which pieces the memory is split for a device.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/swiotlb.h>

#include "heap-pages.h"

/*
 * Return the longest segment, in pages, for a device that takes @max bytes. It
 * has to fit into a bounce buffer. Contiguous memory is placed where devices
 * reach it, so it is split for that only if everything that the device maps
 * bounces.
 */
static unsigned long heap_pages_max_segment(const struct heap_pages *buf,
					    struct device *dev, size_t max)
{
	if (!buf->ops->contiguous || is_swiotlb_force_bounce(dev))
		max = min(max, dma_max_mapping_size(dev));
	return max(max >> PAGE_SHIFT, 1UL);
}

/*
 * Return the longest buffer, in pages, to map as a single piece rather than as
 * a list. The DMA API assumes 64 KiB for devices that state no limit, but their
 * drivers expect contiguous memory to come in one piece.
 */
static unsigned long heap_pages_max_piece(const struct heap_pages *buf,
					  struct device *dev)
{
	bool stated = dev->dma_parms && dev->dma_parms->max_segment_size;

	return heap_pages_max_segment(buf, dev,
				      buf->ops->contiguous && !stated ?
				      UINT_MAX : dma_get_max_seg_size(dev));
}

/* Walk twice: sg_alloc_table() needs the number of segments. */
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

/* Return true if the buffer is one run that the device takes in one piece. */
static bool heap_pages_is_piece(const struct heap_pages *buf,
				struct device *dev, unsigned long boundary)
{
	unsigned long pfn = page_to_pfn(buf->runs[0].page);

	return buf->nr_runs == 1 &&
	       buf->nr_pages <= heap_pages_max_piece(buf, dev) &&
	       buf->nr_pages - 1 <= (~pfn & boundary);
}

/**
 * heap_mapping_make_table - list the memory of a buffer for a device
 * @map: a mapping that has an attachment and is otherwise empty
 * @buf: the buffer
 *
 * Context: Process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int heap_mapping_make_table(struct heap_mapping *map,
			    const struct heap_pages *buf)
{
	struct device *dev = map->attach->dev;
	unsigned long boundary = dma_get_seg_boundary(dev) >> PAGE_SHIFT;
	struct heap_extent start;

	if (!heap_pages_is_piece(buf, dev, boundary)) {
		/* Read the limits once: they may change between the walks. */
		heap_extent_start(&start, buf, 0, buf->nr_pages,
				  heap_pages_max_segment(buf, dev,
							 dma_get_max_seg_size(dev)));
		start.boundary = boundary;
		return heap_pages_fill_table(&start, &map->mapped);
	}

	sg_init_table(&map->segment, 1);
	sg_set_page(&map->segment, buf->runs[0].page,
		    buf->nr_pages << PAGE_SHIFT, 0);
	map->mapped.sgl = &map->segment;
	map->mapped.nents = 1;
	map->mapped.orig_nents = 1;
	return 0;
}

/**
 * heap_mapping_prepare_sync - make a mapping one that is synced
 * @map: a mapping that the DMA API has not mapped yet
 *
 * Allocates a list for the importer's table. Makes the mapping bidirectional if
 * the device only writes: the DMA API would discard what the CPU has written by
 * then or writes later, even the zeroes that hide old contents of the memory.
 *
 * Context: Process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int heap_mapping_prepare_sync(struct heap_mapping *map)
{
	if (map->dir == DMA_FROM_DEVICE)
		map->dir = DMA_BIDIRECTIONAL;
	return sg_alloc_table(&map->sgt, map->mapped.orig_nents, GFP_KERNEL);
}

/**
 * heap_mapping_show - fill in the importer's table
 * @map: a mapping that the DMA API has mapped
 *
 * Context: Any.
 */
void heap_mapping_show(struct heap_mapping *map)
{
	struct scatterlist *sg, *from = map->mapped.sgl;
	int i;

	if (!map->sgt.sgl) {
		map->sgt = map->mapped;
		return;
	}
	map->sgt.nents = map->mapped.nents;
	for_each_sgtable_sg(&map->sgt, sg, i) {
		sg_set_page(sg, sg_page(from), from->length, from->offset);
		sg_dma_address(sg) = sg_dma_address(from);
		sg_dma_len(sg) = sg_dma_len(from);
		from = sg_next(from);
	}
}

/**
 * heap_mapping_free - free a mapping
 * @map: the mapping, which the DMA API has unmapped and no list contains; or
 *	NULL
 *
 * Context: Process, may sleep.
 */
void heap_mapping_free(struct heap_mapping *map)
{
	if (!map)
		return;
	if (heap_mapping_is_synced(map))
		sg_free_table(&map->sgt);
	if (!heap_mapping_is_piece(map))
		sg_free_table(&map->mapped);
	kfree(map);
}

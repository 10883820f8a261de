// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-backed buffers as devices see them: their mappings. The memory itself, and
 * when it goes away, is the business of heap-pages.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/visibility.h>
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
 * DOC: mappings of page-backed buffers
 *
 * The table is the importer's, who may change it meanwhile: RDMA cuts it down to
 * what is registered. So a mapping that may have to be synced has a second table,
 * which nobody else sees. The other ones make do with one, which the importer has
 * to put right before it unmaps.
 *
 * If it has to be synced, a device that only writes is mapped for both directions, or
 * the DMA API would throw away what the CPU writes. One that only reads never gets to
 * write.
 *
 * The core keeps mappings from unmap to the next map, unless the maker chooses to
 * have none kept, or they may go through bounce buffers: that memory is scarce
 * and others wait for it.
 *
 * A mapping is *busy* while the memory is the device's. If it is not, it is the
 * CPU's, and the cache is not touched when the mapping ends: that would throw
 * away what the CPU wrote in the meantime. Where there is nothing to hand over,
 * as the device is coherent, it is busy for as long as it is there.
 *
 * *Locking.* Mappings are made and ended under the reservation lock, if drivers heed
 * that; nothing here depends on it. CPU access does not take it: &heap_pages.lock
 * protects the list of mappings and whether they are busy. The memory changes hands in
 * one section with either, so that what the CPU does is before or after it. Not so
 * when a mapping is made, which may allocate memory: if the CPU has ended an access by
 * the time that the mapping is in the list, the memory is handed over once more.
 */

/* What takes memory to be had. Not under a lock that reclaim takes. */
static struct heap_mapping *heap_mapping_alloc(struct dma_buf_attachment *attach,
					       enum dma_data_direction dir)
{
	struct heap_mapping *map __free(heap_mapping_free) =
		kzalloc(sizeof(*map), GFP_KERNEL);
	int ret;

	if (!map)
		return ERR_PTR(-ENOMEM);
	map->attach = attach;
	map->dir = dir;
	ret = heap_mapping_make_table(map, attach->dmabuf->priv);
	if (ret)
		return ERR_PTR(ret);
	return no_free_ptr(map);
}

/*
 * One piece is mapped as such: what the DMA API takes for the limit of a list's
 * segments does not count for it.
 */
static int heap_mapping_map_piece(struct heap_mapping *map, unsigned long attrs)
{
	struct scatterlist *sg = &map->segment;
	dma_addr_t addr = dma_map_page_attrs(map->attach->dev, sg_page(sg), 0,
					     sg->length, map->dir, attrs);

	if (dma_mapping_error(map->attach->dev, addr))
		return -ENOMEM;
	sg_dma_address(sg) = addr;
	sg_dma_len(sg) = sg->length;
	return 0;
}

/*
 * To map hands over the memory, once: afterwards a sync would fill bounce buffers
 * for the second time. But several devices may have the buffer at a time, and agree
 * by fences on who uses it. The checks of the DMA API have no notion of that: a
 * mapping which hands over the memory is taken to own it. With them it is two steps.
 */
VISIBLE_IF_KUNIT unsigned long heap_pages_map_attrs =
	IS_ENABLED(CONFIG_DMA_API_DEBUG) ? DMA_ATTR_SKIP_CPU_SYNC : 0;

static int heap_mapping_dma_map(struct heap_mapping *map)
{
	if (heap_mapping_is_piece(map))
		return heap_mapping_map_piece(map, heap_pages_map_attrs);
	return dma_map_sgtable(map->attach->dev, &map->mapped, map->dir,
			       heap_pages_map_attrs);
}

static void heap_mapping_dma_unmap(struct heap_mapping *map)
{
	struct scatterlist *sg = &map->segment;

	if (heap_mapping_is_piece(map))
		dma_unmap_page_attrs(map->attach->dev, sg_dma_address(sg),
				     sg->length, map->dir,
				     DMA_ATTR_SKIP_CPU_SYNC);
	else
		dma_unmap_sgtable(map->attach->dev, &map->mapped, map->dir,
				  DMA_ATTR_SKIP_CPU_SYNC);
}

/*
 * A device that gets its first bounce buffer has to be synced from then on: then
 * it is done again, with what that takes.
 */
static int heap_mapping_map(struct heap_mapping *map)
{
	struct heap_pages *buf = map->attach->dmabuf->priv;
	struct device *dev = map->attach->dev;
	int ret;

	for (;;) {
		if (dma_dev_need_sync(dev)) {
			ret = heap_mapping_prepare_sync(map);
			if (ret)
				return ret;
			scoped_guard(mutex, &buf->lock)
				map->ends = buf->ends;
		}
		ret = heap_mapping_dma_map(map);
		if (ret || map->sgt.sgl || !dma_dev_need_sync(dev))
			return ret;
		heap_mapping_dma_unmap(map);
	}
}

/* Made, and handed over, but CPU access does not find it yet. */
static struct heap_mapping *heap_mapping_create(struct dma_buf_attachment *attach,
						enum dma_data_direction dir)
{
	struct heap_mapping *map = heap_mapping_alloc(attach, dir);
	int ret;

	if (IS_ERR(map))
		return map;
	ret = heap_mapping_map(map);
	if (ret) {
		heap_mapping_free(map);
		return ERR_PTR(ret);
	}
	heap_mapping_show(map);
	return map;
}

/**
 * heap_mapping_for_device - have a device see all that is in memory
 * @map: a mapping that is synced
 * @dir: what the DMA API is told
 *
 * Context: Process, &heap_pages.lock held.
 */
void heap_mapping_for_device(struct heap_mapping *map,
			     enum dma_data_direction dir)
{
	struct scatterlist *sg = &map->segment;
	struct device *dev = map->attach->dev;

	if (heap_mapping_is_piece(map))
		dma_sync_single_for_device(dev, sg_dma_address(sg), sg->length,
					   dir);
	else
		dma_sync_sgtable_for_device(dev, &map->mapped, dir);
}

/**
 * heap_mapping_for_cpu - have the CPU see all that a device has written
 * @map: a mapping that is synced
 * @dir: what the DMA API is told
 *
 * Context: Process, &heap_pages.lock held.
 */
void heap_mapping_for_cpu(struct heap_mapping *map, enum dma_data_direction dir)
{
	struct scatterlist *sg = &map->segment;
	struct device *dev = map->attach->dev;

	if (heap_mapping_is_piece(map))
		dma_sync_single_for_cpu(dev, sg_dma_address(sg), sg->length,
					dir);
	else
		dma_sync_sgtable_for_cpu(dev, &map->mapped, dir);
}

static void heap_mapping_begin(struct heap_mapping *map)
{
	if (heap_mapping_is_synced(map))
		heap_mapping_for_device(map, map->dir);
	map->busy = true;
}

static void heap_mapping_end(struct heap_mapping *map)
{
	if (heap_mapping_is_synced(map))
		heap_mapping_for_cpu(map, map->dir);
	map->busy = false;
}

/* CPU access in between finds it in the list, or has found it no more. */
static void heap_mapping_del(struct heap_mapping *map)
{
	if (map->busy)
		heap_mapping_end(map);
	list_del(&map->node);
}

static void heap_mapping_destroy(struct heap_mapping *map)
{
	heap_mapping_dma_unmap(map);
	heap_mapping_free(map);
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
	struct heap_pages *buf = attach->dmabuf->priv;
	struct heap_mapping *map;
	int ret;

	dma_resv_assert_held(attach->dmabuf->resv);

	if (buf->ops->check_map) {
		ret = buf->ops->check_map(attach->dmabuf, dir);
		if (ret)
			return ERR_PTR(ret);
	}
	map = heap_mapping_create(attach, dir);
	if (IS_ERR(map))
		return ERR_CAST(map);
	guard(mutex)(&buf->lock);
	/* What the CPU has written since it was mapped is missing. */
	if (map->ends != buf->ends || heap_pages_map_attrs)
		heap_mapping_begin(map);
	map->busy = true;
	list_add(&map->node, &buf->mappings);
	return &map->sgt;
}

static struct heap_mapping *heap_pages_find_mapping(struct heap_pages *buf,
						    struct sg_table *sgt)
{
	struct heap_mapping *map;

	list_for_each_entry(map, &buf->mappings, node)
		if (&map->sgt == sgt)
			return map;
	return NULL;
}

/**
 * heap_pages_unmap - &dma_buf_ops.unmap_dma_buf of page-backed buffers
 * @attach: the attachment
 * @sgt: a table from heap_pages_map(), as it was then; if it is not mapped
 *	nothing is done, with a warning
 * @dir: direction of that
 *
 * Context: Process, may sleep, in memory reclaim too. Takes &heap_pages.lock, which is
 * enough.
 */
void heap_pages_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		      enum dma_data_direction dir)
{
	struct heap_pages *buf = attach->dmabuf->priv;
	struct heap_mapping *map;

	scoped_guard(mutex, &buf->lock) {
		map = heap_pages_find_mapping(buf, sgt);
		/* Twice, while the importer has another one. */
		if (WARN_ON_ONCE(!map))
			return;
		heap_mapping_del(map);
	}
	heap_mapping_destroy(map);
}

/*
 * May it get at memory by bounce buffers? If it has to be synced though its caches are
 * coherent, it does: that is so from the first of them on. Of a DMA API of its own,
 * which wants to be told, nothing is known: Xen's bounces, as do others.
 */
static bool heap_device_bounces(struct device *dev)
{
#ifdef CONFIG_DMA_NEED_SYNC
	/* Not dma_dev_need_sync(): the DMA API's checks want to be told always. */
	if (!dev->dma_skip_sync &&
	    (get_dma_ops(dev) || dev_is_dma_coherent(dev)))
		return true;
#endif
	return dma_addressing_limited(dev) || is_swiotlb_force_bounce(dev);
}

/**
 * heap_pages_keep - &dma_buf_ops.keep_mapping of page-backed buffers
 * @attach: the attachment, whose first mapping has been made
 *
 * Which parts of a mapping are in bounce buffers is not worth finding out.
 *
 * Context: Process, reservation lock held.
 * Return: &enum dma_buf_keep.
 */
enum dma_buf_keep heap_pages_keep(struct dma_buf_attachment *attach)
{
	struct heap_pages *buf = attach->dmabuf->priv;

	dma_resv_assert_held(attach->dmabuf->resv);

	if (buf->ops->fresh_mappings)
		return DMA_BUF_KEEP_NEVER;
	if (!dma_dev_need_sync(attach->dev))
		return DMA_BUF_KEEP_AS_IS;
	return heap_device_bounces(attach->dev) ? DMA_BUF_KEEP_NEVER :
						  DMA_BUF_KEEP_IDLE;
}

/**
 * heap_pages_begin_device - &dma_buf_ops.begin_device_access
 * @attach: the attachment
 * @sgt: a table from heap_pages_map()
 *
 * Context: Process, may sleep, reservation lock held. Takes &heap_pages.lock.
 */
void heap_pages_begin_device(struct dma_buf_attachment *attach,
			     struct sg_table *sgt)
{
	struct heap_mapping *map = container_of(sgt, struct heap_mapping, sgt);
	struct heap_pages *buf = attach->dmabuf->priv;

	dma_resv_assert_held(attach->dmabuf->resv);

	guard(mutex)(&buf->lock);
	heap_mapping_begin(map);
}

/**
 * heap_pages_end_device - &dma_buf_ops.end_device_access
 * @attach: the attachment
 * @sgt: a table from heap_pages_map()
 *
 * Context: Process, may sleep, reservation lock held. Takes &heap_pages.lock.
 */
void heap_pages_end_device(struct dma_buf_attachment *attach,
			   struct sg_table *sgt)
{
	struct heap_mapping *map = container_of(sgt, struct heap_mapping, sgt);
	struct heap_pages *buf = attach->dmabuf->priv;

	dma_resv_assert_held(attach->dmabuf->resv);

	guard(mutex)(&buf->lock);
	heap_mapping_end(map);
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
	struct heap_pages *buf = dmabuf->priv;
	struct heap_mapping *map, *next;
	LIST_HEAD(forgotten);

	/* Own ones would be seen: who detaches has made them before. */
	if (list_empty(&buf->mappings))
		return;
	scoped_guard(mutex, &buf->lock) {
		list_for_each_entry_safe(map, next, &buf->mappings, node) {
			if (map->attach != attach)
				continue;
			heap_mapping_del(map);
			list_add(&map->node, &forgotten);
		}
	}
	/* To unmap may take memory, and reclaim takes that lock. */
	list_for_each_entry_safe(map, next, &forgotten, node)
		heap_mapping_destroy(map);
}

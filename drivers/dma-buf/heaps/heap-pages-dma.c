// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-backed buffers as devices see them: their mappings. heap-pages.c owns
 * the memory and decides when it goes away.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/visibility.h>
#include <linux/dma-buf.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/swiotlb.h>

#include "heap-pages.h"

/**
 * DOC: mappings of page-backed buffers
 *
 * The importer owns the table it gets and may change it: RDMA cuts it down to
 * what is registered. So a mapping that may need syncs has a second table,
 * which the importer does not see. Other mappings have one table, which the
 * importer restores before it unmaps.
 *
 * A synced mapping for a device that only writes is bidirectional, or the DMA
 * API would discard what the CPU writes. A device that only reads never gets
 * write access.
 *
 * The core keeps mappings from unmap to the next map, unless the maker wants
 * fresh ones or the mapping may use bounce buffers: these are scarce, and other
 * devices wait for them.
 *
 * A mapping is *busy* while the device owns the memory. Otherwise the CPU owns
 * it, and ending the mapping does not touch the cache: that would discard what
 * the CPU wrote in the meantime. The mapping of a coherent device needs no
 * hand-over and is busy for as long as it exists.
 *
 * *Locking.* Importers map and unmap under the reservation lock, but nothing
 * here depends on that: some do not hold it, nor does memory reclaim, and CPU
 * access does not take it. &heap_pages.lock protects the list of mappings and
 * whether they are busy. The hand-over and the change of either are one
 * critical section, so each CPU access comes before or after both. Making a
 * mapping is the exception, because it may allocate memory: if the CPU has
 * ended an access before the mapping enters the list, heap_pages_map() hands
 * over the memory once more.
 */

/* Allocate memory outside &heap_pages.lock, which reclaim takes. */
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
 * Map a single piece without a list: the segment limit that the DMA API assumes
 * for lists does not apply to it.
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
 * Mapping also hands over the memory: a separate sync would fill bounce buffers
 * a second time. But several devices may map a buffer at a time and order their
 * accesses by fences. DMA_API_DEBUG does not know that, and takes a mapping
 * that hands over the memory for its owner: there, map and hand over in two
 * steps.
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
 * Mapping may give the device its first bounce buffer, and from then on its
 * mappings need syncs. Then map again, with a second table.
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

/* Map and hand over the memory. CPU access does not find the mapping yet. */
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

/* &heap_pages.lock protects the mapping and orders its hand-over. */
static void heap_mapping_assert_held(const struct heap_mapping *map)
{
	struct heap_pages *buf = map->attach->dmabuf->priv;

	lockdep_assert_held(&buf->lock);
}

/**
 * heap_mapping_for_device - make what the CPU wrote visible to a device
 * @map: a mapping that is synced
 * @dir: direction to pass to the DMA API
 *
 * Context: Process, &heap_pages.lock held.
 */
void heap_mapping_for_device(struct heap_mapping *map,
			     enum dma_data_direction dir)
{
	struct scatterlist *sg = &map->segment;
	struct device *dev = map->attach->dev;

	heap_mapping_assert_held(map);

	if (heap_mapping_is_piece(map))
		dma_sync_single_for_device(dev, sg_dma_address(sg), sg->length,
					   dir);
	else
		dma_sync_sgtable_for_device(dev, &map->mapped, dir);
}

/**
 * heap_mapping_for_cpu - make what a device wrote visible to the CPU
 * @map: a mapping that is synced
 * @dir: direction to pass to the DMA API
 *
 * Context: Process, &heap_pages.lock held.
 */
void heap_mapping_for_cpu(struct heap_mapping *map, enum dma_data_direction dir)
{
	struct scatterlist *sg = &map->segment;
	struct device *dev = map->attach->dev;

	heap_mapping_assert_held(map);

	if (heap_mapping_is_piece(map))
		dma_sync_single_for_cpu(dev, sg_dma_address(sg), sg->length,
					dir);
	else
		dma_sync_sgtable_for_cpu(dev, &map->mapped, dir);
}

static void heap_mapping_begin(struct heap_mapping *map)
{
	heap_mapping_assert_held(map);

	if (heap_mapping_is_synced(map))
		heap_mapping_for_device(map, map->dir);
	map->busy = true;
}

static void heap_mapping_end(struct heap_mapping *map)
{
	heap_mapping_assert_held(map);

	if (heap_mapping_is_synced(map))
		heap_mapping_for_cpu(map, map->dir);
	map->busy = false;
}

/* One critical section: a CPU access comes before the hand-over or after. */
static void heap_mapping_del(struct heap_mapping *map)
{
	heap_mapping_assert_held(map);

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
 * heap_pages_map - implement &dma_buf_ops.map_dma_buf
 * @attach: the attachment
 * @dir: what the device does with the memory
 *
 * Context: Process, may sleep, reservation lock held. Takes &heap_pages.lock.
 * Return: A table for this call alone, or ERR_PTR(): -ENOMEM; what the maker or
 * the DMA API reports.
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
	/* The CPU may have written since, or mapping did not hand over. */
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

	lockdep_assert_held(&buf->lock);

	list_for_each_entry(map, &buf->mappings, node)
		if (&map->sgt == sgt)
			return map;
	return NULL;
}

/**
 * heap_pages_unmap - implement &dma_buf_ops.unmap_dma_buf
 * @attach: the attachment
 * @sgt: a table from heap_pages_map(), restored if the importer changed it
 * @dir: direction of the mapping
 *
 * Warns and does nothing if @sgt is not mapped.
 *
 * Context: Process, may sleep, also in memory reclaim. Takes &heap_pages.lock;
 * the reservation lock need not be held.
 */
void heap_pages_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		      enum dma_data_direction dir)
{
	struct heap_pages *buf = attach->dmabuf->priv;
	struct heap_mapping *map;

	scoped_guard(mutex, &buf->lock) {
		map = heap_pages_find_mapping(buf, sgt);
		/* Unmapped twice. The core only counts an importer's tables. */
		if (WARN_ON_ONCE(!map))
			return;
		heap_mapping_del(map);
	}
	heap_mapping_destroy(map);
}

/*
 * Return true if the device may use bounce buffers. A coherent device needs
 * syncs from its first bounce buffer on, and only then. A device that needs
 * syncs and has dma_map_ops of its own is assumed to bounce, as Xen's and
 * others do.
 */
static bool heap_device_bounces(struct device *dev)
{
#ifdef CONFIG_DMA_NEED_SYNC
	/* Not dma_dev_need_sync(), which DMA_API_DEBUG makes always true. */
	if (!dev->dma_skip_sync &&
	    (get_dma_ops(dev) || dev_is_dma_coherent(dev)))
		return true;
#endif
	return dma_addressing_limited(dev) || is_swiotlb_force_bounce(dev);
}

/**
 * heap_pages_keep - implement &dma_buf_ops.keep_mapping
 * @attach: the attachment, after a map
 *
 * The device decides, not the mapping: finding out which parts of a mapping are
 * in bounce buffers is not worth the effort.
 *
 * Context: Process, reservation lock held.
 * Return: DMA_BUF_KEEP_NEVER if the maker wants fresh mappings or the device
 * may use bounce buffers; DMA_BUF_KEEP_AS_IS if the device needs no syncs;
 * DMA_BUF_KEEP_IDLE otherwise.
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
 * heap_pages_begin_device - implement &dma_buf_ops.begin_device_access
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
 * heap_pages_end_device - implement &dma_buf_ops.end_device_access
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
 * heap_pages_detach - implement &dma_buf_ops.detach
 * @dmabuf: the buffer
 * @attach: the attachment, which nobody maps any more
 *
 * Ends the mappings that the importer has left.
 *
 * Context: Process, may sleep. Takes &heap_pages.lock.
 */
void heap_pages_detach(struct dma_buf *dmabuf,
		       struct dma_buf_attachment *attach)
{
	struct heap_pages *buf = dmabuf->priv;
	struct heap_mapping *map, *next;
	LIST_HEAD(forgotten);

	/* Unlocked: the importer orders its own maps before its detach. */
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
	/* Not under &heap_pages.lock: unmapping may allocate memory. */
	list_for_each_entry_safe(map, next, &forgotten, node)
		heap_mapping_destroy(map);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Access by the CPU to page-backed buffers that devices have mapped: the
 * hand-over between the two, of the whole or of a part.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "heap-pages.h"

/*
 * The part of a CPU access that concerns a mapping: the DMA API takes no other
 * direction than that of the mapping, unless it is bidirectional.
 */
static enum dma_data_direction heap_sync_dir(const struct heap_mapping *map,
					     enum dma_data_direction access)
{
	return map->dir == DMA_BIDIRECTIONAL ? access : map->dir;
}

/* A range of a buffer, in bytes, that changes hands. */
struct heap_sync {
	size_t offset;
	size_t len;
	/* What the CPU does with it. */
	enum dma_data_direction dir;
	/* The CPU is about to; else it is done. */
	bool begin;
};

static void heap_mapping_sync_part(struct heap_mapping *map,
				   const struct heap_sync *sync)
{
	enum dma_data_direction dir = heap_sync_dir(map, sync->dir);
	size_t end = sync->offset + sync->len, pos = 0, from, to;
	struct device *dev = map->attach->dev;
	struct heap_step *step;

	for (step = map->steps; pos < end; pos += step++->len) {
		from = max(sync->offset, pos);
		to = min(end, pos + step->len);
		if (from >= to)
			continue;
		if (sync->begin)
			dma_sync_single_for_cpu(dev, step->addr + from - pos,
						to - from, dir);
		else
			dma_sync_single_for_device(dev, step->addr + from - pos,
						   to - from, dir);
	}
}

static noinline void heap_mapping_sync(struct heap_mapping *map,
				       const struct heap_sync *sync)
{
	enum dma_data_direction dir = heap_sync_dir(map, sync->dir);
	bool whole = sync->len == map->attach->dmabuf->size;
	struct device *dev = map->attach->dev;

	if (!whole && map->steps)
		heap_mapping_sync_part(map, sync);
	else if (sync->begin)
		dma_sync_sgtable_for_cpu(dev, &map->sgt, dir);
	else
		dma_sync_sgtable_for_device(dev, &map->sgt, dir);
}

/*
 * The kernel's mapping may alias in a cache that is indexed by address. The
 * functions behind it take the length as an int.
 */
static noinline void heap_vaddr_sync(void *vaddr, const struct heap_sync *sync)
{
	size_t pos = sync->offset, end = sync->offset + sync->len, len;

	if (!is_vmalloc_addr(vaddr))
		return;
	for (; pos < end; pos += len) {
		len = min_t(size_t, end - pos, SZ_1G);
		if (sync->begin)
			invalidate_kernel_vmap_range(vaddr + pos, len);
		else
			flush_kernel_vmap_range(vaddr + pos, len);
	}
}

/*
 * Only mappings that a device has right now matter, as others have been handed to
 * the CPU already. For coherent devices that reach all memory nothing
 * has to be done. What there is for others is out of line, as most are like that.
 */
static void heap_pages_sync(struct heap_pages *buf,
			    const struct heap_sync *sync)
{
	struct heap_mapping *map;

	lockdep_assert_held(&buf->lock);
	if (buf->vaddr)
		heap_vaddr_sync(buf->vaddr, sync);
	list_for_each_entry(map, &buf->mappings, node)
		if (map->busy && dma_dev_need_sync(map->attach->dev))
			heap_mapping_sync(map, sync);
}

/**
 * heap_pages_begin_cpu_partial - &dma_buf_ops.begin_cpu_access_partial
 * @dmabuf: a page-backed buffer
 * @dir: what the CPU is going to do
 * @offset: first byte
 * @len: number of bytes, which lie in the buffer
 *
 * Context: Process, may sleep. Takes &heap_pages.lock.
 * Return: 0.
 */
int heap_pages_begin_cpu_partial(struct dma_buf *dmabuf,
				 enum dma_data_direction dir, size_t offset,
				 size_t len)
{
	const struct heap_sync sync = {
		.offset = offset, .len = len, .dir = dir, .begin = true,
	};
	struct heap_pages *buf = dmabuf->priv;

	guard(mutex)(&buf->lock);
	buf->begun = true;
	heap_pages_sync(buf, &sync);
	return 0;
}

/**
 * heap_pages_begin_cpu - &dma_buf_ops.begin_cpu_access of page-backed buffers
 * @dmabuf: the buffer
 * @dir: what the CPU is going to do
 *
 * Context: Process, may sleep. Takes &heap_pages.lock.
 * Return: 0.
 */
int heap_pages_begin_cpu(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	return heap_pages_begin_cpu_partial(dmabuf, dir, 0, dmabuf->size);
}

/**
 * heap_pages_end_cpu_partial - &dma_buf_ops.end_cpu_access_partial
 * @dmabuf: a page-backed buffer
 * @dir: what the CPU has done
 * @offset: first byte
 * @len: number of bytes, which lie in the buffer
 *
 * Context: Process, may sleep. Takes &heap_pages.lock.
 * Return: 0; -EINVAL if the maker is strict and there was no begin.
 */
int heap_pages_end_cpu_partial(struct dma_buf *dmabuf,
			       enum dma_data_direction dir, size_t offset,
			       size_t len)
{
	const struct heap_sync sync = {
		.offset = offset, .len = len, .dir = dir, .begin = false,
	};
	struct heap_pages *buf = dmabuf->priv;

	guard(mutex)(&buf->lock);
	if (buf->ops->strict_end && !buf->begun)
		return -EINVAL;
	heap_pages_sync(buf, &sync);
	return 0;
}

/**
 * heap_pages_end_cpu - &dma_buf_ops.end_cpu_access of page-backed buffers
 * @dmabuf: the buffer
 * @dir: what the CPU has done
 *
 * Context: Process, may sleep. Takes &heap_pages.lock.
 * Return: As heap_pages_end_cpu_partial().
 */
int heap_pages_end_cpu(struct dma_buf *dmabuf, enum dma_data_direction dir)
{
	return heap_pages_end_cpu_partial(dmabuf, dir, 0, dmabuf->size);
}

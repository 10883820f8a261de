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

/* A range of a buffer, in bytes, that changes hands. */
struct heap_sync {
	size_t offset;
	size_t len;
	/* What the CPU does with it. */
	enum dma_data_direction dir;
	/* The CPU is about to; else it is done. */
	bool begin;
};

/*
 * What the DMA API is told: the CPU's access and the device's each get their due.
 *
 *	the device	CPU reads, begin and end	writes, or both
 *	reads		nothing		nothing		to device, to device
 *	writes as well	both		from device	both, both
 *
 * The CPU sees what the device wrote even if it says that it only writes, as it may
 * leave gaps: from its cache, or in a bounce buffer, those would go back as they
 * were before. When it has written, the device and memory get that, and when it has
 * read they get nothing, as the device may have gone on; but what the cache holds
 * is dropped, which some machines do only then.
 *
 * The DMA API takes no other direction than that of the mapping, unless that is for
 * both.
 */
static enum dma_data_direction heap_sync_dir(const struct heap_mapping *map,
					     const struct heap_sync *sync)
{
	bool only_reads = sync->dir == DMA_FROM_DEVICE;

	if (map->dir == DMA_TO_DEVICE)
		return only_reads ? DMA_NONE : DMA_TO_DEVICE;
	return only_reads && !sync->begin ? DMA_FROM_DEVICE : DMA_BIDIRECTIONAL;
}

/* The part of @sync that lies in @len bytes at @pos of the buffer. */
static void heap_mapping_sync_step(struct heap_mapping *map,
				   const struct heap_sync *sync, size_t pos,
				   dma_addr_t addr, size_t len)
{
	enum dma_data_direction dir = heap_sync_dir(map, sync);
	size_t from = max(sync->offset, pos);
	size_t to = min(sync->offset + sync->len, pos + len);
	struct device *dev = map->attach->dev;

	if (from >= to)
		return;
	addr += from - pos;
	if (sync->begin)
		dma_sync_single_for_cpu(dev, addr, to - from, dir);
	else
		dma_sync_single_for_device(dev, addr, to - from, dir);
}

/*
 * What is one segment for the device may be several pieces of memory behind an
 * IOMMU, but caches are maintained by physical address: a step ends where either
 * ends.
 */
static void heap_mapping_sync_part(struct heap_mapping *map,
				   const struct heap_sync *sync)
{
	struct scatterlist *dma = map->mapped.sgl, *mem = map->mapped.sgl;
	size_t dma_done = 0, mem_done = 0, pos, len;

	for (pos = 0; pos < sync->offset + sync->len; pos += len) {
		len = min(sg_dma_len(dma) - dma_done, mem->length - mem_done);
		heap_mapping_sync_step(map, sync, pos,
				       sg_dma_address(dma) + dma_done, len);
		dma_done += len;
		mem_done += len;
		if (dma_done == sg_dma_len(dma)) {
			dma = sg_next(dma);
			dma_done = 0;
		}
		if (mem_done == mem->length) {
			mem = sg_next(mem);
			mem_done = 0;
		}
	}
}

static void heap_mapping_sync(struct heap_mapping *map,
			      const struct heap_sync *sync)
{
	enum dma_data_direction dir = heap_sync_dir(map, sync);

	if (dir == DMA_NONE)
		return;
	if (sync->len != map->attach->dmabuf->size)
		heap_mapping_sync_part(map, sync);
	else if (sync->begin)
		heap_mapping_for_cpu(map, dir);
	else
		heap_mapping_for_device(map, dir);
}

/*
 * The kernel's mapping may alias in a cache that is indexed by address. The
 * functions behind it take the length as an int.
 */
static void heap_vaddr_sync(void *vaddr, const struct heap_sync *sync)
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
 * has to be done.
 */
static void heap_pages_sync(struct heap_pages *buf,
			    const struct heap_sync *sync)
{
	struct heap_mapping *map;

	lockdep_assert_held(&buf->lock);
	if (buf->vaddr)
		heap_vaddr_sync(buf->vaddr, sync);
	list_for_each_entry(map, &buf->mappings, node)
		if (map->busy && heap_mapping_is_synced(map))
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
	buf->ends++;
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

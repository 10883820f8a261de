// SPDX-License-Identifier: GPL-2.0-only
/*
 * Access by the CPU to page-backed buffers that devices have mapped: handing
 * over the whole buffer or a part of it.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/highmem.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "heap-pages.h"

/* A range of a buffer, in bytes, that is handed over. */
struct heap_sync {
	size_t offset;
	size_t len;
	/* What the CPU does with the range. */
	enum dma_data_direction dir;
	/* True before the access, false after it. */
	bool begin;
};

/*
 * Return the direction to pass to the DMA API:
 *
 *	the device	the CPU only reads		the CPU writes
 *			begin		end		begin		end
 *	only reads	none		none		to device	to device
 *	writes		both		from device	both		both
 *
 * The begin of a write also fetches what the device wrote: the CPU may leave
 * gaps, and the cache or a bounce buffer would return those stale to memory.
 * The end of a write passes the data on to memory and the device. The end of a
 * read passes on nothing, as the device may have written since, but it drops
 * what the cache holds; some architectures do that only then.
 *
 * The DMA API accepts only the direction of the mapping, unless the mapping is
 * bidirectional.
 */
static enum dma_data_direction heap_sync_dir(const struct heap_mapping *map,
					     const struct heap_sync *sync)
{
	bool only_reads = sync->dir == DMA_FROM_DEVICE;

	if (map->dir == DMA_TO_DEVICE)
		return only_reads ? DMA_NONE : DMA_TO_DEVICE;
	return only_reads && !sync->begin ? DMA_FROM_DEVICE : DMA_BIDIRECTIONAL;
}

/* Sync the part of @sync that lies in the @len bytes at @pos of the buffer. */
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
 * Behind an IOMMU a DMA segment may consist of several pieces of memory, but
 * caches are maintained by physical address: a step ends where either of the
 * two ends.
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
 * The kernel's mapping may alias in a virtually indexed cache. The functions
 * for that take the length as an int, so go in steps that fit.
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
 * Sync the mappings whose memory a device owns: the others have been handed to
 * the CPU already. Coherent devices that reach all memory need no sync.
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
 * heap_pages_begin_cpu_partial - implement the begin of access to a range
 * @dmabuf: the buffer
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
 * heap_pages_begin_cpu - implement &dma_buf_ops.begin_cpu_access
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
 * heap_pages_end_cpu_partial - implement the end of access to a range
 * @dmabuf: the buffer
 * @dir: what the CPU has done
 * @offset: first byte
 * @len: number of bytes, which lie in the buffer
 *
 * Context: Process, may sleep. Takes &heap_pages.lock.
 * Return: 0; -EINVAL if the maker sets &heap_pages_ops.strict_end and no access
 * has ever begun.
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
 * heap_pages_end_cpu - implement &dma_buf_ops.end_cpu_access
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

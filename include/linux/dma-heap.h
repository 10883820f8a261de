/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A heap lets user space allocate buffers of one kind of memory from a device
 * in /dev/dma_heap. This is the interface for drivers that add heaps.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_HEAPS_H
#define _DMA_HEAPS_H

#include <linux/types.h>

struct dma_buf;
struct dma_heap;

/**
 * struct dma_heap_ops - operations of a heap
 */
struct dma_heap_ops {
	/**
	 * @allocate: Make a buffer of zeroed memory. @len is in bytes, a
	 * multiple of the page size, and not zero; @fd_flags is for
	 * &dma_buf_export_info.flags; @heap_flags is zero.
	 *
	 * Context: Process, may sleep.
	 * Return: The buffer, with a reference for the caller, or ERR_PTR().
	 */
	struct dma_buf *(*allocate)(struct dma_heap *heap, unsigned long len,
				    u32 fd_flags, u64 heap_flags);
};

/**
 * struct dma_heap_export_info - description of a new heap
 * @name: unique name, also of the device; the string has to stay valid for ever
 * @ops: operations; likewise
 * @priv: private data of the heap, for dma_heap_get_drvdata()
 */
struct dma_heap_export_info {
	const char *name;
	const struct dma_heap_ops *ops;
	void *priv;
};

struct dma_heap *dma_heap_add(const struct dma_heap_export_info *exp_info);
void *dma_heap_get_drvdata(struct dma_heap *heap);
const char *dma_heap_get_name(struct dma_heap *heap);

#endif /* _DMA_HEAPS_H */

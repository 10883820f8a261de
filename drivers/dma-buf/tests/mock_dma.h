/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device without hardware with a DMA API under the test's control. Each call
 * is recorded and checked: a sync or unmap must match the map, with the same
 * list and an allowed direction. The device may be coherent, have a CPU cache
 * in between, or use bounce buffers; its aperture may be small, an IOMMU may
 * merge pages, and maps may fail. A device that is not coherent has its own
 * copy of each page: a missing or surplus sync shows as wrong bytes.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_BUF_TESTS_MOCK_DMA_H
#define _DMA_BUF_TESTS_MOCK_DMA_H

#include <kunit/test.h>
#include <linux/device.h>
#include <linux/dma-direction.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/xarray.h>

enum mock_dma_op {
	MOCK_DMA_MAP,
	MOCK_DMA_UNMAP,
	MOCK_DMA_SYNC_CPU,
	MOCK_DMA_SYNC_DEVICE,
	MOCK_DMA_NUM_OPS,
};

enum mock_dma_kind {
	/* The device sees the CPU's memory: there are no syncs. */
	MOCK_DMA_COHERENT,
	/*
	 * CPU writes stay in the cache until it is cleaned, CPU reads come from
	 * the cache until it is invalidated. As on arm, a sync for a device
	 * that writes invalidates too.
	 */
	MOCK_DMA_CACHED,
	/* Like swiotlb: a map always fills the bounce buffer. */
	MOCK_DMA_BOUNCE,
};

/**
 * struct mock_dma_call - one call of the DMA API
 * @op: the function
 * @list: the call was for a list; else for a single piece
 * @addr: the first DMA address
 * @len: bytes of all segments
 * @dir: direction
 * @attrs: DMA_ATTR_*, of map and unmap
 */
struct mock_dma_call {
	enum mock_dma_op op;
	bool list;
	dma_addr_t addr;
	size_t len;
	enum dma_data_direction dir;
	unsigned long attrs;
};

#define MOCK_DMA_MAX_CALLS 64
/* The content of the device's copy of a page before the first write. */
#define MOCK_DMA_STALE 0xa5

/**
 * struct mock_dma - a device; at the end of the test nothing may be mapped
 * @test: the test
 * @dev: the device, which belongs to the test
 * @kind: how the device reaches memory
 * @merge: merge a list to as few segments as possible; the test may set it
 * @aperture: size of the device's address space; the test may set it
 * @max_mapping: size limit of one piece; the test may set it
 * @fail: number of maps to fail with -ENOMEM; the test may set it
 * @mapped_hook: called after each map, without the lock; the test may set it
 * @hook_data: for @mapped_hook
 * @mappings: the mappings, in the order of addresses
 * @mapped: number of mappings
 * @pages: the device's copies, by frame of the page or of the bounce buffer
 * @copied_in: bytes copied to the device's copies since mock_dma_forget()
 * @copied_out: bytes copied from there since mock_dma_forget()
 * @num_calls: number of calls since mock_dma_forget()
 * @calls: the first of these calls
 */
struct mock_dma {
	struct kunit *test;
	struct device *dev;
	enum mock_dma_kind kind;
	bool merge;
	u64 aperture;
	size_t max_mapping;
	unsigned int fail;
	void (*mapped_hook)(struct mock_dma *mock, void *data);
	void *hook_data;
	/** @lock: protects the members below */
	struct mutex lock;
	struct list_head mappings;
	unsigned int mapped;
	struct xarray pages;
	size_t copied_in;
	size_t copied_out;
	unsigned int num_calls;
	struct mock_dma_call calls[MOCK_DMA_MAX_CALLS];
};

/**
 * struct mock_dma_piece - contiguous memory of a mapping, one entry of a list
 * @page: the first page
 * @offset: offset in @page
 * @len: bytes
 * @addr: DMA address
 * @seg_addr: DMA address of the segment that starts here
 * @seg_len: bytes of that segment; 0 if the piece is merged into an earlier one
 */
struct mock_dma_piece {
	struct page *page;
	size_t offset;
	size_t len;
	dma_addr_t addr;
	dma_addr_t seg_addr;
	size_t seg_len;
};

/**
 * struct mock_dma_mapping - what one call has mapped
 * @node: in &mock_dma.mappings
 * @addr: DMA address of the start
 * @span: bytes from the start to the end of the last piece, gaps included
 * @len: bytes of all pieces
 * @dir: direction
 * @list: mapped as a list; else as a single piece
 * @num: number of pieces
 * @pieces: the pieces in their order
 */
struct mock_dma_mapping {
	struct list_head node;
	dma_addr_t addr;
	size_t span;
	size_t len;
	enum dma_data_direction dir;
	bool list;
	unsigned int num;
	struct mock_dma_piece pieces[] __counted_by(num);
};

/* Fails the test on error. */
struct mock_dma *mock_dma_create(struct kunit *test, enum mock_dma_kind kind);

/* Empties the record of calls and copies. */
void mock_dma_forget(struct mock_dma *mock);
/* The number of calls, and the last one; the test fails if there is none. */
unsigned int mock_dma_count(struct mock_dma *mock, enum mock_dma_op op);
struct mock_dma_call mock_dma_last(struct mock_dma *mock, enum mock_dma_op op);

/* The device writes to or reads from the memory of a mapped table. */
void mock_dma_write(struct mock_dma *mock, struct sg_table *sgt, size_t offset,
		    size_t len, u8 value);
u8 mock_dma_read(struct mock_dma *mock, struct sg_table *sgt, size_t offset);

/* mock_dma_ops.c: for mock_dma.c, under the lock */
extern const struct dma_map_ops mock_dma_coherent_ops;
extern const struct dma_map_ops mock_dma_synced_ops;
/* These fail the test and return NULL if there is none. */
struct mock_dma_mapping *mock_dma_find_mapping(struct mock_dma *mock, dma_addr_t addr);
struct mock_dma_piece *mock_dma_find_piece(struct mock_dma *mock,
					   struct mock_dma_mapping *map,
					   dma_addr_t addr, size_t len);

/* mock_dma.c: what the hardware does, under the lock */
void mock_dma_copy(struct mock_dma *mock, struct mock_dma_piece *piece,
		   size_t start, size_t len, bool in);
void mock_dma_to_device(struct mock_dma *mock, struct mock_dma_piece *piece,
			size_t start, size_t len, enum dma_data_direction dir);
void mock_dma_to_cpu(struct mock_dma *mock, struct mock_dma_piece *piece,
		     size_t start, size_t len, enum dma_data_direction dir);

#endif /* _DMA_BUF_TESTS_MOCK_DMA_H */

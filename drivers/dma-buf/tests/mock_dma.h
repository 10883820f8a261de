/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A device without hardware whose DMA API the test has in hand. Each call is
 * recorded and checked: what is synced or unmapped has to be what was mapped,
 * with the same list and in a direction that is allowed. The device may be
 * coherent, have caches between itself and the CPU, or get at memory by bounce
 * buffers; an aperture may be small, an IOMMU may merge pages, and mapping may
 * fail. For each page that is not shared with the CPU the device has a copy of its
 * own: where a sync is missing, or is one too many, the wrong bytes show.
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
	/* Sees memory as the CPU does: nothing is ever synced. */
	MOCK_DMA_COHERENT,
	/*
	 * All that the CPU writes stays in its cache until that is cleaned, and all
	 * that it reads comes from there until that is invalidated, as arm does
	 * it: memory that is handed to the device for writing, and to the CPU.
	 */
	MOCK_DMA_CACHED,
	/* As swiotlb does it: a map always fills the bounce buffer. */
	MOCK_DMA_BOUNCE,
};

/**
 * struct mock_dma_call - one call of the DMA API
 * @op: which
 * @list: for a list; else for a single piece
 * @addr: the first address for the device
 * @len: bytes, of all segments
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
/* What a page that the device has a copy of holds before anything is written. */
#define MOCK_DMA_STALE 0xa5

/**
 * struct mock_dma - a device, at the end of whose test nothing may be mapped
 * @test: the test
 * @dev: the device, which belongs to the test
 * @kind: how it gets at memory
 * @merge: a list becomes as few segments as the device takes; the test may set it
 * @aperture: bytes of addresses that there are; likewise
 * @max_mapping: bytes that one piece may have; likewise
 * @fail: so many maps fail from now on, with -ENOMEM; likewise
 * @mapped_hook: called at the end of each map, without the lock; likewise
 * @hook_data: for that
 * @mappings: what is mapped, in the order of addresses
 * @mapped: how many that are
 * @pages: the device's copies, by page frame of the memory or of the bounce buffer
 * @copied_in: bytes that went to the device's copies, until mock_dma_forget()
 * @copied_out: bytes that came from there; likewise
 * @num_calls: calls; likewise
 * @calls: the first of them; likewise
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
	/** @lock: for what follows */
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
 * struct mock_dma_piece - contiguous memory of a mapping, as one entry of a list
 * @page: the first page
 * @offset: in there
 * @len: bytes
 * @addr: for the device
 * @seg_addr: what the entry says, which others may be merged into
 * @seg_len: likewise
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
 * @addr: where it starts, for the device
 * @span: bytes to the end of the last piece, with what is between them
 * @len: bytes of all pieces
 * @dir: direction
 * @list: as a list; else as a single piece
 * @num: pieces
 * @pieces: in their order
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

/* Starts the record anew. */
void mock_dma_forget(struct mock_dma *mock);
/* How many calls there were, and the last one, which is there or fails the test. */
unsigned int mock_dma_count(struct mock_dma *mock, enum mock_dma_op op);
struct mock_dma_call mock_dma_last(struct mock_dma *mock, enum mock_dma_op op);

/* The device writes to, or reads from, the memory of a table that it has mapped. */
void mock_dma_write(struct mock_dma *mock, struct sg_table *sgt, size_t offset,
		    size_t len, u8 value);
u8 mock_dma_read(struct mock_dma *mock, struct sg_table *sgt, size_t offset);

/* mock_dma_ops.c: for mock_dma.c, under the lock */
extern const struct dma_map_ops mock_dma_coherent_ops;
extern const struct dma_map_ops mock_dma_synced_ops;
/* NULL, and the test fails, if there is none. */
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

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page-backed buffers for tests, with a device of mock_dma.h.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_BUF_TESTS_HEAP_MOCK_DMA_H
#define _DMA_BUF_TESTS_HEAP_MOCK_DMA_H

#include "heap_mock.h"
#include "mock_dma.h"

/**
 * struct heap_mock_dma - a buffer of 28 KiB, in three pieces, and a device
 * @dma: the device
 * @imp: its attachment
 * @dmabuf: the buffer
 */
struct heap_mock_dma {
	struct mock_dma *dma;
	struct heap_mock_import imp;
	struct dma_buf *dmabuf;
};

/* These fail the test on error. */
struct heap_mock_dma heap_mock_dma_create(struct kunit *test,
					  enum mock_dma_kind kind, bool merge);
struct sg_table *heap_mock_dma_map(struct kunit *test, struct heap_mock_dma *imp,
				   enum dma_data_direction dir);

/* The CPU's view of a byte, and a write by the CPU to a range. */
u8 *heap_mock_dma_byte(struct heap_mock_dma *imp, size_t offset);
void heap_mock_dma_fill(struct heap_mock_dma *imp, size_t offset, size_t len,
			u8 value);

/* Devices that need syncs, as parameters of a case. */
struct heap_mock_kind {
	enum mock_dma_kind kind;
	bool merge;
};

extern const char *const heap_mock_kind_names[];
const void *heap_mock_kinds_gen_params(const void *prev, char *desc);

#endif /* _DMA_BUF_TESTS_HEAP_MOCK_DMA_H */

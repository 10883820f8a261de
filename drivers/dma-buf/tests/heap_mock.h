/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page-backed buffers for tests: memory with numbered pages, and an owner that
 * counts the pages it gets back.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_BUF_TESTS_HEAP_MOCK_H
#define _DMA_BUF_TESTS_HEAP_MOCK_H

#include <kunit/test.h>
#include <linux/dma-buf.h>

#include "../heaps/heap-pages.h"

/**
 * struct heap_mock - a buffer of a test, all of whose memory has to come back
 * @test: the test
 * @ops: operations of the buffer; the test may change them before the export
 * @buf: the buffer; valid until it is freed or released
 * @dmabuf: its dma-buf, after heap_mock_export()
 * @added: number of pages added to it
 * @freed: number of pages freed
 * @runs_freed: number of runs freed
 */
struct heap_mock {
	struct kunit *test;
	struct heap_pages_ops ops;
	struct heap_pages *buf;
	struct dma_buf *dmabuf;
	unsigned long added;
	unsigned long freed;
	unsigned int runs_freed;
};

/* These fail the test on error. */
struct heap_mock *heap_mock_create(struct kunit *test);
/* Adds a run of 2^@order numbered pages. */
struct page *heap_mock_add(struct heap_mock *mock, unsigned int order);
/* Makes a buffer of runs of these orders; -1 ends them. */
struct heap_mock *heap_mock_create_runs(struct kunit *test, const int *orders);
#define HEAP_MOCK(test, ...) \
	heap_mock_create_runs(test, (const int[]){ __VA_ARGS__, -1 })
void heap_mock_export(struct heap_mock *mock);
/* Drops the dma-buf and expects all memory back. */
void heap_mock_put(struct heap_mock *mock);
/* The first word of page @i. */
u64 heap_mock_mark(unsigned long i);

/* Makes a device without hardware that reaches all memory. */
struct device *heap_mock_device(struct kunit *test);

/**
 * struct heap_mock_import - a device attached to a buffer
 * @mock: the buffer, exported
 * @dev: the device
 * @attach: the attachment
 */
struct heap_mock_import {
	struct heap_mock *mock;
	struct device *dev;
	struct dma_buf_attachment *attach;
};

/*
 * Exports the buffer and attaches a device; fails the test on error. The
 * attachment is as after a first map, so that the core may keep the next one.
 */
struct heap_mock_import heap_mock_attach(struct kunit *test,
					 struct heap_mock *mock);
/* The same with a device of the test. */
struct heap_mock_import heap_mock_attach_dev(struct kunit *test,
					     struct heap_mock *mock,
					     struct device *dev);
/* Detaches the device and drops the buffer. */
void heap_mock_detach(struct heap_mock_import *imp);
/* Detaches and skips if all devices need bounce buffers: nothing is kept then. */
void heap_mock_need_kept(struct heap_mock_import *imp);
/* These call the heap itself under the reservation lock: nothing is wrapped. */
struct sg_table *heap_mock_map(struct dma_buf_attachment *attach,
			       enum dma_data_direction dir);
void heap_mock_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		     enum dma_data_direction dir);
/* The number of mappings of the attachment, in use and kept. */
unsigned int heap_mock_mappings(struct dma_buf_attachment *attach);

#endif /* _DMA_BUF_TESTS_HEAP_MOCK_H */

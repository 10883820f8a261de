// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU access to parts of page-backed buffers that a device has mapped.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/scatterlist.h>

#include "../heaps/heap-pages.h"
#include "heap_mock.h"

/*
 * Ranges that begin and end anywhere in the segments. With DMA_API_DEBUG the
 * DMA API checks that each sync is inside of the mapping.
 */
static void begin_cpu_partial_of_a_range(struct kunit *test)
{
	struct heap_mock_import ctx = heap_mock_attach(test, HEAP_MOCK(test, 1, 0, 2, 0));
	struct dma_buf *dmabuf = ctx.mock->dmabuf;
	struct sg_table *sgt = heap_mock_map(ctx.attach, DMA_BIDIRECTIONAL);
	size_t step = PAGE_SIZE / 2, offset, len;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	for (offset = 0; offset < dmabuf->size; offset += step) {
		for (len = step; len <= dmabuf->size - offset; len += step) {
			KUNIT_EXPECT_EQ(test, heap_pages_begin_cpu_partial(dmabuf, DMA_FROM_DEVICE,
									   offset, len), 0);
			KUNIT_EXPECT_EQ(test, heap_pages_end_cpu_partial(dmabuf, DMA_TO_DEVICE,
									 offset, len), 0);
		}
	}
	heap_mock_unmap(ctx.attach, sgt, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, heap_pages_begin_cpu_partial(dmabuf, DMA_FROM_DEVICE, 1, 1), 0);
	heap_mock_detach(&ctx);
}

/*
 * RDMA trims the first and last segment; the sync must not rely on the table.
 */
static void begin_cpu_partial_of_a_trimmed_table(struct kunit *test)
{
	struct heap_mock_import ctx = heap_mock_attach(test, HEAP_MOCK(test, 2));
	struct sg_table *sgt = heap_mock_map(ctx.attach, DMA_BIDIRECTIONAL);
	struct dma_buf *dmabuf = ctx.mock->dmabuf;
	unsigned int len;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	len = sg_dma_len(sgt->sgl);
	sg_dma_len(sgt->sgl) = PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, heap_pages_begin_cpu_partial(dmabuf, DMA_FROM_DEVICE, 2 * PAGE_SIZE,
							   PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, heap_pages_end_cpu_partial(dmabuf, DMA_TO_DEVICE, 2 * PAGE_SIZE,
							 PAGE_SIZE), 0);
	sg_dma_len(sgt->sgl) = len;
	heap_mock_unmap(ctx.attach, sgt, DMA_BIDIRECTIONAL);
	heap_mock_detach(&ctx);
}

static struct kunit_case heap_pages_sync_cases[] = {
	KUNIT_CASE(begin_cpu_partial_of_a_range),
	KUNIT_CASE(begin_cpu_partial_of_a_trimmed_table),
	{}
};

static struct kunit_suite heap_pages_sync_suite = {
	.name = "heap_pages_sync",
	.test_cases = heap_pages_sync_cases,
};

kunit_test_suite(heap_pages_sync_suite);

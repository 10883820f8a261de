// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers of the CMA heap. The heap that this suite adds stays until the
 * machine goes down.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/test.h>
#include <linux/cma.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/dma-map-ops.h>
#include <linux/err.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/string.h>

#include "../heaps/heap-pages.h"
#include "mock.h"

/* Added by the first test that needs it. */
static struct dma_heap *cma_heap;

static struct cma *get_cma_area(struct kunit *test)
{
	struct cma *area = dev_get_cma_area(NULL);

	KUNIT_ASSERT_NOT_NULL_MSG(test, area,
				  "no CMA area: CONFIG_CMA_SIZE_MBYTES");
	return area;
}

static struct dma_heap *get_cma_heap(struct kunit *test)
{
	struct dma_heap_export_info info = {
		.name = "kunit-cma",
		.ops = &cma_heap_ops,
		.priv = get_cma_area(test),
	};

	if (!cma_heap)
		cma_heap = dma_heap_add(&info);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, cma_heap);
	return cma_heap;
}

static struct dma_buf *allocate_cma(struct kunit *test, size_t size)
{
	return cma_heap_ops.allocate(get_cma_heap(test), size, O_RDWR, 0);
}

/* Expects zeroes, then dirties the whole buffer. */
static void expect_zeroed(struct kunit *test, struct dma_buf *dmabuf)
{
	struct iosys_map map;

	KUNIT_ASSERT_EQ(test, dma_buf_vmap_unlocked(dmabuf, &map), 0);
	KUNIT_EXPECT_NULL(test, memchr_inv(map.vaddr, 0, dmabuf->size));
	memset(map.vaddr, 0xa5, dmabuf->size);
	dma_buf_vunmap_unlocked(dmabuf, &map);
}

static void put(struct dma_buf *dmabuf)
{
	dma_buf_put(dmabuf);
	mock_flush_files();
}

static const size_t sizes[] = {
	SZ_4K, SZ_8K, SZ_64K - SZ_4K, SZ_64K, SZ_64K + SZ_4K, SZ_1M - SZ_4K,
	SZ_1M, SZ_2M, SZ_2M + SZ_1M + SZ_64K + SZ_4K, SZ_8M,
};

static void describe_size(const size_t *size, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%zu KiB", *size / SZ_1K);
}

KUNIT_ARRAY_PARAM(sizes, sizes, describe_size);

static void cma_heap_allocate_zeroed_one_piece(struct kunit *test)
{
	size_t size = *(const size_t *)test->param_value;
	struct dma_buf *dmabuf;
	struct heap_pages *buf;
	int i;

	for (i = 0; i < 2; i++) {
		dmabuf = allocate_cma(test, size);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabuf);
		KUNIT_EXPECT_EQ(test, dmabuf->size, size);
		buf = dmabuf->priv;
		KUNIT_EXPECT_EQ(test, buf->nr_runs, 1);
		expect_zeroed(test, dmabuf);
		put(dmabuf);
	}
}

/* Without the free the third allocation of half the area would fail. */
static void cma_heap_free_run_gives_back(struct kunit *test)
{
	size_t size = cma_get_size(get_cma_area(test)) / 2;
	struct dma_buf *dmabuf;
	int i;

	for (i = 0; i < 8; i++) {
		dmabuf = allocate_cma(test, PAGE_ALIGN(size));
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabuf);
		put(dmabuf);
	}
}

static void cma_heap_allocate_beyond_area(struct kunit *test)
{
	size_t size = cma_get_size(get_cma_area(test)) + PAGE_SIZE;

	KUNIT_EXPECT_PTR_EQ(test, allocate_cma(test, size), ERR_PTR(-ENOMEM));
	KUNIT_EXPECT_PTR_EQ(test, allocate_cma(test, ~0ul & PAGE_MASK),
			    ERR_PTR(-ENOMEM));
}

static struct kunit_case cma_heap_cases[] = {
	KUNIT_CASE_PARAM(cma_heap_allocate_zeroed_one_piece,
			 sizes_gen_params),
	KUNIT_CASE(cma_heap_free_run_gives_back),
	KUNIT_CASE(cma_heap_allocate_beyond_area),
	{}
};

static struct kunit_suite cma_heap_suite = {
	.name = "cma_heap",
	.test_cases = cma_heap_cases,
};

kunit_test_suite(cma_heap_suite);

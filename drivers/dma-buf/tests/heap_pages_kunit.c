// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-backed buffers: who owns the memory at which time, the walk over its
 * extents, and its mappings for devices.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sizes.h>

#include "../heaps/heap-pages.h"
#include "heap_mock.h"

/* Life cycle */

static void free_never_exported(struct kunit *test)
{
	struct heap_mock *mock = HEAP_MOCK(test, 3, 0, 0, 2);

	heap_pages_free(mock->buf);
	KUNIT_EXPECT_EQ(test, mock->freed, 8 + 1 + 1 + 4);
	KUNIT_EXPECT_EQ(test, mock->runs_freed, 4);
}

static void free_null(struct kunit *test)
{
	heap_pages_free(NULL);
}

static void free_without_memory(struct kunit *test)
{
	struct heap_mock *mock = heap_mock_create(test);

	heap_pages_free(mock->buf);
	KUNIT_EXPECT_EQ(test, mock->runs_freed, 0);
}

/* After a failed export the heap still owns the buffer and frees it. */
static void free_without_export_gives_all_back(struct kunit *test)
{
	struct heap_mock *mock = heap_mock_create(test);

	heap_mock_add(mock, 1);
	heap_mock_add(mock, 0);
	heap_pages_free(mock->buf);
	KUNIT_EXPECT_EQ(test, mock->freed, 3);
}

static void release_gives_all_back(struct kunit *test)
{
	struct heap_mock *mock = HEAP_MOCK(test, 4, 4, 0);

	heap_mock_export(mock);
	KUNIT_EXPECT_STREQ(test, mock->dmabuf->exp_name, "heap-mock");
	heap_mock_put(mock);
	KUNIT_EXPECT_EQ(test, mock->runs_freed, 3);
}

static void add_many_runs(struct kunit *test)
{
	struct heap_mock *mock = heap_mock_create(test);
	unsigned int i;

	for (i = 0; i < 300; i++)
		heap_mock_add(mock, i % 3 ? 0 : 1);
	KUNIT_EXPECT_EQ(test, mock->buf->nr_runs, 300);
	KUNIT_EXPECT_EQ(test, mock->buf->nr_pages, 400);
	heap_mock_export(mock);
	heap_mock_put(mock);
	KUNIT_EXPECT_EQ(test, mock->runs_freed, 300);
}

static void add_too_much_is_refused(struct kunit *test)
{
	struct heap_mock *mock = HEAP_MOCK(test, 0);
	struct page *page = mock->buf->runs[0].page;

	KUNIT_EXPECT_EQ(test, heap_pages_add(mock->buf, page, ULONG_MAX),
			-EOVERFLOW);
	KUNIT_EXPECT_EQ(test, heap_pages_add(mock->buf, page,
					     SIZE_MAX >> PAGE_SHIFT),
			-EOVERFLOW);
	KUNIT_EXPECT_EQ(test, mock->buf->nr_pages, 1);
	KUNIT_EXPECT_EQ(test, mock->buf->nr_runs, 1);
	heap_pages_free(mock->buf);
	KUNIT_EXPECT_EQ(test, mock->freed, 1);
}

/* Extents: nothing touches the memory, so any page frame numbers will do. */

struct extents_case {
	const char *name;
	/* First frame and length of each run. */
	struct { unsigned long pfn, nr; } runs[5];
	pgoff_t start, end;
	unsigned long max;
	/* What is expected. */
	struct { unsigned long pfn, nr; } want[6];
	/* A mask of page frames that an extent must not cross; 0 for none. */
	unsigned long boundary;
};

static const struct extents_case extents_cases[] = {
	{ "one run", { { 100, 8 } }, 0, 8, ULONG_MAX, { { 100, 8 } } },
	{ "neighbours are one", { { 100, 1 }, { 101, 2 }, { 103, 5 } },
	  0, 8, ULONG_MAX, { { 100, 8 } } },
	{ "gap", { { 100, 2 }, { 103, 2 } }, 0, 4, ULONG_MAX,
	  { { 100, 2 }, { 103, 2 } } },
	{ "neighbour in the wrong order", { { 102, 2 }, { 100, 2 } },
	  0, 4, ULONG_MAX, { { 102, 2 }, { 100, 2 } } },
	{ "maximum within a run", { { 100, 7 } }, 0, 7, 3,
	  { { 100, 3 }, { 103, 3 }, { 106, 1 } } },
	{ "maximum across runs", { { 100, 2 }, { 102, 3 }, { 200, 1 } }, 0, 6, 4,
	  { { 100, 4 }, { 104, 1 }, { 200, 1 } } },
	{ "maximum of one", { { 100, 2 }, { 50, 1 } }, 0, 3, 1,
	  { { 100, 1 }, { 101, 1 }, { 50, 1 } } },
	{ "part", { { 100, 4 }, { 200, 4 }, { 300, 4 } }, 2, 10, ULONG_MAX,
	  { { 102, 2 }, { 200, 4 }, { 300, 2 } } },
	{ "start of a run", { { 100, 4 }, { 200, 4 } }, 4, 6, ULONG_MAX,
	  { { 200, 2 } } },
	{ "last page", { { 100, 4 }, { 200, 4 } }, 7, 8, ULONG_MAX,
	  { { 203, 1 } } },
	{ "end beyond the buffer", { { 100, 4 } }, 2, ULONG_MAX, ULONG_MAX,
	  { { 102, 2 } } },
	{ "start at the end", { { 100, 4 } }, 4, 8, ULONG_MAX, { } },
	{ "start beyond the end", { { 100, 4 } }, 40, 41, ULONG_MAX, { } },
	{ "nothing", { { 100, 4 } }, 2, 2, ULONG_MAX, { } },
	{ "boundary within a run", { { 100, 8 } }, 0, 8, ULONG_MAX,
	  { { 100, 4 }, { 104, 4 } }, 7 },
	{ "boundary across runs", { { 102, 1 }, { 103, 4 }, { 200, 1 } },
	  0, 6, ULONG_MAX, { { 102, 2 }, { 104, 3 }, { 200, 1 } }, 7 },
	{ "boundary that ends a run", { { 100, 4 }, { 104, 1 } }, 0, 5, ULONG_MAX,
	  { { 100, 4 }, { 104, 1 } }, 7 },
	{ "maximum below the boundary", { { 102, 6 } }, 0, 6, 3,
	  { { 102, 2 }, { 104, 3 }, { 107, 1 } }, 7 },
};

KUNIT_ARRAY_PARAM_DESC(extents, extents_cases, name);

static void extent_next_walk(struct kunit *test)
{
	const struct extents_case *c = test->param_value;
	struct heap_mock *mock = heap_mock_create(test);
	struct heap_extent ext;
	int i;

	for (i = 0; i < ARRAY_SIZE(c->runs) && c->runs[i].nr; i++)
		KUNIT_ASSERT_EQ(test,
				heap_pages_add(mock->buf,
					       pfn_to_page(c->runs[i].pfn),
					       c->runs[i].nr), 0);
	heap_extent_start(&ext, mock->buf, c->start, c->end, c->max);
	if (c->boundary)
		ext.boundary = c->boundary;
	for (i = 0; c->want[i].nr; i++) {
		KUNIT_ASSERT_TRUE(test, heap_extent_next(&ext));
		KUNIT_EXPECT_EQ(test, ext.pfn, c->want[i].pfn);
		KUNIT_EXPECT_EQ(test, ext.nr, c->want[i].nr);
	}
	KUNIT_EXPECT_FALSE(test, heap_extent_next(&ext));
	KUNIT_EXPECT_FALSE(test, heap_extent_next(&ext));

	/* The page frames are not the test's to free. */
	mock->buf->nr_runs = 0;
	heap_pages_free(mock->buf);
}

/* Mappings */

/* Expects each page once and in order, in segments of allowed length. */
static void check_table(struct kunit *test, struct sg_table *sgt,
			struct heap_mock *mock, unsigned int max_segment)
{
	unsigned long page = 0, i;
	struct scatterlist *sg;
	u64 *word;
	int n;

	for_each_sgtable_sg(sgt, sg, n) {
		KUNIT_EXPECT_EQ(test, sg->offset, 0);
		KUNIT_EXPECT_TRUE(test, PAGE_ALIGNED(sg->length));
		KUNIT_EXPECT_LE(test, sg->length, max_segment);
		for (i = 0; i < sg->length >> PAGE_SHIFT; i++, page++) {
			word = page_address(nth_page(sg_page(sg), i));
			KUNIT_EXPECT_EQ(test, *word, heap_mock_mark(page));
		}
	}
	KUNIT_EXPECT_EQ(test, page, mock->added);

	for_each_sgtable_dma_sg(sgt, sg, n) {
		KUNIT_EXPECT_TRUE(test, PAGE_ALIGNED(sg_dma_address(sg)));
		page -= sg_dma_len(sg) >> PAGE_SHIFT;
	}
	KUNIT_EXPECT_EQ(test, page, 0);
}

static void map_covers_the_buffer(struct kunit *test)
{
	struct heap_mock_import ctx = heap_mock_attach(test, HEAP_MOCK(test, 0, 4, 5, 3, 0, 6));
	struct sg_table *sgt = heap_mock_map(ctx.attach, DMA_BIDIRECTIONAL);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	check_table(test, sgt, ctx.mock, dma_get_max_seg_size(ctx.dev));
	heap_mock_unmap(ctx.attach, sgt, DMA_BIDIRECTIONAL);
	heap_mock_detach(&ctx);
}

static const unsigned int segment_limits[] = {
	PAGE_SIZE, 3 * PAGE_SIZE, 3 * PAGE_SIZE + 1, SZ_64K, UINT_MAX,
};

static void describe_limit(const unsigned int *limit, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%#x", *limit);
}

KUNIT_ARRAY_PARAM(segment_limits, segment_limits, describe_limit);

/* A limit that the device has set counts for contiguous memory too. */
static void map_heeds_the_segment_limit(struct kunit *test)
{
	unsigned int limit = *(const unsigned int *)test->param_value;
	struct device_dma_parameters parms = { .max_segment_size = limit };
	struct heap_mock *mock = HEAP_MOCK(test, 5, 0, 5);
	struct sg_table *sgt;
	struct heap_mock_import ctx;

	mock->ops.contiguous = true;
	ctx = heap_mock_attach(test, mock);
	ctx.dev->dma_parms = &parms;
	sgt = heap_mock_map(ctx.attach, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	check_table(test, sgt, mock, limit);
	if (limit == UINT_MAX)
		KUNIT_EXPECT_LE(test, sgt->orig_nents, 3);
	heap_mock_unmap(ctx.attach, sgt, DMA_TO_DEVICE);
	heap_mock_detach(&ctx);
	ctx.dev->dma_parms = NULL;
}

/* Importers change their table, so no two of them may share it. */
static void map_twice_gives_two_tables(struct kunit *test)
{
	struct heap_mock_import ctx = heap_mock_attach(test, HEAP_MOCK(test, 4, 0));
	struct sg_table *a, *b;
	dma_addr_t addr;

	a = heap_mock_map(ctx.attach, DMA_TO_DEVICE);
	b = heap_mock_map(ctx.attach, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, a);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, b);
	KUNIT_EXPECT_PTR_NE(test, a, b);
	KUNIT_EXPECT_PTR_NE(test, a->sgl, b->sgl);
	addr = sg_dma_address(a->sgl);
	sg_dma_address(a->sgl) += PAGE_SIZE;
	check_table(test, b, ctx.mock, UINT_MAX);
	sg_dma_address(a->sgl) = addr;

	heap_mock_unmap(ctx.attach, a, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, heap_mock_mappings(ctx.attach), 1);
	heap_mock_unmap(ctx.attach, b, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, heap_mock_mappings(ctx.attach), 0);
	heap_mock_detach(&ctx);
}

static void map_attachments_do_not_share(struct kunit *test)
{
	struct heap_mock_import ctx = heap_mock_attach(test, HEAP_MOCK(test, 4));
	struct dma_buf_attachment *other;
	struct sg_table *a, *b;

	other = dma_buf_attach(ctx.mock->dmabuf, ctx.dev);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, other);
	a = heap_mock_map(ctx.attach, DMA_TO_DEVICE);
	b = heap_mock_map(other, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, a);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, b);
	KUNIT_EXPECT_PTR_NE(test, a, b);
	heap_mock_unmap(ctx.attach, a, DMA_TO_DEVICE);
	heap_mock_unmap(other, b, DMA_TO_DEVICE);
	dma_buf_detach(ctx.mock->dmabuf, other);
	heap_mock_detach(&ctx);
}

/* CPU access. With DMA_API_DEBUG the DMA API checks the directions. */

static void begin_cpu_in_any_direction(struct kunit *test)
{
	static const enum dma_data_direction dirs[] = {
		DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE,
	};
	struct heap_mock_import ctx = heap_mock_attach(test, HEAP_MOCK(test, 4, 0));
	struct dma_buf *dmabuf = ctx.mock->dmabuf;
	struct sg_table *sgt;
	int i, j;

	for (i = 0; i < ARRAY_SIZE(dirs); i++) {
		sgt = heap_mock_map(ctx.attach, dirs[i]);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
		for (j = 0; j < ARRAY_SIZE(dirs); j++) {
			KUNIT_EXPECT_EQ(test, dma_buf_begin_cpu_access(dmabuf, dirs[j]), 0);
			KUNIT_EXPECT_EQ(test, dma_buf_end_cpu_access(dmabuf, dirs[j]), 0);
		}
		heap_mock_unmap(ctx.attach, sgt, dirs[i]);
		KUNIT_EXPECT_EQ(test, dma_buf_begin_cpu_access(dmabuf, dirs[i]), 0);
		KUNIT_EXPECT_EQ(test, dma_buf_end_cpu_access(dmabuf, dirs[i]), 0);
	}
	heap_mock_detach(&ctx);
}

static struct kunit_case heap_pages_cases[] = {
	KUNIT_CASE(free_never_exported),
	KUNIT_CASE(free_null),
	KUNIT_CASE(free_without_memory),
	KUNIT_CASE(free_without_export_gives_all_back),
	KUNIT_CASE(release_gives_all_back),
	KUNIT_CASE(add_many_runs),
	KUNIT_CASE(add_too_much_is_refused),
	KUNIT_CASE_PARAM(extent_next_walk, extents_gen_params),
	KUNIT_CASE(map_covers_the_buffer),
	KUNIT_CASE_PARAM(map_heeds_the_segment_limit,
			 segment_limits_gen_params),
	KUNIT_CASE(map_twice_gives_two_tables),
	KUNIT_CASE(map_attachments_do_not_share),
	KUNIT_CASE(begin_cpu_in_any_direction),
	{}
};

static struct kunit_suite heap_pages_suite = {
	.name = "heap_pages",
	.test_cases = heap_pages_cases,
};

kunit_test_suite(heap_pages_suite);

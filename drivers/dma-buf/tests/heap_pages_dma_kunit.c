// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-backed buffers and the DMA API, call by call: devices that are not
 * coherent, use bounce buffers, or are behind an IOMMU.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/dma-map-ops.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "../heaps/heap-pages.h"
#include "heap_mock.h"
#include "heap_mock_dma.h"

/* Tables that the importer has changed */

/* RDMA trims the table in place to a region inside of the buffer. */
struct trimmed {
	struct sg_table *sgt;
	struct scatterlist *first;
	dma_addr_t addr;
	unsigned int len, nents;
};

static struct trimmed trim(struct sg_table *sgt)
{
	struct trimmed old = {
		.sgt = sgt, .first = sgt->sgl, .addr = sg_dma_address(sgt->sgl),
		.len = sg_dma_len(sgt->sgl), .nents = sgt->nents,
	};

	sg_dma_address(sgt->sgl) += PAGE_SIZE;
	sg_dma_len(sgt->sgl) -= PAGE_SIZE;
	sgt->nents = 1;
	return old;
}

static void restore(struct trimmed *old)
{
	sg_dma_address(old->first) = old->addr;
	sg_dma_len(old->first) = old->len;
	old->sgt->nents = old->nents;
}

/* The sync must go by what is mapped: the mock fails on any other range. */
static void sync_of_a_trimmed_table(struct kunit *test)
{
	const struct heap_mock_kind *c = test->param_value;
	struct heap_mock_dma imp = heap_mock_dma_create(test, c->kind, c->merge);
	struct sg_table *sgt = heap_mock_dma_map(test, &imp, DMA_BIDIRECTIONAL);
	struct trimmed old;

	mock_dma_write(imp.dma, sgt, 0, imp.dmabuf->size, 0x22);
	old = trim(sgt);
	KUNIT_EXPECT_EQ(test, 0, heap_pages_begin_cpu(imp.dmabuf, DMA_BIDIRECTIONAL));
	KUNIT_EXPECT_EQ(test, 0x22, *heap_mock_dma_byte(&imp, 0));
	KUNIT_EXPECT_EQ(test, 0x22, *heap_mock_dma_byte(&imp, imp.dmabuf->size - 1));
	heap_mock_dma_fill(&imp, 0, imp.dmabuf->size, 0x33);
	KUNIT_EXPECT_EQ(test, 0, heap_pages_end_cpu(imp.dmabuf, DMA_BIDIRECTIONAL));
	restore(&old);
	KUNIT_EXPECT_EQ(test, 0x33, mock_dma_read(imp.dma, sgt, 0));
	KUNIT_EXPECT_EQ(test, 0x33, mock_dma_read(imp.dma, sgt, imp.dmabuf->size - 1));
	heap_mock_unmap(imp.imp.attach, sgt, DMA_BIDIRECTIONAL);
	heap_mock_detach(&imp.imp);
}

/* The importer does not restore the table, or forgets to unmap it. */
static void unmap_of_a_trimmed_table(struct kunit *test)
{
	const struct heap_mock_kind *c = test->param_value;
	struct heap_mock_dma imp = heap_mock_dma_create(test, c->kind, c->merge);
	struct sg_table *sgt = heap_mock_dma_map(test, &imp, DMA_FROM_DEVICE);

	mock_dma_write(imp.dma, sgt, 0, imp.dmabuf->size, 0x22);
	trim(sgt);
	heap_mock_unmap(imp.imp.attach, sgt, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, 0x22, *heap_mock_dma_byte(&imp, imp.dmabuf->size - 1));
	trim(heap_mock_dma_map(test, &imp, DMA_TO_DEVICE));
	heap_mock_detach(&imp.imp);
}

/* The importer's table shows the same addresses and memory as the mapping. */
static void map_table_matches_mapping(struct kunit *test)
{
	const struct heap_mock_kind *c = test->param_value;
	struct heap_mock_dma imp = heap_mock_dma_create(test, c->kind, c->merge);
	struct sg_table *sgt = heap_mock_dma_map(test, &imp, DMA_TO_DEVICE);
	struct scatterlist *sg;
	size_t len = 0, mem = 0;
	int i;

	KUNIT_EXPECT_EQ(test, mock_dma_last(imp.dma, MOCK_DMA_MAP).addr,
			sg_dma_address(sgt->sgl));
	for_each_sgtable_dma_sg(sgt, sg, i)
		len += sg_dma_len(sg);
	KUNIT_EXPECT_EQ(test, imp.dmabuf->size, len);
	for_each_sgtable_sg(sgt, sg, i)
		mem += sg->length;
	KUNIT_EXPECT_EQ(test, imp.dmabuf->size, mem);
	if (c->merge)
		KUNIT_EXPECT_EQ(test, 1, sgt->nents);
	for (len = 0; len < imp.dmabuf->size; len += PAGE_SIZE)
		heap_mock_dma_fill(&imp, len, 1, len >> PAGE_SHIFT);
	heap_pages_end_cpu(imp.dmabuf, DMA_TO_DEVICE);
	for (len = 0; len < imp.dmabuf->size; len += PAGE_SIZE)
		KUNIT_EXPECT_EQ(test, len >> PAGE_SHIFT, mock_dma_read(imp.dma, sgt, len));
	heap_mock_unmap(imp.imp.attach, sgt, DMA_TO_DEVICE);
	heap_mock_detach(&imp.imp);
}

/* Pieces and segments */

/* A buffer of one run of 2^order pages, from a heap for contiguous memory. */
static struct heap_mock_dma contiguous_create(struct kunit *test,
					      enum mock_dma_kind kind, int order)
{
	struct heap_mock *mock = HEAP_MOCK(test, order);
	struct heap_mock_dma imp = { .dma = mock_dma_create(test, kind) };

	mock->ops.contiguous = true;
	imp.imp = heap_mock_attach_dev(test, mock, imp.dma->dev);
	imp.dmabuf = mock->dmabuf;
	return imp;
}

/*
 * As a list it would be split: the DMA API assumes segments of 64 KiB at most.
 */
static void map_contiguous_is_one_piece(struct kunit *test)
{
	const struct heap_mock_kind *c = test->param_value;
	struct heap_mock_dma imp = contiguous_create(test, c->kind, 5);
	struct sg_table *sgt = heap_mock_dma_map(test, &imp, DMA_BIDIRECTIONAL);
	struct mock_dma_call call = mock_dma_last(imp.dma, MOCK_DMA_MAP);

	KUNIT_EXPECT_FALSE(test, call.list);
	KUNIT_EXPECT_EQ(test, imp.dmabuf->size, call.len);
	KUNIT_EXPECT_EQ(test, 1, sgt->nents);
	KUNIT_EXPECT_EQ(test, 1, sgt->orig_nents);
	KUNIT_EXPECT_EQ(test, imp.dmabuf->size, sg_dma_len(sgt->sgl));
	KUNIT_EXPECT_EQ(test, imp.dmabuf->size, sgt->sgl->length);

	heap_mock_dma_fill(&imp, 0, imp.dmabuf->size, 0x33);
	heap_pages_end_cpu(imp.dmabuf, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 0x33, mock_dma_read(imp.dma, sgt, imp.dmabuf->size - 1));
	mock_dma_write(imp.dma, sgt, imp.dmabuf->size - 1, 1, 0x22);
	heap_mock_unmap(imp.imp.attach, sgt, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 0x22, *heap_mock_dma_byte(&imp, imp.dmabuf->size - 1));
	heap_mock_detach(&imp.imp);
}

/*
 * Memory in several pieces is mapped as a list, whose entries keep to the limit
 * that the DMA API assumes.
 */
static void map_pieces_apart_is_a_list(struct kunit *test)
{
	struct heap_mock *mock = HEAP_MOCK(test, 5, 0, 5);
	struct mock_dma *dma = mock_dma_create(test, MOCK_DMA_COHERENT);
	struct heap_mock_import imp;
	struct scatterlist *sg;
	struct sg_table *sgt;
	int i;

	mock->ops.contiguous = true;
	imp = heap_mock_attach_dev(test, mock, dma->dev);
	sgt = heap_mock_map(imp.attach, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	KUNIT_EXPECT_TRUE(test, mock_dma_last(dma, MOCK_DMA_MAP).list);
	for_each_sgtable_sg(sgt, sg, i)
		KUNIT_EXPECT_LE(test, sg->length, SZ_64K);
	heap_mock_unmap(imp.attach, sgt, DMA_TO_DEVICE);
	heap_mock_detach(&imp);
}

static void map_fails_and_leaves_nothing(struct kunit *test)
{
	const struct heap_mock_kind *c = test->param_value;
	struct heap_mock_dma list = heap_mock_dma_create(test, c->kind, c->merge);
	struct heap_mock_dma piece = contiguous_create(test, c->kind, 5);

	list.dma->fail = 1;
	KUNIT_EXPECT_PTR_EQ(test, heap_mock_map(list.imp.attach, DMA_TO_DEVICE),
			    ERR_PTR(-ENOMEM));
	piece.dma->fail = 1;
	KUNIT_EXPECT_PTR_EQ(test, heap_mock_map(piece.imp.attach, DMA_TO_DEVICE),
			    ERR_PTR(-ENOMEM));
	KUNIT_EXPECT_EQ(test, 0, heap_mock_mappings(list.imp.attach));
	KUNIT_EXPECT_EQ(test, 0, heap_mock_mappings(piece.imp.attach));
	heap_mock_detach(&list.imp);
	heap_mock_detach(&piece.imp);
}

/* Keeping */

static void map_once(struct kunit *test, struct heap_mock_dma *imp)
{
	struct sg_table *sgt = dma_buf_map_attachment_unlocked(imp->imp.attach,
							       DMA_TO_DEVICE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	dma_buf_unmap_attachment_unlocked(imp->imp.attach, sgt, DMA_TO_DEVICE);
}

/* Custom DMA operations may bounce, as Xen's do: bounce buffers are scarce. */
static void keep_unknown_dma_api_never(struct kunit *test)
{
	const struct heap_mock_kind *c = test->param_value;
	struct heap_mock_dma imp = heap_mock_dma_create(test, c->kind, c->merge);

	map_once(test, &imp);
	KUNIT_EXPECT_EQ(test, 0, imp.dma->mapped);
	KUNIT_EXPECT_EQ(test, 0, heap_mock_mappings(imp.imp.attach));
	heap_mock_detach(&imp.imp);
}

/* Custom DMA operations without sync have no bounce buffers either. */
static void keep_coherent_device(struct kunit *test)
{
	struct heap_mock_dma imp = heap_mock_dma_create(test, MOCK_DMA_COHERENT, true);

	heap_mock_need_kept(&imp.imp);
	map_once(test, &imp);
	map_once(test, &imp);
	KUNIT_EXPECT_EQ(test, 1, imp.dma->mapped);
	KUNIT_EXPECT_EQ(test, 1, mock_dma_count(imp.dma, MOCK_DMA_MAP));
	heap_mock_detach(&imp.imp);
}

/* The device reaches all memory, but swiotlb has bounced for it before. */
static void keep_bounced_device_never(struct kunit *test)
{
	struct heap_mock_import imp = heap_mock_attach(test, HEAP_MOCK(test, 1, 0, 2));
	struct heap_mock_dma plain = { .imp = imp };

	/* swiotlb does this with the first bounce buffer. */
	dma_reset_need_sync(imp.dev);
	map_once(test, &plain);
	KUNIT_EXPECT_EQ(test, 0, heap_mock_mappings(imp.attach));
	heap_mock_detach(&plain.imp);
}

static struct kunit_case heap_pages_dma_cases[] = {
	KUNIT_CASE_PARAM(sync_of_a_trimmed_table, heap_mock_kinds_gen_params),
	KUNIT_CASE_PARAM(unmap_of_a_trimmed_table, heap_mock_kinds_gen_params),
	KUNIT_CASE_PARAM(map_table_matches_mapping, heap_mock_kinds_gen_params),
	KUNIT_CASE_PARAM(map_contiguous_is_one_piece, heap_mock_kinds_gen_params),
	KUNIT_CASE(map_pieces_apart_is_a_list),
	KUNIT_CASE_PARAM(map_fails_and_leaves_nothing, heap_mock_kinds_gen_params),
	KUNIT_CASE_PARAM(keep_unknown_dma_api_never, heap_mock_kinds_gen_params),
	KUNIT_CASE(keep_coherent_device),
	KUNIT_CASE(keep_bounced_device_never),
	{}
};

static struct kunit_suite heap_pages_dma_suite = {
	.name = "heap_pages_dma",
	.test_cases = heap_pages_dma_cases,
};

kunit_test_suite(heap_pages_dma_suite);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-backed buffers with a device for tests; see heap_mock_dma.h.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <linux/mm.h>

#include "heap_mock_dma.h"

struct heap_mock_dma heap_mock_dma_create(struct kunit *test,
					  enum mock_dma_kind kind, bool merge)
{
	struct heap_mock *mock = HEAP_MOCK(test, 1, 0, 2);
	struct heap_mock_dma imp = { .dma = mock_dma_create(test, kind) };

	imp.dma->merge = merge;
	imp.imp = heap_mock_attach_dev(test, mock, imp.dma->dev);
	imp.dmabuf = mock->dmabuf;
	return imp;
}

struct sg_table *heap_mock_dma_map(struct kunit *test, struct heap_mock_dma *imp,
				   enum dma_data_direction dir)
{
	struct sg_table *sgt = heap_mock_map(imp->imp.attach, dir);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	return sgt;
}

u8 *heap_mock_dma_byte(struct heap_mock_dma *imp, size_t offset)
{
	struct heap_extent ext;

	heap_extent_start(&ext, imp->imp.mock->buf, offset >> PAGE_SHIFT, ULONG_MAX, 1);
	heap_extent_next(&ext);
	return page_address(pfn_to_page(ext.pfn)) + offset_in_page(offset);
}

void heap_mock_dma_fill(struct heap_mock_dma *imp, size_t offset, size_t len, u8 value)
{
	while (len--)
		*heap_mock_dma_byte(imp, offset++) = value;
}

const char *const heap_mock_kind_names[] = { "coherent", "cached", "bounce" };

static const struct heap_mock_kind kinds[] = {
	{ MOCK_DMA_CACHED, false }, { MOCK_DMA_CACHED, true },
	{ MOCK_DMA_BOUNCE, false }, { MOCK_DMA_BOUNCE, true },
};

static void describe_kind(const struct heap_mock_kind *c, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s%s", heap_mock_kind_names[c->kind],
		 c->merge ? "_merged" : "");
}

KUNIT_ARRAY_PARAM(all, kinds, describe_kind);

const void *heap_mock_kinds_gen_params(const void *prev, char *desc)
{
	return all_gen_params(prev, desc);
}

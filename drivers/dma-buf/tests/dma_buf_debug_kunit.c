// SPDX-License-Identifier: GPL-2.0-only
/*
 * With CONFIG_DMABUF_DEBUG an importer gets a copy of the table without pages,
 * which it may change; the exporter gets back its own table.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/dma-direction.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "../buffer/dma-buf-internal.h"
#include "mock.h"

#define PAGES 200

/*
 * The table is several chunks long, and some segments are merged for DMA. Where
 * both lengths share one member, the DMA segment's counts.
 */
static unsigned int length_of(int i)
{
	if (IS_ENABLED(CONFIG_NEED_SG_DMA_LENGTH))
		return PAGE_SIZE - i % 2 * 16;
	return (i % 3 + 1) * PAGE_SIZE;
}

static struct scatterlist *segment_at(struct sg_table *sgt, unsigned int n)
{
	struct scatterlist *sg = sgt->sgl;

	while (n--)
		sg = sg_next(sg);
	return sg;
}

static struct sg_table *create_table(struct kunit *test)
{
	struct sg_table *sgt = kunit_kzalloc(test, sizeof(*sgt), GFP_KERNEL);
	struct scatterlist *sg;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, sgt);
	KUNIT_ASSERT_EQ(test, sg_alloc_table(sgt, PAGES, GFP_KERNEL), 0);
	for_each_sgtable_sg(sgt, sg, i) {
		sg_set_page(sg, ZERO_PAGE(0), PAGE_SIZE - i % 2 * 16, i % 2 * 16);
		sg_dma_address(sg) = 0x100000000ULL + i * 4 * PAGE_SIZE;
		sg_dma_len(sg) = (i % 3 + 1) * PAGE_SIZE;
	}
	sgt->nents = PAGES - 50;
	return sgt;
}

static void debug_wrap_hides_pages(struct kunit *test)
{
	struct sg_table *sgt = create_table(test);
	struct sg_table *seen = dma_buf_debug_wrap(sgt);
	struct scatterlist *sg;
	int i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, seen);
	KUNIT_EXPECT_PTR_NE(test, seen, sgt);
	KUNIT_EXPECT_EQ(test, seen->nents, sgt->nents);
	KUNIT_EXPECT_EQ(test, seen->orig_nents, sgt->orig_nents);
	/* Some importers walk sg->length, some need sg->offset. */
	for_each_sgtable_sg(seen, sg, i) {
		KUNIT_EXPECT_NULL(test, sg_page(sg));
		KUNIT_EXPECT_EQ(test, sg->length, length_of(i));
		KUNIT_EXPECT_EQ(test, sg->offset, i % 2 * 16);
	}
	KUNIT_EXPECT_EQ(test, i, sgt->orig_nents);
	for_each_sgtable_dma_sg(seen, sg, i) {
		KUNIT_EXPECT_EQ(test, sg_dma_address(sg),
				0x100000000ULL + i * 4 * PAGE_SIZE);
		KUNIT_EXPECT_EQ(test, sg_dma_len(sg),
				(i % 3 + 1) * PAGE_SIZE);
	}
	KUNIT_EXPECT_EQ(test, i, sgt->nents);
	KUNIT_EXPECT_TRUE(test, sg_is_last(sg_last(seen->sgl, seen->orig_nents)));

	KUNIT_EXPECT_PTR_EQ(test, dma_buf_debug_unwrap(seen), sgt);
	sg_free_table(sgt);
}

/* Importers trim the segments at the ends, and may not restore them. */
static void debug_wrap_may_be_changed(struct kunit *test)
{
	struct sg_table *sgt = create_table(test);
	struct sg_table *seen = dma_buf_debug_wrap(sgt);
	struct scatterlist *sg;
	int i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, seen);
	for_each_sgtable_dma_sg(seen, sg, i) {
		sg_dma_address(sg) = 0;
		sg_dma_len(sg) = 1;
	}
	KUNIT_EXPECT_PTR_EQ(test, dma_buf_debug_unwrap(seen), sgt);
	for_each_sgtable_sg(sgt, sg, i) {
		KUNIT_EXPECT_PTR_EQ(test, sg_page(sg), ZERO_PAGE(0));
		KUNIT_EXPECT_EQ(test, sg->length, length_of(i));
		KUNIT_EXPECT_EQ(test, sg_dma_address(sg),
				0x100000000ULL + i * 4 * PAGE_SIZE);
	}
	KUNIT_EXPECT_EQ(test, sgt->nents, PAGES - 50);
	KUNIT_EXPECT_EQ(test, sgt->orig_nents, PAGES);
	sg_free_table(sgt);
}

/* virtio-gpu shares objects whose memory no table describes. */
static void debug_wrap_empty_table(struct kunit *test)
{
	struct sg_table sgt = {};
	struct sg_table *seen = dma_buf_debug_wrap(&sgt);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, seen);
	KUNIT_EXPECT_EQ(test, seen->nents, 0);
	KUNIT_EXPECT_PTR_EQ(test, dma_buf_debug_unwrap(seen), &sgt);
}

/* An importer that stops at an empty segment misses the segments after it. */
static void debug_wrap_warns_of_a_gap(struct kunit *test)
{
	static const unsigned int gaps[] = { 1, PAGES - 50 - 10 };
	struct sg_table *sgt = create_table(test);
	struct sg_table *seen;

	/* An empty last segment does no harm. */
	sg_dma_len(segment_at(sgt, sgt->nents - 1)) = 0;
	mock_warn_begin(test);
	seen = dma_buf_debug_wrap(sgt);
	mock_warn_end(test, "nowhere", 0);
	KUNIT_EXPECT_PTR_EQ(test, dma_buf_debug_unwrap(seen), sgt);

	/* In the first chunk of the table, and in the second. */
	for (int i = 0; i < ARRAY_SIZE(gaps); i++) {
		struct scatterlist *gap = segment_at(sgt, gaps[i]);

		sg_dma_len(gap) = 0;
		mock_warn_begin(test);
		seen = dma_buf_debug_wrap(sgt);
		mock_warn_end(test, "dma_buf_debug_wrap", 1);
		KUNIT_EXPECT_PTR_EQ(test, dma_buf_debug_unwrap(seen), sgt);
		sg_dma_len(gap) = PAGE_SIZE;
	}
	sg_free_table(sgt);
}

/* The same through the importer API; the mock checks the table it gets back. */
static void map_attachment_hides_pages(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, 3 * PAGE_SIZE,
							 0);
	struct mock_importer *imp = mock_importer_create(test, "imp", exp);
	struct dma_buf_attachment *attach = mock_attach(imp, false);
	struct sg_table *sgt;
	struct scatterlist *sg;
	int i;

	sgt = dma_buf_map_attachment_unlocked(attach, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	for_each_sgtable_dma_sg(sgt, sg, i) {
		KUNIT_EXPECT_NULL(test, sg_page(sg));
		sg_dma_address(sg) += 16;
		sg_dma_len(sg) = 1;
	}
	KUNIT_EXPECT_EQ(test, i, 3);
	dma_buf_unmap_attachment_unlocked(attach, sgt, DMA_TO_DEVICE);
	dma_buf_detach(exp->dmabuf, attach);
	mock_exporter_put_last(exp);
}

static void detach_mapped_warns(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	struct mock_importer *imp = mock_importer_create(test, "imp", exp);
	struct dma_buf_attachment *attach = mock_attach(imp, false);
	struct dma_buf_attached again;
	struct sg_table *sgt;

	sgt = dma_buf_map_attachment_unlocked(attach, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	again = *to_attached(attach);
	mock_warn_begin(test);
	dma_buf_detach(exp->dmabuf, attach);
	mock_warn_end(test, "dma_buf_debug_detach", 1);

	/* The importer has lost the table: the test frees it. */
	dma_resv_lock(exp->dmabuf->resv, NULL);
	exp->ops.unmap_dma_buf(&again.attach, dma_buf_debug_unwrap(sgt),
			       DMA_TO_DEVICE);
	dma_resv_unlock(exp->dmabuf->resv);
	mock_exporter_put_last(exp);
}

static struct kunit_case dma_buf_debug_cases[] = {
	KUNIT_CASE(debug_wrap_hides_pages),
	KUNIT_CASE(debug_wrap_may_be_changed),
	KUNIT_CASE(debug_wrap_empty_table),
	KUNIT_CASE(debug_wrap_warns_of_a_gap),
	KUNIT_CASE(map_attachment_hides_pages),
	KUNIT_CASE(detach_mapped_warns),
	{}
};

static struct kunit_suite dma_buf_debug_suite = {
	.name = "dma_buf_debug",
	.test_cases = dma_buf_debug_cases,
};

kunit_test_suite(dma_buf_debug_suite);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Places for the memory of the test exporter's buffers, and moves between them.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>

#include "../importer/importer.h"
#include "mock.h"

#define PAGES 4

static void put_place(void *place)
{
	importer_place_put(place);
}

/* The reference belongs to the test and is dropped at its end. */
static struct importer_place *place_create(struct kunit *test, u32 flags)
{
	struct importer_place *place = importer_place_create(PAGES, flags);

	KUNIT_ASSERT_NOT_NULL(test, place);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, put_place, place));
	return place;
}

struct window {
	struct device *dev;
	struct sg_table *sgt;
};

static struct window window_open(struct kunit *test, struct device *dev,
				 struct importer_place *place)
{
	struct window w = { .dev = dev };

	w.sgt = importer_place_map(place, dev, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, w.sgt);
	return w;
}

static void window_close(struct window *w)
{
	importer_place_unmap(w->dev, w->sgt, DMA_BIDIRECTIONAL);
}

/* Write a value that grows by one from page to page. */
static void window_fill(struct window *w, u8 value)
{
	struct sg_page_iter iter;

	for_each_sgtable_page(w->sgt, &iter, 0) {
		void *page = kmap_local_page(sg_page_iter_page(&iter));

		memset(page, value++, PAGE_SIZE);
		kunmap_local(page);
	}
}

/* Count the pages that differ from a value that grows by @step per page. */
static unsigned int window_differs(struct window *w, u8 value, u8 step)
{
	unsigned int bad = 0, pages = 0;
	struct sg_page_iter iter;

	for_each_sgtable_page(w->sgt, &iter, 0) {
		void *page = kmap_local_page(sg_page_iter_page(&iter));

		bad += !!memchr_inv(page, value, PAGE_SIZE);
		kunmap_local(page);
		value += step;
		pages++;
	}
	return bad + (pages != PAGES);
}

static void place_is_zeroed(struct kunit *test)
{
	struct device *dev = mock_importer_create(test, "zeroed", NULL)->dev;
	struct window w = window_open(test, dev, place_create(test, 0));

	KUNIT_EXPECT_EQ(test, 0, window_differs(&w, 0, 0));
	window_close(&w);
}

/* Create a device that has limits of its own. */
static struct device *limited_device(struct kunit *test, const char *name)
{
	struct device *dev = mock_importer_create(test, name, NULL)->dev;

	dev->dma_parms = kunit_kzalloc(test, sizeof(*dev->dma_parms),
				       GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, dev->dma_parms);
	return dev;
}

static void contiguous_place_is_one_segment(struct kunit *test)
{
	struct device *dev = limited_device(test, "contiguous");
	u32 flags = DMABUF_IMPORTER_BUFFER_CONTIGUOUS;
	struct window w;

	dma_set_max_seg_size(dev, SZ_1M);
	w = window_open(test, dev, place_create(test, flags));
	KUNIT_EXPECT_EQ(test, 1, w.sgt->nents);
	KUNIT_EXPECT_EQ(test, PAGES * PAGE_SIZE, sg_dma_len(w.sgt->sgl));
	window_close(&w);
}

static void segments_keep_to_the_limits(struct kunit *test)
{
	struct device *dev = limited_device(test, "limits");
	u32 flags = DMABUF_IMPORTER_BUFFER_CONTIGUOUS;
	struct importer_place *place = place_create(test, flags);
	struct window w;

	dma_set_max_seg_size(dev, 2 * PAGE_SIZE);
	w = window_open(test, dev, place);
	KUNIT_EXPECT_EQ(test, PAGES / 2, w.sgt->orig_nents);
	window_close(&w);

	dma_set_seg_boundary(dev, 2 * PAGE_SIZE - 1);
	w = window_open(test, dev, place);
	KUNIT_EXPECT_EQ(test, PAGES, w.sgt->orig_nents);
	window_close(&w);
}

/* A mapping keeps the place after the last other reference is dropped. */
static void mapping_keeps_the_place(struct kunit *test)
{
	struct device *dev = mock_importer_create(test, "keeps", NULL)->dev;
	struct importer_place *place = importer_place_create(PAGES, 0);
	struct window w;

	KUNIT_ASSERT_NOT_NULL(test, place);
	w = window_open(test, dev, place);
	importer_place_put(place);
	window_fill(&w, 1);
	KUNIT_EXPECT_EQ(test, 0, window_differs(&w, 1, 1));
	window_close(&w);
}

static struct importer_move *move_create(struct kunit *test)
{
	struct importer_move *move = importer_move_create();

	KUNIT_ASSERT_NOT_NULL(test, move);
	return move;
}

static void expect_moved(struct kunit *test, struct dma_fence *fence)
{
	KUNIT_EXPECT_LT(test, 0, dma_fence_wait_timeout(fence, false, 60 * HZ));
	KUNIT_EXPECT_EQ(test, 1, dma_fence_get_status(fence));
	dma_fence_put(fence);
}

static void move_copies_all(struct kunit *test)
{
	struct device *dev = mock_importer_create(test, "copies", NULL)->dev;
	struct importer_place *from = place_create(test, 0);
	struct importer_place *to = place_create(test, 0);
	struct importer_move *move = move_create(test);
	struct dma_fence *fence = dma_fence_get(importer_move_fence(move));
	struct window old = window_open(test, dev, from);
	struct window new = window_open(test, dev, to);

	window_fill(&old, 11);
	importer_move_start(move, importer_place_get(from), to, NULL);
	expect_moved(test, fence);
	KUNIT_EXPECT_EQ(test, 0, window_differs(&new, 11, 1));
	window_close(&old);
	window_close(&new);
}

/* A move copies what the users of the old place write before they signal. */
static void move_waits_for_the_users(struct kunit *test)
{
	struct device *dev = mock_importer_create(test, "waits", NULL)->dev;
	struct mock_timeline *tl = mock_timeline_create(test, "users");
	struct dma_fence *users = mock_fence_create(tl);
	struct importer_place *from = place_create(test, 0);
	struct importer_place *to = place_create(test, 0);
	struct importer_move *move = move_create(test);
	struct dma_fence *fence = dma_fence_get(importer_move_fence(move));
	struct window old = window_open(test, dev, from);
	struct window new = window_open(test, dev, to);

	importer_move_start(move, importer_place_get(from), to,
			    dma_fence_get(users));
	KUNIT_EXPECT_EQ(test, 0, dma_fence_wait_timeout(fence, false, 2));
	window_fill(&old, 21);
	dma_fence_signal(users);
	expect_moved(test, fence);
	KUNIT_EXPECT_EQ(test, 0, window_differs(&new, 21, 1));
	window_close(&old);
	window_close(&new);
	dma_fence_put(users);
	KUNIT_EXPECT_TRUE(test, mock_timeline_wait_released(tl, 1));
}

static void signalled_users_hold_nothing_up(struct kunit *test)
{
	struct mock_timeline *tl = mock_timeline_create(test, "users");
	struct importer_place *from = place_create(test, 0);
	struct importer_place *to = place_create(test, 0);
	struct importer_move *move = move_create(test);
	struct dma_fence *fence = dma_fence_get(importer_move_fence(move));

	importer_move_start(move, importer_place_get(from), to,
			    mock_fence_create_signaled(tl));
	expect_moved(test, fence);
	KUNIT_EXPECT_TRUE(test, mock_timeline_wait_released(tl, 1));
}

static void move_that_never_starts_leaves_nothing(struct kunit *test)
{
	struct importer_move *move = move_create(test);
	struct dma_fence *fence = dma_fence_get(importer_move_fence(move));

	importer_move_free(move);
	KUNIT_EXPECT_EQ(test, 1, kref_read(&fence->refcount));
	dma_fence_signal(fence);
	dma_fence_put(fence);
}

static struct kunit_case place_cases[] = {
	KUNIT_CASE(place_is_zeroed),
	KUNIT_CASE(contiguous_place_is_one_segment),
	KUNIT_CASE(segments_keep_to_the_limits),
	KUNIT_CASE(mapping_keeps_the_place),
	KUNIT_CASE(move_copies_all),
	KUNIT_CASE(move_waits_for_the_users),
	KUNIT_CASE(signalled_users_hold_nothing_up),
	KUNIT_CASE(move_that_never_starts_leaves_nothing),
	{}
};

static struct kunit_suite place_suite = {
	.name = "dma_buf_importer_place",
	.test_cases = place_cases,
};

kunit_test_suite(place_suite);

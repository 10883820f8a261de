// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings that the core keeps, for one user at a time or shared by all: who
 * gets them, when the memory changes hands, and what ends them.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/dma-direction.h>
#include <linux/scatterlist.h>

#include "../buffer/dma-buf-internal.h"
#include "mock_attach.h"

static struct mock_attachment begin_kept(struct kunit *test,
					 enum dma_buf_keep keep)
{
	return mock_attachment_begin(test, NULL, MOCK_KEPT, false, keep);
}

static struct mock_attachment begin_dynamic(struct kunit *test,
					    enum dma_buf_keep keep)
{
	return mock_attachment_begin(test, NULL, MOCK_KEPT | MOCK_DYNAMIC, true,
				     keep);
}

/* Shared by all users */

struct cache_param {
	const char *desc;
	enum dma_data_direction first;
	enum dma_data_direction second;
	bool busy;
};

static const struct cache_param cache_params[] = {
	{ "to, to", DMA_TO_DEVICE, DMA_TO_DEVICE, false },
	{ "to, from", DMA_TO_DEVICE, DMA_FROM_DEVICE, true },
	{ "to, both", DMA_TO_DEVICE, DMA_BIDIRECTIONAL, true },
	{ "from, to", DMA_FROM_DEVICE, DMA_TO_DEVICE, true },
	{ "both, to", DMA_BIDIRECTIONAL, DMA_TO_DEVICE, false },
	{ "both, from", DMA_BIDIRECTIONAL, DMA_FROM_DEVICE, false },
};

KUNIT_ARRAY_PARAM_DESC(cache, cache_params, desc);

static void kept_share_serves_all_users(struct kunit *test)
{
	const struct cache_param *param = test->param_value;
	struct mock_attachment att = mock_attachment_begin(test, NULL,
							   MOCK_CACHED, false,
							   DMA_BUF_KEEP_NEVER);
	struct sg_table *first, *second;

	/* A failed map leaves nothing to share. */
	att.exp->fail[MOCK_MAP] = -EIO;
	KUNIT_EXPECT_PTR_EQ(test, mock_map(&att, param->first), ERR_PTR(-EIO));
	att.exp->fail[MOCK_MAP] = 0;
	first = mock_map(&att, param->first);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, first);
	mock_unmap(&att, first, param->first);
	second = mock_map(&att, param->second);
	if (param->busy) {
		KUNIT_EXPECT_PTR_EQ(test, second, ERR_PTR(-EBUSY));
		/* The failed map is not counted; its unmap does not warn. */
		mock_warn_begin(test);
		mock_unmap(&att, first, param->first);
		mock_warn_end(test, "nowhere", 0);
	} else {
		KUNIT_EXPECT_PTR_EQ(test, second, first);
		mock_unmap(&att, second, param->second);
	}
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_MAP);
	mock_attachment_end(&att);
	MOCK_EXPECT_LOG(att.exp, MOCK_UNMAP, MOCK_DETACH, MOCK_RELEASE);
}

/* For one user at a time */

/* Who maps once would pay for the accounts and the list, and gain nothing. */
static void kept_keep_from_the_second_map(struct kunit *test)
{
	struct mock_attachment att = begin_kept(test, DMA_BUF_KEEP_AS_IS);

	dma_buf_detach(att.exp->dmabuf, att.attach);
	/* Unlike the other helpers, this leaves the attachment as it is. */
	att.attach = mock_attach_try(att.imp, false);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, att.attach);
	MOCK_EXPECT_LOG(att.exp, MOCK_DETACH, MOCK_ATTACH);
	mock_map_once(test, &att, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_UNMAP);
	mock_map_once(test, &att, DMA_TO_DEVICE);
	mock_map_once(test, &att, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_KEEP);
	mock_attachment_end(&att);
}

static void kept_take_up_reuses_table(struct kunit *test)
{
	struct mock_attachment att = begin_kept(test, DMA_BUF_KEEP_AS_IS);
	struct sg_table *sgt = mock_map_once(test, &att, DMA_TO_DEVICE);

	for (int i = 0; i < 3; i++)
		KUNIT_EXPECT_PTR_EQ(test, sgt,
				    mock_map_once(test, &att, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, atomic_read(&to_attached(att.attach)->map_count), 0);
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_KEEP);
	mock_attachment_end(&att);
	MOCK_EXPECT_LOG(att.exp, MOCK_UNMAP, MOCK_DETACH, MOCK_RELEASE);
}

static void kept_take_up_hands_over_memory(struct kunit *test)
{
	struct mock_attachment att = begin_kept(test, DMA_BUF_KEEP_IDLE);
	struct sg_table *sgt = mock_map(&att, DMA_FROM_DEVICE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_KEEP);
	mock_unmap(&att, sgt, DMA_FROM_DEVICE);
	MOCK_EXPECT_LOG(att.exp, MOCK_END_DEVICE);
	KUNIT_EXPECT_PTR_EQ(test, sgt, mock_map(&att, DMA_FROM_DEVICE));
	MOCK_EXPECT_LOG(att.exp, MOCK_BEGIN_DEVICE);
	mock_unmap(&att, sgt, DMA_FROM_DEVICE);
	MOCK_EXPECT_LOG(att.exp, MOCK_END_DEVICE);
	mock_attachment_end(&att);
	MOCK_EXPECT_LOG(att.exp, MOCK_UNMAP, MOCK_DETACH, MOCK_RELEASE);
}

static void kept_keep_exporter_refuses(struct kunit *test)
{
	struct mock_attachment att = begin_kept(test, DMA_BUF_KEEP_NEVER);

	mock_map_once(test, &att, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_KEEP, MOCK_UNMAP);
	mock_attachment_end(&att);
	MOCK_EXPECT_LOG(att.exp, MOCK_DETACH, MOCK_RELEASE);
}

/* A failed map leaves nothing for the next map to take up. */
static void kept_keep_skips_errors(struct kunit *test)
{
	struct mock_attachment att = begin_kept(test, DMA_BUF_KEEP_AS_IS);

	att.exp->fail[MOCK_MAP] = -EIO;
	KUNIT_EXPECT_PTR_EQ(test, mock_map(&att, DMA_TO_DEVICE), ERR_PTR(-EIO));
	att.exp->fail[MOCK_MAP] = 0;
	mock_map_once(test, &att, DMA_TO_DEVICE);
	/* The map in the other direction ends the kept mapping, then fails. */
	att.exp->fail[MOCK_MAP] = -EIO;
	KUNIT_EXPECT_PTR_EQ(test, mock_map(&att, DMA_FROM_DEVICE),
			    ERR_PTR(-EIO));
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_MAP, MOCK_KEEP, MOCK_UNMAP,
			MOCK_MAP);
	mock_attachment_end(&att);
	MOCK_EXPECT_LOG(att.exp, MOCK_DETACH, MOCK_RELEASE);
}

/* A mapping for both directions does not serve one: cache upkeep differs. */
static void kept_take_up_other_direction(struct kunit *test)
{
	static const enum dma_data_direction dirs[] = {
		DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL,
		DMA_TO_DEVICE,
	};
	struct mock_attachment att = begin_kept(test, DMA_BUF_KEEP_AS_IS);

	for (int i = 0; i < ARRAY_SIZE(dirs); i++) {
		mock_map_once(test, &att, dirs[i]);
		KUNIT_EXPECT_EQ(test, att.exp->direction, dirs[i]);
		mock_map_once(test, &att, dirs[i]);
		if (i)
			MOCK_EXPECT_LOG(att.exp, MOCK_UNMAP, MOCK_MAP,
					MOCK_KEEP);
		else
			MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_KEEP);
	}
	mock_attachment_end(&att);
}

/* Importers change their table, so no two of them may share it. */
static void kept_take_up_busy(struct kunit *test)
{
	struct mock_attachment att = begin_kept(test, DMA_BUF_KEEP_AS_IS);
	struct sg_table *a = mock_map(&att, DMA_TO_DEVICE);
	struct sg_table *b = mock_map(&att, DMA_TO_DEVICE);
	struct sg_table *c = mock_map(&att, DMA_FROM_DEVICE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, a);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, b);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, c);
	KUNIT_EXPECT_PTR_NE(test, a, b);
	KUNIT_EXPECT_PTR_NE(test, a, c);
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_KEEP, MOCK_MAP, MOCK_MAP);
	mock_unmap(&att, b, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(att.exp, MOCK_UNMAP);
	/* The first table alone is kept for the next map. */
	mock_unmap(&att, a, DMA_TO_DEVICE);
	KUNIT_EXPECT_PTR_EQ(test, a, mock_map_once(test, &att, DMA_TO_DEVICE));
	MOCK_EXPECT_NO_CALLS(att.exp);
	mock_unmap(&att, c, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, atomic_read(&to_attached(att.attach)->map_count), 0);
	MOCK_EXPECT_LOG(att.exp, MOCK_UNMAP);
	mock_attachment_end(&att);
}

/* The second unmap of a table warns although another table is mapped. */
static void unmap_twice(struct kunit *test, bool kept)
{
	struct mock_attachment att = begin_kept(test, DMA_BUF_KEEP_AS_IS);
	struct sg_table *a = mock_map(&att, DMA_TO_DEVICE);
	struct sg_table *b = mock_map(&att, DMA_TO_DEVICE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, a);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, b);
	mock_unmap(&att, kept ? a : b, DMA_TO_DEVICE);
	mock_warn_begin(test);
	mock_unmap(&att, kept ? a : b, DMA_TO_DEVICE);
	mock_warn_end(test, "unmap_", 1);
	mock_unmap(&att, kept ? b : a, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_KEEP, MOCK_MAP, MOCK_UNMAP);
	/* No table is mapped any more. */
	mock_warn_begin(test);
	mock_unmap(&att, a, DMA_TO_DEVICE);
	mock_warn_end(test, "unmap_", 1);
	mock_attachment_end(&att);
}

static void unmap_attachment_twice_kept(struct kunit *test)
{
	unmap_twice(test, true);
}

static void unmap_attachment_twice_not_kept(struct kunit *test)
{
	unmap_twice(test, false);
}

/* The core knows the table that the importer forgot, and ends it on detach. */
static void kept_detach_ends_busy(struct kunit *test)
{
	struct mock_attachment att = begin_kept(test, DMA_BUF_KEEP_IDLE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mock_map(&att, DMA_TO_DEVICE));
	mock_warn_begin(test);
	dma_buf_detach(att.exp->dmabuf, att.attach);
	mock_warn_end(test, "dma_buf_debug_detach",
		      IS_ENABLED(CONFIG_DMABUF_DEBUG));
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_KEEP, MOCK_UNMAP, MOCK_DETACH);
	KUNIT_EXPECT_EQ(test, 0, mock_shrink(MOCK_SHRINK_ALL));
	mock_exporter_put_last(att.exp);
}

/* Moves */

/* Where a map pins the memory nothing is kept: the pin would last for good. */
static void move_notify_ends_idle(struct kunit *test)
{
	struct mock_attachment att = begin_dynamic(test, DMA_BUF_KEEP_AS_IS);

	mock_map_once(test, &att, DMA_TO_DEVICE);
	if (MOCK_MOVES) {
		MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_KEEP);
		mock_move(&att);
		MOCK_EXPECT_LOG(att.exp, MOCK_UNMAP);
		mock_map_once(test, &att, DMA_TO_DEVICE);
		MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_KEEP);
		mock_attachment_end(&att);
		MOCK_EXPECT_LOG(att.exp, MOCK_UNMAP, MOCK_DETACH,
				MOCK_RELEASE);
	} else {
		MOCK_EXPECT_LOG(att.exp, MOCK_PIN, MOCK_MAP, MOCK_UNMAP,
				MOCK_UNPIN);
		mock_attachment_end(&att);
	}
}

static void unmap_on_move(struct dma_buf_attachment *attach)
{
	struct mock_importer *imp = attach->importer_priv;

	dma_buf_unmap_attachment(attach, imp->sgt, DMA_TO_DEVICE);
}

/* move_notify unmaps: the mapping is idle then, and the move still ends it. */
static void move_notify_ends_unmapped(struct kunit *test)
{
	struct mock_attachment att = begin_dynamic(test, DMA_BUF_KEEP_IDLE);

	if (!MOCK_MOVES)
		kunit_skip(test, "needs CONFIG_DMABUF_MOVE_NOTIFY");
	att.imp->on_move = unmap_on_move;
	att.imp->sgt = mock_map(&att, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, att.imp->sgt);
	mock_move(&att);
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_KEEP, MOCK_MOVE_NOTIFY,
			MOCK_END_DEVICE, MOCK_UNMAP);
	mock_attachment_end(&att);
}

/* The importer's jobs may still run: its mapping ends when it unmaps. */
static void move_notify_leaves_busy(struct kunit *test)
{
	struct mock_attachment att = begin_dynamic(test, DMA_BUF_KEEP_IDLE);
	struct sg_table *old, *new;

	if (!MOCK_MOVES)
		kunit_skip(test, "needs CONFIG_DMABUF_MOVE_NOTIFY");
	old = mock_map(&att, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, old);
	mock_move(&att);
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_KEEP, MOCK_MOVE_NOTIFY);
	new = mock_map(&att, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, new);
	KUNIT_EXPECT_PTR_NE(test, old, new);
	mock_unmap(&att, old, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_KEEP, MOCK_UNMAP);
	mock_unmap(&att, new, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(att.exp, MOCK_END_DEVICE);
	mock_attachment_end(&att);
}

/* Memory pressure */

static void shrink_kept_ends_idle(struct kunit *test)
{
	struct mock_attachment att = begin_kept(test, DMA_BUF_KEEP_IDLE);

	mock_map_once(test, &att, DMA_TO_DEVICE);
	KUNIT_EXPECT_LE(test, 1, mock_shrink(MOCK_SHRINK_ALL));
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_KEEP, MOCK_END_DEVICE,
			MOCK_UNMAP);
	KUNIT_EXPECT_EQ(test, 0, mock_shrink(MOCK_SHRINK_ALL));
	/* The next mapping is kept again. */
	mock_map_once(test, &att, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_KEEP, MOCK_END_DEVICE);
	mock_attachment_end(&att);
	KUNIT_EXPECT_EQ(test, 0, mock_shrink(MOCK_SHRINK_ALL));
}

static void shrink_kept_leaves_busy(struct kunit *test)
{
	struct mock_attachment att = begin_kept(test, DMA_BUF_KEEP_AS_IS);
	struct sg_table *sgt;

	mock_shrink(MOCK_SHRINK_ALL);
	mock_map_once(test, &att, DMA_TO_DEVICE);
	sgt = mock_map(&att, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	KUNIT_EXPECT_EQ(test, 0, mock_shrink(MOCK_SHRINK_ALL));
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_KEEP);
	mock_unmap(&att, sgt, DMA_TO_DEVICE);
	mock_attachment_end(&att);
}

/* The shrinker passes once over a mapping used since its last visit. */
static void shrink_kept_spares_recently_used(struct kunit *test)
{
	struct mock_attachment old = begin_kept(test, DMA_BUF_KEEP_AS_IS);
	struct mock_attachment new = begin_kept(test, DMA_BUF_KEEP_AS_IS);

	mock_shrink(MOCK_SHRINK_ALL);
	mock_map_once(test, &new, DMA_TO_DEVICE);
	mock_map_once(test, &old, DMA_TO_DEVICE);
	mock_map_once(test, &new, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 1, mock_shrink(2));
	MOCK_EXPECT_LOG(old.exp, MOCK_MAP, MOCK_KEEP, MOCK_UNMAP);
	MOCK_EXPECT_LOG(new.exp, MOCK_MAP, MOCK_KEEP);
	KUNIT_EXPECT_EQ(test, 1, mock_shrink(1));
	MOCK_EXPECT_LOG(new.exp, MOCK_UNMAP);
	mock_attachment_end(&old);
	mock_attachment_end(&new);
}

/* Reclaim runs where memory is allocated, maybe under this very lock. */
static void shrink_kept_takes_no_resv_lock(struct kunit *test)
{
	struct mock_attachment att = begin_kept(test, DMA_BUF_KEEP_AS_IS);

	mock_shrink(MOCK_SHRINK_ALL);
	mock_map_once(test, &att, DMA_TO_DEVICE);
	dma_resv_lock(att.exp->dmabuf->resv, NULL);
	KUNIT_EXPECT_EQ(test, 1, mock_shrink(MOCK_SHRINK_ALL));
	dma_resv_unlock(att.exp->dmabuf->resv);
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_KEEP, MOCK_UNMAP);
	mock_attachment_end(&att);
}

static struct kunit_case dma_buf_kept_cases[] = {
	KUNIT_CASE_PARAM(kept_share_serves_all_users, cache_gen_params),
	KUNIT_CASE(kept_keep_from_the_second_map),
	KUNIT_CASE(kept_take_up_reuses_table),
	KUNIT_CASE(kept_take_up_hands_over_memory),
	KUNIT_CASE(kept_keep_exporter_refuses),
	KUNIT_CASE(kept_keep_skips_errors),
	KUNIT_CASE(kept_take_up_other_direction),
	KUNIT_CASE(kept_take_up_busy),
	KUNIT_CASE(unmap_attachment_twice_kept),
	KUNIT_CASE(unmap_attachment_twice_not_kept),
	KUNIT_CASE(kept_detach_ends_busy),
	KUNIT_CASE(move_notify_ends_idle),
	KUNIT_CASE(move_notify_ends_unmapped),
	KUNIT_CASE(move_notify_leaves_busy),
	KUNIT_CASE(shrink_kept_ends_idle),
	KUNIT_CASE(shrink_kept_leaves_busy),
	KUNIT_CASE(shrink_kept_spares_recently_used),
	KUNIT_CASE(shrink_kept_takes_no_resv_lock),
	{}
};

static struct kunit_suite dma_buf_kept_suite = {
	.name = "dma_buf_kept",
	.test_cases = dma_buf_kept_cases,
};

kunit_test_suite(dma_buf_kept_suite);

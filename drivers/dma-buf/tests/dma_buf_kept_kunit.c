// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings that the core keeps, for one user at a time or for all: who gets them,
 * when the memory changes hands, and what ends them.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/dma-direction.h>
#include <linux/scatterlist.h>
#include <linux/sched/mm.h>

#include "../buffer/dma-buf-internal.h"
#include "mock.h"

#define SIZE (3 * PAGE_SIZE)
#define MOVES IS_ENABLED(CONFIG_DMABUF_MOVE_NOTIFY)
/* Enough to come past what other buffers of the machine have. */
#define ALL 10000

struct ctx {
	struct mock_exporter *exp;
	struct mock_importer *imp;
	struct dma_buf_attachment *attach;
};

/* An attachment with nothing logged so far, of a device with that name. */
static struct ctx begin(struct kunit *test, const char *name,
			unsigned int flags, bool dynamic,
			enum dma_buf_keep keep)
{
	struct ctx ctx = { .exp = mock_exporter_export(test, SIZE, flags) };

	ctx.exp->keep = keep;
	ctx.imp = mock_importer_create(test, name, ctx.exp);
	ctx.attach = mock_attach(ctx.imp, dynamic);
	atomic_set(&ctx.exp->num_logged, 0);
	return ctx;
}

static struct ctx begin_kept(struct kunit *test, enum dma_buf_keep keep)
{
	return begin(test, "imp", MOCK_KEPT, false, keep);
}

static struct ctx begin_dynamic(struct kunit *test, enum dma_buf_keep keep)
{
	return begin(test, "imp", MOCK_KEPT | MOCK_DYNAMIC, true, keep);
}

static void end(struct ctx *ctx)
{
	dma_buf_detach(ctx->exp->dmabuf, ctx->attach);
	mock_exporter_put_last(ctx->exp);
}

static struct sg_table *map(struct ctx *ctx, enum dma_data_direction dir)
{
	return dma_buf_map_attachment_unlocked(ctx->attach, dir);
}

static void unmap(struct ctx *ctx, struct sg_table *sgt,
		  enum dma_data_direction dir)
{
	dma_buf_unmap_attachment_unlocked(ctx->attach, sgt, dir);
}

static struct sg_table *map_once(struct kunit *test, struct ctx *ctx,
				 enum dma_data_direction dir)
{
	struct sg_table *sgt = map(ctx, dir);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	unmap(ctx, sgt, dir);
	return sgt;
}

static void move(struct ctx *ctx)
{
	dma_resv_lock(ctx->exp->dmabuf->resv, NULL);
	dma_buf_move_notify(ctx->exp->dmabuf);
	dma_resv_unlock(ctx->exp->dmabuf->resv);
}

/* As memory reclaim does, which lockdep is to see. */
static unsigned long shrink(unsigned long nr)
{
	unsigned long n;

	fs_reclaim_acquire(GFP_KERNEL);
	n = dma_buf_shrink_kept(nr);
	fs_reclaim_release(GFP_KERNEL);
	return n;
}

/* For all users */

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

static void shared_for_all_users(struct kunit *test)
{
	const struct cache_param *param = test->param_value;
	struct ctx ctx = begin(test, "imp", MOCK_CACHED, false, 0);
	struct sg_table *first, *second;

	/* An error is not what is kept. */
	ctx.exp->fail[MOCK_MAP] = -EIO;
	KUNIT_EXPECT_PTR_EQ(test, map(&ctx, param->first), ERR_PTR(-EIO));
	ctx.exp->fail[MOCK_MAP] = 0;
	first = map(&ctx, param->first);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, first);
	unmap(&ctx, first, param->first);
	second = map(&ctx, param->second);
	if (param->busy) {
		KUNIT_EXPECT_PTR_EQ(test, second, ERR_PTR(-EBUSY));
		/* It does not count as mapped, and nobody complains. */
		mock_warn_begin(test);
		unmap(&ctx, first, param->first);
		mock_warn_end(test, "nowhere", 0);
	} else {
		KUNIT_EXPECT_PTR_EQ(test, second, first);
		unmap(&ctx, second, param->second);
	}
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_MAP);
	end(&ctx);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_UNMAP, MOCK_DETACH, MOCK_RELEASE);
}

/* For one at a time */

static void kept_is_taken_up_again(struct kunit *test)
{
	struct ctx ctx = begin_kept(test, DMA_BUF_KEEP_AS_IS);
	struct sg_table *sgt = map_once(test, &ctx, DMA_TO_DEVICE);

	for (int i = 0; i < 3; i++)
		KUNIT_EXPECT_PTR_EQ(test, sgt,
				    map_once(test, &ctx, DMA_TO_DEVICE));
	KUNIT_EXPECT_EQ(test, atomic_read(&to_attached(ctx.attach)->map_count), 0);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_KEEP);
	end(&ctx);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_UNMAP, MOCK_DETACH, MOCK_RELEASE);
}

static void kept_idle_changes_hands(struct kunit *test)
{
	struct ctx ctx = begin_kept(test, DMA_BUF_KEEP_IDLE);
	struct sg_table *sgt = map(&ctx, DMA_FROM_DEVICE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_KEEP);
	unmap(&ctx, sgt, DMA_FROM_DEVICE);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_END_DEVICE);
	KUNIT_EXPECT_PTR_EQ(test, sgt, map(&ctx, DMA_FROM_DEVICE));
	MOCK_EXPECT_LOG(ctx.exp, MOCK_BEGIN_DEVICE);
	unmap(&ctx, sgt, DMA_FROM_DEVICE);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_END_DEVICE);
	end(&ctx);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_UNMAP, MOCK_DETACH, MOCK_RELEASE);
}

static void never_kept_if_the_exporter_says_so(struct kunit *test)
{
	struct ctx ctx = begin_kept(test, DMA_BUF_KEEP_NEVER);

	map_once(test, &ctx, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_KEEP, MOCK_UNMAP);
	end(&ctx);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_DETACH, MOCK_RELEASE);
}

/* An error leaves nothing that would be taken up. */
static void kept_is_no_error(struct kunit *test)
{
	struct ctx ctx = begin_kept(test, DMA_BUF_KEEP_AS_IS);

	ctx.exp->fail[MOCK_MAP] = -EIO;
	KUNIT_EXPECT_PTR_EQ(test, map(&ctx, DMA_TO_DEVICE), ERR_PTR(-EIO));
	ctx.exp->fail[MOCK_MAP] = 0;
	map_once(test, &ctx, DMA_TO_DEVICE);
	/* What was kept has ended before. */
	ctx.exp->fail[MOCK_MAP] = -EIO;
	KUNIT_EXPECT_PTR_EQ(test, map(&ctx, DMA_FROM_DEVICE), ERR_PTR(-EIO));
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_MAP, MOCK_KEEP, MOCK_UNMAP,
			MOCK_MAP);
	end(&ctx);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_DETACH, MOCK_RELEASE);
}

/* One for both directions is none for this one, as caches see it. */
static void another_direction_ends_what_is_kept(struct kunit *test)
{
	static const enum dma_data_direction dirs[] = {
		DMA_TO_DEVICE, DMA_FROM_DEVICE, DMA_BIDIRECTIONAL,
		DMA_TO_DEVICE,
	};
	struct ctx ctx = begin_kept(test, DMA_BUF_KEEP_AS_IS);

	for (int i = 0; i < ARRAY_SIZE(dirs); i++) {
		map_once(test, &ctx, dirs[i]);
		KUNIT_EXPECT_EQ(test, ctx.exp->direction, dirs[i]);
		map_once(test, &ctx, dirs[i]);
		if (i)
			MOCK_EXPECT_LOG(ctx.exp, MOCK_UNMAP, MOCK_MAP,
					MOCK_KEEP);
		else
			MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_KEEP);
	}
	end(&ctx);
}

/* Importers change their table, so nobody else may have it meanwhile. */
static void kept_in_use_is_for_nobody_else(struct kunit *test)
{
	struct ctx ctx = begin_kept(test, DMA_BUF_KEEP_AS_IS);
	struct sg_table *a = map(&ctx, DMA_TO_DEVICE);
	struct sg_table *b = map(&ctx, DMA_TO_DEVICE);
	struct sg_table *c = map(&ctx, DMA_FROM_DEVICE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, a);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, b);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, c);
	KUNIT_EXPECT_PTR_NE(test, a, b);
	KUNIT_EXPECT_PTR_NE(test, a, c);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_KEEP, MOCK_MAP, MOCK_MAP);
	unmap(&ctx, b, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_UNMAP);
	/* One is enough for the next time. */
	unmap(&ctx, a, DMA_TO_DEVICE);
	KUNIT_EXPECT_PTR_EQ(test, a, map_once(test, &ctx, DMA_TO_DEVICE));
	MOCK_EXPECT_NO_CALLS(ctx.exp);
	unmap(&ctx, c, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, atomic_read(&to_attached(ctx.attach)->map_count), 0);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_UNMAP);
	end(&ctx);
}

/* That the importer still has the other table does not make up for it. */
static void unmap_twice(struct kunit *test, bool kept)
{
	struct ctx ctx = begin_kept(test, DMA_BUF_KEEP_AS_IS);
	struct sg_table *a = map(&ctx, DMA_TO_DEVICE);
	struct sg_table *b = map(&ctx, DMA_TO_DEVICE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, a);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, b);
	unmap(&ctx, kept ? a : b, DMA_TO_DEVICE);
	mock_warn_begin(test);
	unmap(&ctx, kept ? a : b, DMA_TO_DEVICE);
	mock_warn_end(test, "unmap_", 1);
	unmap(&ctx, kept ? b : a, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_KEEP, MOCK_MAP, MOCK_UNMAP);
	/* Nothing is left to be unmapped. */
	mock_warn_begin(test);
	unmap(&ctx, a, DMA_TO_DEVICE);
	mock_warn_end(test, "unmap_", 1);
	end(&ctx);
}

static void kept_unmapped_twice_warns(struct kunit *test)
{
	unmap_twice(test, true);
}

static void other_unmapped_twice_warns(struct kunit *test)
{
	unmap_twice(test, false);
}

/* The core knows the table, so it ends with the attachment. */
static void detach_ends_what_is_in_use(struct kunit *test)
{
	struct ctx ctx = begin_kept(test, DMA_BUF_KEEP_IDLE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, map(&ctx, DMA_TO_DEVICE));
	mock_warn_begin(test);
	dma_buf_detach(ctx.exp->dmabuf, ctx.attach);
	mock_warn_end(test, "dma_buf_debug_detach",
		      IS_ENABLED(CONFIG_DMABUF_DEBUG));
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_KEEP, MOCK_UNMAP, MOCK_DETACH);
	KUNIT_EXPECT_EQ(test, 0, shrink(ALL));
	mock_exporter_put_last(ctx.exp);
}

/* Moves */

/* Where mapping pins, what is kept would be pinned for good. */
static void move_ends_what_is_kept(struct kunit *test)
{
	struct ctx ctx = begin_dynamic(test, DMA_BUF_KEEP_AS_IS);

	map_once(test, &ctx, DMA_TO_DEVICE);
	if (MOVES) {
		MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_KEEP);
		move(&ctx);
		MOCK_EXPECT_LOG(ctx.exp, MOCK_UNMAP);
		map_once(test, &ctx, DMA_TO_DEVICE);
		MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_KEEP);
		end(&ctx);
		MOCK_EXPECT_LOG(ctx.exp, MOCK_UNMAP, MOCK_DETACH,
				MOCK_RELEASE);
	} else {
		MOCK_EXPECT_LOG(ctx.exp, MOCK_PIN, MOCK_MAP, MOCK_UNMAP,
				MOCK_UNPIN);
		end(&ctx);
	}
}

static void unmap_on_move(struct dma_buf_attachment *attach)
{
	struct mock_importer *imp = attach->importer_priv;

	dma_buf_unmap_attachment(attach, imp->sgt, DMA_TO_DEVICE);
}

static void move_ends_what_is_unmapped_for_it(struct kunit *test)
{
	struct ctx ctx = begin_dynamic(test, DMA_BUF_KEEP_IDLE);

	if (!MOVES)
		kunit_skip(test, "needs CONFIG_DMABUF_MOVE_NOTIFY");
	ctx.imp->on_move = unmap_on_move;
	ctx.imp->sgt = map(&ctx, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ctx.imp->sgt);
	move(&ctx);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_KEEP, MOCK_MOVE_NOTIFY,
			MOCK_END_DEVICE, MOCK_UNMAP);
	end(&ctx);
}

/* Its jobs may still run: it unmaps in its own time, and then it is over. */
static void move_leaves_what_is_in_use(struct kunit *test)
{
	struct ctx ctx = begin_dynamic(test, DMA_BUF_KEEP_IDLE);
	struct sg_table *old, *new;

	if (!MOVES)
		kunit_skip(test, "needs CONFIG_DMABUF_MOVE_NOTIFY");
	old = map(&ctx, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, old);
	move(&ctx);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_KEEP, MOCK_MOVE_NOTIFY);
	new = map(&ctx, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, new);
	KUNIT_EXPECT_PTR_NE(test, old, new);
	unmap(&ctx, old, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_KEEP, MOCK_UNMAP);
	unmap(&ctx, new, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_END_DEVICE);
	end(&ctx);
}

/* Lack of memory */

static void shrink_ends_what_is_kept(struct kunit *test)
{
	struct ctx ctx = begin_kept(test, DMA_BUF_KEEP_IDLE);

	map_once(test, &ctx, DMA_TO_DEVICE);
	KUNIT_EXPECT_LE(test, 1, shrink(ALL));
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_KEEP, MOCK_END_DEVICE,
			MOCK_UNMAP);
	KUNIT_EXPECT_EQ(test, 0, shrink(ALL));
	/* As good as new. */
	map_once(test, &ctx, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_KEEP, MOCK_END_DEVICE);
	end(&ctx);
	KUNIT_EXPECT_EQ(test, 0, shrink(ALL));
}

static void shrink_leaves_what_is_in_use(struct kunit *test)
{
	struct ctx ctx = begin_kept(test, DMA_BUF_KEEP_AS_IS);
	struct sg_table *sgt;

	shrink(ALL);
	map_once(test, &ctx, DMA_TO_DEVICE);
	sgt = map(&ctx, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	KUNIT_EXPECT_EQ(test, 0, shrink(ALL));
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_KEEP);
	unmap(&ctx, sgt, DMA_TO_DEVICE);
	end(&ctx);
}

/* What is mapped again and again is passed by once. */
static void shrink_spares_what_is_used(struct kunit *test)
{
	struct ctx old = begin(test, "old", MOCK_KEPT, false,
			       DMA_BUF_KEEP_AS_IS);
	struct ctx new = begin(test, "new", MOCK_KEPT, false,
			       DMA_BUF_KEEP_AS_IS);

	shrink(ALL);
	map_once(test, &new, DMA_TO_DEVICE);
	map_once(test, &old, DMA_TO_DEVICE);
	map_once(test, &new, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 1, shrink(2));
	MOCK_EXPECT_LOG(old.exp, MOCK_MAP, MOCK_KEEP, MOCK_UNMAP);
	MOCK_EXPECT_LOG(new.exp, MOCK_MAP, MOCK_KEEP);
	KUNIT_EXPECT_EQ(test, 1, shrink(1));
	MOCK_EXPECT_LOG(new.exp, MOCK_UNMAP);
	end(&old);
	end(&new);
}

/* Reclaim may come from wherever memory is allocated: it needs no such lock. */
static void shrink_takes_no_reservation_lock(struct kunit *test)
{
	struct ctx ctx = begin_kept(test, DMA_BUF_KEEP_AS_IS);

	shrink(ALL);
	map_once(test, &ctx, DMA_TO_DEVICE);
	dma_resv_lock(ctx.exp->dmabuf->resv, NULL);
	KUNIT_EXPECT_EQ(test, 1, shrink(ALL));
	dma_resv_unlock(ctx.exp->dmabuf->resv);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_KEEP, MOCK_UNMAP);
	end(&ctx);
}

static struct kunit_case dma_buf_kept_cases[] = {
	KUNIT_CASE_PARAM(shared_for_all_users, cache_gen_params),
	KUNIT_CASE(kept_is_taken_up_again),
	KUNIT_CASE(kept_idle_changes_hands),
	KUNIT_CASE(never_kept_if_the_exporter_says_so),
	KUNIT_CASE(kept_is_no_error),
	KUNIT_CASE(another_direction_ends_what_is_kept),
	KUNIT_CASE(kept_in_use_is_for_nobody_else),
	KUNIT_CASE(kept_unmapped_twice_warns),
	KUNIT_CASE(other_unmapped_twice_warns),
	KUNIT_CASE(detach_ends_what_is_in_use),
	KUNIT_CASE(move_ends_what_is_kept),
	KUNIT_CASE(move_ends_what_is_unmapped_for_it),
	KUNIT_CASE(move_leaves_what_is_in_use),
	KUNIT_CASE(shrink_ends_what_is_kept),
	KUNIT_CASE(shrink_leaves_what_is_in_use),
	KUNIT_CASE(shrink_spares_what_is_used),
	KUNIT_CASE(shrink_takes_no_reservation_lock),
	{}
};

static struct kunit_suite dma_buf_kept_suite = {
	.name = "dma_buf_kept",
	.test_cases = dma_buf_kept_cases,
};

kunit_test_suite(dma_buf_kept_suite);

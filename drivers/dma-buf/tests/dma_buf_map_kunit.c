// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an attachment is used for: mapping the memory for a device, pinning it,
 * and being told that it moves; calls out of balance among them.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/dma-direction.h>
#include <linux/scatterlist.h>

#include "../buffer/dma-buf-internal.h"
#include "mock.h"

#define SIZE (3 * PAGE_SIZE)
#define MOVES IS_ENABLED(CONFIG_DMABUF_MOVE_NOTIFY)

struct ctx {
	struct mock_exporter *exp;
	struct mock_importer *imp;
	struct dma_buf_attachment *attach;
};

/* An attachment with nothing logged so far. */
static struct ctx begin(struct kunit *test, unsigned int flags, bool dynamic)
{
	struct ctx ctx = { .exp = mock_exporter_export(test, SIZE, flags) };

	ctx.imp = mock_importer_create(test, "imp", ctx.exp);
	ctx.attach = mock_attach(ctx.imp, dynamic);
	atomic_set(&ctx.exp->num_logged, 0);
	return ctx;
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

static int pin(struct ctx *ctx)
{
	int ret;

	dma_resv_lock(ctx->exp->dmabuf->resv, NULL);
	ret = dma_buf_pin(ctx->attach);
	dma_resv_unlock(ctx->exp->dmabuf->resv);
	return ret;
}

static void unpin(struct ctx *ctx)
{
	dma_resv_lock(ctx->exp->dmabuf->resv, NULL);
	dma_buf_unpin(ctx->attach);
	dma_resv_unlock(ctx->exp->dmabuf->resv);
}

static void move(struct ctx *ctx)
{
	dma_resv_lock(ctx->exp->dmabuf->resv, NULL);
	dma_buf_move_notify(ctx->exp->dmabuf);
	dma_resv_unlock(ctx->exp->dmabuf->resv);
}

static void map_attachment_bad_arguments(struct kunit *test)
{
	struct ctx ctx = begin(test, 0, false);
	struct dma_buf_attachment nothing = {};

	mock_warn_begin(test);
	KUNIT_EXPECT_PTR_EQ(test, dma_buf_map_attachment(NULL, DMA_TO_DEVICE),
			    ERR_PTR(-EINVAL));
	KUNIT_EXPECT_PTR_EQ(test, dma_buf_map_attachment(&nothing,
							 DMA_TO_DEVICE),
			    ERR_PTR(-EINVAL));
	mock_warn_end(test, "dma_buf_map_attachment", 1);

	mock_warn_begin(test);
	KUNIT_EXPECT_PTR_EQ(test,
			    dma_buf_map_attachment_unlocked(NULL,
							    DMA_TO_DEVICE),
			    ERR_PTR(-EINVAL));
	mock_warn_end(test, "dma_buf_map_attachment_unlocked", 1);
	mock_warn_begin(test);
	KUNIT_EXPECT_PTR_EQ(test, map(&ctx, DMA_NONE), ERR_PTR(-EINVAL));
	mock_warn_end(test, "dma_buf_map_attachment", 1);
	MOCK_EXPECT_NO_CALLS(ctx.exp);
	end(&ctx);
}

static void unmap_attachment_bad_arguments(struct kunit *test)
{
	struct ctx ctx = begin(test, 0, false);
	struct sg_table *sgt = map(&ctx, DMA_TO_DEVICE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	mock_warn_begin(test);
	dma_buf_unmap_attachment(NULL, sgt, DMA_TO_DEVICE);
	dma_buf_unmap_attachment(ctx.attach, NULL, DMA_TO_DEVICE);
	mock_warn_end(test, "dma_buf_unmap_attachment", 1);
	mock_warn_begin(test);
	dma_buf_unmap_attachment_unlocked(NULL, sgt, DMA_TO_DEVICE);
	dma_buf_unmap_attachment_unlocked(ctx.attach, NULL, DMA_TO_DEVICE);
	mock_warn_end(test, "dma_buf_unmap_attachment_unlocked", 1);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP);
	unmap(&ctx, sgt, DMA_TO_DEVICE);
	end(&ctx);
}

/* The core keeps the table of a cached exporter; another is none of its. */
static void unmap_attachment_foreign_table(struct kunit *test)
{
	struct ctx ctx = begin(test, MOCK_CACHED, false);
	struct sg_table *sgt = map(&ctx, DMA_TO_DEVICE);
	struct sg_table foreign = {};

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	mock_warn_begin(test);
	unmap(&ctx, &foreign, DMA_TO_DEVICE);
	mock_warn_end(test, "unmap_", 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&to_attached(ctx.attach)->map_count), 1);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP);
	unmap(&ctx, sgt, DMA_TO_DEVICE);
	end(&ctx);
}

static void map_attachment_has_addresses(struct kunit *test)
{
	struct ctx ctx = begin(test, 0, false);
	struct sg_table *sgt = map(&ctx, DMA_FROM_DEVICE);
	struct scatterlist *sg;
	size_t size = 0;
	int i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	KUNIT_EXPECT_EQ(test, ctx.exp->direction, DMA_FROM_DEVICE);
	for_each_sgtable_dma_sg(sgt, sg, i) {
		KUNIT_EXPECT_NE(test, sg_dma_address(sg), 0);
		size += sg_dma_len(sg);
	}
	KUNIT_EXPECT_EQ(test, size, SIZE);
	unmap(&ctx, sgt, DMA_FROM_DEVICE);
	end(&ctx);
}

/* Importers change the table in place; another's has to stay as it is. */
static void map_attachment_tables_differ(struct kunit *test)
{
	struct ctx ctx = begin(test, 0, false);
	struct sg_table *a = map(&ctx, DMA_TO_DEVICE);
	struct sg_table *b = map(&ctx, DMA_FROM_DEVICE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, a);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, b);
	KUNIT_EXPECT_PTR_NE(test, a, b);
	KUNIT_EXPECT_PTR_NE(test, a->sgl, b->sgl);
	unmap(&ctx, a, DMA_TO_DEVICE);
	unmap(&ctx, b, DMA_FROM_DEVICE);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_MAP, MOCK_UNMAP, MOCK_UNMAP);
	end(&ctx);
}

static void map_attachment_fails(struct kunit *test)
{
	struct ctx ctx = begin(test, 0, false);

	ctx.exp->fail[MOCK_MAP] = -EIO;
	KUNIT_EXPECT_PTR_EQ(test, map(&ctx, DMA_TO_DEVICE), ERR_PTR(-EIO));
	ctx.exp->fail[MOCK_MAP] = 0;
	ctx.exp->map_null = true;
	KUNIT_EXPECT_PTR_EQ(test, map(&ctx, DMA_TO_DEVICE), ERR_PTR(-ENOMEM));
	KUNIT_EXPECT_FALSE(test, dma_resv_is_locked(ctx.exp->dmabuf->resv));
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_MAP);
	end(&ctx);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_DETACH, MOCK_RELEASE);
}

/*
 * An exporter that ignores what the DMA API has merged ends with some. Importers
 * of 6.12 cope with that.
 */
static void map_attachment_empty_segment(struct kunit *test)
{
	struct ctx ctx = begin(test, 0, false);
	struct sg_table *sgt;

	ctx.exp->map_empty_segment = true;
	mock_warn_begin(test);
	sgt = map(&ctx, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	unmap(&ctx, sgt, DMA_TO_DEVICE);
	mock_warn_end(test, "nowhere", 0);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_UNMAP);
	end(&ctx);
}

struct wait_param {
	const char *desc;
	enum dma_resv_usage usage;
	bool dynamic;
	/* There is a mapping from an earlier time. */
	bool kept;
	bool waits;
};

static const struct wait_param wait_params[] = {
	{ "static, kernel", DMA_RESV_USAGE_KERNEL, false, false, true },
	{ "static, write", DMA_RESV_USAGE_WRITE, false, false, false },
	{ "static, read", DMA_RESV_USAGE_READ, false, false, false },
	{ "static, bookkeep", DMA_RESV_USAGE_BOOKKEEP, false, false, false },
	{ "dynamic, kernel", DMA_RESV_USAGE_KERNEL, true, false, false },
	{ "static, kernel, kept", DMA_RESV_USAGE_KERNEL, false, true, true },
	{ "static, write, kept", DMA_RESV_USAGE_WRITE, false, true, false },
	{ "dynamic, kernel, kept", DMA_RESV_USAGE_KERNEL, true, true, false },
};

KUNIT_ARRAY_PARAM_DESC(wait, wait_params, desc);

/* A pending signal ends a wait: that tells whether there is one. */
static void map_attachment_waits(struct kunit *test)
{
	const struct wait_param *param = test->param_value;
	struct ctx ctx = begin(test, (param->dynamic ? MOCK_DYNAMIC : 0) |
			       (param->kept ? MOCK_KEPT : 0), param->dynamic);
	struct mock_timeline *timeline = mock_timeline_create(test, "tl");
	struct dma_fence *fence = mock_fence_create(timeline);
	struct sg_table *sgt;

	if (param->kept) {
		ctx.exp->keep = DMA_BUF_KEEP_IDLE;
		sgt = map(&ctx, DMA_TO_DEVICE);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
		unmap(&ctx, sgt, DMA_TO_DEVICE);
		atomic_set(&ctx.exp->num_logged, 0);
	}
	mock_resv_add(test, ctx.exp->dmabuf->resv, fence, param->usage);
	mock_signal_begin();
	sgt = map(&ctx, DMA_TO_DEVICE);
	mock_signal_end();
	if (param->waits) {
		KUNIT_EXPECT_PTR_EQ(test, sgt, ERR_PTR(-ERESTARTSYS));
		if (param->kept)
			MOCK_EXPECT_NO_CALLS(ctx.exp);
		else
			MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_UNMAP);
	} else {
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
		unmap(&ctx, sgt, DMA_TO_DEVICE);
		/* Where mapping pins nothing is kept. */
		if (param->kept && (MOVES || !param->dynamic))
			MOCK_EXPECT_LOG(ctx.exp, MOCK_BEGIN_DEVICE,
					MOCK_END_DEVICE);
	}

	dma_fence_signal(fence);
	sgt = map(&ctx, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	unmap(&ctx, sgt, DMA_TO_DEVICE);
	dma_fence_put(fence);
	end(&ctx);
}

static void unmap_attachment_twice(struct kunit *test)
{
	struct ctx ctx = begin(test, 0, false);
	struct sg_table *sgt = map(&ctx, DMA_TO_DEVICE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	unmap(&ctx, sgt, DMA_TO_DEVICE);
	mock_warn_begin(test);
	unmap(&ctx, sgt, DMA_TO_DEVICE);
	unmap(&ctx, sgt, DMA_TO_DEVICE);
	mock_warn_end(test, "unmap_", 1);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_UNMAP);
	end(&ctx);
}

static void pin_counts(struct kunit *test)
{
	struct ctx ctx = begin(test, MOCK_DYNAMIC, true);

	KUNIT_EXPECT_EQ(test, pin(&ctx), 0);
	KUNIT_EXPECT_EQ(test, pin(&ctx), 0);
	KUNIT_EXPECT_EQ(test, to_attached(ctx.attach)->pin_count, 2);
	unpin(&ctx);
	unpin(&ctx);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_PIN, MOCK_PIN, MOCK_UNPIN, MOCK_UNPIN);
	end(&ctx);
}

static void pin_fails(struct kunit *test)
{
	struct ctx ctx = begin(test, MOCK_DYNAMIC, true);

	ctx.exp->fail[MOCK_PIN] = -ENOSPC;
	KUNIT_EXPECT_EQ(test, pin(&ctx), -ENOSPC);
	KUNIT_EXPECT_EQ(test, to_attached(ctx.attach)->pin_count, 0);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_PIN);
	end(&ctx);
}

static void pin_static_exporter(struct kunit *test)
{
	struct ctx ctx = begin(test, MOCK_STATIC, true);

	KUNIT_EXPECT_EQ(test, pin(&ctx), 0);
	unpin(&ctx);
	MOCK_EXPECT_NO_CALLS(ctx.exp);
	end(&ctx);
}

static void pin_static_importer(struct kunit *test)
{
	struct ctx ctx = begin(test, MOCK_DYNAMIC, false);

	mock_warn_begin(test);
	KUNIT_EXPECT_EQ(test, pin(&ctx), 0);
	mock_warn_end(test, "dma_buf_pin", 1);
	mock_warn_begin(test);
	unpin(&ctx);
	mock_warn_end(test, "dma_buf_unpin", 1);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_PIN, MOCK_UNPIN);
	end(&ctx);
}

static void unpin_not_pinned(struct kunit *test)
{
	struct ctx ctx = begin(test, MOCK_DYNAMIC, true);

	KUNIT_EXPECT_EQ(test, pin(&ctx), 0);
	unpin(&ctx);
	mock_warn_begin(test);
	unpin(&ctx);
	mock_warn_end(test, "dma_buf_unpin", 1);
	/* The exporter's count does not go below zero. */
	MOCK_EXPECT_LOG(ctx.exp, MOCK_PIN, MOCK_UNPIN);
	KUNIT_EXPECT_EQ(test, pin(&ctx), 0);
	unpin(&ctx);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_PIN, MOCK_UNPIN);
	end(&ctx);
}

/* Where importers follow moves, memory that cannot be pinned will do. */
static void map_attachment_pin_fails(struct kunit *test)
{
	struct ctx ctx = begin(test, MOCK_DYNAMIC, true);
	struct sg_table *sgt;

	ctx.exp->fail[MOCK_PIN] = -ENOSPC;
	sgt = map(&ctx, DMA_TO_DEVICE);
	if (MOVES) {
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
		unmap(&ctx, sgt, DMA_TO_DEVICE);
		MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_UNMAP);
	} else {
		KUNIT_EXPECT_PTR_EQ(test, sgt, ERR_PTR(-ENOSPC));
		MOCK_EXPECT_LOG(ctx.exp, MOCK_PIN);
		ctx.exp->fail[MOCK_PIN] = 0;
		ctx.exp->fail[MOCK_MAP] = -EIO;
		KUNIT_EXPECT_PTR_EQ(test, map(&ctx, DMA_TO_DEVICE),
				    ERR_PTR(-EIO));
		MOCK_EXPECT_LOG(ctx.exp, MOCK_PIN, MOCK_MAP, MOCK_UNPIN);
	}
	end(&ctx);
}

static void move_notify_mapped(struct kunit *test)
{
	struct ctx ctx = begin(test, MOCK_DYNAMIC, true);
	struct sg_table *sgt;

	/* Who is still setting up is not called. */
	move(&ctx);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx.imp->notified), 0);
	sgt = map(&ctx, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	move(&ctx);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx.imp->notified), 1);
	/* Mapped means until it is unmapped, not until it is told. */
	move(&ctx);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx.imp->notified), 2);
	unmap(&ctx, sgt, DMA_TO_DEVICE);
	move(&ctx);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx.imp->notified), 2);
	end(&ctx);
}

static void move_notify_pinned(struct kunit *test)
{
	struct ctx ctx = begin(test, MOCK_DYNAMIC, true);

	KUNIT_EXPECT_EQ(test, pin(&ctx), 0);
	move(&ctx);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx.imp->notified), 1);
	unpin(&ctx);
	move(&ctx);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx.imp->notified), 1);
	end(&ctx);
}

static void move_notify_only_dynamic(struct kunit *test)
{
	struct ctx ctx = begin(test, MOCK_DYNAMIC, true);
	struct mock_importer *still = mock_importer_create(test, "static",
							   ctx.exp);
	struct dma_buf_attachment *attach = mock_attach(still, false);
	struct sg_table *a = map(&ctx, DMA_TO_DEVICE);
	struct sg_table *b = dma_buf_map_attachment_unlocked(attach,
							     DMA_TO_DEVICE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, a);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, b);
	move(&ctx);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx.imp->notified), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&still->notified), 0);
	unmap(&ctx, a, DMA_TO_DEVICE);
	dma_buf_unmap_attachment_unlocked(attach, b, DMA_TO_DEVICE);
	dma_buf_detach(ctx.exp->dmabuf, attach);
	end(&ctx);
}

static void unmap_and_unpin(struct dma_buf_attachment *attach)
{
	struct mock_importer *imp = attach->importer_priv;

	dma_buf_unmap_attachment(attach, imp->sgt, DMA_TO_DEVICE);
	imp->sgt = NULL;
	if (to_attached(attach)->pin_count)
		dma_buf_unpin(attach);
}

static void move_notify_unmaps(struct kunit *test)
{
	struct ctx ctx = begin(test, MOCK_DYNAMIC, true);

	ctx.imp->on_move = unmap_and_unpin;
	for (int i = 1; i <= 2; i++) {
		ctx.imp->sgt = map(&ctx, DMA_TO_DEVICE);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ctx.imp->sgt);
		KUNIT_EXPECT_EQ(test, pin(&ctx), 0);
		atomic_set(&ctx.exp->num_logged, 0);
		move(&ctx);
		KUNIT_EXPECT_EQ(test, atomic_read(&ctx.imp->notified), i);
		/* With nothing left it is not told again. */
		move(&ctx);
		KUNIT_EXPECT_EQ(test, atomic_read(&ctx.imp->notified), i);
	}
	if (MOVES)
		MOCK_EXPECT_LOG(ctx.exp, MOCK_MOVE_NOTIFY, MOCK_UNMAP,
				MOCK_UNPIN);
	else
		MOCK_EXPECT_LOG(ctx.exp, MOCK_MOVE_NOTIFY, MOCK_UNMAP,
				MOCK_UNPIN, MOCK_UNPIN);
	end(&ctx);
}

static struct kunit_case dma_buf_map_cases[] = {
	KUNIT_CASE(map_attachment_bad_arguments),
	KUNIT_CASE(unmap_attachment_bad_arguments),
	KUNIT_CASE(unmap_attachment_foreign_table),
	KUNIT_CASE(map_attachment_has_addresses),
	KUNIT_CASE(map_attachment_tables_differ),
	KUNIT_CASE(map_attachment_fails),
	KUNIT_CASE(map_attachment_empty_segment),
	KUNIT_CASE_PARAM(map_attachment_waits, wait_gen_params),
	KUNIT_CASE(unmap_attachment_twice),
	KUNIT_CASE(pin_counts),
	KUNIT_CASE(pin_fails),
	KUNIT_CASE(pin_static_exporter),
	KUNIT_CASE(pin_static_importer),
	KUNIT_CASE(unpin_not_pinned),
	KUNIT_CASE(map_attachment_pin_fails),
	KUNIT_CASE(move_notify_mapped),
	KUNIT_CASE(move_notify_pinned),
	KUNIT_CASE(move_notify_only_dynamic),
	KUNIT_CASE(move_notify_unmaps),
	{}
};

static struct kunit_suite dma_buf_map_suite = {
	.name = "dma_buf_map",
	.test_cases = dma_buf_map_cases,
};

kunit_test_suite(dma_buf_map_suite);

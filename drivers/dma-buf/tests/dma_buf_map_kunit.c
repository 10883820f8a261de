// SPDX-License-Identifier: GPL-2.0-only
/*
 * Use of an attachment: map, pin and move_notify, also with unbalanced calls.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/dma-direction.h>
#include <linux/scatterlist.h>

#include "../buffer/dma-buf-internal.h"
#include "mock_attach.h"

static struct mock_attachment begin(struct kunit *test, unsigned int flags,
				    bool dynamic)
{
	return mock_attachment_begin(test, NULL, flags, dynamic,
				     DMA_BUF_KEEP_NEVER);
}

static void map_attachment_bad_arguments(struct kunit *test)
{
	struct mock_attachment att = begin(test, 0, false);
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
	KUNIT_EXPECT_PTR_EQ(test, mock_map(&att, DMA_NONE), ERR_PTR(-EINVAL));
	mock_warn_end(test, "dma_buf_map_attachment", 1);
	MOCK_EXPECT_NO_CALLS(att.exp);
	mock_attachment_end(&att);
}

static void unmap_attachment_bad_arguments(struct kunit *test)
{
	struct mock_attachment att = begin(test, 0, false);
	struct sg_table *sgt = mock_map(&att, DMA_TO_DEVICE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	mock_warn_begin(test);
	dma_buf_unmap_attachment(NULL, sgt, DMA_TO_DEVICE);
	dma_buf_unmap_attachment(att.attach, NULL, DMA_TO_DEVICE);
	mock_warn_end(test, "dma_buf_unmap_attachment", 1);
	mock_warn_begin(test);
	dma_buf_unmap_attachment_unlocked(NULL, sgt, DMA_TO_DEVICE);
	dma_buf_unmap_attachment_unlocked(att.attach, NULL, DMA_TO_DEVICE);
	mock_warn_end(test, "dma_buf_unmap_attachment_unlocked", 1);
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP);
	mock_unmap(&att, sgt, DMA_TO_DEVICE);
	mock_attachment_end(&att);
}

/* An importer of a caching exporter may give back the shared table only. */
static void unmap_attachment_foreign_table(struct kunit *test)
{
	struct mock_attachment att = begin(test, MOCK_CACHED, false);
	struct sg_table *sgt = mock_map(&att, DMA_TO_DEVICE);
	struct sg_table foreign = {};

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	mock_warn_begin(test);
	mock_unmap(&att, &foreign, DMA_TO_DEVICE);
	mock_warn_end(test, "unmap_", 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&to_attached(att.attach)->map_count), 1);
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP);
	mock_unmap(&att, sgt, DMA_TO_DEVICE);
	mock_attachment_end(&att);
}

static void map_attachment_has_addresses(struct kunit *test)
{
	struct mock_attachment att = begin(test, 0, false);
	struct sg_table *sgt = mock_map(&att, DMA_FROM_DEVICE);
	struct scatterlist *sg;
	size_t size = 0;
	int i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	KUNIT_EXPECT_EQ(test, att.exp->direction, DMA_FROM_DEVICE);
	for_each_sgtable_dma_sg(sgt, sg, i) {
		KUNIT_EXPECT_NE(test, sg_dma_address(sg), 0);
		size += sg_dma_len(sg);
	}
	KUNIT_EXPECT_EQ(test, size, MOCK_ATTACH_SIZE);
	mock_unmap(&att, sgt, DMA_FROM_DEVICE);
	mock_attachment_end(&att);
}

/* Importers change their table in place, which must not show in another one. */
static void map_attachment_tables_differ(struct kunit *test)
{
	struct mock_attachment att = begin(test, 0, false);
	struct sg_table *a = mock_map(&att, DMA_TO_DEVICE);
	struct sg_table *b = mock_map(&att, DMA_FROM_DEVICE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, a);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, b);
	KUNIT_EXPECT_PTR_NE(test, a, b);
	KUNIT_EXPECT_PTR_NE(test, a->sgl, b->sgl);
	mock_unmap(&att, a, DMA_TO_DEVICE);
	mock_unmap(&att, b, DMA_FROM_DEVICE);
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_MAP, MOCK_UNMAP, MOCK_UNMAP);
	mock_attachment_end(&att);
}

static void map_attachment_fails(struct kunit *test)
{
	struct mock_attachment att = begin(test, 0, false);

	att.exp->fail[MOCK_MAP] = -EIO;
	KUNIT_EXPECT_PTR_EQ(test, mock_map(&att, DMA_TO_DEVICE), ERR_PTR(-EIO));
	att.exp->fail[MOCK_MAP] = 0;
	att.exp->map_null = true;
	KUNIT_EXPECT_PTR_EQ(test, mock_map(&att, DMA_TO_DEVICE),
			    ERR_PTR(-ENOMEM));
	KUNIT_EXPECT_FALSE(test, dma_resv_is_locked(att.exp->dmabuf->resv));
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_MAP);
	mock_attachment_end(&att);
	MOCK_EXPECT_LOG(att.exp, MOCK_DETACH, MOCK_RELEASE);
}

/*
 * An exporter that ignores merging by the DMA API hands out empty segments at
 * the end. Importers of 6.12 cope with that.
 */
static void map_attachment_empty_segment(struct kunit *test)
{
	struct mock_attachment att = begin(test, 0, false);
	struct sg_table *sgt;

	att.exp->map_empty_segment = true;
	mock_warn_begin(test);
	sgt = mock_map(&att, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	mock_unmap(&att, sgt, DMA_TO_DEVICE);
	mock_warn_end(test, "nowhere", 0);
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_UNMAP);
	mock_attachment_end(&att);
}

struct wait_param {
	const char *desc;
	enum dma_resv_usage usage;
	bool dynamic;
	/* An idle kept mapping exists. */
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

/* A pending signal ends a wait, and so shows whether there is one. */
static void map_attachment_waits(struct kunit *test)
{
	const struct wait_param *param = test->param_value;
	struct mock_attachment att = begin(test, (param->dynamic ? MOCK_DYNAMIC : 0) |
			       (param->kept ? MOCK_KEPT : 0), param->dynamic);
	struct mock_timeline *timeline = mock_timeline_create(test, "tl");
	struct dma_fence *fence = mock_fence_create(timeline);
	struct sg_table *sgt;

	if (param->kept) {
		att.exp->keep = DMA_BUF_KEEP_IDLE;
		sgt = mock_map(&att, DMA_TO_DEVICE);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
		mock_unmap(&att, sgt, DMA_TO_DEVICE);
		atomic_set(&att.exp->num_logged, 0);
	}
	mock_resv_add(test, att.exp->dmabuf->resv, fence, param->usage);
	mock_signal_begin();
	sgt = mock_map(&att, DMA_TO_DEVICE);
	mock_signal_end();
	if (param->waits) {
		KUNIT_EXPECT_PTR_EQ(test, sgt, ERR_PTR(-ERESTARTSYS));
		if (param->kept)
			MOCK_EXPECT_NO_CALLS(att.exp);
		else
			MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_UNMAP);
	} else {
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
		mock_unmap(&att, sgt, DMA_TO_DEVICE);
		/* Nothing is kept where a map pins the memory. */
		if (param->kept && (MOCK_MOVES || !param->dynamic))
			MOCK_EXPECT_LOG(att.exp, MOCK_BEGIN_DEVICE,
					MOCK_END_DEVICE);
	}

	dma_fence_signal(fence);
	sgt = mock_map(&att, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	mock_unmap(&att, sgt, DMA_TO_DEVICE);
	dma_fence_put(fence);
	mock_attachment_end(&att);
}

static void unmap_attachment_twice(struct kunit *test)
{
	struct mock_attachment att = begin(test, 0, false);
	struct sg_table *sgt = mock_map(&att, DMA_TO_DEVICE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	mock_unmap(&att, sgt, DMA_TO_DEVICE);
	mock_warn_begin(test);
	mock_unmap(&att, sgt, DMA_TO_DEVICE);
	mock_unmap(&att, sgt, DMA_TO_DEVICE);
	mock_warn_end(test, "unmap_", 1);
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_UNMAP);
	mock_attachment_end(&att);
}

static void pin_counts(struct kunit *test)
{
	struct mock_attachment att = begin(test, MOCK_DYNAMIC, true);

	KUNIT_EXPECT_EQ(test, mock_pin(&att), 0);
	KUNIT_EXPECT_EQ(test, mock_pin(&att), 0);
	KUNIT_EXPECT_EQ(test, to_attached(att.attach)->pin_count, 2);
	mock_unpin(&att);
	mock_unpin(&att);
	MOCK_EXPECT_LOG(att.exp, MOCK_PIN, MOCK_PIN, MOCK_UNPIN, MOCK_UNPIN);
	mock_attachment_end(&att);
}

static void pin_fails(struct kunit *test)
{
	struct mock_attachment att = begin(test, MOCK_DYNAMIC, true);

	att.exp->fail[MOCK_PIN] = -ENOSPC;
	KUNIT_EXPECT_EQ(test, mock_pin(&att), -ENOSPC);
	KUNIT_EXPECT_EQ(test, to_attached(att.attach)->pin_count, 0);
	MOCK_EXPECT_LOG(att.exp, MOCK_PIN);
	mock_attachment_end(&att);
}

static void pin_static_exporter(struct kunit *test)
{
	struct mock_attachment att = begin(test, MOCK_STATIC, true);

	KUNIT_EXPECT_EQ(test, mock_pin(&att), 0);
	mock_unpin(&att);
	MOCK_EXPECT_NO_CALLS(att.exp);
	mock_attachment_end(&att);
}

static void pin_static_importer(struct kunit *test)
{
	struct mock_attachment att = begin(test, MOCK_DYNAMIC, false);

	mock_warn_begin(test);
	KUNIT_EXPECT_EQ(test, mock_pin(&att), 0);
	mock_warn_end(test, "dma_buf_pin", 1);
	mock_warn_begin(test);
	mock_unpin(&att);
	mock_warn_end(test, "dma_buf_unpin", 1);
	MOCK_EXPECT_LOG(att.exp, MOCK_PIN, MOCK_UNPIN);
	mock_attachment_end(&att);
}

static void unpin_not_pinned(struct kunit *test)
{
	struct mock_attachment att = begin(test, MOCK_DYNAMIC, true);

	KUNIT_EXPECT_EQ(test, mock_pin(&att), 0);
	mock_unpin(&att);
	mock_warn_begin(test);
	mock_unpin(&att);
	mock_warn_end(test, "dma_buf_unpin", 1);
	/* The surplus unpin does not reach the exporter. */
	MOCK_EXPECT_LOG(att.exp, MOCK_PIN, MOCK_UNPIN);
	KUNIT_EXPECT_EQ(test, mock_pin(&att), 0);
	mock_unpin(&att);
	MOCK_EXPECT_LOG(att.exp, MOCK_PIN, MOCK_UNPIN);
	mock_attachment_end(&att);
}

/* With move_notify a dynamic importer maps memory that cannot be pinned. */
static void map_attachment_pin_fails(struct kunit *test)
{
	struct mock_attachment att = begin(test, MOCK_DYNAMIC, true);
	struct sg_table *sgt;

	att.exp->fail[MOCK_PIN] = -ENOSPC;
	sgt = mock_map(&att, DMA_TO_DEVICE);
	if (MOCK_MOVES) {
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
		mock_unmap(&att, sgt, DMA_TO_DEVICE);
		MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_UNMAP);
	} else {
		KUNIT_EXPECT_PTR_EQ(test, sgt, ERR_PTR(-ENOSPC));
		MOCK_EXPECT_LOG(att.exp, MOCK_PIN);
		att.exp->fail[MOCK_PIN] = 0;
		att.exp->fail[MOCK_MAP] = -EIO;
		KUNIT_EXPECT_PTR_EQ(test, mock_map(&att, DMA_TO_DEVICE),
				    ERR_PTR(-EIO));
		MOCK_EXPECT_LOG(att.exp, MOCK_PIN, MOCK_MAP, MOCK_UNPIN);
	}
	mock_attachment_end(&att);
}

static void move_notify_mapped(struct kunit *test)
{
	struct mock_attachment att = begin(test, MOCK_DYNAMIC, true);
	struct sg_table *sgt;

	/* An importer without a mapping is not told. */
	mock_move(&att);
	KUNIT_EXPECT_EQ(test, atomic_read(&att.imp->notified), 0);
	sgt = mock_map(&att, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	mock_move(&att);
	KUNIT_EXPECT_EQ(test, atomic_read(&att.imp->notified), 1);
	/* It is told about every move until it unmaps. */
	mock_move(&att);
	KUNIT_EXPECT_EQ(test, atomic_read(&att.imp->notified), 2);
	mock_unmap(&att, sgt, DMA_TO_DEVICE);
	mock_move(&att);
	KUNIT_EXPECT_EQ(test, atomic_read(&att.imp->notified), 2);
	mock_attachment_end(&att);
}

static void move_on_map(struct mock_exporter *exp, enum mock_op op)
{
	if (op == MOCK_MAP)
		dma_buf_move_notify(exp->dmabuf);
}

/*
 * Some exporters move the memory to map it. The importer is in the middle of
 * its map then, and must not be called.
 */
static void move_notify_while_mapping(struct kunit *test)
{
	struct mock_attachment att = begin(test, MOCK_DYNAMIC, true);

	att.exp->hook = move_on_map;
	mock_map_once(test, &att, DMA_TO_DEVICE);
	mock_map_once(test, &att, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, atomic_read(&att.imp->notified), 0);
	mock_attachment_end(&att);
}

static void move_notify_pinned(struct kunit *test)
{
	struct mock_attachment att = begin(test, MOCK_DYNAMIC, true);

	KUNIT_EXPECT_EQ(test, mock_pin(&att), 0);
	mock_move(&att);
	KUNIT_EXPECT_EQ(test, atomic_read(&att.imp->notified), 1);
	mock_unpin(&att);
	mock_move(&att);
	KUNIT_EXPECT_EQ(test, atomic_read(&att.imp->notified), 1);
	mock_attachment_end(&att);
}

static void move_notify_only_dynamic(struct kunit *test)
{
	struct mock_attachment att = begin(test, MOCK_DYNAMIC, true);
	struct mock_importer *still = mock_importer_create(test, "static",
							   att.exp);
	struct dma_buf_attachment *attach = mock_attach(still, false);
	struct sg_table *a = mock_map(&att, DMA_TO_DEVICE);
	struct sg_table *b = dma_buf_map_attachment_unlocked(attach,
							     DMA_TO_DEVICE);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, a);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, b);
	mock_move(&att);
	KUNIT_EXPECT_EQ(test, atomic_read(&att.imp->notified), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&still->notified), 0);
	mock_unmap(&att, a, DMA_TO_DEVICE);
	dma_buf_unmap_attachment_unlocked(attach, b, DMA_TO_DEVICE);
	dma_buf_detach(att.exp->dmabuf, attach);
	mock_attachment_end(&att);
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
	struct mock_attachment att = begin(test, MOCK_DYNAMIC, true);

	att.imp->on_move = unmap_and_unpin;
	for (int i = 1; i <= 2; i++) {
		att.imp->sgt = mock_map(&att, DMA_TO_DEVICE);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, att.imp->sgt);
		KUNIT_EXPECT_EQ(test, mock_pin(&att), 0);
		atomic_set(&att.exp->num_logged, 0);
		mock_move(&att);
		KUNIT_EXPECT_EQ(test, atomic_read(&att.imp->notified), i);
		/* After it has given everything back it is not told again. */
		mock_move(&att);
		KUNIT_EXPECT_EQ(test, atomic_read(&att.imp->notified), i);
	}
	if (MOCK_MOVES)
		MOCK_EXPECT_LOG(att.exp, MOCK_MOVE_NOTIFY, MOCK_UNMAP,
				MOCK_UNPIN);
	else
		MOCK_EXPECT_LOG(att.exp, MOCK_MOVE_NOTIFY, MOCK_UNMAP,
				MOCK_UNPIN, MOCK_UNPIN);
	mock_attachment_end(&att);
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
	KUNIT_CASE(move_notify_while_mapping),
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

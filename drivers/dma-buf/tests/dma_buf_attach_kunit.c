// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attaching a device: which calls reach the exporter and in which order, how
 * each failure is undone, and the list of attachments. Mapping and pinning are
 * in dma_buf_map_kunit.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/dma-direction.h>
#include <linux/list.h>

#include "../buffer/dma-buf-internal.h"
#include "mock_attach.h"

#define SIZE MOCK_ATTACH_SIZE

static unsigned int count_attachments(struct dma_buf *dmabuf)
{
	return list_count_nodes(&dmabuf->attachments);
}

static const struct dma_buf_attach_ops no_move_notify = {
	.allow_peer2peer = true,
};

static void dynamic_attach_bad_arguments(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct mock_importer *imp = mock_importer_create(test, "imp", exp);

	mock_warn_begin(test);
	KUNIT_EXPECT_PTR_EQ(test, dma_buf_attach(NULL, imp->dev),
			    ERR_PTR(-EINVAL));
	KUNIT_EXPECT_PTR_EQ(test, dma_buf_attach(exp->dmabuf, NULL),
			    ERR_PTR(-EINVAL));
	KUNIT_EXPECT_PTR_EQ(test, dma_buf_dynamic_attach(exp->dmabuf, imp->dev,
							 &no_move_notify,
							 imp),
			    ERR_PTR(-EINVAL));
	mock_warn_end(test, "dma_buf_dynamic_attach", 1);
	MOCK_EXPECT_NO_CALLS(exp);
	mock_exporter_put_last(exp);
}

static void attach_no_ops(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_create(test, SIZE, 0);
	struct mock_importer *imp = mock_importer_create(test, "imp", exp);
	struct dma_buf_attachment *attach;

	exp->ops.attach = NULL;
	exp->ops.detach = NULL;
	mock_export(exp);
	attach = mock_attach(imp, false);
	KUNIT_EXPECT_EQ(test, count_attachments(exp->dmabuf), 1);
	dma_buf_detach(exp->dmabuf, attach);
	KUNIT_EXPECT_EQ(test, count_attachments(exp->dmabuf), 0);
	MOCK_EXPECT_NO_CALLS(exp);
	mock_exporter_put_last(exp);
}

/* The attachment is published after attach and unpublished before detach. */
static void check_in_attach(struct mock_exporter *exp, enum mock_op op)
{
	if (op == MOCK_ATTACH || op == MOCK_DETACH)
		KUNIT_EXPECT_EQ(exp->test, count_attachments(exp->dmabuf), 0);
	/* Exporters look at all attachments when they pin and map. */
	if (op == MOCK_PIN || op == MOCK_MAP)
		KUNIT_EXPECT_EQ(exp->test, count_attachments(exp->dmabuf), 1);
}

static struct dma_buf_attachment seen;

static int keep_attachment(struct dma_buf *dmabuf,
			   struct dma_buf_attachment *attach)
{
	seen = *attach;
	attach->priv = dmabuf->priv;
	return 0;
}

static void attach_fills_in(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_create(test, SIZE, 0);
	struct mock_importer *imp = mock_importer_create(test, "imp", exp);
	struct dma_buf_attachment *attach;

	exp->ops.attach = keep_attachment;
	exp->hook = check_in_attach;
	mock_export(exp);
	attach = mock_attach(imp, true);
	KUNIT_EXPECT_PTR_EQ(test, seen.dmabuf, exp->dmabuf);
	KUNIT_EXPECT_PTR_EQ(test, seen.dev, imp->dev);
	KUNIT_EXPECT_PTR_EQ(test, seen.importer_ops, &mock_attach_ops);
	KUNIT_EXPECT_PTR_EQ(test, seen.importer_priv, imp);
	KUNIT_EXPECT_PTR_EQ(test, attach->priv, exp);
	KUNIT_EXPECT_TRUE(test, dma_buf_attachment_is_dynamic(attach));
	KUNIT_EXPECT_EQ(test, count_attachments(exp->dmabuf), 1);
	dma_buf_detach(exp->dmabuf, attach);

	attach = mock_attach(imp, false);
	KUNIT_EXPECT_NULL(test, seen.importer_ops);
	KUNIT_EXPECT_FALSE(test, dma_buf_attachment_is_dynamic(attach));
	dma_buf_detach(exp->dmabuf, attach);
	mock_exporter_put_last(exp);
}

static int refuse_peer2peer(struct dma_buf *dmabuf,
			    struct dma_buf_attachment *attach)
{
	attach->peer2peer = false;
	return 0;
}

static void attach_peer2peer(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct mock_importer *imp = mock_importer_create(test, "imp", exp);
	struct dma_buf_attachment *attach;

	attach = dma_buf_dynamic_attach(exp->dmabuf, imp->dev,
					&mock_attach_ops_p2p, imp);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	KUNIT_EXPECT_TRUE(test, attach->peer2peer);
	dma_buf_detach(exp->dmabuf, attach);

	attach = mock_attach(imp, true);
	KUNIT_EXPECT_FALSE(test, attach->peer2peer);
	dma_buf_detach(exp->dmabuf, attach);

	attach = mock_attach(imp, false);
	KUNIT_EXPECT_FALSE(test, attach->peer2peer);
	dma_buf_detach(exp->dmabuf, attach);

	exp->ops.attach = refuse_peer2peer;
	attach = dma_buf_dynamic_attach(exp->dmabuf, imp->dev,
					&mock_attach_ops_p2p, imp);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	KUNIT_EXPECT_FALSE(test, attach->peer2peer);
	dma_buf_detach(exp->dmabuf, attach);
	mock_exporter_put_last(exp);
}

#define MAX_LOG 4

/* MOCK_NUM_OPS ends each list. */
struct matrix_param {
	const char *desc;
	unsigned int flags;
	bool dynamic;
	enum mock_op attach[MAX_LOG];
	enum mock_op map[MAX_LOG];
	enum mock_op unmap[MAX_LOG];
	enum mock_op detach[MAX_LOG];
};

#define NOTHING { MOCK_NUM_OPS }

static const struct matrix_param matrix_params[] = {
	{
		"static exporter, static importer", MOCK_STATIC, false,
		{ MOCK_ATTACH, MOCK_NUM_OPS },
		{ MOCK_MAP, MOCK_NUM_OPS },
		{ MOCK_UNMAP, MOCK_NUM_OPS },
		{ MOCK_DETACH, MOCK_NUM_OPS },
	}, {
		"caching exporter, static importer", MOCK_CACHED, false,
		{ MOCK_ATTACH, MOCK_NUM_OPS },
		{ MOCK_MAP, MOCK_NUM_OPS },
		NOTHING,
		{ MOCK_UNMAP, MOCK_DETACH, MOCK_NUM_OPS },
	}, {
		"dynamic exporter, static importer", MOCK_DYNAMIC, false,
		{ MOCK_ATTACH, MOCK_PIN, MOCK_MAP, MOCK_NUM_OPS },
		NOTHING,
		NOTHING,
		{ MOCK_UNMAP, MOCK_UNPIN, MOCK_DETACH, MOCK_NUM_OPS },
	}, {
		"static exporter, dynamic importer", MOCK_STATIC, true,
		{ MOCK_ATTACH, MOCK_MAP, MOCK_NUM_OPS },
		NOTHING,
		NOTHING,
		{ MOCK_UNMAP, MOCK_DETACH, MOCK_NUM_OPS },
	}, {
		"caching exporter, dynamic importer", MOCK_CACHED, true,
		{ MOCK_ATTACH, MOCK_MAP, MOCK_NUM_OPS },
		NOTHING,
		NOTHING,
		{ MOCK_UNMAP, MOCK_DETACH, MOCK_NUM_OPS },
	}, {
		"dynamic exporter, dynamic importer", MOCK_DYNAMIC, true,
		{ MOCK_ATTACH, MOCK_NUM_OPS },
#if MOCK_MOVES
		{ MOCK_MAP, MOCK_NUM_OPS },
		{ MOCK_UNMAP, MOCK_NUM_OPS },
#else
		{ MOCK_PIN, MOCK_MAP, MOCK_NUM_OPS },
		{ MOCK_UNMAP, MOCK_UNPIN, MOCK_NUM_OPS },
#endif
		{ MOCK_DETACH, MOCK_NUM_OPS },
	},
};

KUNIT_ARRAY_PARAM_DESC(matrix, matrix_params, desc);

static void attach_map_matrix(struct kunit *test)
{
	const struct matrix_param *param = test->param_value;
	struct mock_exporter *exp = mock_exporter_export(test, SIZE,
							 param->flags);
	struct mock_importer *imp = mock_importer_create(test, "imp", exp);
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;

	exp->hook = check_in_attach;
	attach = mock_attach(imp, param->dynamic);
	mock_expect_log(exp, "attach", param->attach);
	exp->hook = NULL;

	sgt = dma_buf_map_attachment_unlocked(attach, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	mock_expect_log(exp, "map", param->map);
	/* The direction of a map at attach is not known yet. */
	KUNIT_EXPECT_EQ(test, exp->direction,
			param->map[0] == MOCK_NUM_OPS ? DMA_BIDIRECTIONAL :
							DMA_TO_DEVICE);

	dma_buf_unmap_attachment_unlocked(attach, sgt, DMA_TO_DEVICE);
	mock_expect_log(exp, "unmap", param->unmap);

	exp->hook = check_in_attach;
	dma_buf_detach(exp->dmabuf, attach);
	mock_expect_log(exp, "detach", param->detach);
	mock_exporter_put_last(exp);
}

/* A failed attach leaves no attachment, reference or lock behind. */
static void expect_refused(struct mock_exporter *exp,
			   struct mock_importer *imp, bool dynamic, int error)
{
	KUNIT_EXPECT_PTR_EQ(exp->test, mock_attach_try(imp, dynamic),
			    ERR_PTR(error));
	KUNIT_EXPECT_EQ(exp->test, count_attachments(exp->dmabuf), 0);
	KUNIT_EXPECT_EQ(exp->test, file_count(exp->dmabuf->file), 1);
	KUNIT_EXPECT_FALSE(exp->test, dma_resv_is_locked(exp->dmabuf->resv));
}

static void attach_refused(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE,
							 MOCK_DYNAMIC);
	struct mock_importer *imp = mock_importer_create(test, "imp", exp);

	exp->fail[MOCK_ATTACH] = -EBUSY;
	expect_refused(exp, imp, false, -EBUSY);
	expect_refused(exp, imp, true, -EBUSY);
	/* An exporter whose attach failed gets no detach. */
	MOCK_EXPECT_LOG(exp, MOCK_ATTACH, MOCK_ATTACH);
	mock_exporter_put_last(exp);
}

static void attach_pin_fails(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE,
							 MOCK_DYNAMIC);
	struct mock_importer *imp = mock_importer_create(test, "imp", exp);

	exp->fail[MOCK_PIN] = -ENOSPC;
	expect_refused(exp, imp, false, -ENOSPC);
	MOCK_EXPECT_LOG(exp, MOCK_ATTACH, MOCK_PIN, MOCK_DETACH);
	mock_exporter_put_last(exp);
}

static void attach_map_fails(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE,
							 MOCK_DYNAMIC);
	struct mock_importer *imp = mock_importer_create(test, "imp", exp);

	exp->fail[MOCK_MAP] = -EIO;
	expect_refused(exp, imp, false, -EIO);
	MOCK_EXPECT_LOG(exp, MOCK_ATTACH, MOCK_PIN, MOCK_MAP, MOCK_UNPIN,
			MOCK_DETACH);
	exp->fail[MOCK_MAP] = 0;
	exp->map_null = true;
	expect_refused(exp, imp, false, -ENOMEM);
	MOCK_EXPECT_LOG(exp, MOCK_ATTACH, MOCK_PIN, MOCK_MAP, MOCK_UNPIN,
			MOCK_DETACH);
	/* The same with an exporter that cannot pin. */
	exp->ops.pin = NULL;
	exp->ops.unpin = NULL;
	expect_refused(exp, imp, true, -ENOMEM);
	MOCK_EXPECT_LOG(exp, MOCK_ATTACH, MOCK_MAP, MOCK_DETACH);
	mock_exporter_put_last(exp);
}

static void attach_wait_interrupted(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE,
							 MOCK_DYNAMIC);
	struct mock_importer *imp = mock_importer_create(test, "imp", exp);
	struct mock_timeline *timeline = mock_timeline_create(test, "tl");
	struct dma_fence *move = mock_fence_create(timeline);

	mock_resv_add(test, exp->dmabuf->resv, move, DMA_RESV_USAGE_KERNEL);
	mock_signal_begin();
	expect_refused(exp, imp, false, -ERESTARTSYS);
	mock_signal_end();
	MOCK_EXPECT_LOG(exp, MOCK_ATTACH, MOCK_PIN, MOCK_MAP, MOCK_UNMAP,
			MOCK_UNPIN, MOCK_DETACH);
	dma_fence_signal(move);
	dma_fence_put(move);
	mock_exporter_put_last(exp);
}

/* A dynamic importer waits for moves itself, so a signal does not matter. */
static void attach_dynamic_does_not_wait(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct mock_importer *imp = mock_importer_create(test, "imp", exp);
	struct mock_timeline *timeline = mock_timeline_create(test, "tl");
	struct dma_fence *move = mock_fence_create(timeline);
	struct dma_buf_attachment *attach;

	mock_resv_add(test, exp->dmabuf->resv, move, DMA_RESV_USAGE_KERNEL);
	mock_signal_begin();
	attach = mock_attach_try(imp, true);
	mock_signal_end();
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	dma_buf_detach(exp->dmabuf, attach);
	dma_fence_signal(move);
	dma_fence_put(move);
	mock_exporter_put_last(exp);
}

static void attach_holds_buffer(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct mock_importer *imp = mock_importer_create(test, "imp", exp);
	struct dma_buf_attachment *attach = mock_attach(imp, false);

	KUNIT_EXPECT_EQ(test, file_count(exp->dmabuf->file), 2);
	KUNIT_EXPECT_EQ(test, dma_buf_count_users(exp->dmabuf), 1);
	dma_buf_put(exp->dmabuf);
	mock_flush_files();
	KUNIT_EXPECT_EQ(test, mock_calls(exp, MOCK_RELEASE), 0);
	dma_buf_detach(exp->dmabuf, attach);
	KUNIT_EXPECT_TRUE(test, mock_exporter_wait_released(exp));
	MOCK_EXPECT_LOG(exp, MOCK_ATTACH, MOCK_DETACH, MOCK_RELEASE);
}

/* An exporter looks at all attachments in pin and map. */
static void look_at_attachments(struct mock_exporter *exp, enum mock_op op)
{
	struct dma_buf_attachment *attach;
	int *seen = exp->hook_data;

	if (op != MOCK_PIN && op != MOCK_MAP)
		return;
	list_for_each_entry(attach, &exp->dmabuf->attachments, node) {
		KUNIT_EXPECT_NOT_NULL(exp->test, attach->dev);
		KUNIT_EXPECT_PTR_EQ(exp->test, attach->dmabuf, exp->dmabuf);
		seen[op]++;
	}
	/* It may have to move the memory first. */
	dma_buf_move_notify(exp->dmabuf);
}

/* Without the new importer in the list an exporter would miss its peer2peer. */
static void attach_maps_on_the_list(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE,
							 MOCK_DYNAMIC);
	struct mock_importer *imp = mock_importer_create(test, "imp", exp);
	struct dma_buf_attachment *attach;
	int seen[MOCK_NUM_OPS] = {};

	exp->hook_data = seen;
	exp->hook = look_at_attachments;
	attach = mock_attach(imp, false);
	KUNIT_EXPECT_EQ(test, seen[MOCK_PIN], 1);
	KUNIT_EXPECT_EQ(test, seen[MOCK_MAP], 1);
	dma_buf_detach(exp->dmabuf, attach);

	exp->fail[MOCK_MAP] = -EIO;
	KUNIT_EXPECT_PTR_EQ(test, mock_attach_try(imp, false), ERR_PTR(-EIO));
	KUNIT_EXPECT_EQ(test, seen[MOCK_MAP], 2);
	KUNIT_EXPECT_EQ(test, count_attachments(exp->dmabuf), 0);
	exp->hook = NULL;
	mock_exporter_put_last(exp);
}

/* Drivers replace dmabuf->ops after a helper has exported for them. */
static void attach_uses_replaced_ops(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE,
							 MOCK_CACHED);
	struct mock_exporter *dynamic = mock_exporter_create(test, SIZE,
							     MOCK_DYNAMIC);
	struct mock_importer *imp = mock_importer_create(test, "imp", exp);
	struct dma_buf_attachment *attach;

	exp->dmabuf->ops = &dynamic->ops;
	KUNIT_EXPECT_TRUE(test, dma_buf_is_dynamic(exp->dmabuf));
	attach = mock_attach(imp, false);
	dma_buf_detach(exp->dmabuf, attach);
	MOCK_EXPECT_LOG(exp, MOCK_ATTACH, MOCK_PIN, MOCK_MAP, MOCK_UNMAP,
			MOCK_UNPIN, MOCK_DETACH);
	mock_exporter_put_last(exp);
}

static void attach_list_order(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct mock_importer *first = mock_importer_create(test, "first", exp);
	struct mock_importer *second = mock_importer_create(test, "second",
							    exp);
	struct dma_buf_attachment *a = mock_attach(first, true);
	struct dma_buf_attachment *b = mock_attach(second, false);

	KUNIT_EXPECT_EQ(test, count_attachments(exp->dmabuf), 2);
	KUNIT_EXPECT_PTR_EQ(test, exp->dmabuf->attachments.next, &b->node);
	KUNIT_EXPECT_PTR_EQ(test, exp->dmabuf->attachments.prev, &a->node);

	dma_buf_detach(exp->dmabuf, a);
	KUNIT_EXPECT_PTR_EQ(test, exp->dmabuf->attachments.next, &b->node);
	dma_buf_detach(exp->dmabuf, b);
	KUNIT_EXPECT_EQ(test, count_attachments(exp->dmabuf), 0);
	mock_exporter_put_last(exp);
}

static void attach_same_device_twice(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct mock_importer *imp = mock_importer_create(test, "imp", exp);
	struct dma_buf_attachment *a = mock_attach(imp, false);
	struct dma_buf_attachment *b = mock_attach(imp, false);

	KUNIT_EXPECT_PTR_NE(test, a, b);
	KUNIT_EXPECT_EQ(test, count_attachments(exp->dmabuf), 2);
	dma_buf_detach(exp->dmabuf, a);
	dma_buf_detach(exp->dmabuf, b);
	mock_exporter_put_last(exp);
}

static void detach_bad_arguments(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct mock_exporter *other = mock_exporter_export(test, SIZE, 0);
	struct mock_importer *imp = mock_importer_create(test, "imp", exp);
	struct dma_buf_attachment *attach = mock_attach(imp, false);

	mock_warn_begin(test);
	dma_buf_detach(NULL, attach);
	dma_buf_detach(exp->dmabuf, NULL);
	dma_buf_detach(other->dmabuf, attach);
	mock_warn_end(test, "dma_buf_detach", 1);
	/* The attachment survives. */
	KUNIT_EXPECT_EQ(test, count_attachments(exp->dmabuf), 1);
	MOCK_EXPECT_LOG(exp, MOCK_ATTACH);
	MOCK_EXPECT_NO_CALLS(other);
	dma_buf_detach(exp->dmabuf, attach);
	mock_exporter_put_last(exp);
	mock_exporter_put_last(other);
}

static void detach_pinned(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE,
							 MOCK_DYNAMIC);
	struct mock_importer *imp = mock_importer_create(test, "imp", exp);
	struct dma_buf_attachment *attach = mock_attach(imp, true);

	dma_resv_lock(exp->dmabuf->resv, NULL);
	KUNIT_EXPECT_EQ(test, dma_buf_pin(attach), 0);
	KUNIT_EXPECT_EQ(test, dma_buf_pin(attach), 0);
	dma_resv_unlock(exp->dmabuf->resv);

	mock_warn_begin(test);
	dma_buf_detach(exp->dmabuf, attach);
	mock_warn_end(test, "detach", IS_ENABLED(CONFIG_DMABUF_DEBUG));
	/* The core drops forgotten pins: else they would last for good. */
	MOCK_EXPECT_LOG(exp, MOCK_ATTACH, MOCK_PIN, MOCK_PIN, MOCK_UNPIN,
			MOCK_UNPIN, MOCK_DETACH);
	mock_exporter_put_last(exp);
}

static struct kunit_case dma_buf_attach_cases[] = {
	KUNIT_CASE(dynamic_attach_bad_arguments),
	KUNIT_CASE(attach_no_ops),
	KUNIT_CASE(attach_fills_in),
	KUNIT_CASE(attach_peer2peer),
	KUNIT_CASE_PARAM(attach_map_matrix, matrix_gen_params),
	KUNIT_CASE(attach_refused),
	KUNIT_CASE(attach_pin_fails),
	KUNIT_CASE(attach_map_fails),
	KUNIT_CASE(attach_wait_interrupted),
	KUNIT_CASE(attach_dynamic_does_not_wait),
	KUNIT_CASE(attach_holds_buffer),
	KUNIT_CASE(attach_maps_on_the_list),
	KUNIT_CASE(attach_uses_replaced_ops),
	KUNIT_CASE(attach_list_order),
	KUNIT_CASE(attach_same_device_twice),
	KUNIT_CASE(detach_bad_arguments),
	KUNIT_CASE(detach_pinned),
	{}
};

static struct kunit_suite dma_buf_attach_suite = {
	.name = "dma_buf_attach",
	.test_cases = dma_buf_attach_cases,
};

kunit_test_suite(dma_buf_attach_suite);

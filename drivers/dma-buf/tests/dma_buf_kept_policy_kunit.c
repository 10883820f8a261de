// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings that are kept and nobody asked for: for whom there are none, that they
 * give way, and that nobody who maps at the wrong moment gets one that is ending.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/device.h>
#include <linux/device/driver.h>
#include <linux/dma-direction.h>
#include <linux/kthread.h>
#include <linux/shrinker.h>

#include "../buffer/dma-buf-internal.h"
#include "mock.h"

#define SIZE (3 * PAGE_SIZE)
#define ALL 10000

struct ctx {
	struct mock_exporter *exp;
	struct mock_importer *imp;
	struct dma_buf_attachment *attach;
};

/* An attachment of @dev, or of a new device, with nothing logged so far. */
static struct ctx begin(struct kunit *test, struct device *dev)
{
	struct ctx ctx = { .exp = mock_exporter_export(test, SIZE, MOCK_KEPT) };
	static unsigned int number;
	char *name;

	/* A test has several. */
	name = kunit_kzalloc(test, 16, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, name);
	snprintf(name, 16, "imp-%u", number++);
	ctx.exp->keep = DMA_BUF_KEEP_IDLE;
	ctx.imp = mock_importer_create(test, name, ctx.exp);
	if (dev)
		ctx.imp->dev = dev;
	ctx.attach = mock_attach(ctx.imp, false);
	atomic_set(&ctx.exp->num_logged, 0);
	return ctx;
}

static void end(struct ctx *ctx)
{
	ctx->exp->hook = NULL;
	dma_buf_detach(ctx->exp->dmabuf, ctx->attach);
	mock_exporter_put_last(ctx->exp);
}

static struct sg_table *map(struct ctx *ctx)
{
	return dma_buf_map_attachment_unlocked(ctx->attach, DMA_TO_DEVICE);
}

static void map_once(struct kunit *test, struct ctx *ctx)
{
	struct sg_table *sgt = map(ctx);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	dma_buf_unmap_attachment_unlocked(ctx->attach, sgt, DMA_TO_DEVICE);
}

static bool is_kept(struct ctx *ctx)
{
	return atomic_read(&to_attached(ctx->attach)->kept) == DMA_BUF_KEPT_IDLE;
}

/* Strict domains and the like are not on this machine: both ends of the scale. */
static void keep_parameter(struct kunit *test)
{
	struct ctx ctx = begin(test, NULL);

	dma_buf_kept_policy = 0;
	map_once(test, &ctx);
	KUNIT_EXPECT_FALSE(test, is_kept(&ctx));
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_KEEP, MOCK_UNMAP);
	dma_buf_kept_policy = 2;
	map_once(test, &ctx);
	KUNIT_EXPECT_TRUE(test, is_kept(&ctx));
	end(&ctx);
}

/* It gives up other mappings until the exporter has room. */
static void need_room(struct mock_exporter *exp, enum mock_op op)
{
	struct ctx *other = exp->hook_data;

	if (op == MOCK_MAP)
		exp->fail[op] = is_kept(other) ? -ENOMEM : 0;
}

/* A device with few addresses maps what it could map without anything kept. */
static void kept_gives_way_to_a_map(struct kunit *test)
{
	struct ctx old = begin(test, NULL), new = begin(test, old.imp->dev);
	struct ctx elsewhere = begin(test, NULL);

	map_once(test, &old);
	map_once(test, &elsewhere);
	new.exp->hook_data = &old;
	new.exp->hook = need_room;
	map_once(test, &new);
	MOCK_EXPECT_LOG(new.exp, MOCK_MAP, MOCK_MAP, MOCK_KEEP,
			MOCK_END_DEVICE);
	MOCK_EXPECT_LOG(old.exp, MOCK_MAP, MOCK_KEEP, MOCK_END_DEVICE,
			MOCK_UNMAP);
	/* That of another device is in nobody's way. */
	KUNIT_EXPECT_TRUE(test, is_kept(&elsewhere));
	end(&old);
	end(&new);
	end(&elsewhere);
}

/* Attachments of one buffer, whose lock is held by the one that maps. */
static void kept_gives_way_in_one_buffer(struct kunit *test)
{
	struct ctx ctx = begin(test, NULL), second = ctx;

	second.attach = mock_attach(ctx.imp, false);
	map_once(test, &ctx);
	ctx.exp->hook_data = &ctx;
	ctx.exp->hook = need_room;
	map_once(test, &second);
	KUNIT_EXPECT_FALSE(test, is_kept(&ctx));
	KUNIT_EXPECT_TRUE(test, is_kept(&second));
	dma_buf_detach(ctx.exp->dmabuf, second.attach);
	end(&ctx);
}

/* Nothing was kept: the error is the exporter's, and it is asked once. */
static void map_fails_without_a_second_try(struct kunit *test)
{
	struct ctx ctx = begin(test, NULL);

	ctx.exp->fail[MOCK_MAP] = -ENOMEM;
	KUNIT_EXPECT_PTR_EQ(test, map(&ctx), ERR_PTR(-ENOMEM));
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP);
	end(&ctx);
}

/* An importer comes while the shrinker is at work. */
static void map_meanwhile(struct mock_exporter *exp, enum mock_op op)
{
	struct ctx *ctx = exp->hook_data;
	struct sg_table *ending = ctx->attach->sgt;

	if (op != MOCK_UNMAP)
		return;
	exp->hook = NULL;
	ctx->imp->sgt = map(ctx);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(exp->test, ctx->imp->sgt);
	KUNIT_EXPECT_PTR_NE(exp->test, ctx->imp->sgt, ending);
}

static void map_while_ending_gets_another(struct kunit *test)
{
	struct ctx ctx = begin(test, NULL);

	map_once(test, &ctx);
	ctx.exp->hook_data = &ctx;
	ctx.exp->hook = map_meanwhile;
	KUNIT_EXPECT_LE(test, 1, dma_buf_shrink_kept(ALL));
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_KEEP, MOCK_END_DEVICE,
			MOCK_UNMAP, MOCK_MAP);
	dma_buf_unmap_attachment_unlocked(ctx.attach, ctx.imp->sgt,
					  DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_UNMAP);
	end(&ctx);
}

/* The shrinker comes while an importer takes one up, or puts it down. */
static void shrink_meanwhile(struct mock_exporter *exp, enum mock_op op)
{
	if (op == MOCK_BEGIN_DEVICE || op == MOCK_END_DEVICE)
		KUNIT_EXPECT_EQ(exp->test, dma_buf_shrink_kept(ALL), 0);
}

static void shrink_leaves_what_changes_hands(struct kunit *test)
{
	struct ctx ctx = begin(test, NULL);

	dma_buf_shrink_kept(ALL);
	ctx.exp->hook = shrink_meanwhile;
	map_once(test, &ctx);
	map_once(test, &ctx);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_MAP, MOCK_KEEP, MOCK_END_DEVICE,
			MOCK_BEGIN_DEVICE, MOCK_END_DEVICE);
	end(&ctx);
}

/* To unmap may need memory itself: not where reclaim may not enter file systems. */
static void shrinker_heeds_gfp_mask(struct kunit *test)
{
	struct shrink_control sc = { .gfp_mask = GFP_NOFS, .nr_to_scan = ALL };
	struct ctx ctx = begin(test, NULL);

	map_once(test, &ctx);
	KUNIT_EXPECT_EQ(test, dma_buf_kept_scan(NULL, &sc), SHRINK_STOP);
	KUNIT_EXPECT_TRUE(test, is_kept(&ctx));
	sc.gfp_mask = GFP_KERNEL;
	KUNIT_EXPECT_LE(test, 1, dma_buf_kept_scan(NULL, &sc));
	KUNIT_EXPECT_FALSE(test, is_kept(&ctx));
	end(&ctx);
}

static struct device *bound_device(struct kunit *test)
{
	struct device_driver *drv = kunit_driver_create(test, "unbound");
	struct device *dev;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, drv);
	dev = kunit_device_register_with_driver(test, "unbound-device", drv);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)), 0);
	return dev;
}

/* An attachment that an open file keeps outlives the driver of its device. */
static void unbind_ends_what_is_kept(struct kunit *test)
{
	struct device *dev = bound_device(test);
	struct ctx idle = begin(test, dev), busy = begin(test, dev);
	struct task_struct *holder;
	struct sg_table *sgt;

	map_once(test, &idle);
	sgt = map(&busy);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	atomic_set(&idle.exp->num_logged, 0);
	atomic_set(&busy.exp->num_logged, 0);

	/* Whoever has the lock may wait for a fence of that driver. */
	holder = mock_resv_hold(test, idle.exp->dmabuf->resv);
	device_release_driver(dev);
	mock_resv_let_go(holder);
	MOCK_EXPECT_LOG(idle.exp, MOCK_UNMAP);
	/* That goes when the importer is done with it, and nothing comes after. */
	MOCK_EXPECT_NO_CALLS(busy.exp);
	dma_buf_unmap_attachment_unlocked(busy.attach, sgt, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(busy.exp, MOCK_UNMAP);
	map_once(test, &idle);
	MOCK_EXPECT_LOG(idle.exp, MOCK_MAP, MOCK_KEEP, MOCK_UNMAP);
	end(&idle);
	end(&busy);
}

/* An unmap that takes long, and those who may not overtake it. */
struct slow_unmap {
	struct completion begun;
	struct completion go_on;
	struct completion overtaken;
	struct ctx *ctx;
	struct device *dev;
};

static void unmap_slowly(struct mock_exporter *exp, enum mock_op op)
{
	struct slow_unmap *slow = exp->hook_data;

	if (op != MOCK_UNMAP)
		return;
	complete(&slow->begun);
	wait_for_completion(&slow->go_on);
}

static int shrink_slowly(void *data)
{
	dma_buf_shrink_kept(ALL);
	return 0;
}

static int unbind(void *data)
{
	struct slow_unmap *slow = data;

	device_release_driver(slow->dev);
	complete_all(&slow->overtaken);
	return 0;
}

static int detach(void *data)
{
	struct slow_unmap *slow = data;

	dma_buf_detach(slow->ctx->exp->dmabuf, slow->ctx->attach);
	complete_all(&slow->overtaken);
	return 0;
}

static int move(void *data)
{
	struct slow_unmap *slow = data;
	struct dma_buf *dmabuf = slow->ctx->exp->dmabuf;

	dma_resv_lock(dmabuf->resv, NULL);
	dma_buf_move_notify(dmabuf);
	dma_resv_unlock(dmabuf->resv);
	complete_all(&slow->overtaken);
	return 0;
}

static const struct overtaker {
	const char *desc;
	int (*func)(void *data);
} overtakers[] = {
	{ "unbind", unbind },
	{ "detach", detach },
	{ "move", move },
};

KUNIT_ARRAY_PARAM_DESC(overtaker, overtakers, desc);

/* The window: the shrinker has claimed the mapping and is unmapping it. */
static void nobody_overtakes_an_unmap(struct kunit *test)
{
	const struct overtaker *param = test->param_value;
	struct device *dev = bound_device(test);
	struct ctx ctx = begin(test, dev);
	struct slow_unmap slow = { .ctx = &ctx, .dev = dev };
	struct task_struct *shrinker, *other;

	init_completion(&slow.begun);
	init_completion(&slow.go_on);
	init_completion(&slow.overtaken);
	dma_buf_shrink_kept(ALL);
	map_once(test, &ctx);
	ctx.exp->hook_data = &slow;
	ctx.exp->hook = unmap_slowly;
	shrinker = kthread_run(shrink_slowly, NULL, "shrinker");
	KUNIT_ASSERT_FALSE(test, IS_ERR(shrinker));
	get_task_struct(shrinker);
	wait_for_completion(&slow.begun);

	other = kthread_run(param->func, &slow, "%s", param->desc);
	KUNIT_ASSERT_FALSE(test, IS_ERR(other));
	get_task_struct(other);
	KUNIT_EXPECT_EQ(test, wait_for_completion_timeout(&slow.overtaken, HZ / 10),
			0);
	complete(&slow.go_on);
	wait_for_completion(&slow.overtaken);
	kthread_stop_put(shrinker);
	kthread_stop_put(other);
	if (param->func == detach)
		mock_exporter_put_last(ctx.exp);
	else
		end(&ctx);
}

/* In the middle of taking up: the driver is being unbound. */
static void unbind_meanwhile(struct mock_exporter *exp, enum mock_op op)
{
	struct slow_unmap *slow = exp->hook_data;
	struct task_struct *task;

	if (op != MOCK_BEGIN_DEVICE)
		return;
	task = kthread_run(unbind, slow, "unbind");
	KUNIT_EXPECT_FALSE(exp->test, IS_ERR(task));
	KUNIT_EXPECT_EQ(exp->test,
			wait_for_completion_timeout(&slow->overtaken, HZ / 10), 0);
}

/* Either the importer gets it, all of it, or it ends. */
static void unbind_waits_for_who_takes_up(struct kunit *test)
{
	struct device *dev = bound_device(test);
	struct ctx ctx = begin(test, dev);
	struct slow_unmap slow = { .ctx = &ctx, .dev = dev };
	struct sg_table *sgt;

	init_completion(&slow.overtaken);
	map_once(test, &ctx);
	atomic_set(&ctx.exp->num_logged, 0);
	ctx.exp->hook_data = &slow;
	ctx.exp->hook = unbind_meanwhile;
	sgt = map(&ctx);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	wait_for_completion(&slow.overtaken);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_BEGIN_DEVICE);
	dma_buf_unmap_attachment_unlocked(ctx.attach, sgt, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(ctx.exp, MOCK_UNMAP);
	end(&ctx);
}

/* Several attachments of one device count together. */
static void kept_is_bounded_in_bytes(struct kunit *test)
{
	struct device *dev = NULL;
	struct ctx ctx[3];

	dma_buf_kept_limit = 2 * SIZE;
	for (int i = 0; i < 3; i++) {
		ctx[i] = begin(test, dev);
		dev = ctx[i].imp->dev;
		map_once(test, &ctx[i]);
		KUNIT_EXPECT_EQ(test, is_kept(&ctx[i]), i < 2);
	}
	/* What goes makes room. */
	end(&ctx[0]);
	map_once(test, &ctx[2]);
	KUNIT_EXPECT_TRUE(test, is_kept(&ctx[2]));
	end(&ctx[1]);
	end(&ctx[2]);
}

static void kept_policy_exit(struct kunit *test)
{
	dma_buf_kept_limit = 0;
}

static struct kunit_case dma_buf_kept_policy_cases[] = {
	KUNIT_CASE(keep_parameter),
	KUNIT_CASE(kept_gives_way_to_a_map),
	KUNIT_CASE(kept_gives_way_in_one_buffer),
	KUNIT_CASE(map_fails_without_a_second_try),
	KUNIT_CASE(map_while_ending_gets_another),
	KUNIT_CASE(shrink_leaves_what_changes_hands),
	KUNIT_CASE(shrinker_heeds_gfp_mask),
	KUNIT_CASE(unbind_ends_what_is_kept),
	KUNIT_CASE_PARAM(nobody_overtakes_an_unmap, overtaker_gen_params),
	KUNIT_CASE(unbind_waits_for_who_takes_up),
	KUNIT_CASE(kept_is_bounded_in_bytes),
	{}
};

static struct kunit_suite dma_buf_kept_policy_suite = {
	.name = "dma_buf_kept_policy",
	.exit = kept_policy_exit,
	.test_cases = dma_buf_kept_policy_cases,
};

kunit_test_suite(dma_buf_kept_policy_suite);

MODULE_LICENSE("GPL");

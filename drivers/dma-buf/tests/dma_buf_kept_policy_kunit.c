// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits of kept mappings: the devices that get none, that they make room, and
 * that nobody is handed a mapping that is ending.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/device.h>
#include <linux/device/driver.h>
#include <linux/dma-direction.h>
#include <linux/kthread.h>
#include <linux/shrinker.h>

#include "../buffer/dma-buf-internal.h"
#include "mock_attach.h"

static struct mock_attachment begin(struct kunit *test, struct device *dev)
{
	return mock_attachment_begin(test, dev, MOCK_KEPT, false,
				     DMA_BUF_KEEP_IDLE);
}

static bool is_kept(struct mock_attachment *att)
{
	return atomic_read(&to_attached(att->attach)->kept) == DMA_BUF_KEPT_IDLE;
}

/* Both ends of the scale: this machine has no strict domain for the middle. */
static void kept_is_allowed_policy(struct kunit *test)
{
	struct mock_attachment att = begin(test, NULL);

	dma_buf_kept_policy = 0;
	mock_map_once(test, &att, DMA_TO_DEVICE);
	KUNIT_EXPECT_FALSE(test, is_kept(&att));
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_KEEP, MOCK_UNMAP);
	dma_buf_kept_policy = 2;
	mock_map_once(test, &att, DMA_TO_DEVICE);
	KUNIT_EXPECT_TRUE(test, is_kept(&att));
	mock_attachment_end(&att);
}

/* The exporter has no room for a map while the other mapping is kept. */
static void need_room(struct mock_exporter *exp, enum mock_op op)
{
	struct mock_attachment *other = exp->hook_data;

	if (op == MOCK_MAP)
		exp->fail[op] = is_kept(other) ? -ENOMEM : 0;
}

/* A kept mapping must not make a map fail that would succeed without it. */
static void kept_make_room_same_device(struct kunit *test)
{
	struct mock_attachment old = begin(test, NULL);
	struct mock_attachment new = begin(test, old.imp->dev);
	struct mock_attachment elsewhere = begin(test, NULL);

	mock_map_once(test, &old, DMA_TO_DEVICE);
	mock_map_once(test, &elsewhere, DMA_TO_DEVICE);
	new.exp->hook_data = &old;
	new.exp->hook = need_room;
	mock_map_once(test, &new, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(new.exp, MOCK_MAP, MOCK_MAP, MOCK_KEEP,
			MOCK_END_DEVICE);
	MOCK_EXPECT_LOG(old.exp, MOCK_MAP, MOCK_KEEP, MOCK_END_DEVICE,
			MOCK_UNMAP);
	/* The mapping of another device stays. */
	KUNIT_EXPECT_TRUE(test, is_kept(&elsewhere));
	mock_attachment_end(&old);
	mock_attachment_end(&new);
	mock_attachment_end(&elsewhere);
}

/* The buffer's lock is held while its other attachment makes room. */
static void kept_make_room_same_buffer(struct kunit *test)
{
	struct mock_attachment att = begin(test, NULL), second = att;

	second.attach = mock_attach(att.imp, false);
	mock_map_once(test, &att, DMA_TO_DEVICE);
	att.exp->hook_data = &att;
	att.exp->hook = need_room;
	mock_map_once(test, &second, DMA_TO_DEVICE);
	KUNIT_EXPECT_FALSE(test, is_kept(&att));
	KUNIT_EXPECT_TRUE(test, is_kept(&second));
	dma_buf_detach(att.exp->dmabuf, second.attach);
	mock_attachment_end(&att);
}

/* With nothing kept the exporter's error is passed on, without a second try. */
static void map_memory_nothing_kept(struct kunit *test)
{
	struct mock_attachment att = begin(test, NULL);

	att.exp->fail[MOCK_MAP] = -ENOMEM;
	KUNIT_EXPECT_PTR_EQ(test, mock_map(&att, DMA_TO_DEVICE),
			    ERR_PTR(-ENOMEM));
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP);
	mock_attachment_end(&att);
}

/* An importer maps while the shrinker is unmapping the kept mapping. */
static void map_meanwhile(struct mock_exporter *exp, enum mock_op op)
{
	struct mock_attachment *att = exp->hook_data;

	if (op != MOCK_UNMAP)
		return;
	exp->hook = NULL;
	/* A new one, says the log; it may have the address of the old. */
	att->imp->sgt = mock_map(att, DMA_TO_DEVICE);
	KUNIT_EXPECT_NOT_ERR_OR_NULL(exp->test, att->imp->sgt);
}

static void kept_take_up_while_ending(struct kunit *test)
{
	struct mock_attachment att = begin(test, NULL);

	mock_map_once(test, &att, DMA_TO_DEVICE);
	att.exp->hook_data = &att;
	att.exp->hook = map_meanwhile;
	/*
	 * Call the shrinker directly, outside reclaim: its hook maps, and so
	 * allocates, in this task.
	 */
	KUNIT_EXPECT_LE(test, 1, dma_buf_shrink_kept(MOCK_SHRINK_ALL));
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_KEEP, MOCK_END_DEVICE,
			MOCK_UNMAP, MOCK_MAP);
	mock_unmap(&att, att.imp->sgt, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(att.exp, MOCK_UNMAP);
	mock_attachment_end(&att);
}

static void expect_one_more_reference(struct mock_exporter *exp, enum mock_op op)
{
	const long *before = exp->hook_data;

	if (op == MOCK_UNMAP)
		KUNIT_EXPECT_EQ(exp->test, *before + 1,
				file_count(exp->dmabuf->file));
}

/* Meanwhile somebody may detach and drop the buffer, whose memory goes then. */
static void shrink_kept_holds_the_buffer(struct kunit *test)
{
	struct mock_attachment att = begin(test, NULL);
	long before = file_count(att.exp->dmabuf->file);

	mock_map_once(test, &att, DMA_TO_DEVICE);
	att.exp->hook_data = &before;
	att.exp->hook = expect_one_more_reference;
	/* Not in reclaim: a failed expectation allocates. */
	KUNIT_EXPECT_LE(test, 1, dma_buf_shrink_kept(MOCK_SHRINK_ALL));
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_KEEP, MOCK_END_DEVICE,
			MOCK_UNMAP);
	att.exp->hook = NULL;
	KUNIT_EXPECT_EQ(test, before, file_count(att.exp->dmabuf->file));
	mock_attachment_end(&att);
}

/* The shrinker runs while an importer takes a mapping up, or puts it down. */
static void shrink_meanwhile(struct mock_exporter *exp, enum mock_op op)
{
	if (op == MOCK_BEGIN_DEVICE || op == MOCK_END_DEVICE)
		KUNIT_EXPECT_EQ(exp->test, dma_buf_shrink_kept(MOCK_SHRINK_ALL),
				0);
}

static void shrink_kept_leaves_changing(struct kunit *test)
{
	struct mock_attachment att = begin(test, NULL);

	mock_shrink(MOCK_SHRINK_ALL);
	att.exp->hook = shrink_meanwhile;
	mock_map_once(test, &att, DMA_TO_DEVICE);
	mock_map_once(test, &att, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(att.exp, MOCK_MAP, MOCK_KEEP, MOCK_END_DEVICE,
			MOCK_BEGIN_DEVICE, MOCK_END_DEVICE);
	mock_attachment_end(&att);
}

/* An unmap may allocate with GFP_KERNEL: reclaim without __GFP_FS skips it. */
static void kept_scan_heeds_gfp_mask(struct kunit *test)
{
	struct shrink_control sc = {
		.gfp_mask = GFP_NOFS,
		.nr_to_scan = MOCK_SHRINK_ALL,
	};
	struct mock_attachment att = begin(test, NULL);

	mock_map_once(test, &att, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, dma_buf_kept_scan(NULL, &sc), SHRINK_STOP);
	KUNIT_EXPECT_TRUE(test, is_kept(&att));
	sc.gfp_mask = GFP_KERNEL;
	KUNIT_EXPECT_LE(test, 1, dma_buf_kept_scan(NULL, &sc));
	KUNIT_EXPECT_FALSE(test, is_kept(&att));
	mock_attachment_end(&att);
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

/* An open file keeps an attachment beyond the life of the device's driver. */
static void kept_end_device_on_unbind(struct kunit *test)
{
	struct device *dev = bound_device(test);
	struct mock_attachment idle = begin(test, dev), busy = begin(test, dev);
	struct task_struct *holder;
	struct sg_table *sgt;

	mock_map_once(test, &idle, DMA_TO_DEVICE);
	sgt = mock_map(&busy, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	atomic_set(&idle.exp->num_logged, 0);
	atomic_set(&busy.exp->num_logged, 0);

	/* The lock's holder may wait for a fence of that driver. */
	holder = mock_resv_hold(test, idle.exp->dmabuf->resv);
	device_release_driver(dev);
	mock_resv_let_go(holder);
	MOCK_EXPECT_LOG(idle.exp, MOCK_UNMAP);
	/* A busy mapping ends on unmap, and nothing is kept afterwards. */
	MOCK_EXPECT_NO_CALLS(busy.exp);
	mock_unmap(&busy, sgt, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(busy.exp, MOCK_UNMAP);
	mock_map_once(test, &idle, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(idle.exp, MOCK_MAP, MOCK_KEEP, MOCK_UNMAP);
	mock_attachment_end(&idle);
	mock_attachment_end(&busy);
}

/* An unmap that takes long, and what must not overtake it. */
struct slow_unmap {
	struct completion begun;
	struct completion go_on;
	struct completion overtaken;
	struct mock_attachment *att;
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
	mock_shrink(MOCK_SHRINK_ALL);
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

	dma_buf_detach(slow->att->exp->dmabuf, slow->att->attach);
	complete_all(&slow->overtaken);
	return 0;
}

static int move(void *data)
{
	struct slow_unmap *slow = data;

	mock_move(slow->att);
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

/*
 * The window: the shrinker has claimed the mapping and is unmapping it. An
 * overtaker would free the attachment or the memory under that unmap.
 */
static void shrink_kept_is_not_overtaken(struct kunit *test)
{
	const struct overtaker *param = test->param_value;
	struct device *dev = bound_device(test);
	struct mock_attachment att = begin(test, dev);
	struct slow_unmap slow = { .att = &att, .dev = dev };
	struct task_struct *shrinker, *other;

	init_completion(&slow.begun);
	init_completion(&slow.go_on);
	init_completion(&slow.overtaken);
	mock_shrink(MOCK_SHRINK_ALL);
	mock_map_once(test, &att, DMA_TO_DEVICE);
	att.exp->hook_data = &slow;
	att.exp->hook = unmap_slowly;
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
		mock_exporter_put_last(att.exp);
	else
		mock_attachment_end(&att);
}

/* The driver is unbound while an importer is taking the mapping up. */
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

/* The importer gets the mapping, or the unbind ends it, but not halfway. */
static void kept_take_up_delays_unbind(struct kunit *test)
{
	struct device *dev = bound_device(test);
	struct mock_attachment att = begin(test, dev);
	struct slow_unmap slow = { .att = &att, .dev = dev };
	struct sg_table *sgt;

	init_completion(&slow.overtaken);
	mock_map_once(test, &att, DMA_TO_DEVICE);
	atomic_set(&att.exp->num_logged, 0);
	att.exp->hook_data = &slow;
	att.exp->hook = unbind_meanwhile;
	sgt = mock_map(&att, DMA_TO_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	wait_for_completion(&slow.overtaken);
	MOCK_EXPECT_LOG(att.exp, MOCK_BEGIN_DEVICE);
	mock_unmap(&att, sgt, DMA_TO_DEVICE);
	MOCK_EXPECT_LOG(att.exp, MOCK_UNMAP);
	mock_attachment_end(&att);
}

/* Several attachments of one device count together. */
static void kept_charge_limit(struct kunit *test)
{
	struct device *dev = NULL;
	struct mock_attachment att[3];

	dma_buf_kept_limit = 2 * MOCK_ATTACH_SIZE;
	for (int i = 0; i < 3; i++) {
		att[i] = begin(test, dev);
		dev = att[i].imp->dev;
		mock_map_once(test, &att[i], DMA_TO_DEVICE);
		KUNIT_EXPECT_EQ(test, is_kept(&att[i]), i < 2);
	}
	/* The end of a mapping uncharges it. */
	mock_attachment_end(&att[0]);
	mock_map_once(test, &att[2], DMA_TO_DEVICE);
	KUNIT_EXPECT_TRUE(test, is_kept(&att[2]));
	mock_attachment_end(&att[1]);
	mock_attachment_end(&att[2]);
}

static void kept_policy_exit(struct kunit *test)
{
	dma_buf_kept_limit = 0;
}

static struct kunit_case dma_buf_kept_policy_cases[] = {
	KUNIT_CASE(kept_is_allowed_policy),
	KUNIT_CASE(kept_make_room_same_device),
	KUNIT_CASE(kept_make_room_same_buffer),
	KUNIT_CASE(map_memory_nothing_kept),
	KUNIT_CASE(kept_take_up_while_ending),
	KUNIT_CASE(shrink_kept_holds_the_buffer),
	KUNIT_CASE(shrink_kept_leaves_changing),
	KUNIT_CASE(kept_scan_heeds_gfp_mask),
	KUNIT_CASE(kept_end_device_on_unbind),
	KUNIT_CASE_PARAM(shrink_kept_is_not_overtaken, overtaker_gen_params),
	KUNIT_CASE(kept_take_up_delays_unbind),
	KUNIT_CASE(kept_charge_limit),
	{}
};

static struct kunit_suite dma_buf_kept_policy_suite = {
	.name = "dma_buf_kept_policy",
	.exit = kept_policy_exit,
	.test_cases = dma_buf_kept_policy_cases,
};

kunit_test_suite(dma_buf_kept_policy_suite);

MODULE_LICENSE("GPL");

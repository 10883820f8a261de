// SPDX-License-Identifier: GPL-2.0-only
/*
 * poll() on a buffer while fences signal on another CPU: no poller sleeps for
 * ever, and nothing is used after it was freed.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/poll.h>
#include <linux/preempt.h>
#include <linux/workqueue.h>

#include "../buffer/dma-buf-internal.h"
#include "mock.h"

#define IN ((__force u32)EPOLLIN)
#define RACES 100
#define MANY 200

struct ctx {
	struct mock_exporter *exp;
	struct mock_timeline *timeline;
	struct mock_poller poller;
};

static int poll_race_test_init(struct kunit *test)
{
	struct ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	test->priv = ctx;
	mock_poller_begin(&ctx->poller);
	ctx->timeline = mock_timeline_create(test, "tl");
	ctx->exp = mock_exporter_export(test, PAGE_SIZE, 0);
	return 0;
}

/* A context of its own for each fence, so that none replaces another one. */
static struct dma_fence *add(struct kunit *test, enum dma_resv_usage usage)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *fence;

	ctx->timeline->context = dma_fence_context_alloc(1);
	fence = mock_fence_create(ctx->timeline);
	mock_resv_add(test, ctx->exp->dmabuf->resv, fence, usage);
	return fence;
}

/* The signaller's half of poll_races_signal(). */
struct race {
	struct dma_fence *fence;
	struct completion go;
	struct completion done;
};

static int race_signal(void *data)
{
	struct race *race = data;

	for (int i = 0; i < RACES; i++) {
		wait_for_completion(&race->go);
		dma_fence_signal(race->fence);
		complete(&race->done);
	}
	return 0;
}

/*
 * The window: the fence signals between the poller's look at the fences and
 * its wait. A poller that is not ready at once has to be woken.
 */
static void poll_races_signal(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_buf *dmabuf = ctx->exp->dmabuf;
	struct task_struct *task;
	struct race race;
	int lost = 0;

	init_completion(&race.go);
	init_completion(&race.done);
	task = kthread_run(race_signal, &race, "mock-signaller");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);

	for (int i = 0; i < RACES; i++) {
		u32 ready;

		race.fence = add(test, DMA_RESV_USAGE_WRITE);
		mock_poller_begin(&ctx->poller);
		complete(&race.go);
		ready = mock_poller_ask(&ctx->poller, dmabuf->file, IN);
		wait_for_completion(&race.done);
		flush_work(&to_dma_buf_object(dmabuf)->cb_in.work);
		lost += !ready && !atomic_read(&ctx->poller.woken);
		mock_poller_end(&ctx->poller);
		dma_fence_put(race.fence);
	}
	KUNIT_EXPECT_EQ(test, lost, 0);
	KUNIT_EXPECT_EQ(test, file_count(dmabuf->file), 1);
	mock_exporter_put_last(ctx->exp);
}

/*
 * The window: the worker drops the last reference to the buffer while it runs
 * a work item that is embedded in the buffer.
 */
static void poll_closed_races_signal(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct task_struct *task;
	struct dma_fence *other;
	struct race race;

	init_completion(&race.go);
	init_completion(&race.done);
	task = kthread_run(race_signal, &race, "mock-signaller");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);

	for (int i = 0; i < RACES; i++) {
		if (i)
			mock_export(ctx->exp);
		/* With two fences the worker has to look for the second. */
		other = add(test, DMA_RESV_USAGE_WRITE);
		race.fence = add(test, DMA_RESV_USAGE_WRITE);
		mock_poller_begin(&ctx->poller);
		KUNIT_EXPECT_EQ(test, mock_poller_ask(&ctx->poller,
						      ctx->exp->dmabuf->file,
						      IN), 0);
		mock_poller_end(&ctx->poller);
		dma_buf_put(ctx->exp->dmabuf);
		complete(&race.go);
		dma_fence_signal(other);
		wait_for_completion(&race.done);
		KUNIT_EXPECT_TRUE(test, mock_exporter_wait_released(ctx->exp));
		dma_fence_put(other);
		dma_fence_put(race.fence);
	}
}

static atomic_t asked, asked_in_interrupt;

static bool where_signaled(struct dma_fence *fence)
{
	atomic_inc(&asked);
	if (!in_task() || irqs_disabled())
		atomic_inc(&asked_in_interrupt);
	return mock_fence_signaled(fence);
}

static const struct dma_fence_ops where_ops = {
	.get_driver_name = mock_fence_driver_name,
	.get_timeline_name = mock_fence_timeline_name,
	.enable_signaling = mock_fence_enable_signaling,
	.signaled = where_signaled,
	.release = mock_fence_release,
};

/*
 * User space decides on the number of signalled fences that a wait skips, and
 * each of them asks its driver. In an interrupt that could take milliseconds.
 */
static void poll_steps_over_fences_in_a_task(struct kunit *test)
{
	static struct dma_fence *fences[MANY];
	struct ctx *ctx = test->priv;
	struct dma_buf *dmabuf = ctx->exp->dmabuf;

	for (int i = 0; i < MANY; i++) {
		ctx->timeline->context = dma_fence_context_alloc(1);
		fences[i] = mock_fence_create_ops(ctx->timeline, 1, 0,
						  &where_ops);
		mock_resv_add(test, dmabuf->resv, fences[i],
			      DMA_RESV_USAGE_WRITE);
	}
	KUNIT_EXPECT_EQ(test, mock_poller_ask(&ctx->poller, dmabuf->file, IN),
			0);
	/* All jobs are done, but only the last fence signals. */
	for (int i = 0; i < MANY; i++)
		WRITE_ONCE(to_mock_fence(fences[i])->done, true);
	atomic_set(&asked, 0);
	atomic_set(&asked_in_interrupt, 0);
	dma_fence_signal(fences[MANY - 1]);
	flush_work(&to_dma_buf_object(dmabuf)->cb_in.work);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->poller.woken), 1);
	KUNIT_EXPECT_GE(test, atomic_read(&asked), MANY - 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&asked_in_interrupt), 0);

	mock_poller_end(&ctx->poller);
	for (int i = 0; i < MANY; i++) {
		dma_fence_signal(fences[i]);
		dma_fence_put(fences[i]);
	}
	mock_exporter_put_last(ctx->exp);
}

struct watcher {
	wait_queue_entry_t entry;
	struct dma_buf_poll_wait *wait;
	int woken;
	int woken_armed;
};

static int watch(wait_queue_entry_t *entry, unsigned int mode, int flags,
		 void *key)
{
	struct watcher *w = container_of(entry, struct watcher, entry);

	w->woken++;
	w->woken_armed += atomic_read(&w->wait->armed);
	return 0;
}

/*
 * The window: a poller that wakes up finds the callback still armed, and sleeps
 * again, with nobody left to wake it.
 */
static void poll_wakes_when_nothing_is_armed(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_buf_object *object = to_dma_buf_object(ctx->exp->dmabuf);
	struct watcher w = { .wait = &object->cb_in };
	struct dma_fence *fence = add(test, DMA_RESV_USAGE_WRITE);

	KUNIT_EXPECT_EQ(test, mock_poller_ask(&ctx->poller,
					      ctx->exp->dmabuf->file, IN), 0);
	init_waitqueue_func_entry(&w.entry, watch);
	add_wait_queue(&object->poll, &w.entry);
	dma_fence_signal(fence);
	remove_wait_queue(&object->poll, &w.entry);
	KUNIT_EXPECT_EQ(test, w.woken, 1);
	KUNIT_EXPECT_EQ(test, w.woken_armed, 0);

	mock_poller_end(&ctx->poller);
	dma_fence_put(fence);
	mock_exporter_put_last(ctx->exp);
}

static struct kunit_case dma_buf_poll_race_cases[] = {
	KUNIT_CASE_SLOW(poll_races_signal),
	KUNIT_CASE_SLOW(poll_closed_races_signal),
	KUNIT_CASE(poll_steps_over_fences_in_a_task),
	KUNIT_CASE(poll_wakes_when_nothing_is_armed),
	{}
};

static struct kunit_suite dma_buf_poll_race_suite = {
	.name = "dma_buf_poll_race",
	.init = poll_race_test_init,
	.test_cases = dma_buf_poll_race_cases,
};

kunit_test_suite(dma_buf_poll_race_suite);

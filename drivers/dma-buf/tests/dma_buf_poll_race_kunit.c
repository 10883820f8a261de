// SPDX-License-Identifier: GPL-2.0-only
/*
 * poll() on a buffer while fences signal on another processor: nobody sleeps
 * for ever, and nothing is touched that may be gone.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/poll.h>

#include "../dma-buf-internal.h"
#include "mock.h"

#define IN ((__force u32)EPOLLIN)
#define RACES 100

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

/* Of a context of its own: no fence takes the place of another one. */
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
 * The window: between the look at the fences and the wait on the one hand,
 * signalling on the other. Whoever is not told at once has to be woken.
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
		irq_work_sync(&dmabuf->cb_in.work);
		lost += !ready && !atomic_read(&ctx->poller.woken);
		mock_poller_end(&ctx->poller);
		dma_fence_put(race.fence);
	}
	KUNIT_EXPECT_EQ(test, lost, 0);
	KUNIT_EXPECT_EQ(test, file_count(dmabuf->file), 1);
	mock_exporter_put_last(ctx->exp);
}

static struct kunit_case dma_buf_poll_race_cases[] = {
	KUNIT_CASE_SLOW(poll_races_signal),
	{}
};

static struct kunit_suite dma_buf_poll_race_suite = {
	.name = "dma_buf_poll_race",
	.init = poll_race_test_init,
	.test_cases = dma_buf_poll_race_cases,
};

kunit_test_suite(dma_buf_poll_race_suite);

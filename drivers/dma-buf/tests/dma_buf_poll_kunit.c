// SPDX-License-Identifier: GPL-2.0-only
/*
 * poll() on a buffer: which fences count for which event, one wake-up when the
 * last of them signals, and that an armed wait keeps the buffer alive.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/workqueue.h>

#include "../buffer/dma-buf-internal.h"
#include "mock.h"

/* Plain integers, for comparisons and hweight32(). */
#define IN ((__force u32)EPOLLIN)
#define OUT ((__force u32)EPOLLOUT)
#define BOTH (IN | OUT)
#define POLL_FENCES 200

struct ctx {
	struct mock_exporter *exp;
	struct mock_timeline *timeline;
	struct mock_poller poller;
};

static u32 ask(struct mock_exporter *exp, struct mock_poller *poller, u32 events)
{
	return mock_poller_ask(poller, exp->dmabuf->file, events);
}

static int poll_test_init(struct kunit *test)
{
	struct ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	test->priv = ctx;
	mock_poller_begin(&ctx->poller);
	ctx->timeline = mock_timeline_create(test, "tl");
	ctx->exp = mock_exporter_export(test, PAGE_SIZE, 0);
	return 0;
}

/* Undoes poll_test_init(); everything that the case armed has signalled. */
static void finish(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	mock_poller_end(&ctx->poller);
	mock_exporter_put_last(ctx->exp);
}

static struct dma_fence *add(struct kunit *test, enum dma_resv_usage usage)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *fence;

	ctx->timeline->context = dma_fence_context_alloc(1);
	fence = mock_fence_create(ctx->timeline);
	mock_resv_add(test, ctx->exp->dmabuf->resv, fence, usage);
	return fence;
}

/* Signals, drops the reference, and waits for the workers of the callbacks. */
static void signal_and_put(struct kunit *test, struct dma_fence *fence)
{
	struct ctx *ctx = test->priv;

	dma_fence_signal(fence);
	dma_fence_put(fence);
	flush_work(&to_dma_buf_object(ctx->exp->dmabuf)->cb_in.work);
	flush_work(&to_dma_buf_object(ctx->exp->dmabuf)->cb_out.work);
}

static int references(struct ctx *ctx)
{
	return file_count(ctx->exp->dmabuf->file);
}

struct usage_param {
	const char *desc;
	enum dma_resv_usage usage;
	/* Events that are ready while such a fence is pending. */
	u32 ready;
};

static const struct usage_param usage_params[] = {
	{ "kernel", DMA_RESV_USAGE_KERNEL, 0 },
	{ "write", DMA_RESV_USAGE_WRITE, 0 },
	{ "read", DMA_RESV_USAGE_READ, IN },
	{ "bookkeep", DMA_RESV_USAGE_BOOKKEEP, BOTH },
};

KUNIT_ARRAY_PARAM_DESC(usage, usage_params, desc);

static void poll_usage(struct kunit *test)
{
	const struct usage_param *param = test->param_value;
	struct dma_fence *fence = add(test, param->usage);
	struct ctx *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, BOTH), param->ready);
	/* Each armed direction holds a reference to the buffer. */
	KUNIT_EXPECT_EQ(test, references(ctx), 1 +
			hweight32(BOTH & ~param->ready));
	signal_and_put(test, fence);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->poller.woken),
			hweight32(BOTH & ~param->ready));
	KUNIT_EXPECT_EQ(test, references(ctx), 1);
	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, BOTH), BOTH);
	KUNIT_EXPECT_EQ(test, references(ctx), 1);
	finish(test);
}

static void poll_idle(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, BOTH), BOTH);
	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, IN), IN);
	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, OUT), OUT);
	KUNIT_EXPECT_EQ(test, (__force u32)vfs_poll(ctx->exp->dmabuf->file,
						    NULL), BOTH);
	KUNIT_EXPECT_EQ(test, references(ctx), 1);
	finish(test);
}

static void poll_other_events(struct kunit *test)
{
	struct dma_fence *fence = add(test, DMA_RESV_USAGE_WRITE);
	struct ctx *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller,
				  (__force u32)(EPOLLPRI | EPOLLERR |
						 EPOLLHUP)), 0);
	/* Signalling is not enabled for events that no fence stands for. */
	KUNIT_EXPECT_EQ(test, references(ctx), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&to_mock_fence(fence)->enabled), 0);
	signal_and_put(test, fence);
	finish(test);
}

struct modify_param {
	const char *desc;
	u32 first;
	u32 second;
};

static const struct modify_param modify_params[] = {
	{ "nothing to in", 0, IN },
	{ "nothing to out", 0, OUT },
	{ "other events to both", (__force u32)(EPOLLPRI | EPOLLRDHUP), BOTH },
	{ "in to out", IN, OUT },
	{ "out to in", OUT, IN },
	{ "in to both", IN, BOTH },
	{ "both to out", BOTH, OUT },
	{ "in to nothing", IN, 0 },
};

KUNIT_ARRAY_PARAM_DESC(modify, modify_params, desc);

/*
 * epoll queues a poller once, and EPOLL_CTL_MOD changes its events later: a
 * poller that was not queued for want of events would never be woken.
 */
static void poll_modified(struct kunit *test)
{
	const struct modify_param *param = test->param_value;
	struct dma_fence *fence = add(test, DMA_RESV_USAGE_WRITE);
	struct ctx *ctx = test->priv;
	struct dma_buf *dmabuf = ctx->exp->dmabuf;

	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, param->first), 0);
	KUNIT_EXPECT_PTR_EQ(test, ctx->poller.head, &to_dma_buf_object(dmabuf)->poll);
	KUNIT_EXPECT_EQ(test, mock_poller_modify(&ctx->poller, dmabuf->file,
						 param->second), 0);
	/* All directions that were ever asked for are armed. */
	KUNIT_EXPECT_EQ(test, references(ctx), 1 +
			hweight32((param->first | param->second) & BOTH));
	signal_and_put(test, fence);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->poller.woken),
			hweight32((param->first | param->second) & BOTH));
	KUNIT_EXPECT_EQ(test, mock_poller_modify(&ctx->poller, dmabuf->file,
						 param->second),
			param->second & BOTH);
	finish(test);
}

static void poll_asks_for_one(struct kunit *test)
{
	struct dma_fence *fence = add(test, DMA_RESV_USAGE_WRITE);
	struct ctx *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, OUT), 0);
	KUNIT_EXPECT_EQ(test, references(ctx), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&to_mock_fence(fence)->enabled), 1);
	signal_and_put(test, fence);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->poller.woken), 1);
	KUNIT_EXPECT_EQ(test, ctx->poller.key, OUT);
	finish(test);
}

/* The new fence takes the slot of one that the wait has passed already. */
static void poll_finds_what_came_in_behind(struct kunit *test)
{
	struct dma_fence *first = add(test, DMA_RESV_USAGE_WRITE);
	struct dma_fence *second = add(test, DMA_RESV_USAGE_WRITE);
	struct dma_fence *late;
	struct ctx *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, OUT), 0);
	signal_and_put(test, second);
	late = add(test, DMA_RESV_USAGE_READ);
	signal_and_put(test, first);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->poller.woken), 0);
	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, OUT), 0);
	signal_and_put(test, late);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->poller.woken), 1);
	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, OUT), OUT);
	finish(test);
}

/* The cost is linear: each fence is polled a few times, not once per signal. */
static void poll_looks_at_each_a_few_times(struct kunit *test)
{
	static struct dma_fence *fences[POLL_FENCES];
	struct ctx *ctx = test->priv;
	int i, looks = 0;

	for (i = 0; i < POLL_FENCES; i++)
		fences[i] = add(test, DMA_RESV_USAGE_READ);
	for (i = 0; i < POLL_FENCES; i++)
		looks -= atomic_read(&to_mock_fence(fences[i])->polled);
	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, OUT), 0);
	for (i = 0; i < POLL_FENCES; i++) {
		KUNIT_EXPECT_EQ(test, atomic_read(&ctx->poller.woken), 0);
		dma_fence_signal(fences[i]);
	}
	flush_work(&to_dma_buf_object(ctx->exp->dmabuf)->cb_out.work);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->poller.woken), 1);
	for (i = 0; i < POLL_FENCES; i++) {
		looks += atomic_read(&to_mock_fence(fences[i])->polled);
		dma_fence_put(fences[i]);
	}
	KUNIT_EXPECT_LE(test, looks, 4 * POLL_FENCES);
	finish(test);
}

static void poll_wakes_once_for_last(struct kunit *test)
{
	struct dma_fence *first = add(test, DMA_RESV_USAGE_WRITE);
	struct dma_fence *second = add(test, DMA_RESV_USAGE_KERNEL);
	struct dma_fence *third = add(test, DMA_RESV_USAGE_WRITE);
	struct ctx *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, IN), 0);
	signal_and_put(test, first);
	signal_and_put(test, third);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->poller.woken), 0);
	KUNIT_EXPECT_EQ(test, references(ctx), 2);
	signal_and_put(test, second);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->poller.woken), 1);
	KUNIT_EXPECT_EQ(test, ctx->poller.key, IN);
	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, IN), IN);
	finish(test);
}

/* With a single fence the callback wakes the poller, without a worker. */
static void poll_wakes_at_once_for_only(struct kunit *test)
{
	struct dma_fence *fence = add(test, DMA_RESV_USAGE_WRITE);
	struct ctx *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, BOTH), 0);
	scoped_guard(spinlock_irqsave, fence->lock) {
		dma_fence_signal_locked(fence);
		KUNIT_EXPECT_EQ(test, atomic_read(&ctx->poller.woken), 2);
		KUNIT_EXPECT_EQ(test, references(ctx), 1);
	}
	/* The references of the armed wait are gone. */
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
	dma_fence_put(fence);
	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, BOTH), BOTH);
	finish(test);
}

/* EPOLLIN waits for writers only, EPOLLOUT for readers too. */
static void poll_in_ignores_reader(struct kunit *test)
{
	struct dma_fence *writer = add(test, DMA_RESV_USAGE_WRITE);
	struct dma_fence *reader = add(test, DMA_RESV_USAGE_READ);
	struct ctx *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, BOTH), 0);
	signal_and_put(test, writer);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->poller.woken), 1);
	KUNIT_EXPECT_EQ(test, ctx->poller.key, IN);
	signal_and_put(test, reader);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->poller.woken), 2);
	KUNIT_EXPECT_EQ(test, ctx->poller.key, OUT);
	finish(test);
}

static void poll_fence_added_while_armed(struct kunit *test)
{
	struct dma_fence *first = add(test, DMA_RESV_USAGE_WRITE);
	struct ctx *ctx = test->priv;
	struct dma_fence *late;

	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, IN), 0);
	late = add(test, DMA_RESV_USAGE_WRITE);
	signal_and_put(test, first);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->poller.woken), 0);
	signal_and_put(test, late);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->poller.woken), 1);
	finish(test);
}

/* A poll waits until the buffer is idle; a snapshot of its fences does not. */
static void poll_while_work_keeps_coming(struct kunit *test)
{
	struct dma_fence *fence = add(test, DMA_RESV_USAGE_WRITE);
	struct ctx *ctx = test->priv;
	struct dma_buf *dmabuf = ctx->exp->dmabuf;
	struct dma_fence *snapshot, *next;

	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, IN), 0);
	KUNIT_ASSERT_EQ(test, dma_resv_get_singleton(dmabuf->resv,
						     dma_resv_usage_rw(false),
						     &snapshot), 0);
	for (int i = 0; i < 5; i++) {
		next = add(test, DMA_RESV_USAGE_WRITE);
		signal_and_put(test, fence);
		KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(snapshot));
		KUNIT_EXPECT_EQ(test, atomic_read(&ctx->poller.woken), 0);
		KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, IN), 0);
		fence = next;
	}
	signal_and_put(test, fence);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->poller.woken), 1);
	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, IN), IN);
	dma_fence_put(snapshot);
	finish(test);
}

static void poll_again_after_wake(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_buf_poll_wait *wait = &to_dma_buf_object(ctx->exp->dmabuf)->cb_in;
	struct dma_fence *fence;

	for (int i = 1; i <= 3; i++) {
		fence = add(test, DMA_RESV_USAGE_WRITE);
		KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, IN), 0);
		KUNIT_EXPECT_EQ(test, references(ctx), 2);
		signal_and_put(test, fence);
		KUNIT_EXPECT_EQ(test, atomic_read(&ctx->poller.woken), i);
		KUNIT_EXPECT_EQ(test, references(ctx), 1);
		/* The fence is not referenced any more: no pointer may stay. */
		KUNIT_EXPECT_NULL(test, rcu_access_pointer(wait->fence));
	}
	finish(test);
}

static void poll_several_pollers(struct kunit *test)
{
	struct dma_fence *fence = add(test, DMA_RESV_USAGE_WRITE);
	struct ctx *ctx = test->priv;
	struct mock_poller other;
	int looks;

	mock_poller_begin(&other);
	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, IN), 0);
	looks = atomic_read(&to_mock_fence(fence)->polled);
	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &other, IN), 0);
	/* They share the callback, its reference and the result of the poll. */
	KUNIT_EXPECT_EQ(test, references(ctx), 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&to_mock_fence(fence)->polled), looks);
	signal_and_put(test, fence);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->poller.woken), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&other.woken), 1);
	mock_poller_end(&other);
	finish(test);
}

static void poll_closed_while_armed(struct kunit *test)
{
	struct dma_fence *fence = add(test, DMA_RESV_USAGE_WRITE);
	struct ctx *ctx = test->priv;
	struct mock_exporter *exp = ctx->exp;

	KUNIT_EXPECT_EQ(test, ask(exp, &ctx->poller, BOTH), 0);
	mock_poller_end(&ctx->poller);
	dma_buf_put(exp->dmabuf);
	mock_flush_files();
	MOCK_EXPECT_NO_CALLS(exp);
	/* The armed callbacks keep the buffer until they have run. */
	dma_fence_signal(fence);
	dma_fence_put(fence);
	KUNIT_EXPECT_TRUE(test, mock_exporter_wait_released(exp));
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->poller.woken), 0);
}

struct fence_param {
	const char *desc;
	bool enable_returns_false;
	bool signal_on_enable;
	bool done;
};

static const struct fence_param fence_params[] = {
	{ "enable_signaling finds it done", .enable_returns_false = true },
	{ "enable_signaling signals it", .signal_on_enable = true },
	{ "signaled finds it done", .done = true },
};

KUNIT_ARRAY_PARAM_DESC(fence, fence_params, desc);

static void poll_signaled_when_asked(struct kunit *test)
{
	const struct fence_param *param = test->param_value;
	struct dma_fence *fence = add(test, DMA_RESV_USAGE_WRITE);
	struct mock_fence *mock = to_mock_fence(fence);
	struct ctx *ctx = test->priv;

	mock->enable_returns_false = param->enable_returns_false;
	mock->signal_on_enable = param->signal_on_enable;
	mock->done = param->done;
	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, BOTH), BOTH);
	KUNIT_EXPECT_EQ(test, references(ctx), 1);
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(fence));
	signal_and_put(test, fence);
	finish(test);
}

/* A fence with an error wakes pollers like any other: the job is over. */
static void poll_fence_error(struct kunit *test)
{
	struct dma_fence *fence = add(test, DMA_RESV_USAGE_WRITE);
	struct ctx *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, IN), 0);
	dma_fence_set_error(fence, -EIO);
	signal_and_put(test, fence);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->poller.woken), 1);
	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, BOTH), BOTH);
	finish(test);
}

/* A poller must not block on a lock that a driver may hold for long. */
static void poll_does_not_lock(struct kunit *test)
{
	struct dma_fence *fence = add(test, DMA_RESV_USAGE_WRITE);
	struct ctx *ctx = test->priv;
	struct task_struct *holder = mock_resv_hold(test,
						    ctx->exp->dmabuf->resv);

	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, BOTH), 0);
	signal_and_put(test, fence);
	KUNIT_EXPECT_EQ(test, ask(ctx->exp, &ctx->poller, BOTH), BOTH);
	mock_resv_let_go(holder);
	finish(test);
}

static struct kunit_case dma_buf_poll_cases[] = {
	KUNIT_CASE_PARAM(poll_usage, usage_gen_params),
	KUNIT_CASE(poll_idle),
	KUNIT_CASE(poll_other_events),
	KUNIT_CASE_PARAM(poll_modified, modify_gen_params),
	KUNIT_CASE(poll_asks_for_one),
	KUNIT_CASE(poll_finds_what_came_in_behind),
	KUNIT_CASE(poll_looks_at_each_a_few_times),
	KUNIT_CASE(poll_wakes_once_for_last),
	KUNIT_CASE(poll_wakes_at_once_for_only),
	KUNIT_CASE(poll_in_ignores_reader),
	KUNIT_CASE(poll_fence_added_while_armed),
	KUNIT_CASE(poll_while_work_keeps_coming),
	KUNIT_CASE(poll_again_after_wake),
	KUNIT_CASE(poll_several_pollers),
	KUNIT_CASE(poll_closed_while_armed),
	KUNIT_CASE_PARAM(poll_signaled_when_asked, fence_gen_params),
	KUNIT_CASE(poll_fence_error),
	KUNIT_CASE(poll_does_not_lock),
	{}
};

static struct kunit_suite dma_buf_poll_suite = {
	.name = "dma_buf_poll",
	.init = poll_test_init,
	.test_cases = dma_buf_poll_cases,
};

kunit_test_suite(dma_buf_poll_suite);

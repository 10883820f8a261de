// SPDX-License-Identifier: GPL-2.0-only
/*
 * The length of the list of a reservation object: the signalled fences in it
 * must not outnumber the pending ones by more than the bound that
 * dma-resv-list.c states.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/minmax.h>
#include <linux/prandom.h>
#include <linux/slab.h>

#include "../resv/dma-resv-list.h"
#include "mock.h"

#define MAX_PENDING 300

struct ctx {
	struct dma_resv resv;
	struct mock_timeline *timeline;
	u64 context;
	/* The pending fences; NULL elsewhere. */
	struct dma_fence *pending[MAX_PENDING];
	/* The longest list so far, in percent of the bound. */
	unsigned int worst;
	struct rnd_state rnd;
};

static int bound_test_init(struct kunit *test)
{
	struct ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->timeline = mock_timeline_create(test, "bound");
	ctx->context = dma_fence_context_alloc(1000000);
	prandom_seed_state(&ctx->rnd, 5);
	dma_resv_init(&ctx->resv);
	test->priv = ctx;
	return 0;
}

static void bound_test_exit(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	if (!ctx)
		return;
	dma_resv_fini(&ctx->resv);
	for (int i = 0; i < MAX_PENDING; i++)
		dma_fence_put(ctx->pending[i]);
}

/*
 * Count the slots in use, which any locked walk visits, and the pending ones.
 */
static unsigned int count(struct dma_resv *resv, unsigned int *pending)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	unsigned int num = 0;

	*pending = 0;
	dma_resv_for_each_fence(&cursor, resv, DMA_RESV_USAGE_BOOKKEEP, fence) {
		*pending += !test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags);
		num++;
	}
	return num;
}

static void expect_bound(struct kunit *test, unsigned int slots,
			 unsigned int bound)
{
	struct ctx *ctx = test->priv;

	ctx->worst = max(ctx->worst, 100 * slots / bound);
}

/* Add @num fences, each of a new timeline, and return them in @fences. */
static void add_new(struct kunit *test, unsigned int num,
		    struct dma_fence **fences)
{
	struct ctx *ctx = test->priv;
	unsigned int before, bound;

	for (unsigned int i = 0; i < num; i++) {
		ctx->timeline->context = ctx->context++;
		fences[i] = mock_fence_create_at(ctx->timeline, 1, 0);
	}
	dma_resv_lock(&ctx->resv, NULL);
	count(&ctx->resv, &before);
	bound = 2 * before + DMA_RESV_LIST_MIN;
	KUNIT_ASSERT_EQ(test, dma_resv_reserve_fences(&ctx->resv, num), 0);
	expect_bound(test, count(&ctx->resv, &before), bound);
	for (unsigned int i = 0; i < num; i++) {
		dma_resv_add_fence(&ctx->resv, fences[i], i % 4);
		expect_bound(test, count(&ctx->resv, &before), bound + num);
	}
	dma_resv_unlock(&ctx->resv);
}

static void end(struct dma_fence **fence)
{
	if (*fence)
		dma_fence_signal(*fence);
	dma_fence_put(*fence);
	*fence = NULL;
}

enum order { OLDEST, RANDOM, NEWEST };

struct steady {
	const char *desc;
	unsigned int pending;
	unsigned int num;
	enum order order;
};

static const struct steady steadies[] = {
	{ "none pending", 0, 1, OLDEST },
	{ "none of 5", 0, 5, OLDEST },
	{ "one", 1, 1, OLDEST },
	{ "2, oldest first", 2, 1, OLDEST },
	{ "2, newest first", 2, 1, NEWEST },
	{ "8, oldest first", 8, 1, OLDEST },
	{ "8 in fours", 8, 4, OLDEST },
	{ "12 at random", 12, 3, RANDOM },
	{ "32, oldest first", 32, 1, OLDEST },
	{ "32 at random", 32, 1, RANDOM },
	{ "32, newest first", 32, 1, NEWEST },
	{ "100, oldest first", 100, 1, OLDEST },
	{ "200 at random", 200, 8, RANDOM },
	{ "300, newest first", 300, 5, NEWEST },
};

KUNIT_ARRAY_PARAM_DESC(steady, steadies, desc);

/*
 * Each step signals as many fences as it adds: the number pending is constant.
 */
static void steady_state_is_bounded(struct kunit *test)
{
	const struct steady *param = test->param_value;
	struct ctx *ctx = test->priv;
	struct dma_fence *fences[8];
	unsigned int num, at = 0;

	for (unsigned int i = 0; i < param->pending; i++)
		add_new(test, 1, &ctx->pending[i]);
	for (unsigned int step = 0; step < 4000; step++) {
		add_new(test, param->num, fences);
		for (unsigned int i = 0; i < param->num; i++) {
			if (param->order == RANDOM)
				at = prandom_u32_state(&ctx->rnd);
			else if (param->order == OLDEST)
				at++;
			if (param->pending)
				swap(ctx->pending[at % param->pending],
				     fences[i]);
			end(&fences[i]);
		}
	}
	KUNIT_EXPECT_LE(test, ctx->worst, 100);
	dma_resv_lock(&ctx->resv, NULL);
	KUNIT_EXPECT_LE(test, count(&ctx->resv, &num),
			2 * param->pending + param->num + DMA_RESV_LIST_MIN);
	KUNIT_EXPECT_EQ(test, num, param->pending);
	dma_resv_unlock(&ctx->resv);
}

static const unsigned int bursts[] = { 9, 20, 33, 100, 1000, 5000 };

static void burst_desc(const unsigned int *burst, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%u fences", *burst);
}

KUNIT_ARRAY_PARAM(burst, bursts, burst_desc);

/* Make fences, each of a timeline of its own, without adding them. */
static struct dma_fence **make_many(struct kunit *test, unsigned int num)
{
	struct dma_fence **fences = kvcalloc(num, sizeof(*fences), GFP_KERNEL);
	struct ctx *ctx = test->priv;

	KUNIT_ASSERT_NOT_NULL(test, fences);
	for (unsigned int i = 0; i < num; i++) {
		ctx->timeline->context = ctx->context++;
		fences[i] = mock_fence_create_at(ctx->timeline, 1, 0);
	}
	return fences;
}

/*
 * Add @num pending fences and signal all but the first @keep. Returns how many
 * more fences, each signalled at once, must be added before the list is within
 * its bound.
 */
static unsigned int burst(struct kunit *test, unsigned int num,
			  unsigned int keep)
{
	unsigned int bound = 2 * keep + 1 + DMA_RESV_LIST_MIN;
	struct dma_fence **fences = make_many(test, num), *one;
	unsigned int added = 0, slots, pending;
	struct ctx *ctx = test->priv;

	for (unsigned int i = 0; i < num; i++)
		mock_resv_add(test, &ctx->resv, fences[i], DMA_RESV_USAGE_READ);
	for (unsigned int i = keep; i < num; i++)
		end(&fences[i]);
	do {
		ctx->timeline->context = ctx->context++;
		one = mock_fence_create_at(ctx->timeline, 1, 0);
		mock_resv_add(test, &ctx->resv, one, DMA_RESV_USAGE_READ);
		end(&one);
		added++;
		dma_resv_lock(&ctx->resv, NULL);
		slots = count(&ctx->resv, &pending);
		dma_resv_unlock(&ctx->resv);
	} while (slots > bound && added <= num);
	for (unsigned int i = 0; i < keep; i++)
		end(&fences[i]);
	kvfree(fences);
	return added;
}

/* The next reservation, or one soon after it, removes the rest of a burst. */
static void list_shrinks_after_burst(struct kunit *test)
{
	unsigned int num = *(const unsigned int *)test->param_value;
	struct ctx *ctx = test->priv;

	KUNIT_EXPECT_LE(test, burst(test, num, 0), 1);
	KUNIT_EXPECT_LE(test, burst(test, num, 2), 3);
	/* All have signalled by now: the memory shrinks, too. */
	KUNIT_EXPECT_LE(test, burst(test, num, 0), 1);
	KUNIT_EXPECT_LE(test,
			rcu_dereference_protected(ctx->resv.fences,
						  true)->capacity,
			DMA_RESV_LIST_SHORT);
}

/* A later, smaller reservation does not shorten an earlier one. */
static void reservation_outlives_shrinking(struct kunit *test)
{
	unsigned int num = *(const unsigned int *)test->param_value, pending;
	struct dma_fence **fences = make_many(test, num + 40);
	struct ctx *ctx = test->priv;

	for (unsigned int i = 0; i < num; i++)
		mock_resv_add(test, &ctx->resv, fences[i], DMA_RESV_USAGE_READ);
	dma_resv_lock(&ctx->resv, NULL);
	KUNIT_EXPECT_EQ(test, dma_resv_reserve_fences(&ctx->resv, 40), 0);
	for (unsigned int i = 0; i < num; i++)
		end(&fences[i]);
	KUNIT_EXPECT_EQ(test, dma_resv_reserve_fences(&ctx->resv, 1), 0);
	KUNIT_EXPECT_LE(test, count(&ctx->resv, &pending), DMA_RESV_LIST_MIN);
	mock_warn_begin(test);
	for (unsigned int i = num; i < num + 40; i++)
		dma_resv_add_fence(&ctx->resv, fences[i], DMA_RESV_USAGE_READ);
	mock_warn_end(test, "", 0);
	count(&ctx->resv, &pending);
	dma_resv_unlock(&ctx->resv);
	KUNIT_EXPECT_EQ(test, pending, 40);
	for (unsigned int i = num; i < num + 40; i++)
		end(&fences[i]);
	kvfree(fences);
}

static struct kunit_case dma_resv_bound_cases[] = {
	KUNIT_CASE_PARAM_ATTR(steady_state_is_bounded, steady_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_PARAM_ATTR(list_shrinks_after_burst, burst_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_PARAM_ATTR(reservation_outlives_shrinking, burst_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	{}
};

static struct kunit_suite dma_resv_bound_suite = {
	.name = "dma_resv_bound",
	.init = bound_test_init,
	.exit = bound_test_exit,
	.test_cases = dma_resv_bound_cases,
};

kunit_test_suite(dma_resv_bound_suite);

MODULE_LICENSE("GPL");

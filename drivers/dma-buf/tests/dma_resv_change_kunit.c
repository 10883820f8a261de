// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changes to the fences of a reservation object: reusing slots, replacing a
 * timeline, copying one object to another; and the cost of each.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/slab.h>

#include "../resv/dma-resv-list.h"
#include "mock.h"

#define MANY 3000

struct ctx {
	struct dma_resv resv;
	struct mock_timeline *timeline;
	struct dma_fence *fences[MANY];
};

static int change_test_init(struct kunit *test)
{
	struct ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->timeline = mock_timeline_create(test, "change");
	dma_resv_init(&ctx->resv);
	test->priv = ctx;
	return 0;
}

/* The mock timeline checks at its end that all references were dropped. */
static void change_test_exit(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	if (ctx)
		dma_resv_fini(&ctx->resv);
}

static struct dma_fence *make(struct kunit *test, u64 context, u64 seqno)
{
	struct ctx *ctx = test->priv;

	ctx->timeline->context = context;
	return mock_fence_create_at(ctx->timeline, seqno, 0);
}

/* Add a fence to which only the object holds a reference. */
static struct dma_fence *add_new(struct kunit *test, u64 context, u64 seqno,
				 enum dma_resv_usage usage)
{
	struct dma_fence *fence = make(test, context, seqno);
	struct ctx *ctx = test->priv;

	mock_resv_add(test, &ctx->resv, fence, usage);
	dma_fence_put(fence);
	return fence;
}

static struct dma_resv_list *list_of(struct dma_resv *resv)
{
	/* Only this test uses the object. */
	return rcu_dereference_protected(resv->fences, true);
}

static const int sizes[] = { 1, 4, 8, 9, 40 };

static void size_desc(const int *size, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%d fences", *size);
}

KUNIT_ARRAY_PARAM(size, sizes, size_desc);

/* A list does not grow as long as its fences signal. */
static void add_reuses_signaled_slots(struct kunit *test)
{
	int size = *(const int *)test->param_value;
	u64 context = dma_fence_context_alloc(100000);
	struct dma_fence **recent;
	struct ctx *ctx = test->priv;
	unsigned int capacity = 0;

	recent = kunit_kcalloc(test, size, sizeof(*recent), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, recent);
	for (int i = 0; i < 20 * size; i++) {
		if (recent[i % size])
			dma_fence_signal(recent[i % size]);
		recent[i % size] = add_new(test, context + i, 1,
					   DMA_RESV_USAGE_READ);
		if (i == 4 * size)
			capacity = list_of(&ctx->resv)->capacity;
	}
	KUNIT_EXPECT_EQ(test, list_of(&ctx->resv)->capacity, capacity);
	KUNIT_EXPECT_LE(test, capacity, max(4 * size, 8));
}

/* A list does not take signalled fences along when it grows. */
static void reserve_leaves_signaled_behind(struct kunit *test)
{
	int size = *(const int *)test->param_value;
	u64 context = dma_fence_context_alloc(100000);
	struct ctx *ctx = test->priv;
	struct dma_fence *last = NULL;
	int pending = 0;

	for (int i = 0; i < size; i++)
		last = add_new(test, context + i, 1, DMA_RESV_USAGE_READ);
	dma_fence_signal(last);
	dma_resv_lock(&ctx->resv, NULL);
	KUNIT_EXPECT_EQ(test, dma_resv_reserve_fences(&ctx->resv, 500), 0);
	KUNIT_EXPECT_EQ(test, list_of(&ctx->resv)->num_fences, size - 1);
	dma_resv_unlock(&ctx->resv);
	pending = atomic_read(&ctx->timeline->created) -
		  atomic_read(&ctx->timeline->released);
	KUNIT_EXPECT_EQ(test, pending, size - 1);
}

/*
 * Count how often drivers are asked whether a fence has signalled. To add n
 * fences of n timelines, and then the next fence of each, takes a few polls for
 * each fence, not one for each fence in the list.
 */
static void add_of_many_is_not_quadratic(struct kunit *test)
{
	u64 context = dma_fence_context_alloc(MANY);
	struct ctx *ctx = test->priv;
	struct dma_fence **fences;
	u64 polled = 0;

	fences = kunit_kcalloc(test, 2 * MANY, sizeof(*fences), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, fences);
	for (int i = 0; i < 2 * MANY; i++) {
		fences[i] = make(test, context + i % MANY, 1 + i / MANY);
		mock_resv_add(test, &ctx->resv, fences[i],
			      DMA_RESV_USAGE_WRITE);
	}
	KUNIT_EXPECT_EQ(test, list_of(&ctx->resv)->num_fences, MANY);
	for (int i = 0; i < 2 * MANY; i++) {
		polled += atomic_read(&to_mock_fence(fences[i])->polled);
		/* The later fence has replaced the earlier one. */
		KUNIT_EXPECT_EQ(test, kref_read(&fences[i]->refcount),
				1 + i / MANY);
		dma_fence_put(fences[i]);
	}
	KUNIT_EXPECT_LE(test, polled, 2 * MANY * (DMA_RESV_LIST_LOOKS + 4));
}

/* Add fences of context 0, none of which stands for another. */
static void add_context_0(struct kunit *test, int num)
{
	for (int i = 0; i < num; i++)
		add_new(test, 0, i, i % 4);
}

/*
 * Add fences of one timeline from the latest to the earliest: none replaces
 * another.
 */
static void add_backwards(struct kunit *test, u64 context, int num)
{
	for (int i = num; i; i--)
		add_new(test, context, i, DMA_RESV_USAGE_READ);
}

/* Count steps in the index: fences of context 0 share no bucket. */
static void add_of_context_0_is_not_quadratic(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	u64 before = dma_resv_index_steps;

	add_context_0(test, MANY);
	KUNIT_EXPECT_EQ(test, list_of(&ctx->resv)->num_fences, MANY);
	KUNIT_EXPECT_LE(test, dma_resv_index_steps - before, 8 * MANY);
}

static void expect_all(struct kunit *test, struct dma_fence *fence,
		       enum dma_resv_usage expected)
{
	struct ctx *ctx = test->priv;
	struct dma_resv_list *list = list_of(&ctx->resv);
	int others = 0;

	KUNIT_EXPECT_EQ(test, list->num_fences, MANY);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), MANY + 1);
	for (unsigned int i = 0; i < list->num_fences; i++) {
		others += dma_resv_list_fence(list, i) != fence;
		others += dma_resv_list_usage(list, i) != expected;
	}
	KUNIT_EXPECT_EQ(test, others, 0);
}

/* Replace fences of context 0 by a timeline, back, and again. */
static void replace_of_many_is_not_quadratic(struct kunit *test)
{
	u64 contexts[4] = { 0, dma_fence_context_alloc(3) };
	struct ctx *ctx = test->priv;
	struct dma_fence *fence;
	u64 before;

	contexts[2] = 0;
	contexts[3] = contexts[1] + 1;
	add_context_0(test, MANY);
	for (int i = 1; i < ARRAY_SIZE(contexts); i++) {
		fence = make(test, contexts[i], 1);
		before = dma_resv_index_steps;
		dma_resv_lock(&ctx->resv, NULL);
		dma_resv_replace_fences(&ctx->resv, contexts[i - 1], fence,
					DMA_RESV_USAGE_READ);
		dma_resv_unlock(&ctx->resv);
		KUNIT_EXPECT_LE(test, dma_resv_index_steps - before, 4 * MANY);
		expect_all(test, fence, DMA_RESV_USAGE_READ);
		dma_fence_put(fence);
	}
	/* The index has the last timeline only. */
	add_new(test, contexts[1], 2, DMA_RESV_USAGE_READ);
	add_new(test, contexts[3], 2, DMA_RESV_USAGE_READ);
	KUNIT_EXPECT_EQ(test, list_of(&ctx->resv)->num_fences, MANY + 1);
}

static void replace_of_long_timeline_is_not_quadratic(struct kunit *test)
{
	u64 context = dma_fence_context_alloc(2), before;
	struct ctx *ctx = test->priv;
	struct dma_fence *fence;

	add_backwards(test, context, MANY);
	fence = make(test, context + 1, 1);
	before = dma_resv_index_steps;
	dma_resv_lock(&ctx->resv, NULL);
	dma_resv_replace_fences(&ctx->resv, context, fence,
				DMA_RESV_USAGE_KERNEL);
	dma_resv_unlock(&ctx->resv);
	KUNIT_EXPECT_LE(test, dma_resv_index_steps - before, 4 * MANY);
	expect_all(test, fence, DMA_RESV_USAGE_KERNEL);
	dma_fence_put(fence);
}

static void replace_fences_of_timeline(struct kunit *test)
{
	int size = *(const int *)test->param_value;
	u64 context = dma_fence_context_alloc(1000);
	struct ctx *ctx = test->priv;
	struct dma_fence *one, *two, *by;
	struct dma_resv_list *list;

	for (int i = 0; i < size; i++)
		add_new(test, context + 1 + i, 1, DMA_RESV_USAGE_WRITE);
	/* In two slots, because the second usage is weaker. */
	one = make(test, context, 1);
	two = make(test, context, 2);
	mock_resv_add(test, &ctx->resv, one, DMA_RESV_USAGE_KERNEL);
	mock_resv_add(test, &ctx->resv, two, DMA_RESV_USAGE_BOOKKEEP);
	by = make(test, context + 500, 7);

	dma_resv_lock(&ctx->resv, NULL);
	dma_resv_replace_fences(&ctx->resv, context, by, DMA_RESV_USAGE_READ);
	/* A timeline that is gone, and one that never was there. */
	dma_resv_replace_fences(&ctx->resv, context, one,
				DMA_RESV_USAGE_KERNEL);
	dma_resv_replace_fences(&ctx->resv, context + 999, one,
				DMA_RESV_USAGE_KERNEL);
	dma_resv_unlock(&ctx->resv);

	list = list_of(&ctx->resv);
	KUNIT_EXPECT_EQ(test, list->num_fences, size + 2);
	for (int i = size; i < size + 2; i++) {
		KUNIT_EXPECT_PTR_EQ(test, dma_resv_list_fence(list, i), by);
		KUNIT_EXPECT_EQ(test, dma_resv_list_usage(list, i),
				DMA_RESV_USAGE_READ);
	}
	KUNIT_EXPECT_EQ(test, kref_read(&one->refcount), 1);
	KUNIT_EXPECT_EQ(test, kref_read(&two->refcount), 1);
	KUNIT_EXPECT_EQ(test, kref_read(&by->refcount), 3);
	dma_fence_put(one);
	dma_fence_put(two);
	dma_fence_put(by);

	/*
	 * The index finds the slots by the new timeline, no longer by the old
	 * one.
	 */
	add_new(test, context + 500, 8, DMA_RESV_USAGE_READ);
	KUNIT_EXPECT_EQ(test, list_of(&ctx->resv)->num_fences, size + 2);
	add_new(test, context, 3, DMA_RESV_USAGE_KERNEL);
	KUNIT_EXPECT_EQ(test, list_of(&ctx->resv)->num_fences, size + 3);
}

static void replace_fences_of_empty_object(struct kunit *test)
{
	struct dma_fence *fence = make(test, 5, 1);
	struct ctx *ctx = test->priv;

	dma_resv_lock(&ctx->resv, NULL);
	dma_resv_replace_fences(&ctx->resv, 5, fence, DMA_RESV_USAGE_READ);
	dma_resv_unlock(&ctx->resv);
	KUNIT_EXPECT_NULL(test, list_of(&ctx->resv));
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 1);
	dma_fence_put(fence);
}

/* xe and amdkfd do this. */
static void replace_fences_inside_walk(struct kunit *test)
{
	u64 context = dma_fence_context_alloc(20);
	struct dma_fence *stub = dma_fence_get_stub(), *fence;
	struct ctx *ctx = test->priv;
	struct dma_resv_iter cursor;
	int visited = 0;

	for (int i = 0; i < 20; i++)
		add_new(test, context + i, 1, DMA_RESV_USAGE_BOOKKEEP);
	dma_resv_lock(&ctx->resv, NULL);
	dma_resv_for_each_fence(&cursor, &ctx->resv, DMA_RESV_USAGE_BOOKKEEP,
				fence) {
		KUNIT_EXPECT_EQ(test, fence->context, context + visited);
		visited++;
		dma_resv_replace_fences(&ctx->resv, fence->context, stub,
					DMA_RESV_USAGE_BOOKKEEP);
	}
	dma_resv_unlock(&ctx->resv);
	KUNIT_EXPECT_EQ(test, visited, 20);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->timeline->released), 20);
	KUNIT_EXPECT_TRUE(test, dma_resv_test_signaled(&ctx->resv,
						       DMA_RESV_USAGE_BOOKKEEP));
	dma_fence_put(stub);
}

static void copy_takes_pending_of_all_usages(struct kunit *test)
{
	int size = *(const int *)test->param_value;
	u64 context = dma_fence_context_alloc(1000);
	struct ctx *ctx = test->priv;
	struct dma_fence *fence;
	struct dma_resv dst;

	dma_resv_init(&dst);
	for (int i = 0; i < size; i++)
		add_new(test, context + i, i + 1, i % 4);
	fence = make(test, context + 500, 1);
	mock_resv_add(test, &ctx->resv, fence, DMA_RESV_USAGE_KERNEL);
	dma_fence_signal(fence);
	mock_resv_add(test, &dst, fence, DMA_RESV_USAGE_KERNEL);

	dma_resv_lock(&dst, NULL);
	KUNIT_ASSERT_EQ(test, dma_resv_copy_fences(&dst, &ctx->resv), 0);
	/* Neither the former fence nor the signalled one is left. */
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
	dma_fence_put(fence);
	KUNIT_ASSERT_EQ(test, list_of(&dst)->num_fences, size);
	for (int i = 0; i < size; i++) {
		fence = dma_resv_list_fence(list_of(&dst), i);
		KUNIT_EXPECT_EQ(test, fence->seqno, i + 1);
		KUNIT_EXPECT_EQ(test, dma_resv_list_usage(list_of(&dst), i),
				i % 4);
		KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
	}
	/* The copy accepts reservations, and finds its timelines. */
	KUNIT_EXPECT_EQ(test, dma_resv_reserve_fences(&dst, 1), 0);
	fence = make(test, context, 2);
	dma_resv_add_fence(&dst, fence, DMA_RESV_USAGE_KERNEL);
	dma_fence_put(fence);
	KUNIT_EXPECT_EQ(test, list_of(&dst)->num_fences, size);
	dma_resv_unlock(&dst);
	dma_resv_fini(&dst);
}

/* The memory is for the pending fences of the other object only. */
static void copy_of_mostly_signaled_is_small(struct kunit *test)
{
	u64 context = dma_fence_context_alloc(MANY);
	struct ctx *ctx = test->priv;
	struct dma_fence *fence;
	struct dma_resv dst;

	for (int i = 0; i < MANY; i++) {
		fence = make(test, context + i, 1);
		mock_resv_add(test, &ctx->resv, fence, DMA_RESV_USAGE_READ);
		ctx->fences[i] = fence;
	}
	for (int i = 0; i < MANY; i++) {
		if (i % (MANY / 2))
			dma_fence_signal(ctx->fences[i]);
		dma_fence_put(ctx->fences[i]);
	}
	dma_resv_init(&dst);
	dma_resv_lock(&dst, NULL);
	KUNIT_EXPECT_EQ(test, dma_resv_copy_fences(&dst, &ctx->resv), 0);
	KUNIT_EXPECT_EQ(test, list_of(&dst)->num_fences, 2);
	KUNIT_EXPECT_EQ(test, list_of(&dst)->capacity, DMA_RESV_LIST_MIN);
	dma_resv_unlock(&dst);
	dma_resv_fini(&dst);
}

static void copy_of_idle_clears(struct kunit *test)
{
	u64 context = dma_fence_context_alloc(2);
	struct ctx *ctx = test->priv;
	struct dma_resv src;

	dma_resv_init(&src);
	for (int i = 0; i < 2; i++) {
		add_new(test, context + i, 1, DMA_RESV_USAGE_READ);
		dma_resv_lock(&ctx->resv, NULL);
		KUNIT_EXPECT_EQ(test, dma_resv_copy_fences(&ctx->resv, &src),
				0);
		dma_resv_unlock(&ctx->resv);
		KUNIT_EXPECT_NULL(test, list_of(&ctx->resv));
		KUNIT_EXPECT_EQ(test, atomic_read(&ctx->timeline->released),
				2 * i + 1);
		/*
		 * An object is idle, too, when all its fences have signalled.
		 */
		dma_fence_signal(add_new(test, context + i, 2,
					 DMA_RESV_USAGE_READ));
		dma_resv_lock(&src, NULL);
		dma_resv_copy_fences(&src, &ctx->resv);
		dma_resv_unlock(&src);
		KUNIT_EXPECT_NULL(test, list_of(&src));
		dma_resv_lock(&ctx->resv, NULL);
		dma_resv_copy_fences(&ctx->resv, &src);
		dma_resv_unlock(&ctx->resv);
	}
	dma_resv_fini(&src);
}

static void fini_of_unused_object(struct kunit *test)
{
	struct dma_resv resv;

	dma_resv_init(&resv);
	KUNIT_EXPECT_FALSE(test, dma_resv_is_locked(&resv));
	KUNIT_EXPECT_TRUE(test, dma_resv_trylock(&resv));
	KUNIT_EXPECT_TRUE(test, dma_resv_is_locked(&resv));
	KUNIT_EXPECT_NULL(test, dma_resv_locking_ctx(&resv));
	dma_resv_unlock(&resv);
	dma_resv_fini(&resv);
}

static struct kunit_case dma_resv_change_cases[] = {
	KUNIT_CASE_PARAM(add_reuses_signaled_slots, size_gen_params),
	KUNIT_CASE_PARAM(reserve_leaves_signaled_behind, size_gen_params),
	KUNIT_CASE_SLOW(add_of_many_is_not_quadratic),
	KUNIT_CASE_SLOW(add_of_context_0_is_not_quadratic),
	KUNIT_CASE_SLOW(replace_of_many_is_not_quadratic),
	KUNIT_CASE_SLOW(replace_of_long_timeline_is_not_quadratic),
	KUNIT_CASE_PARAM(replace_fences_of_timeline, size_gen_params),
	KUNIT_CASE(replace_fences_of_empty_object),
	KUNIT_CASE(replace_fences_inside_walk),
	KUNIT_CASE_PARAM(copy_takes_pending_of_all_usages, size_gen_params),
	KUNIT_CASE_SLOW(copy_of_mostly_signaled_is_small),
	KUNIT_CASE(copy_of_idle_clears),
	KUNIT_CASE(fini_of_unused_object),
	{}
};

static struct kunit_suite dma_resv_change_suite = {
	.name = "dma_resv_change",
	.init = change_test_init,
	.exit = change_test_exit,
	.test_cases = dma_resv_change_cases,
};

kunit_test_suite(dma_resv_change_suite);

MODULE_LICENSE("GPL");

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Collecting all pending fences of a reservation object at once: as an array of
 * fences and as a list with their usages.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/slab.h>

#include "../resv/dma-resv-list.h"
#include "mock.h"

#define MAX_FENCES 20
#define BOOKKEEP DMA_RESV_USAGE_BOOKKEEP

static const bool forms[] = { false, true };

static void form_desc(const bool *with_usages, char *desc)
{
	strscpy(desc, *with_usages ? "list" : "array", KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(form, forms, form_desc);

static struct dma_resv_collection empty(struct kunit *test)
{
	return (struct dma_resv_collection){
		.with_usages = *(const bool *)test->param_value,
	};
}

/*
 * Expects fence @i of the object as number @at, with a reference, and drops it.
 */
static void expect_fence(struct kunit *test,
			 const struct dma_resv_collection *all,
			 unsigned int at, int i)
{
	struct mock_resv *mock = test->priv;
	struct dma_fence *fence = all->with_usages ?
				  dma_resv_list_fence(all->list, at) :
				  all->fences[at];

	KUNIT_ASSERT_PTR_EQ(test, fence, mock->fences[i]);
	if (all->with_usages)
		KUNIT_EXPECT_EQ(test, dma_resv_list_usage(all->list, at),
				i % MOCK_RESV_USAGES);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 3);
	dma_fence_put(fence);
}

static void free_collection(struct dma_resv_collection *all)
{
	dma_resv_list_free(all->list);
	kfree(all->fences);
}

static void collect_of_usage(struct kunit *test)
{
	struct mock_resv *mock = test->priv;

	mock_resv_fill(test, MAX_FENCES);
	for (int usage = 0; usage < MOCK_RESV_USAGES; usage++) {
		struct dma_resv_collection all = empty(test);
		unsigned int at = 0;

		KUNIT_ASSERT_EQ(test, dma_resv_collect(&mock->resv, usage, &all),
				0);
		KUNIT_ASSERT_EQ(test, all.num,
				MAX_FENCES * (usage + 1) / MOCK_RESV_USAGES);
		for (int i = 0; i < MAX_FENCES; i++) {
			if (i % MOCK_RESV_USAGES <= usage)
				expect_fence(test, &all, at++, i);
		}
		if (all.with_usages)
			KUNIT_EXPECT_EQ(test, all.list->num_fences, all.num);
		free_collection(&all);
	}
}

static void collect_of_nothing(struct kunit *test)
{
	struct mock_resv *mock = test->priv;

	for (int num = 0; num < 2; num++) {
		struct dma_resv_collection all = empty(test);

		/* First an object without a list, then an idle one. */
		if (num) {
			mock_resv_fill(test, 1);
			dma_fence_signal(mock->fences[0]);
		}
		KUNIT_EXPECT_EQ(test, dma_resv_collect(&mock->resv, BOOKKEEP,
						       &all), 0);
		KUNIT_EXPECT_EQ(test, all.num, 0);
		KUNIT_EXPECT_NULL(test, all.list);
		KUNIT_EXPECT_NULL(test, all.fences);
	}
}

/* The memory is for the pending fences, however many have signalled. */
static void collect_of_mostly_signaled_is_small(struct kunit *test)
{
	struct dma_resv_collection all = empty(test);
	struct mock_resv *mock = test->priv;

	mock_resv_fill(test, MAX_FENCES);
	for (int i = 2; i < MAX_FENCES; i++)
		dma_fence_signal(mock->fences[i]);
	KUNIT_ASSERT_EQ(test, dma_resv_collect(&mock->resv, BOOKKEEP, &all), 0);
	KUNIT_EXPECT_EQ(test, all.room,
			all.with_usages ? DMA_RESV_LIST_MIN : 2);
	KUNIT_ASSERT_EQ(test, all.num, 2);
	for (int i = 0; i < 2; i++)
		expect_fence(test, &all, i, i);
	free_collection(&all);
}

/* More fences came after the guess: report a size, and hold no reference. */
static void try_collect_with_too_little_room(struct kunit *test)
{
	struct dma_fence *room[2] = {};
	struct dma_resv_collection all = { .fences = room };
	struct mock_resv *mock = test->priv;

	mock_resv_fill(test, MAX_FENCES);
	for (int i = 2; i < MAX_FENCES; i++)
		dma_fence_signal(mock->fences[i]);
	/* Without any room, the number of pending fences of the usage. */
	KUNIT_EXPECT_EQ(test, dma_resv_try_collect(&mock->resv, BOOKKEEP, &all),
			2);
	KUNIT_EXPECT_EQ(test, dma_resv_try_collect(&mock->resv,
						   DMA_RESV_USAGE_KERNEL, &all),
			1);
	/* With some, the most that there can be. */
	all.room = 1;
	KUNIT_EXPECT_EQ(test, dma_resv_try_collect(&mock->resv, BOOKKEEP, &all),
			MAX_FENCES);
	KUNIT_EXPECT_EQ(test, all.num, 0);
	KUNIT_EXPECT_EQ(test, kref_read(&mock->fences[0]->refcount), 2);
	all.room = 2;
	KUNIT_EXPECT_EQ(test, dma_resv_try_collect(&mock->resv, BOOKKEEP, &all),
			2);
	for (int i = 0; i < 2; i++)
		expect_fence(test, &all, i, i);
}

static struct kunit_case dma_resv_collect_cases[] = {
	KUNIT_CASE_PARAM(collect_of_usage, form_gen_params),
	KUNIT_CASE_PARAM(collect_of_nothing, form_gen_params),
	KUNIT_CASE_PARAM(collect_of_mostly_signaled_is_small, form_gen_params),
	KUNIT_CASE(try_collect_with_too_little_room),
	{}
};

static struct kunit_suite dma_resv_collect_suite = {
	.name = "dma_resv_collect",
	.init = mock_resv_init,
	.exit = mock_resv_exit,
	.test_cases = dma_resv_collect_cases,
};

kunit_test_suite(dma_resv_collect_suite);

MODULE_LICENSE("GPL");

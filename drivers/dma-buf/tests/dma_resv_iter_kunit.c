// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walks over a reservation object, with its lock and without: what they see,
 * what references they hold, and how they restart when the list is replaced.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "../resv/dma-resv-internal.h"
#include "../resv/dma-resv-list.h"
#include "mock.h"

#define MAX_FENCES 20
#define BOOKKEEP DMA_RESV_USAGE_BOOKKEEP

/* Make the object replace its list by a larger one with the same fences. */
static void replace_list(struct kunit *test)
{
	struct mock_resv *mock = test->priv;
	struct dma_resv_list *list;

	dma_resv_lock(&mock->resv, NULL);
	list = rcu_dereference_protected(mock->resv.fences, true);
	KUNIT_EXPECT_EQ(test, dma_resv_reserve_fences(&mock->resv,
						      list->capacity + 1), 0);
	KUNIT_EXPECT_PTR_NE(test, list,
			    rcu_dereference_protected(mock->resv.fences, true));
	dma_resv_unlock(&mock->resv);
}

static const enum dma_resv_usage usages[] = {
	DMA_RESV_USAGE_KERNEL, DMA_RESV_USAGE_WRITE, DMA_RESV_USAGE_READ,
	DMA_RESV_USAGE_BOOKKEEP,
};

static void usage_desc(const enum dma_resv_usage *usage, char *desc)
{
	static const char * const names[] = { "kernel", "write", "read",
					      "bookkeep" };

	strscpy(desc, names[*usage], KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(usage, usages, usage_desc);

/* A locked walk sees all fences of the usage, and takes no references. */
static void locked_sees_all_of_usage(struct kunit *test)
{
	enum dma_resv_usage usage = *(enum dma_resv_usage *)test->param_value;
	struct mock_resv *mock = test->priv;
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	int i = -1, visited = 0;

	for (int j = 0; j < MAX_FENCES; j++)
		mock_resv_add_new(test, j % 4);
	for (int j = 0; j < MAX_FENCES; j += 3)
		dma_fence_signal(mock->fences[j]);

	dma_resv_lock(&mock->resv, NULL);
	dma_resv_for_each_fence(&cursor, &mock->resv, usage, fence) {
		do {
			i++;
		} while (i % 4 > usage);
		KUNIT_ASSERT_LT(test, i, MAX_FENCES);
		KUNIT_EXPECT_PTR_EQ(test, fence, mock->fences[i]);
		KUNIT_EXPECT_EQ(test, dma_resv_iter_usage(&cursor), i % 4);
		KUNIT_EXPECT_EQ(test, dma_resv_iter_is_restarted(&cursor),
				!visited);
		KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
		visited++;
	}
	dma_resv_unlock(&mock->resv);
	KUNIT_EXPECT_EQ(test, visited, MAX_FENCES * (usage + 1) / 4);
}

/* An unlocked walk sees pending fences, with a reference to the current one. */
static void unlocked_sees_pending_of_usage(struct kunit *test)
{
	enum dma_resv_usage usage = *(enum dma_resv_usage *)test->param_value;
	struct mock_resv *mock = test->priv;
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	int i = -1, visited = 0;

	for (int j = 0; j < MAX_FENCES; j++)
		mock_resv_add_new(test, j % 4);
	for (int j = 0; j < MAX_FENCES; j += 3)
		dma_fence_signal(mock->fences[j]);

	dma_resv_iter_begin(&cursor, &mock->resv, usage);
	dma_resv_for_each_fence_unlocked(&cursor, fence) {
		do {
			i++;
		} while (i % 4 > usage || !(i % 3));
		KUNIT_ASSERT_LT(test, i, MAX_FENCES);
		KUNIT_EXPECT_PTR_EQ(test, fence, mock->fences[i]);
		KUNIT_EXPECT_EQ(test, dma_resv_iter_usage(&cursor), i % 4);
		KUNIT_EXPECT_EQ(test, dma_resv_iter_is_restarted(&cursor),
				!visited);
		KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 3);
		/* The body may sleep. */
		might_sleep();
		visited++;
	}
	dma_resv_iter_end(&cursor);
	KUNIT_EXPECT_GT(test, visited, 0);
	for (int j = 0; j < MAX_FENCES; j++)
		KUNIT_EXPECT_EQ(test, kref_read(&mock->fences[j]->refcount), 2);
}

static void walk_of_nothing(struct kunit *test)
{
	struct mock_resv *mock = test->priv;
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	for (int reserved = 0; reserved < 2; reserved++) {
		dma_resv_iter_begin(&cursor, &mock->resv, BOOKKEEP);
		dma_resv_for_each_fence_unlocked(&cursor, fence)
			KUNIT_FAIL(test, "a fence of nothing");
		dma_resv_iter_end(&cursor);

		dma_resv_lock(&mock->resv, NULL);
		dma_resv_for_each_fence(&cursor, &mock->resv, BOOKKEEP, fence)
			KUNIT_FAIL(test, "a fence of nothing");
		KUNIT_EXPECT_EQ(test, dma_resv_reserve_fences(&mock->resv, 1),
				0);
		dma_resv_unlock(&mock->resv);
	}
}

/* A walk left early holds one reference, which dma_resv_iter_end() drops. */
static void unlocked_left_early(struct kunit *test)
{
	struct dma_fence *one = mock_resv_add_new(test, BOOKKEEP);
	struct dma_fence *two = mock_resv_add_new(test, BOOKKEEP);
	struct mock_resv *mock = test->priv;
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	dma_resv_iter_begin(&cursor, &mock->resv, BOOKKEEP);
	dma_resv_for_each_fence_unlocked(&cursor, fence) {
		if (fence == two)
			break;
	}
	KUNIT_EXPECT_EQ(test, kref_read(&one->refcount), 2);
	KUNIT_EXPECT_EQ(test, kref_read(&two->refcount), 3);
	dma_resv_iter_end(&cursor);
	KUNIT_EXPECT_EQ(test, kref_read(&two->refcount), 2);
	/* A walk without a first step holds none. */
	dma_resv_iter_begin(&cursor, &mock->resv, BOOKKEEP);
	dma_resv_iter_end(&cursor);
}

/* A walk skips a fence that signals before the walk comes to it. */
static void unlocked_skips_what_signals_meanwhile(struct kunit *test)
{
	struct dma_fence *fences[4], *fence;
	struct mock_resv *mock = test->priv;
	struct dma_resv_iter cursor;
	int visited = 0;

	for (int i = 0; i < 4; i++)
		fences[i] = mock_resv_add_new(test, BOOKKEEP);
	dma_resv_iter_begin(&cursor, &mock->resv, BOOKKEEP);
	dma_resv_for_each_fence_unlocked(&cursor, fence) {
		visited++;
		dma_fence_signal(fences[1]);
		to_mock_fence(fences[2])->done = true;
		KUNIT_EXPECT_TRUE(test, fence == fences[0] ||
				  fence == fences[3]);
	}
	dma_resv_iter_end(&cursor);
	KUNIT_EXPECT_EQ(test, visited, 2);
}

/* A slot number means nothing in another list. */
static void unlocked_restarts_on_another_list(struct kunit *test)
{
	struct dma_fence *fences[3], *fence;
	struct mock_resv *mock = test->priv;
	struct dma_resv_iter cursor;

	for (int i = 0; i < 3; i++)
		fences[i] = mock_resv_add_new(test, BOOKKEEP);
	dma_resv_iter_begin(&cursor, &mock->resv, BOOKKEEP);
	KUNIT_EXPECT_PTR_EQ(test, dma_resv_iter_first_unlocked(&cursor),
			    fences[0]);
	KUNIT_EXPECT_PTR_EQ(test, dma_resv_iter_next_unlocked(&cursor),
			    fences[1]);
	KUNIT_EXPECT_FALSE(test, dma_resv_iter_is_restarted(&cursor));

	replace_list(test);
	dma_fence_signal(fences[0]);
	fence = dma_resv_iter_next_unlocked(&cursor);
	KUNIT_EXPECT_PTR_EQ(test, fence, fences[1]);
	KUNIT_EXPECT_TRUE(test, dma_resv_iter_is_restarted(&cursor));
	KUNIT_EXPECT_PTR_EQ(test, dma_resv_iter_next_unlocked(&cursor),
			    fences[2]);
	KUNIT_EXPECT_FALSE(test, dma_resv_iter_is_restarted(&cursor));

	/* A walk that has come to its end restarts, too. */
	KUNIT_EXPECT_NULL(test, dma_resv_iter_next_unlocked(&cursor));
	replace_list(test);
	KUNIT_EXPECT_PTR_EQ(test, dma_resv_iter_next_unlocked(&cursor),
			    fences[1]);
	KUNIT_EXPECT_TRUE(test, dma_resv_iter_is_restarted(&cursor));
	dma_resv_iter_end(&cursor);
}

/*
 * A new list may get the memory of the freed one. A test cannot arrange for
 * that, so it changes the id of the list in place.
 */
static void unlocked_restarts_on_list_at_same_address(struct kunit *test)
{
	struct dma_fence *fences[3];
	struct mock_resv *mock = test->priv;
	struct dma_resv_iter cursor;

	for (int i = 0; i < 3; i++)
		fences[i] = mock_resv_add_new(test, BOOKKEEP);
	dma_resv_iter_begin(&cursor, &mock->resv, BOOKKEEP);
	dma_resv_iter_first_unlocked(&cursor);
	dma_resv_iter_next_unlocked(&cursor);
	rcu_dereference_protected(mock->resv.fences, true)->id = U64_MAX;
	KUNIT_EXPECT_PTR_EQ(test, dma_resv_iter_next_unlocked(&cursor),
			    fences[0]);
	KUNIT_EXPECT_TRUE(test, dma_resv_iter_is_restarted(&cursor));
	dma_resv_iter_end(&cursor);
}

/* The object loses its list, and gets another one. */
static void unlocked_meets_no_list(struct kunit *test)
{
	struct mock_resv *mock = test->priv;
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	struct dma_resv idle;

	dma_resv_init(&idle);
	fence = mock_resv_add_new(test, BOOKKEEP);
	mock_resv_add_new(test, BOOKKEEP);
	dma_resv_iter_begin(&cursor, &mock->resv, BOOKKEEP);
	KUNIT_EXPECT_PTR_EQ(test, dma_resv_iter_first_unlocked(&cursor), fence);
	dma_resv_lock(&mock->resv, NULL);
	KUNIT_EXPECT_EQ(test, dma_resv_copy_fences(&mock->resv, &idle), 0);
	dma_resv_unlock(&mock->resv);
	/* Only the walk and the test still hold references. */
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
	KUNIT_EXPECT_NULL(test, dma_resv_iter_next_unlocked(&cursor));

	fence = mock_resv_add_new(test, BOOKKEEP);
	KUNIT_EXPECT_PTR_EQ(test, dma_resv_iter_next_unlocked(&cursor), fence);
	KUNIT_EXPECT_TRUE(test, dma_resv_iter_is_restarted(&cursor));
	dma_resv_iter_end(&cursor);
	dma_resv_fini(&idle);
}

/* A walk does not restart because a fence was replaced in its slot. */
static void unlocked_goes_on_over_replaced_fences(struct kunit *test)
{
	struct dma_fence *fences[3], *later;
	struct mock_resv *mock = test->priv;
	struct dma_resv_iter cursor;

	for (int i = 0; i < 3; i++)
		fences[i] = mock_resv_add_new(test, BOOKKEEP);
	dma_resv_iter_begin(&cursor, &mock->resv, BOOKKEEP);
	dma_resv_iter_first_unlocked(&cursor);

	mock->timeline->context = fences[1]->context;
	later = mock_fence_create(mock->timeline);
	mock_resv_own(test, later);
	mock_resv_add(test, &mock->resv, later, DMA_RESV_USAGE_WRITE);
	KUNIT_EXPECT_PTR_EQ(test, dma_resv_iter_next_unlocked(&cursor), later);
	KUNIT_EXPECT_FALSE(test, dma_resv_iter_is_restarted(&cursor));
	KUNIT_EXPECT_EQ(test, dma_resv_iter_usage(&cursor),
			DMA_RESV_USAGE_WRITE);
	KUNIT_EXPECT_PTR_EQ(test, dma_resv_iter_next_unlocked(&cursor),
			    fences[2]);
	KUNIT_EXPECT_NULL(test, dma_resv_iter_next_unlocked(&cursor));
	dma_resv_iter_end(&cursor);
}

/* Shrinkers and interrupt handlers query objects, too. */
static void unlocked_while_atomic(struct kunit *test)
{
	struct mock_resv *mock = test->priv;
	unsigned long flags;
	bool idle;

	mock_resv_add_new(test, DMA_RESV_USAGE_READ);
	local_irq_save(flags);
	idle = dma_resv_test_signaled(&mock->resv, BOOKKEEP);
	local_irq_restore(flags);
	KUNIT_EXPECT_FALSE(test, idle);
}

/* Skips signalled fences and those of a weaker usage than asked for. */
static void get_pending_goes_backwards(struct kunit *test)
{
	struct dma_fence *oldest = mock_resv_add_new(test, DMA_RESV_USAGE_WRITE);
	struct dma_fence *newest, *done, *got;
	struct mock_resv *mock = test->priv;
	unsigned int index = UINT_MAX;

	mock_resv_add_new(test, BOOKKEEP);
	done = mock_resv_add_new(test, DMA_RESV_USAGE_KERNEL);
	newest = mock_resv_add_new(test, DMA_RESV_USAGE_READ);
	dma_fence_signal(done);

	got = dma_resv_get_pending(&mock->resv, DMA_RESV_USAGE_READ, &index);
	KUNIT_EXPECT_PTR_EQ(test, got, newest);
	KUNIT_EXPECT_EQ(test, index, 3);
	dma_fence_put(got);
	got = dma_resv_get_pending(&mock->resv, DMA_RESV_USAGE_READ, &index);
	KUNIT_EXPECT_PTR_EQ(test, got, oldest);
	KUNIT_EXPECT_EQ(test, index, 0);
	dma_fence_put(got);
	KUNIT_EXPECT_NULL(test, dma_resv_get_pending(&mock->resv,
						     DMA_RESV_USAGE_READ,
						     &index));
}

static struct kunit_case dma_resv_iter_cases[] = {
	KUNIT_CASE_PARAM(locked_sees_all_of_usage, usage_gen_params),
	KUNIT_CASE_PARAM(unlocked_sees_pending_of_usage, usage_gen_params),
	KUNIT_CASE(walk_of_nothing),
	KUNIT_CASE(unlocked_left_early),
	KUNIT_CASE(unlocked_skips_what_signals_meanwhile),
	KUNIT_CASE(unlocked_restarts_on_another_list),
	KUNIT_CASE(unlocked_restarts_on_list_at_same_address),
	KUNIT_CASE(unlocked_meets_no_list),
	KUNIT_CASE(unlocked_goes_on_over_replaced_fences),
	KUNIT_CASE(unlocked_while_atomic),
	KUNIT_CASE(get_pending_goes_backwards),
	{}
};

static struct kunit_suite dma_resv_iter_suite = {
	.name = "dma_resv_iter",
	.init = mock_resv_init,
	.exit = mock_resv_exit,
	.test_cases = dma_resv_iter_cases,
};

kunit_test_suite(dma_resv_iter_suite);

MODULE_LICENSE("GPL");

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Adding fences to a reservation object: reserving slots, which fence replaces
 * which, and what happens without a reservation. On lists that are searched
 * from end to end, and on longer ones that have an index.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence-array.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/slab.h>

#include "../resv/dma-resv-internal.h"
#include "../resv/dma-resv-list.h"
#include "mock.h"

static void add(struct kunit *test, struct dma_fence *fence,
		enum dma_resv_usage usage)
{
	struct mock_resv *mock = test->priv;

	mock_resv_add(test, &mock->resv, fence, usage);
}

/* Make a fence of a timeline of its own. */
static struct dma_fence *alien(struct kunit *test)
{
	struct mock_resv *mock = test->priv;

	return mock_fence_create_alone(mock->timeline);
}

/* Add fences of other timelines. */
static void fill(struct kunit *test, int num)
{
	for (int i = 0; i < num; i++)
		mock_resv_add_new(test, DMA_RESV_USAGE_READ);
}

static struct dma_resv_list *list_of(struct kunit *test)
{
	struct mock_resv *mock = test->priv;

	/* Only this test uses the object. */
	return rcu_dereference_protected(mock->resv.fences, true);
}

static unsigned int num_fences(struct kunit *test)
{
	return list_of(test) ? list_of(test)->num_fences : 0;
}

/* Return the usage of slot @i, and expect @fence there. */
static enum dma_resv_usage usage_at(struct kunit *test, unsigned int i,
				    struct dma_fence *fence)
{
	KUNIT_ASSERT_LT(test, i, num_fences(test));
	KUNIT_EXPECT_PTR_EQ(test, dma_resv_list_fence(list_of(test), i), fence);
	return dma_resv_list_usage(list_of(test), i);
}

struct size {
	const char *desc;
	int fillers;
};

static const struct size sizes[] = {
	{ "alone", 0 }, { "short list", 3 }, { "list full", 4 },
	{ "before the index", 7 }, { "index comes", 8 }, { "index", 20 },
};

KUNIT_ARRAY_PARAM_DESC(size, sizes, desc);

static void reserve_of_nothing_warns(struct kunit *test)
{
	struct mock_resv *mock = test->priv;

	dma_resv_lock(&mock->resv, NULL);
	mock_warn_begin(test);
	KUNIT_EXPECT_EQ(test, dma_resv_reserve_fences(&mock->resv, 0), -EINVAL);
	mock_warn_end(test, "dma_resv_reserve_fences", 1);
	KUNIT_EXPECT_NULL(test, list_of(test));
	/* The tests of TTM look for the list. */
	KUNIT_EXPECT_EQ(test, dma_resv_reserve_fences(&mock->resv, 1), 0);
	KUNIT_EXPECT_NOT_NULL(test, list_of(test));
	dma_resv_unlock(&mock->resv);
}

/* A user's ioctl may ask for any number: no overflow and no warning. */
static void reserve_of_too_much_fails(struct kunit *test)
{
	static const unsigned int much[] = {
		UINT_MAX, UINT_MAX - 1, INT_MAX, INT_MAX / 2, BIT(29),
	};
	struct mock_resv *mock = test->priv;

	fill(test, 3);
	dma_resv_lock(&mock->resv, NULL);
	for (int i = 0; i < ARRAY_SIZE(much); i++) {
		struct dma_resv_list *list = list_of(test);

		mock_warn_begin(test);
		KUNIT_EXPECT_EQ(test, dma_resv_reserve_fences(&mock->resv,
							      much[i]),
				-ENOMEM);
		mock_warn_end(test, "", 0);
		KUNIT_EXPECT_PTR_EQ(test, list_of(test), list);
	}
	dma_resv_unlock(&mock->resv);
	KUNIT_EXPECT_EQ(test, num_fences(test), 3);
}

static void reserve_makes_room_for_all(struct kunit *test)
{
	const struct size *param = test->param_value;
	struct mock_resv *mock = test->priv;
	struct dma_fence *fences[30];

	fill(test, param->fillers);
	dma_resv_lock(&mock->resv, NULL);
	KUNIT_ASSERT_EQ(test, dma_resv_reserve_fences(&mock->resv,
						      ARRAY_SIZE(fences)), 0);
	for (int i = 0; i < ARRAY_SIZE(fences); i++) {
		fences[i] = alien(test);
		dma_resv_add_fence(&mock->resv, fences[i],
				   i % (DMA_RESV_USAGE_BOOKKEEP + 1));
		KUNIT_EXPECT_EQ(test, kref_read(&fences[i]->refcount), 2);
	}
	dma_resv_unlock(&mock->resv);
	KUNIT_ASSERT_EQ(test, num_fences(test),
			param->fillers + ARRAY_SIZE(fences));
	for (int i = 0; i < ARRAY_SIZE(fences); i++) {
		KUNIT_EXPECT_EQ(test, usage_at(test, param->fillers + i,
					       fences[i]),
				i % (DMA_RESV_USAGE_BOOKKEEP + 1));
		dma_fence_put(fences[i]);
	}
}

/*
 * A reservation is a minimum. Adding more is a driver's bug, but 6.12 accepts
 * it while there are slots: no warning.
 */
static void add_takes_room_beyond_reservation(struct kunit *test)
{
	struct mock_resv *mock = test->priv;
	struct dma_fence *fence;
	unsigned int capacity;

	dma_resv_lock(&mock->resv, NULL);
	dma_resv_reserve_fences(&mock->resv, 1);
	/* The second reservation does not add to the first one. */
	dma_resv_reserve_fences(&mock->resv, 1);
	capacity = list_of(test)->capacity;
	mock_warn_begin(test);
	for (unsigned int i = 0; i < capacity; i++) {
		fence = alien(test);
		dma_resv_add_fence(&mock->resv, fence, DMA_RESV_USAGE_READ);
		dma_fence_put(fence);
	}
	mock_warn_end(test, "", 0);
	/* Now no slot is left. */
	fence = alien(test);
	mock_warn_begin(test);
	dma_resv_add_fence(&mock->resv, fence, DMA_RESV_USAGE_READ);
	mock_warn_end(test, "dma_resv_add_fence", 1);
	dma_resv_unlock(&mock->resv);
	KUNIT_EXPECT_EQ(test, num_fences(test), capacity + 1);
	KUNIT_EXPECT_EQ(test, usage_at(test, capacity, fence),
			DMA_RESV_USAGE_READ);
	dma_fence_put(fence);
}

/* A signalled fence in any slot gives way. */
static void add_without_room_takes_signaled(struct kunit *test)
{
	struct mock_resv *mock = test->priv;
	struct dma_fence *fence;

	fill(test, DMA_RESV_LIST_MIN);
	KUNIT_ASSERT_EQ(test, num_fences(test), list_of(test)->capacity);
	for (unsigned int i = 0; i < DMA_RESV_LIST_MIN; i++) {
		fence = alien(test);
		dma_fence_signal(mock->fences[i]);
		dma_resv_lock(&mock->resv, NULL);
		mock_warn_begin(test);
		dma_resv_add_fence(&mock->resv, fence, DMA_RESV_USAGE_READ);
		mock_warn_end(test, "", 0);
		dma_resv_unlock(&mock->resv);
		KUNIT_EXPECT_EQ(test, num_fences(test), DMA_RESV_LIST_MIN);
		usage_at(test, i, fence);
		dma_fence_put(fence);
	}
}

static void reserve_more_after_less(struct kunit *test)
{
	struct mock_resv *mock = test->priv;
	struct dma_fence *fences[6];

	dma_resv_lock(&mock->resv, NULL);
	dma_resv_reserve_fences(&mock->resv, 6);
	/* A smaller reservation does not end the larger one. */
	dma_resv_reserve_fences(&mock->resv, 2);
	for (int i = 0; i < 6; i++) {
		fences[i] = alien(test);
		dma_resv_add_fence(&mock->resv, fences[i], DMA_RESV_USAGE_READ);
		dma_fence_put(fences[i]);
	}
	dma_resv_unlock(&mock->resv);
	KUNIT_EXPECT_EQ(test, num_fences(test), 6);
}

/* A slot suffices; but with DEBUG_MUTEXES, unlocking ends a reservation. */
static bool needs_reservation(struct kunit *test)
{
	struct dma_resv_list *list = list_of(test);

	return IS_ENABLED(CONFIG_DEBUG_MUTEXES) || !list ||
	       list->num_fences == list->capacity;
}

/*
 * A driver's bug. Its work is running, though: others must wait for the fence,
 * whether there happens to be a slot or not.
 */
static void add_without_reservation_loses_nothing(struct kunit *test)
{
	const struct size *param = test->param_value;
	struct mock_resv *mock = test->priv;
	struct dma_fence *fence = alien(test);
	bool loud;

	fill(test, param->fillers);
	loud = needs_reservation(test);
	dma_resv_lock(&mock->resv, NULL);
	mock_warn_begin(test);
	dma_resv_add_fence(&mock->resv, fence, DMA_RESV_USAGE_KERNEL);
	mock_warn_end(test, loud ? "dma_resv_add_fence" : "", loud);
	dma_resv_unlock(&mock->resv);
	KUNIT_EXPECT_EQ(test, num_fences(test), param->fillers + 1);
	KUNIT_EXPECT_EQ(test, usage_at(test, param->fillers, fence),
			DMA_RESV_USAGE_KERNEL);
	for (int i = 0; i < param->fillers; i++)
		usage_at(test, i, mock->fences[i]);
	dma_fence_put(fence);
}

static void unlock_ends_reservation(struct kunit *test)
{
	struct mock_resv *mock = test->priv;
	struct dma_fence *fence = alien(test);
	bool loud;

	dma_resv_lock(&mock->resv, NULL);
	dma_resv_reserve_fences(&mock->resv, 4);
	dma_resv_unlock(&mock->resv);
	loud = needs_reservation(test);
	dma_resv_lock(&mock->resv, NULL);
	mock_warn_begin(test);
	dma_resv_add_fence(&mock->resv, fence, DMA_RESV_USAGE_READ);
	mock_warn_end(test, loud ? "dma_resv_add_fence" : "", loud);
	dma_resv_unlock(&mock->resv);
	KUNIT_EXPECT_EQ(test, num_fences(test), 1);
	dma_fence_put(fence);
}

static void add_container_warns(struct kunit *test)
{
	struct dma_fence **members = kmalloc(sizeof(*members), GFP_KERNEL);
	struct dma_fence_array *array;

	KUNIT_ASSERT_NOT_NULL(test, members);
	members[0] = alien(test);
	array = dma_fence_array_create(1, members, 1, 1, false);
	KUNIT_ASSERT_NOT_NULL(test, array);
	mock_warn_begin(test);
	add(test, &array->base, DMA_RESV_USAGE_READ);
	mock_warn_end(test, "dma_resv_add_fence", 1);
	/* The object holds it nevertheless. */
	KUNIT_EXPECT_EQ(test, num_fences(test), 1);
	dma_fence_put(&array->base);
}

#define KERNEL DMA_RESV_USAGE_KERNEL
#define WRITE_ DMA_RESV_USAGE_WRITE
#define READ_ DMA_RESV_USAGE_READ
#define BOOKKEEP DMA_RESV_USAGE_BOOKKEEP

/* The object holds a fence, and another one of the same timeline is added. */
struct rule {
	const char *desc;
	u64 old_seqno;
	enum dma_resv_usage old;
	u64 new_seqno;
	enum dma_resv_usage new;
	bool replaces;
};

static const struct rule rules[] = {
	{ "later, same usage", 1, READ_, 2, READ_, true },
	{ "later, stronger", 1, READ_, 2, WRITE_, true },
	{ "later, much stronger", 1, BOOKKEEP, 2, KERNEL, true },
	{ "later, weaker", 1, WRITE_, 2, READ_, false },
	{ "later, much weaker", 1, KERNEL, 2, BOOKKEEP, false },
	{ "older, same usage", 2, READ_, 1, READ_, false },
	{ "older, stronger", 2, READ_, 1, KERNEL, false },
	{ "older, weaker", 2, READ_, 1, BOOKKEEP, false },
	{ "equal number", 1, READ_, 1, READ_, false },
	{ "equal number, stronger", 1, READ_, 1, KERNEL, false },
	{ "later, wrapped", U32_MAX, READ_, 1, READ_, true },
	{ "older, wrapped", 1, READ_, U32_MAX, READ_, false },
};

KUNIT_ARRAY_PARAM_DESC(rule, rules, desc);

static void expect_rule(struct kunit *test, const struct rule *param)
{
	struct mock_resv *mock = test->priv;
	struct dma_fence *old = mock_fence_create_at(mock->timeline,
						     param->old_seqno, 0);
	struct dma_fence *new = mock_fence_create_at(mock->timeline,
						     param->new_seqno, 0);
	int at = num_fences(test);

	add(test, old, param->old);
	add(test, new, param->new);
	KUNIT_EXPECT_EQ(test, num_fences(test), at + 2 - param->replaces);
	KUNIT_EXPECT_EQ(test, kref_read(&old->refcount), 2 - param->replaces);
	KUNIT_EXPECT_EQ(test, kref_read(&new->refcount), 2);
	if (!param->replaces)
		KUNIT_EXPECT_EQ(test, usage_at(test, at++, old), param->old);
	KUNIT_EXPECT_EQ(test, usage_at(test, at, new), param->new);
	dma_fence_put(old);
	dma_fence_put(new);
}

static void add_to_timeline(struct kunit *test)
{
	expect_rule(test, test->param_value);
}

static void add_to_timeline_of_long_list(struct kunit *test)
{
	fill(test, MOCK_RESV_FENCES);
	expect_rule(test, test->param_value);
}

/* A fence added again replaces itself, unless the new usage is weaker. */
static void add_same_fence_again(struct kunit *test)
{
	const struct size *param = test->param_value;
	struct dma_fence *fence = alien(test);

	fill(test, param->fillers);
	add(test, fence, READ_);
	add(test, fence, READ_);
	KUNIT_EXPECT_EQ(test, num_fences(test), param->fillers + 1);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
	add(test, fence, WRITE_);
	KUNIT_EXPECT_EQ(test, num_fences(test), param->fillers + 1);
	KUNIT_EXPECT_EQ(test, usage_at(test, param->fillers, fence), WRITE_);
	add(test, fence, BOOKKEEP);
	KUNIT_EXPECT_EQ(test, num_fences(test), param->fillers + 2);
	KUNIT_EXPECT_EQ(test, usage_at(test, param->fillers, fence), WRITE_);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 3);
	dma_fence_put(fence);
}

/* Context 0 has no order: none of its fences stands for another. */
static void add_of_context_0_keeps_all(struct kunit *test)
{
	const struct size *param = test->param_value;
	struct mock_resv *mock = test->priv;
	struct dma_fence *fences[4];

	fill(test, param->fillers);
	mock->timeline->context = 0;
	for (int i = 0; i < ARRAY_SIZE(fences); i++) {
		/* Increasing, decreasing and equal numbers. */
		fences[i] = mock_fence_create_at(mock->timeline,
						 (i & 1) ? 9 : 5, 0);
		add(test, fences[i], READ_);
	}
	/* A fence stands for itself only. */
	for (int i = 0; i < ARRAY_SIZE(fences); i++)
		add(test, fences[i], i & 1 ? WRITE_ : READ_);
	KUNIT_ASSERT_EQ(test, num_fences(test),
			param->fillers + ARRAY_SIZE(fences));
	for (int i = 0; i < ARRAY_SIZE(fences); i++) {
		KUNIT_EXPECT_EQ(test, usage_at(test, param->fillers + i,
					       fences[i]),
				i & 1 ? WRITE_ : READ_);
		KUNIT_EXPECT_EQ(test, kref_read(&fences[i]->refcount), 2);
		dma_fence_put(fences[i]);
	}
}

/* Else each later list of the object would have room for them. */
static void unreserve_forgets_what_is_left(struct kunit *test)
{
	struct mock_resv *mock = test->priv;

	fill(test, 2);
	dma_resv_lock(&mock->resv, NULL);
	KUNIT_ASSERT_EQ(test, dma_resv_reserve_fences(&mock->resv, 100), 0);
	KUNIT_EXPECT_EQ(test, list_of(test)->reserved, 102);
	dma_resv_unreserve(&mock->resv);
	KUNIT_EXPECT_EQ(test, list_of(test)->reserved, 0);
	dma_resv_unlock(&mock->resv);
}

static struct kunit_case dma_resv_cases[] = {
	KUNIT_CASE(reserve_of_nothing_warns),
	KUNIT_CASE(reserve_of_too_much_fails),
	KUNIT_CASE_PARAM(reserve_makes_room_for_all, size_gen_params),
	KUNIT_CASE(add_takes_room_beyond_reservation),
	KUNIT_CASE(add_without_room_takes_signaled),
	KUNIT_CASE(reserve_more_after_less),
	KUNIT_CASE_PARAM(add_without_reservation_loses_nothing,
			 size_gen_params),
	KUNIT_CASE(unlock_ends_reservation),
	KUNIT_CASE(add_container_warns),
	KUNIT_CASE_PARAM(add_to_timeline, rule_gen_params),
	KUNIT_CASE_PARAM(add_to_timeline_of_long_list, rule_gen_params),
	KUNIT_CASE_PARAM(add_same_fence_again, size_gen_params),
	KUNIT_CASE_PARAM(add_of_context_0_keeps_all, size_gen_params),
	KUNIT_CASE(unreserve_forgets_what_is_left),
	{}
};

static struct kunit_suite dma_resv_suite = {
	.name = "dma_resv",
	.init = mock_resv_init,
	.exit = mock_resv_exit,
	.test_cases = dma_resv_cases,
};

kunit_test_suite(dma_resv_suite);

MODULE_LICENSE("GPL");

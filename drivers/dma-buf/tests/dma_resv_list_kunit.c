// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list inside a reservation object: its memory; its index, compared with a
 * search from end to end; and what a reader gets from a slot.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/dma-fence.h>
#include <linux/prandom.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "../resv/dma-resv-list.h"
#include "mock.h"

struct ctx {
	struct mock_timeline *timeline;
	struct dma_resv_list *list;
};

static int list_test_init(struct kunit *test)
{
	struct ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	ctx->timeline = mock_timeline_create(test, "list");
	test->priv = ctx;
	return 0;
}

static void list_test_exit(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	if (!ctx)
		return;
	dma_resv_list_put_fences(ctx->list);
	dma_resv_list_free(ctx->list);
}

static struct dma_resv_list *make_list(struct kunit *test, unsigned int room)
{
	struct ctx *ctx = test->priv;

	ctx->list = dma_resv_list_alloc(room, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ctx->list);
	return ctx->list;
}

static struct dma_fence *make(struct kunit *test, u64 context, u64 seqno)
{
	struct ctx *ctx = test->priv;

	ctx->timeline->context = context;
	return mock_fence_create_at(ctx->timeline, seqno, 0);
}

static void alloc_makes_an_empty_list(struct kunit *test)
{
	static const unsigned int rooms[] = {
		0, 1, DMA_RESV_LIST_MIN, DMA_RESV_LIST_MIN + 1,
		DMA_RESV_LIST_SHORT, DMA_RESV_LIST_SHORT + 1, 100, 5000,
	};
	u64 last = 0;

	for (int i = 0; i < ARRAY_SIZE(rooms); i++) {
		struct dma_resv_list *list = dma_resv_list_alloc(rooms[i],
								 GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, list);
		KUNIT_EXPECT_GE(test, list->capacity, rooms[i]);
		KUNIT_EXPECT_EQ(test, list->num_fences, 0);
		KUNIT_EXPECT_EQ(test, list->reserved, 0);
		/* Ids are never reused, unlike addresses. */
		KUNIT_EXPECT_GT(test, list->id, last);
		last = list->id;
		dma_resv_list_free(list);
	}
	KUNIT_EXPECT_NULL(test, dma_resv_list_alloc(UINT_MAX, GFP_KERNEL));
	KUNIT_EXPECT_NULL(test, dma_resv_list_alloc(INT_MAX, GFP_KERNEL));
	dma_resv_list_put_fences(NULL);
	dma_resv_list_free(NULL);
}

static void append_takes_the_reference(struct kunit *test)
{
	struct dma_resv_list *list = make_list(test, 20);
	struct ctx *ctx = test->priv;

	for (int i = 0; i < 20; i++) {
		struct dma_fence *fence = make(test, 7, i);

		dma_resv_list_append(list, fence, i % 4);
		KUNIT_EXPECT_EQ(test, list->num_fences, i + 1);
		KUNIT_EXPECT_PTR_EQ(test, dma_resv_list_fence(list, i), fence);
		KUNIT_EXPECT_EQ(test, dma_resv_list_usage(list, i), i % 4);
		KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 1);
	}
	dma_resv_list_put_fences(list);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->timeline->released), 20);
	list->num_fences = 0;
}

static void replace_drops_the_old_one(struct kunit *test)
{
	struct dma_resv_list *list = make_list(test, 20);
	struct ctx *ctx = test->priv;
	struct dma_fence *fence;

	for (int i = 0; i < 20; i++)
		dma_resv_list_append(list, make(test, i / 2, 0),
				     DMA_RESV_USAGE_READ);
	for (int i = 19; i >= 0; i--) {
		fence = make(test, i & 1 ? 100 + i : i / 2, 1);
		dma_resv_list_replace(list, i, fence, DMA_RESV_USAGE_WRITE);
		KUNIT_EXPECT_PTR_EQ(test, dma_resv_list_fence(list, i), fence);
		KUNIT_EXPECT_EQ(test, dma_resv_list_usage(list, i),
				DMA_RESV_USAGE_WRITE);
	}
	KUNIT_EXPECT_EQ(test, list->num_fences, 20);
	KUNIT_EXPECT_EQ(test, atomic_read(&ctx->timeline->released), 20);
}

static bool context_has_order(struct dma_fence *fence)
{
	return fence->context;
}

/* Return whether @fence may replace the fence in slot @i. */
static bool may_take(struct dma_resv_list *list, unsigned int i,
		     struct dma_fence *fence, enum dma_resv_usage usage)
{
	struct dma_fence *old = dma_resv_list_fence(list, i);

	return old->context == fence->context &&
	       dma_resv_list_usage(list, i) >= usage &&
	       (old == fence || (context_has_order(fence) &&
				 dma_fence_is_later(fence, old)));
}

/*
 * Expect the index to find a slot that a search from end to end could find, and
 * to find one if there is one.
 */
static void expect_slot(struct kunit *test, struct dma_resv_list *list,
			struct dma_fence *fence, enum dma_resv_usage usage)
{
	unsigned int found = dma_resv_list_find_slot(list, fence, usage);
	unsigned int first = DMA_RESV_NO_SLOT;

	for (unsigned int i = 0; i < list->num_fences; i++) {
		if (may_take(list, i, fence, usage)) {
			first = i;
			break;
		}
	}
	if (found == DMA_RESV_NO_SLOT) {
		KUNIT_EXPECT_EQ(test, first, found);
		return;
	}
	KUNIT_ASSERT_LT(test, found, list->num_fences);
	if (may_take(list, found, fence, usage))
		return;
	/* A signalled fence gives way only if no earlier fence does. */
	KUNIT_EXPECT_TRUE(test,
			  dma_fence_is_signaled(dma_resv_list_fence(list, found)));
	KUNIT_EXPECT_EQ(test, first, DMA_RESV_NO_SLOT);
}

static const int rooms[] = {
	DMA_RESV_LIST_MIN, DMA_RESV_LIST_MIN + 1,
	DMA_RESV_LIST_SHORT, DMA_RESV_LIST_SHORT + 1, 64, 300,
};

static void room_desc(const int *room, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%d slots", *room);
}

KUNIT_ARRAY_PARAM(room, rooms, room_desc);

/* Few timelines with many fences each share buckets. */
static void random_changes_keep_the_index(struct kunit *test)
{
	int room = *(const int *)test->param_value;
	struct dma_resv_list *list = make_list(test, room);
	struct rnd_state rnd;

	prandom_seed_state(&rnd, room);
	for (int i = 0; i < 3000; i++) {
		u64 context = prandom_u32_state(&rnd) % room * 64;
		u64 seqno = prandom_u32_state(&rnd) % 64;
		enum dma_resv_usage usage = prandom_u32_state(&rnd) % 4;
		struct dma_fence *fence = make(test, context, seqno);
		unsigned int slot = prandom_u32_state(&rnd) %
				    (list->num_fences + 1);

		expect_slot(test, list, fence, usage);
		if (!(i % 64))
			dma_fence_signal(fence);
		if (slot < list->num_fences)
			dma_resv_list_replace(list, slot, fence, usage);
		else if (list->num_fences < list->capacity)
			dma_resv_list_append(list, fence, usage);
		else
			dma_fence_put(fence);
	}
}

static void find_slot_in_empty_list(struct kunit *test)
{
	struct dma_fence *fence = make(test, 1, 1);

	for (int room = 1; room < 40; room += 9) {
		struct dma_resv_list *list = dma_resv_list_alloc(room,
								 GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, list);
		KUNIT_EXPECT_EQ(test, dma_resv_list_find_slot(list, fence,
							      DMA_RESV_USAGE_READ),
				DMA_RESV_NO_SLOT);
		dma_resv_list_free(list);
	}
	dma_fence_put(fence);
}

/*
 * In a long list each call probes few slots, but together they find every
 * signalled fence.
 */
static void find_slot_comes_to_each_signaled(struct kunit *test)
{
	int room = *(const int *)test->param_value;
	struct dma_resv_list *list = make_list(test, room);
	struct dma_fence *fence = make(test, 1000, 1), *last = NULL;
	unsigned int found = 0, end = list->capacity - 1;

	for (int i = 0; i <= end; i++) {
		last = make(test, i, 1);
		dma_resv_list_append(list, last, DMA_RESV_USAGE_READ);
	}
	KUNIT_EXPECT_EQ(test, dma_resv_list_find_slot(list, fence,
						      DMA_RESV_USAGE_READ),
			DMA_RESV_NO_SLOT);
	dma_fence_signal(last);
	for (int tries = 0; tries <= end / 2 + 1 && found != end; tries++)
		found = dma_resv_list_find_slot(list, fence,
						DMA_RESV_USAGE_READ);
	KUNIT_EXPECT_EQ(test, found, end);
	dma_fence_put(fence);
}

/* Else the list of an object that is in use all the time would grow. */
static void find_slot_takes_signaled(struct kunit *test)
{
	int room = *(const int *)test->param_value;
	struct dma_resv_list *list = make_list(test, room);
	struct dma_fence *fence = make(test, 1000, 1), *done;
	unsigned int found;

	KUNIT_EXPECT_EQ(test, dma_resv_list_find_slot(list, fence,
						      DMA_RESV_USAGE_READ),
			DMA_RESV_NO_SLOT);
	while (list->num_fences < list->capacity) {
		done = make(test, list->num_fences, 1);
		dma_fence_signal(done);
		dma_resv_list_append(list, done, DMA_RESV_USAGE_READ);
		found = dma_resv_list_find_slot(list, fence,
						DMA_RESV_USAGE_READ);
		KUNIT_EXPECT_LT(test, found, list->num_fences);
	}
	dma_fence_put(fence);
}

/* The index finds adopted slots as it finds appended ones. */
static void adopt_finds_timelines(struct kunit *test)
{
	static const unsigned int rooms[] = { 5, 100 };

	for (int r = 0; r < ARRAY_SIZE(rooms); r++) {
		struct dma_resv_list *list = dma_resv_list_alloc(rooms[r],
								 GFP_KERNEL);
		struct dma_fence *later;

		KUNIT_ASSERT_NOT_NULL(test, list);
		for (int i = 0; i < rooms[r]; i++)
			list->slots[i] = dma_resv_slot_make(make(test, i + 1, 1),
							    DMA_RESV_USAGE_READ);
		dma_resv_list_adopt(list, rooms[r]);
		KUNIT_EXPECT_EQ(test, list->num_fences, rooms[r]);
		for (int i = 0; i < rooms[r]; i++) {
			later = make(test, i + 1, 2);
			KUNIT_EXPECT_EQ(test, i,
					dma_resv_list_find_slot(list, later,
								DMA_RESV_USAGE_READ));
			dma_fence_put(later);
		}
		dma_resv_list_put_fences(list);
		dma_resv_list_free(list);
	}
}

static void look_rcu_of_usage(struct kunit *test)
{
	struct dma_resv_list *list = make_list(test, 4);
	struct dma_fence *fences[4], *got;
	enum dma_resv_usage usage;

	for (int i = 0; i < 4; i++) {
		fences[i] = make(test, i, 1);
		dma_resv_list_append(list, fences[i], i);
	}
	guard(rcu)();
	for (int wanted = 0; wanted < 4; wanted++) {
		for (int i = 0; i < 4; i++) {
			got = dma_resv_list_look_rcu(list, i, wanted, &usage);
			KUNIT_EXPECT_PTR_EQ(test, got,
					    i <= wanted ? fences[i] : NULL);
			KUNIT_EXPECT_EQ(test, usage, i);
			if (!got)
				continue;
			KUNIT_EXPECT_EQ(test, kref_read(&got->refcount), 2);
			dma_fence_put(got);
		}
	}
}

static void look_rcu_of_signaled(struct kunit *test)
{
	struct dma_resv_list *list = make_list(test, 4);
	struct dma_fence *fences[] = { make(test, 1, 1), make(test, 2, 1) };
	enum dma_resv_usage usage;

	for (int i = 0; i < 2; i++)
		dma_resv_list_append(list, fences[i], DMA_RESV_USAGE_READ);
	dma_fence_signal(fences[0]);
	/* The look signals this one, because its driver says so. */
	to_mock_fence(fences[1])->done = true;
	guard(rcu)();
	for (int i = 0; i < 2; i++) {
		KUNIT_EXPECT_NULL(test,
				  dma_resv_list_look_rcu(list, i,
							 DMA_RESV_USAGE_READ,
							 &usage));
		KUNIT_EXPECT_EQ(test, kref_read(&fences[i]->refcount), 1);
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(fences[i]), 1);
	}
}

/* In a replaced list, a fence may have lost its last reference. */
static void look_rcu_of_released_tells_to_retry(struct kunit *test)
{
	struct dma_resv_list *list = make_list(test, 4);
	struct dma_fence *fence = make(test, 1, 1);
	enum dma_resv_usage usage;

	dma_resv_list_append(list, fence, DMA_RESV_USAGE_READ);
	guard(rcu)();
	dma_fence_put(fence);
	KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-EAGAIN),
			    dma_resv_list_look_rcu(list, 0, DMA_RESV_USAGE_READ,
						   &usage));
	list->num_fences = 0;
}

/* The slot got another fence after a reader had read it. */
static void get_rcu_of_another_fence_tells_to_retry(struct kunit *test)
{
	struct dma_resv_list *list = make_list(test, 4);
	struct dma_fence *fence = make(test, 1, 1);
	struct dma_resv_slot slot;

	dma_resv_list_append(list, dma_fence_get(fence), DMA_RESV_USAGE_READ);
	slot = dma_resv_slot_load(&list->slots[0]);
	dma_resv_list_replace(list, 0, make(test, 1, 2), DMA_RESV_USAGE_READ);
	guard(rcu)();
	for (int signaled = 0; signaled < 2; signaled++) {
		KUNIT_EXPECT_PTR_EQ(test, ERR_PTR(-EAGAIN),
				    dma_resv_slot_get_rcu(&list->slots[0],
							  slot));
		KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 1);
		dma_fence_signal(fence);
	}
	dma_fence_put(fence);
}

static struct kunit_case dma_resv_list_cases[] = {
	KUNIT_CASE(alloc_makes_an_empty_list),
	KUNIT_CASE(append_takes_the_reference),
	KUNIT_CASE(replace_drops_the_old_one),
	KUNIT_CASE_PARAM(random_changes_keep_the_index, room_gen_params),
	KUNIT_CASE(find_slot_in_empty_list),
	KUNIT_CASE_PARAM(find_slot_comes_to_each_signaled, room_gen_params),
	KUNIT_CASE_PARAM(find_slot_takes_signaled, room_gen_params),
	KUNIT_CASE(adopt_finds_timelines),
	KUNIT_CASE(look_rcu_of_usage),
	KUNIT_CASE(look_rcu_of_signaled),
	KUNIT_CASE(look_rcu_of_released_tells_to_retry),
	KUNIT_CASE(get_rcu_of_another_fence_tells_to_retry),
	{}
};

static struct kunit_suite dma_resv_list_suite = {
	.name = "dma_resv_list",
	.init = list_test_init,
	.exit = list_test_exit,
	.test_cases = dma_resv_list_cases,
};

kunit_test_suite(dma_resv_list_suite);

MODULE_LICENSE("GPL");

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chains: links and their numbers, walks and what they collect, polling,
 * release of any length, and the shape that makes a search short. Searches
 * themselves are in dma_fence_chain_find_kunit.c, waits in
 * dma_fence_chain_wait_kunit.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/dma-fence-array.h>
#include <linux/dma-fence-chain.h>
#include <linux/dma-fence.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "../fence/dma-fence-internal.h"
#include "mock.h"

static int chain_test_init(struct kunit *test)
{
	test->priv = mock_timeline_create(test, "chain");
	return 0;
}

static void init_takes_over_references(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *one = mock_fence_create(timeline);
	struct dma_fence *two = mock_fence_create(timeline);
	struct dma_fence *first = mock_link_after(test, NULL, one, 10);
	struct dma_fence *head = mock_link_after(test, first, two, 20);

	KUNIT_EXPECT_TRUE(test, dma_fence_is_chain(head));
	KUNIT_EXPECT_TRUE(test, dma_fence_is_container(head));
	KUNIT_EXPECT_FALSE(test, dma_fence_is_array(head));
	KUNIT_EXPECT_PTR_EQ(test, to_dma_fence_chain(head)->fence, two);
	KUNIT_EXPECT_PTR_EQ(test, dma_fence_chain_contained(head), two);
	KUNIT_EXPECT_PTR_EQ(test, dma_fence_chain_contained(one), one);
	KUNIT_EXPECT_NULL(test, dma_fence_chain_contained(NULL));
	KUNIT_EXPECT_NULL(test, to_dma_fence_chain(one));
	KUNIT_EXPECT_NULL(test, to_dma_fence_chain(NULL));
	KUNIT_EXPECT_EQ(test, kref_read(&first->refcount), 1);
	KUNIT_EXPECT_EQ(test, kref_read(&one->refcount), 1);
	scoped_guard(rcu) {
		KUNIT_EXPECT_STREQ(test, dma_fence_driver_name(head),
				   "dma_fence_chain");
		KUNIT_EXPECT_STREQ(test, dma_fence_timeline_name(head),
				   "unbound");
	}
	mock_fence_put_last(test, head);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), 2);
	/* Memory that never became a link can be freed, and so can NULL. */
	dma_fence_chain_free(dma_fence_chain_alloc());
	dma_fence_chain_free(NULL);
}

struct number {
	const char *desc;
	/* 0 if the first fence is not a link. */
	u64 prev;
	u64 seqno;
	u64 expected;
	bool continues;
};

static const struct number numbers[] = {
	{ "later", 10, 11, 11, true },
	{ "much later", 10, U64_MAX, U64_MAX, true },
	{ "beyond 32 bits", U32_MAX, BIT_ULL(32), BIT_ULL(32), true },
	{ "equal", 10, 10, 10, false },
	{ "backwards", 10, 9, 10, false },
	{ "backwards, no wrap", U32_MAX, 1, U32_MAX, false },
	{ "after a plain fence", 0, 3, 3, false },
};

KUNIT_ARRAY_PARAM_DESC(number, numbers, desc);

/*
 * A number that goes backwards begins a new timeline, or searches would fail.
 */
static void init_numbers_the_link(struct kunit *test)
{
	const struct number *param = test->param_value;
	struct dma_fence *prev = mock_fence_create(test->priv), *head;
	u64 context;

	if (param->prev)
		prev = mock_link_after(test, NULL, prev, param->prev);
	context = prev->context;
	head = mock_link_after(test, prev, mock_fence_create(test->priv),
			       param->seqno);

	KUNIT_EXPECT_EQ(test, head->seqno, param->expected);
	KUNIT_EXPECT_EQ(test, to_dma_fence_chain(head)->prev_seqno,
			param->continues ? param->prev : 0);
	if (param->continues)
		KUNIT_EXPECT_EQ(test, head->context, context);
	else
		KUNIT_EXPECT_NE(test, head->context, context);
	mock_fence_put_last(test, head);
}

/*
 * The newest of @num links with seqno 1 to @num; the chain owns all references.
 */
static struct dma_fence *make_chain(struct kunit *test, int num,
				    struct dma_fence **links)
{
	struct dma_fence *head = NULL;

	for (int i = 0; i < num; i++) {
		head = mock_link_after(test, head,
				       mock_fence_create(test->priv), i + 1);
		if (links)
			links[i] = head;
	}
	return head;
}

static void expect_found(struct kunit *test, struct dma_fence *head,
			 struct dma_fence *link)
{
	struct dma_fence *found = dma_fence_get(head);

	KUNIT_EXPECT_EQ(test, dma_fence_chain_find_seqno(&found, link->seqno),
			0);
	KUNIT_EXPECT_PTR_EQ(test, found, link);
	dma_fence_put(found);
}

static void signal_link(struct dma_fence *link)
{
	dma_fence_signal(dma_fence_chain_contained(link));
}

static void walk_goes_back(struct kunit *test)
{
	struct dma_fence *links[4], *head, *link;
	int i = 3;

	head = make_chain(test, 4, links);
	dma_fence_chain_for_each(link, head) {
		KUNIT_EXPECT_PTR_EQ(test, link, links[i--]);
		/* One of the walk, one of the next link or the test. */
		KUNIT_EXPECT_GE(test, kref_read(&link->refcount), 2);
	}
	KUNIT_EXPECT_EQ(test, i, -1);
	KUNIT_EXPECT_NULL(test, dma_fence_chain_walk(NULL));
	/* A walk ends at a fence that is not a link. */
	link = mock_fence_create(test->priv);
	KUNIT_EXPECT_NULL(test, dma_fence_chain_walk(dma_fence_get(link)));
	mock_fence_put_last(test, link);
	mock_fence_put_last(test, head);
}

static void walk_ends_with_plain_fence(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *plain = mock_fence_create(timeline);
	struct dma_fence *head, *link;

	head = mock_link_after(test, dma_fence_get(plain),
			       mock_fence_create(timeline), 1);
	link = dma_fence_chain_walk(dma_fence_get(head));
	KUNIT_EXPECT_PTR_EQ(test, link, plain);
	KUNIT_EXPECT_NULL(test, dma_fence_chain_walk(link));
	KUNIT_EXPECT_EQ(test, kref_read(&plain->refcount), 2);

	signal_link(head);
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(head));
	dma_fence_signal(plain);
	KUNIT_EXPECT_NULL(test, dma_fence_chain_walk(dma_fence_get(head)));
	KUNIT_EXPECT_EQ(test, kref_read(&plain->refcount), 1);
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(head));
	mock_fence_put_last(test, plain);
	mock_fence_put_last(test, head);
}

struct garbage {
	const char *desc;
	/* Link number @i has signalled if this has bit @i % 32 set. */
	u32 signaled;
};

static const struct garbage garbages[] = {
	{ "none", 0 },
	{ "all", U32_MAX },
	{ "every second", 0x55555555 },
	{ "every second, others", 0xaaaaaaaa },
	{ "older half of each", 0x0000ffff },
	{ "newer half of each", 0xffff0000 },
	{ "few", 0x01000010 },
	{ "most", ~0x01000010 },
	{ "mixed", 0x3a79c2e5 },
};

KUNIT_ARRAY_PARAM_DESC(garbage, garbages, desc);

#define NUM 100

/* A signalled link is freed although searches have set pointers to it. */
static void walk_lets_go_what_has_signaled(struct kunit *test)
{
	const struct garbage *param = test->param_value;
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *links[NUM], *head, *link;
	int signaled = 0, visited = 0;

	head = make_chain(test, NUM, links);
	/* The search sets these pointers. */
	expect_found(test, head, links[0]);
	for (int i = 0; i < NUM - 1; i++) {
		if (param->signaled & BIT(i % 32)) {
			signal_link(links[i]);
			signaled++;
		}
	}
	/* Only the walk frees links, not the signal. */
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), 0);
	dma_fence_chain_for_each(link, head) {
		KUNIT_EXPECT_TRUE(test, link == head ||
				  !(param->signaled &
				    BIT((link->seqno - 1) % 32)));
		visited++;
	}
	KUNIT_EXPECT_EQ(test, visited, NUM - signaled);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), signaled);
	mock_fence_put_last(test, head);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), NUM);
}

/* The walk polls fences whose signalling is not enabled. */
static void walk_polls_makers(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *links[3], *head;

	head = make_chain(test, 3, links);
	to_mock_fence(dma_fence_chain_contained(links[0]))->done = true;
	to_mock_fence(dma_fence_chain_contained(links[1]))->done = true;
	KUNIT_EXPECT_NULL(test, dma_fence_chain_walk(dma_fence_get(head)));
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), 2);
	mock_fence_put_last(test, head);
}

/*
 * A search goes by prev_seqno, which must survive the cut of the link before.
 */
static void walk_keeps_prev_seqno(struct kunit *test)
{
	struct dma_fence *links[4], *head, *link;

	head = make_chain(test, 4, links);
	signal_link(links[1]);
	signal_link(links[2]);
	link = dma_fence_chain_walk(dma_fence_get(head));
	KUNIT_EXPECT_PTR_EQ(test, link, links[0]);
	dma_fence_put(link);
	KUNIT_EXPECT_EQ(test, to_dma_fence_chain(head)->prev_seqno, 3);
	mock_fence_put_last(test, head);
}

/*
 * A link signals after its fence and all before it, in whatever order these do.
 */
static void is_signaled_after_all_before(struct kunit *test)
{
	static const int orders[][4] = {
		{ 0, 1, 2, 3 }, { 3, 2, 1, 0 }, { 2, 0, 3, 1 },
	};

	for (int o = 0; o < ARRAY_SIZE(orders); o++) {
		struct dma_fence *links[4];
		u32 signaled = 0;

		make_chain(test, 4, links);
		for (int i = 0; i < 4; i++)
			dma_fence_get(links[i]);
		for (int i = 0; i < 4; i++) {
			signal_link(links[orders[o][i]]);
			signaled |= BIT(orders[o][i]);
			for (int j = 0; j < 4; j++) {
				u32 needed = GENMASK(j, 0);

				KUNIT_EXPECT_EQ(test,
						dma_fence_get_status(links[j]),
						(signaled & needed) == needed);
			}
		}
		dma_fence_put(links[3]);
		for (int i = 3; i >= 0; i--)
			mock_fence_put_last(test, links[i]);
	}
}

static void set_deadline_reaches_all_pending(struct kunit *test)
{
	struct dma_fence *links[3], *fences[3], *head;

	head = make_chain(test, 3, links);
	for (int i = 0; i < 3; i++)
		fences[i] = dma_fence_get(dma_fence_chain_contained(links[i]));
	signal_link(links[1]);
	dma_fence_set_deadline(head, 70);
	KUNIT_EXPECT_EQ(test, to_mock_fence(fences[0])->deadline, 70);
	KUNIT_EXPECT_EQ(test, to_mock_fence(fences[1])->deadline, 0);
	KUNIT_EXPECT_EQ(test, to_mock_fence(fences[2])->deadline, 70);
	KUNIT_EXPECT_EQ(test, atomic_read(&to_mock_fence(fences[0])->enabled),
			0);
	mock_fence_put_last(test, head);
	for (int i = 0; i < 3; i++)
		mock_fence_put_last(test, fences[i]);
}

static void is_signaled_contains_array(struct kunit *test)
{
	struct dma_fence **members = kcalloc(2, sizeof(*members), GFP_KERNEL);
	struct dma_fence *one = mock_fence_create(test->priv);
	struct dma_fence *two = mock_fence_create(test->priv), *head;
	struct dma_fence_array *array;

	KUNIT_ASSERT_NOT_NULL(test, members);
	members[0] = dma_fence_get(one);
	members[1] = dma_fence_get(two);
	array = dma_fence_array_create(2, members, 1, 1, false);
	KUNIT_ASSERT_NOT_NULL(test, array);
	head = mock_link_after(test, NULL, &array->base, 1);
	head = mock_link_after(test, head, dma_fence_get(one), 2);

	dma_fence_set_deadline(head, 70);
	KUNIT_EXPECT_EQ(test, to_mock_fence(two)->deadline, 70);
	dma_fence_signal(one);
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(head));
	dma_fence_signal(two);
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(head));
	mock_fence_put_last(test, head);
	mock_fence_put_last(test, one);
	mock_fence_put_last(test, two);
}

/* Longer than any stack is deep; KASAN makes each allocation slow. */
#define LONG (IS_ENABLED(CONFIG_KASAN) ? 10000 : 100000)

/* A chain of LONG links that share one fence. */
static struct dma_fence *make_long(struct kunit *test, struct dma_fence *fence)
{
	struct dma_fence *head = NULL;

	for (int i = 0; i < LONG; i++) {
		head = mock_link_after(test, head, dma_fence_get(fence), i + 1);
		cond_resched();
	}
	return head;
}

/* A recursive release would overflow the stack. */
static void release_long_chain(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);
	struct dma_fence *head = make_long(test, fence);

	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), LONG + 1);
	dma_fence_put(head);
	mock_fence_put_last(test, fence);
}

static void walk_collects_long_chain(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);
	struct dma_fence *head = make_long(test, fence);

	dma_fence_signal(fence);
	KUNIT_EXPECT_NULL(test, dma_fence_chain_walk(dma_fence_get(head)));
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(head));
	mock_fence_put_last(test, head);
	mock_fence_put_last(test, fence);
}

/* The number of steps to @to by the longest jumps that do not pass it. */
static int count_hops(struct dma_fence *from, struct dma_fence *to)
{
	struct dma_fence_chain *link = to_dma_fence_chain(from), *next;
	int hops = 0;

	guard(rcu)();
	while (&link->base != to) {
		next = to_dma_fence_chain(rcu_dereference(link->skip));
		if (!next || next->base.seqno < to->seqno)
			next = to_dma_fence_chain(rcu_dereference(link->prev));
		link = next;
		hops++;
	}
	return hops;
}

/* Up to 8 steps on each of 4 levels, then on 3, 2 and 1 of them again. */
#define MOST_HOPS (8 * (4 + 3 + 2 + 1))

struct survivors {
	const char *desc;
	/* Link i signals if bit i % 32 is set. */
	u32 signaled;
	/* A walk cuts the signalled links out. */
	bool cut;
};

static const struct survivors survivors[] = {
	{ "all", 0, false },
	{ "but for block ends", 0x01010101, true },
	{ "but for block starts", 0x80808080, true },
	{ "block ends", ~0x01010101, true },
	{ "block starts", ~0x80808080, true },
	{ "every second", 0x55555555, true },
	{ "starts signalled, not cut out", 0x80808080, false },
	{ "half signalled, not cut out", 0x3a79c2e5, false },
};

KUNIT_ARRAY_PARAM_DESC(survivors, survivors, desc);

/* The first search passes all links; later ones must take few steps. */
static void find_seqno_makes_searches_short(struct kunit *test)
{
	const struct survivors *param = test->param_value;
	static struct dma_fence *links[4096];
	struct dma_fence *head, *link, *last = NULL;
	int most = 0;

	head = make_chain(test, ARRAY_SIZE(links), links);
	for (int i = 0; i < ARRAY_SIZE(links) - 1; i++) {
		if (!(param->signaled & BIT(i % 32))) {
			last = last ?: links[i];
		} else {
			signal_link(links[i]);
			/* A walk frees it; without one it is not searched. */
			links[i] = NULL;
		}
	}
	if (param->cut)
		dma_fence_chain_for_each(link, head)
			;
	KUNIT_EXPECT_GT(test, count_hops(head, last), 500);
	expect_found(test, head, last);
	for (int i = 0; i < ARRAY_SIZE(links); i += 3) {
		if (!links[i])
			continue;
		most = max(most, count_hops(head, links[i]));
		if (!(i % 12))
			most = max(most, count_hops(links[i], last));
	}
	KUNIT_EXPECT_LE(test, most, MOST_HOPS);
	mock_fence_put_last(test, head);
}

static struct kunit_case dma_fence_chain_cases[] = {
	KUNIT_CASE(init_takes_over_references),
	KUNIT_CASE_PARAM(init_numbers_the_link, number_gen_params),
	KUNIT_CASE_PARAM_ATTR(find_seqno_makes_searches_short, survivors_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE(walk_goes_back),
	KUNIT_CASE(walk_ends_with_plain_fence),
	KUNIT_CASE_PARAM(walk_lets_go_what_has_signaled, garbage_gen_params),
	KUNIT_CASE(walk_polls_makers),
	KUNIT_CASE(walk_keeps_prev_seqno),
	KUNIT_CASE(is_signaled_after_all_before),
	KUNIT_CASE(set_deadline_reaches_all_pending),
	KUNIT_CASE(is_signaled_contains_array),
	KUNIT_CASE_SLOW(release_long_chain),
	KUNIT_CASE_SLOW(walk_collects_long_chain),
	{}
};

static struct kunit_suite dma_fence_chain_suite = {
	.name = "dma_fence_chain",
	.init = chain_test_init,
	.test_cases = dma_fence_chain_cases,
};

kunit_test_suite(dma_fence_chain_suite);

MODULE_LICENSE("GPL");

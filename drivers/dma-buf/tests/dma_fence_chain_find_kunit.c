// SPDX-License-Identifier: GPL-2.0-only
/*
 * Searches for a point in a chain, compared with a model that is a plain array:
 * at each position, for each pattern of signalled links, and during thousands
 * of random operations from a fixed seed.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence-chain.h>
#include <linux/dma-fence.h>
#include <linux/prandom.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "mock.h"

#define MAX_LINKS 4000

/* A link in the model. */
struct point {
	struct dma_fence *link;
	struct dma_fence *fence;
	u64 seqno;
	u64 prev_seqno;
	/* The same for all links of one timeline. */
	int timeline;
	bool signaled;
	/* The test has a reference to the link. */
	bool held;
};

struct model {
	struct kunit *test;
	struct mock_timeline *timeline;
	/* The fence before the first link, or NULL. */
	struct dma_fence *plain;
	bool plain_signaled;
	int num;
	struct point points[MAX_LINKS];
};

static struct model *model_create(struct kunit *test, bool plain)
{
	struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, m);
	m->test = test;
	m->timeline = mock_timeline_create(test, "model");
	if (plain)
		m->plain = mock_fence_create(m->timeline);
	return m;
}

/* The test has a reference to the newest link, which keeps the others. */
static void model_add(struct model *m, u64 seqno)
{
	struct dma_fence_chain *chain = dma_fence_chain_alloc();
	struct point *p = &m->points[m->num], *prev = p - 1;
	struct dma_fence *before;

	KUNIT_ASSERT_NOT_NULL(m->test, chain);
	KUNIT_ASSERT_LT(m->test, m->num, MAX_LINKS);
	p->link = &chain->base;
	p->fence = mock_fence_create(m->timeline);
	p->seqno = seqno;
	p->held = true;
	if (m->num) {
		before = prev->link;
		prev->held = false;
		p->timeline = prev->timeline;
		p->prev_seqno = prev->seqno;
		if (seqno <= prev->seqno) {
			p->seqno = prev->seqno;
			p->timeline++;
			p->prev_seqno = 0;
		}
	} else {
		before = dma_fence_get(m->plain);
	}
	dma_fence_chain_init(chain, before, dma_fence_get(p->fence), seqno);
	m->num++;
}

static void model_signal(struct model *m, int i)
{
	if (i < 0) {
		if (m->plain)
			dma_fence_signal(m->plain);
		m->plain_signaled = true;
		return;
	}
	dma_fence_signal(m->points[i].fence);
	m->points[i].signaled = true;
}

/* The next older pending link; -1 for the plain fence, -2 for none. */
static int model_walk(struct model *m, int i)
{
	while (--i >= 0) {
		if (!m->points[i].signaled)
			return i;
	}
	return i == -1 && m->plain && !m->plain_signaled ? -1 : -2;
}

/* The fence that a search from link @from finds, or -EINVAL. */
static int model_find(struct model *m, int from, u64 seqno,
		      struct dma_fence **found)
{
	int i = from;

	*found = m->points[from].link;
	if (!seqno)
		return 0;
	if (m->points[from].seqno < seqno)
		return -EINVAL;
	while (i >= 0 && m->points[i].timeline == m->points[from].timeline &&
	       m->points[i].prev_seqno >= seqno)
		i = model_walk(m, i);
	*found = i >= 0 ? m->points[i].link : i == -1 ? m->plain : NULL;
	return 0;
}

static void expect_find(struct model *m, int from, u64 seqno)
{
	struct dma_fence *fence = dma_fence_get(m->points[from].link);
	struct dma_fence *found;
	int ret = model_find(m, from, seqno, &found);

	KUNIT_EXPECT_EQ_MSG(m->test, dma_fence_chain_find_seqno(&fence, seqno),
			    ret, "from %d for %llu", from, seqno);
	KUNIT_EXPECT_PTR_EQ_MSG(m->test, fence, found, "from %d for %llu",
				from, seqno);
	dma_fence_put(fence);
}

/* A full walk visits the same links as the model. */
static void expect_walk(struct model *m, int from)
{
	struct dma_fence *fence = dma_fence_get(m->points[from].link);
	struct dma_fence *expected;
	int i = from;

	do {
		i = model_walk(m, i);
		fence = dma_fence_chain_walk(fence);
		expected = i >= 0 ? m->points[i].link :
				    i == -1 ? m->plain : NULL;
		KUNIT_EXPECT_PTR_EQ_MSG(m->test, fence, expected,
					"from %d at %d", from, i);
	} while (i >= 0 && fence == expected);
	dma_fence_put(fence);
}

static bool is_alive(struct model *m, int i)
{
	/* A freed link has dropped its reference to the fence. */
	return kref_read(&m->points[i].fence->refcount) > 1;
}

/*
 * A walk from the newest link frees signalled links, unless the test has them.
 */
static void expect_collected(struct model *m)
{
	int wrong = 0, held = -1;

	for (int i = m->num - 1; i >= 0; i--) {
		if (m->points[i].held && held < 0)
			held = i;
		wrong += is_alive(m, i) != (i == held ||
					    !m->points[i].signaled);
	}
	KUNIT_EXPECT_EQ(m->test, wrong, 0);
}

static void model_free(struct model *m)
{
	for (int i = m->num - 1; i >= 0; i--) {
		if (m->points[i].held)
			dma_fence_put(m->points[i].link);
	}
	for (int i = 0; i < m->num; i++) {
		KUNIT_EXPECT_EQ(m->test,
				kref_read(&m->points[i].fence->refcount), 1);
		dma_fence_put(m->points[i].fence);
	}
	if (m->plain)
		KUNIT_EXPECT_EQ(m->test, kref_read(&m->plain->refcount), 1);
	dma_fence_put(m->plain);
}

static void find_seqno_without_a_chain(struct kunit *test)
{
	struct model *m = model_create(test, true);
	struct dma_fence *fence = m->plain;

	KUNIT_EXPECT_EQ(test, dma_fence_chain_find_seqno(&fence, 1), -EINVAL);
	KUNIT_EXPECT_PTR_EQ(test, fence, m->plain);
	KUNIT_EXPECT_EQ(test, dma_fence_chain_find_seqno(&fence, 0), 0);
	KUNIT_EXPECT_PTR_EQ(test, fence, m->plain);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 1);
	fence = NULL;
	KUNIT_EXPECT_EQ(test, dma_fence_chain_find_seqno(&fence, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_fence_chain_find_seqno(&fence, 0), 0);
	KUNIT_EXPECT_NULL(test, fence);
	model_free(m);
}

/* The caller's reference is exchanged for the result or, on failure, kept. */
static void find_seqno_exchanges_references(struct kunit *test)
{
	struct model *m = model_create(test, false);
	struct dma_fence *fence;

	for (int i = 0; i < 3; i++)
		model_add(m, (i + 1) * 10);
	fence = m->points[2].link;
	dma_fence_get(fence);
	KUNIT_EXPECT_EQ(test, dma_fence_chain_find_seqno(&fence, 31), -EINVAL);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
	KUNIT_EXPECT_EQ(test, dma_fence_chain_find_seqno(&fence, 15), 0);
	KUNIT_EXPECT_PTR_EQ(test, fence, m->points[1].link);
	KUNIT_EXPECT_EQ(test, kref_read(&m->points[2].link->refcount), 1);
	dma_fence_put(fence);

	/* Point 10 has signalled: there is nothing to wait for. */
	model_signal(m, 0);
	fence = dma_fence_get(m->points[2].link);
	KUNIT_EXPECT_EQ(test, dma_fence_chain_find_seqno(&fence, 10), 0);
	KUNIT_EXPECT_NULL(test, fence);
	KUNIT_EXPECT_EQ(test, kref_read(&m->points[2].link->refcount), 1);
	model_free(m);
}

struct pattern {
	const char *desc;
	u32 signaled;
	bool plain;
	/* A walk cuts out the signalled links before the searches. */
	bool walked;
	/* The link that begins a new timeline; 0 for none. */
	int restart;
};

static const struct pattern patterns[] = {
	{ "all pending", 0 },
	{ "all pending, after a plain fence", 0, .plain = true },
	{ "all signalled", U32_MAX },
	{ "all signalled and cut out", U32_MAX, .walked = true },
	{ "all signalled, after a plain fence", U32_MAX, true, true },
	{ "every second", 0xaaaaaaaa },
	{ "every second, cut out", 0x55555555, .walked = true },
	{ "older half", 0x0000ffff },
	{ "older half, cut out", 0x0000ffff, .walked = true },
	{ "newer half", 0xffff0000 },
	{ "newer half, cut out", 0x7fff0000, true, .walked = true },
	{ "all but the oldest, cut out", 0xfffffffe, .walked = true },
	{ "new timeline in the middle", 0, .restart = 11 },
	{ "new timeline, mixed", 0x3a79c2e5, true, .restart = 20 },
	{ "new timeline, mixed, cut out", 0x3a79c2e5, true, true, 20 },
	{ "new timeline, older one signalled", 0x000fffff, .walked = true,
	  .restart = 20 },
};

KUNIT_ARRAY_PARAM_DESC(pattern, patterns, desc);

#define NUM 32

static void find_seqno_at_every_position(struct kunit *test)
{
	const struct pattern *param = test->param_value;
	struct model *m = model_create(test, param->plain);

	/* The numbers have gaps: points that were never added. */
	for (int i = 0; i < NUM; i++)
		model_add(m, param->restart && i == param->restart ?
			     1 : 3 * (i + 1));
	for (int i = 0; i < NUM; i++) {
		if (param->signaled & BIT(i))
			model_signal(m, i);
	}
	if (param->walked)
		expect_walk(m, NUM - 1);
	for (u64 seqno = 0; seqno <= 3 * NUM + 2; seqno++)
		expect_find(m, NUM - 1, seqno);
	/* From the middle too, if that link still exists. */
	for (u64 seqno = 0; seqno <= 3 * NUM + 2; seqno++) {
		if (is_alive(m, NUM / 2))
			expect_find(m, NUM / 2, seqno);
	}
	expect_walk(m, NUM - 1);
	expect_collected(m);
	model_free(m);
}

/* One pending link at each position in turn, all others cut out. */
static void find_seqno_among_garbage(struct kunit *test)
{
	for (int pending = 0; pending < NUM - 1; pending++) {
		struct model *m = model_create(test, pending & 1);

		for (int i = 0; i < NUM; i++)
			model_add(m, i + 1);
		for (int i = 0; i < NUM - 1; i++) {
			if (i != pending)
				model_signal(m, i);
		}
		expect_walk(m, NUM - 1);
		for (u64 seqno = 1; seqno <= NUM; seqno++)
			expect_find(m, NUM - 1, seqno);
		expect_collected(m);
		model_free(m);
		kunit_kfree(test, m);
	}
}

/* Return the number of the link that link @i jumps to; -1 if it does not. */
static int jump_of(struct model *m, int i)
{
	struct dma_fence_chain *link = to_dma_fence_chain(m->points[i].link);
	struct dma_fence *skip = rcu_access_pointer(link->skip);

	for (int to = 0; skip && to < i; to++) {
		if (m->points[to].link == skip)
			return to;
	}
	return -1;
}

struct jump {
	int from;
	int to;
};

/* Add links until there are @num, search all of them, compare the jumps. */
static void expect_jumps(struct model *m, int num, const struct jump *jumps)
{
	while (m->num < num)
		model_add(m, m->num + 1);
	expect_find(m, num - 1, 3);
	for (int i = num - 1; i >= 0; i--) {
		bool jumps_here = i == jumps->from;

		KUNIT_EXPECT_EQ_MSG(m->test, jump_of(m, i),
				    jumps_here ? jumps->to : -1, "link %d", i);
		jumps += jumps_here;
	}
}

/* The examples in the documentation of the search. */
static void find_seqno_leaves_the_documented_jumps(struct kunit *test)
{
	static const struct jump of_20[] = { { 15, 7 }, { -1 } };
	static const struct jump of_28[] = { { 23, 15 }, { 15, 7 }, { -1 } };
	struct model *m = model_create(test, false);

	expect_jumps(m, 20, of_20);
	expect_jumps(m, 28, of_28);
	model_free(m);
}

static void find_seqno_jumps_over_a_block_of_64(struct kunit *test)
{
	struct model *m = model_create(test, false);

	for (int i = 0; i < 140; i++)
		model_add(m, i + 1);
	expect_find(m, 139, 3);
	KUNIT_EXPECT_EQ(test, jump_of(m, 135), 127);
	KUNIT_EXPECT_EQ(test, jump_of(m, 127), 63);
	KUNIT_EXPECT_EQ(test, jump_of(m, 63), -1);
	model_free(m);
}

/* A referenced link stays usable after it was cut out. */
static int random_link(struct model *m, struct rnd_state *rnd)
{
	for (int tries = 0; tries < 20; tries++) {
		int i = m->num - 1 - prandom_u32_state(rnd) % min(m->num, 200);

		if (is_alive(m, i))
			return i;
	}
	return m->num - 1;
}

static u64 random_seqno(struct model *m, struct rnd_state *rnd, int from)
{
	u64 seqno = m->points[from].seqno;

	switch (prandom_u32_state(rnd) % 8) {
	case 0:
		return seqno + prandom_u32_state(rnd) % 3;
	case 1:
		return prandom_u32_state(rnd) % 3;
	default:
		return m->points[prandom_u32_state(rnd) % m->num].seqno -
		       prandom_u32_state(rnd) % 2;
	}
}

static void random_operation(struct model *m, struct rnd_state *rnd)
{
	u64 last = m->points[m->num - 1].seqno;
	int i = random_link(m, rnd);

	switch (prandom_u32_state(rnd) % 16) {
	case 0 ... 3:
		if (m->num == MAX_LINKS)
			break;
		/* Now and then backwards. */
		if (prandom_u32_state(rnd) % 64)
			model_add(m, last + 1 + prandom_u32_state(rnd) % 4);
		else
			model_add(m, prandom_u32_state(rnd) % (u32)(last + 1));
		break;
	case 4 ... 7:
		model_signal(m, m->num - 1 -
			     prandom_u32_state(rnd) % min(m->num, 100));
		break;
	case 8:
		/* Somebody takes a reference to a link in the middle. */
		if (!m->points[i].held) {
			dma_fence_get(m->points[i].link);
			m->points[i].held = true;
		}
		break;
	case 9:
		if (m->points[i].held && i < m->num - 1) {
			m->points[i].held = false;
			dma_fence_put(m->points[i].link);
		}
		break;
	case 10:
		expect_walk(m, i);
		break;
	default:
		expect_find(m, i, random_seqno(m, rnd, i));
		break;
	}
}

static const u32 seeds[] = { 1, 2, 3 };

static void seed_desc(const u32 *seed, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "seed %u", *seed);
}

KUNIT_ARRAY_PARAM(seed, seeds, seed_desc);

static void find_seqno_matches_model(struct kunit *test)
{
	u32 seed = *(const u32 *)test->param_value;
	struct model *m = model_create(test, seed & 1);
	struct rnd_state rnd;

	prandom_seed_state(&rnd, seed);
	model_add(m, 5);
	for (int i = 0; i < 6000; i++) {
		random_operation(m, &rnd);
		if (test->status == KUNIT_FAILURE)
			break;
		cond_resched();
	}
	/*
	 * Without references a full walk leaves the pending and the newest
	 * link.
	 */
	for (int i = 0; i < m->num - 1; i++) {
		if (m->points[i].held)
			dma_fence_put(m->points[i].link);
		m->points[i].held = false;
	}
	expect_walk(m, m->num - 1);
	expect_collected(m);
	model_signal(m, -1);
	for (int i = 0; i < m->num; i++)
		model_signal(m, i);
	expect_walk(m, m->num - 1);
	expect_collected(m);
	model_free(m);
}

static struct kunit_case dma_fence_chain_find_cases[] = {
	KUNIT_CASE(find_seqno_without_a_chain),
	KUNIT_CASE(find_seqno_exchanges_references),
	KUNIT_CASE_PARAM(find_seqno_at_every_position, pattern_gen_params),
	KUNIT_CASE(find_seqno_among_garbage),
	KUNIT_CASE(find_seqno_leaves_the_documented_jumps),
	KUNIT_CASE(find_seqno_jumps_over_a_block_of_64),
	KUNIT_CASE_PARAM_ATTR(find_seqno_matches_model, seed_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	{}
};

static struct kunit_suite dma_fence_chain_find_suite = {
	.name = "dma_fence_chain_find",
	.test_cases = dma_fence_chain_find_cases,
};

kunit_test_suite(dma_fence_chain_find_suite);

MODULE_LICENSE("GPL");

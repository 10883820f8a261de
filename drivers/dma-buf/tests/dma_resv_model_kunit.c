// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random operations on a reservation object, from a fixed seed, compared with
 * the plain list of all fences ever added: whichever fence replaces which, all
 * waiters must wait for each pending fence as before.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "../resv/dma-resv-list.h"
#include "mock.h"

#define CONTEXTS 24
#define MAX_ADDED 4000
#define MAX_ENTRIES 512

/* A fence as it was added; struck if dma_resv_replace_fences() removed it. */
struct added {
	struct dma_fence *fence;
	enum dma_resv_usage usage;
	bool struck;
};

struct entry {
	struct dma_fence *fence;
	enum dma_resv_usage usage;
};

struct model {
	struct kunit *test;
	struct dma_resv resv;
	struct mock_timeline *timeline;
	u64 context;
	u64 seqnos[CONTEXTS];
	/* For each timeline, the number in @added to signal next. */
	int next[CONTEXTS];
	int num_added;
	struct added added[MAX_ADDED];
	int num_entries;
	struct entry entries[MAX_ENTRIES];
	/* Reservations since the list was within its bound. */
	unsigned int over;
};

/* Count the slots in use, and the pending fences. */
static unsigned int count(struct model *m, unsigned int *pending)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	unsigned int slots = 0;

	*pending = 0;
	dma_resv_for_each_fence(&cursor, &m->resv, DMA_RESV_USAGE_BOOKKEEP,
				fence) {
		*pending += !dma_fence_is_signaled(fence);
		slots++;
	}
	return slots;
}

/*
 * Add a fence and compare the length of the list with the bound that
 * dma-resv-list.c states: a long list may exceed it for a while.
 */
static void add_within_bound(struct model *m, struct dma_fence *fence,
			     enum dma_resv_usage usage)
{
	unsigned int pending, bound, slots, ignored;

	dma_resv_lock(&m->resv, NULL);
	count(m, &pending);
	bound = 2 * pending + DMA_RESV_LIST_MIN;
	KUNIT_ASSERT_EQ(m->test, dma_resv_reserve_fences(&m->resv, 1), 0);
	slots = count(m, &ignored);
	m->over = slots > bound ? m->over + 1 : 0;
	if (slots <= DMA_RESV_LIST_EXACT)
		KUNIT_EXPECT_LE(m->test, slots, bound);
	else
		KUNIT_EXPECT_LE(m->test, m->over, slots);
	dma_resv_add_fence(&m->resv, fence, usage);
	KUNIT_EXPECT_LE(m->test, count(m, &ignored), slots + 1);
	dma_resv_unlock(&m->resv);
}

/* The first one is context 0, which has no order. */
static u64 context_of(struct model *m, int which)
{
	return which ? m->context + which : 0;
}

static void model_add(struct model *m, struct rnd_state *rnd)
{
	int which = prandom_u32_state(rnd) % CONTEXTS;
	struct added *added = &m->added[m->num_added];

	if (m->num_added == MAX_ADDED)
		return;
	added->usage = prandom_u32_state(rnd) % 4;
	m->timeline->context = context_of(m, which);
	/* Now and then, add a fence again. */
	if (m->num_added && !(prandom_u32_state(rnd) % 6))
		added->fence = dma_fence_get(m->added[prandom_u32_state(rnd) %
						      m->num_added].fence);
	else
		added->fence = mock_fence_create_at(m->timeline,
						    ++m->seqnos[which], 0);
	m->num_added++;
	add_within_bound(m, added->fence, added->usage);
}

/* Fences of one timeline signal in their order. */
static void model_signal(struct model *m, struct rnd_state *rnd)
{
	int which = prandom_u32_state(rnd) % CONTEXTS;
	int *i = &m->next[which];

	for (; *i < m->num_added; ++*i) {
		struct dma_fence *fence = m->added[*i].fence;

		if (fence->context == context_of(m, which) &&
		    !dma_fence_is_signaled(fence)) {
			dma_fence_signal(fence);
			return;
		}
	}
}

/* Replace a whole timeline by a signalled fence. */
static void model_replace(struct model *m, struct rnd_state *rnd)
{
	u64 context = context_of(m, prandom_u32_state(rnd) % CONTEXTS);
	struct dma_fence *stub = dma_fence_get_stub();

	dma_resv_lock(&m->resv, NULL);
	dma_resv_replace_fences(&m->resv, context, stub,
				DMA_RESV_USAGE_BOOKKEEP);
	dma_resv_unlock(&m->resv);
	dma_fence_put(stub);
	for (int i = 0; i < m->num_added; i++) {
		if (m->added[i].fence->context == context)
			m->added[i].struck = true;
	}
}

/* Collect the pending fences by a walk under the lock. */
static void collect(struct model *m)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	m->num_entries = 0;
	dma_resv_lock(&m->resv, NULL);
	dma_resv_for_each_fence(&cursor, &m->resv, DMA_RESV_USAGE_BOOKKEEP,
				fence) {
		struct entry *entry = &m->entries[m->num_entries];

		if (dma_fence_is_signaled(fence))
			continue;
		KUNIT_ASSERT_LT(m->test, m->num_entries, MAX_ENTRIES);
		entry->fence = fence;
		entry->usage = dma_resv_iter_usage(&cursor);
		m->num_entries++;
	}
	dma_resv_unlock(&m->resv);
}

static bool stands_for(const struct entry *entry, const struct added *added)
{
	return entry->fence->context == added->fence->context &&
	       entry->usage <= added->usage &&
	       (entry->fence == added->fence || (added->fence->context &&
		dma_fence_is_later(entry->fence, added->fence)));
}

/* The object has lost no fence, and holds none that was not added. */
static void expect_complete(struct model *m)
{
	int forgotten = 0, invented = 0;

	for (int i = 0; i < m->num_added; i++) {
		struct added *added = &m->added[i];
		int j = 0;

		if (added->struck || dma_fence_is_signaled(added->fence))
			continue;
		while (j < m->num_entries && !stands_for(&m->entries[j], added))
			j++;
		forgotten += j == m->num_entries;
	}
	for (int j = 0; j < m->num_entries; j++) {
		int i = 0;

		while (i < m->num_added &&
		       (m->added[i].fence != m->entries[j].fence ||
			m->added[i].usage != m->entries[j].usage))
			i++;
		invented += i == m->num_added;
	}
	KUNIT_EXPECT_EQ(m->test, forgotten, 0);
	KUNIT_EXPECT_EQ(m->test, invented, 0);
}

/* All queries give the same answer. */
static void expect_answers(struct model *m, struct dma_resv *resv,
			   enum dma_resv_usage usage)
{
	struct dma_fence **fences;
	unsigned int num;
	int at = 0;

	KUNIT_ASSERT_EQ(m->test, dma_resv_get_fences(resv, usage, &num,
						     &fences), 0);
	for (int i = 0; i < m->num_entries; i++) {
		if (m->entries[i].usage > usage)
			continue;
		if (at < num)
			KUNIT_EXPECT_PTR_EQ(m->test, fences[at],
					    m->entries[i].fence);
		at++;
	}
	KUNIT_EXPECT_EQ(m->test, num, at);
	KUNIT_EXPECT_EQ(m->test, dma_resv_test_signaled(resv, usage), !at);
	while (num)
		dma_fence_put(fences[--num]);
	kfree(fences);
}

static void check(struct model *m, struct rnd_state *rnd)
{
	enum dma_resv_usage usage = prandom_u32_state(rnd) % 4;
	struct dma_resv copy;

	collect(m);
	expect_complete(m);
	expect_answers(m, &m->resv, usage);

	dma_resv_init(&copy);
	dma_resv_lock(&copy, NULL);
	KUNIT_EXPECT_EQ(m->test, dma_resv_copy_fences(&copy, &m->resv), 0);
	dma_resv_unlock(&copy);
	expect_answers(m, &copy, usage);
	dma_resv_fini(&copy);
}

static void random_operation(struct model *m, struct rnd_state *rnd)
{
	switch (prandom_u32_state(rnd) % 64) {
	case 0:
		model_replace(m, rnd);
		break;
	case 1 ... 4:
		/* Replaces the list by one of the pending fences. */
		dma_resv_lock(&m->resv, NULL);
		KUNIT_EXPECT_EQ(m->test, dma_resv_copy_fences(&m->resv,
							      &m->resv), 0);
		dma_resv_unlock(&m->resv);
		break;
	case 5 ... 32:
		model_signal(m, rnd);
		break;
	default:
		model_add(m, rnd);
		break;
	}
}

static const u32 seeds[] = { 1, 2, 3, 4 };

static void seed_desc(const u32 *seed, char *desc)
{
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "seed %u", *seed);
}

KUNIT_ARRAY_PARAM(seed, seeds, seed_desc);

static void random_operations_forget_nobody(struct kunit *test)
{
	struct model *m = kunit_kzalloc(test, sizeof(*m), GFP_KERNEL);
	struct rnd_state rnd;

	KUNIT_ASSERT_NOT_NULL(test, m);
	prandom_seed_state(&rnd, *(const u32 *)test->param_value);
	m->test = test;
	m->timeline = mock_timeline_create(test, "model");
	m->context = dma_fence_context_alloc(CONTEXTS);
	dma_resv_init(&m->resv);
	for (int i = 0; i < 3000; i++) {
		random_operation(m, &rnd);
		if (!(i % 20))
			check(m, &rnd);
		if (test->status == KUNIT_FAILURE)
			break;
		cond_resched();
	}
	dma_resv_fini(&m->resv);
	/* The model holds a reference for each time a fence was added. */
	for (int i = 0; i < m->num_added; i++)
		dma_fence_put(m->added[i].fence);
	KUNIT_EXPECT_EQ(test, mock_timeline_released(m->timeline),
			atomic_read(&m->timeline->created));
}

static struct kunit_case dma_resv_model_cases[] = {
	KUNIT_CASE_PARAM_ATTR(random_operations_forget_nobody, seed_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	{}
};

static struct kunit_suite dma_resv_model_suite = {
	.name = "dma_resv_model",
	.test_cases = dma_resv_model_cases,
};

kunit_test_suite(dma_resv_model_suite);

MODULE_LICENSE("GPL");

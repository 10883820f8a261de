// SPDX-License-Identifier: GPL-2.0-only
/*
 * A chain grows while its fences signal in any order and other threads search,
 * walk and arm it, for a bounded time.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/dma-fence-chain.h>
#include <linux/dma-fence.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "mock.h"

#define MAX_POINTS 20000
#define DURATION (3 * HZ)
/*
 * At most this many fences are pending, and only twice as many are looked at.
 */
#define WINDOW 300

struct race {
	struct mock_timeline *timeline;
	/* Protects @head, as a syncobj's lock does. */
	spinlock_t lock;
	struct dma_fence *head;
	/* By seqno; signal_point() drops the reference. */
	struct dma_fence *fences[MAX_POINTS + 1];
	/* Set before the fence signals. */
	bool signaled[MAX_POINTS + 1];
	bool stop;
	int wrong;
	int searches;
	int walks;
	int armed;
};

static struct dma_fence *get_head(struct race *race)
{
	guard(spinlock)(&race->lock);
	return dma_fence_get(race->head);
}

/* The number of points in (@low, @high] that have not signalled. */
static int count_lost(struct race *race, u64 low, u64 high)
{
	int lost = 0;

	if (low < high && high - low > 2 * WINDOW)
		low = high - 2 * WINDOW;
	for (u64 seqno = low + 1; seqno <= high; seqno++)
		lost += !READ_ONCE(race->signaled[seqno]);
	return lost;
}

static void search(struct race *race, struct rnd_state *rnd)
{
	struct dma_fence *fence = get_head(race);
	u64 back = prandom_u32_state(rnd) % (2 * WINDOW);
	u64 seqno = fence->seqno > back ? fence->seqno - back : 1;
	struct dma_fence_chain *found;

	if (dma_fence_chain_find_seqno(&fence, seqno)) {
		race->wrong++;
	} else {
		found = to_dma_fence_chain(fence);
		if (found && found->prev_seqno >= seqno)
			race->wrong++;
		race->wrong += count_lost(race, found ? fence->seqno : 0,
					  seqno);
	}
	dma_fence_put(fence);
	race->searches++;
}

static int searcher(void *data)
{
	struct race *race = data;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, 5);
	while (!READ_ONCE(race->stop)) {
		search(race, &rnd);
		cond_resched();
	}
	return 0;
}

static int walker(void *data)
{
	struct race *race = data;

	while (!READ_ONCE(race->stop)) {
		struct dma_fence *head = get_head(race), *fence;
		u64 last = head->seqno;

		dma_fence_chain_for_each(fence, head) {
			if (fence == head)
				continue;
			/* The links that the walk skipped have signalled. */
			race->wrong += fence->seqno >= last;
			race->wrong += count_lost(race, fence->seqno,
						  last - 1);
			last = fence->seqno;
		}
		race->wrong += count_lost(race, 0, last - 1);
		dma_fence_put(head);
		race->walks++;
		cond_resched();
	}
	return 0;
}

/* Arms the newest link and drops its reference at once. */
static int armer(void *data)
{
	struct race *race = data;
	struct rnd_state rnd;

	prandom_seed_state(&rnd, 6);
	while (!READ_ONCE(race->stop)) {
		struct dma_fence *fence = get_head(race);
		u64 seqno = fence->seqno;

		dma_fence_enable_sw_signaling(fence);
		/* A link signals after all fences before it. */
		if (dma_fence_is_signaled(fence))
			race->wrong += count_lost(race, 0, seqno);
		dma_fence_put(fence);
		race->armed++;
		if (!(prandom_u32_state(&rnd) % 4))
			schedule_timeout_interruptible(1);
		cond_resched();
	}
	return 0;
}

static void signal_point(struct race *race, u64 seqno)
{
	struct dma_fence *fence = race->fences[seqno];

	if (!fence)
		return;
	race->fences[seqno] = NULL;
	WRITE_ONCE(race->signaled[seqno], true);
	dma_fence_signal(fence);
	dma_fence_put(fence);
}

/* Adds links; signals some fences of the last WINDOW, and all older ones. */
static u64 grow(struct kunit *test, struct race *race)
{
	unsigned long end = jiffies + DURATION;
	struct dma_fence_chain *chain;
	struct rnd_state rnd;
	u64 seqno = 1;

	prandom_seed_state(&rnd, 7);
	while (seqno < MAX_POINTS && time_before(jiffies, end)) {
		seqno++;
		chain = dma_fence_chain_alloc();
		KUNIT_ASSERT_NOT_NULL(test, chain);
		race->fences[seqno] = mock_fence_create(race->timeline);
		dma_fence_chain_init(chain, race->head,
				     dma_fence_get(race->fences[seqno]), seqno);
		scoped_guard(spinlock, &race->lock)
			race->head = &chain->base;
		signal_point(race, seqno - prandom_u32_state(&rnd) %
			     min_t(u32, seqno, WINDOW));
		if (seqno > WINDOW)
			signal_point(race, seqno - WINDOW);
		cond_resched();
	}
	return seqno;
}

/* A search that passes a pending point would signal a syncobj too early. */
static void init_races_find_walk_and_wait(struct kunit *test)
{
	int (*threads[])(void *) = { searcher, searcher, walker, armer };
	struct task_struct *tasks[ARRAY_SIZE(threads)];
	struct race *race;
	u64 last;

	mock_need_two_cpus(test);
	race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, race);
	race->timeline = mock_timeline_create(test, "race");
	spin_lock_init(&race->lock);
	race->head = &dma_fence_chain_alloc()->base;
	KUNIT_ASSERT_NOT_NULL(test, race->head);
	race->signaled[1] = true;
	dma_fence_chain_init(container_of(race->head, struct dma_fence_chain,
					  base), NULL, dma_fence_get_stub(), 1);
	for (int i = 0; i < ARRAY_SIZE(threads); i++) {
		tasks[i] = kthread_run(threads[i], race, "racer/%d", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(tasks[i]));
		get_task_struct(tasks[i]);
	}

	last = grow(test, race);
	WRITE_ONCE(race->stop, true);
	for (int i = 0; i < ARRAY_SIZE(threads); i++)
		kthread_stop_put(tasks[i]);
	for (u64 seqno = 1; seqno <= last; seqno++)
		signal_point(race, seqno);
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(race->head));
	dma_fence_put(race->head);

	KUNIT_EXPECT_EQ(test, race->wrong, 0);
	KUNIT_EXPECT_GT(test, race->searches, 0);
	KUNIT_EXPECT_GT(test, race->walks, 0);
	KUNIT_EXPECT_GT(test, race->armed, 0);
	/* All fences are released, those of armed links too. */
	KUNIT_EXPECT_TRUE(test, mock_timeline_wait_released(race->timeline,
							    last - 1));
}

static struct kunit_case dma_fence_chain_race_cases[] = {
	KUNIT_CASE_SLOW(init_races_find_walk_and_wait),
	{}
};

static struct kunit_suite dma_fence_chain_race_suite = {
	.name = "dma_fence_chain_race",
	.test_cases = dma_fence_chain_race_cases,
};

kunit_test_suite(dma_fence_chain_race_suite);

MODULE_LICENSE("GPL");

// SPDX-License-Identifier: GPL-2.0-only
/*
 * One thread changes a reservation object all the time while others query it
 * without its lock, for a bounded time. The memory of a released fence is
 * reused for another fence at once.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/minmax.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "mock.h"

#define DURATION (3 * HZ)
#define BOOKKEEP DMA_RESV_USAGE_BOOKKEEP

/* The contexts of the fences: */
enum {
	/* Always in the object, and always the same fence. */
	CONSTANT = 1,
	/*
	 * Always in the object: a later fence replaces each before it signals.
	 */
	CHANGING,
	/* Never in the object, but in the memory of its fences. */
	ALIEN,
	/* These come and go. */
	OTHERS,
};

static const char *a_name(struct dma_fence *fence)
{
	return "recycled";
}

static struct kmem_cache *cache;
static DEFINE_SPINLOCK(fence_lock);

/* As in i915, no grace period passes before the memory is reused. */
static void release(struct dma_fence *fence)
{
	kmem_cache_free(cache, fence);
}

static const struct dma_fence_ops recycled_ops = {
	.get_driver_name = a_name,
	.get_timeline_name = a_name,
	.release = release,
};

static struct dma_fence *make(struct kunit *test, u64 context, u64 seqno)
{
	struct dma_fence *fence = kmem_cache_alloc(cache, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, fence);
	dma_fence_init(fence, &recycled_ops, &fence_lock, context, seqno);
	return fence;
}

#define NUM_OTHERS 20

struct race {
	struct dma_resv resv;
	struct dma_fence *constant;
	/* Pending, or NULL. */
	struct dma_fence *others[NUM_OTHERS];
	bool stop;
	atomic_t missed;
	atomic_t alien;
	atomic_t asked;
};

/* What a reader has seen since the last restart. */
struct seen {
	int constant;
	int changing;
};

static void see(struct race *race, struct seen *seen, struct dma_fence *fence)
{
	seen->constant += fence == race->constant;
	seen->changing += fence->context == CHANGING;
	if (fence->context == ALIEN || fence->ops != &recycled_ops)
		atomic_inc(&race->alien);
}

static void judge(struct race *race, const struct seen *seen)
{
	if (!seen->constant || !seen->changing)
		atomic_inc(&race->missed);
	atomic_inc(&race->asked);
}

static int walker(void *data)
{
	struct race *race = data;

	while (!READ_ONCE(race->stop)) {
		struct dma_resv_iter cursor;
		struct seen seen = {};
		struct dma_fence *fence;

		dma_resv_iter_begin(&cursor, &race->resv, BOOKKEEP);
		dma_resv_for_each_fence_unlocked(&cursor, fence) {
			if (dma_resv_iter_is_restarted(&cursor))
				memset(&seen, 0, sizeof(seen));
			see(race, &seen, fence);
		}
		dma_resv_iter_end(&cursor);
		judge(race, &seen);
		cond_resched();
	}
	return 0;
}

static int getter(void *data)
{
	struct race *race = data;

	while (!READ_ONCE(race->stop)) {
		struct dma_fence **fences, *fence;
		struct seen seen = {};
		unsigned int num;

		if (dma_resv_get_fences(&race->resv, BOOKKEEP, &num, &fences))
			continue;
		for (int i = 0; i < num; i++) {
			see(race, &seen, fences[i]);
			dma_fence_put(fences[i]);
		}
		kfree(fences);
		judge(race, &seen);

		if (dma_resv_test_signaled(&race->resv, DMA_RESV_USAGE_KERNEL) ||
		    dma_resv_wait_timeout(&race->resv, BOOKKEEP, false, 0))
			atomic_inc(&race->missed);
		if (!dma_resv_get_singleton(&race->resv, BOOKKEEP, &fence))
			dma_fence_put(fence);
		cond_resched();
	}
	return 0;
}

static int copier(void *data)
{
	struct race *race = data;
	struct dma_resv copy;

	dma_resv_init(&copy);
	while (!READ_ONCE(race->stop)) {
		struct dma_resv_iter cursor;
		struct seen seen = {};
		struct dma_fence *fence;

		dma_resv_lock(&copy, NULL);
		if (!dma_resv_copy_fences(&copy, &race->resv)) {
			dma_resv_for_each_fence(&cursor, &copy, BOOKKEEP, fence)
				see(race, &seen, fence);
			judge(race, &seen);
		}
		dma_resv_unlock(&copy);
		cond_resched();
	}
	dma_resv_fini(&copy);
	return 0;
}

static void add(struct kunit *test, struct race *race, struct dma_fence *fence,
		enum dma_resv_usage usage)
{
	mock_resv_add(test, &race->resv, fence, usage);
}

/* One step of each kind of change. */
static void change(struct kunit *test, struct race *race, u64 seqno,
		   struct dma_fence **changing, struct rnd_state *rnd)
{
	struct dma_fence *next = make(test, CHANGING, seqno);
	struct dma_fence *other, **pending;

	add(test, race, next, DMA_RESV_USAGE_WRITE);
	/* Only from here on may a reader find the earlier fence signalled. */
	dma_fence_signal(*changing);
	dma_fence_put(*changing);
	*changing = next;

	/* Most likely in the memory of the earlier fence. */
	other = make(test, ALIEN, seqno);
	dma_fence_signal(other);
	dma_fence_put(other);

	if (!(prandom_u32_state(rnd) % 2)) {
		other = make(test, OTHERS + prandom_u32_state(rnd) % 30, seqno);
		add(test, race, other, prandom_u32_state(rnd) % 4);
		pending = &race->others[prandom_u32_state(rnd) % NUM_OTHERS];
		swap(*pending, other);
		/* One from before, which leaves a signalled slot. */
		dma_fence_signal(other);
		dma_fence_put(other);
	}
	if (!(prandom_u32_state(rnd) % 16)) {
		/* Replaces the list by a longer one, which may have an index. */
		dma_resv_lock(&race->resv, NULL);
		KUNIT_EXPECT_EQ(test, dma_resv_reserve_fences(&race->resv, 8 +
						prandom_u32_state(rnd) % 32), 0);
		dma_resv_unlock(&race->resv);
	}
	if (!(prandom_u32_state(rnd) % 16)) {
		/* Replaces the list by one of the pending fences. */
		dma_resv_lock(&race->resv, NULL);
		KUNIT_EXPECT_EQ(test, dma_resv_copy_fences(&race->resv,
							   &race->resv), 0);
		dma_resv_unlock(&race->resv);
	}
}

static void change_for_a_while(struct kunit *test, struct race *race,
			       struct dma_fence *changing)
{
	unsigned long end = jiffies + DURATION;
	struct rnd_state rnd;
	u64 seqno = 2;

	prandom_seed_state(&rnd, 17);
	while (time_before(jiffies, end)) {
		change(test, race, seqno++, &changing, &rnd);
		if (!(seqno % 128))
			cond_resched();
	}
	dma_fence_put(changing);
	for (int i = 0; i < NUM_OTHERS; i++) {
		dma_fence_signal(race->others[i]);
		dma_fence_put(race->others[i]);
	}
}

/*
 * The window: a reader has read a slot, and has not yet taken a reference::
 *
 *	CPU 0 (reader)			CPU 1 (writer)
 *	reads the slot
 *					replaces the fence, or the list
 *					signals and releases the old fence
 *					makes another fence in its memory
 *	takes a reference
 */
static void change_and_ask_at_once(struct kunit *test)
{
	int (*threads[])(void *) = { walker, getter, copier };
	struct task_struct *tasks[ARRAY_SIZE(threads)];
	struct dma_fence *changing;
	struct race *race;

	mock_need_two_cpus(test);
	race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, race);
	dma_resv_init(&race->resv);
	cache = kmem_cache_create("recycled_resv_fence",
				  sizeof(struct dma_fence), 0,
				  SLAB_TYPESAFE_BY_RCU, NULL);
	KUNIT_ASSERT_NOT_NULL(test, cache);
	race->constant = make(test, CONSTANT, 1);
	add(test, race, race->constant, DMA_RESV_USAGE_KERNEL);
	changing = make(test, CHANGING, 1);
	add(test, race, changing, DMA_RESV_USAGE_WRITE);

	for (int i = 0; i < ARRAY_SIZE(threads); i++) {
		tasks[i] = kthread_run(threads[i], race, "asker/%d", i);
		KUNIT_ASSERT_FALSE(test, IS_ERR(tasks[i]));
		get_task_struct(tasks[i]);
	}
	change_for_a_while(test, race, changing);
	WRITE_ONCE(race->stop, true);
	for (int i = 0; i < ARRAY_SIZE(threads); i++)
		kthread_stop_put(tasks[i]);

	dma_fence_put(race->constant);
	dma_resv_fini(&race->resv);
	KUNIT_EXPECT_EQ(test, atomic_read(&race->missed), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&race->alien), 0);
	KUNIT_EXPECT_GT(test, atomic_read(&race->asked), 0);
	rcu_barrier();
	kmem_cache_destroy(cache);
}

static struct kunit_case dma_resv_race_cases[] = {
	KUNIT_CASE_SLOW(change_and_ask_at_once),
	{}
};

static struct kunit_suite dma_resv_race_suite = {
	.name = "dma_resv_race",
	.test_cases = dma_resv_race_cases,
};

kunit_test_suite(dma_resv_race_suite);

MODULE_LICENSE("GPL");

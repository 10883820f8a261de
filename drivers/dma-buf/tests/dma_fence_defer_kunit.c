// SPDX-License-Identifier: GPL-2.0-only
/*
 * What containers leave for later: it runs once, under no lock, and a deep
 * container neither takes a tick for each level nor one long interrupt for all.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/dma-fence.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/preempt.h>
#include <linux/sched.h>

#include "../fence/dma-fence-container.h"
#include "mock.h"

#define PATIENCE (60 * HZ)
#define LEVELS 3000

struct item {
	struct dma_fence_deferred deferred;
	/* How many times the function still defers the item. */
	int levels;
	atomic_t runs;
	/* Queued by the first run; notes how many runs came before it. */
	struct irq_work other;
	int runs_before_other;
};

static void item_func(struct dma_fence_deferred *deferred)
{
	struct item *item = container_of(deferred, struct item, deferred);

	if (atomic_inc_return(&item->runs) == 1)
		irq_work_queue(&item->other);
	if (item->levels--)
		dma_fence_defer(&item->deferred);
}

static void other_func(struct irq_work *work)
{
	struct item *item = container_of(work, struct item, other);

	item->runs_before_other = atomic_read(&item->runs);
}

static void item_init(struct item *item, int levels)
{
	*item = (struct item){ .deferred.func = item_func, .levels = levels };
	init_irq_work(&item->other, other_func);
}

static void defer(struct item *item)
{
	guard(preempt)();
	dma_fence_defer(&item->deferred);
}

/*
 * Waits until the function has run for all levels. The items are static: if that
 * takes too long, they are still in use.
 */
static void finish(struct kunit *test, struct item *item, int levels)
{
	unsigned long end = jiffies + PATIENCE;

	while (atomic_read(&item->runs) <= levels && time_before(jiffies, end))
		cond_resched();
	mock_irq_work_settle();
	irq_work_sync(&item->other);
	KUNIT_EXPECT_EQ(test, atomic_read(&item->runs), levels + 1);
}

static void defer_runs_each_once(struct kunit *test)
{
	static struct item items[3];

	for (int i = 0; i < ARRAY_SIZE(items); i++)
		item_init(&items[i], 0);
	scoped_guard(preempt) {
		for (int i = 0; i < ARRAY_SIZE(items); i++)
			dma_fence_defer(&items[i].deferred);
	}
	for (int i = 0; i < ARRAY_SIZE(items); i++)
		finish(test, &items[i], 0);
}

/*
 * An interrupt does many levels, which would else take a tick each where the
 * CPU cannot interrupt itself; but not all: other work comes in between.
 */
static void defer_again_takes_turns(struct kunit *test)
{
	static struct item item;

	item_init(&item, LEVELS);
	defer(&item);
	finish(test, &item, LEVELS);
	KUNIT_EXPECT_GE(test, item.runs_before_other, LEVELS / 100);
	KUNIT_EXPECT_LT(test, item.runs_before_other, LEVELS / 4);
}

static struct kunit_case dma_fence_defer_cases[] = {
	KUNIT_CASE(defer_runs_each_once),
	KUNIT_CASE(defer_again_takes_turns),
	{}
};

static struct kunit_suite dma_fence_defer_suite = {
	.name = "dma_fence_defer",
	.test_cases = dma_fence_defer_cases,
};

kunit_test_suite(dma_fence_defer_suite);

MODULE_LICENSE("GPL");

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The signalling annotation: what its brackets acquire in lockdep's eyes, and
 * that nothing stays acquired. No case can provoke a violation, because lockdep
 * turns itself off after the first report.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/debug_locks.h>
#include <linux/dma-fence.h>
#include <linux/irqflags.h>
#include <linux/preempt.h>
#include <linux/sched.h>

#include "mock.h"

static int held_locks(void)
{
	return current->lockdep_depth;
}

/* The number of locks that an outermost bracket acquires. */
static int one(void)
{
	return debug_locks;
}

static void begin_signalling_nests(struct kunit *test)
{
	int held = held_locks();
	bool outer, inner, innermost;

	outer = dma_fence_begin_signalling();
	KUNIT_EXPECT_EQ(test, outer, !one());
	KUNIT_EXPECT_EQ(test, held_locks(), held + one());
	inner = dma_fence_begin_signalling();
	innermost = dma_fence_begin_signalling();
	KUNIT_EXPECT_TRUE(test, inner);
	KUNIT_EXPECT_TRUE(test, innermost);
	KUNIT_EXPECT_EQ(test, held_locks(), held + one());
	dma_fence_end_signalling(innermost);
	dma_fence_end_signalling(inner);
	KUNIT_EXPECT_EQ(test, held_locks(), held + one());
	dma_fence_end_signalling(outer);
	KUNIT_EXPECT_EQ(test, held_locks(), held);
}

static void begin_signalling_while_atomic_acquires_nothing(struct kunit *test)
{
	int held, depth;
	bool cookie;

	preempt_disable();
	held = held_locks();
	cookie = dma_fence_begin_signalling();
	depth = held_locks();
	dma_fence_end_signalling(cookie);
	preempt_enable();
	KUNIT_EXPECT_TRUE(test, cookie);
	KUNIT_EXPECT_EQ(test, depth, held);
}

/* dma_fence_signal() has brackets of its own, which nest in the caller's. */
static void signal_inside_brackets(struct kunit *test)
{
	struct mock_timeline *timeline = mock_timeline_create(test, "inside");
	struct dma_fence *fence = mock_fence_create(timeline);
	int held = held_locks();
	bool cookie;

	cookie = dma_fence_begin_signalling();
	KUNIT_EXPECT_EQ(test, dma_fence_signal(fence), 0);
	KUNIT_EXPECT_EQ(test, held_locks(), held + one());
	dma_fence_end_signalling(cookie);
	KUNIT_EXPECT_EQ(test, held_locks(), held);
	dma_fence_put(fence);
}

/* A wait for an earlier fence inside of the brackets leaves them acquired. */
static void wait_inside_brackets(struct kunit *test)
{
	struct mock_timeline *timeline = mock_timeline_create(test, "inside");
	struct dma_fence *fence = mock_fence_create(timeline);
	int held = held_locks();
	bool cookie;

	cookie = dma_fence_begin_signalling();
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, false, 0), 0);
	KUNIT_EXPECT_EQ(test, held_locks(), held + one());
	/* The brackets are still open: a nested one acquires nothing. */
	KUNIT_EXPECT_TRUE(test, dma_fence_begin_signalling());
	dma_fence_end_signalling(cookie);
	KUNIT_EXPECT_EQ(test, held_locks(), held);
	dma_fence_put(fence);
}

static void might_wait_leaves_nothing_held(struct kunit *test)
{
	int held = held_locks();

	__dma_fence_might_wait();
	KUNIT_EXPECT_EQ(test, held_locks(), held);
}

/* After a report lockdep is off, and the other cases would test nothing. */
static void begin_signalling_has_lockdep(struct kunit *test)
{
	KUNIT_EXPECT_TRUE_MSG(test, debug_locks,
			      "lockdep has reported something before");
}

static struct kunit_case dma_fence_annotate_cases[] = {
	KUNIT_CASE(begin_signalling_has_lockdep),
	KUNIT_CASE(begin_signalling_nests),
	KUNIT_CASE(begin_signalling_while_atomic_acquires_nothing),
	KUNIT_CASE(signal_inside_brackets),
	KUNIT_CASE(wait_inside_brackets),
	KUNIT_CASE(might_wait_leaves_nothing_held),
	{}
};

static struct kunit_suite dma_fence_annotate_suite = {
	.name = "dma_fence_annotate",
	.test_cases = dma_fence_annotate_cases,
};

kunit_test_suite(dma_fence_annotate_suite);

MODULE_LICENSE("GPL");

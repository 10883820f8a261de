// SPDX-License-Identifier: GPL-2.0-only
/*
 * Containers of containers: chains of arrays of chains, to any depth. What is
 * released with them, in which context, and that no depth overflows the stack.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/dma-fence-array.h>
#include <linux/dma-fence-chain.h>
#include <linux/dma-fence-unwrap.h>
#include <linux/dma-fence.h>
#include <linux/irqflags.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include "mock.h"

#define PATIENCE (60 * HZ)

static int container_test_init(struct kunit *test)
{
	test->priv = mock_timeline_create(test, "inside");
	return 0;
}

/* Consumes the references to @members. */
static struct dma_fence *array_of(struct kunit *test, int num,
				  struct dma_fence **members)
{
	struct dma_fence **fences = kmemdup_array(members, num,
						  sizeof(*members), GFP_KERNEL);
	struct dma_fence_array *array;

	KUNIT_ASSERT_NOT_NULL(test, fences);
	array = dma_fence_array_create(num, fences, 1, 1, false);
	KUNIT_ASSERT_NOT_NULL(test, array);
	return &array->base;
}

/*
 * A chain of an array with a plain member, an array of a chain and a plain
 * member, and a plain fence.
 */
static struct dma_fence *make_mixed(struct kunit *test,
				    struct dma_fence **leaves)
{
	struct dma_fence *inner, *chain, *array;

	for (int i = 0; i < 5; i++)
		leaves[i] = mock_fence_create(test->priv);
	inner = mock_link_after(test, NULL, leaves[0], 1);
	inner = mock_link_after(test, inner, leaves[1], 2);
	array = array_of(test, 2, (struct dma_fence *[]){ inner, leaves[2] });
	chain = mock_link_after(test, NULL, array_of(test, 1, &leaves[3]), 1);
	chain = mock_link_after(test, chain, array, 2);
	return mock_link_after(test, chain, leaves[4], 3);
}

static void release_reaches_all(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *leaves[5], *head = make_mixed(test, leaves);

	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), 0);
	mock_fence_put_last(test, head);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), 5);
}

/* Drivers drop containers in interrupts: the release must not enable them. */
static void release_with_irqs_off(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *leaves[5], *head;
	unsigned long flags;

	mock_need_spinning_locks(test);
	head = make_mixed(test, leaves);
	local_irq_save(flags);
	dma_fence_put(head);
	KUNIT_EXPECT_TRUE(test, irqs_disabled());
	local_irq_restore(flags);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), 5);
}

/*
 * The member array of a large container is vmalloc memory, for which kvfree()
 * may sleep. Chain walks put containers under a spinlock.
 */
static void release_of_many_members_does_not_sleep(struct kunit *test)
{
	static DEFINE_SPINLOCK(lock);
	struct mock_timeline *timeline = test->priv;
	struct dma_fence_array *array;
	struct dma_fence **fences;
	const int num = 600;

	fences = vmalloc_array(num, sizeof(*fences));
	KUNIT_ASSERT_NOT_NULL(test, fences);
	for (int i = 0; i < num; i++)
		fences[i] = mock_fence_create(timeline);
	array = dma_fence_array_create(num, fences, 1, 1, false);
	KUNIT_ASSERT_NOT_NULL(test, array);

	mock_warn_begin(test);
	scoped_guard(spinlock_irqsave, &lock)
		dma_fence_put(&array->base);
	mock_warn_end(test, "", 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), num);
}

/* A referenced container inside stays intact, with everything below it. */
static void release_stops_at_what_is_held(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *leaves[5], *head = make_mixed(test, leaves);
	struct dma_fence *link, *array, *inner;

	link = dma_fence_chain_walk(dma_fence_get(head));
	array = dma_fence_get(dma_fence_chain_contained(link));
	inner = dma_fence_get(to_dma_fence_array(array)->fences[0]);

	mock_fence_put_last(test, head);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), 1);
	mock_fence_put_last(test, link);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), 2);
	mock_fence_put_last(test, array);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), 3);
	KUNIT_EXPECT_EQ(test, inner->seqno, 2);
	mock_fence_put_last(test, inner);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), 5);
}

/* A chain that is twice in an array, and in another chain too. */
static void release_of_shared_members(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *leaf = mock_fence_create(timeline);
	struct dma_fence *link, *one, *two, *members[2];

	link = mock_link_after(test, NULL, leaf, 1);
	members[0] = dma_fence_get(link);
	members[1] = dma_fence_get(link);
	one = array_of(test, 2, members);
	two = mock_link_after(test, dma_fence_get(link), dma_fence_get(leaf), 2);
	dma_fence_put(link);
	mock_fence_put_last(test, one);
	KUNIT_EXPECT_EQ(test, kref_read(&link->refcount), 1);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), 0);
	mock_fence_put_last(test, two);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), 1);
}

/* Nobody waits for a container that is dropped pending: no warning. */
static void release_of_pending_does_not_warn(struct kunit *test)
{
	struct dma_fence *leaves[5], *head = make_mixed(test, leaves);

	mock_warn_begin(test);
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(head));
	mock_fence_put_last(test, head);
	mock_warn_end(test, "", 0);
}

static void wait_mixed_signals_after_all(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *leaves[5], *head = make_mixed(test, leaves);

	for (int i = 0; i < 5; i++)
		dma_fence_get(leaves[i]);
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(head, false, 0), 0);
	for (int i = 4; i >= 0; i--) {
		KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(head));
		dma_fence_signal(leaves[i]);
		dma_fence_put(leaves[i]);
	}
	KUNIT_EXPECT_GT(test, dma_fence_wait_timeout(head, false, PATIENCE), 0);
	dma_fence_put(head);
	KUNIT_EXPECT_TRUE(test, mock_timeline_wait_released(timeline, 5));
}

/* A merge accepts any nesting of containers. */
static void unwrap_merge_mixed(struct kunit *test)
{
	struct mock_timeline *elsewhere = mock_timeline_create(test, "other");
	struct dma_fence *leaves[5], *head = make_mixed(test, leaves);
	struct dma_fence *other = mock_fence_create(elsewhere), *merged;

	merged = dma_fence_unwrap_merge(head, other, head);
	KUNIT_ASSERT_NOT_NULL(test, merged);
	for (int i = 0; i < 5; i++)
		dma_fence_get(leaves[i]);
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(merged, false, 0), 0);
	dma_fence_signal(other);
	for (int i = 0; i < 5; i++) {
		KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(merged));
		dma_fence_signal(leaves[i]);
		dma_fence_put(leaves[i]);
	}
	KUNIT_EXPECT_GT(test, dma_fence_wait_timeout(merged, false, PATIENCE),
			0);
	dma_fence_put(merged);
	dma_fence_put(head);
	dma_fence_put(other);
	KUNIT_EXPECT_TRUE(test, mock_timeline_wait_released(test->priv, 5));
	KUNIT_EXPECT_TRUE(test, mock_timeline_wait_released(elsewhere, 1));
}

/* Half of the resulting depth, which is deeper than any stack. */
#define DEPTH (IS_ENABLED(CONFIG_KASAN) ? 2000 : 50000)

/* An array of a chain whose link contains an array of a chain, and so on. */
static struct dma_fence *nest_deeply(struct kunit *test,
				     struct dma_fence *fence)
{
	for (int i = 0; i < DEPTH; i++) {
		fence = mock_link_after(test, NULL, fence, 1);
		fence = array_of(test, 1, &fence);
		cond_resched();
	}
	return fence;
}

static void release_deep_mix(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *head;

	head = nest_deeply(test, mock_fence_create(timeline));
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(head));
	dma_fence_set_deadline(head, 1);
	mock_fence_put_last(test, head);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), 1);
}

static void wait_deep_mix(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *leaf = mock_fence_create(timeline);
	struct dma_fence *head = nest_deeply(test, dma_fence_get(leaf));
	unsigned long end = jiffies + PATIENCE;

	dma_fence_enable_sw_signaling(head);
	while (!atomic_read(&to_mock_fence(leaf)->enabled) &&
	       time_before(jiffies, end))
		cond_resched();
	KUNIT_EXPECT_EQ(test, atomic_read(&to_mock_fence(leaf)->enabled), 1);
	dma_fence_signal(leaf);
	KUNIT_EXPECT_GT(test, dma_fence_wait_timeout(head, false, PATIENCE), 0);
	dma_fence_put(head);
	dma_fence_put(leaf);
	KUNIT_EXPECT_TRUE(test, mock_timeline_wait_released(timeline, 1));
}

/*
 * A chain that is not moved on when the shared fence signals hangs its waiters.
 */
static void signal_moves_on_all_chains(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);
	struct dma_fence *chains[8];

	for (int i = 0; i < ARRAY_SIZE(chains); i++) {
		chains[i] = mock_link_after(test, NULL, dma_fence_get(fence), 1);
		dma_fence_enable_sw_signaling(chains[i]);
	}
	dma_fence_signal(fence);
	for (int i = 0; i < ARRAY_SIZE(chains); i++) {
		KUNIT_EXPECT_GT(test, dma_fence_wait_timeout(chains[i], false,
							     PATIENCE), 0);
		dma_fence_put(chains[i]);
	}
	/* The irq_work drops the last reference. */
	mock_irq_work_settle();
	mock_fence_put_last(test, fence);
}

#define LINKS 64

static struct dma_fence *make_chain(struct kunit *test,
				    struct dma_fence *fences[LINKS])
{
	struct dma_fence *head = NULL;

	for (int i = 0; i < LINKS; i++) {
		fences[i] = mock_fence_create(test->priv);
		head = mock_link_after(test, head, dma_fence_get(fences[i]), i + 1);
	}
	return head;
}

enum look { ARMED, POLLED, ARMED_LATE, SEARCHED };

static const struct let_go_param {
	const char *desc;
	enum look look;
} let_go_params[] = {
	{ "waited for", ARMED },
	{ "polled", POLLED },
	{ "waited for when it is too late", ARMED_LATE },
	{ "waited for and searched", SEARCHED },
};

KUNIT_ARRAY_PARAM_DESC(let_go, let_go_params, desc);

/*
 * While fences signal backwards, a walk from the newest link collects nothing.
 * Without the drop on signal the last link would keep the whole chain.
 */
static void is_signaled_drops_older_links(struct kunit *test)
{
	const struct let_go_param *param = test->param_value;
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *fences[LINKS], *head, *found;

	head = make_chain(test, fences);
	if (param->look == ARMED || param->look == SEARCHED)
		dma_fence_enable_sw_signaling(head);
	if (param->look == SEARCHED) {
		found = dma_fence_get(head);
		KUNIT_EXPECT_EQ(test, dma_fence_chain_find_seqno(&found, 1), 0);
		dma_fence_put(found);
	}
	for (int i = LINKS - 1; i >= 0; i--) {
		dma_fence_signal(fences[i]);
		dma_fence_put(fences[i]);
		/* The head moves on link by link. */
		mock_irq_work_settle();
		if (param->look == POLLED)
			dma_fence_is_signaled(head);
	}
	if (param->look == ARMED_LATE)
		dma_fence_enable_sw_signaling(head);
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(head));

	mock_irq_work_settle();
	/* The head keeps its own fence only. */
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->released), LINKS - 1);
	KUNIT_EXPECT_PTR_EQ(test, dma_fence_chain_contained(head),
			    fences[LINKS - 1]);
	KUNIT_EXPECT_NULL(test, dma_fence_chain_walk(dma_fence_get(head)));
	found = dma_fence_get(head);
	KUNIT_EXPECT_EQ(test, dma_fence_chain_find_seqno(&found, 1), 0);
	KUNIT_EXPECT_NULL(test, found);
	dma_fence_put(found);
	mock_fence_put_last(test, head);
}

static struct kunit_case dma_fence_container_cases[] = {
	KUNIT_CASE(release_reaches_all),
	KUNIT_CASE(release_with_irqs_off),
	KUNIT_CASE(release_of_many_members_does_not_sleep),
	KUNIT_CASE(release_stops_at_what_is_held),
	KUNIT_CASE(release_of_shared_members),
	KUNIT_CASE(release_of_pending_does_not_warn),
	KUNIT_CASE(signal_moves_on_all_chains),
	KUNIT_CASE_PARAM(is_signaled_drops_older_links, let_go_gen_params),
	KUNIT_CASE(wait_mixed_signals_after_all),
	KUNIT_CASE(unwrap_merge_mixed),
	KUNIT_CASE_SLOW(release_deep_mix),
	KUNIT_CASE_SLOW(wait_deep_mix),
	{}
};

static struct kunit_suite dma_fence_container_suite = {
	.name = "dma_fence_container",
	.init = container_test_init,
	.test_cases = dma_fence_container_cases,
};

kunit_test_suite(dma_fence_container_suite);

MODULE_LICENSE("GPL");

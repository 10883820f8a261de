// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for a chain: when it signals, the cost for any order of its fences,
 * that an armed chain keeps itself; and chains in chains, which are driver bugs
 * but must do no harm.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/cleanup.h>
#include <linux/dma-fence-array.h>
#include <linux/dma-fence-chain.h>
#include <linux/dma-fence.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "mock.h"

#define PATIENCE (60 * HZ)
#define LINKS 4096

struct probe {
	struct dma_fence_cb cb;
	atomic_t called;
};

static void probe_func(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	atomic_inc(&container_of(cb, struct probe, cb)->called);
}

static int chain_wait_init(struct kunit *test)
{
	test->priv = mock_timeline_create(test, "chain wait");
	return 0;
}

/* The newest of @num links; the test has a reference to each fence. */
static struct dma_fence *make_chain(struct kunit *test, int num,
				    struct dma_fence **fences)
{
	struct dma_fence *head = NULL;

	for (int i = 0; i < num; i++) {
		fences[i] = mock_fence_create(test->priv);
		head = mock_link_after(test, head, dma_fence_get(fences[i]), i + 1);
	}
	return head;
}

enum direction { FORWARDS, BACKWARDS, RANDOMLY, INSIDE_OUT };

struct order {
	const char *desc;
	enum direction direction;
};

static const struct order orders[] = {
	{ "forwards", FORWARDS },
	{ "backwards", BACKWARDS },
	{ "randomly", RANDOMLY },
	{ "from the middle outwards", INSIDE_OUT },
};

KUNIT_ARRAY_PARAM_DESC(order, orders, desc);

static void make_order(enum direction direction, int num, int *order)
{
	struct rnd_state rnd;

	prandom_seed_state(&rnd, 4711);
	for (int i = 0; i < num; i++) {
		int half = i / 2;

		order[i] = direction == BACKWARDS ? num - 1 - i :
			   direction != INSIDE_OUT ? i :
			   i & 1 ? num / 2 + half : num / 2 - 1 - half;
	}
	for (int i = num - 1; direction == RANDOMLY && i > 0; i--) {
		int j = prandom_u32_state(&rnd) % (i + 1);

		swap(order[i], order[j]);
	}
}

/*
 * The chain signals after the last fence and not before. The cost is linear:
 * each fence is polled a few times, not once for each fence that signals.
 */
static void wait_signals_after_last(struct kunit *test)
{
	const struct order *param = test->param_value;
	static struct dma_fence *fences[LINKS];
	static int order[LINKS];
	struct probe probe = {};
	struct dma_fence *head;
	u64 polled = 0;
	int early = 0;

	make_order(param->direction, LINKS, order);
	head = make_chain(test, LINKS, fences);
	KUNIT_ASSERT_EQ(test, dma_fence_add_callback(head, &probe.cb,
						     probe_func), 0);
	for (int i = 0; i < LINKS; i++) {
		early += atomic_read(&probe.called);
		dma_fence_signal(fences[order[i]]);
		mock_irq_work_settle();
		cond_resched();
	}
	KUNIT_EXPECT_EQ(test, early, 0);
	KUNIT_EXPECT_GT(test, dma_fence_wait_timeout(head, false, PATIENCE), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&probe.called), 1);
	mock_irq_work_settle();
	mock_fence_put_last(test, head);
	for (int i = 0; i < LINKS; i++) {
		struct mock_fence *mock = to_mock_fence(fences[i]);

		polled += atomic_read(&mock->polled);
		KUNIT_EXPECT_LE(test, atomic_read(&mock->enabled), 1);
		mock_fence_put_last(test, fences[i]);
	}
	KUNIT_EXPECT_LE(test, polled, 4 * LINKS);
}

/* All orders of five fences; half of the chains are polled while armed. */
static void wait_in_each_order(struct kunit *test)
{
	for (int order = 0; order < 5 * 4 * 3 * 2; order++) {
		struct dma_fence *fences[5], *head;
		struct probe probe = {};
		int code = order;
		u32 left = GENMASK(4, 0);

		head = make_chain(test, 5, fences);
		dma_fence_add_callback(head, &probe.cb, probe_func);
		for (int i = 5; i > 0; i--) {
			int at = code % i, which = -1;

			code /= i;
			do {
				which++;
				if (left & BIT(which))
					at--;
			} while (at >= 0);
			left &= ~BIT(which);
			dma_fence_signal(fences[which]);
			mock_irq_work_settle();
			KUNIT_EXPECT_EQ(test, atomic_read(&probe.called),
					!left);
			if (order & 1)
				KUNIT_EXPECT_EQ(test,
						dma_fence_is_signaled(head),
						!left);
		}
		mock_fence_put_last(test, head);
		for (int i = 0; i < 5; i++)
			mock_fence_put_last(test, fences[i]);
	}
}

static void wait_signaled_needs_no_callback(struct kunit *test)
{
	struct dma_fence *fences[3], *head;
	struct probe probe = {};

	head = make_chain(test, 3, fences);
	for (int i = 0; i < 3; i++)
		dma_fence_signal(fences[i]);
	KUNIT_EXPECT_EQ(test, dma_fence_add_callback(head, &probe.cb,
						     probe_func), -ENOENT);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(head), 1);
	KUNIT_EXPECT_EQ(test, dma_fence_wait(head, true), 0);
	mock_fence_put_last(test, head);
	for (int i = 0; i < 3; i++)
		mock_fence_put_last(test, fences[i]);
}

/*
 * Each point of a timeline has a waiter. The cost stays linear: a link does not
 * follow all older fences by itself.
 */
static void wait_every_link_in_few_steps(struct kunit *test)
{
	const struct order *param = test->param_value;
	static struct dma_fence *fences[LINKS];
	struct dma_fence *head = NULL;
	static int order[LINKS];
	u64 polled = 0;

	make_order(param->direction, LINKS, order);
	for (int i = 0; i < LINKS; i++) {
		fences[i] = mock_fence_create(test->priv);
		head = mock_link_after(test, head, dma_fence_get(fences[i]), i + 1);
		dma_fence_enable_sw_signaling(head);
	}
	for (int i = 0; i < LINKS; i++) {
		KUNIT_ASSERT_FALSE(test, test_bit(DMA_FENCE_FLAG_SIGNALED_BIT,
						  &head->flags));
		dma_fence_signal(fences[order[i]]);
		cond_resched();
	}
	KUNIT_EXPECT_GT(test, dma_fence_wait_timeout(head, false, PATIENCE), 0);
	mock_irq_work_settle();
	mock_fence_put_last(test, head);
	for (int i = 0; i < LINKS; i++) {
		polled += atomic_read(&to_mock_fence(fences[i])->polled);
		mock_fence_put_last(test, fences[i]);
	}
	KUNIT_EXPECT_LE(test, polled, 16 * LINKS);
}

/* Each of five links signals with the last fence up to it, for each order. */
static void wait_every_link_in_each_order(struct kunit *test)
{
	for (int order = 0; order < 5 * 4 * 3 * 2; order++) {
		struct dma_fence *fences[5], *links[5];
		struct probe probes[5] = {};
		int code = order, at[5] = { 0, 1, 2, 3, 4 };
		u32 left = GENMASK(4, 0);

		for (int i = 0; i < 5; i++) {
			fences[i] = mock_fence_create(test->priv);
			links[i] = mock_link_after(test, i ? dma_fence_get(links[i - 1]) : NULL,
						   dma_fence_get(fences[i]), i + 1);
			dma_fence_add_callback(links[i], &probes[i].cb, probe_func);
		}
		for (int i = 4; i >= 0; i--) {
			swap(at[i], at[code % (i + 1)]);
			code /= i + 1;
			left &= ~BIT(at[i]);
			dma_fence_signal(fences[at[i]]);
			for (int j = 0; j < 5; j++) {
				mock_irq_work_settle();
				KUNIT_EXPECT_EQ(test, atomic_read(&probes[j].called),
						!(left & GENMASK(j, 0)));
			}
		}
		for (int i = 4; i >= 0; i--)
			mock_fence_put_last(test, links[i]);
		for (int i = 0; i < 5; i++)
			mock_fence_put_last(test, fences[i]);
	}
}

/* A link can be armed after a newer one was. */
static void wait_every_link_newest_first(struct kunit *test)
{
	struct dma_fence *fences[4], *links[4], *link;
	struct probe probes[4] = {};
	int i = 3;

	links[3] = make_chain(test, 4, fences);
	dma_fence_chain_for_each(link, links[3])
		links[i--] = dma_fence_get(link);
	dma_fence_put(links[3]);
	for (i = 3; i >= 0; i--)
		dma_fence_add_callback(links[i], &probes[i].cb, probe_func);
	for (i = 0; i < 4; i++) {
		dma_fence_signal(fences[i]);
		for (int j = 0; j < 4; j++) {
			mock_irq_work_settle();
			KUNIT_EXPECT_EQ(test, atomic_read(&probes[j].called),
					j <= i);
		}
	}
	for (i = 3; i >= 0; i--) {
		mock_fence_put_last(test, links[i]);
		mock_fence_put_last(test, fences[i]);
	}
}

static void wait_includes_a_plain_first_fence(struct kunit *test)
{
	for (int last = 0; last < 2; last++) {
		struct dma_fence *plain = mock_fence_create(test->priv);
		struct dma_fence *fence = mock_fence_create(test->priv);
		struct dma_fence *head;
		struct probe probe = {};

		head = mock_link_after(test, dma_fence_get(plain),
				       dma_fence_get(fence), 1);
		dma_fence_add_callback(head, &probe.cb, probe_func);
		dma_fence_signal(last ? plain : fence);
		mock_irq_work_settle();
		KUNIT_EXPECT_EQ(test, atomic_read(&probe.called), 0);
		dma_fence_signal(last ? fence : plain);
		mock_irq_work_settle();
		KUNIT_EXPECT_EQ(test, atomic_read(&probe.called), 1);
		mock_fence_put_last(test, head);
		mock_fence_put_last(test, plain);
		mock_fence_put_last(test, fence);
	}
}

static void wait_includes_an_array(struct kunit *test)
{
	struct dma_fence **members = kcalloc(2, sizeof(*members), GFP_KERNEL);
	struct dma_fence *fences[2], *head;
	struct dma_fence_array *array;
	struct probe probe = {};

	KUNIT_ASSERT_NOT_NULL(test, members);
	for (int i = 0; i < 2; i++) {
		fences[i] = mock_fence_create(test->priv);
		members[i] = dma_fence_get(fences[i]);
	}
	array = dma_fence_array_create(2, members, 1, 1, false);
	KUNIT_ASSERT_NOT_NULL(test, array);
	head = mock_link_after(test, NULL, &array->base, 1);
	dma_fence_add_callback(head, &probe.cb, probe_func);
	dma_fence_signal(fences[0]);
	KUNIT_EXPECT_EQ(test, atomic_read(&probe.called), 0);
	dma_fence_signal(fences[1]);
	KUNIT_EXPECT_GT(test, dma_fence_wait_timeout(head, false, PATIENCE), 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&probe.called), 1);
	dma_fence_put(head);
	/* Both containers keep themselves until their irq_work has run. */
	for (int i = 0; i < 2; i++)
		dma_fence_put(fences[i]);
	KUNIT_EXPECT_TRUE(test, mock_timeline_wait_released(test->priv, 2));
}

/* A chain does not report the errors of its fences. */
static void wait_does_not_pass_errors_on(struct kunit *test)
{
	struct dma_fence *fences[2], *head;

	head = make_chain(test, 2, fences);
	dma_fence_enable_sw_signaling(head);
	dma_fence_set_error(fences[0], -EIO);
	dma_fence_signal(fences[0]);
	dma_fence_signal(fences[1]);
	mock_irq_work_settle();
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(head), 1);
	mock_fence_put_last(test, head);
	mock_fence_put_last(test, fences[0]);
	mock_fence_put_last(test, fences[1]);
}

/*
 * Only the armed callback keeps the chain. It runs under the lock that the
 * release of the fences takes: a release from the callback would deadlock.
 */
static void release_armed_takes_no_lock(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *fences[3], *head = NULL;

	for (int i = 0; i < 3; i++) {
		fences[i] = mock_fence_create_ops(timeline, i + 1,
						  MOCK_FENCE_SHARED_LOCK,
						  &mock_fence_locking_ops);
		head = mock_link_after(test, head, dma_fence_get(fences[i]), i + 1);
	}
	dma_fence_enable_sw_signaling(head);
	dma_fence_put(head);
	for (int i = 2; i >= 0; i--) {
		KUNIT_EXPECT_EQ(test, kref_read(&fences[i]->refcount), 2);
		dma_fence_signal(fences[i]);
		dma_fence_put(fences[i]);
	}
	KUNIT_EXPECT_TRUE(test, mock_timeline_wait_released(timeline, 3));
}

static void init_chain_in_chain_warns(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create(test->priv);
	struct dma_fence *inner = mock_link_after(test, NULL,
						  dma_fence_get(fence), 1);
	struct dma_fence *outer;
	struct probe probe = {};

	mock_warn_begin(test);
	outer = mock_link_after(test, NULL, inner, 1);
	mock_warn_end(test, "dma_fence_chain_init", 1);

	dma_fence_set_deadline(outer, 1);
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(outer));
	KUNIT_EXPECT_EQ(test, dma_fence_add_callback(outer, &probe.cb,
						     probe_func), 0);
	dma_fence_signal(fence);
	KUNIT_EXPECT_GT(test, dma_fence_wait_timeout(outer, false, PATIENCE),
			0);
	KUNIT_EXPECT_EQ(test, atomic_read(&probe.called), 1);
	dma_fence_put(outer);
	dma_fence_put(fence);
	KUNIT_EXPECT_TRUE(test, mock_timeline_wait_released(test->priv, 1));
}

/* Deeper than any stack; KASAN makes each allocation slow. */
#define DEPTH (IS_ENABLED(CONFIG_KASAN) ? 3000 : 50000)

/*
 * Each link contains a chain and has a signalled link in front of it, so that
 * polling an outer chain leads to the inner one.
 */
static struct dma_fence *nest_deeply(struct kunit *test,
				     struct dma_fence *fence)
{
	mock_warn_begin(test);
	for (int i = 0; i < DEPTH; i++) {
		fence = mock_link_after(test, NULL, fence, 1);
		fence = mock_link_after(test, fence, dma_fence_get_stub(), 2);
		cond_resched();
	}
	mock_warn_end(test, "dma_fence_chain_init", 1);
	return fence;
}

/* Recursive polling, arming or signalling would overflow the stack. */
static void wait_chain_in_chain_deeply(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *leaf = mock_fence_create(timeline);
	struct dma_fence *head = nest_deeply(test, dma_fence_get(leaf));
	unsigned long end = jiffies + PATIENCE;
	struct probe probe = {};

	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(head));
	dma_fence_set_deadline(head, 1);
	KUNIT_EXPECT_EQ(test, dma_fence_add_callback(head, &probe.cb,
						     probe_func), 0);
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

static struct kunit_case dma_fence_chain_wait_cases[] = {
	KUNIT_CASE_PARAM_ATTR(wait_signals_after_last, order_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE(wait_in_each_order),
	KUNIT_CASE(wait_signaled_needs_no_callback),
	KUNIT_CASE_PARAM(wait_every_link_in_few_steps, order_gen_params),
	KUNIT_CASE(wait_every_link_in_each_order),
	KUNIT_CASE(wait_every_link_newest_first),
	KUNIT_CASE(wait_includes_a_plain_first_fence),
	KUNIT_CASE(wait_includes_an_array),
	KUNIT_CASE(wait_does_not_pass_errors_on),
	KUNIT_CASE(release_armed_takes_no_lock),
	KUNIT_CASE(init_chain_in_chain_warns),
	KUNIT_CASE_SLOW(wait_chain_in_chain_deeply),
	{}
};

static struct kunit_suite dma_fence_chain_wait_suite = {
	.name = "dma_fence_chain_wait",
	.init = chain_wait_init,
	.test_cases = dma_fence_chain_wait_cases,
};

kunit_test_suite(dma_fence_chain_wait_suite);

MODULE_LICENSE("GPL");

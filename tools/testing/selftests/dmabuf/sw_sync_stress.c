// SPDX-License-Identifier: GPL-2.0-only
/*
 * sw_sync under concurrent use: each case runs for a bounded time and names its
 * window. At any interleaving a fence signals once and in order, nobody waits
 * for ever, and a debug kernel reports nothing.
 *
 * Copyright (C) the dma-buf project authors
 */
#include "dmabuf_util.h"

#define RUN_NS 2000000000ull

struct stress {
	int tl;
	atomic_bool stop;
	atomic_bool stop_inc; /* later: pollers need their points reached */
	atomic_uint value; /* the highest value incremented to */
};

FIXTURE(stress)
{
	struct stress s;
};

FIXTURE_SETUP(stress)
{
	if (missing(SW_SYNC_PATH))
		SKIP(return, NEEDS_SW_SYNC);
	self->s.tl = sw_open();
	ASSERT_LE(0, self->s.tl);
}

FIXTURE_TEARDOWN(stress)
{
	close(self->s.tl);
}

/* Runs the tasks, the incrementing t[0] longest; returns the first failure. */
static int run_all(struct task *t, int n, struct stress *s)
{
	__u64 end = now_ns(CLOCK_MONOTONIC) + RUN_NS;
	int ret = 0, i;

	while (now_ns(CLOCK_MONOTONIC) < end)
		poll(NULL, 0, 50);
	atomic_store(&s->stop, true);
	for (i = n - 1; i >= 0; i--) {
		int one;

		if (!i)
			atomic_store(&s->stop_inc, true);
		one = task_join(&t[i]);
		ret = ret ? ret : one;
	}
	return ret;
}

static int keep_incrementing(void *arg)
{
	struct stress *s = arg;

	while (!atomic_load(&s->stop_inc)) {
		int ret = sw_inc(s->tl, 1);

		if (ret)
			return ret;
		atomic_fetch_add(&s->value, 1);
	}
	return 0;
}

/* Creates points just ahead of the counter and closes them at once. */
static int create_and_close(void *arg)
{
	struct stress *s = arg;
	unsigned int ahead = 0;

	while (!atomic_load(&s->stop)) {
		int fence = sw_fence(s->tl, atomic_load(&s->value) + ahead++ % 4);

		if (fence < 0)
			return fence;
		close(fence);
	}
	return 0;
}

/* Window: INC meets a fence whose last reference is dropped on another CPU. */
TEST_F_TIMEOUT(stress, increment_against_the_last_close, 120)
{
	struct task t[4];
	int i;

	ASSERT_EQ(0, task_start(&t[0], keep_incrementing, &self->s));
	for (i = 1; i < 4; i++)
		ASSERT_EQ(0, task_start(&t[i], create_and_close, &self->s));
	EXPECT_EQ(0, run_all(t, 4, &self->s));
}

/* All create the same few points: an existing fence may be about to go. */
static int create_equal_points(void *arg)
{
	struct stress *s = arg;

	while (!atomic_load(&s->stop)) {
		int a = sw_fence(s->tl, 1000000), b = sw_fence(s->tl, 1000000);

		if (a < 0 || b < 0)
			return a < 0 ? a : b;
		if (sf_status(a) || sf_status(b))
			return -EIO;
		close(a);
		close(b);
	}
	return 0;
}

/* Window: a thread finds a point to share while its last owner frees it. */
TEST_F_TIMEOUT(stress, sharing_against_the_last_close, 120)
{
	struct task t[4];
	int i;

	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, task_start(&t[i], create_equal_points, &self->s));
	EXPECT_EQ(0, run_all(t, 4, &self->s));
}

static int poll_points(void *arg)
{
	struct stress *s = arg;

	while (!atomic_load(&s->stop)) {
		int fence = sw_fence(s->tl, atomic_load(&s->value) + 2), ret;

		if (fence < 0)
			return fence;
		ret = poll_ms(fence, POLLIN, WAIT_MS);
		if (ret == POLLIN)
			ret = sf_status(fence) == 1 ? 0 : -EIO;
		else
			ret = -ETIMEDOUT;
		close(fence);
		if (ret)
			return ret;
	}
	return 0;
}

/* Window: a poller arms its callback while the fence is being signalled. */
TEST_F_TIMEOUT(stress, arming_against_signalling, 120)
{
	struct task t[4];
	int i;

	ASSERT_EQ(0, task_start(&t[0], keep_incrementing, &self->s));
	for (i = 1; i < 4; i++)
		ASSERT_EQ(0, task_start(&t[i], poll_points, &self->s));
	EXPECT_EQ(0, run_all(t, 4, &self->s));
}

static int merge_points(void *arg)
{
	struct stress *s = arg;

	while (!atomic_load(&s->stop)) {
		unsigned int v = atomic_load(&s->value);
		int a = sw_fence(s->tl, v + 1), b = sw_fence(s->tl, v + 3), m, ret = 0;

		m = sf_merge("race", a, b);
		if (a < 0 || b < 0 || m < 0)
			return -EIO;
		if (sf_count(m) != 1)
			ret = -ERANGE;
		/*
		 * The merge is the later point, and must not signal before it.
		 */
		if (sf_status(m) == 1 && sf_status(b) != 1)
			ret = -EIO;
		close(a);
		close(b);
		close(m);
		if (ret)
			return ret;
	}
	return 0;
}

/*
 * Window: a fence signals after a merge has counted it, before it collects it.
 */
TEST_F_TIMEOUT(stress, merging_against_signalling, 120)
{
	struct task t[3];

	ASSERT_EQ(0, task_start(&t[0], keep_incrementing, &self->s));
	ASSERT_EQ(0, task_start(&t[1], merge_points, &self->s));
	ASSERT_EQ(0, task_start(&t[2], merge_points, &self->s));
	EXPECT_EQ(0, run_all(t, 3, &self->s));
}

static int read_info(void *arg)
{
	struct stress *s = arg;
	static char text[1 << 16];

	while (!atomic_load(&s->stop))
		if (read_file(SW_SYNC_INFO, text, sizeof(text)) < 0)
			return -EIO;
	return 0;
}

static int open_and_close_timelines(void *arg)
{
	struct stress *s = arg;

	while (!atomic_load(&s->stop)) {
		int tl = sw_open(), fence = sw_fence(tl, 1), ret;

		if (tl < 0 || fence < 0)
			return -EIO;
		close(tl);
		ret = sf_status(fence);
		close(fence);
		if (ret != -ENOENT)
			return -ERANGE;
	}
	return 0;
}

/* Window: the info file prints a timeline, or a fence, that is being freed. */
TEST_F_TIMEOUT(stress, info_against_timelines_coming_and_going, 120)
{
	struct task t[4];

	ASSERT_EQ(0, task_start(&t[0], read_info, &self->s));
	ASSERT_EQ(0, task_start(&t[1], open_and_close_timelines, &self->s));
	ASSERT_EQ(0, task_start(&t[2], open_and_close_timelines, &self->s));
	ASSERT_EQ(0, task_start(&t[3], create_and_close, &self->s));
	EXPECT_EQ(0, run_all(t, 4, &self->s));
}

static int poll_forever(void *arg)
{
	int fence = *(int *)arg;

	return poll_ms(fence, POLLIN, WAIT_MS) == POLLIN ? 0 : -ETIMEDOUT;
}

/* Window: a timeline is closed, its fences failed, while others arm on them. */
TEST_F_TIMEOUT(stress, arming_against_closing_the_timeline, 120)
{
	__u64 end = now_ns(CLOCK_MONOTONIC) + RUN_NS;

	while (now_ns(CLOCK_MONOTONIC) < end) {
		int tl = sw_open(), fence = sw_fence(tl, 1), i;
		struct task t[2];

		ASSERT_LE(0, fence);
		for (i = 0; i < 2; i++)
			ASSERT_EQ(0, task_start(&t[i], poll_forever, &fence));
		close(tl);
		for (i = 0; i < 2; i++)
			ASSERT_EQ(0, task_join(&t[i]));
		EXPECT_EQ(-ENOENT, sf_status(fence));
		close(fence);
	}
}

/* One timeline for each side: every round waits for the other side. */
struct ring {
	int mine, yours;
	int rounds;
};

static int ring_side(void *arg)
{
	struct ring *r = arg;
	int i, fence, ret;

	for (i = 1; i <= r->rounds; i++) {
		ret = sw_inc(r->mine, 1);
		fence = sw_fence(r->yours, i);
		if (ret || fence < 0)
			return -EIO;
		ret = poll_ms(fence, POLLIN, WAIT_MS);
		close(fence);
		if (ret != POLLIN)
			return -ETIMEDOUT;
	}
	return 0;
}

/* Window: a fence signals between a waiter's check and its sleep. */
TEST_F_TIMEOUT(stress, two_sides_in_lock_step, 120)
{
	int other = sw_open();
	struct ring a = { self->s.tl, other, 1000 }, b = { other, self->s.tl, 1000 };
	struct task ta, tb;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, task_start(&ta, ring_side, &a));
	ASSERT_EQ(0, task_start(&tb, ring_side, &b));
	EXPECT_EQ(0, task_join(&ta));
	EXPECT_EQ(0, task_join(&tb));
	close(other);
}

TEST_HARNESS_MAIN

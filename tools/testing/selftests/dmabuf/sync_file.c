// SPDX-License-Identifier: GPL-2.0-only
/*
 * sync_files in use: the fences of a merge, FILE_INFO, how names, errors,
 * timestamps and deadlines pass through a merge, and polling. The fences are
 * sw_sync's. Arguments and errno: sync_file_args.c.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <sys/prctl.h>

#include "dmabuf_util.h"

FIXTURE(sync_file)
{
	int tl[3];
	int f[3]; /* one pending fence of each timeline */
};

FIXTURE_SETUP(sync_file)
{
	int i;

	if (missing(SW_SYNC_PATH))
		SKIP(return, NEEDS_SW_SYNC);
	for (i = 0; i < 3; i++) {
		self->tl[i] = sw_open();
		ASSERT_LE(0, self->tl[i]);
		self->f[i] = sw_fence(self->tl[i], 1);
		ASSERT_LE(0, self->f[i]);
	}
}

FIXTURE_TEARDOWN(sync_file)
{
	int i;

	for (i = 0; i < 3; i++) {
		close(self->f[i]);
		close(self->tl[i]);
	}
}

TEST_F(sync_file, info_of_a_pending_fence)
{
	struct sync_fence_info fence;

	ASSERT_EQ(1, sf_fences(self->f[0], &fence, 1));
	EXPECT_EQ(0, fence.status);
	EXPECT_EQ(0, fence.timestamp_ns);
	EXPECT_EQ(0, fence.flags);
	EXPECT_STREQ("sw_sync", fence.driver_name);
	EXPECT_EQ(0, sf_status(self->f[0]));
	EXPECT_EQ(1, sf_count(self->f[0]));
}

TEST_F(sync_file, info_of_a_signalled_fence_has_its_time)
{
	__u64 before = now_ns(CLOCK_MONOTONIC), after;
	struct sync_fence_info fence;

	ASSERT_EQ(0, sw_inc(self->tl[0], 1));
	after = now_ns(CLOCK_MONOTONIC);
	ASSERT_EQ(1, sf_fences(self->f[0], &fence, 1));
	EXPECT_EQ(1, fence.status);
	EXPECT_LE(before, fence.timestamp_ns);
	EXPECT_LE(fence.timestamp_ns, after);
	EXPECT_EQ(1, sf_status(self->f[0]));
}

TEST_F(sync_file, info_names_the_timeline)
{
	struct sync_fence_info fence;
	int timeline, fd;

	ASSERT_EQ(0, prctl(PR_SET_NAME, "fence-maker"));
	timeline = sw_open();
	ASSERT_LE(0, timeline);
	ASSERT_EQ(0, prctl(PR_SET_NAME, "somebody"));
	fd = sw_fence(timeline, 1);
	ASSERT_LE(0, fd);
	ASSERT_EQ(1, sf_fences(fd, &fence, 1));
	EXPECT_STREQ("fence-maker", fence.obj_name);
	/* The names outlive the timeline. */
	close(timeline);
	ASSERT_EQ(1, sf_fences(fd, &fence, 1));
	EXPECT_STREQ("fence-maker", fence.obj_name);
	EXPECT_STREQ("sw_sync", fence.driver_name);
	close(fd);
}

TEST_F(sync_file, unnamed_file_is_called_after_its_fence)
{
	struct sync_file_info info = { 0 };
	unsigned long long context;
	char comm[32] = "", want[80];

	ASSERT_EQ(0, prctl(PR_SET_NAME, "namer"));
	close(self->tl[0]);
	close(self->f[0]);
	self->tl[0] = sw_open();
	self->f[0] = sw_fence(self->tl[0], 42);
	ASSERT_EQ(0, do_ioctl(self->f[0], SYNC_IOC_FILE_INFO, &info));
	ASSERT_EQ(0, prctl(PR_GET_NAME, comm));
	ASSERT_EQ(&info.name[0], strstr(info.name, "sw_sync-namer"));
	context = strtoull(info.name + strlen("sw_sync-namer"), NULL, 10);
	EXPECT_LT(0, context);
	snprintf(want, sizeof(want), "sw_sync-%s%llu-42", comm, context);
	EXPECT_STREQ(want, info.name);
}

TEST_F(sync_file, merge_carries_the_name_given)
{
	struct sync_merge_data data = { .fd2 = self->f[1] };
	struct sync_file_info info = { 0 };
	char want[32];

	memset(data.name, 'x', sizeof(data.name)); /* no terminator */
	ASSERT_EQ(0, do_ioctl(self->f[0], SYNC_IOC_MERGE, &data));
	ASSERT_EQ(0, do_ioctl(data.fence, SYNC_IOC_FILE_INFO, &info));
	memset(want, 'x', 31);
	want[31] = '\0';
	EXPECT_STREQ(want, info.name);
	close(data.fence);
}

TEST_F(sync_file, merge_of_timelines_waits_for_all)
{
	int two = sf_merge("two", self->f[0], self->f[1]);
	int three = sf_merge("three", two, self->f[2]), i;

	ASSERT_LE(0, three);
	EXPECT_EQ(2, sf_count(two));
	EXPECT_EQ(3, sf_count(three));
	for (i = 2; i >= 0; i--) {
		EXPECT_EQ(0, poll_now(three, POLLIN));
		EXPECT_EQ(0, sf_status(three));
		ASSERT_EQ(0, sw_inc(self->tl[i], 1));
	}
	EXPECT_EQ(POLLIN, poll_ms(three, POLLIN, WAIT_MS));
	EXPECT_EQ(POLLIN, poll_ms(two, POLLIN, WAIT_MS));
	EXPECT_EQ(1, sf_status(three));
	close(two);
	close(three);
}

TEST_F(sync_file, merge_with_itself_is_the_fence)
{
	int merged = sf_merge("self", self->f[0], self->f[0]);

	ASSERT_LE(0, merged);
	EXPECT_EQ(1, sf_count(merged));
	ASSERT_EQ(0, sw_inc(self->tl[0], 1));
	EXPECT_EQ(1, sf_status(merged));
	EXPECT_EQ(POLLIN, poll_now(merged, POLLIN));
	close(merged);
}

TEST_F(sync_file, merge_in_one_timeline_keeps_the_later)
{
	int late = sw_fence(self->tl[0], 5);
	int a = sf_merge("early-late", self->f[0], late);
	int b = sf_merge("late-early", late, self->f[0]);

	ASSERT_LE(0, a);
	ASSERT_LE(0, b);
	EXPECT_EQ(1, sf_count(a));
	EXPECT_EQ(1, sf_count(b));
	ASSERT_EQ(0, sw_inc(self->tl[0], 4));
	EXPECT_EQ(0, sf_status(a));
	EXPECT_EQ(0, sf_status(b));
	ASSERT_EQ(0, sw_inc(self->tl[0], 1));
	EXPECT_EQ(1, sf_status(a));
	EXPECT_EQ(1, sf_status(b));
	close(a);
	close(b);
	close(late);
}

TEST_F(sync_file, merge_drops_what_has_signalled)
{
	int merged;

	ASSERT_EQ(0, sw_inc(self->tl[0], 1));
	merged = sf_merge("half", self->f[0], self->f[1]);
	ASSERT_LE(0, merged);
	EXPECT_EQ(1, sf_count(merged));
	EXPECT_EQ(0, sf_status(merged));
	ASSERT_EQ(0, sw_inc(self->tl[1], 1));
	EXPECT_EQ(1, sf_status(merged));
	close(merged);
}

/* The merge of two signalled fences has the later timestamp. */
TEST_F(sync_file, merge_of_signalled_fences_keeps_the_latest_time)
{
	struct sync_fence_info last, fence;
	int merged;

	ASSERT_EQ(0, sw_inc(self->tl[0], 1));
	ASSERT_EQ(0, sw_inc(self->tl[1], 1));
	merged = sf_merge("done", self->f[0], self->f[1]);
	ASSERT_LE(0, merged);
	EXPECT_EQ(1, sf_status(merged));
	EXPECT_EQ(POLLIN, poll_now(merged, POLLIN));
	ASSERT_EQ(1, sf_fences(self->f[1], &last, 1));
	ASSERT_EQ(1, sf_fences(merged, &fence, 1));
	EXPECT_EQ(1, fence.status);
	EXPECT_EQ(last.timestamp_ns, fence.timestamp_ns);
	close(merged);
}

TEST_F(sync_file, info_lists_each_fence_of_a_merge)
{
	struct sync_fence_info info[3];
	int two = sf_merge("two", self->f[0], self->f[1]), done = 0, i;

	ASSERT_LE(0, two);
	ASSERT_EQ(2, sf_fences(two, info, 3));
	for (i = 0; i < 2; i++) {
		EXPECT_STREQ("sw_sync", info[i].driver_name);
		EXPECT_EQ(0, info[i].status);
	}
	ASSERT_EQ(0, sw_inc(self->tl[1], 1));
	ASSERT_EQ(2, sf_fences(two, info, 3));
	for (i = 0; i < 2; i++)
		done += info[i].status;
	EXPECT_EQ(1, done);
	close(two);
}

/* Closing a timeline fails its fences, or their waiters would hang. */
TEST_F(sync_file, error_shows_in_status)
{
	struct sync_fence_info fence;

	close(self->tl[0]);
	self->tl[0] = -1;
	EXPECT_EQ(-ENOENT, sf_status(self->f[0]));
	EXPECT_EQ(POLLIN, poll_now(self->f[0], POLLIN | POLLERR));
	ASSERT_EQ(1, sf_fences(self->f[0], &fence, 1));
	EXPECT_EQ(-ENOENT, fence.status);
	EXPECT_LT(0, fence.timestamp_ns);
}

TEST_F(sync_file, error_of_one_member_is_the_status_of_the_merge)
{
	int two = sf_merge("two", self->f[0], self->f[1]), failed = 0, i;
	struct sync_fence_info info[2];
	struct sync_file_info all = { .num_fences = 2, .sync_fence_info = (uintptr_t)info };

	ASSERT_LE(0, two);
	EXPECT_EQ(0, poll_now(two, POLLIN));
	close(self->tl[0]);
	self->tl[0] = -1;
	EXPECT_EQ(0, sf_status(two));
	ASSERT_EQ(0, sw_inc(self->tl[1], 1));
	EXPECT_EQ(POLLIN, poll_ms(two, POLLIN, WAIT_MS));
	EXPECT_EQ(-ENOENT, sf_status(two));

	ASSERT_EQ(0, do_ioctl(two, SYNC_IOC_FILE_INFO, &all));
	EXPECT_EQ(-ENOENT, all.status);
	for (i = 0; i < 2; i++)
		failed += info[i].status == -ENOENT;
	EXPECT_EQ(1, failed);
	close(two);
}

/* A merge made after the failure must not lose the error. */
TEST_F(sync_file, error_is_kept_by_a_merge_after_it)
{
	struct sync_fence_info last, member;
	int late, done;

	close(self->tl[0]);
	self->tl[0] = -1;
	late = sf_merge("late", self->f[0], self->f[1]);
	ASSERT_LE(0, late);
	EXPECT_EQ(0, poll_now(late, POLLIN));
	ASSERT_EQ(0, sw_inc(self->tl[1], 1));
	EXPECT_EQ(POLLIN, poll_ms(late, POLLIN, WAIT_MS));
	EXPECT_EQ(-ENOENT, sf_status(late));

	done = sf_merge("done", self->f[1], self->f[0]);
	ASSERT_LE(0, done);
	EXPECT_EQ(-ENOENT, sf_status(done));
	ASSERT_EQ(1, sf_fences(done, &member, 1));
	ASSERT_EQ(1, sf_fences(self->f[1], &last, 1));
	EXPECT_EQ(-ENOENT, member.status);
	EXPECT_EQ(last.timestamp_ns, member.timestamp_ns);
	close(late);
	close(done);
}

TEST_F(sync_file, poll_knows_readable_alone)
{
	EXPECT_EQ(0, poll_now(self->f[0], POLLIN | POLLOUT | POLLPRI));
	ASSERT_EQ(0, sw_inc(self->tl[0], 1));
	EXPECT_EQ(POLLIN, poll_now(self->f[0], POLLIN | POLLOUT | POLLPRI));
}

static int wait_readable(void *arg)
{
	int fd = *(int *)arg;

	if (poll_ms(fd, POLLIN, WAIT_MS) != POLLIN)
		return -ETIMEDOUT;
	return sf_status(fd);
}

TEST_F(sync_file, all_pollers_wake)
{
	enum { N = 8 };
	int two = sf_merge("two", self->f[0], self->f[1]), i;
	struct task t[N];

	ASSERT_LE(0, two);
	for (i = 0; i < N; i++)
		ASSERT_EQ(0, task_start(&t[i], wait_readable, &two));
	for (i = 0; i < N; i++)
		EXPECT_TRUE(task_asleep(&t[i]));
	ASSERT_EQ(0, sw_inc(self->tl[0], 1));
	ASSERT_EQ(0, sw_inc(self->tl[1], 1));
	for (i = 0; i < N; i++)
		EXPECT_EQ(1, task_join(&t[i]));
	close(two);
}

TEST_F(sync_file, poller_closes_while_armed)
{
	int two = sf_merge("two", self->f[0], self->f[1]);

	ASSERT_LE(0, two);
	EXPECT_EQ(0, poll_now(two, POLLIN));
	close(two);
	ASSERT_EQ(0, sw_inc(self->tl[0], 1));
	ASSERT_EQ(0, sw_inc(self->tl[1], 1));
	EXPECT_EQ(1, sf_status(self->f[0]));
}

static int set_deadline(int fd, __u64 ns)
{
	struct sync_set_deadline arg = { .deadline_ns = ns };

	return do_ioctl(fd, SYNC_IOC_SET_DEADLINE, &arg);
}

/* Returns the deadline of a sw_sync fence, or 0. */
static __u64 get_deadline(int timeline, int fence)
{
	struct sw_sync_deadline arg = { .fence_fd = fence };
	int ret = do_ioctl(timeline, SW_SYNC_GET_DEADLINE, &arg);

	return ret ? 0 : arg.deadline_ns;
}

TEST_F(sync_file, earliest_deadline_holds)
{
	__u64 now = now_ns(CLOCK_MONOTONIC);

	EXPECT_EQ(0, get_deadline(self->tl[0], self->f[0]));
	ASSERT_EQ(0, set_deadline(self->f[0], now + 2000));
	EXPECT_EQ(now + 2000, get_deadline(self->tl[0], self->f[0]));
	ASSERT_EQ(0, set_deadline(self->f[0], now + 1000));
	EXPECT_EQ(now + 1000, get_deadline(self->tl[0], self->f[0]));
	ASSERT_EQ(0, set_deadline(self->f[0], now + 3000));
	EXPECT_EQ(now + 1000, get_deadline(self->tl[0], self->f[0]));
}

TEST_F(sync_file, deadline_reaches_every_member)
{
	int two = sf_merge("two", self->f[0], self->f[1]);
	int three = sf_merge("three", two, self->f[2]), i;
	__u64 then = now_ns(CLOCK_MONOTONIC) + 12345;

	ASSERT_LE(0, three);
	ASSERT_EQ(0, set_deadline(three, then));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(then, get_deadline(self->tl[i], self->f[i]));
	close(two);
	close(three);
}

TEST_F_TIMEOUT(sync_file, merge_of_hundreds, 120)
{
	enum { N = 400 };
	struct sync_fence_info *info = calloc(N, sizeof(*info));
	int tl[N], all = -1, i;

	raise_fd_limit();
	for (i = 0; i < N; i++) {
		int fence, next;

		tl[i] = sw_open();
		ASSERT_LE(0, tl[i]);
		fence = sw_fence(tl[i], 1);
		ASSERT_LE(0, fence);
		next = all < 0 ? dup(fence) : sf_merge("growing", all, fence);
		ASSERT_LE(0, next);
		close(fence);
		close(all);
		all = next;
	}
	ASSERT_EQ(N, sf_fences(all, info, N));
	for (i = 0; i < N; i++)
		EXPECT_EQ(0, info[i].status);
	for (i = N - 1; i >= 0; i--) {
		ASSERT_EQ(0, poll_now(all, POLLIN));
		ASSERT_EQ(0, sw_inc(tl[i], 1));
		close(tl[i]);
	}
	EXPECT_EQ(POLLIN, poll_ms(all, POLLIN, WAIT_MS));
	EXPECT_EQ(1, sf_status(all));
	close(all);
	free(info);
}

/* Many points of few timelines: the merge keeps the latest of each. */
TEST_F_TIMEOUT(sync_file, merge_of_many_points_keeps_one_per_timeline, 120)
{
	int all = dup(self->f[0]), i;

	for (i = 2; i < 200; i++) {
		int fence = sw_fence(self->tl[i % 3], i), next;

		ASSERT_LE(0, fence);
		next = sf_merge("points", all, fence);
		ASSERT_LE(0, next);
		close(fence);
		close(all);
		all = next;
	}
	EXPECT_EQ(3, sf_count(all));
	ASSERT_EQ(0, sw_inc(self->tl[0], 198));
	ASSERT_EQ(0, sw_inc(self->tl[1], 199));
	EXPECT_EQ(0, sf_status(all));
	ASSERT_EQ(0, sw_inc(self->tl[2], 197));
	EXPECT_EQ(POLLIN, poll_ms(all, POLLIN, WAIT_MS));
	close(all);
}

TEST_HARNESS_MAIN

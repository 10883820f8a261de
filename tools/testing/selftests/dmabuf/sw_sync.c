// SPDX-License-Identifier: GPL-2.0-only
/*
 * The debugfs ABI of sw_sync: arguments and errno of its ioctls, when a point
 * is reached (the counter wraps at 32 bits), sharing of equal points, closing a
 * timeline, deadlines, and the info file. Races: sw_sync_stress.c.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <sys/prctl.h>

#include "dmabuf_util.h"

#define BAD_POINTER ((void *)8)

FIXTURE(sw_sync)
{
	int tl;
};

FIXTURE_SETUP(sw_sync)
{
	if (missing(SW_SYNC_PATH))
		SKIP(return, NEEDS_SW_SYNC);
	self->tl = sw_open();
	ASSERT_LE(0, self->tl);
}

FIXTURE_TEARDOWN(sw_sync)
{
	close(self->tl);
}

TEST_F(sw_sync, unknown_command_is_enotty)
{
	__u64 room[8] = { 0 };

	EXPECT_ERRNO(ENOTTY, do_ioctl(self->tl, _IO('W', 0), room));
	EXPECT_ERRNO(ENOTTY, do_ioctl(self->tl, _IOWR('W', 3, room), room));
	EXPECT_ERRNO(ENOTTY, do_ioctl(self->tl, SYNC_IOC_FILE_INFO, room));
}

TEST_F(sw_sync, bad_pointer_is_efault)
{
	EXPECT_ERRNO(EFAULT, do_ioctl(self->tl, SW_SYNC_CREATE_FENCE, NULL));
	EXPECT_ERRNO(EFAULT, do_ioctl(self->tl, SW_SYNC_CREATE_FENCE, BAD_POINTER));
	EXPECT_ERRNO(EFAULT, do_ioctl(self->tl, SW_SYNC_INC, NULL));
	EXPECT_ERRNO(EFAULT, do_ioctl(self->tl, SW_SYNC_INC, BAD_POINTER));
	EXPECT_ERRNO(EFAULT, do_ioctl(self->tl, SW_SYNC_GET_DEADLINE, NULL));
	EXPECT_ERRNO(EFAULT, do_ioctl(self->tl, SW_SYNC_GET_DEADLINE, BAD_POINTER));
}

TEST_F(sw_sync, create_without_free_fd_is_emfile)
{
	EXPECT_EMFILE(sw_fence(self->tl, 1));
}

/* The program does not know the descriptor: fence and descriptor would leak. */
TEST_F(sw_sync, create_fault_on_answer_keeps_nothing)
{
	struct sw_sync_create data = { .value = 1, .name = "lost", .fence = -1 };
	void *ro = read_only_copy(&data, sizeof(data));
	int i, fence;

	for (i = 0; i < 10; i++)
		EXPECT_ERRNO(EFAULT, do_ioctl(self->tl, SW_SYNC_CREATE_FENCE, ro));
	fence = sw_fence(self->tl, 1);
	ASSERT_LE(0, fence);
	ASSERT_EQ(0, sw_inc(self->tl, 1));
	EXPECT_EQ(1, sf_status(fence));
	close(fence);
}

TEST_F(sw_sync, create_answers_a_cloexec_fd)
{
	struct sw_sync_create data = { .value = 1, .name = "whatever", .fence = -7 };

	ASSERT_EQ(0, do_ioctl(self->tl, SW_SYNC_CREATE_FENCE, &data));
	ASSERT_LE(0, data.fence);
	EXPECT_EQ(1, data.value);
	EXPECT_EQ(FD_CLOEXEC, fcntl(data.fence, F_GETFD));
	close(data.fence);
}

TEST_F(sw_sync, each_open_is_a_timeline)
{
	int other = sw_open(), a = sw_fence(self->tl, 1), b = sw_fence(other, 1);

	ASSERT_LE(0, a);
	ASSERT_LE(0, b);
	ASSERT_EQ(0, sw_inc(self->tl, 1));
	EXPECT_EQ(1, sf_status(a));
	EXPECT_EQ(0, sf_status(b));
	close(a);
	close(b);
	close(other);
}

TEST_F(sw_sync, value_reached_is_signalled_at_once)
{
	int fence = sw_fence(self->tl, 0);

	EXPECT_EQ(1, sf_status(fence));
	close(fence);
	ASSERT_EQ(0, sw_inc(self->tl, 5));
	fence = sw_fence(self->tl, 5);
	EXPECT_EQ(1, sf_status(fence));
	close(fence);
	fence = sw_fence(self->tl, 3);
	EXPECT_EQ(1, sf_status(fence));
	close(fence);
	fence = sw_fence(self->tl, 6);
	EXPECT_EQ(0, sf_status(fence));
	close(fence);
}

TEST_F(sw_sync, increments_add_up)
{
	int fence = sw_fence(self->tl, 10), i;

	ASSERT_LE(0, fence);
	ASSERT_EQ(0, sw_inc(self->tl, 0));
	for (i = 0; i < 9; i++)
		ASSERT_EQ(0, sw_inc(self->tl, 1));
	EXPECT_EQ(0, sf_status(fence));
	ASSERT_EQ(0, sw_inc(self->tl, 0));
	EXPECT_EQ(0, sf_status(fence));
	ASSERT_EQ(0, sw_inc(self->tl, 1));
	EXPECT_EQ(1, sf_status(fence));
	close(fence);
}

/* The value decides on the order of signalling, not the creation. */
TEST_F(sw_sync, fences_signal_in_the_order_of_values)
{
	enum { N = 64 };
	struct sync_fence_info info;
	__u64 last = 0;
	int fence[N + 1], i, v;

	for (i = 0; i < N; i++) {
		v = (i * 37) % N + 1; /* a permutation: 37 is odd */
		fence[v] = sw_fence(self->tl, v);
		ASSERT_LE(0, fence[v]);
	}
	for (v = 7; v <= N + 7; v += 7) {
		ASSERT_EQ(0, sw_inc(self->tl, 7));
		for (i = 1; i <= N; i++)
			ASSERT_EQ(i <= v, sf_status(fence[i]));
	}
	for (i = 1; i <= N; i++) {
		ASSERT_EQ(1, sf_fences(fence[i], &info, 1));
		EXPECT_LE(last, info.timestamp_ns);
		last = info.timestamp_ns;
		close(fence[i]);
	}
}

TEST_F(sw_sync, counter_wraps)
{
	int before, after, fence;

	ASSERT_EQ(0, sw_inc(self->tl, 0xfffffff0u));
	before = sw_fence(self->tl, 0xfffffff8u);
	after = sw_fence(self->tl, 0x8u);
	EXPECT_EQ(0, sf_status(before));
	EXPECT_EQ(0, sf_status(after));
	fence = sw_fence(self->tl, 0xffffffe0u);
	EXPECT_EQ(1, sf_status(fence));
	close(fence);

	ASSERT_EQ(0, sw_inc(self->tl, 0x10));
	EXPECT_EQ(1, sf_status(before));
	EXPECT_EQ(0, sf_status(after));
	ASSERT_EQ(0, sw_inc(self->tl, 0x8));
	EXPECT_EQ(1, sf_status(after));
	close(before);
	close(after);
}

/* An increment of more than half of the range signals all points it passes. */
TEST_F(sw_sync, great_leap_signals_all_it_passes)
{
	int near = sw_fence(self->tl, 1), far = sw_fence(self->tl, 0x7fffffffu);

	EXPECT_EQ(0, sf_status(far));
	ASSERT_EQ(0, sw_inc(self->tl, 0xffffffffu));
	EXPECT_EQ(1, sf_status(near));
	EXPECT_EQ(1, sf_status(far));
	close(near);
	close(far);
}

/* Equal points are one fence: a merge of both has one. */
TEST_F(sw_sync, equal_values_share_a_fence)
{
	struct sync_fence_info ia, ib;
	int a = sw_fence(self->tl, 3), b = sw_fence(self->tl, 3), merged;

	merged = sf_merge("same", a, b);
	ASSERT_LE(0, merged);
	EXPECT_EQ(1, sf_count(merged));
	close(a);
	EXPECT_EQ(0, sf_status(b));
	ASSERT_EQ(0, sw_inc(self->tl, 3));
	ASSERT_EQ(1, sf_fences(b, &ia, 1));
	ASSERT_EQ(1, sf_fences(merged, &ib, 1));
	EXPECT_EQ(1, ia.status);
	EXPECT_EQ(ia.timestamp_ns, ib.timestamp_ns);
	close(b);
	close(merged);
}

TEST_F(sw_sync, closed_timeline_fails_its_fences)
{
	int done = sw_fence(self->tl, 1), pending[3], i;

	for (i = 0; i < 3; i++)
		pending[i] = sw_fence(self->tl, 2 + i);
	ASSERT_EQ(0, sw_inc(self->tl, 1));
	close(self->tl);
	self->tl = -1;
	EXPECT_EQ(1, sf_status(done));
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(-ENOENT, sf_status(pending[i]));
		EXPECT_EQ(POLLIN, poll_now(pending[i], POLLIN));
		close(pending[i]);
	}
	close(done);
}

/* A duplicated descriptor keeps the timeline alive. */
TEST_F(sw_sync, timeline_lives_until_its_last_fd_closes)
{
	int copy = dup(self->tl), fence = sw_fence(self->tl, 1);

	close(self->tl);
	EXPECT_EQ(0, sf_status(fence));
	self->tl = copy;
	ASSERT_EQ(0, sw_inc(self->tl, 1));
	EXPECT_EQ(1, sf_status(fence));
	close(fence);
}

static int poll_in(void *arg)
{
	int fd = *(int *)arg;

	return poll_ms(fd, POLLIN, WAIT_MS) == POLLIN ? sf_status(fd) : -ETIMEDOUT;
}

TEST_F(sw_sync, closing_wakes_who_waits)
{
	int fence = sw_fence(self->tl, 1);
	struct task t;

	ASSERT_LE(0, fence);
	ASSERT_EQ(0, task_start(&t, poll_in, &fence));
	EXPECT_TRUE(task_asleep(&t));
	close(self->tl);
	self->tl = -1;
	EXPECT_EQ(-ENOENT, task_join(&t));
	close(fence);
}

static int get_deadline(int tl, struct sw_sync_deadline arg, __u64 *ns)
{
	int ret = do_ioctl(tl, SW_SYNC_GET_DEADLINE, &arg);

	if (ns)
		*ns = arg.deadline_ns;
	return ret;
}

TEST_F(sw_sync, get_deadline_checks_its_arguments)
{
	int other = sw_open(), foreign = sw_fence(other, 1), fence = sw_fence(self->tl, 1);
	int merged = sf_merge("both", foreign, fence);

	ASSERT_LE(0, merged);
	EXPECT_ERRNO(EINVAL, get_deadline(self->tl, (struct sw_sync_deadline){
		.fence_fd = fence, .deadline_ns = 1 }, NULL));
	EXPECT_ERRNO(EINVAL, get_deadline(self->tl, (struct sw_sync_deadline){
		.fence_fd = fence, .pad = 1 }, NULL));
	EXPECT_ERRNO(EINVAL, get_deadline(self->tl, (struct sw_sync_deadline){
		.fence_fd = -1 }, NULL));
	EXPECT_ERRNO(EINVAL, get_deadline(self->tl, (struct sw_sync_deadline){
		.fence_fd = self->tl }, NULL));
	EXPECT_ERRNO(EINVAL, get_deadline(self->tl, (struct sw_sync_deadline){
		.fence_fd = merged }, NULL));
	EXPECT_ERRNO(ENOENT, get_deadline(self->tl, (struct sw_sync_deadline){
		.fence_fd = fence }, NULL));
	close(merged);
	close(fence);
	close(foreign);
	close(other);
}

TEST_F(sw_sync, get_deadline_tells_what_was_set)
{
	struct sync_set_deadline set = { .deadline_ns = now_ns(CLOCK_MONOTONIC) + 1000000 };
	int fence = sw_fence(self->tl, 1);
	__u64 got = 0;

	ASSERT_EQ(0, do_ioctl(fence, SYNC_IOC_SET_DEADLINE, &set));
	EXPECT_EQ(0, get_deadline(self->tl, (struct sw_sync_deadline){ .fence_fd = fence },
				  &got));
	EXPECT_EQ(set.deadline_ns, got);
	close(fence);
}

/*
 * Returns the lines of one timeline in the info file, which an empty line ends.
 */
static char *info_of(const char *name, char *text, size_t size)
{
	char want[64], *at, *end;

	if (read_file(SW_SYNC_INFO, text, size) < 0)
		return NULL;
	snprintf(want, sizeof(want), "\n%s: ", name);
	at = strstr(text, want);
	end = at ? strstr(at, "\n\n") : NULL;
	if (end)
		end[1] = '\0';
	return at ? at + 1 : NULL;
}

TEST_F(sw_sync, info_lists_timelines_and_pending_fences)
{
	static char text[1 << 16];
	int tl, fence[3], i;

	if (missing(SW_SYNC_INFO))
		SKIP(return, NEEDS_SW_SYNC);
	ASSERT_EQ(0, prctl(PR_SET_NAME, "info-case"));
	tl = sw_open();
	ASSERT_LE(0, tl);
	for (i = 0; i < 3; i++)
		fence[i] = sw_fence(tl, 2 + i);
	ASSERT_EQ(0, sw_inc(tl, 2));
	ASSERT_NE(NULL, info_of("info-case", text, sizeof(text)));
	EXPECT_STREQ("info-case: 2\n  fence active: 3 / 2\n  fence active: 4 / 2\n",
		     info_of("info-case", text, sizeof(text)));
	for (i = 0; i < 3; i++)
		close(fence[i]);
	EXPECT_STREQ("info-case: 2\n", info_of("info-case", text, sizeof(text)));
	close(tl);
	EXPECT_EQ(NULL, info_of("info-case", text, sizeof(text)));
}

TEST_F(sw_sync, info_escapes_the_name_of_the_program)
{
	static char text[1 << 16];
	struct sync_fence_info info;
	int tl, fence;

	if (missing(SW_SYNC_INFO))
		SKIP(return, NEEDS_SW_SYNC);
	ASSERT_EQ(0, prctl(PR_SET_NAME, "a\nforged: 7\\"));
	tl = sw_open();
	ASSERT_LE(0, tl);
	EXPECT_EQ(NULL, info_of("forged", text, sizeof(text)));
	EXPECT_STREQ("a\\012forged: 7\\134: 0\n",
		     info_of("a\\012forged: 7\\134", text, sizeof(text)));

	/* The structure of FILE_INFO has the name as it is. */
	fence = sw_fence(tl, 1);
	ASSERT_LE(0, fence);
	ASSERT_EQ(1, sf_fences(fence, &info, 1));
	EXPECT_STREQ("a\nforged: 7\\", info.obj_name);
	close(fence);
	close(tl);
}

TEST_F(sw_sync, info_has_its_headings)
{
	static char text[1 << 16];

	ASSERT_LT(0, read_file(SW_SYNC_INFO, text, sizeof(text)));
	EXPECT_EQ(&text[0], strstr(text, "objs:\n--------------\n"));
	EXPECT_NE(NULL, strstr(text, "\nfences:\n--------------\n"));
}

TEST_HARNESS_MAIN

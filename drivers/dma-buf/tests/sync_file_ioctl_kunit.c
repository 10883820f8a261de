// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of sync_file as a program calls them: merge, info and deadline,
 * their errors, and that a failed call leaves nothing behind.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/test.h>
#include <linux/dma-fence-array.h>
#include <linux/dma-fence.h>
#include <linux/file.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/sync_file.h>
#include <linux/uaccess.h>
#include <uapi/linux/sync_file.h>

#include "../sync/sync_timeline.h"
#include "mock.h"
#include "sync_mock.h"

static struct dma_fence *make(struct kunit *test, int timeline, u32 value)
{
	return sync_mock_fence(test, timeline, value);
}

static long call_at(struct kunit *test, int fd, unsigned int cmd,
		    void __user *arg)
{
	return sync_mock_ioctl_at(test, fd, cmd, arg);
}

static long call(struct kunit *test, int fd, unsigned int cmd, void *data)
{
	return sync_mock_ioctl(test, fd, cmd, data);
}

static void ioctl_unknown(struct kunit *test)
{
	int fd = sync_mock_fd(test, make(test, 0, 1));

	for (int nr = 0; nr < 3; nr++)
		KUNIT_EXPECT_EQ(test, call_at(test, fd, _IO('>', nr), NULL),
				-ENOTTY);
	KUNIT_EXPECT_EQ(test, call_at(test, fd, _IO('>', 3), NULL), -ENOTTY);
	KUNIT_EXPECT_EQ(test, call_at(test, fd, _IOWR('=', 3, char[48]), NULL),
			-ENOTTY);
	sync_mock_close(test, fd);
}

/* Merges and returns the fence of the result, with a reference. */
static struct dma_fence *merge(struct kunit *test, int fd1, int fd2)
{
	int fd = sync_mock_merge(test, fd1, fd2);
	struct dma_fence *fence = sync_file_get_fence(fd);

	KUNIT_ASSERT_NOT_NULL(test, fence);
	sync_mock_close(test, fd);
	return fence;
}

static const struct merge_param {
	const char *desc;
	/* Timeline and value of both fences; the timelines are stepped to 1. */
	int timeline[2];
	u32 value[2];
	/*
	 * Index of the resulting fence; 2 for an array, 3 for a signalled one
	 */
	int result;
} merge_params[] = {
	{ "both signalled", { 0, 1 }, { 0, 1 }, 3 },
	{ "first pending", { 0, 1 }, { 2, 1 }, 0 },
	{ "second pending", { 0, 1 }, { 1, 2 }, 1 },
	{ "one timeline, first later", { 0, 0 }, { 3, 2 }, 0 },
	{ "one timeline, second later", { 0, 0 }, { 2, 3 }, 1 },
	{ "the same fence twice", { 0, 0 }, { 2, 2 }, 1 },
	{ "two timelines", { 0, 1 }, { 2, 2 }, 2 },
};

KUNIT_ARRAY_PARAM_DESC(merge, merge_params, desc);

static void merge_result(struct kunit *test)
{
	const struct merge_param *param = test->param_value;
	struct dma_fence *fences[2], *merged;
	int fds[2];

	for (int i = 0; i < 2; i++) {
		fences[i] = make(test, param->timeline[i], param->value[i]);
		fds[i] = sync_mock_fd(test, dma_fence_get(fences[i]));
	}
	sync_mock_step(test, 0);
	sync_mock_step(test, 1);

	merged = merge(test, fds[0], fds[1]);
	if (param->result < 2) {
		KUNIT_EXPECT_PTR_EQ(test, merged, fences[param->result]);
	} else if (param->result == 2) {
		KUNIT_ASSERT_TRUE(test, dma_fence_is_array(merged));
		KUNIT_EXPECT_EQ(test, to_dma_fence_array(merged)->num_fences,
				2);
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(merged), 0);
	} else {
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(merged), 1);
		KUNIT_EXPECT_EQ(test, dma_fence_timestamp(merged),
				max(dma_fence_timestamp(fences[0]),
				    dma_fence_timestamp(fences[1])));
		KUNIT_EXPECT_EQ(test, kref_read(&fences[0]->refcount), 2);
	}
	dma_fence_put(merged);

	sync_mock_close(test, fds[0]);
	sync_mock_close(test, fds[1]);
	if (fences[0] == fences[1])
		dma_fence_put(fences[1]);
	else
		mock_fence_put_last(test, fences[1]);
	mock_fence_put_last(test, fences[0]);
}

/* Merging merges must not nest arrays: the result has all fences in one. */
static void merge_many_signals_with_the_last(struct kunit *test)
{
	int fd = sync_mock_fd(test, make(test, 0, 1));
	struct dma_fence *fence;

	for (int i = 1; i < SYNC_MOCK_TIMELINES; i++) {
		int next = sync_mock_fd(test, make(test, i, 1));
		int all = sync_mock_merge(test, fd, next);

		sync_mock_close(test, next);
		sync_mock_close(test, fd);
		fd = all;
	}
	fence = sync_file_get_fence(fd);
	KUNIT_ASSERT_NOT_NULL(test, fence);
	KUNIT_ASSERT_TRUE(test, dma_fence_is_array(fence));
	/* The arrays in between were unwrapped. */
	KUNIT_EXPECT_EQ(test, to_dma_fence_array(fence)->num_fences,
			SYNC_MOCK_TIMELINES);
	dma_fence_enable_sw_signaling(fence);
	for (int i = SYNC_MOCK_TIMELINES - 1; i >= 0; i--) {
		KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(fence));
		sync_mock_step(test, i);
	}
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, false, HZ * 10) > 0,
			1);
	dma_fence_put(fence);
	sync_mock_close(test, fd);
}

static void merge_names_the_result(struct kunit *test)
{
	struct sync_merge_data data = {};
	struct dma_fence *fence = make(test, 0, 1);
	int fd = sync_mock_fd(test, fence);
	char want[32];

	snprintf(want, sizeof(want), "sw_sync-timeline%llu-1", fence->context);
	for (int i = 0; i < 2; i++) {
		struct sync_file_info info = {};

		memset(data.name, i ? 'x' : 0, sizeof(data.name));
		data.fd2 = fd;
		KUNIT_ASSERT_EQ(test, call(test, fd, SYNC_IOC_MERGE, &data), 0);
		KUNIT_EXPECT_TRUE(test, get_close_on_exec(data.fence));
		KUNIT_ASSERT_EQ(test, call(test, data.fence, SYNC_IOC_FILE_INFO,
					   &info), 0);
		KUNIT_EXPECT_STREQ(test, info.name, i ?
				   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" : want);
		sync_mock_close(test, data.fence);
	}
	sync_mock_close(test, fd);
}

static void merge_bad_argument(struct kunit *test)
{
	struct dma_fence *fence = make(test, 0, 1);
	int fd = sync_mock_fd(test, dma_fence_get(fence));
	int other = sync_mock_other_fd(test);
	const struct {
		struct sync_merge_data data;
		int errno;
	} bad[] = {
		{ { .fd2 = fd, .flags = 1 }, -EINVAL },
		{ { .fd2 = fd, .pad = 1 }, -EINVAL },
		{ { .fd2 = -1 }, -ENOENT },
		{ { .fd2 = other }, -ENOENT },
	};
	unsigned int fds = mock_count_fds();

	for (int i = 0; i < ARRAY_SIZE(bad); i++) {
		struct sync_merge_data data = bad[i].data;

		KUNIT_EXPECT_EQ(test, call(test, fd, SYNC_IOC_MERGE, &data),
				bad[i].errno);
		KUNIT_EXPECT_MEMEQ(test, &data, &bad[i].data, sizeof(data));
		KUNIT_EXPECT_EQ(test, mock_count_fds(), fds);
		KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
	}
	sync_mock_close(test, other);
	sync_mock_close(test, fd);
	mock_fence_put_last(test, fence);
}

/* The answer cannot be copied: descriptor, file and fences must not leak. */
static void merge_fault_leaves_nothing(struct kunit *test)
{
	struct dma_fence *fence = make(test, 0, 1);
	int fd = sync_mock_fd(test, dma_fence_get(fence));
	struct sync_merge_data data = { .fd2 = fd };
	void __user *user = mock_user_readonly(test, &data, sizeof(data));
	unsigned int fds = mock_count_fds();

	KUNIT_EXPECT_EQ(test, call_at(test, fd, SYNC_IOC_MERGE, NULL), -EFAULT);
	KUNIT_EXPECT_EQ(test, call_at(test, fd, SYNC_IOC_MERGE, user), -EFAULT);
	mock_flush_files();
	KUNIT_EXPECT_EQ(test, mock_count_fds(), fds);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
	sync_mock_close(test, fd);
	mock_fence_put_last(test, fence);
}

static void merge_no_descriptor_left(struct kunit *test)
{
	struct dma_fence *fence = make(test, 0, 1);
	int fd = sync_mock_fd(test, dma_fence_get(fence));
	struct sync_merge_data data = { .fd2 = fd };
	long ret;

	mock_forbid_fds(true);
	ret = call(test, fd, SYNC_IOC_MERGE, &data);
	mock_forbid_fds(false);
	KUNIT_EXPECT_EQ(test, ret, -EMFILE);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
	sync_mock_close(test, fd);
	mock_fence_put_last(test, fence);
}

/* FILE_INFO with room for @room fences; returns the first four in @fences. */
static long get_info(struct kunit *test, int fd, u32 room,
		     struct sync_file_info *info,
		     struct sync_fence_info *fences)
{
	void __user *to = mock_user_alloc(test, PAGE_SIZE);
	size_t size = 4 * sizeof(*fences);
	long ret;

	*info = (struct sync_file_info) {
		.num_fences = room,
		.sync_fence_info = (uintptr_t)to,
	};
	memset(fences, 'z', size);
	KUNIT_ASSERT_EQ(test, copy_to_user(to, fences, size), 0);
	ret = call(test, fd, SYNC_IOC_FILE_INFO, info);
	KUNIT_ASSERT_EQ(test, copy_from_user(fences, to, size), 0);
	return ret;
}

static bool untouched(const void *data, size_t size)
{
	return !memchr_inv(data, 'z', size);
}

/* Returns a descriptor of both, merged; consumes both references. */
static int make_merged_fd(struct kunit *test, struct dma_fence *a,
			  struct dma_fence *b)
{
	int fd1 = sync_mock_fd(test, a), fd2 = sync_mock_fd(test, b);
	int fd = sync_mock_merge(test, fd1, fd2);

	sync_mock_close(test, fd1);
	sync_mock_close(test, fd2);
	return fd;
}

static const struct info_param {
	const char *desc;
	u32 room;
	long ret;
	/* The number of elements that the kernel writes. */
	u32 written;
} info_params[] = {
	{ "count only", 0, 0, 0 },
	{ "too little room", 1, -EINVAL, 0 },
	{ "just enough", 2, 0, 2 },
	{ "more than enough", 4, 0, 2 },
	{ "absurdly much", U32_MAX, 0, 2 },
};

KUNIT_ARRAY_PARAM_DESC(info, info_params, desc);

static void info_room(struct kunit *test)
{
	const struct info_param *param = test->param_value;
	int fd = make_merged_fd(test, make(test, 0, 1), make(test, 1, 1));
	struct sync_fence_info fences[4];
	struct sync_file_info info;

	KUNIT_EXPECT_EQ(test, get_info(test, fd, param->room, &info, fences),
			param->ret);
	if (param->ret) {
		KUNIT_EXPECT_EQ(test, info.num_fences, param->room);
		KUNIT_EXPECT_STREQ(test, info.name, "");
	} else {
		KUNIT_EXPECT_EQ(test, info.num_fences, 2);
		KUNIT_EXPECT_EQ(test, info.status, 0);
		KUNIT_EXPECT_STREQ(test, info.name, "merged");
	}
	for (int i = 0; i < param->written; i++)
		KUNIT_EXPECT_STREQ(test, fences[i].driver_name, "sw_sync");
	KUNIT_EXPECT_TRUE(test, untouched(&fences[param->written],
					  sizeof(fences[0]) *
					  (4 - param->written)));
	sync_mock_close(test, fd);
}

/* Bytes that are not written on purpose would leak kernel memory. */
static void info_describes_each_fence(struct kunit *test)
{
	struct sync_mock *mock = test->priv;
	struct dma_fence *a = make(test, 0, 1), *b = make(test, 1, 1);
	int fd = make_merged_fd(test, dma_fence_get(a), dma_fence_get(b));
	struct sync_fence_info fences[4], want;
	struct sync_file_info info;

	memset(&want, 0, sizeof(want));
	strscpy(want.obj_name, "timeline");
	strscpy(want.driver_name, "sw_sync");
	KUNIT_EXPECT_EQ(test, get_info(test, fd, 4, &info, fences), 0);
	KUNIT_EXPECT_MEMEQ(test, &fences[0], &want, sizeof(want));
	KUNIT_EXPECT_MEMEQ(test, &fences[1], &want, sizeof(want));
	KUNIT_EXPECT_EQ(test, info.status, 0);

	sync_mock_step(test, 0);
	KUNIT_EXPECT_EQ(test, get_info(test, fd, 4, &info, fences), 0);
	KUNIT_EXPECT_EQ(test, info.status, 0);
	KUNIT_EXPECT_EQ(test, fences[0].status + fences[1].status, 1);

	sync_timeline_set_error(mock->timelines[1], -EIO);
	sync_mock_step(test, 1);
	KUNIT_EXPECT_EQ(test, get_info(test, fd, 4, &info, fences), 0);
	KUNIT_EXPECT_EQ(test, info.status, -EIO);
	for (int i = 0; i < 2; i++) {
		struct dma_fence *fence = fences[i].status > 0 ? a : b;

		want.status = fence == a ? 1 : -EIO;
		want.timestamp_ns = ktime_to_ns(dma_fence_timestamp(fence));
		KUNIT_EXPECT_MEMEQ(test, &fences[i], &want, sizeof(want));
	}
	sync_mock_close(test, fd);
	mock_fence_put_last(test, a);
	mock_fence_put_last(test, b);
}

static void info_bad_argument(struct kunit *test)
{
	struct sync_file_info info = { .num_fences = 1, .sync_fence_info = 8 };
	int fd = sync_mock_fd(test, make(test, 0, 1));
	void __user *user;

	KUNIT_EXPECT_EQ(test, call(test, fd, SYNC_IOC_FILE_INFO, &info),
			-EFAULT);
	info = (struct sync_file_info) { .flags = 1 };
	KUNIT_EXPECT_EQ(test, call(test, fd, SYNC_IOC_FILE_INFO, &info),
			-EINVAL);
	info = (struct sync_file_info) { .pad = 1 };
	KUNIT_EXPECT_EQ(test, call(test, fd, SYNC_IOC_FILE_INFO, &info),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, call_at(test, fd, SYNC_IOC_FILE_INFO, NULL),
			-EFAULT);
	info = (struct sync_file_info) {};
	user = mock_user_readonly(test, &info, sizeof(info));
	KUNIT_EXPECT_EQ(test, call_at(test, fd, SYNC_IOC_FILE_INFO, user),
			-EFAULT);
	/* @status is output only: its old value is ignored. */
	info.status = 7;
	KUNIT_EXPECT_EQ(test, call(test, fd, SYNC_IOC_FILE_INFO, &info), 0);
	KUNIT_EXPECT_EQ(test, info.status, 0);
	sync_mock_close(test, fd);
}

/*
 * The count follows the chain as it shrinks; a bad pointer leaks no reference.
 */
static void info_of_a_chain_that_shrinks(struct kunit *test)
{
	struct sync_file_info bad = { .num_fences = 4, .sync_fence_info = 8 };
	struct sync_fence_info fences[4];
	struct sync_file_info info;
	struct dma_fence *chain;
	int fd;

	chain = mock_link_after(test, NULL, make(test, 0, 1), 1);
	chain = mock_link_after(test, chain, make(test, 1, 1), 2);
	chain = mock_link_after(test, chain, make(test, 2, 1), 3);
	fd = sync_mock_fd(test, dma_fence_get(chain));

	KUNIT_EXPECT_EQ(test, get_info(test, fd, 3, &info, fences), 0);
	KUNIT_EXPECT_EQ(test, info.num_fences, 3);
	KUNIT_EXPECT_EQ(test, call(test, fd, SYNC_IOC_FILE_INFO, &bad),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, kref_read(&chain->refcount), 2);

	sync_mock_step(test, 1);
	KUNIT_EXPECT_EQ(test, get_info(test, fd, 3, &info, fences), 0);
	KUNIT_EXPECT_EQ(test, info.num_fences, 2);
	KUNIT_EXPECT_TRUE(test, untouched(&fences[2], sizeof(fences[2])));
	sync_mock_step(test, 0);
	sync_mock_step(test, 2);
	KUNIT_EXPECT_EQ(test, get_info(test, fd, 1, &info, fences), 0);
	KUNIT_EXPECT_EQ(test, info.num_fences, 1);
	KUNIT_EXPECT_EQ(test, info.status, 1);
	sync_mock_close(test, fd);
	mock_fence_put_last(test, chain);
}

static void set_deadline_reaches_the_fence(struct kunit *test)
{
	struct sync_set_deadline data = { .deadline_ns = 4000, .pad = 1 };
	struct dma_fence *a = make(test, 0, 1), *b = make(test, 1, 1);
	int fd = make_merged_fd(test, dma_fence_get(a), dma_fence_get(b));
	ktime_t deadline;

	KUNIT_EXPECT_EQ(test, call(test, fd, SYNC_IOC_SET_DEADLINE, &data),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, call_at(test, fd, SYNC_IOC_SET_DEADLINE, NULL),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, sync_timeline_fence_deadline(a, &deadline),
			-ENOENT);
	data.pad = 0;
	KUNIT_EXPECT_EQ(test, call(test, fd, SYNC_IOC_SET_DEADLINE, &data), 0);
	KUNIT_EXPECT_EQ(test, sync_timeline_fence_deadline(a, &deadline), 0);
	KUNIT_EXPECT_EQ(test, deadline, 4000);
	KUNIT_EXPECT_EQ(test, sync_timeline_fence_deadline(b, &deadline), 0);
	KUNIT_EXPECT_EQ(test, deadline, 4000);
	sync_mock_close(test, fd);
	mock_fence_put_last(test, a);
	mock_fence_put_last(test, b);
}

static struct kunit_case sync_file_ioctl_cases[] = {
	KUNIT_CASE(ioctl_unknown),
	KUNIT_CASE_PARAM(merge_result, merge_gen_params),
	KUNIT_CASE(merge_many_signals_with_the_last),
	KUNIT_CASE(merge_names_the_result),
	KUNIT_CASE(merge_bad_argument),
	KUNIT_CASE(merge_fault_leaves_nothing),
	KUNIT_CASE(merge_no_descriptor_left),
	KUNIT_CASE_PARAM(info_room, info_gen_params),
	KUNIT_CASE(info_describes_each_fence),
	KUNIT_CASE(info_bad_argument),
	KUNIT_CASE(info_of_a_chain_that_shrinks),
	KUNIT_CASE(set_deadline_reaches_the_fence),
	{}
};

static struct kunit_suite sync_file_ioctl_suite = {
	.name = "sync_file_ioctl",
	.init = sync_mock_init,
	.exit = sync_mock_exit,
	.test_cases = sync_file_ioctl_cases,
};

kunit_test_suite(sync_file_ioctl_suite);

MODULE_LICENSE("GPL");

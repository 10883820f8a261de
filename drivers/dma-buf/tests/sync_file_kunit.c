// SPDX-License-Identifier: GPL-2.0-only
/*
 * sync_file as an object: references, the fence behind a descriptor, names,
 * poll and release. The ioctls are in sync_file_ioctl_kunit.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/dma-fence.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/sync_file.h>
#include <linux/uaccess.h>
#include <uapi/linux/sync_file.h>

#include "../sync/sync_timeline.h"
#include "mock.h"
#include "sync_mock.h"

static void create_takes_own_reference(struct kunit *test)
{
	struct dma_fence *fence = sync_mock_fence(test, 0, 1), *same;
	struct sync_file *sync_file = sync_mock_create(test, fence);
	int fd;

	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
	KUNIT_EXPECT_PTR_EQ(test, sync_file->fence, fence);
	KUNIT_EXPECT_EQ(test, file_count(sync_file->file), 1);
	KUNIT_EXPECT_FALSE(test, sync_file->file->f_mode & FMODE_LSEEK);

	fd = get_unused_fd_flags(O_CLOEXEC);
	KUNIT_ASSERT_GE(test, fd, 0);
	fd_install(fd, sync_file->file);
	same = sync_file_get_fence(fd);
	KUNIT_EXPECT_PTR_EQ(test, same, fence);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 3);
	dma_fence_put(same);

	sync_mock_close(test, fd);
	mock_fence_put_last(test, fence);
}

static void get_fence_rejects_others(struct kunit *test)
{
	int fd = sync_mock_other_fd(test), free = get_unused_fd_flags(0);

	KUNIT_ASSERT_GE(test, free, 0);
	put_unused_fd(free);
	KUNIT_EXPECT_NULL(test, sync_file_get_fence(fd));
	KUNIT_EXPECT_NULL(test, sync_file_get_fence(free));
	KUNIT_EXPECT_NULL(test, sync_file_get_fence(-1));
	KUNIT_EXPECT_NULL(test, sync_file_get_fence(INT_MAX));
	sync_mock_close(test, fd);
}

static void get_name_fits_the_buffer(struct kunit *test)
{
	struct dma_fence *fence = sync_mock_fence(test, 0, 5);
	struct sync_file *sync_file = sync_mock_create(test, fence);
	char want[80], name[80];

	snprintf(want, sizeof(want), "sw_sync-timeline%llu-5", fence->context);
	KUNIT_EXPECT_PTR_EQ(test, sync_file_get_name(sync_file, name, 80),
			    &name[0]);
	KUNIT_EXPECT_STREQ(test, name, want);

	for (int len = 12; len; len--) {
		memset(name, 'z', sizeof(name));
		sync_file_get_name(sync_file, name, len);
		want[len - 1] = '\0';
		KUNIT_EXPECT_STREQ(test, name, want);
		KUNIT_EXPECT_EQ(test, name[len], 'z');
	}

	strscpy(sync_file->user_name, "mine");
	sync_file_get_name(sync_file, name, sizeof(name));
	KUNIT_EXPECT_STREQ(test, name, "mine");
	memset(name, 'z', sizeof(name));
	sync_file_get_name(sync_file, name, 3);
	KUNIT_EXPECT_STREQ(test, name, "mi");
	KUNIT_EXPECT_EQ(test, name[3], 'z');

	sync_mock_drop(sync_file->file);
	mock_fence_put_last(test, fence);
}

static void expect_poll(struct kunit *test, __poll_t events, __poll_t expected)
{
	KUNIT_EXPECT_EQ(test, (__force u32)events, (__force u32)expected);
}

/* Polls for all events, like epoll. */
static __poll_t begin_poll(struct mock_poller *poller, struct file *file)
{
	mock_poller_begin(poller);
	return (__force __poll_t)mock_poller_ask(poller, file, ~0U);
}

static size_t count_callbacks(struct dma_fence *fence)
{
	guard(spinlock_irqsave)(fence->lock);
	return list_count_nodes(&fence->cb_list);
}

static void poll_wakes_all_when_signaled(struct kunit *test)
{
	struct dma_fence *fence = sync_mock_fence(test, 0, 1);
	struct sync_file *sync_file = sync_mock_create(test, fence);
	struct mock_poller pollers[3];

	KUNIT_EXPECT_EQ(test, count_callbacks(fence), 0);
	for (int i = 0; i < ARRAY_SIZE(pollers); i++) {
		expect_poll(test, begin_poll(&pollers[i], sync_file->file), 0);
		KUNIT_EXPECT_NOT_NULL(test, pollers[i].head);
		/* All pollers share one callback. */
		KUNIT_EXPECT_EQ(test, count_callbacks(fence), 1);
	}
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);

	sync_mock_step(test, 0);
	for (int i = 0; i < ARRAY_SIZE(pollers); i++) {
		KUNIT_EXPECT_EQ(test, atomic_read(&pollers[i].woken), 1);
		mock_poller_end(&pollers[i]);
	}
	expect_poll(test, vfs_poll(sync_file->file, NULL), EPOLLIN);
	sync_mock_drop(sync_file->file);
	mock_fence_put_last(test, fence);
}

/* An error does not set EPOLLERR, and a signalled fence gets no callback. */
static void poll_signaled_is_readable_at_once(struct kunit *test)
{
	struct sync_mock *mock = test->priv;
	struct dma_fence *fence = sync_mock_fence(test, 0, 1);
	struct sync_file *sync_file = sync_mock_create(test, fence);
	struct mock_poller poller;

	sync_timeline_set_error(mock->timelines[0], -EIO);
	sync_mock_step(test, 0);
	expect_poll(test, begin_poll(&poller, sync_file->file), EPOLLIN);
	KUNIT_EXPECT_FALSE(test, test_bit(POLL_ENABLED, &sync_file->flags));
	mock_poller_end(&poller);
	sync_mock_drop(sync_file->file);
	mock_fence_put_last(test, fence);
}

/* The maker of this fence finds in enable_signaling that the job is done. */
static bool late_enable_signaling(struct dma_fence *fence)
{
	return false;
}

static const char *late_name(struct dma_fence *fence)
{
	return "late";
}

static DEFINE_SPINLOCK(late_lock);

static const struct dma_fence_ops late_ops = {
	.get_driver_name = late_name,
	.get_timeline_name = late_name,
	.enable_signaling = late_enable_signaling,
};

/*
 * The window: one poller has set POLL_ENABLED, another sees it and sleeps. The
 * first then finds the fence signalled, and must wake the other.
 */
static void poll_too_late_to_arm_wakes_others(struct kunit *test)
{
	struct dma_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);
	struct sync_file *sync_file;
	struct mock_poller first, second;

	KUNIT_ASSERT_NOT_NULL(test, fence);
	dma_fence_init(fence, &late_ops, &late_lock,
		       dma_fence_context_alloc(1), 1);
	sync_file = sync_mock_create(test, fence);

	set_bit(POLL_ENABLED, &sync_file->flags);
	expect_poll(test, begin_poll(&first, sync_file->file), 0);
	clear_bit(POLL_ENABLED, &sync_file->flags);
	expect_poll(test, begin_poll(&second, sync_file->file), EPOLLIN);
	KUNIT_EXPECT_EQ(test, atomic_read(&first.woken), 1);

	mock_poller_end(&first);
	mock_poller_end(&second);
	sync_mock_drop(sync_file->file);
	mock_fence_put_last(test, fence);
}

/* The names were copied: the maker of a signalled fence may be gone. */
static void get_name_after_signal(struct kunit *test)
{
	struct dma_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);
	struct sync_file_info info = { .num_fences = 1 };
	struct sync_fence_info seen;
	void __user *to = mock_user_alloc(test, sizeof(seen));
	struct sync_file *sync_file;
	char want[48], name[48];
	int fd;

	KUNIT_ASSERT_NOT_NULL(test, fence);
	dma_fence_init(fence, &late_ops, &late_lock,
		       dma_fence_context_alloc(1), 1);
	snprintf(want, sizeof(want), "late-late%llu-1", fence->context);
	fd = sync_mock_fd(test, dma_fence_get(fence));
	dma_fence_signal(fence);

	info.sync_fence_info = (uintptr_t)to;
	KUNIT_EXPECT_EQ(test, sync_mock_ioctl(test, fd, SYNC_IOC_FILE_INFO,
					      &info), 0);
	KUNIT_EXPECT_STREQ(test, info.name, want);
	KUNIT_ASSERT_EQ(test, copy_from_user(&seen, to, sizeof(seen)), 0);
	KUNIT_EXPECT_STREQ(test, seen.obj_name, "late");
	KUNIT_EXPECT_STREQ(test, seen.driver_name, "late");
	sync_mock_close(test, fd);

	/* A file that is created after the signal gets general names. */
	sync_file = sync_mock_create(test, fence);
	snprintf(want, sizeof(want), "detached-driver-signaled-timeline%llu-1",
		 fence->context);
	KUNIT_EXPECT_STREQ(test, sync_file_get_name(sync_file, name,
						    sizeof(name)), want);
	sync_mock_drop(sync_file->file);
	mock_fence_put_last(test, fence);
}

/* A callback left in a fence would run into the freed file. */
static void release_removes_callback(struct kunit *test)
{
	struct dma_fence *fence = sync_mock_fence(test, 0, 1);
	struct sync_file *sync_file = sync_mock_create(test, fence);

	expect_poll(test, vfs_poll(sync_file->file, NULL), 0);
	KUNIT_EXPECT_EQ(test, count_callbacks(fence), 1);
	sync_mock_drop(sync_file->file);
	KUNIT_EXPECT_EQ(test, count_callbacks(fence), 0);
	sync_mock_step(test, 0);
	mock_fence_put_last(test, fence);
}

/* The lock may be in a driver that is gone after the signal. */
static void release_after_signal_leaves_the_lock_alone(struct kunit *test)
{
	struct dma_fence *fence = sync_mock_fence(test, 0, 1);
	struct sync_file *sync_file = sync_mock_create(test, fence);
	spinlock_t *lock = fence->lock;

	expect_poll(test, vfs_poll(sync_file->file, NULL), 0);
	sync_mock_step(test, 0);
	fence->lock = NULL;
	sync_mock_drop(sync_file->file);
	fence->lock = lock;
	mock_fence_put_last(test, fence);
}

static struct kunit_case sync_file_cases[] = {
	KUNIT_CASE(create_takes_own_reference),
	KUNIT_CASE(get_fence_rejects_others),
	KUNIT_CASE(get_name_fits_the_buffer),
	KUNIT_CASE(poll_wakes_all_when_signaled),
	KUNIT_CASE(poll_signaled_is_readable_at_once),
	KUNIT_CASE(poll_too_late_to_arm_wakes_others),
	KUNIT_CASE(get_name_after_signal),
	KUNIT_CASE(release_removes_callback),
	KUNIT_CASE(release_after_signal_leaves_the_lock_alone),
	{}
};

static struct kunit_suite sync_file_suite = {
	.name = "sync_file",
	.init = sync_mock_init,
	.exit = sync_mock_exit,
	.test_cases = sync_file_cases,
};

kunit_test_suite(sync_file_suite);

MODULE_LICENSE("GPL");

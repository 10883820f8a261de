// SPDX-License-Identifier: GPL-2.0-only
/*
 * Software timelines that stand in for a device, and sync_files as programs use
 * them; see sync_mock.h.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <linux/anon_inodes.h>
#include <linux/cleanup.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <uapi/linux/sync_file.h>

#include "mock.h"
#include "sync_mock.h"

int sync_mock_init(struct kunit *test)
{
	struct sync_mock *mock = kunit_kzalloc(test, sizeof(*mock), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mock);
	test->priv = mock;
	for (int i = 0; i < SYNC_MOCK_TIMELINES; i++) {
		mock->timelines[i] = sync_timeline_create("timeline");
		KUNIT_ASSERT_NOT_NULL(test, mock->timelines[i]);
	}
	return 0;
}

void sync_mock_exit(struct kunit *test)
{
	struct sync_mock *mock = test->priv;

	/* Arrays drop their fences in an irq_work. */
	mock_irq_work_settle();
	mock_flush_files();
	for (int i = 0; mock && i < SYNC_MOCK_TIMELINES; i++) {
		if (!mock->timelines[i])
			continue;
		KUNIT_EXPECT_EQ(test, kref_read(&mock->timelines[i]->kref), 1);
		sync_timeline_destroy(mock->timelines[i]);
	}
}

struct dma_fence *sync_mock_fence(struct kunit *test, int timeline, u32 value)
{
	struct sync_mock *mock = test->priv;
	struct dma_fence *fence =
		sync_timeline_fence(mock->timelines[timeline], value);

	KUNIT_ASSERT_NOT_NULL(test, fence);
	return fence;
}

static void point_called(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct sync_mock_point *p =
		container_of(cb, struct sync_mock_point, cb);

	p->called = ++p->mock->calls;
	for (int i = 0; i < ARRAY_SIZE(p->drop); i++)
		dma_fence_put(p->drop[i]);
}

struct dma_fence *sync_mock_add(struct kunit *test, int i, u32 value)
{
	struct sync_mock *mock = test->priv;
	struct sync_mock_point *p = &mock->points[i];

	p->mock = mock;
	p->fence = sync_mock_fence(test, 0, value);
	KUNIT_ASSERT_EQ(test, dma_fence_add_callback(p->fence, &p->cb,
						     point_called), 0);
	return p->fence;
}

void sync_mock_step(struct kunit *test, int timeline)
{
	struct sync_mock *mock = test->priv;

	sync_timeline_inc(mock->timelines[timeline], 1);
}

void sync_mock_destroy(struct kunit *test)
{
	struct sync_mock *mock = test->priv;

	sync_timeline_destroy(mock->timelines[0]);
	mock->timelines[0] = NULL;
}

struct sync_file *sync_mock_create(struct kunit *test, struct dma_fence *fence)
{
	struct sync_file *sync_file = sync_file_create(fence);

	KUNIT_ASSERT_NOT_NULL(test, sync_file);
	return sync_file;
}

int sync_mock_fd(struct kunit *test, struct dma_fence *fence)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);

	KUNIT_ASSERT_GE(test, fd, 0);
	fd_install(fd, sync_mock_create(test, fence)->file);
	dma_fence_put(fence);
	return fd;
}

static const struct file_operations other_fops = {};

int sync_mock_other_fd(struct kunit *test)
{
	int fd = anon_inode_getfd("other", &other_fops, NULL, O_CLOEXEC);

	KUNIT_ASSERT_GE(test, fd, 0);
	return fd;
}

void sync_mock_close(struct kunit *test, int fd)
{
	KUNIT_EXPECT_EQ(test, close_fd(fd), 0);
	mock_flush_files();
}

void sync_mock_drop(struct file *file)
{
	fput(file);
	mock_flush_files();
}

long sync_mock_ioctl_at(struct kunit *test, int fd, unsigned int cmd,
			void __user *arg)
{
	CLASS(fd, f)(fd);
	if (fd_empty(f)) {
		KUNIT_FAIL(test, "%d is not open", fd);
		return -EBADF;
	}
	/* Some architectures need an address space to find an address bad. */
	if (!current->mm)
		mock_user_alloc(test, PAGE_SIZE);
	return fd_file(f)->f_op->unlocked_ioctl(fd_file(f), cmd,
						(unsigned long)arg);
}

long sync_mock_ioctl(struct kunit *test, int fd, unsigned int cmd, void *data)
{
	void __user *user = mock_user_alloc(test, PAGE_SIZE);
	long ret;

	KUNIT_ASSERT_EQ(test, copy_to_user(user, data, _IOC_SIZE(cmd)), 0);
	ret = sync_mock_ioctl_at(test, fd, cmd, user);
	KUNIT_ASSERT_EQ(test, copy_from_user(data, user, _IOC_SIZE(cmd)), 0);
	return ret;
}

int sync_mock_merge(struct kunit *test, int fd1, int fd2)
{
	struct sync_merge_data data = { .name = "merged", .fd2 = fd2 };

	KUNIT_ASSERT_EQ(test, sync_mock_ioctl(test, fd1, SYNC_IOC_MERGE, &data),
			0);
	return data.fence;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * sw_sync: a file in debugfs that is a software timeline. User space makes
 * fences on it, as sync_files, and advances it to signal them. sync_timeline.c
 * implements the timeline, sync_debug.c creates the file.
 *
 * The interface has no uapi header: test programs carry copies of the
 * structures and numbers below.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <linux/build_bug.h>
#include <linux/cleanup.h>
#include <linux/dma-fence.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/ioctl.h>
#include <linux/kernel.h>
#include <linux/sched.h>
#include <linux/sync_file.h>
#include <linux/types.h>
#include <linux/uaccess.h>

#include "../fence/dma-fence-internal.h"
#include "ioctl-abi.h"
#include "sync_debug.h"
#include "sync_timeline.h"

/**
 * DOC: sw_sync
 *
 * Life cycle: each open makes a timeline at zero, named after the program; the
 * file owns it. Fences made on it live as long as their sync_files. The last
 * close fails pending fences with -ENOENT, so that nothing waits for a program
 * that is gone.
 *
 * **Locking**: this file takes no lock. The timeline has its own, and the file
 * holds its reference to the timeline while an ioctl runs.
 */

/*
 * Argument of CREATE_FENCE. The fence signals when the timeline reaches @value.
 * @name is ignored. @fence returns the descriptor, close-on-exec, of a
 * sync_file.
 * Errors: EMFILE, ENOMEM; EFAULT.
 */
struct sw_sync_create_fence_data {
	__u32	value;
	char	name[32];
	__s32	fence;
};

/*
 * Argument of GET_DEADLINE. @deadline_ns returns the earliest deadline that was
 * set, in nanoseconds of CLOCK_MONOTONIC; the caller passes zero in it and in
 * @pad. @fence_fd is the descriptor of a sync_file of a single sw_sync fence.
 * Errors: EINVAL; ENOENT if no deadline was set; EFAULT.
 */
struct sw_sync_get_deadline {
	__u64	deadline_ns;
	__u32	pad;
	__s32	fence_fd;
};

#define SW_SYNC_IOC_MAGIC	'W'

#define SW_SYNC_IOC_CREATE_FENCE	\
	_IOWR(SW_SYNC_IOC_MAGIC, 0, struct sw_sync_create_fence_data)
#define SW_SYNC_IOC_INC			_IOW(SW_SYNC_IOC_MAGIC, 1, __u32)
#define SW_SYNC_GET_DEADLINE		\
	_IOWR(SW_SYNC_IOC_MAGIC, 2, struct sw_sync_get_deadline)

static_assert(sizeof(struct sw_sync_create_fence_data) == 40);
static_assert(offsetof(struct sw_sync_create_fence_data, name) == 4);
static_assert(offsetof(struct sw_sync_create_fence_data, fence) == 36);
static_assert(sizeof(struct sw_sync_get_deadline) == 16);
static_assert(offsetof(struct sw_sync_get_deadline, pad) == 8);
static_assert(offsetof(struct sw_sync_get_deadline, fence_fd) == 12);
DMA_BUF_ABI_CMD(SW_SYNC_IOC_CREATE_FENCE, _IOC_READ | _IOC_WRITE, 'W', 0, 40)
DMA_BUF_ABI_CMD(SW_SYNC_IOC_INC, _IOC_WRITE, 'W', 1, 4)
DMA_BUF_ABI_CMD(SW_SYNC_GET_DEADLINE, _IOC_READ | _IOC_WRITE, 'W', 2, 16)

static int sw_sync_open(struct inode *inode, struct file *file)
{
	char comm[TASK_COMM_LEN];

	get_task_comm(comm, current);
	file->private_data = sync_timeline_create(comm);
	return file->private_data ? 0 : -ENOMEM;
}

static int sw_sync_release(struct inode *inode, struct file *file)
{
	sync_timeline_destroy(file->private_data);
	return 0;
}

static long sw_sync_ioctl_create_fence(struct sync_timeline *timeline,
				       void __user *arg)
{
	struct sw_sync_create_fence_data data;
	struct sync_file *sync_file;

	CLASS(get_unused_fd, fd)(O_CLOEXEC);
	if (fd < 0)
		return fd;
	if (copy_from_user(&data, arg, sizeof(data)))
		return -EFAULT;

	struct dma_fence *fence __free(put_fence) =
		sync_timeline_fence(timeline, data.value);
	if (!fence)
		return -ENOMEM;

	sync_file = sync_file_create(fence);
	if (!sync_file)
		return -ENOMEM;
	struct file *file __free(fput) = sync_file->file;

	data.fence = fd;
	if (copy_to_user(arg, &data, sizeof(data)))
		return -EFAULT;
	fd_install(take_fd(fd), no_free_ptr(file));
	return 0;
}

static long sw_sync_ioctl_inc(struct sync_timeline *timeline, u32 __user *arg)
{
	u32 inc;

	if (copy_from_user(&inc, arg, sizeof(inc)))
		return -EFAULT;
	sync_timeline_inc(timeline, inc);
	return 0;
}

/* The fence may belong to any timeline: the caller has a descriptor of it. */
static long sw_sync_ioctl_get_deadline(void __user *arg)
{
	struct sw_sync_get_deadline data;
	ktime_t deadline;
	int ret;

	if (copy_from_user(&data, arg, sizeof(data)))
		return -EFAULT;
	if (data.deadline_ns || data.pad)
		return -EINVAL;

	struct dma_fence *fence __free(put_fence) =
		sync_file_get_fence(data.fence_fd);
	if (!fence)
		return -EINVAL;

	ret = sync_timeline_fence_deadline(fence, &deadline);
	if (ret)
		return ret;
	data.deadline_ns = ktime_to_ns(deadline);
	return copy_to_user(arg, &data, sizeof(data)) ? -EFAULT : 0;
}

static long sw_sync_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	struct sync_timeline *timeline = file->private_data;
	void __user *data = (void __user *)arg;

	switch (cmd) {
	case SW_SYNC_IOC_CREATE_FENCE:
		return sw_sync_ioctl_create_fence(timeline, data);
	case SW_SYNC_IOC_INC:
		return sw_sync_ioctl_inc(timeline, data);
	case SW_SYNC_GET_DEADLINE:
		return sw_sync_ioctl_get_deadline(data);
	default:
		return -ENOTTY;
	}
}

const struct file_operations sw_sync_fops = {
	.open		= sw_sync_open,
	.release	= sw_sync_release,
	.unlocked_ioctl	= sw_sync_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

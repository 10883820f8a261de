// SPDX-License-Identifier: GPL-2.0-only
/*
 * A fence as a file: making one from a fence, getting the fence back, poll, and
 * the three ioctls of uapi/linux/sync_file.h. dma-fence-unwrap.c decides what a
 * merged fence consists of.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <linux/anon_inodes.h>
#include <linux/build_bug.h>
#include <linux/cleanup.h>
#include <linux/dma-fence-unwrap.h>
#include <linux/dma-fence.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sync_file.h>
#include <linux/uaccess.h>
#include <uapi/linux/sync_file.h>

#include "../fence/dma-fence-internal.h"
#include "ioctl-abi.h"

/**
 * DOC: sync_file
 *
 * A sync_file is one fence, one name and one anonymous file. None of them
 * changes once the file is installed, so readers need no lock.
 *
 * Life cycle: sync_file_create() makes the object and its file in one step; the
 * file owns the object. A creator that fails later drops the file with fput(),
 * which undoes everything. The last fput() removes the callback from the fence,
 * drops the fence and frees the object.
 *
 * The first poll that has to wait arms the fence; later polls, and other
 * pollers, find it armed. Once the fence has signalled and the callback has
 * returned, a sync_file uses nothing of the fence's maker: a sync_file that
 * outlives the driver is closed without taking the lock of the fence.
 *
 * **Locking**: a sync_file has no lock of its own. &sync_file.flags is atomic;
 * &sync_file.cb belongs to the fence while ARMED is set. The callback runs
 * under the lock of the fence and takes the lock of &sync_file.wq inside.
 */

/*
 * Bit number in &sync_file.flags next to POLL_ENABLED: the callback may still
 * be on the fence, or running. Clearing the bit is the last access of the
 * callback.
 */
#define ARMED 1

/* Fences that SYNC_IOC_FILE_INFO copies at a time: 640 bytes of stack. */
#define SYNC_FILE_BATCH 8

static const struct file_operations sync_file_fops;

/* Copy the names: the maker may be gone by the time that user space asks. */
static void sync_file_note_names(struct sync_file *sync_file)
{
	/* The names are valid for this read-side critical section. */
	guard(rcu)();
	strscpy(sync_file->driver_name,
		dma_fence_driver_name(sync_file->fence));
	strscpy(sync_file->timeline_name,
		dma_fence_timeline_name(sync_file->fence));
}

/**
 * sync_file_create - make a sync_file from a fence
 * @fence: the fence; the sync_file takes a reference of its own
 *
 * The caller reserves a descriptor first, and installs the file with
 * fd_install() once nothing can fail any more.
 *
 * Context: Process, may sleep.
 * Return: The object, whose &sync_file.file the caller installs or drops with
 * fput(); NULL if there is no memory or no file is left.
 */
struct sync_file *sync_file_create(struct dma_fence *fence)
{
	struct sync_file *sync_file __free(kfree) =
		kzalloc(sizeof(*sync_file), GFP_KERNEL);
	struct file *file;

	if (!sync_file)
		return NULL;
	init_waitqueue_head(&sync_file->wq);

	file = anon_inode_getfile("sync_file", &sync_file_fops, sync_file, 0);
	if (IS_ERR(file))
		return NULL;

	sync_file->file = file;
	sync_file->fence = dma_fence_get(fence);
	sync_file_note_names(sync_file);
	return no_free_ptr(sync_file);
}
EXPORT_SYMBOL(sync_file_create);

/**
 * sync_file_get_fence - return the fence behind a descriptor
 * @fd: a descriptor of the calling process
 *
 * Context: Process.
 * Return: The fence, with a reference for the caller; NULL if @fd is not open
 * or not a sync_file.
 */
struct dma_fence *sync_file_get_fence(int fd)
{
	struct sync_file *sync_file;

	CLASS(fd, f)(fd);
	if (fd_empty(f) || fd_file(f)->f_op != &sync_file_fops)
		return NULL;
	sync_file = fd_file(f)->private_data;
	return dma_fence_get(sync_file->fence);
}
EXPORT_SYMBOL(sync_file_get_fence);

/**
 * sync_file_get_name - copy the name of a sync_file
 * @sync_file: the object
 * @buf: where to copy the name, always terminated
 * @len: size of @buf in bytes
 *
 * The name is the one given by SYNC_IOC_MERGE, or else made of the fence's
 * driver, timeline, context and sequence number; it is cut to fit.
 *
 * Context: Any.
 * Return: @buf.
 */
char *sync_file_get_name(struct sync_file *sync_file, char *buf, int len)
{
	struct dma_fence *fence = sync_file->fence;

	if (sync_file->user_name[0]) {
		strscpy(buf, sync_file->user_name, len);
		return buf;
	}

	/* The names may be cut, but the result is terminated. */
	scnprintf(buf, len, "%s-%s%llu-%lld", sync_file->driver_name,
		  sync_file->timeline_name, fence->context,
		  (long long)fence->seqno);
	return buf;
}

/*
 * The callback of the fence; sync_file_poll() calls it if the fence has
 * signalled already. Once ARMED is clear, sync_file_release() may free the
 * object.
 */
static void sync_file_wake(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	struct sync_file *sync_file = container_of(cb, struct sync_file, cb);

	wake_up_all(&sync_file->wq);
	clear_bit_unlock(ARMED, &sync_file->flags);
}

static __poll_t sync_file_poll(struct file *file, poll_table *wait)
{
	struct sync_file *sync_file = file->private_data;
	struct dma_fence *fence = sync_file->fence;

	/* A fence stays signalled, so there is nothing to wait for. */
	if (dma_fence_is_signaled(fence))
		return EPOLLIN;

	poll_wait(file, &sync_file->wq, wait);
	if (!test_and_set_bit(POLL_ENABLED, &sync_file->flags)) {
		set_bit(ARMED, &sync_file->flags);
		/*
		 * The fence has signalled. Another poller may have found
		 * POLL_ENABLED set meanwhile, and sleep: wake it.
		 */
		if (dma_fence_add_callback(fence, &sync_file->cb,
					   sync_file_wake))
			sync_file_wake(fence, &sync_file->cb);
	}

	/*
	 * Test again after poll_wait(), in case the signaller came before it:
	 *
	 *	CPU 0, poller			CPU 1, signaller
	 *
	 *	finds the fence pending
	 *					sets the bit
	 *					wakes an empty queue
	 *	poll_wait()
	 *	sees the bit
	 *
	 * Both take the lock of the queue, so one of them sees the other.
	 */
	return test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags) ?
	       EPOLLIN : 0;
}

static int sync_file_release(struct inode *inode, struct file *file)
{
	struct sync_file *sync_file = file->private_data;

	/* Pairs with clear_bit_unlock() in sync_file_wake(). */
	if (test_bit_acquire(ARMED, &sync_file->flags))
		dma_fence_remove_callback(sync_file->fence, &sync_file->cb);
	dma_fence_put(sync_file->fence);
	kfree(sync_file);
	return 0;
}

/* Reserve the descriptor first and install it last, so that nothing leaks. */
static long sync_file_ioctl_merge(struct sync_file *sync_file,
				  struct sync_merge_data __user *arg)
{
	struct sync_merge_data data;
	struct sync_file *merged;

	CLASS(get_unused_fd, fd)(O_CLOEXEC);
	if (fd < 0)
		return fd;
	if (copy_from_user(&data, arg, sizeof(data)))
		return -EFAULT;
	if (data.flags || data.pad)
		return -EINVAL;

	struct dma_fence *other __free(put_fence) =
		sync_file_get_fence(data.fd2);
	if (!other)
		return -ENOENT;

	struct dma_fence *fence __free(put_fence) =
		dma_fence_unwrap_merge(sync_file->fence, other);
	if (!fence)
		return -ENOMEM;

	merged = sync_file_create(fence);
	if (!merged)
		return -ENOMEM;
	struct file *file __free(fput) = merged->file;

	data.name[sizeof(data.name) - 1] = '\0';
	strscpy(merged->user_name, data.name);
	data.fence = fd;
	if (copy_to_user(arg, &data, sizeof(data)))
		return -EFAULT;

	fd_install(take_fd(fd), no_free_ptr(file));
	return 0;
}

/* Clear all of @info first: every byte goes to user space. */
static void sync_fence_describe(struct sync_file *sync_file,
				struct dma_fence *fence,
				struct sync_fence_info *info)
{
	guard(rcu)();
	memset(info, 0, sizeof(*info));
	if (fence == sync_file->fence) {
		strscpy(info->obj_name, sync_file->timeline_name);
		strscpy(info->driver_name, sync_file->driver_name);
	} else {
		/* In a container. Only a pending fence asks its maker. */
		strscpy(info->obj_name, dma_fence_timeline_name(fence));
		strscpy(info->driver_name, dma_fence_driver_name(fence));
	}

	/* One status for both members, as the fence may signal meanwhile. */
	info->status = dma_fence_get_status_rcu(fence);
	info->timestamp_ns = info->status ?
		ktime_to_ns(dma_fence_timestamp(fence)) : 0;
}

/*
 * Copy a few fences at a time to the user's array, which takes no memory
 * whatever the size of the array. The cursor holds a reference to the chain
 * link it stands on, so the copy may sleep. There may be fewer fences than when
 * they were counted, as chains drop signalled links, but not more; the code
 * checks anyway.
 */
static long sync_file_copy_fences(struct sync_file *sync_file,
				  struct sync_file_info *info)
{
	struct sync_fence_info __user *to =
		u64_to_user_ptr(info->sync_fence_info);
	struct sync_fence_info batch[SYNC_FILE_BATCH];
	struct dma_fence_unwrap cursor;
	struct dma_fence *fence;
	u32 n = 0, copied = 0;
	long ret = 0;

	info->status = 1;
	dma_fence_unwrap_for_each(fence, &cursor, sync_file->fence) {
		struct sync_fence_info *one = &batch[n - copied];

		if (n == info->num_fences) {
			ret = -EINVAL;
			break;
		}
		sync_fence_describe(sync_file, fence, one);
		/* The first fence pending or failed decides for all. */
		if (info->status > 0)
			info->status = one->status;
		n++;
		if (n - copied < ARRAY_SIZE(batch))
			continue;
		if (copy_to_user(&to[copied], batch, sizeof(batch))) {
			ret = -EFAULT;
			break;
		}
		copied = n;
	}
	if (ret) {
		/* The walk has not ended, so the cursor holds a link. */
		dma_fence_put(cursor.chain);
		return ret;
	}
	if (copy_to_user(&to[copied], batch, (n - copied) * sizeof(*batch)))
		return -EFAULT;
	info->num_fences = n;
	return 0;
}

static long sync_file_ioctl_info(struct sync_file *sync_file,
				 struct sync_file_info __user *arg)
{
	struct sync_file_info info;
	u32 count;
	long ret;

	if (copy_from_user(&info, arg, sizeof(info)))
		return -EFAULT;
	if (info.flags || info.pad)
		return -EINVAL;

	count = dma_fence_unwrap_count(sync_file->fence);
	if (!info.num_fences) {
		info.status = dma_fence_get_status(sync_file->fence);
		info.num_fences = count;
	} else {
		/* Too little room: write nothing at all. */
		if (info.num_fences < count)
			return -EINVAL;
		ret = sync_file_copy_fences(sync_file, &info);
		if (ret)
			return ret;
	}

	memset(info.name, 0, sizeof(info.name));
	sync_file_get_name(sync_file, info.name, sizeof(info.name));
	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static long sync_file_ioctl_set_deadline(struct sync_file *sync_file,
					 struct sync_set_deadline __user *arg)
{
	struct sync_set_deadline data;

	if (copy_from_user(&data, arg, sizeof(data)))
		return -EFAULT;
	if (data.pad)
		return -EINVAL;
	dma_fence_set_deadline(sync_file->fence, ns_to_ktime(data.deadline_ns));
	return 0;
}

/* The binary interface: programs are compiled with these numbers. */
static_assert(sizeof(struct sync_merge_data) == 48);
static_assert(offsetof(struct sync_merge_data, fd2) == 32);
static_assert(offsetof(struct sync_merge_data, fence) == 36);
static_assert(offsetof(struct sync_merge_data, flags) == 40);
static_assert(offsetof(struct sync_merge_data, pad) == 44);
static_assert(sizeof(struct sync_fence_info) == 80);
static_assert(offsetof(struct sync_fence_info, driver_name) == 32);
static_assert(offsetof(struct sync_fence_info, status) == 64);
static_assert(offsetof(struct sync_fence_info, flags) == 68);
static_assert(offsetof(struct sync_fence_info, timestamp_ns) == 72);
static_assert(sizeof(struct sync_file_info) == 56);
static_assert(offsetof(struct sync_file_info, status) == 32);
static_assert(offsetof(struct sync_file_info, flags) == 36);
static_assert(offsetof(struct sync_file_info, num_fences) == 40);
static_assert(offsetof(struct sync_file_info, pad) == 44);
static_assert(offsetof(struct sync_file_info, sync_fence_info) == 48);
static_assert(sizeof(struct sync_set_deadline) == 16);
static_assert(offsetof(struct sync_set_deadline, pad) == 8);
DMA_BUF_ABI_CMD(SYNC_IOC_MERGE, _IOC_READ | _IOC_WRITE, '>', 3, 48)
DMA_BUF_ABI_CMD(SYNC_IOC_FILE_INFO, _IOC_READ | _IOC_WRITE, '>', 4, 56)
DMA_BUF_ABI_CMD(SYNC_IOC_SET_DEADLINE, _IOC_WRITE, '>', 5, 16)

static long sync_file_ioctl(struct file *file, unsigned int cmd,
			    unsigned long arg)
{
	struct sync_file *sync_file = file->private_data;
	void __user *data = (void __user *)arg;

	switch (cmd) {
	case SYNC_IOC_MERGE:
		return sync_file_ioctl_merge(sync_file, data);
	case SYNC_IOC_FILE_INFO:
		return sync_file_ioctl_info(sync_file, data);
	case SYNC_IOC_SET_DEADLINE:
		return sync_file_ioctl_set_deadline(sync_file, data);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations sync_file_fops = {
	.release	= sync_file_release,
	.poll		= sync_file_poll,
	.unlocked_ioctl	= sync_file_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

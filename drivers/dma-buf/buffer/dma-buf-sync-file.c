// SPDX-License-Identifier: GPL-2.0-only
/*
 * Conversion between implicit and explicit synchronisation: exports the fences
 * of a buffer as a sync_file, and imports the fence of a sync_file into a
 * buffer.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/dma-buf.h>
#include <linux/dma-fence-unwrap.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/sync_file.h>
#include <linux/uaccess.h>
#include <uapi/linux/dma-buf.h>

#include "../fence/dma-fence-internal.h"
#include "../sync/ioctl-abi.h"
#include "../resv/dma-resv-internal.h"
#include "dma-buf-internal.h"

/* User-space ABI: these never change. */
static_assert(sizeof(struct dma_buf_export_sync_file) == 8);
static_assert(offsetof(struct dma_buf_export_sync_file, fd) == 4);
static_assert(sizeof(struct dma_buf_import_sync_file) == 8);
static_assert(offsetof(struct dma_buf_import_sync_file, fd) == 4);
DMA_BUF_ABI_CMD(DMA_BUF_IOCTL_EXPORT_SYNC_FILE, _IOC_READ | _IOC_WRITE, 'b', 2, 8)
DMA_BUF_ABI_CMD(DMA_BUF_IOCTL_IMPORT_SYNC_FILE, _IOC_WRITE, 'b', 3, 8)

static bool is_access(u32 flags)
{
	return flags && !(flags & ~DMA_BUF_SYNC_RW);
}

/**
 * dma_buf_export_sync_file - export the fences of a buffer as a sync_file
 * @dmabuf: the buffer
 * @user: argument of DMA_BUF_IOCTL_EXPORT_SYNC_FILE
 *
 * Context: Process, may sleep.
 * Return: As documented in include/uapi/linux/dma-buf.h.
 */
long dma_buf_export_sync_file(struct dma_buf *dmabuf,
			      struct dma_buf_export_sync_file __user *user)
{
	struct dma_fence *fence __free(put_fence) = NULL;
	struct dma_buf_export_sync_file arg;
	struct sync_file *sync_file;
	enum dma_resv_usage usage;
	int ret;

	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	if (!is_access(arg.flags))
		return -EINVAL;

	CLASS(get_unused_fd, fd)(O_CLOEXEC);
	if (fd < 0)
		return fd;

	usage = dma_resv_usage_rw(arg.flags & DMA_BUF_SYNC_WRITE);
	ret = dma_resv_get_singleton(dmabuf->resv, usage, &fence);
	if (ret)
		return ret;
	if (!fence)
		fence = dma_fence_get_stub();

	sync_file = sync_file_create(fence);
	if (!sync_file)
		return -ENOMEM;

	arg.fd = fd;
	if (copy_to_user(user, &arg, sizeof(arg))) {
		fput(sync_file->file);
		return -EFAULT;
	}
	fd_install(take_fd(fd), sync_file->file);
	return 0;
}

static long add_fences(struct dma_buf *dmabuf, struct dma_fence *fence,
		       enum dma_resv_usage usage)
{
	unsigned int num = dma_fence_unwrap_count(fence);
	struct dma_fence_unwrap cursor;
	struct dma_fence *leaf;
	int ret;

	if (!num)
		return 0;
	/*
	 * Nothing has changed if a signal interrupts this, so the call can
	 * restart, if the handler of the signal has SA_RESTART.
	 */
	if (dma_resv_lock_interruptible(dmabuf->resv, NULL))
		return -ERESTARTSYS;
	ret = dma_resv_reserve_fences(dmabuf->resv, num);
	if (!ret) {
		/* Chains may have lost links since the count, and gain none. */
		dma_fence_unwrap_for_each(leaf, &cursor, fence) {
			if (!dma_fence_is_signaled(leaf))
				dma_resv_add_fence(dmabuf->resv, leaf, usage);
		}
	}
	/* One slot may have taken a whole timeline. */
	dma_resv_unreserve(dmabuf->resv);
	dma_resv_unlock(dmabuf->resv);
	return ret;
}

/**
 * dma_buf_import_sync_file - add the fence of a sync_file to a buffer
 * @dmabuf: the buffer
 * @user: argument of DMA_BUF_IOCTL_IMPORT_SYNC_FILE
 *
 * Context: Process, may sleep. Takes the reservation lock.
 * Return: As documented in include/uapi/linux/dma-buf.h.
 */
long dma_buf_import_sync_file(struct dma_buf *dmabuf,
			      const struct dma_buf_import_sync_file __user *user)
{
	struct dma_fence *fence __free(put_fence) = NULL;
	struct dma_buf_import_sync_file arg;

	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	if (!is_access(arg.flags))
		return -EINVAL;

	fence = sync_file_get_fence(arg.fd);
	if (!fence)
		return -EINVAL;
	return add_fences(dmabuf, fence, arg.flags & DMA_BUF_SYNC_WRITE ?
					 DMA_RESV_USAGE_WRITE :
					 DMA_RESV_USAGE_READ);
}

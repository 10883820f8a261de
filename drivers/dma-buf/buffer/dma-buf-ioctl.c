// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of a buffer's descriptor. include/uapi/linux/dma-buf.h documents
 * what they do and how they fail.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/build_bug.h>
#include <linux/dma-buf.h>
#include <linux/uaccess.h>
#include <uapi/linux/dma-buf.h>

#include "../sync/ioctl-abi.h"
#include "dma-buf-internal.h"

/* User-space ABI: these never change. */
static_assert(sizeof(struct dma_buf_sync) == 8);
static_assert(sizeof(struct dma_buf_sync_partial) == 16);
static_assert(offsetof(struct dma_buf_sync_partial, len) == 12);
DMA_BUF_ABI_CMD(DMA_BUF_IOCTL_SYNC, _IOC_WRITE, 'b', 0, 8)
DMA_BUF_ABI_CMD(DMA_BUF_IOCTL_SYNC_PARTIAL, _IOC_WRITE, 'b', 2, 16)
DMA_BUF_ABI_CMD(DMA_BUF_SET_NAME, _IOC_WRITE, 'b', 1, sizeof(void *))
DMA_BUF_ABI_CMD(DMA_BUF_SET_NAME_A, _IOC_WRITE, 'b', 1, 4)
DMA_BUF_ABI_CMD(DMA_BUF_SET_NAME_B, _IOC_WRITE, 'b', 1, 8)

/* The flags name the access of the CPU, the direction is that of the device. */
static enum dma_data_direction sync_direction(u64 flags)
{
	if (flags & ~DMA_BUF_SYNC_VALID_FLAGS_MASK)
		return DMA_NONE;
	switch (flags & DMA_BUF_SYNC_RW) {
	case DMA_BUF_SYNC_READ:
		return DMA_FROM_DEVICE;
	case DMA_BUF_SYNC_WRITE:
		return DMA_TO_DEVICE;
	case DMA_BUF_SYNC_RW:
		return DMA_BIDIRECTIONAL;
	default:
		return DMA_NONE;
	}
}

static long ioctl_sync(struct dma_buf *dmabuf,
		       const struct dma_buf_sync __user *user)
{
	enum dma_data_direction dir;
	struct dma_buf_sync sync;

	if (copy_from_user(&sync, user, sizeof(sync)))
		return -EFAULT;
	dir = sync_direction(sync.flags);
	if (dir == DMA_NONE)
		return -EINVAL;
	if (sync.flags & DMA_BUF_SYNC_END)
		return dma_buf_end_cpu_access(dmabuf, dir);
	return dma_buf_begin_cpu_access(dmabuf, dir);
}

static long ioctl_sync_partial(struct dma_buf *dmabuf,
			       const struct dma_buf_sync_partial __user *user)
{
	struct dma_buf_sync_partial sync;
	enum dma_data_direction dir;

	if (copy_from_user(&sync, user, sizeof(sync)))
		return -EFAULT;
	dir = sync_direction(sync.flags);
	if (dir == DMA_NONE)
		return -EINVAL;
	if (sync.flags & DMA_BUF_SYNC_END)
		return dma_buf_end_cpu_access_partial(dmabuf, dir, sync.offset,
						      sync.len);
	return dma_buf_begin_cpu_access_partial(dmabuf, dir, sync.offset,
						sync.len);
}

/**
 * dma_buf_ioctl - implement &file_operations.unlocked_ioctl
 * @file: of a buffer
 * @cmd: the command
 * @arg: its argument, a pointer to user space
 *
 * Context: Process, may sleep.
 * Return: As documented in include/uapi/linux/dma-buf.h; -ENOTTY for an unknown
 * command.
 */
long dma_buf_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct dma_buf *dmabuf = file->private_data;
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case DMA_BUF_IOCTL_SYNC:
		return ioctl_sync(dmabuf, user);
	case DMA_BUF_IOCTL_SYNC_PARTIAL:
		return ioctl_sync_partial(dmabuf, user);
	case DMA_BUF_SET_NAME_A:
	case DMA_BUF_SET_NAME_B:
		return dma_buf_set_name(dmabuf, user);
	case DMA_BUF_IOCTL_EXPORT_SYNC_FILE:
		return dma_buf_export_sync_file(dmabuf, user);
	case DMA_BUF_IOCTL_IMPORT_SYNC_FILE:
		return dma_buf_import_sync_file(dmabuf, user);
	default:
		return -ENOTTY;
	}
}

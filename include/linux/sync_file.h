/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A sync_file is a fence as a file: drivers hand fences to user space and take
 * them back by it. The ioctls are in uapi/linux/sync_file.h.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _LINUX_SYNC_FILE_H
#define _LINUX_SYNC_FILE_H

#include <linux/dma-fence-array.h>
#include <linux/dma-fence.h>
#include <linux/ktime.h>
#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>

/**
 * struct sync_file - a fence as a file
 */
struct sync_file {
	/** @file: the file, which the creator installs or drops; immutable. */
	struct file *file;
	/** @user_name: name given by SYNC_IOC_MERGE, or empty; immutable. */
	char user_name[32];
	/** @driver_name: copy, as the driver may go first; immutable. */
	char driver_name[32];
	/** @timeline_name: likewise. */
	char timeline_name[32];
	/** @wq: pollers, woken when @fence signals. */
	wait_queue_head_t wq;
	/** @flags: bit POLL_ENABLED: a poller has armed @cb; atomic. */
	unsigned long flags;
	/** @fence: the fence, with a reference; immutable. */
	struct dma_fence *fence;
	/** @cb: wakes @wq; the first poll that has to wait registers it. */
	struct dma_fence_cb cb;
};

/* Bit number in &sync_file.flags. */
#define POLL_ENABLED 0

struct sync_file *sync_file_create(struct dma_fence *fence);
struct dma_fence *sync_file_get_fence(int fd);
char *sync_file_get_name(struct sync_file *sync_file, char *buf, int len);

#endif /* _LINUX_SYNC_FILE_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * sync_file helpers: exporting the fences of a dma-buf, waiting, and reading
 * the names and the status of a fence. Only drivers create fences.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <linux/dma-buf.h>
#include <linux/sync_file.h>

#include "fence.h"
#include "util.h"

/* More members than any fence of this program has. */
#define MAX_MEMBERS	8

int fence_of_writers(const struct buffer *buf, int *fence)
{
	/* READ asks for the fences that a reader waits for: the writers'. */
	struct dma_buf_export_sync_file arg = {
		.flags = DMA_BUF_SYNC_READ,
		.fd = -1,
	};

	if (xioctl(buf->fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &arg) < 0)
		return fail_errno(buf->name, "DMA_BUF_IOCTL_EXPORT_SYNC_FILE");
	*fence = arg.fd;
	return 0;
}

static int fence_info(int fence, struct sync_file_info *info,
		      struct sync_fence_info members[MAX_MEMBERS])
{
	memset(info, 0, sizeof(*info));
	memset(members, 0, MAX_MEMBERS * sizeof(*members));
	info->num_fences = MAX_MEMBERS;
	info->sync_fence_info = (uintptr_t)members;
	if (xioctl(fence, SYNC_IOC_FILE_INFO, info) < 0)
		return fail_errno("fence", "SYNC_IOC_FILE_INFO");
	return 0;
}

int fence_wait(int fence, const char *what)
{
	struct sync_fence_info members[MAX_MEMBERS];
	struct sync_file_info info;
	int ret;

	ret = wait_fd(fence, POLLIN, WAIT_MS);
	if (ret)
		return fail(-ret, "fence", "%s: waiting: %s", what, strerror(-ret));
	ret = fence_info(fence, &info, members);
	if (ret)
		return ret;
	/* poll() says that the work is over, the status whether it failed. */
	if (info.status < 0)
		return fail(-info.status, "fence", "%s: signalled with an error: %s",
			    what, strerror(-info.status));
	if (!info.status)
		return fail(EIO, "fence", "%s: readable but not signalled", what);
	return 0;
}

int fence_describe(int fence, char text[FENCE_TEXT])
{
	struct sync_fence_info members[MAX_MEMBERS];
	struct sync_file_info info;
	const char *status;
	int ret;

	ret = fence_info(fence, &info, members);
	if (ret)
		return ret;
	status = info.status > 0 ? "signalled" : info.status ? "failed" : "pending";
	snprintf(text, FENCE_TEXT, "%s %s, %s", members[0].driver_name,
		 members[0].obj_name, status);
	return 0;
}

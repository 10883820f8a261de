// SPDX-License-Identifier: GPL-2.0-only
/*
 * V4L2 streaming with dma-bufs. A queue either owns its memory and exports it
 * (VIDIOC_EXPBUF), or takes a descriptor of another exporter with each
 * VIDIOC_QBUF. A zero-copy pipeline needs no more of V4L2.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "queue.h"
#include "util.h"

static int try_node(const char *node, const char *driver, bool (*fits)(int fd, __u32 caps))
{
	struct v4l2_capability cap = { };
	int fd;

	/* Non-blocking: poll() waits instead, with a time limit. */
	fd = open(node, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (!xioctl(fd, VIDIOC_QUERYCAP, &cap) && !strcmp((char *)cap.driver, driver) &&
	    fits(fd, cap.device_caps))
		return fd;
	close(fd);
	return -ENODEV;
}

static int scan_nodes(const char *driver, bool (*fits)(int fd, __u32 caps), char node[32])
{
	struct dirent *entry;
	int fd = -ENODEV;
	DIR *dir;

	dir = opendir("/dev");
	if (!dir)
		return -errno;
	while (fd < 0 && (entry = readdir(dir))) {
		unsigned int number;

		if (sscanf(entry->d_name, "video%u", &number) != 1)
			continue;
		snprintf(node, 32, "/dev/video%u", number);
		fd = try_node(node, driver, fits);
	}
	closedir(dir);
	return fd;
}

int video_open(const char *who, const char *driver, bool (*fits)(int fd, __u32 caps),
	       char node[32])
{
	double end = now_ms() + NODE_WAIT_MS;
	int fd;

	do {
		fd = scan_nodes(driver, fits, node);
		if (fd >= 0)
			return fd;
		sleep_ms(50);
	} while (now_ms() < end);
	return fail(ENODEV, who, "no /dev/video* belongs to the driver %s that is needed here",
		    driver);
}

int queue_set_format(struct queue *q, struct v4l2_pix_format *pix)
{
	struct v4l2_format fmt = { .type = q->type, .fmt.pix = *pix };

	if (xioctl(q->fd, VIDIOC_S_FMT, &fmt) < 0)
		return fail_errno(q->who, "VIDIOC_S_FMT");
	/* Drivers answer with the nearest format; here it must be the same. */
	if (fmt.fmt.pix.pixelformat != pix->pixelformat ||
	    fmt.fmt.pix.width != pix->width || fmt.fmt.pix.height != pix->height)
		return fail(EINVAL, q->who, "asked for %ux%u %.4s, the driver offers %ux%u %.4s",
			    pix->width, pix->height, (char *)&pix->pixelformat,
			    fmt.fmt.pix.width, fmt.fmt.pix.height,
			    (char *)&fmt.fmt.pix.pixelformat);
	*pix = fmt.fmt.pix;
	return 0;
}

static int queue_export(struct queue *q, unsigned int index, const char *name)
{
	struct v4l2_exportbuffer exp = {
		.type = q->type,
		.index = index,
		.flags = O_RDWR | O_CLOEXEC,
	};

	if (xioctl(q->fd, VIDIOC_EXPBUF, &exp) < 0)
		return fail_errno(q->who, "VIDIOC_EXPBUF of buffer %u", index);
	return buffer_adopt(&q->bufs[index], exp.fd, name, index);
}

int queue_allocate(struct queue *q, unsigned int count, const char *name)
{
	struct v4l2_requestbuffers req = {
		.type = q->type,
		.memory = q->memory,
		.count = count,
	};
	unsigned int i;
	int ret;

	for (i = 0; i < QUEUE_MAX; i++)
		q->bufs[i] = BUFFER_NONE;
	if (xioctl(q->fd, VIDIOC_REQBUFS, &req) < 0)
		return fail_errno(q->who, "VIDIOC_REQBUFS of %u buffers", count);
	q->count = req.count;
	if (req.count < count || req.count > QUEUE_MAX)
		return fail(ENOMEM, q->who, "asked for %u buffers, got %u", count, req.count);
	for (i = 0; q->memory == V4L2_MEMORY_MMAP && i < q->count; i++) {
		ret = queue_export(q, i, name);
		if (ret)
			return ret;
	}
	return 0;
}

int queue_start(struct queue *q)
{
	if (xioctl(q->fd, VIDIOC_STREAMON, &q->type) < 0)
		return fail_errno(q->who, "VIDIOC_STREAMON");
	return 0;
}

int queue_put(struct queue *q, unsigned int index, const struct buffer *import, __u32 bytes)
{
	struct v4l2_buffer buf = {
		.type = q->type,
		.memory = q->memory,
		.index = index,
		.bytesused = bytes,
	};

	if (q->memory == V4L2_MEMORY_DMABUF)
		buf.m.fd = import->fd;
	if (xioctl(q->fd, VIDIOC_QBUF, &buf) < 0)
		return fail_errno(q->who, "VIDIOC_QBUF of buffer %u", index);
	return 0;
}

int queue_get(struct queue *q, struct dequeued *out)
{
	struct v4l2_buffer buf = { .type = q->type, .memory = q->memory };
	short events = q->type == V4L2_BUF_TYPE_VIDEO_OUTPUT ? POLLOUT : POLLIN;
	int ret;

	ret = wait_fd(q->fd, events, WAIT_MS);
	if (ret)
		return fail(-ret, q->who, "waiting for a buffer: %s", strerror(-ret));
	if (xioctl(q->fd, VIDIOC_DQBUF, &buf) < 0)
		return fail_errno(q->who, "VIDIOC_DQBUF");
	if (buf.index >= q->count)
		return fail(EPROTO, q->who, "the driver returned buffer %u of %u",
			    buf.index, q->count);
	if (buf.flags & V4L2_BUF_FLAG_ERROR)
		return fail(EIO, q->who, "the driver flags buffer %u as broken", buf.index);
	out->index = buf.index;
	out->bytes = buf.bytesused;
	out->sequence = buf.sequence;
	return 0;
}

void queue_release(struct queue *q)
{
	struct v4l2_requestbuffers req = { .type = q->type, .memory = q->memory };
	unsigned int i;

	if (!q->count)
		return;
	/*
	 * Close the descriptors first: exported memory outlives REQBUFS(0), and
	 * a driver that cannot orphan its buffers refuses REQBUFS(0) then.
	 */
	for (i = 0; i < QUEUE_MAX; i++)
		buffer_release(&q->bufs[i]);
	xioctl(q->fd, VIDIOC_STREAMOFF, &q->type);
	xioctl(q->fd, VIDIOC_REQBUFS, &req);
	q->count = 0;
}

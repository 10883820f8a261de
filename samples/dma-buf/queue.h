/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A V4L2 buffer queue, of which the camera has one and a codec two, and the
 * search for a device.
 *
 * Copyright (C) the dma-buf project authors
 */
#ifndef C2S_QUEUE_H
#define C2S_QUEUE_H

#include <stdbool.h>
#include <linux/types.h>

#include <linux/videodev2.h>

#include "buffer.h"

#define QUEUE_MAX	8

/* The camera, the codec and the display all support this format. */
#define PIXEL_FORMAT	V4L2_PIX_FMT_XBGR32	/* in memory: B, G, R, unused */

struct queue {
	const char *who;	/* for messages */
	int fd;			/* of the device, which is not owned */
	__u32 type;		/* V4L2_BUF_TYPE_VIDEO_CAPTURE or _OUTPUT */
	__u32 memory;		/* V4L2_MEMORY_MMAP: its own; _DMABUF: imported */
	unsigned int count;
	struct buffer bufs[QUEUE_MAX];	/* exported; with V4L2_MEMORY_MMAP only */
};

/* A buffer that came back from the driver. */
struct dequeued {
	unsigned int index;
	__u32 bytes;		/* payload */
	__u32 sequence;		/* the driver's frame counter */
};

/*
 * Open the /dev/video* of driver @driver that satisfies @fits, waiting a moment
 * for it to appear. Returns the descriptor or -errno.
 */
int video_open(const char *who, const char *driver, bool (*fits)(int fd, __u32 caps),
	       char node[32]);

int queue_set_format(struct queue *q, struct v4l2_pix_format *pix);
/* Request buffers, and export those of V4L2_MEMORY_MMAP as dma-bufs @name-N. */
int queue_allocate(struct queue *q, unsigned int count, const char *name);
int queue_start(struct queue *q);
/* Queue buffer @index; @import is its memory if the queue does not own that. */
int queue_put(struct queue *q, unsigned int index, const struct buffer *import, __u32 bytes);
int queue_get(struct queue *q, struct dequeued *out);
/* Stop and free; safe on a queue that was never set up. */
void queue_release(struct queue *q);

#endif

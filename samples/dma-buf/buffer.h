/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A dma-buf as user space sees it: a file descriptor that can be named, mapped
 * and bracketed for CPU access, whichever driver exported it. The heap is
 * simply the exporter that belongs to no device.
 *
 * Copyright (C) the dma-buf project authors
 */
#ifndef C2S_BUFFER_H
#define C2S_BUFFER_H

#include <stddef.h>
#include <linux/types.h>

/* The layout of the pixels in a buffer; the whole pipeline uses XRGB8888. */
struct layout {
	__u32 width;		/* pixels */
	__u32 height;	/* lines */
	__u32 stride;	/* bytes from one line to the next */
	__u32 size;		/* bytes */
};

struct buffer {
	int fd;			/* the dma-buf; -1 without one */
	size_t size;		/* bytes */
	const __u8 *pixels;	/* CPU mapping, NULL until buffer_map() */
	char name[32];		/* what bufinfo shows */
};

#define BUFFER_NONE	((struct buffer){ .fd = -1 })

/* Take over the dma-buf @fd (closed on failure) and name it @name-@index. */
int buffer_adopt(struct buffer *buf, int fd, const char *name, unsigned int index);
/* Allocate from /dev/dma_heap/@heap. */
int buffer_from_heap(struct buffer *buf, const char *heap, size_t size, const char *name);
int buffer_map(struct buffer *buf);
/* The CPU may read only between these two. */
int buffer_begin_read(const struct buffer *buf);
int buffer_end_read(const struct buffer *buf);
void buffer_release(struct buffer *buf);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The camera: the in-tree test driver vivid, a webcam that shows colour bars.
 *
 * Copyright (C) the dma-buf project authors
 */
#ifndef C2S_CAMERA_H
#define C2S_CAMERA_H

#include "queue.h"
#include "source.h"

struct camera {
	int fd;
	char node[32];
	struct layout layout;
	struct queue queue;
};

#define CAMERA_NONE	((struct camera){ .fd = -1 })

/* Find vivid, set it up, export its buffers, and let it run. */
int camera_open(struct camera *cam, __u32 width, __u32 height, unsigned int buffers);
void camera_source(struct camera *cam, struct source *src);
void camera_close(struct camera *cam);

#endif

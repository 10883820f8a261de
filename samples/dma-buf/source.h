/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the frames on screen come from: the camera, or the decoder behind it.
 * The main loop knows no more than this of either.
 *
 * Copyright (C) the dma-buf project authors
 */
#ifndef C2S_SOURCE_H
#define C2S_SOURCE_H

#include "buffer.h"
#include "queue.h"

struct source {
	const char *name;
	struct layout layout;
	struct queue *queue;	/* owns and exports the frames' memory */
	void *priv;
	/* The next frame; its buffer is ours until put(). */
	int (*get)(struct source *src, struct dequeued *frame);
	int (*put)(struct source *src, unsigned int index);
};

#endif

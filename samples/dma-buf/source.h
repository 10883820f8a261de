/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The source of the frames on screen: the camera, or the decoder behind it.
 * The main loop uses both through this structure alone.
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
	/* Get the next frame; the caller owns its buffer until put(). */
	int (*get)(struct source *src, struct dequeued *frame);
	int (*put)(struct source *src, unsigned int index);
};

#endif

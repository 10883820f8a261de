/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The codec: the in-tree test driver vicodec, once as encoder and once as
 * decoder, between the camera and the screen.
 *
 * Copyright (C) the dma-buf project authors
 */
#ifndef C2S_CODEC_H
#define C2S_CODEC_H

#include "camera.h"
#include "queue.h"
#include "source.h"

struct codec {
	struct source from;	/* the camera */
	int enc_fd;
	int dec_fd;
	char enc_node[32];
	char dec_node[32];
	struct queue enc_in;	/* the camera's buffers, imported */
	struct queue enc_out;	/* compressed frames, exported */
	struct queue dec_in;	/* the same compressed frames, imported */
	struct queue dec_out;	/* decoded frames, exported to the display */
	struct layout layout;
	unsigned int pending;	/* frames inside the decoder */
};

#define CODEC_NONE	((struct codec){ .enc_fd = -1, .dec_fd = -1 })

/*
 * Open both halves and send one camera frame through: a decoder knows the
 * format of its output only after it has seen the stream.
 */
int codec_open(struct codec *codec, struct camera *cam, unsigned int buffers);
void codec_source(struct codec *codec, struct source *src);
void codec_close(struct codec *codec);

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Checking whether a picture is the camera's, and saving it.
 *
 * Copyright (C) the dma-buf project authors
 */
#ifndef C2S_PICTURE_H
#define C2S_PICTURE_H

#include "buffer.h"

/* XRGB8888 pixels that the CPU may read now. */
struct picture {
	const char *name;
	const __u8 *pixels;
	struct layout layout;
};

/*
 * Compare every @step-th pixel of every @step-th line with the eight bars of
 * the 75 % test pattern; no channel may be off by more than @tolerance.
 */
int picture_check_bars(const struct picture *pic, unsigned int step, unsigned int tolerance);
/* Both pictures must be the same, pixel by pixel. */
int picture_check_equal(const struct picture *pic, const struct picture *other);
int picture_save(const struct picture *pic, const char *path);

#endif

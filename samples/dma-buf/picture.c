// SPDX-License-Identifier: GPL-2.0-only
/*
 * The expected picture, checking a picture against it, and saving a PNG file.
 * Knows nothing of devices and nothing of dma-bufs.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <errno.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "picture.h"
#include "util.h"

#define WHO	"picture"
/*
 * Pixels to leave out at either side of a bar if there is a tolerance: a codec
 * that works on blocks of 8 may blur an edge that far.
 */
#define MARGIN	8

struct colour {
	const char *name;
	__u8 b, g, r;	/* in the order they have in memory */
};

/* SMPTE bars at 75 %: 191 is three quarters of 255. */
static const struct colour bars[] = {
	{ "white",   191, 191, 191 },
	{ "yellow",    0, 191, 191 },
	{ "cyan",    191, 191,   0 },
	{ "green",     0, 191,   0 },
	{ "magenta", 191,   0, 191 },
	{ "red",       0,   0, 191 },
	{ "blue",    191,   0,   0 },
	{ "black",     0,   0,   0 },
};

static const __u8 *pixel(const struct picture *pic, __u32 x, __u32 y)
{
	return pic->pixels + (size_t)y * pic->layout.stride + 4 * (size_t)x;
}

static unsigned int channel_off(__u8 have, __u8 want)
{
	return have > want ? have - want : want - have;
}

static unsigned int colour_off(const __u8 *p, const struct colour *want)
{
	unsigned int b = channel_off(p[0], want->b);
	unsigned int g = channel_off(p[1], want->g);
	unsigned int r = channel_off(p[2], want->r);
	unsigned int worst = b > g ? b : g;

	return worst > r ? worst : r;
}

int picture_check_bars(const struct picture *pic, unsigned int step, unsigned int tolerance)
{
	__u32 width = pic->layout.width / ARRAY_SIZE(bars);
	unsigned int off, worst = 0, checked = 0;
	__u32 margin = tolerance ? MARGIN : 0;
	__u32 bar, x, y;

	for (y = 0; y < pic->layout.height; y += step) {
		for (bar = 0; bar < ARRAY_SIZE(bars); bar++) {
			__u32 end = (bar + 1) * width - margin;

			for (x = bar * width + margin; x < end; x += step) {
				const __u8 *p = pixel(pic, x, y);

				off = colour_off(p, &bars[bar]);
				if (off > tolerance)
					return fail(EILSEQ, WHO,
						    "%s is not the test pattern: pixel %u,%u is #%02x%02x%02x, the %s bar has #%02x%02x%02x",
						    pic->name, x, y, p[2], p[1], p[0],
						    bars[bar].name, bars[bar].r, bars[bar].g,
						    bars[bar].b);
				worst = off > worst ? off : worst;
				checked++;
			}
		}
	}
	if (!checked)
		return fail(EILSEQ, WHO, "%s is too small to be checked", pic->name);
	detail(WHO, "%s shows the bars: %u pixels checked, none off by more than %u",
	       pic->name, checked, worst);
	return 0;
}

int picture_check_equal(const struct picture *pic, const struct picture *other)
{
	__u32 x, y;

	if (pic->layout.width != other->layout.width ||
	    pic->layout.height != other->layout.height)
		return fail(EILSEQ, WHO, "%s and %s differ in size", pic->name, other->name);
	for (y = 0; y < pic->layout.height; y++) {
		for (x = 0; x < pic->layout.width; x++) {
			/* Three of four bytes: X is undefined. */
			if (memcmp(pixel(pic, x, y), pixel(other, x, y), 3))
				return fail(EILSEQ, WHO, "%s differs from %s at pixel %u,%u",
					    pic->name, other->name, x, y);
		}
	}
	return 0;
}

/* PNG wants three bytes to a pixel. */
static __u8 *packed_copy(const struct picture *pic)
{
	__u32 width = pic->layout.width, height = pic->layout.height;
	__u8 *bgr = malloc((size_t)width * height * 3), *to = bgr;
	__u32 x, y;

	if (!bgr)
		return NULL;
	for (y = 0; y < height; y++) {
		for (x = 0; x < width; x++, to += 3)
			memcpy(to, pixel(pic, x, y), 3);
	}
	return bgr;
}

int picture_save(const struct picture *pic, const char *path)
{
	png_image image = {
		.version = PNG_IMAGE_VERSION,
		.width = pic->layout.width,
		.height = pic->layout.height,
		.format = PNG_FORMAT_BGR,
	};
	__u8 *bgr = packed_copy(pic);
	int ret = 0;

	if (!bgr)
		return fail(ENOMEM, WHO, "%s: out of memory", path);
	errno = 0;
	if (!png_image_write_to_file(&image, path, 0, bgr, 0, NULL)) {
		ret = fail(errno ? errno : EIO, WHO, "cannot write %s: %s", path, image.message);
		/* Half a picture would look like a result. */
		unlink(path);
	}
	png_image_free(&image);
	free(bgr);
	return ret;
}

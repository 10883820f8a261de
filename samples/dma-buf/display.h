/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The display: the in-tree test driver vkms, driven by atomic commits. Buffers
 * come in as dma-bufs and become framebuffers; frames change with fences.
 *
 * Copyright (C) the dma-buf project authors
 */
#ifndef C2S_DISPLAY_H
#define C2S_DISPLAY_H

#include <stdbool.h>
#include <linux/types.h>
#include <xf86drmMode.h>

#include "buffer.h"

#define DISPLAY_FBS	16

/* Numbers of the properties that the program sets, looked up by name. */
struct display_props {
	__u32 crtc_mode, crtc_active, crtc_out_fence;
	__u32 plane_fb, plane_crtc, plane_in_fence;
	__u32 plane_src[4], plane_dst[4];	/* x, y, w, h */
	__u32 conn_crtc;
	__u32 wb_crtc, wb_fb, wb_out_fence;
};

struct display {
	int fd;
	char node[32];
	__u32 crtc, plane, writeback;
	__u32 connector;	/* 0 where writeback must be the only output */
	struct display_props prop;
	drmModeModeInfo mode;
	__u32 mode_blob;
	bool on;
	__u32 fbs[DISPLAY_FBS];	/* all framebuffers made, to be removed */
	unsigned int fb_count;
};

#define DISPLAY_NONE	((struct display){ .fd = -1 })

/* One change of what is on screen. */
struct display_frame {
	__u32 fb;
	int in_fence;		/* the display waits for it before it reads */
	__u32 writeback_fb;	/* 0: no writeback */
	int out_fence;		/* result: signals when @fb is on screen */
	int writeback_fence;	/* result: signals when the writeback is complete; -1: none */
};

/* Find vkms and the objects it needs to show @layout pixel by pixel. */
int display_open(struct display *d, const struct layout *layout);
/* Import @buf and wrap it in a framebuffer, without a copy. */
int display_import(struct display *d, const struct buffer *buf,
		   const struct layout *layout, __u32 *fb);
int display_show(struct display *d, struct display_frame *frame);
/* Switch off, remove the framebuffers, close. */
void display_close(struct display *d);

/* display-find.c: choose CRTC, plane, connectors and mode. */
int display_find(struct display *d, const struct layout *layout);

#endif

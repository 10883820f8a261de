// SPDX-License-Identifier: GPL-2.0-only
/*
 * vkms by atomic modesetting: PRIME import, commits with an in-fence (the
 * display waits for the producer) and an out-fence (the producer waits for the
 * display), writeback of what is on screen, and turning all of it off.
 * display-find.c chooses the objects to use.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <drm_fourcc.h>
#include <xf86drm.h>

#include "display.h"
#include "util.h"

#define WHO		"display"
#define DRIVER		"vkms"
#define MAX_CARDS	16

static int try_card(const char *node)
{
	drmVersion *version;
	bool fits;
	int fd;

	fd = open(node, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	version = drmGetVersion(fd);
	fits = version && !strcmp(version->name, DRIVER);
	drmFreeVersion(version);
	if (fits)
		return fd;
	close(fd);
	return -ENODEV;
}

static int open_card(struct display *d)
{
	double end = now_ms() + NODE_WAIT_MS;
	unsigned int i;

	do {
		for (i = 0; i < MAX_CARDS; i++) {
			snprintf(d->node, sizeof(d->node), "/dev/dri/card%u", i);
			d->fd = try_card(d->node);
			if (d->fd >= 0)
				return 0;
		}
		sleep_ms(50);
	} while (now_ms() < end);
	return fail(ENODEV, WHO, "no /dev/dri/card* belongs to the driver " DRIVER);
}

static int set_caps(struct display *d)
{
	if (drmSetClientCap(d->fd, DRM_CLIENT_CAP_ATOMIC, 1))
		return fail_errno(WHO, "%s: atomic modesetting", d->node);
	if (drmSetClientCap(d->fd, DRM_CLIENT_CAP_WRITEBACK_CONNECTORS, 1))
		return fail_errno(WHO, "%s: writeback connectors", d->node);
	return 0;
}

int display_import(struct display *d, const struct buffer *buf,
		   const struct layout *layout, __u32 *fb)
{
	__u32 handles[4] = { }, strides[4] = { layout->stride }, offsets[4] = { };
	int ret = 0;

	if (d->fb_count == DISPLAY_FBS)
		return fail(ENOSPC, WHO, "more than %d framebuffers", DISPLAY_FBS);
	if (drmPrimeFDToHandle(d->fd, buf->fd, &handles[0]))
		return fail_errno(WHO, "import of %s", buf->name);
	if (drmModeAddFB2(d->fd, layout->width, layout->height, DRM_FORMAT_XRGB8888,
			  handles, strides, offsets, fb, 0))
		ret = fail_errno(WHO, "framebuffer of %s", buf->name);
	else
		d->fbs[d->fb_count++] = *fb;
	/* The framebuffer holds the buffer now; the handle is not needed. */
	drmCloseBufferHandle(d->fd, handles[0]);
	return ret;
}

/*
 * A request collects properties and records the first failure, so that the
 * functions below need not check each call.
 */
struct request {
	drmModeAtomicReq *req;
	int err;
};

static void set(struct request *r, __u32 object, __u32 prop, __u64 value)
{
	int ret;

	if (r->err)
		return;
	ret = drmModeAtomicAddProperty(r->req, object, prop, value);
	if (ret < 0)
		r->err = ret;
}

static void set_rect(struct request *r, __u32 object, const __u32 props[4],
		     __u64 width, __u64 height)
{
	set(r, object, props[0], 0);
	set(r, object, props[1], 0);
	set(r, object, props[2], width);
	set(r, object, props[3], height);
}

static void build_mode(struct display *d, struct request *r)
{
	set(r, d->crtc, d->prop.crtc_mode, d->mode_blob);
	set(r, d->crtc, d->prop.crtc_active, 1);
	if (d->connector)
		set(r, d->connector, d->prop.conn_crtc, d->crtc);
	/* Connected from the start: the writeback then needs no modeset. */
	set(r, d->writeback, d->prop.wb_crtc, d->crtc);
}

static void build_frame(struct display *d, struct request *r, struct display_frame *frame)
{
	set(r, d->plane, d->prop.plane_fb, frame->fb);
	set(r, d->plane, d->prop.plane_crtc, d->crtc);
	/* Source coordinates are 16.16 fixed point. */
	set_rect(r, d->plane, d->prop.plane_src, (__u64)d->mode.hdisplay << 16,
		 (__u64)d->mode.vdisplay << 16);
	set_rect(r, d->plane, d->prop.plane_dst, d->mode.hdisplay, d->mode.vdisplay);
	set(r, d->plane, d->prop.plane_in_fence, frame->in_fence);
	set(r, d->crtc, d->prop.crtc_out_fence, (uintptr_t)&frame->out_fence);
	if (frame->writeback_fb) {
		set(r, d->writeback, d->prop.wb_fb, frame->writeback_fb);
		set(r, d->writeback, d->prop.wb_out_fence, (uintptr_t)&frame->writeback_fence);
	}
}

static int commit(struct display *d, struct request *r, __u32 flags, const char *what)
{
	int ret = r->err;

	if (!ret)
		ret = drmModeAtomicCommit(d->fd, r->req, flags, NULL);
	drmModeAtomicFree(r->req);
	return ret ? fail(-ret, WHO, "%s: %s", what, strerror(-ret)) : 0;
}

/*
 * The program wants output and writeback at once, but not every vkms lets two
 * connectors share a CRTC. Find out with a commit that only tests; if the
 * kernel refuses, the writeback connector alone is the screen.
 */
static int choose_outputs(struct display *d)
{
	struct request r = { .req = drmModeAtomicAlloc() };
	int ret;

	if (!r.req)
		return fail(ENOMEM, WHO, "atomic request: out of memory");
	build_mode(d, &r);
	ret = r.err;
	if (!ret)
		ret = drmModeAtomicCommit(d->fd, r.req, DRM_MODE_ATOMIC_TEST_ONLY |
					  DRM_MODE_ATOMIC_ALLOW_MODESET, NULL);
	drmModeAtomicFree(r.req);
	if (ret == -EINVAL)
		d->connector = 0;
	else if (ret)
		return fail(-ret, WHO, "test of the mode %s: %s", d->mode.name, strerror(-ret));
	return 0;
}

int display_open(struct display *d, const struct layout *layout)
{
	int ret;

	ret = open_card(d);
	if (!ret)
		ret = set_caps(d);
	if (!ret)
		ret = display_find(d, layout);
	if (ret)
		return ret;
	if (drmModeCreatePropertyBlob(d->fd, &d->mode, sizeof(d->mode), &d->mode_blob))
		return fail_errno(WHO, "the mode %s as a blob", d->mode.name);
	ret = choose_outputs(d);
	if (ret)
		return ret;
	say(WHO, "%s is %s: mode %s at %u Hz on CRTC %u, plane %u, %s connector %u",
	    d->node, DRIVER, d->mode.name, d->mode.vrefresh, d->crtc, d->plane,
	    d->connector ? "output and writeback" : "writeback", d->writeback);
	return 0;
}

int display_show(struct display *d, struct display_frame *frame)
{
	struct request r = { .req = drmModeAtomicAlloc() };
	__u32 flags = DRM_MODE_ATOMIC_NONBLOCK;
	int ret;

	frame->out_fence = -1;
	frame->writeback_fence = -1;
	if (!r.req)
		return fail(ENOMEM, WHO, "atomic request: out of memory");
	if (!d->on) {
		build_mode(d, &r);
		flags |= DRM_MODE_ATOMIC_ALLOW_MODESET;
	}
	build_frame(d, &r, frame);
	ret = commit(d, &r, flags, "atomic commit");
	if (ret)
		return ret;
	d->on = true;
	if (frame->out_fence < 0 || (frame->writeback_fb && frame->writeback_fence < 0))
		return fail(EPROTO, WHO, "the commit returned no fence");
	return 0;
}

static void switch_off(struct display *d)
{
	struct request r = { .req = drmModeAtomicAlloc() };

	if (!r.req)
		return;
	set(&r, d->plane, d->prop.plane_fb, 0);
	set(&r, d->plane, d->prop.plane_crtc, 0);
	if (d->connector)
		set(&r, d->connector, d->prop.conn_crtc, 0);
	set(&r, d->writeback, d->prop.wb_crtc, 0);
	set(&r, d->crtc, d->prop.crtc_active, 0);
	set(&r, d->crtc, d->prop.crtc_mode, 0);
	/* This commit blocks: after it the display reads no buffer any more. */
	commit(d, &r, DRM_MODE_ATOMIC_ALLOW_MODESET, "switching off");
	d->on = false;
}

void display_close(struct display *d)
{
	if (d->fd < 0)
		return;
	if (d->on)
		switch_off(d);
	while (d->fb_count)
		drmModeRmFB(d->fd, d->fbs[--d->fb_count]);
	if (d->mode_blob)
		drmModeDestroyPropertyBlob(d->fd, d->mode_blob);
	d->mode_blob = 0;
	close_fd(&d->fd);
}

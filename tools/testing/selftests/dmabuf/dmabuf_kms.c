// SPDX-License-Identifier: GPL-2.0-only
/*
 * The display side, on vkms: framebuffers on dma-bufs from the system heap,
 * atomic commits that wait for an in-fence or for the buffer's fences, out-
 * fences that signal when the commit is done, and the picture, read back
 * through the writeback connector.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <drm_fourcc.h>

#include "dmabuf_drm.h"

#define NONBLOCK (DRM_MODE_ATOMIC_NONBLOCK | DRM_MODE_ATOMIC_ALLOW_MODESET)

struct frame {
	int fd; /* the dma-buf */
	__u32 handle, fb;
	__u32 *pixels;
	size_t size;
};

struct display {
	int dev;
	__u32 crtc, plane, mode_blob;
	/* The monitor's connector; the writeback connector, which show() switches off. */
	__u32 conn, off;
	drmModeModeInfo mode;
};

FIXTURE(kms)
{
	int dev;
	struct display display;
	struct frame frame;
	int tl, fence;
};

/* Returns the id of a property, or 0, and optionally gets its value. */
static __u32 property(int dev, __u32 obj, __u32 type, const char *name, __u64 *value)
{
	drmModeObjectPropertiesPtr props = drmModeObjectGetProperties(dev, obj, type);
	__u32 id = 0, i;

	for (i = 0; props && i < props->count_props && !id; i++) {
		drmModePropertyPtr p = drmModeGetProperty(dev, props->props[i]);

		if (p && !strcmp(p->name, name)) {
			id = p->prop_id;
			if (value)
				*value = props->prop_values[i];
		}
		drmModeFreeProperty(p);
	}
	drmModeFreeObjectProperties(props);
	return id;
}

static __u32 primary_plane(int dev)
{
	drmModePlaneResPtr res = drmModeGetPlaneResources(dev);
	__u32 found = 0, i;
	__u64 type = 0;

	for (i = 0; res && i < res->count_planes && !found; i++)
		if (property(dev, res->planes[i], DRM_MODE_OBJECT_PLANE, "type", &type) &&
		    type == DRM_PLANE_TYPE_PRIMARY)
			found = res->planes[i];
	drmModeFreePlaneResources(res);
	return found;
}

/*
 * Makes a 32-bit framebuffer of the screen's size on an imported heap buffer.
 */
static int frame_create(const struct display *d, struct frame *f)
{
	__u32 width = d->mode.hdisplay, height = d->mode.vdisplay;
	__u32 handles[4] = { 0 }, pitches[4] = { width * 4 }, offsets[4] = { 0 };
	int ret;

	f->size = (size_t)width * height * 4;
	f->fd = heap_alloc(f->size);
	if (f->fd < 0)
		return f->fd;
	f->pixels = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (f->pixels == MAP_FAILED)
		return -ENOMEM;
	ret = prime_import(d->dev, f->fd, &handles[0]);
	f->handle = handles[0];
	return ret ? ret : sys_ret(drmModeAddFB2(d->dev, width, height, DRM_FORMAT_XRGB8888,
						 handles, pitches, offsets, &f->fb, 0));
}

static void frame_destroy(int dev, struct frame *f)
{
	drmModeRmFB(dev, f->fb);
	gem_close(dev, f->handle);
	munmap(f->pixels, f->size);
	close(f->fd);
}

FIXTURE_SETUP(kms)
{
	drmModeResPtr res;
	int i;

	if (missing(SYSTEM_HEAP))
		SKIP(return, NEEDS_HEAP);
	if (missing(SW_SYNC_PATH))
		SKIP(return, NEEDS_SW_SYNC);
	self->dev = drm_open("vkms");
	if (self->dev < 0)
		SKIP(return, NEEDS_DRM, "vkms");
	self->display.dev = self->dev;
	ASSERT_EQ(0, drmSetClientCap(self->dev, DRM_CLIENT_CAP_ATOMIC, 1));
	ASSERT_EQ(0, drmSetClientCap(self->dev, DRM_CLIENT_CAP_WRITEBACK_CONNECTORS, 1));
	res = drmModeGetResources(self->dev);
	ASSERT_NE(NULL, res);
	ASSERT_LT(0, res->count_crtcs);
	self->display.crtc = res->crtcs[0];
	for (i = 0; i < res->count_connectors; i++) {
		drmModeConnectorPtr c = drmModeGetConnector(self->dev, res->connectors[i]);

		if (c->connector_type == DRM_MODE_CONNECTOR_WRITEBACK) {
			self->display.off = c->connector_id;
		} else if (c->count_modes) {
			self->display.conn = c->connector_id;
			self->display.mode = c->modes[0];
		}
		drmModeFreeConnector(c);
	}
	drmModeFreeResources(res);
	self->display.plane = primary_plane(self->dev);
	ASSERT_NE(0, self->display.plane);
	ASSERT_NE(0, self->display.conn);
	ASSERT_NE(0, self->display.off);
	ASSERT_EQ(0, drmModeCreatePropertyBlob(self->dev, &self->display.mode,
					       sizeof(drmModeModeInfo),
					       &self->display.mode_blob));
	ASSERT_EQ(0, frame_create(&self->display, &self->frame));
	self->tl = sw_open();
	self->fence = sw_fence(self->tl, 1);
	ASSERT_LE(0, self->fence);
}

FIXTURE_TEARDOWN(kms)
{
	close(self->tl); /* lets a commit that still waits go on */
	close(self->fence);
	frame_destroy(self->dev, &self->frame);
	close(self->dev);
}

static void set(int dev, drmModeAtomicReqPtr req, __u32 obj, __u32 type, const char *name,
		__u64 value)
{
	drmModeAtomicAddProperty(req, obj, property(dev, obj, type, name, NULL), value);
}

/* Makes a request that shows the framebuffer on the whole screen. */
static drmModeAtomicReqPtr show(const struct display *d, __u32 fb)
{
	drmModeAtomicReqPtr req = drmModeAtomicAlloc();
	__u32 plane = DRM_MODE_OBJECT_PLANE;

	set(d->dev, req, d->off, DRM_MODE_OBJECT_CONNECTOR, "CRTC_ID", 0);
	set(d->dev, req, d->conn, DRM_MODE_OBJECT_CONNECTOR, "CRTC_ID", d->crtc);
	set(d->dev, req, d->crtc, DRM_MODE_OBJECT_CRTC, "MODE_ID", d->mode_blob);
	set(d->dev, req, d->crtc, DRM_MODE_OBJECT_CRTC, "ACTIVE", 1);
	set(d->dev, req, d->plane, plane, "FB_ID", fb);
	set(d->dev, req, d->plane, plane, "CRTC_ID", d->crtc);
	set(d->dev, req, d->plane, plane, "SRC_X", 0);
	set(d->dev, req, d->plane, plane, "SRC_Y", 0);
	set(d->dev, req, d->plane, plane, "SRC_W", (__u64)d->mode.hdisplay << 16);
	set(d->dev, req, d->plane, plane, "SRC_H", (__u64)d->mode.vdisplay << 16);
	set(d->dev, req, d->plane, plane, "CRTC_X", 0);
	set(d->dev, req, d->plane, plane, "CRTC_Y", 0);
	set(d->dev, req, d->plane, plane, "CRTC_W", d->mode.hdisplay);
	set(d->dev, req, d->plane, plane, "CRTC_H", d->mode.vdisplay);
	return req;
}

static int commit(int dev, drmModeAtomicReqPtr req, __u32 flags)
{
	int ret = drmModeAtomicCommit(dev, req, flags, NULL);

	drmModeAtomicFree(req);
	return ret;
}

static void want_out_fence(const struct display *d, drmModeAtomicReqPtr req, __s32 *out)
{
	*out = -7;
	set(d->dev, req, d->crtc, DRM_MODE_OBJECT_CRTC, "OUT_FENCE_PTR", (uintptr_t)out);
}

TEST_F(kms, out_fence_signals_when_shown)
{
	drmModeAtomicReqPtr req = show(&self->display, self->frame.fb);
	struct sync_fence_info info;
	__s32 out;

	want_out_fence(&self->display, req, &out);
	ASSERT_EQ(0, commit(self->dev, req, NONBLOCK));
	ASSERT_LE(0, out);
	EXPECT_EQ(FD_CLOEXEC, fcntl(out, F_GETFD));
	EXPECT_EQ(POLLIN, poll_ms(out, POLLIN, WAIT_MS));
	ASSERT_EQ(1, sf_fences(out, &info, 1));
	EXPECT_STREQ("vkms", info.driver_name);
	EXPECT_EQ(1, info.status);
	EXPECT_LT(0, info.timestamp_ns);
	close(out);
}

TEST_F(kms, in_fence_holds_the_commit)
{
	drmModeAtomicReqPtr req = show(&self->display, self->frame.fb);
	struct sync_fence_info in, done;
	__s32 out;

	want_out_fence(&self->display, req, &out);
	set(self->dev, req, self->display.plane, DRM_MODE_OBJECT_PLANE, "IN_FENCE_FD", self->fence);
	ASSERT_EQ(0, commit(self->dev, req, NONBLOCK));
	ASSERT_LE(0, out);
	EXPECT_EQ(0, poll_now(out, POLLIN));
	ASSERT_EQ(1, sf_fences(out, &done, 1));
	EXPECT_STREQ("vkms", done.driver_name);
	EXPECT_EQ(0, done.status);
	ASSERT_EQ(0, sw_inc(self->tl, 1));
	EXPECT_EQ(POLLIN, poll_ms(out, POLLIN, WAIT_MS));
	ASSERT_EQ(1, sf_fences(self->fence, &in, 1));
	ASSERT_EQ(1, sf_fences(out, &done, 1));
	EXPECT_LE(in.timestamp_ns, done.timestamp_ns);
	close(out);
}

/* Without an in-fence the commit waits for the buffer's fences. */
TEST_F(kms, implicit_write_fence_holds_the_commit)
{
	drmModeAtomicReqPtr req = show(&self->display, self->frame.fb);
	struct sync_fence_info in, done;
	__s32 out;

	ASSERT_EQ(0, db_import(self->frame.fd, DMA_BUF_SYNC_WRITE, self->fence));
	want_out_fence(&self->display, req, &out);
	ASSERT_EQ(0, commit(self->dev, req, NONBLOCK));
	ASSERT_LE(0, out);
	EXPECT_EQ(0, poll_now(out, POLLIN));
	ASSERT_EQ(0, sw_inc(self->tl, 1));
	EXPECT_EQ(POLLIN, poll_ms(out, POLLIN, WAIT_MS));
	ASSERT_EQ(1, sf_fences(self->fence, &in, 1));
	ASSERT_EQ(1, sf_fences(out, &done, 1));
	EXPECT_LE(in.timestamp_ns, done.timestamp_ns);
	close(out);
}

TEST_F(kms, implicit_read_fence_does_not_hold_the_commit)
{
	drmModeAtomicReqPtr req = show(&self->display, self->frame.fb);
	__s32 out;

	ASSERT_EQ(0, db_import(self->frame.fd, DMA_BUF_SYNC_READ, self->fence));
	want_out_fence(&self->display, req, &out);
	ASSERT_EQ(0, commit(self->dev, req, NONBLOCK));
	EXPECT_EQ(POLLIN, poll_ms(out, POLLIN, WAIT_MS));
	EXPECT_EQ(0, sf_status(self->fence));
	close(out);
}

TEST_F(kms, merged_in_fence_holds_until_all_signal)
{
	drmModeAtomicReqPtr req = show(&self->display, self->frame.fb);
	int other = sw_open(), second = sw_fence(other, 1);
	int merged = sf_merge("in", self->fence, second);
	__s32 out;

	ASSERT_LE(0, merged);
	want_out_fence(&self->display, req, &out);
	set(self->dev, req, self->display.plane, DRM_MODE_OBJECT_PLANE, "IN_FENCE_FD", merged);
	ASSERT_EQ(0, commit(self->dev, req, NONBLOCK));
	close(merged);
	ASSERT_EQ(0, sw_inc(other, 1));
	EXPECT_EQ(0, poll_now(out, POLLIN));
	ASSERT_EQ(0, sw_inc(self->tl, 1));
	EXPECT_EQ(POLLIN, poll_ms(out, POLLIN, WAIT_MS));
	close(out);
	close(second);
	close(other);
}

/* A camera must not write the buffer before the display is done with it. */
TEST_F(kms, out_fence_becomes_the_buffers_read_fence)
{
	drmModeAtomicReqPtr req = show(&self->display, self->frame.fb);
	__s32 out;

	want_out_fence(&self->display, req, &out);
	set(self->dev, req, self->display.plane, DRM_MODE_OBJECT_PLANE, "IN_FENCE_FD", self->fence);
	ASSERT_EQ(0, commit(self->dev, req, NONBLOCK));
	ASSERT_EQ(0, db_import(self->frame.fd, DMA_BUF_SYNC_READ, out));
	EXPECT_EQ(POLLIN, poll_now(self->frame.fd, POLLIN | POLLOUT));
	ASSERT_EQ(0, sw_inc(self->tl, 1));
	EXPECT_EQ(POLLOUT, poll_ms(self->frame.fd, POLLOUT, WAIT_MS));
	EXPECT_EQ(1, sf_status(out));
	close(out);
}

TEST_F(kms, failing_commits_keep_nothing)
{
	drmModeAtomicReqPtr req = show(&self->display, self->frame.fb);
	__s32 out;

	set(self->dev, req, self->display.plane, DRM_MODE_OBJECT_PLANE, "IN_FENCE_FD", self->tl);
	EXPECT_ERRNO(EINVAL, commit(self->dev, req, NONBLOCK));

	req = show(&self->display, self->frame.fb);
	set(self->dev, req, self->display.crtc, DRM_MODE_OBJECT_CRTC, "OUT_FENCE_PTR", 8);
	EXPECT_ERRNO(EFAULT, commit(self->dev, req, NONBLOCK));

	/*
	 * The kernel makes the out-fence before it finds the bad framebuffer.
	 */
	req = show(&self->display, self->frame.fb);
	want_out_fence(&self->display, req, &out);
	set(self->dev, req, self->display.plane, DRM_MODE_OBJECT_PLANE, "CRTC_W", 1 << 30);
	EXPECT_ERRNO(ERANGE, commit(self->dev, req, NONBLOCK));
	EXPECT_EQ(-1, out);

	req = show(&self->display, self->frame.fb);
	want_out_fence(&self->display, req, &out);
	EXPECT_EMFILE(commit(self->dev, req, NONBLOCK));
}

TEST_F_TIMEOUT(kms, frames_follow_each_other, 120)
{
	struct frame other;
	__s32 out;
	int i;

	ASSERT_EQ(0, frame_create(&self->display, &other));
	for (i = 1; i <= 30; i++) {
		struct frame *f = i % 2 ? &self->frame : &other;
		drmModeAtomicReqPtr req = show(&self->display, f->fb);
		int fence = sw_fence(self->tl, i);

		want_out_fence(&self->display, req, &out);
		set(self->dev, req, self->display.plane, DRM_MODE_OBJECT_PLANE, "IN_FENCE_FD",
		    fence);
		ASSERT_EQ(0, commit(self->dev, req, NONBLOCK));
		ASSERT_EQ(0, sw_inc(self->tl, 1));
		EXPECT_EQ(POLLIN, poll_ms(out, POLLIN, WAIT_MS));
		close(out);
		close(fence);
	}
	frame_destroy(self->dev, &other);
}

static void paint(struct frame *f, __u32 salt)
{
	size_t i;

	db_sync(f->fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE);
	for (i = 0; i < f->size / 4; i++)
		f->pixels[i] = (i * 2654435761u + salt) & 0xffffff;
	db_sync(f->fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE);
}

static bool same_picture(const struct frame *a, const struct frame *b)
{
	size_t i;

	for (i = 0; i < a->size / 4; i++)
		if ((a->pixels[i] ^ b->pixels[i]) & 0xffffff)
			return false;
	return true;
}

TEST_F_TIMEOUT(kms, picture_comes_back_through_writeback, 120)
{
	__u32 conn = DRM_MODE_OBJECT_CONNECTOR;
	struct display d = self->display;
	struct frame back;
	drmModeAtomicReqPtr req;
	__s32 done = -7;

	if (bounces())
		SKIP(return, NEEDS_SHARED_MEMORY);
	ASSERT_EQ(0, frame_create(&self->display, &back));
	paint(&self->frame, 12345);
	EXPECT_FALSE(same_picture(&self->frame, &back));

	/* Use the writeback connector instead of the monitor. */
	d.conn = self->display.off;
	d.off = self->display.conn;
	req = show(&d, self->frame.fb);
	set(self->dev, req, d.conn, conn, "WRITEBACK_FB_ID", back.fb);
	set(self->dev, req, d.conn, conn, "WRITEBACK_OUT_FENCE_PTR", (uintptr_t)&done);
	ASSERT_EQ(0, commit(self->dev, req, DRM_MODE_ATOMIC_ALLOW_MODESET));
	ASSERT_LE(0, done);
	EXPECT_EQ(POLLIN, poll_ms(done, POLLIN, WAIT_MS));
	EXPECT_EQ(1, sf_status(done));
	db_sync(back.fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
	EXPECT_TRUE(same_picture(&self->frame, &back));
	db_sync(back.fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ);
	close(done);
	frame_destroy(self->dev, &back);
}

TEST_F(kms, scanned_out_buffer_outlives_its_fd)
{
	unsigned long ino = db_ino(self->frame.fd);
	int dev = self->dev;

	if (missing(BUFINFO_PATH))
		SKIP(return, NEEDS_BUFINFO);
	ASSERT_EQ(0, commit(dev, show(&self->display, self->frame.fb),
			    DRM_MODE_ATOMIC_ALLOW_MODESET));
	munmap(self->frame.pixels, self->frame.size);
	close(self->frame.fd);
	gem_close(dev, self->frame.handle);
	EXPECT_EQ(1, bufinfo_has(ino));
	ASSERT_EQ(0, drmModeRmFB(dev, self->frame.fb));
	EXPECT_TRUE(buffer_gone(ino));
	self->frame.fd = -1;
}

TEST_HARNESS_MAIN

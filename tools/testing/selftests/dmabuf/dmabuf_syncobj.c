// SPDX-License-Identifier: GPL-2.0-only
/*
 * DRM's syncobjs over our fences: import and export of sync_files, waits, and
 * timelines, which are chains of fences. Runs on the first device with
 * syncobjs; the fences come from sw_sync and are signalled by hand.
 *
 * Copyright (C) the dma-buf project authors
 */
#include "dmabuf_drm.h"

#define NEEDS_SYNCOBJ "no DRM device with syncobjs: CONFIG_DRM_VIRTIO_GPU and such a device"

FIXTURE(syncobj)
{
	int dev;
	__u32 obj;
	int tl;
	int fence;
};

FIXTURE_SETUP(syncobj)
{
	if (missing(SW_SYNC_PATH))
		SKIP(return, NEEDS_SW_SYNC);
	self->dev = drm_open_capable(DRM_CAP_SYNCOBJ);
	if (self->dev < 0)
		SKIP(return, NEEDS_SYNCOBJ);
	ASSERT_EQ(0, drmSyncobjCreate(self->dev, 0, &self->obj));
	self->tl = sw_open();
	ASSERT_LE(0, self->tl);
	self->fence = sw_fence(self->tl, 1);
	ASSERT_LE(0, self->fence);
}

FIXTURE_TEARDOWN(syncobj)
{
	close(self->fence);
	close(self->tl);
	drmSyncobjDestroy(self->dev, self->obj);
	close(self->dev);
}

static int import_file(int dev, __u32 obj, int sync_file)
{
	return sys_ret(drmSyncobjImportSyncFile(dev, obj, sync_file));
}

static int export_file(int dev, __u32 obj)
{
	int fd = -1, ret = sys_ret(drmSyncobjExportSyncFile(dev, obj, &fd));

	return ret ? ret : fd;
}

/* drmSyncobjWait() returns -errno itself; its timeout is an absolute time. */
static int wait_obj(int dev, __u32 obj, __u64 ms, __u32 flags)
{
	__u64 until = ms ? now_ns(CLOCK_MONOTONIC) + ms * 1000000 : 0;

	return drmSyncobjWait(dev, &obj, 1, until, flags, NULL);
}

TEST_F(syncobj, imported_sync_file_is_waited_for)
{
	ASSERT_EQ(0, import_file(self->dev, self->obj, self->fence));
	EXPECT_EQ(-ETIME, wait_obj(self->dev, self->obj, 0, 0));
	ASSERT_EQ(0, sw_inc(self->tl, 1));
	EXPECT_EQ(0, wait_obj(self->dev, self->obj, 0, 0));
}

TEST_F(syncobj, exported_sync_file_is_the_fence_put_in)
{
	struct sync_fence_info info;
	int out;

	ASSERT_EQ(0, import_file(self->dev, self->obj, self->fence));
	out = export_file(self->dev, self->obj);
	ASSERT_LE(0, out);
	ASSERT_EQ(1, sf_fences(out, &info, 1));
	EXPECT_STREQ("sw_sync", info.driver_name);
	EXPECT_EQ(0, info.status);
	ASSERT_EQ(0, sw_inc(self->tl, 1));
	EXPECT_EQ(1, sf_status(out));
	close(out);
}

TEST_F(syncobj, bad_files_are_refused)
{
	int fds = count_fds();

	EXPECT_EQ(-EINVAL, import_file(self->dev, self->obj, -1));
	EXPECT_EQ(-EINVAL, import_file(self->dev, self->obj, self->tl));
	EXPECT_EQ(-EINVAL, import_file(self->dev, self->obj, self->dev));
	/* An empty syncobj has nothing to export. */
	EXPECT_EQ(-EINVAL, export_file(self->dev, self->obj));
	EXPECT_EQ(-EINVAL, wait_obj(self->dev, self->obj, 0, 0));
	EXPECT_EQ(fds, count_fds());
}

TEST_F(syncobj, created_signalled_exports_a_signalled_file)
{
	__u32 done;
	int out;

	ASSERT_EQ(0, drmSyncobjCreate(self->dev, DRM_SYNCOBJ_CREATE_SIGNALED, &done));
	EXPECT_EQ(0, wait_obj(self->dev, done, 0, 0));
	out = export_file(self->dev, done);
	ASSERT_LE(0, out);
	EXPECT_EQ(1, sf_status(out));
	EXPECT_EQ(POLLIN, poll_now(out, POLLIN));
	close(out);
	drmSyncobjDestroy(self->dev, done);
}

TEST_F(syncobj, signal_and_reset_replace_the_fence)
{
	ASSERT_EQ(0, import_file(self->dev, self->obj, self->fence));
	ASSERT_EQ(0, drmSyncobjSignal(self->dev, &self->obj, 1));
	EXPECT_EQ(0, wait_obj(self->dev, self->obj, 0, 0));
	ASSERT_EQ(0, drmSyncobjReset(self->dev, &self->obj, 1));
	EXPECT_EQ(-EINVAL, export_file(self->dev, self->obj));
	EXPECT_EQ(0, sf_status(self->fence));
}

TEST_F(syncobj, merged_sync_file_waits_for_all_members)
{
	int other = sw_open(), second = sw_fence(other, 1), merged, out;

	merged = sf_merge("both", self->fence, second);
	ASSERT_LE(0, merged);
	ASSERT_EQ(0, import_file(self->dev, self->obj, merged));
	out = export_file(self->dev, self->obj);
	ASSERT_LE(0, out);
	EXPECT_EQ(2, sf_count(out));
	ASSERT_EQ(0, sw_inc(self->tl, 1));
	EXPECT_EQ(-ETIME, wait_obj(self->dev, self->obj, 0, 0));
	ASSERT_EQ(0, sw_inc(other, 1));
	EXPECT_EQ(0, wait_obj(self->dev, self->obj, WAIT_MS, 0));
	close(out);
	close(merged);
	close(second);
	close(other);
}

struct waiter {
	int dev;
	__u32 obj;
	__u32 flags;
};

static int waiter(void *arg)
{
	struct waiter *w = arg;

	return wait_obj(w->dev, w->obj, WAIT_MS, w->flags);
}

TEST_F(syncobj, sleeping_waiter_wakes)
{
	struct waiter w = { self->dev, self->obj, 0 };
	struct task t;

	ASSERT_EQ(0, import_file(self->dev, self->obj, self->fence));
	ASSERT_EQ(0, task_start(&t, waiter, &w));
	EXPECT_TRUE(task_asleep(&t));
	ASSERT_EQ(0, sw_inc(self->tl, 1));
	EXPECT_EQ(0, task_join(&t));
}

TEST_F(syncobj, waiter_may_come_before_the_fence)
{
	struct waiter w = { self->dev, self->obj, DRM_SYNCOBJ_WAIT_FLAGS_WAIT_FOR_SUBMIT };
	struct task t;

	ASSERT_EQ(0, task_start(&t, waiter, &w));
	EXPECT_TRUE(task_asleep(&t));
	ASSERT_EQ(0, import_file(self->dev, self->obj, self->fence));
	ASSERT_EQ(0, sw_inc(self->tl, 1));
	EXPECT_EQ(0, task_join(&t));
}

TEST_F(syncobj, wait_for_any_of_several)
{
	int other = sw_open(), second = sw_fence(other, 1);
	__u32 objs[2] = { self->obj }, first = 77;

	ASSERT_EQ(0, drmSyncobjCreate(self->dev, 0, &objs[1]));
	ASSERT_EQ(0, import_file(self->dev, objs[0], self->fence));
	ASSERT_EQ(0, import_file(self->dev, objs[1], second));
	EXPECT_EQ(-ETIME, drmSyncobjWait(self->dev, objs, 2, 0, 0, &first));
	ASSERT_EQ(0, sw_inc(other, 1));
	EXPECT_EQ(0, drmSyncobjWait(self->dev, objs, 2, INT64_MAX, 0, &first));
	EXPECT_EQ(1, first);
	EXPECT_EQ(-ETIME, drmSyncobjWait(self->dev, objs, 2, 0,
					 DRM_SYNCOBJ_WAIT_FLAGS_WAIT_ALL, NULL));
	drmSyncobjDestroy(self->dev, objs[1]);
	close(second);
	close(other);
}

TEST_F(syncobj, object_fd_shares_the_fence)
{
	int other = drm_open_capable(DRM_CAP_SYNCOBJ), fd;
	__u32 theirs;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, drmSyncobjHandleToFD(self->dev, self->obj, &fd));
	ASSERT_EQ(0, drmSyncobjFDToHandle(other, fd, &theirs));
	ASSERT_EQ(0, import_file(self->dev, self->obj, self->fence));
	EXPECT_EQ(-ETIME, wait_obj(other, theirs, 0, 0));
	ASSERT_EQ(0, sw_inc(self->tl, 1));
	EXPECT_EQ(0, wait_obj(other, theirs, 0, 0));
	close(fd);
	close(other);
}

TEST_F(syncobj, failed_fence_ends_the_wait)
{
	int out;

	ASSERT_EQ(0, import_file(self->dev, self->obj, self->fence));
	close(self->tl);
	self->tl = -1;
	EXPECT_EQ(0, wait_obj(self->dev, self->obj, 0, 0));
	out = export_file(self->dev, self->obj);
	EXPECT_EQ(-ENOENT, sf_status(out));
	close(out);
}

/*
 * A point is reached when its fence and those of all earlier points have
 * signalled.
 */

static int add_point(int dev, __u32 timeline, __u64 point, int sync_file)
{
	__u32 carrier;
	int ret;

	if (drmSyncobjCreate(dev, 0, &carrier))
		return -errno;
	ret = import_file(dev, carrier, sync_file);
	if (!ret)
		ret = sys_ret(drmSyncobjTransfer(dev, timeline, point, carrier, 0, 0));
	drmSyncobjDestroy(dev, carrier);
	return ret;
}

/* Returns a sync_file of a point. */
static int point_file(int dev, __u32 timeline, __u64 point)
{
	__u32 carrier;
	int ret;

	if (drmSyncobjCreate(dev, 0, &carrier))
		return -errno;
	ret = sys_ret(drmSyncobjTransfer(dev, carrier, 0, timeline, point, 0));
	if (!ret)
		ret = export_file(dev, carrier);
	drmSyncobjDestroy(dev, carrier);
	return ret;
}

static __u64 reached(int dev, __u32 timeline)
{
	__u64 point = ~0ull;

	drmSyncobjQuery(dev, &timeline, (void *)&point, 1);
	return point;
}

static int wait_point(int dev, __u32 timeline, __u64 point, __u64 ms)
{
	__u64 until = ms ? now_ns(CLOCK_MONOTONIC) + ms * 1000000 : 0;

	return drmSyncobjTimelineWait(dev, &timeline, (void *)&point, 1, until, 0, NULL);
}

TEST_F(syncobj, points_are_reached_in_order)
{
	int other = sw_open(), second = sw_fence(other, 1);

	ASSERT_EQ(0, add_point(self->dev, self->obj, 10, self->fence));
	ASSERT_EQ(0, add_point(self->dev, self->obj, 20, second));
	EXPECT_EQ(0, reached(self->dev, self->obj));
	/* The later fence signals first, which reaches no point. */
	ASSERT_EQ(0, sw_inc(other, 1));
	EXPECT_EQ(-ETIME, wait_point(self->dev, self->obj, 20, 0));
	EXPECT_EQ(-ETIME, wait_point(self->dev, self->obj, 10, 0));
	ASSERT_EQ(0, sw_inc(self->tl, 1));
	EXPECT_EQ(0, wait_point(self->dev, self->obj, 10, WAIT_MS));
	EXPECT_EQ(0, wait_point(self->dev, self->obj, 20, WAIT_MS));
	EXPECT_EQ(20, reached(self->dev, self->obj));
	close(second);
	close(other);
}

TEST_F(syncobj, point_between_two_is_the_next_one)
{
	ASSERT_EQ(0, add_point(self->dev, self->obj, 10, self->fence));
	EXPECT_EQ(-ETIME, wait_point(self->dev, self->obj, 7, 0));
	EXPECT_EQ(-EINVAL, wait_point(self->dev, self->obj, 11, 0));
	ASSERT_EQ(0, sw_inc(self->tl, 1));
	EXPECT_EQ(0, wait_point(self->dev, self->obj, 7, WAIT_MS));
	EXPECT_EQ(0, wait_point(self->dev, self->obj, 10, WAIT_MS));
}

TEST_F(syncobj, point_exports_what_is_before_it)
{
	int other = sw_open(), second = sw_fence(other, 1), out;

	ASSERT_EQ(0, add_point(self->dev, self->obj, 1, self->fence));
	ASSERT_EQ(0, add_point(self->dev, self->obj, 2, second));
	out = point_file(self->dev, self->obj, 2);
	ASSERT_LE(0, out);
	EXPECT_EQ(2, sf_count(out));
	ASSERT_EQ(0, sw_inc(other, 1));
	EXPECT_EQ(0, poll_now(out, POLLIN));
	ASSERT_EQ(0, sw_inc(self->tl, 1));
	EXPECT_EQ(POLLIN, poll_ms(out, POLLIN, WAIT_MS));
	close(out);
	close(second);
	close(other);
}

/* A buffer must not contain a chain: its plain fences are added. */
TEST_F(syncobj, point_becomes_implicit_fences)
{
	int other = sw_open(), second = sw_fence(other, 1), out, buf, sf;

	if (missing(SYSTEM_HEAP))
		SKIP(return, NEEDS_HEAP);
	buf = heap_alloc(page_size());
	ASSERT_EQ(0, add_point(self->dev, self->obj, 1, self->fence));
	ASSERT_EQ(0, add_point(self->dev, self->obj, 2, second));
	out = point_file(self->dev, self->obj, 2);
	ASSERT_EQ(0, db_import(buf, DMA_BUF_SYNC_WRITE, out));
	sf = db_export(buf, DMA_BUF_SYNC_READ);
	EXPECT_EQ(2, sf_count(sf));
	EXPECT_EQ(0, poll_now(buf, POLLIN));
	ASSERT_EQ(0, sw_inc(self->tl, 1));
	ASSERT_EQ(0, sw_inc(other, 1));
	EXPECT_EQ(POLLIN, poll_ms(buf, POLLIN, WAIT_MS));
	close(sf);
	close(buf);
	close(out);
	close(second);
	close(other);
}

struct point_waiter {
	int dev;
	__u32 timeline;
	__u64 point;
};

static int point_waiter(void *arg)
{
	struct point_waiter *w = arg;

	return wait_point(w->dev, w->timeline, w->point, 3 * WAIT_MS);
}

/*
 * At n squared, a waiter that looks at all links for each signal takes minutes.
 */
TEST_F_TIMEOUT(syncobj, long_timeline_signalled_backwards, 120)
{
	enum { N = 512 };
	struct point_waiter w = { self->dev, self->obj, N };
	struct task t;
	int tl[N], i;

	raise_fd_limit();
	for (i = 0; i < N; i++) {
		int fence;

		tl[i] = sw_open();
		ASSERT_LE(0, tl[i]);
		fence = sw_fence(tl[i], 1);
		ASSERT_EQ(0, add_point(self->dev, self->obj, i + 1, fence));
		close(fence);
	}
	ASSERT_EQ(0, task_start(&t, point_waiter, &w));
	EXPECT_TRUE(task_asleep(&t));
	for (i = N - 1; i > 0; i--) {
		ASSERT_EQ(0, sw_inc(tl[i], 1));
		close(tl[i]);
	}
	EXPECT_EQ(-ETIME, wait_point(self->dev, self->obj, 1, 0));
	EXPECT_TRUE(task_asleep(&t));
	ASSERT_EQ(0, sw_inc(tl[0], 1));
	EXPECT_EQ(0, task_join(&t));
	EXPECT_EQ(N, reached(self->dev, self->obj));
	close(tl[0]);
}

/*
 * The release of a long pending timeline must not recurse: a kernel stack has
 * no room for as many calls. With more points DRM, which walks all of them for
 * each one that it adds, would take too long.
 */
TEST_F_TIMEOUT(syncobj, long_timeline_released_pending, 120)
{
	__u32 carrier;
	int i;

	ASSERT_EQ(0, drmSyncobjCreate(self->dev, 0, &carrier));
	ASSERT_EQ(0, import_file(self->dev, carrier, self->fence));
	for (i = 1; i <= 1500; i++)
		ASSERT_EQ(0, drmSyncobjTransfer(self->dev, self->obj, i, carrier, 0, 0));
	EXPECT_EQ(-ETIME, wait_point(self->dev, self->obj, 1, 0));
	ASSERT_EQ(0, drmSyncobjReset(self->dev, &self->obj, 1));
	EXPECT_EQ(0, sf_status(self->fence));
	drmSyncobjDestroy(self->dev, carrier);
}

TEST_HARNESS_MAIN

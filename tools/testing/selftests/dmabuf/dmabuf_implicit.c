// SPDX-License-Identifier: GPL-2.0-only
/*
 * Implicit synchronisation as user space sees it: IMPORT_SYNC_FILE adds fences
 * to a buffer, EXPORT_SYNC_FILE gets them, and DMA_BUF_IOCTL_SYNC waits for
 * them. A reader waits for writers, a writer for all. The fences come from
 * sw_sync.
 *
 * Copyright (C) the dma-buf project authors
 */
#include "dmabuf_util.h"

FIXTURE(implicit)
{
	int fd;
	int timeline[2];
};

FIXTURE_SETUP(implicit)
{
	int i;

	if (missing(SYSTEM_HEAP))
		SKIP(return, NEEDS_HEAP);
	if (missing(SW_SYNC_PATH))
		SKIP(return, NEEDS_SW_SYNC);

	self->fd = heap_alloc(page_size());
	ASSERT_LE(0, self->fd);
	for (i = 0; i < 2; i++) {
		self->timeline[i] = sw_open();
		ASSERT_LE(0, self->timeline[i]);
	}
}

FIXTURE_TEARDOWN(implicit)
{
	close(self->timeline[0]);
	close(self->timeline[1]);
	EXPECT_EQ(0, close(self->fd));
}

/* Adds a new fence of the timeline to the buffer. */
static int add(int fd, __u32 flags, int timeline, __u32 value)
{
	int fence = sw_fence(timeline, value), ret;

	if (fence < 0)
		return fence;
	ret = db_import(fd, flags, fence);
	close(fence);
	return ret;
}

/* The status of what a reader (DMA_BUF_SYNC_READ) or a writer would wait for. */
static int exported_status(int fd, __u32 flags)
{
	int sf = db_export(fd, flags), ret;

	if (sf < 0)
		return sf;
	ret = sf_status(sf);
	close(sf);
	return ret;
}

static int exported_count(int fd, __u32 flags)
{
	int sf = db_export(fd, flags), ret;

	if (sf < 0)
		return sf;
	ret = sf_count(sf);
	close(sf);
	return ret;
}

TEST_F(implicit, export_of_idle_buffer_is_signalled)
{
	__u32 flags;

	for (flags = DMA_BUF_SYNC_READ; flags <= DMA_BUF_SYNC_RW; flags++) {
		int sf = db_export(self->fd, flags);

		ASSERT_LE(0, sf);
		EXPECT_EQ(1, sf_status(sf));
		EXPECT_EQ(1, sf_count(sf));
		EXPECT_EQ(POLLIN, poll_now(sf, POLLIN));
		close(sf);
	}
}

TEST_F(implicit, write_fence_holds_readers_and_writers)
{
	ASSERT_EQ(0, add(self->fd, DMA_BUF_SYNC_WRITE, self->timeline[0], 1));
	EXPECT_EQ(0, exported_status(self->fd, DMA_BUF_SYNC_READ));
	EXPECT_EQ(0, exported_status(self->fd, DMA_BUF_SYNC_WRITE));
	EXPECT_EQ(0, exported_status(self->fd, DMA_BUF_SYNC_RW));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	EXPECT_EQ(1, exported_status(self->fd, DMA_BUF_SYNC_READ));
	EXPECT_EQ(1, exported_status(self->fd, DMA_BUF_SYNC_RW));
}

TEST_F(implicit, read_fence_holds_writers_only)
{
	ASSERT_EQ(0, add(self->fd, DMA_BUF_SYNC_READ, self->timeline[0], 1));
	EXPECT_EQ(1, exported_status(self->fd, DMA_BUF_SYNC_READ));
	EXPECT_EQ(0, exported_status(self->fd, DMA_BUF_SYNC_WRITE));
	EXPECT_EQ(0, exported_status(self->fd, DMA_BUF_SYNC_RW));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	EXPECT_EQ(1, exported_status(self->fd, DMA_BUF_SYNC_WRITE));
}

/* With both flags the fence is a writer's. */
TEST_F(implicit, import_for_read_and_write_is_a_write_fence)
{
	ASSERT_EQ(0, add(self->fd, DMA_BUF_SYNC_RW, self->timeline[0], 1));
	EXPECT_EQ(0, exported_status(self->fd, DMA_BUF_SYNC_READ));
}

TEST_F(implicit, reader_waits_for_the_writer_among_both)
{
	int sf;

	ASSERT_EQ(0, add(self->fd, DMA_BUF_SYNC_WRITE, self->timeline[0], 1));
	ASSERT_EQ(0, add(self->fd, DMA_BUF_SYNC_READ, self->timeline[1], 1));
	EXPECT_EQ(1, exported_count(self->fd, DMA_BUF_SYNC_READ));
	EXPECT_EQ(2, exported_count(self->fd, DMA_BUF_SYNC_WRITE));

	sf = db_export(self->fd, DMA_BUF_SYNC_RW);
	ASSERT_LE(0, sf);
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	EXPECT_EQ(1, exported_status(self->fd, DMA_BUF_SYNC_READ));
	EXPECT_EQ(0, sf_status(sf));
	ASSERT_EQ(0, sw_inc(self->timeline[1], 1));
	EXPECT_EQ(POLLIN, poll_ms(sf, POLLIN, WAIT_MS));
	EXPECT_EQ(1, sf_status(sf));
	close(sf);
}

/* An exported sync_file does not wait for fences that are added later. */
TEST_F(implicit, exported_sync_file_is_a_snapshot)
{
	int sf;

	ASSERT_EQ(0, add(self->fd, DMA_BUF_SYNC_WRITE, self->timeline[0], 1));
	sf = db_export(self->fd, DMA_BUF_SYNC_RW);
	ASSERT_LE(0, sf);
	ASSERT_EQ(0, add(self->fd, DMA_BUF_SYNC_WRITE, self->timeline[1], 1));
	EXPECT_EQ(1, sf_count(sf));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	EXPECT_EQ(1, sf_status(sf));
	EXPECT_EQ(0, exported_status(self->fd, DMA_BUF_SYNC_READ));
	close(sf);
}

TEST_F(implicit, exported_sync_file_outlives_the_buffer)
{
	int sf, other = heap_alloc(page_size());

	ASSERT_LE(0, other);
	ASSERT_EQ(0, add(other, DMA_BUF_SYNC_WRITE, self->timeline[0], 1));
	sf = db_export(other, DMA_BUF_SYNC_READ);
	ASSERT_LE(0, sf);
	ASSERT_EQ(0, close(other));
	EXPECT_EQ(0, sf_status(sf));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	EXPECT_EQ(1, sf_status(sf));
	close(sf);
}

TEST_F(implicit, later_fence_of_a_timeline_replaces_the_earlier)
{
	ASSERT_EQ(0, add(self->fd, DMA_BUF_SYNC_WRITE, self->timeline[0], 1));
	ASSERT_EQ(0, add(self->fd, DMA_BUF_SYNC_WRITE, self->timeline[0], 2));
	EXPECT_EQ(1, exported_count(self->fd, DMA_BUF_SYNC_READ));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	EXPECT_EQ(0, exported_status(self->fd, DMA_BUF_SYNC_READ));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	EXPECT_EQ(1, exported_status(self->fd, DMA_BUF_SYNC_READ));
}

TEST_F(implicit, earlier_fence_of_a_timeline_replaces_nothing)
{
	ASSERT_EQ(0, add(self->fd, DMA_BUF_SYNC_WRITE, self->timeline[0], 5));
	ASSERT_EQ(0, add(self->fd, DMA_BUF_SYNC_WRITE, self->timeline[0], 2));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 2));
	EXPECT_EQ(0, exported_status(self->fd, DMA_BUF_SYNC_READ));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 3));
	EXPECT_EQ(1, exported_status(self->fd, DMA_BUF_SYNC_READ));
}

/* A later read fence must not replace a write fence of the same timeline. */
TEST_F(implicit, later_read_fence_does_not_weaken_a_write_fence)
{
	ASSERT_EQ(0, add(self->fd, DMA_BUF_SYNC_WRITE, self->timeline[0], 1));
	ASSERT_EQ(0, add(self->fd, DMA_BUF_SYNC_READ, self->timeline[0], 2));
	EXPECT_EQ(0, exported_status(self->fd, DMA_BUF_SYNC_READ));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	EXPECT_EQ(1, exported_status(self->fd, DMA_BUF_SYNC_READ));
	EXPECT_EQ(0, exported_status(self->fd, DMA_BUF_SYNC_WRITE));
}

TEST_F(implicit, same_fence_for_write_promotes_the_read_fence)
{
	int fence = sw_fence(self->timeline[0], 1);

	ASSERT_LE(0, fence);
	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_READ, fence));
	EXPECT_EQ(1, exported_status(self->fd, DMA_BUF_SYNC_READ));
	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, fence));
	EXPECT_EQ(0, exported_status(self->fd, DMA_BUF_SYNC_READ));
	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_READ, fence));
	EXPECT_EQ(0, exported_status(self->fd, DMA_BUF_SYNC_READ));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	EXPECT_EQ(1, exported_status(self->fd, DMA_BUF_SYNC_RW));
	close(fence);
}

TEST_F(implicit, signalled_fence_may_be_imported)
{
	int fence = sw_fence(self->timeline[0], 0);

	ASSERT_LE(0, fence);
	ASSERT_EQ(1, sf_status(fence));
	EXPECT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, fence));
	EXPECT_EQ(1, exported_status(self->fd, DMA_BUF_SYNC_RW));
	close(fence);
}

/* The text of bufinfo about the buffer. */
static char *bufinfo_of(int fd, char *text, size_t size)
{
	char *at, *end;

	if (read_file(BUFINFO_PATH, text, size) < 0)
		return NULL;
	at = bufinfo_find(text, db_ino(fd));
	end = at ? strstr(at, "devices attached") : NULL;
	if (end)
		*end = '\0';
	return at;
}

TEST_F(implicit, import_flattens_containers)
{
	static char text[1 << 16];
	int f0 = sw_fence(self->timeline[0], 1), f1 = sw_fence(self->timeline[1], 1);
	int merged = sf_merge("both", f0, f1);
	char *at, *p;
	int lines = 0;

	if (missing(BUFINFO_PATH))
		SKIP(return, NEEDS_BUFINFO);
	ASSERT_LE(0, merged);
	ASSERT_EQ(2, sf_count(merged));
	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, merged));
	EXPECT_EQ(2, exported_count(self->fd, DMA_BUF_SYNC_READ));

	at = bufinfo_of(self->fd, text, sizeof(text));
	ASSERT_NE(NULL, at);
	EXPECT_EQ(NULL, strstr(at, "dma_fence_array"));
	for (p = at; (p = strstr(p, "write fence:sw_sync ")); p++)
		lines++;
	EXPECT_EQ(2, lines);

	ASSERT_EQ(0, sw_inc(self->timeline[1], 1));
	EXPECT_EQ(0, exported_status(self->fd, DMA_BUF_SYNC_READ));
	EXPECT_EQ(1, exported_count(self->fd, DMA_BUF_SYNC_READ));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	EXPECT_EQ(1, exported_status(self->fd, DMA_BUF_SYNC_READ));
	close(merged);
	close(f0);
	close(f1);
}

/* Fences exported from one buffer can be imported into another. */
TEST_F(implicit, fences_travel_from_buffer_to_buffer)
{
	int other = heap_alloc(page_size()), sf;

	ASSERT_LE(0, other);
	ASSERT_EQ(0, add(self->fd, DMA_BUF_SYNC_WRITE, self->timeline[0], 1));
	ASSERT_EQ(0, add(self->fd, DMA_BUF_SYNC_READ, self->timeline[1], 1));
	sf = db_export(self->fd, DMA_BUF_SYNC_RW);
	ASSERT_LE(0, sf);
	ASSERT_EQ(0, db_import(other, DMA_BUF_SYNC_READ, sf));
	close(sf);

	EXPECT_EQ(POLLIN, poll_now(other, POLLIN | POLLOUT));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	EXPECT_EQ(POLLIN, poll_now(other, POLLIN | POLLOUT));
	ASSERT_EQ(0, sw_inc(self->timeline[1], 1));
	EXPECT_EQ(POLLIN | POLLOUT, poll_now(other, POLLIN | POLLOUT));
	close(other);
}

/* Importing a buffer's own fences must not double them. */
TEST_F(implicit, export_then_import_adds_nothing)
{
	int i, sf;

	ASSERT_EQ(0, add(self->fd, DMA_BUF_SYNC_WRITE, self->timeline[0], 1));
	ASSERT_EQ(0, add(self->fd, DMA_BUF_SYNC_WRITE, self->timeline[1], 1));
	for (i = 0; i < 10; i++) {
		sf = db_export(self->fd, DMA_BUF_SYNC_RW);
		ASSERT_LE(0, sf);
		ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, sf));
		close(sf);
	}
	EXPECT_EQ(2, exported_count(self->fd, DMA_BUF_SYNC_READ));
}

TEST_F_TIMEOUT(implicit, hundreds_of_timelines_on_one_buffer, 120)
{
	enum { N = 300 };
	int timeline[N], i;

	raise_fd_limit();
	for (i = 0; i < N; i++) {
		timeline[i] = sw_open();
		ASSERT_LE(0, timeline[i]);
		ASSERT_EQ(0, add(self->fd, i % 2 ? DMA_BUF_SYNC_WRITE : DMA_BUF_SYNC_READ,
				 timeline[i], 1));
	}
	EXPECT_EQ(N, exported_count(self->fd, DMA_BUF_SYNC_WRITE));
	EXPECT_EQ(N / 2, exported_count(self->fd, DMA_BUF_SYNC_READ));
	for (i = 0; i < N; i += 2)
		ASSERT_EQ(0, sw_inc(timeline[i], 1));
	EXPECT_EQ(N / 2, exported_count(self->fd, DMA_BUF_SYNC_WRITE));
	for (i = 1; i < N; i += 2) {
		ASSERT_EQ(0, exported_status(self->fd, DMA_BUF_SYNC_READ));
		ASSERT_EQ(0, sw_inc(timeline[i], 1));
	}
	EXPECT_EQ(1, exported_status(self->fd, DMA_BUF_SYNC_RW));
	for (i = 0; i < N; i++)
		close(timeline[i]);
}

TEST_HARNESS_MAIN

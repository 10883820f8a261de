// SPDX-License-Identifier: GPL-2.0-only
/*
 * Implicit synchronisation between devices: readers run together and a writer alone,
 * poll() and EXPORT_SYNC_FILE see running jobs, and jobs wait for the fences that
 * IMPORT_SYNC_FILE adds.
 *
 * Copyright (C) the dma-buf project authors
 */
#include "importer_util.h"

#define DEVS 3

FIXTURE(implicit)
{
	int imp, fd, dev[DEVS], att[DEVS];
	unsigned char byte[DEVS];
};

FIXTURE_SETUP(implicit)
{
	int i;

	if (missing(IMPORTER_PATH))
		SKIP(return, NEEDS_IMPORTER);
	self->imp = imp_open();
	ASSERT_LE(0, self->imp);
	self->fd = imp_buffer(self->imp, PAGE, DMABUF_IMPORTER_BUFFER_DYNAMIC);
	ASSERT_LE(0, self->fd);
	for (i = 0; i < DEVS; i++) {
		self->dev[i] = imp_dev(self->imp, any_engine(), DYNAMIC);
		self->att[i] = imp_attach(self->imp, self->dev[i], self->fd);
		ASSERT_LT(0, self->att[i]);
	}
}

FIXTURE_TEARDOWN(implicit)
{
	close(self->fd);
	close(self->imp);
}

static struct dmabuf_importer_job writer(FIXTURE_DATA(implicit) *self, int i, __u32 flags,
					 __u8 value)
{
	struct dmabuf_importer_job job = {
		.dev = self->dev[i], .op = DMABUF_IMPORTER_FILL, .flags = flags | OUT_FENCE,
		.dst = buffer(self->att[i], 0), .length = PAGE, .value = value,
	};

	job.error = imp_submit(self->imp, &job);
	return job;
}

static struct dmabuf_importer_job reader(FIXTURE_DATA(implicit) *self, int i, __u32 flags)
{
	struct dmabuf_importer_job job = {
		.dev = self->dev[i], .op = DMABUF_IMPORTER_COPY, .flags = flags | OUT_FENCE,
		.src = buffer(self->att[i], 0), .dst = user(&self->byte[i]), .length = 1,
	};

	job.error = imp_submit(self->imp, &job);
	return job;
}

static void let_go(FIXTURE_DATA(implicit) *self, struct dmabuf_importer_job *job)
{
	imp_id(self->imp, DMABUF_IMPORTER_RELEASE, job->job);
}

TEST_F(implicit, reader_waits_for_writer)
{
	struct dmabuf_importer_job w = writer(self, 0, IMPLICIT | HELD, 7);
	struct dmabuf_importer_job r = reader(self, 1, IMPLICIT);

	if (bounces())
		SKIP(return, NEEDS_SHARED_MEMORY);
	ASSERT_EQ(0, w.error);
	ASSERT_EQ(0, r.error);
	EXPECT_EQ(0, poll_ms(r.out_fence, POLLIN, 50));
	let_go(self, &w);
	EXPECT_EQ(1, fence_result(r.out_fence));
	EXPECT_EQ(7, self->byte[1]);
}

TEST_F(implicit, readers_run_together)
{
	struct dmabuf_importer_job held = reader(self, 0, IMPLICIT | HELD);
	struct dmabuf_importer_job other = reader(self, 1, IMPLICIT);

	ASSERT_EQ(0, held.error);
	ASSERT_EQ(0, other.error);
	EXPECT_EQ(1, fence_result(other.out_fence));
	EXPECT_EQ(0, sf_status(held.out_fence));
	let_go(self, &held);
	EXPECT_EQ(1, fence_result(held.out_fence));
}

TEST_F(implicit, writer_waits_for_all_readers)
{
	struct dmabuf_importer_job a = reader(self, 0, IMPLICIT | HELD);
	struct dmabuf_importer_job b = reader(self, 1, IMPLICIT | HELD);
	struct dmabuf_importer_job w = writer(self, 2, IMPLICIT, 9);

	ASSERT_EQ(0, w.error);
	let_go(self, &a);
	EXPECT_EQ(1, fence_result(a.out_fence));
	EXPECT_EQ(0, poll_ms(w.out_fence, POLLIN, 50));
	let_go(self, &b);
	EXPECT_EQ(1, fence_result(w.out_fence));
	EXPECT_EQ(0, self->byte[0]);
	EXPECT_EQ(0, self->byte[1]);
}

TEST_F(implicit, writers_run_one_after_the_other)
{
	struct dmabuf_importer_job a = writer(self, 0, IMPLICIT | HELD, 1);
	struct dmabuf_importer_job b = writer(self, 1, IMPLICIT, 2);

	if (bounces())
		SKIP(return, NEEDS_SHARED_MEMORY);
	ASSERT_EQ(0, b.error);
	EXPECT_EQ(0, poll_ms(b.out_fence, POLLIN, 50));
	let_go(self, &a);
	EXPECT_EQ(1, fence_result(b.out_fence));
	EXPECT_EQ(1, fence_result(reader(self, 2, IMPLICIT).out_fence));
	EXPECT_EQ(2, self->byte[2]);
}

/* A job without IMPLICIT neither waits for others nor makes them wait. */
TEST_F(implicit, explicit_jobs_do_not_wait)
{
	struct dmabuf_importer_job w = writer(self, 0, IMPLICIT | HELD, 7);
	struct dmabuf_importer_job r = reader(self, 1, 0);
	struct dmabuf_importer_job held = reader(self, 2, HELD);

	ASSERT_EQ(0, held.error);
	EXPECT_EQ(1, fence_result(r.out_fence));
	let_go(self, &w);
	EXPECT_EQ(1, fence_result(w.out_fence));
	EXPECT_EQ(1, fence_result(writer(self, 0, IMPLICIT, 8).out_fence));
	EXPECT_EQ(0, sf_status(held.out_fence));
}

/* The error of an earlier user is not an error of the next job. */
TEST_F(implicit, failed_writer_does_not_fail_the_next)
{
	struct dmabuf_importer_job w = {
		.dev = self->dev[0], .op = DMABUF_IMPORTER_FILL,
		.flags = IMPLICIT | OUT_FENCE | HELD,
		.dst = buffer(self->att[0], 0), .length = PAGE, .error = -EIO,
	};
	struct dmabuf_importer_job next;

	ASSERT_EQ(0, imp_submit(self->imp, &w));
	next = writer(self, 1, IMPLICIT, 3);
	let_go(self, &w);
	EXPECT_EQ(1, fence_result(next.out_fence));
	EXPECT_EQ(-EIO, sf_status(w.out_fence));
}

TEST_F(implicit, poll_sees_running_jobs)
{
	struct dmabuf_importer_job r = reader(self, 0, IMPLICIT | HELD), w;

	EXPECT_EQ(POLLIN, poll_now(self->fd, POLLIN));
	EXPECT_EQ(0, poll_now(self->fd, POLLOUT));
	w = writer(self, 1, IMPLICIT | HELD, 1);
	EXPECT_EQ(0, poll_ms(self->fd, POLLIN | POLLOUT, 30));
	let_go(self, &r);
	EXPECT_EQ(1, fence_result(r.out_fence));
	EXPECT_EQ(0, poll_ms(self->fd, POLLIN | POLLOUT, 30));
	let_go(self, &w);
	EXPECT_EQ(POLLOUT, poll_ms(self->fd, POLLOUT, WAIT_MS));
	EXPECT_EQ(POLLIN, poll_ms(self->fd, POLLIN, WAIT_MS));
}

TEST_F(implicit, exported_sync_file_signals_with_the_job)
{
	struct dmabuf_importer_job r = reader(self, 0, IMPLICIT | HELD);
	int for_read = db_export(self->fd, DMA_BUF_SYNC_READ);
	int for_write = db_export(self->fd, DMA_BUF_SYNC_WRITE);

	ASSERT_LE(0, for_read);
	ASSERT_LE(0, for_write);
	EXPECT_EQ(1, sf_status(for_read));
	EXPECT_EQ(0, sf_status(for_write));
	let_go(self, &r);
	EXPECT_EQ(1, fence_result(for_write));
}

TEST_F(implicit, imported_sync_file_holds_jobs_up)
{
	int tl = sw_open(), fence = sw_fence(tl, 1);
	struct dmabuf_importer_job r, w;

	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_READ, fence));
	r = reader(self, 0, IMPLICIT);
	EXPECT_EQ(1, fence_result(r.out_fence));
	w = writer(self, 1, IMPLICIT, 4);
	EXPECT_EQ(0, poll_ms(w.out_fence, POLLIN, 30));
	EXPECT_EQ(0, sw_inc(tl, 1));
	EXPECT_EQ(1, fence_result(w.out_fence));
}

/* Explicit synchronisation: the out fence of one device is an in fence of the next. */
TEST_F(implicit, out_fence_is_in_fence)
{
	struct dmabuf_importer_job w = writer(self, 0, HELD, 6);
	struct dmabuf_importer_job r = {
		.dev = self->dev[1], .op = DMABUF_IMPORTER_COPY, .flags = OUT_FENCE,
		.src = buffer(self->att[1], 0), .dst = user(&self->byte[1]), .length = 1,
		.in_fences = (uintptr_t)&w.out_fence, .num_in_fences = 1,
	};

	if (bounces())
		SKIP(return, NEEDS_SHARED_MEMORY);
	ASSERT_EQ(0, imp_submit(self->imp, &r));
	EXPECT_EQ(0, poll_ms(r.out_fence, POLLIN, 30));
	let_go(self, &w);
	EXPECT_EQ(1, fence_result(r.out_fence));
	EXPECT_EQ(6, self->byte[1]);
}

/* Submit jobs that name the same two buffers in alternating order. */
static int copy_back_and_forth(void *arg)
{
	FIXTURE_DATA(implicit) *self = arg;
	int i, ret = 1;
	int imp = imp_open(), dev = imp_dev(imp, any_engine(), DYNAMIC);
	int other = self->dev[0], a = imp_attach(imp, dev, self->fd);
	int b = imp_attach(imp, dev, other);

	for (i = 0; i < rounds(200) && ret == 1; i++) {
		struct dmabuf_importer_job job = {
			.dev = dev, .op = DMABUF_IMPORTER_COPY, .flags = IMPLICIT,
			.src = buffer(i & 1 ? a : b, 0), .dst = buffer(i & 1 ? b : a, 0),
			.length = PAGE,
		};

		ret = imp_run(imp, &job);
	}
	close(imp);
	return ret;
}

TEST_F(implicit, two_buffers_are_locked_in_any_order)
{
	FIXTURE_DATA(implicit) shared = *self;
	struct task t[2];

	/* In the copy, dev[0] is the descriptor of the second buffer. */
	shared.dev[0] = imp_buffer(self->imp, PAGE, DMABUF_IMPORTER_BUFFER_DYNAMIC);
	ASSERT_LE(0, shared.dev[0]);
	ASSERT_EQ(0, task_start(&t[0], copy_back_and_forth, &shared));
	ASSERT_EQ(0, task_start(&t[1], copy_back_and_forth, &shared));
	EXPECT_EQ(1, task_join(&t[0]));
	EXPECT_EQ(1, task_join(&t[1]));
	close(shared.dev[0]);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory moves while devices use it: importers are notified once, running jobs keep
 * the old place, later jobs find the data at the new place, and pins prevent moves.
 *
 * Copyright (C) the dma-buf project authors
 */
#include "importer_util.h"

#define SIZE (any_engine() == EDU ? 2 * PAGE : 16 * PAGE)

FIXTURE(move)
{
	int imp, dev, fd, att;
	unsigned char *in, *out;
};

/* Copy bytes into the buffer and out of it, by jobs. */
static int put(FIXTURE_DATA(move) *self, __u64 offset, const void *data, __u64 length)
{
	return imp_copy(self->imp, self->dev, buffer(self->att, offset), user(data), length);
}

static int get(FIXTURE_DATA(move) *self, void *data, __u64 offset, __u64 length)
{
	return imp_copy(self->imp, self->dev, user(data), buffer(self->att, offset), length);
}

FIXTURE_SETUP(move)
{
	if (missing(IMPORTER_PATH))
		SKIP(return, NEEDS_IMPORTER);
	if (bounces())
		SKIP(return, NEEDS_SHARED_MEMORY);
	self->imp = imp_open();
	ASSERT_LE(0, self->imp);
	self->dev = imp_dev(self->imp, any_engine(), DYNAMIC);
	self->fd = imp_buffer(self->imp, SIZE, DMABUF_IMPORTER_BUFFER_DYNAMIC);
	self->att = imp_attach(self->imp, self->dev, self->fd);
	ASSERT_LT(0, self->att);
	self->in = malloc(SIZE);
	self->out = calloc(1, SIZE);
	pattern(self->in, SIZE, 3);
	ASSERT_EQ(1, put(self, 0, self->in, SIZE));
}

FIXTURE_TEARDOWN(move)
{
	ASSERT_EQ(1, get(self, self->out, 0, SIZE));
	EXPECT_EQ(0, memcmp(self->in, self->out, SIZE));
	free(self->in);
	free(self->out);
	close(self->fd);
	close(self->imp);
}

TEST_F(move, content_and_importer_follow)
{
	int i;

	for (i = 1; i <= rounds(20); i++) {
		ASSERT_EQ(0, imp_move(self->imp, self->fd));
		memset(self->out, 0, SIZE);
		ASSERT_EQ(1, get(self, self->out, 0, SIZE));
		ASSERT_EQ(0, memcmp(self->in, self->out, SIZE));
		EXPECT_EQ(i, imp_info(self->imp, self->att).moves);
		EXPECT_EQ(i + 1, imp_info(self->imp, self->att).maps);
	}
}

/* An attachment without a mapping is not notified of a move. */
TEST_F(move, told_only_while_mapped)
{
	int att = imp_attach(self->imp, self->dev, self->fd);

	ASSERT_LT(0, att);
	EXPECT_EQ(0, imp_move(self->imp, self->fd));
	EXPECT_EQ(0, imp_info(self->imp, att).moves);
	EXPECT_LT(0, imp_map(self->imp, att, DMABUF_IMPORTER_READ, NULL, 0));
	EXPECT_EQ(0, imp_move(self->imp, self->fd));
	EXPECT_EQ(1, imp_info(self->imp, att).moves);
}

TEST_F(move, addresses_change)
{
	struct dmabuf_importer_segment a, b;
	int imp = self->imp, att = self->att, other = imp_attach(imp, self->dev, self->fd);

	ASSERT_LT(0, other);
	/* The mapping holds the old place, so no other memory gets its address. */
	ASSERT_LT(0, imp_map(imp, att, DMABUF_IMPORTER_READ, &a, 1));
	ASSERT_EQ(0, imp_move(imp, self->fd));
	ASSERT_LT(0, imp_map(imp, other, DMABUF_IMPORTER_READ, &b, 1));
	EXPECT_NE(a.address, b.address);
	ASSERT_EQ(0, imp_id(imp, DMABUF_IMPORTER_UNMAP, att));
	ASSERT_EQ(0, imp_id(imp, DMABUF_IMPORTER_UNMAP, other));
}

TEST_F(move, pinned_memory_stays)
{
	int imp = self->imp;

	ASSERT_EQ(0, imp_id(imp, DMABUF_IMPORTER_PIN, self->att));
	EXPECT_EQ(-EBUSY, imp_move(imp, self->fd));
	ASSERT_EQ(0, imp_id(imp, DMABUF_IMPORTER_UNPIN, self->att));
	EXPECT_EQ(0, imp_move(imp, self->fd));
	/* Closing the file drops its pins. */
	ASSERT_EQ(0, imp_id(imp, DMABUF_IMPORTER_PIN, self->att));
	close(imp);
	self->imp = imp_open();
	EXPECT_EQ(0, imp_move(self->imp, self->fd));
	self->dev = imp_dev(self->imp, any_engine(), DYNAMIC);
	self->att = imp_attach(self->imp, self->dev, self->fd);
}

/*
 * The memory moves while a held job has yet to write to the old place. A reader of
 * the new place must wait until the data has arrived.
 */
TEST_F(move, waits_for_the_job_that_runs)
{
	struct dmabuf_importer_job w = {
		.dev = self->dev, .op = DMABUF_IMPORTER_COPY, .flags = HELD | OUT_FENCE,
		.src = user(self->in), .dst = buffer(self->att, 0), .length = SIZE,
	};
	struct dmabuf_importer_job r = {
		.op = DMABUF_IMPORTER_COPY, .flags = OUT_FENCE,
		.dst = user(self->out), .length = SIZE,
	};
	int other = imp_dev(self->imp, any_engine(), DYNAMIC);

	pattern(self->in, SIZE, 4);
	ASSERT_EQ(0, imp_submit(self->imp, &w));
	ASSERT_EQ(0, imp_move(self->imp, self->fd));
	r.dev = other;
	r.src = buffer(imp_attach(self->imp, other, self->fd), 0);
	ASSERT_EQ(0, imp_submit(self->imp, &r));
	/* The reader waits for the move although it does not set IMPLICIT. */
	EXPECT_EQ(0, poll_ms(r.out_fence, POLLIN, 50));
	/* poll() waits for it, too: everybody waits for a fence of kernel usage. */
	EXPECT_EQ(0, poll_now(self->fd, POLLIN));
	EXPECT_EQ(0, imp_id(self->imp, DMABUF_IMPORTER_RELEASE, w.job));
	EXPECT_EQ(1, fence_result(r.out_fence));
	EXPECT_EQ(0, memcmp(self->in, self->out, SIZE));
	close(w.out_fence);
	close(r.out_fence);
}

/* Several moves wait behind one job and run one after the other. */
TEST_F(move, moves_queue_up)
{
	struct dmabuf_importer_job w = {
		.dev = self->dev, .op = DMABUF_IMPORTER_COPY, .flags = HELD | OUT_FENCE,
		.src = user(self->in), .dst = buffer(self->att, 0), .length = SIZE,
	};
	int i;

	pattern(self->in, SIZE, 5);
	ASSERT_EQ(0, imp_submit(self->imp, &w));
	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, imp_move(self->imp, self->fd));
	EXPECT_EQ(0, imp_id(self->imp, DMABUF_IMPORTER_RELEASE, w.job));
	EXPECT_EQ(1, fence_result(w.out_fence));
	close(w.out_fence);
}

/* Attaching a static importer waits for a pending move and prevents the next. */
TEST_F(move, static_importer_attaches_behind_a_move)
{
	int dev = imp_dev(self->imp, any_engine(), 0), att;

	ASSERT_EQ(0, imp_move(self->imp, self->fd));
	att = imp_attach(self->imp, dev, self->fd);
	ASSERT_LT(0, att);
	ASSERT_EQ(1, imp_copy(self->imp, dev, user(self->out), buffer(att, 0), SIZE));
	EXPECT_EQ(0, memcmp(self->in, self->out, SIZE));
	EXPECT_EQ(-EBUSY, imp_move(self->imp, self->fd));
}

struct mover {
	int imp, fd, moved;
	atomic_bool stop;
};

static int keep_moving(void *arg)
{
	struct mover *m = arg;
	int ret = 0;

	while (!ret && !atomic_load(&m->stop)) {
		ret = imp_move(m->imp, m->fd);
		m->moved++;
		/* Wait for each move: every place that is in use takes memory. */
		poll_ms(m->fd, POLLIN, WAIT_MS);
	}
	return ret;
}

/* The window: the memory moves between the map and the adding of the job's fence. */
TEST_F_TIMEOUT(move, in_the_middle_of_jobs, 120)
{
	struct mover m = { .imp = imp_open(), .fd = self->fd };
	struct task t;
	int i;

	ASSERT_EQ(0, task_start(&t, keep_moving, &m));
	for (i = 0; i < rounds(300); i++) {
		pattern(self->in, SIZE, i);
		ASSERT_EQ(1, put(self, 0, self->in, SIZE));
		ASSERT_EQ(1, get(self, self->out, 0, SIZE));
		ASSERT_EQ(0, memcmp(self->in, self->out, SIZE)) {
			TH_LOG("job %d after %d moves", i, m.moved);
		}
	}
	atomic_store(&m.stop, true);
	EXPECT_EQ(0, task_join(&t));
	EXPECT_LT(rounds(300) / 30, m.moved);
	close(m.imp);
}

TEST_HARNESS_MAIN

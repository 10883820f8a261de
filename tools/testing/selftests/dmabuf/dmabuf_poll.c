// SPDX-License-Identifier: GPL-2.0-only
/*
 * poll() on a buffer: readable when its writers are done, writable when readers
 * are too; one poller and many, and a close while a poller is armed. Each
 * waiter reports the status of the fence that must have signalled when it
 * wakes.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <sys/wait.h>

#include "dmabuf_setup.h"

#define BOTH (POLLIN | POLLOUT)

FIXTURE(poll)
{
	int fd;
	int timeline[2];
	int fence[2];
};

FIXTURE_SETUP(poll)
{
	if (missing(SYSTEM_HEAP))
		SKIP(return, NEEDS_HEAP);
	if (missing(SW_SYNC_PATH))
		SKIP(return, NEEDS_SW_SYNC);

	self->fd = heap_alloc(page_size());
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, sw_open_two(self->timeline, self->fence));
}

FIXTURE_TEARDOWN(poll)
{
	sw_close_two(self->timeline, self->fence);
	close(self->fd);
}

TEST_F(poll, idle_buffer_is_ready)
{
	EXPECT_EQ(POLLIN, poll_now(self->fd, POLLIN));
	EXPECT_EQ(POLLOUT, poll_now(self->fd, POLLOUT));
	EXPECT_EQ(BOTH, poll_now(self->fd, BOTH));
}

TEST_F(poll, other_events_report_nothing)
{
	EXPECT_EQ(0, poll_now(self->fd, 0));
	EXPECT_EQ(0, poll_now(self->fd, POLLPRI | POLLRDHUP));
	EXPECT_EQ(POLLIN, poll_now(self->fd, POLLIN | POLLPRI));
	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, self->fence[0]));
	EXPECT_EQ(0, poll_now(self->fd, 0));
	EXPECT_EQ(0, poll_now(self->fd, POLLPRI));
}

TEST_F(poll, write_fence_blocks_both_directions)
{
	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, self->fence[0]));
	EXPECT_EQ(0, poll_now(self->fd, POLLIN));
	EXPECT_EQ(0, poll_now(self->fd, POLLOUT));
	EXPECT_EQ(0, poll_now(self->fd, BOTH));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	EXPECT_EQ(BOTH, poll_now(self->fd, BOTH));
}

TEST_F(poll, read_fence_blocks_writers_only)
{
	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_READ, self->fence[0]));
	EXPECT_EQ(POLLIN, poll_now(self->fd, POLLIN));
	EXPECT_EQ(0, poll_now(self->fd, POLLOUT));
	EXPECT_EQ(POLLIN, poll_now(self->fd, BOTH));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	EXPECT_EQ(BOTH, poll_now(self->fd, BOTH));
}

TEST_F(poll, signalled_fence_blocks_nobody)
{
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, self->fence[0]));
	EXPECT_EQ(BOTH, poll_now(self->fd, BOTH));
}

TEST_F(poll, failed_fence_is_not_an_error)
{
	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, self->fence[0]));
	EXPECT_EQ(0, poll_now(self->fd, BOTH));
	close(self->timeline[0]);
	EXPECT_EQ(-ENOENT, sf_status(self->fence[0]));
	EXPECT_EQ(BOTH, poll_ms(self->fd, BOTH, WAIT_MS));
	self->timeline[0] = -1;
}

struct poller {
	int fd;
	short events;
	int must; /* the fence that must have signalled on waking */
	int status;
};

static int poller(void *arg)
{
	struct poller *p = arg;
	int ret = poll_ms(p->fd, p->events, WAIT_MS);

	p->status = sf_status(p->must);
	return ret;
}

FIXTURE(wake)
{
	int fd;
	int timeline[2];
	int fence[2];
};

FIXTURE_VARIANT(wake)
{
	__u32 import;
	short events;
};

FIXTURE_VARIANT_ADD(wake, reader_after_write)
{
	.import = DMA_BUF_SYNC_WRITE, .events = POLLIN,
};

FIXTURE_VARIANT_ADD(wake, writer_after_write)
{
	.import = DMA_BUF_SYNC_WRITE, .events = POLLOUT,
};

FIXTURE_VARIANT_ADD(wake, writer_after_read)
{
	.import = DMA_BUF_SYNC_READ, .events = POLLOUT,
};

FIXTURE_VARIANT_ADD(wake, both_after_write)
{
	.import = DMA_BUF_SYNC_WRITE, .events = BOTH,
};

FIXTURE_SETUP(wake)
{
	if (missing(SYSTEM_HEAP))
		SKIP(return, NEEDS_HEAP);
	if (missing(SW_SYNC_PATH))
		SKIP(return, NEEDS_SW_SYNC);

	self->fd = heap_alloc(page_size());
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, sw_open_two(self->timeline, self->fence));
	ASSERT_EQ(0, db_import(self->fd, variant->import, self->fence[0]));
}

FIXTURE_TEARDOWN(wake)
{
	sw_close_two(self->timeline, self->fence);
	close(self->fd);
}

TEST_F(wake, by_another_thread)
{
	struct poller p = { self->fd, variant->events, self->fence[0], -1 };
	struct task t;

	ASSERT_EQ(0, task_start(&t, poller, &p));
	EXPECT_TRUE(task_asleep(&t));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	EXPECT_EQ(variant->events, task_join(&t));
	EXPECT_EQ(1, p.status);
}

TEST_F(wake, by_another_process)
{
	int go[2], status;
	char byte = 'g';
	pid_t pid;

	ASSERT_EQ(0, pipe(go));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		if (read(go[0], &byte, 1) != 1)
			_exit(1);
		_exit(sw_inc(self->timeline[0], 1) ? 1 : 0);
	}
	EXPECT_EQ(0, poll_now(self->fd, variant->events));
	ASSERT_EQ(1, write(go[1], &byte, 1));
	EXPECT_EQ(variant->events, poll_ms(self->fd, variant->events, WAIT_MS));
	EXPECT_EQ(1, sf_status(self->fence[0]));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	close(go[0]);
	close(go[1]);
}

/* A fence that is added while a poller sleeps on an older one counts too. */
TEST_F(wake, not_before_a_fence_added_meanwhile)
{
	struct poller p = { self->fd, variant->events, self->fence[1], -1 };
	struct task t;

	ASSERT_EQ(0, task_start(&t, poller, &p));
	EXPECT_TRUE(task_asleep(&t));
	ASSERT_EQ(0, db_import(self->fd, variant->import, self->fence[1]));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	EXPECT_EQ(0, poll_now(self->fd, POLLOUT));
	EXPECT_TRUE(task_asleep(&t));
	ASSERT_EQ(0, sw_inc(self->timeline[1], 1));
	EXPECT_EQ(variant->events, task_join(&t));
	EXPECT_EQ(1, p.status);
}

TEST_F(wake, of_many_pollers)
{
	enum { N = 12 };
	struct poller p[N];
	struct task t[N];
	int i;

	for (i = 0; i < N; i++) {
		p[i] = (struct poller){ self->fd, variant->events, self->fence[0], -1 };
		ASSERT_EQ(0, task_start(&t[i], poller, &p[i]));
	}
	for (i = 0; i < N; i++)
		EXPECT_TRUE(task_asleep(&t[i]));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	for (i = 0; i < N; i++) {
		EXPECT_EQ(variant->events, task_join(&t[i]));
		EXPECT_EQ(1, p[i].status);
	}
}

TEST_F(wake, signal_ends_the_poll)
{
	struct poller p = { self->fd, variant->events, self->fence[0], -1 };
	struct sigaction sa = { .sa_handler = SIG_DFL };
	int status;
	pid_t pid;

	sigaction(SIGUSR1, &sa, NULL);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(poller(&p) ? 1 : 0);
	EXPECT_TRUE(wait_until(task_state(pid) == 'S'));
	ASSERT_EQ(0, kill(pid, SIGUSR1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	/* The callback of the interrupted poller is still armed. */
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	EXPECT_EQ(variant->events, poll_ms(self->fd, variant->events, WAIT_MS));
}

TEST_F(wake, same_buffer_polled_again_and_again)
{
	int i, fence;

	for (i = 2; i < 50; i++) {
		EXPECT_EQ(0, poll_now(self->fd, variant->events));
		ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
		EXPECT_EQ(variant->events, poll_ms(self->fd, variant->events, WAIT_MS));
		fence = sw_fence(self->timeline[0], i);
		ASSERT_LE(0, fence);
		ASSERT_EQ(0, db_import(self->fd, variant->import, fence));
		close(fence);
	}
}

TEST_F(wake, fd_closed_while_armed)
{
	unsigned long ino = db_ino(self->fd);

	if (missing(BUFINFO_PATH))
		SKIP(return, NEEDS_BUFINFO);
	EXPECT_EQ(0, poll_now(self->fd, variant->events));
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	EXPECT_TRUE(buffer_gone(ino));
	self->fd = -1;
}

TEST_F(wake, armed_buffer_freed_by_a_failing_fence)
{
	unsigned long ino = db_ino(self->fd);

	if (missing(BUFINFO_PATH))
		SKIP(return, NEEDS_BUFINFO);
	EXPECT_EQ(0, poll_now(self->fd, variant->events));
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, close(self->timeline[0]));
	EXPECT_TRUE(buffer_gone(ino));
	self->fd = -1;
	self->timeline[0] = -1;
}

TEST_F(poll, reader_wakes_while_writer_still_waits)
{
	struct poller in = { self->fd, POLLIN, self->fence[0], -1 };
	struct poller out = { self->fd, POLLOUT, self->fence[1], -1 };
	struct task tin, tout;

	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, self->fence[0]));
	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_READ, self->fence[1]));
	ASSERT_EQ(0, task_start(&tin, poller, &in));
	ASSERT_EQ(0, task_start(&tout, poller, &out));
	EXPECT_TRUE(task_asleep(&tin));
	EXPECT_TRUE(task_asleep(&tout));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	EXPECT_EQ(POLLIN, task_join(&tin));
	EXPECT_EQ(1, in.status);
	EXPECT_TRUE(task_asleep(&tout));
	ASSERT_EQ(0, sw_inc(self->timeline[1], 1));
	EXPECT_EQ(POLLOUT, task_join(&tout));
	EXPECT_EQ(1, out.status);
}

/* To wait for the present fences only, export them: see the documentation. */
TEST_F(poll, busy_as_long_as_work_keeps_coming)
{
	struct poller p = { self->fd, POLLIN, self->fence[0], -1 };
	int i, fence, now;
	struct task t;

	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, self->fence[0]));
	now = db_export(self->fd, DMA_BUF_SYNC_READ);
	ASSERT_LE(0, now);
	ASSERT_EQ(0, task_start(&t, poller, &p));
	EXPECT_TRUE(task_asleep(&t));
	for (i = 2; i < 10; i++) {
		fence = sw_fence(self->timeline[0], i);
		ASSERT_LE(0, fence);
		ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, fence));
		close(fence);
		ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
		EXPECT_EQ(POLLIN, poll_ms(now, POLLIN, WAIT_MS));
		EXPECT_EQ(0, poll_now(self->fd, POLLIN));
		EXPECT_TRUE(task_asleep(&t));
	}
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	EXPECT_EQ(POLLIN, task_join(&t));
	close(now);
}

TEST_F(poll, several_buffers_in_one_call)
{
	int other = heap_alloc(page_size());
	struct pollfd pfd[2] = {
		{ .fd = self->fd, .events = POLLIN }, { .fd = other, .events = POLLIN },
	};

	ASSERT_LE(0, other);
	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, self->fence[0]));
	ASSERT_EQ(0, db_import(other, DMA_BUF_SYNC_WRITE, self->fence[1]));
	EXPECT_EQ(0, poll(pfd, 2, 0));
	ASSERT_EQ(0, sw_inc(self->timeline[1], 1));
	EXPECT_EQ(1, poll(pfd, 2, WAIT_MS));
	EXPECT_EQ(0, pfd[0].revents);
	EXPECT_EQ(POLLIN, pfd[1].revents);
	close(other);
}

TEST_HARNESS_MAIN

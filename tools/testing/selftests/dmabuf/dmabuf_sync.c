// SPDX-License-Identifier: GPL-2.0-only
/*
 * DMA_BUF_IOCTL_SYNC as a wait: the start of CPU access blocks until the fences
 * that matter for the direction have signalled, can be interrupted and killed,
 * and succeeds if a fence fails. Every waiter reports the status of the fence
 * on return, so that no test relies on time.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <sys/wait.h>

#include "dmabuf_util.h"

FIXTURE(sync_wait)
{
	int fd;
	int timeline;
	int fence;
};

FIXTURE_SETUP(sync_wait)
{
	if (missing(SYSTEM_HEAP))
		SKIP(return, NEEDS_HEAP);
	if (missing(SW_SYNC_PATH))
		SKIP(return, NEEDS_SW_SYNC);

	self->fd = heap_alloc(page_size());
	ASSERT_LE(0, self->fd);
	self->timeline = sw_open();
	ASSERT_LE(0, self->timeline);
	self->fence = sw_fence(self->timeline, 1);
	ASSERT_LE(0, self->fence);
}

FIXTURE_TEARDOWN(sync_wait)
{
	close(self->fence);
	close(self->timeline);
	EXPECT_EQ(0, close(self->fd));
}

struct sync_call {
	int fd;
	int fence;
	__u64 flags;
	int status; /* of the fence when SYNC returned */
};

static int sync_call(void *arg)
{
	struct sync_call *c = arg;
	int ret = db_sync(c->fd, c->flags);

	c->status = sf_status(c->fence);
	return ret;
}

static atomic_int signals_seen;

static void on_signal(int sig)
{
	atomic_fetch_add(&signals_seen, 1);
}

static void catch_usr1(int flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };

	atomic_store(&signals_seen, 0);
	sigaction(SIGUSR1, &sa, NULL);
}

FIXTURE_VARIANT(sync_wait)
{
	__u32 import;
	__u64 start;
	bool blocks;
};

FIXTURE_VARIANT_ADD(sync_wait, read_after_write)
{
	.import = DMA_BUF_SYNC_WRITE, .start = DMA_BUF_SYNC_READ, .blocks = true,
};

FIXTURE_VARIANT_ADD(sync_wait, write_after_write)
{
	.import = DMA_BUF_SYNC_WRITE, .start = DMA_BUF_SYNC_WRITE, .blocks = true,
};

FIXTURE_VARIANT_ADD(sync_wait, write_after_read)
{
	.import = DMA_BUF_SYNC_READ, .start = DMA_BUF_SYNC_WRITE, .blocks = true,
};

FIXTURE_VARIANT_ADD(sync_wait, both_after_read)
{
	.import = DMA_BUF_SYNC_READ, .start = DMA_BUF_SYNC_RW, .blocks = true,
};

FIXTURE_VARIANT_ADD(sync_wait, read_after_read)
{
	.import = DMA_BUF_SYNC_READ, .start = DMA_BUF_SYNC_READ, .blocks = false,
};

TEST_F(sync_wait, start_blocks_until_the_fence_signals)
{
	struct sync_call call = {
		.fd = self->fd, .fence = self->fence, .flags = variant->start,
	};
	struct task t;

	ASSERT_EQ(0, db_import(self->fd, variant->import, self->fence));
	if (!variant->blocks) {
		EXPECT_EQ(0, db_sync(self->fd, variant->start));
		EXPECT_EQ(0, sf_status(self->fence));
		return;
	}
	ASSERT_EQ(0, task_start(&t, sync_call, &call));
	EXPECT_TRUE(task_asleep(&t));
	ASSERT_EQ(0, sw_inc(self->timeline, 1));
	EXPECT_EQ(0, task_join(&t));
	EXPECT_EQ(1, call.status);
}

TEST_F(sync_wait, end_never_blocks)
{
	ASSERT_EQ(0, db_import(self->fd, variant->import, self->fence));
	EXPECT_EQ(0, db_sync(self->fd, DMA_BUF_SYNC_END | variant->start));
	EXPECT_EQ(0, sf_status(self->fence));
}

FIXTURE(sync_signal)
{
	int fd;
	int timeline;
	int fence;
	struct sync_call call;
	struct task t;
};

FIXTURE_SETUP(sync_signal)
{
	if (missing(SYSTEM_HEAP))
		SKIP(return, NEEDS_HEAP);
	if (missing(SW_SYNC_PATH))
		SKIP(return, NEEDS_SW_SYNC);

	self->fd = heap_alloc(page_size());
	ASSERT_LE(0, self->fd);
	self->timeline = sw_open();
	ASSERT_LE(0, self->timeline);
	self->fence = sw_fence(self->timeline, 1);
	ASSERT_LE(0, self->fence);
	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, self->fence));
	self->call.fd = self->fd;
	self->call.fence = self->fence;
	self->call.flags = DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW;
}

FIXTURE_TEARDOWN(sync_signal)
{
	close(self->fence);
	close(self->timeline);
	EXPECT_EQ(0, close(self->fd));
}

TEST_F(sync_signal, signal_interrupts_the_wait)
{
	catch_usr1(0);
	ASSERT_EQ(0, task_start(&self->t, sync_call, &self->call));
	ASSERT_TRUE(task_asleep(&self->t));
	ASSERT_EQ(0, pthread_kill(self->t.thread, SIGUSR1));
	EXPECT_EQ(-EINTR, task_join(&self->t));
	EXPECT_EQ(0, self->call.status);
	EXPECT_EQ(1, atomic_load(&signals_seen));
}

TEST_F(sync_signal, restarting_signal_continues_the_wait)
{
	catch_usr1(SA_RESTART);
	ASSERT_EQ(0, task_start(&self->t, sync_call, &self->call));
	ASSERT_TRUE(task_asleep(&self->t));
	ASSERT_EQ(0, pthread_kill(self->t.thread, SIGUSR1));
	ASSERT_TRUE(wait_until(atomic_load(&signals_seen) == 1));
	ASSERT_TRUE(task_asleep(&self->t));
	ASSERT_EQ(0, sw_inc(self->timeline, 1));
	EXPECT_EQ(0, task_join(&self->t));
	EXPECT_EQ(1, self->call.status);
}

TEST_F(sync_signal, waiting_process_can_be_killed)
{
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid)
		_exit(db_sync(self->fd, self->call.flags) ? 1 : 0);
	EXPECT_TRUE(wait_until(task_state(pid) == 'S'));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(0, sf_status(self->fence));
}

/* A failed fence means that the job is over: the wait succeeds. */
TEST_F(sync_signal, failed_fence_ends_the_wait)
{
	ASSERT_EQ(0, task_start(&self->t, sync_call, &self->call));
	ASSERT_TRUE(task_asleep(&self->t));
	ASSERT_EQ(0, close(self->timeline));
	self->timeline = -1;
	EXPECT_EQ(0, task_join(&self->t));
	EXPECT_EQ(-ENOENT, self->call.status);
}

TEST_F(sync_signal, all_waiters_wake)
{
	enum { N = 8 };
	struct sync_call call[N];
	struct task t[N];
	int i;

	for (i = 0; i < N; i++) {
		call[i] = self->call;
		call[i].flags = DMA_BUF_SYNC_START | (i % 3 + 1);
		ASSERT_EQ(0, task_start(&t[i], sync_call, &call[i]));
	}
	for (i = 0; i < N; i++)
		EXPECT_TRUE(task_asleep(&t[i]));
	ASSERT_EQ(0, sw_inc(self->timeline, 1));
	for (i = 0; i < N; i++) {
		EXPECT_EQ(0, task_join(&t[i]));
		EXPECT_EQ(1, call[i].status);
	}
}

/*
 * A wait that returned after the first fence would let the CPU race the second.
 */
TEST_F(sync_signal, waiter_of_two_fences_waits_for_both)
{
	int other = sw_open(), second;

	ASSERT_LE(0, other);
	second = sw_fence(other, 1);
	ASSERT_LE(0, second);
	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_READ, second));
	self->call.fence = second;
	ASSERT_EQ(0, task_start(&self->t, sync_call, &self->call));
	ASSERT_TRUE(task_asleep(&self->t));
	ASSERT_EQ(0, sw_inc(self->timeline, 1));
	ASSERT_TRUE(task_asleep(&self->t));
	ASSERT_EQ(0, sw_inc(other, 1));
	EXPECT_EQ(0, task_join(&self->t));
	EXPECT_EQ(1, self->call.status);
	EXPECT_EQ(1, sf_status(self->fence));
	close(second);
	close(other);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processes die, fork, exec or get a signal with work in flight: their fences signal,
 * their buffers are freed, and other users of a shared buffer carry on.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <sys/wait.h>

#include "importer_util.h"

/* The longest map; no test waits until it ends. */
#define SLOW_MS 10000

/* Long before a job times out by itself. */
static int cancel_ms(void)
{
	int ms = 5000 * slowness(), half = DMABUF_IMPORTER_MAX_TIMEOUT_MS / 2;

	return ms < half ? ms : half;
}

/* What the child does before it is killed. */
enum stage {
	ATTACHED,
	MAPPED,
	PINNED,
	JOB_HELD,
	JOB_DELAYED,
	JOB_WAITS,
	JOB_RUNS,
	JOBS_QUEUED,
	IN_SLOW_MAP,
};

FIXTURE(kill)
{
	int imp, fd, dev, att;
	int from_child[2];
};

FIXTURE_VARIANT(kill)
{
	enum stage stage;
};

FIXTURE_VARIANT_ADD(kill, attached)
{
	.stage = ATTACHED,
};

FIXTURE_VARIANT_ADD(kill, mapped)
{
	.stage = MAPPED,
};

FIXTURE_VARIANT_ADD(kill, pinned)
{
	.stage = PINNED,
};

FIXTURE_VARIANT_ADD(kill, job_held)
{
	.stage = JOB_HELD,
};

FIXTURE_VARIANT_ADD(kill, job_delayed)
{
	.stage = JOB_DELAYED,
};

FIXTURE_VARIANT_ADD(kill, job_waits_for_fence)
{
	.stage = JOB_WAITS,
};

FIXTURE_VARIANT_ADD(kill, job_runs)
{
	.stage = JOB_RUNS,
};

FIXTURE_VARIANT_ADD(kill, jobs_queued)
{
	.stage = JOBS_QUEUED,
};

FIXTURE_VARIANT_ADD(kill, in_slow_map)
{
	.stage = IN_SLOW_MAP,
};

FIXTURE_SETUP(kill)
{
	if (missing(IMPORTER_PATH))
		SKIP(return, NEEDS_IMPORTER);
	self->imp = imp_open();
	ASSERT_LE(0, self->imp);
	self->dev = imp_dev(self->imp, any_engine(), DYNAMIC);
	self->fd = imp_buffer(self->imp, PAGE, DMABUF_IMPORTER_BUFFER_DYNAMIC);
	self->att = imp_attach(self->imp, self->dev, self->fd);
	ASSERT_LT(0, self->att);
	ASSERT_EQ(0, pipe(self->from_child));
}

/* The survivor can still use and move the buffer, which is then freed. */
FIXTURE_TEARDOWN(kill)
{
	unsigned long ino = db_ino(self->fd);
	struct dmabuf_importer_job job = {
		.dev = self->dev, .op = DMABUF_IMPORTER_FILL, .flags = IMPLICIT,
		.dst = buffer(self->att, 0), .length = PAGE, .value = 3,
	};

	EXPECT_EQ(1, imp_run(self->imp, &job));
	EXPECT_EQ(0, imp_move(self->imp, self->fd));
	EXPECT_EQ(1, imp_run(self->imp, &job));
	close(self->imp);
	close(self->fd);
	EXPECT_TRUE(buffer_gone(ino));
}

static int child_job(FIXTURE_DATA(kill) *self, int imp, int dev, int att, __u32 flags,
		     __u32 delay_us, int *fence)
{
	struct dmabuf_importer_job job = {
		.dev = dev, .op = DMABUF_IMPORTER_FILL, .flags = flags | IMPLICIT,
		.dst = buffer(att, 0), .length = PAGE, .value = 9, .delay_us = delay_us,
		.timeout_ms = DMABUF_IMPORTER_MAX_TIMEOUT_MS,
		.in_fences = (uintptr_t)fence, .num_in_fences = !!fence,
	};

	return imp_submit(imp, &job);
}

/* Reach the stage, report it, and wait to be killed. */
static void child(FIXTURE_DATA(kill) *self, enum stage stage)
{
	int imp = imp_open(), dev = imp_dev(imp, any_engine(), DYNAMIC);
	int att = imp_attach(imp, dev, self->fd), ret = att < 0 ? att : 0, i, fence;

	close(self->imp);
	switch (stage) {
	case MAPPED:
		ret = imp_map(imp, att, DMABUF_IMPORTER_READ, NULL, 0) < 0;
		break;
	case PINNED:
		ret = imp_id(imp, DMABUF_IMPORTER_PIN, att);
		break;
	case JOB_HELD:
		ret = child_job(self, imp, dev, att, HELD, 0, NULL);
		break;
	case JOB_DELAYED:
		ret = child_job(self, imp, dev, att, 0, DMABUF_IMPORTER_MAX_DELAY_US, NULL);
		break;
	case JOB_WAITS:
		fence = sw_fence(sw_open(), 1);
		ret = child_job(self, imp, dev, att, 0, 0, &fence);
		break;
	case JOB_RUNS:
		/* Still running when the child is killed, if the engine is slow. */
		ret = child_job(self, imp, dev, att, 0, 0, NULL);
		break;
	case JOBS_QUEUED:
		for (i = 0; i < 100 && !ret; i++)
			ret = child_job(self, imp, dev, att, i ? 0 : HELD, 0, NULL);
		break;
	default:
		break;
	}
	if (stage == IN_SLOW_MAP)
		ret = imp_control(imp, self->fd, DMABUF_IMPORTER_SLOW_MAP, SLOW_MS);
	if (write(self->from_child[1], &ret, sizeof(ret)) != sizeof(ret))
		_exit(1);
	if (stage == IN_SLOW_MAP)
		imp_map(imp, att, DMABUF_IMPORTER_READ, NULL, 0);
	pause();
	_exit(1);
}

TEST_F(kill, process_dies)
{
	int status, ret = -1;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid)
		child(self, variant->stage);
	ASSERT_EQ(sizeof(ret), read(self->from_child[0], &ret, sizeof(ret)));
	EXPECT_EQ(0, ret);
	EXPECT_TRUE(wait_until(task_state(pid) == 'S'));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(0, imp_control(self->imp, self->fd, DMABUF_IMPORTER_SLOW_MAP, 0));
	/* Long before the timeout of the job: the kernel has cancelled it. */
	EXPECT_EQ(POLLOUT, poll_ms(self->fd, POLLOUT, cancel_ms()));
}

static atomic_int caught;

static void on_usr1(int sig)
{
	atomic_fetch_add(&caught, 1);
}

static void catch_usr1(int flags)
{
	struct sigaction sa = { .sa_handler = on_usr1, .sa_flags = flags };

	atomic_store(&caught, 0);
	sigaction(SIGUSR1, &sa, NULL);
}

/* A process sleeps in a map with the reservation lock held; a thread waits for it. */
FIXTURE(lock_wait)
{
	int imp, fd, dev, att, timeline, fence;
	pid_t holder;
	struct task t;
};

FIXTURE_VARIANT(lock_wait)
{
	int (*call)(void *fixture);
};

static int call_import(void *arg)
{
	FIXTURE_DATA(lock_wait) *self = arg;

	return db_import(self->fd, DMA_BUF_SYNC_WRITE, self->fence);
}

static int call_pin(void *arg)
{
	FIXTURE_DATA(lock_wait) *self = arg;

	return imp_id(self->imp, DMABUF_IMPORTER_PIN, self->att);
}

static int call_move(void *arg)
{
	FIXTURE_DATA(lock_wait) *self = arg;

	return imp_move(self->imp, self->fd);
}

FIXTURE_VARIANT_ADD(lock_wait, import)
{
	.call = call_import,
};

FIXTURE_VARIANT_ADD(lock_wait, pin)
{
	.call = call_pin,
};

FIXTURE_VARIANT_ADD(lock_wait, move)
{
	.call = call_move,
};

FIXTURE_SETUP(lock_wait)
{
	if (missing(IMPORTER_PATH))
		SKIP(return, NEEDS_IMPORTER);
	if (missing(SW_SYNC_PATH))
		SKIP(return, NEEDS_SW_SYNC);
	self->imp = imp_open();
	ASSERT_LE(0, self->imp);
	self->dev = imp_dev(self->imp, any_engine(), DYNAMIC);
	self->fd = imp_buffer(self->imp, PAGE, DMABUF_IMPORTER_BUFFER_DYNAMIC);
	self->att = imp_attach(self->imp, self->dev, self->fd);
	ASSERT_LT(0, self->att);
	self->timeline = sw_open();
	self->fence = sw_fence(self->timeline, 1);
	ASSERT_LE(0, self->fence);
	ASSERT_EQ(0, imp_control(self->imp, self->fd, DMABUF_IMPORTER_SLOW_MAP, SLOW_MS));
	self->holder = fork();
	ASSERT_LE(0, self->holder);
	if (!self->holder) {
		int imp = imp_open();
		int att = imp_attach(imp, imp_dev(imp, any_engine(), DYNAMIC), self->fd);

		imp_map(imp, att, DMABUF_IMPORTER_READ, NULL, 0);
		_exit(0);
	}
	/* Once it sleeps, it holds the lock: it is in the slow map. */
	ASSERT_TRUE(wait_until(task_state(self->holder) == 'S'));
}

FIXTURE_TEARDOWN(lock_wait)
{
	close(self->fence);
	close(self->timeline);
	close(self->fd);
	close(self->imp);
}

static bool end_holder(FIXTURE_DATA(lock_wait) *self)
{
	int status;

	return !kill(self->holder, SIGKILL) &&
	       waitpid(self->holder, &status, 0) == self->holder;
}

TEST_F(lock_wait, signal_ends_it)
{
	catch_usr1(0);
	ASSERT_EQ(0, task_start(&self->t, variant->call, self));
	ASSERT_TRUE(task_asleep(&self->t));
	ASSERT_EQ(0, pthread_kill(self->t.thread, SIGUSR1));
	EXPECT_EQ(-EINTR, task_join(&self->t));
	EXPECT_EQ(1, atomic_load(&caught));
	ASSERT_TRUE(end_holder(self));
}

/* With SA_RESTART, a program never sees EINTR. */
TEST_F(lock_wait, restarting_signal_continues_it)
{
	catch_usr1(SA_RESTART);
	ASSERT_EQ(0, task_start(&self->t, variant->call, self));
	ASSERT_TRUE(task_asleep(&self->t));
	ASSERT_EQ(0, pthread_kill(self->t.thread, SIGUSR1));
	ASSERT_TRUE(wait_until(atomic_load(&caught) == 1));
	EXPECT_TRUE(task_asleep(&self->t));
	ASSERT_TRUE(end_holder(self));
	EXPECT_EQ(0, task_join(&self->t));
}

FIXTURE(inherit)
{
	int imp, fd, dev, att;
};

FIXTURE_SETUP(inherit)
{
	if (missing(IMPORTER_PATH))
		SKIP(return, NEEDS_IMPORTER);
	self->imp = imp_open();
	ASSERT_LE(0, self->imp);
	self->dev = imp_dev(self->imp, any_engine(), DYNAMIC);
	self->fd = imp_buffer(self->imp, PAGE, DMABUF_IMPORTER_BUFFER_DYNAMIC);
	self->att = imp_attach(self->imp, self->dev, self->fd);
	ASSERT_LT(0, self->att);
}

FIXTURE_TEARDOWN(inherit)
{
	close(self->fd);
	close(self->imp);
}

/* Both processes have the file open, so the job stays when the child exits. */
TEST_F(inherit, fork_with_a_job_in_flight)
{
	struct dmabuf_importer_job job = {
		.dev = self->dev, .op = DMABUF_IMPORTER_FILL, .flags = HELD | OUT_FENCE,
		.dst = buffer(self->att, 0), .length = PAGE,
	};
	int status;
	pid_t pid;

	ASSERT_EQ(0, imp_submit(self->imp, &job));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(sf_status(job.out_fence) == 0 ? 0 : 1);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(0, sf_status(job.out_fence));
	EXPECT_EQ(0, imp_id(self->imp, DMABUF_IMPORTER_RELEASE, job.job));
	EXPECT_EQ(1, fence_result(job.out_fence));
}

/* All descriptors are close-on-exec, so exec closes the file and cancels the job. */
TEST_F(inherit, exec_with_a_job_in_flight)
{
	int status, fds[2];
	char byte;
	pid_t pid;

	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		int imp = imp_open(), dev = imp_dev(imp, any_engine(), DYNAMIC);
		struct dmabuf_importer_job job = {
			.dev = dev, .op = DMABUF_IMPORTER_FILL,
			.flags = HELD | OUT_FENCE | IMPLICIT,
			.dst = buffer(imp_attach(imp, dev, self->fd), 0), .length = PAGE,
			.timeout_ms = DMABUF_IMPORTER_MAX_TIMEOUT_MS,
		};

		if (imp_submit(imp, &job))
			_exit(1);
		execl("/bin/sleep", "sleep", "2", NULL);
		_exit(2);
	}
	close(fds[1]);
	/* End of file: the exec has closed the other end. */
	EXPECT_EQ(0, read(fds[0], &byte, 1));
	EXPECT_EQ(POLLOUT, poll_ms(self->fd, POLLOUT, cancel_ms()));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* A descriptor that survives exec keeps the file and the job until the program ends. */
TEST_F(inherit, exec_with_a_descriptor_that_survives)
{
	int status, fds[2];
	char byte;
	pid_t pid;

	ASSERT_EQ(0, pipe2(fds, O_CLOEXEC));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		int imp = imp_open(), dev = imp_dev(imp, any_engine(), DYNAMIC);
		struct dmabuf_importer_job job = {
			.dev = dev, .op = DMABUF_IMPORTER_FILL,
			.flags = HELD | IMPLICIT,
			.dst = buffer(imp_attach(imp, dev, self->fd), 0), .length = PAGE,
			.timeout_ms = DMABUF_IMPORTER_MAX_TIMEOUT_MS,
		};

		if (imp_submit(imp, &job) || fcntl(imp, F_SETFD, 0))
			_exit(1);
		execl("/bin/sleep", "sleep", "60", NULL);
		_exit(2);
	}
	close(fds[1]);
	/* End of file: the exec has closed the other end. */
	EXPECT_EQ(0, read(fds[0], &byte, 1));
	EXPECT_EQ(0, poll_now(self->fd, POLLOUT));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_EQ(POLLOUT, poll_ms(self->fd, POLLOUT, cancel_ms()));
}

TEST_HARNESS_MAIN

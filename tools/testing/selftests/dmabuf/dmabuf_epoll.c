// SPDX-License-Identifier: GPL-2.0-only
/*
 * epoll on a buffer: level and edge triggered, events that are modified after
 * the buffer was added, and a buffer that is closed while it is watched.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <sys/epoll.h>
#include <sys/wait.h>

#include "dmabuf_setup.h"

#define BOTH (EPOLLIN | EPOLLOUT)

static int epoll_do(int ep, int op, int fd, unsigned int events)
{
	struct epoll_event ev = { .events = events, .data.fd = fd };

	return sys_ret(epoll_ctl(ep, op, fd, &ev));
}

static int epoll_add(int ep, int fd, unsigned int events)
{
	return epoll_do(ep, EPOLL_CTL_ADD, fd, events);
}

static int epoll_get(int ep, int ms)
{
	struct epoll_event ev = { 0 };
	int ret = sys_ret(epoll_wait(ep, &ev, 1, ms));

	return ret <= 0 ? ret : (int)ev.events;
}

FIXTURE(epoll)
{
	int fd;
	int timeline[2];
	int fence[2];
	int ep;
};

FIXTURE_VARIANT(epoll)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(epoll, level)
{
	.flags = 0,
};

FIXTURE_VARIANT_ADD(epoll, edge)
{
	.flags = EPOLLET,
};

FIXTURE_SETUP(epoll)
{
	if (missing(SYSTEM_HEAP))
		SKIP(return, NEEDS_HEAP);
	if (missing(SW_SYNC_PATH))
		SKIP(return, NEEDS_SW_SYNC);

	self->fd = heap_alloc(page_size());
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, sw_open_two(self->timeline, self->fence));
	self->ep = epoll_create1(EPOLL_CLOEXEC);
	ASSERT_LE(0, self->ep);
}

FIXTURE_TEARDOWN(epoll)
{
	sw_close_two(self->timeline, self->fence);
	close(self->ep);
	close(self->fd);
}

TEST_F(epoll, wakes_on_the_fence)
{
	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, self->fence[0]));
	ASSERT_EQ(0, epoll_add(self->ep, self->fd, EPOLLIN | variant->flags));
	EXPECT_EQ(0, epoll_get(self->ep, 0));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	EXPECT_EQ(EPOLLIN, epoll_get(self->ep, WAIT_MS));
	/* Edge triggered may report it again, level triggered must. */
	if (!variant->flags)
		EXPECT_EQ(EPOLLIN, epoll_get(self->ep, 0));
}

TEST_F(epoll, sees_a_fence_added_after_it_was_ready)
{
	ASSERT_EQ(0, epoll_add(self->ep, self->fd, EPOLLOUT | variant->flags));
	EXPECT_EQ(EPOLLOUT, epoll_get(self->ep, 0));
	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_READ, self->fence[0]));
	EXPECT_EQ(0, epoll_get(self->ep, 0));
}

/* An event loop adds a buffer without events, and sets them later. */
TEST_F(epoll, modified_after_it_was_added)
{
	static const unsigned int events[][2] = {
		{ 0, EPOLLIN }, { 0, EPOLLOUT }, { EPOLLRDHUP, EPOLLIN }, { EPOLLPRI, EPOLLOUT },
		{ EPOLLIN, EPOLLOUT }, { EPOLLOUT, EPOLLIN }, { EPOLLIN, BOTH },
		{ EPOLLONESHOT, EPOLLIN | EPOLLONESHOT },
	};
	unsigned int i, wanted;
	int fence;

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		fence = sw_fence(self->timeline[0], i + 1);
		ASSERT_LE(0, fence);
		ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, fence));
		close(fence);
		wanted = events[i][1];
		ASSERT_EQ(0, epoll_add(self->ep, self->fd, events[i][0] | variant->flags));
		ASSERT_EQ(0, epoll_do(self->ep, EPOLL_CTL_MOD, self->fd, wanted | variant->flags));
		EXPECT_EQ(0, epoll_get(self->ep, 0));
		ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
		EXPECT_EQ(wanted & BOTH, epoll_get(self->ep, WAIT_MS)) {
			TH_LOG("%#x changed to %#x", events[i][0], wanted);
		}
		ASSERT_EQ(0, epoll_do(self->ep, EPOLL_CTL_DEL, self->fd, 0));
	}
}

/* Another process sets the events while this one sleeps in epoll_wait(). */
TEST_F(epoll, modified_while_another_process_waits)
{
	struct epoll_event ev = { 0 };
	pid_t pid;
	int status;

	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, self->fence[0]));
	ASSERT_EQ(0, epoll_add(self->ep, self->fd, variant->flags));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(epoll_wait(self->ep, &ev, 1, WAIT_MS) == 1 && ev.events == EPOLLIN ? 0 : 1);
	EXPECT_TRUE(wait_until(task_state(pid) == 'S'));
	ASSERT_EQ(0, epoll_do(self->ep, EPOLL_CTL_MOD, self->fd, EPOLLIN | variant->flags));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(epoll, buffer_closed_while_watched)
{
	unsigned long ino = db_ino(self->fd);

	if (missing(BUFINFO_PATH))
		SKIP(return, NEEDS_BUFINFO);
	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, self->fence[0]));
	ASSERT_EQ(0, epoll_add(self->ep, self->fd, BOTH | variant->flags));
	EXPECT_EQ(0, epoll_get(self->ep, 0));
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, sw_inc(self->timeline[0], 1));
	EXPECT_TRUE(buffer_gone(ino));
	EXPECT_EQ(0, epoll_get(self->ep, 0));
	self->fd = -1;
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A buffer in more than one process: passed over a socket, inherited by fork,
 * kept or closed by exec, duplicated. The last close frees it, which bufinfo
 * shows; a fence that one process adds makes the others wait.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include "dmabuf_util.h"

FIXTURE(share)
{
	int fd;
	unsigned long ino;
	size_t size;
	unsigned int *map;
	int sock[2];
};

FIXTURE_SETUP(share)
{
	if (missing(SYSTEM_HEAP))
		SKIP(return, NEEDS_HEAP);
	if (missing(BUFINFO_PATH))
		SKIP(return, NEEDS_BUFINFO);

	self->size = 16 * page_size();
	self->fd = heap_alloc(self->size);
	ASSERT_LE(0, self->fd);
	self->ino = db_ino(self->fd);
	self->map = mmap(NULL, self->size, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, self->sock));
}

FIXTURE_TEARDOWN(share)
{
	close(self->sock[0]);
	close(self->sock[1]);
}

/* Sends one byte, and with it the descriptor unless @fd is negative. */
static int send_fd(int sock, int fd)
{
	char byte = 'f', control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (fd >= 0) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	}
	return sys_ret(sendmsg(sock, &msg, 0));
}

/* Receives a byte; returns the descriptor sent with it, or -ENODATA. */
static int recv_fd(int sock)
{
	char byte, control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -EIO;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return -ENODATA;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(int));
	return fd;
}

/* Drops this process' mapping and descriptor. */
static int drop(void *map, size_t size, int fd)
{
	return munmap(map, size) || close(fd) ? -errno : 0;
}

/* The receiver maps, checks word 0, answers in word 1, and waits to be told. */
static int receiver(int sock, size_t size)
{
	int fd = recv_fd(sock);
	unsigned int *map;

	if (fd < 0)
		return 2;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED || map[0] != 0x1234)
		return 3;
	map[1] = 0x5678;
	if (send_fd(sock, -1) != 1)
		return 4;
	recv_fd(sock);
	if (map[2] != 0x9abc)
		return 5;
	munmap(map, size);
	close(fd);
	return send_fd(sock, -1) == 1 ? 0 : 6;
}

TEST_F(share, passed_over_a_socket)
{
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		munmap(self->map, self->size);
		close(self->fd);
		_exit(receiver(self->sock[1], self->size));
	}
	self->map[0] = 0x1234;
	ASSERT_EQ(1, send_fd(self->sock[0], self->fd));
	ASSERT_EQ(-ENODATA, recv_fd(self->sock[0]));
	EXPECT_EQ(0x5678, self->map[1]);
	self->map[2] = 0x9abc;
	EXPECT_EQ(0, drop(self->map, self->size, self->fd));
	/* Only the other process has the buffer now. */
	EXPECT_EQ(1, bufinfo_has(self->ino));
	ASSERT_EQ(1, send_fd(self->sock[0], -1));
	ASSERT_EQ(-ENODATA, recv_fd(self->sock[0]));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(buffer_gone(self->ino));
}

TEST_F(share, message_in_flight_keeps_the_buffer)
{
	int fd;
	unsigned int *map;

	self->map[5] = 55;
	ASSERT_EQ(1, send_fd(self->sock[0], self->fd));
	EXPECT_EQ(0, drop(self->map, self->size, self->fd));
	EXPECT_EQ(1, bufinfo_has(self->ino));
	fd = recv_fd(self->sock[1]);
	ASSERT_LE(0, fd);
	EXPECT_EQ(self->ino, db_ino(fd));
	map = mmap(NULL, self->size, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(55, map[5]);
	munmap(map, self->size);
	close(fd);
	EXPECT_TRUE(buffer_gone(self->ino));
}

TEST_F(share, message_never_received_frees_the_buffer)
{
	ASSERT_EQ(1, send_fd(self->sock[0], self->fd));
	EXPECT_EQ(0, drop(self->map, self->size, self->fd));
	EXPECT_EQ(1, bufinfo_has(self->ino));
	close(self->sock[1]);
	close(self->sock[0]);
	EXPECT_TRUE(buffer_gone(self->ino));
}

TEST_F(share, fence_of_one_process_holds_the_other)
{
	int timeline, fence, status;
	pid_t pid;

	if (missing(SW_SYNC_PATH))
		SKIP(return, NEEDS_SW_SYNC);
	timeline = sw_open();
	ASSERT_LE(0, timeline);
	fence = sw_fence(timeline, 1);
	ASSERT_LE(0, fence);
	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, fence));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(timeline);
		if (poll_now(self->fd, POLLIN) != 0)
			_exit(2);
		if (send_fd(self->sock[1], -1) != 1)
			_exit(3);
		if (poll_ms(self->fd, POLLIN, WAIT_MS) != POLLIN)
			_exit(4);
		_exit(sf_status(fence) == 1 ? 0 : 5);
	}
	ASSERT_EQ(-ENODATA, recv_fd(self->sock[0]));
	ASSERT_EQ(0, sw_inc(timeline, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	close(fence);
	close(timeline);
	EXPECT_EQ(0, drop(self->map, self->size, self->fd));
}

TEST_F(share, duplicates_are_equal_and_last_close_frees)
{
	int copies[4], i;

	copies[0] = dup(self->fd);
	copies[1] = dup2(self->fd, 200);
	copies[2] = fcntl(self->fd, F_DUPFD, 0);
	copies[3] = fcntl(self->fd, F_DUPFD_CLOEXEC, 0);
	self->map[0] = 77;
	EXPECT_EQ(0, drop(self->map, self->size, self->fd));
	for (i = 0; i < 4; i++) {
		ASSERT_LE(0, copies[i]);
		EXPECT_EQ(self->ino, db_ino(copies[i]));
		EXPECT_EQ(self->size, lseek(copies[i], 0, SEEK_END));
		EXPECT_EQ(1, bufinfo_has(self->ino));
		EXPECT_EQ(0, close(copies[i]));
	}
	EXPECT_TRUE(buffer_gone(self->ino));
}

TEST_F(share, fork_inherits_and_killed_child_frees)
{
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		self->map[0] = 99;
		send_fd(self->sock[1], -1);
		recv_fd(self->sock[1]); /* never comes */
		_exit(1);
	}
	ASSERT_EQ(-ENODATA, recv_fd(self->sock[0]));
	EXPECT_EQ(99, self->map[0]);
	EXPECT_EQ(0, drop(self->map, self->size, self->fd));
	EXPECT_EQ(1, bufinfo_has(self->ino));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(buffer_gone(self->ino));
}

/* Runs a shell whose exit status tells whether the descriptor is open. */
static int after_exec(int fd)
{
	char script[128];
	int status;
	pid_t pid;

	snprintf(script, sizeof(script),
		 "case \"$(readlink /proc/$$/fd/%d)\" in /dmabuf:*) exit 10;; *) exit 11;; esac",
		 fd);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		execl("/bin/sh", "sh", "-c", script, NULL);
		_exit(12);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -ECHILD;
	return WEXITSTATUS(status);
}

TEST_F(share, exec_drops_a_cloexec_descriptor)
{
	EXPECT_EQ(11, after_exec(self->fd));
	EXPECT_EQ(0, drop(self->map, self->size, self->fd));
}

TEST_F(share, exec_keeps_a_plain_descriptor)
{
	ASSERT_EQ(0, fcntl(self->fd, F_SETFD, 0));
	EXPECT_EQ(10, after_exec(self->fd));
	EXPECT_EQ(0, drop(self->map, self->size, self->fd));
	EXPECT_TRUE(buffer_gone(self->ino));
}

TEST_F(share, exec_keeps_what_the_heap_gave_without_cloexec)
{
	int heap = open(SYSTEM_HEAP, O_RDWR | O_CLOEXEC), fd;

	ASSERT_LE(0, heap);
	fd = heap_alloc_from(heap, page_size(), O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, fcntl(fd, F_GETFD));
	EXPECT_EQ(10, after_exec(fd));
	close(fd);
	close(heap);
	EXPECT_EQ(0, drop(self->map, self->size, self->fd));
}

TEST_F(share, exit_of_the_only_holder_frees)
{
	unsigned long ino = 0;
	int pipefd[2], status;
	pid_t pid;

	ASSERT_EQ(0, pipe(pipefd));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		int fd = heap_alloc(page_size());

		ino = fd < 0 ? 0 : db_ino(fd);
		if (write(pipefd[1], &ino, sizeof(ino)) != sizeof(ino))
			_exit(1);
		_exit(0);
	}
	ASSERT_EQ(sizeof(ino), read(pipefd[0], &ino, sizeof(ino)));
	EXPECT_NE(0, ino);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(buffer_gone(ino));
	close(pipefd[0]);
	close(pipefd[1]);
	EXPECT_EQ(0, drop(self->map, self->size, self->fd));
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Benchmark cases: sync_files and the implicit fences of buffers from user
 * space, with poll on buffers.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/sync_file.h>

#include "bench_user.h"

static int loops(uint64_t n)
{
	return n < 1000 ? 10 : 2;
}

/* Two files of n fences each. */
static int run_merge(struct measure *m, uint64_t n, long arg)
{
	struct sync_merge_data data = { .name = "bench" };
	int one = sync_file_new(n), i;

	data.fd2 = sync_file_new(n);
	for (i = 0; i < loops(n); i++) {
		start(m);
		must(ioctl(one, SYNC_IOC_MERGE, &data), "SYNC_IOC_MERGE");
		stop(m, 1);
		close(data.fence);
	}
	close(one);
	close(data.fd2);
	signal_fences();
	return 0;
}

static int run_info(struct measure *m, uint64_t n, long arg)
{
	struct sync_fence_info *fences = calloc(n, sizeof(*fences));
	struct sync_file_info info;
	int fd = sync_file_new(n), i;

	if (!fences)
		return -ENOMEM;
	/* Keep the page faults of the array out of the measurement. */
	memset(fences, 1, n * sizeof(*fences));
	start(m);
	for (i = 0; i < loops(n); i++) {
		memset(&info, 0, sizeof(info));
		info.num_fences = n;
		info.sync_fence_info = (uintptr_t)fences;
		must(ioctl(fd, SYNC_IOC_FILE_INFO, &info), "SYNC_IOC_FILE_INFO");
	}
	stop(m, loops(n));
	close(fd);
	signal_fences();
	free(fences);
	return info.num_fences == n ? 0 : -EIO;
}

/* Pending fences: the first poll arms, later ones only look. */
static int run_sync_poll(struct measure *m, uint64_t n, long arg)
{
	struct pollfd p = { .fd = sync_file_new(n), .events = POLLIN };
	int i;

	start(m);
	for (i = 0; i < 100; i++)
		must(poll(&p, 1, 0), "poll");
	stop(m, 100);
	close(p.fd);
	signal_fences();
	return 0;
}

static int run_export(struct measure *m, uint64_t n, long arg)
{
	struct dma_buf_export_sync_file data = { .flags = DMA_BUF_SYNC_RW };
	int buf = must(buffer_new(SCATTERED, 0), "buffer"), i;

	add_fences(buf, n);
	for (i = 0; i < loops(n); i++) {
		start(m);
		must(ioctl(buf, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &data),
		     "EXPORT_SYNC_FILE");
		stop(m, 1);
		close(data.fd);
	}
	close(buf);
	signal_fences();
	return 0;
}

/* Imports a file of n fences into a buffer without fences. */
static int run_import(struct measure *m, uint64_t n, long arg)
{
	struct dma_buf_import_sync_file data = { .flags = DMA_BUF_SYNC_WRITE };
	int buf, i;

	data.fd = sync_file_new(n);
	for (i = 0; i < loops(n); i++) {
		buf = must(buffer_new(SCATTERED, 0), "buffer");
		start(m);
		must(ioctl(buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &data),
		     "IMPORT_SYNC_FILE");
		stop(m, 1);
		close(buf);
	}
	close(data.fd);
	signal_fences();
	return 0;
}

/* Imports a file of one fence into a buffer with n fences. */
static int run_import_into(struct measure *m, uint64_t n, long arg)
{
	struct dma_buf_import_sync_file data = { .flags = DMA_BUF_SYNC_WRITE };
	int buf = must(buffer_new(SCATTERED, 0), "buffer"), i;

	add_fences(buf, n);
	for (i = 0; i < loops(n); i++) {
		data.fd = sync_file_new(1);
		start(m);
		must(ioctl(buf, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &data),
		     "IMPORT_SYNC_FILE");
		stop(m, 1);
		close(data.fd);
	}
	close(buf);
	signal_fences();
	return 0;
}

/* Polls n buffers, each with or without a pending fence. */
static int run_poll(struct measure *m, uint64_t n, long busy)
{
	struct pollfd *p = calloc(n, sizeof(*p));
	int rounds = n < 100 ? 100 / n : 1, ready = 0, round;
	uint64_t i;

	if (!p)
		return -ENOMEM;
	for (i = 0; i < n; i++) {
		p[i].fd = must(buffer_new(SCATTERED, 0), "buffer");
		p[i].events = POLLOUT;
		if (busy)
			add_fences(p[i].fd, 1);
	}
	start(m);
	for (round = 0; round < rounds; round++)
		ready += must(poll(p, n, 0), "poll");
	stop(m, rounds);
	signal_fences();
	for (i = 0; i < n; i++)
		close(p[i].fd);
	free(p);
	return ready == (busy ? 0 : rounds * (int)n) ? 0 : -EIO;
}

/* Waits until the poller sleeps, then signals. */
static void *signaller(void *arg)
{
	struct measure *m = arg;

	usleep(10000);
	start(m);
	signal_fences();
	return NULL;
}

/*
 * A waiter sleeps in poll while n fences of a buffer signal one by one.
 * Measures from the first signal to the return of poll.
 */
static int run_poll_wake(struct measure *m, uint64_t n, long arg)
{
	struct pollfd p = { .events = POLLOUT };
	pthread_t thread;

	p.fd = must(buffer_new(SCATTERED, 0), "buffer");
	add_fences(p.fd, n);
	errno = pthread_create(&thread, NULL, signaller, m);
	if (errno)
		die("pthread_create");
	set_urgent(true);
	must(poll(&p, 1, -1), "poll");
	/* it may be back before signal_fences() is, but not before start() */
	stop(m, 1);
	set_urgent(false);
	pthread_join(thread, NULL);
	close(p.fd);
	return 0;
}

/*
 * A compositor's loop: n buffers in one epoll set, each with a fence. They are
 * added while busy, and one call returns all after they have signalled.
 */
static int run_epoll(struct measure *m, uint64_t n, long arg)
{
	struct epoll_event *events = calloc(n, sizeof(*events));
	int *fds = calloc(n, sizeof(*fds)), set, ready = 0;
	uint64_t i;

	if (!events || !fds)
		return -ENOMEM;
	set = must(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
	for (i = 0; i < n; i++) {
		fds[i] = must(buffer_new(SCATTERED, 0), "buffer");
		add_fences(fds[i], 1);
	}
	start(m);
	for (i = 0; i < n; i++) {
		struct epoll_event event = { .events = EPOLLOUT, .data.fd = fds[i] };

		must(epoll_ctl(set, EPOLL_CTL_ADD, fds[i], &event), "epoll_ctl");
	}
	ready += must(epoll_wait(set, events, n, 0), "epoll_wait");
	signal_fences();
	ready += must(epoll_wait(set, events, n, 1000), "epoll_wait");
	stop(m, 1);
	close(set);
	for (i = 0; i < n; i++)
		close(fds[i]);
	free(fds);
	free(events);
	return ready == (int)n ? 0 : -EIO;
}

#define SIZES { 1, 10, 100, 1000, 10000, NO_MORE }

const struct user_case fence_cases[] = {
	{ "sync_file_merge", run_merge, 0, 0, SIZES },
	{ "sync_file_info", run_info, 0, 0, SIZES },
	{ "sync_file_poll", run_sync_poll, 0, 0, SIZES },
	{ "export_sync_file", run_export, 0, 0, SIZES },
	{ "import_sync_file", run_import, 0, 0, SIZES },
	{ "import_sync_file_into", run_import_into, 0, 0, SIZES },
	{ "poll_idle", run_poll, false, 0, SIZES },
	{ "poll_busy", run_poll, true, 0, SIZES },
	{ "poll_wake", run_poll_wake, 0, 0, SIZES },
	{ "epoll", run_epoll, 0, 0, { 1, 10, 100, 1000, NO_MORE } },
	{ }
};

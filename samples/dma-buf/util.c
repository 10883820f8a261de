// SPDX-License-Identifier: GPL-2.0-only
/*
 * Output, system calls that survive signals, and time; see util.h for the
 * error convention.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

static bool verbose;

void set_verbose(bool on)
{
	verbose = on;
}

static void line(FILE *to, const char *who, const char *fmt, va_list args)
{
	fprintf(to, "%-8s ", who);
	vfprintf(to, fmt, args);
}

void say(const char *who, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line(stdout, who, fmt, args);
	va_end(args);
	putchar('\n');
	/* A reader of a pipe or a serial line sees each stage at once. */
	fflush(stdout);
}

void detail(const char *who, const char *fmt, ...)
{
	va_list args;

	if (!verbose)
		return;
	va_start(args, fmt);
	line(stdout, who, fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

int fail_errno(const char *who, const char *fmt, ...)
{
	/* A reported failure must not return success. */
	int err = errno ? errno : EIO;
	va_list args;

	va_start(args, fmt);
	line(stderr, who, fmt, args);
	va_end(args);
	fprintf(stderr, ": %s\n", strerror(err));
	return -err;
}

int fail(int err, const char *who, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	line(stderr, who, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return -err;
}

int xioctl(int fd, unsigned long request, void *arg)
{
	int ret;

	do {
		ret = ioctl(fd, request, arg);
	} while (ret < 0 && errno == EINTR);
	return ret;
}

int wait_fd(int fd, short events, int timeout_ms)
{
	double end = now_ms() + timeout_ms;
	struct pollfd pfd = { .fd = fd, .events = events };
	int ret;

	do {
		double left = end - now_ms();

		ret = poll(&pfd, 1, left > 0 ? (int)left : 0);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return -errno;
	if (!ret)
		return -ETIMEDOUT;
	/* POLLERR alone: the events cannot happen any more. */
	return pfd.revents & events ? 0 : -EIO;
}

void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

void sleep_ms(unsigned int ms)
{
	struct timespec t = { ms / 1000, (ms % 1000) * 1000000L };

	nanosleep(&t, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Helpers for all stages of camera-to-screen: output, messages of failures,
 * system calls that restart after signals, and time.
 *
 * Error convention of the whole program: a function returns 0 or a negative
 * errno; the function that fails first prints a message, callers only clean up.
 *
 * Copyright (C) the dma-buf project authors
 */
#ifndef C2S_UTIL_H
#define C2S_UTIL_H

#include <stdbool.h>

#define __printf(a, b)	__attribute((format(printf, a, b)))
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/*
 * The time limit of each wait: a guest without hardware virtualisation that
 * runs a debugging kernel needs seconds for a frame, but never this long.
 */
#define WAIT_MS		60000
/* How long a device node may take to appear after boot. */
#define NODE_WAIT_MS	10000

void set_verbose(bool on);

/* Print a line; detail() does so only with --verbose. */
void say(const char *who, const char *fmt, ...) __printf(2, 3);
void detail(const char *who, const char *fmt, ...) __printf(2, 3);

/* Print what failed with errno's text; returns -errno. */
int fail_errno(const char *who, const char *fmt, ...) __printf(2, 3);
/* Print what failed, without the text of an errno; returns -err. */
int fail(int err, const char *who, const char *fmt, ...) __printf(3, 4);

int xioctl(int fd, unsigned long request, void *arg);
/* Wait for events on fd: 0, -ETIMEDOUT, or -errno. Prints nothing. */
int wait_fd(int fd, short events, int timeout_ms);
void close_fd(int *fd);

double now_ms(void);
void sleep_ms(unsigned int ms);

#endif

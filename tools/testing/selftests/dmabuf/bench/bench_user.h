/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The benchmark program: declarations shared by its files. As in the module, a
 * case sets up, measures between start() and stop(), and tears down;
 * bench_user.c repeats it and prints the best.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _BENCH_USER_H
#define _BENCH_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <time.h>

#include "bench_abi.h"
#include "bench_clock.h"

#define KIB 1024ULL
#define MIB (1024 * KIB)
#define PAGE 4096ULL

/* Room for the longest list of sizes. */
#define MAX_N 8

struct measure {
	uint64_t started;
	uint64_t ns;
	uint64_t ops;
};

/* One or more rows: NO_MORE ends @n. */
struct user_case {
	const char *name;
	/* 0 or -errno; -EOPNOTSUPP if this kernel cannot do it */
	int (*run)(struct measure *m, uint64_t n, long arg);
	long arg;
	unsigned int flags;
	uint64_t n[MAX_N];
};

#define NO_MORE UINT64_MAX
/* n is in bytes, and printed as such */
#define CASE_SIZE	1
/* the result is in bytes: run once, and printed as such */
#define CASE_BYTES	2
/* one run takes long: two repeats are enough */
#define CASE_LONG	4
/* it needs CMA or huge pages: not for user-mode Linux, which has neither */
#define CASE_MEMORY	8

/* An entry without a name ends each array. */
extern const struct user_case buffer_cases[];
extern const struct user_case heap_cases[];
extern const struct user_case fence_cases[];
extern const struct user_case memory_cases[];
extern const struct user_case udmabuf_cases[];
/* for a device behind an IOMMU, and one that needs bounce buffers */
extern const struct user_case iommu_cases[];
extern const struct user_case bounce_cases[];

/* /dev/dmabuf-bench */
extern int bench_fd;
extern uint64_t overhead;

/* for bench_ticks_to_ns() */
extern uint64_t scale;

static inline uint64_t clock_now(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static inline uint64_t now(void)
{
#ifdef BENCH_TSC
	return bench_ticks_to_ns(bench_ticks(), scale);
#else
	return clock_now(CLOCK_MONOTONIC);
#endif
}

static inline void start(struct measure *m)
{
	m->started = now();
}

static inline void stop(struct measure *m, uint64_t ops)
{
	uint64_t ns = now() - m->started;

	m->ns += ns > overhead ? ns - overhead : 0;
	m->ops += ops;
}

/* bench_user.c */
void die(const char *what);
/* returns @ret of a system call, or ends the program on failure */
int must(int ret, const char *what);

/* bench_user_util.c */
enum backing { SYSTEM_HEAP, CMA_HEAP, SCATTERED, MEMFD, MEMFD_HUGE };
/* a buffer of @size, or -errno if there is no such memory */
int buffer_new(enum backing backing, uint64_t size);
int heap_alloc(enum backing backing, uint64_t size);
/* a sealed memfd with all pages allocated */
int memfd_new(uint64_t size, bool huge);
int udmabuf_new(int memfd, uint64_t size);
/* the module: one of enum bench_op, @ops times; 0 or -errno */
int buffer_op(struct measure *m, int fd, enum bench_op op, uint64_t ops);
void add_fences(int fd, unsigned int n);
int sync_file_new(unsigned int n);
void signal_fences(void);
/* write one byte a page */
void touch(char *p, uint64_t size);
/*
 * An urgent thread runs as soon as it is woken. Otherwise the scheduler
 * decides, differently on each boot.
 */
void set_urgent(bool urgent);

#endif /* _BENCH_USER_H */

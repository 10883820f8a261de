// SPDX-License-Identifier: GPL-2.0-only
/*
 * The benchmark program: runs the module's cases and its own, repeats each and
 * prints the least, one line each:
 *
 *	bench CASE N VALUE UNIT
 *
 * where UNIT is `ns`, or `bytes` of memory, for one operation. VALUE is `n/a`
 * if this kernel cannot do it, and `skipped` if the sizes before say that it
 * would take too long.
 *
 * usage: bench_user [--path direct|iommu|bounce] [--list] [GLOB]
 *
 * The path is what is between the device and memory; there are cases for each.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bench_user.h"

/*
 * What a figure may cost, in ns or instructions. SPEND: all repeats together;
 * as emulation does 50 to 500 million instructions a second, and there are
 * some 280 figures, this makes a minute or two. A case whose next size looks
 * like taking more than LIMIT stops there: what a kernel does in time of n
 * squared may take it many minutes for 10,000.
 */
#define SPEND	(8 * 1000000ULL)
#define LIMIT	(5000 * 1000000ULL)

#define MIN_REPEATS	3
#define MAX_REPEATS	30

int bench_fd;
uint64_t overhead;
uint64_t scale;

static const char *glob = "*";
static bool only_list;

void die(const char *what)
{
	fprintf(stderr, "bench_user: %s: %s\n", what, strerror(errno));
	exit(1);
}

int must(int ret, const char *what)
{
	if (ret < 0)
		die(what);
	return ret;
}

/* A case of the module or of the program. */
struct any_case {
	const struct user_case *user;
	struct bench_info info;
	const char *name;
	unsigned int flags;
};

static int run_once(const struct any_case *c, struct measure *m, uint64_t n)
{
	struct bench_run run = { .index = c->info.index, .n = n };

	memset(m, 0, sizeof(*m));
	if (c->user)
		return c->user->run(m, n, c->user->arg);
	if (ioctl(bench_fd, BENCH_IOC_RUN, &run))
		return -errno;
	m->ns = run.ns;
	m->ops = run.ops;
	return 0;
}

/*
 * The CPU time that this process has used; sleep does not count, but in
 * user-mode Linux, where that time has steps of a tick.
 */
static uint64_t cpu_time(void)
{
#ifdef BENCH_TSC
	return now();
#else
	return clock_now(CLOCK_PROCESS_CPUTIME_ID);
#endif
}

/* For an expensive figure an interrupt does not matter: no repeats. */
static bool enough(const struct any_case *c, int repeats, uint64_t spent)
{
	if (c->flags & CASE_BYTES)
		return true;
	if (spent > LIMIT / 10)
		return true;
	if (c->flags & CASE_LONG)
		return repeats >= 2;
	return repeats >= MAX_REPEATS ||
	       (repeats >= MIN_REPEATS && spent >= SPEND) ||
	       (repeats >= 2 && spent >= 10 * SPEND);
}

/* @cost is the time of one repeat, with its preparation. */
static int best_of(const struct any_case *c, uint64_t n, double *best,
		   uint64_t *cost)
{
	uint64_t began = cpu_time(), spent;
	struct measure m;
	int repeats = 0, ret;
	double value;

	do {
		ret = run_once(c, &m, n);
		if (ret)
			return ret;
		if (!m.ops)
			return -EIO;
		value = (double)m.ns / m.ops;
		if (!repeats++ || value < *best)
			*best = value;
		spent = cpu_time() - began;
	} while (!enough(c, repeats, spent));
	*cost = spent / repeats;
	if (m.ns > *cost)
		*cost = m.ns;
	return 0;
}

static void print_row(const struct any_case *c, uint64_t n, const char *value)
{
	char label[32];

	if (!(c->flags & CASE_SIZE) || n % KIB)
		snprintf(label, sizeof(label), "%llu", (unsigned long long)n);
	else if (n % MIB)
		snprintf(label, sizeof(label), "%lluK", n / KIB);
	else
		snprintf(label, sizeof(label), "%lluM", n / MIB);
	printf("bench %s %s %s %s\n", c->name, label, value,
	       c->flags & CASE_BYTES ? "bytes" : "ns");
	fflush(stdout);
}

/* Runs one size; returns its cost, or 1 if this kernel does not support it. */
static uint64_t run_size(const struct any_case *c, uint64_t n)
{
	uint64_t cost;
	char text[32];
	double best = 0;
	int ret;

	ret = best_of(c, n, &best, &cost);
	if (ret == -EOPNOTSUPP) {
		print_row(c, n, "n/a");
		return 1;
	}
	if (ret) {
		errno = -ret;
		die(c->name);
	}
	snprintf(text, sizeof(text), "%.1f", best);
	print_row(c, n, text);
	return cost;
}

/*
 * If the cost of one operation grew between the last two sizes, assume that it
 * grows as much again, or less if the next step is smaller.
 */
static bool too_long(const uint64_t *sizes, const uint64_t *costs, int next)
{
	double last, growth, step;

	if (next < 2 || !sizes[next - 2])
		return false;
	last = (double)costs[next - 1] / sizes[next - 1];
	growth = last / ((double)costs[next - 2] / sizes[next - 2]);
	step = (double)sizes[next] / sizes[next - 1] *
	       sizes[next - 2] / sizes[next - 1];
	growth *= step < 1 ? step : 1;
	return sizes[next] * last * (growth > 1 ? growth : 1) > LIMIT;
}

static void run_case(const struct any_case *c, const uint64_t *sizes, int count)
{
	uint64_t costs[MAX_N];
	bool skip = false;
	int i;

	for (i = 0; i < count; i++) {
		if (!(c->flags & (CASE_LONG | CASE_BYTES)))
			skip = skip || too_long(sizes, costs, i);
		if (skip)
			print_row(c, sizes[i], "skipped");
		else
			costs[i] = run_size(c, sizes[i]);
	}
}

static bool wanted(const char *name)
{
	if (fnmatch(glob, name, 0))
		return false;
	if (only_list)
		puts(name);
	return !only_list;
}

static void run_module_cases(void)
{
	struct any_case c = { };
	uint64_t n[BENCH_MAX_N];
	unsigned int i;

	for (; !ioctl(bench_fd, BENCH_IOC_INFO, &c.info); c.info.index++) {
		c.name = c.info.name;
		c.flags = c.info.flags & BENCH_INFO_BYTES ? CASE_BYTES : 0;
		for (i = 0; i < c.info.count; i++)
			n[i] = c.info.n[i];
		if (wanted(c.name))
			run_case(&c, n, c.info.count);
	}
	if (errno != ENOENT)
		die("BENCH_IOC_INFO");
}

static void run_user_cases(const struct user_case *cases)
{
	const struct user_case *u;
	int count;

	for (u = cases; u->name; u++) {
		struct any_case c = {
			.user = u, .name = u->name, .flags = u->flags
		};

#ifdef BENCH_TSC
		/* Only times are of interest there. */
		if (u->flags & (CASE_MEMORY | CASE_BYTES))
			continue;
#endif
		for (count = 0; count < MAX_N && u->n[count] != NO_MORE; )
			count++;
		if (wanted(c.name))
			run_case(&c, u->n, count);
	}
}

#ifdef BENCH_TSC
static __u64 monotonic(void)
{
	return clock_now(CLOCK_MONOTONIC);
}
#endif

/* The minimum of many: an interrupt may come between the two readings. */
static void calibrate(void)
{
	uint64_t best = UINT64_MAX, before, after;
	int i;

#ifdef BENCH_TSC
	scale = bench_clock_scale(monotonic);
#endif
	for (i = 0; i < 1000; i++) {
		before = now();
		after = now();
		if (after - before < best)
			best = after - before;
	}
	overhead = best;
}

static const char *const path_names[] = {
	[BENCH_PATH_DIRECT] = "direct",
	[BENCH_PATH_IOMMU] = "iommu",
	[BENCH_PATH_BOUNCE] = "bounce",
};

static enum bench_path find_path(const char *name)
{
	int path = BENCH_PATH_BOUNCE;

	while (path >= 0 && strcmp(path_names[path], name ? name : ""))
		path--;
	if (path < 0) {
		errno = EINVAL;
		die("--path");
	}
	return path;
}

/* 10,000 buffers and as many fences need as many descriptors. */
static void prepare(enum bench_path path)
{
	struct rlimit files = { .rlim_cur = 200000, .rlim_max = 200000 };

	bench_fd = must(open("/dev/dmabuf-bench", O_RDWR | O_CLOEXEC),
			"/dev/dmabuf-bench");
	must(setrlimit(RLIMIT_NOFILE, &files), "RLIMIT_NOFILE");
	if (must(ioctl(bench_fd, BENCH_IOC_PATH), "BENCH_IOC_PATH") != (int)path) {
		errno = ENODEV;
		die("--path is not that of the device");
	}
	calibrate();
}

static void run_cases(enum bench_path path)
{
	switch (path) {
	case BENCH_PATH_IOMMU:
		run_user_cases(iommu_cases);
		break;
	case BENCH_PATH_BOUNCE:
		run_user_cases(bounce_cases);
		break;
	case BENCH_PATH_DIRECT:
		if (!only_list)
			run_module_cases();
		run_user_cases(fence_cases);
		run_user_cases(buffer_cases);
		run_user_cases(heap_cases);
		run_user_cases(udmabuf_cases);
		run_user_cases(memory_cases);
	}
}

int main(int argc, char **argv)
{
	enum bench_path path = BENCH_PATH_DIRECT;
	int i;

	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--path"))
			path = find_path(argv[++i]);
		else if (!strcmp(argv[i], "--list"))
			only_list = true;
		else
			glob = argv[i];
	}
	if (!only_list)
		prepare(path);
	run_cases(path);
	if (!only_list)
		puts("bench done");
	return 0;
}

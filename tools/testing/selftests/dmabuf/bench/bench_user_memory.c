// SPDX-License-Identifier: GPL-2.0-only
/*
 * Benchmark cases: bytes of kernel memory for one object, without its payload.
 * A case makes many objects and measures by how much the kernel's memory has
 * grown: slab, vmalloc and page tables, less the free part of slabs.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench_user.h"

static void write_1(const char *path)
{
	int fd = must(open(path, O_WRONLY | O_CLOEXEC), path);

	must(write(fd, "1\n", 2), path);
	close(fd);
}

/*
 * Makes the statistics exact: flushes per-CPU slabs, which count as used, and
 * sums up per-CPU counters.
 */
static void refresh_statistics(void)
{
	glob_t caches;
	size_t i;

	if (glob("/sys/kernel/slab/*/shrink", 0, NULL, &caches))
		die("/sys/kernel/slab");
	for (i = 0; i < caches.gl_pathc; i++)
		write_1(caches.gl_pathv[i]);
	globfree(&caches);
	write_1("/proc/sys/vm/stat_refresh");
}

/* Returns the bytes of slabs that no object uses. */
static long slab_slack(void)
{
	FILE *f = fopen("/proc/slabinfo", "r");
	long slack = 0, active, size, pages, slabs;
	char line[300];

	if (!f)
		die("/proc/slabinfo");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %ld %*d %ld %*d %ld : tunables%*[^:]: slabdata %*d %ld",
			   &active, &size, &pages, &slabs) == 4)
			slack += slabs * pages * (long)PAGE - active * size;
	}
	fclose(f);
	return slack;
}

static long kernel_memory(void)
{
	static const char *const lines[] = {
		"Slab: %ld kB", "VmallocUsed: %ld kB", "PageTables: %ld kB",
	};
	char line[200];
	long sum, kb;
	size_t i;
	FILE *f;

	refresh_statistics();
	sum = -slab_slack();
	f = fopen("/proc/meminfo", "r");
	if (!f)
		die("/proc/meminfo");
	while (fgets(line, sizeof(line), f)) {
		for (i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
			if (sscanf(line, lines[i], &kb) == 1)
				sum += kb * KIB;
		}
	}
	fclose(f);
	return sum;
}

/* Waits until RCU and the workqueues have freed everything. */
static void settle(void)
{
	usleep(300000);
}

struct many {
	int *fds;
	long before;
	int n;
};

static void many_begin(struct many *many, int n)
{
	many->fds = calloc(n, sizeof(int));
	if (!many->fds)
		die("calloc");
	many->n = n;
	/* grow the file table before the measurement */
	must(dup2(0, 50000), "dup2");
	close(50000);
	settle();
	/* the first look allocates memory itself */
	kernel_memory();
	many->before = kernel_memory();
}

static void many_end(struct many *many, struct measure *m)
{
	long grown;
	int i;

	settle();
	grown = kernel_memory() - many->before;
	m->ns = grown > 0 ? grown : 0;
	m->ops = many->n;
	for (i = 0; i < many->n; i++) {
		if (many->fds[i] > 0)
			close(many->fds[i]);
	}
	free(many->fds);
}

static int run_buffers(struct measure *m, uint64_t size, long backing)
{
	uint64_t fit = 1024 * MIB / (size ?: 1);
	struct many many;
	int i;

	many_begin(&many, fit > 2000 ? 2000 : fit);
	for (i = 0; i < many.n; i++)
		many.fds[i] = must(buffer_new(backing, size), "buffer");
	many_end(&many, m);
	return 0;
}

static int run_attachments(struct measure *m, uint64_t size, long op)
{
	int fd = must(buffer_new(SYSTEM_HEAP, size), "buffer"), ret;
	struct many many;

	/* the first attachment makes the buffer's own table */
	ret = buffer_op(NULL, fd, BENCH_OP_ATTACH_MAP, 1);
	many_begin(&many, 4000);
	if (!ret)
		ret = buffer_op(NULL, fd, op, many.n);
	many_end(&many, m);
	must(ioctl(bench_fd, BENCH_IOC_DROP), "BENCH_IOC_DROP");
	close(fd);
	return ret;
}

/* A fence in a reservation object: the fence, its spinlock and its slot. */
static int run_fences(struct measure *m, uint64_t n, long arg)
{
	int fd = must(buffer_new(SCATTERED, 0), "buffer");
	struct many many;

	many_begin(&many, 10000);
	add_fences(fd, many.n);
	many_end(&many, m);
	signal_fences();
	close(fd);
	return 0;
}

static int run_sync_files(struct measure *m, uint64_t n, long arg)
{
	struct many many;
	int i;

	many_begin(&many, 2000);
	for (i = 0; i < many.n; i++)
		many.fds[i] = sync_file_new(1);
	many_end(&many, m);
	signal_fences();
	return 0;
}

#define BYTES (CASE_BYTES | CASE_SIZE)

/* The guest has room for too few larger buffers: noise would hide them. */

const struct user_case memory_cases[] = {
	{ "memory_fence", run_fences, 0, CASE_BYTES, { 1, NO_MORE } },
	{ "memory_sync_file", run_sync_files, 0, CASE_BYTES, { 1, NO_MORE } },
	{ "memory_buffer", run_buffers, SCATTERED, CASE_BYTES, { 0, NO_MORE } },
	{ "memory_heap_buffer", run_buffers, SYSTEM_HEAP, BYTES,
	  { 4 * KIB, MIB, 8 * MIB, NO_MORE } },
	{ "memory_attachment", run_attachments, BENCH_OP_HOLD, BYTES,
	  { MIB, 8 * MIB, NO_MORE } },
	{ "memory_mapped", run_attachments, BENCH_OP_HOLD_MAPPED, BYTES,
	  { MIB, 8 * MIB, NO_MORE } },
	{ }
};

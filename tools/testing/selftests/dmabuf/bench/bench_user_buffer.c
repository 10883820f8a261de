// SPDX-License-Identifier: GPL-2.0-only
/*
 * Benchmark cases: the buffer object. Export and close among many others, with
 * and without a reader of bufinfo; references; attaching and mapping, by kind
 * of memory, with and without an IOMMU; CPU access.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/dma-buf.h>

#include "bench_user.h"

#define BUFINFO "/sys/kernel/debug/dma_buf/bufinfo"
#define LOOPS_SYNC 10

static void live(unsigned int n)
{
	must(ioctl(bench_fd, BENCH_IOC_LIVE, n), "BENCH_IOC_LIVE");
}

static void export_and_close(void)
{
	close(must(buffer_new(SCATTERED, 0), "BENCH_IOC_EXPORT"));
}

static int run_export_close(struct measure *m, uint64_t n, long arg)
{
	int i;

	live(n);
	start(m);
	for (i = 0; i < 100; i++)
		export_and_close();
	stop(m, 100);
	return 0;
}

static void read_bufinfo(void)
{
	static char buf[1 << 16];
	int fd = must(open(BUFINFO, O_RDONLY), BUFINFO);

	while (must(read(fd, buf, sizeof(buf)), BUFINFO) > 0)
		;
	close(fd);
}

static pid_t start_reader(void)
{
	pid_t child = must(fork(), "fork");

	if (!child) {
		for (;;)
			read_bufinfo();
	}
	return child;
}

/*
 * One CPU is shared with the reader, so a kernel in which neither waits for the
 * other shows twice the figure without a reader. The window is long enough for
 * several reads, or a large part of one.
 */
static int run_export_close_reader(struct measure *m, uint64_t n, long arg)
{
	uint64_t window = n > 10000 ? 400000000 : 60000000, ops = 0;
	pid_t child;

	live(n);
	child = start_reader();
	usleep(20000);
	start(m);
	do {
		export_and_close();
		ops++;
	} while (now() - m->started < window);
	stop(m, ops);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return 0;
}

static int run_bufinfo(struct measure *m, uint64_t n, long arg)
{
	live(n);
	start(m);
	read_bufinfo();
	stop(m, 1);
	return 0;
}

static int run_no_live(struct measure *m, long op, uint64_t ops)
{
	int fd, ret;

	live(0);
	fd = must(buffer_new(SCATTERED, 0), "buffer");
	ret = buffer_op(m, fd, op, ops);
	close(fd);
	return ret;
}

static int run_get_put(struct measure *m, uint64_t n, long arg)
{
	return run_no_live(m, BENCH_OP_GET_PUT, 1000);
}

static int run_attach(struct measure *m, uint64_t n, long arg)
{
	return run_no_live(m, BENCH_OP_ATTACH, 100);
}

static int run_op(struct measure *m, uint64_t size, long backing,
		  enum bench_op op, int ops)
{
	int fd = must(buffer_new(backing, size), "buffer"), ret;

	ret = buffer_op(m, fd, op, ops);
	close(fd);
	return ret;
}

static int run_attach_memory(struct measure *m, uint64_t size, long backing)
{
	return run_op(m, size, backing, BENCH_OP_ATTACH, 10);
}

static int run_map(struct measure *m, uint64_t size, long backing)
{
	return run_op(m, size, backing, BENCH_OP_MAP, 10);
}

static int run_attach_map(struct measure *m, uint64_t size, long backing)
{
	return run_op(m, size, backing, BENCH_OP_ATTACH_MAP, 5);
}

static int run_vmap(struct measure *m, uint64_t size, long backing)
{
	return run_op(m, size, backing, BENCH_OP_VMAP, 3);
}

static int sync_both(int fd)
{
	struct dma_buf_sync arg = { DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW };
	int ret = ioctl(fd, DMA_BUF_IOCTL_SYNC, &arg);

	arg.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
	return ret ?: ioctl(fd, DMA_BUF_IOCTL_SYNC, &arg);
}

/* The structure of vendor kernels, which user space probes for. */
struct sync_partial {
	__u64 flags;
	__u32 offset;
	__u32 len;
};

#define IOCTL_SYNC_PARTIAL _IOW(DMA_BUF_BASE, 2, struct sync_partial)

static int sync_range(int fd)
{
	struct sync_partial arg = {
		DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW, MIB / 2, 64 * KIB
	};
	int ret = ioctl(fd, IOCTL_SYNC_PARTIAL, &arg);

	arg.flags = DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW;
	return ret ?: ioctl(fd, IOCTL_SYNC_PARTIAL, &arg);
}

/* All of a buffer without or with a mapping for a device, or a range of it. */
enum { SYNC_UNMAPPED, SYNC_MAPPED, SYNC_RANGE };
#define SYNC(kind, backing) ((kind) | (backing) << 2)

/* Start and end of a CPU access, maybe with a mapping for a device. */
static int run_sync(struct measure *m, uint64_t size, long arg)
{
	int fd = must(buffer_new(arg >> 2, size), "buffer"), i, ret = 0;
	int kind = arg & 3;

	if (kind != SYNC_UNMAPPED)
		ret = buffer_op(NULL, fd, BENCH_OP_HOLD_MAPPED, 1);
	start(m);
	for (i = 0; i < LOOPS_SYNC && !ret; i++)
		ret = (kind == SYNC_RANGE ? sync_range(fd) : sync_both(fd)) ?
		      -errno : 0;
	stop(m, LOOPS_SYNC);
	must(ioctl(bench_fd, BENCH_IOC_DROP), "BENCH_IOC_DROP");
	close(fd);
	return ret == -ENOTTY ? -EOPNOTSUPP : ret;
}

#define MAP_SIZES { MIB, 64 * MIB, NO_MORE }
#define BIG_SIZES { MIB, 64 * MIB, 256 * MIB, NO_MORE }

/* Larger numbers of live buffers come first, so that they are made once. */
const struct user_case buffer_cases[] = {
	{ "export_close", run_export_close, 0, CASE_LONG,
	  { 0, 1000, 100000, NO_MORE } },
	{ "export_close_reader", run_export_close_reader, 0, CASE_LONG,
	  { 100000, 1000, 0, NO_MORE } },
	{ "bufinfo", run_bufinfo, 0, 0, { 0, 10, 100, 1000, NO_MORE } },
	{ "get_put", run_get_put, 0, 0, { 1, NO_MORE } },
	{ "attach", run_attach, 0, 0, { 1, NO_MORE } },
	{ "attach_system", run_attach_memory, SYSTEM_HEAP, CASE_SIZE,
	  MAP_SIZES },
	{ "map_system", run_map, SYSTEM_HEAP, CASE_SIZE, MAP_SIZES },
	{ "map_contiguous", run_map, CMA_HEAP,
	  CASE_SIZE | CASE_MEMORY, MAP_SIZES },
	{ "map_scattered", run_map, SCATTERED, CASE_SIZE, MAP_SIZES },
	{ "attach_map_system", run_attach_map, SYSTEM_HEAP, CASE_SIZE,
	  MAP_SIZES },
	{ "attach_map_contiguous", run_attach_map, CMA_HEAP,
	  CASE_SIZE | CASE_MEMORY, MAP_SIZES },
	{ "attach_map_scattered", run_attach_map, SCATTERED, CASE_SIZE,
	  MAP_SIZES },
	{ "vmap_system", run_vmap, SYSTEM_HEAP, CASE_SIZE,
	  { 4 * KIB, MIB, 32 * MIB, 256 * MIB, NO_MORE } },
	{ "vmap_contiguous", run_vmap, CMA_HEAP,
	  CASE_SIZE | CASE_MEMORY, MAP_SIZES },
	{ "sync", run_sync, SYNC(SYNC_UNMAPPED, SYSTEM_HEAP), CASE_SIZE, BIG_SIZES },
	{ "sync_mapped", run_sync, SYNC(SYNC_MAPPED, SYSTEM_HEAP), CASE_SIZE, BIG_SIZES },
	{ "sync_range_64K", run_sync, SYNC(SYNC_RANGE, SYSTEM_HEAP), CASE_SIZE, BIG_SIZES },
	{ }
};

const struct user_case iommu_cases[] = {
	{ "iommu_map_system", run_map, SYSTEM_HEAP, CASE_SIZE, MAP_SIZES },
	{ "iommu_map_contiguous", run_map, CMA_HEAP,
	  CASE_SIZE | CASE_MEMORY, MAP_SIZES },
	{ "iommu_map_scattered", run_map, SCATTERED, CASE_SIZE, MAP_SIZES },
	{ "iommu_attach_map_system", run_attach_map, SYSTEM_HEAP, CASE_SIZE,
	  MAP_SIZES },
	{ "iommu_attach_map_contiguous", run_attach_map, CMA_HEAP,
	  CASE_SIZE | CASE_MEMORY, MAP_SIZES },
	{ "iommu_attach_map_scattered", run_attach_map, SCATTERED, CASE_SIZE,
	  MAP_SIZES },
	{ "iommu_map_udmabuf", run_map, MEMFD, CASE_SIZE, MAP_SIZES },
	{ "iommu_sync_mapped", run_sync, SYNC(SYNC_MAPPED, SYSTEM_HEAP), CASE_SIZE, MAP_SIZES },
	{ }
};

/* On mainline only a udmabuf has pieces small enough for bounce buffers. */
const struct user_case bounce_cases[] = {
	{ "bounce_map_udmabuf", run_map, MEMFD, CASE_SIZE,
	  { MIB, 16 * MIB, NO_MORE } },
	{ "bounce_attach_map_udmabuf", run_attach_map, MEMFD, CASE_SIZE,
	  { MIB, 16 * MIB, NO_MORE } },
	{ "bounce_sync", run_sync, SYNC(SYNC_MAPPED, MEMFD), CASE_SIZE,
	  MAP_SIZES },
	{ "bounce_sync_range_64K", run_sync, SYNC(SYNC_RANGE, MEMFD), CASE_SIZE,
	  MAP_SIZES },
	{ }
};

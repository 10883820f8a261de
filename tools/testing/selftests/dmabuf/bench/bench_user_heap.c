// SPDX-License-Identifier: GPL-2.0-only
/*
 * Benchmark cases: allocating from the heaps, and what it takes a program to
 * see the memory.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench_user.h"

/* Shrinks all caches, as if no buffer had been freed for a long time. */
static void shrink_caches(void)
{
	int fd = must(open("/proc/sys/vm/drop_caches", O_WRONLY), "drop_caches");

	must(write(fd, "2\n", 2), "drop_caches");
	close(fd);
}

static void alloc_and_free(enum backing backing, uint64_t size)
{
	close(must(heap_alloc(backing, size), "DMA_HEAP_IOCTL_ALLOC"));
}

static int run_fresh(struct measure *m, uint64_t size, long backing)
{
	/* wait for deferred work of the last buffer */
	usleep(200000);
	shrink_caches();
	start(m);
	alloc_and_free(backing, size);
	stop(m, 1);
	return 0;
}

/*
 * Like a camera at 5 frames a second: buffers of one size with idle time in
 * between. What the kernel does then is not counted, since nobody waits for it.
 */
static int run_steady(struct measure *m, uint64_t size, long backing)
{
	int i;

	alloc_and_free(backing, size);
	for (i = 0; i < 3; i++) {
		usleep(200000);
		start(m);
		alloc_and_free(backing, size);
		stop(m, 1);
	}
	return 0;
}

/* One buffer right after the other: background work is counted too. */
static int run_busy(struct measure *m, uint64_t size, long backing)
{
	alloc_and_free(backing, size);
	start(m);
	alloc_and_free(backing, size);
	alloc_and_free(backing, size);
	alloc_and_free(backing, size);
	stop(m, 3);
	return 0;
}

static int run_see(struct measure *m, uint64_t size, int fd, bool write)
{
	char *p;

	start(m);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die("mmap");
	if (write)
		touch(p, size);
	munmap(p, size);
	stop(m, 1);
	return 0;
}

static int run_touch(struct measure *m, uint64_t size, long backing)
{
	int fd = must(heap_alloc(backing, size), "DMA_HEAP_IOCTL_ALLOC");

	run_see(m, size, fd, true);
	close(fd);
	return 0;
}

static int run_mmap(struct measure *m, uint64_t size, long backing)
{
	int fd = must(heap_alloc(backing, size), "DMA_HEAP_IOCTL_ALLOC");

	run_see(m, size, fd, false);
	close(fd);
	return 0;
}

enum { CREATE, ATTACH_MAP, TOUCH };

static int run_udmabuf(struct measure *m, uint64_t size, long arg)
{
	bool huge = arg & 8;
	int memfd = memfd_new(size, huge), fd, ret = 0;

	if ((arg & 7) == CREATE) {
		start(m);
		fd = must(udmabuf_new(memfd, size), "UDMABUF_CREATE");
		close(fd);
		stop(m, 1);
	} else {
		fd = must(udmabuf_new(memfd, size), "UDMABUF_CREATE");
		if ((arg & 7) == TOUCH)
			ret = run_see(m, size, fd, true);
		else
			ret = buffer_op(m, fd, BENCH_OP_ATTACH_MAP, 3);
		close(fd);
	}
	close(memfd);
	return ret;
}

#define SIZES { 4 * KIB, MIB, 8 * MIB, 32 * MIB, 256 * MIB, NO_MORE }
#define HUGE_SIZES { 2 * MIB, 32 * MIB, NO_MORE }
#define SMALL_SIZES { 4 * KIB, 2 * MIB, 32 * MIB, NO_MORE }

const struct user_case heap_cases[] = {
	{ "heap_fresh", run_fresh, SYSTEM_HEAP, CASE_SIZE, SIZES },
	{ "heap_steady", run_steady, SYSTEM_HEAP, CASE_SIZE, SIZES },
	{ "heap_busy", run_busy, SYSTEM_HEAP, CASE_SIZE, SIZES },
	{ "heap_contiguous", run_busy, CMA_HEAP,
	  CASE_SIZE | CASE_MEMORY, SIZES },
	{ "mmap_touch", run_touch, SYSTEM_HEAP, CASE_SIZE, SIZES },
	{ "mmap_touch_contiguous", run_touch, CMA_HEAP,
	  CASE_SIZE | CASE_MEMORY, SIZES },
	{ "mmap", run_mmap, SYSTEM_HEAP, CASE_SIZE, SIZES },
	{ }
};

const struct user_case udmabuf_cases[] = {
	{ "udmabuf_create", run_udmabuf, CREATE, CASE_SIZE, SMALL_SIZES },
	{ "udmabuf_map", run_udmabuf, ATTACH_MAP, CASE_SIZE, SMALL_SIZES },
	{ "udmabuf_touch", run_udmabuf, TOUCH, CASE_SIZE, SMALL_SIZES },
	{ "udmabuf_huge_create", run_udmabuf, CREATE | 8,
	  CASE_SIZE | CASE_MEMORY, HUGE_SIZES },
	{ "udmabuf_huge_map", run_udmabuf, ATTACH_MAP | 8,
	  CASE_SIZE | CASE_MEMORY, HUGE_SIZES },
	{ "udmabuf_huge_touch", run_udmabuf, TOUCH | 8,
	  CASE_SIZE | CASE_MEMORY, HUGE_SIZES },
	{ }
};

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The benchmark program: buffers of each kind, and the module's services.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/dma-heap.h>
#include <linux/memfd.h>
#include <linux/udmabuf.h>

#include "bench_user.h"

/* The CMA heap is named after its area: it is the one not called `system`. */
static int open_heap(enum backing backing)
{
	char path[300] = "/dev/dma_heap/system";
	struct dirent *entry;
	DIR *dir;

	if (backing == CMA_HEAP) {
		dir = opendir("/dev/dma_heap");
		if (!dir)
			return -errno;
		*path = 0;
		while ((entry = readdir(dir))) {
			if (*entry->d_name != '.' &&
			    strcmp(entry->d_name, "system"))
				snprintf(path, sizeof(path),
					 "/dev/dma_heap/%s", entry->d_name);
		}
		closedir(dir);
	}
	return open(path, O_RDWR | O_CLOEXEC) ?: -EIO;
}

int heap_alloc(enum backing backing, uint64_t size)
{
	static int heaps[2] = { -1, -1 };
	struct dma_heap_allocation_data data = {
		.len = size, .fd_flags = O_RDWR | O_CLOEXEC
	};

	if (heaps[backing] < 0)
		heaps[backing] = must(open_heap(backing), "/dev/dma_heap");
	if (ioctl(heaps[backing], DMA_HEAP_IOCTL_ALLOC, &data))
		return -errno;
	return data.fd;
}

int memfd_new(uint64_t size, bool huge)
{
	int fd = memfd_create("bench", MFD_CLOEXEC | MFD_ALLOW_SEALING |
			      (huge ? MFD_HUGETLB : 0));

	must(fd, "memfd_create");
	must(ftruncate(fd, size), "ftruncate");
	must(fallocate(fd, 0, 0, size), "fallocate");
	must(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), "F_ADD_SEALS");
	return fd;
}

int udmabuf_new(int memfd, uint64_t size)
{
	struct udmabuf_create create = {
		.memfd = memfd, .flags = UDMABUF_FLAGS_CLOEXEC, .size = size
	};
	static int dev = -1;
	int fd;

	if (dev < 0)
		dev = must(open("/dev/udmabuf", O_RDWR | O_CLOEXEC),
			   "/dev/udmabuf");
	fd = ioctl(dev, UDMABUF_CREATE, &create);
	return fd < 0 ? -errno : fd;
}

int buffer_new(enum backing backing, uint64_t size)
{
	int memfd, fd;

	switch (backing) {
	case SYSTEM_HEAP:
	case CMA_HEAP:
		return heap_alloc(backing, size);
	case SCATTERED:
		fd = ioctl(bench_fd, BENCH_IOC_EXPORT, size / PAGE);
		return fd < 0 ? -errno : fd;
	case MEMFD:
	case MEMFD_HUGE:
		memfd = memfd_new(size, backing == MEMFD_HUGE);
		fd = udmabuf_new(memfd, size);
		close(memfd);
		return fd;
	}
	return -EINVAL;
}

int buffer_op(struct measure *m, int fd, enum bench_op op, uint64_t ops)
{
	struct bench_buffer arg = { .fd = fd, .op = op, .ops = ops };

	if (ioctl(bench_fd, BENCH_IOC_BUFFER, &arg))
		return -errno;
	if (m) {
		m->ns += arg.ns;
		m->ops += ops;
	}
	return 0;
}

void add_fences(int fd, unsigned int n)
{
	struct bench_fences arg = { .fd = fd, .n = n };

	must(ioctl(bench_fd, BENCH_IOC_ADD_FENCES, &arg), "ADD_FENCES");
}

int sync_file_new(unsigned int n)
{
	struct bench_fences arg = { .fd = -1, .n = n };

	must(ioctl(bench_fd, BENCH_IOC_SYNC_FILE, &arg), "SYNC_FILE");
	return arg.fd;
}

void signal_fences(void)
{
	must(ioctl(bench_fd, BENCH_IOC_SIGNAL), "SIGNAL");
}

void touch(char *p, uint64_t size)
{
	uint64_t i;

	for (i = 0; i < size; i += PAGE) {
		p[i] = 1;
		/* keep the compiler from removing the unread write */
		__asm__ volatile("" : : : "memory");
	}
}

void set_urgent(bool urgent)
{
	struct sched_param param = { .sched_priority = urgent ? 1 : 0 };

	must(sched_setscheduler(0, urgent ? SCHED_FIFO : SCHED_OTHER, &param),
	     "sched_setscheduler");
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests all that the template does, reports as TAP, and unloads it at the end.
 *
 * Copyright the dma-buf project authors
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/sync_file.h>

#include "template-abi.h"

#define SIZE		(5 * 4096)
#define MODULE		"dmabuf_template"
#define TESTS		12
#define LIMIT_S		60
#define ROUNDS		2
#define MSEC		1000000L

static int device, number, failed;

static void result(const char *name, bool good)
{
	printf("%s %d %s\n", good ? "ok" : "not ok", ++number, name);
	failed += !good;
}

static int create(__u64 size)
{
	struct template_create data = { .size = size };

	return ioctl(device, TEMPLATE_CREATE, &data) ? -errno : data.fd;
}

static int fill(int fd, __u32 value, __u32 delay_ms)
{
	struct template_fill data = {
		.fd = fd,
		.value = value,
		.delay_ms = delay_ms,
	};

	return ioctl(device, TEMPLATE_FILL, &data) ? -errno : data.fence;
}

static int peek(int fd, __u64 offset)
{
	struct template_peek data = { .fd = fd, .offset = offset };

	return ioctl(device, TEMPLATE_PEEK, &data) ? -errno : (int)data.value;
}

static int merge(int first, int second)
{
	struct sync_merge_data data = { .name = "both", .fd2 = second };

	return ioctl(first, SYNC_IOC_MERGE, &data) ? -errno : data.fence;
}

static bool ready(int fd, short events, int timeout_ms)
{
	struct pollfd poll_fd = { .fd = fd, .events = events };

	return poll(&poll_fd, 1, timeout_ms) == 1 && poll_fd.revents == events;
}

static int cpu_access(int fd, __u64 flags)
{
	struct dma_buf_sync sync = { .flags = flags | DMA_BUF_SYNC_RW };

	return ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync) ? -errno : 0;
}

/* Check, inside the brackets for CPU access, that all bytes have a value. */
static bool contains(int fd, int value)
{
	unsigned char *bytes = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
				    MAP_SHARED, fd, 0);
	bool good = bytes != MAP_FAILED;
	size_t i;

	if (!good)
		return false;
	good = !cpu_access(fd, DMA_BUF_SYNC_START);
	for (i = 0; i < SIZE; i++)
		good = good && bytes[i] == value;
	good = !cpu_access(fd, DMA_BUF_SYNC_END) && good;
	munmap(bytes, SIZE);
	return good;
}

static bool arguments_are_checked(int buffer)
{
	return create(0) == -EINVAL && create(1ULL << 40) == -EINVAL &&
	       fill(-1, 0, 0) == -EBADF && fill(device, 0, 0) == -EINVAL &&
	       fill(buffer, 256, 0) == -EINVAL &&
	       ioctl(device, TEMPLATE_CREATE, NULL) && errno == EFAULT;
}

static bool mapping_is_shared(int buffer)
{
	void *private = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, buffer, 0);
	void *longer = mmap(NULL, SIZE + 4096, PROT_READ, MAP_SHARED, buffer, 0);

	return private == MAP_FAILED && longer == MAP_FAILED;
}

/* Until the job is done neither the fence nor the buffer polls ready. */
static bool fence_signals(int buffer)
{
	int fence = fill(buffer, 0x5a, 300);
	bool good = fence >= 0 && !ready(fence, POLLIN, 0) &&
		    !ready(buffer, POLLOUT, 0) && ready(fence, POLLIN, 10000) &&
		    contains(buffer, 0x5a);

	close(fence);
	return good;
}

/* The second of two jobs on a buffer waits for the first, the CPU for both. */
static bool jobs_are_ordered(int buffer)
{
	int first = fill(buffer, 1, 100), second = fill(buffer, 2, 100);
	bool good = first >= 0 && second >= 0 && ready(first, POLLIN, 0) &&
		    contains(buffer, 2) && ready(second, POLLIN, 0);

	close(first);
	close(second);
	return good;
}

/* CPU access in the kernel waits for a job too, and checks the offset. */
static bool kernel_reads(int buffer)
{
	int fence = fill(buffer, 0x3c, 300);
	bool good = fence >= 0 && !ready(fence, POLLIN, 0) &&
		    peek(buffer, SIZE - 1) == 0x3c && ready(fence, POLLIN, 0) &&
		    peek(buffer, 0) == 0x3c && peek(buffer, SIZE) == -EINVAL &&
		    peek(buffer, -1) == -EINVAL && peek(-1, 0) == -EBADF &&
		    peek(device, 0) == -EINVAL;

	close(fence);
	return good;
}

/* Jobs on two buffers: the one that was submitted first finishes last. */
static bool merged_waits_for_both(int buffer)
{
	int other = create(SIZE);
	int first = fill(buffer, 3, 3000), second = fill(other, 4, 500);
	int both = merge(first, second);
	bool good = both >= 0 && ready(second, POLLIN, 10000) &&
		    !ready(both, POLLIN, 0) && !ready(first, POLLIN, 0) &&
		    ready(both, POLLIN, 10000) && ready(first, POLLIN, 0);

	close(both);
	close(second);
	close(first);
	close(other);
	return good;
}

/*
 * Each process holds the reservation lock while it waits for the job before its
 * own, and giving a finished job back needs the lock, too. Chance decides who
 * gets it first, so try some rounds; six jobs in all, since DMA_API_DEBUG takes
 * more than eight mappings of a page for a leak. An alarm kills a process that
 * is stuck.
 */
static pid_t fill_in_a_process(int buffer, __u32 value)
{
	pid_t pid = fork();
	int i, fence = 0;

	if (pid)
		return pid;
	alarm(LIMIT_S);
	for (i = 0; i < ROUNDS && fence >= 0; i++)
		fence = fill(buffer, value, 300);
	_exit(fence < 0 || !ready(fence, POLLIN, LIMIT_S * 1000));
}

static bool processes_share_a_buffer(int buffer)
{
	pid_t pids[3];
	bool good = true;
	int i, status;

	for (i = 0; i < 3; i++)
		pids[i] = fill_in_a_process(buffer, i);
	for (i = 0; i < 3; i++)
		good = pids[i] > 0 && waitpid(pids[i], &status, 0) == pids[i] &&
		       !status && good;
	return good;
}

/* A buffer of another exporter. */
static bool heap_is_filled(void)
{
	struct dma_heap_allocation_data data = {
		.len = SIZE,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	int heap = open("/dev/dma_heap/system", O_RDONLY | O_CLOEXEC), fence;
	bool good = heap >= 0 && !ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data);

	close(heap);
	if (!good)
		return false;
	fence = fill(data.fd, 0x77, 0);
	good = fence >= 0 && ready(fence, POLLIN, 10000) && contains(data.fd, 0x77);
	close(fence);
	close(data.fd);
	return good;
}

static int unload(void)
{
	return syscall(SYS_delete_module, MODULE, O_NONBLOCK) ? -errno : 0;
}

/* The release follows the close later: in a work item, after a grace period. */
static bool is_unloaded(void)
{
	const struct timespec pause = { .tv_nsec = 100 * MSEC };
	int i, ret = -EAGAIN;

	for (i = 0; i < 100 && ret; i++) {
		ret = unload();
		if (ret)
			nanosleep(&pause, NULL);
	}
	return !ret;
}

int main(void)
{
	int buffer, fence;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("KTAP version 1\n1..%d\n", TESTS);
	device = open("/dev/dmabuf-template", O_RDWR | O_CLOEXEC);
	buffer = create(SIZE);
	result("buffer_is_zeroed", device >= 0 && contains(buffer, 0) &&
	       lseek(buffer, 0, SEEK_END) == SIZE);
	result("arguments_are_checked", arguments_are_checked(buffer));
	result("mapping_is_shared", mapping_is_shared(buffer));
	result("fence_signals", fence_signals(buffer));
	result("jobs_are_ordered", jobs_are_ordered(buffer));
	result("kernel_reads", kernel_reads(buffer));
	result("merged_waits_for_both", merged_waits_for_both(buffer));
	result("processes_share_a_buffer", processes_share_a_buffer(buffer));
	result("heap_is_filled", heap_is_filled());
	fence = fill(buffer, 3, 0);
	close(device);
	result("buffer_holds_the_module", unload() == -EWOULDBLOCK);
	close(buffer);
	result("fence_holds_the_module", ready(fence, POLLIN, 10000) &&
	       unload() == -EWOULDBLOCK);
	close(fence);
	result("is_unloaded", is_unloaded());
	return failed > 0;
}

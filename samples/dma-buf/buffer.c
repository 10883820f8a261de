// SPDX-License-Identifier: GPL-2.0-only
/*
 * dma-bufs from user space: allocating from a heap, naming, mapping, and the
 * brackets that make a device's writes visible to the CPU. Without the brackets
 * the CPU sees these writes only on machines whose caches are coherent.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>

#include "buffer.h"
#include "util.h"

int buffer_adopt(struct buffer *buf, int fd, const char *name, unsigned int index)
{
	off_t size;
	int ret;

	*buf = BUFFER_NONE;
	buf->fd = fd;
	snprintf(buf->name, sizeof(buf->name), "%s-%u", name, index);

	/* A dma-buf has no read(), but lseek() to the end returns its size. */
	size = lseek(fd, 0, SEEK_END);
	if (size < 0) {
		ret = fail_errno(buf->name, "size of the dma-buf");
		goto err;
	}
	buf->size = size;

	if (xioctl(fd, DMA_BUF_SET_NAME, buf->name) < 0) {
		ret = fail_errno(buf->name, "DMA_BUF_SET_NAME");
		goto err;
	}
	return 0;
err:
	buffer_release(buf);
	return ret;
}

int buffer_from_heap(struct buffer *buf, const char *heap, size_t size, const char *name)
{
	struct dma_heap_allocation_data alloc = {
		.len = size,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	char path[64];
	int fd, ret;

	*buf = BUFFER_NONE;
	snprintf(path, sizeof(path), "/dev/dma_heap/%s", heap);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return fail_errno("heap", "open %s", path);
	ret = xioctl(fd, DMA_HEAP_IOCTL_ALLOC, &alloc);
	if (ret < 0)
		ret = fail_errno("heap", "DMA_HEAP_IOCTL_ALLOC of %zu bytes", size);
	close(fd);
	return ret < 0 ? ret : buffer_adopt(buf, alloc.fd, name, 0);
}

int buffer_map(struct buffer *buf)
{
	void *at = mmap(NULL, buf->size, PROT_READ, MAP_SHARED, buf->fd, 0);

	if (at == MAP_FAILED)
		return fail_errno(buf->name, "mmap of %zu bytes", buf->size);
	buf->pixels = at;
	return 0;
}

static int buffer_sync(const struct buffer *buf, __u64 flags, const char *what)
{
	struct dma_buf_sync sync = { .flags = flags };

	if (xioctl(buf->fd, DMA_BUF_IOCTL_SYNC, &sync) < 0)
		return fail_errno(buf->name, "DMA_BUF_IOCTL_SYNC (%s)", what);
	return 0;
}

int buffer_begin_read(const struct buffer *buf)
{
	return buffer_sync(buf, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ, "start of reading");
}

int buffer_end_read(const struct buffer *buf)
{
	return buffer_sync(buf, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ, "end of reading");
}

void buffer_release(struct buffer *buf)
{
	if (buf->pixels)
		munmap((void *)buf->pixels, buf->size);
	buf->pixels = NULL;
	close_fd(&buf->fd);
}

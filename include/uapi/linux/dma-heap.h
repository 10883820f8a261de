/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * dma-heap: allocate buffers from user space, one device per kind of memory.
 *
 * Copyright (C) 2026 the dma-buf project authors
 *
 * Each heap is a character device in /dev/dma_heap. An ioctl whose number the
 * device does not know fails with EINVAL.
 */
#ifndef _UAPI_LINUX_DMABUF_POOL_H
#define _UAPI_LINUX_DMABUF_POOL_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Flags allowed in fd_flags. */
#define DMA_HEAP_VALID_FD_FLAGS (O_CLOEXEC | O_ACCMODE)

/* No heap flags are defined so far. */
#define DMA_HEAP_VALID_HEAP_FLAGS (0ULL)

/**
 * struct dma_heap_allocation_data - argument of DMA_HEAP_IOCTL_ALLOC
 * @len: size in bytes; the buffer gets whole pages
 * @fd: must be zero; returned: descriptor of the new buffer
 * @fd_flags: O_CLOEXEC, and the access mode of the descriptor
 * @heap_flags: must be zero
 *
 * The memory is zeroed.
 *
 * Errors: EINVAL if @len is zero or too large to round up to pages, @fd is not
 * zero, or a flag is unknown; ENOMEM; EMFILE; ENFILE; EFAULT; EINTR if the
 * caller is being killed.
 */
struct dma_heap_allocation_data {
	__u64 len;
	__u32 fd;
	__u32 fd_flags;
	__u64 heap_flags;
};

#define DMA_HEAP_IOC_MAGIC	'H'

#define DMA_HEAP_IOCTL_ALLOC \
	_IOWR(DMA_HEAP_IOC_MAGIC, 0x0, struct dma_heap_allocation_data)

#endif /* _UAPI_LINUX_DMABUF_POOL_H */

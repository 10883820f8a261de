/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * dma-heap: allocate buffers from user space, one device per kind of memory.
 *
 * Copyright (C) 2026 the dma-buf project authors
 *
 * Each heap is a character device below /dev/dma_heap. A request of a
 * number that the heap's device does not know gives EINVAL.
 */
#ifndef _UAPI_LINUX_DMABUF_POOL_H
#define _UAPI_LINUX_DMABUF_POOL_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Flags that the new descriptor may have. */
#define DMA_HEAP_VALID_FD_FLAGS (O_CLOEXEC | O_ACCMODE)

/* No heap flags are defined so far. */
#define DMA_HEAP_VALID_HEAP_FLAGS (0ULL)

/**
 * struct dma_heap_allocation_data - argument of DMA_HEAP_IOCTL_ALLOC
 * @len: size in bytes; the buffer gets whole pages
 * @fd: must be zero; returned: the descriptor of the new buffer
 * @fd_flags: O_CLOEXEC and an access mode for the descriptor
 * @heap_flags: must be zero
 *
 * The memory is zeroed.
 *
 * Errors: EINVAL for a @len of zero or too large to round up to pages, an
 * @fd that is not zero, or unknown flags; ENOMEM; EMFILE; ENFILE; EFAULT;
 * EINTR when the caller is being killed.
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

/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * dma-buf: the ioctls of the file descriptor of a buffer.
 *
 * Copyright (C) 2026 the dma-buf project authors
 *
 * Every buffer descriptor, whichever driver exported the buffer, supports the
 * ioctls below, lseek() to find the size, poll() to wait for pending device
 * work, and mmap() if the exporter does. An unknown ioctl fails with ENOTTY,
 * a bad pointer with EFAULT; a call that fails leaves no descriptor behind.
 */
#ifndef _DMA_BUF_UAPI_H_
#define _DMA_BUF_UAPI_H_

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct dma_buf_sync - argument of DMA_BUF_IOCTL_SYNC
 * @flags: DMA_BUF_SYNC_START or DMA_BUF_SYNC_END, or-ed with the kind of
 *	access, DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE or DMA_BUF_SYNC_RW
 *
 * Brackets an access by the CPU, which may touch a mapping of the buffer
 * between a START and the matching END. START also waits for devices: before
 * a read for their writes, before a write for all of their work.
 *
 * Errors: EINVAL for unknown flags or no kind of access; EINTR if a signal
 * ends the wait and its handler lacks SA_RESTART; EFAULT; what the exporter
 * reports, such as EINVAL from udmabuf for an END before any START.
 */
struct dma_buf_sync {
	__u64 flags;
};

#define DMA_BUF_SYNC_READ	(1 << 0)
#define DMA_BUF_SYNC_WRITE	(2 << 0)
#define DMA_BUF_SYNC_RW		(DMA_BUF_SYNC_READ | DMA_BUF_SYNC_WRITE)
#define DMA_BUF_SYNC_START	(0 << 2)
#define DMA_BUF_SYNC_END	(1 << 2)
#define DMA_BUF_SYNC_VALID_FLAGS_MASK \
	(DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END)

/**
 * struct dma_buf_sync_partial - argument of DMA_BUF_IOCTL_SYNC_PARTIAL
 * @flags: as in &struct dma_buf_sync
 * @offset: first byte that the CPU touches
 * @len: number of bytes
 *
 * Brackets an access to a part of the buffer: if the exporter supports it, only
 * that part is synchronised, and the CPU must not touch the rest. Pass the
 * same range to START and END. START waits for the work on the whole buffer.
 *
 * Errors: those of DMA_BUF_IOCTL_SYNC; EINVAL for an empty range, or one that
 * does not lie in the buffer.
 *
 * Makers of cameras and codecs ship kernels with this command. Other kernels
 * fail it with ENOTTY: use DMA_BUF_IOCTL_SYNC instead.
 */
struct dma_buf_sync_partial {
	__u64 flags;
	__u32 offset;
	__u32 len;
};

/* Room for the name of a buffer, including the terminating NUL. */
#define DMA_BUF_NAME_LEN	32

/**
 * struct dma_buf_export_sync_file - argument of DMA_BUF_IOCTL_EXPORT_SYNC_FILE
 * @flags: DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE or DMA_BUF_SYNC_RW: the access
 *	that the caller intends
 * @fd: returned: a sync_file, close-on-exec, that signals when all work that
 *	such an access has to wait for is done
 *
 * The sync_file is a snapshot: work submitted later is not part of it. For an
 * idle buffer the sync_file has already signalled.
 *
 * Errors: EINVAL for unknown flags or none; EMFILE; ENOMEM, also for no room
 * for another open file; EFAULT; ENOTTY on kernels without sync_file.
 */
struct dma_buf_export_sync_file {
	__u32 flags;
	__s32 fd;
};

/**
 * struct dma_buf_import_sync_file - argument of DMA_BUF_IOCTL_IMPORT_SYNC_FILE
 * @flags: DMA_BUF_SYNC_WRITE or DMA_BUF_SYNC_RW if the work behind @fd writes
 *	the buffer, DMA_BUF_SYNC_READ if it only reads
 * @fd: the sync_file, which the caller keeps
 *
 * Adds the pending fences of a sync_file to the buffer, so that drivers that
 * synchronise implicitly, DMA_BUF_IOCTL_SYNC and poll() wait for that work.
 *
 * Errors: EINVAL for unknown flags, none, or an @fd that is not a sync_file;
 * ENOMEM; EINTR if a signal ends the wait for the lock of the buffer and its
 * handler lacks SA_RESTART; EFAULT; ENOTTY on kernels without sync_file.
 */
struct dma_buf_import_sync_file {
	__u32 flags;
	__s32 fd;
};

#define DMA_BUF_BASE		'b'
#define DMA_BUF_IOCTL_SYNC	_IOW(DMA_BUF_BASE, 0, struct dma_buf_sync)
#define DMA_BUF_IOCTL_SYNC_PARTIAL \
	_IOW(DMA_BUF_BASE, 2, struct dma_buf_sync_partial)

/*
 * Name a buffer. The argument is the string itself, of at most 31 characters.
 * fdinfo, /proc/PID/maps and debugfs show it; it may be set at any time.
 *
 * Errors: EINVAL for a longer string; EFAULT.
 *
 * By accident the command word depends on the size of a pointer. The kernel
 * accepts both words, A (32 bits) and B (64 bits), from every program.
 */
#define DMA_BUF_SET_NAME	_IOW(DMA_BUF_BASE, 1, const char *)
#define DMA_BUF_SET_NAME_A	_IOW(DMA_BUF_BASE, 1, __u32)
#define DMA_BUF_SET_NAME_B	_IOW(DMA_BUF_BASE, 1, __u64)

#define DMA_BUF_IOCTL_EXPORT_SYNC_FILE \
	_IOWR(DMA_BUF_BASE, 2, struct dma_buf_export_sync_file)
#define DMA_BUF_IOCTL_IMPORT_SYNC_FILE \
	_IOW(DMA_BUF_BASE, 3, struct dma_buf_import_sync_file)

#endif /* _DMA_BUF_UAPI_H_ */

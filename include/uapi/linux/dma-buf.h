/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * dma-buf: what user space can do with the file descriptor of a buffer.
 *
 * Copyright (C) 2026 the dma-buf project authors
 *
 * Every buffer descriptor, whichever driver exported it, understands the
 * ioctls below, lseek() to find the size, poll() to wait for pending device
 * work, and mmap() where the exporter supports it. An unknown ioctl gives
 * ENOTTY, a bad pointer EFAULT; a call that fails leaves no descriptor behind.
 */
#ifndef _DMA_BUF_UAPI_H_
#define _DMA_BUF_UAPI_H_

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct dma_buf_sync - bracket for CPU access, argument of DMA_BUF_IOCTL_SYNC
 * @flags: one of DMA_BUF_SYNC_START and DMA_BUF_SYNC_END, or-ed with the kind
 *	of access, DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE or DMA_BUF_SYNC_RW
 *
 * The CPU may touch a mapping of the buffer between a START and the matching
 * END. START also waits until the devices are done: a reader for their
 * writes, a writer for all of their work.
 *
 * Errors: EINVAL for unknown flags or no kind of access; EINTR or a restart
 * when a signal ends the wait; what the exporter reports.
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
 * As DMA_BUF_IOCTL_SYNC, for a part of the buffer: caches are looked after for
 * that alone, where the exporter can. Other parts may not be touched. END
 * names the same range as START. Waiting is for the whole buffer.
 *
 * Errors: those of DMA_BUF_IOCTL_SYNC; EINVAL for an empty range, or one that
 * does not lie in the buffer.
 *
 * The command and its argument are those of the kernels that camera and codec
 * makers ship. Others answer ENOTTY: programs then take DMA_BUF_IOCTL_SYNC.
 */
struct dma_buf_sync_partial {
	__u64 flags;
	__u32 offset;
	__u32 len;
};

/* Room for a buffer's name, the terminating NUL included. */
#define DMA_BUF_NAME_LEN	32

/**
 * struct dma_buf_export_sync_file - argument of DMA_BUF_IOCTL_EXPORT_SYNC_FILE
 * @flags: DMA_BUF_SYNC_READ, DMA_BUF_SYNC_WRITE or DMA_BUF_SYNC_RW: what the
 *	caller is about to do with the buffer
 * @fd: returned: a sync_file, close-on-exec, that signals once the work that
 *	such an access has to wait for is done
 *
 * The sync_file is a snapshot: work submitted later is not part of it. An
 * idle buffer gives a sync_file that has already signalled.
 *
 * Errors: EINVAL for unknown flags or none; EMFILE, ENOMEM; EFAULT.
 * ENOTTY on kernels without sync_file.
 */
struct dma_buf_export_sync_file {
	__u32 flags;
	__s32 fd;
};

/**
 * struct dma_buf_import_sync_file - argument of DMA_BUF_IOCTL_IMPORT_SYNC_FILE
 * @flags: DMA_BUF_SYNC_WRITE if the work behind @fd writes the buffer,
 *	DMA_BUF_SYNC_READ if it only reads
 * @fd: the sync_file to add; it stays the caller's
 *
 * Adds the fences of a sync_file to the buffer, so that drivers which
 * synchronise implicitly, and poll(), wait for that work.
 *
 * Errors: EINVAL for unknown flags, none, or an @fd that is no sync_file;
 * ENOMEM; EINTR or a restart when a signal ends the wait for the buffer's lock;
 * EFAULT. ENOTTY on kernels without sync_file.
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
 * Name a buffer; the argument is the string itself, at most 31 characters.
 * Shown in fdinfo, /proc/PID/maps and debugfs; may be set at any time.
 *
 * Errors: EINVAL for a longer string, EFAULT.
 *
 * The command word depends on the size of a pointer, by accident of its
 * definition; the kernel takes both, A (32 bits) and B (64 bits), from all.
 */
#define DMA_BUF_SET_NAME	_IOW(DMA_BUF_BASE, 1, const char *)
#define DMA_BUF_SET_NAME_A	_IOW(DMA_BUF_BASE, 1, __u32)
#define DMA_BUF_SET_NAME_B	_IOW(DMA_BUF_BASE, 1, __u64)

#define DMA_BUF_IOCTL_EXPORT_SYNC_FILE \
	_IOWR(DMA_BUF_BASE, 2, struct dma_buf_export_sync_file)
#define DMA_BUF_IOCTL_IMPORT_SYNC_FILE \
	_IOW(DMA_BUF_BASE, 3, struct dma_buf_import_sync_file)

#endif /* _DMA_BUF_UAPI_H_ */

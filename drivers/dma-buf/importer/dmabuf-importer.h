/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * /dev/dmabuf-importer: devices that import dma-bufs and do DMA to them on
 * behalf of tests. This is no part of the interface to user space that stays: it
 * changes with the tests, which include it from here, and is not installed.
 *
 * Copyright (C) 2026 the dma-buf project authors
 *
 * An open file owns devices, the devices have attachments, and jobs use these.
 * Identifiers belong to the open file and begin at 1. Closing the file cancels
 * its jobs and gives everything back.
 *
 * Errors of all ioctls: ENOTTY for another command; EFAULT; EINVAL for unknown
 * flags, for padding that is not zero and for values out of range; ENOENT for
 * an identifier that is none; ENOMEM; EINTR or ERESTARTSYS on a signal. Each
 * ioctl names those that it adds.
 */
#ifndef _UAPI_LINUX_DMABUF_IMPORTER_H
#define _UAPI_LINUX_DMABUF_IMPORTER_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* What executes the jobs of a device. */
#define DMABUF_IMPORTER_ENGINE_SW	0	/* a CPU, through DMA addresses */
#define DMABUF_IMPORTER_ENGINE_EDU	1	/* QEMU's edu PCI device */

/* Told of moves by the exporter; without it memory is kept in place. */
#define DMABUF_IMPORTER_DEV_DYNAMIC	(1 << 0)
/* Takes memory that is no RAM; needs DMABUF_IMPORTER_DEV_DYNAMIC. */
#define DMABUF_IMPORTER_DEV_P2P		(1 << 1)
/* Can do one segment alone. */
#define DMABUF_IMPORTER_DEV_CONTIGUOUS	(1 << 2)

/**
 * struct dmabuf_importer_create_dev - argument of DMABUF_IMPORTER_CREATE_DEV
 * @engine: DMABUF_IMPORTER_ENGINE_*
 * @flags: DMABUF_IMPORTER_DEV_*
 * @dma_mask: highest address that it reaches, 2^n - 1, or 0 for the engine's own
 * @segment_boundary: no segment crosses a multiple of it plus 1; 2^n - 1 of a
 *	page or more, or 0 for none
 * @max_segment: bytes, a page or more, or 0 for no limit
 * @dev: returns the identifier
 *
 * The edu device has constraints of its own and takes no others.
 *
 * Errors: ENODEV if there is no such engine; EIO for a mask that the platform
 * cannot serve; ENOSPC for too many devices.
 */
struct dmabuf_importer_create_dev {
	__u32 engine;
	__u32 flags;
	__u64 dma_mask;
	__u64 segment_boundary;
	__u32 max_segment;
	__u32 dev;
};

/**
 * struct dmabuf_importer_id - argument of ioctls about one thing
 * @id: of a device for DMABUF_IMPORTER_DESTROY_DEV; of a job for
 *	DMABUF_IMPORTER_RELEASE and DMABUF_IMPORTER_CANCEL; else of an attachment
 * @pad: zero
 *
 * Errors, DESTROY_DEV: EBUSY while it has attachments or jobs.
 * DETACH: EBUSY while mapped, pinned or used by an unfinished job.
 * PIN: EINVAL for a device that is not dynamic; the exporter's.
 * UNPIN: EINVAL without a pin. UNMAP: EINVAL if it is not mapped.
 * RELEASE and CANCEL: ENOENT once the job is over.
 */
struct dmabuf_importer_id {
	__u32 id;
	__u32 pad;
};

/**
 * struct dmabuf_importer_attach - argument of DMABUF_IMPORTER_ATTACH
 * @dev: the device
 * @fd: the dma-buf
 * @attachment: returns the identifier
 * @pad: zero
 *
 * Errors: EBADF; EINVAL for a descriptor that is no dma-buf; ENOSPC; what the
 * exporter says.
 */
struct dmabuf_importer_attach {
	__u32 dev;
	__s32 fd;
	__u32 attachment;
	__u32 pad;
};

/* Directions, for the device; both together mean either. */
#define DMABUF_IMPORTER_READ	(1 << 0)
#define DMABUF_IMPORTER_WRITE	(1 << 1)

/**
 * struct dmabuf_importer_segment - one piece of a mapping
 * @address: for the device
 * @length: in bytes
 */
struct dmabuf_importer_segment {
	__u64 address;
	__u64 length;
};

/**
 * struct dmabuf_importer_map - argument of DMABUF_IMPORTER_MAP
 * @attachment: what to map
 * @flags: DMABUF_IMPORTER_READ or DMABUF_IMPORTER_WRITE or both
 * @segments: array of &struct dmabuf_importer_segment
 * @num_segments: room in it; returns how many there are, which may be more
 * @pad: zero
 *
 * One mapping at a time, apart from those of jobs.
 *
 * Errors: EBUSY if it is mapped already; EOPNOTSUPP if the memory does not
 * meet the device's constraints; what the exporter says.
 */
struct dmabuf_importer_map {
	__u32 attachment;
	__u32 flags;
	__u64 segments;
	__u32 num_segments;
	__u32 pad;
};

/**
 * struct dmabuf_importer_info - argument of DMABUF_IMPORTER_INFO
 * @attachment: what to look at
 * @pins: returns how often it is pinned
 * @moves: returns how often the exporter said that the memory moves
 * @maps: returns how often jobs have mapped it anew
 * @mapped: returns 1 if mapped by DMABUF_IMPORTER_MAP
 * @p2p: returns 1 if the exporter may give it memory that is no RAM
 */
struct dmabuf_importer_info {
	__u32 attachment;
	__u32 pins;
	__u32 moves;
	__u32 maps;
	__u32 mapped;
	__u32 p2p;
};

/**
 * struct dmabuf_importer_operand - memory that a job uses
 * @attachment: a buffer, or 0 for memory of the caller
 * @pad: zero
 * @offset: in the buffer, in bytes; or the address
 */
struct dmabuf_importer_operand {
	__u32 attachment;
	__u32 pad;
	__u64 offset;
};

/* Copies @length bytes. */
#define DMABUF_IMPORTER_COPY		0
/* Writes @length bytes of @value; no source. */
#define DMABUF_IMPORTER_FILL		1
/* Writes 8 bytes, the 64 bit FNV-1a hash of @length bytes. */
#define DMABUF_IMPORTER_CHECKSUM	2

/* Waits for the buffers' fences and adds its own as reader or writer. */
#define DMABUF_IMPORTER_JOB_IMPLICIT	(1 << 0)
/* Returns a sync_file. */
#define DMABUF_IMPORTER_JOB_OUT_FENCE	(1 << 1)
/* Does not start before DMABUF_IMPORTER_RELEASE. */
#define DMABUF_IMPORTER_JOB_HELD	(1 << 2)

#define DMABUF_IMPORTER_MAX_LENGTH	(64 << 20)
#define DMABUF_IMPORTER_MAX_IN_FENCES	64
#define DMABUF_IMPORTER_MAX_JOBS	4096
#define DMABUF_IMPORTER_MAX_DELAY_US	10000000
#define DMABUF_IMPORTER_MAX_TIMEOUT_MS	60000
#define DMABUF_IMPORTER_DEFAULT_TIMEOUT_MS 10000

/**
 * struct dmabuf_importer_job - argument of DMABUF_IMPORTER_SUBMIT
 * @dev: the device; its jobs run one after the other, as they were submitted
 * @op: DMABUF_IMPORTER_COPY and so on
 * @flags: DMABUF_IMPORTER_JOB_*
 * @num_in_fences: how many
 * @in_fences: array of __s32, sync_files to wait for; if one of them fails the
 *	job fails likewise
 * @src: what is read
 * @dst: what is written; may be the same buffer unless the ranges overlap
 * @length: in bytes
 * @value: the byte to fill with
 * @delay_us: to wait once the job could start
 * @timeout_ms: a job that is not done that long after it could start fails with
 *	ETIMEDOUT, between two transfers if it runs; 0 for the default
 * @error: zero, or the errno, negative, that it fails with without doing
 *	anything
 * @out_fence: returns the sync_file
 * @job: returns the identifier
 * @pad: zero
 *
 * A job that was cancelled fails with ECANCELED.
 *
 * Errors: EBUSY for too many jobs; EMFILE; EINVAL also for a range outside of
 * the buffer and a descriptor that is no sync_file; EOPNOTSUPP if memory does
 * not meet the device's constraints; what the exporter says.
 */
struct dmabuf_importer_job {
	__u32 dev;
	__u32 op;
	__u32 flags;
	__u32 num_in_fences;
	__u64 in_fences;
	struct dmabuf_importer_operand src;
	struct dmabuf_importer_operand dst;
	__u64 length;
	__u64 value;
	__u32 delay_us;
	__u32 timeout_ms;
	__s32 error;
	__s32 out_fence;
	__u32 job;
	__u32 pad;
};

/* Can move the memory unless it is pinned. */
#define DMABUF_IMPORTER_BUFFER_DYNAMIC		(1 << 0)
/* One piece of memory. */
#define DMABUF_IMPORTER_BUFFER_CONTIGUOUS	(1 << 1)
/* Memory at the lowest addresses. */
#define DMABUF_IMPORTER_BUFFER_LOW		(1 << 2)

/**
 * struct dmabuf_importer_buffer - argument of DMABUF_IMPORTER_EXPORT
 * @size: in bytes, made whole pages
 * @flags: DMABUF_IMPORTER_BUFFER_*
 * @fd: returns the dma-buf, close-on-exec
 *
 * Errors: EMFILE.
 */
struct dmabuf_importer_buffer {
	__u64 size;
	__u32 flags;
	__s32 fd;
};

/* Moves the memory, after all that uses it now. */
#define DMABUF_IMPORTER_MOVE		0
/* Takes the memory away: to map it fails with ENODEV from now on. */
#define DMABUF_IMPORTER_REVOKE		1
/* From now on attaching, mapping or pinning fails with the errno @value. */
#define DMABUF_IMPORTER_FAIL_ATTACH	2
#define DMABUF_IMPORTER_FAIL_MAP	3
#define DMABUF_IMPORTER_FAIL_PIN	4
/* From now on mapping takes @value milliseconds. */
#define DMABUF_IMPORTER_SLOW_MAP	5
/* Devices that do not reach the address @value are refused, with EBUSY. */
#define DMABUF_IMPORTER_NEED_MASK	6

/**
 * struct dmabuf_importer_control - argument of DMABUF_IMPORTER_CONTROL
 * @fd: a dma-buf from DMABUF_IMPORTER_EXPORT
 * @action: DMABUF_IMPORTER_MOVE and so on
 * @value: for the action, else zero; errno are negative, 0 ends a failure
 *
 * Errors: EBADF; EINVAL for a descriptor of any other kind. MOVE and REVOKE:
 * EBUSY while pinned, EOPNOTSUPP for a buffer that is not dynamic. MOVE: ENODEV
 * once revoked.
 */
struct dmabuf_importer_control {
	__s32 fd;
	__u32 action;
	__s64 value;
};

#define DMABUF_IMPORTER_MAGIC	0xBD

#define DMABUF_IMPORTER_CREATE_DEV \
	_IOWR(DMABUF_IMPORTER_MAGIC, 0, struct dmabuf_importer_create_dev)
#define DMABUF_IMPORTER_DESTROY_DEV \
	_IOW(DMABUF_IMPORTER_MAGIC, 1, struct dmabuf_importer_id)
#define DMABUF_IMPORTER_ATTACH \
	_IOWR(DMABUF_IMPORTER_MAGIC, 2, struct dmabuf_importer_attach)
#define DMABUF_IMPORTER_DETACH \
	_IOW(DMABUF_IMPORTER_MAGIC, 3, struct dmabuf_importer_id)
#define DMABUF_IMPORTER_PIN \
	_IOW(DMABUF_IMPORTER_MAGIC, 4, struct dmabuf_importer_id)
#define DMABUF_IMPORTER_UNPIN \
	_IOW(DMABUF_IMPORTER_MAGIC, 5, struct dmabuf_importer_id)
#define DMABUF_IMPORTER_MAP \
	_IOWR(DMABUF_IMPORTER_MAGIC, 6, struct dmabuf_importer_map)
#define DMABUF_IMPORTER_UNMAP \
	_IOW(DMABUF_IMPORTER_MAGIC, 7, struct dmabuf_importer_id)
#define DMABUF_IMPORTER_INFO \
	_IOWR(DMABUF_IMPORTER_MAGIC, 8, struct dmabuf_importer_info)
#define DMABUF_IMPORTER_SUBMIT \
	_IOWR(DMABUF_IMPORTER_MAGIC, 9, struct dmabuf_importer_job)
#define DMABUF_IMPORTER_RELEASE \
	_IOW(DMABUF_IMPORTER_MAGIC, 10, struct dmabuf_importer_id)
#define DMABUF_IMPORTER_CANCEL \
	_IOW(DMABUF_IMPORTER_MAGIC, 11, struct dmabuf_importer_id)
#define DMABUF_IMPORTER_EXPORT \
	_IOWR(DMABUF_IMPORTER_MAGIC, 12, struct dmabuf_importer_buffer)
#define DMABUF_IMPORTER_CONTROL \
	_IOW(DMABUF_IMPORTER_MAGIC, 13, struct dmabuf_importer_control)

#endif /* _UAPI_LINUX_DMABUF_IMPORTER_H */

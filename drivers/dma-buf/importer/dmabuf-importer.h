/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * /dev/dmabuf-importer: devices that import dma-bufs and do DMA to them on
 * behalf of tests. This is not a stable interface to user space: it changes
 * with the tests, which include this file from here, and is not installed.
 *
 * Copyright (C) 2026 the dma-buf project authors
 *
 * An open file owns devices, devices have attachments, and jobs use these.
 * Identifiers belong to the open file and begin at 1. Closing the file cancels
 * its jobs and releases everything.
 *
 * Every ioctl may fail with ENOTTY for an unknown command; EFAULT; EINVAL for
 * unknown flags, padding that is not zero, or a value out of range; ENOENT for
 * an unknown identifier; ENOMEM; EINTR on a signal without SA_RESTART. The
 * structs below list what each ioctl adds.
 */
#ifndef _DMABUF_IMPORTER_H
#define _DMABUF_IMPORTER_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Engines, which execute the jobs of a device. */
#define DMABUF_IMPORTER_ENGINE_SW	0	/* a CPU that uses DMA addresses */
#define DMABUF_IMPORTER_ENGINE_EDU	1	/* QEMU's edu PCI device */

/* The device follows moves; without this flag, memory stays in place. */
#define DMABUF_IMPORTER_DEV_DYNAMIC	0x1
/* The device reaches memory other than RAM; needs the flag above. */
#define DMABUF_IMPORTER_DEV_P2P		0x2
/* The device handles a single segment only. */
#define DMABUF_IMPORTER_DEV_CONTIGUOUS	0x4

/**
 * struct dmabuf_importer_create_dev - argument of DMABUF_IMPORTER_CREATE_DEV
 * @engine: DMABUF_IMPORTER_ENGINE_*
 * @flags: DMABUF_IMPORTER_DEV_*
 * @dma_mask: highest address that the device reaches, 2^n - 1; 0 for the
 *	engine's own
 * @segment_boundary: no segment crosses a multiple of this plus 1; 2^n - 1, at
 *	least a page minus 1; 0 for no boundary
 * @max_segment: longest segment in bytes, at least a page; 0 for no limit
 * @dev: returns the identifier
 *
 * The edu device has fixed constraints: all three must be 0.
 *
 * Errors: ENODEV if the engine is missing; EIO for a mask that the platform
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
 * struct dmabuf_importer_id - argument of ioctls that take an identifier alone
 * @id: a device for DMABUF_IMPORTER_DESTROY_DEV; a job for
 *	DMABUF_IMPORTER_RELEASE and DMABUF_IMPORTER_CANCEL; otherwise an
 *	attachment
 * @pad: zero
 *
 * Errors of DESTROY_DEV: EBUSY while the device has attachments or jobs.
 * DETACH: EBUSY while mapped, pinned or used by an unfinished job.
 * PIN: EINVAL for a device that is not dynamic; the exporter's errno.
 * UNPIN: EINVAL if not pinned. UNMAP: EINVAL if not mapped.
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
 * Errors: EBADF; EINVAL if @fd is not a dma-buf; ENOSPC for too many
 * attachments; the exporter's errno.
 */
struct dmabuf_importer_attach {
	__u32 dev;
	__s32 fd;
	__u32 attachment;
	__u32 pad;
};

/* What the device does with the memory; both may be set. */
#define DMABUF_IMPORTER_READ	0x1
#define DMABUF_IMPORTER_WRITE	0x2

/**
 * struct dmabuf_importer_segment - a DMA segment of a mapping
 * @address: DMA address
 * @length: in bytes
 */
struct dmabuf_importer_segment {
	__u64 address;
	__u64 length;
};

/**
 * struct dmabuf_importer_map - argument of DMABUF_IMPORTER_MAP
 * @attachment: the attachment to map
 * @flags: DMABUF_IMPORTER_READ or DMABUF_IMPORTER_WRITE or both
 * @segments: array of &struct dmabuf_importer_segment, to be filled
 * @num_segments: length of @segments; returns the number of segments, which may
 *	be larger
 * @pad: zero
 *
 * An attachment has one such mapping at a time, besides that of its jobs.
 *
 * Errors: EBUSY if already mapped; EOPNOTSUPP if the memory does not meet the
 * device's constraints; the exporter's errno.
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
 * @attachment: the attachment to describe
 * @pins: returns the number of pins
 * @moves: returns how often the exporter has announced a move
 * @maps: returns how often jobs have mapped the buffer
 * @mapped: returns 1 if mapped by DMABUF_IMPORTER_MAP
 * @p2p: returns 1 if the exporter may map memory other than RAM
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
 * @attachment: attachment to a buffer, or 0 for memory of the caller
 * @pad: zero
 * @offset: offset in the buffer in bytes, or the address of the memory
 */
struct dmabuf_importer_operand {
	__u32 attachment;
	__u32 pad;
	__u64 offset;
};

/* Copy @length bytes. */
#define DMABUF_IMPORTER_COPY		0
/* Write @length bytes of @value; there is no source. */
#define DMABUF_IMPORTER_FILL		1
/* Write 8 bytes, the 64 bit FNV-1a hash of @length bytes. */
#define DMABUF_IMPORTER_CHECKSUM	2

/* Wait for the buffers' fences, and add a fence as reader or writer. */
#define DMABUF_IMPORTER_JOB_IMPLICIT	0x1
/* Return a sync_file. */
#define DMABUF_IMPORTER_JOB_OUT_FENCE	0x2
/* Do not start before DMABUF_IMPORTER_RELEASE. */
#define DMABUF_IMPORTER_JOB_HELD	0x4

/* Bounds on the memory and the time that one job or device can take up. */
#define DMABUF_IMPORTER_MAX_LENGTH	(64 << 20)
#define DMABUF_IMPORTER_MAX_IN_FENCES	64
#define DMABUF_IMPORTER_MAX_JOBS	4096
#define DMABUF_IMPORTER_MAX_DELAY_US	10000000
#define DMABUF_IMPORTER_MAX_TIMEOUT_MS	60000
#define DMABUF_IMPORTER_DEFAULT_TIMEOUT_MS 10000

/**
 * struct dmabuf_importer_job - argument of DMABUF_IMPORTER_SUBMIT
 * @dev: the device, which runs its jobs in the order of submission
 * @op: DMABUF_IMPORTER_COPY and so on
 * @flags: DMABUF_IMPORTER_JOB_*
 * @num_in_fences: number of @in_fences
 * @in_fences: array of __s32, sync_files to wait for; if one of them fails, the
 *	job fails with the same error
 * @src: the memory to read
 * @dst: the memory to write; may be in the buffer of @src unless they overlap
 * @length: in bytes
 * @value: the byte to fill with
 * @delay_us: how long the job waits once it could start
 * @timeout_ms: the job fails with ETIMEDOUT this long after it could have
 *	started; edu stops a running job between two transfers; 0 for the
 *	default
 * @error: the negative errno to fail with instead of running, or zero
 * @out_fence: returns the sync_file, or -1
 * @job: returns the identifier
 * @pad: zero
 *
 * A cancelled job fails with ECANCELED.
 *
 * Errors: EBUSY for too many jobs; EMFILE; EINVAL also for a range outside the
 * buffer and a descriptor that is not a sync_file; EOPNOTSUPP if memory does
 * not meet the device's constraints; the exporter's errno.
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

/* The memory can move unless it is pinned. */
#define DMABUF_IMPORTER_BUFFER_DYNAMIC		0x1
/* The memory is physically contiguous. */
#define DMABUF_IMPORTER_BUFFER_CONTIGUOUS	0x2
/* The memory is at low addresses: ZONE_DMA, or ZONE_DMA32 without it. */
#define DMABUF_IMPORTER_BUFFER_LOW		0x4

/**
 * struct dmabuf_importer_buffer - argument of DMABUF_IMPORTER_EXPORT
 * @size: in bytes, rounded up to whole pages
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

/* Move the memory, once all its current users are done. */
#define DMABUF_IMPORTER_MOVE		0
/* Take the memory away: mapping and pinning fail with ENODEV from now on. */
#define DMABUF_IMPORTER_REVOKE		1
/* Let attaching, mapping or pinning fail with the errno @value from now on. */
#define DMABUF_IMPORTER_FAIL_ATTACH	2
#define DMABUF_IMPORTER_FAIL_MAP	3
#define DMABUF_IMPORTER_FAIL_PIN	4
/* Let mapping take @value milliseconds from now on. */
#define DMABUF_IMPORTER_SLOW_MAP	5
/* Refuse devices that do not reach the address @value, with EBUSY. */
#define DMABUF_IMPORTER_NEED_MASK	6

/**
 * struct dmabuf_importer_control - argument of DMABUF_IMPORTER_CONTROL
 * @fd: a dma-buf from DMABUF_IMPORTER_EXPORT
 * @action: DMABUF_IMPORTER_MOVE and so on
 * @value: argument of the action, or zero; an errno is negative, and 0 ends the
 *	failures
 *
 * Errors: EBADF; EINVAL if @fd is anything else. MOVE and REVOKE: EBUSY while
 * pinned, EOPNOTSUPP for a buffer that is not dynamic. MOVE: ENODEV once
 * revoked.
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

#endif /* _DMABUF_IMPORTER_H */

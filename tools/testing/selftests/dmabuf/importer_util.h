/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Helpers for the tests that run on /dev/dmabuf-importer: each ioctl as a function
 * that returns the new identifier or descriptor, or -errno, and jobs that fill,
 * copy and check buffers.
 *
 * Copyright (C) the dma-buf project authors
 */
#ifndef IMPORTER_UTIL_H
#define IMPORTER_UTIL_H

#include "../../../../drivers/dma-buf/importer/dmabuf-importer.h"
#include "dmabuf_util.h"

#define IMPORTER_PATH "/dev/dmabuf-importer"
#define NEEDS_IMPORTER "no " IMPORTER_PATH ": CONFIG_DMABUF_IMPORTER"
#define NEEDS_EDU "no edu device: qemu -device edu, CONFIG_PCI"

#define PAGE 4096
#define SW DMABUF_IMPORTER_ENGINE_SW
#define EDU DMABUF_IMPORTER_ENGINE_EDU
#define DYNAMIC DMABUF_IMPORTER_DEV_DYNAMIC
#define IMPLICIT DMABUF_IMPORTER_JOB_IMPLICIT
#define OUT_FENCE DMABUF_IMPORTER_JOB_OUT_FENCE
#define HELD DMABUF_IMPORTER_JOB_HELD

/* The engine of tests that run on either: SW, or edu if IMPORTER_ENGINE=edu is set. */
static inline __u32 any_engine(void)
{
	const char *name = getenv("IMPORTER_ENGINE");

	return name && !strcmp(name, "edu") ? EDU : SW;
}

/* Scale a number of rounds down for edu, which takes 0.2 s to copy 4 KiB. */
static inline int rounds(int n)
{
	return any_engine() == EDU ? (n + 19) / 20 : n;
}

static inline int imp_open(void)
{
	return sys_ret(open(IMPORTER_PATH, O_RDWR | O_CLOEXEC));
}

static inline int imp_dev_with(int imp, struct dmabuf_importer_create_dev *arg)
{
	int ret = do_ioctl(imp, DMABUF_IMPORTER_CREATE_DEV, arg);

	return ret ? ret : (int)arg->dev;
}

static inline int imp_dev(int imp, __u32 engine, __u32 flags)
{
	struct dmabuf_importer_create_dev arg = { .engine = engine, .flags = flags };

	return imp_dev_with(imp, &arg);
}

static inline int imp_attach(int imp, int dev, int fd)
{
	struct dmabuf_importer_attach arg = { .dev = dev, .fd = fd };
	int ret = do_ioctl(imp, DMABUF_IMPORTER_ATTACH, &arg);

	return ret ? ret : (int)arg.attachment;
}

/* For DESTROY_DEV, DETACH, PIN, UNPIN, UNMAP, RELEASE and CANCEL. */
static inline int imp_id(int imp, unsigned long cmd, __u32 id)
{
	struct dmabuf_importer_id arg = { .id = id };

	return do_ioctl(imp, cmd, &arg);
}

/* Return the number of segments of the mapping. */
static inline int imp_map(int imp, int att, __u32 flags,
			  struct dmabuf_importer_segment *segments, __u32 room)
{
	struct dmabuf_importer_map arg = {
		.attachment = att, .flags = flags,
		.segments = (uintptr_t)segments, .num_segments = room,
	};
	int ret = do_ioctl(imp, DMABUF_IMPORTER_MAP, &arg);

	return ret ? ret : (int)arg.num_segments;
}

static inline struct dmabuf_importer_info imp_info(int imp, int att)
{
	struct dmabuf_importer_info arg = { .attachment = att };

	if (ioctl(imp, DMABUF_IMPORTER_INFO, &arg))
		memset(&arg, 0xff, sizeof(arg));
	return arg;
}

static inline int imp_buffer(int imp, __u64 size, __u32 flags)
{
	struct dmabuf_importer_buffer arg = { .size = size, .flags = flags };
	int ret = do_ioctl(imp, DMABUF_IMPORTER_EXPORT, &arg);

	return ret ? ret : arg.fd;
}

static inline int imp_control(int imp, int fd, __u32 action, __s64 value)
{
	struct dmabuf_importer_control arg = {
		.fd = fd, .action = action, .value = value,
	};

	return do_ioctl(imp, DMABUF_IMPORTER_CONTROL, &arg);
}

static inline int imp_move(int imp, int fd)
{
	return imp_control(imp, fd, DMABUF_IMPORTER_MOVE, 0);
}

/* Describe memory of the caller, or a range of a buffer, as an operand. */
static inline struct dmabuf_importer_operand user(const void *p)
{
	return (struct dmabuf_importer_operand){ .offset = (uintptr_t)p };
}

static inline struct dmabuf_importer_operand buffer(int att, __u64 offset)
{
	return (struct dmabuf_importer_operand){ .attachment = att, .offset = offset };
}

static inline int imp_submit(int imp, struct dmabuf_importer_job *job)
{
	return do_ioctl(imp, DMABUF_IMPORTER_SUBMIT, job);
}

/* Wait for a fence. Returns its status, 1 or -errno; -ETIME after WAIT_MS. */
static inline int fence_result(int fd)
{
	if (poll_ms(fd, POLLIN, WAIT_MS) != POLLIN)
		return -ETIME;
	return sf_status(fd);
}

/* Submit a job, wait for its fence, and return its status or the ioctl's -errno. */
static inline int imp_run(int imp, struct dmabuf_importer_job *job)
{
	int ret;

	job->flags |= OUT_FENCE;
	ret = imp_submit(imp, job);
	if (ret)
		return ret;
	ret = fence_result(job->out_fence);
	close(job->out_fence);
	return ret;
}

static inline int imp_fill(int imp, int dev, int att, __u64 length, __u8 value)
{
	struct dmabuf_importer_job job = {
		.dev = dev, .op = DMABUF_IMPORTER_FILL, .dst = buffer(att, 0),
		.length = length, .value = value,
	};

	return imp_run(imp, &job);
}

static inline int imp_copy(int imp, int dev, struct dmabuf_importer_operand dst,
			   struct dmabuf_importer_operand src, __u64 length)
{
	struct dmabuf_importer_job job = {
		.dev = dev, .op = DMABUF_IMPORTER_COPY, .src = src, .dst = dst,
		.length = length,
	};

	return imp_run(imp, &job);
}

/* Return the expected checksum of a job. */
static inline __u64 fnv1a(const void *data, size_t length)
{
	__u64 sum = 0xcbf29ce484222325ull;
	const unsigned char *p = data;

	while (length--)
		sum = (sum ^ *p++) * 0x100000001b3ull;
	return sum;
}

/* Fill memory with bytes that depend on the seed and the position. */
static inline void pattern(void *data, size_t length, __u32 seed)
{
	unsigned char *p = data;
	size_t i;

	for (i = 0; i < length; i++)
		p[i] = (i * 31 + (i >> 8) * 7 + seed * 131) ^ (seed >> 3);
}

static inline bool all_bytes(const void *data, size_t length, __u8 value)
{
	const unsigned char *p = data;

	while (length--)
		if (*p++ != value)
			return false;
	return true;
}

#endif /* IMPORTER_UTIL_H */

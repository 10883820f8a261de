/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The interface between the benchmark's module and program: /dev/dmabuf-bench.
 * The module runs its own cases one at a time, and makes what user space cannot
 * make for the program's cases: fences, importers, 100,000 buffers.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMABUF_BENCH_ABI_H
#define _DMABUF_BENCH_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define BENCH_MAX_N	8

/* The result is a size in bytes, and the same on each run. */
#define BENCH_INFO_BYTES	1

/**
 * struct bench_info - one case of the module
 * @index: in: number of the case; ENOENT after the last one
 * @flags: BENCH_INFO_BYTES
 * @count: number of sizes in @n
 * @n: the sizes to run the case with, in rising order
 * @name: name of the case
 */
struct bench_info {
	__u32 index;
	__u32 flags;
	__u32 count;
	__u32 n[BENCH_MAX_N];
	char name[28];
};

/**
 * struct bench_run - run one case once
 * @index: as in struct bench_info
 * @n: size
 * @ns: out: time of @ops operations
 * @ops: out: not 0
 */
struct bench_run {
	__u32 index;
	__u32 n;
	__u64 ns;
	__u64 ops;
};

enum bench_op {
	/* get_dma_buf() and dma_buf_put() */
	BENCH_OP_GET_PUT,
	/* dma_buf_attach() and dma_buf_detach() */
	BENCH_OP_ATTACH,
	/* map and unmap an attachment that was mapped before */
	BENCH_OP_MAP,
	/* attach, map, unmap, detach */
	BENCH_OP_ATTACH_MAP,
	/* dma_buf_vmap_unlocked() and dma_buf_vunmap_unlocked() */
	BENCH_OP_VMAP,
	/* not measured: attach @ops times, until BENCH_IOC_DROP */
	BENCH_OP_HOLD,
	/* not measured: attach and map @ops times, until BENCH_IOC_DROP */
	BENCH_OP_HOLD_MAPPED,
};

/**
 * enum bench_path - how the device reaches memory
 */
enum bench_path {
	/* directly */
	BENCH_PATH_DIRECT,
	/* through an IOMMU */
	BENCH_PATH_IOMMU,
	/* through bounce buffers, with copies */
	BENCH_PATH_BOUNCE,
};

/**
 * struct bench_buffer - an operation on a buffer
 * @fd: the buffer
 * @op: enum bench_op
 * @ops: number of repetitions
 * @ns: out: time of all of them
 */
struct bench_buffer {
	__s32 fd;
	__u32 op;
	__u64 ops;
	__u64 ns;
};

/**
 * struct bench_fences - fences to make, each with a context of its own
 * @fd: BENCH_IOC_ADD_FENCES: the buffer to add them to, as readers.
 *	BENCH_IOC_SYNC_FILE: out: a sync_file of all of them
 * @n: number of fences, not 0
 */
struct bench_fences {
	__s32 fd;
	__u32 n;
};

#define BENCH_IOC_INFO		_IOWR('B', 0, struct bench_info)
#define BENCH_IOC_RUN		_IOWR('B', 1, struct bench_run)
#define BENCH_IOC_BUFFER	_IOWR('B', 2, struct bench_buffer)
#define BENCH_IOC_ADD_FENCES	_IOWR('B', 3, struct bench_fences)
#define BENCH_IOC_SYNC_FILE	_IOWR('B', 4, struct bench_fences)
/* Signal all fences of the two above, oldest first, and forget them. */
#define BENCH_IOC_SIGNAL	_IO('B', 5)
/* Detach what BENCH_OP_HOLD and BENCH_OP_HOLD_MAPPED attached. */
#define BENCH_IOC_DROP		_IO('B', 6)
/*
 * Export a buffer of this many pages, no two adjacent, maybe 0; returns the fd.
 */
#define BENCH_IOC_EXPORT	_IO('B', 7)
/* Make or drop buffers without a descriptor until there are this many. */
#define BENCH_IOC_LIVE		_IO('B', 8)
/* How the device that maps reaches memory: one of enum bench_path. */
#define BENCH_IOC_PATH		_IO('B', 9)

#endif /* _DMABUF_BENCH_ABI_H */

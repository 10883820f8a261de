/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The benchmark module: declarations shared by its files. A case sets up,
 * measures between bench_start() and bench_stop(), which may be called many
 * times, and tears down; the program in user space repeats it and takes the
 * best.
 *
 * Under -icount shift=0 the guest's clock advances by a nanosecond with each
 * instruction, so that the times are instruction counts. BENCH_TSC, which is for
 * user-mode Linux, takes the processor's clock instead.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMABUF_BENCH_H
#define _DMABUF_BENCH_H

#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/list.h>
#include <linux/timekeeping.h>

#include "bench_abi.h"
#include "bench_clock.h"

/* The time that it takes to read the clock twice. */
extern u64 bench_overhead;
/* For bench_ticks_to_ns(). */
extern u64 bench_scale;

static inline u64 bench_now(void)
{
#ifdef BENCH_TSC
	return bench_ticks_to_ns(bench_ticks(), bench_scale);
#else
	return ktime_get_ns();
#endif
}

/**
 * struct bench - a measurement in progress
 * @started: time of the last bench_start()
 * @ns: time measured so far
 * @ops: number of operations in @ns
 */
struct bench {
	u64 started;
	u64 ns;
	u64 ops;
};

static inline void bench_start(struct bench *b)
{
	b->started = bench_now();
}

static inline void bench_stop(struct bench *b, u64 ops)
{
	u64 ns = bench_now() - b->started;

	b->ns += ns > bench_overhead ? ns - bench_overhead : 0;
	b->ops += ops;
}

/* Small operations are repeated, so that reading the clock does not show. */
static inline unsigned int bench_loops(unsigned int n)
{
	return n < 100 ? 100 / n : 1;
}

/**
 * struct bench_case - one or more rows of the table
 * @name: the name to print
 * @run: runs the case once; returns 0 or -errno, -EOPNOTSUPP if not supported
 * @arg: for @run
 * @flags: BENCH_INFO_BYTES
 * @n: sizes in rising order; 0 ends them
 */
struct bench_case {
	const char *name;
	int (*run)(struct bench *b, unsigned int n, unsigned long arg);
	unsigned long arg;
	u32 flags;
	unsigned int n[BENCH_MAX_N];
};

/* An entry without a name ends each array. */
extern const struct bench_case bench_fence_cases[];
extern const struct bench_case bench_chain_cases[];
extern const struct bench_case bench_merge_cases[];
extern const struct bench_case bench_resv_cases[];

/**
 * struct bench_held - objects that an open file keeps
 * @fences: fences of BENCH_IOC_ADD_FENCES and BENCH_IOC_SYNC_FILE
 * @attachments: attachments of BENCH_OP_HOLD
 * @live: buffers of BENCH_IOC_LIVE
 * @num_live: number of buffers in @live
 */
struct bench_held {
	struct list_head fences;
	struct list_head attachments;
	struct list_head live;
	unsigned int num_live;
};

/* bench_fence.c */
struct dma_fence *bench_fence_new(u64 context, u64 seqno);
struct dma_fence **bench_fences_new(unsigned int n, bool one_context);
void bench_fences_free(struct dma_fence **fences, unsigned int n);
struct dma_fence *bench_array_new(struct dma_fence **fences, unsigned int n);

/* bench_export.c */
struct dma_buf *bench_export(unsigned int pages);
int bench_live(struct bench_held *held, unsigned int want);
void bench_file_drop(struct file *file);

/* bench_device.c */
int bench_device_init(void);
void bench_device_exit(void);
enum bench_path bench_device_path(void);
int bench_buffer_op(struct bench_held *held, struct bench_buffer *arg);
void bench_drop_attachments(struct bench_held *held);

/* bench_held.c */
int bench_add_fences(struct bench_held *held, struct bench_fences *arg);
int bench_sync_file(struct bench_held *held, struct bench_fences *arg);
void bench_signal(struct bench_held *held);

#endif /* _DMABUF_BENCH_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The processor's own clock, for both halves of the benchmark. In user-mode
 * Linux the kernel's clock has steps of 256 ns, and a program reads it by a
 * system call, which takes microseconds there.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMABUF_BENCH_CLOCK_H
#define _DMABUF_BENCH_CLOCK_H

#include <linux/types.h>

/* How long to compare the two clocks, in ns: the steps must not show. */
#define BENCH_CLOCK_COMPARE	20000000

#define BENCH_CLOCK_SHIFT	24

static inline __u64 bench_ticks(void)
{
	__u32 low, high;

	/* the fence keeps what is measured on its side */
	__asm__ volatile("lfence; rdtsc; lfence"
			 : "=a" (low), "=d" (high) : : "memory");
	return low | (__u64)high << 32;
}

static inline __u64 bench_ticks_to_ns(__u64 ticks, __u64 scale)
{
	return (__uint128_t)ticks * scale >> BENCH_CLOCK_SHIFT;
}

/**
 * bench_clock_scale - measure the processor's clock with another
 * @clock: the other, in ns
 *
 * Takes BENCH_CLOCK_COMPARE.
 *
 * Return: @scale for bench_ticks_to_ns().
 */
static inline __u64 bench_clock_scale(__u64 (*clock)(void))
{
	__u64 began = clock(), ticks = bench_ticks(), ns;

	do {
		ns = clock() - began;
	} while (ns < BENCH_CLOCK_COMPARE);
	return (ns << BENCH_CLOCK_SHIFT) / (bench_ticks() - ticks);
}

#endif /* _DMABUF_BENCH_CLOCK_H */

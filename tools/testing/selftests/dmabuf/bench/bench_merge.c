// SPDX-License-Identifier: GPL-2.0-only
/*
 * Benchmark cases: merging n fences into one.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence-chain.h>
#include <linux/dma-fence-unwrap.h>
#include <linux/kernel.h>
#include <linux/mm.h>

#include "bench.h"

enum { MERGE_DIFFERENT, MERGE_HALF, MERGE_SIGNALLED, MERGE_ONE_CONTEXT };

static void merge_prepare(struct dma_fence **fences, unsigned int n,
			  unsigned long kind)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		if (kind == MERGE_SIGNALLED || (kind == MERGE_HALF && i % 2))
			dma_fence_signal(fences[i]);
	}
}

static int run_merge(struct bench *b, unsigned int n, unsigned long arg)
{
	struct dma_fence **fences, *merged = NULL;
	struct dma_fence_unwrap *cursors;
	unsigned int loops = bench_loops(n), loop;

	fences = bench_fences_new(n, arg == MERGE_ONE_CONTEXT);
	cursors = kvcalloc(n, sizeof(*cursors), GFP_KERNEL);
	if (fences && cursors) {
		merge_prepare(fences, n, arg);
		bench_start(b);
		for (loop = 0; loop < loops; loop++) {
			merged = __dma_fence_unwrap_merge(n, fences, cursors);
			dma_fence_put(merged);
		}
		bench_stop(b, loops);
	}
	bench_fences_free(fences, n);
	kvfree(cursors);
	return merged ? 0 : -ENOMEM;
}

#define PER_ARRAY 10

/* A chain; each link is an array of ten fences with contexts of their own. */
static struct dma_fence *nested_new(struct dma_fence **fences, unsigned int n)
{
	struct dma_fence *head = NULL, *array;
	struct dma_fence_chain *link;
	unsigned int i;

	for (i = 0; i + PER_ARRAY <= n; i += PER_ARRAY) {
		array = bench_array_new(fences + i, PER_ARRAY);
		link = dma_fence_chain_alloc();
		if (!array || !link) {
			dma_fence_put(array);
			dma_fence_chain_free(link);
			dma_fence_put(head);
			return NULL;
		}
		dma_fence_chain_init(link, head, array, i + 1);
		head = &link->base;
	}
	return head;
}

static int run_merge_nested(struct bench *b, unsigned int n, unsigned long arg)
{
	struct dma_fence **fences = bench_fences_new(n, false);
	struct dma_fence *head, *merged = NULL;

	if (!fences)
		return -ENOMEM;
	head = nested_new(fences, n);
	if (head) {
		bench_start(b);
		merged = dma_fence_unwrap_merge(head);
		dma_fence_put(merged);
		bench_stop(b, 1);
	}
	bench_fences_free(fences, n);
	dma_fence_put(head);
	return merged ? 0 : -ENOMEM;
}

#define SIZES { 1, 10, 100, 1000, 10000 }

const struct bench_case bench_merge_cases[] = {
	{ "merge_different", run_merge, MERGE_DIFFERENT, 0, SIZES },
	{ "merge_half_signalled", run_merge, MERGE_HALF, 0, SIZES },
	{ "merge_all_signalled", run_merge, MERGE_SIGNALLED, 0, SIZES },
	{ "merge_one_context", run_merge, MERGE_ONE_CONTEXT, 0, SIZES },
	{ "merge_nested", run_merge_nested, 0, 0, { 10, 100, 1000, 10000 } },
	{ }
};

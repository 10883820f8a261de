// SPDX-License-Identifier: GPL-2.0-only
/*
 * Benchmark cases: timelines, which are chains of n links: making them, finding
 * a point, and waiting for the last link while the links signal in some order.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence-chain.h>
#include <linux/mm.h>
#include <linux/prandom.h>

#include "bench.h"

/* Makes a link for each fence; returns the newest. @armed: see below. */
static struct dma_fence *chain_new(struct dma_fence **fences, unsigned int n,
				   bool armed)
{
	struct dma_fence_chain *link;
	struct dma_fence *head = NULL;
	unsigned int i;

	for (i = 0; i < n; i++) {
		link = dma_fence_chain_alloc();
		if (!link) {
			dma_fence_put(head);
			return NULL;
		}
		dma_fence_chain_init(link, head, dma_fence_get(fences[i]),
				     i + 1);
		head = &link->base;
		if (armed)
			dma_fence_enable_sw_signaling(head);
	}
	return head;
}

static void chain_free(struct dma_fence *head, struct dma_fence **fences,
		       unsigned int n)
{
	bench_fences_free(fences, n);
	if (head)
		dma_fence_wait(head, false);
	dma_fence_put(head);
}

/* Per link. */
static int run_chain_add(struct bench *b, unsigned int n, unsigned long arg)
{
	struct dma_fence **fences = bench_fences_new(n, false), *head;

	if (!fences)
		return -ENOMEM;
	bench_start(b);
	head = chain_new(fences, n, false);
	bench_stop(b, n);
	chain_free(head, fences, n);
	return head ? 0 : -ENOMEM;
}

enum { FIND_HEAD, FIND_MIDDLE, FIND_TAIL };

static int run_chain_find(struct bench *b, unsigned int n, unsigned long arg)
{
	struct dma_fence **fences = bench_fences_new(n, false), *head, *found;
	u64 seqno = arg == FIND_HEAD ? n : arg == FIND_TAIL ? 1 : (n + 1) / 2;
	int i, ret = 0;

	if (!fences)
		return -ENOMEM;
	head = chain_new(fences, n, false);
	if (!head) {
		bench_fences_free(fences, n);
		return -ENOMEM;
	}
	bench_start(b);
	for (i = 0; i < 20 && !ret; i++) {
		found = dma_fence_get(head);
		ret = dma_fence_chain_find_seqno(&found, seqno);
		if (found && found->seqno != seqno)
			ret = -EIO;
		dma_fence_put(found);
	}
	bench_stop(b, 20);
	chain_free(head, fences, n);
	return ret;
}

enum { SIGNAL_FORWARDS, SIGNAL_BACKWARDS, SIGNAL_RANDOM, SIGNAL_ARMED = 4 };

/* The order of signalling; the random one is the same on every run. */
static unsigned int *signal_order(unsigned int n, unsigned long order)
{
	unsigned int *index = kvmalloc_array(n, sizeof(*index), GFP_KERNEL);
	struct rnd_state rnd;
	unsigned int i;

	if (!index)
		return NULL;
	prandom_seed_state(&rnd, 1);
	for (i = 0; i < n; i++) {
		unsigned int at = i;

		if (order == SIGNAL_RANDOM)
			at = prandom_u32_state(&rnd) % (i + 1);
		index[i] = index[at];
		index[at] = order == SIGNAL_BACKWARDS ? n - 1 - i : i;
	}
	return index;
}

/* Measures from the start of the wait to its end, with all signals. */
static int chain_wait(struct bench *b, struct dma_fence *head,
		      struct dma_fence **fences, const unsigned int *order,
		      unsigned int n)
{
	unsigned int i;
	long ret;

	bench_start(b);
	dma_fence_enable_sw_signaling(head);
	for (i = 0; i < n; i++)
		dma_fence_signal(fences[order[i]]);
	ret = dma_fence_wait_timeout(head, false, HZ);
	bench_stop(b, 1);
	return ret > 0 ? 0 : ret ?: -ETIME;
}

/* With SIGNAL_ARMED every link has a waiter, not only the newest. */
static int run_chain_wait(struct bench *b, unsigned int n, unsigned long arg)
{
	struct dma_fence **fences = bench_fences_new(n, false), *head = NULL;
	unsigned int *order = signal_order(n, arg & ~SIGNAL_ARMED);
	int ret = -ENOMEM;

	if (fences && order)
		head = chain_new(fences, n, arg & SIGNAL_ARMED);
	if (head)
		ret = chain_wait(b, head, fences, order, n);
	chain_free(head, fences, n);
	kvfree(order);
	return ret;
}

#define SIZES { 1, 10, 100, 1000, 10000 }
/* A kernel whose cost is n squared gets no further than 4,000. */
#define ARMED_SIZES { 1, 10, 100, 1000, 4000, 10000 }

const struct bench_case bench_chain_cases[] = {
	{ "chain_add", run_chain_add, 0, 0, SIZES },
	{ "chain_find_head", run_chain_find, FIND_HEAD, 0, SIZES },
	{ "chain_find_middle", run_chain_find, FIND_MIDDLE, 0, SIZES },
	{ "chain_find_tail", run_chain_find, FIND_TAIL, 0, SIZES },
	{ "chain_wait_forwards", run_chain_wait, SIGNAL_FORWARDS, 0, SIZES },
	{ "chain_wait_backwards", run_chain_wait, SIGNAL_BACKWARDS, 0, SIZES },
	{ "chain_wait_random", run_chain_wait, SIGNAL_RANDOM, 0, SIZES },
	{ "chain_armed_forwards", run_chain_wait,
	  SIGNAL_ARMED | SIGNAL_FORWARDS, 0, ARMED_SIZES },
	{ "chain_armed_backwards", run_chain_wait,
	  SIGNAL_ARMED | SIGNAL_BACKWARDS, 0, ARMED_SIZES },
	{ "chain_armed_random", run_chain_wait,
	  SIGNAL_ARMED | SIGNAL_RANDOM, 0, ARMED_SIZES },
	{ }
};

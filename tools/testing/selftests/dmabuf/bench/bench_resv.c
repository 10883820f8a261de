// SPDX-License-Identifier: GPL-2.0-only
/*
 * Benchmark cases: reservation objects with n fences. Only the cases that add
 * fences start with an empty object.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-resv.h>
#include <linux/minmax.h>
#include <linux/slab.h>

#include "bench.h"

/**
 * struct resv_bench - an object and the fences for it
 * @resv: the object, not locked
 * @fences: the fences, pending
 * @n: number of @fences
 */
struct resv_bench {
	struct dma_resv resv;
	struct dma_fence **fences;
	unsigned int n;
};

static struct resv_bench *resv_new(unsigned int n, bool one_context)
{
	struct resv_bench *rb = kzalloc(sizeof(*rb), GFP_KERNEL);

	if (!rb)
		return NULL;
	rb->n = n;
	rb->fences = bench_fences_new(n, one_context);
	if (!rb->fences) {
		kfree(rb);
		return NULL;
	}
	dma_resv_init(&rb->resv);
	return rb;
}

static void resv_free(struct resv_bench *rb)
{
	bench_fences_free(rb->fences, rb->n);
	dma_resv_fini(&rb->resv);
	kfree(rb);
}

static int resv_fill_locked(struct resv_bench *rb)
{
	unsigned int i;
	int ret;

	for (i = 0; i < rb->n; i++) {
		ret = dma_resv_reserve_fences(&rb->resv, 1);
		if (ret)
			return ret;
		dma_resv_add_fence(&rb->resv, rb->fences[i],
				   DMA_RESV_USAGE_READ);
	}
	return 0;
}

/* An object with fences in it. */
static struct resv_bench *resv_filled(unsigned int n)
{
	struct resv_bench *rb = resv_new(n, false);
	int ret;

	if (!rb)
		return NULL;
	dma_resv_lock(&rb->resv, NULL);
	ret = resv_fill_locked(rb);
	dma_resv_unlock(&rb->resv);
	if (!ret)
		return rb;
	resv_free(rb);
	return NULL;
}

/* Per fence: reserve and add. */
static int run_add(struct bench *b, unsigned int n, unsigned long one_context)
{
	unsigned int loops = bench_loops(n), loop;
	struct resv_bench *rb;
	int ret = 0;

	for (loop = 0; loop < loops && !ret; loop++) {
		rb = resv_new(n, one_context);
		if (!rb)
			return -ENOMEM;
		dma_resv_lock(&rb->resv, NULL);
		bench_start(b);
		ret = resv_fill_locked(rb);
		bench_stop(b, n);
		dma_resv_unlock(&rb->resv);
		resv_free(rb);
	}
	return ret;
}

/* A long run: each fence signals before the nth fence after it is added. */
#define BENCH_SIGNALED 10000

/* Per fence, with n pending: reserve and add; or per walk under the lock, then. */
static int run_pending(struct bench *b, unsigned int n, unsigned long walk)
{
	struct resv_bench *rb = resv_new(BENCH_SIGNALED + n, false);
	unsigned int i, seen = 0;
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	int ret = 0;

	if (!rb)
		return -ENOMEM;
	dma_resv_lock(&rb->resv, NULL);
	for (i = 0; i < rb->n && !ret; i++) {
		if (i >= n)
			dma_fence_signal(rb->fences[i - n]);
		if (!walk)
			bench_start(b);
		ret = dma_resv_reserve_fences(&rb->resv, 1);
		if (!ret)
			dma_resv_add_fence(&rb->resv, rb->fences[i],
					   DMA_RESV_USAGE_READ);
		if (!walk)
			bench_stop(b, 1);
	}
	if (walk) {
		bench_start(b);
		dma_resv_for_each_fence(&cursor, &rb->resv,
					DMA_RESV_USAGE_READ, fence)
			seen++;
		bench_stop(b, 1);
	}
	dma_resv_unlock(&rb->resv);
	resv_free(rb);
	return ret ?: walk && seen < n ? -EIO : 0;
}

/* All n slots have one context: the fences were added backwards. */
static int run_replace(struct bench *b, unsigned int n, unsigned long arg)
{
	struct resv_bench *rb = resv_new(n, true);
	struct dma_fence *fence;
	unsigned int i;
	int ret = 0;

	if (!rb)
		return -ENOMEM;
	fence = bench_fence_new(dma_fence_context_alloc(1), 1);
	if (!fence) {
		resv_free(rb);
		return -ENOMEM;
	}
	for (i = 0; i < n / 2; i++)
		swap(rb->fences[i], rb->fences[n - 1 - i]);
	dma_resv_lock(&rb->resv, NULL);
	ret = resv_fill_locked(rb);
	bench_start(b);
	dma_resv_replace_fences(&rb->resv, rb->fences[0]->context, fence,
				DMA_RESV_USAGE_BOOKKEEP);
	bench_stop(b, 1);
	dma_resv_unlock(&rb->resv);
	resv_free(rb);
	dma_fence_signal(fence);
	dma_fence_put(fence);
	return ret;
}

static int run_iterate(struct bench *b, unsigned int n, unsigned long unlocked)
{
	unsigned int loops = bench_loops(n), loop, seen = 0;
	struct resv_bench *rb = resv_filled(n);
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	if (!rb)
		return -ENOMEM;
	if (!unlocked)
		dma_resv_lock(&rb->resv, NULL);
	bench_start(b);
	for (loop = 0; loop < loops && unlocked; loop++) {
		dma_resv_iter_begin(&cursor, &rb->resv, DMA_RESV_USAGE_READ);
		dma_resv_for_each_fence_unlocked(&cursor, fence)
			seen++;
		dma_resv_iter_end(&cursor);
	}
	for (loop = 0; loop < loops && !unlocked; loop++) {
		dma_resv_for_each_fence(&cursor, &rb->resv,
					DMA_RESV_USAGE_READ, fence)
			seen++;
	}
	bench_stop(b, loops);
	if (!unlocked)
		dma_resv_unlock(&rb->resv);
	resv_free(rb);
	return seen == loops * n ? 0 : -EIO;
}

/* All fences have signalled, so the test has to look at all. */
static int run_test(struct bench *b, unsigned int n, unsigned long wait)
{
	unsigned int loops = bench_loops(n), loop, i;
	struct resv_bench *rb = resv_filled(n);
	bool idle = true;

	if (!rb)
		return -ENOMEM;
	for (i = 0; i < n; i++)
		dma_fence_signal(rb->fences[i]);
	bench_start(b);
	for (loop = 0; loop < loops; loop++) {
		if (wait)
			idle &= dma_resv_wait_timeout(&rb->resv,
						      DMA_RESV_USAGE_READ,
						      false, HZ) > 0;
		else
			idle &= dma_resv_test_signaled(&rb->resv,
						       DMA_RESV_USAGE_READ);
	}
	bench_stop(b, loops);
	resv_free(rb);
	return idle ? 0 : -EIO;
}

static int run_copy(struct bench *b, unsigned int n, unsigned long arg)
{
	unsigned int loops = bench_loops(n), loop;
	struct resv_bench *rb = resv_filled(n);
	struct dma_resv *copy;
	int ret = 0;

	copy = kzalloc(sizeof(*copy), GFP_KERNEL);
	if (!rb || !copy) {
		if (rb)
			resv_free(rb);
		kfree(copy);
		return -ENOMEM;
	}
	for (loop = 0; loop < loops && !ret; loop++) {
		dma_resv_init(copy);
		dma_resv_lock(copy, NULL);
		bench_start(b);
		ret = dma_resv_copy_fences(copy, &rb->resv);
		bench_stop(b, 1);
		dma_resv_unlock(copy);
		dma_resv_fini(copy);
	}
	resv_free(rb);
	kfree(copy);
	return ret;
}

static int run_singleton(struct bench *b, unsigned int n, unsigned long arg)
{
	unsigned int loops = bench_loops(n), loop;
	struct resv_bench *rb = resv_filled(n);
	struct dma_fence *fence = NULL;
	int ret = 0;

	if (!rb)
		return -ENOMEM;
	bench_start(b);
	for (loop = 0; loop < loops && !ret; loop++) {
		ret = dma_resv_get_singleton(&rb->resv, DMA_RESV_USAGE_READ,
					     &fence);
		if (!ret)
			dma_fence_put(fence);
	}
	bench_stop(b, loops);
	resv_free(rb);
	return ret;
}

#define SIZES { 1, 10, 100, 1000, 10000 }

const struct bench_case bench_resv_cases[] = {
	{ "resv_add_contexts", run_add, false, 0, SIZES },
	{ "resv_add_one_context", run_add, true, 0, SIZES },
	{ "resv_add_pending", run_pending, false, 0, { 2, 8, 32 } },
	{ "resv_walk_pending", run_pending, true, 0, { 2, 8, 32 } },
	{ "resv_replace", run_replace, 0, 0, { 1024 } },
	{ "resv_iterate", run_iterate, false, 0, SIZES },
	{ "resv_iterate_unlocked", run_iterate, true, 0, SIZES },
	{ "resv_test", run_test, false, 0, SIZES },
	{ "resv_wait", run_test, true, 0, SIZES },
	{ "resv_copy", run_copy, 0, 0, SIZES },
	{ "resv_get_singleton", run_singleton, 0, 0, SIZES },
	{ }
};

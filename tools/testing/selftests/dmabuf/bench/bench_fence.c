// SPDX-License-Identifier: GPL-2.0-only
/*
 * Benchmark cases: single fences, waiting for one of many, and arrays. Also the
 * fences of all other cases: one allocation each, freed by the core.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence-array.h>
#include <linux/dma-fence-chain.h>
#include <linux/dma-resv.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/sync_file.h>
#include <linux/workqueue.h>

#include "bench.h"

struct bench_fence {
	struct dma_fence base;
	spinlock_t lock; /* of @base */
};

static const char *bench_fence_name(struct dma_fence *fence)
{
	return "bench";
}

static const struct dma_fence_ops bench_fence_ops = {
	.get_driver_name = bench_fence_name,
	.get_timeline_name = bench_fence_name,
};

struct dma_fence *bench_fence_new(u64 context, u64 seqno)
{
	struct bench_fence *f = kmalloc(sizeof(*f), GFP_KERNEL);

	if (!f)
		return NULL;
	spin_lock_init(&f->lock);
	dma_fence_init(&f->base, &bench_fence_ops, &f->lock, context, seqno);
	return &f->base;
}

/* Makes @n fences, in order in one context or each with its own context. */
struct dma_fence **bench_fences_new(unsigned int n, bool one_context)
{
	u64 context = dma_fence_context_alloc(one_context ? 1 : n);
	struct dma_fence **fences;
	unsigned int i;

	fences = kvcalloc(n, sizeof(*fences), GFP_KERNEL);
	if (!fences)
		return NULL;
	for (i = 0; i < n; i++) {
		fences[i] = one_context ? bench_fence_new(context, i + 1) :
					  bench_fence_new(context + i, 1);
		if (!fences[i]) {
			bench_fences_free(fences, n);
			return NULL;
		}
	}
	return fences;
}

/* Signals the pending fences and drops all; entries may be NULL. */
void bench_fences_free(struct dma_fence **fences, unsigned int n)
{
	unsigned int i;

	for (i = 0; fences && i < n; i++) {
		dma_fence_signal(fences[i]);
		dma_fence_put(fences[i]);
	}
	kvfree(fences);
}

/* Makes an array with references of its own to the fences. */
struct dma_fence *bench_array_new(struct dma_fence **fences, unsigned int n)
{
	struct dma_fence_array *array;
	struct dma_fence **members;
	unsigned int i;

	members = kmalloc_array(n, sizeof(*members), GFP_KERNEL);
	if (!members)
		return NULL;
	for (i = 0; i < n; i++)
		members[i] = dma_fence_get(fences[i]);
	array = dma_fence_array_create(n, members, dma_fence_context_alloc(1),
				       1, false);
	if (array)
		return &array->base;
	for (i = 0; i < n; i++)
		dma_fence_put(members[i]);
	kfree(members);
	return NULL;
}

static int run_fence(struct bench *b, unsigned int n, unsigned long arg)
{
	u64 context = dma_fence_context_alloc(1);
	struct dma_fence *fence;
	int i;

	bench_start(b);
	for (i = 0; i < 1000; i++) {
		fence = bench_fence_new(context, i + 1);
		if (!fence)
			return -ENOMEM;
		dma_fence_signal(fence);
		dma_fence_put(fence);
	}
	bench_stop(b, 1000);
	return 0;
}

static void bench_callback(struct dma_fence *fence, struct dma_fence_cb *cb)
{
}

static int run_callback(struct bench *b, unsigned int n, unsigned long arg)
{
	struct dma_fence **fences = bench_fences_new(1, true);
	struct dma_fence_cb cb;
	int i;

	if (!fences)
		return -ENOMEM;
	bench_start(b);
	for (i = 0; i < 1000; i++) {
		dma_fence_add_callback(fences[0], &cb, bench_callback);
		dma_fence_remove_callback(fences[0], &cb);
	}
	bench_stop(b, 1000);
	bench_fences_free(fences, 1);
	return 0;
}

static int run_signal(struct bench *b, unsigned int n, unsigned long arg)
{
	unsigned int loops = bench_loops(n), i;
	struct dma_fence **fences = bench_fences_new(loops, true);
	struct dma_fence_cb *cbs = kvcalloc(n, sizeof(*cbs), GFP_KERNEL);
	unsigned int loop;

	if (!fences || !cbs) {
		bench_fences_free(fences, loops);
		kvfree(cbs);
		return -ENOMEM;
	}
	for (loop = 0; loop < loops; loop++) {
		for (i = 0; i < n; i++)
			dma_fence_add_callback(fences[loop], &cbs[i],
					       bench_callback);
		bench_start(b);
		dma_fence_signal(fences[loop]);
		bench_stop(b, 1);
	}
	bench_fences_free(fences, loops);
	kvfree(cbs);
	return 0;
}

static int run_wait(struct bench *b, unsigned int n, unsigned long arg)
{
	struct dma_fence **fences = bench_fences_new(1, true);
	int i;

	if (!fences)
		return -ENOMEM;
	dma_fence_signal(fences[0]);
	bench_start(b);
	for (i = 0; i < 1000; i++)
		dma_fence_wait(fences[0], false);
	bench_stop(b, 1000);
	bench_fences_free(fences, 1);
	return 0;
}

/* Only the last fence has signalled: the wait has to look at all. */
static int run_wait_any(struct bench *b, unsigned int n, unsigned long arg)
{
	struct dma_fence **fences = bench_fences_new(n, false);
	unsigned int loops = bench_loops(n), loop;
	long ret = 1;
	u32 idx = 0;

	if (!fences)
		return -ENOMEM;
	dma_fence_signal(fences[n - 1]);
	bench_start(b);
	for (loop = 0; loop < loops && ret > 0; loop++)
		ret = dma_fence_wait_any_timeout(fences, n, false, HZ, &idx);
	bench_stop(b, loops);
	bench_fences_free(fences, n);
	if (ret > 0 && idx != n - 1)
		return -EIO;
	return ret > 0 ? 0 : ret ?: -ETIME;
}

/* A fence that a worker signals as soon as it is waited for. */
struct bench_late_fence {
	struct bench_fence fence;
	struct work_struct work;
};

static void late_fence_work(struct work_struct *work)
{
	struct bench_late_fence *late =
		container_of(work, struct bench_late_fence, work);

	dma_fence_signal(&late->fence.base);
}

static bool late_fence_enable(struct dma_fence *fence)
{
	struct bench_late_fence *late =
		container_of(fence, struct bench_late_fence, fence.base);

	schedule_work(&late->work);
	return true;
}

static const struct dma_fence_ops late_fence_ops = {
	.get_driver_name = bench_fence_name,
	.get_timeline_name = bench_fence_name,
	.enable_signaling = late_fence_enable,
};

static struct bench_late_fence *late_fence_new(void)
{
	struct bench_late_fence *late = kmalloc(sizeof(*late), GFP_KERNEL);

	if (!late)
		return NULL;
	spin_lock_init(&late->fence.lock);
	INIT_WORK(&late->work, late_fence_work);
	dma_fence_init(&late->fence.base, &late_fence_ops, &late->fence.lock,
		       dma_fence_context_alloc(1), 1);
	return late;
}

/* Another thread signals the last fence while this one sleeps. */
static int run_wait_any_blocked(struct bench *b, unsigned int n,
				unsigned long arg)
{
	struct dma_fence **fences = bench_fences_new(n, false);
	struct bench_late_fence *late = late_fence_new();
	u32 idx = 0;
	long ret;

	if (!fences || !late) {
		if (fences)
			bench_fences_free(fences, n);
		kfree(late);
		return -ENOMEM;
	}
	dma_fence_put(fences[n - 1]);
	fences[n - 1] = &late->fence.base;
	/* The thread must run as soon as it is woken. */
	sched_set_fifo_low(current);
	bench_start(b);
	ret = dma_fence_wait_any_timeout(fences, n, false, HZ, &idx);
	bench_stop(b, 1);
	sched_set_normal(current, 0);
	flush_work(&late->work);
	bench_fences_free(fences, n);
	if (ret > 0 && idx != n - 1)
		return -EIO;
	return ret > 0 ? 0 : ret ?: -ETIME;
}

static int run_array(struct bench *b, unsigned int n, unsigned long arg)
{
	unsigned int loops = bench_loops(n), loop, i;
	struct dma_fence **fences, *array;

	for (loop = 0; loop < loops; loop++) {
		fences = bench_fences_new(n, false);
		if (!fences)
			return -ENOMEM;
		bench_start(b);
		array = bench_array_new(fences, n);
		if (!array) {
			bench_fences_free(fences, n);
			return -ENOMEM;
		}
		dma_fence_enable_sw_signaling(array);
		for (i = 0; i < n; i++)
			dma_fence_signal(fences[i]);
		dma_fence_wait(array, false);
		dma_fence_put(array);
		bench_stop(b, 1);
		bench_fences_free(fences, n);
	}
	return 0;
}

/* Without descriptors, to leave the file table out. */
static int run_sync_file(struct bench *b, unsigned int n, unsigned long arg)
{
	struct dma_fence **fences = bench_fences_new(1, true);
	struct sync_file *sf;
	int i, ret = 0;

	if (!fences)
		return -ENOMEM;
	bench_start(b);
	for (i = 0; i < 100; i++) {
		sf = sync_file_create(fences[0]);
		if (!sf) {
			ret = -ENOMEM;
			break;
		}
		bench_file_drop(sf->file);
	}
	bench_stop(b, 100);
	bench_fences_free(fences, 1);
	return ret;
}

static int run_size(struct bench *b, unsigned int n, unsigned long arg)
{
	b->ns = arg;
	b->ops = 1;
	return 0;
}

#define SIZE_ROW(row, type) \
	{ row, run_size, sizeof(type), BENCH_INFO_BYTES, { 1 } }

const struct bench_case bench_fence_cases[] = {
	{ "fence_init_signal_put", run_fence, 0, 0, { 1 } },
	{ "fence_callback", run_callback, 0, 0, { 1 } },
	{ "fence_signal", run_signal, 0, 0, { 1, 10, 100, 1000, 10000 } },
	{ "fence_wait_signalled", run_wait, 0, 0, { 1 } },
	{ "fence_wait_any", run_wait_any, 0, 0, { 1, 10, 100, 1000, 10000 } },
	{ "fence_wait_any_blocked", run_wait_any_blocked, 0, 0,
	  { 1, 10, 100, 1000, 10000 } },
	{ "array", run_array, 0, 0, { 1, 10, 100, 1000, 10000 } },
	{ "sync_file_create", run_sync_file, 0, 0, { 1 } },
	SIZE_ROW("sizeof_dma_fence", struct dma_fence),
	SIZE_ROW("sizeof_dma_fence_cb", struct dma_fence_cb),
	SIZE_ROW("sizeof_dma_fence_chain", struct dma_fence_chain),
	SIZE_ROW("sizeof_dma_fence_array", struct dma_fence_array),
	SIZE_ROW("sizeof_dma_resv", struct dma_resv),
	SIZE_ROW("sizeof_sync_file", struct sync_file),
	SIZE_ROW("sizeof_dma_buf", struct dma_buf),
	SIZE_ROW("sizeof_attachment", struct dma_buf_attachment),
	{ }
};

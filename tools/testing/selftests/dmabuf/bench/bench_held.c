// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fences for the program's cases: they are added to a buffer or a sync_file,
 * and kept here until the program asks to signal them.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-resv.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sync_file.h>

#include "bench.h"

/**
 * struct bench_fence_set - fences that were made together
 * @node: in &bench_held.fences
 * @n: number of @fences
 * @fences: the fences, with a reference to each
 */
struct bench_fence_set {
	struct list_head node;
	unsigned int n;
	struct dma_fence **fences;
};

static struct bench_fence_set *fence_set_new(struct bench_held *held,
					     unsigned int n)
{
	struct bench_fence_set *set = kzalloc(sizeof(*set), GFP_KERNEL);

	if (!set)
		return NULL;
	set->n = n;
	set->fences = bench_fences_new(n, false);
	if (!set->fences) {
		kfree(set);
		return NULL;
	}
	list_add_tail(&set->node, &held->fences);
	return set;
}

/* On failure bench_held keeps the fences made so far, and frees them later. */
int bench_add_fences(struct bench_held *held, struct bench_fences *arg)
{
	struct dma_buf *dmabuf = dma_buf_get(arg->fd);
	struct bench_fence_set *set;
	unsigned int i;
	int ret;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	ret = -ENOMEM;
	set = fence_set_new(held, arg->n);
	if (!set)
		goto out;
	dma_resv_lock(dmabuf->resv, NULL);
	ret = dma_resv_reserve_fences(dmabuf->resv, arg->n);
	for (i = 0; i < arg->n && !ret; i++)
		dma_resv_add_fence(dmabuf->resv, set->fences[i],
				   DMA_RESV_USAGE_READ);
	dma_resv_unlock(dmabuf->resv);
out:
	dma_buf_put(dmabuf);
	return ret;
}

int bench_sync_file(struct bench_held *held, struct bench_fences *arg)
{
	struct bench_fence_set *set = fence_set_new(held, arg->n);
	struct dma_fence *fence;
	struct sync_file *sf;
	int fd;

	if (!set)
		return -ENOMEM;
	fence = arg->n == 1 ? dma_fence_get(set->fences[0]) :
			      bench_array_new(set->fences, arg->n);
	if (!fence)
		return -ENOMEM;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0) {
		dma_fence_put(fence);
		return fd;
	}
	sf = sync_file_create(fence);
	dma_fence_put(fence);
	if (!sf) {
		put_unused_fd(fd);
		return -ENOMEM;
	}
	fd_install(fd, sf->file);
	arg->fd = fd;
	return 0;
}

void bench_signal(struct bench_held *held)
{
	struct bench_fence_set *set, *next;

	list_for_each_entry_safe(set, next, &held->fences, node) {
		list_del(&set->node);
		bench_fences_free(set->fences, set->n);
		kfree(set);
	}
}

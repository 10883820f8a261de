/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What containers do at any depth: drop the fences that they hold, and leave
 * work for later.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_FENCE_CONTAINER_H
#define _DMA_FENCE_CONTAINER_H

#include <linux/dma-fence.h>
#include <linux/refcount.h>
#include <linux/types.h>

/**
 * struct dma_fence_reaper - containers whose last reference is gone
 * @todo: list through &dma_fence.rcu, which is unused until the memory is freed
 */
struct dma_fence_reaper {
	struct callback_head *todo;
};

/* dma-fence-defer.c */
void dma_fence_defer(struct dma_fence_deferred *item);

/* dma-fence-container.c */
void dma_fence_reap_container(struct dma_fence_reaper *reaper,
			      struct dma_fence *fence);
void dma_fence_container_release(struct dma_fence *fence);

/**
 * dma_fence_reap - drop a reference that a container held
 * @reaper: takes @fence if it is a container and this was its last reference
 * @fence: the fence, or NULL
 *
 * Context: Any.
 */
static inline void dma_fence_reap(struct dma_fence_reaper *reaper,
				  struct dma_fence *fence)
{
	if (!fence || !dma_fence_is_container(fence))
		dma_fence_put(fence);
	else if (refcount_dec_and_test(&fence->refcount.refcount))
		dma_fence_reap_container(reaper, fence);
}

#endif /* _DMA_FENCE_CONTAINER_H */

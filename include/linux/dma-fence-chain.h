/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A chain is a timeline of points that user space numbers: each link adds a
 * fence to the link before it and signals when both have signalled.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef __LINUX_DMA_FENCE_CHAIN_H
#define __LINUX_DMA_FENCE_CHAIN_H

#include <linux/dma-fence.h>
#include <linux/slab.h>

/**
 * struct dma_fence_chain - one link of a chain
 */
struct dma_fence_chain {
	/** @base: signals when @fence and all older links have signalled. */
	struct dma_fence base;
	/**
	 * @prev: the link before, with a reference. Moves on to older links
	 * when those between have signalled, never back. RCU.
	 */
	struct dma_fence __rcu *prev;
	/**
	 * @skip: a link further back, with a reference, to which searches
	 * jump. A search sets it; a walk clears it once the fence of that link
	 * has signalled. RCU.
	 */
	struct dma_fence __rcu *skip;
	/**
	 * @prev_seqno: number of the first link in @prev; 0 if that is not of
	 * the same context. Immutable.
	 */
	u64 prev_seqno;
	/** @depth: number of links before it in its context; immutable. */
	u32 depth;
	/** @lock: the lock of @base. */
	spinlock_t lock;
	/** @fence: the fence of this link, with a reference; immutable. */
	struct dma_fence *fence;
	/**
	 * @cursor: the link at which this one waits, with a reference. Belongs
	 * to enable_signaling, then to @deferred.
	 */
	struct dma_fence *cursor;
	union {
		/** @cb: the callback on the fence of @cursor. */
		struct dma_fence_cb cb;
		/** @deferred: moves @cursor on, after @cb. */
		struct dma_fence_deferred deferred;
	};
};

/**
 * to_dma_fence_chain - convert a fence to the link that embeds it
 * @fence: any fence, or NULL
 *
 * Context: Any.
 * Return: The link; NULL if @fence is not a link.
 */
static inline struct dma_fence_chain *
to_dma_fence_chain(struct dma_fence *fence)
{
	if (!fence || !dma_fence_is_chain(fence))
		return NULL;
	return container_of(fence, struct dma_fence_chain, base);
}

/**
 * dma_fence_chain_contained - return the fence that a link adds
 * @fence: any fence, or NULL
 *
 * Context: Any.
 * Return: The fence of a link, or @fence if it is not a link; without a
 * reference.
 */
static inline struct dma_fence *
dma_fence_chain_contained(struct dma_fence *fence)
{
	struct dma_fence_chain *chain = to_dma_fence_chain(fence);

	return chain ? chain->fence : fence;
}

extern struct kmem_cache *dma_fence_chain_cache;

/**
 * dma_fence_chain_alloc - allocate the memory of a link
 *
 * A macro, so that allocation profiling counts it for the caller.
 *
 * Context: Process, may sleep.
 * Return: Memory for dma_fence_chain_init(), not zeroed; NULL for no memory.
 */
#define dma_fence_chain_alloc()						\
	((struct dma_fence_chain *)kmem_cache_alloc(dma_fence_chain_cache, \
						    GFP_KERNEL))

/**
 * dma_fence_chain_free - free memory that never became a link
 * @chain: from dma_fence_chain_alloc(), or NULL
 *
 * Context: Any.
 */
static inline void dma_fence_chain_free(struct dma_fence_chain *chain)
{
	kfree(chain);
}

/**
 * dma_fence_chain_for_each - walk from a link to the oldest that is pending
 * @iter: the link, with a reference that a break leaves to the caller; the last
 *	one may be a fence that is not a link
 * @head: the link to begin at; visited even if it has signalled
 *
 * The walk cuts links that have signalled out of the chain.
 */
#define dma_fence_chain_for_each(iter, head)				\
	for ((iter) = dma_fence_get(head); (iter);			\
	     (iter) = dma_fence_chain_walk(iter))

void dma_fence_chain_init(struct dma_fence_chain *chain,
			  struct dma_fence *prev, struct dma_fence *fence,
			  uint64_t seqno);
struct dma_fence *dma_fence_chain_walk(struct dma_fence *fence);
int dma_fence_chain_find_seqno(struct dma_fence **pfence, uint64_t seqno);

#endif /* __LINUX_DMA_FENCE_CHAIN_H */

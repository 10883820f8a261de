/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Helpers that read and replace links, for the chain and for the search of it.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_FENCE_CHAIN_INTERNAL_H
#define _DMA_FENCE_CHAIN_INTERNAL_H

#include <linux/bitops.h>
#include <linux/dma-fence-chain.h>
#include <linux/rcupdate.h>

/*
 * Return true if the fence that a link adds has signalled. Do not look into a
 * chain in there: it could contain another one, and so on to any depth.
 */
static inline bool dma_fence_contained_is_signaled(struct dma_fence *link)
{
	struct dma_fence *fence = dma_fence_chain_contained(link);

	if (dma_fence_is_chain(fence))
		return test_bit_acquire(DMA_FENCE_FLAG_SIGNALED_BIT,
					&fence->flags);
	return dma_fence_is_signaled(fence);
}

/*
 * Replace @old in @slot by @new, and consume the reference to @new. Return
 * false if @slot no longer held @old.
 */
static inline bool dma_fence_chain_replace(struct dma_fence __rcu **slot,
					   struct dma_fence *old,
					   struct dma_fence *new)
{
	struct dma_fence *was;

	was = unrcu_pointer(cmpxchg(slot, RCU_INITIALIZER(old),
				    RCU_INITIALIZER(new)));
	/* Drop the slot's reference to @old, or else ours to @new. */
	dma_fence_put(was == old ? old : new);
	return was == old;
}

/* dma-fence-chain.c */
void dma_fence_chain_drop_idle_skip(struct dma_fence_chain *chain);

#endif /* _DMA_FENCE_CHAIN_INTERNAL_H */

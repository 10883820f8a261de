/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Look through containers: visit the fences that a chain of arrays is made of,
 * and merge several of them into the smallest fence that stands for all.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef __LINUX_DMA_FENCE_UNWRAP_H
#define __LINUX_DMA_FENCE_UNWRAP_H

struct dma_fence;

/**
 * struct dma_fence_unwrap - where a visit is
 */
struct dma_fence_unwrap {
	/** @chain: the link that it has come to, with a reference. */
	struct dma_fence *chain;
	/** @array: what the link contains; lives by @chain. */
	struct dma_fence *array;
	/** @index: position in @array. */
	unsigned int index;
};

struct dma_fence *dma_fence_unwrap_first(struct dma_fence *head,
					 struct dma_fence_unwrap *cursor);
struct dma_fence *dma_fence_unwrap_next(struct dma_fence_unwrap *cursor);

/**
 * dma_fence_unwrap_for_each - visit each fence of a container
 * @fence: the fence, valid until the next step
 * @cursor: &struct dma_fence_unwrap; a break leaves the reference in
 *	&dma_fence_unwrap.chain to the caller
 * @head: chain, array or plain fence; NULL has none
 *
 * The newest link of a chain comes first, an array in its order.
 */
#define dma_fence_unwrap_for_each(fence, cursor, head)			\
	for ((fence) = dma_fence_unwrap_first(head, cursor); (fence);	\
	     (fence) = dma_fence_unwrap_next(cursor))

struct dma_fence *__dma_fence_unwrap_merge(unsigned int num_fences,
					   struct dma_fence **fences,
					   struct dma_fence_unwrap *cursors);

/**
 * dma_fence_unwrap_merge - one fence for several
 * @...: fences, containers or NULL; each stays the caller's
 *
 * See __dma_fence_unwrap_merge().
 *
 * Context: Process, may sleep.
 * Return: A fence with a reference for the caller, or NULL for no memory.
 */
#define dma_fence_unwrap_merge(...)					\
({									\
	struct dma_fence *__merge_in[] = { __VA_ARGS__ };		\
	struct dma_fence_unwrap __merge_at[ARRAY_SIZE(__merge_in)];	\
									\
	__dma_fence_unwrap_merge(ARRAY_SIZE(__merge_in), __merge_in,	\
				 __merge_at);				\
})

#endif /* __LINUX_DMA_FENCE_UNWRAP_H */

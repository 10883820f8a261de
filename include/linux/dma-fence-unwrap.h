/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Look through containers: visit the fences in a chain of arrays, and merge
 * several fences into the smallest one that stands for them all.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef __LINUX_DMA_FENCE_UNWRAP_H
#define __LINUX_DMA_FENCE_UNWRAP_H

struct dma_fence;

/**
 * struct dma_fence_unwrap - position of a visit
 */
struct dma_fence_unwrap {
	/** @chain: the link that the visit has come to, with a reference. */
	struct dma_fence *chain;
	/** @array: the fence of the link; @chain holds the reference. */
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
 * @head: chain, array or plain fence; NULL has no fences
 *
 * Visits the newest link of a chain first, and the members of an array in their
 * order.
 */
#define dma_fence_unwrap_for_each(fence, cursor, head)			\
	for ((fence) = dma_fence_unwrap_first(head, cursor); (fence);	\
	     (fence) = dma_fence_unwrap_next(cursor))

struct dma_fence *__dma_fence_unwrap_merge(unsigned int num_fences,
					   struct dma_fence **fences,
					   struct dma_fence_unwrap *cursors);

/**
 * dma_fence_unwrap_merge - make one fence that stands for several
 * @...: fences, containers or NULL; the caller keeps its references
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

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An array is one fence over many: it signals when all of its members have
 * signalled, or any one of them.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef __LINUX_DMA_FENCE_ARRAY_H
#define __LINUX_DMA_FENCE_ARRAY_H

#include <linux/dma-fence.h>
#include <linux/irq_work.h> /* for drivers, as in 6.12 */

struct dma_fence_array;

/**
 * struct dma_fence_array_cb - the array's callback on one member
 * @cb: the callback on the member
 * @array: the array; the callbacks together hold a reference until all have run
 */
struct dma_fence_array_cb {
	struct dma_fence_cb cb;
	struct dma_fence_array *array;
};

/**
 * struct dma_fence_array - one fence over many
 */
struct dma_fence_array {
	/** @base: the fence itself. */
	struct dma_fence base;
	/** @lock: the lock of @base. */
	spinlock_t lock;
	/** @num_fences: number of members; immutable. */
	unsigned int num_fences;
	/** @fences: the members, each with a reference; immutable. */
	struct dma_fence **fences;
	/** @pending: members whose callback has not run; atomic. */
	atomic_t pending;
	/**
	 * @member_error: error of the first member that failed, or 0; with
	 * @signal_on_any the result of the first member, positive before. Set
	 * once, by compare and exchange.
	 */
	int member_error;
	/** @first_unsignaled: where a poll begins; a hint, not locked. */
	unsigned int first_unsignaled;
	/** @signal_on_any: signal with the first member; immutable. */
	bool signal_on_any;
	/** @deferred: signals @base outside the locks of the members. */
	struct dma_fence_deferred deferred;
	/** @callbacks: one for each member. */
	struct dma_fence_array_cb callbacks[] __counted_by(num_fences);
};

/**
 * to_dma_fence_array - convert a fence to the array that embeds it
 * @fence: any fence, or NULL
 *
 * Context: Any.
 * Return: The array; NULL if @fence is not an array.
 */
static inline struct dma_fence_array *
to_dma_fence_array(struct dma_fence *fence)
{
	if (!fence || !dma_fence_is_array(fence))
		return NULL;
	return container_of(fence, struct dma_fence_array, base);
}

/**
 * dma_fence_array_for_each - iterate over the members of an array
 * @fence: the member, without a reference
 * @index: unsigned int, position of the member
 * @head: an array; any other fence counts as its own only member
 */
#define dma_fence_array_for_each(fence, index, head)			\
	for ((index) = 0, (fence) = dma_fence_array_first(head);	\
	     (fence);							\
	     (fence) = dma_fence_array_next(head, ++(index)))

struct dma_fence_array *dma_fence_array_alloc(int num_fences);
void dma_fence_array_init(struct dma_fence_array *array, int num_fences,
			  struct dma_fence **fences, u64 context,
			  unsigned int seqno, bool signal_on_any);
struct dma_fence_array *dma_fence_array_create(int num_fences,
					       struct dma_fence **fences,
					       u64 context, unsigned int seqno,
					       bool signal_on_any);
bool dma_fence_match_context(struct dma_fence *fence, u64 context);
struct dma_fence *dma_fence_array_first(struct dma_fence *head);
struct dma_fence *dma_fence_array_next(struct dma_fence *head,
				       unsigned int index);

#endif /* __LINUX_DMA_FENCE_ARRAY_H */

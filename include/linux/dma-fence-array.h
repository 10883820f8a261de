/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An array is a fence over many: it signals when all of its members have, or
 * any one of them.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef __LINUX_DMA_FENCE_ARRAY_H
#define __LINUX_DMA_FENCE_ARRAY_H

#include <linux/dma-fence.h>
#include <linux/irq_work.h>

struct dma_fence_array;

/**
 * struct dma_fence_array_cb - the array's callback on one member
 * @cb: registered with the member
 * @array: the array, which stays until all callbacks have run or are removed
 */
struct dma_fence_array_cb {
	struct dma_fence_cb cb;
	struct dma_fence_array *array;
};

/**
 * struct dma_fence_array - a fence over many
 */
struct dma_fence_array {
	/** @base: the fence itself. */
	struct dma_fence base;
	/** @lock: the lock of @base. */
	spinlock_t lock;
	/** @num_fences: how many members; immutable. */
	unsigned int num_fences;
	/** @fences: the members, each with a reference; immutable. */
	struct dma_fence **fences;
	/** @pending: members that have yet to signal; complete at zero. */
	atomic_t pending;
	/** @member_error: of the first member that failed, or 0. */
	int member_error;
	/** @first_unsignaled: where polling goes on; a hint, unlocked. */
	unsigned int first_unsignaled;
	/** @signal_on_any: one member is enough; immutable. */
	bool signal_on_any;
	/** @work: signals @base outside the locks of the members. */
	struct irq_work work;
	/** @callbacks: one a member. */
	struct dma_fence_array_cb callbacks[] __counted_by(num_fences);
};

/**
 * to_dma_fence_array - the array behind a fence
 * @fence: any fence, or NULL
 *
 * Context: Any.
 * Return: The array; NULL if @fence is none.
 */
static inline struct dma_fence_array *
to_dma_fence_array(struct dma_fence *fence)
{
	if (!fence || !dma_fence_is_array(fence))
		return NULL;
	return container_of(fence, struct dma_fence_array, base);
}

/**
 * dma_fence_array_for_each - look at each member of an array
 * @fence: the member, without a reference of its own
 * @index: unsigned int, its position
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

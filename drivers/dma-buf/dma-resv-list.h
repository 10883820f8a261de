/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The list of fences inside a reservation object: slots that readers look at
 * under RCU while one writer, who holds the lock of the object, fills them.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_RESV_LIST_H
#define _DMA_RESV_LIST_H

#include <linux/dma-resv.h>

/**
 * struct dma_resv_list - the fences of a reservation object
 * @rcu: readers may look at it for a grace period after it was replaced
 * @id: tells lists apart, also from one that had the same address before
 * @num_fences: slots in use; stored after the slot, so that readers never see
 *	a count without the fence
 * @reserved: slots that adding may come to use, writer
 * @capacity: slots there are, immutable
 * @hand: slot to look at next for a fence that has signalled, writer
 * @slots: fence and usage, see dma_resv_list_entry(); larger lists have an
 *	index behind it, see dma-resv-list.c
 */
struct dma_resv_list {
	struct rcu_head rcu;
	u64 id;
	unsigned int num_fences;
	unsigned int reserved;
	unsigned int capacity;
	unsigned int hand;
	unsigned long slots[];
};

struct dma_resv_list *dma_resv_list_alloc(unsigned int capacity, gfp_t gfp);
void dma_resv_list_free(struct dma_resv_list *list);
void dma_resv_list_put_fences(struct dma_resv_list *list);
void dma_resv_list_append(struct dma_resv_list *list, struct dma_fence *fence,
			  enum dma_resv_usage usage);
void dma_resv_list_replace(struct dma_resv_list *list, unsigned int i,
			   struct dma_fence *fence, enum dma_resv_usage usage);
unsigned int dma_resv_list_find_slot(struct dma_resv_list *list,
				     struct dma_fence *fence,
				     enum dma_resv_usage usage);
struct dma_fence *dma_resv_list_next_rcu(struct dma_resv_list *list,
					 unsigned int *index, unsigned int end,
					 enum dma_resv_usage wanted,
					 enum dma_resv_usage *usage);

struct dma_fence *dma_resv_list_prev_rcu(struct dma_resv_list *list,
					 unsigned int *index,
					 enum dma_resv_usage wanted);

/* dma-resv-iter.c */
struct dma_fence *dma_resv_get_pending(struct dma_resv *obj,
				       enum dma_resv_usage usage,
				       unsigned int *index);

/* Fences are aligned: the two lowest bits of a slot are the usage. */
#define DMA_RESV_USAGE_BITS 3UL

/* What is in slot @i; for the writer, or under the lock. */
static inline struct dma_fence *dma_resv_list_entry(struct dma_resv_list *list,
						    unsigned int i,
						    enum dma_resv_usage *usage)
{
	unsigned long slot = list->slots[i];

	*usage = slot & DMA_RESV_USAGE_BITS;
	return (struct dma_fence *)(slot & ~DMA_RESV_USAGE_BITS);
}

#endif /* _DMA_RESV_LIST_H */

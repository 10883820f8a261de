/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What reservation objects offer to the wings above, beyond <linux/dma-resv.h>.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_RESV_INTERNAL_H
#define _DMA_RESV_INTERNAL_H

#include <linux/dma-resv.h>
#include <linux/rcupdate.h>

struct seq_file;

/* dma-resv.c */
void dma_resv_unreserve(struct dma_resv *obj);

/* dma-resv-iter.c */
struct dma_fence *dma_resv_get_pending(struct dma_resv *obj,
				       enum dma_resv_usage usage,
				       unsigned int *index);
bool dma_resv_is_only_fence(struct dma_resv *obj, struct dma_fence *fence);

/* dma-resv-query.c */
void dma_resv_describe_unlocked(struct dma_resv *obj, struct seq_file *seq);

/*
 * Return whether a slot was ever reserved. A buffer that only CPUs use never
 * gets a list, and its callers skip their walks.
 */
static inline bool dma_resv_was_used(struct dma_resv *obj)
{
	return rcu_access_pointer(obj->fences);
}

#endif /* _DMA_RESV_INTERNAL_H */

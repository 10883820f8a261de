/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What reservation objects share with the layers above, and with nobody else.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_RESV_INTERNAL_H
#define _DMA_RESV_INTERNAL_H

#include <linux/dma-resv.h>
#include <linux/rcupdate.h>

struct seq_file;

/* dma-resv-query.c */
void dma_resv_describe_unlocked(struct dma_resv *obj, struct seq_file *seq);

/* Was a fence ever added? Of most buffers that a CPU fills none was. */
static inline bool dma_resv_was_used(struct dma_resv *obj)
{
	return rcu_access_pointer(obj->fences);
}

#endif /* _DMA_RESV_INTERNAL_H */

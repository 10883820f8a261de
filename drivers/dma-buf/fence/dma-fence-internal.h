/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Declarations that the fence shares with the layers above, but not with
 * drivers.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_FENCE_INTERNAL_H
#define _DMA_FENCE_INTERNAL_H

#include <linux/bitops.h>
#include <linux/cleanup.h>
#include <linux/dma-fence.h>
#include <linux/ktime.h>

DEFINE_FREE(put_fence, struct dma_fence *, dma_fence_put(_T))

/* dma-fence-names.c */
const char *dma_fence_driver_name(struct dma_fence *fence);
const char *dma_fence_timeline_name(struct dma_fence *fence);

/* dma-fence.c */
void dma_fence_destroy_begin(struct dma_fence *fence);

/*
 * As dma_fence_is_signaled(), for callers in an RCU read-side critical section:
 * if the fence is pending at any point of that section, its maker stays valid
 * until the section ends.
 */
static inline bool dma_fence_is_signaled_rcu(struct dma_fence *fence)
{
	bool done = test_bit_acquire(DMA_FENCE_FLAG_SIGNALED_BIT,
				     &fence->flags);

	if (!done && fence->ops->signaled && fence->ops->signaled(fence)) {
		dma_fence_signal(fence);
		done = true;
	}
	return done;
}

/* As dma_fence_get_status(), in an RCU read-side critical section. */
static inline int dma_fence_get_status_rcu(struct dma_fence *fence)
{
	if (!dma_fence_is_signaled_rcu(fence))
		return 0;
	return fence->error < 0 ? fence->error : 1;
}

/* dma-fence-unwrap.c */
unsigned int dma_fence_unwrap_count(struct dma_fence *fence);

/* dma-fence-stub.c */
struct dma_fence *dma_fence_alloc_stub(ktime_t timestamp, int error);

#endif /* _DMA_FENCE_INTERNAL_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The release of containers: fences that hold references to other fences, which
 * may be containers too. A chain of any length and arrays of any depth take the
 * same small stack.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence.h>

#include "dma-fence-container.h"
#include "dma-fence-internal.h"

static void push(struct dma_fence_reaper *reaper, struct dma_fence *fence)
{
	fence->rcu.next = reaper->todo;
	reaper->todo = &fence->rcu;
}

static struct dma_fence *pop(struct dma_fence_reaper *reaper)
{
	struct callback_head *head = reaper->todo;

	reaper->todo = head->next;
	return container_of(head, struct dma_fence, rcu);
}

/**
 * dma_fence_reap_container - queue a container for its release
 * @reaper: takes the container
 * @fence: the container, whose last reference is gone
 *
 * Context: Any.
 */
void dma_fence_reap_container(struct dma_fence_reaper *reaper,
			      struct dma_fence *fence)
{
	dma_fence_destroy_begin(fence);
	push(reaper, fence);
}

/**
 * dma_fence_container_release - release a container: &dma_fence_ops.release
 * @fence: the container; its operations include &dma_fence_ops.fini
 *
 * Context: Any.
 */
void dma_fence_container_release(struct dma_fence *fence)
{
	struct dma_fence_reaper reaper = {};

	for (;;) {
		fence->ops->fini(fence, &reaper);
		dma_fence_free(fence);
		if (!reaper.todo)
			return;
		fence = pop(&reaper);
	}
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fences that are signalled from the start: one that everybody shares, and
 * private ones with a time of their own.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "dma-fence-internal.h"

static const char *stub_name(struct dma_fence *fence)
{
	return "stub";
}

static const struct dma_fence_ops stub_ops = {
	.names_persist = true,
	.get_driver_name = stub_name,
	.get_timeline_name = stub_name,
};

/* All stubs share it: they have signalled, so nobody holds it for long. */
static DEFINE_SPINLOCK(stub_lock);

/* Initialised statically, so that it works before any initcall has run. */
static struct dma_fence stub = {
	.lock = &stub_lock,
	.ops = &stub_ops,
	.flags = BIT(DMA_FENCE_FLAG_SIGNALED_BIT) |
		 BIT(DMA_FENCE_FLAG_TIMESTAMP_BIT) |
		 BIT(DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT),
	.refcount = KREF_INIT(1),
};

/* User space can read the timestamp: set it as soon as the clock runs. */
static int __init dma_fence_stub_init(void)
{
	stub.timestamp = ktime_get();
	return 0;
}
core_initcall(dma_fence_stub_init);

/**
 * dma_fence_get_stub - return the fence that has always been signalled
 *
 * Context: Any.
 * Return: The fence, with a reference for the caller; never NULL.
 */
struct dma_fence *dma_fence_get_stub(void)
{
	return dma_fence_get(&stub);
}
EXPORT_SYMBOL(dma_fence_get_stub);

/**
 * dma_fence_alloc_stub - make a fence that has signalled
 * @timestamp: the time, CLOCK_MONOTONIC
 * @error: a negative errno, or 0
 *
 * Context: Process, may sleep.
 * Return: The fence, with a reference for the caller; NULL for no memory.
 */
struct dma_fence *dma_fence_alloc_stub(ktime_t timestamp, int error)
{
	struct dma_fence *fence = kmalloc(sizeof(*fence), GFP_KERNEL);

	if (!fence)
		return NULL;

	dma_fence_init(fence, &stub_ops, &stub_lock, 0, 0);
	set_bit(DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT, &fence->flags);
	fence->error = error;
	dma_fence_signal_timestamp(fence, timestamp);
	return fence;
}

/**
 * dma_fence_allocate_private_stub - make a fence that signalled at a given time
 * @timestamp: the time, CLOCK_MONOTONIC
 *
 * Context: Process, may sleep.
 * Return: The fence, with a reference for the caller; NULL for no memory.
 */
struct dma_fence *dma_fence_allocate_private_stub(ktime_t timestamp)
{
	return dma_fence_alloc_stub(timestamp, 0);
}
EXPORT_SYMBOL(dma_fence_allocate_private_stub);

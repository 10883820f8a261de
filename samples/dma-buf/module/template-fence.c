// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fences of a module that can be unloaded. Others keep a fence for as long as they
 * like, and may look at its operations, which are part of the module. So each fence
 * holds a reference to the module: rmmod says that it is in use until the last
 * fence is gone, and never has to wait for somebody's descriptor.
 *
 * Copyright the dma-buf project authors
 */
#include <linux/dma-fence.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "template.h"

struct template_fence {
	struct dma_fence base;
	spinlock_t lock; /* the fence's own */
};

static const char *template_driver_name(struct dma_fence *fence)
{
	return "dmabuf-template";
}

static const char *template_timeline_name(struct dma_fence *fence)
{
	return "job";
}

static void template_fence_free(struct rcu_head *rcu)
{
	struct dma_fence *fence = container_of(rcu, struct dma_fence, rcu);

	kfree(container_of(fence, struct template_fence, base));
	module_put(THIS_MODULE);
}

/* Readers under RCU may still look at the fence: its memory outlives a grace period. */
static void template_fence_release(struct dma_fence *fence)
{
	call_rcu(&fence->rcu, template_fence_free);
}

static const struct dma_fence_ops template_fence_ops = {
	.get_driver_name = template_driver_name,
	.get_timeline_name = template_timeline_name,
	.release = template_fence_release,
};

struct dma_fence *template_fence_create(void)
{
	struct template_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);

	if (!fence)
		return NULL;
	spin_lock_init(&fence->lock);
	/* The open device, through which we were called, holds one already. */
	__module_get(THIS_MODULE);
	/*
	 * The fences of one context signal in the order of their numbers, so
	 * that others wait for the last of them alone. Programs choose when our
	 * jobs run, in any order: each fence has a context of its own. With
	 * hardware that does one job after the other, have one context for each
	 * of its queues, and draw the number under the lock that orders the
	 * queue.
	 */
	dma_fence_init(&fence->base, &template_fence_ops, &fence->lock,
		       dma_fence_context_alloc(1), 1);
	return &fence->base;
}

/* The last reference went from within template_fence_free(): wait until it is through. */
void template_fence_fini(void)
{
	rcu_barrier();
}

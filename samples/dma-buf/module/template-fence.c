// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fences of a module that can be unloaded. Others keep a fence for as long as
 * they like, and may use its operations, which are part of the module. So each
 * fence holds a reference to the module: until the last fence is gone rmmod
 * reports that the module is in use. It never waits for a descriptor to be
 * closed.
 *
 * Copyright the dma-buf project authors
 */
#include <linux/dma-fence.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "template.h"

struct template_fence {
	struct dma_fence base;
	spinlock_t lock; /* for @base alone */
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

/* RCU readers may still look at the fence: free it after a grace period. */
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
	/* The open device of the caller holds a reference already. */
	__module_get(THIS_MODULE);
	/*
	 * The fences of one context must signal in the order of their numbers,
	 * since others wait for the last of them alone. Programs choose the
	 * delays of our jobs, so these finish in any order, and each fence has
	 * a context of its own. For hardware that does one job after the other,
	 * use one context for each queue, and draw the number under the lock
	 * that orders the queue.
	 */
	dma_fence_init(&fence->base, &template_fence_ops, &fence->lock,
		       dma_fence_context_alloc(1), 1);
	return &fence->base;
}

/* template_fence_free() dropped the last reference: wait for its return. */
void template_fence_fini(void)
{
	rcu_barrier();
}

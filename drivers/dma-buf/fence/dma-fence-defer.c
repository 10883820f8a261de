// SPDX-License-Identifier: GPL-2.0-only
/*
 * What containers of fences leave for later, because they may not do it under
 * the lock of another fence: signalling, and arming the containers inside them.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence.h>
#include <linux/irq_work.h>
#include <linux/llist.h>
#include <linux/percpu.h>

#include "dma-fence-container.h"

/* What is deferred on a CPU. */
struct deferral {
	struct llist_head items;
	struct irq_work work;
};

/*
 * What is deferred may defer the next level of a container, and user space
 * chooses how many levels there are. Do not do all of them in one interrupt; but
 * do several if they are narrow, because an architecture that cannot interrupt
 * itself comes back at the next tick.
 */
enum { ENOUGH_ITEMS = 128 };

static void run_deferred(struct irq_work *work)
{
	struct deferral *deferral = container_of(work, struct deferral, work);
	struct dma_fence_deferred *item, *next;
	struct llist_node *items;
	int done = 0;

	/* What is left has queued the irq_work again. */
	while (done < ENOUGH_ITEMS && (items = llist_del_all(&deferral->items))) {
		/* The function may free the item, or defer it again. */
		llist_for_each_entry_safe(item, next, items, node) {
			item->func(item);
			done++;
		}
	}
}

static DEFINE_PER_CPU(struct deferral, deferred_here) = {
	.work = IRQ_WORK_INIT(run_deferred),
};

/**
 * dma_fence_defer - run a function soon, under no lock
 * @item: has the function; stays valid, and is not deferred again, until that
 *	runs
 *
 * Context: Any in which the task does not migrate to another CPU, as under the
 * lock of a fence.
 */
void dma_fence_defer(struct dma_fence_deferred *item)
{
	struct deferral *deferral = this_cpu_ptr(&deferred_here);

	llist_add(&item->node, &deferral->items);
	/*
	 * Queue it even if the list was not empty. With PREEMPT_RT the task
	 * that added the first item may have been preempted before it came
	 * here.
	 */
	irq_work_queue(&deferral->work);
}

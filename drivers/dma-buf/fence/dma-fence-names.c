// SPDX-License-Identifier: GPL-2.0-only
/*
 * The names of a fence, which belong to its maker, and the line that describes
 * a fence in debugfs.
 *
 * A fence may outlive its maker: once it has signalled, this code reads neither
 * the operations nor the names, unless both are known to stay. The generic
 * names are those of later kernels, so that tools have to know only one pair.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/dma-fence.h>
#include <linux/export.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>

#include <asm/sections.h>

#include "dma-fence-internal.h"
#include "print-text.h"

/*
 * Return true if both names stay for as long as the fence does. Read the flag
 * only if the operations lie in the kernel image: those of a module may be
 * gone.
 */
static bool names_persist(struct dma_fence *fence)
{
	return is_kernel_rodata((unsigned long)fence->ops) &&
	       fence->ops->names_persist;
}

/* Return true if the names are valid until the end of the critical section. */
static bool has_names(struct dma_fence *fence)
{
	RCU_LOCKDEP_WARN(!rcu_read_lock_any_held(),
			 "names of a fence asked for outside of RCU");

	return !test_bit_acquire(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags) ||
	       names_persist(fence);
}

/**
 * dma_fence_driver_name - return the name of the driver that made a fence
 * @fence: the fence
 *
 * Context: RCU read-side critical section; the name is valid until its end.
 * Return: The name; "detached-driver" if the maker may be gone.
 */
const char *dma_fence_driver_name(struct dma_fence *fence)
{
	return has_names(fence) ? fence->ops->get_driver_name(fence) :
				  "detached-driver";
}

/**
 * dma_fence_timeline_name - return the name of the timeline of a fence
 * @fence: the fence
 *
 * Context: RCU read-side critical section; the name is valid until its end.
 * Return: The name; "signaled-timeline" if the maker may be gone.
 */
const char *dma_fence_timeline_name(struct dma_fence *fence)
{
	return has_names(fence) ? fence->ops->get_timeline_name(fence) :
				  "signaled-timeline";
}

/**
 * dma_fence_describe - print a fence to a file in debugfs
 * @fence: the fence
 * @seq: the file
 *
 * Context: Any; may take &dma_fence.lock.
 */
void dma_fence_describe(struct dma_fence *fence, struct seq_file *seq)
{
	const char *state = dma_fence_is_signaled(fence) ? "" : "un";

	guard(rcu)();
	dma_buf_print_text(seq, dma_fence_driver_name(fence));
	seq_putc(seq, ' ');
	dma_buf_print_text(seq, dma_fence_timeline_name(fence));
	seq_printf(seq, " seq %llu %ssignalled\n", fence->seqno, state);
}
EXPORT_SYMBOL(dma_fence_describe);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tell lockdep which code a fence needs to signal, and where fences are waited
 * for, so that a deadlock between the two is reported even if it never
 * happened. Built with lockdep alone.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence.h>
#include <linux/export.h>
#include <linux/lockdep.h>
#include <linux/preempt.h>

/**
 * DOC: fence signalling annotation
 *
 * Waiting for a fence is like taking a lock that the code which signals it
 * holds. So there is such a lock, in lockdep's eyes alone: all code between
 * dma_fence_begin_signalling() and dma_fence_end_signalling() reads it, and
 * each wait writes it. Taking the reservation lock in between, or allocating
 * memory with GFP_KERNEL, then shows as a cycle.
 *
 * A driver brackets all that has to run before a published fence can signal:
 * the end of the submission ioctl after publishing, the scheduler's work items,
 * timeout and reset handlers. The brackets nest and may be held while sleeping.
 *
 * Readers, because any number of tasks may be about to signal at once; no
 * recursive ones, because lockdep then would not see the cycle with a waiter.
 * That is why a nested bracket acquires nothing. Nor does one in atomic
 * context, which cannot wait for a fence: begin and end come from interrupts
 * that interrupted a bracket.
 */
static struct lock_class_key map_key;
static struct lockdep_map map = STATIC_LOCKDEP_MAP_INIT("dma_fence_map",
							 &map_key);

enum { MAP_WRITE = 0, MAP_READ = 1 };

static void acquire_for_reading(unsigned long ip)
{
	lock_acquire(&map, 0, 0, MAP_READ, 1, NULL, ip);
}

/**
 * dma_fence_begin_signalling - from here on a fence depends on this code
 *
 * Context: Any.
 * Return: A cookie for dma_fence_end_signalling().
 */
bool dma_fence_begin_signalling(void)
{
	if (preempt_count() || lock_is_held_type(&map, MAP_READ))
		return true;

	acquire_for_reading(_RET_IP_);
	return false;
}
EXPORT_SYMBOL(dma_fence_begin_signalling);

/**
 * dma_fence_end_signalling - to here
 * @cookie: from dma_fence_begin_signalling()
 *
 * Context: As dma_fence_begin_signalling().
 */
void dma_fence_end_signalling(bool cookie)
{
	if (!cookie)
		lock_release(&map, _RET_IP_);
}
EXPORT_SYMBOL(dma_fence_end_signalling);

/**
 * __dma_fence_might_wait - here a fence is waited for
 *
 * Also right between begin and end, where waiting for an earlier fence is
 * fine: what the task itself holds does not count.
 *
 * Context: Process, may sleep.
 */
void __dma_fence_might_wait(void)
{
	bool signalling = lock_is_held_type(&map, MAP_READ);

	if (signalling)
		lock_release(&map, _THIS_IP_);
	lock_map_acquire(&map);
	lock_map_release(&map);
	if (signalling)
		acquire_for_reading(_THIS_IP_);
}

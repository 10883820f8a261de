// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tell lockdep which code a fence needs to signal, and where tasks wait for
 * fences, so that it reports a deadlock between the two before one happens.
 * Built only with lockdep.
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
 * Waiting for a fence is like taking a lock that the signalling code holds.
 * Such a lock exists only in lockdep: code between dma_fence_begin_signalling()
 * and dma_fence_end_signalling() holds it for reading, and each wait acquires
 * it for writing. If that code takes the reservation lock, or allocates memory
 * with GFP_KERNEL, lockdep reports a cycle.
 *
 * A driver brackets all code that has to run before a published fence can
 * signal: the submission ioctl from publishing to its end, the scheduler's work
 * items, the timeout and reset handlers. The brackets nest, and code in them
 * may sleep.
 *
 * The bracket is a reader, because any number of tasks may signal at once. It
 * is not a recursive one, because lockdep would not see its cycle with a
 * waiter. So a nested bracket acquires nothing. Nor does a bracket in atomic
 * context, where nothing can wait for a fence: it may be that of an interrupt
 * which has interrupted another bracket.
 */
static struct lock_class_key map_key;
static struct lockdep_map map = STATIC_LOCKDEP_MAP_INIT("dma_fence_map",
							 &map_key);

/* A reader that is not recursive, as lock_is_held_type() knows it. */
enum { MAP_READ = 1 };

/* No subclass, and not a trylock, which lockdep would take for harmless. */
static void acquire_for_reading(unsigned long ip)
{
	lock_acquire_shared(&map, 0, 0, NULL, ip);
}

/**
 * dma_fence_begin_signalling - begin code that a fence needs to signal
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
 * dma_fence_end_signalling - end code that a fence needs to signal
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
 * __dma_fence_might_wait - tell lockdep that the caller may wait for a fence
 *
 * A task may wait for an earlier fence between begin and end, so a bracket of
 * its own does not count.
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

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Teaches lockdep at boot the order of the locks around reservation objects, so
 * that it reports the first driver that takes them in another order. Without
 * this it would take the order of that driver for the right one. Built only
 * with lockdep.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/mm.h>

/* Do as memory reclaim does, whose MMU notifiers may wait for fences. */
static void __init reclaim(struct address_space *mapping)
{
	fs_reclaim_acquire(GFP_KERNEL);
	/* Reclaim unmaps pages, and drops this lock before notifiers wait. */
	i_mmap_lock_write(mapping);
	i_mmap_unlock_write(mapping);
#ifdef CONFIG_MMU_NOTIFIER
	lock_map_acquire(&__mmu_notifier_invalidate_range_start_map);
	__dma_fence_might_wait();
	lock_map_release(&__mmu_notifier_invalidate_range_start_map);
#else
	__dma_fence_might_wait();
#endif
	fs_reclaim_release(GFP_KERNEL);
}

/*
 * Under the lock of a reservation object a driver may allocate memory and wait
 * for fences, but must not touch user memory: a fault takes the mmap lock,
 * which comes first.
 */
static int __init dma_resv_lockdep(void)
{
	struct address_space mapping;
	struct ww_acquire_ctx ctx;
	struct mm_struct *mm;
	struct dma_resv obj;

	mm = mm_alloc();
	if (!mm)
		return -ENOMEM;
	dma_resv_init(&obj);
	address_space_init_once(&mapping);

	mmap_read_lock(mm);
	ww_acquire_init(&ctx, &reservation_ww_class);
	/* CONFIG_DEBUG_WW_MUTEX_SLOWPATH injects -EDEADLK. */
	if (dma_resv_lock(&obj, &ctx) == -EDEADLK)
		dma_resv_lock_slow(&obj, &ctx);
	reclaim(&mapping);
	dma_resv_unlock(&obj);
	ww_acquire_fini(&ctx);
	mmap_read_unlock(mm);

	dma_resv_fini(&obj);
	mmput(mm);
	return 0;
}
subsys_initcall(dma_resv_lockdep);

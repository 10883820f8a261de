// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mappings that are kept for the next time, of all buffers, and who gives
 * them up when memory is short. How one is made, used and ended is in
 * dma-buf-map.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/init.h>
#include <linux/list.h>
#include <linux/shrinker.h>
#include <linux/spinlock.h>

#include "dma-buf-internal.h"

/**
 * DOC: kept mappings
 *
 * Importers map a buffer before each piece of work and unmap it afterwards. To
 * set up and tear down an IOMMU mapping every time costs more than the work
 * often does. So where the exporter agrees, by &dma_buf_ops.keep_mapping, the
 * table stays with the attachment when the importer unmaps it, and the next map
 * in the same direction takes it up again. One in another direction ends it, as
 * do detach, a move and lack of memory.
 *
 * A table is with one user at a time, who may change it until it unmaps. An
 * attachment that is mapped again meanwhile gets another one, which is not kept,
 * however often that happens.
 *
 * While nobody has it the memory belongs to the CPU, as memory that is not mapped
 * at all: &dma_buf_ops.end_device_access and &dma_buf_ops.begin_device_access
 * hand it over and back. For a device that is coherent and reaches all memory
 * there is nothing to hand over, and the exporter is not called at all.
 *
 * *Lack of memory.* What is kept takes up a table, and page tables of an IOMMU. A
 * shrinker goes round a list of all: it leaves alone what is in use, passes by
 * once what was used since it came by the last time, and gives up the rest. So
 * who maps and unmaps does no more than set a flag.
 *
 * It comes to an attachment from the wrong end, without any reference, so in
 * this order: in the list the attachment is alive, as detach takes it out first,
 * under the reservation lock; and while it holds that, by a trylock, it stays
 * there. A reference to the buffer keeps the lock until it has been released.
 *
 * *Locking.* What is kept is protected by the reservation lock. The list has a
 * lock of its own, under which nothing is waited for.
 */

static LIST_HEAD(kept);
static DEFINE_SPINLOCK(kept_lock);
static unsigned long num_kept;

/**
 * dma_buf_kept_add - a mapping is going to be kept
 * @attach: whose; it has no other
 *
 * Context: Process, reservation lock held.
 */
void dma_buf_kept_add(struct dma_buf_attachment *attach)
{
	dma_resv_assert_held(attach->dmabuf->resv);
	attach->used = false;
	guard(spinlock)(&kept_lock);
	list_add_tail(&attach->kept_node, &kept);
	num_kept++;
}

/**
 * dma_buf_kept_del - a mapping is not kept any longer
 * @attach: whose
 *
 * Context: Process, reservation lock held.
 */
void dma_buf_kept_del(struct dma_buf_attachment *attach)
{
	dma_resv_assert_held(attach->dmabuf->resv);
	guard(spinlock)(&kept_lock);
	list_del(&attach->kept_node);
	num_kept--;
}

/*
 * The next attachment, with the reservation lock and a reference to the buffer;
 * NULL if there is none or others have the lock: the next call looks at another.
 */
static struct dma_buf_attachment *next_attachment(void)
{
	struct dma_buf_attachment *attach;

	guard(spinlock)(&kept_lock);
	attach = list_first_entry_or_null(&kept, struct dma_buf_attachment,
					  kept_node);
	if (!attach)
		return NULL;
	list_move_tail(&attach->kept_node, &kept);
	if (!dma_resv_trylock(attach->dmabuf->resv))
		return NULL;
	get_dma_buf(attach->dmabuf);
	return attach;
}

static bool give_up(struct dma_buf_attachment *attach)
{
	bool used = attach->used;

	attach->used = false;
	if (dma_buf_kept_is_busy(attach) || used)
		return false;
	dma_buf_drop_kept(attach);
	return true;
}

/**
 * dma_buf_shrink_kept - give up mappings that are kept
 * @nr: look at so many
 *
 * Context: Process, may sleep. Skips buffers whose reservation lock is held.
 * Return: How many were given up.
 */
VISIBLE_IF_KUNIT unsigned long dma_buf_shrink_kept(unsigned long nr)
{
	struct dma_buf_attachment *attach;
	struct dma_buf *dmabuf;
	unsigned long n = 0;

	while (nr--) {
		attach = next_attachment();
		if (!attach)
			continue;
		dmabuf = attach->dmabuf;
		n += give_up(attach);
		dma_resv_unlock(dmabuf->resv);
		dma_buf_put(dmabuf);
	}
	return n;
}

static unsigned long kept_count(struct shrinker *shrinker,
				struct shrink_control *sc)
{
	return READ_ONCE(num_kept) ?: SHRINK_EMPTY;
}

static unsigned long kept_scan(struct shrinker *shrinker,
			       struct shrink_control *sc)
{
	return dma_buf_shrink_kept(sc->nr_to_scan) ?: SHRINK_STOP;
}

static int __init dma_buf_kept_init(void)
{
	struct shrinker *shrinker = shrinker_alloc(0, "dma-buf-kept-mappings");

	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = kept_count;
	shrinker->scan_objects = kept_scan;
	shrinker_register(shrinker);
	return 0;
}
subsys_initcall(dma_buf_kept_init);

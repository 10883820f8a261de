// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mappings of page-backed buffers that are kept for the next time, of all
 * buffers: the oldest go when memory is short.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/dma-buf.h>
#include <linux/init.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/shrinker.h>
#include <linux/spinlock.h>

#include "heap-pages.h"

/**
 * DOC: kept mappings, and lack of memory
 *
 * A mapping that is kept takes up a table, and page tables of an IOMMU. All of
 * them are in one list, in the order in which they were last used, and a
 * shrinker takes them from its head.
 *
 * It comes to a mapping from the wrong end, without any reference, so in this
 * order: in the list the mapping is alive, as whoever ends it takes it out first,
 * under &heap_pages.lock; a trylock of that keeps the attachment from going, as
 * detach needs it; and while the attachment is there, so are the device and the
 * buffer. A reference to the buffer keeps the lock until it has been released.
 *
 * *Locking.* The list has a lock of its own, which is a leaf inside
 * &heap_pages.lock.
 */

static LIST_HEAD(kept_mappings);
static DEFINE_SPINLOCK(kept_lock);
static unsigned long num_kept;

/**
 * heap_kept_add - a mapping is kept from now on
 * @map: the mapping, not busy
 *
 * Context: Any, &heap_pages.lock held.
 */
void heap_kept_add(struct heap_mapping *map)
{
	guard(spinlock)(&kept_lock);
	list_add_tail(&map->kept, &kept_mappings);
	num_kept++;
}

/**
 * heap_kept_del - a mapping is used again, or about to go
 * @map: the mapping, kept
 *
 * Context: Any, &heap_pages.lock held.
 */
void heap_kept_del(struct heap_mapping *map)
{
	guard(spinlock)(&kept_lock);
	list_del(&map->kept);
	num_kept--;
}

/*
 * The oldest mapping, out of all lists; its buffer's lock is held, and a
 * reference to the buffer. NULL if there is none, or its buffer is busy: then
 * the next call looks at the next one.
 */
static struct heap_mapping *take_oldest(void)
{
	struct heap_mapping *map;
	struct heap_pages *buf;

	guard(spinlock)(&kept_lock);
	map = list_first_entry_or_null(&kept_mappings, struct heap_mapping,
				       kept);
	if (!map)
		return NULL;
	buf = map->attach->dmabuf->priv;
	if (!mutex_trylock(&buf->lock)) {
		list_move_tail(&map->kept, &kept_mappings);
		return NULL;
	}
	get_dma_buf(map->attach->dmabuf);
	list_del(&map->kept);
	num_kept--;
	list_del(&map->node);
	return map;
}

/**
 * heap_kept_shrink - give up mappings that are kept
 * @nr: look at so many
 *
 * Context: Process, may sleep. Skips buffers whose &heap_pages.lock is held.
 * Return: How many were given up.
 */
unsigned long heap_kept_shrink(unsigned long nr)
{
	struct heap_mapping *map;
	struct dma_buf *dmabuf;
	struct heap_pages *buf;
	unsigned long n = 0;

	while (nr--) {
		map = take_oldest();
		if (!map)
			continue;
		dmabuf = map->attach->dmabuf;
		buf = dmabuf->priv;
		heap_mapping_destroy(map);
		mutex_unlock(&buf->lock);
		dma_buf_put(dmabuf);
		n++;
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
	return heap_kept_shrink(sc->nr_to_scan) ?: SHRINK_STOP;
}

static int __init heap_kept_init(void)
{
	struct shrinker *shrinker = shrinker_alloc(0, "dma-buf-kept-mappings");

	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = kept_count;
	shrinker->scan_objects = kept_scan;
	shrinker_register(shrinker);
	return 0;
}
subsys_initcall(heap_kept_init);

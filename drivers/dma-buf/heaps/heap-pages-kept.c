// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mappings of all page-backed buffers: those that are kept for the next time
 * go when memory is short.
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
 * A mapping that is kept takes up a table, and page tables of an IOMMU. Those of
 * all buffers are in one list, which a shrinker goes round: it leaves alone what
 * is in use, passes by once what was used since it came by the last time, and
 * gives up the rest. So who maps and unmaps does no more than set a flag.
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

static LIST_HEAD(mappings);
static DEFINE_SPINLOCK(mappings_lock);
static unsigned long num_mappings;

/**
 * heap_mapping_add - a mapping has been made
 * @map: the mapping; goes into the lists of its attachment and of all
 *
 * Context: Process, &heap_pages.lock held.
 */
void heap_mapping_add(struct heap_mapping *map)
{
	struct heap_attachment *att = map->attach->priv;

	list_add(&map->node, &att->mappings);
	guard(spinlock)(&mappings_lock);
	list_add_tail(&map->all, &mappings);
	num_mappings++;
}

/**
 * heap_mapping_del - nobody is to find a mapping any more
 * @map: the mapping, which is the caller's then
 *
 * Context: Process, &heap_pages.lock held.
 */
void heap_mapping_del(struct heap_mapping *map)
{
	list_del(&map->node);
	guard(spinlock)(&mappings_lock);
	list_del(&map->all);
	num_mappings--;
}

/*
 * The buffer of the next mapping, with its lock and a reference; NULL if there is
 * none or others have the lock: the next call looks at another one.
 */
static struct heap_pages *next_buffer(struct heap_mapping **next)
{
	struct heap_mapping *map;
	struct heap_pages *buf;

	guard(spinlock)(&mappings_lock);
	map = list_first_entry_or_null(&mappings, struct heap_mapping, all);
	if (!map)
		return NULL;
	list_move_tail(&map->all, &mappings);
	buf = map->attach->dmabuf->priv;
	if (!mutex_trylock(&buf->lock))
		return NULL;
	get_dma_buf(map->attach->dmabuf);
	*next = map;
	return buf;
}

static bool give_up(struct heap_mapping *map)
{
	bool used = map->used;

	map->used = false;
	if (map->busy || used)
		return false;
	heap_mapping_del(map);
	heap_mapping_destroy(map);
	return true;
}

/**
 * heap_mappings_shrink - give up mappings that are kept
 * @nr: look at so many
 *
 * Context: Process, may sleep. Skips buffers whose &heap_pages.lock is held.
 * Return: How many were given up.
 */
unsigned long heap_mappings_shrink(unsigned long nr)
{
	struct heap_mapping *map;
	struct dma_buf *dmabuf;
	struct heap_pages *buf;
	unsigned long n = 0;

	while (nr--) {
		buf = next_buffer(&map);
		if (!buf)
			continue;
		dmabuf = map->attach->dmabuf;
		n += give_up(map);
		mutex_unlock(&buf->lock);
		dma_buf_put(dmabuf);
	}
	return n;
}

static unsigned long kept_count(struct shrinker *shrinker,
				struct shrink_control *sc)
{
	return READ_ONCE(num_mappings) ?: SHRINK_EMPTY;
}

static unsigned long kept_scan(struct shrinker *shrinker,
			       struct shrink_control *sc)
{
	return heap_mappings_shrink(sc->nr_to_scan) ?: SHRINK_STOP;
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

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A pool of zeroed pages: it keeps the pages that a heap frees for the next
 * buffer, until the system needs the memory. See page-pool.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _HEAP_PAGE_POOL_H
#define _HEAP_PAGE_POOL_H

#include <linux/atomic.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mmzone.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct dentry;
struct page;
struct shrinker;

/*
 * A pool takes pages of at least 64 KiB, the smallest size above a single page
 * that the system heap asks for. It never takes single pages, even where they
 * are that large.
 */
#define HEAP_POOL_MIN_SHIFT	16
#define HEAP_POOL_MIN_ORDER	MAX(HEAP_POOL_MIN_SHIFT - PAGE_SHIFT, 1)
#define HEAP_POOL_MAX_ORDER	MAX_PAGE_ORDER

/* Whether a page is known to be zeroed. */
enum heap_pool_state { HEAP_POOL_DIRTY, HEAP_POOL_CLEAN, HEAP_POOL_STATES };

/**
 * struct heap_pool_node - the pages of a memory node
 * @lock: protects the members below
 * @lists: pages by state and order, the last one added first
 * @nr: lengths of @lists; the shrinker and debugfs read estimates without @lock
 */
struct heap_pool_node {
	spinlock_t lock; /* protects all below */
	struct list_head lists[HEAP_POOL_STATES][HEAP_POOL_MAX_ORDER + 1];
	unsigned long nr[HEAP_POOL_STATES][HEAP_POOL_MAX_ORDER + 1];
} ____cacheline_aligned_in_smp;

/**
 * struct heap_page_pool - pages for reuse
 * @nr_pages: size of the pool in base pages, with the page that @work is
 *	zeroing
 * @limit: limit of @nr_pages; changed by heap_page_pool_set_limit()
 * @hits: number of clean pages taken
 * @dirty_hits: number of pages taken that had to be zeroed at once
 * @misses: number of requests that found no page
 * @wq: runs @work at the lowest priority
 * @work: zeroes dirty pages
 * @shrinker: gives pages back to the system
 * @debugfs: file with the counters
 * @nodes: the pages, by memory node
 */
struct heap_page_pool {
	atomic_long_t nr_pages;
	unsigned long limit;
	atomic_t hits;
	atomic_t dirty_hits;
	atomic_t misses;
	struct workqueue_struct *wq;
	struct work_struct work;
	struct shrinker *shrinker;
	struct dentry *debugfs;
	struct heap_pool_node nodes[];
};

struct heap_page_pool *heap_page_pool_create(const char *name,
					     unsigned long limit);
void heap_page_pool_destroy(struct heap_page_pool *pool);
struct page *heap_page_pool_get(struct heap_page_pool *pool,
				unsigned int order);
void heap_page_pool_put(struct heap_page_pool *pool, struct page *page,
			enum heap_pool_state state);
void heap_page_pool_set_limit(struct heap_page_pool *pool, unsigned long limit);

#endif /* _HEAP_PAGE_POOL_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A pool of zeroed pages: keeps what a heap gives back for the next buffer, as
 * long as nobody else needs the memory. See page-pool.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _HEAP_PAGE_POOL_H
#define _HEAP_PAGE_POOL_H

#include <linux/atomic.h>
#include <linux/list_lru.h>
#include <linux/mmzone.h>
#include <linux/types.h>
#include <linux/workqueue.h>

struct dentry;
struct page;
struct shrinker;

/* The largest order that a pool takes. */
#define HEAP_POOL_MAX_ORDER	MAX_PAGE_ORDER

/* So many dirty pages of an order, in base pages, are worth a worker's while. */
#define HEAP_POOL_BATCH		16

/**
 * struct heap_page_pool - pages for reuse
 * @dirty: by order, as they came back
 * @clean: by order, zeroed since
 * @nr_pages: on these lists or in the hands of @work
 * @limit: @nr_pages does not grow beyond; set by heap_page_pool_set_limit()
 * @hits: pages taken that were clean already
 * @dirty_hits: pages taken that had to be zeroed at once
 * @misses: requests that found nothing
 * @wq: runs @work when there is nothing better to do
 * @work: zeroes dirty pages
 * @shrinker: gives pages back to the system
 * @debugfs: directory with the counters
 */
struct heap_page_pool {
	struct list_lru dirty[HEAP_POOL_MAX_ORDER + 1];
	struct list_lru clean[HEAP_POOL_MAX_ORDER + 1];
	atomic_long_t nr_pages;
	unsigned long limit;
	atomic_t hits;
	atomic_t dirty_hits;
	atomic_t misses;
	struct workqueue_struct *wq;
	struct work_struct work;
	struct shrinker *shrinker;
	struct dentry *debugfs;
};

struct heap_page_pool *heap_page_pool_create(const char *name,
					     unsigned long limit);
void heap_page_pool_destroy(struct heap_page_pool *pool);
struct page *heap_page_pool_get(struct heap_page_pool *pool,
				unsigned int order);
void heap_page_pool_put(struct heap_page_pool *pool, struct page *page);
void heap_page_pool_set_limit(struct heap_page_pool *pool, unsigned long limit);
unsigned long heap_page_pool_shrink(struct heap_page_pool *pool, int nid,
				    unsigned long nr);

#endif /* _HEAP_PAGE_POOL_H */

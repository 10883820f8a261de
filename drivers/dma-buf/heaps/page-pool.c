// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pool of zeroed pages. To zero a buffer costs more than all the rest of its
 * allocation, and large pages are hard to get at all once memory is fragmented.
 * So a heap gives its pages to a pool, which zeroes them in the background and
 * returns them to the system as soon as that is short of memory.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cpuset.h>
#include <linux/debugfs.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/sched/prio.h>
#include <linux/seq_file.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/topology.h>
#include <linux/vmstat.h>

#include "page-pool.h"

/**
 * DOC: page pool
 *
 * A page comes in dirty by heap_page_pool_put(), which takes no longer than
 * freeing it. Work that runs when the machine has time, and enough has come
 * together, moves it to the clean list of its order. heap_page_pool_get() prefers
 * clean pages and zeroes a dirty one at once otherwise, so that no page leaves
 * with old contents. There is one list of each kind per order and memory node.
 *
 * The pool never holds up anybody's memory: it has a limit, beyond which pages
 * go to the system, and a shrinker. The latter takes dirty pages first, which
 * nobody has put work into, and small ones before large ones, which are harder
 * to replace. Until then the pages count as reclaimable.
 *
 * Pages keep their one reference in the pool. If somebody else has another one
 * on a page it does not get in: its contents are not ours to change.
 *
 * *Locking.* The lists have locks of their own, which are leaves; counters are
 * atomic. All calls are safe against each other but for create and destroy.
 */

/* list_lru callback: take the first page there is. */
static enum lru_status heap_pool_isolate(struct list_head *item,
					 struct list_lru_one *list,
					 spinlock_t *lock, void *arg)
{
	struct page **page = arg;

	list_lru_isolate(list, item);
	*page = list_entry(item, struct page, lru);
	return LRU_REMOVED;
}

static struct page *heap_pool_take(struct list_lru *lru, int nid)
{
	struct page *page = NULL;
	unsigned long nr = 1;

	list_lru_walk_one(lru, nid, NULL, heap_pool_isolate, &page, &nr);
	return page;
}

static void heap_pool_add(struct list_lru *lru, struct page *page)
{
	INIT_LIST_HEAD(&page->lru);
	list_lru_add(lru, &page->lru, page_to_nid(page), NULL);
}

/* The page is not the pool's any more. */
static void heap_pool_forget(struct heap_page_pool *pool, struct page *page,
			     unsigned int order)
{
	atomic_long_sub(1L << order, &pool->nr_pages);
	mod_node_page_state(page_pgdat(page), NR_KERNEL_MISC_RECLAIMABLE,
			    -(1L << order));
}

static void heap_pool_zero(struct page *page, unsigned int order)
{
	unsigned long i;

	for (i = 0; i < 1UL << order; i++) {
		clear_highpage(nth_page(page, i));
		cond_resched();
	}
}

/*
 * Pages are in nobody's list while they are zeroed, one at a time, so that the
 * shrinker finds all others.
 */
static void heap_pool_work(struct work_struct *work)
{
	struct heap_page_pool *pool = container_of(work, struct heap_page_pool,
						   work);
	unsigned int order;
	struct page *page;
	int nid;

	for_each_node_state(nid, N_MEMORY) {
		for (order = 0; order <= HEAP_POOL_MAX_ORDER; order++) {
			while ((page = heap_pool_take(&pool->dirty[order], nid))) {
				heap_pool_zero(page, order);
				heap_pool_add(&pool->clean[order], page);
			}
		}
	}
}

/**
 * heap_page_pool_get - take a page out
 * @pool: the pool
 * @order: its size
 *
 * Only memory of the CPU's own node that the task may use comes from the pool;
 * the system's allocator knows better where else to look.
 *
 * Context: Process, may sleep.
 * Return: A zeroed page with one reference, compound if @order is not zero; or
 * NULL.
 */
struct page *heap_page_pool_get(struct heap_page_pool *pool, unsigned int order)
{
	int nid = numa_mem_id();
	struct page *page = NULL;

	might_sleep();
	if (WARN_ON_ONCE(order > HEAP_POOL_MAX_ORDER))
		return NULL;
	if (node_isset(nid, cpuset_current_mems_allowed))
		page = heap_pool_take(&pool->clean[order], nid);
	if (page) {
		atomic_inc(&pool->hits);
		heap_pool_forget(pool, page, order);
		return page;
	}
	if (node_isset(nid, cpuset_current_mems_allowed))
		page = heap_pool_take(&pool->dirty[order], nid);
	if (!page) {
		atomic_inc(&pool->misses);
		return NULL;
	}
	atomic_inc(&pool->dirty_hits);
	heap_pool_forget(pool, page, order);
	heap_pool_zero(page, order);
	return page;
}

/* Make room for more pages, if the limit allows. */
static bool heap_pool_reserve(struct heap_page_pool *pool, long nr)
{
	if (atomic_long_add_return(nr, &pool->nr_pages) <=
	    READ_ONCE(pool->limit))
		return true;
	atomic_long_sub(nr, &pool->nr_pages);
	return false;
}

/* To zero a few small pages, when they are wanted, is as quick as to wake a worker. */
static bool heap_pool_has_work(struct heap_page_pool *pool, unsigned int order,
			       int nid)
{
	return list_lru_count_node(&pool->dirty[order], nid) << order >=
	       HEAP_POOL_BATCH;
}

/**
 * heap_page_pool_put - give a page to the pool
 * @pool: the pool
 * @page: a page with any contents, compound if its order is not zero; the
 *	caller's reference goes to the pool
 *
 * Context: Process.
 */
void heap_page_pool_put(struct heap_page_pool *pool, struct page *page)
{
	unsigned int order = compound_order(page);

	if (page_ref_count(page) != 1 || PageHWPoison(page) ||
	    !heap_pool_reserve(pool, 1L << order)) {
		__free_pages(page, order);
		return;
	}
	mod_node_page_state(page_pgdat(page), NR_KERNEL_MISC_RECLAIMABLE,
			    1L << order);
	heap_pool_add(&pool->dirty[order], page);
	if (heap_pool_has_work(pool, order, page_to_nid(page)))
		queue_work(pool->wq, &pool->work);
}

static unsigned long heap_pool_free(struct heap_page_pool *pool,
				    struct list_lru *lru, unsigned int order,
				    int nid, unsigned long nr)
{
	unsigned long freed = 0;
	struct page *page;

	while (freed < nr && (page = heap_pool_take(lru, nid))) {
		heap_pool_forget(pool, page, order);
		__free_pages(page, order);
		freed += 1UL << order;
	}
	return freed;
}

/**
 * heap_page_pool_shrink - give pages back to the system
 * @pool: the pool
 * @nid: of this memory node
 * @nr: at least so many, in base pages, if there are
 *
 * Context: Any that may take spinlocks.
 * Return: How many base pages were freed.
 */
unsigned long heap_page_pool_shrink(struct heap_page_pool *pool, int nid,
				    unsigned long nr)
{
	unsigned long freed = 0;
	unsigned int order;

	for (order = 0; order <= HEAP_POOL_MAX_ORDER && freed < nr; order++)
		freed += heap_pool_free(pool, &pool->dirty[order], order, nid,
					nr - freed);
	for (order = 0; order <= HEAP_POOL_MAX_ORDER && freed < nr; order++)
		freed += heap_pool_free(pool, &pool->clean[order], order, nid,
					nr - freed);
	return freed;
}

static unsigned long heap_pool_shrinker_count(struct shrinker *shrinker,
					      struct shrink_control *sc)
{
	struct heap_page_pool *pool = shrinker->private_data;
	unsigned long nr = 0;
	unsigned int order;

	for (order = 0; order <= HEAP_POOL_MAX_ORDER; order++)
		nr += (list_lru_count_node(&pool->dirty[order], sc->nid) +
		       list_lru_count_node(&pool->clean[order], sc->nid))
		      << order;
	return nr ?: SHRINK_EMPTY;
}

static unsigned long heap_pool_shrinker_scan(struct shrinker *shrinker,
					     struct shrink_control *sc)
{
	unsigned long freed;

	freed = heap_page_pool_shrink(shrinker->private_data, sc->nid,
				      sc->nr_to_scan);
	/* A large page is more than what was asked for. */
	sc->nr_scanned = max(freed, sc->nr_scanned);
	return freed ?: SHRINK_STOP;
}

/**
 * heap_page_pool_set_limit - change how much a pool holds
 * @pool: the pool
 * @limit: in base pages; what is there beyond is freed
 *
 * Context: Process, may sleep.
 */
void heap_page_pool_set_limit(struct heap_page_pool *pool, unsigned long limit)
{
	long over;
	int nid;

	WRITE_ONCE(pool->limit, limit);
	for_each_node_state(nid, N_MEMORY) {
		over = atomic_long_read(&pool->nr_pages) - (long)limit;
		if (over <= 0)
			return;
		heap_page_pool_shrink(pool, nid, over);
	}
}

static int heap_page_pool_show(struct seq_file *seq, void *unused)
{
	struct heap_page_pool *pool = seq->private;
	unsigned long dirty, clean;
	unsigned int order;

	seq_printf(seq, "limit: %lu\npages: %ld\n", READ_ONCE(pool->limit),
		   atomic_long_read(&pool->nr_pages));
	seq_printf(seq, "hits: %u\ndirty_hits: %u\nmisses: %u\n",
		   (u32)atomic_read(&pool->hits),
		   (u32)atomic_read(&pool->dirty_hits),
		   (u32)atomic_read(&pool->misses));
	for (order = 0; order <= HEAP_POOL_MAX_ORDER; order++) {
		dirty = list_lru_count(&pool->dirty[order]);
		clean = list_lru_count(&pool->clean[order]);
		if (dirty || clean)
			seq_printf(seq, "order %u: %lu clean, %lu dirty\n",
				   order, clean, dirty);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(heap_page_pool);

/*
 * Workers of the lowest priority: who frees a buffer, or allocates the next, is
 * not to wait for pages that nobody has asked for.
 */
static struct workqueue_struct *heap_pool_create_wq(const char *name)
{
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	struct workqueue_struct *wq;

	if (!attrs)
		return NULL;
	attrs->nice = MAX_NICE;
	wq = alloc_workqueue("%s", WQ_UNBOUND, 0, name);
	if (wq && apply_workqueue_attrs(wq, attrs)) {
		destroy_workqueue(wq);
		wq = NULL;
	}
	free_workqueue_attrs(attrs);
	return wq;
}

/**
 * heap_page_pool_create - make a pool
 * @name: of the shrinker, of the workers, and of a file in debugfs with the
 *	counters
 * @limit: how much it holds, in base pages
 *
 * Context: Process, may sleep.
 * Return: The pool, or NULL when there is no memory.
 */
struct heap_page_pool *heap_page_pool_create(const char *name,
					     unsigned long limit)
{
	struct heap_page_pool *pool = kzalloc(sizeof(*pool), GFP_KERNEL);
	unsigned int order;

	if (!pool)
		return NULL;
	pool->limit = limit;
	INIT_WORK(&pool->work, heap_pool_work);
	for (order = 0; order <= HEAP_POOL_MAX_ORDER; order++) {
		if (list_lru_init(&pool->dirty[order]) ||
		    list_lru_init(&pool->clean[order])) {
			heap_page_pool_destroy(pool);
			return NULL;
		}
	}
	pool->wq = heap_pool_create_wq(name);
	pool->shrinker = shrinker_alloc(SHRINKER_NUMA_AWARE, "%s", name);
	if (!pool->wq || !pool->shrinker) {
		heap_page_pool_destroy(pool);
		return NULL;
	}
	pool->shrinker->count_objects = heap_pool_shrinker_count;
	pool->shrinker->scan_objects = heap_pool_shrinker_scan;
	pool->shrinker->private_data = pool;
	shrinker_register(pool->shrinker);
	pool->debugfs = debugfs_create_file(name, 0444, NULL, pool,
					    &heap_page_pool_fops);
	return pool;
}

/**
 * heap_page_pool_destroy - free a pool and its pages
 * @pool: a pool that nobody uses any more, or half made
 *
 * Context: Process, may sleep.
 */
void heap_page_pool_destroy(struct heap_page_pool *pool)
{
	unsigned int order;

	debugfs_remove(pool->debugfs);
	if (pool->shrinker)
		shrinker_free(pool->shrinker);
	cancel_work_sync(&pool->work);
	if (pool->wq)
		destroy_workqueue(pool->wq);
	if (pool->clean[HEAP_POOL_MAX_ORDER].node)
		heap_page_pool_set_limit(pool, 0);
	for (order = 0; order <= HEAP_POOL_MAX_ORDER; order++) {
		list_lru_destroy(&pool->dirty[order]);
		list_lru_destroy(&pool->clean[order]);
	}
	kfree(pool);
}

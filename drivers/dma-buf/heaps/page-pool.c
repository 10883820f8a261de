// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pool of zeroed pages. Zeroing a buffer costs more than the rest of its
 * allocation, and large pages are hard to get once memory is fragmented. So a
 * heap gives its pages to a pool, which zeroes them in the background and
 * returns them when the system is short of memory.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/cpuset.h>
#include <linux/debugfs.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched/prio.h>
#include <linux/seq_file.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/topology.h>
#include <linux/vmstat.h>

#include "page-pool.h"

/**
 * DOC: page pool
 *
 * heap_page_pool_put() is as fast as freeing the page: a worker zeroes it
 * later, when the machine has time. heap_page_pool_get() prefers a zeroed page,
 * and otherwise zeroes one at once, so that no page leaves with old contents.
 * The page added last leaves first, as the caches are likely to hold it.
 *
 * The pool does not keep memory from others: it has a limit, and its shrinker
 * offers half of the pages each time the system reclaims memory. The shrinker
 * frees dirty pages first, as no work is lost with them, and small pages before
 * large ones, which are harder to replace. Until then the pages count as
 * reclaimable. At the limit a page displaces pages of other orders, so that the
 * pool follows the current use.
 *
 * The pool keeps only pages that are worth it. Pages below HEAP_POOL_MIN_ORDER
 * keep their neighbours from merging, which costs more than zeroing them. A
 * page that has another reference may still be in use. A page with a memory
 * failure in any part is freed. With ``init_on_free`` the system wants freed
 * memory to be zeroed at once, so the pool keeps nothing.
 *
 * *Locking.* Each memory node has a lock for its lists, which is a leaf;
 * counters are atomic. All calls may run concurrently, except create and
 * destroy. If one CPU adds a page while another lowers the limit, at least one
 * of them frees it::
 *
 *	CPU 0, heap_page_pool_put()	CPU 1, heap_page_pool_set_limit()
 *
 *	count the page			write the limit
 *	full barrier			full barrier
 *	lock; add; unlock		read the count
 *	read the limit			lock; take; unlock
 */

/* An order that no page has, so that none is spared. */
#define HEAP_POOL_SPARE_NONE	(HEAP_POOL_MAX_ORDER + 1)

static void heap_pool_add(struct heap_page_pool *pool, struct page *page,
			  unsigned int order, enum heap_pool_state state)
{
	struct heap_pool_node *node = &pool->nodes[page_to_nid(page)];

	guard(spinlock)(&node->lock);
	list_add(&page->lru, &node->lists[state][order]);
	node->nr[state][order]++;
}

static struct page *heap_pool_take(struct heap_page_pool *pool, int nid,
				   unsigned int order, enum heap_pool_state state)
{
	struct heap_pool_node *node = &pool->nodes[nid];
	struct page *page;

	guard(spinlock)(&node->lock);
	page = list_first_entry_or_null(&node->lists[state][order], struct page, lru);
	if (page) {
		list_del(&page->lru);
		node->nr[state][order]--;
	}
	return page;
}

/* Uncount a page that leaves the pool. */
static void heap_pool_forget(struct heap_page_pool *pool, struct page *page,
			     unsigned int order)
{
	atomic_long_sub(1L << order, &pool->nr_pages);
	mod_node_page_state(page_pgdat(page), NR_KERNEL_MISC_RECLAIMABLE,
			    -(1L << order));
}

static void heap_pool_free(struct heap_page_pool *pool, struct page *page,
			   unsigned int order)
{
	heap_pool_forget(pool, page, order);
	__free_pages(page, order);
}

/*
 * Free at least @nr base pages of a node, or all there are, but none of order
 * @spare. Return the number of base pages freed.
 */
static unsigned long heap_pool_shrink(struct heap_page_pool *pool, int nid,
				      unsigned long nr, unsigned int spare)
{
	enum heap_pool_state state;
	unsigned long freed = 0;
	unsigned int order;
	struct page *page;

	for (state = 0; state < HEAP_POOL_STATES; state++) {
		for (order = 0; order <= HEAP_POOL_MAX_ORDER; order++) {
			while (order != spare && freed < nr) {
				page = heap_pool_take(pool, nid, order, state);
				if (!page)
					break;
				heap_pool_free(pool, page, order);
				freed += 1UL << order;
			}
		}
	}
	return freed;
}

/* Free pages from the lists, none of order @spare, until the limit is kept. */
static void heap_pool_trim(struct heap_page_pool *pool, unsigned int spare)
{
	long over;
	int nid;

	for_each_node_state(nid, N_MEMORY) {
		over = atomic_long_read(&pool->nr_pages) -
		       (long)READ_ONCE(pool->limit);
		if (over <= 0)
			return;
		heap_pool_shrink(pool, nid, over, spare);
	}
}

/*
 * Return true if the mm has marked any part of a page as failed. Look at the
 * parts only on a machine that has any such mark, as few do.
 */
static bool heap_pool_is_poisoned(struct page *page, unsigned int order)
{
	unsigned long i;

	if (!IS_ENABLED(CONFIG_MEMORY_FAILURE) ||
	    !atomic_long_read(&num_poisoned_pages))
		return false;
	for (i = 0; i < 1UL << order; i++) {
		if (PageHWPoison(nth_page(page, i)))
			return true;
	}
	return false;
}

/* Take a page for use; free pages that have failed since they were added. */
static struct page *heap_pool_take_sound(struct heap_page_pool *pool, int nid,
					 unsigned int order, enum heap_pool_state state)
{
	struct page *page;

	while ((page = heap_pool_take(pool, nid, order, state)) &&
	       heap_pool_is_poisoned(page, order))
		heap_pool_free(pool, page, order);
	return page;
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
 * Zero one page at a time: it is on no list meanwhile, and the shrinker finds
 * all others. Trim afterwards, as the limit may have been lowered in between.
 */
static void heap_pool_zero_list(struct heap_page_pool *pool, int nid,
				unsigned int order)
{
	struct page *page;

	while ((page = heap_pool_take_sound(pool, nid, order, HEAP_POOL_DIRTY))) {
		heap_pool_zero(page, order);
		heap_pool_add(pool, page, order, HEAP_POOL_CLEAN);
		heap_pool_trim(pool, HEAP_POOL_SPARE_NONE);
	}
}

static void heap_pool_work(struct work_struct *work)
{
	struct heap_page_pool *pool = container_of(work, struct heap_page_pool,
						   work);
	unsigned int order;
	int nid;

	for_each_node_state(nid, N_MEMORY) {
		for (order = 0; order <= HEAP_POOL_MAX_ORDER; order++)
			heap_pool_zero_list(pool, nid, order);
	}
}

/*
 * Return the node whose pages the task gets: the CPU's own. Leave a task that
 * may not use that node, or has a memory policy, to the page allocator, which
 * knows better where to look.
 */
static int heap_pool_task_node(void)
{
	int nid = numa_mem_id();

#ifdef CONFIG_NUMA
	if (current->mempolicy)
		return NUMA_NO_NODE;
#endif
	return node_isset(nid, cpuset_current_mems_allowed) ? nid : NUMA_NO_NODE;
}

/**
 * heap_page_pool_get - take a page out of a pool
 * @pool: the pool
 * @order: order of the page
 *
 * The page comes from the CPU's own node. A task that may not use that node, or
 * has a memory policy, gets none.
 *
 * Context: Process, may sleep.
 * Return: A zeroed compound page with one reference; NULL if the pool has none
 * for the task.
 */
struct page *heap_page_pool_get(struct heap_page_pool *pool, unsigned int order)
{
	enum heap_pool_state state = HEAP_POOL_CLEAN;
	int nid = heap_pool_task_node();
	struct page *page;

	might_sleep();
	if (WARN_ON_ONCE(order > HEAP_POOL_MAX_ORDER))
		return NULL;
	if (order < HEAP_POOL_MIN_ORDER || nid == NUMA_NO_NODE)
		return NULL;
	page = heap_pool_take_sound(pool, nid, order, state);
	if (!page) {
		state = HEAP_POOL_DIRTY;
		page = heap_pool_take_sound(pool, nid, order, state);
	}
	if (!page) {
		atomic_inc(&pool->misses);
		return NULL;
	}
	heap_pool_forget(pool, page, order);
	if (state == HEAP_POOL_CLEAN) {
		atomic_inc(&pool->hits);
		return page;
	}
	atomic_inc(&pool->dirty_hits);
	heap_pool_zero(page, order);
	return page;
}

/*
 * Count a page, if the limit allows. It displaces pages of other orders: a page
 * that was in use a moment ago is more likely to be wanted next.
 */
static bool heap_pool_reserve(struct heap_page_pool *pool, unsigned int order)
{
	long nr = 1L << order, limit = READ_ONCE(pool->limit);

	if (nr > limit)
		return false;
	if (atomic_long_add_return(nr, &pool->nr_pages) > limit)
		heap_pool_trim(pool, order);
	if (atomic_long_read(&pool->nr_pages) <= limit)
		return true;
	atomic_long_sub(nr, &pool->nr_pages);
	return false;
}

static bool heap_pool_wants(struct page *page, unsigned int order)
{
	return order >= HEAP_POOL_MIN_ORDER && page_ref_count(page) == 1 &&
	       !want_init_on_free() && !heap_pool_is_poisoned(page, order);
}

/**
 * heap_page_pool_put - give a page to a pool
 * @pool: the pool
 * @page: a page, compound if its order is not zero; the caller's reference is
 *	consumed
 * @state: HEAP_POOL_CLEAN if the page is still zeroed, HEAP_POOL_DIRTY if
 *	anyone may have written to it
 *
 * Frees the page if the pool does not take it.
 *
 * Context: Process.
 */
void heap_page_pool_put(struct heap_page_pool *pool, struct page *page,
			enum heap_pool_state state)
{
	unsigned int order = compound_order(page);

	if (!heap_pool_wants(page, order) || !heap_pool_reserve(pool, order)) {
		__free_pages(page, order);
		return;
	}
	mod_node_page_state(page_pgdat(page), NR_KERNEL_MISC_RECLAIMABLE,
			    1L << order);
	heap_pool_add(pool, page, order, state);
	heap_pool_trim(pool, HEAP_POOL_SPARE_NONE);
	if (state == HEAP_POOL_DIRTY)
		queue_work(pool->wq, &pool->work);
}

static unsigned long heap_pool_shrinker_count(struct shrinker *shrinker,
					      struct shrink_control *sc)
{
	struct heap_page_pool *pool = shrinker->private_data;
	struct heap_pool_node *node = &pool->nodes[sc->nid];
	enum heap_pool_state state;
	unsigned long nr = 0;
	unsigned int order;

	for (state = 0; state < HEAP_POOL_STATES; state++) {
		for (order = 0; order <= HEAP_POOL_MAX_ORDER; order++)
			nr += READ_ONCE(node->nr[state][order]) << order;
	}
	return nr ?: SHRINK_EMPTY;
}

static unsigned long heap_pool_shrinker_scan(struct shrinker *shrinker,
					     struct shrink_control *sc)
{
	unsigned long freed;

	freed = heap_pool_shrink(shrinker->private_data, sc->nid,
				 sc->nr_to_scan, HEAP_POOL_SPARE_NONE);
	/* A large page may be more than what was asked for. */
	sc->nr_scanned = max(freed, sc->nr_scanned);
	return freed ?: SHRINK_STOP;
}

/**
 * heap_page_pool_set_limit - change the limit of a pool
 * @pool: the pool
 * @limit: the new limit, in base pages; pages beyond it are freed
 *
 * Context: Process, may sleep.
 */
void heap_page_pool_set_limit(struct heap_page_pool *pool, unsigned long limit)
{
	might_sleep();
	WRITE_ONCE(pool->limit, limit);
	/* Pairs with atomic_long_add_return() in heap_pool_reserve(). */
	smp_mb();
	heap_pool_trim(pool, HEAP_POOL_SPARE_NONE);
	/* The worker may be zeroing a page; it trims afterwards. */
	if (atomic_long_read(&pool->nr_pages) > limit)
		flush_work(&pool->work);
}

static unsigned long heap_pool_count(struct heap_page_pool *pool,
				     enum heap_pool_state state,
				     unsigned int order)
{
	unsigned long nr = 0;
	int nid;

	for_each_node_state(nid, N_MEMORY)
		nr += READ_ONCE(pool->nodes[nid].nr[state][order]);
	return nr;
}

static int heap_page_pool_show(struct seq_file *seq, void *unused)
{
	struct heap_page_pool *pool = seq->private;
	unsigned long dirty, clean;
	unsigned int order;

	seq_printf(seq, "limit: %lu\npages: %ld\nhits: %u\ndirty_hits: %u\nmisses: %u\n",
		   READ_ONCE(pool->limit), atomic_long_read(&pool->nr_pages),
		   (u32)atomic_read(&pool->hits),
		   (u32)atomic_read(&pool->dirty_hits),
		   (u32)atomic_read(&pool->misses));
	for (order = 0; order <= HEAP_POOL_MAX_ORDER; order++) {
		dirty = heap_pool_count(pool, HEAP_POOL_DIRTY, order);
		clean = heap_pool_count(pool, HEAP_POOL_CLEAN, order);
		if (dirty || clean)
			seq_printf(seq, "order %u: %lu clean, %lu dirty\n",
				   order, clean, dirty);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(heap_page_pool);

/*
 * The workers have the lowest priority: a task that frees a buffer, or
 * allocates the next, does not wait for pages that nobody has asked for.
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

/*
 * Memory reclaim asks a shrinker without seeks for half of its pages each time,
 * and one with seeks for no larger a share than caches that are in use.
 */
static struct shrinker *heap_pool_create_shrinker(struct heap_page_pool *pool,
						  const char *name)
{
	struct shrinker *shrinker = shrinker_alloc(SHRINKER_NUMA_AWARE, "%s", name);

	if (!shrinker)
		return NULL;
	shrinker->count_objects = heap_pool_shrinker_count;
	shrinker->scan_objects = heap_pool_shrinker_scan;
	shrinker->seeks = 0;
	shrinker->batch = 1L << HEAP_POOL_MIN_ORDER;
	shrinker->private_data = pool;
	shrinker_register(shrinker);
	return shrinker;
}

/**
 * heap_page_pool_create - make a pool
 * @name: name of the shrinker, the workers, and the file in debugfs with the
 *	counters
 * @limit: the limit, in base pages
 *
 * Context: Process, may sleep.
 * Return: The pool, or NULL if there is no memory.
 */
struct heap_page_pool *heap_page_pool_create(const char *name,
					     unsigned long limit)
{
	struct heap_page_pool *pool;
	enum heap_pool_state state;
	unsigned int order;
	int nid;

	pool = kzalloc(struct_size(pool, nodes, nr_node_ids), GFP_KERNEL);
	if (!pool)
		return NULL;
	for (nid = 0; nid < nr_node_ids; nid++) {
		spin_lock_init(&pool->nodes[nid].lock);
		for (state = 0; state < HEAP_POOL_STATES; state++) {
			for (order = 0; order <= HEAP_POOL_MAX_ORDER; order++)
				INIT_LIST_HEAD(&pool->nodes[nid].lists[state][order]);
		}
	}
	pool->limit = limit;
	INIT_WORK(&pool->work, heap_pool_work);
	pool->wq = heap_pool_create_wq(name);
	pool->shrinker = heap_pool_create_shrinker(pool, name);
	if (!pool->wq || !pool->shrinker) {
		heap_page_pool_destroy(pool);
		return NULL;
	}
	pool->debugfs = debugfs_create_file(name, 0444, NULL, pool,
					    &heap_page_pool_fops);
	return pool;
}

/**
 * heap_page_pool_destroy - free a pool and its pages
 * @pool: a pool that nobody uses any more, or that is only partly set up
 *
 * Context: Process, may sleep.
 */
void heap_page_pool_destroy(struct heap_page_pool *pool)
{
	debugfs_remove(pool->debugfs);
	if (pool->shrinker)
		shrinker_free(pool->shrinker);
	cancel_work_sync(&pool->work);
	if (pool->wq)
		destroy_workqueue(pool->wq);
	heap_page_pool_set_limit(pool, 0);
	kfree(pool);
}

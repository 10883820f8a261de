// SPDX-License-Identifier: GPL-2.0-only
/*
 * The heap "system": pages from anywhere in memory, as large as the page
 * allocator has free. heap-pages.c makes buffers of them, and page-pool.c keeps
 * freed pages for the next buffer.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/init.h>
#include <linux/kstrtox.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/pgtable.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>

#include "heap-pages.h"
#include "page-pool.h"
#include "system_heap.h"

/* The orders to try, the largest first. */
static struct heap_orders system_heap_orders __ro_after_init;

static struct heap_page_pool *system_heap_pool;

#define MB_TO_PAGES(mb)		((mb) << (20 - PAGE_SHIFT))

/* The pool counts its pages in a long. */
#define SYSTEM_HEAP_POOL_MB_MAX	((unsigned long)LONG_MAX >> (20 - PAGE_SHIFT))

/*
 * By default the pool keeps an eighth of the memory, but no more than 512 MiB:
 * a few frames of a large camera. It is the first to go when memory is short.
 */
#define SYSTEM_HEAP_POOL_SHARE	8UL
#define SYSTEM_HEAP_POOL_MB	512UL

/* Limit of the pool, in MiB; above the maximum until it is set. */
static unsigned long system_heap_pool_mb = ULONG_MAX;

/**
 * system_heap_orders_init - find the orders that are worth trying
 * @orders: returned: the orders
 * @page_shift: log2 of the size of a page
 * @pmd_shift: log2 of the size that a PMD maps
 * @max_order: the largest order of the page allocator
 *
 * A process maps a PMD by one entry. Most IOMMUs map 1 MiB and 64 KiB with
 * fewer entries. The last order is that of a single page. Depending on the page
 * size, some of these are equal or too large, and left out.
 *
 * Context: Any.
 */
VISIBLE_IF_KUNIT void system_heap_orders_init(struct heap_orders *orders,
					      unsigned int page_shift,
					      unsigned int pmd_shift,
					      unsigned int max_order)
{
	const unsigned int shifts[HEAP_ORDERS_MAX] = {
		pmd_shift, ilog2(SZ_1M), ilog2(SZ_64K), page_shift,
	};
	unsigned int last = max_order + 1, order, i;

	orders->nr = 0;
	for (i = 0; i < HEAP_ORDERS_MAX; i++) {
		order = max(shifts[i], page_shift) - page_shift;
		if (order >= last)
			continue;
		orders->order[orders->nr++] = order;
		last = order;
	}
}

/*
 * Large pages are optional: take those that are free, without reclaim or
 * compaction. For single pages try hard, but without the OOM killer: the task
 * that it would have to kill is the caller.
 */
static gfp_t system_heap_gfp(unsigned int order)
{
	gfp_t gfp = GFP_HIGHUSER | __GFP_ZERO | __GFP_NOWARN;

	if (!order)
		return gfp | __GFP_RETRY_MAYFAIL;
	return (gfp & ~__GFP_RECLAIM) | __GFP_COMP | __GFP_NORETRY;
}

/*
 * Allocate a page of at most @max base pages. @next is the index of the first
 * order to try: an order that has failed for a buffer is not tried for it
 * again.
 */
static struct page *system_heap_alloc_page(struct heap_page_pool *pool,
					   unsigned long max,
					   unsigned int *next)
{
	unsigned int order;
	struct page *page;

	for (; *next < system_heap_orders.nr; (*next)++) {
		order = system_heap_orders.order[*next];
		if (max < 1UL << order)
			continue;
		page = heap_page_pool_get(pool, order);
		if (!page)
			page = alloc_pages(system_heap_gfp(order), order);
		if (page)
			return page;
	}
	return NULL;
}

static void system_heap_free_run(void *priv, struct page *page,
				 unsigned long nr_pages)
{
	heap_page_pool_put(priv, page, HEAP_POOL_DIRTY);
}

static const struct heap_pages_ops system_heap_pages_ops = {
	.free_run = system_heap_free_run,
};

static void system_heap_free_unused_run(void *priv, struct page *page,
					unsigned long nr_pages)
{
	heap_page_pool_put(priv, page, HEAP_POOL_CLEAN);
}

static const struct heap_pages_ops system_heap_unused_ops = {
	.free_run = system_heap_free_unused_run,
};

/* Free a buffer that was never a dma-buf: its pages are still zeroed. */
static void system_heap_free_unused(struct heap_pages *buf)
{
	if (buf)
		buf->ops = &system_heap_unused_ops;
	heap_pages_free(buf);
}

DEFINE_FREE(system_heap_free_unused, struct heap_pages *,
	    system_heap_free_unused(_T))

static int system_heap_fill(struct heap_pages *buf, unsigned long nr_pages)
{
	unsigned int next = 0, order;
	struct page *page;
	int ret;

	while (buf->nr_pages < nr_pages) {
		if (fatal_signal_pending(current))
			return -EINTR;
		page = system_heap_alloc_page(buf->priv,
					      nr_pages - buf->nr_pages, &next);
		if (!page)
			return -ENOMEM;
		order = compound_order(page);
		ret = heap_pages_add(buf, page, 1UL << order);
		if (ret) {
			__free_pages(page, order);
			return ret;
		}
		cond_resched();
	}
	return 0;
}

static struct dma_buf *system_heap_allocate(struct dma_heap *heap,
					    unsigned long len, u32 fd_flags,
					    u64 heap_flags)
{
	unsigned long nr_pages = len >> PAGE_SHIFT;
	struct dma_buf *dmabuf;
	int ret;

	/* Fail early, not after all other memory has been reclaimed. */
	if (nr_pages > totalram_pages())
		return ERR_PTR(-ENOMEM);

	struct heap_pages *buf __free(system_heap_free_unused) =
		heap_pages_alloc(&system_heap_pages_ops,
				 dma_heap_get_drvdata(heap));
	if (!buf)
		return ERR_PTR(-ENOMEM);
	ret = system_heap_fill(buf, nr_pages);
	if (ret)
		return ERR_PTR(ret);
	dmabuf = heap_pages_export(buf, dma_heap_get_name(heap), fd_flags);
	if (!IS_ERR(dmabuf))
		retain_and_null_ptr(buf);
	return dmabuf;
}

VISIBLE_IF_KUNIT const struct dma_heap_ops system_heap_ops = {
	.allocate = system_heap_allocate,
};

static int system_heap_set_pool_mb(const char *val,
				   const struct kernel_param *kp)
{
	unsigned long mb;
	int ret;

	ret = kstrtoul(val, 0, &mb);
	if (ret)
		return ret;
	if (mb > SYSTEM_HEAP_POOL_MB_MAX)
		return -EINVAL;
	system_heap_pool_mb = mb;
	if (system_heap_pool)
		heap_page_pool_set_limit(system_heap_pool, MB_TO_PAGES(mb));
	return 0;
}

static const struct kernel_param_ops system_heap_pool_mb_ops = {
	.set = system_heap_set_pool_mb,
	.get = param_get_ulong,
};

module_param_cb(pool_mb, &system_heap_pool_mb_ops, &system_heap_pool_mb, 0644);
MODULE_PARM_DESC(pool_mb, "most freed memory to keep for reuse, in MiB; by default an eighth of the memory, at most 512; 0 keeps none");

static int __init system_heap_init(void)
{
	struct dma_heap_export_info info = {
		.name = "system",
		.ops = &system_heap_ops,
	};
	struct dma_heap *heap;

	system_heap_orders_init(&system_heap_orders, PAGE_SHIFT, PMD_SHIFT,
				MAX_PAGE_ORDER);
	if (system_heap_pool_mb > SYSTEM_HEAP_POOL_MB_MAX)
		system_heap_pool_mb = min(totalram_pages() /
					  MB_TO_PAGES(SYSTEM_HEAP_POOL_SHARE),
					  SYSTEM_HEAP_POOL_MB);
	system_heap_pool = heap_page_pool_create("dma-heap-pool-system",
						 MB_TO_PAGES(system_heap_pool_mb));
	if (!system_heap_pool)
		return -ENOMEM;
	info.priv = system_heap_pool;
	heap = dma_heap_add(&info);
	if (IS_ERR(heap)) {
		heap_page_pool_destroy(system_heap_pool);
		system_heap_pool = NULL;
	}
	return PTR_ERR_OR_ZERO(heap);
}
device_initcall(system_heap_init);

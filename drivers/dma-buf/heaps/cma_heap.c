// SPDX-License-Identifier: GPL-2.0-only
/*
 * The heap of the default CMA area, named after it: contiguous memory for
 * devices that cannot gather. heap-pages.c makes buffers of it. No pool keeps
 * freed memory, which the area lends to movable pages meanwhile.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/visibility.h>
#include <linux/cma.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/dma-map-ops.h>
#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/init.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>

#include "heap-pages.h"

static void cma_heap_free_run(void *priv, struct page *page,
			      unsigned long nr_pages)
{
	cma_release(priv, page, nr_pages);
}

static const struct heap_pages_ops cma_heap_pages_ops = {
	.free_run = cma_heap_free_run,
	.contiguous = true,
};

/* The area may be highmem, and so large that the user kills the task. */
static int cma_heap_zero(struct page *page, unsigned long nr_pages)
{
	unsigned long i;

	for (i = 0; i < nr_pages; i++) {
		if (fatal_signal_pending(current))
			return -EINTR;
		clear_highpage(nth_page(page, i));
		cond_resched();
	}
	return 0;
}

static int cma_heap_fill(struct heap_pages *buf, struct cma *cma,
			 unsigned long nr_pages)
{
	unsigned int align = min_t(unsigned int, CONFIG_CMA_ALIGNMENT,
				   get_order(nr_pages << PAGE_SHIFT));
	struct page *page;
	int ret;

	page = cma_alloc(cma, nr_pages, align, true);
	if (!page)
		return fatal_signal_pending(current) ? -EINTR : -ENOMEM;
	ret = heap_pages_add(buf, page, nr_pages);
	if (ret) {
		cma_release(cma, page, nr_pages);
		return ret;
	}
	return cma_heap_zero(page, nr_pages);
}

static struct dma_buf *cma_heap_allocate(struct dma_heap *heap,
					 unsigned long len, u32 fd_flags,
					 u64 heap_flags)
{
	struct cma *cma = dma_heap_get_drvdata(heap);
	unsigned long nr_pages = len >> PAGE_SHIFT;
	struct dma_buf *dmabuf;
	int ret;

	if (len > cma_get_size(cma))
		return ERR_PTR(-ENOMEM);

	struct heap_pages *buf __free(heap_pages_free) =
		heap_pages_alloc(&cma_heap_pages_ops, cma);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	ret = cma_heap_fill(buf, cma, nr_pages);
	if (ret)
		return ERR_PTR(ret);
	dmabuf = heap_pages_export(buf, dma_heap_get_name(heap), fd_flags);
	if (!IS_ERR(dmabuf))
		retain_and_null_ptr(buf);
	return dmabuf;
}

VISIBLE_IF_KUNIT const struct dma_heap_ops cma_heap_ops = {
	.allocate = cma_heap_allocate,
};

static int __init cma_heap_init(void)
{
	struct dma_heap_export_info info = {
		.ops = &cma_heap_ops,
	};
	struct cma *cma = dev_get_cma_area(NULL);

	if (!cma)
		return 0;
	info.name = cma_get_name(cma);
	info.priv = cma;
	return PTR_ERR_OR_ZERO(dma_heap_add(&info));
}
device_initcall(cma_heap_init);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers made of pages: the table of runs that a buffer consists of, from the
 * first run added to the last one given back. Readers walk that table with
 * heap-extent.c. heap-pages-dma.c maps a buffer for devices, heap-pages-cpu.c
 * for the CPU. Where the pages come from is the business of each heap.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "heap-pages.h"

/**
 * DOC: page-backed buffers
 *
 * heap_pages_alloc() makes an empty buffer, heap_pages_add() adds memory to it
 * run by run, and heap_pages_export() turns it into a dma-buf. Until the export
 * succeeds the maker owns the buffer, and undoes everything with
 * heap_pages_free() on any failure. Afterwards the dma-buf owns the buffer and
 * frees it on its own release. Memory that is not the user's own has to be
 * zeroed before the export.
 *
 * A run is memory that the maker gets and gives back in one piece; runs differ
 * in size. Their table does not change after export, so all readers go without
 * a lock. Only mappings are made later than that.
 *
 * *Locking.* &heap_pages.lock protects the list of device mappings, the
 * kernel's mapping, @ends and @begun. It nests inside the reservation lock,
 * which the core asks importers to hold for map, unmap and vmap. The brackets
 * of CPU access take it alone, as their callers may hold any lock or none.
 * Memory reclaim takes it to end a kept mapping, so no memory is allocated
 * under it. dma-buf-attach.c states the order of all locks.
 */

/* First size of the table, doubled when full: 16 pages of 2 MiB are 32 MiB. */
#define HEAP_RUNS_MIN	16

static void heap_pages_release(struct dma_buf *dmabuf)
{
	heap_pages_free(dmabuf->priv);
}

static const struct dma_buf_ops heap_pages_dma_buf_ops = {
	.detach = heap_pages_detach,
	.map_dma_buf = heap_pages_map,
	.unmap_dma_buf = heap_pages_unmap,
	.keep_mapping = heap_pages_keep,
	.begin_device_access = heap_pages_begin_device,
	.end_device_access = heap_pages_end_device,
	.release = heap_pages_release,
	.begin_cpu_access = heap_pages_begin_cpu,
	.end_cpu_access = heap_pages_end_cpu,
	.begin_cpu_access_partial = heap_pages_begin_cpu_partial,
	.end_cpu_access_partial = heap_pages_end_cpu_partial,
	.mmap = heap_pages_mmap,
	.vmap = heap_pages_vmap,
	.vunmap = heap_pages_vunmap,
};

/**
 * heap_pages_alloc - make a buffer without memory
 * @ops: operations of the maker
 * @priv: passed to &heap_pages_ops.free_run
 *
 * Context: Process, may sleep.
 * Return: The buffer, which the caller passes to heap_pages_export() or
 * heap_pages_free(); NULL if there is no memory.
 */
struct heap_pages *heap_pages_alloc(const struct heap_pages_ops *ops,
				    void *priv)
{
	struct heap_pages *buf = kzalloc(sizeof(*buf), GFP_KERNEL);

	if (!buf)
		return NULL;
	buf->ops = ops;
	buf->priv = priv;
	mutex_init(&buf->lock);
	INIT_LIST_HEAD(&buf->mappings);
	return buf;
}

/*
 * User space decides how large the table grows: charge it to the caller, and do
 * not warn when there is not enough memory.
 */
static int heap_pages_grow(struct heap_pages *buf)
{
	unsigned int max = buf->max_runs ?: HEAP_RUNS_MIN / 2;
	struct heap_run *runs;
	size_t size;

	if (check_mul_overflow(max, 2, &max) ||
	    check_mul_overflow((size_t)max, sizeof(*runs), &size))
		return -ENOMEM;
	runs = kvrealloc(buf->runs, size, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!runs)
		return -ENOMEM;
	buf->runs = runs;
	buf->max_runs = max;
	return 0;
}

/**
 * heap_pages_add - add memory at the end of a buffer
 * @buf: a buffer that has not been exported
 * @page: the first of the pages, which are physically contiguous
 * @nr_pages: number of pages, not zero
 *
 * Context: Process, may sleep.
 * Return: 0, and the buffer owns the memory; -ENOMEM or -EOVERFLOW, and the
 * caller still owns it.
 */
int heap_pages_add(struct heap_pages *buf, struct page *page,
		   unsigned long nr_pages)
{
	unsigned long total;
	int ret;

	if (check_add_overflow(buf->nr_pages, nr_pages, &total) ||
	    total > SIZE_MAX >> PAGE_SHIFT)
		return -EOVERFLOW;
	if (buf->nr_runs == buf->max_runs) {
		ret = heap_pages_grow(buf);
		if (ret)
			return ret;
	}
	buf->runs[buf->nr_runs].page = page;
	buf->runs[buf->nr_runs].start = buf->nr_pages;
	buf->nr_runs++;
	buf->nr_pages = total;
	return 0;
}

/**
 * heap_pages_export - turn a buffer into a dma-buf
 * @buf: a buffer with memory
 * @name: name of the exporter; has to outlive the dma-buf
 * @flags: access mode of the file
 *
 * Context: Process, may sleep.
 * Return: The dma-buf, which owns @buf now, with a reference for the caller;
 * or ERR_PTR(), and the caller still owns @buf.
 */
struct dma_buf *heap_pages_export(struct heap_pages *buf, const char *name,
				  int flags)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);

	info.exp_name = name;
	info.ops = &heap_pages_dma_buf_ops;
	info.size = buf->nr_pages << PAGE_SHIFT;
	info.flags = flags;
	info.priv = buf;
	return dma_buf_export(&info);
}

/**
 * heap_pages_free - free a buffer and give back its memory
 * @buf: a buffer that is not exported, or whose dma-buf is being released; or
 *	NULL
 *
 * Context: Process, may sleep.
 */
void heap_pages_free(struct heap_pages *buf)
{
	unsigned int i;

	might_sleep();
	if (!buf)
		return;
	for (i = 0; i < buf->nr_runs; i++) {
		buf->ops->free_run(buf->priv, buf->runs[i].page,
				   heap_run_pages(buf, i));
		cond_resched();
	}
	kvfree(buf->runs);
	mutex_destroy(&buf->lock);
	kfree(buf);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page-backed buffer that the heaps and udmabuf share. Who makes one finds
 * the memory, adds it run by run and exports the result; all that a dma-buf
 * has to do afterwards is here. See heap-pages.c for life cycle and locking.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _HEAP_PAGES_H
#define _HEAP_PAGES_H

#include <linux/cleanup.h>
#include <linux/dma-buf.h>
#include <linux/dma-direction.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/types.h>

struct device;
struct dma_heap_ops;
struct vm_area_struct;

/**
 * struct heap_pages_ops - where the memory of a buffer comes from
 */
struct heap_pages_ops {
	/**
	 * @free_run: Give one run back, as it was added.
	 *
	 * Context: Process, may sleep. The buffer's users are gone.
	 */
	void (*free_run)(void *priv, struct page *page, unsigned long nr_pages);

	/**
	 * @check_mmap: May the buffer be mapped so? It may take VM_MAYWRITE
	 * away. Optional; anything goes without it.
	 *
	 * Context: Process, mmap lock held for writing.
	 */
	int (*check_mmap)(struct dma_buf *dmabuf, struct vm_area_struct *vma);

	/**
	 * @check_map: May a device map the buffer for this direction? Optional;
	 * anything goes without it.
	 *
	 * Context: Process, reservation lock held.
	 */
	int (*check_map)(struct dma_buf *dmabuf, enum dma_data_direction dir);

	/**
	 * @contiguous: users choose this memory for being in one piece, so
	 * devices that state no limit of their own get it in one segment.
	 */
	bool contiguous;

	/**
	 * @fresh_mappings: each time that a device maps a buffer the mapping
	 * is made anew, and goes with unmap; else the core may keep it for the
	 * next time.
	 */
	bool fresh_mappings;

	/**
	 * @strict_end: an end of CPU access before any begin is an error; not
	 * what heaps do, but the ABI of udmabuf.
	 */
	bool strict_end;
};

/**
 * struct heap_run - physically contiguous memory, freed in one piece
 * @page: the first page
 * @start: where it lies in the buffer, in pages; it ends where the next starts
 */
struct heap_run {
	struct page *page;
	pgoff_t start;
};

/**
 * struct heap_pages - a buffer made of pages
 */
struct heap_pages {
	/** @ops: of the maker; immutable. */
	const struct heap_pages_ops *ops;
	/** @priv: the maker's; immutable. */
	void *priv;
	/** @nr_pages: size; immutable after export. */
	unsigned long nr_pages;
	/** @nr_runs: in use of @runs; immutable after export. */
	unsigned int nr_runs;
	/** @max_runs: allocated of @runs. */
	unsigned int max_runs;
	/** @runs: the memory, in order; immutable after export. */
	struct heap_run *runs;
	/** @lock: for what follows; nests inside the reservation lock. */
	struct mutex lock;
	/** @mappings: of &struct heap_mapping. */
	struct list_head mappings;
	/** @vaddr: where the kernel has it mapped, or NULL. */
	void *vaddr;
	/** @ends: how often CPU access has ended. */
	unsigned int ends;
	/** @begun: there was a begin of CPU access. */
	bool begun;
};

/**
 * struct heap_mapping - a buffer mapped for a device
 * @node: in &heap_pages.mappings, protected by &heap_pages.lock
 * @attach: the attachment; immutable
 * @sgt: the table of the importer, who may change what it likes in there
 * @mapped: the table that the DMA API has mapped, which is what it is synced and
 *	unmapped by; shares the list of @sgt if nothing has ever to be synced;
 *	immutable
 * @segment: of a list of @mapped that has just one, and is mapped as a piece
 * @dir: &enum dma_data_direction, never DMA_FROM_DEVICE if it is synced; immutable
 * @ends: &heap_pages.ends from before it was mapped, if it is synced; immutable
 * @busy: the memory is the device's; protected as @node
 */
struct heap_mapping {
	struct list_head node;
	struct dma_buf_attachment *attach;
	struct sg_table sgt;
	struct sg_table mapped;
	struct scatterlist segment;
	unsigned int ends;
	u8 dir;
	bool busy;
};

/* Is it mapped as a piece, not as a list? */
static inline bool heap_mapping_is_piece(const struct heap_mapping *map)
{
	return map->mapped.sgl == &map->segment;
}

/* May it ever have to be synced? */
static inline bool heap_mapping_is_synced(const struct heap_mapping *map)
{
	return map->sgt.sgl != map->mapped.sgl;
}

/**
 * struct heap_extent - cursor over physically contiguous parts of a buffer
 * @buf: the buffer
 * @run: index of the run that @next lies in
 * @next: page of the buffer where the next extent starts
 * @end: page of the buffer to stop at
 * @max: no extent is longer, in pages
 * @boundary: no extent crosses a multiple of this plus one, in page frames; all
 *	ones for no such limit
 * @pfn: first page frame of this extent
 * @nr: pages of this extent
 *
 * Extents are as long as possible: runs that happen to lie side by side in
 * memory are one.
 */
struct heap_extent {
	const struct heap_pages *buf;
	unsigned int run;
	pgoff_t next;
	pgoff_t end;
	unsigned long max;
	unsigned long boundary;
	unsigned long pfn;
	unsigned long nr;
};

/* heap-pages.c: from the first run added to the last one given back */
struct heap_pages *heap_pages_alloc(const struct heap_pages_ops *ops,
				    void *priv);
int heap_pages_add(struct heap_pages *buf, struct page *page,
		   unsigned long nr_pages);
struct dma_buf *heap_pages_export(struct heap_pages *buf, const char *name,
				  int flags);
void heap_pages_free(struct heap_pages *buf);

DEFINE_FREE(heap_pages_free, struct heap_pages *, heap_pages_free(_T))

/* heap-extent.c: walking over the memory */
unsigned long heap_run_pages(const struct heap_pages *buf, unsigned int i);
void heap_extent_start(struct heap_extent *ext, const struct heap_pages *buf,
		       pgoff_t start, pgoff_t end, unsigned long max);
bool heap_extent_next(struct heap_extent *ext);

/* heap-pages-table.c: the tables of a mapping */
int heap_mapping_make_table(struct heap_mapping *map,
			    const struct heap_pages *buf);
int heap_mapping_prepare_sync(struct heap_mapping *map);
void heap_mapping_show(struct heap_mapping *map);
void heap_mapping_free(struct heap_mapping *map);

DEFINE_FREE(heap_mapping_free, struct heap_mapping *, heap_mapping_free(_T))

/* heap-pages-dma.c: what devices need */
void heap_pages_detach(struct dma_buf *dmabuf,
		       struct dma_buf_attachment *attach);
struct sg_table *heap_pages_map(struct dma_buf_attachment *attach,
				enum dma_data_direction dir);
void heap_pages_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
		      enum dma_data_direction dir);
enum dma_buf_keep heap_pages_keep(struct dma_buf_attachment *attach);
void heap_pages_begin_device(struct dma_buf_attachment *attach,
			     struct sg_table *sgt);
void heap_pages_end_device(struct dma_buf_attachment *attach,
			   struct sg_table *sgt);

void heap_mapping_for_device(struct heap_mapping *map,
			     enum dma_data_direction dir);
void heap_mapping_for_cpu(struct heap_mapping *map, enum dma_data_direction dir);

/* heap-pages-sync.c: the CPU and devices in turn */
int heap_pages_begin_cpu(struct dma_buf *dmabuf, enum dma_data_direction dir);
int heap_pages_end_cpu(struct dma_buf *dmabuf, enum dma_data_direction dir);
int heap_pages_begin_cpu_partial(struct dma_buf *dmabuf,
				 enum dma_data_direction dir, size_t offset,
				 size_t len);
int heap_pages_end_cpu_partial(struct dma_buf *dmabuf,
			       enum dma_data_direction dir, size_t offset,
			       size_t len);

/* heap-pages-cpu.c: what processes and the kernel need */
int heap_pages_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma);
int heap_pages_vmap(struct dma_buf *dmabuf, struct iosys_map *map);
void heap_pages_vunmap(struct dma_buf *dmabuf, struct iosys_map *map);

#if IS_ENABLED(CONFIG_KUNIT)
extern const struct dma_heap_ops system_heap_ops;
extern const struct dma_heap_ops cma_heap_ops;
extern unsigned long heap_pages_map_attrs;
#endif

#endif /* _HEAP_PAGES_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page-backed buffer that the heaps and udmabuf share. A maker (a heap, or
 * udmabuf) finds the memory, adds it run by run and exports the result. The
 * files named below implement the dma-buf operations. heap-pages.c describes
 * life cycle and locking.
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
 * struct heap_pages_ops - what the maker of a buffer decides
 */
struct heap_pages_ops {
	/**
	 * @free_run: Give back one run, as it was added.
	 *
	 * Context: Process, may sleep. The buffer has no users any more.
	 */
	void (*free_run)(void *priv, struct page *page, unsigned long nr_pages);

	/**
	 * @check_mmap: Allow or refuse a mapping into a process; may clear
	 * VM_MAYWRITE. Optional; all mappings are allowed without it.
	 *
	 * Context: Process, mmap lock held for writing.
	 * Return: 0 or a negative errno.
	 */
	int (*check_mmap)(struct dma_buf *dmabuf, struct vm_area_struct *vma);

	/**
	 * @check_map: Allow or refuse a mapping for a device in this direction.
	 * Optional; all mappings are allowed without it.
	 *
	 * Context: Process, reservation lock held.
	 * Return: 0 or a negative errno.
	 */
	int (*check_map)(struct dma_buf *dmabuf, enum dma_data_direction dir);

	/**
	 * @contiguous: Users choose this memory because it is contiguous: a
	 * device that states no segment limit gets it as one segment.
	 */
	bool contiguous;

	/**
	 * @fresh_mappings: Every map makes a new mapping, and unmap ends it.
	 * Otherwise the core may keep mappings for the next map.
	 */
	bool fresh_mappings;

	/**
	 * @strict_end: Ending CPU access before any begin fails with -EINVAL,
	 * as the ABI of udmabuf demands. Heaps allow it.
	 */
	bool strict_end;
};

/**
 * struct heap_run - physically contiguous memory, freed in one piece
 * @page: the first page
 * @start: offset in the buffer, in pages; the run ends where the next one
 *	starts
 */
struct heap_run {
	struct page *page;
	pgoff_t start;
};

/**
 * struct heap_pages - a buffer made of pages
 */
struct heap_pages {
	/** @ops: operations of the maker; immutable after export. */
	const struct heap_pages_ops *ops;
	/** @priv: private data of the maker; immutable. */
	void *priv;
	/** @nr_pages: size of the buffer; immutable after export. */
	unsigned long nr_pages;
	/** @nr_runs: entries of @runs in use; immutable after export. */
	unsigned int nr_runs;
	/** @max_runs: entries of @runs allocated; immutable after export. */
	unsigned int max_runs;
	/** @runs: the memory, in buffer order; immutable after export. */
	struct heap_run *runs;
	/** @lock: protects all members below; see heap-pages.c. */
	struct mutex lock;
	/** @mappings: list of &heap_mapping.node. */
	struct list_head mappings;
	/** @vaddr: address of the kernel's mapping, or NULL. */
	void *vaddr;
	/** @ends: counts the ends of CPU access; wraps. */
	unsigned int ends;
	/** @begun: a CPU access has begun at least once. */
	bool begun;
};

/**
 * struct heap_mapping - a buffer mapped for a device
 * @node: in &heap_pages.mappings, protected by &heap_pages.lock
 * @attach: the attachment; immutable
 * @sgt: the importer's table, which the importer may change
 * @mapped: the table that the DMA API mapped; syncs and unmap use this one. It
 *	shares its list with @sgt if the mapping is never synced. Immutable.
 * @segment: the only entry of the list of @mapped if the buffer is mapped as a
 *	piece
 * @dir: &enum dma_data_direction, never DMA_FROM_DEVICE if the mapping is
 *	synced; immutable
 * @ends: if the mapping is synced, &heap_pages.ends from before the DMA API
 *	mapped it; immutable
 * @busy: the device owns the memory; protected as @node
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

/* True if the buffer is mapped in one piece, not by dma_map_sgtable(). */
static inline bool heap_mapping_is_piece(const struct heap_mapping *map)
{
	return map->mapped.sgl == &map->segment;
}

/* True if the mapping may need syncs, so that @sgt has a list of its own. */
static inline bool heap_mapping_is_synced(const struct heap_mapping *map)
{
	return map->sgt.sgl != map->mapped.sgl;
}

/**
 * struct heap_extent - cursor over physically contiguous parts of a buffer
 * @buf: the buffer
 * @run: index of the run that contains @next
 * @next: page of the buffer where the next extent starts
 * @end: page of the buffer where the walk stops
 * @max: length limit of an extent, in pages
 * @boundary: no extent crosses a multiple of this plus one, in page frames; all
 *	ones for no such limit
 * @pfn: first page frame of the current extent
 * @nr: length of the current extent, in pages
 *
 * Extents are as long as possible: runs that are adjacent in memory are joined.
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

/* heap-pages-dma.c: operations that importers call for their devices */
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

/* heap-pages-sync.c: brackets of CPU access */
int heap_pages_begin_cpu(struct dma_buf *dmabuf, enum dma_data_direction dir);
int heap_pages_end_cpu(struct dma_buf *dmabuf, enum dma_data_direction dir);
int heap_pages_begin_cpu_partial(struct dma_buf *dmabuf,
				 enum dma_data_direction dir, size_t offset,
				 size_t len);
int heap_pages_end_cpu_partial(struct dma_buf *dmabuf,
			       enum dma_data_direction dir, size_t offset,
			       size_t len);

/* heap-pages-cpu.c: mappings into processes and the kernel */
int heap_pages_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma);
int heap_pages_vmap(struct dma_buf *dmabuf, struct iosys_map *map);
void heap_pages_vunmap(struct dma_buf *dmabuf, struct iosys_map *map);

#if IS_ENABLED(CONFIG_KUNIT)
extern const struct dma_heap_ops system_heap_ops;
extern const struct dma_heap_ops cma_heap_ops;
extern unsigned long heap_pages_map_attrs;
#endif

#endif /* _HEAP_PAGES_H */

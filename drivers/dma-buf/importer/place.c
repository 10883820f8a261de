// SPDX-License-Identifier: GPL-2.0-only
/*
 * Places for the memory of the test exporter's buffers, and moves from one to
 * another. exporter.c has the buffers and decides when they move.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/mm.h>
#include <linux/refcount.h>
#include <linux/slab.h>

#include "importer.h"

/**
 * DOC: Moves of the test exporter
 *
 * Importers rely on the order of these steps:
 *
 * 1. Allocate the new place, and do all else that may fail.
 * 2. Under the reservation lock, collect the fences of all users of the old
 *    place, notify the importers, add the fence of the move for
 *    DMA_RESV_USAGE_KERNEL, and give the buffer its new place.
 * 3. Once the collected fences have signalled, a worker copies the content and
 *    signals the fence of the move.
 *
 * An importer that maps after step 2 gets the new place and waits for step 3.
 * Each mapping holds a reference to its place, and so does the move: the old
 * place is freed with the last of them.
 */

/* Pages; the buffer, each mapping and each move hold a reference. */
struct importer_place {
	refcount_t refcount;
	bool contiguous;
	unsigned int num_pages;
	struct page *pages[] __counted_by(num_pages);
};

/* A mapping of a place; it holds a reference to the place. */
struct importer_place_mapping {
	struct sg_table sgt;
	struct importer_place *place;
};

/* A move; it owns references to all that it points to. */
struct importer_move {
	struct dma_fence *fence;
	struct dma_fence *after;
	struct dma_fence_cb cb;
	struct importer_place *from;
	struct importer_place *to;
	struct work_struct work;
};

static size_t place_size(const struct importer_place *place)
{
	return (size_t)place->num_pages << PAGE_SHIFT;
}

static void free_pages_of(struct importer_place *place)
{
	unsigned int i;

	if (place->contiguous && place->pages[0])
		free_pages_exact(page_address(place->pages[0]),
				 place_size(place));
	for (i = 0; !place->contiguous && i < place->num_pages; i++)
		if (place->pages[i])
			__free_page(place->pages[i]);
}

static int alloc_pages_of(struct importer_place *place, gfp_t gfp)
{
	unsigned int i;
	void *all;

	if (place->contiguous) {
		all = alloc_pages_exact(place_size(place), gfp);
		if (!all)
			return -ENOMEM;
		for (i = 0; i < place->num_pages; i++)
			place->pages[i] = virt_to_page(all + i * PAGE_SIZE);
		return 0;
	}
	for (i = 0; i < place->num_pages; i++) {
		place->pages[i] = alloc_page(gfp);
		if (!place->pages[i])
			return -ENOMEM;
	}
	return 0;
}

/**
 * importer_place_create - allocate a place
 * @num_pages: its size in pages
 * @flags: DMABUF_IMPORTER_BUFFER_*
 *
 * Context: Process, may sleep.
 * Return: The place, zeroed, with one reference; or NULL.
 */
struct importer_place *importer_place_create(unsigned int num_pages, u32 flags)
{
	gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN;
	struct importer_place *place;

	if (flags & DMABUF_IMPORTER_BUFFER_LOW)
		gfp |= IS_ENABLED(CONFIG_ZONE_DMA) ? GFP_DMA : GFP_DMA32;
	place = kvzalloc(struct_size(place, pages, num_pages),
			 GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!place)
		return NULL;
	refcount_set(&place->refcount, 1);
	place->num_pages = num_pages;
	place->contiguous = flags & DMABUF_IMPORTER_BUFFER_CONTIGUOUS;
	if (alloc_pages_of(place, gfp)) {
		importer_place_put(place);
		return NULL;
	}
	return place;
}

/**
 * importer_place_get - take another reference
 * @place: the place
 *
 * Context: Any.
 * Return: @place.
 */
struct importer_place *importer_place_get(struct importer_place *place)
{
	refcount_inc(&place->refcount);
	return place;
}

/**
 * importer_place_put - drop a reference
 * @place: the place
 *
 * Context: Process, may sleep.
 */
void importer_place_put(struct importer_place *place)
{
	if (!refcount_dec_and_test(&place->refcount))
		return;
	free_pages_of(place);
	kvfree(place);
}

/**
 * importer_place_map - map a place for a device
 * @place: the place; the mapping takes a reference
 * @dev: the device
 * @dir: what the device does with the memory
 *
 * Context: Process, may sleep.
 * Return: The table, or ERR_PTR().
 */
struct sg_table *importer_place_map(struct importer_place *place,
				    struct device *dev,
				    enum dma_data_direction dir)
{
	unsigned int max = dma_get_max_seg_size(dev) & PAGE_MASK;
	struct importer_place_mapping *mapping;
	int ret;

	/*
	 * Not every implementation of the DMA API splits a segment at the
	 * boundary: use single pages, which never cross it.
	 */
	if (dma_get_seg_boundary(dev) < UINT_MAX)
		max = PAGE_SIZE;
	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL_ACCOUNT);
	if (!mapping)
		return ERR_PTR(-ENOMEM);
	ret = sg_alloc_table_from_pages_segment(&mapping->sgt, place->pages,
						place->num_pages, 0,
						place_size(place), max,
						GFP_KERNEL_ACCOUNT);
	if (ret)
		goto err_free;
	/*
	 * Other attachments may map the place at the same time, which the DMA
	 * API takes for a mistake unless mapping skips the sync of caches.
	 */
	ret = dma_map_sgtable(dev, &mapping->sgt, dir, DMA_ATTR_SKIP_CPU_SYNC);
	if (ret)
		goto err_table;
	dma_sync_sgtable_for_device(dev, &mapping->sgt, dir);
	mapping->place = importer_place_get(place);
	return &mapping->sgt;

err_table:
	sg_free_table(&mapping->sgt);
err_free:
	kfree(mapping);
	return ERR_PTR(ret);
}

/**
 * importer_place_unmap - undo importer_place_map()
 * @dev: the device
 * @sgt: the table
 * @dir: the direction it was mapped for
 *
 * Context: Process, may sleep.
 */
void importer_place_unmap(struct device *dev, struct sg_table *sgt,
			  enum dma_data_direction dir)
{
	struct importer_place_mapping *mapping =
		container_of(sgt, struct importer_place_mapping, sgt);

	dma_sync_sgtable_for_cpu(dev, sgt, dir);
	dma_unmap_sgtable(dev, sgt, dir, DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(sgt);
	importer_place_put(mapping->place);
	kfree(mapping);
}

/* A fence depends on this: no allocation, no reservation lock. */
static void importer_move_work(struct work_struct *work)
{
	struct importer_move *move = container_of(work, struct importer_move,
						  work);
	bool cookie = dma_fence_begin_signalling();
	unsigned int i;

	for (i = 0; i < move->from->num_pages; i++) {
		copy_highpage(move->to->pages[i], move->from->pages[i]);
		cond_resched();
	}
	dma_fence_signal(move->fence);
	dma_fence_end_signalling(cookie);
	importer_move_free(move);
}

static void importer_move_after(struct dma_fence *fence,
				struct dma_fence_cb *cb)
{
	struct importer_move *move = container_of(cb, struct importer_move, cb);

	importer_queue_work(&move->work);
}

/**
 * importer_move_create - allocate a move and its fence
 *
 * Context: Process, may sleep.
 * Return: The move, or NULL.
 */
struct importer_move *importer_move_create(void)
{
	struct importer_move *move = kzalloc(sizeof(*move), GFP_KERNEL_ACCOUNT);

	if (!move)
		return NULL;
	move->fence = importer_fence_create(dma_fence_context_alloc(1), 1);
	if (!move->fence) {
		kfree(move);
		return NULL;
	}
	INIT_WORK(&move->work, importer_move_work);
	return move;
}

/**
 * importer_move_free - free a move and drop its references
 * @move: a move that was not started, or whose fence has signalled
 *
 * Context: Process, may sleep.
 */
void importer_move_free(struct importer_move *move)
{
	if (move->from)
		importer_place_put(move->from);
	if (move->to)
		importer_place_put(move->to);
	dma_fence_put(move->after);
	dma_fence_put(move->fence);
	kfree(move);
}

/**
 * importer_move_fence - return the fence that signals when memory has moved
 * @move: a move that was not started
 *
 * Context: Any.
 * Return: The fence; @move keeps the reference.
 */
struct dma_fence *importer_move_fence(struct importer_move *move)
{
	return move->fence;
}

/**
 * importer_move_start - move memory once its users are done
 * @move: the move; it frees itself
 * @from: the old place; the move takes over the caller's reference
 * @to: the new place; the move takes a reference of its own
 * @after: fence of the users of @from, or NULL; the move takes over the
 *	caller's reference
 *
 * Context: Process.
 */
void importer_move_start(struct importer_move *move,
			 struct importer_place *from,
			 struct importer_place *to, struct dma_fence *after)
{
	move->from = from;
	move->to = importer_place_get(to);
	move->after = after;
	if (!after || dma_fence_add_callback(after, &move->cb,
					     importer_move_after))
		importer_queue_work(&move->work);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The operands of the importer test driver's jobs: ranges of buffers or of the
 * caller's memory, both as tables of DMA addresses, and cursors by which the
 * engines walk them.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "importer.h"

/* Pin the pages of [@start, @start + @length), all of them or none. */
static int pin_pages(struct importer_operand *op, unsigned long start,
		     size_t length)
{
	/* Jobs may wait for long: migrate the pages out of movable zones. */
	unsigned int gup = FOLL_LONGTERM |
			   (op->dir == DMA_FROM_DEVICE ? FOLL_WRITE : 0);
	unsigned int n = DIV_ROUND_UP(offset_in_page(start) + length, PAGE_SIZE);
	int pinned;

	op->pages = kvmalloc_array(n, sizeof(*op->pages),
				   GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!op->pages)
		return -ENOMEM;
	pinned = pin_user_pages_fast(start & PAGE_MASK, n, gup, op->pages);
	if (pinned == n) {
		op->num_pages = n;
		return 0;
	}
	if (pinned > 0)
		unpin_user_pages(op->pages, pinned);
	kvfree(op->pages);
	op->pages = NULL;
	return pinned < 0 ? pinned : -EFAULT;
}

static void unpin_pages(struct importer_operand *op)
{
	unpin_user_pages_dirty_lock(op->pages, op->num_pages,
				    op->dir == DMA_FROM_DEVICE);
	kvfree(op->pages);
	op->pages = NULL;
}

/* Map the pages for the device, in segments within its limits. */
static int map_pages(struct importer_dev *dev, struct importer_operand *op,
		     unsigned int offset, size_t length)
{
	unsigned int max = dma_get_max_seg_size(dev->dev) & PAGE_MASK;
	int ret;

	/* Not every DMA mapping splits at the boundary; no page crosses it. */
	if (dma_get_seg_boundary(dev->dev) < UINT_MAX)
		max = PAGE_SIZE;
	ret = sg_alloc_table_from_pages_segment(&op->table, op->pages,
						op->num_pages, offset, length,
						max, GFP_KERNEL_ACCOUNT);
	if (ret)
		return ret;
	/* Two jobs may map the same page, so sync caches separately. */
	ret = dma_map_sgtable(dev->dev, &op->table, op->dir,
			      DMA_ATTR_SKIP_CPU_SYNC);
	if (ret)
		goto err_free;
	if (importer_meets_constraints(dev, &op->table)) {
		dma_sync_sgtable_for_device(dev->dev, &op->table, op->dir);
		op->mapped = true;
		return 0;
	}
	ret = -EOPNOTSUPP;
	dma_unmap_sgtable(dev->dev, &op->table, op->dir, DMA_ATTR_SKIP_CPU_SYNC);
err_free:
	sg_free_table(&op->table);
	return ret;
}

static int init_user(struct importer_dev *dev, struct importer_operand *op,
		     u64 address, u64 length)
{
	u64 end;
	int ret;

	if (check_add_overflow(address, length, &end) || end > ULONG_MAX)
		return -EINVAL;
	ret = pin_pages(op, address, length);
	if (ret)
		return ret;
	ret = map_pages(dev, op, offset_in_page(address), length);
	if (ret) {
		unpin_pages(op);
		return ret;
	}
	op->offset = 0;
	return 0;
}

/**
 * importer_operand_init - initialise an operand of a job
 * @dev: the device of the job
 * @op: the operand, zeroed
 * @arg: its description from user space
 * @length: in bytes, 0 if the job does not use the operand
 * @dir: what the device does with the memory
 *
 * Pins and maps memory of the caller. Only looks up a buffer: submission maps
 * it when it publishes the job.
 *
 * Context: Process, may sleep, &importer.lock held.
 * Return: 0; -EINVAL, -ENOENT, -EFAULT, -ENOMEM, -EOPNOTSUPP.
 */
int importer_operand_init(struct importer_dev *dev,
			  struct importer_operand *op,
			  const struct dmabuf_importer_operand *arg,
			  u64 length, enum dma_data_direction dir)
{
	u64 end;

	lockdep_assert_held(&dev->importer->lock);
	if (arg->pad)
		return -EINVAL;
	if (!length)
		return arg->attachment || arg->offset ? -EINVAL : 0;

	op->dir = dir;
	op->length = length;
	op->offset = arg->offset;
	if (!arg->attachment)
		return init_user(dev, op, arg->offset, length);

	op->att = xa_load(&dev->importer->atts, arg->attachment);
	if (!op->att)
		return -ENOENT;
	if (op->att->dev != dev ||
	    check_add_overflow(arg->offset, length, &end) ||
	    end > op->att->attach->dmabuf->size)
		return -EINVAL;
	return 0;
}

/**
 * importer_operand_fini - unmap and unpin the memory of an operand
 * @dev: the device
 * @op: the operand; the device does not use it any more
 *
 * Context: Process, may sleep. Takes the reservation lock.
 */
void importer_operand_fini(struct importer_dev *dev,
			   struct importer_operand *op)
{
	if (op->map) {
		struct dma_resv *resv = op->att->attach->dmabuf->resv;

		dma_resv_lock(resv, NULL);
		importer_mapping_put(op->att, op->map);
		dma_resv_unlock(resv);
		/* From here on, the buffer can be detached. */
		atomic_dec(&op->att->num_jobs);
	}
	if (op->pages) {
		/* The device has not written: a bounce buffer holds nothing. */
		if (op->mapped)
			dma_unmap_sgtable(dev->dev, &op->table, op->dir,
					  DMA_ATTR_SKIP_CPU_SYNC);
		sg_free_table(&op->table);
		unpin_pages(op);
	}
}

/**
 * importer_operand_finish - end the device's access to memory of the caller
 * @dev: the device
 * @op: an operand of a job that has run
 *
 * Called before the fence signals: the process reads its memory then, or
 * submits the next job with it, which must not add to the mappings of finished
 * ones. For a buffer, the exporter syncs when the CPU accesses it.
 *
 * Context: Any.
 */
void importer_operand_finish(struct importer_dev *dev,
			     struct importer_operand *op)
{
	if (!op->mapped)
		return;
	dma_unmap_sgtable(dev->dev, &op->table, op->dir, 0);
	op->mapped = false;
}

/**
 * importer_cursor_init - place a cursor at the start of an operand
 * @cursor: the cursor
 * @op: the operand of a job that has been published
 *
 * Context: Any.
 */
void importer_cursor_init(struct importer_cursor *cursor,
			  struct importer_operand *op)
{
	cursor->sg = op->map ? op->map->sgt->sgl : op->table.sgl;
	cursor->offset = op->offset;
	while (cursor->sg && sg_dma_len(cursor->sg) &&
	       cursor->offset >= sg_dma_len(cursor->sg)) {
		cursor->offset -= sg_dma_len(cursor->sg);
		cursor->sg = sg_next(cursor->sg);
	}
}

/**
 * importer_cursor_peek - return the contiguous range at a cursor
 * @cursor: the cursor
 * @addr: returns the DMA address
 * @max: the most bytes that the caller wants
 *
 * Context: Any.
 * Return: Number of bytes, at most @max; 0 at the end of the table, which may
 * be shorter than the operand.
 */
u32 importer_cursor_peek(struct importer_cursor *cursor, dma_addr_t *addr,
			 u64 max)
{
	if (!cursor->sg || cursor->offset >= sg_dma_len(cursor->sg))
		return 0;
	*addr = sg_dma_address(cursor->sg) + cursor->offset;
	return min_t(u64, max, sg_dma_len(cursor->sg) - cursor->offset);
}

/**
 * importer_cursor_advance - move a cursor forward
 * @cursor: the cursor
 * @bytes: at most what importer_cursor_peek() returned
 *
 * Context: Any.
 */
void importer_cursor_advance(struct importer_cursor *cursor, u32 bytes)
{
	cursor->offset += bytes;
	if (cursor->offset < sg_dma_len(cursor->sg))
		return;
	cursor->sg = sg_next(cursor->sg);
	cursor->offset = 0;
}

/* The multiplier of the 64 bit FNV-1a hash. */
#define IMPORTER_CHECKSUM_PRIME	0x100000001b3ULL

/**
 * importer_checksum - extend a 64 bit FNV-1a hash
 * @sum: IMPORTER_CHECKSUM_INIT, or the hash of the bytes before @data
 * @data: the bytes to add
 * @length: number of bytes
 *
 * Context: Any.
 * Return: The hash.
 */
u64 importer_checksum(u64 sum, const void *data, size_t length)
{
	const u8 *p = data;

	while (length--)
		sum = (sum ^ *p++) * IMPORTER_CHECKSUM_PRIME;
	return sum;
}

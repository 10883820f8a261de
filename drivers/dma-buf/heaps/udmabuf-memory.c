// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of udmabuf: from the descriptor of a memfd to pinned folios in a
 * page-backed buffer, and back. udmabuf.c checks requests and access rights,
 * and describes the whole.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/falloc.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/memfd.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <uapi/linux/udmabuf.h>

#include "heap-pages.h"
#include "udmabuf.h"

/* Folios to pin by one call: their array takes one page. */
#define UDMABUF_BATCH	(PAGE_SIZE / sizeof(struct folio *))

/*
 * How often to allocate huge pages that another process keeps punching out:
 * often enough for a chance collision, but bounded against an attack.
 */
#define UDMABUF_TRIES	16

/*
 * Mark a folio dirty and unpin it. Processes and devices write without the mm's
 * knowledge, as their mappings have no dirty bit that reaches the folio. Once
 * they are gone, and before the pin is, the folio has to be marked: reclaim
 * drops a clean folio of a memfd, which then reads as zeroes.
 *
 * A clean folio is safe while the buffer lives: reclaim skips pinned folios
 * (shrink_folio_list()), and cannot remove a folio that has extra references
 * from the page cache (__remove_mapping()).
 *
 * A folio that was being swapped out when it was pinned is in the swap cache.
 * &folio.mapping is NULL then, and does not tell whether the folio belongs to a
 * file; folio_mark_dirty() finds out. The folio lock excludes truncation
 * meanwhile. A folio that is dirty already needs no lock: writeback clears the
 * flag before it reads the data, so it reads them after this test.
 */
void udmabuf_free_run(void *priv, struct page *page, unsigned long nr_pages)
{
	struct folio *folio = page_folio(page);

	if (!folio_test_dirty(folio)) {
		folio_lock(folio);
		folio_mark_dirty(folio);
		folio_unlock(folio);
	}
	unpin_folio(folio);
}

/*
 * Add pinned folios to the buffer. The range may start within the first and end
 * within the last. Return the number of bytes that they cover, at most @size.
 */
static ssize_t udmabuf_add_folios(struct heap_pages *buf,
				  struct folio **folios, long nr, size_t offset,
				  size_t size)
{
	size_t done = 0, len;
	long i;
	int ret;

	for (i = 0; i < nr; i++) {
		len = min(folio_size(folios[i]) - offset, size - done);
		ret = heap_pages_add(buf, folio_page(folios[i],
						     offset >> PAGE_SHIFT),
				     len >> PAGE_SHIFT);
		if (ret) {
			unpin_folios(folios + i, nr - i);
			return ret;
		}
		done += len;
		offset = 0;
	}
	return done;
}

/*
 * Pin one range, batch by batch. Pinning allocates the memory that the memfd
 * lacks, which takes so long that the task may be killed meanwhile.
 */
static int udmabuf_pin_range(struct heap_pages *buf, struct file *memfd,
			     loff_t pos, size_t size)
{
	struct folio **folios __free(kfree) = kmalloc_array(UDMABUF_BATCH,
							    sizeof(*folios),
							    GFP_KERNEL);
	pgoff_t offset;
	ssize_t done;
	long nr;

	if (!folios)
		return -ENOMEM;
	while (size) {
		if (fatal_signal_pending(current))
			return -EINTR;
		nr = memfd_pin_folios(memfd, pos, pos + size - 1, folios,
				      min(UDMABUF_BATCH, size >> PAGE_SHIFT),
				      &offset);
		if (nr < 0)
			return nr;
		done = udmabuf_add_folios(buf, folios, nr, offset, size);
		if (done < 0)
			return done;
		pos += done;
		size -= done;
		cond_resched();
	}
	return 0;
}

/* Check that the file is a memfd and sealed as required. */
static int udmabuf_check_seals(struct file *memfd)
{
	int seals = memfd_fcntl(memfd, F_GET_SEALS, 0);

	if (seals < 0)
		return -EBADFD;
	if (!(seals & F_SEAL_SHRINK) || seals & UDMABUF_WRITE_SEALS)
		return -EINVAL;
	return 0;
}

/* Return true if the memfd lacks any huge page of the range. */
static bool udmabuf_has_huge_hole(struct file *memfd, loff_t pos, size_t size)
{
	unsigned long step = huge_page_size(hstate_file(memfd));
	loff_t end = pos + size;
	struct folio *folio;

	for (pos = round_down(pos, step); pos < end; pos += step) {
		folio = filemap_get_folio(memfd->f_mapping, pos >> PAGE_SHIFT);
		if (IS_ERR(folio))
			return true;
		folio_put(folio);
	}
	return false;
}

/*
 * Allocate the huge pages that the memfd lacks. memfd_pin_folios() would
 * allocate them too, but charges them to a reservation that this memfd never
 * made: it takes another program's pages, or drives the counter below zero.
 *
 * Do not use vfs_fallocate(): a read-only descriptor is enough, as reading a
 * hole allocates memory too. The size of the file does not change.
 */
static int udmabuf_fill_huge(struct file *memfd, loff_t pos, size_t size)
{
	int ret;

	if (pos + size > i_size_read(file_inode(memfd)))
		return -EINVAL;
	file_start_write(memfd);
	ret = memfd->f_op->fallocate(memfd, FALLOC_FL_KEEP_SIZE, pos, size);
	file_end_write(memfd);
	switch (ret) {
	case -ENOSPC:
		return -ENOMEM;
	case -EINTR:
		/* Any signal; a restart finds what is allocated. */
		return -ERESTARTNOINTR;
	default:
		return ret;
	}
}

/*
 * Add one range, and clear in @mode what the descriptor of its memfd does not
 * allow. The file system allocates huge pages under the exclusive lock of the
 * inode. Another process may punch them out again before the shared lock is
 * taken to pin them, and repeat that for ever: give up after UDMABUF_TRIES.
 */
int udmabuf_add_item(struct heap_pages *buf,
		     const struct udmabuf_create_item *item, fmode_t *mode)
{
	struct file *memfd __free(fput) = fget(item->memfd);
	struct inode *inode;
	int ret, tries;
	bool hole;

	if (!memfd)
		return -EBADFD;
	*mode &= memfd->f_mode;
	inode = file_inode(memfd);
	for (tries = 0; tries < UDMABUF_TRIES; tries++) {
		/* There is no guard for the inode lock. */
		ret = inode_lock_shared_killable(inode);
		if (ret)
			return ret;
		ret = udmabuf_check_seals(memfd);
		hole = !ret && is_file_hugepages(memfd) &&
		       udmabuf_has_huge_hole(memfd, item->offset, item->size);
		if (!ret && !hole)
			ret = udmabuf_pin_range(buf, memfd, item->offset,
						item->size);
		inode_unlock_shared(inode);
		if (!hole)
			return ret;
		ret = udmabuf_fill_huge(memfd, item->offset, item->size);
		if (ret)
			return ret;
	}
	return -EBUSY;
}

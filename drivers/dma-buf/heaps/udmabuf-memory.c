// SPDX-License-Identifier: GPL-2.0-only
/*
 * The memory of udmabuf: from the descriptor of a memfd to pinned folios in a
 * page-backed buffer, and back. What may be asked for, and who may write to the
 * result, is in udmabuf.c, and the description of it all too.
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

/* How many folios are pinned by one call. */
#define UDMABUF_BATCH	(PAGE_SIZE / sizeof(struct folio *))

/* How often huge pages are allocated that somebody else takes away. */
#define UDMABUF_TRIES	16

/*
 * Processes and devices write behind the mm's back: mappings by frame number
 * and for devices have no dirty bit that reaches the folio. So each folio is
 * marked dirty here, when all of them are gone, and before the pin is: a clean
 * folio of a memfd is simply dropped by reclaim, and reads as zeroes next time.
 *
 * While the buffer lives a clean folio is safe, because reclaim passes over
 * folios that are pinned (shrink_folio_list()) and cannot remove one from the
 * page cache that somebody has a reference to (__remove_mapping()).
 *
 * A folio that was being swapped out when it was pinned is in the swap cache.
 * Its &folio.mapping is NULL then, so that does not tell whether the folio
 * belongs to a file; folio_mark_dirty() finds out. The lock keeps truncation
 * away meanwhile. A folio that is dirty already needs no lock: if that is being
 * written out, what is written is read after this look, and so is up to date.
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
 * within the last. Returns how many bytes they cover, at most @size.
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
 * Pin one range, batch by batch. Memory that the memfd does not have yet is
 * allocated, which takes long enough for somebody to want to kill us.
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

/* Is it a memfd, and is it sealed as it has to be? */
static int udmabuf_check_seals(struct file *memfd)
{
	int seals = memfd_fcntl(memfd, F_GET_SEALS, 0);

	if (seals < 0)
		return -EBADFD;
	if (!(seals & F_SEAL_SHRINK) || seals & UDMABUF_WRITE_SEALS)
		return -EINVAL;
	return 0;
}

/* Is there a huge page in the range that the memfd does not have yet? */
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
 * Allocate the huge pages that the memfd does not have. memfd_pin_folios() would
 * do that as well, but takes pages off the reservation that nobody has made:
 * those of another program, or less than none.
 *
 * Not vfs_fallocate(): a read-only descriptor will do, as reading what is not
 * there yet allocates it too. The size of the file does not change.
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
		/* Any signal. What has been allocated is there next time. */
		return -ERESTARTNOINTR;
	default:
		return ret;
	}
}

/*
 * Add one range, and leave in @mode what its memfd's mode allows as well. Huge
 * pages are allocated under the exclusive lock of the inode, by its file system;
 * before they are pinned under the shared one somebody may punch them out again,
 * and could go on like that for ever.
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

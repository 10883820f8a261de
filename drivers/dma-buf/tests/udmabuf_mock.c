// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memfds and udmabufs for tests; see udmabuf_mock.h.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <linux/cred.h>
#include <linux/fcntl.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/shmem_fs.h>

#include "../heaps/udmabuf.h"
#include "heap_mock.h"
#include "mock.h"
#include "udmabuf_mock.h"

static struct memfd install(struct kunit *test, struct file *file)
{
	struct memfd memfd = { .file = file };

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	memfd.fd = get_unused_fd_flags(O_CLOEXEC);
	KUNIT_ASSERT_GE(test, memfd.fd, 0);
	fd_install(memfd.fd, get_file(file));
	return memfd;
}

struct memfd make_memfd(struct kunit *test, unsigned int seals,
			unsigned int first_mark)
{
	struct memfd memfd;
	unsigned long i;
	loff_t pos;
	u64 mark;

	memfd = install(test, shmem_file_setup("udmabuf-kunit",
					       PAGES * PAGE_SIZE, 0));
	for (i = 0; i < PAGES; i++) {
		pos = i * PAGE_SIZE;
		mark = heap_mock_mark(first_mark + i);
		KUNIT_ASSERT_EQ(test, kernel_write(memfd.file, &mark,
						   sizeof(mark), &pos),
				sizeof(mark));
	}
	SHMEM_I(file_inode(memfd.file))->seals = seals;
	return memfd;
}

struct memfd reopen_memfd(struct kunit *test, const struct memfd *memfd,
			  int flags)
{
	return install(test, dentry_open(&memfd->file->f_path, flags,
					 current_cred()));
}

void close_memfd(struct memfd *memfd)
{
	close_fd(memfd->fd);
	fput(memfd->file);
	mock_flush_files();
}

struct udmabuf_create_item memfd_item(const struct memfd *memfd,
				      unsigned long first, unsigned long nr)
{
	return (struct udmabuf_create_item){
		.memfd = memfd->fd,
		.offset = first * PAGE_SIZE,
		.size = nr * PAGE_SIZE,
	};
}

bool memfd_is_pinned(struct kunit *test, struct memfd *memfd, pgoff_t i)
{
	struct folio *folio = filemap_get_folio(memfd->file->f_mapping, i);
	bool pinned;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, folio);
	pinned = folio_maybe_dma_pinned(folio);
	folio_put(folio);
	return pinned;
}

bool memfd_is_dirty(struct kunit *test, struct memfd *memfd, pgoff_t i)
{
	struct folio *folio = filemap_get_folio(memfd->file->f_mapping, i);
	bool dirty;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, folio);
	dirty = folio_test_dirty(folio);
	folio_put(folio);
	return dirty;
}

struct dma_buf *make_udmabuf(struct kunit *test,
			     const struct udmabuf_create_item *items,
			     unsigned int count)
{
	long fd = udmabuf_create(items, count, UDMABUF_FLAGS_CLOEXEC);
	struct dma_buf *dmabuf;

	KUNIT_ASSERT_GE(test, fd, 0);
	dmabuf = dma_buf_get(fd);
	KUNIT_ASSERT_EQ(test, close_fd(fd), 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabuf);
	return dmabuf;
}

void put_udmabuf(struct dma_buf *dmabuf)
{
	dma_buf_put(dmabuf);
	mock_flush_files();
}

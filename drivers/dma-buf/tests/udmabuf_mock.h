/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the udmabuf suites: memfds with numbered pages, like memfd_create()
 * makes them, and buffers of them.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_BUF_TESTS_UDMABUF_MOCK_H
#define _DMA_BUF_TESTS_UDMABUF_MOCK_H

#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/fs.h>
#include <uapi/linux/udmabuf.h>

#define PAGES 16

/**
 * struct memfd - a memfd of %PAGES pages
 * @file: the file
 * @fd: a descriptor of it
 */
struct memfd {
	struct file *file;
	int fd;
};

/* All functions fail the test on error. */
struct memfd make_memfd(struct kunit *test, unsigned int seals,
			unsigned int first_mark);
/* Opens the same file again, with these flags. */
struct memfd reopen_memfd(struct kunit *test, const struct memfd *memfd,
			  int flags);
void close_memfd(struct memfd *memfd);

/* An item with @nr pages of a memfd, from @first on. */
struct udmabuf_create_item memfd_item(const struct memfd *memfd,
				      unsigned long first, unsigned long nr);
/* The memfd must have a folio at page @i: is it pinned, is it dirty? */
bool memfd_is_pinned(struct kunit *test, struct memfd *memfd, pgoff_t i);
bool memfd_is_dirty(struct kunit *test, struct memfd *memfd, pgoff_t i);

/* Creates a buffer, closes its descriptor and returns the reference. */
struct dma_buf *make_udmabuf(struct kunit *test,
			     const struct udmabuf_create_item *items,
			     unsigned int count);
void put_udmabuf(struct dma_buf *dmabuf);

#endif /* _DMA_BUF_TESTS_UDMABUF_MOCK_H */

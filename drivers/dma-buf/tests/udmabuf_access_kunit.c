// SPDX-License-Identifier: GPL-2.0-only
/*
 * udmabuf: a buffer allows what its memfds allow, when it is created and when
 * it is mapped.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/shmem_fs.h>

#include "../heaps/udmabuf.h"
#include "heap_mock.h"
#include "mock.h"
#include "udmabuf_mock.h"

static unsigned long map_shared(struct kunit *test, struct dma_buf *dmabuf,
				unsigned long prot)
{
	return kunit_vm_mmap(test, dmabuf->file, 0, dmabuf->size, prot,
			     MAP_SHARED, 0);
}

static void expect_mapped(struct kunit *test, struct dma_buf *dmabuf,
			  unsigned long prot, bool may_write)
{
	unsigned long addr = map_shared(test, dmabuf, prot);
	struct vm_area_struct *vma;

	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	scoped_guard(rwsem_read, &current->mm->mmap_lock) {
		vma = vma_lookup(current->mm, addr);
		KUNIT_EXPECT_NOT_NULL(test, vma);
		if (vma)
			KUNIT_EXPECT_EQ(test, vma->vm_flags & VM_MAYWRITE,
					may_write ? VM_MAYWRITE : 0);
	}
	KUNIT_EXPECT_EQ(test, vm_munmap(addr, dmabuf->size), 0);
}

struct access_case {
	const char *name;
	int first, second;
	int want;
};

static const struct access_case access_cases[] = {
	{ "writable", O_RDWR, O_RDWR, O_RDWR },
	{ "read-only", O_RDONLY, O_RDONLY, O_RDONLY },
	{ "read-only last", O_RDWR, O_RDONLY, O_RDONLY },
	{ "read-only first", O_RDONLY, O_RDWR, O_RDONLY },
	{ "write-only", O_RDWR, O_WRONLY, O_WRONLY },
	{ "neither", O_RDONLY, O_WRONLY, -EACCES },
};

KUNIT_ARRAY_PARAM_DESC(access, access_cases, name);

static void create_takes_weakest_access(struct kunit *test)
{
	const struct access_case *c = test->param_value;
	struct memfd memfd = make_memfd(test, F_SEAL_SHRINK, 0);
	struct memfd first = reopen_memfd(test, &memfd, c->first);
	struct memfd second = reopen_memfd(test, &memfd, c->second);
	struct udmabuf_create_item items[] = {
		memfd_item(&first, 0, 2), memfd_item(&second, 2, 2),
	};
	struct dma_buf *dmabuf;

	if (c->want < 0) {
		KUNIT_EXPECT_EQ(test, udmabuf_create(items, 2, 0), c->want);
		KUNIT_EXPECT_FALSE(test, memfd_is_pinned(test, &memfd, 0));
	} else {
		dmabuf = make_udmabuf(test, items, ARRAY_SIZE(items));
		KUNIT_EXPECT_EQ(test, dmabuf->file->f_flags & O_ACCMODE,
				c->want);
		KUNIT_EXPECT_EQ(test, (__force u32)(dmabuf->file->f_mode &
						    (FMODE_READ | FMODE_WRITE)),
				(__force u32)OPEN_FMODE(c->want));
		put_udmabuf(dmabuf);
	}
	close_memfd(&first);
	close_memfd(&second);
	close_memfd(&memfd);
}

/* An importer maps the buffer through a file of its own that is writable. */
static int map_by_driver(struct dma_buf *dmabuf, struct file *object,
			 unsigned long flags)
{
	struct vm_area_struct vma = {
		.vm_file = get_file(object),
		.vm_start = PAGE_SIZE,
		.vm_end = PAGE_SIZE + dmabuf->size,
	};
	int ret;

	vm_flags_init(&vma, flags);
	ret = dma_buf_mmap(dmabuf, &vma, 0);
	fput(vma.vm_file);
	return ret;
}

/* A program that has a read-only memfd must not gain write access to it. */
static void check_mmap_read_only(struct kunit *test)
{
	struct memfd memfd = make_memfd(test, F_SEAL_SHRINK, 0);
	struct memfd reader = reopen_memfd(test, &memfd, O_RDONLY);
	struct udmabuf_create_item one = memfd_item(&reader, 0, PAGES);
	struct dma_buf *dmabuf = make_udmabuf(test, &one, 1);
	const unsigned long shared = VM_SHARED | VM_MAYSHARE | VM_READ |
				     VM_MAYREAD | VM_MAYWRITE;

	expect_mapped(test, dmabuf, PROT_READ, false);
	KUNIT_EXPECT_EQ(test, map_shared(test, dmabuf, PROT_READ | PROT_WRITE),
			(unsigned long)-EACCES);
	KUNIT_EXPECT_EQ(test, map_by_driver(dmabuf, memfd.file,
					    shared | VM_WRITE), -EACCES);
	put_udmabuf(dmabuf);
	close_memfd(&reader);
	close_memfd(&memfd);
}

struct direction_case {
	const char *name;
	int flags;
	enum dma_data_direction dir;
	int want;
};

static const struct direction_case direction_cases[] = {
	{ "writable, both", O_RDWR, DMA_BIDIRECTIONAL, 0 },
	{ "writable, device writes", O_RDWR, DMA_FROM_DEVICE, 0 },
	{ "read-only, both", O_RDONLY, DMA_BIDIRECTIONAL, 0 },
	{ "read-only, device reads", O_RDONLY, DMA_TO_DEVICE, 0 },
	{ "read-only, device writes", O_RDONLY, DMA_FROM_DEVICE, -EACCES },
};

KUNIT_ARRAY_PARAM_DESC(direction, direction_cases, name);

static void check_map_directions(struct kunit *test)
{
	const struct direction_case *c = test->param_value;
	struct memfd memfd = make_memfd(test, F_SEAL_SHRINK, 0);
	struct memfd opened = reopen_memfd(test, &memfd, c->flags);
	struct udmabuf_create_item one = memfd_item(&opened, 0, PAGES);
	struct dma_buf *dmabuf = make_udmabuf(test, &one, 1);
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;

	attach = dma_buf_attach(dmabuf, heap_mock_device(test));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	sgt = dma_buf_map_attachment_unlocked(attach, c->dir);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(sgt), c->want);
	if (!IS_ERR(sgt))
		dma_buf_unmap_attachment_unlocked(attach, sgt, c->dir);
	dma_buf_detach(dmabuf, attach);
	put_udmabuf(dmabuf);
	close_memfd(&opened);
	close_memfd(&memfd);
}

/* A seal added after the creation counts, for any memfd of the list. */
static void check_mmap_seal_added_later(struct kunit *test)
{
	struct memfd open = make_memfd(test, F_SEAL_SHRINK, 0);
	struct memfd sealed = make_memfd(test, F_SEAL_SHRINK, 0);
	struct udmabuf_create_item items[] = {
		memfd_item(&open, 0, 4), memfd_item(&sealed, 4, 2), memfd_item(&open, 9, 1),
	};
	struct dma_buf *dmabuf = make_udmabuf(test, items, ARRAY_SIZE(items));

	expect_mapped(test, dmabuf, PROT_READ | PROT_WRITE, true);
	SHMEM_I(file_inode(sealed.file))->seals |= F_SEAL_FUTURE_WRITE;
	KUNIT_EXPECT_EQ(test, map_shared(test, dmabuf, PROT_READ | PROT_WRITE),
			(unsigned long)-EPERM);
	expect_mapped(test, dmabuf, PROT_READ, false);

	/* The seal goes with the memfd, which nobody else can see any more. */
	close_memfd(&sealed);
	expect_mapped(test, dmabuf, PROT_READ | PROT_WRITE, true);
	put_udmabuf(dmabuf);
	close_memfd(&open);
}

static struct kunit_case udmabuf_access_cases[] = {
	KUNIT_CASE_PARAM(create_takes_weakest_access, access_gen_params),
	KUNIT_CASE(check_mmap_read_only),
	KUNIT_CASE_PARAM(check_map_directions, direction_gen_params),
	KUNIT_CASE(check_mmap_seal_added_later),
	{}
};

static struct kunit_suite udmabuf_access_suite = {
	.name = "udmabuf_access",
	.test_cases = udmabuf_access_cases,
};

kunit_test_suite(udmabuf_access_suite);

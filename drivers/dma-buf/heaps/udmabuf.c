// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/udmabuf makes dma-bufs of memfds. This file checks the request and the
 * access rights; udmabuf-memory.c pins the memory, and heap-pages.c implements
 * the buffer.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/visibility.h>
#include <linux/build_bug.h>
#include <linux/cleanup.h>
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/fcntl.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/init.h>
#include <linux/minmax.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/rcupdate.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <uapi/linux/udmabuf.h>

#include "../sync/ioctl-abi.h"
#include "heap-pages.h"
#include "udmabuf.h"

/**
 * DOC: udmabuf
 *
 * Pins keep the folios of a buffer in place from creation until release. The
 * memory stays part of the memfd until it is pinned, because F_SEAL_SHRINK,
 * which cannot be removed, forbids truncation, and the inode's lock keeps
 * everybody from punching a hole between the check of the seals and the pin. A
 * write-sealed memfd is refused; F_SEAL_WRITE cannot be added while the buffer
 * exists, because of the pins.
 *
 * *Access.* A buffer gives no more rights than its memfds: its file is readable
 * if all their descriptors are, and writable likewise. F_SEAL_FUTURE_WRITE may
 * be added at any time, and then forbids new writable mappings of the buffer as
 * well. The folios lead to the seals of their memfd: a reference to the memfd
 * would keep the rest of its memory alive. A folio that was removed from its
 * memfd belongs to the buffer alone.
 *
 * Importers map nearly every buffer bidirectionally, even if the device only
 * reads. So a read-only buffer refuses importers that state that they only
 * write, and accepts all others: a process that may open the device is
 * responsible for what it writes.
 *
 * A folio of any size is one run of the buffer, with one pin. Creation finds
 * and pins everything, so that no user has to fill in memory, and no two users
 * race to do so. On release every folio is marked dirty.
 *
 * *Limits.* The limits on size and ranges bound the work and the memory of one
 * call. They are no quota: a process that may open the device can make as many
 * buffers as it has descriptors, as on 6.12. RLIMIT_MEMLOCK does not count,
 * because its usual value would refuse what 6.12 accepts. The memory is charged
 * to the cgroup of the task that allocates it.
 *
 * The misc device does no DMA of its own; caches are maintained for the devices
 * that map the buffer.
 *
 * *Locking.* The inode lock of each memfd, shared, as described above. The file
 * system takes the same lock exclusively to allocate huge pages, which happens
 * while it is not held here. The device has no state but the module's
 * parameters.
 */

/* Least defaults of the limits: any machine accepts what 6.12 accepts. */
#define UDMABUF_MIN_RANGES	1024
#define UDMABUF_MIN_SIZE_MB	64

/* With a range per page, enough for an 8K screen of 64 bits per pixel. */
#define UDMABUF_MAX_RANGES	65536

/* By default a buffer may have a quarter of the memory. */
#define UDMABUF_SIZE_SHARE	4

/* log2 of a MiB. */
#define UDMABUF_MB_SHIFT	20

static int list_limit = -1;
module_param(list_limit, int, 0644);
MODULE_PARM_DESC(list_limit, "most ranges that one buffer may have; by default one for each page of size_limit_mb, from 1024 to 65536");

static bool follow_memfd = true;
module_param(follow_memfd, bool, 0644);
MODULE_PARM_DESC(follow_memfd, "a buffer gives no more access than the descriptors and seals of its memfds; by default Y");

static int size_limit_mb = -1;
module_param(size_limit_mb, int, 0644);
MODULE_PARM_DESC(size_limit_mb, "largest size of a buffer, in MiB; by default a quarter of the memory, at least 64");

/*
 * Return the seals of the memfd that a pinned folio belongs to, or 0 if it has
 * been removed from its memfd. Truncation clears &folio.mapping before the
 * inode is freed by RCU, so an inode found there stays valid in this read-side
 * critical section.
 */
static unsigned int udmabuf_folio_seals(struct folio *folio)
{
	struct address_space *mapping;

	guard(rcu)();
	mapping = READ_ONCE(folio->mapping);
	if (!mapping)
		return 0;
#ifdef CONFIG_HUGETLBFS
	if (folio_test_hugetlb(folio))
		return READ_ONCE(HUGETLBFS_I(mapping->host)->seals);
#endif
	if (shmem_mapping(mapping))
		return READ_ONCE(SHMEM_I(mapping->host)->seals);
	return 0;
}

/* Return true if any of the mapped memory is sealed against new writers. */
static bool udmabuf_vma_is_sealed(const struct heap_pages *buf,
				  struct vm_area_struct *vma)
{
	pgoff_t pgoff = vma->vm_pgoff;
	struct heap_extent ext;
	unsigned long pfn;
	struct folio *folio;

	heap_extent_start(&ext, buf, pgoff, pgoff + vma_pages(vma), ULONG_MAX);
	while (heap_extent_next(&ext)) {
		for (pfn = ext.pfn; pfn < ext.pfn + ext.nr;
		     pfn = folio_pfn(folio) + folio_nr_pages(folio)) {
			folio = pfn_folio(pfn);
			if (udmabuf_folio_seals(folio) & UDMABUF_WRITE_SEALS)
				return true;
		}
		cond_resched();
	}
	return false;
}

/*
 * Answer as mmap() of the memfd does. mmap() has checked the file's mode
 * already, unless a driver maps the buffer in place of an object of its own.
 */
static int udmabuf_check_mmap(struct dma_buf *dmabuf,
			      struct vm_area_struct *vma)
{
	if (!READ_ONCE(follow_memfd))
		return 0;
	if (!(dmabuf->file->f_mode & FMODE_READ))
		return -EACCES;
	if (!(vma->vm_flags & (VM_WRITE | VM_MAYWRITE)))
		return 0;
	if (!(dmabuf->file->f_mode & FMODE_WRITE)) {
		if (vma->vm_flags & VM_WRITE)
			return -EACCES;
	} else if (udmabuf_vma_is_sealed(dmabuf->priv, vma)) {
		if (vma->vm_flags & VM_WRITE)
			return -EPERM;
	} else {
		return 0;
	}
	vm_flags_clear(vma, VM_MAYWRITE);
	return 0;
}

static int udmabuf_check_map(struct dma_buf *dmabuf,
			     enum dma_data_direction dir)
{
	if (dir == DMA_FROM_DEVICE && READ_ONCE(follow_memfd) &&
	    !(dmabuf->file->f_mode & FMODE_WRITE))
		return -EACCES;
	return 0;
}

static const struct heap_pages_ops udmabuf_pages_ops = {
	.free_run = udmabuf_free_run,
	.check_mmap = udmabuf_check_mmap,
	.check_map = udmabuf_check_map,
	.strict_end = true,
};

/* Check all sizes, and their sum, before any memory is pinned. */
static int udmabuf_check_items(const struct udmabuf_create_item *items,
			       unsigned int count)
{
	u64 limit = (u64)max(READ_ONCE(size_limit_mb), 0) << UDMABUF_MB_SHIFT;
	u64 total = 0, end;
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (!PAGE_ALIGNED(items[i].offset) || !items[i].size ||
		    !PAGE_ALIGNED(items[i].size))
			return -EINVAL;
		if (check_add_overflow(items[i].offset, items[i].size, &end) ||
		    end > LLONG_MAX)
			return -EINVAL;
		if (check_add_overflow(total, items[i].size, &total) ||
		    total > limit || total > SIZE_MAX)
			return -EINVAL;
	}
	return total ? 0 : -EINVAL;
}

/* Return the access mode of a buffer whose memfds all allow @mode. */
static int udmabuf_access(fmode_t mode)
{
	if (!READ_ONCE(follow_memfd))
		return O_RDWR;
	switch (mode & (FMODE_READ | FMODE_WRITE)) {
	case FMODE_READ | FMODE_WRITE:
		return O_RDWR;
	case FMODE_READ:
		return O_RDONLY;
	case FMODE_WRITE:
		return O_WRONLY;
	default:
		return -EACCES;
	}
}

static struct dma_buf *udmabuf_export(const struct udmabuf_create_item *items,
				      unsigned int count)
{
	struct heap_pages *buf __free(heap_pages_free) =
		heap_pages_alloc(&udmabuf_pages_ops, NULL);
	fmode_t mode = FMODE_READ | FMODE_WRITE;
	struct dma_buf *dmabuf;
	unsigned int i;
	int ret;

	if (!buf)
		return ERR_PTR(-ENOMEM);
	for (i = 0; i < count; i++) {
		ret = udmabuf_add_item(buf, &items[i], &mode);
		if (ret)
			return ERR_PTR(ret);
	}
	ret = udmabuf_access(mode);
	if (ret < 0)
		return ERR_PTR(ret);
	dmabuf = heap_pages_export(buf, "udmabuf", ret);
	if (!IS_ERR(dmabuf))
		retain_and_null_ptr(buf);
	return dmabuf;
}

VISIBLE_IF_KUNIT long udmabuf_create(const struct udmabuf_create_item *items,
				     unsigned int count, u32 flags)
{
	struct dma_buf *dmabuf;
	int ret;

	ret = udmabuf_check_items(items, count);
	if (ret)
		return ret;
	CLASS(get_unused_fd, fd)(flags & UDMABUF_FLAGS_CLOEXEC ? O_CLOEXEC : 0);
	if (fd < 0)
		return fd;
	dmabuf = udmabuf_export(items, count);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	fd_install(fd, dmabuf->file);
	return take_fd(fd);
}

static long udmabuf_ioctl_create(const void __user *arg)
{
	struct udmabuf_create create;
	struct udmabuf_create_item item = {};

	if (copy_from_user(&create, arg, sizeof(create)))
		return -EFAULT;
	item.memfd = create.memfd;
	item.offset = create.offset;
	item.size = create.size;
	return udmabuf_create(&item, 1, create.flags);
}

static long udmabuf_ioctl_create_list(const struct udmabuf_create_list __user *arg)
{
	struct udmabuf_create_list head;
	size_t size;

	if (copy_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (!head.count || head.count > max(READ_ONCE(list_limit), 0))
		return -EINVAL;
	size = array_size(head.count, sizeof(struct udmabuf_create_item));
	struct udmabuf_create_item *items __free(kvfree) =
		kvmalloc(size, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (!items)
		return -ENOMEM;
	if (copy_from_user(items, arg->list, size))
		return -EFAULT;
	return udmabuf_create(items, head.count, head.flags);
}

/* The binary interface: programs are compiled with these numbers. */
static_assert(sizeof(struct udmabuf_create) == 24);
static_assert(offsetof(struct udmabuf_create, offset) == 8);
static_assert(offsetof(struct udmabuf_create, size) == 16);
static_assert(sizeof(struct udmabuf_create_item) == 24);
static_assert(offsetof(struct udmabuf_create_item, offset) == 8);
static_assert(offsetof(struct udmabuf_create_item, size) == 16);
static_assert(sizeof(struct udmabuf_create_list) == 8);
DMA_BUF_ABI_CMD(UDMABUF_CREATE, _IOC_WRITE, 'u', 0x42, 24)
DMA_BUF_ABI_CMD(UDMABUF_CREATE_LIST, _IOC_WRITE, 'u', 0x43, 8)

static long udmabuf_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	switch (cmd) {
	case UDMABUF_CREATE:
		return udmabuf_ioctl_create((const void __user *)arg);
	case UDMABUF_CREATE_LIST:
		return udmabuf_ioctl_create_list((const void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations udmabuf_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = udmabuf_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice udmabuf_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "udmabuf",
	.fops = &udmabuf_fops,
};

/* Return the default of size_limit_mb for a machine with @bytes of memory. */
VISIBLE_IF_KUNIT int udmabuf_default_size_mb(u64 bytes)
{
	return clamp_t(u64, bytes / UDMABUF_SIZE_SHARE >> UDMABUF_MB_SHIFT,
		       UDMABUF_MIN_SIZE_MB, INT_MAX);
}

/* Return the default of list_limit; no range is smaller than a page. */
VISIBLE_IF_KUNIT int udmabuf_default_ranges(int size_mb)
{
	u64 pages = (u64)max(size_mb, 0) << (UDMABUF_MB_SHIFT - PAGE_SHIFT);

	return clamp_t(u64, pages, UDMABUF_MIN_RANGES, UDMABUF_MAX_RANGES);
}

/* Store the defaults in the parameters: sysfs shows the limits in force. */
static int __init udmabuf_init(void)
{
	if (size_limit_mb < 0)
		size_limit_mb = udmabuf_default_size_mb((u64)totalram_pages() <<
							PAGE_SHIFT);
	if (list_limit < 0)
		list_limit = udmabuf_default_ranges(size_limit_mb);
	return misc_register(&udmabuf_misc);
}
device_initcall(udmabuf_init);

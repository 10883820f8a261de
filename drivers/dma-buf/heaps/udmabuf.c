// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/udmabuf makes dma-bufs of memfds: checks what the user asks for, has the
 * memory pinned (udmabuf-memory.c) in a page-backed buffer, which does all the
 * rest (heaps/heap-pages.c), and sees to it that nobody gets more rights by it.
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
 * The memory of a buffer stays in place because its folios are pinned, from
 * creation until release. It stays part of the memfd because that cannot
 * shrink any more (F_SEAL_SHRINK, which cannot be taken back), and because the
 * inode's lock keeps everybody from punching a hole between the look at the
 * seals and the pin. Memory that is sealed against writing is not taken; the pins
 * make sure that F_SEAL_WRITE cannot be added as long as the buffer lives.
 *
 * *Access.* Nobody gets more rights by a buffer than he has by the memfds: the
 * buffer's file can be read and written if all descriptors that it was made of
 * can. F_SEAL_FUTURE_WRITE may be added at any time and forbids new mappings that
 * can be written, here too. The memory tells how its memfd is sealed; the buffer
 * has no reference to the memfd, which would keep the rest of that alive. A folio
 * that is not the memfd's any more is nobody's but the buffer's.
 *
 * Importers map nearly everything for both directions, even if the device only
 * reads. So a read-only buffer is denied to those that say that they only write,
 * and given to all others: what a device writes is up to whoever may open it.
 *
 * A folio, however large, is one run of the buffer, with one pin. Everything is
 * found and pinned on creation: nothing is left to be filled in by the first
 * user, and thus nothing for two of them to race for. All of it counts as
 * written to when the buffer goes.
 *
 * *Limits.* Those of a buffer's size and ranges bound the work and the memory that
 * one call may take. They are no quota: whoever may open the device can make as
 * many buffers as he has descriptors, as with 6.12, and RLIMIT_MEMLOCK does not
 * count, because its usual value would refuse what 6.12 accepts. The memory
 * itself is charged to the cgroup of whoever has it allocated.
 *
 * The misc device does no DMA of its own; caches are taken care of for the
 * devices that have the buffer mapped.
 *
 * *Locking.* The inode lock of each memfd, shared, as said above; its file system
 * takes the same lock exclusively to allocate huge pages, one call after the
 * other. The device has no state but the module's parameters.
 */

/* What 6.12 allows is allowed on any machine, by default. */
#define UDMABUF_MIN_RANGES	1024
#define UDMABUF_MIN_SIZE_MB	64

/* By page, this is enough for a screen of 8K with 64 bits a pixel. */
#define UDMABUF_MAX_RANGES	65536

static int list_limit = -1;
module_param(list_limit, int, 0644);
MODULE_PARM_DESC(list_limit, "most ranges that one buffer may have; by default one for each page of size_limit_mb, from 1024 to 65536");

static bool follow_memfd = true;
module_param(follow_memfd, bool, 0644);
MODULE_PARM_DESC(follow_memfd, "a buffer of read-only or write-sealed memfds cannot be written to");

static int size_limit_mb = -1;
module_param(size_limit_mb, int, 0644);
MODULE_PARM_DESC(size_limit_mb, "largest size of a buffer, in MiB; by default a quarter of the memory, at least 64");

/*
 * The seals of the memfd that a pinned folio belongs to; none if it does not any
 * more. The inode does not go within the read-side critical section that has
 * seen it in &folio.mapping, which truncation clears first.
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

/* Is any of the memory that is to be mapped sealed against new writers? */
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
 * The same answers as mmap() of the memfd gives. What the file's mode forbids has
 * been looked at by mmap() already, unless a driver maps the buffer in place of an
 * object of its own.
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

/* Sizes are checked before anything is done, the sum of them too. */
static int udmabuf_check_items(const struct udmabuf_create_item *items,
			       unsigned int count)
{
	u64 limit = (u64)max(READ_ONCE(size_limit_mb), 0) << 20;
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

/* The access mode of a buffer whose memfds all have @mode. */
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

/* The binary interface: programs know these numbers. */
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

/* The default of size_limit_mb for a machine with @bytes of memory. */
VISIBLE_IF_KUNIT int udmabuf_default_size_mb(u64 bytes)
{
	return clamp_t(u64, bytes >> 22, UDMABUF_MIN_SIZE_MB, INT_MAX);
}

/* The default of list_limit; no range is smaller than a page. */
VISIBLE_IF_KUNIT int udmabuf_default_ranges(int size_mb)
{
	return clamp_t(u64, (u64)max(size_mb, 0) << (20 - PAGE_SHIFT),
		       UDMABUF_MIN_RANGES, UDMABUF_MAX_RANGES);
}

/* The parameters tell what holds, also to those who read them in sysfs. */
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

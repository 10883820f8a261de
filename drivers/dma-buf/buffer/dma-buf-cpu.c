// SPDX-License-Identifier: GPL-2.0-only
/*
 * Access by the CPU: begin and end of an access, mappings into the kernel, and
 * mappings into processes that another driver redirects to a buffer.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/personality.h>
#include <linux/pgtable.h>
#include <linux/sched.h>

#include "../resv/dma-resv-internal.h"
#include "dma-buf-internal.h"

/**
 * DOC: cpu access
 *
 * The CPU accesses a buffer, through any mapping, only between
 * dma_buf_begin_cpu_access() and dma_buf_end_cpu_access(). User space calls
 * them with DMA_BUF_IOCTL_SYNC, or with DMA_BUF_IOCTL_SYNC_PARTIAL for a part.
 * Begin waits until devices are done, and the exporter then makes their writes
 * visible to the CPU. In end, it makes the CPU's writes visible to devices.
 *
 * The kernel maps a buffer with dma_buf_vmap(). All callers share one mapping:
 * the core counts them, and the last dma_buf_vunmap() ends it. The reservation
 * lock protects the mapping and the count.
 */

static int wait_for_devices(struct dma_buf *dmabuf, bool write)
{
	long ret;

	if (!dma_resv_was_used(dmabuf->resv))
		return 0;
	ret = dma_resv_wait_timeout(dmabuf->resv, dma_resv_usage_rw(write),
				    true, MAX_SCHEDULE_TIMEOUT);
	return min(ret, 0L);
}

static bool is_whole(struct dma_buf *dmabuf, size_t offset, size_t len)
{
	return !offset && len == dmabuf->size;
}

static int check_range(struct dma_buf *dmabuf, size_t offset, size_t len)
{
	size_t end;

	if (!len || check_add_overflow(offset, len, &end))
		return -EINVAL;
	return end > dmabuf->size ? -EINVAL : 0;
}

static int exporter_begin(struct dma_buf *dmabuf, enum dma_data_direction dir,
			  size_t offset, size_t len)
{
	const struct dma_buf_ops *ops = dmabuf->ops;

	if (ops->begin_cpu_access_partial && !is_whole(dmabuf, offset, len))
		return ops->begin_cpu_access_partial(dmabuf, dir, offset, len);
	return ops->begin_cpu_access ? ops->begin_cpu_access(dmabuf, dir) : 0;
}

static int begin_access(struct dma_buf *dmabuf, enum dma_data_direction dir,
			size_t offset, size_t len)
{
	bool write = dir == DMA_BIDIRECTIONAL || dir == DMA_TO_DEVICE;
	int ret;

	might_lock(&dmabuf->resv->lock.base);

	/* Wait first: only finished writes can be made visible. */
	ret = wait_for_devices(dmabuf, write);
	if (ret)
		return ret;

	ret = exporter_begin(dmabuf, dir, offset, len);
	/* The exporter may have moved the memory: wait for that, too. */
	return ret ?: wait_for_devices(dmabuf, write);
}

static int end_access(struct dma_buf *dmabuf, enum dma_data_direction dir,
		      size_t offset, size_t len)
{
	const struct dma_buf_ops *ops = dmabuf->ops;

	might_lock(&dmabuf->resv->lock.base);
	if (ops->end_cpu_access_partial && !is_whole(dmabuf, offset, len))
		return ops->end_cpu_access_partial(dmabuf, dir, offset, len);
	return ops->end_cpu_access ? ops->end_cpu_access(dmabuf, dir) : 0;
}

/**
 * dma_buf_begin_cpu_access_partial - begin CPU access to a part of a buffer
 * @dmabuf: the buffer
 * @direction: DMA_FROM_DEVICE to read, DMA_TO_DEVICE to write, or both
 * @offset: first byte
 * @len: number of bytes
 *
 * An exporter without &dma_buf_ops.begin_cpu_access_partial prepares the whole
 * buffer.
 *
 * Context: Process, may sleep. Reservation lock not held.
 * Return: 0; -EINVAL, with a warning, for a NULL @dmabuf; -EINVAL for a range
 * that is empty or not within the buffer; -ERESTARTSYS if a signal interrupted
 * the wait; any errno of the exporter.
 */
int dma_buf_begin_cpu_access_partial(struct dma_buf *dmabuf,
				     enum dma_data_direction direction,
				     size_t offset, size_t len)
{
	int ret;

	if (WARN_ON_ONCE(!dmabuf))
		return -EINVAL;
	ret = check_range(dmabuf, offset, len);
	return ret ?: begin_access(dmabuf, direction, offset, len);
}
EXPORT_SYMBOL_NS_GPL(dma_buf_begin_cpu_access_partial, DMA_BUF);

/**
 * dma_buf_begin_cpu_access - begin CPU access to a buffer
 * @dmabuf: the buffer
 * @direction: DMA_FROM_DEVICE to read, DMA_TO_DEVICE to write, or both
 *
 * Context: Process, may sleep. Reservation lock not held.
 * Return: 0; -EINVAL, with a warning, for a NULL @dmabuf; -ERESTARTSYS if a
 * signal interrupted the wait; any errno of the exporter.
 */
int dma_buf_begin_cpu_access(struct dma_buf *dmabuf,
			     enum dma_data_direction direction)
{
	if (WARN_ON_ONCE(!dmabuf))
		return -EINVAL;
	return begin_access(dmabuf, direction, 0, dmabuf->size);
}
EXPORT_SYMBOL_NS_GPL(dma_buf_begin_cpu_access, DMA_BUF);

/**
 * dma_buf_end_cpu_access_partial - end CPU access to a part of a buffer
 * @dmabuf: the buffer
 * @direction: that of dma_buf_begin_cpu_access_partial()
 * @offset: first byte
 * @len: number of bytes
 *
 * Context: Process, may sleep. Reservation lock not held.
 * Return: 0; -EINVAL, with a warning, for a NULL @dmabuf; -EINVAL for a range
 * that is empty or not within the buffer; any errno of the exporter.
 */
int dma_buf_end_cpu_access_partial(struct dma_buf *dmabuf,
				   enum dma_data_direction direction,
				   size_t offset, size_t len)
{
	int ret;

	if (WARN_ON_ONCE(!dmabuf))
		return -EINVAL;
	ret = check_range(dmabuf, offset, len);
	return ret ?: end_access(dmabuf, direction, offset, len);
}
EXPORT_SYMBOL_NS_GPL(dma_buf_end_cpu_access_partial, DMA_BUF);

/**
 * dma_buf_end_cpu_access - end CPU access to a buffer
 * @dmabuf: the buffer
 * @direction: that of dma_buf_begin_cpu_access()
 *
 * Context: Process, may sleep. Reservation lock not held.
 * Return: 0; -EINVAL, with a warning, for a NULL @dmabuf; any errno of the
 * exporter.
 */
int dma_buf_end_cpu_access(struct dma_buf *dmabuf,
			   enum dma_data_direction direction)
{
	if (WARN_ON_ONCE(!dmabuf))
		return -EINVAL;
	return end_access(dmabuf, direction, 0, dmabuf->size);
}
EXPORT_SYMBOL_NS_GPL(dma_buf_end_cpu_access, DMA_BUF);

#ifdef CONFIG_MMU
/* Follow the flags, but preserve the cache attributes. */
static void update_page_prot(struct vm_area_struct *vma)
{
	vma->vm_page_prot = pgprot_modify(vma->vm_page_prot,
					  vm_get_page_prot(vma->vm_flags));
}
#else
static void update_page_prot(struct vm_area_struct *vma) { }
#endif

/*
 * The buffer's file system is mounted noexec, but mmap() has checked the file
 * of the redirecting driver instead: do now what it does for noexec. A
 * READ_IMPLIES_EXEC personality did not ask for this mapping to be executable,
 * so only clear the flag.
 */
static int forbid_exec(struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_EXEC) {
		if (!(current->personality & READ_IMPLIES_EXEC))
			return -EPERM;
		vm_flags_clear(vma, VM_EXEC);
		update_page_prot(vma);
	}
	if (vma->vm_flags & VM_MAYEXEC)
		vm_flags_clear(vma, VM_MAYEXEC);
	return 0;
}

/**
 * dma_buf_mmap - redirect a mapping of another file to a buffer
 * @dmabuf: the buffer
 * @vma: the mapping; its file becomes that of the buffer
 * @pgoff: first page of the buffer to map
 *
 * For importers that map one of their own objects, which the buffer backs.
 *
 * Context: Process, mmap lock held for writing. Reservation lock not held.
 * Return: 0; -EINVAL, with a warning, for a NULL @dmabuf or @vma; -EINVAL if
 * the exporter has no &dma_buf_ops.mmap, or the range is not within the buffer;
 * -EOVERFLOW if the end of the range overflows; -EPERM if the process asked for
 * an executable mapping; any errno of the exporter.
 */
int dma_buf_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma,
		 unsigned long pgoff)
{
	int ret;

	if (WARN_ON_ONCE(!dmabuf || !vma))
		return -EINVAL;
	ret = dma_buf_check_mmap(dmabuf, vma, pgoff);
	if (ret)
		return ret;
	ret = forbid_exec(vma);
	if (ret)
		return ret;

	vma_set_file(vma, dmabuf->file);
	vma->vm_pgoff = pgoff;
	return dmabuf->ops->mmap(dmabuf, vma);
}
EXPORT_SYMBOL_NS_GPL(dma_buf_mmap, DMA_BUF);

/**
 * dma_buf_vmap - map a buffer into the kernel
 * @dmabuf: the buffer
 * @map: returned: the mapping, which all users share; cleared on failure
 *
 * Context: Process, may sleep, reservation lock held.
 * Return: 0; -EINVAL, with a warning, for a NULL @dmabuf, or an exporter that
 * succeeds with an empty mapping; -EINVAL if the exporter has no
 * &dma_buf_ops.vmap; any errno of the exporter.
 */
int dma_buf_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct iosys_map new = {};
	int ret;

	iosys_map_clear(map);
	if (WARN_ON_ONCE(!dmabuf))
		return -EINVAL;
	dma_resv_assert_held(dmabuf->resv);
	if (!dmabuf->ops->vmap)
		return -EINVAL;

	if (!dmabuf->vmapping_counter) {
		ret = dmabuf->ops->vmap(dmabuf, &new);
		if (ret)
			return ret;
		if (WARN_ON_ONCE(iosys_map_is_null(&new)))
			return -EINVAL;
		dmabuf->vmap_ptr = new;
	}
	dmabuf->vmapping_counter++;
	*map = dmabuf->vmap_ptr;
	return 0;
}
EXPORT_SYMBOL_NS_GPL(dma_buf_vmap, DMA_BUF);

/**
 * dma_buf_vmap_unlocked - map a buffer into the kernel
 * @dmabuf: the buffer
 * @map: returned: the mapping, which all users share; cleared on failure
 *
 * Context: Process, may sleep. Takes the reservation lock.
 * Return: As dma_buf_vmap().
 */
int dma_buf_vmap_unlocked(struct dma_buf *dmabuf, struct iosys_map *map)
{
	int ret;

	iosys_map_clear(map);
	if (WARN_ON_ONCE(!dmabuf))
		return -EINVAL;

	dma_resv_lock(dmabuf->resv, NULL);
	ret = dma_buf_vmap(dmabuf, map);
	dma_resv_unlock(dmabuf->resv);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(dma_buf_vmap_unlocked, DMA_BUF);

/**
 * dma_buf_vunmap - undo dma_buf_vmap()
 * @dmabuf: the buffer
 * @map: equal to what dma_buf_vmap() returned; else the core warns and does
 *	nothing
 *
 * Context: Process, may sleep, reservation lock held.
 */
void dma_buf_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	if (WARN_ON_ONCE(!dmabuf))
		return;
	dma_resv_assert_held(dmabuf->resv);
	if (WARN_ON_ONCE(!dmabuf->vmapping_counter ||
			 !iosys_map_is_equal(&dmabuf->vmap_ptr, map)))
		return;

	if (--dmabuf->vmapping_counter)
		return;
	if (dmabuf->ops->vunmap)
		dmabuf->ops->vunmap(dmabuf, map);
	iosys_map_clear(&dmabuf->vmap_ptr);
}
EXPORT_SYMBOL_NS_GPL(dma_buf_vunmap, DMA_BUF);

/**
 * dma_buf_vunmap_unlocked - undo dma_buf_vmap_unlocked()
 * @dmabuf: the buffer
 * @map: equal to what dma_buf_vmap_unlocked() returned
 *
 * Context: Process, may sleep. Takes the reservation lock.
 */
void dma_buf_vunmap_unlocked(struct dma_buf *dmabuf, struct iosys_map *map)
{
	if (WARN_ON_ONCE(!dmabuf))
		return;

	dma_resv_lock(dmabuf->resv, NULL);
	dma_buf_vunmap(dmabuf, map);
	dma_resv_unlock(dmabuf->resv);
}
EXPORT_SYMBOL_NS_GPL(dma_buf_vunmap_unlocked, DMA_BUF);

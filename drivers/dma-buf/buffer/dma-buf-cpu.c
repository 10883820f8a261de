// SPDX-License-Identifier: GPL-2.0-only
/*
 * Access by the CPU: the brackets around it, mappings into the kernel, and
 * mappings into processes that another driver redirects to the buffer.
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
 * The CPU touches a buffer, by whatever mapping, between
 * dma_buf_begin_cpu_access() and dma_buf_end_cpu_access(), which user space
 * calls as DMA_BUF_IOCTL_SYNC, or as DMA_BUF_IOCTL_SYNC_PARTIAL for a part.
 * Begin waits until devices are done and has the exporter make their writes
 * visible; end has it make the CPU's writes visible to devices.
 *
 * The kernel maps a buffer with dma_buf_vmap(). All callers share one mapping,
 * which is counted: it goes with the last dma_buf_vunmap(). The count, and the
 * mapping, are protected by the reservation lock.
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

static __always_inline int exporter_begin(struct dma_buf *dmabuf,
					  enum dma_data_direction dir,
					  size_t offset, size_t len)
{
	const struct dma_buf_ops *ops = dmabuf->ops;

	if (ops->begin_cpu_access_partial && !is_whole(dmabuf, offset, len))
		return ops->begin_cpu_access_partial(dmabuf, dir, offset, len);
	return ops->begin_cpu_access ? ops->begin_cpu_access(dmabuf, dir) : 0;
}

/* Both are inline for the sake of those who ask for the whole, nearly all. */
static __always_inline int begin_access(struct dma_buf *dmabuf,
					enum dma_data_direction dir,
					size_t offset, size_t len)
{
	bool write = dir == DMA_BIDIRECTIONAL || dir == DMA_TO_DEVICE;
	int ret;

	might_lock(&dmabuf->resv->lock.base);

	/* Caches are cleaned of what devices have written, not yet may. */
	ret = wait_for_devices(dmabuf, write);
	if (ret)
		return ret;

	ret = exporter_begin(dmabuf, dir, offset, len);
	/* The exporter may have had to move the memory. */
	return ret ?: wait_for_devices(dmabuf, write);
}

static __always_inline int end_access(struct dma_buf *dmabuf,
				      enum dma_data_direction dir,
				      size_t offset, size_t len)
{
	const struct dma_buf_ops *ops = dmabuf->ops;

	might_lock(&dmabuf->resv->lock.base);
	if (ops->end_cpu_access_partial && !is_whole(dmabuf, offset, len))
		return ops->end_cpu_access_partial(dmabuf, dir, offset, len);
	return ops->end_cpu_access ? ops->end_cpu_access(dmabuf, dir) : 0;
}

/**
 * dma_buf_begin_cpu_access_partial - the CPU is about to touch a part
 * @dmabuf: the buffer
 * @direction: DMA_FROM_DEVICE for reading, DMA_TO_DEVICE for writing, or both
 * @offset: first byte
 * @len: number of bytes
 *
 * Exporters that know no parts make the whole ready.
 *
 * Context: Process, may sleep. Reservation lock not held.
 * Return: 0; -EINVAL, with a warning, for no buffer; -EINVAL for an empty range
 * and one that does not lie in the buffer; -ERESTARTSYS if a signal ended the
 * wait; what the exporter says.
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
 * dma_buf_begin_cpu_access - the CPU is about to touch the buffer
 * @dmabuf: the buffer
 * @direction: DMA_FROM_DEVICE for reading, DMA_TO_DEVICE for writing, or both
 *
 * Context: Process, may sleep. Reservation lock not held.
 * Return: 0; -EINVAL, with a warning, for no buffer; -ERESTARTSYS if a signal
 * ended the wait; what the exporter says.
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
 * dma_buf_end_cpu_access_partial - the CPU is done with a part for now
 * @dmabuf: the buffer
 * @direction: as in dma_buf_begin_cpu_access_partial()
 * @offset: as there
 * @len: as there
 *
 * Context: Process, may sleep. Reservation lock not held.
 * Return: 0; -EINVAL, with a warning, for no buffer; -EINVAL for an empty range
 * and one that does not lie in the buffer; what the exporter says.
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
 * dma_buf_end_cpu_access - the CPU is done for now
 * @dmabuf: the buffer
 * @direction: as in dma_buf_begin_cpu_access()
 *
 * Context: Process, may sleep. Reservation lock not held.
 * Return: 0; -EINVAL, with a warning, for no buffer; what the exporter says.
 */
int dma_buf_end_cpu_access(struct dma_buf *dmabuf,
			   enum dma_data_direction direction)
{
	if (WARN_ON_ONCE(!dmabuf))
		return -EINVAL;
	return end_access(dmabuf, direction, 0, dmabuf->size);
}
EXPORT_SYMBOL_NS_GPL(dma_buf_end_cpu_access, DMA_BUF);

/*
 * The buffer's file system is mounted noexec, but mmap() has looked at the file
 * of the one who redirects: do what it would have done. A program whose
 * personality makes all that is readable executable did not ask for that.
 */
static int forbid_exec(struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_EXEC) {
		if (!(current->personality & READ_IMPLIES_EXEC))
			return -EPERM;
		vm_flags_clear(vma, VM_EXEC);
		/* Keeps how the memory is to be cached. */
		vma->vm_page_prot =
			pgprot_modify(vma->vm_page_prot,
				      vm_get_page_prot(vma->vm_flags));
	}
	if (vma->vm_flags & VM_MAYEXEC)
		vm_flags_clear(vma, VM_MAYEXEC);
	return 0;
}

/**
 * dma_buf_mmap - map a buffer instead of what a process asked for
 * @dmabuf: the buffer
 * @vma: the mapping; it gets the buffer's file for its own
 * @pgoff: first page of the buffer
 *
 * For importers whose own memory object is backed by the buffer.
 *
 * Context: Process, mmap lock held for writing. Reservation lock not held.
 * Return: 0; -EINVAL, with a warning, for no buffer or mapping; -EINVAL if the
 * exporter cannot map, or for a range that does not lie in the buffer; -EOVERFLOW
 * if it has no end; -EPERM if the process asked for an executable mapping; what
 * the exporter says.
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
 * Return: 0; -EINVAL, with a warning, for no buffer, or an exporter that
 * succeeds without a mapping; -EINVAL if the exporter cannot; what it says.
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
 * dma_buf_vunmap - the kernel is done with a mapping
 * @dmabuf: the buffer
 * @map: equal to what dma_buf_vmap() returned; else nothing is done, with a
 *	warning
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
 * dma_buf_vunmap_unlocked - the kernel is done with a mapping
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

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-backed buffers as the CPU sees them: mappings into processes and into
 * the kernel, by entries as large as the memory and the page tables allow.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/highmem.h>
#include <linux/huge_mm.h>
#include <linux/io.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/pfn_t.h>
#include <linux/vmalloc.h>

#include "heap-pages.h"

/**
 * DOC: mappings for the CPU
 *
 * mmap() enters all pages at once, with one call per contiguous part. Taking a
 * fault for every page costs thirty times as much, and programs with real-time
 * needs cannot avoid the faults otherwise: MAP_POPULATE and mlock() skip such
 * mappings. Where address and memory are aligned to a PMD and huge pages are
 * on, mmap() enters a single PMD. The file's get_unmapped_area() aligns the
 * address, the heap aligns the memory.
 *
 * When a process changes or moves a part of a PMD, the mm drops the PMD instead
 * of splitting it. Faults enter it again, by pages or as a whole.
 *
 * Pages are mapped by frame number: nobody can take references to them, and
 * they stay until the mapping's file goes. Such a mapping has to be shared:
 * memory that devices write to is not copied on write.
 */

/* Return the page of the buffer that is mapped at @addr. */
static pgoff_t heap_vma_pgoff(const struct vm_area_struct *vma,
			      unsigned long addr)
{
	return vma->vm_pgoff + ((addr - vma->vm_start) >> PAGE_SHIFT);
}

/* VM_DONTEXPAND should keep the mapping within the buffer; check it anyway. */
static vm_fault_t heap_pages_fault(struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	pgoff_t pgoff = heap_vma_pgoff(vma, vmf->address);
	struct heap_extent ext;

	heap_extent_start(&ext, vma->vm_private_data, pgoff, pgoff + 1, 1);
	if (!heap_extent_next(&ext))
		return VM_FAULT_SIGBUS;
	return vmf_insert_pfn(vma, vmf->address, ext.pfn);
}

#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
static vm_fault_t heap_pages_huge_fault(struct vm_fault *vmf,
					unsigned int order)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long addr = vmf->address & PMD_MASK;
	unsigned long nr = PMD_SIZE >> PAGE_SHIFT;
	struct heap_extent ext;
	pgoff_t pgoff;
	bool write;

	if (order != PMD_ORDER || addr < vma->vm_start ||
	    addr + PMD_SIZE > vma->vm_end)
		return VM_FAULT_FALLBACK;
	pgoff = heap_vma_pgoff(vma, addr);
	heap_extent_start(&ext, vma->vm_private_data, pgoff, pgoff + nr, nr);
	if (!heap_extent_next(&ext) || ext.nr < nr || ext.pfn & (nr - 1))
		return VM_FAULT_FALLBACK;
	/*
	 * A new entry gets the protection of the mapping. @write makes an entry
	 * writable that exists read-only because the mm tracks writes.
	 */
	write = vmf->flags & FAULT_FLAG_WRITE &&
		pmd_leaf(pmdp_get_lockless(vmf->pmd));
	return vmf_insert_pfn_pmd(vmf, __pfn_to_pfn_t(ext.pfn, PFN_DEV), write);
}

/* Return the entry for a PMD; allocate the page tables above it if needed. */
static pmd_t *heap_pages_pmd(struct mm_struct *mm, unsigned long addr)
{
	p4d_t *p4d = p4d_alloc(mm, pgd_offset(mm, addr), addr);
	pud_t *pud = p4d ? pud_alloc(mm, p4d, addr) : NULL;

	return pud ? pmd_alloc(mm, pud, addr) : NULL;
}

/*
 * Enter aligned memory by PMDs, as a first fault would. The mapping is new, so
 * nothing faults in it yet; the caller's mmap lock keeps the page tables.
 */
static int heap_pages_insert_pmds(struct vm_area_struct *vma,
				  unsigned long addr, unsigned long end,
				  unsigned long pfn)
{
	for (; addr < end; addr += PMD_SIZE, pfn += PMD_SIZE >> PAGE_SHIFT) {
		struct vm_fault vmf = {
			.vma = vma,
			.address = addr,
			.pmd = heap_pages_pmd(vma->vm_mm, addr),
		};

		if (!vmf.pmd)
			return -ENOMEM;
		if (vmf_insert_pfn_pmd(&vmf, __pfn_to_pfn_t(pfn, PFN_DEV),
				       false) != VM_FAULT_NOPAGE)
			return -ENOMEM;
	}
	return 0;
}

static bool heap_vma_takes_huge(struct vm_area_struct *vma)
{
	return thp_vma_allowable_order(vma, vma->vm_flags,
				       TVA_IN_PF | TVA_ENFORCE_SYSFS,
				       PMD_ORDER);
}
#else
static int heap_pages_insert_pmds(struct vm_area_struct *vma,
				  unsigned long addr, unsigned long end,
				  unsigned long pfn)
{
	return -EINVAL;
}

static bool heap_vma_takes_huge(struct vm_area_struct *vma)
{
	return false;
}
#endif

static const struct vm_operations_struct heap_pages_vm_ops = {
	.fault = heap_pages_fault,
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	.huge_fault = heap_pages_huge_fault,
#endif
};

/*
 * Enter one contiguous part: pages up to the first PMD, PMDs, and pages after
 * the last. A PMD takes the same conditions as in heap_pages_huge_fault().
 */
static int heap_pages_mmap_extent(struct vm_area_struct *vma,
				  unsigned long addr, unsigned long pfn,
				  unsigned long nr, bool huge)
{
	unsigned long end = addr + (nr << PAGE_SHIFT);
	unsigned long from = ALIGN(addr, PMD_SIZE);
	unsigned long to = ALIGN_DOWN(end, PMD_SIZE);
	int ret;

	if (!huge || from >= to ||
	    ((addr >> PAGE_SHIFT) ^ pfn) & ((PMD_SIZE >> PAGE_SHIFT) - 1))
		return remap_pfn_range_notrack(vma, addr, pfn, end - addr,
					       vma->vm_page_prot);
	if (addr < from) {
		ret = remap_pfn_range_notrack(vma, addr, pfn, from - addr,
					      vma->vm_page_prot);
		if (ret)
			return ret;
	}
	ret = heap_pages_insert_pmds(vma, from, to,
				     pfn + ((from - addr) >> PAGE_SHIFT));
	if (ret || to == end)
		return ret;
	return remap_pfn_range_notrack(vma, to, pfn + ((to - addr) >> PAGE_SHIFT),
				       end - to, vma->vm_page_prot);
}

/**
 * heap_pages_mmap - implement &dma_buf_ops.mmap
 * @dmabuf: the buffer
 * @vma: where to map it; the core has checked the range
 *
 * The memory is RAM in its usual cache mode, so remap_pfn_range_notrack() is
 * enough.
 *
 * Context: Process, may sleep, mmap lock held for writing.
 * Return: 0; -EINVAL for a private mapping; -ENOMEM; what the maker returns.
 */
int heap_pages_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct heap_pages *buf = dmabuf->priv;
	pgoff_t pgoff = vma->vm_pgoff;
	struct heap_extent ext;
	unsigned long addr;
	bool huge;
	int ret;

	if (!(vma->vm_flags & (VM_SHARED | VM_MAYSHARE)))
		return -EINVAL;
	if (buf->ops->check_mmap) {
		ret = buf->ops->check_mmap(dmabuf, vma);
		if (ret)
			return ret;
	}
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	vma->vm_ops = &heap_pages_vm_ops;
	vma->vm_private_data = buf;

	huge = heap_vma_takes_huge(vma);
	addr = vma->vm_start;
	heap_extent_start(&ext, buf, pgoff, pgoff + vma_pages(vma), ULONG_MAX);
	while (heap_extent_next(&ext)) {
		ret = heap_pages_mmap_extent(vma, addr, ext.pfn, ext.nr, huge);
		if (ret) {
			/*
			 * The mm would drop the file before it unmaps the rest,
			 * and then take a PMD for that of a folio whose
			 * mappings it counts.
			 */
			zap_vma_ptes(vma, vma->vm_start,
				     vma->vm_end - vma->vm_start);
			return ret;
		}
		addr += ext.nr << PAGE_SHIFT;
		cond_resched();
	}
	return 0;
}

/*
 * Enter all of a buffer into the kernel's page tables. A VM_IOREMAP area is
 * aligned to its size, so that large parts take a single entry, and it has no
 * array of pages, so that vunmap() leaves the pages alone.
 */
static void *heap_pages_vmap_extents(const struct heap_pages *buf)
{
	struct heap_extent ext;
	struct vm_struct *area;
	unsigned long addr, end;

	area = get_vm_area(buf->nr_pages << PAGE_SHIFT, VM_IOREMAP);
	if (!area)
		return NULL;
	addr = (unsigned long)area->addr;
	heap_extent_start(&ext, buf, 0, buf->nr_pages, ULONG_MAX);
	while (heap_extent_next(&ext)) {
		end = addr + (ext.nr << PAGE_SHIFT);
		if (vmap_page_range(addr, end, PFN_PHYS(ext.pfn), PAGE_KERNEL)) {
			vunmap(area->addr);
			return NULL;
		}
		addr = end;
		cond_resched();
	}
	return area->addr;
}

/**
 * heap_pages_vmap - implement &dma_buf_ops.vmap
 * @dmabuf: the buffer
 * @map: returned: the address
 *
 * A buffer of one run that is not highmem is in the direct mapping already.
 *
 * Context: Process, may sleep, reservation lock held. Takes &heap_pages.lock.
 * Return: 0 or -ENOMEM.
 */
int heap_pages_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct heap_pages *buf = dmabuf->priv;
	void *vaddr;

	dma_resv_assert_held(dmabuf->resv);

	if (buf->nr_runs == 1 && !PageHighMem(buf->runs[0].page))
		vaddr = page_address(buf->runs[0].page);
	else
		vaddr = heap_pages_vmap_extents(buf);
	if (!vaddr)
		return -ENOMEM;
	scoped_guard(mutex, &buf->lock)
		buf->vaddr = vaddr;
	iosys_map_set_vaddr(map, vaddr);
	return 0;
}

/**
 * heap_pages_vunmap - implement &dma_buf_ops.vunmap
 * @dmabuf: the buffer
 * @map: from heap_pages_vmap()
 *
 * Context: Process, may sleep, reservation lock held. Takes &heap_pages.lock.
 */
void heap_pages_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct heap_pages *buf = dmabuf->priv;

	dma_resv_assert_held(dmabuf->resv);

	scoped_guard(mutex, &buf->lock)
		buf->vaddr = NULL;
	if (is_vmalloc_addr(map->vaddr))
		vunmap(map->vaddr);
}

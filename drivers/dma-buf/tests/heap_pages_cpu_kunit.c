// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page-backed buffers mapped into the kernel and into a process: which page is
 * where, how large the mappings are, and where they end.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <asm/tlbflush.h>
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/huge_mm.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/pgtable.h>
#include <linux/sched/mm.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "../heaps/heap-pages.h"
#include "heap_mock.h"
#include "mock.h"

/* The frame of page @i of the buffer, by a linear search. */
static unsigned long pfn_of(struct heap_pages *buf, pgoff_t i)
{
	unsigned int run = buf->nr_runs - 1;

	while (buf->runs[run].start > i)
		run--;
	return page_to_pfn(buf->runs[run].page) + i - buf->runs[run].start;
}

/* Into the kernel */

static void check_vmap(struct kunit *test, struct heap_mock *mock,
		       bool expect_vmalloc)
{
	struct iosys_map map, again;
	unsigned long i;
	u64 *word;

	KUNIT_ASSERT_EQ(test, dma_buf_vmap_unlocked(mock->dmabuf, &map), 0);
	KUNIT_ASSERT_FALSE(test, map.is_iomem);
	KUNIT_EXPECT_EQ(test, is_vmalloc_addr(map.vaddr), expect_vmalloc);
	KUNIT_EXPECT_PTR_EQ(test, mock->buf->vaddr, map.vaddr);
	for (i = 0; i < mock->added; i++) {
		word = map.vaddr + (i << PAGE_SHIFT);
		KUNIT_EXPECT_EQ(test, *word, heap_mock_mark(i));
		if (expect_vmalloc)
			KUNIT_EXPECT_EQ(test, vmalloc_to_pfn(word),
					pfn_of(mock->buf, i));
	}
	/* The last byte is mapped too, and a write reaches the page. */
	memset(map.vaddr, 0x5a, mock->dmabuf->size);
	word = page_address(pfn_to_page(pfn_of(mock->buf, mock->added - 1)));
	KUNIT_EXPECT_EQ(test, word[PAGE_SIZE / 8 - 1], 0x5a5a5a5a5a5a5a5aull);

	/* On CPUs with aliasing caches this flushes the vmap. */
	KUNIT_EXPECT_EQ(test, dma_buf_begin_cpu_access(mock->dmabuf,
						       DMA_BIDIRECTIONAL), 0);
	KUNIT_EXPECT_EQ(test, dma_buf_end_cpu_access(mock->dmabuf,
						     DMA_BIDIRECTIONAL), 0);

	KUNIT_ASSERT_EQ(test, dma_buf_vmap_unlocked(mock->dmabuf, &again), 0);
	KUNIT_EXPECT_PTR_EQ(test, again.vaddr, map.vaddr);
	dma_buf_vunmap_unlocked(mock->dmabuf, &again);
	dma_buf_vunmap_unlocked(mock->dmabuf, &map);
	KUNIT_EXPECT_NULL(test, mock->buf->vaddr);
	if (expect_vmalloc)
		KUNIT_EXPECT_NULL(test, find_vm_area(map.vaddr));
}

static void vmap_of_one_run_costs_nothing(struct kunit *test)
{
	struct heap_mock *mock = HEAP_MOCK(test, 4);

	heap_mock_export(mock);
	check_vmap(test, mock, false);
	heap_mock_put(mock);
}

static void vmap_joins_runs(struct kunit *test)
{
	struct heap_mock *mock = HEAP_MOCK(test, 4, 0, 5, 3, 0);

	heap_mock_export(mock);
	check_vmap(test, mock, true);
	heap_mock_put(mock);
}

static void vmap_joins_large_runs(struct kunit *test)
{
	struct heap_mock *mock = HEAP_MOCK(test, 9, 9, 8, 4, 0);

	heap_mock_export(mock);
	check_vmap(test, mock, true);
	heap_mock_put(mock);
}

/* Into a process */

static void __user *map_at(struct kunit *test, struct heap_mock *mock,
			   unsigned long addr, pgoff_t first,
			   unsigned long nr_pages, unsigned long flags)
{
	unsigned long ret;

	ret = kunit_vm_mmap(test, mock->dmabuf->file, addr,
			    nr_pages << PAGE_SHIFT, PROT_READ | PROT_WRITE,
			    flags, first << PAGE_SHIFT);
	KUNIT_ASSERT_NE(test, ret, 0);
	return (void __user *)ret;
}

/*
 * Without this the test's mm would keep the memory beyond the end of the case.
 */
static void unmap(struct kunit *test, void __user *user, unsigned long nr_pages)
{
	KUNIT_EXPECT_EQ(test, vm_munmap((unsigned long)user,
					nr_pages << PAGE_SHIFT), 0);
}

static u64 read_word(struct kunit *test, void __user *user)
{
	u64 word = 0;

	KUNIT_EXPECT_EQ(test, copy_from_user(&word, user, sizeof(word)), 0);
	return word;
}

static void check_mapping(struct kunit *test, void __user *user, pgoff_t first,
			  unsigned long nr_pages)
{
	unsigned long i;

	for (i = 0; i < nr_pages; i++)
		KUNIT_EXPECT_EQ(test, read_word(test, user + i * PAGE_SIZE),
				heap_mock_mark(first + i));
}

static void mmap_shows_all_pages(struct kunit *test)
{
	struct heap_mock *mock = HEAP_MOCK(test, 0, 4, 5, 0, 3);
	void __user *user;
	u64 *word;

	heap_mock_export(mock);
	user = map_at(test, mock, 0, 0, mock->added, MAP_SHARED);
	KUNIT_ASSERT_FALSE(test, IS_ERR((__force void *)user));
	check_mapping(test, user, 0, mock->added);

	KUNIT_EXPECT_EQ(test, put_user(4711, (u64 __user *)(user + PAGE_SIZE)),
			0);
	word = page_address(pfn_to_page(pfn_of(mock->buf, 1)));
	KUNIT_EXPECT_EQ(test, *word, 4711);
	unmap(test, user, mock->added);
	heap_mock_put(mock);
}

static void mmap_shows_a_part(struct kunit *test)
{
	struct heap_mock *mock = HEAP_MOCK(test, 3, 0, 3);
	void __user *user;
	pgoff_t first;

	heap_mock_export(mock);
	for (first = 0; first < mock->added - 2; first++) {
		user = map_at(test, mock, 0, first, 3, MAP_SHARED);
		KUNIT_ASSERT_FALSE(test, IS_ERR((__force void *)user));
		check_mapping(test, user, first, 3);
		unmap(test, user, 3);
	}
	heap_mock_put(mock);
}

static void mmap_has_to_be_shared(struct kunit *test)
{
	struct heap_mock *mock = HEAP_MOCK(test, 0);
	void __user *user;

	heap_mock_export(mock);
	user = map_at(test, mock, 0, 0, 1, MAP_PRIVATE);
	KUNIT_EXPECT_PTR_EQ(test, (__force void *)user, ERR_PTR(-EINVAL));
	heap_mock_put(mock);
}

/* A mapping alone keeps the memory, or a program would write to freed pages. */
static void mmap_outlives_the_last_put(struct kunit *test)
{
	struct heap_mock *mock = HEAP_MOCK(test, 2);
	void __user *user;

	heap_mock_export(mock);
	user = map_at(test, mock, 0, 0, 4, MAP_SHARED);
	KUNIT_ASSERT_FALSE(test, IS_ERR((__force void *)user));
	dma_buf_put(mock->dmabuf);
	mock_flush_files();
	KUNIT_EXPECT_EQ(test, mock->freed, 0);
	check_mapping(test, user, 0, 4);
	unmap(test, user, 4);
	mock_flush_files();
	KUNIT_EXPECT_EQ(test, mock->freed, 4);
}

/* mremap() can enlarge a mapping beyond the buffer, where a fault must fail. */
static void fault_beyond_the_end_is_sigbus(struct kunit *test)
{
	struct heap_mock *mock = HEAP_MOCK(test, 1, 0);
	struct vm_area_struct *vma, *grown;
	void __user *user;
	int i;

	heap_mock_export(mock);
	user = map_at(test, mock, 0, 1, 2, MAP_SHARED);
	KUNIT_ASSERT_FALSE(test, IS_ERR((__force void *)user));
	grown = kunit_kzalloc(test, sizeof(*grown), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, grown);

	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, (unsigned long)user);
	KUNIT_EXPECT_NOT_NULL(test, vma);
	if (vma) {
		/* Else the mm refuses what is outside the mapping. */
		memcpy(grown, vma, sizeof(*vma));
		grown->vm_end += 2000 * PAGE_SIZE;
	}
	for (i = 2; vma && i < 2000; i *= 5) {
		struct vm_fault vmf = {
			.vma = grown,
			.address = vma->vm_start + i * PAGE_SIZE,
		};

		KUNIT_EXPECT_EQ(test,
				(__force u32)vma->vm_ops->fault(&vmf),
				(__force u32)VM_FAULT_SIGBUS);
	}
	/* A page of the buffer can be faulted in. */
	if (vma) {
		struct vm_fault vmf = {
			.vma = vma,
			.address = vma->vm_start + PAGE_SIZE,
		};

		KUNIT_EXPECT_EQ(test,
				(__force u32)vma->vm_ops->fault(&vmf),
				(__force u32)VM_FAULT_NOPAGE);
	}
	mmap_read_unlock(current->mm);
	check_mapping(test, user, 1, 2);
	unmap(test, user, 2);
	heap_mock_put(mock);
}

#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
static bool is_huge(unsigned long addr)
{
	pmd_t *pmd;

	guard(rwsem_read)(&current->mm->mmap_lock);
	pmd = pmd_off(current->mm, addr);
	return pmd_leaf(pmdp_get(pmd));
}

/* Maps the buffer with its page 0 at @offset from the start of a PMD. */
static void __user *map_huge(struct kunit *test, struct heap_mock *mock,
			     unsigned long offset)
{
	unsigned long room = (mock->added << PAGE_SHIFT) + 2 * PMD_SIZE;
	unsigned long addr;
	void __user *user;

	addr = kunit_vm_mmap(test, NULL, 0, room, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, 0);
	KUNIT_ASSERT_FALSE(test, !addr || IS_ERR_VALUE(addr));
	KUNIT_ASSERT_EQ(test, vm_munmap(addr, room), 0);
	addr = ALIGN(addr, PMD_SIZE) + offset;
	user = map_at(test, mock, addr, 0, mock->added, MAP_SHARED | MAP_FIXED);
	KUNIT_ASSERT_EQ(test, (unsigned long)user, addr);
	return user;
}

/* mmap() itself enters everything: real-time programs must not fault later. */
static void mmap_enters_aligned_memory_by_pmd(struct kunit *test)
{
	struct heap_mock *mock = HEAP_MOCK(test, PMD_ORDER, PMD_ORDER, 2);
	void __user *user;

	heap_mock_export(mock);
	user = map_huge(test, mock, 0);
	KUNIT_EXPECT_TRUE(test, is_huge((unsigned long)user));
	KUNIT_EXPECT_TRUE(test, is_huge((unsigned long)user + PMD_SIZE));
	KUNIT_EXPECT_FALSE(test, is_huge((unsigned long)user + 2 * PMD_SIZE));
	check_mapping(test, user, 0, mock->added);
	KUNIT_EXPECT_TRUE(test, is_huge((unsigned long)user));
	KUNIT_EXPECT_EQ(test, put_user(1, (u64 __user *)(user + PMD_SIZE)), 0);
	KUNIT_EXPECT_EQ(test, read_word(test, user + PMD_SIZE), 1);
	unmap(test, user, mock->added);
	heap_mock_put(mock);
}

/*
 * The mm write-protects a PMD to learn about writes: the fault must end that.
 */
static void fault_on_protected_pmd(struct kunit *test)
{
	struct heap_mock *mock = HEAP_MOCK(test, PMD_ORDER);
	struct mm_struct *mm;
	void __user *user;
	pmd_t *pmd;

	heap_mock_export(mock);
	user = map_huge(test, mock, 0);
	check_mapping(test, user, 0, 1);
	mm = current->mm;
	scoped_guard(rwsem_read, &mm->mmap_lock) {
		pmd = pmd_off(mm, (unsigned long)user);
		guard(spinlock)(pmd_lockptr(mm, pmd));
		pmdp_set_wrprotect(mm, (unsigned long)user, pmd);
	}
	flush_tlb_mm(mm);
	KUNIT_EXPECT_EQ(test, put_user(1, (u64 __user *)user), 0);
	KUNIT_EXPECT_EQ(test, read_word(test, user), 1);
	KUNIT_EXPECT_TRUE(test, is_huge((unsigned long)user));
	unmap(test, user, mock->added);
	heap_mock_put(mock);
}

/* The mm drops a PMD that is unmapped in part: faults bring back the rest. */
static void fault_after_hole_in_pmd(struct kunit *test)
{
	struct heap_mock *mock = HEAP_MOCK(test, PMD_ORDER);
	unsigned long half = mock->added / 2;
	void __user *user;

	heap_mock_export(mock);
	user = map_huge(test, mock, 0);
	check_mapping(test, user, 0, mock->added);
	unmap(test, user + half * PAGE_SIZE, 1);
	check_mapping(test, user, 0, half);
	check_mapping(test, user + (half + 1) * PAGE_SIZE, half + 1, half - 1);
	KUNIT_EXPECT_FALSE(test, is_huge((unsigned long)user));
	unmap(test, user, mock->added);
	heap_mock_put(mock);
}

static void mmap_enters_misaligned_memory_by_pages(struct kunit *test)
{
	struct heap_mock *mock = HEAP_MOCK(test, PMD_ORDER, 0, PMD_ORDER);
	void __user *user;

	heap_mock_export(mock);
	/* Only the second PMD-sized run is aligned to a PMD in the mapping. */
	user = map_huge(test, mock, PMD_SIZE - PAGE_SIZE);
	KUNIT_EXPECT_FALSE(test, is_huge((unsigned long)user));
	KUNIT_EXPECT_FALSE(test, is_huge((unsigned long)user + PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, is_huge((unsigned long)user + PAGE_SIZE +
					PMD_SIZE));
	check_mapping(test, user, 0, mock->added);
	unmap(test, user, mock->added);
	heap_mock_put(mock);
}

/* A dropped PMD comes back as a PMD, not page by page. */
static void fault_after_dropped_pmd(struct kunit *test)
{
	struct heap_mock *mock = HEAP_MOCK(test, PMD_ORDER);
	struct vm_area_struct *vma;
	void __user *user;

	heap_mock_export(mock);
	user = map_huge(test, mock, 0);
	scoped_guard(rwsem_read, &current->mm->mmap_lock) {
		vma = vma_lookup(current->mm, (unsigned long)user);
		KUNIT_EXPECT_NOT_NULL(test, vma);
		if (vma)
			zap_vma_ptes(vma, vma->vm_start, PMD_SIZE);
	}
	KUNIT_EXPECT_FALSE(test, is_huge((unsigned long)user));
	check_mapping(test, user, 0, mock->added);
	KUNIT_EXPECT_TRUE(test, is_huge((unsigned long)user));
	unmap(test, user, mock->added);
	heap_mock_put(mock);
}
#endif

/* udmabuf reports an end without any begin before; the heaps never did. */
static void end_cpu_access_without_begin(struct kunit *test)
{
	struct heap_mock *mock = HEAP_MOCK(test, 0);
	struct heap_mock *strict = HEAP_MOCK(test, 0);

	strict->ops.strict_end = true;
	heap_mock_export(mock);
	heap_mock_export(strict);
	KUNIT_EXPECT_EQ(test, dma_buf_end_cpu_access(mock->dmabuf,
						     DMA_TO_DEVICE), 0);
	KUNIT_EXPECT_EQ(test, dma_buf_end_cpu_access(strict->dmabuf,
						     DMA_TO_DEVICE), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_buf_begin_cpu_access(strict->dmabuf,
						       DMA_TO_DEVICE), 0);
	KUNIT_EXPECT_EQ(test, dma_buf_end_cpu_access(strict->dmabuf,
						     DMA_TO_DEVICE), 0);
	KUNIT_EXPECT_EQ(test, dma_buf_end_cpu_access(strict->dmabuf,
						     DMA_TO_DEVICE), 0);
	heap_mock_put(mock);
	heap_mock_put(strict);
}

static struct kunit_case heap_pages_cpu_cases[] = {
	KUNIT_CASE(vmap_of_one_run_costs_nothing),
	KUNIT_CASE(vmap_joins_runs),
	KUNIT_CASE(vmap_joins_large_runs),
	KUNIT_CASE(mmap_shows_all_pages),
	KUNIT_CASE(mmap_shows_a_part),
	KUNIT_CASE(mmap_has_to_be_shared),
	KUNIT_CASE(mmap_outlives_the_last_put),
	KUNIT_CASE(fault_beyond_the_end_is_sigbus),
#ifdef CONFIG_ARCH_SUPPORTS_PMD_PFNMAP
	KUNIT_CASE(mmap_enters_aligned_memory_by_pmd),
	KUNIT_CASE(fault_on_protected_pmd),
	KUNIT_CASE(fault_after_hole_in_pmd),
	KUNIT_CASE(mmap_enters_misaligned_memory_by_pages),
	KUNIT_CASE(fault_after_dropped_pmd),
#endif
	KUNIT_CASE(end_cpu_access_without_begin),
	{}
};

static struct kunit_suite heap_pages_cpu_suite = {
	.name = "heap_pages_cpu",
	.test_cases = heap_pages_cpu_cases,
};

kunit_test_suite(heap_pages_cpu_suite);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * No mapping of a buffer is executable or can become so, whether it is made by
 * the buffer's own file or by dma_buf_mmap().
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/personality.h>
#include <linux/pgtable.h>
#include <linux/sched.h>

#include "mock.h"

static int redirect_mmap(struct file *file, struct vm_area_struct *vma)
{
	return dma_buf_mmap(file->private_data, vma, 0);
}

static const struct file_operations redirect_fops = {
	.mmap = redirect_mmap,
};

struct exec_param {
	const char *desc;
	bool redirected;
};

static const struct exec_param exec_params[] = {
	{ "the buffer's own file", false },
	{ "a file that redirects", true },
};

KUNIT_ARRAY_PARAM_DESC(exec, exec_params, desc);

/* Maps a page of the buffer as the parameter says. */
static unsigned long map(struct kunit *test, struct mock_exporter *exp,
			 unsigned long prot)
{
	const struct exec_param *param = test->param_value;
	struct file *file = exp->dmabuf->file;
	unsigned long addr;

	if (param->redirected)
		file = anon_inode_getfile("redirect", &redirect_fops,
					  exp->dmabuf, O_RDWR);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	/* This gives the thread an mm. */
	mock_user_alloc(test, PAGE_SIZE);
	addr = vm_mmap(file, 0, PAGE_SIZE, prot, MAP_SHARED, 0);
	if (param->redirected)
		fput(file);
	return addr;
}

static vm_flags_t flags_of(unsigned long addr, pgprot_t *prot)
{
	struct vm_area_struct *vma;
	vm_flags_t flags = VM_EXEC;

	mmap_read_lock(current->mm);
	vma = vma_lookup(current->mm, addr);
	if (vma) {
		flags = vma->vm_flags;
		*prot = vma->vm_page_prot;
	}
	mmap_read_unlock(current->mm);
	return flags;
}

static void expect_not_executable(struct kunit *test, unsigned long addr)
{
	vm_flags_t flags;
	pgprot_t prot;

	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	flags = flags_of(addr, &prot);
	/* Without VM_MAYEXEC mprotect() cannot add VM_EXEC. */
	KUNIT_EXPECT_EQ(test, flags & (VM_EXEC | VM_MAYEXEC), 0);
	KUNIT_EXPECT_EQ(test, flags & (VM_READ | VM_WRITE | VM_SHARED),
			VM_READ | VM_WRITE | VM_SHARED);
	KUNIT_EXPECT_EQ(test, pgprot_val(prot),
			pgprot_val(vm_get_page_prot(flags)));
	KUNIT_EXPECT_EQ(test, vm_munmap(addr, PAGE_SIZE), 0);
	mock_flush_files();
}

static void mmap_exec_refused(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);

	KUNIT_EXPECT_EQ(test, map(test, exp, PROT_READ | PROT_EXEC),
			(unsigned long)-EPERM);
	KUNIT_EXPECT_EQ(test, map(test, exp, PROT_EXEC),
			(unsigned long)-EPERM);
	mock_flush_files();
	MOCK_EXPECT_NO_CALLS(exp);
	mock_exporter_put_last(exp);
}

static void mmap_stays_without_exec(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);

	expect_not_executable(test, map(test, exp, PROT_READ | PROT_WRITE));
	mock_exporter_put_last(exp);
}

/* Old programs with READ_IMPLIES_EXEC must still be able to map a buffer. */
static void mmap_read_implies_exec(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	unsigned int saved = current->personality;
	unsigned long addr;

	current->personality |= READ_IMPLIES_EXEC;
	addr = map(test, exp, PROT_READ | PROT_WRITE);
	current->personality = saved;
	expect_not_executable(test, addr);
	mock_exporter_put_last(exp);
}

static void init_fs_context_flags(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	struct super_block *sb = file_inode(exp->dmabuf->file)->i_sb;

	KUNIT_EXPECT_TRUE(test, path_noexec(&exp->dmabuf->file->f_path));
	KUNIT_EXPECT_TRUE(test, sb->s_iflags & SB_I_NODEV);
	mock_exporter_put_last(exp);
}

static struct kunit_case dma_buf_exec_cases[] = {
	KUNIT_CASE_PARAM(mmap_exec_refused, exec_gen_params),
	KUNIT_CASE_PARAM(mmap_stays_without_exec, exec_gen_params),
	KUNIT_CASE_PARAM(mmap_read_implies_exec, exec_gen_params),
	KUNIT_CASE(init_fs_context_flags),
	{}
};

static struct kunit_suite dma_buf_exec_suite = {
	.name = "dma_buf_exec",
	.test_cases = dma_buf_exec_cases,
};

kunit_test_suite(dma_buf_exec_suite);

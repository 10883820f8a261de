// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU access: what begin_cpu_access waits for and when, the counted vmap, and
 * dma_buf_mmap() as the file of another driver uses it.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/completion.h>
#include <linux/dma-direction.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "mock.h"

#define PAGES 3
#define SIZE (PAGES * PAGE_SIZE)

static void begin_cpu_access_no_buffer(struct kunit *test)
{
	mock_warn_begin(test);
	KUNIT_EXPECT_EQ(test, dma_buf_begin_cpu_access(NULL, DMA_TO_DEVICE),
			-EINVAL);
	mock_warn_end(test, "dma_buf_begin_cpu_access", 1);
	mock_warn_begin(test);
	KUNIT_EXPECT_EQ(test, dma_buf_end_cpu_access(NULL, DMA_TO_DEVICE),
			-EINVAL);
	mock_warn_end(test, "dma_buf_end_cpu_access", 1);
}

static void begin_cpu_access_calls_exporter(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct dma_buf *dmabuf = exp->dmabuf;

	/* The brackets may nest and need not be balanced. */
	KUNIT_EXPECT_EQ(test, dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE),
			0);
	KUNIT_EXPECT_EQ(test, exp->direction, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test,
			dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE), 0);
	KUNIT_EXPECT_EQ(test, exp->direction, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test,
			dma_buf_end_cpu_access(dmabuf, DMA_BIDIRECTIONAL), 0);
	KUNIT_EXPECT_EQ(test, exp->direction, DMA_BIDIRECTIONAL);
	MOCK_EXPECT_LOG(exp, MOCK_BEGIN_CPU_ACCESS, MOCK_BEGIN_CPU_ACCESS,
			MOCK_END_CPU_ACCESS);
	exp->fail[MOCK_BEGIN_CPU_ACCESS] = -EIO;
	exp->fail[MOCK_END_CPU_ACCESS] = -ENODEV;
	KUNIT_EXPECT_EQ(test, dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE),
			-EIO);
	KUNIT_EXPECT_EQ(test, dma_buf_end_cpu_access(dmabuf, DMA_TO_DEVICE),
			-ENODEV);
	mock_exporter_put_last(exp);
}

static void begin_cpu_access_no_ops(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_create(test, SIZE, 0);

	exp->ops.begin_cpu_access = NULL;
	exp->ops.end_cpu_access = NULL;
	mock_export(exp);
	KUNIT_EXPECT_EQ(test, dma_buf_begin_cpu_access(exp->dmabuf,
						       DMA_TO_DEVICE), 0);
	KUNIT_EXPECT_EQ(test, dma_buf_end_cpu_access(exp->dmabuf,
						     DMA_TO_DEVICE), 0);
	mock_exporter_put_last(exp);
}

struct wait_param {
	const char *desc;
	enum dma_data_direction direction;
	enum dma_resv_usage usage;
	bool waits;
};

static const struct wait_param wait_params[] = {
	{ "reading, kernel", DMA_FROM_DEVICE, DMA_RESV_USAGE_KERNEL, true },
	{ "reading, write", DMA_FROM_DEVICE, DMA_RESV_USAGE_WRITE, true },
	{ "reading, read", DMA_FROM_DEVICE, DMA_RESV_USAGE_READ, false },
	{ "reading, bookkeep", DMA_FROM_DEVICE, DMA_RESV_USAGE_BOOKKEEP,
	  false },
	{ "writing, kernel", DMA_TO_DEVICE, DMA_RESV_USAGE_KERNEL, true },
	{ "writing, write", DMA_TO_DEVICE, DMA_RESV_USAGE_WRITE, true },
	{ "writing, read", DMA_TO_DEVICE, DMA_RESV_USAGE_READ, true },
	{ "writing, bookkeep", DMA_TO_DEVICE, DMA_RESV_USAGE_BOOKKEEP, false },
	{ "both, read", DMA_BIDIRECTIONAL, DMA_RESV_USAGE_READ, true },
	{ "both, bookkeep", DMA_BIDIRECTIONAL, DMA_RESV_USAGE_BOOKKEEP,
	  false },
};

KUNIT_ARRAY_PARAM_DESC(wait, wait_params, desc);

/* A pending signal ends a wait, and so shows whether there is one. */
static void begin_cpu_access_waits_before(struct kunit *test)
{
	const struct wait_param *param = test->param_value;
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct mock_timeline *timeline = mock_timeline_create(test, "tl");
	struct dma_fence *fence = mock_fence_create(timeline);

	mock_resv_add(test, exp->dmabuf->resv, fence, param->usage);
	mock_signal_begin();
	KUNIT_EXPECT_EQ(test, dma_buf_begin_cpu_access(exp->dmabuf,
						       param->direction),
			param->waits ? -ERESTARTSYS : 0);
	/* end_cpu_access never waits. */
	KUNIT_EXPECT_EQ(test, dma_buf_end_cpu_access(exp->dmabuf,
						     param->direction), 0);
	mock_signal_end();
	/* The exporter must not maintain caches while a device may write. */
	KUNIT_EXPECT_EQ(test, mock_calls(exp, MOCK_BEGIN_CPU_ACCESS),
			!param->waits);
	dma_fence_signal(fence);
	dma_fence_put(fence);
	mock_exporter_put_last(exp);
}

static void begin_cpu_access_waits_without_op(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct mock_timeline *timeline = mock_timeline_create(test, "tl");
	struct dma_fence *fence = mock_fence_create(timeline);

	exp->ops.begin_cpu_access = NULL;
	mock_resv_add(test, exp->dmabuf->resv, fence, DMA_RESV_USAGE_WRITE);
	mock_signal_begin();
	KUNIT_EXPECT_EQ(test, dma_buf_begin_cpu_access(exp->dmabuf,
						       DMA_FROM_DEVICE),
			-ERESTARTSYS);
	mock_signal_end();
	dma_fence_signal(fence);
	KUNIT_EXPECT_EQ(test, dma_buf_begin_cpu_access(exp->dmabuf,
						       DMA_FROM_DEVICE), 0);
	dma_fence_put(fence);
	mock_exporter_put_last(exp);
}

/* The exporter has to move the memory to where the CPU reaches it. */
static void move_in_begin(struct mock_exporter *exp, enum mock_op op)
{
	if (op == MOCK_BEGIN_CPU_ACCESS)
		mock_resv_add(exp->test, exp->dmabuf->resv, exp->hook_data,
			      DMA_RESV_USAGE_KERNEL);
}

/* Without the second wait the CPU would read memory that is still moving. */
static void begin_cpu_access_waits_after(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct mock_timeline *timeline = mock_timeline_create(test, "tl");
	struct dma_fence *move = mock_fence_create(timeline);

	exp->hook = move_in_begin;
	exp->hook_data = move;
	mock_signal_begin();
	KUNIT_EXPECT_EQ(test, dma_buf_begin_cpu_access(exp->dmabuf,
						       DMA_FROM_DEVICE),
			-ERESTARTSYS);
	mock_signal_end();
	MOCK_EXPECT_LOG(exp, MOCK_BEGIN_CPU_ACCESS);
	exp->hook = NULL;
	dma_fence_signal(move);
	dma_fence_put(move);
	mock_exporter_put_last(exp);
}

/* Shared by the test and the thread that waits in begin_cpu_access. */
struct access {
	struct mock_exporter *exp;
	struct dma_fence *fence;
	struct completion begun;
	int ret;
	bool signaled;
};

static int access_thread(void *data)
{
	struct access *access = data;

	access->ret = dma_buf_begin_cpu_access(access->exp->dmabuf,
					       DMA_BIDIRECTIONAL);
	access->signaled = dma_fence_is_signaled(access->fence);
	complete(&access->begun);
	return 0;
}

static void begin_cpu_access_sleeps_until_signaled(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct mock_timeline *timeline = mock_timeline_create(test, "tl");
	struct access access = {
		.exp = exp,
		.fence = mock_fence_create(timeline),
	};

	init_completion(&access.begun);
	mock_resv_add(test, exp->dmabuf->resv, access.fence,
		      DMA_RESV_USAGE_READ);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, kthread_run(access_thread, &access,
						       "mock-access"));
	/* Once it has enabled signalling it is on its way to sleep. */
	while (!atomic_read(&to_mock_fence(access.fence)->enabled))
		cond_resched();
	KUNIT_EXPECT_FALSE(test, completion_done(&access.begun));
	dma_fence_signal(access.fence);
	wait_for_completion(&access.begun);
	KUNIT_EXPECT_EQ(test, access.ret, 0);
	KUNIT_EXPECT_TRUE(test, access.signaled);
	KUNIT_EXPECT_EQ(test, mock_calls(exp, MOCK_BEGIN_CPU_ACCESS), 1);
	dma_fence_put(access.fence);
	mock_exporter_put_last(exp);
}

static void vmap_bad_arguments(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct iosys_map map = IOSYS_MAP_INIT_VADDR((void *)exp);

	exp->ops.vmap = NULL;
	KUNIT_EXPECT_EQ(test, dma_buf_vmap_unlocked(exp->dmabuf, &map),
			-EINVAL);
	KUNIT_EXPECT_TRUE(test, iosys_map_is_null(&map));

	mock_warn_begin(test);
	iosys_map_set_vaddr(&map, exp);
	KUNIT_EXPECT_EQ(test, dma_buf_vmap(NULL, &map), -EINVAL);
	KUNIT_EXPECT_TRUE(test, iosys_map_is_null(&map));
	mock_warn_end(test, "dma_buf_vmap", 1);
	mock_warn_begin(test);
	KUNIT_EXPECT_EQ(test, dma_buf_vmap_unlocked(NULL, &map), -EINVAL);
	mock_warn_end(test, "dma_buf_vmap_unlocked", 1);
	mock_warn_begin(test);
	dma_buf_vunmap(NULL, &map);
	mock_warn_end(test, "dma_buf_vunmap", 1);
	mock_warn_begin(test);
	dma_buf_vunmap_unlocked(NULL, &map);
	mock_warn_end(test, "dma_buf_vunmap_unlocked", 1);
	mock_exporter_put_last(exp);
}

static void vmap_is_shared(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct iosys_map first, second, rebuilt;

	for (int i = 0; i < 2; i++) {
		/* The old contents of the map are ignored. */
		memset(&first, 0xa5, sizeof(first));
		memset(&second, 0x5a, sizeof(second));
		KUNIT_ASSERT_EQ(test, dma_buf_vmap_unlocked(exp->dmabuf,
							    &first), 0);
		KUNIT_EXPECT_PTR_EQ(test, first.vaddr, exp->vaddr);
		KUNIT_EXPECT_FALSE(test, first.is_iomem);
		dma_resv_lock(exp->dmabuf->resv, NULL);
		KUNIT_EXPECT_EQ(test, dma_buf_vmap(exp->dmabuf, &second), 0);
		dma_resv_unlock(exp->dmabuf->resv);
		KUNIT_EXPECT_TRUE(test, iosys_map_is_equal(&first, &second));
		strscpy(first.vaddr + PAGE_SIZE, "text", 8);
		KUNIT_EXPECT_STREQ(test, (char *)page_address(exp->pages[1]),
				   "text");

		dma_buf_vunmap_unlocked(exp->dmabuf, &first);
		MOCK_EXPECT_LOG(exp, MOCK_VMAP);
		/* An importer may keep the address only. */
		iosys_map_set_vaddr(&rebuilt, second.vaddr);
		dma_resv_lock(exp->dmabuf->resv, NULL);
		dma_buf_vunmap(exp->dmabuf, &rebuilt);
		dma_resv_unlock(exp->dmabuf->resv);
		MOCK_EXPECT_LOG(exp, MOCK_VUNMAP);
	}
	mock_exporter_put_last(exp);
}

static void vmap_fails(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct iosys_map map = IOSYS_MAP_INIT_VADDR((void *)exp);

	exp->fail[MOCK_VMAP] = -ENOMEM;
	/* Lack of memory is no driver bug. */
	mock_warn_begin(test);
	KUNIT_EXPECT_EQ(test, dma_buf_vmap_unlocked(exp->dmabuf, &map),
			-ENOMEM);
	mock_warn_end(test, "nowhere", 0);
	KUNIT_EXPECT_TRUE(test, iosys_map_is_null(&map));
	KUNIT_EXPECT_EQ(test, exp->dmabuf->vmapping_counter, 0);
	exp->fail[MOCK_VMAP] = 0;
	KUNIT_EXPECT_EQ(test, dma_buf_vmap_unlocked(exp->dmabuf, &map), 0);
	dma_buf_vunmap_unlocked(exp->dmabuf, &map);
	MOCK_EXPECT_LOG(exp, MOCK_VMAP, MOCK_VMAP, MOCK_VUNMAP);
	mock_exporter_put_last(exp);
}

static int vmap_to_nowhere(struct dma_buf *dmabuf, struct iosys_map *map)
{
	iosys_map_clear(map);
	return 0;
}

static void vmap_succeeds_without_mapping(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct iosys_map map;

	exp->ops.vmap = vmap_to_nowhere;
	mock_warn_begin(test);
	KUNIT_EXPECT_EQ(test, dma_buf_vmap_unlocked(exp->dmabuf, &map),
			-EINVAL);
	mock_warn_end(test, "dma_buf_vmap", 1);
	KUNIT_EXPECT_TRUE(test, iosys_map_is_null(&map));
	KUNIT_EXPECT_EQ(test, exp->dmabuf->vmapping_counter, 0);
	mock_exporter_put_last(exp);
}

static void vunmap_out_of_balance(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct iosys_map map, wrong;

	KUNIT_ASSERT_EQ(test, dma_buf_vmap_unlocked(exp->dmabuf, &map), 0);
	iosys_map_set_vaddr(&wrong, map.vaddr + PAGE_SIZE);
	mock_warn_begin(test);
	dma_buf_vunmap_unlocked(exp->dmabuf, &wrong);
	mock_warn_end(test, "dma_buf_vunmap", 1);
	KUNIT_EXPECT_EQ(test, exp->dmabuf->vmapping_counter, 1);
	dma_buf_vunmap_unlocked(exp->dmabuf, &map);

	mock_warn_begin(test);
	dma_buf_vunmap_unlocked(exp->dmabuf, &map);
	iosys_map_clear(&map);
	dma_buf_vunmap_unlocked(exp->dmabuf, &map);
	mock_warn_end(test, "dma_buf_vunmap", 1);
	MOCK_EXPECT_LOG(exp, MOCK_VMAP, MOCK_VUNMAP);
	mock_exporter_put_last(exp);
}

static void vunmap_no_op(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct iosys_map map;

	KUNIT_ASSERT_EQ(test, dma_buf_vmap_unlocked(exp->dmabuf, &map), 0);
	exp->ops.vunmap = NULL;
	dma_buf_vunmap_unlocked(exp->dmabuf, &map);
	KUNIT_EXPECT_EQ(test, exp->dmabuf->vmapping_counter, 0);
	KUNIT_EXPECT_TRUE(test, iosys_map_is_null(&exp->dmabuf->vmap_ptr));
	vunmap(exp->vaddr);
	exp->vaddr = NULL;
	mock_exporter_put_last(exp);
}

/* A file of another driver whose object is backed by the buffer. */
struct redirect {
	struct dma_buf *dmabuf;
	unsigned long pgoff;
	int ret;
	struct file *vm_file;
	unsigned long vm_pgoff;
};

static int redirect_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct redirect *redirect = file->private_data;

	redirect->ret = dma_buf_mmap(redirect->dmabuf, vma, redirect->pgoff);
	redirect->vm_file = vma->vm_file;
	redirect->vm_pgoff = vma->vm_pgoff;
	return redirect->ret;
}

static const struct file_operations redirect_fops = {
	.mmap = redirect_mmap,
};

static unsigned long map_redirect(struct kunit *test,
				  struct redirect *redirect,
				  unsigned long pages)
{
	struct file *file = anon_inode_getfile("redirect", &redirect_fops,
					       redirect, O_RDWR);
	unsigned long addr;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	/* This gives the thread an mm. */
	mock_user_alloc(test, PAGE_SIZE);
	addr = vm_mmap(file, 0, pages * PAGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_SHARED, 0);
	/* The mapping holds the buffer's file, not this one. */
	KUNIT_EXPECT_EQ(test, file_count(file), 1);
	fput(file);
	return addr;
}

static void mmap_redirects(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct redirect redirect = { .dmabuf = exp->dmabuf, .pgoff = 1 };
	unsigned long addr = map_redirect(test, &redirect, 2);
	char buf[8];

	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	KUNIT_EXPECT_PTR_EQ(test, redirect.vm_file, exp->dmabuf->file);
	KUNIT_EXPECT_EQ(test, redirect.vm_pgoff, 1);
	KUNIT_EXPECT_EQ(test, file_count(exp->dmabuf->file), 2);
	strscpy(page_address(exp->pages[1]), "page 1", 8);
	KUNIT_EXPECT_EQ(test, copy_from_user(buf, (void __user *)addr, 7), 0);
	KUNIT_EXPECT_STREQ(test, buf, "page 1");
	KUNIT_EXPECT_EQ(test, vm_munmap(addr, 2 * PAGE_SIZE), 0);
	mock_flush_files();
	mock_exporter_put_last(exp);
}

static void mmap_redirect_refused(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct redirect redirect = { .dmabuf = exp->dmabuf, .pgoff = 2 };

	KUNIT_EXPECT_EQ(test, map_redirect(test, &redirect, 2),
			(unsigned long)-EINVAL);
	redirect.pgoff = ULONG_MAX;
	KUNIT_EXPECT_EQ(test, map_redirect(test, &redirect, 2),
			(unsigned long)-EOVERFLOW);
	KUNIT_EXPECT_PTR_NE(test, redirect.vm_file, exp->dmabuf->file);
	MOCK_EXPECT_NO_CALLS(exp);

	redirect.pgoff = 0;
	exp->fail[MOCK_MMAP] = -ENODEV;
	KUNIT_EXPECT_EQ(test, map_redirect(test, &redirect, 2),
			(unsigned long)-ENODEV);
	MOCK_EXPECT_LOG(exp, MOCK_MMAP);
	exp->ops.mmap = NULL;
	KUNIT_EXPECT_EQ(test, map_redirect(test, &redirect, 2),
			(unsigned long)-EINVAL);

	mock_warn_begin(test);
	KUNIT_EXPECT_EQ(test, dma_buf_mmap(exp->dmabuf, NULL, 0), -EINVAL);
	redirect.dmabuf = NULL;
	KUNIT_EXPECT_EQ(test, map_redirect(test, &redirect, 2),
			(unsigned long)-EINVAL);
	mock_warn_end(test, "dma_buf_mmap", 1);
	mock_flush_files();
	mock_exporter_put_last(exp);
}

static struct kunit_case dma_buf_cpu_cases[] = {
	KUNIT_CASE(begin_cpu_access_no_buffer),
	KUNIT_CASE(begin_cpu_access_calls_exporter),
	KUNIT_CASE(begin_cpu_access_no_ops),
	KUNIT_CASE_PARAM(begin_cpu_access_waits_before, wait_gen_params),
	KUNIT_CASE(begin_cpu_access_waits_without_op),
	KUNIT_CASE(begin_cpu_access_waits_after),
	KUNIT_CASE(begin_cpu_access_sleeps_until_signaled),
	KUNIT_CASE(vmap_bad_arguments),
	KUNIT_CASE(vmap_is_shared),
	KUNIT_CASE(vmap_fails),
	KUNIT_CASE(vmap_succeeds_without_mapping),
	KUNIT_CASE(vunmap_out_of_balance),
	KUNIT_CASE(vunmap_no_op),
	KUNIT_CASE(mmap_redirects),
	KUNIT_CASE(mmap_redirect_refused),
	{}
};

static struct kunit_suite dma_buf_cpu_suite = {
	.name = "dma_buf_cpu",
	.test_cases = dma_buf_cpu_cases,
};

kunit_test_suite(dma_buf_cpu_suite);

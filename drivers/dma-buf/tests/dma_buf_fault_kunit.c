// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation of a call fails in turn: the failed call leaves nothing
 * behind, its arguments stay the caller's, and the call succeeds once there is
 * memory.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/kallsyms.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sync_file.h>
#include <linux/uaccess.h>

#include "../buffer/dma-buf-internal.h"
#include "mock.h"

/* No call makes as many. */
#define MAX_ALLOCATIONS 100

static void set_attr(struct kunit *test, const char *path, const char *value)
{
	struct file *file = mock_debugfs_open(test, path, O_WRONLY);
	char __user *user = mock_user_alloc(test, PAGE_SIZE);
	loff_t pos = 0;
	ssize_t ret;

	KUNIT_ASSERT_EQ(test, copy_to_user(user, value, strlen(value)), 0);
	ret = vfs_write(file, user, strlen(value), &pos);
	__fput_sync(file);
	KUNIT_ASSERT_EQ(test, ret, strlen(value));
}

/*
 * An allocation of the kernel's DMA debugging must not fail: that turns it off,
 * with a line in the log. Whether it makes one depends on what is mapped already.
 */
static void spare_dma_debug(struct kunit *test)
{
	unsigned long start = kallsyms_lookup_name("add_dma_entry");
	unsigned long size, offset;
	char text[2 * sizeof(long) + 3];

	if (!start || !kallsyms_lookup_size_offset(start, &size, &offset))
		return;
	set_attr(test, "failslab/stacktrace-depth", "32");
	snprintf(text, sizeof(text), "%#lx", start);
	set_attr(test, "failslab/reject-start", text);
	snprintf(text, sizeof(text), "%#lx", start + size);
	set_attr(test, "failslab/reject-end", text);
}

/*
 * Let sleeping allocations fail too. That applies to threads with a fail_nth
 * only, so nothing has to restore it.
 */
static int fault_init(struct kunit *test)
{
	set_attr(test, "failslab/ignore-gfp-wait", "N");
	set_attr(test, "failslab/verbose", "0");
	if (IS_ENABLED(CONFIG_DMA_API_DEBUG) &&
	    IS_ENABLED(CONFIG_FAULT_INJECTION_STACKTRACE_FILTER))
		spare_dma_debug(test);
	return 0;
}

/* Calls @call, which returns 0 or an errno, failing each allocation once. */
static void fail_each(struct kunit *test, int (*call)(struct kunit *test),
		      void (*undo)(struct kunit *test),
		      void (*check)(struct kunit *test))
{
	unsigned int left;
	int nth = 0;
	int ret;

	do {
		current->fail_nth = ++nth;
		ret = call(test);
		left = current->fail_nth;
		current->fail_nth = 0;

		/* A call may succeed without some of its allocations. */
		if (!ret)
			undo(test);
		else
			KUNIT_EXPECT_EQ_MSG(test, ret, -ENOMEM,
					    "allocation %d", nth);
		check(test);
	} while (!left && nth < MAX_ALLOCATIONS);
	/* The first call met a failure, the last one did not. */
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_GT(test, nth, 1);
	KUNIT_EXPECT_LT(test, nth, MAX_ALLOCATIONS);
}

struct ctx {
	struct mock_exporter *exp;
	struct mock_importer *imp;
	struct mock_timeline *timeline;
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
	struct dma_fence *fences[3];
	void __user *user;
	int sync_fd;
	unsigned int fds;
};

static struct ctx *begin(struct kunit *test)
{
	struct ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	test->priv = ctx;
	ctx->timeline = mock_timeline_create(test, "tl");
	ctx->exp = mock_exporter_create(test, 3 * PAGE_SIZE, 0);
	ctx->imp = mock_importer_create(test, "imp", ctx->exp);
	ctx->user = mock_user_alloc(test, PAGE_SIZE);
	ctx->sync_fd = -1;
	return ctx;
}

static int call_export(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	ctx->dmabuf = dma_buf_export(&ctx->exp->info);
	if (IS_ERR(ctx->dmabuf))
		return PTR_ERR(ctx->dmabuf);
	ctx->exp->dmabuf = ctx->dmabuf;
	ctx->exp->exports++;
	return 0;
}

static void undo_export(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	MOCK_EXPECT_NO_CALLS(ctx->exp);
	dma_buf_put(ctx->dmabuf);
	KUNIT_EXPECT_TRUE(test, mock_exporter_wait_released(ctx->exp));
	MOCK_EXPECT_LOG(ctx->exp, MOCK_RELEASE);
}

/* A failed export does not release: its exporter frees the memory itself. */
static void check_export(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	mock_flush_files();
	MOCK_EXPECT_NO_CALLS(ctx->exp);
}

static void export_allocations(struct kunit *test)
{
	begin(test);
	fail_each(test, call_export, undo_export, check_export);
}

#ifdef CONFIG_MODULE_UNLOAD
static void check_module(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	atomic_t *refcnt = &ctx->exp->info.owner->refcnt;
	unsigned long end = jiffies + 10 * HZ;

	check_export(test);
	/* Dropped right after the release, maybe on another CPU. */
	while (atomic_read(refcnt) > 1 && time_before(jiffies, end))
		cond_resched();
	KUNIT_EXPECT_EQ(test, atomic_read(refcnt), 1);
}

/* Else the exporter's module could never be unloaded. */
static void export_gives_back_module(struct kunit *test)
{
	struct ctx *ctx = begin(test);
	struct module *module = kunit_kzalloc(test, sizeof(*module),
					      GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, module);
	module->state = MODULE_STATE_LIVE;
	atomic_set(&module->refcnt, 1);
	ctx->exp->info.owner = module;
	fail_each(test, call_export, undo_export, check_module);
}
#endif

static int call_attach(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	ctx->attach = mock_attach_try(ctx->imp, false);
	return PTR_ERR_OR_ZERO(ctx->attach);
}

static void undo_attach(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	dma_buf_detach(ctx->exp->dmabuf, ctx->attach);
}

/* Every pin and mapping is undone. */
static void check_attach(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct mock_exporter *exp = ctx->exp;

	KUNIT_EXPECT_EQ(test, file_count(exp->dmabuf->file), 1);
	KUNIT_EXPECT_TRUE(test, list_empty(&exp->dmabuf->attachments));
	KUNIT_EXPECT_TRUE(test, list_empty(&exp->mappings));
	KUNIT_EXPECT_EQ(test, mock_calls(exp, MOCK_ATTACH),
			mock_calls(exp, MOCK_DETACH));
	KUNIT_EXPECT_EQ(test, mock_calls(exp, MOCK_PIN),
			mock_calls(exp, MOCK_UNPIN));
}

static void attach_allocations(struct kunit *test)
{
	struct ctx *ctx = begin(test);
	struct mock_exporter *exp = mock_exporter_export(test, 3 * PAGE_SIZE,
							 MOCK_DYNAMIC);

	ctx->exp = exp;
	ctx->imp->exp = exp;
	fail_each(test, call_attach, undo_attach, check_attach);
	mock_exporter_put_last(exp);
}

static int call_map(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	ctx->sgt = dma_buf_map_attachment_unlocked(ctx->attach, DMA_TO_DEVICE);
	return PTR_ERR_OR_ZERO(ctx->sgt);
}

static void undo_map(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	dma_buf_unmap_attachment_unlocked(ctx->attach, ctx->sgt,
					  DMA_TO_DEVICE);
}

static void check_map(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	KUNIT_EXPECT_TRUE(test, list_empty(&ctx->exp->mappings));
	KUNIT_EXPECT_EQ(test, atomic_read(&to_attached(ctx->attach)->map_count), 0);
}

static void map_attachment_allocations(struct kunit *test)
{
	struct ctx *ctx = begin(test);

	mock_export(ctx->exp);
	ctx->attach = mock_attach(ctx->imp, false);
	fail_each(test, call_map, undo_map, check_map);
	dma_buf_detach(ctx->exp->dmabuf, ctx->attach);
	mock_exporter_put_last(ctx->exp);
}

#if IS_ENABLED(CONFIG_SYNC_FILE)
static int call_export_sync_file(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	return vfs_ioctl(ctx->exp->dmabuf->file,
			 DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
			 (unsigned long)ctx->user);
}

static void undo_export_sync_file(struct kunit *test)
{
	struct dma_buf_export_sync_file arg;
	struct ctx *ctx = test->priv;

	KUNIT_ASSERT_EQ(test, copy_from_user(&arg, ctx->user, sizeof(arg)), 0);
	KUNIT_EXPECT_EQ(test, close_fd(arg.fd), 0);
}

static void check_fds(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	KUNIT_EXPECT_EQ(test, mock_count_fds(), ctx->fds);
}

/* The timeline checks at the end of the test that no fence is left. */
static void add_fences(struct kunit *test, struct ctx *ctx)
{
	for (int i = 0; i < ARRAY_SIZE(ctx->fences); i++) {
		ctx->timeline->context = dma_fence_context_alloc(1);
		ctx->fences[i] = mock_fence_create(ctx->timeline);
		mock_resv_add(test, ctx->exp->dmabuf->resv, ctx->fences[i],
			      DMA_RESV_USAGE_WRITE);
	}
}

static void drop_fences(struct ctx *ctx)
{
	for (int i = 0; i < ARRAY_SIZE(ctx->fences); i++) {
		dma_fence_signal(ctx->fences[i]);
		dma_fence_put(ctx->fences[i]);
	}
}

static void ioctl_export_sync_file_allocations(struct kunit *test)
{
	struct dma_buf_export_sync_file arg = { .flags = DMA_BUF_SYNC_RW };
	struct ctx *ctx = begin(test);

	mock_export(ctx->exp);
	add_fences(test, ctx);
	KUNIT_ASSERT_EQ(test, copy_to_user(ctx->user, &arg, sizeof(arg)), 0);
	ctx->fds = mock_count_fds();
	fail_each(test, call_export_sync_file, undo_export_sync_file,
		  check_fds);
	drop_fences(ctx);
	mock_exporter_put_last(ctx->exp);
}

static int call_import_sync_file(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	return vfs_ioctl(ctx->exp->dmabuf->file,
			 DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
			 (unsigned long)ctx->user);
}

static void undo_import_sync_file(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	KUNIT_EXPECT_FALSE(test,
			   dma_resv_test_signaled(ctx->exp->dmabuf->resv,
						  DMA_RESV_USAGE_WRITE));
}

/* The buffer must not stay locked. */
static void check_import(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_resv *resv = ctx->exp->dmabuf->resv;

	KUNIT_EXPECT_FALSE(test, dma_resv_is_locked(resv));
	check_fds(test);
}

static void ioctl_import_sync_file_allocations(struct kunit *test)
{
	struct dma_buf_import_sync_file arg = { .flags = DMA_BUF_SYNC_RW };
	struct ctx *ctx = begin(test);
	struct sync_file *sync_file;

	mock_export(ctx->exp);
	ctx->fences[0] = mock_fence_create(ctx->timeline);
	ctx->fences[1] = mock_fence_create(ctx->timeline);
	ctx->fences[2] = mock_fence_create(ctx->timeline);
	arg.fd = get_unused_fd_flags(O_CLOEXEC);
	KUNIT_ASSERT_GE(test, arg.fd, 0);
	sync_file = sync_file_create(ctx->fences[0]);
	KUNIT_ASSERT_NOT_NULL(test, sync_file);
	fd_install(arg.fd, sync_file->file);
	KUNIT_ASSERT_EQ(test, copy_to_user(ctx->user, &arg, sizeof(arg)), 0);
	ctx->fds = mock_count_fds();
	fail_each(test, call_import_sync_file, undo_import_sync_file,
		  check_import);
	close_fd(arg.fd);
	drop_fences(ctx);
	mock_flush_files();
	mock_exporter_put_last(ctx->exp);
}
#endif

static struct kunit_case dma_buf_fault_cases[] = {
	KUNIT_CASE(export_allocations),
#ifdef CONFIG_MODULE_UNLOAD
	KUNIT_CASE(export_gives_back_module),
#endif
	KUNIT_CASE(attach_allocations),
	KUNIT_CASE(map_attachment_allocations),
#if IS_ENABLED(CONFIG_SYNC_FILE)
	KUNIT_CASE(ioctl_export_sync_file_allocations),
	KUNIT_CASE(ioctl_import_sync_file_allocations),
#endif
	{}
};

static struct kunit_suite dma_buf_fault_suite = {
	.name = "dma_buf_fault",
	.init = fault_init,
	.test_cases = dma_buf_fault_cases,
};

kunit_test_suite(dma_buf_fault_suite);

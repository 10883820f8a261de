// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls that export a buffer's fences as a sync_file and import one: which
 * fences are exported, with which usage they are imported, and that a failed
 * call leaves nothing behind.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/dma-fence-array.h>
#include <linux/dma-fence-chain.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/sync_file.h>
#include <linux/uaccess.h>

#include "mock.h"

struct ctx {
	struct mock_exporter *exp;
	struct mock_timeline *timeline;
	void __user *user;
	unsigned int fds;
};

static int sync_file_test_init(struct kunit *test)
{
	struct ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	test->priv = ctx;
	ctx->timeline = mock_timeline_create(test, "tl");
	ctx->exp = mock_exporter_export(test, PAGE_SIZE, 0);
	ctx->user = mock_user_alloc(test, PAGE_SIZE);
	ctx->fds = mock_count_fds();
	return 0;
}

/* No case leaves a descriptor or a buffer; the timeline checks the fences. */
static void sync_file_test_exit(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	if (!ctx || !ctx->exp || !ctx->exp->dmabuf)
		return;
	KUNIT_EXPECT_EQ(test, mock_count_fds(), ctx->fds);
	mock_exporter_put_last(ctx->exp);
}

/* Adds a pending fence with a context of its own to the buffer. */
static struct dma_fence *add(struct kunit *test, enum dma_resv_usage usage)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *fence;

	ctx->timeline->context = dma_fence_context_alloc(1);
	fence = mock_fence_create(ctx->timeline);
	mock_resv_add(test, ctx->exp->dmabuf->resv, fence, usage);
	return fence;
}

static void signal_and_put(struct dma_fence *fence)
{
	dma_fence_signal(fence);
	dma_fence_put(fence);
}

static long export(struct kunit *test, __u32 flags, int *fd)
{
	struct ctx *ctx = test->priv;
	struct dma_buf_export_sync_file arg = { .flags = flags, .fd = -1 };
	long ret;

	KUNIT_ASSERT_EQ(test, copy_to_user(ctx->user, &arg, sizeof(arg)), 0);
	ret = vfs_ioctl(ctx->exp->dmabuf->file, DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
			(unsigned long)ctx->user);
	KUNIT_ASSERT_EQ(test, copy_from_user(&arg, ctx->user, sizeof(arg)), 0);
	KUNIT_EXPECT_EQ(test, arg.flags, flags);
	*fd = arg.fd;
	return ret;
}

/* Exports, closes the descriptor, and returns the fence. */
static struct dma_fence *export_fence(struct kunit *test, __u32 flags)
{
	struct dma_fence *fence;
	int fd;

	KUNIT_ASSERT_EQ(test, export(test, flags, &fd), 0);
	KUNIT_ASSERT_GE(test, fd, 0);
	KUNIT_EXPECT_TRUE(test, get_close_on_exec(fd));
	fence = sync_file_get_fence(fd);
	KUNIT_EXPECT_EQ(test, close_fd(fd), 0);
	KUNIT_ASSERT_NOT_NULL(test, fence);
	return fence;
}

static long import(struct kunit *test, __u32 flags, int fd)
{
	struct ctx *ctx = test->priv;
	struct dma_buf_import_sync_file arg = { .flags = flags, .fd = fd };

	KUNIT_ASSERT_EQ(test, copy_to_user(ctx->user, &arg, sizeof(arg)), 0);
	return vfs_ioctl(ctx->exp->dmabuf->file,
			 DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
			 (unsigned long)ctx->user);
}

static int open_sync_file(struct kunit *test, struct dma_fence *fence)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);
	struct sync_file *sync_file = sync_file_create(fence);

	KUNIT_ASSERT_GE(test, fd, 0);
	KUNIT_ASSERT_NOT_NULL(test, sync_file);
	fd_install(fd, sync_file->file);
	return fd;
}

static long import_fence(struct kunit *test, __u32 flags,
			 struct dma_fence *fence)
{
	int fd = open_sync_file(test, fence);
	long ret = import(test, flags, fd);

	KUNIT_EXPECT_EQ(test, close_fd(fd), 0);
	return ret;
}

/* The number of pending fences in the buffer with @usage or a stronger one. */
static int count_pending(struct kunit *test, enum dma_resv_usage usage)
{
	struct ctx *ctx = test->priv;
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	int num = 0;

	dma_resv_iter_begin(&cursor, ctx->exp->dmabuf->resv, usage);
	dma_resv_for_each_fence_unlocked(&cursor, fence) {
		if (dma_resv_iter_is_restarted(&cursor))
			num = 0;
		KUNIT_EXPECT_FALSE(test, dma_fence_is_container(fence));
		num++;
	}
	dma_resv_iter_end(&cursor);
	return num;
}

struct flags_param {
	const char *desc;
	__u32 flags;
};

static const struct flags_param flags_params[] = {
	{ "none", 0 },
	{ "END", DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ },
	{ "unknown", DMA_BUF_SYNC_RW | 8 },
	{ "highest bit", DMA_BUF_SYNC_RW | 1U << 31 },
};

KUNIT_ARRAY_PARAM_DESC(flags, flags_params, desc);

static void ioctl_sync_file_bad_flags(struct kunit *test)
{
	const struct flags_param *param = test->param_value;
	struct dma_fence *fence = add(test, DMA_RESV_USAGE_WRITE);
	int fd;

	KUNIT_EXPECT_EQ(test, export(test, param->flags, &fd), -EINVAL);
	KUNIT_EXPECT_EQ(test, fd, -1);
	KUNIT_EXPECT_EQ(test, import_fence(test, param->flags, fence),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, count_pending(test, DMA_RESV_USAGE_BOOKKEEP), 1);
	signal_and_put(fence);
}

static void ioctl_sync_file_bad_pointer(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct file *file = ctx->exp->dmabuf->file;
	unsigned long user = (unsigned long)mock_user_bad();

	KUNIT_EXPECT_EQ(test, vfs_ioctl(file, DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
					user), -EFAULT);
	KUNIT_EXPECT_EQ(test, vfs_ioctl(file, DMA_BUF_IOCTL_IMPORT_SYNC_FILE,
					user), -EFAULT);
}

/* A program that got -EFAULT does not know the descriptor: it would leak. */
static void ioctl_export_answer_not_writable(struct kunit *test)
{
	static const struct dma_buf_export_sync_file arg = {
		.flags = DMA_BUF_SYNC_RW,
	};
	struct dma_fence *fence = add(test, DMA_RESV_USAGE_WRITE);
	struct ctx *ctx = test->priv;
	void __user *user = mock_user_readonly(test, &arg, sizeof(arg));

	KUNIT_EXPECT_EQ(test, vfs_ioctl(ctx->exp->dmabuf->file,
					DMA_BUF_IOCTL_EXPORT_SYNC_FILE,
					(unsigned long)user), -EFAULT);
	KUNIT_EXPECT_EQ(test, mock_count_fds(), ctx->fds);
	signal_and_put(fence);
}

static void ioctl_export_table_full(struct kunit *test)
{
	struct dma_fence *fence = add(test, DMA_RESV_USAGE_WRITE);
	int fd;

	mock_forbid_fds(true);
	KUNIT_EXPECT_EQ(test, export(test, DMA_BUF_SYNC_RW, &fd), -EMFILE);
	mock_forbid_fds(false);
	KUNIT_EXPECT_EQ(test, fd, -1);
	signal_and_put(fence);
}

static void ioctl_export_idle(struct kunit *test)
{
	struct dma_fence *done = add(test, DMA_RESV_USAGE_WRITE);
	struct dma_fence *fence;

	signal_and_put(done);
	fence = export_fence(test, DMA_BUF_SYNC_RW);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), 1);
	dma_fence_put(fence);
}

struct usage_param {
	const char *desc;
	enum dma_resv_usage usage;
	/* Does a reader wait for it, does a writer? */
	bool reader;
	bool writer;
};

static const struct usage_param usage_params[] = {
	{ "kernel", DMA_RESV_USAGE_KERNEL, true, true },
	{ "write", DMA_RESV_USAGE_WRITE, true, true },
	{ "read", DMA_RESV_USAGE_READ, false, true },
	{ "bookkeep", DMA_RESV_USAGE_BOOKKEEP, false, false },
};

KUNIT_ARRAY_PARAM_DESC(usage, usage_params, desc);

static void ioctl_export_usage(struct kunit *test)
{
	const struct usage_param *param = test->param_value;
	struct dma_fence *fence = add(test, param->usage);
	struct dma_fence *read = export_fence(test, DMA_BUF_SYNC_READ);
	struct dma_fence *write = export_fence(test, DMA_BUF_SYNC_WRITE);
	struct dma_fence *both = export_fence(test, DMA_BUF_SYNC_RW);

	/* A single fence is exported as it is. */
	KUNIT_EXPECT_EQ(test, read == fence, param->reader);
	KUNIT_EXPECT_EQ(test, write == fence, param->writer);
	KUNIT_EXPECT_PTR_EQ(test, both, write);
	KUNIT_EXPECT_NE(test, dma_fence_is_signaled(read), param->reader);
	KUNIT_EXPECT_NE(test, dma_fence_is_signaled(write), param->writer);
	dma_fence_signal(fence);
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(write));
	dma_fence_put(read);
	dma_fence_put(write);
	dma_fence_put(both);
	dma_fence_put(fence);
}

static void ioctl_export_several(struct kunit *test)
{
	struct dma_fence *first = add(test, DMA_RESV_USAGE_KERNEL);
	struct dma_fence *second = add(test, DMA_RESV_USAGE_WRITE);
	struct dma_fence *reader = add(test, DMA_RESV_USAGE_READ);
	struct dma_fence *fence = export_fence(test, DMA_BUF_SYNC_READ);
	struct dma_fence *late = add(test, DMA_RESV_USAGE_WRITE);

	dma_fence_signal(first);
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(fence));
	/* Neither readers nor later fences are part of it. */
	dma_fence_signal(second);
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(fence));
	KUNIT_EXPECT_EQ(test, count_pending(test, DMA_RESV_USAGE_READ), 2);
	dma_fence_put(fence);
	dma_fence_put(first);
	dma_fence_put(second);
	signal_and_put(reader);
	signal_and_put(late);
}

static void ioctl_import_no_sync_file(struct kunit *test)
{
	struct file *file = shmem_file_setup("other", PAGE_SIZE, 0);
	int fd = get_unused_fd_flags(O_CLOEXEC);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_ASSERT_GE(test, fd, 0);
	KUNIT_EXPECT_EQ(test, import(test, DMA_BUF_SYNC_READ, -1), -EINVAL);
	KUNIT_EXPECT_EQ(test, import(test, DMA_BUF_SYNC_READ, fd), -EINVAL);
	fd_install(fd, file);
	KUNIT_EXPECT_EQ(test, import(test, DMA_BUF_SYNC_READ, fd), -EINVAL);
	KUNIT_EXPECT_EQ(test, file_count(file), 1);
	close_fd(fd);
}

static void ioctl_import_usage(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *reader = mock_fence_create(ctx->timeline);
	struct dma_fence *writer;

	KUNIT_EXPECT_EQ(test, import_fence(test, DMA_BUF_SYNC_READ, reader), 0);
	KUNIT_EXPECT_EQ(test, count_pending(test, DMA_RESV_USAGE_WRITE), 0);
	KUNIT_EXPECT_EQ(test, count_pending(test, DMA_RESV_USAGE_READ), 1);

	ctx->timeline->context = dma_fence_context_alloc(1);
	writer = mock_fence_create(ctx->timeline);
	KUNIT_EXPECT_EQ(test, import_fence(test, DMA_BUF_SYNC_RW, writer), 0);
	KUNIT_EXPECT_EQ(test, count_pending(test, DMA_RESV_USAGE_KERNEL), 0);
	KUNIT_EXPECT_EQ(test, count_pending(test, DMA_RESV_USAGE_WRITE), 1);
	KUNIT_EXPECT_EQ(test, count_pending(test, DMA_RESV_USAGE_READ), 2);
	signal_and_put(reader);
	signal_and_put(writer);
}

/* A signalled fence is not added: it would only take up memory. */
static void ioctl_import_signaled(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *fence = mock_fence_create_signaled(ctx->timeline);

	KUNIT_EXPECT_EQ(test, import_fence(test, DMA_BUF_SYNC_RW, fence), 0);
	dma_fence_put(fence);
	/* The buffer holds no reference to it. */
	KUNIT_EXPECT_TRUE(test, mock_timeline_wait_released(ctx->timeline, 1));
	KUNIT_EXPECT_EQ(test, count_pending(test, DMA_RESV_USAGE_BOOKKEEP), 0);
}

#define NUM 3

static void ioctl_import_array(struct kunit *test)
{
	struct dma_fence **members = kcalloc(NUM, sizeof(*members),
					     GFP_KERNEL);
	struct ctx *ctx = test->priv;
	struct dma_fence *fences[NUM];
	struct dma_fence_array *array;

	KUNIT_ASSERT_NOT_NULL(test, members);
	for (int i = 0; i < NUM; i++) {
		ctx->timeline->context = dma_fence_context_alloc(1);
		fences[i] = mock_fence_create(ctx->timeline);
		members[i] = dma_fence_get(fences[i]);
	}
	array = dma_fence_array_create(NUM, members,
				       dma_fence_context_alloc(1), 1, false);
	KUNIT_ASSERT_NOT_NULL(test, array);
	dma_fence_signal(fences[1]);
	KUNIT_EXPECT_EQ(test, import_fence(test, DMA_BUF_SYNC_WRITE,
					   &array->base), 0);
	/* The pending members are added one by one. */
	KUNIT_EXPECT_EQ(test, count_pending(test, DMA_RESV_USAGE_WRITE),
			NUM - 1);
	dma_fence_put(&array->base);
	for (int i = 0; i < NUM; i++)
		signal_and_put(fences[i]);
}

static void ioctl_import_chain(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *fences[NUM];
	struct dma_fence_chain *chain;
	struct dma_fence *prev = NULL;

	for (int i = 0; i < NUM; i++) {
		ctx->timeline->context = dma_fence_context_alloc(1);
		fences[i] = mock_fence_create(ctx->timeline);
		chain = dma_fence_chain_alloc();
		KUNIT_ASSERT_NOT_NULL(test, chain);
		dma_fence_chain_init(chain, prev, dma_fence_get(fences[i]),
				     i + 1);
		prev = &chain->base;
	}
	KUNIT_EXPECT_EQ(test, import_fence(test, DMA_BUF_SYNC_READ, prev), 0);
	KUNIT_EXPECT_EQ(test, count_pending(test, DMA_RESV_USAGE_WRITE), 0);
	KUNIT_EXPECT_EQ(test, count_pending(test, DMA_RESV_USAGE_READ), NUM);
	dma_fence_put(prev);
	for (int i = 0; i < NUM; i++)
		signal_and_put(fences[i]);
}

/*
 * An older fence must not replace a newer one, or nobody waits for the newer.
 */
static void ioctl_import_older_fence(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *older = mock_fence_create_at(ctx->timeline, 1, 0);
	struct dma_fence *newer = mock_fence_create_at(ctx->timeline, 2, 0);

	KUNIT_EXPECT_EQ(test, import_fence(test, DMA_BUF_SYNC_WRITE, newer), 0);
	KUNIT_EXPECT_EQ(test, import_fence(test, DMA_BUF_SYNC_WRITE, older), 0);
	dma_fence_signal(older);
	KUNIT_EXPECT_FALSE(test,
			   dma_resv_test_signaled(ctx->exp->dmabuf->resv,
						  DMA_RESV_USAGE_WRITE));
	dma_fence_put(older);
	signal_and_put(newer);
}

static void ioctl_import_interrupted(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *fence = mock_fence_create(ctx->timeline);
	struct task_struct *holder = mock_resv_hold(test,
						    ctx->exp->dmabuf->resv);

	mock_signal_begin();
	/* Not -EINTR: with SA_RESTART the kernel restarts the ioctl. */
	KUNIT_EXPECT_EQ(test, import_fence(test, DMA_BUF_SYNC_WRITE, fence),
			-ERESTARTSYS);
	mock_signal_end();
	mock_resv_let_go(holder);
	KUNIT_EXPECT_EQ(test, count_pending(test, DMA_RESV_USAGE_BOOKKEEP), 0);
	signal_and_put(fence);
}

/* An export must not block on a lock that a driver may hold for long. */
static void ioctl_export_does_not_lock(struct kunit *test)
{
	struct dma_fence *fence = add(test, DMA_RESV_USAGE_WRITE);
	struct ctx *ctx = test->priv;
	struct task_struct *holder = mock_resv_hold(test,
						    ctx->exp->dmabuf->resv);
	struct dma_fence *exported = export_fence(test, DMA_BUF_SYNC_READ);

	mock_resv_let_go(holder);
	KUNIT_EXPECT_PTR_EQ(test, exported, fence);
	dma_fence_put(exported);
	signal_and_put(fence);
}

static struct kunit_case dma_buf_sync_file_cases[] = {
	KUNIT_CASE_PARAM(ioctl_sync_file_bad_flags, flags_gen_params),
	KUNIT_CASE(ioctl_sync_file_bad_pointer),
	KUNIT_CASE(ioctl_export_answer_not_writable),
	KUNIT_CASE(ioctl_export_table_full),
	KUNIT_CASE(ioctl_export_idle),
	KUNIT_CASE_PARAM(ioctl_export_usage, usage_gen_params),
	KUNIT_CASE(ioctl_export_several),
	KUNIT_CASE(ioctl_export_does_not_lock),
	KUNIT_CASE(ioctl_import_no_sync_file),
	KUNIT_CASE(ioctl_import_usage),
	KUNIT_CASE(ioctl_import_signaled),
	KUNIT_CASE(ioctl_import_array),
	KUNIT_CASE(ioctl_import_chain),
	KUNIT_CASE(ioctl_import_older_fence),
	KUNIT_CASE(ioctl_import_interrupted),
	{}
};

static struct kunit_suite dma_buf_sync_file_suite = {
	.name = "dma_buf_sync_file",
	.init = sync_file_test_init,
	.exit = sync_file_test_exit,
	.test_cases = dma_buf_sync_file_cases,
};

kunit_test_suite(dma_buf_sync_file_suite);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of a buffer for CPU access and for its name, and unknown commands.
 * Those for sync_files are in dma_buf_sync_file_kunit.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/ioctl.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/uaccess.h>

#include "../buffer/dma-buf-internal.h"
#include "mock.h"

static long call(struct mock_exporter *exp, unsigned int cmd,
		 const void __user *user)
{
	return vfs_ioctl(exp->dmabuf->file, cmd, (unsigned long)user);
}

struct cmd_param {
	const char *desc;
	unsigned int cmd;
};

static const struct cmd_param cmd_params[] = {
	{ "0", 0 },
	{ "number not used", _IOW(DMA_BUF_BASE, 4, __u64) },
	{ "SYNC with another size", _IOW(DMA_BUF_BASE, 0, __u32) },
	{ "SYNC in the other direction", _IOR(DMA_BUF_BASE, 0, __u64) },
	{ "SYNC of another type", _IOW('B', 0, struct dma_buf_sync) },
	{ "SYNC_PARTIAL in both directions",
	  _IOWR(DMA_BUF_BASE, 2, struct dma_buf_sync_partial) },
	{ "EXPORT_SYNC_FILE in one direction",
	  _IOW(DMA_BUF_BASE, 2, struct dma_buf_export_sync_file) },
	{ "IMPORT_SYNC_FILE in both directions",
	  _IOWR(DMA_BUF_BASE, 3, struct dma_buf_import_sync_file) },
	{ "SET_NAME with another size", _IOW(DMA_BUF_BASE, 1, char[32]) },
};

KUNIT_ARRAY_PARAM_DESC(cmd, cmd_params, desc);

static void ioctl_unknown(struct kunit *test)
{
	const struct cmd_param *param = test->param_value;
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	void __user *user = mock_user_alloc(test, PAGE_SIZE);

	KUNIT_EXPECT_EQ(test, dma_buf_ioctl(exp->dmabuf->file, param->cmd,
					    (unsigned long)user), -ENOTTY);
	MOCK_EXPECT_NO_CALLS(exp);
	mock_exporter_put_last(exp);
}

struct sync_param {
	const char *desc;
	__u64 flags;
	long ret;
	enum mock_op op;
	enum dma_data_direction direction;
};

static const struct sync_param sync_params[] = {
	{ "start reading", DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ, 0,
	  MOCK_BEGIN_CPU_ACCESS, DMA_FROM_DEVICE },
	{ "start writing", DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE, 0,
	  MOCK_BEGIN_CPU_ACCESS, DMA_TO_DEVICE },
	{ "start both", DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW, 0,
	  MOCK_BEGIN_CPU_ACCESS, DMA_BIDIRECTIONAL },
	{ "end reading", DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ, 0,
	  MOCK_END_CPU_ACCESS, DMA_FROM_DEVICE },
	{ "end writing", DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE, 0,
	  MOCK_END_CPU_ACCESS, DMA_TO_DEVICE },
	{ "end both", DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW, 0,
	  MOCK_END_CPU_ACCESS, DMA_BIDIRECTIONAL },
	{ "start nothing", DMA_BUF_SYNC_START, -EINVAL },
	{ "end nothing", DMA_BUF_SYNC_END, -EINVAL },
	{ "unknown flag", DMA_BUF_SYNC_RW | 8, -EINVAL },
	{ "unknown flag in the upper half",
	  DMA_BUF_SYNC_READ | 1ULL << 32, -EINVAL },
	{ "all flags", ~0ULL, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(sync, sync_params, desc);

static void ioctl_sync_flags(struct kunit *test)
{
	const struct sync_param *param = test->param_value;
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	struct dma_buf_sync sync = { .flags = param->flags };
	void __user *user = mock_user_readonly(test, &sync, sizeof(sync));

	exp->direction = DMA_NONE;
	KUNIT_EXPECT_EQ(test, call(exp, DMA_BUF_IOCTL_SYNC, user), param->ret);
	if (param->ret) {
		MOCK_EXPECT_NO_CALLS(exp);
	} else {
		MOCK_EXPECT_LOG(exp, param->op);
		KUNIT_EXPECT_EQ(test, exp->direction, param->direction);
		exp->fail[param->op] = -EIO;
		KUNIT_EXPECT_EQ(test, call(exp, DMA_BUF_IOCTL_SYNC, user),
				-EIO);
	}
	mock_exporter_put_last(exp);
}

/* The flags mean the same as in DMA_BUF_IOCTL_SYNC. */
static void ioctl_sync_partial_flags(struct kunit *test)
{
	const struct sync_param *param = test->param_value;
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	struct dma_buf_sync_partial sync = {
		.flags = param->flags, .offset = 64, .len = 128,
	};
	void __user *user = mock_user_readonly(test, &sync, sizeof(sync));

	exp->direction = DMA_NONE;
	KUNIT_EXPECT_EQ(test, call(exp, DMA_BUF_IOCTL_SYNC_PARTIAL, user),
			param->ret);
	if (param->ret) {
		MOCK_EXPECT_NO_CALLS(exp);
	} else {
		MOCK_EXPECT_LOG(exp, param->op);
		KUNIT_EXPECT_EQ(test, exp->direction, param->direction);
	}
	mock_exporter_put_last(exp);
}

/* The core checks the range (dma_buf_cpu_range): both numbers must reach it. */
static void ioctl_sync_partial_range(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	struct dma_buf_sync_partial sync = {
		.flags = DMA_BUF_SYNC_READ, .offset = 1, .len = PAGE_SIZE,
	};
	void __user *user = mock_user_alloc(test, PAGE_SIZE);

	KUNIT_ASSERT_EQ(test, copy_to_user(user, &sync, sizeof(sync)), 0);
	KUNIT_EXPECT_EQ(test, call(exp, DMA_BUF_IOCTL_SYNC_PARTIAL, user),
			-EINVAL);
	sync.len = PAGE_SIZE - 1;
	KUNIT_ASSERT_EQ(test, copy_to_user(user, &sync, sizeof(sync)), 0);
	KUNIT_EXPECT_EQ(test, call(exp, DMA_BUF_IOCTL_SYNC_PARTIAL, user), 0);
	sync.flags |= DMA_BUF_SYNC_END;
	sync.offset = PAGE_SIZE;
	KUNIT_ASSERT_EQ(test, copy_to_user(user, &sync, sizeof(sync)), 0);
	KUNIT_EXPECT_EQ(test, call(exp, DMA_BUF_IOCTL_SYNC_PARTIAL, user),
			-EINVAL);
	MOCK_EXPECT_LOG(exp, MOCK_BEGIN_CPU_ACCESS);
	/* The second half of the argument is not mapped. */
	KUNIT_EXPECT_EQ(test, call(exp, DMA_BUF_IOCTL_SYNC_PARTIAL,
				   user + PAGE_SIZE - 8), -EFAULT);
	mock_exporter_put_last(exp);
}

static void ioctl_sync_no_ops(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_create(test, PAGE_SIZE, 0);
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_RW };
	void __user *user = mock_user_alloc(test, PAGE_SIZE);

	exp->ops.begin_cpu_access = NULL;
	exp->ops.end_cpu_access = NULL;
	mock_export(exp);
	KUNIT_ASSERT_EQ(test, copy_to_user(user, &sync, sizeof(sync)), 0);
	KUNIT_EXPECT_EQ(test, call(exp, DMA_BUF_IOCTL_SYNC, user), 0);
	sync.flags |= DMA_BUF_SYNC_END;
	KUNIT_ASSERT_EQ(test, copy_to_user(user, &sync, sizeof(sync)), 0);
	KUNIT_EXPECT_EQ(test, call(exp, DMA_BUF_IOCTL_SYNC, user), 0);
	mock_exporter_put_last(exp);
}

static void ioctl_sync_bad_pointer(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	void __user *user = mock_user_alloc(test, PAGE_SIZE);

	KUNIT_EXPECT_EQ(test, call(exp, DMA_BUF_IOCTL_SYNC, NULL), -EFAULT);
	KUNIT_EXPECT_EQ(test, call(exp, DMA_BUF_IOCTL_SYNC, mock_user_bad()),
			-EFAULT);
	/* The second half of the argument is not mapped. */
	KUNIT_EXPECT_EQ(test, call(exp, DMA_BUF_IOCTL_SYNC,
				   user + PAGE_SIZE - 4), -EFAULT);
	MOCK_EXPECT_NO_CALLS(exp);
	mock_exporter_put_last(exp);
}

/* A program that waits for a hung device must be possible to kill. */
static void ioctl_sync_interrupted(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	struct mock_timeline *timeline = mock_timeline_create(test, "tl");
	struct dma_fence *fence = mock_fence_create(timeline);
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_READ };
	void __user *user = mock_user_readonly(test, &sync, sizeof(sync));

	mock_resv_add(test, exp->dmabuf->resv, fence, DMA_RESV_USAGE_WRITE);
	mock_signal_begin();
	KUNIT_EXPECT_EQ(test, call(exp, DMA_BUF_IOCTL_SYNC, user),
			-ERESTARTSYS);
	mock_signal_end();
	MOCK_EXPECT_NO_CALLS(exp);

	/* A program repeats the ioctl. */
	dma_fence_signal(fence);
	KUNIT_EXPECT_EQ(test, call(exp, DMA_BUF_IOCTL_SYNC, user), 0);
	MOCK_EXPECT_LOG(exp, MOCK_BEGIN_CPU_ACCESS);
	dma_fence_put(fence);
	mock_exporter_put_last(exp);
}

static void ioctl_set_name_both_sizes(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	void __user *user = mock_user_alloc(test, PAGE_SIZE);
	char name[DMA_BUF_NAME_LEN];

	KUNIT_ASSERT_EQ(test, copy_to_user(user, "first", 6), 0);
	KUNIT_EXPECT_EQ(test, call(exp, DMA_BUF_SET_NAME_A, user), 0);
	dma_buf_copy_name(exp->dmabuf, name, "?");
	KUNIT_EXPECT_STREQ(test, name, "first");

	KUNIT_ASSERT_EQ(test, copy_to_user(user, "second", 7), 0);
	KUNIT_EXPECT_EQ(test, call(exp, DMA_BUF_SET_NAME_B, user), 0);
	dma_buf_copy_name(exp->dmabuf, name, "?");
	KUNIT_EXPECT_STREQ(test, name, "second");

	KUNIT_EXPECT_EQ(test, call(exp, DMA_BUF_SET_NAME_B, mock_user_bad()),
			-EFAULT);
	dma_buf_copy_name(exp->dmabuf, name, "?");
	KUNIT_EXPECT_STREQ(test, name, "second");
	mock_exporter_put_last(exp);
}

/* A name can be set after a device was attached. */
static void ioctl_set_name_attached(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	struct mock_importer *imp = mock_importer_create(test, "imp", exp);
	struct dma_buf_attachment *attach = mock_attach(imp, false);
	void __user *user = mock_user_alloc(test, PAGE_SIZE);
	char name[DMA_BUF_NAME_LEN];

	KUNIT_ASSERT_EQ(test, copy_to_user(user, "late", 5), 0);
	KUNIT_EXPECT_EQ(test, call(exp, DMA_BUF_SET_NAME, user), 0);
	KUNIT_EXPECT_TRUE(test, dma_buf_copy_name(exp->dmabuf, name, "?"));
	KUNIT_EXPECT_STREQ(test, name, "late");
	dma_buf_detach(exp->dmabuf, attach);
	mock_exporter_put_last(exp);
}

static struct kunit_case dma_buf_ioctl_cases[] = {
	KUNIT_CASE_PARAM(ioctl_unknown, cmd_gen_params),
	KUNIT_CASE_PARAM(ioctl_sync_flags, sync_gen_params),
	KUNIT_CASE_PARAM(ioctl_sync_partial_flags, sync_gen_params),
	KUNIT_CASE(ioctl_sync_partial_range),
	KUNIT_CASE(ioctl_sync_no_ops),
	KUNIT_CASE(ioctl_sync_bad_pointer),
	KUNIT_CASE(ioctl_sync_interrupted),
	KUNIT_CASE(ioctl_set_name_both_sizes),
	KUNIT_CASE(ioctl_set_name_attached),
	{}
};

static struct kunit_suite dma_buf_ioctl_suite = {
	.name = "dma_buf_ioctl",
	.test_cases = dma_buf_ioctl_cases,
};

kunit_test_suite(dma_buf_ioctl_suite);

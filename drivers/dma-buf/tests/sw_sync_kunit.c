// SPDX-License-Identifier: GPL-2.0-only
/*
 * sw_sync as a program uses it: through the file in debugfs and ioctls on user
 * memory. Also the text of debugfs sync/info.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/dma-fence.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/sync_file.h>

#include "../fence/dma-fence-internal.h"
#include "../sync/sync_debug.h"
#include "../sync/sync_timeline.h"
#include "mock.h"
#include "sync_mock.h"

/*
 * The ABI as programs have it: a copy, so that a change of the original shows.
 */
struct create_fence {
	u32 value;
	char name[32];
	s32 fence;
};

struct get_deadline {
	u64 deadline_ns;
	u32 pad;
	s32 fence_fd;
};

#define IOC_CREATE_FENCE	0xc0285700
#define IOC_INC			0x40045701
#define IOC_GET_DEADLINE	0xc0105702

struct ctx {
	struct vfsmount *debugfs;
	struct file *file;
	/* Of @file; -1 once it is closed. */
	int fd;
	struct sync_timeline *timeline;
};

static struct file *open_sync(struct kunit *test, const char *path, int flags)
{
	struct ctx *ctx = test->priv;
	struct file *file = file_open_root_mnt(ctx->debugfs, path, flags, 0);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	return file;
}

static int sw_sync_init(struct kunit *test)
{
	struct ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);
	struct file_system_type *type = get_fs_type("debugfs");

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	KUNIT_ASSERT_NOT_NULL(test, type);
	test->priv = ctx;
	ctx->debugfs = kern_mount(type);
	put_filesystem(type);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, ctx->debugfs);
	ctx->fd = get_unused_fd_flags(O_CLOEXEC);
	KUNIT_ASSERT_GE(test, ctx->fd, 0);
	ctx->file = open_sync(test, "sync/sw_sync", O_RDWR);
	fd_install(ctx->fd, ctx->file);
	ctx->timeline = ctx->file->private_data;
	return 0;
}

static void sw_sync_exit(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	if (!ctx)
		return;
	if (ctx->timeline && ctx->fd >= 0) {
		/* The file has the only reference left. */
		KUNIT_EXPECT_EQ(test, kref_read(&ctx->timeline->kref), 1);
		sync_mock_close(test, ctx->fd);
	}
	if (!IS_ERR_OR_NULL(ctx->debugfs))
		kern_unmount(ctx->debugfs);
}

static void close_sw_sync(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	sync_mock_close(test, ctx->fd);
	ctx->fd = -1;
}

static long call_at(struct kunit *test, unsigned int cmd, void __user *arg)
{
	struct ctx *ctx = test->priv;

	return sync_mock_ioctl_at(test, ctx->fd, cmd, arg);
}

static long call(struct kunit *test, unsigned int cmd, void *data)
{
	struct ctx *ctx = test->priv;

	return sync_mock_ioctl(test, ctx->fd, cmd, data);
}

static int create(struct kunit *test, u32 value)
{
	struct create_fence data = { .value = value, .name = "not looked at" };

	KUNIT_ASSERT_EQ(test, call(test, IOC_CREATE_FENCE, &data), 0);
	KUNIT_EXPECT_EQ(test, data.value, value);
	KUNIT_EXPECT_TRUE(test, get_close_on_exec(data.fence));
	return data.fence;
}

/* The status of the fence behind a descriptor. */
static int status(struct kunit *test, int fd)
{
	struct dma_fence *fence = sync_file_get_fence(fd);
	int ret;

	KUNIT_ASSERT_NOT_NULL(test, fence);
	ret = dma_fence_get_status(fence);
	dma_fence_put(fence);
	return ret;
}

static void inc(struct kunit *test, u32 by)
{
	KUNIT_EXPECT_EQ(test, call(test, IOC_INC, &by), 0);
}

static void open_names_the_timeline(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct file *info = open_sync(test, "sync/info", O_RDONLY);
	char comm[TASK_COMM_LEN];

	get_task_comm(comm, current);
	KUNIT_EXPECT_STREQ(test, ctx->timeline->name, comm);
	KUNIT_EXPECT_EQ(test, sync_timeline_value(ctx->timeline), 0);
	KUNIT_EXPECT_EQ(test, file_inode(ctx->file)->i_mode & 0777, 0644);
	KUNIT_EXPECT_EQ(test, file_inode(info)->i_mode & 0777, 0444);
	/* The proxy of debugfs would have no compat_ioctl. */
	KUNIT_EXPECT_PTR_EQ(test, ctx->file->f_op, &sw_sync_fops);
	sync_mock_drop(info);
}

static void create_fence_then_inc(struct kunit *test)
{
	int two = create(test, 2), one = create(test, 1);
	int again = create(test, 2), zero = create(test, 0);

	KUNIT_EXPECT_EQ(test, status(test, zero), 1);
	KUNIT_EXPECT_EQ(test, status(test, one), 0);
	inc(test, 1);
	KUNIT_EXPECT_EQ(test, status(test, one), 1);
	KUNIT_EXPECT_EQ(test, status(test, two), 0);
	sync_mock_close(test, two);
	inc(test, 1);
	KUNIT_EXPECT_EQ(test, status(test, again), 1);
	sync_mock_close(test, zero);
	sync_mock_close(test, one);
	sync_mock_close(test, again);
}

static void create_fence_shares(struct kunit *test)
{
	int one = create(test, 1), other = create(test, 1);
	struct dma_fence *a = sync_file_get_fence(one);
	struct dma_fence *b = sync_file_get_fence(other);

	KUNIT_EXPECT_PTR_EQ(test, a, b);
	dma_fence_put(a);
	dma_fence_put(b);
	sync_mock_close(test, one);
	sync_mock_close(test, other);
}

/* The answer cannot be copied: descriptor, file and fence must not leak. */
static void create_fence_fault_leaves_nothing(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct create_fence data = { .value = 1 };
	void __user *read_only = mock_user_readonly(test, &data, sizeof(data));
	unsigned int fds = mock_count_fds();

	KUNIT_EXPECT_EQ(test, call_at(test, IOC_CREATE_FENCE, read_only),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, call_at(test, IOC_CREATE_FENCE, NULL), -EFAULT);
	mock_flush_files();
	KUNIT_EXPECT_EQ(test, mock_count_fds(), fds);
	KUNIT_EXPECT_EQ(test, kref_read(&ctx->timeline->kref), 1);
}

static void ioctl_bad(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, call_at(test, _IO('W', 0), NULL), -ENOTTY);
	KUNIT_EXPECT_EQ(test, call_at(test, _IO('W', 3), NULL), -ENOTTY);
	KUNIT_EXPECT_EQ(test, call_at(test, IOC_INC, NULL), -EFAULT);
	KUNIT_EXPECT_EQ(test, call_at(test, IOC_GET_DEADLINE, NULL), -EFAULT);
}

static void get_deadline_returns_the_earliest(struct kunit *test)
{
	struct get_deadline data = {};
	int fd = create(test, 1);
	struct dma_fence *fence = sync_file_get_fence(fd);

	data.fence_fd = fd;
	KUNIT_EXPECT_EQ(test, call(test, IOC_GET_DEADLINE, &data), -ENOENT);
	dma_fence_set_deadline(fence, 3000);
	dma_fence_set_deadline(fence, 2000);
	KUNIT_EXPECT_EQ(test, call(test, IOC_GET_DEADLINE, &data), 0);
	KUNIT_EXPECT_EQ(test, data.deadline_ns, 2000);
	KUNIT_EXPECT_EQ(test, data.fence_fd, fd);
	dma_fence_put(fence);
	sync_mock_close(test, fd);
}

static void get_deadline_bad_argument(struct kunit *test)
{
	int fd = create(test, 1), stub = get_unused_fd_flags(0);
	int other = sync_mock_other_fd(test);
	struct dma_fence *fence = dma_fence_get_stub();
	struct sync_file *sync_file = sync_file_create(fence);
	const struct get_deadline bad[] = {
		{ .fence_fd = fd, .pad = 1 },
		{ .fence_fd = fd, .deadline_ns = 1 },
		{ .fence_fd = -1 },
		{ .fence_fd = other },
		{ .fence_fd = stub },
	};

	dma_fence_put(fence);
	KUNIT_ASSERT_NOT_NULL(test, sync_file);
	fd_install(stub, sync_file->file);
	for (int i = 0; i < ARRAY_SIZE(bad); i++) {
		struct get_deadline data = bad[i];

		KUNIT_EXPECT_EQ_MSG(test, call(test, IOC_GET_DEADLINE, &data),
				    -EINVAL, "no. %d", i);
	}
	sync_mock_close(test, stub);
	sync_mock_close(test, other);
	sync_mock_close(test, fd);
}

static void release_fails_pending(struct kunit *test)
{
	int one = create(test, 1), two = create(test, 2);
	struct dma_fence *fence;

	inc(test, 1);
	close_sw_sync(test);
	KUNIT_EXPECT_EQ(test, status(test, one), 1);
	KUNIT_EXPECT_EQ(test, status(test, two), -ENOENT);

	/* The names outlive the file. */
	fence = sync_file_get_fence(two);
	scoped_guard(rcu)
		KUNIT_EXPECT_STREQ(test, dma_fence_driver_name(fence),
				   "sw_sync");
	dma_fence_put(fence);
	sync_mock_close(test, one);
	sync_mock_close(test, two);
}

/* The text of sync/info, cut at @size bytes. */
static const char *print_info(struct kunit *test, size_t size)
{
	struct seq_file *seq = mock_seq_create(test, size);

	KUNIT_EXPECT_EQ(test, sync_info_show(seq, NULL), 0);
	KUNIT_EXPECT_EQ(test, strncmp(seq->buf, "objs:\n--------------\n", 21),
			0);
	return seq->buf;
}

static void info_show_lists_fences(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *fence;
	struct timespec64 ts;
	const char *text;
	char want[80];
	int fds[3];

	strscpy(ctx->timeline->name, "a program");
	inc(test, 0xfffffff0);
	fds[0] = create(test, 3);
	fds[1] = create(test, 0xfffffff5);
	fds[2] = create(test, 0xfffffff1);
	inc(test, 1);

	text = print_info(test, PAGE_SIZE);
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(text, "a program: -15\n"
		"  fence active: 4294967285 / -15\n"
		"  fence active: 3 / -15\n\n"), "%s", text);
	KUNIT_EXPECT_STREQ(test, strrchr(text, 'f'),
			   "fences:\n--------------\n");

	/* A failed fence is shown for as long as somebody has a reference. */
	sync_mock_close(test, fds[1]);
	close_sw_sync(test);
	fence = sync_file_get_fence(fds[0]);
	ts = ktime_to_timespec64(dma_fence_timestamp(fence));
	dma_fence_put(fence);
	snprintf(want, sizeof(want), "a program: -15\n"
		 "  fence error@%lld.%09ld: 3 / -15\n\n",
		 (s64)ts.tv_sec, ts.tv_nsec);
	text = print_info(test, PAGE_SIZE);
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(text, want), "%s", text);

	sync_mock_close(test, fds[0]);
	sync_mock_close(test, fds[2]);
	text = print_info(test, PAGE_SIZE);
	KUNIT_EXPECT_NULL(test, strstr(text, "a program"));
}

/* A program chooses its name by prctl(): it must not forge lines. */
static void info_show_escapes_names(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	const char *text;

	strscpy(ctx->timeline->name, "x\nother: 7\\");
	text = print_info(test, PAGE_SIZE);
	KUNIT_EXPECT_NULL(test, strstr(text, "\nother: 7"));
	KUNIT_EXPECT_NOT_NULL_MSG(test,
				  strstr(text, "x\\012other: 7\\134: 0\n\n"),
				  "%s", text);
}

/*
 * seq_file retries with a larger buffer: the first try must not leak
 * references.
 */
static void info_show_full_buffer(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	int fds[4];

	for (int i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = create(test, i + 1);
	print_info(test, 40);
	KUNIT_EXPECT_EQ(test, kref_read(&ctx->timeline->kref), 5);
	for (int i = 0; i < ARRAY_SIZE(fds); i++) {
		struct dma_fence *fence = sync_file_get_fence(fds[i]);

		KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
		dma_fence_put(fence);
		sync_mock_close(test, fds[i]);
	}
}

static struct kunit_case sw_sync_cases[] = {
	KUNIT_CASE(open_names_the_timeline),
	KUNIT_CASE(create_fence_then_inc),
	KUNIT_CASE(create_fence_shares),
	KUNIT_CASE(create_fence_fault_leaves_nothing),
	KUNIT_CASE(ioctl_bad),
	KUNIT_CASE(get_deadline_returns_the_earliest),
	KUNIT_CASE(get_deadline_bad_argument),
	KUNIT_CASE(release_fails_pending),
	KUNIT_CASE(info_show_lists_fences),
	KUNIT_CASE(info_show_escapes_names),
	KUNIT_CASE(info_show_full_buffer),
	{}
};

static struct kunit_suite sw_sync_suite = {
	.name = "sw_sync",
	.init = sw_sync_init,
	.exit = sw_sync_exit,
	.test_cases = sw_sync_cases,
};

kunit_test_suite(sw_sync_suite);

MODULE_LICENSE("GPL");

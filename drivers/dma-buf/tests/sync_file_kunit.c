// SPDX-License-Identifier: GPL-2.0-only
/*
 * sync_file: references, names, poll, and the ioctls as a program calls them,
 * with real descriptors and user memory. The fences come from software
 * timelines that are stepped by hand.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/test.h>
#include <linux/anon_inodes.h>
#include <linux/cleanup.h>
#include <linux/dma-fence-array.h>
#include <linux/dma-fence-chain.h>
#include <linux/dma-fence.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/sync_file.h>
#include <linux/uaccess.h>
#include <uapi/linux/sync_file.h>

#include "../sync_timeline.h"

#define MAX_TIMELINES 8

struct ctx {
	struct sync_timeline *timelines[MAX_TIMELINES];
	/* Memory of the "program". */
	void __user *rw;
};

static void __user *map_user(struct kunit *test, struct file *file,
			     unsigned long prot, unsigned long flags)
{
	unsigned long addr = kunit_vm_mmap(test, file, 0, PAGE_SIZE, prot,
					   flags | MAP_PRIVATE, 0);

	KUNIT_ASSERT_NE(test, addr, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	return (void __user *)addr;
}

/* User memory that holds @data and cannot be written to. */
static void __user *map_read_only(struct kunit *test, const void *data,
				  size_t size)
{
	struct file *file = shmem_kernel_file_setup("data", PAGE_SIZE, 0);
	void __user *user;
	loff_t pos = 0;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_ASSERT_EQ(test, kernel_write(file, data, size, &pos), size);
	user = map_user(test, file, PROT_READ, 0);
	fput(file);
	return user;
}

static int sync_file_init(struct kunit *test)
{
	struct ctx *ctx = kunit_kzalloc(test, sizeof(*ctx), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, ctx);
	test->priv = ctx;
	for (int i = 0; i < MAX_TIMELINES; i++) {
		ctx->timelines[i] = sync_timeline_create("timeline");
		KUNIT_ASSERT_NOT_NULL(test, ctx->timelines[i]);
	}
	ctx->rw = map_user(test, NULL, PROT_READ | PROT_WRITE, MAP_ANONYMOUS);
	return 0;
}

static void sync_file_exit(struct kunit *test)
{
	struct ctx *ctx = test->priv;

	/* The test is over: no file, callback or fence may be left. */
	flush_delayed_fput();
	for (int i = 0; ctx && i < MAX_TIMELINES; i++) {
		if (!ctx->timelines[i])
			continue;
		KUNIT_EXPECT_EQ(test, kref_read(&ctx->timelines[i]->kref), 1);
		sync_timeline_destroy(ctx->timelines[i]);
	}
}

static struct dma_fence *make(struct kunit *test, int timeline, u32 value)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *fence =
		sync_timeline_fence(ctx->timelines[timeline], value);

	KUNIT_ASSERT_NOT_NULL(test, fence);
	return fence;
}

static void step(struct kunit *test, int timeline)
{
	struct ctx *ctx = test->priv;

	sync_timeline_inc(ctx->timelines[timeline], 1);
}

/* Expect that nobody else has a reference, and drop it. */
static void put_last(struct kunit *test, struct dma_fence *fence)
{
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 1);
	dma_fence_put(fence);
}

static struct sync_file *create(struct kunit *test, struct dma_fence *fence)
{
	struct sync_file *sync_file = sync_file_create(fence);

	KUNIT_ASSERT_NOT_NULL(test, sync_file);
	return sync_file;
}

/* A kernel thread's last fput() is carried out later, unless flushed. */
static void drop(struct file *file)
{
	fput(file);
	flush_delayed_fput();
}

/* A descriptor for the fence, whose reference is passed on. */
static int make_fd(struct kunit *test, struct dma_fence *fence)
{
	int fd = get_unused_fd_flags(O_CLOEXEC);

	KUNIT_ASSERT_GE(test, fd, 0);
	fd_install(fd, create(test, fence)->file);
	dma_fence_put(fence);
	return fd;
}

static void close_now(struct kunit *test, int fd)
{
	KUNIT_EXPECT_EQ(test, close_fd(fd), 0);
	flush_delayed_fput();
}

/* The number that the next descriptor gets: tells whether one was left. */
static int next_fd(struct kunit *test)
{
	int fd = get_unused_fd_flags(0);

	KUNIT_ASSERT_GE(test, fd, 0);
	put_unused_fd(fd);
	return fd;
}

/* ioctl(@fd, @cmd, @arg), @arg being what the kernel gets: a user's pointer. */
static long call_at(struct kunit *test, int fd, unsigned int cmd,
		    void __user *arg)
{
	long ret;

	CLASS(fd, f)(fd);
	KUNIT_ASSERT_FALSE(test, fd_empty(f));
	ret = fd_file(f)->f_op->unlocked_ioctl(fd_file(f), cmd,
					       (unsigned long)arg);
	return ret;
}

/* The same with @data copied into and out of the program's memory. */
static long call(struct kunit *test, int fd, unsigned int cmd, void *data)
{
	struct ctx *ctx = test->priv;
	long ret;

	KUNIT_ASSERT_EQ(test, copy_to_user(ctx->rw, data, _IOC_SIZE(cmd)), 0);
	ret = call_at(test, fd, cmd, ctx->rw);
	KUNIT_ASSERT_EQ(test, copy_from_user(data, ctx->rw, _IOC_SIZE(cmd)), 0);
	return ret;
}

static void create_takes_own_reference(struct kunit *test)
{
	struct dma_fence *fence = make(test, 0, 1), *same;
	struct sync_file *sync_file = create(test, fence);
	int fd;

	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
	KUNIT_EXPECT_PTR_EQ(test, sync_file->fence, fence);
	KUNIT_EXPECT_EQ(test, file_count(sync_file->file), 1);
	KUNIT_EXPECT_FALSE(test, sync_file->file->f_mode & FMODE_LSEEK);

	fd = get_unused_fd_flags(O_CLOEXEC);
	KUNIT_ASSERT_GE(test, fd, 0);
	fd_install(fd, sync_file->file);
	same = sync_file_get_fence(fd);
	KUNIT_EXPECT_PTR_EQ(test, same, fence);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 3);
	dma_fence_put(same);

	close_now(test, fd);
	put_last(test, fence);
}

static const struct file_operations other_fops = {};

static void get_fence_rejects_others(struct kunit *test)
{
	int fd = anon_inode_getfd("other", &other_fops, NULL, 0);
	int free = next_fd(test);

	KUNIT_ASSERT_GE(test, fd, 0);
	KUNIT_EXPECT_NULL(test, sync_file_get_fence(fd));
	KUNIT_EXPECT_NULL(test, sync_file_get_fence(free));
	KUNIT_EXPECT_NULL(test, sync_file_get_fence(-1));
	KUNIT_EXPECT_NULL(test, sync_file_get_fence(INT_MAX));
	close_now(test, fd);
}

static void get_name_fits_the_buffer(struct kunit *test)
{
	struct dma_fence *fence = make(test, 0, 5);
	struct sync_file *sync_file = create(test, fence);
	char want[80], name[80];

	snprintf(want, sizeof(want), "sw_sync-timeline%llu-5", fence->context);
	KUNIT_EXPECT_PTR_EQ(test, sync_file_get_name(sync_file, name, 80),
			    &name[0]);
	KUNIT_EXPECT_STREQ(test, name, want);

	for (int len = 12; len; len--) {
		memset(name, 'z', sizeof(name));
		sync_file_get_name(sync_file, name, len);
		want[len - 1] = '\0';
		KUNIT_EXPECT_STREQ(test, name, want);
		KUNIT_EXPECT_EQ(test, name[len], 'z');
	}

	strscpy(sync_file->user_name, "mine");
	sync_file_get_name(sync_file, name, sizeof(name));
	KUNIT_EXPECT_STREQ(test, name, "mine");
	memset(name, 'z', sizeof(name));
	sync_file_get_name(sync_file, name, 3);
	KUNIT_EXPECT_STREQ(test, name, "mi");
	KUNIT_EXPECT_EQ(test, name[3], 'z');

	drop(sync_file->file);
	put_last(test, fence);
}

/* Somebody who waits in poll(). */
struct poller {
	poll_table table;
	struct wait_queue_entry entry;
	struct wait_queue_head *head;
	int woken;
};

static int poller_wake(struct wait_queue_entry *entry, unsigned int mode,
		       int flags, void *key)
{
	container_of(entry, struct poller, entry)->woken++;
	return 1;
}

static void poller_queue(struct file *file, wait_queue_head_t *head,
			 poll_table *table)
{
	struct poller *poller = container_of(table, struct poller, table);

	poller->head = head;
	add_wait_queue(head, &poller->entry);
}

static __poll_t poller_poll(struct poller *poller, struct file *file)
{
	memset(poller, 0, sizeof(*poller));
	init_waitqueue_func_entry(&poller->entry, poller_wake);
	init_poll_funcptr(&poller->table, poller_queue);
	return vfs_poll(file, &poller->table);
}

static void poller_leave(struct poller *poller)
{
	if (poller->head)
		remove_wait_queue(poller->head, &poller->entry);
}

static size_t count_callbacks(struct dma_fence *fence)
{
	guard(spinlock_irqsave)(fence->lock);
	return list_count_nodes(&fence->cb_list);
}

static void poll_wakes_all_when_signaled(struct kunit *test)
{
	struct dma_fence *fence = make(test, 0, 1);
	struct sync_file *sync_file = create(test, fence);
	struct poller pollers[3];

	KUNIT_EXPECT_EQ(test, count_callbacks(fence), 0);
	for (int i = 0; i < ARRAY_SIZE(pollers); i++) {
		KUNIT_EXPECT_EQ(test, poller_poll(&pollers[i], sync_file->file),
				0);
		KUNIT_EXPECT_NOT_NULL(test, pollers[i].head);
		/* Armed once, whatever the number of pollers. */
		KUNIT_EXPECT_EQ(test, count_callbacks(fence), 1);
	}
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);

	step(test, 0);
	for (int i = 0; i < ARRAY_SIZE(pollers); i++) {
		KUNIT_EXPECT_EQ(test, pollers[i].woken, 1);
		poller_leave(&pollers[i]);
	}
	KUNIT_EXPECT_EQ(test, vfs_poll(sync_file->file, NULL), EPOLLIN);
	drop(sync_file->file);
	put_last(test, fence);
}

/* An error is no reason for EPOLLERR, and a done fence none for a callback. */
static void poll_signaled_is_readable_at_once(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *fence = make(test, 0, 1);
	struct sync_file *sync_file = create(test, fence);
	struct poller poller;

	sync_timeline_set_error(ctx->timelines[0], -EIO);
	step(test, 0);
	KUNIT_EXPECT_EQ(test, poller_poll(&poller, sync_file->file), EPOLLIN);
	KUNIT_EXPECT_FALSE(test, test_bit(POLL_ENABLED, &sync_file->flags));
	poller_leave(&poller);
	drop(sync_file->file);
	put_last(test, fence);
}

/* A fence whose maker finds in the last moment that the work is done. */
static bool late_enable_signaling(struct dma_fence *fence)
{
	return false;
}

static const char *late_name(struct dma_fence *fence)
{
	return "late";
}

static DEFINE_SPINLOCK(late_lock);

static const struct dma_fence_ops late_ops = {
	.get_driver_name = late_name,
	.get_timeline_name = late_name,
	.enable_signaling = late_enable_signaling,
};

/*
 * The one that wanted to arm finds the fence signalled; another poller, who
 * trusted it to, is asleep already and has to be told.
 */
static void poll_too_late_to_arm_wakes_others(struct kunit *test)
{
	struct dma_fence *fence = kzalloc(sizeof(*fence), GFP_KERNEL);
	struct sync_file *sync_file;
	struct poller first, second;

	KUNIT_ASSERT_NOT_NULL(test, fence);
	dma_fence_init(fence, &late_ops, &late_lock, dma_fence_context_alloc(1), 1);
	sync_file = create(test, fence);

	set_bit(POLL_ENABLED, &sync_file->flags);
	KUNIT_EXPECT_EQ(test, poller_poll(&first, sync_file->file), 0);
	clear_bit(POLL_ENABLED, &sync_file->flags);
	KUNIT_EXPECT_EQ(test, poller_poll(&second, sync_file->file), EPOLLIN);
	KUNIT_EXPECT_EQ(test, first.woken, 1);

	poller_leave(&first);
	poller_leave(&second);
	drop(sync_file->file);
	put_last(test, fence);
}

static void release_removes_callback(struct kunit *test)
{
	struct dma_fence *fence = make(test, 0, 1);
	struct sync_file *sync_file = create(test, fence);

	KUNIT_EXPECT_EQ(test, vfs_poll(sync_file->file, NULL), 0);
	KUNIT_EXPECT_EQ(test, count_callbacks(fence), 1);
	drop(sync_file->file);
	KUNIT_EXPECT_EQ(test, count_callbacks(fence), 0);
	step(test, 0);
	put_last(test, fence);
}

/* The lock may belong to a driver that is gone by then. */
static void release_after_signal_leaves_the_lock_alone(struct kunit *test)
{
	struct dma_fence *fence = make(test, 0, 1);
	struct sync_file *sync_file = create(test, fence);
	spinlock_t *lock = fence->lock;

	KUNIT_EXPECT_EQ(test, vfs_poll(sync_file->file, NULL), 0);
	step(test, 0);
	fence->lock = NULL;
	drop(sync_file->file);
	fence->lock = lock;
	put_last(test, fence);
}

static void ioctl_unknown(struct kunit *test)
{
	int fd = make_fd(test, make(test, 0, 1));

	for (int nr = 0; nr < 3; nr++)
		KUNIT_EXPECT_EQ(test, call_at(test, fd, _IO('>', nr), NULL),
				-ENOTTY);
	KUNIT_EXPECT_EQ(test, call_at(test, fd, _IO('>', 3), NULL), -ENOTTY);
	KUNIT_EXPECT_EQ(test, call_at(test, fd, _IOWR('=', 3, char[48]), NULL),
			-ENOTTY);
	close_now(test, fd);
}

/* Merge and return the fence of the result, with a reference. */
static struct dma_fence *merge(struct kunit *test, int fd1, int fd2)
{
	struct sync_merge_data data = { .name = "merged", .fd2 = fd2 };
	struct dma_fence *fence;

	KUNIT_ASSERT_EQ(test, call(test, fd1, SYNC_IOC_MERGE, &data), 0);
	fence = sync_file_get_fence(data.fence);
	KUNIT_ASSERT_NOT_NULL(test, fence);
	close_now(test, data.fence);
	return fence;
}

static const struct merge_param {
	const char *desc;
	/* Timeline and value of the two; the timelines are stepped to 1. */
	int timeline[2];
	u32 value[2];
	/* Which one comes out: 0 or 1; 2 for an array, 3 for a signalled one */
	int result;
} merge_params[] = {
	{ "both signalled", { 0, 1 }, { 0, 1 }, 3 },
	{ "first pending", { 0, 1 }, { 2, 1 }, 0 },
	{ "second pending", { 0, 1 }, { 1, 2 }, 1 },
	{ "one timeline, first later", { 0, 0 }, { 3, 2 }, 0 },
	{ "one timeline, second later", { 0, 0 }, { 2, 3 }, 1 },
	{ "the same fence twice", { 0, 0 }, { 2, 2 }, 1 },
	{ "two timelines", { 0, 1 }, { 2, 2 }, 2 },
};

KUNIT_ARRAY_PARAM_DESC(merge, merge_params, desc);

static void merge_result(struct kunit *test)
{
	const struct merge_param *param = test->param_value;
	struct dma_fence *fences[2], *merged;
	int fds[2];

	for (int i = 0; i < 2; i++) {
		fences[i] = make(test, param->timeline[i], param->value[i]);
		fds[i] = make_fd(test, dma_fence_get(fences[i]));
	}
	step(test, 0);
	step(test, 1);

	merged = merge(test, fds[0], fds[1]);
	if (param->result < 2) {
		KUNIT_EXPECT_PTR_EQ(test, merged, fences[param->result]);
	} else if (param->result == 2) {
		KUNIT_ASSERT_TRUE(test, dma_fence_is_array(merged));
		KUNIT_EXPECT_EQ(test, to_dma_fence_array(merged)->num_fences, 2);
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(merged), 0);
	} else {
		KUNIT_EXPECT_EQ(test, dma_fence_get_status(merged), 1);
		KUNIT_EXPECT_EQ(test, dma_fence_timestamp(merged),
				max(dma_fence_timestamp(fences[0]),
				    dma_fence_timestamp(fences[1])));
		KUNIT_EXPECT_EQ(test, kref_read(&fences[0]->refcount), 2);
	}
	dma_fence_put(merged);

	close_now(test, fds[0]);
	close_now(test, fds[1]);
	if (fences[0] == fences[1])
		dma_fence_put(fences[1]);
	else
		put_last(test, fences[1]);
	put_last(test, fences[0]);
}

/* Signals when all have, and its file polls readable then. */
static void merge_many_signals_with_the_last(struct kunit *test)
{
	struct sync_merge_data data = { .name = "all" };
	int fd = make_fd(test, make(test, 0, 1));
	struct dma_fence *fence;

	for (int i = 1; i < MAX_TIMELINES; i++) {
		int next = make_fd(test, make(test, i, 1));

		data.fd2 = next;
		KUNIT_ASSERT_EQ(test, call(test, fd, SYNC_IOC_MERGE, &data), 0);
		close_now(test, next);
		close_now(test, fd);
		fd = data.fence;
	}
	fence = sync_file_get_fence(fd);
	KUNIT_ASSERT_NOT_NULL(test, fence);
	KUNIT_ASSERT_TRUE(test, dma_fence_is_array(fence));
	/* The arrays in between were looked through. */
	KUNIT_EXPECT_EQ(test, to_dma_fence_array(fence)->num_fences,
			MAX_TIMELINES);
	dma_fence_enable_sw_signaling(fence);
	for (int i = MAX_TIMELINES - 1; i >= 0; i--) {
		KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(fence));
		step(test, i);
	}
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, false, HZ * 10) > 0,
			1);
	dma_fence_put(fence);
	close_now(test, fd);
}

static void merge_names_the_result(struct kunit *test)
{
	struct sync_merge_data data = {};
	struct dma_fence *fence = make(test, 0, 1);
	int fd = make_fd(test, fence);
	char want[32];

	snprintf(want, sizeof(want), "sw_sync-timeline%llu-1", fence->context);
	for (int i = 0; i < 2; i++) {
		struct sync_file_info info = {};

		memset(data.name, i ? 'x' : 0, sizeof(data.name));
		data.fd2 = fd;
		KUNIT_ASSERT_EQ(test, call(test, fd, SYNC_IOC_MERGE, &data), 0);
		KUNIT_EXPECT_TRUE(test, get_close_on_exec(data.fence));
		KUNIT_ASSERT_EQ(test, call(test, data.fence, SYNC_IOC_FILE_INFO,
					   &info), 0);
		KUNIT_EXPECT_STREQ(test, info.name, i ?
				   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" : want);
		close_now(test, data.fence);
	}
	close_now(test, fd);
}

static void merge_bad_argument(struct kunit *test)
{
	struct dma_fence *fence = make(test, 0, 1);
	int fd = make_fd(test, dma_fence_get(fence));
	int other = anon_inode_getfd("other", &other_fops, NULL, 0);
	const struct {
		struct sync_merge_data data;
		int errno;
	} bad[] = {
		{ { .fd2 = fd, .flags = 1 }, -EINVAL },
		{ { .fd2 = fd, .pad = 1 }, -EINVAL },
		{ { .fd2 = -1 }, -ENOENT },
		{ { .fd2 = other }, -ENOENT },
	};
	int free = next_fd(test);

	for (int i = 0; i < ARRAY_SIZE(bad); i++) {
		struct sync_merge_data data = bad[i].data;

		KUNIT_EXPECT_EQ(test, call(test, fd, SYNC_IOC_MERGE, &data),
				bad[i].errno);
		KUNIT_EXPECT_MEMEQ(test, &data, &bad[i].data, sizeof(data));
		KUNIT_EXPECT_EQ(test, next_fd(test), free);
		KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
	}
	close_now(test, other);
	close_now(test, fd);
	put_last(test, fence);
}

/* The answer cannot be delivered: descriptor, file and fences go back. */
static void merge_fault_leaves_nothing(struct kunit *test)
{
	struct dma_fence *fence = make(test, 0, 1);
	int fd = make_fd(test, dma_fence_get(fence));
	struct sync_merge_data data = { .fd2 = fd };
	void __user *user = map_read_only(test, &data, sizeof(data));
	int free = next_fd(test);

	KUNIT_EXPECT_EQ(test, call_at(test, fd, SYNC_IOC_MERGE, NULL), -EFAULT);
	KUNIT_EXPECT_EQ(test, call_at(test, fd, SYNC_IOC_MERGE, user), -EFAULT);
	flush_delayed_fput();
	KUNIT_EXPECT_EQ(test, next_fd(test), free);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
	close_now(test, fd);
	put_last(test, fence);
}

static void merge_no_descriptor_left(struct kunit *test)
{
	struct rlimit *limit = &current->signal->rlim[RLIMIT_NOFILE];
	struct dma_fence *fence = make(test, 0, 1);
	int fd = make_fd(test, dma_fence_get(fence));
	struct sync_merge_data data = { .fd2 = fd };
	struct rlimit saved = *limit;
	long ret;

	limit->rlim_cur = 0;
	ret = call(test, fd, SYNC_IOC_MERGE, &data);
	*limit = saved;
	KUNIT_EXPECT_EQ(test, ret, -EMFILE);
	KUNIT_EXPECT_EQ(test, kref_read(&fence->refcount), 2);
	close_now(test, fd);
	put_last(test, fence);
}

/* FILE_INFO with @room elements behind the argument in the user's page. */
static long get_info(struct kunit *test, int fd, u32 room,
		     struct sync_file_info *info, struct sync_fence_info *fences)
{
	struct ctx *ctx = test->priv;
	void __user *to = ctx->rw + sizeof(*info);
	size_t size = 4 * sizeof(*fences);
	long ret;

	*info = (struct sync_file_info) {
		.num_fences = room,
		.sync_fence_info = (uintptr_t)to,
	};
	memset(fences, 'z', size);
	KUNIT_ASSERT_EQ(test, copy_to_user(to, fences, size), 0);
	ret = call(test, fd, SYNC_IOC_FILE_INFO, info);
	KUNIT_ASSERT_EQ(test, copy_from_user(fences, to, size), 0);
	return ret;
}

static bool untouched(const void *data, size_t size)
{
	return !memchr_inv(data, 'z', size);
}

/* A descriptor for both; both references are passed on. */
static int make_merged_fd(struct kunit *test, struct dma_fence *a,
			  struct dma_fence *b)
{
	int fd1 = make_fd(test, a), fd2 = make_fd(test, b);
	struct sync_merge_data data = { .name = "merged", .fd2 = fd2 };

	KUNIT_ASSERT_EQ(test, call(test, fd1, SYNC_IOC_MERGE, &data), 0);
	close_now(test, fd1);
	close_now(test, fd2);
	return data.fence;
}

static const struct info_param {
	const char *desc;
	u32 room;
	long ret;
	/* How many elements are written. */
	u32 written;
} info_params[] = {
	{ "count only", 0, 0, 0 },
	{ "too little room", 1, -EINVAL, 0 },
	{ "just enough", 2, 0, 2 },
	{ "more than enough", 4, 0, 2 },
	{ "absurdly much", U32_MAX, 0, 2 },
};

KUNIT_ARRAY_PARAM_DESC(info, info_params, desc);

static void info_room(struct kunit *test)
{
	const struct info_param *param = test->param_value;
	int fd = make_merged_fd(test, make(test, 0, 1), make(test, 1, 1));
	struct sync_fence_info fences[4];
	struct sync_file_info info;

	KUNIT_EXPECT_EQ(test, get_info(test, fd, param->room, &info, fences),
			param->ret);
	if (param->ret) {
		KUNIT_EXPECT_EQ(test, info.num_fences, param->room);
		KUNIT_EXPECT_STREQ(test, info.name, "");
	} else {
		KUNIT_EXPECT_EQ(test, info.num_fences, 2);
		KUNIT_EXPECT_EQ(test, info.status, 0);
		KUNIT_EXPECT_STREQ(test, info.name, "merged");
	}
	for (int i = 0; i < param->written; i++)
		KUNIT_EXPECT_STREQ(test, fences[i].driver_name, "sw_sync");
	KUNIT_EXPECT_TRUE(test, untouched(&fences[param->written],
					  sizeof(fences[0]) *
					  (4 - param->written)));
	close_now(test, fd);
}

/* All bytes of an element are written, and none with what was in memory. */
static void info_describes_each_fence(struct kunit *test)
{
	struct ctx *ctx = test->priv;
	struct dma_fence *a = make(test, 0, 1), *b = make(test, 1, 1);
	int fd = make_merged_fd(test, dma_fence_get(a), dma_fence_get(b));
	struct sync_fence_info fences[4], want;
	struct sync_file_info info;

	memset(&want, 0, sizeof(want));
	strscpy(want.obj_name, "timeline");
	strscpy(want.driver_name, "sw_sync");
	KUNIT_EXPECT_EQ(test, get_info(test, fd, 4, &info, fences), 0);
	KUNIT_EXPECT_MEMEQ(test, &fences[0], &want, sizeof(want));
	KUNIT_EXPECT_MEMEQ(test, &fences[1], &want, sizeof(want));
	KUNIT_EXPECT_EQ(test, info.status, 0);

	step(test, 0);
	KUNIT_EXPECT_EQ(test, get_info(test, fd, 4, &info, fences), 0);
	KUNIT_EXPECT_EQ(test, info.status, 0);
	KUNIT_EXPECT_EQ(test, fences[0].status + fences[1].status, 1);

	sync_timeline_set_error(ctx->timelines[1], -EIO);
	step(test, 1);
	KUNIT_EXPECT_EQ(test, get_info(test, fd, 4, &info, fences), 0);
	KUNIT_EXPECT_EQ(test, info.status, -EIO);
	for (int i = 0; i < 2; i++) {
		struct dma_fence *fence = fences[i].status > 0 ? a : b;

		want.status = fence == a ? 1 : -EIO;
		want.timestamp_ns = ktime_to_ns(dma_fence_timestamp(fence));
		KUNIT_EXPECT_MEMEQ(test, &fences[i], &want, sizeof(want));
	}
	close_now(test, fd);
	put_last(test, a);
	put_last(test, b);
}

static void info_bad_argument(struct kunit *test)
{
	struct sync_file_info info = { .num_fences = 1, .sync_fence_info = 8 };
	int fd = make_fd(test, make(test, 0, 1));
	void __user *user;

	KUNIT_EXPECT_EQ(test, call(test, fd, SYNC_IOC_FILE_INFO, &info),
			-EFAULT);
	info = (struct sync_file_info) { .flags = 1 };
	KUNIT_EXPECT_EQ(test, call(test, fd, SYNC_IOC_FILE_INFO, &info),
			-EINVAL);
	info = (struct sync_file_info) { .pad = 1 };
	KUNIT_EXPECT_EQ(test, call(test, fd, SYNC_IOC_FILE_INFO, &info),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, call_at(test, fd, SYNC_IOC_FILE_INFO, NULL),
			-EFAULT);
	info = (struct sync_file_info) {};
	user = map_read_only(test, &info, sizeof(info));
	KUNIT_EXPECT_EQ(test, call_at(test, fd, SYNC_IOC_FILE_INFO, user),
			-EFAULT);
	/* In and out, the former is only read. */
	info.status = 7;
	KUNIT_EXPECT_EQ(test, call(test, fd, SYNC_IOC_FILE_INFO, &info), 0);
	KUNIT_EXPECT_EQ(test, info.status, 0);
	close_now(test, fd);
}

static struct dma_fence *link(struct kunit *test, struct dma_fence *prev,
			      struct dma_fence *fence, u64 seqno)
{
	struct dma_fence_chain *chain = dma_fence_chain_alloc();

	KUNIT_ASSERT_NOT_NULL(test, chain);
	dma_fence_chain_init(chain, prev, fence, seqno);
	return &chain->base;
}

/* What a chain has dropped is not there any more; a bad pointer keeps none. */
static void info_of_a_chain_that_shrinks(struct kunit *test)
{
	struct sync_file_info bad = { .num_fences = 4, .sync_fence_info = 8 };
	struct sync_fence_info fences[4];
	struct sync_file_info info;
	struct dma_fence *chain;
	int fd;

	chain = link(test, NULL, make(test, 0, 1), 1);
	chain = link(test, chain, make(test, 1, 1), 2);
	chain = link(test, chain, make(test, 2, 1), 3);
	fd = make_fd(test, dma_fence_get(chain));

	KUNIT_EXPECT_EQ(test, get_info(test, fd, 3, &info, fences), 0);
	KUNIT_EXPECT_EQ(test, info.num_fences, 3);
	KUNIT_EXPECT_EQ(test, call(test, fd, SYNC_IOC_FILE_INFO, &bad),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, kref_read(&chain->refcount), 2);

	step(test, 1);
	KUNIT_EXPECT_EQ(test, get_info(test, fd, 3, &info, fences), 0);
	KUNIT_EXPECT_EQ(test, info.num_fences, 2);
	KUNIT_EXPECT_TRUE(test, untouched(&fences[2], sizeof(fences[2])));
	step(test, 0);
	step(test, 2);
	KUNIT_EXPECT_EQ(test, get_info(test, fd, 1, &info, fences), 0);
	KUNIT_EXPECT_EQ(test, info.num_fences, 1);
	KUNIT_EXPECT_EQ(test, info.status, 1);
	close_now(test, fd);
	put_last(test, chain);
}

static void set_deadline_reaches_the_fence(struct kunit *test)
{
	struct sync_set_deadline data = { .deadline_ns = 4000, .pad = 1 };
	struct dma_fence *a = make(test, 0, 1), *b = make(test, 1, 1);
	int fd = make_merged_fd(test, dma_fence_get(a), dma_fence_get(b));
	ktime_t deadline;

	KUNIT_EXPECT_EQ(test, call(test, fd, SYNC_IOC_SET_DEADLINE, &data),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, call_at(test, fd, SYNC_IOC_SET_DEADLINE, NULL),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, sync_timeline_fence_deadline(a, &deadline),
			-ENOENT);
	data.pad = 0;
	KUNIT_EXPECT_EQ(test, call(test, fd, SYNC_IOC_SET_DEADLINE, &data), 0);
	KUNIT_EXPECT_EQ(test, sync_timeline_fence_deadline(a, &deadline), 0);
	KUNIT_EXPECT_EQ(test, deadline, 4000);
	KUNIT_EXPECT_EQ(test, sync_timeline_fence_deadline(b, &deadline), 0);
	KUNIT_EXPECT_EQ(test, deadline, 4000);
	close_now(test, fd);
	put_last(test, a);
	put_last(test, b);
}

static struct kunit_case sync_file_cases[] = {
	KUNIT_CASE(create_takes_own_reference),
	KUNIT_CASE(get_fence_rejects_others),
	KUNIT_CASE(get_name_fits_the_buffer),
	KUNIT_CASE(poll_wakes_all_when_signaled),
	KUNIT_CASE(poll_signaled_is_readable_at_once),
	KUNIT_CASE(poll_too_late_to_arm_wakes_others),
	KUNIT_CASE(release_removes_callback),
	KUNIT_CASE(release_after_signal_leaves_the_lock_alone),
	KUNIT_CASE(ioctl_unknown),
	KUNIT_CASE_PARAM(merge_result, merge_gen_params),
	KUNIT_CASE(merge_many_signals_with_the_last),
	KUNIT_CASE(merge_names_the_result),
	KUNIT_CASE(merge_bad_argument),
	KUNIT_CASE(merge_fault_leaves_nothing),
	KUNIT_CASE(merge_no_descriptor_left),
	KUNIT_CASE_PARAM(info_room, info_gen_params),
	KUNIT_CASE(info_describes_each_fence),
	KUNIT_CASE(info_bad_argument),
	KUNIT_CASE(info_of_a_chain_that_shrinks),
	KUNIT_CASE(set_deadline_reaches_the_fence),
	{}
};

static struct kunit_suite sync_file_suite = {
	.name = "sync_file",
	.init = sync_file_init,
	.exit = sync_file_exit,
	.test_cases = sync_file_cases,
};

kunit_test_suite(sync_file_suite);

MODULE_LICENSE("GPL");

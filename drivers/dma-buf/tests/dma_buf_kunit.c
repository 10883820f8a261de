// SPDX-License-Identifier: GPL-2.0-only
/*
 * The buffer as an object: export and who owns what when it fails, descriptors
 * and references, release, and the name.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/fcntl.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/shmem_fs.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "../buffer/dma-buf-internal.h"
#include "mock.h"

#define SIZE (3 * PAGE_SIZE)

struct export_param {
	const char *desc;
	void (*spoil)(struct mock_exporter *exp);
};

static void no_priv(struct mock_exporter *exp)
{
	exp->info.priv = NULL;
}

static void no_ops(struct mock_exporter *exp)
{
	exp->info.ops = NULL;
}

#define WITHOUT(op) \
static void no_##op(struct mock_exporter *exp) \
{ \
	exp->ops.op = NULL; \
}

WITHOUT(map_dma_buf)
WITHOUT(unmap_dma_buf)
WITHOUT(release)
WITHOUT(pin)
WITHOUT(unpin)
WITHOUT(keep_mapping)
WITHOUT(begin_device_access)
WITHOUT(end_device_access)

static void pin_and_cache(struct mock_exporter *exp)
{
	exp->ops.keep_mapping = NULL;
	exp->ops.begin_device_access = NULL;
	exp->ops.end_device_access = NULL;
	exp->ops.cache_sgt_mapping = true;
}

static void keep_and_cache(struct mock_exporter *exp)
{
	exp->ops.pin = NULL;
	exp->ops.unpin = NULL;
	exp->ops.cache_sgt_mapping = true;
}

static const struct export_param export_params[] = {
	{ "no priv", no_priv },
	{ "no operations", no_ops },
	{ "no map_dma_buf", no_map_dma_buf },
	{ "no unmap_dma_buf", no_unmap_dma_buf },
	{ "no release", no_release },
	{ "unpin alone", no_pin },
	{ "pin alone", no_unpin },
	{ "pin and cache_sgt_mapping", pin_and_cache },
	{ "keep_mapping without begin_device_access", no_begin_device_access },
	{ "keep_mapping without end_device_access", no_end_device_access },
	{ "device access without keep_mapping", no_keep_mapping },
	{ "keep_mapping and cache_sgt_mapping", keep_and_cache },
};

KUNIT_ARRAY_PARAM_DESC(export_bad, export_params, desc);

static void dma_buf_export_bad_info(struct kunit *test)
{
	const struct export_param *param = test->param_value;
	struct mock_exporter *exp = mock_exporter_create(test, SIZE,
							 MOCK_DYNAMIC |
							 MOCK_KEPT);

	param->spoil(exp);
	mock_warn_begin(test);
	KUNIT_EXPECT_PTR_EQ(test, dma_buf_export(&exp->info),
			    ERR_PTR(-EINVAL));
	KUNIT_EXPECT_PTR_EQ(test, dma_buf_export(&exp->info),
			    ERR_PTR(-EINVAL));
	mock_warn_end(test, "dma_buf_export", 1);

	/* The exporter still owns its memory: no release. */
	mock_flush_files();
	MOCK_EXPECT_NO_CALLS(exp);
}

/* 6.12 accepts a buffer of size 0, so drivers may export one. */
static void dma_buf_export_size_zero(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_create(test, SIZE, 0);

	exp->info.size = 0;
	mock_warn_begin(test);
	KUNIT_EXPECT_EQ(test, mock_export(exp)->size, 0);
	mock_warn_end(test, "nowhere", 0);
	mock_exporter_put_last(exp);
}

#ifdef CONFIG_MODULE_UNLOAD
static struct module *create_module(struct kunit *test,
				    enum module_state state)
{
	struct module *module = kunit_kzalloc(test, sizeof(*module),
					      GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, module);
	module->state = state;
	atomic_set(&module->refcnt, 1);
	return module;
}

static void dma_buf_export_module_going(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_create(test, SIZE, 0);

	exp->info.owner = create_module(test, MODULE_STATE_GOING);
	KUNIT_EXPECT_PTR_EQ(test, dma_buf_export(&exp->info),
			    ERR_PTR(-ENOENT));
	KUNIT_EXPECT_EQ(test, atomic_read(&exp->info.owner->refcnt), 1);
	mock_flush_files();
	MOCK_EXPECT_NO_CALLS(exp);
}

/* The module reference outlasts the release operation, which is its code. */
static void check_module(struct mock_exporter *exp, enum mock_op op)
{
	if (op == MOCK_RELEASE)
		KUNIT_EXPECT_EQ(exp->test,
				atomic_read(&exp->info.owner->refcnt), 2);
}

static void dma_buf_export_holds_module(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_create(test, SIZE, 0);
	struct module *module = create_module(test, MODULE_STATE_LIVE);
	unsigned long end;

	exp->info.owner = module;
	exp->hook = check_module;
	mock_export(exp);
	KUNIT_EXPECT_EQ(test, atomic_read(&module->refcnt), 2);
	mock_exporter_put_last(exp);
	/* It is dropped right after the release, maybe on another CPU. */
	end = jiffies + 10 * HZ;
	while (atomic_read(&module->refcnt) == 2 && time_before(jiffies, end))
		cond_resched();
	KUNIT_EXPECT_EQ(test, atomic_read(&module->refcnt), 1);
}
#endif

static void dma_buf_export_fills_in(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_create(test, SIZE, 0);
	struct dma_buf *dmabuf;

	exp->info.flags = O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_APPEND |
			  O_TRUNC;
	dmabuf = mock_export(exp);
	KUNIT_EXPECT_EQ(test, dmabuf->size, SIZE);
	KUNIT_EXPECT_PTR_EQ(test, dmabuf->ops, &exp->ops);
	KUNIT_EXPECT_PTR_EQ(test, dmabuf->priv, exp);
	KUNIT_EXPECT_STREQ(test, dmabuf->exp_name, "mock");
	KUNIT_EXPECT_TRUE(test, list_empty(&dmabuf->attachments));
	KUNIT_EXPECT_PTR_EQ(test, dmabuf->file->private_data, dmabuf);
	KUNIT_EXPECT_EQ(test, dmabuf->file->f_flags &
			      (O_ACCMODE | O_NONBLOCK | O_APPEND | O_TRUNC |
			       O_CLOEXEC), O_WRONLY | O_NONBLOCK);
	KUNIT_EXPECT_FALSE(test, dma_buf_is_dynamic(dmabuf));
	KUNIT_ASSERT_NOT_NULL(test, dmabuf->resv);
	KUNIT_EXPECT_FALSE(test, dma_resv_is_locked(dmabuf->resv));
	MOCK_EXPECT_NO_CALLS(exp);
	mock_exporter_put_last(exp);
	MOCK_EXPECT_LOG(exp, MOCK_RELEASE);
}

static void dma_buf_export_no_name(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_create(test, SIZE, 0);

	exp->info.exp_name = NULL;
	KUNIT_EXPECT_STREQ(test, mock_export(exp)->exp_name, "");
	mock_exporter_put_last(exp);
}

static void dma_buf_export_shared_resv(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_create(test, SIZE, 0);
	struct mock_exporter *other = mock_exporter_create(test, SIZE, 0);
	struct mock_timeline *timeline = mock_timeline_create(test, "tl");
	struct dma_fence *fence = mock_fence_create(timeline);
	struct dma_resv resv;

	dma_resv_init(&resv);
	exp->info.resv = &resv;
	other->info.resv = &resv;
	KUNIT_EXPECT_PTR_EQ(test, mock_export(exp)->resv, &resv);
	KUNIT_EXPECT_PTR_EQ(test, mock_export(other)->resv, &resv);
	mock_resv_add(test, &resv, fence, DMA_RESV_USAGE_WRITE);

	mock_exporter_put_last(exp);
	mock_exporter_put_last(other);
	/* The buffers do not own the object, so its fences stay. */
	KUNIT_EXPECT_FALSE(test,
			   dma_resv_test_signaled(&resv,
						  DMA_RESV_USAGE_WRITE));
	dma_fence_signal(fence);
	dma_fence_put(fence);
	dma_resv_fini(&resv);
}

static void dma_buf_export_private_resv(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct mock_timeline *timeline = mock_timeline_create(test, "tl");
	struct dma_fence *fence = mock_fence_create(timeline);

	mock_resv_add(test, exp->dmabuf->resv, fence, DMA_RESV_USAGE_READ);
	dma_fence_signal(fence);
	dma_fence_put(fence);
	KUNIT_EXPECT_EQ(test, mock_timeline_released(timeline), 0);
	mock_exporter_put_last(exp);
	/* The buffer's own object drops its fences on release. */
	KUNIT_EXPECT_TRUE(test, mock_timeline_wait_released(timeline, 1));
}

static void dma_buf_fd_moves_reference(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	unsigned int fds = mock_count_fds();
	int fd = dma_buf_fd(exp->dmabuf, 0);

	KUNIT_ASSERT_GE(test, fd, 0);
	KUNIT_EXPECT_EQ(test, file_count(exp->dmabuf->file), 1);
	KUNIT_EXPECT_EQ(test, mock_count_fds(), fds + 1);
	KUNIT_EXPECT_FALSE(test, get_close_on_exec(fd));
	KUNIT_EXPECT_EQ(test, close_fd(fd), 0);
	KUNIT_EXPECT_TRUE(test, mock_exporter_wait_released(exp));
	KUNIT_EXPECT_EQ(test, mock_count_fds(), fds);
}

static void dma_buf_fd_close_on_exec(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	int fd = dma_buf_fd(exp->dmabuf, O_CLOEXEC);

	KUNIT_ASSERT_GE(test, fd, 0);
	KUNIT_EXPECT_TRUE(test, get_close_on_exec(fd));
	close_fd(fd);
}

static void dma_buf_fd_no_buffer(struct kunit *test)
{
	struct dma_buf nothing = {};
	unsigned int fds = mock_count_fds();

	KUNIT_EXPECT_EQ(test, dma_buf_fd(NULL, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_buf_fd(&nothing, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, mock_count_fds(), fds);
}

static void dma_buf_fd_table_full(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	unsigned int fds = mock_count_fds();

	mock_forbid_fds(true);
	KUNIT_EXPECT_EQ(test, dma_buf_fd(exp->dmabuf, 0), -EMFILE);
	mock_forbid_fds(false);
	KUNIT_EXPECT_EQ(test, mock_count_fds(), fds);
	/* The reference is still the caller's. */
	mock_exporter_put_last(exp);
}

static void dma_buf_get_takes_reference(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	int fd = dma_buf_fd(exp->dmabuf, 0);

	KUNIT_ASSERT_GE(test, fd, 0);
	KUNIT_EXPECT_PTR_EQ(test, dma_buf_get(fd), exp->dmabuf);
	KUNIT_EXPECT_EQ(test, file_count(exp->dmabuf->file), 2);
	close_fd(fd);
	mock_flush_files();
	KUNIT_EXPECT_PTR_EQ(test, dma_buf_get(fd), ERR_PTR(-EBADF));
	mock_exporter_put_last(exp);
}

static void dma_buf_get_no_buffer(struct kunit *test)
{
	struct file *file = shmem_file_setup("other", PAGE_SIZE, 0);
	int fd = get_unused_fd_flags(0);

	KUNIT_EXPECT_PTR_EQ(test, dma_buf_get(-1), ERR_PTR(-EBADF));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	KUNIT_ASSERT_GE(test, fd, 0);
	/* A reserved descriptor is not open. */
	KUNIT_EXPECT_PTR_EQ(test, dma_buf_get(fd), ERR_PTR(-EBADF));
	fd_install(fd, file);
	KUNIT_EXPECT_PTR_EQ(test, dma_buf_get(fd), ERR_PTR(-EINVAL));
	KUNIT_EXPECT_EQ(test, file_count(file), 1);
	close_fd(fd);
}

static void dma_buf_put_no_buffer(struct kunit *test)
{
	struct dma_buf nothing = {};

	mock_warn_begin(test);
	dma_buf_put(NULL);
	dma_buf_put(&nothing);
	mock_warn_end(test, "dma_buf_put", 1);
}

static void dma_buf_put_not_last(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);

	get_dma_buf(exp->dmabuf);
	get_dma_buf(exp->dmabuf);
	KUNIT_EXPECT_EQ(test, file_count(exp->dmabuf->file), 3);
	dma_buf_put(exp->dmabuf);
	dma_buf_put(exp->dmabuf);
	mock_flush_files();
	MOCK_EXPECT_NO_CALLS(exp);
	mock_exporter_put_last(exp);
}

struct irq_put {
	struct irq_work work;
	struct dma_buf *dmabuf;
};

static void put_in_irq(struct irq_work *work)
{
	dma_buf_put(container_of(work, struct irq_put, work)->dmabuf);
}

/*
 * Drivers put from interrupts: the release, which may sleep, must not run
 * there.
 */
static void dma_buf_put_last_in_irq(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct irq_put put = {
		.work = IRQ_WORK_INIT_HARD(put_in_irq),
		.dmabuf = exp->dmabuf,
	};

	irq_work_queue(&put.work);
	irq_work_sync(&put.work);
	KUNIT_EXPECT_TRUE(test, mock_exporter_wait_released(exp));
	KUNIT_EXPECT_EQ(test, mock_calls(exp, MOCK_RELEASE), 1);
}

/* A driver may hold a lock around the last put that its release takes. */
static void check_not_in_put(struct mock_exporter *exp, enum mock_op op)
{
	if (op == MOCK_RELEASE)
		KUNIT_EXPECT_PTR_NE(exp->test, READ_ONCE(exp->hook_data),
				    (void *)current);
}

static void dma_buf_put_last_defers_release(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);

	exp->hook = check_not_in_put;
	WRITE_ONCE(exp->hook_data, current);
	dma_buf_put(exp->dmabuf);
	WRITE_ONCE(exp->hook_data, NULL);
	KUNIT_EXPECT_TRUE(test, mock_exporter_wait_released(exp));
}

static void dma_buf_release_vmapped(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	struct iosys_map map;

	KUNIT_ASSERT_EQ(test, dma_buf_vmap_unlocked(exp->dmabuf, &map), 0);
	mock_warn_begin(test);
	mock_exporter_put_last(exp);
	mock_warn_end(test, "file_release", 1);
	vunmap(exp->vaddr);
	exp->vaddr = NULL;
}

struct name_param {
	const char *desc;
	const char *name;
	long ret;
};

static const struct name_param name_params[] = {
	{ "short", "camera", 0 },
	{ "empty", "", 0 },
	{ "31 characters", "0123456789012345678901234567890", 0 },
	{ "32 characters", "01234567890123456789012345678901", -EINVAL },
	{ "40 characters", "0123456789012345678901234567890123456789",
	  -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(name, name_params, desc);

static void dma_buf_set_name_length(struct kunit *test)
{
	const struct name_param *param = test->param_value;
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	char __user *user = mock_user_alloc(test, PAGE_SIZE);
	char name[DMA_BUF_NAME_LEN];

	KUNIT_ASSERT_EQ(test, copy_to_user(user, "before", 7), 0);
	KUNIT_EXPECT_EQ(test, dma_buf_set_name(exp->dmabuf, user), 0);

	KUNIT_ASSERT_EQ(test, copy_to_user(user, param->name,
					   strlen(param->name) + 1), 0);
	KUNIT_EXPECT_EQ(test, dma_buf_set_name(exp->dmabuf, user),
			param->ret);
	/* The name is a copy of the user memory. */
	KUNIT_ASSERT_EQ(test, clear_user(user, PAGE_SIZE), 0);
	KUNIT_EXPECT_TRUE(test, dma_buf_copy_name(exp->dmabuf, name, "?"));
	KUNIT_EXPECT_STREQ(test, name, param->ret ? "before" : param->name);
	mock_exporter_put_last(exp);
}

static void dma_buf_set_name_bad_pointer(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, SIZE, 0);
	char __user *user = mock_user_alloc(test, PAGE_SIZE);
	char name[DMA_BUF_NAME_LEN];

	KUNIT_EXPECT_EQ(test, dma_buf_set_name(exp->dmabuf, mock_user_bad()),
			-EFAULT);
	KUNIT_EXPECT_EQ(test, dma_buf_set_name(exp->dmabuf, NULL), -EFAULT);
	/* The string runs beyond the mapping. */
	KUNIT_ASSERT_EQ(test, copy_to_user(user + PAGE_SIZE - 4, "abcd", 4),
			0);
	KUNIT_EXPECT_EQ(test, dma_buf_set_name(exp->dmabuf,
					       user + PAGE_SIZE - 4), -EFAULT);
	KUNIT_EXPECT_FALSE(test, dma_buf_copy_name(exp->dmabuf, name, "?"));
	KUNIT_EXPECT_STREQ(test, name, "?");
	mock_exporter_put_last(exp);
}

static struct kunit_case dma_buf_cases[] = {
	KUNIT_CASE_PARAM(dma_buf_export_bad_info, export_bad_gen_params),
	KUNIT_CASE(dma_buf_export_size_zero),
#ifdef CONFIG_MODULE_UNLOAD
	KUNIT_CASE(dma_buf_export_module_going),
	KUNIT_CASE(dma_buf_export_holds_module),
#endif
	KUNIT_CASE(dma_buf_export_fills_in),
	KUNIT_CASE(dma_buf_export_no_name),
	KUNIT_CASE(dma_buf_export_shared_resv),
	KUNIT_CASE(dma_buf_export_private_resv),
	KUNIT_CASE(dma_buf_fd_moves_reference),
	KUNIT_CASE(dma_buf_fd_close_on_exec),
	KUNIT_CASE(dma_buf_fd_no_buffer),
	KUNIT_CASE(dma_buf_fd_table_full),
	KUNIT_CASE(dma_buf_get_takes_reference),
	KUNIT_CASE(dma_buf_get_no_buffer),
	KUNIT_CASE(dma_buf_put_no_buffer),
	KUNIT_CASE(dma_buf_put_not_last),
	KUNIT_CASE(dma_buf_put_last_in_irq),
	KUNIT_CASE(dma_buf_put_last_defers_release),
	KUNIT_CASE(dma_buf_release_vmapped),
	KUNIT_CASE_PARAM(dma_buf_set_name_length, name_gen_params),
	KUNIT_CASE(dma_buf_set_name_bad_pointer),
	{}
};

static struct kunit_suite dma_buf_suite = {
	.name = "dma_buf",
	.test_cases = dma_buf_cases,
};

kunit_test_suite(dma_buf_suite);

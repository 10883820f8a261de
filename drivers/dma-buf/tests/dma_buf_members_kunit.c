// SPDX-License-Identifier: GPL-2.0-only
/*
 * Members of struct dma_buf that out-of-tree drivers, BPF programs and crash
 * helpers read directly, by these names.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/dma-resv.h>
#include <linux/iosys-map.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/uaccess.h>

#include "../buffer/dma-buf-internal.h"
#include "mock.h"

#define RENAMES 20000

/* A driver reads the name like this to print it. */
static void read_name(struct dma_buf *dmabuf, char name[DMA_BUF_NAME_LEN])
{
	spin_lock(&dmabuf->name_lock);
	strscpy(name, dmabuf->name ? dmabuf->name : "(none)", DMA_BUF_NAME_LEN);
	spin_unlock(&dmabuf->name_lock);
}

static void set_name_sets_a_pointer(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	struct mock_exporter *other = mock_exporter_export(test, PAGE_SIZE, 0);
	struct dma_buf *dmabuf = exp->dmabuf;
	char name[DMA_BUF_NAME_LEN];

	static_assert(__same_type(dmabuf->name, const char *));
	static_assert(__same_type(dmabuf->name_lock, spinlock_t));

	KUNIT_EXPECT_NULL(test, dmabuf->name);
	read_name(dmabuf, name);
	KUNIT_EXPECT_STREQ(test, name, "(none)");

	mock_set_name(test, dmabuf, "camera");
	read_name(dmabuf, name);
	KUNIT_EXPECT_STREQ(test, name, "camera");
	/* The other buffer still has no name. */
	KUNIT_EXPECT_NULL(test, other->dmabuf->name);

	/* An empty name is a name, not NULL. */
	mock_set_name(test, dmabuf, "");
	KUNIT_EXPECT_NOT_NULL(test, dmabuf->name);
	read_name(dmabuf, name);
	KUNIT_EXPECT_STREQ(test, name, "");
	mock_exporter_put_last(exp);
	mock_exporter_put_last(other);
}

/* A buffer in recycled memory must not inherit the name of the freed one. */
static void export_name_is_null(struct kunit *test)
{
	struct mock_exporter *exp;

	for (int i = 0; i < 32; i++) {
		exp = mock_exporter_export(test, PAGE_SIZE, 0);
		KUNIT_EXPECT_NULL(test, exp->dmabuf->name);
		mock_set_name(test, exp->dmabuf, "camera");
		mock_exporter_put_last(exp);
	}
}

static int rename_all_the_time(void *data)
{
	static const char names[2][DMA_BUF_NAME_LEN] = {
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "bbb",
	};
	struct dma_buf *dmabuf = data;
	int i = 0;

	/* The part of dma_buf_set_name() after the copy from user memory. */
	while (!kthread_should_stop()) {
		dma_buf_store_name(dmabuf, names[i++ % 2]);
		cond_resched();
	}
	return 0;
}

/* The window: a reader copies the name while it is being replaced. */
static void store_name_races_reader(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	struct dma_buf *dmabuf = exp->dmabuf;
	struct task_struct *task;
	char name[DMA_BUF_NAME_LEN];
	int torn = 0, endless = 0;

	mock_set_name(test, dmabuf, "bbb");
	task = kthread_run(rename_all_the_time, dmabuf, "mock-namer");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, task);
	for (int i = 0; i < RENAMES; i++) {
		read_name(dmabuf, name);
		torn += strspn(name, name[0] == 'a' ? "a" : "b") !=
			(name[0] == 'a' ? DMA_BUF_NAME_LEN - 1 : 3);
		/* Without the lock the name may be torn, but is terminated. */
		endless += strnlen(dmabuf->name, DMA_BUF_NAME_LEN) ==
			   DMA_BUF_NAME_LEN;
		cond_resched();
	}
	kthread_stop(task);
	KUNIT_EXPECT_EQ(test, torn, 0);
	KUNIT_EXPECT_EQ(test, endless, 0);
	mock_exporter_put_last(exp);
}

static void vmap_sets_members(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	struct dma_buf *dmabuf = exp->dmabuf;
	struct iosys_map map;

	KUNIT_EXPECT_EQ(test, dmabuf->vmapping_counter, 0);
	KUNIT_EXPECT_TRUE(test, iosys_map_is_null(&dmabuf->vmap_ptr));
	KUNIT_ASSERT_EQ(test, dma_buf_vmap_unlocked(dmabuf, &map), 0);
	KUNIT_EXPECT_EQ(test, dmabuf->vmapping_counter, 1);
	KUNIT_EXPECT_TRUE(test, iosys_map_is_equal(&dmabuf->vmap_ptr, &map));
	dma_buf_vunmap_unlocked(dmabuf, &map);
	KUNIT_EXPECT_EQ(test, dmabuf->vmapping_counter, 0);
	mock_exporter_put_last(exp);
}

static void export_links_list_node(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);

	KUNIT_EXPECT_FALSE(test, list_empty(&exp->dmabuf->list_node));
	mock_exporter_put_last(exp);
}

static struct kunit_case dma_buf_members_cases[] = {
	KUNIT_CASE(set_name_sets_a_pointer),
	KUNIT_CASE(export_name_is_null),
	KUNIT_CASE_SLOW(store_name_races_reader),
	KUNIT_CASE(vmap_sets_members),
	KUNIT_CASE(export_links_list_node),
	{}
};

static struct kunit_suite dma_buf_members_suite = {
	.name = "dma_buf_members",
	.test_cases = dma_buf_members_cases,
};

kunit_test_suite(dma_buf_members_suite);

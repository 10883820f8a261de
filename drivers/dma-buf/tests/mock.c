// SPDX-License-Identifier: GPL-2.0-only
/*
 * An exporter and an importer under a test's command. Each operation checks the
 * contract of its call, counts and logs the call, and works or fails as told.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/device.h>
#include <linux/cleanup.h>
#include <linux/debug_locks.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/wait_bit.h>

#include "../buffer/dma-buf-internal.h"
#include "mock.h"

#define PATIENCE (20 * HZ)

/* A table that map_dma_buf has returned. */
struct mapping {
	struct sg_table table;
	struct list_head node;
	struct device *dev;
	enum dma_data_direction direction;
};

static const char * const op_names[] = {
	"attach", "detach", "pin", "unpin", "map", "unmap", "keep",
	"begin_device_access", "end_device_access", "release",
	"begin_cpu_access", "end_cpu_access", "mmap", "vmap", "vunmap",
	"move_notify", "(end)",
};

/* Without lockdep: held by any thread. */
static bool is_held(struct dma_resv *resv)
{
	if (IS_ENABLED(CONFIG_LOCKDEP) && debug_locks)
		return dma_resv_held(resv);
	return dma_resv_is_locked(resv);
}

/* The start of each operation; returns the error to fail with, or 0. */
static int enter(struct mock_exporter *exp, struct dma_buf *dmabuf,
		 enum mock_op op, bool locked)
{
	int slot = atomic_fetch_inc(&exp->num_logged);

	might_sleep();
	KUNIT_EXPECT_EQ_MSG(exp->test, is_held(dmabuf->resv), locked,
			    "reservation lock in %s", op_names[op]);
	atomic_inc(&exp->calls[op]);
	if (slot < MOCK_LOG_SIZE)
		exp->log[slot] = op;
	if (exp->hook)
		exp->hook(exp, op);
	return exp->fail[op];
}

static int mock_op_attach(struct dma_buf *dmabuf,
			  struct dma_buf_attachment *attach)
{
	struct mock_exporter *exp = dmabuf->priv;

	KUNIT_EXPECT_PTR_EQ(exp->test, attach->dmabuf, dmabuf);
	KUNIT_EXPECT_NOT_NULL(exp->test, attach->dev);
	return enter(exp, dmabuf, MOCK_ATTACH, false);
}

static void mock_op_detach(struct dma_buf *dmabuf,
			   struct dma_buf_attachment *attach)
{
	enter(dmabuf->priv, dmabuf, MOCK_DETACH, false);
}

static int mock_op_pin(struct dma_buf_attachment *attach)
{
	return enter(attach->dmabuf->priv, attach->dmabuf, MOCK_PIN, true);
}

static void mock_op_unpin(struct dma_buf_attachment *attach)
{
	enter(attach->dmabuf->priv, attach->dmabuf, MOCK_UNPIN, true);
}

static int fill_table(struct mock_exporter *exp, struct mapping *mapping)
{
	int ret;

	/* A segment for each page. */
	ret = sg_alloc_table_from_pages_segment(&mapping->table, exp->pages,
						exp->num_pages, 0,
						exp->num_pages * PAGE_SIZE,
						PAGE_SIZE, GFP_KERNEL);
	if (ret)
		return ret;
	ret = dma_map_sgtable(mapping->dev, &mapping->table, mapping->direction,
			      0);
	if (ret)
		sg_free_table(&mapping->table);
	else if (exp->map_empty_segment)
		sg_dma_len(sg_last(mapping->table.sgl,
				   mapping->table.nents)) = 0;
	return ret;
}

static struct sg_table *mock_op_map(struct dma_buf_attachment *attach,
				    enum dma_data_direction direction)
{
	struct mock_exporter *exp = attach->dmabuf->priv;
	int ret = enter(exp, attach->dmabuf, MOCK_MAP, true);
	struct mapping *mapping;

	if (ret)
		return ERR_PTR(ret);
	if (exp->map_null)
		return NULL;
	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL);
	if (!mapping)
		return ERR_PTR(-ENOMEM);
	mapping->dev = attach->dev;
	mapping->direction = direction;
	ret = fill_table(exp, mapping);
	if (ret) {
		kfree(mapping);
		return ERR_PTR(ret);
	}
	exp->direction = direction;
	guard(spinlock)(&exp->lock);
	list_add(&mapping->node, &exp->mappings);
	return &mapping->table;
}

/* Takes the mapping of a table off the list; NULL if there is none. */
static struct mapping *take_mapping(struct mock_exporter *exp,
				    struct sg_table *sgt)
{
	struct mapping *mapping;

	guard(spinlock)(&exp->lock);
	list_for_each_entry(mapping, &exp->mappings, node) {
		if (&mapping->table == sgt) {
			list_del(&mapping->node);
			return mapping;
		}
	}
	return NULL;
}

static void mock_op_unmap(struct dma_buf_attachment *attach,
			  struct sg_table *sgt,
			  enum dma_data_direction direction)
{
	bool kept = atomic_read(&to_attached(attach)->kept) >= DMA_BUF_KEPT_CHANGING;
	struct mock_exporter *exp = attach->dmabuf->priv;
	struct mapping *mapping;

	/* An idle kept mapping may end with or without the reservation lock. */
	enter(exp, attach->dmabuf, MOCK_UNMAP,
	      kept ? is_held(attach->dmabuf->resv) : true);
	mapping = take_mapping(exp, sgt);
	KUNIT_EXPECT_NOT_NULL_MSG(exp->test, mapping,
				  "unmap of what was not mapped");
	if (!mapping)
		return;
	KUNIT_EXPECT_PTR_EQ(exp->test, mapping->dev, attach->dev);
	KUNIT_EXPECT_EQ(exp->test, mapping->direction, direction);
	KUNIT_EXPECT_PTR_EQ(exp->test, sg_page(sgt->sgl), exp->pages[0]);
	if (exp->map_empty_segment)
		sg_dma_len(sg_last(sgt->sgl, sgt->nents)) = PAGE_SIZE;
	dma_unmap_sgtable(attach->dev, sgt, mapping->direction, 0);
	sg_free_table(sgt);
	kfree(mapping);
}

static enum dma_buf_keep mock_op_keep(struct dma_buf_attachment *attach)
{
	struct mock_exporter *exp = attach->dmabuf->priv;

	enter(exp, attach->dmabuf, MOCK_KEEP, true);
	return exp->keep;
}

static void mock_op_begin_device(struct dma_buf_attachment *attach,
				 struct sg_table *sgt)
{
	enter(attach->dmabuf->priv, attach->dmabuf, MOCK_BEGIN_DEVICE, true);
	dma_sync_sgtable_for_device(attach->dev, sgt, attach->dir);
}

static void mock_op_end_device(struct dma_buf_attachment *attach,
			       struct sg_table *sgt)
{
	enter(attach->dmabuf->priv, attach->dmabuf, MOCK_END_DEVICE, true);
	dma_sync_sgtable_for_cpu(attach->dev, sgt, attach->dir);
}

static void mock_op_release(struct dma_buf *dmabuf)
{
	struct mock_exporter *exp = dmabuf->priv;

	enter(exp, dmabuf, MOCK_RELEASE, false);
	KUNIT_EXPECT_PTR_EQ(exp->test, dmabuf, exp->dmabuf);
	KUNIT_EXPECT_TRUE(exp->test, list_empty(&dmabuf->attachments));
	/* The file is still valid memory, but nobody can get a reference. */
	KUNIT_EXPECT_EQ(exp->test, file_count(dmabuf->file), 0);
	/* The exporter may go from here on: only its address is used. */
	atomic_inc(&exp->released);
	wake_up_var(&exp->released);
}

static int mock_op_begin_cpu_access(struct dma_buf *dmabuf,
				    enum dma_data_direction direction)
{
	struct mock_exporter *exp = dmabuf->priv;

	exp->direction = direction;
	return enter(exp, dmabuf, MOCK_BEGIN_CPU_ACCESS, false);
}

static int mock_op_end_cpu_access(struct dma_buf *dmabuf,
				  enum dma_data_direction direction)
{
	struct mock_exporter *exp = dmabuf->priv;

	exp->direction = direction;
	return enter(exp, dmabuf, MOCK_END_CPU_ACCESS, false);
}

static int mock_op_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct mock_exporter *exp = dmabuf->priv;
	int ret = enter(exp, dmabuf, MOCK_MMAP, false);

	KUNIT_EXPECT_LE(exp->test, vma->vm_pgoff + vma_pages(vma),
			exp->num_pages);
	return ret ?: vm_map_pages(vma, exp->pages, exp->num_pages);
}

static int mock_op_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct mock_exporter *exp = dmabuf->priv;
	int ret = enter(exp, dmabuf, MOCK_VMAP, true);

	if (ret)
		return ret;
	KUNIT_EXPECT_NULL(exp->test, exp->vaddr);
	exp->vaddr = vmap(exp->pages, exp->num_pages, VM_MAP, PAGE_KERNEL);
	if (!exp->vaddr)
		return -ENOMEM;
	iosys_map_set_vaddr(map, exp->vaddr);
	return 0;
}

static void mock_op_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct mock_exporter *exp = dmabuf->priv;

	enter(exp, dmabuf, MOCK_VUNMAP, true);
	KUNIT_EXPECT_NOT_NULL(exp->test, exp->vaddr);
	KUNIT_EXPECT_PTR_EQ(exp->test, map->vaddr, exp->vaddr);
	vunmap(exp->vaddr);
	exp->vaddr = NULL;
}

static const struct dma_buf_ops mock_ops = {
	.attach = mock_op_attach,
	.detach = mock_op_detach,
	.pin = mock_op_pin,
	.unpin = mock_op_unpin,
	.map_dma_buf = mock_op_map,
	.unmap_dma_buf = mock_op_unmap,
	.keep_mapping = mock_op_keep,
	.begin_device_access = mock_op_begin_device,
	.end_device_access = mock_op_end_device,
	.release = mock_op_release,
	.begin_cpu_access = mock_op_begin_cpu_access,
	.end_cpu_access = mock_op_end_cpu_access,
	.mmap = mock_op_mmap,
	.vmap = mock_op_vmap,
	.vunmap = mock_op_vunmap,
};

bool mock_exporter_wait_released(struct mock_exporter *exp)
{
	mock_flush_files();
	return wait_var_event_timeout(&exp->released,
				      atomic_read(&exp->released) >=
				      exp->exports, PATIENCE);
}

void mock_exporter_put_last(struct mock_exporter *exp)
{
	KUNIT_EXPECT_EQ(exp->test, file_count(exp->dmabuf->file), 1);
	KUNIT_EXPECT_EQ(exp->test, atomic_read(&exp->released),
			exp->exports - 1);
	dma_buf_put(exp->dmabuf);
	KUNIT_ASSERT_TRUE(exp->test, mock_exporter_wait_released(exp));
	KUNIT_EXPECT_EQ(exp->test, atomic_read(&exp->released), exp->exports);
}

static void exporter_end(void *data)
{
	struct mock_exporter *exp = data;

	if (!mock_exporter_wait_released(exp)) {
		/* Somebody may still use the exporter: leak it. */
		KUNIT_FAIL(exp->test, "the buffer is left with %ld references",
			   file_count(exp->dmabuf->file));
		return;
	}
	KUNIT_EXPECT_EQ(exp->test, mock_calls(exp, MOCK_RELEASE),
			exp->exports);
	KUNIT_EXPECT_TRUE(exp->test, list_empty(&exp->mappings));
	KUNIT_EXPECT_NULL(exp->test, exp->vaddr);
	for (int i = 0; i < exp->num_pages; i++) {
		/*
		 * A process that is exiting may have the page a little longer.
		 */
		put_page(exp->pages[i]);
	}
	kfree(exp->pages);
	kfree(exp);
}

struct mock_exporter *mock_exporter_create(struct kunit *test, size_t size,
					   unsigned int flags)
{
	struct mock_exporter *exp = kzalloc(sizeof(*exp), GFP_KERNEL);
	unsigned int num = DIV_ROUND_UP(size, PAGE_SIZE);

	KUNIT_ASSERT_NOT_NULL(test, exp);
	exp->test = test;
	spin_lock_init(&exp->lock);
	INIT_LIST_HEAD(&exp->mappings);
	KUNIT_ASSERT_EQ(test, kunit_add_action_or_reset(test, exporter_end,
							exp), 0);

	exp->pages = kcalloc(num, sizeof(*exp->pages), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, exp->pages);
	for (; exp->num_pages < num; exp->num_pages++) {
		exp->pages[exp->num_pages] = alloc_page(GFP_KERNEL |
							__GFP_ZERO);
		KUNIT_ASSERT_NOT_NULL(test, exp->pages[exp->num_pages]);
	}

	exp->ops = mock_ops;
	exp->ops.cache_sgt_mapping = flags & MOCK_CACHED;
	if (!(flags & MOCK_DYNAMIC)) {
		exp->ops.pin = NULL;
		exp->ops.unpin = NULL;
	}
	if (!(flags & MOCK_KEPT)) {
		exp->ops.keep_mapping = NULL;
		exp->ops.begin_device_access = NULL;
		exp->ops.end_device_access = NULL;
	}
	exp->info.exp_name = "mock";
	exp->info.owner = THIS_MODULE;
	exp->info.ops = &exp->ops;
	exp->info.size = size;
	exp->info.flags = O_RDWR;
	exp->info.priv = exp;
	return exp;
}

struct dma_buf *mock_export(struct mock_exporter *exp)
{
	struct dma_buf *dmabuf = dma_buf_export(&exp->info);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(exp->test, dmabuf);
	exp->dmabuf = dmabuf;
	exp->exports++;
	return dmabuf;
}

struct mock_exporter *mock_exporter_export(struct kunit *test, size_t size,
					   unsigned int flags)
{
	struct mock_exporter *exp = mock_exporter_create(test, size, flags);

	mock_export(exp);
	return exp;
}

int mock_calls(struct mock_exporter *exp, enum mock_op op)
{
	return atomic_read(&exp->calls[op]);
}

void mock_expect_log(struct mock_exporter *exp, const char *where,
		     const enum mock_op *ops)
{
	int num = min(atomic_read(&exp->num_logged), MOCK_LOG_SIZE);
	enum mock_op op;
	int i = 0;

	for (; ops[i] != MOCK_NUM_OPS; i++) {
		op = i < num ? exp->log[i] : MOCK_NUM_OPS;
		KUNIT_EXPECT_EQ_MSG(exp->test, op, ops[i],
				    "%s: call %d is %s, not %s", where, i,
				    op_names[op], op_names[ops[i]]);
	}
	for (; i < num; i++)
		KUNIT_FAIL(exp->test, "%s: call %d is %s, not expected", where,
			   i, op_names[exp->log[i]]);
	atomic_set(&exp->num_logged, 0);
}

static void mock_move_notify(struct dma_buf_attachment *attach)
{
	struct mock_importer *imp = attach->importer_priv;

	enter(imp->exp, attach->dmabuf, MOCK_MOVE_NOTIFY, true);
	atomic_inc(&imp->notified);
	if (imp->on_move)
		imp->on_move(attach);
}

const struct dma_buf_attach_ops mock_attach_ops = {
	.move_notify = mock_move_notify,
};

const struct dma_buf_attach_ops mock_attach_ops_p2p = {
	.allow_peer2peer = true,
	.move_notify = mock_move_notify,
};

static void restore_policy(void *policy)
{
	dma_buf_kept_policy = (uintptr_t)policy;
}

void mock_keep_mappings(struct kunit *test, struct device *dev)
{
	dma_buf_kept_watch(dev->bus);
	KUNIT_ASSERT_EQ(test, kunit_add_action(test, restore_policy,
					       (void *)(uintptr_t)dma_buf_kept_policy), 0);
	/* The parameter's "always". */
	dma_buf_kept_policy = 2;
}

struct mock_importer *mock_importer_create(struct kunit *test,
					   const char *name,
					   struct mock_exporter *exp)
{
	struct mock_importer *imp = kunit_kzalloc(test, sizeof(*imp),
						  GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, imp);
	imp->test = test;
	imp->exp = exp;
	imp->dev = kunit_device_register(test, name);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, imp->dev);
	KUNIT_ASSERT_EQ(test, dma_set_mask_and_coherent(imp->dev,
							DMA_BIT_MASK(64)), 0);
	if (exp && exp->ops.keep_mapping)
		mock_keep_mappings(test, imp->dev);
	return imp;
}

struct dma_buf_attachment *mock_attach_try(struct mock_importer *imp,
					   bool dynamic)
{
	return dma_buf_dynamic_attach(imp->exp->dmabuf, imp->dev,
				      dynamic ? &mock_attach_ops : NULL, imp);
}

struct dma_buf_attachment *mock_attach(struct mock_importer *imp,
				       bool dynamic)
{
	struct dma_buf_attachment *attach = mock_attach_try(imp, dynamic);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(imp->test, attach);
	to_attached(attach)->maps_again = true;
	return attach;
}

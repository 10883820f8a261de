// SPDX-License-Identifier: GPL-2.0-only
/*
 * An attachment of mocks, and what an importer does with it; see mock_attach.h.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/sched/mm.h>

#include "../buffer/dma-buf-internal.h"
#include "mock_attach.h"

struct mock_attachment mock_attachment_begin(struct kunit *test,
					     struct device *dev,
					     unsigned int flags, bool dynamic,
					     enum dma_buf_keep keep)
{
	struct mock_attachment att = {
		.exp = mock_exporter_export(test, MOCK_ATTACH_SIZE, flags),
	};
	static atomic_t number = ATOMIC_INIT(0);
	char *name;

	/* The devices of a test need different names. */
	name = kunit_kzalloc(test, 16, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, name);
	snprintf(name, 16, "imp-%d", atomic_inc_return(&number));
	att.exp->keep = keep;
	att.imp = mock_importer_create(test, name, att.exp);
	if (dev)
		att.imp->dev = dev;
	att.attach = mock_attach(att.imp, dynamic);
	atomic_set(&att.exp->num_logged, 0);
	return att;
}

void mock_attachment_end(struct mock_attachment *att)
{
	att->exp->hook = NULL;
	dma_buf_detach(att->exp->dmabuf, att->attach);
	mock_exporter_put_last(att->exp);
}

struct sg_table *mock_map(struct mock_attachment *att,
			  enum dma_data_direction dir)
{
	return dma_buf_map_attachment_unlocked(att->attach, dir);
}

void mock_unmap(struct mock_attachment *att, struct sg_table *sgt,
		enum dma_data_direction dir)
{
	dma_buf_unmap_attachment_unlocked(att->attach, sgt, dir);
}

struct sg_table *mock_map_once(struct kunit *test, struct mock_attachment *att,
			       enum dma_data_direction dir)
{
	struct sg_table *sgt = mock_map(att, dir);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	mock_unmap(att, sgt, dir);
	return sgt;
}

int mock_pin(struct mock_attachment *att)
{
	int ret;

	dma_resv_lock(att->exp->dmabuf->resv, NULL);
	ret = dma_buf_pin(att->attach);
	dma_resv_unlock(att->exp->dmabuf->resv);
	return ret;
}

void mock_unpin(struct mock_attachment *att)
{
	dma_resv_lock(att->exp->dmabuf->resv, NULL);
	dma_buf_unpin(att->attach);
	dma_resv_unlock(att->exp->dmabuf->resv);
}

void mock_move(struct mock_attachment *att)
{
	dma_resv_lock(att->exp->dmabuf->resv, NULL);
	dma_buf_move_notify(att->exp->dmabuf);
	dma_resv_unlock(att->exp->dmabuf->resv);
}

unsigned long mock_shrink(unsigned long nr)
{
	unsigned long n;

	fs_reclaim_acquire(GFP_KERNEL);
	n = dma_buf_shrink_kept(nr);
	fs_reclaim_release(GFP_KERNEL);
	return n;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A reservation object with fences, and the set-up and the end of the suites
 * that have one.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/kref.h>
#include <linux/slab.h>

#include "mock.h"

int mock_resv_init(struct kunit *test)
{
	struct mock_resv *mock = kunit_kzalloc(test, sizeof(*mock), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, mock);
	mock->timeline = mock_timeline_create(test, "resv");
	dma_resv_init(&mock->resv);
	test->priv = mock;
	return 0;
}

void mock_resv_exit(struct kunit *test)
{
	struct mock_resv *mock = test->priv;

	if (!mock)
		return;
	dma_resv_fini(&mock->resv);
	for (int i = 0; i < mock->num; i++) {
		KUNIT_EXPECT_EQ(test, kref_read(&mock->fences[i]->refcount), 1);
		dma_fence_put(mock->fences[i]);
	}
}

void mock_resv_add(struct kunit *test, struct dma_resv *resv,
		   struct dma_fence *fence, enum dma_resv_usage usage)
{
	int ret;

	dma_resv_lock(resv, NULL);
	ret = dma_resv_reserve_fences(resv, 1);
	if (!ret)
		dma_resv_add_fence(resv, fence, usage);
	dma_resv_unlock(resv);
	KUNIT_ASSERT_EQ(test, ret, 0);
}

void mock_resv_own(struct kunit *test, struct dma_fence *fence)
{
	struct mock_resv *mock = test->priv;

	KUNIT_ASSERT_LT(test, mock->num, ARRAY_SIZE(mock->fences));
	mock->fences[mock->num++] = fence;
}

struct dma_fence *mock_resv_add_new(struct kunit *test,
				    enum dma_resv_usage usage)
{
	struct mock_resv *mock = test->priv;
	struct dma_fence *fence = mock_fence_create_alone(mock->timeline);

	mock_resv_own(test, fence);
	mock_resv_add(test, &mock->resv, fence, usage);
	return fence;
}

void mock_resv_fill(struct kunit *test, int num)
{
	for (int i = 0; i < num; i++)
		mock_resv_add_new(test, i % MOCK_RESV_USAGES);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stub fences, which are created signalled: the shared one and private ones.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/dma-fence.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>

#include "../fence/dma-fence-internal.h"

static void never_called(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	WARN_ON(1);
}

/* What holds for all stubs. */
static void expect_signaled(struct kunit *test, struct dma_fence *fence)
{
	struct dma_fence_cb cb;

	KUNIT_EXPECT_EQ(test, fence->context, 0);
	KUNIT_EXPECT_EQ(test, fence->seqno, 0);
	KUNIT_EXPECT_EQ(test, fence->error, 0);
	KUNIT_EXPECT_TRUE(test, dma_fence_is_signaled(fence));
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), 1);
	KUNIT_EXPECT_EQ(test, dma_fence_signal(fence), -EINVAL);
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, true, 5), 5);
	KUNIT_EXPECT_EQ(test, dma_fence_add_callback(fence, &cb, never_called),
			-ENOENT);
	KUNIT_EXPECT_FALSE(test, dma_fence_remove_callback(fence, &cb));
	KUNIT_EXPECT_FALSE(test, dma_fence_is_container(fence));
	dma_fence_enable_sw_signaling(fence);
	dma_fence_set_deadline(fence, 1);
	scoped_guard(rcu) {
		KUNIT_EXPECT_STREQ(test, dma_fence_driver_name(fence), "stub");
		KUNIT_EXPECT_STREQ(test, dma_fence_timeline_name(fence),
				   "stub");
	}
}

static void get_stub_is_signaled(struct kunit *test)
{
	struct dma_fence *fence = dma_fence_get_stub();

	KUNIT_ASSERT_NOT_NULL(test, fence);
	expect_signaled(test, fence);
	/*
	 * User space sees the timestamp: 0 would be before the clock started.
	 */
	KUNIT_EXPECT_GT(test, dma_fence_timestamp(fence), 0);
	KUNIT_EXPECT_LE(test, dma_fence_timestamp(fence), ktime_get());
	dma_fence_put(fence);
}

static void get_stub_is_shared(struct kunit *test)
{
	struct dma_fence *one = dma_fence_get_stub();
	unsigned int refs = kref_read(&one->refcount);
	struct dma_fence *two = dma_fence_get_stub();

	KUNIT_EXPECT_PTR_EQ(test, one, two);
	/* The test's, the one that is never dropped, and maybe others. */
	KUNIT_EXPECT_GE(test, refs, 2);
	dma_fence_put(two);
	dma_fence_put(one);
	KUNIT_EXPECT_GE(test, kref_read(&one->refcount), 1);
}

/* drm_syncobj gets the stub under a spinlock: the call must not sleep. */
static void get_stub_while_atomic(struct kunit *test)
{
	static DEFINE_SPINLOCK(lock);
	struct dma_fence *fence;
	unsigned long flags;

	spin_lock_irqsave(&lock, flags);
	fence = dma_fence_get_stub();
	dma_fence_put(fence);
	spin_unlock_irqrestore(&lock, flags);
	KUNIT_EXPECT_NOT_NULL(test, fence);
}

static void allocate_private_stub_has_timestamp(struct kunit *test)
{
	struct dma_fence *one = dma_fence_allocate_private_stub(1234);
	struct dma_fence *two = dma_fence_allocate_private_stub(0);

	KUNIT_ASSERT_NOT_NULL(test, one);
	KUNIT_ASSERT_NOT_NULL(test, two);
	KUNIT_EXPECT_PTR_NE(test, one, two);
	expect_signaled(test, one);
	expect_signaled(test, two);
	KUNIT_EXPECT_EQ(test, dma_fence_timestamp(one), 1234);
	KUNIT_EXPECT_EQ(test, dma_fence_timestamp(two), 0);
	/* The caller has the only reference. */
	KUNIT_EXPECT_EQ(test, kref_read(&one->refcount), 1);
	KUNIT_EXPECT_EQ(test, kref_read(&two->refcount), 1);
	dma_fence_put(one);
	dma_fence_put(two);
}

static struct kunit_case dma_fence_stub_cases[] = {
	KUNIT_CASE(get_stub_is_signaled),
	KUNIT_CASE(get_stub_is_shared),
	KUNIT_CASE(get_stub_while_atomic),
	KUNIT_CASE(allocate_private_stub_has_timestamp),
	{}
};

static struct kunit_suite dma_fence_stub_suite = {
	.name = "dma_fence_stub",
	.test_cases = dma_fence_stub_cases,
};

kunit_test_suite(dma_fence_stub_suite);

MODULE_LICENSE("GPL");

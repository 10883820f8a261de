/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the suites of sync_file, the software timeline and sw_sync: points
 * that record their callback, timelines stepped by hand, and ioctls with real
 * descriptors and user memory.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _SYNC_MOCK_H
#define _SYNC_MOCK_H

#include <kunit/test.h>
#include <linux/dma-fence.h>
#include <linux/sync_file.h>
#include <linux/types.h>

#include "../sync/sync_timeline.h"

#define SYNC_MOCK_POINTS	16
#define SYNC_MOCK_TIMELINES	8

struct sync_mock;

/**
 * struct sync_mock_point - a fence under test, with a callback
 * @cb: the callback
 * @mock: the mock of the test
 * @fence: the fence, with a reference
 * @drop: references that the callback drops, with the lock of @fence held
 * @called: the callback's place in the order of calls, from 1; 0 if not called
 */
struct sync_mock_point {
	struct dma_fence_cb cb;
	struct sync_mock *mock;
	struct dma_fence *fence;
	struct dma_fence *drop[2];
	int called;
};

/**
 * struct sync_mock - kunit's priv in these suites
 * @timelines: owned by the test, at value 0
 * @points: see sync_mock_add()
 * @calls: number of callbacks called
 */
struct sync_mock {
	struct sync_timeline *timelines[SYNC_MOCK_TIMELINES];
	struct sync_mock_point points[SYNC_MOCK_POINTS];
	int calls;
};

int sync_mock_init(struct kunit *test);
/* Expects that no file and no fence is left, and destroys the timelines. */
void sync_mock_exit(struct kunit *test);

/* Returns a fence of a timeline, with a reference. */
struct dma_fence *sync_mock_fence(struct kunit *test, int timeline, u32 value);
/* Makes point @i of the first timeline, which is pending, with a callback. */
struct dma_fence *sync_mock_add(struct kunit *test, int i, u32 value);
/* Increments a timeline by one. */
void sync_mock_step(struct kunit *test, int timeline);
/* Destroys the first timeline before the end of the test. */
void sync_mock_destroy(struct kunit *test);

struct sync_file *sync_mock_create(struct kunit *test, struct dma_fence *fence);
/* Returns the descriptor of a new sync_file; consumes the reference. */
int sync_mock_fd(struct kunit *test, struct dma_fence *fence);
/* Returns a descriptor that is not a sync_file's. */
int sync_mock_other_fd(struct kunit *test);
/* These release the file at once, unlike fput() in a kernel thread. */
void sync_mock_close(struct kunit *test, int fd);
void sync_mock_drop(struct file *file);

/* Calls an ioctl with @arg as it is. */
long sync_mock_ioctl_at(struct kunit *test, int fd, unsigned int cmd,
			void __user *arg);
/* Calls an ioctl with @data copied to user memory and back. */
long sync_mock_ioctl(struct kunit *test, int fd, unsigned int cmd, void *data);
/* Calls SYNC_IOC_MERGE and returns the descriptor of the result. */
int sync_mock_merge(struct kunit *test, int fd1, int fd2);

#endif /* _SYNC_MOCK_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the suites of sync_file, the software timeline and sw_sync share: points
 * that note how they were signalled, timelines to step by hand, and ioctls
 * called with real descriptors and user memory.
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
 * struct sync_mock_point - a fence under test, and what its callback saw
 * @cb: the callback
 * @mock: the test's
 * @fence: the fence, with a reference
 * @drop: references that the callback drops, with the lock of @fence held
 * @called: when it was called: 1 for the first of all; 0 for not yet
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
 * @timelines: at zero, owned by the test
 * @points: see sync_mock_add()
 * @calls: of callbacks, all in all
 */
struct sync_mock {
	struct sync_timeline *timelines[SYNC_MOCK_TIMELINES];
	struct sync_mock_point points[SYNC_MOCK_POINTS];
	int calls;
};

int sync_mock_init(struct kunit *test);
/* Expects that no file and no fence is left on any timeline. */
void sync_mock_exit(struct kunit *test);

/* A fence of a timeline, with a reference. */
struct dma_fence *sync_mock_fence(struct kunit *test, int timeline, u32 value);
/* The same on the first timeline: point @i, pending, with a callback. */
struct dma_fence *sync_mock_add(struct kunit *test, int i, u32 value);
/* Moves a timeline on by one. */
void sync_mock_step(struct kunit *test, int timeline);
/* The owner of the first timeline is done with it. */
void sync_mock_destroy(struct kunit *test);

struct sync_file *sync_mock_create(struct kunit *test, struct dma_fence *fence);
/* A descriptor for the fence, whose reference is passed on. */
int sync_mock_fd(struct kunit *test, struct dma_fence *fence);
/* One of a file that is no sync_file. */
int sync_mock_other_fd(struct kunit *test);
/* Both end the file at once, which a kernel thread's fput() does not. */
void sync_mock_close(struct kunit *test, int fd);
void sync_mock_drop(struct file *file);

/* An ioctl; @arg is what the kernel gets. */
long sync_mock_ioctl_at(struct kunit *test, int fd, unsigned int cmd,
			void __user *arg);
/* The same with @data copied to user memory and back. */
long sync_mock_ioctl(struct kunit *test, int fd, unsigned int cmd, void *data);
/* SYNC_IOC_MERGE: returns the descriptor of the result. */
int sync_mock_merge(struct kunit *test, int fd1, int fd2);

#endif /* _SYNC_MOCK_H */

/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * sync_file: a descriptor that polls readable when device work is done.
 *
 * Copyright (C) 2026 the dma-buf project authors
 *
 * An unknown ioctl fails with ENOTTY, a bad pointer with EFAULT. A call that
 * fails leaves no descriptor behind.
 */
#ifndef _UAPI_LINUX_SYNC_H
#define _UAPI_LINUX_SYNC_H

#include <linux/ioctl.h>
#include <linux/types.h>

/**
 * struct sync_merge_data - argument of SYNC_IOC_MERGE
 * @name: name of the new sync_file; cut after 31 characters
 * @fd2: descriptor of the sync_file to merge with
 * @fence: returned: descriptor, close-on-exec, of a sync_file that signals when
 *	both have signalled
 * @flags: must be zero
 * @pad: must be zero
 *
 * Errors: EINVAL if @flags or @pad is set; ENOENT if @fd2 is no sync_file;
 * EMFILE, ENOMEM; EFAULT.
 */
struct sync_merge_data {
	char	name[32];
	__s32	fd2;
	__s32	fence;
	__u32	flags;
	__u32	pad;
};

/**
 * struct sync_fence_info - one fence of a sync_file
 * @obj_name: name of the timeline that the fence belongs to
 * @driver_name: name of the driver that made it
 * @status: 0 pending, 1 signalled, or the negative errno it failed with
 * @flags: zero
 * @timestamp_ns: when it signalled, CLOCK_MONOTONIC; 0 while pending
 *
 * Once a fence has signalled, its driver may be gone. The names are those at
 * the creation of the sync_file. Signalled fences of a merged sync_file have
 * generic names, unless theirs are known to outlive the driver.
 */
struct sync_fence_info {
	char	obj_name[32];
	char	driver_name[32];
	__s32	status;
	__u32	flags;
	__u64	timestamp_ns;
};

/**
 * struct sync_file_info - argument of SYNC_IOC_FILE_INFO
 * @name: returned: the name given to the merge, or one made of driver,
 *	timeline and number
 * @status: returned: 0 pending: the work is not done; 1 signalled: it is done;
 *	a negative errno: it has ended with this error
 * @flags: must be zero
 * @num_fences: elements of the array; returned: number of fences
 * @pad: must be zero
 * @sync_fence_info: address of an array of struct sync_fence_info
 *
 * If @num_fences is zero, the array is not written: this is how to ask for the
 * count. @status is then that of the file: pending until the file polls
 * readable. Otherwise @status is that of the first fence in the array that is
 * pending or has failed, and 1 if all have signalled without an error.
 *
 * Errors: EINVAL if @flags or @pad is set, or if the array is too small;
 * EFAULT.
 */
struct sync_file_info {
	char	name[32];
	__s32	status;
	__u32	flags;
	__u32	num_fences;
	__u32	pad;

	__u64	sync_fence_info;
};

/**
 * struct sync_set_deadline - argument of SYNC_IOC_SET_DEADLINE
 * @deadline_ns: time by which the caller wants the work done, in nanoseconds of
 *	CLOCK_MONOTONIC
 * @pad: must be zero
 *
 * A hint: a driver may raise its clocks to meet it.
 *
 * Errors: EINVAL if @pad is set; EFAULT.
 */
struct sync_set_deadline {
	__u64	deadline_ns;
	__u64	pad;
};

#define SYNC_IOC_MAGIC		'>'

/* The numbers 0, 1 and 2 belonged to an older interface and stay unused. */
#define SYNC_IOC_MERGE		_IOWR(SYNC_IOC_MAGIC, 3, struct sync_merge_data)
#define SYNC_IOC_FILE_INFO	_IOWR(SYNC_IOC_MAGIC, 4, struct sync_file_info)
#define SYNC_IOC_SET_DEADLINE	_IOW(SYNC_IOC_MAGIC, 5, struct sync_set_deadline)

#endif /* _UAPI_LINUX_SYNC_H */

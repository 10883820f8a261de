// SPDX-License-Identifier: GPL-2.0-only
/*
 * The directory sync in debugfs: sw_sync, whose operations are in sw_sync.c,
 * and info, which lists all software timelines and their points in a format
 * that tools parse.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <linux/debugfs.h>
#include <linux/dma-fence.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/ktime.h>
#include <linux/seq_file.h>
#include <linux/time64.h>

#include <kunit/visibility.h>

#include "../fence/print-text.h"
#include "sync_debug.h"
#include "sync_timeline.h"

/**
 * DOC: sync debugfs
 *
 * A reader holds a reference to one timeline and one point at a time, and no
 * lock while it prints: neither a long list nor a slow reader delays the makers
 * and signallers of fences. If the timeline advances meanwhile, each line shows
 * its own moment.
 *
 * **Locking**: this file takes no lock; sync_timeline_next() and
 * sync_timeline_next_fence() take those that they need.
 */

/* Room for any 64-bit number in decimal, with sign and terminator. */
#define SYNC_VALUE_SIZE	32

/* The caller holds a reference to the fence, and so to the timeline. */
static void sync_fence_show(struct seq_file *seq, struct dma_fence *fence)
{
	int status = dma_fence_get_status(fence);
	char value[SYNC_VALUE_SIZE], timeline_value[SYNC_VALUE_SIZE];
	struct timespec64 ts;

	seq_printf(seq, "  fence %s", !status ? "active" :
		   status > 0 ? "signaled" : "error");
	if (status) {
		ts = ktime_to_timespec64(dma_fence_timestamp(fence));
		seq_printf(seq, "@%lld.%09ld", (s64)ts.tv_sec, ts.tv_nsec);
	}
	fence->ops->fence_value_str(fence, value, sizeof(value));
	fence->ops->timeline_value_str(fence, timeline_value,
				       sizeof(timeline_value));
	seq_printf(seq, ": %s / %s\n", value, timeline_value);
}

static void sync_timeline_show(struct seq_file *seq,
			       struct sync_timeline *timeline)
{
	struct dma_fence *fence;
	u64 from = 0;

	/* The name of a program, which may contain a newline. */
	dma_buf_print_text(seq, timeline->name);
	seq_printf(seq, ": %d\n", (s32)sync_timeline_value(timeline));
	while ((fence = sync_timeline_next_fence(timeline, &from))) {
		sync_fence_show(seq, fence);
		dma_fence_put(fence);
		/* seq_file prints everything again into a larger buffer. */
		if (seq_has_overflowed(seq))
			break;
	}
	seq_putc(seq, '\n');
}

/* The second heading has nothing below it, but tools look for it. */
VISIBLE_IF_KUNIT int sync_info_show(struct seq_file *seq, void *unused)
{
	struct sync_timeline *timeline = NULL;

	seq_puts(seq, "objs:\n--------------\n");
	while ((timeline = sync_timeline_next(timeline)))
		sync_timeline_show(seq, timeline);
	seq_puts(seq, "fences:\n--------------\n");
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(sync_info);

/*
 * Create sw_sync without the proxy of debugfs that guards against removal: the
 * file is never removed, and the proxy does not pass on compat_ioctl.
 */
static int __init sync_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("sync", NULL);

	debugfs_create_file("info", 0444, dir, NULL, &sync_info_fops);
	debugfs_create_file_unsafe("sw_sync", 0644, dir, NULL, &sw_sync_fops);
	return 0;
}
late_initcall(sync_debugfs_init);

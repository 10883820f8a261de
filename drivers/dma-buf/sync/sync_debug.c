// SPDX-License-Identifier: GPL-2.0-only
/*
 * The directory sync in debugfs: sw_sync, whose operations are in sw_sync.c,
 * and info, which lists all software timelines with their points in a format
 * that tools have learnt to read.
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
 * A reader takes a reference to one timeline and one point at a time and holds
 * no lock while it prints: neither a long list nor a slow reader holds up who
 * makes or signals fences. What it sees of a timeline that moves on meanwhile
 * is each line at its own moment.
 *
 * **Locking**: none here; sync_timeline_next() and sync_timeline_next_fence()
 * take what they need.
 */

/* The caller holds a reference, and with it the timeline. */
static void sync_fence_show(struct seq_file *seq, struct dma_fence *fence)
{
	int status = dma_fence_get_status(fence);
	char value[32], timeline_value[32];
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

	/* The name of a program, which may have a newline in it. */
	dma_buf_print_text(seq, timeline->name);
	seq_printf(seq, ": %d\n", (s32)sync_timeline_value(timeline));
	while ((fence = sync_timeline_next_fence(timeline, &from))) {
		sync_fence_show(seq, fence);
		dma_fence_put(fence);
		/* The buffer is full: all is printed again into a larger one. */
		if (seq_has_overflowed(seq))
			break;
	}
	seq_putc(seq, '\n');
}

/* The second heading never had anything below it; tools look for it. */
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
 * sw_sync is created without the proxy that guards against removal: the file is
 * never removed, and the proxy knows nothing of 32-bit ioctls.
 */
static int __init sync_debugfs_init(void)
{
	struct dentry *dir = debugfs_create_dir("sync", NULL);

	debugfs_create_file("info", 0444, dir, NULL, &sync_info_fops);
	debugfs_create_file_unsafe("sw_sync", 0644, dir, NULL, &sw_sync_fops);
	return 0;
}
late_initcall(sync_debugfs_init);

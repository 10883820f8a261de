/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The files that sync_debug.c creates in debugfs; for it and its KUnit suite.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _SYNC_DEBUG_H
#define _SYNC_DEBUG_H

#include <linux/fs.h>
#include <linux/kconfig.h>

struct seq_file;

/* sw_sync.c */
extern const struct file_operations sw_sync_fops;

#if IS_ENABLED(CONFIG_KUNIT)
int sync_info_show(struct seq_file *seq, void *unused);
#endif

#endif /* _SYNC_DEBUG_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's own list of all dma-bufs, /sys/kernel/debug/dma_buf/bufinfo.
 *
 * Copyright (C) the dma-buf project authors
 */
#ifndef C2S_BUFINFO_H
#define C2S_BUFINFO_H

/* Make the file readable, mounting debugfs if nobody has. */
int bufinfo_open(void);
/* Number of buffers alive. */
int bufinfo_count(unsigned int *count);
/* Say how many there are and which devices are attached. */
int bufinfo_say(void);
/* Fail if more than @before are left, and print the list then. */
int bufinfo_expect_gone(unsigned int before);
void bufinfo_close(void);

#endif

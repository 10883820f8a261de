/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fence as user space sees it: a sync_file descriptor that becomes readable
 * when the work behind it is done.
 *
 * Copyright (C) the dma-buf project authors
 */
#ifndef C2S_FENCE_H
#define C2S_FENCE_H

#include <stddef.h>

#include "buffer.h"

#define FENCE_TEXT	96

/* Get a fence for all pending writes to the buffer: a reader waits for it. */
int fence_of_writers(const struct buffer *buf, int *fence);
/* Wait until the fence signals; fail if its work has failed. */
int fence_wait(int fence, const char *what);
/* "<driver> <timeline>, signalled" into @text. */
int fence_describe(int fence, char text[FENCE_TEXT]);

#endif

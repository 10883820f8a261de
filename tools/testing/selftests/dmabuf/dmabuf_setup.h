/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Setup for several programs: a buffer of each source, and two pending fences.
 *
 * Copyright (C) the dma-buf project authors
 */
#ifndef DMABUF_SETUP_H
#define DMABUF_SETUP_H

#include "dmabuf_util.h"

/* Every kind of buffer that user space can make without a device driver. */
enum source { FROM_SYSTEM, FROM_CMA, FROM_UDMABUF };

#define NEEDS_SOURCE "no such source: CONFIG_DMABUF_HEAPS_SYSTEM, _CMA or CONFIG_UDMABUF"

static inline int cma_alloc(size_t size)
{
	int heap = cma_heap_open(), fd;

	if (heap < 0)
		return heap;
	fd = heap_alloc_from(heap, size, O_RDWR | O_CLOEXEC);
	close(heap);
	return fd;
}

/* Returns a descriptor, or -ENOENT if there is no such source. */
static inline int alloc_from(enum source source, size_t size)
{
	switch (source) {
	case FROM_SYSTEM:
		return heap_alloc(size);
	case FROM_CMA:
		return cma_alloc(size);
	case FROM_UDMABUF:
		return udmabuf_alloc(size);
	}
	return -EINVAL;
}

/* Two timelines with one pending fence each. */
static inline int sw_open_two(int *timeline, int *fence)
{
	int i;

	for (i = 0; i < 2; i++) {
		timeline[i] = sw_open();
		fence[i] = timeline[i] < 0 ? -1 : sw_fence(timeline[i], 1);
	}
	return fence[0] < 0 || fence[1] < 0 ? -1 : 0;
}

static inline void sw_close_two(int *timeline, int *fence)
{
	int i;

	for (i = 0; i < 2; i++) {
		close(fence[i]);
		close(timeline[i]);
	}
}

#endif /* DMABUF_SETUP_H */

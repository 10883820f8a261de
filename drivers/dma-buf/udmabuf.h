/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What udmabuf shows to its tests; it has no other users in the kernel.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _UDMABUF_H
#define _UDMABUF_H

#include <linux/types.h>

struct udmabuf_create_item;

#if IS_ENABLED(CONFIG_KUNIT)
long udmabuf_create(const struct udmabuf_create_item *items,
		    unsigned int count, u32 flags);
#endif

#endif /* _UDMABUF_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Declarations that the files of udmabuf and its tests share.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _UDMABUF_H
#define _UDMABUF_H

#include <linux/types.h>
#include <uapi/linux/fcntl.h>

struct heap_pages;
struct page;
struct udmabuf_create_item;

/* Seals that forbid new writers. */
#define UDMABUF_WRITE_SEALS	(F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

int udmabuf_add_item(struct heap_pages *buf,
		     const struct udmabuf_create_item *item, fmode_t *mode);
void udmabuf_free_run(void *priv, struct page *page, unsigned long nr_pages);

#if IS_ENABLED(CONFIG_KUNIT)
long udmabuf_create(const struct udmabuf_create_item *items,
		    unsigned int count, u32 flags);
int udmabuf_default_size_mb(u64 bytes);
int udmabuf_default_ranges(int size_mb);
#endif

#endif /* _UDMABUF_H */

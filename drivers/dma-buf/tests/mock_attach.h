/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One attachment of a mock device to the buffer of a mock exporter, and what an
 * importer does with it: map, pin, and be told about moves.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_BUF_TESTS_MOCK_ATTACH_H
#define _DMA_BUF_TESTS_MOCK_ATTACH_H

#include <linux/dma-direction.h>
#include <linux/kconfig.h>
#include <linux/mm.h>

#include "mock.h"

#define MOCK_ATTACH_SIZE (3 * PAGE_SIZE)
/* Dynamic importers follow moves; without this a map pins the memory. */
#define MOCK_MOVES IS_ENABLED(CONFIG_DMABUF_MOVE_NOTIFY)
/* Enough for the shrinker to get past the kept mappings of other buffers. */
#define MOCK_SHRINK_ALL 10000

/**
 * struct mock_attachment - an attachment with both its sides
 * @exp: the exporter, of a buffer of MOCK_ATTACH_SIZE bytes
 * @imp: the importer
 * @attach: the attachment
 */
struct mock_attachment {
	struct mock_exporter *exp;
	struct mock_importer *imp;
	struct dma_buf_attachment *attach;
};

/*
 * Exports a buffer with these MOCK_* flags and attaches @dev, or a new device if
 * that is NULL. The exporter answers @keep when asked. Its log is empty.
 */
struct mock_attachment mock_attachment_begin(struct kunit *test,
					     struct device *dev,
					     unsigned int flags, bool dynamic,
					     enum dma_buf_keep keep);
/* Detaches the device and expects that this was the last user of the buffer. */
void mock_attachment_end(struct mock_attachment *att);

/* These take the reservation lock. */
struct sg_table *mock_map(struct mock_attachment *att,
			  enum dma_data_direction dir);
void mock_unmap(struct mock_attachment *att, struct sg_table *sgt,
		enum dma_data_direction dir);
/* Maps, which has to succeed, and unmaps; returns the table it had. */
struct sg_table *mock_map_once(struct kunit *test, struct mock_attachment *att,
			       enum dma_data_direction dir);
int mock_pin(struct mock_attachment *att);
void mock_unpin(struct mock_attachment *att);
void mock_move(struct mock_attachment *att);

/* Shrinks from memory reclaim, as lockdep sees it. */
unsigned long mock_shrink(unsigned long nr);

#endif /* _DMA_BUF_TESTS_MOCK_ATTACH_H */

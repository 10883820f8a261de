// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device maps one buffer after the other, together larger than its address
 * space. A mapping that the core keeps for the next map must not make the map of
 * another buffer fail: what works without kept mappings works with them.
 *
 * The edu device has 28 bits of addresses. Behind an IOMMU, four of these buffers
 * do not fit at the same time, whatever else is mapped.
 *
 * Copyright (C) the dma-buf project authors
 */
#include "importer_util.h"

#define KEEP "/sys/module/dma_buf_kept/parameters/keep"
#define BUFFERS 6
#define SIZE (64u << 20)

FIXTURE(aperture)
{
	int imp, dev, fd[BUFFERS], att[BUFFERS];
	char before[8];
};

FIXTURE_VARIANT(aperture)
{
	const char *keep;
};

FIXTURE_VARIANT_ADD(aperture, nothing_kept) { .keep = "0" };
FIXTURE_VARIANT_ADD(aperture, kept_if_isolated) { .keep = "1" };
FIXTURE_VARIANT_ADD(aperture, always_kept) { .keep = "2" };

FIXTURE_SETUP(aperture)
{
	int i;

	if (missing(IMPORTER_PATH))
		SKIP(return, NEEDS_IMPORTER);
	if (missing(SYSTEM_HEAP))
		SKIP(return, NEEDS_HEAP);
	ASSERT_LT(0, read_file(KEEP, self->before, sizeof(self->before)));
	ASSERT_EQ(0, write_file(KEEP, variant->keep));
	self->imp = imp_open();
	ASSERT_LE(0, self->imp);
	self->dev = imp_dev(self->imp, any_engine(), 0);
	ASSERT_LT(0, self->dev);
	for (i = 0; i < BUFFERS; i++) {
		self->fd[i] = heap_alloc(SIZE);
		ASSERT_LE(0, self->fd[i]);
		self->att[i] = imp_attach(self->imp, self->dev, self->fd[i]);
		ASSERT_LT(0, self->att[i]);
	}
}

FIXTURE_TEARDOWN(aperture)
{
	int i;

	for (i = 0; i < BUFFERS; i++) {
		EXPECT_EQ(0, imp_id(self->imp, DMABUF_IMPORTER_DETACH, self->att[i]));
		close(self->fd[i]);
	}
	close(self->imp);
	EXPECT_EQ(0, write_file(KEEP, self->before));
}

TEST_F(aperture, buffers_are_mapped_in_turn)
{
	int round, i;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < BUFFERS; i++) {
			EXPECT_LT(0, imp_map(self->imp, self->att[i],
					     DMABUF_IMPORTER_READ, NULL, 0))
				TH_LOG("round %d, buffer %d", round, i);
			EXPECT_EQ(0, imp_id(self->imp, DMABUF_IMPORTER_UNMAP, self->att[i]));
		}
	}
}

TEST_HARNESS_MAIN

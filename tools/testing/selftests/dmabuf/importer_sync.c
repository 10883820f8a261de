// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPU and a device take turns on memory that the device keeps mapped: each sees
 * what the other has written, in the whole buffer or a part of it, after
 * DMA_BUF_IOCTL_SYNC or DMA_BUF_IOCTL_SYNC_PARTIAL. With bounce buffers, a byte that
 * is not synced is missing on the other side.
 *
 * Copyright (C) the dma-buf project authors
 */
#include "importer_util.h"

#define SIZE (4 * PAGE)

FIXTURE(sync)
{
	int imp, dev, fd, att;
	unsigned char *map, *out;
};

/* The part to sync, or the whole buffer if len is 0. */
FIXTURE_VARIANT(sync)
{
	__u32 offset, len;
};

FIXTURE_VARIANT_ADD(sync, whole) { };
FIXTURE_VARIANT_ADD(sync, first_byte) { .len = 1 };
FIXTURE_VARIANT_ADD(sync, last_byte) { .offset = SIZE - 1, .len = 1 };
FIXTURE_VARIANT_ADD(sync, within_a_page) { .offset = PAGE + 100, .len = 64 };
FIXTURE_VARIANT_ADD(sync, a_page) { .offset = 2 * PAGE, .len = PAGE };
FIXTURE_VARIANT_ADD(sync, across_pages) { .offset = PAGE - 1, .len = 2 * PAGE + 2 };

FIXTURE_SETUP(sync)
{
	if (missing(IMPORTER_PATH))
		SKIP(return, NEEDS_IMPORTER);
	if (missing(SYSTEM_HEAP))
		SKIP(return, NEEDS_HEAP);
	self->imp = imp_open();
	ASSERT_LE(0, self->imp);
	/* A dynamic device keeps its mapping from job to job. */
	self->dev = imp_dev(self->imp, any_engine(), DYNAMIC);
	ASSERT_LT(0, self->dev);
	self->fd = heap_alloc(SIZE);
	ASSERT_LE(0, self->fd);
	self->att = imp_attach(self->imp, self->dev, self->fd);
	ASSERT_LT(0, self->att);
	self->map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, self->map);
	self->out = calloc(1, SIZE);
	ASSERT_EQ(1, imp_fill(self->imp, self->dev, self->att, SIZE, 0x5a));
}

FIXTURE_TEARDOWN(sync)
{
	EXPECT_EQ(1, imp_info(self->imp, self->att).maps);
	free(self->out);
	munmap(self->map, SIZE);
	close(self->fd);
	close(self->imp);
}

static int hand_over(FIXTURE_DATA(sync) *self, const FIXTURE_VARIANT(sync) *part, __u64 flags)
{
	return part->len ? db_sync_range(self->fd, flags, part->offset, part->len) :
			   db_sync(self->fd, flags);
}

TEST_F(sync, cpu_sees_what_the_device_wrote)
{
	__u32 len = variant->len ? variant->len : SIZE;

	ASSERT_EQ(0, hand_over(self, variant, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ));
	EXPECT_TRUE(all_bytes(self->map + variant->offset, len, 0x5a));
	EXPECT_EQ(0, hand_over(self, variant, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ));
}

/* The rest of the buffer keeps what the device wrote. */
TEST_F(sync, device_sees_what_the_cpu_wrote)
{
	__u32 len = variant->len ? variant->len : SIZE, end = variant->offset + len;

	ASSERT_EQ(0, hand_over(self, variant, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW));
	memset(self->map + variant->offset, 0x77, len);
	ASSERT_EQ(0, hand_over(self, variant, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW));

	ASSERT_EQ(1, imp_copy(self->imp, self->dev, user(self->out), buffer(self->att, 0), SIZE));
	EXPECT_TRUE(all_bytes(self->out, variant->offset, 0x5a));
	EXPECT_TRUE(all_bytes(self->out + variant->offset, len, 0x77));
	EXPECT_TRUE(all_bytes(self->out + end, SIZE - end, 0x5a));
}

/* The device takes segments of any length; a bounce buffer is limited. */
TEST(map_more_than_a_bounce_buffer_holds)
{
	struct dmabuf_importer_segment segments[256];
	int imp, dev, fd, att, num, i;
	__u64 length = 0;

	if (missing(IMPORTER_PATH))
		SKIP(return, NEEDS_IMPORTER);
	if (missing(SYSTEM_HEAP))
		SKIP(return, NEEDS_HEAP);
	imp = imp_open();
	dev = imp_dev(imp, SW, 0);
	ASSERT_LT(0, dev);
	fd = heap_alloc(256 * PAGE);
	ASSERT_LE(0, fd);
	att = imp_attach(imp, dev, fd);
	ASSERT_LT(0, att);
	num = imp_map(imp, att, DMABUF_IMPORTER_READ, segments, 256);
	ASSERT_LT(0, num);
	for (i = 0; i < num; i++)
		length += segments[i].length;
	EXPECT_EQ(256 * PAGE, length);
	close(fd);
	close(imp);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * A device with a DMA API under the test's control; see mock_dma.h.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/device.h>
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "mock.h"
#include "mock_dma.h"

static bool device_reads(enum dma_data_direction dir)
{
	return dir != DMA_FROM_DEVICE;
}

static bool device_writes(enum dma_data_direction dir)
{
	return dir != DMA_TO_DEVICE;
}

/* Returns the device's copy of a byte; makes the copy on first use. */
static u8 *copy_of(struct mock_dma *mock, struct mock_dma_piece *piece, size_t offset)
{
	dma_addr_t addr = mock->kind == MOCK_DMA_BOUNCE ?
		piece->addr : page_to_phys(piece->page) + piece->offset;
	unsigned long frame = (addr + offset) >> PAGE_SHIFT;
	u8 *copy = xa_load(&mock->pages, frame);

	if (!copy) {
		copy = kmalloc(PAGE_SIZE, GFP_ATOMIC);
		KUNIT_ASSERT_NOT_NULL(mock->test, copy);
		memset(copy, MOCK_DMA_STALE, PAGE_SIZE);
		KUNIT_ASSERT_EQ(mock->test, 0,
				xa_err(xa_store(&mock->pages, frame, copy,
						GFP_ATOMIC)));
	}
	return copy + offset_in_page(addr + offset);
}

void mock_dma_copy(struct mock_dma *mock, struct mock_dma_piece *piece,
		   size_t start, size_t len, bool in)
{
	u8 *cpu = page_address(piece->page) + piece->offset, *dev;
	size_t pos = start, end = start + len, n;

	for (; pos < end; pos += n) {
		n = min(end - pos, PAGE_SIZE - offset_in_page(piece->offset + pos));
		dev = copy_of(mock, piece, pos);
		if (in)
			memcpy(dev, cpu + pos, n);
		else
			memcpy(cpu + pos, dev, n);
	}
	if (in)
		mock->copied_in += len;
	else
		mock->copied_out += len;
}

/* Invalidating the cache drops the CPU's writes. */
void mock_dma_to_device(struct mock_dma *mock, struct mock_dma_piece *piece,
			size_t start, size_t len, enum dma_data_direction dir)
{
	if (mock->kind == MOCK_DMA_COHERENT)
		return;
	if (device_reads(dir))
		mock_dma_copy(mock, piece, start, len, true);
	else if (mock->kind == MOCK_DMA_CACHED)
		mock_dma_copy(mock, piece, start, len, false);
}

void mock_dma_to_cpu(struct mock_dma *mock, struct mock_dma_piece *piece,
		     size_t start, size_t len, enum dma_data_direction dir)
{
	if (mock->kind != MOCK_DMA_COHERENT && device_writes(dir))
		mock_dma_copy(mock, piece, start, len, false);
}

/* Interface for the tests */

static void mock_dma_end(void *data)
{
	struct mock_dma *mock = data;
	struct mock_dma_mapping *map, *next;
	unsigned long frame;
	u8 *copy;

	KUNIT_EXPECT_EQ(mock->test, 0, mock->mapped);
	list_for_each_entry_safe(map, next, &mock->mappings, node)
		kfree(map);
	xa_for_each(&mock->pages, frame, copy)
		kfree(copy);
	xa_destroy(&mock->pages);
	set_dma_ops(mock->dev, NULL);
}

struct mock_dma *mock_dma_create(struct kunit *test, enum mock_dma_kind kind)
{
	struct mock_dma *mock = kunit_kzalloc(test, sizeof(*mock), GFP_KERNEL);
	static atomic_t number = ATOMIC_INIT(0);
	char name[24];

	KUNIT_ASSERT_NOT_NULL(test, mock);
	mock->test = test;
	mock->kind = kind;
	mock->aperture = 1ull << 40;
	mock->max_mapping = SIZE_MAX;
	mutex_init(&mock->lock);
	INIT_LIST_HEAD(&mock->mappings);
	xa_init(&mock->pages);
	snprintf(name, sizeof(name), "mock-dma-%d", atomic_inc_return(&number));
	mock->dev = kunit_device_register(test, kunit_kstrdup(test, name, GFP_KERNEL));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, mock->dev);
	dev_set_drvdata(mock->dev, mock);
	/* The DMA API looks at the operations when the mask is set. */
	set_dma_ops(mock->dev, kind == MOCK_DMA_COHERENT ? &mock_dma_coherent_ops :
							   &mock_dma_synced_ops);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, mock_dma_end, mock));
	KUNIT_ASSERT_EQ(test, 0, dma_coerce_mask_and_coherent(mock->dev,
							      DMA_BIT_MASK(64)));
	mock_keep_mappings(test, mock->dev);
	return mock;
}

void mock_dma_forget(struct mock_dma *mock)
{
	guard(mutex)(&mock->lock);
	mock->num_calls = 0;
	mock->copied_in = 0;
	mock->copied_out = 0;
}

unsigned int mock_dma_count(struct mock_dma *mock, enum mock_dma_op op)
{
	unsigned int n = 0;

	KUNIT_EXPECT_LE(mock->test, mock->num_calls, MOCK_DMA_MAX_CALLS);
	for (unsigned int i = 0; i < min(mock->num_calls, MOCK_DMA_MAX_CALLS); i++)
		n += mock->calls[i].op == op;
	return n;
}

struct mock_dma_call mock_dma_last(struct mock_dma *mock, enum mock_dma_op op)
{
	struct mock_dma_call call = { .dir = DMA_NONE };

	KUNIT_EXPECT_NE(mock->test, 0, mock_dma_count(mock, op));
	for (unsigned int i = 0; i < min(mock->num_calls, MOCK_DMA_MAX_CALLS); i++)
		if (mock->calls[i].op == op)
			call = mock->calls[i];
	return call;
}

/* Returns the byte of a table as the device reaches it. */
static u8 *device_byte(struct mock_dma *mock, struct sg_table *sgt,
		       size_t offset, bool write)
{
	struct scatterlist *sg;
	struct mock_dma_mapping *map;
	struct mock_dma_piece *piece;
	dma_addr_t addr;
	int i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		if (offset < sg_dma_len(sg))
			break;
		offset -= sg_dma_len(sg);
	}
	KUNIT_ASSERT_NOT_NULL(mock->test, sg);
	addr = sg_dma_address(sg) + offset;
	map = mock_dma_find_mapping(mock, addr);
	KUNIT_ASSERT_NOT_NULL(mock->test, map);
	KUNIT_EXPECT_TRUE(mock->test, write ? device_writes(map->dir) :
					      device_reads(map->dir));
	piece = mock_dma_find_piece(mock, map, addr, 1);
	KUNIT_ASSERT_NOT_NULL(mock->test, piece);
	offset = addr - piece->addr;
	if (mock->kind == MOCK_DMA_COHERENT)
		return page_address(piece->page) + piece->offset + offset;
	return copy_of(mock, piece, offset);
}

void mock_dma_write(struct mock_dma *mock, struct sg_table *sgt, size_t offset,
		    size_t len, u8 value)
{
	guard(mutex)(&mock->lock);
	while (len--)
		*device_byte(mock, sgt, offset++, true) = value;
}

u8 mock_dma_read(struct mock_dma *mock, struct sg_table *sgt, size_t offset)
{
	guard(mutex)(&mock->lock);
	return *device_byte(mock, sgt, offset, false);
}

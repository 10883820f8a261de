// SPDX-License-Identifier: GPL-2.0-only
/*
 * The DMA operations of the device of mock_dma.h: they lay out mappings and
 * check each call against them.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "mock_dma.h"

/* DMA addresses start here, so that none equals a physical address. */
#define BASE 0x7000000000ull

static struct mock_dma *to_mock(struct device *dev)
{
	return dev_get_drvdata(dev);
}

static void record(struct mock_dma *mock, struct mock_dma_call call)
{
	if (mock->num_calls < MOCK_DMA_MAX_CALLS)
		mock->calls[mock->num_calls] = call;
	mock->num_calls++;
}

static void all_to_device(struct mock_dma *mock, struct mock_dma_mapping *map,
			  enum dma_data_direction dir)
{
	for (unsigned int i = 0; i < map->num; i++)
		mock_dma_to_device(mock, &map->pieces[i], 0, map->pieces[i].len, dir);
}

static void all_to_cpu(struct mock_dma *mock, struct mock_dma_mapping *map,
		       enum dma_data_direction dir)
{
	for (unsigned int i = 0; i < map->num; i++)
		mock_dma_to_cpu(mock, &map->pieces[i], 0, map->pieces[i].len, dir);
}

/* Mapping */

/* Puts the mapping into the first gap of the aperture, and so into the list. */
static bool find_room(struct mock_dma *mock, struct mock_dma_mapping *map)
{
	dma_addr_t next = BASE, end = BASE + mock->aperture;
	struct mock_dma_mapping *other;

	list_for_each_entry(other, &mock->mappings, node) {
		if (other->addr - next >= map->span)
			break;
		next = PAGE_ALIGN(other->addr + other->span);
	}
	if (next > end || end - next < map->span)
		return false;
	map->addr = next;
	list_add_tail(&map->node, &other->node);
	mock->mapped++;
	return true;
}

/* Computes the offset of each piece from the start of the mapping. */
static void lay_out(struct mock_dma *mock, struct mock_dma_mapping *map)
{
	size_t max = dma_get_max_seg_size(mock->dev), pos = 0;
	struct mock_dma_piece *piece, *seg = NULL;

	for (piece = map->pieces; piece < map->pieces + map->num; piece++) {
		map->len += piece->len;
		if (mock->merge && seg && seg->seg_len + piece->len <= max) {
			piece->addr = pos;
			seg->seg_len += piece->len;
		} else {
			/* A gap, so that an overrun is noticed. */
			if (seg)
				pos += PAGE_SIZE;
			seg = piece;
			pos += piece->offset;
			piece->addr = pos;
			piece->seg_len = piece->len;
		}
		pos += piece->len;
	}
	map->span = PAGE_ALIGN(pos);
}

static struct mock_dma_mapping *alloc_mapping(unsigned int num,
					      enum dma_data_direction dir,
					      bool list)
{
	struct mock_dma_mapping *map = kzalloc(struct_size(map, pieces, num), GFP_ATOMIC);

	if (!map)
		return NULL;
	map->num = num;
	map->dir = dir;
	map->list = list;
	return map;
}

static int do_map(struct mock_dma *mock, struct mock_dma_mapping *map,
		  unsigned long attrs)
{
	struct mock_dma_piece *piece;

	guard(mutex)(&mock->lock);
	lay_out(mock, map);
	if (mock->fail) {
		mock->fail--;
		return -ENOMEM;
	}
	if (!find_room(mock, map))
		return -ENOMEM;
	if (mock->kind == MOCK_DMA_BOUNCE)
		dma_reset_need_sync(mock->dev);
	for (piece = map->pieces; piece < map->pieces + map->num; piece++) {
		piece->addr += map->addr;
		if (piece->seg_len)
			piece->seg_addr = piece->addr;
		if (mock->kind == MOCK_DMA_BOUNCE)
			mock_dma_copy(mock, piece, 0, piece->len, true);
	}
	if (mock->kind == MOCK_DMA_CACHED && !(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		all_to_device(mock, map, map->dir);
	record(mock, (struct mock_dma_call) {
		.op = MOCK_DMA_MAP, .list = map->list, .dir = map->dir,
		.addr = map->pieces[0].addr, .len = map->len, .attrs = attrs,
	});
	return 0;
}

static int add_mapping(struct mock_dma *mock, struct mock_dma_mapping *map,
		       unsigned long attrs)
{
	int ret = do_map(mock, map, attrs);

	if (!ret && mock->mapped_hook)
		mock->mapped_hook(mock, mock->hook_data);
	return ret;
}

static dma_addr_t mock_map_page(struct device *dev, struct page *page,
				unsigned long offset, size_t size,
				enum dma_data_direction dir, unsigned long attrs)
{
	struct mock_dma_mapping *map = alloc_mapping(1, dir, false);
	struct mock_dma *mock = to_mock(dev);
	int ret;

	if (!map)
		return DMA_MAPPING_ERROR;
	map->pieces[0].page = page;
	map->pieces[0].offset = offset;
	map->pieces[0].len = size;
	ret = add_mapping(mock, map, attrs);
	if (!ret)
		return map->pieces[0].addr;
	kfree(map);
	return DMA_MAPPING_ERROR;
}

/* Fills in the DMA segments of the list, and returns their number. */
static int show_segments(struct scatterlist *sgl, struct mock_dma_mapping *map)
{
	struct scatterlist *sg = sgl, *tmp;
	int i, n = 0;

	for_each_sg(sgl, tmp, map->num, i) {
		struct mock_dma_piece *piece = &map->pieces[i];

		sg_dma_address(tmp) = DMA_MAPPING_ERROR;
		sg_dma_len(tmp) = 0;
		if (!piece->seg_len)
			continue;
		sg_dma_address(sg) = piece->seg_addr;
		sg_dma_len(sg) = piece->seg_len;
		sg = sg_next(sg);
		n++;
	}
	return n;
}

static int mock_map_sg(struct device *dev, struct scatterlist *sgl, int nents,
		       enum dma_data_direction dir, unsigned long attrs)
{
	struct mock_dma_mapping *map = alloc_mapping(nents, dir, true);
	struct mock_dma *mock = to_mock(dev);
	struct scatterlist *sg;
	int i, ret;

	if (!map)
		return -ENOMEM;
	for_each_sg(sgl, sg, nents, i) {
		KUNIT_EXPECT_LE(mock->test, sg->length, dma_get_max_seg_size(dev));
		map->pieces[i].page = sg_page(sg);
		map->pieces[i].offset = sg->offset;
		map->pieces[i].len = sg->length;
	}
	ret = add_mapping(mock, map, attrs);
	if (!ret)
		return show_segments(sgl, map);
	kfree(map);
	return ret;
}

/* Lookup, with the checks that every user of the DMA API must pass */

struct mock_dma_mapping *mock_dma_find_mapping(struct mock_dma *mock, dma_addr_t addr)
{
	struct mock_dma_mapping *map;

	list_for_each_entry(map, &mock->mappings, node)
		if (addr >= map->addr && addr - map->addr < map->span)
			return map;
	KUNIT_FAIL(mock->test, "nothing is mapped at %pad", &addr);
	return NULL;
}

/* Is the list the same as when it was mapped? */
static bool same_list(struct mock_dma_mapping *map, struct scatterlist *sgl, int nents)
{
	struct scatterlist *sg, *seg = sgl;
	struct mock_dma_piece *piece;
	int i;

	if (!map->list || nents != map->num)
		return false;
	for_each_sg(sgl, sg, nents, i) {
		piece = &map->pieces[i];
		if (sg_page(sg) != piece->page || sg->length != piece->len ||
		    sg->offset != piece->offset)
			return false;
		if (!piece->seg_len)
			continue;
		if (sg_dma_address(seg) != piece->seg_addr ||
		    sg_dma_len(seg) != piece->seg_len)
			return false;
		seg = sg_next(seg);
	}
	return true;
}

static struct mock_dma_mapping *find_list(struct mock_dma *mock,
					  struct scatterlist *sgl, int nents)
{
	struct mock_dma_mapping *map = mock_dma_find_mapping(mock, sg_dma_address(sgl));

	if (!map || same_list(map, sgl, nents))
		return map;
	KUNIT_FAIL(mock->test, "a list is not what it was when it was mapped");
	return NULL;
}

struct mock_dma_piece *mock_dma_find_piece(struct mock_dma *mock,
					   struct mock_dma_mapping *map,
					   dma_addr_t addr, size_t len)
{
	struct mock_dma_piece *piece;

	for (piece = map->pieces; piece < map->pieces + map->num; piece++)
		if (addr >= piece->addr && addr - piece->addr < piece->len &&
		    len <= piece->len - (addr - piece->addr))
			return piece;
	KUNIT_FAIL(mock->test, "%zu bytes at %pad are not in one piece", len, &addr);
	return NULL;
}

static void expect_dir(struct mock_dma *mock, struct mock_dma_mapping *map,
		       enum dma_data_direction dir)
{
	if (map->dir != DMA_BIDIRECTIONAL)
		KUNIT_EXPECT_EQ(mock->test, dir, map->dir);
}

/* Unmapping */

static void forget_copies(struct mock_dma *mock, struct mock_dma_mapping *map)
{
	unsigned long frame, first = map->addr >> PAGE_SHIFT;

	if (mock->kind != MOCK_DMA_BOUNCE)
		return;
	for (frame = first; frame < first + (map->span >> PAGE_SHIFT); frame++)
		kfree(xa_erase(&mock->pages, frame));
}

static void del_mapping(struct mock_dma *mock, struct mock_dma_mapping *map,
			enum dma_data_direction dir, unsigned long attrs)
{
	KUNIT_EXPECT_EQ(mock->test, dir, map->dir);
	if (!(attrs & DMA_ATTR_SKIP_CPU_SYNC))
		all_to_cpu(mock, map, map->dir);
	record(mock, (struct mock_dma_call) {
		.op = MOCK_DMA_UNMAP, .list = map->list, .dir = dir,
		.addr = map->pieces[0].addr, .len = map->len, .attrs = attrs,
	});
	forget_copies(mock, map);
	list_del(&map->node);
	mock->mapped--;
	kfree(map);
}

static void mock_unmap_page(struct device *dev, dma_addr_t addr, size_t size,
			    enum dma_data_direction dir, unsigned long attrs)
{
	struct mock_dma *mock = to_mock(dev);
	struct mock_dma_mapping *map;

	guard(mutex)(&mock->lock);
	map = mock_dma_find_mapping(mock, addr);
	if (!map)
		return;
	KUNIT_EXPECT_FALSE(mock->test, map->list);
	KUNIT_EXPECT_EQ(mock->test, size, map->len);
	del_mapping(mock, map, dir, attrs);
}

static void mock_unmap_sg(struct device *dev, struct scatterlist *sgl, int nents,
			  enum dma_data_direction dir, unsigned long attrs)
{
	struct mock_dma *mock = to_mock(dev);
	struct mock_dma_mapping *map;

	guard(mutex)(&mock->lock);
	map = find_list(mock, sgl, nents);
	if (map)
		del_mapping(mock, map, dir, attrs);
}

/* Syncing */

static void sync_single(struct mock_dma *mock, enum mock_dma_op op,
			dma_addr_t addr, size_t len, enum dma_data_direction dir)
{
	struct mock_dma_piece *piece;
	struct mock_dma_mapping *map;

	guard(mutex)(&mock->lock);
	record(mock, (struct mock_dma_call) {
		.op = op, .addr = addr, .len = len, .dir = dir,
	});
	map = mock_dma_find_mapping(mock, addr);
	piece = map ? mock_dma_find_piece(mock, map, addr, len) : NULL;
	if (!piece)
		return;
	expect_dir(mock, map, dir);
	if (op == MOCK_DMA_SYNC_CPU)
		mock_dma_to_cpu(mock, piece, addr - piece->addr, len, dir);
	else
		mock_dma_to_device(mock, piece, addr - piece->addr, len, dir);
}

static void sync_list(struct mock_dma *mock, enum mock_dma_op op,
		      struct scatterlist *sgl, int nents,
		      enum dma_data_direction dir)
{
	struct mock_dma_mapping *map;

	guard(mutex)(&mock->lock);
	map = find_list(mock, sgl, nents);
	record(mock, (struct mock_dma_call) {
		.op = op, .list = true, .addr = sg_dma_address(sgl),
		.len = map ? map->len : 0, .dir = dir,
	});
	if (!map)
		return;
	expect_dir(mock, map, dir);
	if (op == MOCK_DMA_SYNC_CPU)
		all_to_cpu(mock, map, dir);
	else
		all_to_device(mock, map, dir);
}

static void mock_sync_single_for_cpu(struct device *dev, dma_addr_t addr,
				     size_t size, enum dma_data_direction dir)
{
	sync_single(to_mock(dev), MOCK_DMA_SYNC_CPU, addr, size, dir);
}

static void mock_sync_single_for_device(struct device *dev, dma_addr_t addr,
					size_t size, enum dma_data_direction dir)
{
	sync_single(to_mock(dev), MOCK_DMA_SYNC_DEVICE, addr, size, dir);
}

static void mock_sync_sg_for_cpu(struct device *dev, struct scatterlist *sgl,
				 int nents, enum dma_data_direction dir)
{
	sync_list(to_mock(dev), MOCK_DMA_SYNC_CPU, sgl, nents, dir);
}

static void mock_sync_sg_for_device(struct device *dev, struct scatterlist *sgl,
				    int nents, enum dma_data_direction dir)
{
	sync_list(to_mock(dev), MOCK_DMA_SYNC_DEVICE, sgl, nents, dir);
}

static size_t mock_max_mapping_size(struct device *dev)
{
	return to_mock(dev)->max_mapping;
}

/* For the DMA API a device without sync operations is coherent. */
const struct dma_map_ops mock_dma_coherent_ops = {
	.map_page = mock_map_page,
	.unmap_page = mock_unmap_page,
	.map_sg = mock_map_sg,
	.unmap_sg = mock_unmap_sg,
	.max_mapping_size = mock_max_mapping_size,
};

const struct dma_map_ops mock_dma_synced_ops = {
	.map_page = mock_map_page,
	.unmap_page = mock_unmap_page,
	.map_sg = mock_map_sg,
	.unmap_sg = mock_unmap_sg,
	.sync_single_for_cpu = mock_sync_single_for_cpu,
	.sync_single_for_device = mock_sync_single_for_device,
	.sync_sg_for_cpu = mock_sync_sg_for_cpu,
	.sync_sg_for_device = mock_sync_sg_for_device,
	.max_mapping_size = mock_max_mapping_size,
};

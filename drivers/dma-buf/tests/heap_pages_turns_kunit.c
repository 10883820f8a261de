// SPDX-License-Identifier: GPL-2.0-only
/*
 * The CPU and a device that needs syncs use a page-backed buffer in turn: no
 * written byte is lost, and no byte is copied needlessly.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/sizes.h>

#include "../heaps/heap-pages.h"
#include "heap_mock.h"
#include "heap_mock_dma.h"

static const enum dma_data_direction dirs[] = {
	DMA_BIDIRECTIONAL, DMA_TO_DEVICE, DMA_FROM_DEVICE,
};

static const char *const dir_names[] = { "both", "to_device", "from_device" };

/* The CPU and a device that has the buffer mapped, in turn */

struct turn_case {
	enum mock_dma_kind kind;
	enum dma_data_direction map;
	enum dma_data_direction access;
	bool part;
};

static const void *turns_gen_params(const void *prev, char *desc)
{
	static struct turn_case c;
	static unsigned int i;

	i = prev ? i + 1 : 0;
	if (i == 36)
		return NULL;
	c.kind = i % 2 ? MOCK_DMA_CACHED : MOCK_DMA_BOUNCE;
	c.map = dirs[i / 2 % 3];
	c.access = dirs[i / 6 % 3];
	c.part = i / 18;
	snprintf(desc, KUNIT_PARAM_DESC_SIZE, "%s, device %s, cpu %s%s",
		 heap_mock_kind_names[c.kind], dir_names[c.map], dir_names[c.access],
		 c.part ? ", part" : "");
	return &c;
}

/* The part of the first two pages that the CPU accesses. */
#define PART PAGE_SIZE

static void turn_begin(struct heap_mock_dma *imp, const struct turn_case *c)
{
	if (c->part)
		heap_pages_begin_cpu_partial(imp->dmabuf, c->access, 0, PART);
	else
		heap_pages_begin_cpu(imp->dmabuf, c->access);
}

static void turn_end(struct heap_mock_dma *imp, const struct turn_case *c)
{
	if (c->part)
		heap_pages_end_cpu_partial(imp->dmabuf, c->access, 0, PART);
	else
		heap_pages_end_cpu(imp->dmabuf, c->access);
}

/*
 * The CPU writes the first bytes of a page, the device the rest. Each must see
 * the other's bytes, and both must be there after the unmap.
 */
static void sync_keeps_what_both_wrote(struct kunit *test)
{
	const struct turn_case *c = test->param_value;
	bool device_writes = c->map != DMA_TO_DEVICE;
	bool cpu_writes = c->access != DMA_FROM_DEVICE;
	u8 rest = device_writes ? 0x22 : 0x11, start = cpu_writes ? 0x33 : 0x11;
	struct heap_mock_dma imp = heap_mock_dma_create(test, c->kind, false);
	struct sg_table *sgt;

	heap_mock_dma_fill(&imp, 0, PAGE_SIZE, 0x11);
	sgt = heap_mock_dma_map(test, &imp, c->map);
	if (device_writes)
		mock_dma_write(imp.dma, sgt, 16, PAGE_SIZE - 16, 0x22);

	turn_begin(&imp, c);
	KUNIT_EXPECT_EQ(test, 0x11, *heap_mock_dma_byte(&imp, 0));
	KUNIT_EXPECT_EQ(test, rest, *heap_mock_dma_byte(&imp, 16));
	if (cpu_writes)
		heap_mock_dma_fill(&imp, 0, 16, 0x33);
	turn_end(&imp, c);

	KUNIT_EXPECT_EQ(test, start, *heap_mock_dma_byte(&imp, 0));
	if (c->map != DMA_FROM_DEVICE) {
		KUNIT_EXPECT_EQ(test, start, mock_dma_read(imp.dma, sgt, 0));
		KUNIT_EXPECT_EQ(test, rest, mock_dma_read(imp.dma, sgt, 16));
	}
	heap_mock_unmap(imp.imp.attach, sgt, c->map);
	KUNIT_EXPECT_EQ(test, start, *heap_mock_dma_byte(&imp, 0));
	KUNIT_EXPECT_EQ(test, rest, *heap_mock_dma_byte(&imp, 16));
	heap_mock_detach(&imp.imp);
}

static void hand_over(struct heap_mock_dma *imp, struct sg_table *sgt, bool begin)
{
	struct dma_buf_attachment *attach = imp->imp.attach;

	dma_resv_lock(imp->dmabuf->resv, NULL);
	if (begin)
		heap_pages_begin_device(attach, sgt);
	else
		heap_pages_end_device(attach, sgt);
	dma_resv_unlock(imp->dmabuf->resv);
}

/* A kept mapping is idle between two uses: then the CPU owns the memory. */
static void device_access_in_turn_with_the_cpu(struct kunit *test)
{
	const struct heap_mock_kind *c = test->param_value;
	struct heap_mock_dma imp = heap_mock_dma_create(test, c->kind, c->merge);
	struct sg_table *sgt = heap_mock_dma_map(test, &imp, DMA_BIDIRECTIONAL);

	mock_dma_write(imp.dma, sgt, 0, 32, 0x22);
	hand_over(&imp, sgt, false);
	KUNIT_EXPECT_EQ(test, 0x22, *heap_mock_dma_byte(&imp, 0));

	mock_dma_forget(imp.dma);
	heap_pages_begin_cpu(imp.dmabuf, DMA_BIDIRECTIONAL);
	heap_mock_dma_fill(&imp, 0, 16, 0x33);
	heap_pages_end_cpu(imp.dmabuf, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 0, imp.dma->num_calls);

	hand_over(&imp, sgt, true);
	KUNIT_EXPECT_EQ(test, 0x33, mock_dma_read(imp.dma, sgt, 0));
	KUNIT_EXPECT_EQ(test, 0x22, mock_dma_read(imp.dma, sgt, 16));
	heap_mock_unmap(imp.imp.attach, sgt, DMA_BIDIRECTIONAL);
	heap_mock_detach(&imp.imp);
}

/*
 * The mock fails on a sync that is not within one piece of memory, also where
 * it has merged several to one segment, as an IOMMU does.
 */
static void sync_of_a_part_across_pieces(struct kunit *test)
{
	const struct heap_mock_kind *c = test->param_value;
	struct heap_mock_dma imp = heap_mock_dma_create(test, c->kind, c->merge);
	struct sg_table *sgt = heap_mock_dma_map(test, &imp, DMA_BIDIRECTIONAL);
	size_t from = PAGE_SIZE / 2, len = imp.dmabuf->size - PAGE_SIZE;

	heap_pages_begin_cpu_partial(imp.dmabuf, DMA_TO_DEVICE, from, len);
	heap_mock_dma_fill(&imp, from, len, 0x33);
	heap_pages_end_cpu_partial(imp.dmabuf, DMA_TO_DEVICE, from, len);
	for (size_t pos = from; pos < from + len; pos += PAGE_SIZE / 2)
		KUNIT_EXPECT_EQ(test, 0x33, mock_dma_read(imp.dma, sgt, pos));
	heap_mock_unmap(imp.imp.attach, sgt, DMA_BIDIRECTIONAL);
	heap_mock_detach(&imp.imp);
}

/*
 * A sync at the end of a read would overwrite what the device wrote meanwhile.
 */
static void end_cpu_after_read_copies_nothing(struct kunit *test)
{
	const struct heap_mock_kind *c = test->param_value;
	struct heap_mock_dma imp = heap_mock_dma_create(test, c->kind, c->merge);
	struct sg_table *sgt = heap_mock_dma_map(test, &imp, DMA_BIDIRECTIONAL);

	heap_pages_begin_cpu(imp.dmabuf, DMA_FROM_DEVICE);
	mock_dma_write(imp.dma, sgt, 0, 16, 0x22);
	heap_pages_end_cpu(imp.dmabuf, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, 0x22, mock_dma_read(imp.dma, sgt, 0));
	heap_mock_unmap(imp.imp.attach, sgt, DMA_BIDIRECTIONAL);
	KUNIT_EXPECT_EQ(test, 0x22, *heap_mock_dma_byte(&imp, 0));
	heap_mock_detach(&imp.imp);
}

/*
 * The zeroes may be in the cache only. If they are not written back on map, the
 * former owner's data shows where the device writes nothing.
 */
static void map_fresh_memory_survives_idle_device(struct kunit *test)
{
	const struct heap_mock_kind *c = test->param_value;
	struct heap_mock_dma imp = heap_mock_dma_create(test, c->kind, c->merge);
	struct sg_table *sgt = heap_mock_dma_map(test, &imp, DMA_FROM_DEVICE);

	mock_dma_write(imp.dma, sgt, PAGE_SIZE, 16, 0x22);
	heap_mock_unmap(imp.imp.attach, sgt, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, 0, *heap_mock_dma_byte(&imp, PAGE_SIZE - 1));
	KUNIT_EXPECT_EQ(test, 0x22, *heap_mock_dma_byte(&imp, PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, 0, *heap_mock_dma_byte(&imp, 2 * PAGE_SIZE - 1));
	KUNIT_EXPECT_EQ(test, 0, *heap_mock_dma_byte(&imp, imp.dmabuf->size - 1));
	heap_mock_detach(&imp.imp);
}

/*
 * The map itself may set up the device's first bounce buffer: syncs start
 * there.
 */
static void map_first_bounce_buffer(struct kunit *test)
{
	struct heap_mock_dma imp = heap_mock_dma_create(test, MOCK_DMA_BOUNCE, false);
	struct sg_table *sgt;

	imp.dma->dev->dma_skip_sync = true;
	sgt = heap_mock_dma_map(test, &imp, DMA_FROM_DEVICE);
	KUNIT_EXPECT_FALSE(test, imp.dma->dev->dma_skip_sync);
	KUNIT_EXPECT_EQ(test, 1, imp.dma->mapped);
	mock_dma_write(imp.dma, sgt, 0, 32, 0x22);
	heap_pages_begin_cpu(imp.dmabuf, DMA_TO_DEVICE);
	heap_mock_dma_fill(&imp, 0, 16, 0x33);
	heap_pages_end_cpu(imp.dmabuf, DMA_TO_DEVICE);
	heap_mock_unmap(imp.imp.attach, sgt, DMA_FROM_DEVICE);
	KUNIT_EXPECT_EQ(test, 0x33, *heap_mock_dma_byte(&imp, 0));
	KUNIT_EXPECT_EQ(test, 0x22, *heap_mock_dma_byte(&imp, 16));
	heap_mock_detach(&imp.imp);
}

/* An IOMMU must keep the device from writing memory mapped for reading only. */
static void map_to_device_is_read_only(struct kunit *test)
{
	const struct heap_mock_kind *c = test->param_value;
	struct heap_mock_dma imp = heap_mock_dma_create(test, c->kind, c->merge);
	struct sg_table *sgt = heap_mock_dma_map(test, &imp, DMA_TO_DEVICE);

	KUNIT_EXPECT_EQ(test, DMA_TO_DEVICE, mock_dma_last(imp.dma, MOCK_DMA_MAP).dir);
	heap_mock_unmap(imp.imp.attach, sgt, DMA_TO_DEVICE);
	heap_mock_detach(&imp.imp);
}

/*
 * Without syncs the direction is the importer's, for the IOMMU to enforce.
 * DMA_API_DEBUG makes every device need syncs.
 */
static void map_coherent_device_as_asked(struct kunit *test)
{
	struct heap_mock_dma imp = heap_mock_dma_create(test, MOCK_DMA_COHERENT, true);
	enum dma_data_direction expected;
	struct sg_table *sgt;

	for (int i = 0; i < ARRAY_SIZE(dirs); i++) {
		sgt = heap_mock_dma_map(test, &imp, dirs[i]);
		expected = IS_ENABLED(CONFIG_DMA_API_DEBUG) && dirs[i] == DMA_FROM_DEVICE ?
			   DMA_BIDIRECTIONAL : dirs[i];
		KUNIT_EXPECT_EQ(test, expected, mock_dma_last(imp.dma, MOCK_DMA_MAP).dir);
		heap_mock_unmap(imp.imp.attach, sgt, dirs[i]);
	}
	heap_mock_detach(&imp.imp);
}

/* Bounce buffers: how often bytes are copied */

static void map_in_two_steps(void *unused)
{
	heap_pages_map_attrs = DMA_ATTR_SKIP_CPU_SYNC;
}

/* With DMA_API_DEBUG the heaps map in two steps; test what others run. */
static void map_in_one_step(struct kunit *test)
{
	if (heap_pages_map_attrs)
		KUNIT_ASSERT_EQ(test, 0, kunit_add_action(test, map_in_two_steps, NULL));
	heap_pages_map_attrs = 0;
}

static void describe_dir(const enum dma_data_direction *dir, char *desc)
{
	strscpy(desc, dir_names[*dir], KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(dirs, dirs, describe_dir);

static void map_copies_bounced_bytes_once(struct kunit *test)
{
	enum dma_data_direction dir = *(const enum dma_data_direction *)test->param_value;
	size_t out = dir == DMA_TO_DEVICE ? 0 : SZ_64K + SZ_128K;
	struct heap_mock *mock = HEAP_MOCK(test, 4, 5);
	struct mock_dma *dma = mock_dma_create(test, MOCK_DMA_BOUNCE);
	struct heap_mock_import imp = heap_mock_attach_dev(test, mock, dma->dev);
	struct sg_table *sgt;

	map_in_one_step(test);
	sgt = heap_mock_map(imp.attach, dir);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	KUNIT_EXPECT_EQ(test, mock->dmabuf->size, dma->copied_in);
	KUNIT_EXPECT_EQ(test, 0, dma->copied_out);
	KUNIT_EXPECT_EQ(test, 1, dma->num_calls);

	mock_dma_forget(dma);
	heap_mock_unmap(imp.attach, sgt, dir);
	KUNIT_EXPECT_EQ(test, 0, dma->copied_in);
	KUNIT_EXPECT_EQ(test, out, dma->copied_out);
	KUNIT_EXPECT_EQ(test, 1, mock_dma_count(dma, MOCK_DMA_UNMAP));
	heap_mock_detach(&imp);
}

/* With a cache, one map call cleans it as well. */
static void map_cleans_cached_memory_once(struct kunit *test)
{
	struct heap_mock_dma imp = heap_mock_dma_create(test, MOCK_DMA_CACHED, false);
	struct sg_table *sgt;

	map_in_one_step(test);
	heap_mock_dma_fill(&imp, 0, 16, 0x33);
	sgt = heap_mock_dma_map(test, &imp, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, imp.dmabuf->size, imp.dma->copied_in);
	KUNIT_EXPECT_EQ(test, 0x33, mock_dma_read(imp.dma, sgt, 0));
	heap_mock_unmap(imp.imp.attach, sgt, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 0, imp.dma->copied_out);
	heap_mock_detach(&imp.imp);
}

/*
 * The window: the CPU access ends after the bounce buffer was filled and before
 * the heap lists the mapping. The device would read stale bytes.
 */
static void write_by_the_cpu_while_it_is_mapped(struct mock_dma *dma, void *data)
{
	struct heap_mock_dma *imp = data;

	heap_pages_begin_cpu(imp->dmabuf, DMA_TO_DEVICE);
	heap_mock_dma_fill(imp, 0, 16, 0x33);
	heap_pages_end_cpu(imp->dmabuf, DMA_TO_DEVICE);
}

static void map_races_cpu_write(struct kunit *test)
{
	const struct heap_mock_kind *c = test->param_value;
	struct heap_mock_dma imp = heap_mock_dma_create(test, c->kind, c->merge);
	struct sg_table *sgt;

	map_in_one_step(test);
	imp.dma->mapped_hook = write_by_the_cpu_while_it_is_mapped;
	imp.dma->hook_data = &imp;
	sgt = heap_mock_dma_map(test, &imp, DMA_TO_DEVICE);
	KUNIT_EXPECT_EQ(test, 0x33, mock_dma_read(imp.dma, sgt, 0));
	heap_mock_unmap(imp.imp.attach, sgt, DMA_TO_DEVICE);
	heap_mock_detach(&imp.imp);
}

static struct kunit_case heap_pages_turns_cases[] = {
	KUNIT_CASE_PARAM(sync_keeps_what_both_wrote, turns_gen_params),
	KUNIT_CASE_PARAM(device_access_in_turn_with_the_cpu,
			 heap_mock_kinds_gen_params),
	KUNIT_CASE_PARAM(sync_of_a_part_across_pieces,
			 heap_mock_kinds_gen_params),
	KUNIT_CASE_PARAM(end_cpu_after_read_copies_nothing,
			 heap_mock_kinds_gen_params),
	KUNIT_CASE_PARAM(map_fresh_memory_survives_idle_device,
			 heap_mock_kinds_gen_params),
	KUNIT_CASE(map_first_bounce_buffer),
	KUNIT_CASE_PARAM(map_to_device_is_read_only, heap_mock_kinds_gen_params),
	KUNIT_CASE(map_coherent_device_as_asked),
	KUNIT_CASE_PARAM(map_copies_bounced_bytes_once, dirs_gen_params),
	KUNIT_CASE(map_cleans_cached_memory_once),
	KUNIT_CASE_PARAM(map_races_cpu_write, heap_mock_kinds_gen_params),
	{}
};

static struct kunit_suite heap_pages_turns_suite = {
	.name = "heap_pages_turns",
	.test_cases = heap_pages_turns_cases,
};

kunit_test_suite(heap_pages_turns_suite);

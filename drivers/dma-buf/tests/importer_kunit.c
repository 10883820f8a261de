// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the engines of the importer test driver rely on: the walk over a table
 * of DMA addresses, the check of a device's constraints, and the checksum. The
 * selftests importer_* test the ioctls from user space.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/dma-mapping.h>
#include <linux/scatterlist.h>

#include "../importer/importer.h"

#define SEGMENTS 3

/* Three segments with gaps between them. */
static const struct {
	dma_addr_t address;
	unsigned int length;
} segments[SEGMENTS] = {
	{ 0x10000, 0x3000 },
	{ 0x40000, 0x1000 },
	{ 0x80000, 0x2000 },
};

struct importer_table {
	struct sg_table sgt;
	struct importer_mapping map;
	struct importer_operand op;
};

static void free_table(void *sgt)
{
	sg_free_table(sgt);
}

static struct importer_table *table_create(struct kunit *test)
{
	struct importer_table *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	struct scatterlist *sg;
	int i;

	KUNIT_ASSERT_NOT_NULL(test, t);
	KUNIT_ASSERT_EQ(test, 0, sg_alloc_table(&t->sgt, SEGMENTS, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, free_table, &t->sgt));
	for_each_sgtable_dma_sg(&t->sgt, sg, i) {
		sg_dma_address(sg) = segments[i].address;
		sg_dma_len(sg) = segments[i].length;
	}
	t->map.sgt = &t->sgt;
	t->op.map = &t->map;
	return t;
}

struct cursor_case {
	const char *name;
	u64 offset;
	u64 max;
	dma_addr_t address;
	u32 length;
};

static const struct cursor_case cursor_cases[] = {
	{ "first byte", 0, 1, 0x10000, 1 },
	{ "whole first segment", 0, 0x6000, 0x10000, 0x3000 },
	{ "last byte of a segment", 0x2fff, 0x1000, 0x12fff, 1 },
	{ "first byte of the next", 0x3000, 0x1000, 0x40000, 0x1000 },
	{ "middle of the last", 0x4800, 0x6000, 0x80800, 0x1800 },
	{ "last byte", 0x5fff, 2, 0x81fff, 1 },
	{ "past the end", 0x6000, 1, 0, 0 },
	{ "far past the end", 0x100006000ULL, 1, 0, 0 },
	{ "more than 4 GiB wanted", 0, 0x100000001ULL, 0x10000, 0x3000 },
};

KUNIT_ARRAY_PARAM_DESC(cursor, cursor_cases, name);

static void importer_cursor_peek_finds_place(struct kunit *test)
{
	const struct cursor_case *c = test->param_value;
	struct importer_table *t = table_create(test);
	struct importer_cursor cursor;
	dma_addr_t address = 0;

	t->op.offset = c->offset;
	importer_cursor_init(&cursor, &t->op);
	KUNIT_EXPECT_EQ(test, c->length,
			importer_cursor_peek(&cursor, &address, c->max));
	KUNIT_EXPECT_EQ(test, c->address, address);
}

/* Whatever the step, the walk sees each byte once and then ends. */
static void importer_cursor_advance_sees_all(struct kunit *test)
{
	static const u32 steps[] = { 1, 0x1000, 0xfff, 0x2000, 0x6000 };
	struct importer_table *t = table_create(test);
	struct importer_cursor cursor;
	dma_addr_t address;
	int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		u64 seen = 0;
		u32 n;

		importer_cursor_init(&cursor, &t->op);
		while ((n = importer_cursor_peek(&cursor, &address, steps[i]))) {
			KUNIT_ASSERT_LE(test, n, steps[i]);
			importer_cursor_advance(&cursor, n);
			seen += n;
		}
		KUNIT_EXPECT_EQ(test, 0x6000, seen);
	}
}

struct constraint_case {
	const char *name;
	u64 mask;
	u64 boundary;
	unsigned int max;
	u32 flags;
	bool meets;
};

/* U64_MAX: at file scope, clang warns of the shift in DMA_BIT_MASK(64). */
static const struct constraint_case constraint_cases[] = {
	{ "none", U64_MAX, ULONG_MAX, UINT_MAX, 0, true },
	{ "mask just reached", 0x81fff, ULONG_MAX, UINT_MAX, 0, true },
	{ "mask missed by one", 0x81ffe, ULONG_MAX, UINT_MAX, 0, false },
	{ "longest segment allowed", U64_MAX, ULONG_MAX, 0x3000, 0, true },
	{ "a byte too long", U64_MAX, ULONG_MAX, 0x2fff, 0, false },
	{ "boundary not crossed", U64_MAX, 0x3fff, UINT_MAX, 0, true },
	{ "boundary crossed", U64_MAX, 0x1fff, UINT_MAX, 0, false },
	{ "one segment alone", U64_MAX, ULONG_MAX, UINT_MAX,
	  DMABUF_IMPORTER_DEV_CONTIGUOUS, false },
};

KUNIT_ARRAY_PARAM_DESC(constraint, constraint_cases, name);

static void importer_meets_constraints_decides(struct kunit *test)
{
	const struct constraint_case *c = test->param_value;
	struct importer_table *t = table_create(test);
	struct device_dma_parameters parms = {
		.max_segment_size = c->max,
		.segment_boundary_mask = c->boundary,
	};
	struct importer_dev dev = { .flags = c->flags };
	u64 mask = c->mask;

	dev.dev = kunit_device_register(test, "importer");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev.dev);
	dev.dev->dma_mask = &mask;
	dev.dev->dma_parms = &parms;
	KUNIT_EXPECT_EQ(test, c->meets,
			importer_meets_constraints(&dev, &t->sgt));
	dev.dev->dma_mask = NULL;
	dev.dev->dma_parms = NULL;
}

/* The expected values are published with the algorithm. */
static void importer_checksum_is_fnv1a(struct kunit *test)
{
	u64 sum = importer_checksum(IMPORTER_CHECKSUM_INIT, "foo", 3);

	KUNIT_EXPECT_EQ(test, 0xaf63dc4c8601ec8cULL,
			importer_checksum(IMPORTER_CHECKSUM_INIT, "a", 1));
	KUNIT_EXPECT_EQ(test, 0x85944171f73967e8ULL,
			importer_checksum(sum, "bar", 3));
}

static struct kunit_case importer_cases[] = {
	KUNIT_CASE_PARAM(importer_cursor_peek_finds_place, cursor_gen_params),
	KUNIT_CASE(importer_cursor_advance_sees_all),
	KUNIT_CASE_PARAM(importer_meets_constraints_decides,
			 constraint_gen_params),
	KUNIT_CASE(importer_checksum_is_fnv1a),
	{}
};

static struct kunit_suite importer_suite = {
	.name = "dma_buf_importer",
	.test_cases = importer_cases,
};

kunit_test_suite(importer_suite);

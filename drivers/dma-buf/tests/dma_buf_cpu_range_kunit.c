// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU access to a part of a buffer: which ranges are valid, what the exporter
 * is told, and the fallback for an exporter without the partial operations.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/dma-buf.h>
#include <linux/string.h>

#include "mock.h"

#define SIZE (3 * PAGE_SIZE)

struct range_param {
	const char *desc;
	size_t offset;
	size_t len;
	int ret;
	bool whole;
};

static const struct range_param range_params[] = {
	{ "all", 0, SIZE, 0, true },
	{ "first byte", 0, 1 },
	{ "last byte", SIZE - 1, 1 },
	{ "all but the first byte", 1, SIZE - 1 },
	{ "nothing", 0, 0, -EINVAL },
	{ "nothing at the end", SIZE, 0, -EINVAL },
	{ "a byte too many", 1, SIZE, -EINVAL },
	{ "behind the end", SIZE, 1, -EINVAL },
	{ "around the end of all addresses", SIZE_MAX, 2, -EINVAL },
	{ "more than all", 0, SIZE_MAX, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(range, range_params, desc);

/* The range that the exporter was told; 0 and 0 if it was called for all. */
static struct {
	size_t offset;
	size_t len;
} told;

static int begin_partial(struct dma_buf *dmabuf, enum dma_data_direction dir,
			 size_t offset, size_t len)
{
	struct mock_exporter *exp = dmabuf->priv;

	told.offset = offset;
	told.len = len;
	return exp->ops.begin_cpu_access(dmabuf, dir);
}

static int end_partial(struct dma_buf *dmabuf, enum dma_data_direction dir,
		       size_t offset, size_t len)
{
	struct mock_exporter *exp = dmabuf->priv;

	told.offset = offset;
	told.len = len;
	return exp->ops.end_cpu_access(dmabuf, dir);
}

/* @parts: the exporter has the partial operations. */
static void check_range_access(struct kunit *test, bool parts)
{
	const struct range_param *param = test->param_value;
	struct mock_exporter *exp = mock_exporter_create(test, SIZE, 0);
	bool tells = parts && !param->whole && !param->ret;
	struct dma_buf *dmabuf;

	if (parts) {
		exp->ops.begin_cpu_access_partial = begin_partial;
		exp->ops.end_cpu_access_partial = end_partial;
	}
	dmabuf = mock_export(exp);
	memset(&told, 0, sizeof(told));
	KUNIT_EXPECT_EQ(test,
			dma_buf_begin_cpu_access_partial(dmabuf, DMA_TO_DEVICE,
							 param->offset,
							 param->len),
			param->ret);
	KUNIT_EXPECT_EQ(test, told.offset, tells ? param->offset : 0);
	KUNIT_EXPECT_EQ(test, told.len, tells ? param->len : 0);
	memset(&told, 0, sizeof(told));
	KUNIT_EXPECT_EQ(test,
			dma_buf_end_cpu_access_partial(dmabuf, DMA_TO_DEVICE,
						       param->offset,
						       param->len),
			param->ret);
	KUNIT_EXPECT_EQ(test, told.offset, tells ? param->offset : 0);
	KUNIT_EXPECT_EQ(test, told.len, tells ? param->len : 0);
	if (param->ret)
		MOCK_EXPECT_NO_CALLS(exp);
	else
		MOCK_EXPECT_LOG(exp, MOCK_BEGIN_CPU_ACCESS,
				MOCK_END_CPU_ACCESS);
	mock_exporter_put_last(exp);
}

static void begin_cpu_access_partial_tells_the_range(struct kunit *test)
{
	check_range_access(test, true);
}

static void begin_cpu_access_partial_falls_back(struct kunit *test)
{
	check_range_access(test, false);
}

static void begin_cpu_access_partial_no_buffer(struct kunit *test)
{
	mock_warn_begin(test);
	KUNIT_EXPECT_EQ(test,
			dma_buf_begin_cpu_access_partial(NULL, DMA_TO_DEVICE, 0,
							 1), -EINVAL);
	mock_warn_end(test, "dma_buf_begin_cpu_access_partial", 1);
	mock_warn_begin(test);
	KUNIT_EXPECT_EQ(test,
			dma_buf_end_cpu_access_partial(NULL, DMA_TO_DEVICE, 0,
						       1), -EINVAL);
	mock_warn_end(test, "dma_buf_end_cpu_access_partial", 1);
}

static struct kunit_case dma_buf_cpu_range_cases[] = {
	KUNIT_CASE_PARAM(begin_cpu_access_partial_tells_the_range, range_gen_params),
	KUNIT_CASE_PARAM(begin_cpu_access_partial_falls_back, range_gen_params),
	KUNIT_CASE(begin_cpu_access_partial_no_buffer),
	{}
};

static struct kunit_suite dma_buf_cpu_range_suite = {
	.name = "dma_buf_cpu_range",
	.test_cases = dma_buf_cpu_range_cases,
};

kunit_test_suite(dma_buf_cpu_range_suite);

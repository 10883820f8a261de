// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page pool of the system heap: it serves buffers of any size, and gives
 * its memory back when others need it.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <limits.h>
#include <sys/mount.h>

#include "dmabuf_util.h"

#define MIB 1048576ul

#define POOL_MB "/sys/module/system_heap/parameters/pool_mb"
#define POOL_STATS "/sys/kernel/debug/dma-heap-pool-system"

/* Reads a statistic of the system heap's pool. */
static long pool_stat(const char *name)
{
	char text[2048], *line;

	if (read_file(POOL_STATS, text, sizeof(text)) < 0)
		return -1;
	line = strstr(text, name);
	return line ? atol(line + strlen(name)) : -1;
}

static void alloc_and_free(struct __test_metadata *_metadata, int heap, size_t size)
{
	int fd = heap_alloc_from(heap, size, O_RDWR | O_CLOEXEC);

	ASSERT_LE(0, fd);
	close(fd);
}

FIXTURE(pool)
{
	int heap;
	char limit[32];
};

FIXTURE_SETUP(pool)
{
	if (missing(SYSTEM_HEAP) || missing(POOL_STATS))
		SKIP(return, "no pool: CONFIG_DMABUF_HEAPS_SYSTEM, CONFIG_DEBUG_FS");
	self->heap = open(SYSTEM_HEAP, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->heap);
	ASSERT_LT(0, read_file(POOL_MB, self->limit, sizeof(self->limit)));
	ASSERT_EQ(0, write_file(POOL_MB, "16"));
	alloc_and_free(_metadata, self->heap, 8 * MIB);
	if (!pool_stat("pages: ")) {
		write_file(POOL_MB, self->limit);
		SKIP(return, "the pool keeps nothing: init_on_free=1");
	}
	/* Empty it. */
	ASSERT_EQ(0, write_file(POOL_MB, "0"));
	ASSERT_EQ(0, write_file(POOL_MB, "16"));
}

FIXTURE_TEARDOWN(pool)
{
	EXPECT_EQ(0, write_file(POOL_MB, self->limit));
	close(self->heap);
}

/* The limit counts for pages that the worker is zeroing too. */
TEST_F(pool, limit_of_zero_leaves_nothing)
{
	int i;

	for (i = 0; i < 20; i++) {
		alloc_and_free(_metadata, self->heap, 8 * MIB);
		EXPECT_LT(0, pool_stat("pages: "));
		EXPECT_EQ(0, write_file(POOL_MB, "0"));
		EXPECT_EQ(0, pool_stat("pages: "));
		EXPECT_EQ(0, write_file(POOL_MB, "16"));
	}
}

/* A limit that the pool cannot count must not pass for a negative one. */
TEST_F(pool, limit_beyond_a_long_is_refused)
{
	/* The kernel has 64 bits, whatever the program has. */
	unsigned long long max = LLONG_MAX / (MIB / page_size());
	char before[32], limit[32];

	alloc_and_free(_metadata, self->heap, 8 * MIB);
	ASSERT_LT(0, read_file(POOL_MB, before, sizeof(before)));
	snprintf(limit, sizeof(limit), "%llu", max + 1);
	EXPECT_EQ(-EINVAL, write_file(POOL_MB, limit));
	EXPECT_EQ(-EINVAL, write_file(POOL_MB, "-1"));
	ASSERT_LT(0, read_file(POOL_MB, limit, sizeof(limit)));
	EXPECT_STREQ(before, limit);
	EXPECT_LT(0, pool_stat("pages: "));
}

TEST_F(pool, single_pages_are_not_kept)
{
	int i;

	for (i = 0; i < 100; i++)
		alloc_and_free(_metadata, self->heap, page_size());
	if (page_size() < 65536)
		EXPECT_EQ(0, pool_stat("pages: "));
}

/* The pages of a large buffer fill the pool, and must make room. */
TEST_F(pool, full_pool_makes_room_for_small_buffers)
{
	long hits;
	int i;

	alloc_and_free(_metadata, self->heap, 32 * MIB);
	hits = pool_stat("\nhits: ") + pool_stat("dirty_hits: ");
	for (i = 0; i < 100; i++)
		alloc_and_free(_metadata, self->heap, 2 * 65536);
	hits = pool_stat("\nhits: ") + pool_stat("dirty_hits: ") - hits;
	/* Two hits each but for the first; the worker may have some pages. */
	EXPECT_LE(150, hits);
}

/* Reclaim of little memory must take it from the idle pool. */
TEST_F(pool, idle_pool_is_the_first_to_go)
{
	char dir[] = "/tmp/dmabuf-cgroup.XXXXXX", reclaim[64], control[64];
	long pages;
	int i;

	ASSERT_NE(NULL, mkdtemp(dir));
	snprintf(reclaim, sizeof(reclaim), "%s/memory.reclaim", dir);
	snprintf(control, sizeof(control), "%s/cgroup.subtree_control", dir);
	/* The root may lack a controller's files until it is enabled. */
	if (mount("none", dir, "cgroup2", 0, NULL) ||
	    write_file(control, "+memory") || missing(reclaim)) {
		umount(dir);
		rmdir(dir);
		SKIP(return, "no memory.reclaim: CONFIG_MEMCG");
	}
	alloc_and_free(_metadata, self->heap, 16 * MIB);
	pages = pool_stat("pages: ");
	EXPECT_LT(8 * MIB / page_size(), pages);
	/* The write fails if less can be reclaimed, which does not matter. */
	for (i = 0; i < 10; i++)
		write_file(reclaim, "64K");
	EXPECT_GT(pages / 8, pool_stat("pages: "));
	EXPECT_EQ(0, umount(dir));
	rmdir(dir);
}

TEST_HARNESS_MAIN

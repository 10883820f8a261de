// SPDX-License-Identifier: GPL-2.0-only
/*
 * udmabuf: valid arguments, the memory that a buffer shows, and its pins. Write
 * access is tested in udmabuf_access_kunit.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/falloc.h>
#include <linux/fcntl.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <uapi/linux/udmabuf.h>

#include "../heaps/udmabuf.h"
#include "heap_mock.h"
#include "mock.h"
#include "udmabuf_mock.h"

static void expect_marks(struct kunit *test, struct dma_buf *dmabuf,
			 const unsigned int *marks, unsigned int nr)
{
	struct iosys_map map;
	unsigned int i;
	u64 *word;

	KUNIT_ASSERT_EQ(test, dmabuf->size, nr * PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, dma_buf_vmap_unlocked(dmabuf, &map), 0);
	for (i = 0; i < nr; i++) {
		word = map.vaddr + i * PAGE_SIZE;
		KUNIT_EXPECT_EQ(test, *word, heap_mock_mark(marks[i]));
	}
	dma_buf_vunmap_unlocked(dmabuf, &map);
}

static void create_shows_the_range(struct kunit *test)
{
	static const unsigned int marks[] = { 3, 4, 5, 6 };
	struct memfd memfd = make_memfd(test, F_SEAL_SHRINK, 0);
	struct udmabuf_create_item one = memfd_item(&memfd, 3, 4);
	struct dma_buf *dmabuf = make_udmabuf(test, &one, 1);

	KUNIT_EXPECT_STREQ(test, dmabuf->exp_name, "udmabuf");
	KUNIT_EXPECT_TRUE(test, dmabuf->file->f_mode & FMODE_READ);
	KUNIT_EXPECT_TRUE(test, dmabuf->file->f_mode & FMODE_WRITE);
	expect_marks(test, dmabuf, marks, ARRAY_SIZE(marks));
	put_udmabuf(dmabuf);
	close_memfd(&memfd);
}

static void create_keeps_list_order(struct kunit *test)
{
	static const unsigned int marks[] = { 115, 0, 1, 2, 102, 0 };
	struct memfd a = make_memfd(test, F_SEAL_SHRINK, 0);
	struct memfd b = make_memfd(test, F_SEAL_SHRINK, 100);
	struct udmabuf_create_item items[] = {
		memfd_item(&b, 15, 1), memfd_item(&a, 0, 3),
		memfd_item(&b, 2, 1), memfd_item(&a, 0, 1),
	};
	struct dma_buf *dmabuf = make_udmabuf(test, items, ARRAY_SIZE(items));

	expect_marks(test, dmabuf, marks, ARRAY_SIZE(marks));
	put_udmabuf(dmabuf);
	close_memfd(&a);
	close_memfd(&b);
}

static void create_fills_holes(struct kunit *test)
{
	struct memfd memfd = make_memfd(test, F_SEAL_SHRINK, 0);
	struct udmabuf_create_item one = memfd_item(&memfd, 0, PAGES);
	struct dma_buf *dmabuf;
	struct iosys_map map;

	KUNIT_ASSERT_EQ(test, vfs_fallocate(memfd.file, FALLOC_FL_PUNCH_HOLE |
					    FALLOC_FL_KEEP_SIZE, 2 * PAGE_SIZE,
					    3 * PAGE_SIZE), 0);
	dmabuf = make_udmabuf(test, &one, 1);
	KUNIT_ASSERT_EQ(test, dma_buf_vmap_unlocked(dmabuf, &map), 0);
	KUNIT_EXPECT_NULL(test, memchr_inv(map.vaddr + 2 * PAGE_SIZE, 0,
					   3 * PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, *(u64 *)(map.vaddr + 5 * PAGE_SIZE),
			heap_mock_mark(5));
	dma_buf_vunmap_unlocked(dmabuf, &map);
	put_udmabuf(dmabuf);
	close_memfd(&memfd);
}

static void create_pins_until_release(struct kunit *test)
{
	struct memfd memfd = make_memfd(test, F_SEAL_SHRINK, 0);
	struct udmabuf_create_item one = memfd_item(&memfd, 2, 4);
	struct dma_buf *dmabuf = make_udmabuf(test, &one, 1);

	KUNIT_EXPECT_FALSE(test, memfd_is_pinned(test, &memfd, 1));
	KUNIT_EXPECT_TRUE(test, memfd_is_pinned(test, &memfd, 2));
	KUNIT_EXPECT_TRUE(test, memfd_is_pinned(test, &memfd, 5));
	KUNIT_EXPECT_FALSE(test, memfd_is_pinned(test, &memfd, 6));
	put_udmabuf(dmabuf);
	KUNIT_EXPECT_FALSE(test, memfd_is_pinned(test, &memfd, 2));
	KUNIT_EXPECT_FALSE(test, memfd_is_pinned(test, &memfd, 5));
	close_memfd(&memfd);
}

struct creation {
	struct udmabuf_create_item item;
	struct completion done;
	long fd;
};

static int create_one(void *data)
{
	struct creation *c = data;

	c->fd = udmabuf_create(&c->item, 1, UDMABUF_FLAGS_CLOEXEC);
	complete_all(&c->done);
	return 0;
}

/*
 * Who punches a hole holds the inode lock. Pages that are pinned meanwhile might
 * leave the memfd, and the buffer would show what the memfd does not.
 */
static void create_waits_for_hole_punching(struct kunit *test)
{
	struct memfd memfd = make_memfd(test, F_SEAL_SHRINK, 0);
	struct creation c = { .item = memfd_item(&memfd, 2, 4) };
	struct task_struct *task;

	init_completion(&c.done);
	inode_lock(file_inode(memfd.file));
	task = kthread_run(create_one, &c, "creator");
	if (!IS_ERR(task))
		KUNIT_EXPECT_EQ(test, wait_for_completion_timeout(&c.done, HZ / 5), 0);
	inode_unlock(file_inode(memfd.file));
	KUNIT_ASSERT_FALSE(test, IS_ERR(task));
	wait_for_completion(&c.done);
	KUNIT_ASSERT_GE(test, c.fd, 0);
	KUNIT_EXPECT_TRUE(test, memfd_is_pinned(test, &memfd, 2));
	KUNIT_EXPECT_EQ(test, close_fd(c.fd), 0);
	mock_flush_files();
	close_memfd(&memfd);
}

/* Without this reclaim would drop data that was written through the buffer. */
static void free_run_marks_memory_dirty(struct kunit *test)
{
	struct memfd memfd = make_memfd(test, F_SEAL_SHRINK, 0);
	struct udmabuf_create_item one = memfd_item(&memfd, 2, 4);
	struct dma_buf *dmabuf;

	KUNIT_ASSERT_EQ(test, vfs_fallocate(memfd.file, FALLOC_FL_PUNCH_HOLE |
					    FALLOC_FL_KEEP_SIZE, 2 * PAGE_SIZE,
					    4 * PAGE_SIZE), 0);
	dmabuf = make_udmabuf(test, &one, 1);
	KUNIT_EXPECT_FALSE(test, memfd_is_dirty(test, &memfd, 2));
	KUNIT_EXPECT_FALSE(test, memfd_is_dirty(test, &memfd, 5));
	put_udmabuf(dmabuf);
	KUNIT_EXPECT_TRUE(test, memfd_is_dirty(test, &memfd, 2));
	KUNIT_EXPECT_TRUE(test, memfd_is_dirty(test, &memfd, 5));
	close_memfd(&memfd);
}

/* The memfd has lost a part of the memory, then all of it. */
static void free_run_after_memory_left_memfd(struct kunit *test)
{
	struct memfd memfd = make_memfd(test, F_SEAL_SHRINK, 0);
	struct udmabuf_create_item items[] = {
		memfd_item(&memfd, 0, 4), memfd_item(&memfd, 2, PAGES - 2),
	};
	struct dma_buf *dmabuf = make_udmabuf(test, items, ARRAY_SIZE(items));

	KUNIT_ASSERT_EQ(test, vfs_fallocate(memfd.file, FALLOC_FL_PUNCH_HOLE |
					    FALLOC_FL_KEEP_SIZE, 2 * PAGE_SIZE,
					    4 * PAGE_SIZE), 0);
	close_memfd(&memfd);
	put_udmabuf(dmabuf);
}

static void create_failure_unpins(struct kunit *test)
{
	struct memfd good = make_memfd(test, F_SEAL_SHRINK, 0);
	struct memfd bad = make_memfd(test, 0, 0);
	struct udmabuf_create_item items[] = {
		memfd_item(&good, 0, PAGES), memfd_item(&bad, 0, 1),
	};
	unsigned int fds = mock_count_fds();

	KUNIT_EXPECT_EQ(test, udmabuf_create(items, 2, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, mock_count_fds(), fds);
	KUNIT_EXPECT_FALSE(test, memfd_is_pinned(test, &good, 0));
	KUNIT_EXPECT_FALSE(test, memfd_is_pinned(test, &good, PAGES - 1));

	/* A range beyond the end of the memfd pins nothing. */
	items[0] = memfd_item(&good, 1, PAGES);
	KUNIT_EXPECT_EQ(test, udmabuf_create(items, 1, 0), -EINVAL);
	KUNIT_EXPECT_FALSE(test, memfd_is_pinned(test, &good, 1));
	close_memfd(&good);
	close_memfd(&bad);
}

static void create_without_fd_pins_nothing(struct kunit *test)
{
	struct memfd memfd = make_memfd(test, F_SEAL_SHRINK, 0);
	struct udmabuf_create_item one = memfd_item(&memfd, 0, PAGES);

	mock_forbid_fds(true);
	KUNIT_EXPECT_EQ(test, udmabuf_create(&one, 1, 0), -EMFILE);
	mock_forbid_fds(false);
	KUNIT_EXPECT_FALSE(test, memfd_is_pinned(test, &memfd, 0));
	close_memfd(&memfd);
}

struct seals_case {
	const char *name;
	unsigned int seals;
	long want;
};

static const struct seals_case seals_cases[] = {
	{ "shrink", F_SEAL_SHRINK, 0 },
	{ "shrink, grow and seal",
	  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, 0 },
	{ "none", 0, -EINVAL },
	{ "grow", F_SEAL_GROW, -EINVAL },
	{ "shrink and write", F_SEAL_SHRINK | F_SEAL_WRITE, -EINVAL },
	{ "shrink and future write", F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE,
	  -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(seals, seals_cases, name);

static void check_seals_decides(struct kunit *test)
{
	const struct seals_case *c = test->param_value;
	struct memfd memfd = make_memfd(test, c->seals, 0);
	struct udmabuf_create_item one = memfd_item(&memfd, 0, 1);
	long ret = udmabuf_create(&one, 1, UDMABUF_FLAGS_CLOEXEC);

	if (ret >= 0) {
		close_fd(ret);
		mock_flush_files();
		ret = 0;
	}
	KUNIT_EXPECT_EQ(test, ret, c->want);
	close_memfd(&memfd);
}

struct range_case {
	const char *name;
	u64 offset, size;
};

static const struct range_case range_cases[] = {
	{ "offset within a page", 1, PAGE_SIZE },
	{ "size within a page", 0, PAGE_SIZE - 1 },
	{ "size of zero", 0, 0 },
	{ "beyond the file", PAGES * PAGE_SIZE, PAGE_SIZE },
	{ "largest offset", U64_MAX & PAGE_MASK, PAGE_SIZE },
	{ "negative offset", 1ull << 63, PAGE_SIZE },
	{ "end overflows", (1ull << 63) - PAGE_SIZE, 2 * PAGE_SIZE },
	{ "largest size", 0, U64_MAX & PAGE_MASK },
	{ "4 GiB", 0, SZ_4G },
};

KUNIT_ARRAY_PARAM_DESC(range, range_cases, name);

static void create_bad_range(struct kunit *test)
{
	const struct range_case *c = test->param_value;
	struct memfd memfd = make_memfd(test, F_SEAL_SHRINK, 0);
	struct udmabuf_create_item items[] = {
		memfd_item(&memfd, 0, 1), {
			.memfd = memfd.fd,
			.offset = c->offset,
			.size = c->size,
		},
	};

	KUNIT_EXPECT_EQ(test, udmabuf_create(items + 1, 1, 0), -EINVAL);
	/* A valid item before it does not help. */
	KUNIT_EXPECT_EQ(test, udmabuf_create(items, 2, 0), -EINVAL);
	close_memfd(&memfd);
}

static void create_total_wraps(struct kunit *test)
{
	struct memfd memfd = make_memfd(test, F_SEAL_SHRINK, 0);
	struct udmabuf_create_item items[] = {
		memfd_item(&memfd, 0, 1), memfd_item(&memfd, 0, 1), memfd_item(&memfd, 0, 1),
	};

	items[0].size = 1ull << 63;
	items[1].size = 1ull << 63;
	KUNIT_EXPECT_EQ(test, udmabuf_create(items, 3, 0), -EINVAL);
	KUNIT_EXPECT_EQ(test, udmabuf_create(items, 0, 0), -EINVAL);
	close_memfd(&memfd);
}

static void create_bad_descriptor(struct kunit *test)
{
	struct memfd memfd = make_memfd(test, F_SEAL_SHRINK, 0);
	struct udmabuf_create_item one = memfd_item(&memfd, 0, 1);
	struct udmabuf_create_item two;
	long fd;

	/* No descriptor at all, and one of a file that has no seals. */
	one.memfd = 1 << 20;
	KUNIT_EXPECT_EQ(test, udmabuf_create(&one, 1, 0), -EBADFD);
	one.memfd = -1;
	KUNIT_EXPECT_EQ(test, udmabuf_create(&one, 1, 0), -EBADFD);

	two = memfd_item(&memfd, 0, 1);
	fd = udmabuf_create(&two, 1, 0);
	KUNIT_ASSERT_GE(test, fd, 0);
	two.memfd = fd;
	KUNIT_EXPECT_EQ(test, udmabuf_create(&two, 1, 0), -EBADFD);
	close_fd(fd);
	mock_flush_files();
	close_memfd(&memfd);
}

/* No device has been seen yet, and it works all the same. */
static void end_cpu_access_after_creation(struct kunit *test)
{
	struct memfd memfd = make_memfd(test, F_SEAL_SHRINK, 0);
	struct udmabuf_create_item one = memfd_item(&memfd, 0, PAGES);
	struct dma_buf *dmabuf = make_udmabuf(test, &one, 1);

	KUNIT_EXPECT_EQ(test, dma_buf_end_cpu_access(dmabuf, DMA_TO_DEVICE),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, dma_buf_begin_cpu_access(dmabuf, DMA_TO_DEVICE),
			0);
	KUNIT_EXPECT_EQ(test, dma_buf_end_cpu_access(dmabuf, DMA_TO_DEVICE),
			0);
	put_udmabuf(dmabuf);
	close_memfd(&memfd);
}

static void map_covers_the_buffer(struct kunit *test)
{
	struct memfd memfd = make_memfd(test, F_SEAL_SHRINK, 0);
	struct udmabuf_create_item one = memfd_item(&memfd, 1, PAGES - 2);
	struct dma_buf *dmabuf = make_udmabuf(test, &one, 1);
	struct device *dev = heap_mock_device(test);
	struct dma_buf_attachment *attach = dma_buf_attach(dmabuf, dev);
	struct scatterlist *sg;
	struct sg_table *sgt;
	size_t size = 0;
	int i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, attach);
	sgt = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, sgt);
	for_each_sgtable_dma_sg(sgt, sg, i)
		size += sg_dma_len(sg);
	KUNIT_EXPECT_EQ(test, size, dmabuf->size);
	dma_buf_unmap_attachment_unlocked(attach, sgt, DMA_BIDIRECTIONAL);
	dma_buf_detach(dmabuf, attach);
	put_udmabuf(dmabuf);
	close_memfd(&memfd);
}

/* Unknown flags and the padding have no effect, as in 6.12. */
static void create_ignores_unknown_bits(struct kunit *test)
{
	static const unsigned int marks[] = { 7, 8 };
	struct memfd memfd = make_memfd(test, F_SEAL_SHRINK, 0);
	struct udmabuf_create_item one = memfd_item(&memfd, 7, 2);
	struct dma_buf *dmabuf;
	long fd;

	one.__pad = ~0u;
	fd = udmabuf_create(&one, 1, ~UDMABUF_FLAGS_CLOEXEC);
	KUNIT_ASSERT_GE(test, fd, 0);
	KUNIT_EXPECT_FALSE(test, get_close_on_exec(fd));
	dmabuf = dma_buf_get(fd);
	KUNIT_ASSERT_EQ(test, close_fd(fd), 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dmabuf);
	expect_marks(test, dmabuf, marks, ARRAY_SIZE(marks));
	KUNIT_EXPECT_EQ(test, dmabuf->file->f_flags & ~O_LARGEFILE, O_RDWR);
	put_udmabuf(dmabuf);
	close_memfd(&memfd);
}

struct limits_case {
	const char *name;
	u64 bytes;
	int size_mb;
	u64 range_bytes;
};

static const struct limits_case limits_cases[] = {
	{ "no memory", 0, 64, SZ_64M },
	{ "256 MiB", SZ_256M, 64, SZ_64M },
	{ "512 MiB", SZ_512M, 128, SZ_128M },
	{ "2 GiB", SZ_2G, 512, SZ_512M },
	{ "64 GiB", 64ull * SZ_1G, 16384, 16ull * SZ_1G },
	{ "all", U64_MAX, INT_MAX, 1ull << 51 },
};

KUNIT_ARRAY_PARAM_DESC(limits, limits_cases, name);

static void default_size_mb_follows_memory(struct kunit *test)
{
	const struct limits_case *c = test->param_value;
	int ranges = udmabuf_default_ranges(c->size_mb);

	KUNIT_EXPECT_EQ(test, udmabuf_default_size_mb(c->bytes), c->size_mb);
	KUNIT_EXPECT_EQ(test, ranges, clamp(c->range_bytes >> PAGE_SHIFT,
					    1024ull, 65536ull));
}

/* The module parameter may hold any value. */
static void default_ranges_minimum(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, udmabuf_default_ranges(0), 1024);
	KUNIT_EXPECT_EQ(test, udmabuf_default_ranges(-7), 1024);
}

static struct kunit_case udmabuf_cases[] = {
	KUNIT_CASE(create_shows_the_range),
	KUNIT_CASE(create_keeps_list_order),
	KUNIT_CASE(create_fills_holes),
	KUNIT_CASE(create_pins_until_release),
	KUNIT_CASE(create_waits_for_hole_punching),
	KUNIT_CASE(free_run_marks_memory_dirty),
	KUNIT_CASE(free_run_after_memory_left_memfd),
	KUNIT_CASE(create_failure_unpins),
	KUNIT_CASE(create_without_fd_pins_nothing),
	KUNIT_CASE_PARAM(check_seals_decides, seals_gen_params),
	KUNIT_CASE_PARAM(create_bad_range, range_gen_params),
	KUNIT_CASE(create_total_wraps),
	KUNIT_CASE(create_bad_descriptor),
	KUNIT_CASE(end_cpu_access_after_creation),
	KUNIT_CASE(map_covers_the_buffer),
	KUNIT_CASE(create_ignores_unknown_bits),
	KUNIT_CASE_PARAM(default_size_mb_follows_memory, limits_gen_params),
	KUNIT_CASE(default_ranges_minimum),
	{}
};

static struct kunit_suite udmabuf_suite = {
	.name = "udmabuf",
	.test_cases = udmabuf_cases,
};

kunit_test_suite(udmabuf_suite);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * udmabufs share the memory of one or more memfds in the order of the list,
 * keep it pinned, lose no data, and may be used by two threads at once.
 * Arguments: dmabuf_udmabuf_args.c; write access: dmabuf_udmabuf_access.c; huge
 * pages: dmabuf_udmabuf_huge.c.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <sys/wait.h>

#include "dmabuf_util.h"

#define PAGES 8

FIXTURE(udmabuf)
{
	int dev;
	int memfd;
	int fd;
	size_t page, size;
	char *mem; /* the memfd's mapping */
	char *map; /* the buffer's mapping */
};

static void *map_shared(int fd, size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static void put(char *at, const char *text)
{
	memcpy(at, text, strlen(text) + 1);
}

FIXTURE_SETUP(udmabuf)
{
	if (missing("/dev/udmabuf"))
		SKIP(return, "no /dev/udmabuf: CONFIG_UDMABUF");
	self->page = page_size();
	self->size = PAGES * self->page;
	self->dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->dev);
	self->memfd = sealed_memfd(self->size);
	ASSERT_LE(0, self->memfd);
	self->mem = map_shared(self->memfd, self->size);
	ASSERT_NE(MAP_FAILED, self->mem);
	self->fd = udmabuf_create(self->dev, self->memfd, 0, self->size);
	ASSERT_LE(0, self->fd);
	self->map = map_shared(self->fd, self->size);
	ASSERT_NE(MAP_FAILED, self->map);
}

FIXTURE_TEARDOWN(udmabuf)
{
	munmap(self->map, self->size);
	munmap(self->mem, self->size);
	close(self->fd);
	close(self->memfd);
	close(self->dev);
}

TEST_F(udmabuf, contents_are_shared_both_ways)
{
	size_t i;

	for (i = 0; i < PAGES; i++)
		sprintf(self->mem + i * self->page, "from memory %zu", i);
	for (i = 0; i < PAGES; i++) {
		char want[32];

		sprintf(want, "from memory %zu", i);
		EXPECT_STREQ(want, self->map + i * self->page);
		sprintf(self->map + i * self->page, "from buffer %zu", i);
		sprintf(want, "from buffer %zu", i);
		EXPECT_STREQ(want, self->mem + i * self->page);
	}
}

TEST_F(udmabuf, file_io_on_the_memfd_shows_in_the_buffer)
{
	char back[16] = "";

	ASSERT_EQ(6, pwrite(self->memfd, "hello", 6, 3 * self->page));
	EXPECT_STREQ("hello", self->map + 3 * self->page);
	put(self->map + 3 * self->page, "world");
	ASSERT_EQ(6, pread(self->memfd, back, 6, 3 * self->page));
	EXPECT_STREQ("world", back);
}

TEST_F(udmabuf, describes_itself)
{
	char path[64], text[512];

	EXPECT_EQ(self->size, lseek(self->fd, 0, SEEK_END));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->fd);
	ASSERT_LT(0, read_file(path, text, sizeof(text)));
	EXPECT_NE(NULL, strstr(text, "\nexp_name:\tudmabuf\n"));
}

TEST_F(udmabuf, outlives_memfd_and_device)
{
	put(self->mem, "kept");
	munmap(self->mem, self->size);
	close(self->memfd);
	close(self->dev);
	EXPECT_STREQ("kept", self->map);
	self->mem = map_shared(self->fd, self->size);
	ASSERT_NE(MAP_FAILED, self->mem);
	EXPECT_STREQ("kept", self->mem);
	self->memfd = -1;
	self->dev = -1;
}

TEST_F(udmabuf, memory_cannot_be_cut_away)
{
	EXPECT_EQ(-EPERM, sys_ret(ftruncate(self->memfd, self->page)));
	EXPECT_EQ(0, sys_ret(ftruncate(self->memfd, 2 * self->size)));
	EXPECT_EQ(self->size, lseek(self->fd, 0, SEEK_END));
}

/* A hole takes pages from the memfd, but the buffer has them pinned. */
TEST_F(udmabuf, hole_in_the_memfd_leaves_the_buffer_its_pages)
{
	put(self->map + self->page, "pinned");
	ASSERT_EQ(0, fallocate(self->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       self->page, self->page));
	EXPECT_STREQ("", self->mem + self->page);
	EXPECT_STREQ("pinned", self->map + self->page);
}

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT 21
#endif

/* Reclaims the memfd, and returns the number of pages without @value. */
static int pages_lost(char *mem, size_t page, char value)
{
	int i, lost = 0;

	for (i = 0; i < PAGES; i++)
		(void)__atomic_load_n(mem + i * page, __ATOMIC_RELAXED);
	if (madvise(mem, PAGES * page, MADV_PAGEOUT))
		return -errno;
	for (i = 0; i < PAGES; i++)
		lost += mem[i * page] != value;
	return lost;
}

/* Reclaim drops pages that are not marked dirty, even without swap. */
TEST_F(udmabuf, written_data_survives_reclaim)
{
	memset(self->map, 'a', self->size);
	EXPECT_EQ(0, pages_lost(self->mem, self->page, 'a'));
	munmap(self->map, self->size);
	EXPECT_EQ(0, pages_lost(self->mem, self->page, 'a'));
	close(self->fd);
	EXPECT_EQ(0, pages_lost(self->mem, self->page, 'a'));
	self->fd = -1;
	self->map = NULL;
}

/* The last user of the buffer is a mapping of another process. */
TEST_F(udmabuf, data_of_a_child_survives_reclaim)
{
	unsigned long ino = db_ino(self->fd);
	int status;
	pid_t pid;

	if (missing(BUFINFO_PATH))
		SKIP(return, NEEDS_BUFINFO);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(self->fd);
		memset(self->map, 'c', self->size);
		_exit(0);
	}
	munmap(self->map, self->size);
	close(self->fd);
	self->fd = -1;
	self->map = NULL;
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(buffer_gone(ino));
	EXPECT_EQ(0, pages_lost(self->mem, self->page, 'c'));
}

TEST_F(udmabuf, mapping_must_be_shared)
{
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->page, PROT_READ, MAP_PRIVATE, self->fd, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->page, PROT_READ | PROT_WRITE, MAP_PRIVATE,
				   self->fd, 0));
	EXPECT_EQ(EINVAL, errno);
}

TEST_F(udmabuf, end_before_any_start_is_einval)
{
	EXPECT_EQ(-EINVAL, db_sync(self->fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW));
	EXPECT_EQ(0, db_sync(self->fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW));
	EXPECT_EQ(0, db_sync(self->fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW));
	EXPECT_EQ(0, db_sync(self->fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ));
	EXPECT_EQ(0, db_sync(self->fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ));
}

TEST_F(udmabuf, part_of_a_memfd)
{
	int fd = udmabuf_create(self->dev, self->memfd, 3 * self->page, 2 * self->page);
	char *part;

	ASSERT_LE(0, fd);
	put(self->mem + 3 * self->page, "three");
	put(self->mem + 4 * self->page, "four");
	EXPECT_EQ(2 * self->page, lseek(fd, 0, SEEK_END));
	part = map_shared(fd, 2 * self->page);
	ASSERT_NE(MAP_FAILED, part);
	EXPECT_STREQ("three", part);
	EXPECT_STREQ("four", part + self->page);
	EXPECT_EQ(MAP_FAILED, map_shared(fd, 3 * self->page));
	munmap(part, 2 * self->page);
	close(fd);
}

TEST_F(udmabuf, one_memory_in_several_buffers)
{
	int again = udmabuf_create(self->dev, self->memfd, 0, self->size);
	char *map;

	ASSERT_LE(0, again);
	EXPECT_NE(db_ino(self->fd), db_ino(again));
	map = map_shared(again, self->size);
	ASSERT_NE(MAP_FAILED, map);
	put(self->map, "one");
	EXPECT_STREQ("one", map);
	munmap(map, self->size);
	close(again);
}

/* A buffer of the pages of two memfds, alternately and backwards. */
static int create_woven(int dev, const int *memfd, size_t page)
{
	struct {
		struct udmabuf_create_list head;
		struct udmabuf_create_item list[2 * PAGES];
	} arg = { .head = { .flags = UDMABUF_FLAGS_CLOEXEC, .count = 2 * PAGES } };
	int i;

	for (i = 0; i < 2 * PAGES; i++) {
		arg.list[i].memfd = memfd[i % 2];
		arg.list[i].offset = (PAGES - 1 - i / 2) * page;
		arg.list[i].size = page;
	}
	return do_ioctl(dev, UDMABUF_CREATE_LIST, &arg);
}

TEST_F(udmabuf, list_is_laid_out_in_its_order)
{
	int memfd[2] = { self->memfd, sealed_memfd(self->size) }, fd, i;
	char *map, *mem[2], want[32];

	ASSERT_LE(0, memfd[1]);
	mem[0] = self->mem;
	mem[1] = map_shared(memfd[1], self->size);
	ASSERT_NE(MAP_FAILED, mem[1]);
	for (i = 0; i < 2 * PAGES; i++)
		sprintf(mem[i / PAGES] + i % PAGES * self->page, "%d.%d", i / PAGES, i % PAGES);
	fd = create_woven(self->dev, memfd, self->page);
	ASSERT_LE(0, fd);
	EXPECT_EQ(2 * self->size, lseek(fd, 0, SEEK_END));
	map = map_shared(fd, 2 * self->size);
	ASSERT_NE(MAP_FAILED, map);
	for (i = 0; i < 2 * PAGES; i++) {
		sprintf(want, "%d.%d", i % 2, PAGES - 1 - i / 2);
		EXPECT_STREQ(want, map + i * self->page);
	}
	munmap(map, 2 * self->size);
	munmap(mem[1], self->size);
	close(fd);
	close(memfd[1]);
}

TEST_F(udmabuf, same_page_may_stand_twice)
{
	struct {
		struct udmabuf_create_list head;
		struct udmabuf_create_item list[2];
	} arg = { .head = { .count = 2 } };
	char *map;
	int fd, i;

	for (i = 0; i < 2; i++)
		arg.list[i] = (struct udmabuf_create_item){
			.memfd = self->memfd, .size = self->page,
		};
	fd = do_ioctl(self->dev, UDMABUF_CREATE_LIST, &arg);
	ASSERT_LE(0, fd);
	map = map_shared(fd, 2 * self->page);
	ASSERT_NE(MAP_FAILED, map);
	put(map, "twice");
	EXPECT_STREQ("twice", map + self->page);
	EXPECT_STREQ("twice", self->mem);
	munmap(map, 2 * self->page);
	close(fd);
}

TEST_F(udmabuf, last_close_frees)
{
	unsigned long ino = db_ino(self->fd);

	if (missing(BUFINFO_PATH))
		SKIP(return, NEEDS_BUFINFO);
	EXPECT_EQ(1, bufinfo_has(ino));
	munmap(self->map, self->size);
	close(self->fd);
	self->map = NULL;
	self->fd = -1;
	EXPECT_TRUE(buffer_gone(ino));
	put(self->mem, "still there");
	EXPECT_STREQ("still there", self->mem);
}

struct first_use {
	pthread_barrier_t *start;
	int fd;
};

static int first_sync(void *arg)
{
	struct first_use *use = arg;
	int ret;

	pthread_barrier_wait(use->start);
	ret = db_sync(use->fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
	return ret ? ret : db_sync(use->fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW);
}

/* Window: two concurrent first begins both set up the state of the buffer. */
TEST_F_TIMEOUT(udmabuf, first_sync_of_two_threads, 120)
{
	__u64 end = now_ns(CLOCK_MONOTONIC) + 2000000000ull;
	pthread_barrier_t start;

	ASSERT_EQ(0, pthread_barrier_init(&start, NULL, 2));
	while (now_ns(CLOCK_MONOTONIC) < end) {
		int fd = udmabuf_create(self->dev, self->memfd, 0, self->size), i;
		struct first_use use = { &start, fd };
		struct task t[2];

		ASSERT_LE(0, fd);
		for (i = 0; i < 2; i++)
			ASSERT_EQ(0, task_start(&t[i], first_sync, &use));
		for (i = 0; i < 2; i++)
			ASSERT_EQ(0, task_join(&t[i]));
		close(fd);
	}
	pthread_barrier_destroy(&start);
}

TEST_HARNESS_MAIN

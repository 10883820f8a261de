// SPDX-License-Identifier: GPL-2.0-only
/*
 * udmabufs of huge pages: the memory they share, and where untouched pages come
 * from: they must not take the reservations of others.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <sys/time.h>

#include "dmabuf_util.h"

static void *map_shared(int fd, size_t size)
{
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

#define HUGE_SIZE (2u << 20)

FIXTURE(huge)
{
	int dev;
	int memfd;
	char *mem;
	char old[32];
};

FIXTURE_SETUP(huge)
{
	if (missing("/dev/udmabuf"))
		SKIP(return, "no /dev/udmabuf: CONFIG_UDMABUF");
	if (read_file("/proc/sys/vm/nr_hugepages", self->old, sizeof(self->old)) <= 0)
		SKIP(return, "no huge pages: CONFIG_HUGETLBFS");
	ASSERT_EQ(0, write_file("/proc/sys/vm/nr_hugepages", "8"));
	self->dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->dev);
	self->memfd = memfd_create("huge", MFD_ALLOW_SEALING | MFD_HUGETLB);
	ASSERT_LE(0, self->memfd);
	ASSERT_EQ(0, ftruncate(self->memfd, 2 * HUGE_SIZE));
	ASSERT_EQ(0, fcntl(self->memfd, F_ADD_SEALS, F_SEAL_SHRINK));
	self->mem = map_shared(self->memfd, 2 * HUGE_SIZE);
	ASSERT_NE(MAP_FAILED, self->mem);
}

FIXTURE_TEARDOWN(huge)
{
	munmap(self->mem, 2 * HUGE_SIZE);
	close(self->memfd);
	close(self->dev);
	write_file("/proc/sys/vm/nr_hugepages", self->old);
}

TEST_F(huge, whole_pages_are_shared)
{
	int fd = udmabuf_create(self->dev, self->memfd, 0, 2 * HUGE_SIZE);
	char *map;
	size_t off;

	ASSERT_LE(0, fd);
	map = map_shared(fd, 2 * HUGE_SIZE);
	ASSERT_NE(MAP_FAILED, map);
	for (off = 0; off < 2 * HUGE_SIZE; off += 65536) {
		memcpy(self->mem + off, &off, sizeof(off));
		EXPECT_EQ(0, memcmp(map + off, &off, sizeof(off)));
	}
	EXPECT_EQ(0, db_sync(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW));
	EXPECT_EQ(0, db_sync(fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW));
	munmap(map, 2 * HUGE_SIZE);
	close(fd);
}

/* A range of small pages across the border between two huge ones. */
TEST_F(huge, parts_of_pages_are_shared)
{
	size_t page = page_size(), off = HUGE_SIZE - 3 * page, i;
	int fd = udmabuf_create(self->dev, self->memfd, off, 6 * page);
	char *map;

	ASSERT_LE(0, fd);
	for (i = 0; i < 6; i++)
		self->mem[off + i * page] = 'a' + i;
	map = map_shared(fd, 6 * page);
	ASSERT_NE(MAP_FAILED, map);
	for (i = 0; i < 6; i++)
		EXPECT_EQ('a' + i, map[i * page]);
	map[5 * page] = 'z';
	EXPECT_EQ('z', self->mem[off + 5 * page]);
	munmap(map, 6 * page);
	close(fd);
}

/* Reads a count of huge pages from /proc/meminfo. */
static long huge_count(const char *name)
{
	char text[8192], *line;

	if (read_file("/proc/meminfo", text, sizeof(text)) <= 0)
		return -1;
	line = strstr(text, name);
	return line ? atol(line + strlen(name) + 1) : -1;
}

/* Makes a memfd of @nr huge pages that is neither mapped nor touched. */
static int untouched_memfd(size_t nr)
{
	int fd = memfd_create("untouched", MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, nr * HUGE_SIZE) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK))
		return -errno;
	return fd;
}

TEST_F(huge, untouched_pages_leave_reservations_alone)
{
	long reserved = huge_count("HugePages_Rsvd"), free = huge_count("HugePages_Free");
	int memfd = untouched_memfd(2), fd;
	char *map;

	ASSERT_LE(0, memfd);
	fd = udmabuf_create(self->dev, memfd, page_size(), HUGE_SIZE);
	ASSERT_LE(0, fd);
	EXPECT_EQ(reserved, huge_count("HugePages_Rsvd"));
	EXPECT_EQ(free - 2, huge_count("HugePages_Free"));
	map = map_shared(fd, HUGE_SIZE);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, map[0]);
	EXPECT_EQ(0, map[HUGE_SIZE - 1]);
	munmap(map, HUGE_SIZE);
	close(fd);
	close(memfd);
	EXPECT_TRUE(wait_until(huge_count("HugePages_Free") == free));
	EXPECT_EQ(reserved, huge_count("HugePages_Rsvd"));
}

/* The fixture has the memfd mapped, and so its pages are reserved. */
TEST_F(huge, own_reservation_is_used)
{
	long reserved = huge_count("HugePages_Rsvd"), free = huge_count("HugePages_Free");
	int fd = udmabuf_create(self->dev, self->memfd, 0, 2 * HUGE_SIZE);

	ASSERT_LE(0, fd);
	EXPECT_EQ(reserved - 2, huge_count("HugePages_Rsvd"));
	EXPECT_EQ(free - 2, huge_count("HugePages_Free"));
	close(fd);
}

TEST_F(huge, pages_reserved_by_others_are_not_taken)
{
	size_t nr = huge_count("HugePages_Free") - huge_count("HugePages_Rsvd"), i;
	int memfd = untouched_memfd(1);
	char *own;

	ASSERT_LE(0, memfd);
	ASSERT_GT(100, nr);
	own = mmap(NULL, nr * HUGE_SIZE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	ASSERT_NE(MAP_FAILED, own);
	EXPECT_ERRNO(ENOMEM, udmabuf_create(self->dev, memfd, 0, HUGE_SIZE));
	for (i = 0; i < nr; i++)
		own[i * HUGE_SIZE] = 1;
	munmap(own, nr * HUGE_SIZE);
	close(memfd);
}

TEST_F(huge, untouched_pages_of_a_read_only_memfd)
{
	int memfd = untouched_memfd(1), reader, fd;
	char path[64];

	ASSERT_LE(0, memfd);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memfd);
	reader = open(path, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, reader);
	fd = udmabuf_create(self->dev, reader, 0, HUGE_SIZE);
	EXPECT_LE(0, fd);
	close(fd);
	close(reader);
	close(memfd);
}

TEST_F(huge, what_is_refused_allocates_nothing)
{
	long free = huge_count("HugePages_Free");
	int memfd = untouched_memfd(1), bare;
	struct stat st;

	ASSERT_LE(0, memfd);
	EXPECT_ERRNO(EINVAL, udmabuf_create(self->dev, memfd, 0, 2 * HUGE_SIZE));
	EXPECT_ERRNO(EINVAL, udmabuf_create(self->dev, memfd, HUGE_SIZE, page_size()));
	ASSERT_EQ(0, fstat(memfd, &st));
	EXPECT_EQ(HUGE_SIZE, st.st_size);
	bare = memfd_create("bare", MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_CLOEXEC);
	ASSERT_LE(0, bare);
	ASSERT_EQ(0, ftruncate(bare, HUGE_SIZE));
	EXPECT_ERRNO(EINVAL, udmabuf_create(self->dev, bare, 0, HUGE_SIZE));
	EXPECT_EQ(free, huge_count("HugePages_Free"));
	close(bare);
	close(memfd);
}

struct punch {
	atomic_bool *end;
	int memfd;
};

static int punch_holes(void *arg)
{
	struct punch *punch = arg;

	while (!*punch->end)
		if (fallocate(punch->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			      2 * HUGE_SIZE))
			return -errno;
	return 0;
}

/*
 * Window: pages are punched out after their allocation, before they are pinned.
 */
TEST_F_TIMEOUT(huge, holes_punched_meanwhile, 120)
{
	long reserved = huge_count("HugePages_Rsvd");
	int memfd = untouched_memfd(2);
	__u64 end = now_ns(CLOCK_MONOTONIC) + 2000000000ull;
	atomic_bool stop = false;
	struct punch punch = { &stop, memfd };
	struct task t;

	ASSERT_LE(0, memfd);
	ASSERT_EQ(0, task_start(&t, punch_holes, &punch));
	while (now_ns(CLOCK_MONOTONIC) < end) {
		int fd = udmabuf_create(self->dev, memfd, 0, 2 * HUGE_SIZE);

		EXPECT_TRUE(fd >= 0 || fd == -EBUSY);
		EXPECT_GT(100, huge_count("HugePages_Rsvd"));
		close(fd);
	}
	stop = true;
	EXPECT_EQ(0, task_join(&t));
	EXPECT_EQ(reserved, huge_count("HugePages_Rsvd"));
	close(memfd);
}

static void ignore_alarm(int sig)
{
}

/* A signal during the allocation of pages must not make the call fail. */
TEST_F_TIMEOUT(huge, signals_do_not_fail_the_allocation, 120)
{
	struct itimerval often = { { 0, 2000 }, { 0, 2000 } }, never = { 0 };
	__u64 end = now_ns(CLOCK_MONOTONIC) + 1000000000ull;

	signal(SIGALRM, ignore_alarm);
	while (now_ns(CLOCK_MONOTONIC) < end) {
		int memfd = untouched_memfd(2), fd;

		ASSERT_LE(0, memfd);
		setitimer(ITIMER_REAL, &often, NULL);
		fd = udmabuf_create(self->dev, memfd, 0, 2 * HUGE_SIZE);
		setitimer(ITIMER_REAL, &never, NULL);
		EXPECT_LE(0, fd);
		close(fd);
		close(memfd);
	}
}

TEST_HARNESS_MAIN

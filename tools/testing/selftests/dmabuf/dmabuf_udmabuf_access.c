// SPDX-License-Identifier: GPL-2.0-only
/*
 * Write access to a udmabuf requires write access to all of its memfds, by
 * their descriptors on creation and by their seals on mmap; and the parameter
 * that makes all buffers writable.
 *
 * Copyright (C) the dma-buf project authors
 */
#include "dmabuf_util.h"

#define PARAM "/sys/module/udmabuf/parameters/follow_memfd"
#define RW (PROT_READ | PROT_WRITE)

FIXTURE(access)
{
	int dev;
	int memfd[2];	/* writable */
	int reader[2];	/* the same two files, read-only */
	size_t page;
};

static int reopen(int fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return sys_ret(open(path, flags | O_CLOEXEC));
}

FIXTURE_SETUP(access)
{
	int i;

	if (missing("/dev/udmabuf"))
		SKIP(return, "no /dev/udmabuf: CONFIG_UDMABUF");
	self->page = page_size();
	self->dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->dev);
	for (i = 0; i < 2; i++) {
		self->memfd[i] = sealed_memfd(self->page);
		ASSERT_LE(0, self->memfd[i]);
		self->reader[i] = reopen(self->memfd[i], O_RDONLY);
		ASSERT_LE(0, self->reader[i]);
	}
}

FIXTURE_TEARDOWN(access)
{
	int i;

	for (i = 0; i < 2; i++) {
		close(self->memfd[i]);
		close(self->reader[i]);
	}
	close(self->dev);
}

static int create_of_two(int dev, int first, int second)
{
	struct {
		struct udmabuf_create_list head;
		struct udmabuf_create_item list[2];
	} arg = {
		.head = { .flags = UDMABUF_FLAGS_CLOEXEC, .count = 2 },
		.list = {
			{ .memfd = first, .size = page_size() },
			{ .memfd = second, .size = page_size() },
		},
	};

	return do_ioctl(dev, UDMABUF_CREATE_LIST, &arg);
}

/* Maps pages and unmaps them at once. */
static int try_map(int fd, int prot, size_t first, size_t nr)
{
	void *map = mmap(NULL, nr * page_size(), prot, MAP_SHARED, fd, first * page_size());

	if (map == MAP_FAILED)
		return -errno;
	munmap(map, nr * page_size());
	return 0;
}

/* Maps a page for reading and tries to make it writable. */
static int try_upgrade(int fd)
{
	void *map = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, fd, 0);
	int ret;

	if (map == MAP_FAILED)
		return -errno;
	ret = sys_ret(mprotect(map, page_size(), RW));
	munmap(map, page_size());
	return ret;
}

static int access_mode(int fd)
{
	return fcntl(fd, F_GETFL) & O_ACCMODE;
}

TEST_F(access, writable_memfd_makes_a_writable_buffer)
{
	int fd = create_of_two(self->dev, self->memfd[0], self->memfd[1]);

	ASSERT_LE(0, fd);
	EXPECT_EQ(O_RDWR, access_mode(fd));
	EXPECT_EQ(0, try_map(fd, RW, 0, 2));
	EXPECT_EQ(0, try_upgrade(fd));
	close(fd);
}

TEST_F(access, read_only_memfd_makes_a_read_only_buffer)
{
	int fd = udmabuf_create(self->dev, self->reader[0], 0, self->page);
	char *map;

	ASSERT_LE(0, fd);
	EXPECT_EQ(O_RDONLY, access_mode(fd));
	EXPECT_EQ(-EACCES, try_map(fd, RW, 0, 1));
	EXPECT_EQ(-EACCES, try_map(fd, PROT_WRITE, 0, 1));
	EXPECT_EQ(-EACCES, try_upgrade(fd));
	ASSERT_EQ(5, pwrite(self->memfd[0], "seen", 5, 0));
	map = mmap(NULL, self->page, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_STREQ("seen", map);
	munmap(map, self->page);
	close(fd);
}

TEST_F(access, one_read_only_memfd_makes_all_read_only)
{
	int i;

	for (i = 0; i < 2; i++) {
		int fd = i ? create_of_two(self->dev, self->reader[0], self->memfd[1])
			   : create_of_two(self->dev, self->memfd[0], self->reader[1]);

		ASSERT_LE(0, fd);
		EXPECT_EQ(O_RDONLY, access_mode(fd));
		EXPECT_EQ(-EACCES, try_map(fd, RW, 0, 1));
		EXPECT_EQ(-EACCES, try_map(fd, RW, 1, 1));
		EXPECT_EQ(0, try_map(fd, PROT_READ, 0, 2));
		close(fd);
	}
}

TEST_F(access, write_only_memfd_makes_a_buffer_that_cannot_be_read)
{
	int writer = reopen(self->memfd[0], O_WRONLY), fd;

	ASSERT_LE(0, writer);
	fd = udmabuf_create(self->dev, writer, 0, self->page);
	ASSERT_LE(0, fd);
	EXPECT_EQ(O_WRONLY, access_mode(fd));
	EXPECT_EQ(-EACCES, try_map(fd, PROT_READ, 0, 1));
	EXPECT_EQ(-EACCES, try_map(fd, PROT_WRITE, 0, 1));
	close(fd);
	EXPECT_ERRNO(EACCES, create_of_two(self->dev, self->reader[0], writer));
	close(writer);
}

/* As for the memfd itself, the seal does not stop existing writers. */
TEST_F(access, seal_added_later_stops_new_writers)
{
	int fd = create_of_two(self->dev, self->memfd[0], self->memfd[1]);
	char *early, *memory;

	ASSERT_LE(0, fd);
	early = mmap(NULL, 2 * self->page, RW, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, early);
	ASSERT_EQ(0, fcntl(self->memfd[1], F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	EXPECT_EQ(-EPERM, try_map(self->memfd[1], RW, 0, 1));

	EXPECT_EQ(-EPERM, try_map(fd, RW, 0, 2));
	EXPECT_EQ(-EPERM, try_map(fd, RW, 1, 1));
	EXPECT_EQ(-EPERM, try_map(fd, PROT_WRITE, 1, 1));
	EXPECT_EQ(0, try_map(fd, PROT_READ, 0, 2));
	EXPECT_EQ(0, try_map(fd, RW, 0, 1));

	memcpy(early + self->page, "early", 6);
	memory = mmap(NULL, self->page, PROT_READ, MAP_SHARED, self->memfd[1], 0);
	ASSERT_NE(MAP_FAILED, memory);
	EXPECT_STREQ("early", memory);
	munmap(memory, self->page);
	munmap(early, 2 * self->page);
	close(fd);
}

TEST_F(access, sealed_mapping_cannot_be_made_writable)
{
	int fd = udmabuf_create(self->dev, self->memfd[0], 0, self->page);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, try_upgrade(fd));
	ASSERT_EQ(0, fcntl(self->memfd[0], F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	EXPECT_EQ(-EACCES, try_upgrade(fd));
	close(fd);
}

TEST_F(access, huge_pages_follow_their_seal)
{
	size_t size = 2 << 20;
	char old[32];
	int memfd, fd;
	char *map;

	if (read_file("/proc/sys/vm/nr_hugepages", old, sizeof(old)) <= 0)
		SKIP(return, "no huge pages: CONFIG_HUGETLBFS");
	ASSERT_EQ(0, write_file("/proc/sys/vm/nr_hugepages", "2"));
	memfd = memfd_create("huge", MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_CLOEXEC);
	ASSERT_LE(0, memfd);
	ASSERT_EQ(0, ftruncate(memfd, size));
	ASSERT_EQ(0, fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK));
	map = mmap(NULL, size, RW, MAP_SHARED, memfd, 0);
	ASSERT_NE(MAP_FAILED, map);
	map[0] = 1;
	munmap(map, size);
	fd = udmabuf_create(self->dev, memfd, 0, size);
	EXPECT_LE(0, fd);
	EXPECT_EQ(0, try_map(fd, RW, 1, 1));
	EXPECT_EQ(0, fcntl(memfd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	EXPECT_EQ(-EPERM, try_map(fd, RW, 1, 1));
	EXPECT_EQ(0, try_map(fd, PROT_READ, 1, 1));
	close(fd);
	close(memfd);
	write_file("/proc/sys/vm/nr_hugepages", old);
}

TEST_F(access, parameter_makes_everything_writable)
{
	int reader, sealed;

	sealed = udmabuf_create(self->dev, self->memfd[1], 0, self->page);
	ASSERT_LE(0, sealed);
	ASSERT_EQ(0, fcntl(self->memfd[1], F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	ASSERT_LE(0, write_file(PARAM, "N"));
	reader = udmabuf_create(self->dev, self->reader[0], 0, self->page);
	EXPECT_LE(0, reader);
	EXPECT_EQ(O_RDWR, access_mode(reader));
	EXPECT_EQ(0, try_map(reader, RW, 0, 1));
	EXPECT_EQ(0, try_map(sealed, RW, 0, 1));
	EXPECT_LE(0, write_file(PARAM, "Y"));
	EXPECT_EQ(-EPERM, try_map(sealed, RW, 0, 1));
	close(reader);
	close(sealed);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The arguments of CREATE and CREATE_LIST of /dev/udmabuf: valid seals and
 * kinds of files, and the two limits. A failed call leaves no descriptor. The
 * buffers are tested in dmabuf_udmabuf.c.
 *
 * Copyright (C) the dma-buf project authors
 */
#include "dmabuf_util.h"

#define PARAM "/sys/module/udmabuf/parameters/"
#define PAGES 8

FIXTURE(args)
{
	int dev;
	int memfd;
	size_t page;
};

FIXTURE_SETUP(args)
{
	if (missing("/dev/udmabuf"))
		SKIP(return, "no /dev/udmabuf: CONFIG_UDMABUF");
	self->page = page_size();
	self->dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->dev);
	self->memfd = sealed_memfd(PAGES * self->page);
	ASSERT_LE(0, self->memfd);
}

FIXTURE_TEARDOWN(args)
{
	close(self->memfd);
	close(self->dev);
}

static int create_list(int dev, const struct udmabuf_create_item *items, __u32 count)
{
	struct {
		struct udmabuf_create_list head;
		struct udmabuf_create_item list[16];
	} arg = { .head = { .flags = UDMABUF_FLAGS_CLOEXEC, .count = count } };
	size_t n = count < 16 ? count : 16;

	memcpy(arg.list, items, n * sizeof(*items));
	return do_ioctl(dev, UDMABUF_CREATE_LIST, &arg);
}

TEST_F(args, unknown_command_is_enotty)
{
	__u64 room[8] = { 0 };

	EXPECT_ERRNO(ENOTTY, do_ioctl(self->dev, _IO('u', 0x42), room));
	EXPECT_ERRNO(ENOTTY, do_ioctl(self->dev, _IOW('u', 0x41, struct udmabuf_create), room));
	EXPECT_ERRNO(ENOTTY, do_ioctl(self->dev, _IO('u', 0x7f), room));
}

TEST_F(args, bad_pointer_is_efault)
{
	EXPECT_ERRNO(EFAULT, do_ioctl(self->dev, UDMABUF_CREATE, NULL));
	EXPECT_ERRNO(EFAULT, do_ioctl(self->dev, UDMABUF_CREATE_LIST, NULL));
	EXPECT_ERRNO(EFAULT, do_ioctl(self->dev, UDMABUF_CREATE, (void *)8));
}

/* The header is readable, the items behind it are not. */
TEST_F(args, list_running_off_its_page_is_efault)
{
	char *map = mmap(NULL, 2 * self->page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct udmabuf_create_list head = { .count = 4 };

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, munmap(map + self->page, self->page));
	memcpy(map + self->page - sizeof(head), &head, sizeof(head));
	EXPECT_ERRNO(EFAULT, do_ioctl(self->dev, UDMABUF_CREATE_LIST,
				      map + self->page - sizeof(head)));
	munmap(map, self->page);
}

TEST_F(args, unaligned_or_empty_ranges_are_einval)
{
	EXPECT_ERRNO(EINVAL, udmabuf_create(self->dev, self->memfd, 1, self->page));
	EXPECT_ERRNO(EINVAL, udmabuf_create(self->dev, self->memfd, self->page / 2, self->page));
	EXPECT_ERRNO(EINVAL, udmabuf_create(self->dev, self->memfd, 0, self->page - 1));
	EXPECT_ERRNO(EINVAL, udmabuf_create(self->dev, self->memfd, 0, 1));
	EXPECT_ERRNO(EINVAL, udmabuf_create(self->dev, self->memfd, 0, 0));
	EXPECT_ERRNO(EINVAL, create_list(self->dev, NULL, 0));
}

TEST_F(args, range_beyond_the_file_is_refused)
{
	size_t end = PAGES * self->page;

	EXPECT_ERRNO(EINVAL, udmabuf_create(self->dev, self->memfd, end, self->page));
	EXPECT_ERRNO(EINVAL, udmabuf_create(self->dev, self->memfd, 0, end + self->page));
	EXPECT_ERRNO(EINVAL, udmabuf_create(self->dev, self->memfd, end - self->page,
					    2 * self->page));
	EXPECT_ERRNO(EINVAL, udmabuf_create(self->dev, self->memfd, -self->page, self->page));
	EXPECT_ERRNO(EINVAL, udmabuf_create(self->dev, self->memfd, -self->page,
					    2 * self->page));
}

TEST_F(args, wrapping_total_is_einval)
{
	struct udmabuf_create_item items[2] = {
		{ .memfd = self->memfd, .size = 1ull << 63 },
		{ .memfd = self->memfd, .size = (1ull << 63) + self->page },
	};

	EXPECT_ERRNO(EINVAL, create_list(self->dev, items, 2));
	EXPECT_ERRNO(EINVAL, udmabuf_create(self->dev, self->memfd, 0, -self->page));
}

TEST_F(args, files_that_are_no_memfd_are_ebadfd)
{
	FILE *plain = tmpfile();
	int pipefd[2];

	ASSERT_NE(NULL, plain);
	ASSERT_EQ(0, pipe(pipefd));
	EXPECT_ERRNO(EBADFD, udmabuf_create(self->dev, -1, 0, self->page));
	EXPECT_ERRNO(EBADFD, udmabuf_create(self->dev, 9999, 0, self->page));
	EXPECT_ERRNO(EBADFD, udmabuf_create(self->dev, pipefd[0], 0, self->page));
	EXPECT_ERRNO(EBADFD, udmabuf_create(self->dev, self->dev, 0, self->page));
	fclose(plain);
	close(pipefd[0]);
	close(pipefd[1]);
}

TEST_F(args, a_udmabuf_is_no_memfd)
{
	int fd = udmabuf_create(self->dev, self->memfd, 0, self->page);

	ASSERT_LE(0, fd);
	EXPECT_ERRNO(EBADFD, udmabuf_create(self->dev, fd, 0, self->page));
	close(fd);
}

static int memfd_with(size_t size, unsigned int flags, int seals)
{
	int fd = memfd_create("dmabuf-seals", flags | MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, size) || (seals && fcntl(fd, F_ADD_SEALS, seals)))
		return -errno;
	return fd;
}

FIXTURE(seals)
{
	int dev;
};

FIXTURE_VARIANT(seals)
{
	unsigned int flags;
	int seals;
	int err;
};

FIXTURE_VARIANT_ADD(seals, sealing_not_allowed)
{
	.flags = 0, .seals = 0, .err = EINVAL,
};

FIXTURE_VARIANT_ADD(seals, none)
{
	.flags = MFD_ALLOW_SEALING, .seals = 0, .err = EINVAL,
};

FIXTURE_VARIANT_ADD(seals, grow_only)
{
	.flags = MFD_ALLOW_SEALING, .seals = F_SEAL_GROW, .err = EINVAL,
};

FIXTURE_VARIANT_ADD(seals, shrink)
{
	.flags = MFD_ALLOW_SEALING, .seals = F_SEAL_SHRINK, .err = 0,
};

FIXTURE_VARIANT_ADD(seals, shrink_and_grow)
{
	.flags = MFD_ALLOW_SEALING, .seals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, .err = 0,
};

FIXTURE_VARIANT_ADD(seals, write)
{
	.flags = MFD_ALLOW_SEALING, .seals = F_SEAL_SHRINK | F_SEAL_WRITE, .err = EINVAL,
};

FIXTURE_VARIANT_ADD(seals, future_write)
{
	.flags = MFD_ALLOW_SEALING, .seals = F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE, .err = EINVAL,
};

FIXTURE_SETUP(seals)
{
	if (missing("/dev/udmabuf"))
		SKIP(return, "no /dev/udmabuf: CONFIG_UDMABUF");
	self->dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->dev);
}

FIXTURE_TEARDOWN(seals)
{
	close(self->dev);
}

TEST_F(seals, decide_whether_memory_is_taken)
{
	int memfd = memfd_with(page_size(), variant->flags, variant->seals), fds, fd;

	ASSERT_LE(0, memfd);
	fds = count_fds();
	fd = udmabuf_create(self->dev, memfd, 0, page_size());
	if (variant->err) {
		EXPECT_EQ(-variant->err, fd);
		EXPECT_EQ(fds, count_fds());
	} else {
		EXPECT_LE(0, fd);
		EXPECT_EQ(fds + 1, count_fds());
		close(fd);
	}
	close(memfd);
}

/* One bad item makes the call fail, at any place in the list. */
TEST_F(args, one_bad_item_refuses_the_list)
{
	int unsealed = memfd_with(self->page, MFD_ALLOW_SEALING, 0), bad;

	ASSERT_LE(0, unsealed);
	for (bad = 0; bad < 4; bad++) {
		struct udmabuf_create_item items[4];
		int i;

		for (i = 0; i < 4; i++)
			items[i] = (struct udmabuf_create_item){
				.memfd = self->memfd, .size = self->page,
			};
		items[bad].memfd = unsealed;
		EXPECT_ERRNO(EINVAL, create_list(self->dev, items, 4));
		items[bad].memfd = -1;
		EXPECT_ERRNO(EBADFD, create_list(self->dev, items, 4));
		items[bad].memfd = self->memfd;
		items[bad].offset = 1;
		EXPECT_ERRNO(EINVAL, create_list(self->dev, items, 4));
	}
	close(unsealed);
}

TEST_F(args, no_free_fd_is_emfile)
{
	EXPECT_EMFILE(udmabuf_create(self->dev, self->memfd, 0, self->page));
}

TEST_F(args, flags_decide_close_on_exec_and_no_more)
{
	struct udmabuf_create arg = { .memfd = self->memfd, .size = self->page };
	int fd;

	fd = do_ioctl(self->dev, UDMABUF_CREATE, &arg);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, fcntl(fd, F_GETFD));
	EXPECT_EQ(O_RDWR, fcntl(fd, F_GETFL) & O_ACCMODE);
	close(fd);

	arg.flags = UDMABUF_FLAGS_CLOEXEC;
	fd = do_ioctl(self->dev, UDMABUF_CREATE, &arg);
	ASSERT_LE(0, fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(fd, F_GETFD));
	close(fd);

	arg.flags = ~0u & ~UDMABUF_FLAGS_CLOEXEC;
	fd = do_ioctl(self->dev, UDMABUF_CREATE, &arg);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, fcntl(fd, F_GETFD));
	close(fd);
}

TEST_F(args, unknown_flags_and_padding_of_a_list_are_ignored)
{
	struct {
		struct udmabuf_create_list head;
		struct udmabuf_create_item item;
	} arg = {
		.head = { .count = 1 },
		.item = { .memfd = self->memfd, .size = self->page },
	};
	int bit, fd;

	for (bit = 0; bit < 32; bit++) {
		arg.head.flags = 1u << bit;
		arg.item.__pad = 1u << bit;
		fd = do_ioctl(self->dev, UDMABUF_CREATE_LIST, &arg);
		ASSERT_LE(0, fd);
		EXPECT_EQ(arg.head.flags == UDMABUF_FLAGS_CLOEXEC ? FD_CLOEXEC : 0,
			  fcntl(fd, F_GETFD));
		EXPECT_EQ(O_RDWR, fcntl(fd, F_GETFL));
		EXPECT_EQ(self->page, lseek(fd, 0, SEEK_END));
		close(fd);
	}
}

static int set_param(const char *path, long value, long *old)
{
	char text[32];

	if (old && read_file(path, text, sizeof(text)) > 0)
		*old = strtol(text, NULL, 10);
	snprintf(text, sizeof(text), "%ld", value);
	return write_file(path, text);
}

static long get_param(const char *path)
{
	char text[32];

	return read_file(path, text, sizeof(text)) > 0 ? strtol(text, NULL, 10) : -1;
}

/* The kernel counts its memory at boot, when some of it is not free yet. */
TEST_F(args, limits_follow_the_memory)
{
	long mb = sysconf(_SC_PHYS_PAGES) / ((1 << 20) / self->page) / 4;
	long size = get_param(PARAM "size_limit_mb"), ranges = get_param(PARAM "list_limit");
	long pages = size * ((1 << 20) / self->page);

	EXPECT_LE(64, size);
	EXPECT_GE(mb < 64 ? 64 : mb, size);
	EXPECT_LE(mb - 16, size);
	EXPECT_EQ(pages < 1024 ? 1024 : pages > 65536 ? 65536 : pages, ranges);
}

/* A decoder's 8K frame in P010 is 94 MiB. */
TEST_F(args, frame_of_8k_is_accepted)
{
	size_t size = 7680ul * 4320 * 3;
	int big, fd;

	if (get_param(PARAM "size_limit_mb") < 96)
		SKIP(return, "less than 384 MiB of memory");
	size = (size + self->page - 1) & ~(self->page - 1);
	big = sealed_memfd(size);
	ASSERT_LE(0, big);
	fd = udmabuf_create(self->dev, big, 0, size);
	EXPECT_LE(0, fd);
	EXPECT_EQ(size, lseek(fd, 0, SEEK_END));
	close(fd);
	close(big);
}

/* The screen of a virtual machine is as scattered as its memory. */
TEST_F(args, scattered_screen_of_4k_is_accepted)
{
	size_t size = 3840ul * 2160 * 4, n = size / self->page, i;
	struct udmabuf_create_list *list;
	int big, fd;

	if (get_param(PARAM "list_limit") < n)
		SKIP(return, "less than 128 MiB of memory");
	list = calloc(1, sizeof(*list) + n * sizeof(list->list[0]));
	ASSERT_NE(NULL, list);
	big = sealed_memfd(2 * size);
	ASSERT_LE(0, big);
	list->flags = UDMABUF_FLAGS_CLOEXEC;
	list->count = n;
	for (i = 0; i < n; i++)
		list->list[i] = (struct udmabuf_create_item){
			.memfd = big, .offset = 2 * i * self->page, .size = self->page,
		};
	fd = do_ioctl(self->dev, UDMABUF_CREATE_LIST, list);
	EXPECT_LE(0, fd);
	EXPECT_EQ(n * self->page, lseek(fd, 0, SEEK_END));
	close(fd);
	close(big);
	free(list);
}

TEST_F(args, size_limit_is_enforced)
{
	int big = sealed_memfd(2 << 20), at, above;
	long old = 0;

	ASSERT_LE(0, big);
	ASSERT_EQ(0, set_param(PARAM "size_limit_mb", 1, &old));
	at = udmabuf_create(self->dev, big, 0, 1 << 20);
	above = udmabuf_create(self->dev, big, 0, (1 << 20) + self->page);
	ASSERT_EQ(0, set_param(PARAM "size_limit_mb", old, NULL));
	EXPECT_LE(0, at);
	EXPECT_EQ(-EINVAL, above);
	close(at);
	close(big);
}

TEST_F(args, list_limit_is_enforced)
{
	struct udmabuf_create_item items[3];
	int at, above, i;
	long old = 0;

	for (i = 0; i < 3; i++)
		items[i] = (struct udmabuf_create_item){
			.memfd = self->memfd, .offset = i * self->page, .size = self->page,
		};
	ASSERT_EQ(0, set_param(PARAM "list_limit", 2, &old));
	at = create_list(self->dev, items, 2);
	above = create_list(self->dev, items, 3);
	ASSERT_EQ(0, set_param(PARAM "list_limit", old, NULL));
	EXPECT_LE(0, at);
	EXPECT_EQ(-EINVAL, above);
	EXPECT_ERRNO(EINVAL, create_list(self->dev, items, ~0u));
	EXPECT_ERRNO(EINVAL, create_list(self->dev, items, 1u << 31));
	close(at);
}

TEST_HARNESS_MAIN

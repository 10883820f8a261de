// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocation from /dev/dma_heap/<name>: checks of the request, structures older
 * and newer than the kernel's, sizes, access modes, and that the memory is
 * always zeroed. Every case runs on the system heap and on the CMA heap.
 *
 * Copyright (C) the dma-buf project authors
 */
#include "dmabuf_util.h"

#define MIB 1048576ul

FIXTURE(heap)
{
	int heap;
};

FIXTURE_VARIANT(heap)
{
	bool cma;
	size_t max; /* the largest buffer to try */
};

FIXTURE_VARIANT_ADD(heap, system)
{
	.cma = false, .max = 8 * MIB,
};

FIXTURE_VARIANT_ADD(heap, cma)
{
	.cma = true, .max = 4 * MIB,
};

FIXTURE_SETUP(heap)
{
	self->heap = variant->cma ? cma_heap_open() : sys_ret(open(SYSTEM_HEAP, O_RDWR));
	if (self->heap == -ENOENT)
		SKIP(return, "no heap: CONFIG_DMABUF_HEAPS_%s", variant->cma ? "CMA" : "SYSTEM");
	ASSERT_LE(0, self->heap);
}

FIXTURE_TEARDOWN(heap)
{
	EXPECT_EQ(0, close(self->heap));
}

static struct dma_heap_allocation_data request(__u64 len)
{
	return (struct dma_heap_allocation_data){ .len = len, .fd_flags = O_RDWR | O_CLOEXEC };
}

static int alloc_ioctl(int heap, struct dma_heap_allocation_data data)
{
	int ret = do_ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data);

	return ret ? ret : (int)data.fd;
}

TEST_F(heap, bad_pointer_is_efault)
{
	EXPECT_ERRNO(EFAULT, do_ioctl(self->heap, DMA_HEAP_IOCTL_ALLOC, NULL));
	EXPECT_ERRNO(EFAULT, do_ioctl(self->heap, DMA_HEAP_IOCTL_ALLOC, (void *)8));
}

TEST_F(heap, bad_requests_are_einval)
{
	struct dma_heap_allocation_data data = request(page_size());

	data.fd = 1;
	EXPECT_ERRNO(EINVAL, alloc_ioctl(self->heap, data));
	data.fd = -1;
	EXPECT_ERRNO(EINVAL, alloc_ioctl(self->heap, data));

	data = request(page_size());
	data.fd_flags |= O_NONBLOCK;
	EXPECT_ERRNO(EINVAL, alloc_ioctl(self->heap, data));
	data.fd_flags = O_RDWR | O_CREAT;
	EXPECT_ERRNO(EINVAL, alloc_ioctl(self->heap, data));
	data.fd_flags = ~0u;
	EXPECT_ERRNO(EINVAL, alloc_ioctl(self->heap, data));

	data = request(page_size());
	data.heap_flags = 1;
	EXPECT_ERRNO(EINVAL, alloc_ioctl(self->heap, data));
	data.heap_flags = 1ull << 63;
	EXPECT_ERRNO(EINVAL, alloc_ioctl(self->heap, data));
}

TEST_F(heap, length_zero_is_einval)
{
	EXPECT_ERRNO(EINVAL, alloc_ioctl(self->heap, request(0)));
	/* These wrap to zero when rounded up to pages. */
	EXPECT_ERRNO(EINVAL, alloc_ioctl(self->heap, request(~0ull)));
	EXPECT_ERRNO(EINVAL, alloc_ioctl(self->heap, request(~0ull - page_size() + 2)));
}

TEST_F(heap, length_beyond_all_memory_is_enomem)
{
	unsigned int shift;

	/*
	 * If the kernel tries and runs out of memory, kill this process first.
	 */
	ASSERT_EQ(0, write_file("/proc/self/oom_score_adj", "1000"));
	for (shift = 44; shift < 64; shift += 4)
		EXPECT_ERRNO(ENOMEM, alloc_ioctl(self->heap, request(1ull << shift)));
	EXPECT_ERRNO(ENOMEM, alloc_ioctl(self->heap, request(~0ull - page_size())));
}

TEST_F(heap, no_free_fd_is_emfile)
{
	EXPECT_EMFILE(alloc_ioctl(self->heap, request(page_size())));
}

TEST_F(heap, fault_on_answer_keeps_no_fd)
{
	struct dma_heap_allocation_data data = request(page_size());
	void *ro = read_only_copy(&data, sizeof(data));
	int i;

	for (i = 0; i < 10; i++)
		EXPECT_ERRNO(EFAULT, do_ioctl(self->heap, DMA_HEAP_IOCTL_ALLOC, ro));
}

TEST_F(heap, fault_on_answer_keeps_no_memory)
{
	struct dma_heap_allocation_data data = request(variant->max);
	void *ro = read_only_copy(&data, sizeof(data));
	int i, fd;

	/* If each one leaked, this would be more memory than there is. */
	for (i = 0; i < 16; i++)
		EXPECT_ERRNO(EFAULT, do_ioctl(self->heap, DMA_HEAP_IOCTL_ALLOC, ro));
	fd = alloc_ioctl(self->heap, request(variant->max));
	EXPECT_LE(0, fd);
	close(fd);
}

TEST_F(heap, unknown_command_is_einval)
{
	struct dma_heap_allocation_data data = request(page_size());

	EXPECT_ERRNO(EINVAL, do_ioctl(self->heap, _IOWR('H', 1, data), &data));
	EXPECT_ERRNO(EINVAL, do_ioctl(self->heap, _IO('H', 0xff), &data));
}

/* A newer program's structure: the kernel ignores and preserves the rest. */
TEST_F(heap, larger_struct_is_accepted)
{
	struct {
		struct dma_heap_allocation_data known;
		__u64 unknown[20];
	} arg = { .known = request(page_size()), .unknown = { 0x1111, [19] = 0x2222 } };

	ASSERT_EQ(0, do_ioctl(self->heap, _IOWR('H', 0, arg), &arg));
	EXPECT_LT(0, arg.known.fd);
	EXPECT_EQ(page_size(), lseek(arg.known.fd, 0, SEEK_END));
	EXPECT_EQ(0x1111, arg.unknown[0]);
	EXPECT_EQ(0x2222, arg.unknown[19]);
	close(arg.known.fd);
}

/* An older program's structure without heap_flags, which counts as zero. */
TEST_F(heap, smaller_struct_is_accepted)
{
	struct {
		__u64 len;
		__u32 fd;
		__u32 fd_flags;
		__u64 beyond;
	} arg = { .len = page_size(), .fd_flags = O_RDWR, .beyond = ~0ull };

	ASSERT_EQ(0, do_ioctl(self->heap, _IOC(_IOC_READ | _IOC_WRITE, 'H', 0, 16), &arg));
	EXPECT_LT(0, arg.fd);
	EXPECT_EQ(~0ull, arg.beyond);
	EXPECT_EQ(page_size(), lseek(arg.fd, 0, SEEK_END));
	close(arg.fd);
}

TEST_F(heap, answer_is_the_fd_alone)
{
	struct dma_heap_allocation_data data = request(page_size() + 1);

	ASSERT_EQ(0, do_ioctl(self->heap, DMA_HEAP_IOCTL_ALLOC, &data));
	EXPECT_EQ(page_size() + 1, data.len);
	EXPECT_EQ(O_RDWR | O_CLOEXEC, data.fd_flags);
	EXPECT_EQ(0, data.heap_flags);
	EXPECT_EQ(FD_CLOEXEC, fcntl(data.fd, F_GETFD));
	close(data.fd);
}

TEST_F(heap, sizes_round_up_to_pages)
{
	size_t page = page_size(), sizes[] = {
		1, page - 1, page, page + 1, 3 * page, 16 * page - 1, 16 * page, 17 * page,
		255 * page + 5, 256 * page,
	}, i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		int fd = alloc_ioctl(self->heap, request(sizes[i]));
		size_t want = (sizes[i] + page - 1) / page * page;

		ASSERT_LE(0, fd);
		EXPECT_EQ(want, lseek(fd, 0, SEEK_END));
		close(fd);
	}
}

static int mmap_errno(int fd, int prot)
{
	void *map = mmap(NULL, page_size(), prot, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return errno;
	munmap(map, page_size());
	return 0;
}

TEST_F(heap, access_mode_limits_the_mapping)
{
	int rdonly = heap_alloc_from(self->heap, page_size(), O_RDONLY);
	int wronly = heap_alloc_from(self->heap, page_size(), O_WRONLY);
	int rdwr = heap_alloc_from(self->heap, page_size(), O_RDWR);

	ASSERT_LE(0, rdonly);
	ASSERT_LE(0, wronly);
	ASSERT_LE(0, rdwr);
	EXPECT_EQ(O_RDONLY, fcntl(rdonly, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(O_WRONLY, fcntl(wronly, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(O_RDWR, fcntl(rdwr, F_GETFL) & O_ACCMODE);

	EXPECT_EQ(0, mmap_errno(rdonly, PROT_READ));
	EXPECT_EQ(EACCES, mmap_errno(rdonly, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, mmap_errno(wronly, PROT_READ));
	EXPECT_EQ(EACCES, mmap_errno(wronly, PROT_WRITE));
	EXPECT_EQ(0, mmap_errno(rdwr, PROT_READ));
	EXPECT_EQ(0, mmap_errno(rdwr, PROT_READ | PROT_WRITE));
	close(rdonly);
	close(wronly);
	close(rdwr);
}

TEST_F(heap, access_mode_does_not_limit_the_ioctls)
{
	int fd = heap_alloc_from(self->heap, page_size(), O_RDONLY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, db_sync(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW));
	EXPECT_EQ(0, db_sync(fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW));
	EXPECT_EQ(0, db_set_name(fd, "read only"));
	close(fd);
}

static bool all_bytes(const unsigned char *p, size_t size, unsigned char value)
{
	return p[0] == value && !memcmp(p, p + 1, size - 1);
}

/* Allocates, tells whether the memory is zeroed, and dirties it. */
static int alloc_and_dirty(int heap, size_t size, bool *zeroed)
{
	int fd = alloc_ioctl(heap, request(size));
	void *map;

	if (fd < 0)
		return fd;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		close(fd);
		return -ENOMEM;
	}
	*zeroed = all_bytes(map, size, 0);
	memset(map, 0xa5, size);
	munmap(map, size);
	return fd;
}

TEST_F_TIMEOUT(heap, freed_dirty_memory_comes_back_zeroed, 120)
{
	static const size_t sizes[] = { 4096, 65536, MIB, 8 * MIB };
	bool zeroed;
	int round, fd;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes) && sizes[i] <= variant->max; i++) {
		for (round = 0; round < 4; round++) {
			fd = alloc_and_dirty(self->heap, sizes[i], &zeroed);
			ASSERT_LE(0, fd);
			EXPECT_TRUE(zeroed);
			close(fd);
		}
	}
}

/* Pages that a buffer of one size dirtied may serve another size. */
TEST_F_TIMEOUT(heap, memory_is_zeroed_across_sizes, 120)
{
	static const size_t sizes[] = { MIB, 4096, 65536, 12288, 69632, MIB };
	bool zeroed;
	int fd[ARRAY_SIZE(sizes)], round;
	size_t i;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			fd[i] = alloc_and_dirty(self->heap, sizes[i], &zeroed);
			ASSERT_LE(0, fd[i]);
			EXPECT_TRUE(zeroed);
		}
		for (i = 0; i < ARRAY_SIZE(sizes); i++)
			close(fd[i]);
	}
}

TEST_F_TIMEOUT(heap, memory_returns_on_close, 120)
{
	int i, fd;

	/* 1 GiB in all on the system heap, 512 MiB from the CMA area. */
	for (i = 0; i < 128; i++) {
		fd = alloc_ioctl(self->heap, request(variant->max));
		ASSERT_LE(0, fd);
		close(fd);
	}
}

TEST_F(heap, buffers_do_not_overlap)
{
	enum { N = 16 };
	unsigned int *map[N];
	int fd[N], i;

	for (i = 0; i < N; i++) {
		fd[i] = alloc_ioctl(self->heap, request(65536));
		ASSERT_LE(0, fd[i]);
		map[i] = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, fd[i], 0);
		ASSERT_NE(MAP_FAILED, map[i]);
		memset(map[i], i + 1, 65536);
	}
	for (i = 0; i < N; i++) {
		EXPECT_TRUE(all_bytes((void *)map[i], 65536, i + 1));
		munmap(map[i], 65536);
		close(fd[i]);
	}
}

TEST_F(heap, device_is_no_stream)
{
	char byte = 0;

	EXPECT_EQ(-EINVAL, sys_ret(read(self->heap, &byte, 1)));
	EXPECT_EQ(-EINVAL, sys_ret(write(self->heap, &byte, 1)));
	EXPECT_EQ(-ESPIPE, sys_ret(lseek(self->heap, 0, SEEK_SET)));
	EXPECT_EQ(ENODEV, mmap_errno(self->heap, PROT_READ));
}

TEST_F(heap, buffers_outlive_the_device_fd)
{
	int heap = dup(self->heap), fd = heap_alloc_from(heap, page_size(), O_RDWR);

	ASSERT_LE(0, fd);
	close(heap);
	EXPECT_EQ(0, mmap_errno(fd, PROT_READ | PROT_WRITE));
	close(fd);
}

TEST(every_heap_in_dev_allocates)
{
	DIR *dir = opendir("/dev/dma_heap");
	struct dirent *d;
	int heaps = 0;

	if (!dir)
		SKIP(return, "no /dev/dma_heap: CONFIG_DMABUF_HEAPS");
	while ((d = readdir(dir))) {
		char path[300];
		int heap, fd;

		/* Heaps of the KUnit suites stay, and need not allocate. */
		if (d->d_name[0] == '.' || !strncmp(d->d_name, "kunit", 5))
			continue;
		snprintf(path, sizeof(path), "/dev/dma_heap/%s", d->d_name);
		heap = open(path, O_RDONLY | O_CLOEXEC);
		ASSERT_LE(0, heap);
		fd = heap_alloc_from(heap, 3 * page_size(), O_RDWR | O_CLOEXEC);
		EXPECT_LE(0, fd);
		EXPECT_EQ(3 * page_size(), lseek(fd, 0, SEEK_END));
		EXPECT_EQ(0, mmap_errno(fd, PROT_READ | PROT_WRITE));
		close(fd);
		close(heap);
		heaps++;
	}
	closedir(dir);
	EXPECT_LT(0, heaps);
}

TEST_HARNESS_MAIN

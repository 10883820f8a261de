// SPDX-License-Identifier: GPL-2.0-only
/*
 * The arguments of the dma-buf ioctls SYNC, SET_NAME, EXPORT_SYNC_FILE and
 * IMPORT_SYNC_FILE: each errno, in the order of the kernel's checks, and that a
 * failed call leaves no descriptor and no fence behind. Waiting is tested in
 * dmabuf_implicit.c.
 *
 * Copyright (C) the dma-buf project authors
 */
#include "dmabuf_util.h"

#define BAD_POINTER ((void *)8)

FIXTURE(ioctl_args)
{
	int fd;
	int timeline;
	int fence;
};

FIXTURE_SETUP(ioctl_args)
{
	if (missing(SYSTEM_HEAP))
		SKIP(return, NEEDS_HEAP);
	if (missing(SW_SYNC_PATH))
		SKIP(return, NEEDS_SW_SYNC);

	self->fd = heap_alloc(page_size());
	ASSERT_LE(0, self->fd);
	self->timeline = sw_open();
	ASSERT_LE(0, self->timeline);
	self->fence = sw_fence(self->timeline, 1);
	ASSERT_LE(0, self->fence);
}

FIXTURE_TEARDOWN(ioctl_args)
{
	EXPECT_EQ(0, close(self->fence));
	EXPECT_EQ(0, close(self->timeline));
	EXPECT_EQ(0, close(self->fd));
}

TEST_F(ioctl_args, unknown_command_is_enotty)
{
	__u64 room[8] = { 0 };

	EXPECT_ERRNO(ENOTTY, do_ioctl(self->fd, _IO('b', 0x7f), room));
	EXPECT_ERRNO(ENOTTY, do_ioctl(self->fd, _IO('b', 0), room));
	EXPECT_ERRNO(ENOTTY, do_ioctl(self->fd, _IOWR('b', 3, __u64), room));
	EXPECT_ERRNO(ENOTTY, do_ioctl(self->fd, _IOW('x', 0, __u64), room));
	EXPECT_ERRNO(ENOTTY, do_ioctl(self->fd, SYNC_IOC_FILE_INFO, room));
}

TEST_F(ioctl_args, command_words_are_the_abi)
{
	EXPECT_EQ(0x40086200, DMA_BUF_IOCTL_SYNC);
	EXPECT_EQ(0x40106202, DMA_BUF_IOCTL_SYNC_PARTIAL);
	EXPECT_EQ(0x40046201, DMA_BUF_SET_NAME_A);
	EXPECT_EQ(0x40086201, DMA_BUF_SET_NAME_B);
	EXPECT_EQ(0xc0086202, DMA_BUF_IOCTL_EXPORT_SYNC_FILE);
	EXPECT_EQ(0x40086203, DMA_BUF_IOCTL_IMPORT_SYNC_FILE);
	EXPECT_EQ(0xc0184800, DMA_HEAP_IOCTL_ALLOC);
	EXPECT_EQ(0xc0303e03, SYNC_IOC_MERGE);
	EXPECT_EQ(0xc0383e04, SYNC_IOC_FILE_INFO);
	EXPECT_EQ(0x40103e05, SYNC_IOC_SET_DEADLINE);
	EXPECT_EQ(0x40187542, UDMABUF_CREATE);
	EXPECT_EQ(0x40087543, UDMABUF_CREATE_LIST);
	EXPECT_EQ(0xc0285700, SW_SYNC_CREATE_FENCE);
	EXPECT_EQ(0x40045701, SW_SYNC_INC);
	EXPECT_EQ(0xc0105702, SW_SYNC_GET_DEADLINE);
}

TEST_F(ioctl_args, sync_refuses_bad_pointer_then_bad_flags)
{
	EXPECT_ERRNO(EFAULT, do_ioctl(self->fd, DMA_BUF_IOCTL_SYNC, NULL));
	EXPECT_ERRNO(EFAULT, do_ioctl(self->fd, DMA_BUF_IOCTL_SYNC, BAD_POINTER));
	EXPECT_ERRNO(EINVAL, db_sync(self->fd, DMA_BUF_SYNC_RW | 8));
	EXPECT_ERRNO(EINVAL, db_sync(self->fd, DMA_BUF_SYNC_RW | 1ull << 63));
	EXPECT_ERRNO(EINVAL, db_sync(self->fd, DMA_BUF_SYNC_START));
	EXPECT_ERRNO(EINVAL, db_sync(self->fd, DMA_BUF_SYNC_END));
}

TEST_F(ioctl_args, sync_takes_every_direction)
{
	__u64 dir;

	for (dir = DMA_BUF_SYNC_READ; dir <= DMA_BUF_SYNC_RW; dir++) {
		EXPECT_EQ(0, db_sync(self->fd, DMA_BUF_SYNC_START | dir));
		EXPECT_EQ(0, db_sync(self->fd, DMA_BUF_SYNC_END | dir));
	}
}

TEST_F(ioctl_args, sync_brackets_need_not_balance)
{
	EXPECT_EQ(0, db_sync(self->fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW));
	EXPECT_EQ(0, db_sync(self->fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW));
	EXPECT_EQ(0, db_sync(self->fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ));
	EXPECT_EQ(0, db_sync(self->fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_WRITE));
}

TEST_F(ioctl_args, sync_partial_refuses_bad_pointer_flags_and_ranges)
{
	__u32 size = lseek(self->fd, 0, SEEK_END);

	EXPECT_ERRNO(EFAULT, do_ioctl(self->fd, DMA_BUF_IOCTL_SYNC_PARTIAL, NULL));
	EXPECT_ERRNO(EINVAL, db_sync_range(self->fd, DMA_BUF_SYNC_START, 0, 64));
	EXPECT_ERRNO(EINVAL, db_sync_range(self->fd, DMA_BUF_SYNC_RW | 8, 0, 64));
	EXPECT_ERRNO(EINVAL, db_sync_range(self->fd, DMA_BUF_SYNC_RW, 0, 0));
	EXPECT_ERRNO(EINVAL, db_sync_range(self->fd, DMA_BUF_SYNC_RW, 0, size + 1));
	EXPECT_ERRNO(EINVAL, db_sync_range(self->fd, DMA_BUF_SYNC_RW, size, 1));
	EXPECT_ERRNO(EINVAL, db_sync_range(self->fd, DMA_BUF_SYNC_RW, UINT32_MAX, UINT32_MAX));
}

TEST_F(ioctl_args, sync_partial_takes_ranges_and_the_whole)
{
	__u32 size = lseek(self->fd, 0, SEEK_END);

	EXPECT_EQ(0, db_sync_range(self->fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW, 0, size));
	EXPECT_EQ(0, db_sync_range(self->fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW, 0, size));
	EXPECT_EQ(0, db_sync_range(self->fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ, size - 1, 1));
	EXPECT_EQ(0, db_sync_range(self->fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_READ, size - 1, 1));
}

TEST_F(ioctl_args, set_name_refuses_bad_pointer_and_long_names)
{
	char name[DMA_BUF_NAME_LEN + 1];

	EXPECT_ERRNO(EFAULT, db_set_name(self->fd, NULL));
	EXPECT_ERRNO(EFAULT, db_set_name(self->fd, BAD_POINTER));

	memset(name, 'n', sizeof(name));
	name[DMA_BUF_NAME_LEN] = '\0';
	EXPECT_ERRNO(EINVAL, db_set_name(self->fd, name));
	name[DMA_BUF_NAME_LEN - 1] = '\0';
	EXPECT_ERRNO(0, db_set_name(self->fd, name));
	EXPECT_ERRNO(0, db_set_name(self->fd, ""));
}

TEST_F(ioctl_args, set_name_faults_on_string_running_off_its_page)
{
	size_t page = page_size();
	char *map = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, munmap(map + page, page));
	memset(map, 'n', page);
	EXPECT_ERRNO(EFAULT, db_set_name(self->fd, map + page - 4));
	map[page - 1] = '\0';
	EXPECT_ERRNO(0, db_set_name(self->fd, map + page - 4));
}

TEST_F(ioctl_args, set_name_has_two_command_words)
{
	EXPECT_ERRNO(0, do_ioctl(self->fd, DMA_BUF_SET_NAME_A, "narrow"));
	EXPECT_ERRNO(0, do_ioctl(self->fd, DMA_BUF_SET_NAME_B, "wide"));
	EXPECT_ERRNO(EFAULT, do_ioctl(self->fd, DMA_BUF_SET_NAME_A, BAD_POINTER));
}

TEST_F(ioctl_args, export_sync_file_refuses_bad_pointer_then_bad_flags)
{
	EXPECT_ERRNO(EFAULT, do_ioctl(self->fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, NULL));
	EXPECT_ERRNO(EFAULT, do_ioctl(self->fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, BAD_POINTER));
	EXPECT_ERRNO(EINVAL, db_export(self->fd, 0));
	EXPECT_ERRNO(EINVAL, db_export(self->fd, DMA_BUF_SYNC_END));
	EXPECT_ERRNO(EINVAL, db_export(self->fd, DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END));
	EXPECT_ERRNO(EINVAL, db_export(self->fd, DMA_BUF_SYNC_READ | 1u << 31));
}

TEST_F(ioctl_args, export_sync_file_needs_a_free_fd)
{
	EXPECT_EMFILE(db_export(self->fd, DMA_BUF_SYNC_RW));
	EXPECT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, self->fence));
	EXPECT_EMFILE(db_export(self->fd, DMA_BUF_SYNC_READ));
}

TEST_F(ioctl_args, export_sync_file_fault_on_answer_keeps_no_fd)
{
	struct dma_buf_export_sync_file arg = { .flags = DMA_BUF_SYNC_RW, .fd = -1 };
	void *ro = read_only_copy(&arg, sizeof(arg));

	EXPECT_ERRNO(EFAULT, do_ioctl(self->fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, ro));
	EXPECT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, self->fence));
	EXPECT_ERRNO(EFAULT, do_ioctl(self->fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, ro));
}

TEST_F(ioctl_args, export_sync_file_leaves_flags_alone)
{
	struct dma_buf_export_sync_file arg = { .flags = DMA_BUF_SYNC_READ, .fd = -7 };

	ASSERT_EQ(0, do_ioctl(self->fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &arg));
	EXPECT_EQ(DMA_BUF_SYNC_READ, arg.flags);
	ASSERT_LE(0, arg.fd);
	EXPECT_EQ(FD_CLOEXEC, fcntl(arg.fd, F_GETFD));
	EXPECT_EQ(0, close(arg.fd));
}

TEST_F(ioctl_args, import_sync_file_refuses_bad_pointer_then_bad_flags)
{
	EXPECT_ERRNO(EFAULT, do_ioctl(self->fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, NULL));
	EXPECT_ERRNO(EFAULT, do_ioctl(self->fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, BAD_POINTER));
	EXPECT_ERRNO(EINVAL, db_import(self->fd, 0, self->fence));
	EXPECT_ERRNO(EINVAL, db_import(self->fd, DMA_BUF_SYNC_END, self->fence));
	EXPECT_ERRNO(EINVAL, db_import(self->fd, DMA_BUF_SYNC_WRITE | 8, self->fence));
	/* No failed call has added the fence. */
	EXPECT_EQ(POLLIN | POLLOUT, poll_now(self->fd, POLLIN | POLLOUT));
}

TEST_F(ioctl_args, import_sync_file_refuses_fds_that_are_no_sync_file)
{
	int pipefd[2];

	ASSERT_EQ(0, pipe(pipefd));
	EXPECT_ERRNO(EINVAL, db_import(self->fd, DMA_BUF_SYNC_WRITE, -1));
	EXPECT_ERRNO(EINVAL, db_import(self->fd, DMA_BUF_SYNC_WRITE, 9999));
	EXPECT_ERRNO(EINVAL, db_import(self->fd, DMA_BUF_SYNC_WRITE, self->fd));
	EXPECT_ERRNO(EINVAL, db_import(self->fd, DMA_BUF_SYNC_WRITE, pipefd[0]));
	EXPECT_ERRNO(EINVAL, db_import(self->fd, DMA_BUF_SYNC_WRITE, self->timeline));
	close(pipefd[0]);
	close(pipefd[1]);
}

TEST_F(ioctl_args, import_sync_file_reads_a_read_only_argument)
{
	struct dma_buf_import_sync_file arg = {
		.flags = DMA_BUF_SYNC_WRITE, .fd = self->fence,
	};
	void *ro = read_only_copy(&arg, sizeof(arg));

	EXPECT_ERRNO(0, do_ioctl(self->fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, ro));
	EXPECT_EQ(0, poll_now(self->fd, POLLIN | POLLOUT));
}

TEST_F(ioctl_args, import_sync_file_needs_no_free_fd)
{
	int ret;

	forbid_new_fds(true);
	ret = db_import(self->fd, DMA_BUF_SYNC_WRITE, self->fence);
	forbid_new_fds(false);
	EXPECT_EQ(0, ret);
}

/* The import takes the fence, not the sync_file, which may be closed. */
TEST_F(ioctl_args, import_sync_file_outlives_the_fd)
{
	int fence = sw_fence(self->timeline, 2);

	ASSERT_LE(0, fence);
	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, fence));
	ASSERT_EQ(0, close(fence));
	EXPECT_EQ(0, poll_now(self->fd, POLLIN));
	ASSERT_EQ(0, sw_inc(self->timeline, 2));
	EXPECT_EQ(POLLIN, poll_now(self->fd, POLLIN));
}

TEST_HARNESS_MAIN

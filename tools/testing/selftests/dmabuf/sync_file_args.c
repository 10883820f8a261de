// SPDX-License-Identifier: GPL-2.0-only
/*
 * The arguments of the sync_file ioctls MERGE, FILE_INFO and SET_DEADLINE: each
 * errno, that a failure leaves nothing open, and the kind of file that a
 * sync_file is. The results of the ioctls are tested in sync_file.c.
 *
 * Copyright (C) the dma-buf project authors
 */
#include "dmabuf_util.h"

#define BAD_POINTER ((void *)8)

FIXTURE(args)
{
	int timeline;
	int fence;
	int other;
};

FIXTURE_SETUP(args)
{
	if (missing(SW_SYNC_PATH))
		SKIP(return, NEEDS_SW_SYNC);
	self->timeline = sw_open();
	ASSERT_LE(0, self->timeline);
	self->fence = sw_fence(self->timeline, 1);
	ASSERT_LE(0, self->fence);
	self->other = sw_fence(self->timeline, 2);
	ASSERT_LE(0, self->other);
}

FIXTURE_TEARDOWN(args)
{
	close(self->other);
	close(self->fence);
	close(self->timeline);
}

TEST_F(args, unknown_command_is_enotty)
{
	char room[64] = "";
	int nr;

	/* 0, 1 and 2 belonged to an older ABI. */
	for (nr = 0; nr < 3; nr++)
		EXPECT_ERRNO(ENOTTY, do_ioctl(self->fence, _IOWR('>', nr, room), room));
	EXPECT_ERRNO(ENOTTY, do_ioctl(self->fence, _IO('>', 3), room));
	EXPECT_ERRNO(ENOTTY, do_ioctl(self->fence, _IO('>', 6), room));
	EXPECT_ERRNO(ENOTTY, do_ioctl(self->fence, _IO('x', 0), room));
}

TEST_F(args, file_is_no_stream)
{
	char byte = 0;

	EXPECT_EQ(-EINVAL, sys_ret(read(self->fence, &byte, 1)));
	EXPECT_EQ(-EBADF, sys_ret(write(self->fence, &byte, 1)));
	EXPECT_EQ(-ESPIPE, sys_ret(lseek(self->fence, 0, SEEK_SET)));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, page_size(), PROT_READ, MAP_SHARED, self->fence, 0));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->fence, F_GETFD));
}

static int merge(int fd, struct sync_merge_data data)
{
	int ret = do_ioctl(fd, SYNC_IOC_MERGE, &data);

	return ret ? ret : data.fence;
}

TEST_F(args, merge_bad_pointer_is_efault)
{
	EXPECT_ERRNO(EFAULT, do_ioctl(self->fence, SYNC_IOC_MERGE, NULL));
	EXPECT_ERRNO(EFAULT, do_ioctl(self->fence, SYNC_IOC_MERGE, BAD_POINTER));
}

TEST_F(args, merge_flags_or_pad_are_einval)
{
	EXPECT_ERRNO(EINVAL, merge(self->fence, (struct sync_merge_data){
		.fd2 = self->other, .flags = 1 }));
	EXPECT_ERRNO(EINVAL, merge(self->fence, (struct sync_merge_data){
		.fd2 = self->other, .pad = 1 }));
	EXPECT_ERRNO(EINVAL, merge(self->fence, (struct sync_merge_data){
		.fd2 = -1, .flags = ~0u }));
}

TEST_F(args, merge_with_no_sync_file_is_enoent)
{
	int pipefd[2];

	ASSERT_EQ(0, pipe(pipefd));
	EXPECT_ERRNO(ENOENT, merge(self->fence, (struct sync_merge_data){ .fd2 = -1 }));
	EXPECT_ERRNO(ENOENT, merge(self->fence, (struct sync_merge_data){ .fd2 = 9999 }));
	EXPECT_ERRNO(ENOENT, merge(self->fence, (struct sync_merge_data){
		.fd2 = self->timeline }));
	EXPECT_ERRNO(ENOENT, merge(self->fence, (struct sync_merge_data){ .fd2 = pipefd[0] }));
	close(pipefd[0]);
	close(pipefd[1]);
}

TEST_F(args, merge_without_free_fd_is_emfile)
{
	EXPECT_EMFILE(merge(self->fence, (struct sync_merge_data){ .fd2 = self->other }));
}

TEST_F(args, merge_fault_on_answer_keeps_no_fd)
{
	struct sync_merge_data data = { .name = "lost", .fd2 = self->other, .fence = -1 };
	void *ro = read_only_copy(&data, sizeof(data));
	int i;

	for (i = 0; i < 10; i++)
		EXPECT_ERRNO(EFAULT, do_ioctl(self->fence, SYNC_IOC_MERGE, ro));
}

TEST_F(args, merge_answers_the_fd_alone)
{
	struct sync_merge_data data = { .name = "kept", .fd2 = self->other, .fence = -7 };

	ASSERT_EQ(0, do_ioctl(self->fence, SYNC_IOC_MERGE, &data));
	EXPECT_LE(0, data.fence);
	EXPECT_EQ(self->other, data.fd2);
	EXPECT_STREQ("kept", data.name);
	EXPECT_EQ(FD_CLOEXEC, fcntl(data.fence, F_GETFD));
	close(data.fence);
}

static int file_info(int fd, struct sync_file_info info)
{
	return do_ioctl(fd, SYNC_IOC_FILE_INFO, &info);
}

TEST_F(args, info_bad_pointer_is_efault)
{
	struct sync_file_info info = { .num_fences = 1, .sync_fence_info = 8 };
	void *ro = read_only_copy(&(struct sync_file_info){ 0 }, sizeof(info));

	EXPECT_ERRNO(EFAULT, do_ioctl(self->fence, SYNC_IOC_FILE_INFO, NULL));
	EXPECT_ERRNO(EFAULT, do_ioctl(self->fence, SYNC_IOC_FILE_INFO, BAD_POINTER));
	EXPECT_ERRNO(EFAULT, do_ioctl(self->fence, SYNC_IOC_FILE_INFO, ro));
	EXPECT_ERRNO(EFAULT, file_info(self->fence, info));
}

TEST_F(args, info_flags_or_pad_are_einval)
{
	EXPECT_ERRNO(EINVAL, file_info(self->fence, (struct sync_file_info){ .flags = 1 }));
	EXPECT_ERRNO(EINVAL, file_info(self->fence, (struct sync_file_info){ .pad = 1 }));
}

TEST_F(args, info_room_for_fewer_fences_is_einval)
{
	struct sync_fence_info room[4];
	int timeline = sw_open(), other = sw_fence(timeline, 1);
	int merged = sf_merge("two", self->fence, other);
	struct sync_file_info info = {
		.num_fences = 1, .sync_fence_info = (uintptr_t)room,
	};

	ASSERT_LE(0, merged);
	EXPECT_ERRNO(EINVAL, file_info(merged, info));
	info.num_fences = 2;
	EXPECT_ERRNO(0, file_info(merged, info));
	info.num_fences = 4;
	EXPECT_ERRNO(0, file_info(merged, info));
	close(merged);
	close(other);
	close(timeline);
}

/* The kernel must not allocate for all of the claimed room. */
TEST_F(args, info_with_absurd_room_answers_what_there_is)
{
	struct sync_fence_info room = { .status = 77 };
	struct sync_file_info info = {
		.num_fences = ~0u, .sync_fence_info = (uintptr_t)&room,
	};

	ASSERT_EQ(0, do_ioctl(self->fence, SYNC_IOC_FILE_INFO, &info));
	EXPECT_EQ(1, info.num_fences);
	EXPECT_EQ(0, room.status);
}

TEST_F(args, info_writes_nothing_beyond_the_fences)
{
	struct sync_fence_info room[3];

	memset(room, 0x5a, sizeof(room));
	ASSERT_EQ(1, sf_fences(self->fence, room, 3));
	EXPECT_EQ(0, room[0].flags);
	EXPECT_EQ(0x5a5a5a5a, room[1].status);
	EXPECT_EQ(0x5a5a5a5a, room[2].flags);
}

static int set_deadline(int fd, struct sync_set_deadline arg)
{
	return do_ioctl(fd, SYNC_IOC_SET_DEADLINE, &arg);
}

TEST_F(args, deadline_arguments)
{
	void *ro = read_only_copy(&(struct sync_set_deadline){ .deadline_ns = 5 },
				  sizeof(struct sync_set_deadline));

	EXPECT_ERRNO(EFAULT, do_ioctl(self->fence, SYNC_IOC_SET_DEADLINE, NULL));
	EXPECT_ERRNO(EFAULT, do_ioctl(self->fence, SYNC_IOC_SET_DEADLINE, BAD_POINTER));
	EXPECT_ERRNO(EINVAL, set_deadline(self->fence, (struct sync_set_deadline){ .pad = 1 }));
	EXPECT_ERRNO(EINVAL, set_deadline(self->fence, (struct sync_set_deadline){
		.deadline_ns = now_ns(CLOCK_MONOTONIC), .pad = 1ull << 63 }));
	EXPECT_ERRNO(0, do_ioctl(self->fence, SYNC_IOC_SET_DEADLINE, ro));
	EXPECT_ERRNO(0, set_deadline(self->fence, (struct sync_set_deadline){ 0 }));
	EXPECT_ERRNO(0, set_deadline(self->fence, (struct sync_set_deadline){
		.deadline_ns = ~0ull }));
}

TEST_HARNESS_MAIN

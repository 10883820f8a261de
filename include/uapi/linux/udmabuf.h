/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * udmabuf: turn memory of a memfd into a dma-buf.
 *
 * Copyright (C) 2026 the dma-buf project authors
 *
 * Both ioctls, on /dev/udmabuf, return the descriptor of the new buffer.
 *
 * Errors: EBADFD if a descriptor is not open, or its file is neither shmem nor
 * hugetlbfs; EINVAL if a memfd lacks F_SEAL_SHRINK (as does any made without
 * MFD_ALLOW_SEALING) or has F_SEAL_WRITE or F_SEAL_FUTURE_WRITE, if an offset
 * or size is not a multiple of the page size, if a range ends beyond its memfd,
 * or if there is no memory at all or more than the module's limits allow;
 * EACCES if some memfds can only be read and some only written; EBUSY if
 * another process keeps removing huge pages; ENOMEM, also for huge pages;
 * ENOSPC beyond the overcommit limit; EIO if swap cannot be read; EINTR if the
 * caller is being killed; EMFILE; ENFILE; EFAULT; ENOTTY for an unknown
 * command.
 *
 * The buffer can be read if all descriptors of the memfds can, and written
 * likewise: it is O_RDONLY if one of them is.
 */
#ifndef _UAPI_LINUX_UDMABUF_H
#define _UAPI_LINUX_UDMABUF_H

#include <linux/types.h>
#include <linux/ioctl.h>

/*
 * Make the new descriptor close-on-exec. The other bits of flags are ignored;
 * pass zero, as they may get a meaning.
 */
#define UDMABUF_FLAGS_CLOEXEC	0x01

/**
 * struct udmabuf_create - argument of UDMABUF_CREATE
 * @memfd: descriptor of the memfd that the memory belongs to
 * @flags: UDMABUF_FLAGS_CLOEXEC or zero; other bits are ignored
 * @offset: first byte in the memfd, a multiple of the page size
 * @size: bytes, a multiple of the page size
 */
struct udmabuf_create {
	__u32 memfd;
	__u32 flags;
	__u64 offset;
	__u64 size;
};

/**
 * struct udmabuf_create_item - one range of UDMABUF_CREATE_LIST
 * @memfd: descriptor of the memfd that the memory belongs to
 * @__pad: ignored; pass zero
 * @offset: first byte in the memfd, a multiple of the page size
 * @size: bytes, a multiple of the page size
 */
struct udmabuf_create_item {
	__u32 memfd;
	__u32 __pad;
	__u64 offset;
	__u64 size;
};

/**
 * struct udmabuf_create_list - argument of UDMABUF_CREATE_LIST
 * @flags: UDMABUF_FLAGS_CLOEXEC or zero; other bits are ignored
 * @count: number of ranges
 * @list: the ranges, in the order in which the buffer contains them
 */
struct udmabuf_create_list {
	__u32 flags;
	__u32 count;
	struct udmabuf_create_item list[];
};

#define UDMABUF_CREATE		_IOW('u', 0x42, struct udmabuf_create)
#define UDMABUF_CREATE_LIST	_IOW('u', 0x43, struct udmabuf_create_list)

#endif /* _UAPI_LINUX_UDMABUF_H */

/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * udmabuf: turn memory of a memfd into a dma-buf.
 *
 * Copyright (C) 2026 the dma-buf project authors
 *
 * Both ioctls, on /dev/udmabuf, return the descriptor of the new buffer.
 *
 * Errors: EBADFD for no open descriptor, or a file that is neither shmem nor
 * hugetlbfs; EINVAL for a memfd without F_SEAL_SHRINK, which one made without
 * MFD_ALLOW_SEALING cannot have, or with F_SEAL_WRITE or F_SEAL_FUTURE_WRITE,
 * for an offset or size that is not a multiple of the page size, for a range
 * beyond the end of the memfd, for no memory at all or more than the module's
 * limits allow; EACCES for memfds of which some can only be read and some only
 * be written; EBUSY for huge pages that somebody takes away again and again;
 * ENOMEM, of huge pages too; ENOSPC beyond the overcommit limit; EIO when swap
 * cannot be read; EINTR when the caller is being killed; EMFILE; ENFILE; EFAULT;
 * ENOTTY for another command.
 *
 * The access mode of the buffer is that of the memfds' descriptors: O_RDONLY if
 * one of them is.
 */
#ifndef _UAPI_LINUX_UDMABUF_H
#define _UAPI_LINUX_UDMABUF_H

#include <linux/types.h>
#include <linux/ioctl.h>

/*
 * Make the new descriptor close-on-exec. The other bits of flags are ignored,
 * whatever they are; pass zeroes, as they may get a meaning.
 */
#define UDMABUF_FLAGS_CLOEXEC	0x01

/**
 * struct udmabuf_create - argument of UDMABUF_CREATE
 * @memfd: where the memory comes from
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
 * @memfd: where the memory comes from
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
 * @count: how many ranges
 * @list: the ranges, in the order in which the buffer shows them
 */
struct udmabuf_create_list {
	__u32 flags;
	__u32 count;
	struct udmabuf_create_item list[];
};

#define UDMABUF_CREATE		_IOW('u', 0x42, struct udmabuf_create)
#define UDMABUF_CREATE_LIST	_IOW('u', 0x43, struct udmabuf_create_list)

#endif /* _UAPI_LINUX_UDMABUF_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ioctls of /dev/dmabuf-template.
 *
 * Copyright the dma-buf project authors
 */
#ifndef _TEMPLATE_ABI_H
#define _TEMPLATE_ABI_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* @size: in bytes, rounded up to whole pages. @fd: returned: the buffer. */
struct template_create {
	__u64 size;
	__s32 fd;
	__u32 pad;
};

/*
 * @fd: a buffer of any exporter, in RAM. @value: what each of its bytes is set
 * to, after @delay_ms. @fence: returned: a sync_file that signals then.
 */
struct template_fill {
	__s32 fd;
	__u32 value;
	__u32 delay_ms;
	__s32 fence;
};

/* @fd: a buffer that can be mapped. @value: returned: its byte at @offset. */
struct template_peek {
	__s32 fd;
	__u32 value;
	__u64 offset;
};

#define TEMPLATE_CREATE	_IOWR('t', 0x70, struct template_create)
#define TEMPLATE_FILL	_IOWR('t', 0x71, struct template_fill)
#define TEMPLATE_PEEK	_IOWR('t', 0x72, struct template_peek)

#endif /* _TEMPLATE_ABI_H */

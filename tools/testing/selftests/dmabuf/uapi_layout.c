// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copyright the dma-buf project authors
 *
 * The binary interface of the subsystem as numbers: sizes, offsets, ioctl words
 * and flags. Existing programs contain these numbers, so a header that compiles
 * here still serves them. Structures have no holes, so that offsets and the
 * total size give each member's size. Nothing runs: scripts/check compiles this
 * for 64-bit and 32-bit programs, without a C library, which the latter often
 * lack (static_assert comes from the command line).
 */
#include <stddef.h>

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/sync_file.h>
#include <linux/udmabuf.h>

#include "../../../../drivers/dma-buf/importer/dmabuf-importer.h"

#define SIZE(type, size) static_assert(sizeof(type) == (size), "size of " #type)
#define AT(type, member, offset) \
	static_assert(offsetof(type, member) == (offset), #type "." #member)
#define VALUE(name, value) static_assert((name) == (value), #name)

/* dma-buf */
SIZE(struct dma_buf_sync, 8);
AT(struct dma_buf_sync, flags, 0);
SIZE(struct dma_buf_sync_partial, 16);
AT(struct dma_buf_sync_partial, offset, 8);
AT(struct dma_buf_sync_partial, len, 12);
VALUE(DMA_BUF_IOCTL_SYNC_PARTIAL, 0x40106202);
SIZE(struct dma_buf_export_sync_file, 8);
AT(struct dma_buf_export_sync_file, flags, 0);
AT(struct dma_buf_export_sync_file, fd, 4);
SIZE(struct dma_buf_import_sync_file, 8);
AT(struct dma_buf_import_sync_file, flags, 0);
AT(struct dma_buf_import_sync_file, fd, 4);

VALUE(DMA_BUF_BASE, 'b');
VALUE(DMA_BUF_NAME_LEN, 32);
VALUE(DMA_BUF_SYNC_READ, 1);
VALUE(DMA_BUF_SYNC_WRITE, 2);
VALUE(DMA_BUF_SYNC_RW, 3);
VALUE(DMA_BUF_SYNC_START, 0);
VALUE(DMA_BUF_SYNC_END, 4);
VALUE(DMA_BUF_SYNC_VALID_FLAGS_MASK, 7);
VALUE(DMA_BUF_IOCTL_SYNC, 0x40086200UL);
VALUE(DMA_BUF_SET_NAME, sizeof(void *) == 8 ? 0x40086201UL : 0x40046201UL);
VALUE(DMA_BUF_SET_NAME_A, 0x40046201UL);
VALUE(DMA_BUF_SET_NAME_B, 0x40086201UL);
VALUE(DMA_BUF_IOCTL_EXPORT_SYNC_FILE, 0xc0086202UL);
VALUE(DMA_BUF_IOCTL_IMPORT_SYNC_FILE, 0x40086203UL);

/* dma-heap */
SIZE(struct dma_heap_allocation_data, 24);
AT(struct dma_heap_allocation_data, len, 0);
AT(struct dma_heap_allocation_data, fd, 8);
AT(struct dma_heap_allocation_data, fd_flags, 12);
AT(struct dma_heap_allocation_data, heap_flags, 16);

VALUE(DMA_HEAP_IOC_MAGIC, 'H');
VALUE(DMA_HEAP_VALID_HEAP_FLAGS, 0);
VALUE(DMA_HEAP_IOCTL_ALLOC, 0xc0184800UL);

/* sync_file */
SIZE(struct sync_merge_data, 48);
AT(struct sync_merge_data, name, 0);
AT(struct sync_merge_data, fd2, 32);
AT(struct sync_merge_data, fence, 36);
AT(struct sync_merge_data, flags, 40);
AT(struct sync_merge_data, pad, 44);
SIZE(struct sync_fence_info, 80);
AT(struct sync_fence_info, obj_name, 0);
AT(struct sync_fence_info, driver_name, 32);
AT(struct sync_fence_info, status, 64);
AT(struct sync_fence_info, flags, 68);
AT(struct sync_fence_info, timestamp_ns, 72);
SIZE(struct sync_file_info, 56);
AT(struct sync_file_info, name, 0);
AT(struct sync_file_info, status, 32);
AT(struct sync_file_info, flags, 36);
AT(struct sync_file_info, num_fences, 40);
AT(struct sync_file_info, pad, 44);
AT(struct sync_file_info, sync_fence_info, 48);
SIZE(struct sync_set_deadline, 16);
AT(struct sync_set_deadline, deadline_ns, 0);
AT(struct sync_set_deadline, pad, 8);

VALUE(SYNC_IOC_MAGIC, '>');
VALUE(SYNC_IOC_MERGE, 0xc0303e03UL);
VALUE(SYNC_IOC_FILE_INFO, 0xc0383e04UL);
VALUE(SYNC_IOC_SET_DEADLINE, 0x40103e05UL);

/* udmabuf */
SIZE(struct udmabuf_create, 24);
AT(struct udmabuf_create, memfd, 0);
AT(struct udmabuf_create, flags, 4);
AT(struct udmabuf_create, offset, 8);
AT(struct udmabuf_create, size, 16);
SIZE(struct udmabuf_create_item, 24);
AT(struct udmabuf_create_item, memfd, 0);
AT(struct udmabuf_create_item, __pad, 4);
AT(struct udmabuf_create_item, offset, 8);
AT(struct udmabuf_create_item, size, 16);
SIZE(struct udmabuf_create_list, 8);
AT(struct udmabuf_create_list, flags, 0);
AT(struct udmabuf_create_list, count, 4);
AT(struct udmabuf_create_list, list, 8);

VALUE(UDMABUF_FLAGS_CLOEXEC, 1);
VALUE(UDMABUF_CREATE, 0x40187542UL);
VALUE(UDMABUF_CREATE_LIST, 0x40087543UL);

/* The importer test driver: it may change, but 32 and 64 bits must agree. */
SIZE(struct dmabuf_importer_create_dev, 32);
SIZE(struct dmabuf_importer_id, 8);
SIZE(struct dmabuf_importer_attach, 16);
SIZE(struct dmabuf_importer_segment, 16);
SIZE(struct dmabuf_importer_map, 24);
SIZE(struct dmabuf_importer_info, 24);
SIZE(struct dmabuf_importer_operand, 16);
SIZE(struct dmabuf_importer_job, 96);
AT(struct dmabuf_importer_job, in_fences, 16);
AT(struct dmabuf_importer_job, length, 56);
AT(struct dmabuf_importer_job, delay_us, 72);
AT(struct dmabuf_importer_job, job, 88);
SIZE(struct dmabuf_importer_buffer, 16);
SIZE(struct dmabuf_importer_control, 16);

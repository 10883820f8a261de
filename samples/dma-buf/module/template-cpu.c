// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPU access to buffers of any exporter: it takes brackets, but no attachment,
 * no device mapping and no fence.
 *
 * Copyright the dma-buf project authors
 */
#include <linux/dma-buf.h>
#include <linux/iosys-map.h>
#include <linux/uaccess.h>

#include "template.h"

/*
 * The brackets wait for fences and may take the reservation lock. So call them
 * in the process of the caller, and not in a worker that signals fences.
 */
static int template_cpu_read(struct dma_buf *dmabuf, u64 offset, u32 *value)
{
	struct iosys_map map;
	int ret;

	if (offset >= dmabuf->size)
		return -EINVAL;
	ret = dma_buf_vmap_unlocked(dmabuf, &map);
	if (ret)
		return ret;
	ret = dma_buf_begin_cpu_access(dmabuf, DMA_FROM_DEVICE);
	if (!ret) {
		*value = iosys_map_rd(&map, offset, u8);
		ret = dma_buf_end_cpu_access(dmabuf, DMA_FROM_DEVICE);
	}
	dma_buf_vunmap_unlocked(dmabuf, &map);
	return ret;
}

int template_peek(struct template_peek __user *arg)
{
	struct template_peek data;
	struct dma_buf *dmabuf;
	int ret;

	if (copy_from_user(&data, arg, sizeof(data)))
		return -EFAULT;
	dmabuf = dma_buf_get(data.fd);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	ret = template_cpu_read(dmabuf, data.offset, &data.value);
	dma_buf_put(dmabuf);
	if (ret)
		return ret;
	return copy_to_user(arg, &data, sizeof(data)) ? -EFAULT : 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The software engine of the importer test driver: a CPU in place of a device.
 * Like a device, it uses DMA addresses alone, so a wrong mapping has the same
 * consequences here.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/highmem.h>
#include <linux/iommu.h>
#include <linux/platform_device.h>
#include <linux/sched.h>

#include "importer.h"

static struct device *sw_get(const struct dmabuf_importer_create_dev *arg)
{
	struct platform_device_info info = {
		.name = "dmabuf-importer",
		.id = PLATFORM_DEVID_AUTO,
		.dma_mask = arg->dma_mask ?: DMA_BIT_MASK(64),
	};
	struct platform_device *pdev = platform_device_register_full(&info);
	int ret;

	/* The driver core returns this if it cannot allocate the name. */
	if (pdev == ERR_PTR(-EINVAL))
		return ERR_PTR(-ENOMEM);
	if (IS_ERR(pdev))
		return ERR_CAST(pdev);
	/* Set the mask again, to learn whether the platform can serve it. */
	ret = dma_set_mask_and_coherent(&pdev->dev, info.dma_mask);
	if (ret) {
		platform_device_unregister(pdev);
		return ERR_PTR(ret);
	}
	/* Without a limit set, the DMA API assumes 64 KiB. */
	dma_set_max_seg_size(&pdev->dev, arg->max_segment ?: UINT_MAX);
	if (arg->segment_boundary)
		dma_set_seg_boundary(&pdev->dev, arg->segment_boundary);
	return &pdev->dev;
}

static void sw_put(struct device *dev)
{
	platform_device_unregister(to_platform_device(dev));
}

static phys_addr_t dma_to_memory(struct device *dev, dma_addr_t addr)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	return domain ? iommu_iova_to_phys(domain, addr) :
			dma_to_phys(dev, addr);
}

/*
 * Map the memory at the cursor for the CPU: at most @max bytes, and at most up
 * to the end of the page, as memory that is contiguous for the device need not
 * be so for the CPU. Memory without a struct page is refused: memremap() would
 * allocate, which code that a fence depends on must not do.
 */
static void *sw_open(struct device *dev, struct importer_cursor *cursor,
		     u64 max, u32 *length)
{
	phys_addr_t phys;
	dma_addr_t addr;

	*length = importer_cursor_peek(cursor, &addr, max);
	if (!*length)
		return NULL;
	phys = dma_to_memory(dev, addr);
	if (!phys || !pfn_valid(PHYS_PFN(phys)))
		return NULL;
	*length = min_t(u32, *length, PAGE_SIZE - offset_in_page(phys));
	return kmap_local_page(pfn_to_page(PHYS_PFN(phys))) +
	       offset_in_page(phys);
}

/* Copy one piece. Returns its length, or 0 if the memory cannot be reached. */
static u32 sw_copy(struct device *dev, struct importer_cursor *src,
		   struct importer_cursor *dst, u64 max)
{
	u32 from_length, to_length, length = 0;
	void *from, *to;

	from = sw_open(dev, src, max, &from_length);
	if (!from)
		return 0;
	to = sw_open(dev, dst, from_length, &to_length);
	if (to) {
		length = to_length;
		memcpy(to, from, length);
		kunmap_local(to);
		importer_cursor_advance(src, length);
		importer_cursor_advance(dst, length);
	}
	kunmap_local(from);
	return length;
}

static u32 sw_fill(struct device *dev, struct importer_cursor *dst, u8 value,
		   u64 max)
{
	u32 length;
	void *to = sw_open(dev, dst, max, &length);

	if (!to)
		return 0;
	memset(to, value, length);
	kunmap_local(to);
	importer_cursor_advance(dst, length);
	return length;
}

static u32 sw_sum(struct device *dev, struct importer_cursor *src, u64 *sum,
		  u64 max)
{
	u32 length;
	void *from = sw_open(dev, src, max, &length);

	if (!from)
		return 0;
	*sum = importer_checksum(*sum, from, length);
	kunmap_local(from);
	importer_cursor_advance(src, length);
	return length;
}

/* The result may cross a page, so store it byte by byte. */
static int sw_store_sum(struct device *dev, struct importer_cursor *dst,
			u64 sum)
{
	const u8 *bytes = (const u8 *)&sum;
	unsigned int i;

	for (i = 0; i < sizeof(sum); i++)
		if (!sw_fill(dev, dst, bytes[i], 1))
			return -EFAULT;
	return 0;
}

static int sw_execute(struct importer_job *job)
{
	struct device *dev = job->dev->dev;
	struct importer_cursor src, dst;
	u64 sum = IMPORTER_CHECKSUM_INIT;
	u64 left;
	u32 n;

	if (job->src.length)
		importer_cursor_init(&src, &job->src);
	importer_cursor_init(&dst, &job->dst);
	for (left = job->length; left; left -= n) {
		switch (job->op) {
		case DMABUF_IMPORTER_COPY:
			n = sw_copy(dev, &src, &dst, left);
			break;
		case DMABUF_IMPORTER_FILL:
			n = sw_fill(dev, &dst, job->value, left);
			break;
		default:
			n = sw_sum(dev, &src, &sum, left);
		}
		if (!n)
			return -EFAULT;
		cond_resched();
	}
	if (job->op == DMABUF_IMPORTER_CHECKSUM)
		return sw_store_sum(dev, &dst, sum);
	return 0;
}

/* Execute the job at once; like hardware, finish it from an interrupt. */
static void sw_start(struct importer_job *job)
{
	job->error = sw_execute(job);
	irq_work_queue(&job->irq);
}

const struct importer_engine importer_engine_sw = {
	.get	= sw_get,
	.put	= sw_put,
	.start	= sw_start,
};

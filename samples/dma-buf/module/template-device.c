// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stand-in for the hardware: the CPU uses nothing but the DMA addresses,
 * through the IOMMU or into the bounce buffer, as a device would. Replace all
 * of it. It writes through the CPU's caches, so it can only stand in for a
 * coherent device.
 *
 * Copyright the dma-buf project authors
 */
#include <linux/dma-direct.h>
#include <linux/dma-mapping.h>
#include <linux/highmem.h>
#include <linux/iommu.h>
#include <linux/minmax.h>

#include "template.h"

static phys_addr_t template_device_look_up(struct device *dev, dma_addr_t addr)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	return domain ? iommu_iova_to_phys(domain, addr) :
			dma_to_phys(dev, addr);
}

/* Contiguous DMA addresses may mean scattered pages: one page at a time. */
static int template_device_write(struct device *dev, dma_addr_t addr,
				 size_t length, u8 value)
{
	while (length) {
		phys_addr_t phys = template_device_look_up(dev, addr);
		size_t part = min(length, PAGE_SIZE - offset_in_page(phys));

		if (!phys || !pfn_valid(PHYS_PFN(phys)))
			return -EFAULT;
		memset_page(pfn_to_page(PHYS_PFN(phys)), offset_in_page(phys),
			    value, part);
		addr += part;
		length -= part;
	}
	return 0;
}

/*
 * A driver passes these addresses and lengths to its device. An importer must
 * not use anything else of the table: the pages belong to the exporter.
 */
int template_device_fill(struct device *dev, struct sg_table *sgt, u8 value)
{
	struct scatterlist *sg;
	int i, ret = 0;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		ret = template_device_write(dev, sg_dma_address(sg),
					    sg_dma_len(sg), value);
		if (ret)
			break;
	}
	return ret;
}

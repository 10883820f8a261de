// SPDX-License-Identifier: GPL-2.0-only
/*
 * An importer: attaches and maps buffers for QEMU's edu device, which may be
 * behind an IOMMU, or without one for a platform device. It never does DMA.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-mapping.h>
#include <linux/iommu.h>
#include <linux/iosys-map.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "bench.h"

#define EDU_VENDOR	0x1234
#define EDU_DEVICE	0x11e8

static struct platform_device *bench_platform;
static struct pci_dev *bench_pci;
static struct device *bench_dev;

/**
 * struct bench_attachment - an attachment that stays until BENCH_IOC_DROP
 * @node: in &bench_held.attachments
 * @attach: the attachment, which holds the buffer's file
 * @sgt: its mapping, or NULL
 */
struct bench_attachment {
	struct list_head node;
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;
};

/* A device needs a driver to get the IOMMU's usual domain: these do nothing. */
static int bench_platform_probe(struct platform_device *pdev)
{
	return 0;
}

static struct platform_driver bench_platform_driver = {
	.probe = bench_platform_probe,
	.driver = {
		.name = "dmabuf-bench",
	},
};

static int bench_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	return 0;
}

static const struct pci_device_id bench_pci_ids[] = {
	{ PCI_DEVICE(EDU_VENDOR, EDU_DEVICE) },
	{}
};

static struct pci_driver bench_pci_driver = {
	.name = "dmabuf-bench",
	.id_table = bench_pci_ids,
	.probe = bench_pci_probe,
};

static int init_pci(void)
{
	int ret = pci_register_driver(&bench_pci_driver);

	if (ret) {
		pci_dev_put(bench_pci);
		return ret;
	}
	bench_dev = &bench_pci->dev;
	return dma_set_mask_and_coherent(bench_dev, DMA_BIT_MASK(64));
}

static int init_platform(void)
{
	int ret = platform_driver_register(&bench_platform_driver);

	if (ret)
		return ret;
	bench_platform = platform_device_register_simple("dmabuf-bench", -1,
							 NULL, 0);
	if (IS_ERR(bench_platform)) {
		platform_driver_unregister(&bench_platform_driver);
		return PTR_ERR(bench_platform);
	}
	bench_dev = &bench_platform->dev;
	return dma_coerce_mask_and_coherent(bench_dev, DMA_BIT_MASK(64));
}

int bench_device_init(void)
{
	int ret;

	bench_pci = pci_get_device(EDU_VENDOR, EDU_DEVICE, NULL);
	ret = bench_pci ? init_pci() : init_platform();
	if (ret) {
		if (bench_dev)
			bench_device_exit();
		return ret;
	}
	dma_set_max_seg_size(bench_dev, UINT_MAX);
	return 0;
}

void bench_device_exit(void)
{
	if (bench_pci) {
		pci_unregister_driver(&bench_pci_driver);
		pci_dev_put(bench_pci);
	} else {
		platform_device_unregister(bench_platform);
		platform_driver_unregister(&bench_platform_driver);
	}
}

enum bench_path bench_device_path(void)
{
	if (device_iommu_mapped(bench_dev))
		return BENCH_PATH_IOMMU;
	/* Only bounce buffers limit the size of a mapping. */
	return dma_max_mapping_size(bench_dev) < SIZE_MAX ?
		BENCH_PATH_BOUNCE : BENCH_PATH_DIRECT;
}

static int op_get_put(struct dma_buf *dmabuf)
{
	get_dma_buf(dmabuf);
	dma_buf_put(dmabuf);
	return 0;
}

static int op_attach(struct dma_buf *dmabuf)
{
	struct dma_buf_attachment *attach = dma_buf_attach(dmabuf, bench_dev);

	if (IS_ERR(attach))
		return PTR_ERR(attach);
	dma_buf_detach(dmabuf, attach);
	return 0;
}

static int map_unmap(struct dma_buf_attachment *attach)
{
	struct sg_table *sgt;

	sgt = dma_buf_map_attachment_unlocked(attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	dma_buf_unmap_attachment_unlocked(attach, sgt, DMA_BIDIRECTIONAL);
	return 0;
}

static int op_attach_map(struct dma_buf *dmabuf)
{
	struct dma_buf_attachment *attach = dma_buf_attach(dmabuf, bench_dev);
	int ret;

	if (IS_ERR(attach))
		return PTR_ERR(attach);
	ret = map_unmap(attach);
	dma_buf_detach(dmabuf, attach);
	return ret;
}

static int op_vmap(struct dma_buf *dmabuf)
{
	struct iosys_map map;
	int ret = dma_buf_vmap_unlocked(dmabuf, &map);

	if (ret)
		return ret;
	dma_buf_vunmap_unlocked(dmabuf, &map);
	return 0;
}

static int run_op(struct dma_buf *dmabuf, struct bench_buffer *arg,
		  int (*op)(struct dma_buf *dmabuf))
{
	struct bench b = { };
	int ret = 0;
	u64 i;

	bench_start(&b);
	for (i = 0; i < arg->ops && !ret; i++)
		ret = op(dmabuf);
	bench_stop(&b, arg->ops);
	arg->ns = b.ns;
	return ret;
}

/*
 * Count neither the first map of an attachment, which op_attach_map() is about,
 * nor the second, of which the mapping is kept.
 */
static int run_map(struct dma_buf *dmabuf, struct bench_buffer *arg)
{
	struct dma_buf_attachment *attach = dma_buf_attach(dmabuf, bench_dev);
	struct bench b = { };
	int ret;
	u64 i;

	if (IS_ERR(attach))
		return PTR_ERR(attach);
	ret = map_unmap(attach) ?: map_unmap(attach);
	bench_start(&b);
	for (i = 0; i < arg->ops && !ret; i++)
		ret = map_unmap(attach);
	bench_stop(&b, arg->ops);
	arg->ns = b.ns;
	dma_buf_detach(dmabuf, attach);
	return ret;
}

static int hold(struct bench_held *held, struct dma_buf *dmabuf, bool map)
{
	struct bench_attachment *ba = kzalloc(sizeof(*ba), GFP_KERNEL);
	struct sg_table *sgt;

	if (!ba)
		return -ENOMEM;
	ba->attach = dma_buf_attach(dmabuf, bench_dev);
	if (IS_ERR(ba->attach)) {
		int ret = PTR_ERR(ba->attach);

		kfree(ba);
		return ret;
	}
	get_dma_buf(dmabuf);
	list_add(&ba->node, &held->attachments);
	if (!map)
		return 0;
	sgt = dma_buf_map_attachment_unlocked(ba->attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	ba->sgt = sgt;
	return 0;
}

void bench_drop_attachments(struct bench_held *held)
{
	struct bench_attachment *ba, *next;

	list_for_each_entry_safe(ba, next, &held->attachments, node) {
		struct dma_buf *dmabuf = ba->attach->dmabuf;

		if (ba->sgt)
			dma_buf_unmap_attachment_unlocked(ba->attach, ba->sgt,
							  DMA_BIDIRECTIONAL);
		list_del(&ba->node);
		dma_buf_detach(dmabuf, ba->attach);
		dma_buf_put(dmabuf);
		kfree(ba);
	}
}

static int run_hold(struct bench_held *held, struct dma_buf *dmabuf,
		    struct bench_buffer *arg, bool map)
{
	int ret = 0;
	u64 i;

	for (i = 0; i < arg->ops && !ret; i++)
		ret = hold(held, dmabuf, map);
	return ret;
}

static int run_buffer_op(struct bench_held *held, struct dma_buf *dmabuf,
			 struct bench_buffer *arg)
{
	switch (arg->op) {
	case BENCH_OP_GET_PUT:
		return run_op(dmabuf, arg, op_get_put);
	case BENCH_OP_ATTACH:
		return run_op(dmabuf, arg, op_attach);
	case BENCH_OP_MAP:
		return run_map(dmabuf, arg);
	case BENCH_OP_ATTACH_MAP:
		return run_op(dmabuf, arg, op_attach_map);
	case BENCH_OP_VMAP:
		return run_op(dmabuf, arg, op_vmap);
	case BENCH_OP_HOLD:
	case BENCH_OP_HOLD_MAPPED:
		return run_hold(held, dmabuf, arg,
				arg->op == BENCH_OP_HOLD_MAPPED);
	}
	return -EINVAL;
}

int bench_buffer_op(struct bench_held *held, struct bench_buffer *arg)
{
	struct dma_buf *dmabuf = dma_buf_get(arg->fd);
	int ret;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	ret = run_buffer_op(held, dmabuf, arg);
	dma_buf_put(dmabuf);
	return ret;
}

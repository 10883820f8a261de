/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the template share.
 *
 * Copyright the dma-buf project authors
 */
#ifndef _TEMPLATE_H
#define _TEMPLATE_H

#include <linux/types.h>

#include "template-abi.h"

struct device;
struct dma_fence;
struct sg_table;

/* template-exporter.c */
int template_create(struct template_create __user *arg);

/* template-importer.c */
int template_importer_init(struct device *dev);
void template_importer_fini(void);
int template_fill(struct template_fill __user *arg);

/* template-device.c. Return: 0, or -EFAULT for an address that is not RAM. */
int template_device_fill(struct device *dev, struct sg_table *sgt, u8 value);

/* template-cpu.c */
int template_peek(struct template_peek __user *arg);

/* template-fence.c. Return: the fence, or NULL if there is no memory. */
struct dma_fence *template_fence_create(void);
void template_fence_fini(void);

#endif /* _TEMPLATE_H */

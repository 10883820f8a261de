// SPDX-License-Identifier: GPL-2.0-only
/*
 * A template of a module: /dev/dmabuf-template exports buffers, and runs jobs
 * on buffers of any exporter. Documentation/driver-api/dma-buf-module.rst
 * explains it.
 *
 * Copyright the dma-buf project authors
 */
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/platform_device.h>

#include "template.h"

static struct platform_device *template_pdev;

static long template_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	switch (cmd) {
	case TEMPLATE_CREATE:
		return template_create((void __user *)arg);
	case TEMPLATE_FILL:
		return template_fill((void __user *)arg);
	case TEMPLATE_PEEK:
		return template_peek((void __user *)arg);
	default:
		return -ENOTTY;
	}
}

/* Through the owner each open file holds a reference to the module. */
static const struct file_operations template_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = template_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static struct miscdevice template_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dmabuf-template",
	.fops = &template_fops,
};

static int __init template_init(void)
{
	int ret;

	template_pdev = platform_device_register_simple("dmabuf-template", -1,
							NULL, 0);
	if (IS_ERR(template_pdev))
		return PTR_ERR(template_pdev);
	ret = template_importer_init(&template_pdev->dev);
	if (ret)
		goto err_device;
	/* Programs may open the device from here on. */
	ret = misc_register(&template_misc);
	if (ret)
		goto err_importer;
	return 0;

err_importer:
	template_importer_fini();
err_device:
	platform_device_unregister(template_pdev);
	return ret;
}

/*
 * Buffers (through the owner that DEFINE_DMA_BUF_EXPORT_INFO() sets), fences
 * and open files all hold the module, so none of them is left when this is
 * called.
 */
static void __exit template_exit(void)
{
	misc_deregister(&template_misc);
	template_importer_fini();
	platform_device_unregister(template_pdev);
	template_fence_fini();
}

module_init(template_init);
module_exit(template_exit);
MODULE_DESCRIPTION("Template of a module that exports and imports dma-bufs");
MODULE_LICENSE("GPL");

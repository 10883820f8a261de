// SPDX-License-Identifier: GPL-2.0-only
/*
 * The devices in /dev/dma_heap, one for each heap, and their only ioctl, which
 * allocates a buffer. The heap provides the memory and the buffer's operations.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/build_bug.h>
#include <linux/cdev.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/device/class.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>
#include <uapi/linux/dma-heap.h>

#include "../sync/ioctl-abi.h"

/**
 * DOC: heaps
 *
 * A heap is never removed, so its users need no reference. dma_heap_add()
 * reserves a minor number, makes the device, and publishes the heap under that
 * number as the last step, which cannot fail. Until then open() fails with
 * -ENODEV.
 *
 * *Locking.* dma_heap_add_lock keeps names unique. Lookup in dma_heaps uses
 * RCU, and allocation takes no lock here.
 */

/* Minor numbers reserved: machines have a few kinds of memory, not dozens. */
#define DMA_HEAP_MINORS	128

/**
 * struct dma_heap - a heap; immutable after publishing
 * @name: unique name
 * @ops: operations
 * @priv: private data of the heap, for dma_heap_get_drvdata()
 */
struct dma_heap {
	const char *name;
	const struct dma_heap_ops *ops;
	void *priv;
};

/* Heaps by minor number. */
static DEFINE_XARRAY_ALLOC(dma_heaps);
static DEFINE_MUTEX(dma_heap_add_lock);
static dev_t dma_heap_devt;
static struct cdev dma_heap_cdev;

static char *dma_heap_devnode(const struct device *dev, umode_t *mode)
{
	return kasprintf(GFP_KERNEL, "dma_heap/%s", dev_name(dev));
}

static const struct class dma_heap_class = {
	.name = "dma_heap",
	.devnode = dma_heap_devnode,
};

static int dma_heap_open(struct inode *inode, struct file *file)
{
	struct dma_heap *heap = xa_load(&dma_heaps, iminor(inode));

	if (!heap)
		return -ENODEV;
	file->private_data = heap;
	return nonseekable_open(inode, file);
}

static int dma_heap_check(const struct dma_heap_allocation_data *data)
{
	if (data->fd || data->fd_flags & ~DMA_HEAP_VALID_FD_FLAGS ||
	    data->heap_flags & ~DMA_HEAP_VALID_HEAP_FLAGS)
		return -EINVAL;
	if (!data->len || data->len > ALIGN_DOWN(SIZE_MAX, PAGE_SIZE))
		return -EINVAL;
	return 0;
}

/*
 * A program may have been compiled with another version of the argument; the
 * command word states its size and direction. Members that the program lacks
 * are zero, those that the kernel does not know are left alone.
 */
static long dma_heap_ioctl_alloc(struct dma_heap *heap, unsigned int cmd,
				 void __user *arg)
{
	struct dma_heap_allocation_data data = {};
	size_t size = min(_IOC_SIZE(cmd), sizeof(data));
	struct dma_buf *dmabuf;
	int ret;

	if (cmd & IOC_IN && copy_from_user(&data, arg, size))
		return -EFAULT;
	ret = dma_heap_check(&data);
	if (ret)
		return ret;

	CLASS(get_unused_fd, fd)(data.fd_flags & O_CLOEXEC);
	if (fd < 0)
		return fd;
	dmabuf = heap->ops->allocate(heap, PAGE_ALIGN(data.len), data.fd_flags,
				     data.heap_flags);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);

	data.fd = fd;
	if (cmd & IOC_OUT && copy_to_user(arg, &data, size)) {
		dma_buf_put(dmabuf);
		return -EFAULT;
	}
	fd_install(take_fd(fd), dmabuf->file);
	return 0;
}

/* The binary interface: programs are compiled with these numbers. */
static_assert(sizeof(struct dma_heap_allocation_data) == 24);
static_assert(offsetof(struct dma_heap_allocation_data, fd) == 8);
static_assert(offsetof(struct dma_heap_allocation_data, fd_flags) == 12);
static_assert(offsetof(struct dma_heap_allocation_data, heap_flags) == 16);
DMA_BUF_ABI_CMD(DMA_HEAP_IOCTL_ALLOC, _IOC_READ | _IOC_WRITE, 'H', 0, 24)

static long dma_heap_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	if (_IOC_NR(cmd) != _IOC_NR(DMA_HEAP_IOCTL_ALLOC))
		return -EINVAL;
	return dma_heap_ioctl_alloc(file->private_data, cmd,
				    (void __user *)arg);
}

static const struct file_operations dma_heap_fops = {
	.owner = THIS_MODULE,
	.open = dma_heap_open,
	.unlocked_ioctl = dma_heap_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static bool dma_heap_exists(const char *name)
{
	struct dma_heap *heap;
	unsigned long index;

	lockdep_assert_held(&dma_heap_add_lock);
	xa_for_each(&dma_heaps, index, heap)
		if (!strcmp(heap->name, name))
			return true;
	return false;
}

/**
 * dma_heap_add - add a heap
 * @exp_info: describes the heap; copied, but what its members point to has to
 *	stay
 *
 * User space may allocate from the heap even before this returns. A heap cannot
 * be removed.
 *
 * Context: Process, may sleep.
 * Return: The heap, or ERR_PTR(): -EINVAL if the name or the operation is
 * missing, or the name is taken; -EBUSY if there are too many heaps; -ENOMEM;
 * what the driver core reports.
 */
struct dma_heap *dma_heap_add(const struct dma_heap_export_info *exp_info)
{
	struct device *dev;
	u32 minor;
	int ret;

	if (!exp_info->name || !*exp_info->name || !exp_info->ops ||
	    !exp_info->ops->allocate)
		return ERR_PTR(-EINVAL);

	struct dma_heap *heap __free(kfree) = kzalloc(sizeof(*heap),
						      GFP_KERNEL);
	if (!heap)
		return ERR_PTR(-ENOMEM);
	heap->name = exp_info->name;
	heap->ops = exp_info->ops;
	heap->priv = exp_info->priv;

	guard(mutex)(&dma_heap_add_lock);
	if (dma_heap_exists(heap->name))
		return ERR_PTR(-EINVAL);
	ret = xa_alloc(&dma_heaps, &minor, NULL,
		       XA_LIMIT(0, DMA_HEAP_MINORS - 1), GFP_KERNEL);
	if (ret)
		return ERR_PTR(ret);
	dev = device_create(&dma_heap_class, NULL,
			    MKDEV(MAJOR(dma_heap_devt), minor), NULL, "%s",
			    heap->name);
	if (IS_ERR(dev)) {
		xa_erase(&dma_heaps, minor);
		return ERR_CAST(dev);
	}
	/* xa_alloc() has reserved the slot, so this does not fail. */
	xa_store(&dma_heaps, minor, heap, GFP_KERNEL);
	return no_free_ptr(heap);
}

/**
 * dma_heap_get_drvdata - return the private data of a heap
 * @heap: the heap
 *
 * Context: Any.
 * Return: &dma_heap_export_info.priv.
 */
void *dma_heap_get_drvdata(struct dma_heap *heap)
{
	return heap->priv;
}

/**
 * dma_heap_get_name - return the name of a heap
 * @heap: the heap
 *
 * Context: Any.
 * Return: The name, which stays valid for ever.
 */
const char *dma_heap_get_name(struct dma_heap *heap)
{
	return heap->name;
}

static int __init dma_heap_init(void)
{
	int ret;

	ret = alloc_chrdev_region(&dma_heap_devt, 0, DMA_HEAP_MINORS,
				  "dma_heap");
	if (ret)
		return ret;
	cdev_init(&dma_heap_cdev, &dma_heap_fops);
	ret = class_register(&dma_heap_class);
	if (ret) {
		unregister_chrdev_region(dma_heap_devt, DMA_HEAP_MINORS);
		return ret;
	}
	ret = cdev_add(&dma_heap_cdev, dma_heap_devt, DMA_HEAP_MINORS);
	if (ret) {
		class_unregister(&dma_heap_class);
		unregister_chrdev_region(dma_heap_devt, DMA_HEAP_MINORS);
	}
	return ret;
}
subsys_initcall(dma_heap_init);

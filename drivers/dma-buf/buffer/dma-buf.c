// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life cycle of a buffer: export, descriptors, references and release. The
 * other dma-buf-*.c implement what can be done with a buffer.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/huge_mm.h>
#include <linux/init.h>
#include <linux/module.h>

#include <kunit/visibility.h>

#include "dma-buf-internal.h"

/**
 * DOC: dma buf device access
 *
 * An *exporter* owns memory and wraps it with dma_buf_export(). The buffer is a
 * file: dma_buf_fd() installs a descriptor, which user space passes to other
 * drivers and processes. An *importer* looks up the buffer of a descriptor with
 * dma_buf_get(), attaches its device with dma_buf_attach() or
 * dma_buf_dynamic_attach(), and maps the memory for DMA with
 * dma_buf_map_attachment(). It undoes these steps in the reverse order, and
 * ends with dma_buf_put().
 *
 * *Life cycle.* dma_buf_export() takes over &dma_buf_export_info.priv only if
 * it succeeds, and returns the first reference. dma_buf_fd() hands that to a
 * descriptor. Each descriptor, each mapping into a process, each importer and
 * each attachment holds a reference to the file. After the last one is dropped,
 * the buffer leaves the registry, the core calls &dma_buf_ops.release, and
 * drops its reference to the exporter's module. As dma_buf_put() may be called
 * in any context, this happens later: when the task returns to user space, or
 * in a worker. The memory of &struct dma_buf stays valid for an RCU grace
 * period more.
 *
 * dma_buf_export() publishes the buffer after all steps that can fail. If it
 * fails, it leaves nothing behind.
 *
 * *Locking.* See dma-buf-attach.c for all locks and their order.
 */

static int file_release(struct inode *inode, struct file *file)
{
	struct dma_buf *dmabuf = file->private_data;
	struct module *owner = dmabuf->owner;

	dma_buf_registry_del(dmabuf);
	/* Attachments hold references; users of a kernel mapping have to. */
	WARN_ON_ONCE(!list_empty(&dmabuf->attachments));
	WARN_ON_ONCE(dmabuf->vmapping_counter);

	dmabuf->ops->release(dmabuf);
	dma_buf_file_release(dmabuf);
	module_put(owner);
	return 0;
}

static const struct file_operations file_ops = {
	.owner = THIS_MODULE,
	.release = file_release,
	.llseek = dma_buf_file_llseek,
	.mmap = dma_buf_file_mmap,
	.get_unmapped_area = thp_get_unmapped_area,
	.poll = dma_buf_poll,
	.unlocked_ioctl = dma_buf_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.show_fdinfo = dma_buf_file_show_fdinfo,
};

/**
 * dma_buf_file_is_ours - tell whether a file belongs to a buffer
 * @file: any file
 *
 * Context: Any.
 * Return: true if its private data is a &struct dma_buf.
 */
VISIBLE_IF_KUNIT bool dma_buf_file_is_ours(const struct file *file)
{
	return file->f_op == &file_ops;
}

static bool is_exportable(const struct dma_buf_export_info *info)
{
	const struct dma_buf_ops *ops = info->ops;

	if (!info->priv || !ops || !ops->map_dma_buf || !ops->unmap_dma_buf ||
	    !ops->release)
		return false;
	if (!ops->pin != !ops->unpin)
		return false;
	if (!ops->keep_mapping != !ops->begin_device_access ||
	    !ops->keep_mapping != !ops->end_device_access)
		return false;
	/* A shared table can neither follow a move nor be handed over. */
	return !(ops->cache_sgt_mapping && (ops->pin || ops->keep_mapping));
}

/**
 * dma_buf_export - wrap memory as a buffer
 * @exp_info: parameters of the buffer; not used after the call
 *
 * Context: Process, may sleep. Reservation lock not held.
 * Return: The buffer, with a reference for the caller; the buffer owns
 * &dma_buf_export_info.priv until &dma_buf_ops.release. Or ERR_PTR(), and
 * nothing has changed: -EINVAL, with a warning, for a NULL
 * &dma_buf_export_info.priv, or operations that are missing or exclude each
 * other; -ENOENT if the exporter's module is being unloaded; -ENOMEM; -ENFILE.
 */
struct dma_buf *dma_buf_export(const struct dma_buf_export_info *exp_info)
{
	struct dma_buf *dmabuf;
	int ret;

	if (WARN_ON_ONCE(!is_exportable(exp_info)))
		return ERR_PTR(-EINVAL);
	if (!try_module_get(exp_info->owner))
		return ERR_PTR(-ENOENT);

	dmabuf = dma_buf_file_alloc(exp_info->size, exp_info->resv);
	if (IS_ERR(dmabuf)) {
		module_put(exp_info->owner);
		return dmabuf;
	}

	dmabuf->priv = exp_info->priv;
	dmabuf->ops = exp_info->ops;
	dmabuf->owner = exp_info->owner;
	dmabuf->exp_name = exp_info->exp_name ?: "";
	spin_lock_init(&dmabuf->name_lock);
	spin_lock_init(&dmabuf->lock);
	INIT_LIST_HEAD(&dmabuf->attachments);
	dma_buf_poll_init(dmabuf);

	ret = dma_buf_file_open(dmabuf, exp_info->flags, &file_ops);
	if (ret) {
		dma_buf_file_discard(dmabuf);
		module_put(exp_info->owner);
		return ERR_PTR(ret);
	}

	dma_buf_registry_add(dmabuf);
	return dmabuf;
}
EXPORT_SYMBOL_NS_GPL(dma_buf_export, DMA_BUF);

/**
 * dma_buf_fd - install a descriptor of a buffer
 * @dmabuf: the buffer
 * @flags: O_CLOEXEC or 0; the access mode is that of the export
 *
 * Context: Process, may sleep.
 * Return: A new descriptor, which owns the caller's reference now; or a
 * negative errno, and the caller keeps the reference: -EINVAL for a NULL
 * @dmabuf, -EMFILE, -ENOMEM.
 */
int dma_buf_fd(struct dma_buf *dmabuf, int flags)
{
	int fd;

	if (!dmabuf || !dmabuf->file)
		return -EINVAL;

	fd = get_unused_fd_flags(flags);
	if (fd >= 0)
		fd_install(fd, dmabuf->file);
	return fd;
}
EXPORT_SYMBOL_NS_GPL(dma_buf_fd, DMA_BUF);

/**
 * dma_buf_get - get the buffer behind a descriptor
 * @fd: the descriptor
 *
 * Context: Process.
 * Return: The buffer, with a reference for the caller; or ERR_PTR(): -EBADF if
 * @fd is not open, -EINVAL if it is not a descriptor of a buffer.
 */
struct dma_buf *dma_buf_get(int fd)
{
	struct file *file = fget(fd);

	if (!file)
		return ERR_PTR(-EBADF);
	if (!dma_buf_file_is_ours(file)) {
		fput(file);
		return ERR_PTR(-EINVAL);
	}
	return file->private_data;
}
EXPORT_SYMBOL_NS_GPL(dma_buf_get, DMA_BUF);

/**
 * dma_buf_put - drop a reference
 * @dmabuf: the buffer
 *
 * Context: Any. The core releases the buffer later, in process context.
 */
void dma_buf_put(struct dma_buf *dmabuf)
{
	if (WARN_ON_ONCE(!dmabuf || !dmabuf->file))
		return;
	fput(dmabuf->file);
}
EXPORT_SYMBOL_NS_GPL(dma_buf_put, DMA_BUF);

static int __init dma_buf_init(void)
{
	return dma_buf_poll_setup() ?: dma_buf_file_init() ?:
	       dma_buf_registry_init();
}
subsys_initcall(dma_buf_init);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/dmabuf-importer: devices that import dma-bufs, for tests. This file is
 * the character device, the table of its ioctls, and the tour of the driver for
 * those who write an importer. include/uapi/linux/dmabuf-importer.h tells user
 * space what the ioctls do.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/build_bug.h>
#include <linux/cleanup.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/miscdevice.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "importer.h"

/**
 * DOC: How to write an importer
 *
 * An importer is a driver that lets its device work on memory of others. This
 * one is complete: it follows moves, takes part in implicit and explicit
 * synchronisation, and survives that everybody else fails.
 *
 * **Life cycle.**
 *
 * 1. *Attach* (dev.c): dma_buf_get() makes a reference of a
 *    descriptor, dma_buf_dynamic_attach() tells the exporter who comes. The
 *    device has stated its DMA mask, segment size and boundary *before*, as
 *    exporters look at these. The exporter may refuse: its errno is the answer
 *    for user space, whatever it is. The attachment keeps the buffer, the
 *    reference of one's own can go.
 * 2. *Map* (map.c): dma_buf_map_attachment() gives DMA
 *    addresses. Look at nothing else in the table, see
 *    importer_meets_constraints() for how to walk it. Mapping costs: keep the
 *    mapping from job to job, until the exporter says that the memory moves.
 * 3. *Submit* (submit.c): first all that can fail, then
 *    publish: see below.
 * 4. *Run* (queue.c): wait for fences, start the engine, and
 *    signal from its interrupt.
 * 5. *Retire*: what a job holds is given back after its fence has signalled, by
 *    a worker of its own; unmapping takes the reservation lock, which those who
 *    wait for our fences may hold.
 * 6. *Detach*: when no mapping, pin or job is left.
 *
 * **Moves.**
 *
 * &dma_buf_attach_ops.move_notify only takes down that the mapping is stale. It
 * neither waits nor unmaps: jobs that run have the old place, and the exporter
 * leaves that alone until their fences, which it finds in the reservation
 * object, have signalled. The next job maps anew and waits for the fences of
 * DMA_RESV_USAGE_KERNEL, behind which the data arrives at the new place. That
 * is why mapping and adding the fence of the job happen within *one* section
 * under the reservation lock: in between, the memory could move, and nobody
 * would wait for a job that nobody knows of.
 *
 * **Fences.**
 *
 * A fence is a promise that ends by itself. So from the moment that it can be
 * seen - in a reservation object, or as a descriptor - until it signals nothing
 * may allocate memory, take the reservation lock, or wait for user space
 * without a limit. All memory is allocated and all slots are reserved before;
 * every job has a timeout from when it could run; the worker that runs jobs marks itself by
 * dma_fence_begin_signalling() so that lockdep sees who breaks the rule.
 *
 * A fence outlives its maker (fence.c): it points to nothing
 * that goes away with the file.
 *
 * **Locking.**
 *
 * 1. &importer.lock, a mutex for all ioctls of a file that make or destroy
 *    something, taken first. It also makes fences come into the queue in the
 *    order of their numbers.
 * 2. The reservation locks of a job's buffers, with an acquire context. They
 *    protect &importer_att.map and &importer_att.stale, and no more.
 * 3. &importer_dev.lock, a spinlock: the lists of jobs. Never taken around
 *    signalling: callbacks of fences may queue work, ours or that of others.
 *
 * User memory is touched under the first alone: a page fault takes the mmap
 * lock, which is taken before reservation locks.
 *
 * **What not to do.**
 *
 * - Do not call dma_buf_detach() while mapped or pinned.
 * - Do not look for pages in the table, and do not use it once unmapped.
 * - Do not unmap in a fence callback or in the interrupt.
 * - Do not wait for one's own fences in move_notify.
 * - Do not add a fence first and then find that memory has run out.
 * - Do not install the descriptor of a fence before the job is queued: user
 *   space can have it closed or waited for in the next instant.
 * - Do not copy an errno of the exporter into another.
 * - Do not rely on the order of two devices' fences: only those of one context
 *   are ordered.
 */

/* A buffer on the stack that has room for the argument of any ioctl. */
union importer_arg {
	struct dmabuf_importer_create_dev create_dev;
	struct dmabuf_importer_id id;
	struct dmabuf_importer_attach attach;
	struct dmabuf_importer_map map;
	struct dmabuf_importer_info info;
	struct dmabuf_importer_job job;
	struct dmabuf_importer_buffer buffer;
	struct dmabuf_importer_control control;
};

/* Programs are compiled against these; none has a hole. */
static_assert(sizeof(struct dmabuf_importer_create_dev) == 32);
static_assert(sizeof(struct dmabuf_importer_id) == 8);
static_assert(sizeof(struct dmabuf_importer_attach) == 16);
static_assert(sizeof(struct dmabuf_importer_segment) == 16);
static_assert(sizeof(struct dmabuf_importer_map) == 24);
static_assert(sizeof(struct dmabuf_importer_info) == 24);
static_assert(sizeof(struct dmabuf_importer_operand) == 16);
static_assert(sizeof(struct dmabuf_importer_job) == 96);
static_assert(offsetof(struct dmabuf_importer_job, in_fences) == 16);
static_assert(offsetof(struct dmabuf_importer_job, src) == 24);
static_assert(offsetof(struct dmabuf_importer_job, length) == 56);
static_assert(offsetof(struct dmabuf_importer_job, delay_us) == 72);
static_assert(offsetof(struct dmabuf_importer_job, job) == 88);
static_assert(sizeof(struct dmabuf_importer_buffer) == 16);
static_assert(sizeof(struct dmabuf_importer_control) == 16);

/* @unlocked: importer_ioctl() calls @fn without &importer.lock. */
struct importer_ioctl {
	unsigned int cmd;
	size_t size;
	bool unlocked;
	int (*fn)(struct importer_cmd *cmd);
};

/*
 * importer_ioctl() copies @size bytes into a union importer_arg, and @_fn takes
 * them for a @_type: no command may be larger than the one or differ from the
 * other.
 */
#define IMPORTER_IOCTL(_cmd, _fn, _type, _unlocked)			\
	[_IOC_NR(DMABUF_IMPORTER_##_cmd)] = {				\
		.cmd = DMABUF_IMPORTER_##_cmd,				\
		.size = sizeof(_type) +					\
			BUILD_BUG_ON_ZERO(sizeof(_type) >		\
					  sizeof(union importer_arg)) +	\
			BUILD_BUG_ON_ZERO(sizeof(_type) !=		\
				_IOC_SIZE(DMABUF_IMPORTER_##_cmd)),	\
		.fn = _fn,						\
		.unlocked = _unlocked,					\
	}

/*
 * RELEASE and CANCEL must work while another thread sleeps in SUBMIT, so they
 * do not take the mutex. EXPORT and CONTROL touch nothing that it protects.
 */
static const struct importer_ioctl importer_ioctls[] = {
	IMPORTER_IOCTL(CREATE_DEV, importer_create_dev,
		       struct dmabuf_importer_create_dev, false),
	IMPORTER_IOCTL(DESTROY_DEV, importer_destroy_dev,
		       struct dmabuf_importer_id, false),
	IMPORTER_IOCTL(ATTACH, importer_attach,
		       struct dmabuf_importer_attach, false),
	IMPORTER_IOCTL(DETACH, importer_detach,
		       struct dmabuf_importer_id, false),
	IMPORTER_IOCTL(PIN, importer_pin,
		       struct dmabuf_importer_id, false),
	IMPORTER_IOCTL(UNPIN, importer_unpin,
		       struct dmabuf_importer_id, false),
	IMPORTER_IOCTL(MAP, importer_map,
		       struct dmabuf_importer_map, false),
	IMPORTER_IOCTL(UNMAP, importer_unmap,
		       struct dmabuf_importer_id, false),
	IMPORTER_IOCTL(INFO, importer_info,
		       struct dmabuf_importer_info, false),
	IMPORTER_IOCTL(SUBMIT, importer_submit,
		       struct dmabuf_importer_job, false),
	IMPORTER_IOCTL(RELEASE, importer_release_job,
		       struct dmabuf_importer_id, true),
	IMPORTER_IOCTL(CANCEL, importer_cancel_job,
		       struct dmabuf_importer_id, true),
	IMPORTER_IOCTL(EXPORT, importer_export,
		       struct dmabuf_importer_buffer, true),
	IMPORTER_IOCTL(CONTROL, importer_control,
		       struct dmabuf_importer_control, true),
};

/*
 * What a signal interrupts, the wait for a lock or a slow map, leaves nothing
 * behind: the call may be made anew.
 */
static long restartable(int ret)
{
	return ret == -EINTR ? -ERESTARTSYS : ret;
}

static long importer_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	unsigned int nr = _IOC_NR(cmd);
	const struct importer_ioctl *ioctl;
	struct importer_cmd icmd = {
		.importer = file->private_data,
		.user = (void __user *)arg,
	};
	union importer_arg buf;

	if (nr >= ARRAY_SIZE(importer_ioctls))
		return -ENOTTY;
	ioctl = &importer_ioctls[array_index_nospec(nr, ARRAY_SIZE(importer_ioctls))];
	if (ioctl->cmd != cmd)
		return -ENOTTY;

	icmd.size = ioctl->size;
	icmd.arg = &buf;
	if (copy_from_user(&buf, icmd.user, icmd.size))
		return -EFAULT;
	if (ioctl->unlocked)
		return restartable(ioctl->fn(&icmd));

	scoped_cond_guard(mutex_intr, return -ERESTARTSYS, &icmd.importer->lock)
		return restartable(ioctl->fn(&icmd));
	return -ERESTARTSYS;
}

static int importer_open(struct inode *inode, struct file *file)
{
	struct importer *importer = kzalloc(sizeof(*importer),
					    GFP_KERNEL_ACCOUNT);

	if (!importer)
		return -ENOMEM;
	mutex_init(&importer->lock);
	xa_init_flags(&importer->devs, XA_FLAGS_ALLOC1);
	xa_init_flags(&importer->atts, XA_FLAGS_ALLOC1);
	xa_init_flags(&importer->jobs, XA_FLAGS_ALLOC1);
	file->private_data = importer;
	return 0;
}

/* Also the end of a process that was killed: nothing here may fail or hang. */
static int importer_release(struct inode *inode, struct file *file)
{
	struct importer *importer = file->private_data;

	importer_close_devs(importer);
	xa_destroy(&importer->jobs);
	xa_destroy(&importer->atts);
	xa_destroy(&importer->devs);
	mutex_destroy(&importer->lock);
	kfree(importer);
	return 0;
}

static const struct file_operations importer_fops = {
	.owner		= THIS_MODULE,
	.open		= importer_open,
	.release	= importer_release,
	.unlocked_ioctl	= importer_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};

static struct miscdevice importer_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "dmabuf-importer",
	.fops	= &importer_fops,
	.mode	= 0600,
};

static int __init importer_misc_init(void)
{
	return importer_wq_init() ?: misc_register(&importer_misc);
}
device_initcall(importer_misc_init);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/dmabuf-importer: devices that import dma-bufs, for tests. This file has
 * the file operations, the table of ioctls, and a walk through the driver for
 * authors of importers. dmabuf-importer.h describes the ioctls to user space.
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
 * An importer is a driver whose device works on memory of another driver, the
 * exporter. This one is complete: it follows moves, takes part in implicit and
 * explicit synchronisation, and copes with the failure of everybody else.
 *
 * **Life cycle.**
 *
 * 1. *Attach* (dev.c): dma_buf_get() turns a descriptor into a reference, and
 *    dma_buf_dynamic_attach() tells the exporter which device is going to use
 *    the buffer. Set the device's DMA mask, segment size and segment boundary
 *    *before*: the exporter looks at them. It may refuse the device; hand its
 *    errno to user space, whatever it is. The attachment holds a reference to
 *    the buffer, so the importer can drop its own.
 * 2. *Map* (map.c): dma_buf_map_attachment() returns a table of DMA addresses.
 *    Use nothing else in the table; importer_meets_constraints() shows how to
 *    walk it. Mapping is expensive: keep the mapping from job to job until the
 *    exporter announces a move.
 * 3. *Submit* (submit.c): first do all that can fail, then publish the fence of
 *    the job and queue it.
 * 4. *Run* (queue.c): wait for the fences that the job depends on, start the
 *    engine, and signal the fence of the job from the engine's interrupt.
 * 5. *Retire* (queue.c): once the fence has signalled, a separate worker gives
 *    back what the job holds. It must not be one that a fence depends on:
 *    unmapping takes the reservation lock, whose holder may be waiting for a
 *    fence of this device.
 * 6. *Detach* (dev.c): when no mapping, pin or job is left.
 *
 * **Moves.**
 *
 * The exporter calls &dma_buf_attach_ops.move_notify, under the reservation
 * lock, when it is about to move the memory. The importer only records that its
 * mapping is stale; it neither waits nor unmaps. Submitted jobs keep using the
 * old place: the exporter finds their fences in the reservation object and
 * leaves that place alone until they have signalled. The next job maps the
 * buffer again and waits for the fences of DMA_RESV_USAGE_KERNEL, which signal
 * when the data has arrived at the new place.
 *
 * Therefore map the buffer and add the fence of the job within *one* critical
 * section of the reservation lock. With two of them, the exporter moves memory
 * under a job whose fence it cannot see yet::
 *
 *	importer                        exporter
 *	lock, map, unlock
 *	                                lock, find no fence, move, unlock
 *	lock, add the fence, unlock
 *	run on the old place
 *
 * **Fences.**
 *
 * A fence is a promise to signal in finite time. From the moment that others
 * can see it, in a reservation object or through a descriptor, until it
 * signals, its maker must not allocate memory, take a reservation lock, or wait
 * for user space without a limit. So a submission allocates all memory and
 * reserves all slots before it publishes; each job has a timeout, which starts
 * when the fences that it depends on have signalled; and the worker that runs
 * jobs brackets its code by dma_fence_begin_signalling() and
 * dma_fence_end_signalling(), so that lockdep reports what breaks the rule.
 *
 * A fence may outlive its maker (fence.c): it points to nothing that goes away
 * with the file.
 *
 * **Locking**, from the outermost lock inwards.
 *
 * 1. &importer.lock, a mutex: serialises those ioctls of a file that make,
 *    change or destroy something. Holding it from the creation of a fence until
 *    the job is queued makes jobs run in the order of their fences.
 * 2. The reservation locks of a job's buffers, taken with one acquire context.
 *    They protect what the jobs of an attachment share: &importer_att.map,
 *    &importer_att.stale and their counters, and &importer_mapping.users.
 * 3. &importer_dev.lock, a spinlock: protects the lists of jobs. It is never
 *    held while a fence is signalled, as that calls code of other drivers.
 *
 * Access user memory under the first lock alone: a page fault takes the mmap
 * lock, which ranks above the reservation locks.
 *
 * **What not to do.**
 *
 * - Do not call dma_buf_detach() while the buffer is mapped or pinned.
 * - Do not look for pages in the table, and do not use it after unmapping.
 * - Do not unmap in a fence callback or in an interrupt handler.
 * - Do not wait for your own fences in move_notify.
 * - Do not publish a fence and only then allocate memory.
 * - Do not install the descriptor of a fence before the job is queued: another
 *   thread of the process can close it or wait for it at once.
 * - Do not replace an errno of the exporter by another one.
 * - Do not rely on the order of two devices' fences: only the fences of one
 *   context are ordered.
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

/* User space is compiled against these layouts; none has a hole. */
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
 * importer_ioctl() copies @size bytes into a union importer_arg, and @_fn reads
 * them as a @_type. A command whose size exceeds the union or differs from the
 * type does not compile.
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
 * An ioctl that a signal interrupts, while it waits for a lock or in a slow
 * map, undoes all that it has done and so can be restarted.
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

/* A killed process ends up here, too: nothing here may fail or hang. */
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

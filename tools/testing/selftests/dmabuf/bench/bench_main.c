// SPDX-License-Identifier: GPL-2.0-only
/*
 * The benchmark module: its device, which runs the cases of the other files
 * when the program in user space asks. It is built once against mainline's
 * dma-buf and once against ours, and uses exported functions alone.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "bench.h"

u64 bench_overhead;
u64 bench_scale;

static const struct bench_case *const bench_groups[] = {
	bench_fence_cases,
	bench_chain_cases,
	bench_merge_cases,
	bench_resv_cases,
};

struct bench_file {
	struct mutex lock; /* of @held; the ioctls take it */
	struct bench_held held;
};

static const struct bench_case *bench_case_find(u32 index)
{
	const struct bench_case *c;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bench_groups); i++) {
		for (c = bench_groups[i]; c->name; c++) {
			if (!index--)
				return c;
		}
	}
	return NULL;
}

static int bench_ioctl_info(void __user *user)
{
	const struct bench_case *c;
	struct bench_info info;
	u32 index;

	if (get_user(index, (u32 __user *)user))
		return -EFAULT;
	c = bench_case_find(index);
	if (!c)
		return -ENOENT;
	memset(&info, 0, sizeof(info));
	info.index = index;
	info.flags = c->flags;
	while (info.count < BENCH_MAX_N && c->n[info.count]) {
		info.n[info.count] = c->n[info.count];
		info.count++;
	}
	strscpy(info.name, c->name);
	return copy_to_user(user, &info, sizeof(info)) ? -EFAULT : 0;
}

static int bench_ioctl_run(void __user *user)
{
	const struct bench_case *c;
	struct bench b = { };
	struct bench_run run;
	int ret;

	if (copy_from_user(&run, user, sizeof(run)))
		return -EFAULT;
	c = bench_case_find(run.index);
	if (!c || !run.n)
		return -EINVAL;
	ret = c->run(&b, run.n, c->arg);
	/* RCU callbacks of this case must not run in the next one's time. */
	rcu_barrier();
	kvfree_rcu_barrier();
	if (ret)
		return ret;
	run.ns = b.ns;
	run.ops = b.ops;
	return copy_to_user(user, &run, sizeof(run)) ? -EFAULT : 0;
}

static int bench_ioctl_buffer(struct bench_held *held, void __user *user)
{
	struct bench_buffer arg;
	int ret;

	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	ret = bench_buffer_op(held, &arg);
	if (ret)
		return ret;
	return copy_to_user(user, &arg, sizeof(arg)) ? -EFAULT : 0;
}

static int bench_ioctl_fences(struct bench_held *held, unsigned int cmd,
			      void __user *user)
{
	struct bench_fences arg;
	int ret;

	if (copy_from_user(&arg, user, sizeof(arg)))
		return -EFAULT;
	if (!arg.n)
		return -EINVAL;
	if (cmd == BENCH_IOC_ADD_FENCES)
		ret = bench_add_fences(held, &arg);
	else
		ret = bench_sync_file(held, &arg);
	if (ret)
		return ret;
	return copy_to_user(user, &arg, sizeof(arg)) ? -EFAULT : 0;
}

/* Takes no lock, which would be measured too. */
static int bench_ioctl_export(unsigned long pages)
{
	struct dma_buf *dmabuf;
	int fd;

	if (pages > INT_MAX / PAGE_SIZE)
		return -EINVAL;
	dmabuf = bench_export(pages);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	if (fd < 0)
		dma_buf_put(dmabuf);
	return fd;
}

static long bench_ioctl_locked(struct bench_held *held, unsigned int cmd,
			       unsigned long arg)
{
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case BENCH_IOC_INFO:
		return bench_ioctl_info(user);
	case BENCH_IOC_RUN:
		return bench_ioctl_run(user);
	case BENCH_IOC_BUFFER:
		return bench_ioctl_buffer(held, user);
	case BENCH_IOC_ADD_FENCES:
	case BENCH_IOC_SYNC_FILE:
		return bench_ioctl_fences(held, cmd, user);
	case BENCH_IOC_DROP:
		bench_drop_attachments(held);
		return 0;
	case BENCH_IOC_LIVE:
		return bench_live(held, arg);
	case BENCH_IOC_SIGNAL:
		bench_signal(held);
		return 0;
	case BENCH_IOC_PATH:
		return bench_device_path();
	}
	return -ENOTTY;
}

static long bench_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct bench_file *bf = file->private_data;
	long ret;

	if (cmd == BENCH_IOC_EXPORT)
		return bench_ioctl_export(arg);
	mutex_lock(&bf->lock);
	ret = bench_ioctl_locked(&bf->held, cmd, arg);
	mutex_unlock(&bf->lock);
	return ret;
}

static int bench_open(struct inode *inode, struct file *file)
{
	struct bench_file *bf = kzalloc(sizeof(*bf), GFP_KERNEL);

	if (!bf)
		return -ENOMEM;
	mutex_init(&bf->lock);
	INIT_LIST_HEAD(&bf->held.fences);
	INIT_LIST_HEAD(&bf->held.attachments);
	INIT_LIST_HEAD(&bf->held.live);
	file->private_data = bf;
	return 0;
}

static int bench_release(struct inode *inode, struct file *file)
{
	struct bench_file *bf = file->private_data;

	bench_signal(&bf->held);
	bench_drop_attachments(&bf->held);
	bench_live(&bf->held, 0);
	mutex_destroy(&bf->lock);
	kfree(bf);
	return 0;
}

static const struct file_operations bench_fops = {
	.owner = THIS_MODULE,
	.open = bench_open,
	.release = bench_release,
	.unlocked_ioctl = bench_ioctl,
};

static struct miscdevice bench_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "dmabuf-bench",
	.fops = &bench_fops,
	.mode = 0600,
};

/* The minimum of many: an interrupt may come between the two readings. */
static void bench_calibrate(void)
{
	struct bench b = { };
	u64 best = U64_MAX;
	int i;

#ifdef BENCH_TSC
	bench_scale = bench_clock_scale(ktime_get_ns);
#endif
	for (i = 0; i < 1000; i++) {
		b.ns = 0;
		bench_start(&b);
		bench_stop(&b, 1);
		best = min(best, b.ns);
	}
	bench_overhead = best;
}

static int __init bench_init(void)
{
	int ret;

	bench_calibrate();
	ret = bench_device_init();
	if (ret)
		return ret;
	ret = misc_register(&bench_misc);
	if (ret)
		bench_device_exit();
	return ret;
}
module_init(bench_init);

static void __exit bench_exit(void)
{
	misc_deregister(&bench_misc);
	bench_device_exit();
	/* RCU readers may still use the operations of the last fences. */
	synchronize_rcu();
}
module_exit(bench_exit);

MODULE_DESCRIPTION("Benchmark of dma-buf");
MODULE_LICENSE("GPL");
MODULE_IMPORT_NS(DMA_BUF);

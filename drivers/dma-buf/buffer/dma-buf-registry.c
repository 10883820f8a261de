// SPDX-License-Identifier: GPL-2.0-only
/*
 * The registry of live buffers, and the file in debugfs that lists them.
 *
 * Each CPU has a list of the buffers exported on it, under its own lock, which
 * is held for a few instructions. So exports on different CPUs do not contend.
 * Export and close never wait for a reader: it walks under RCU, and holds a
 * reference to the one buffer that it prints. A reader takes no reservation
 * lock, and calls the driver of a fence only while that driver is there.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/init.h>
#include <linux/percpu.h>
#include <linux/rculist.h>
#include <linux/seq_file.h>

#include "../fence/print-text.h"
#include "../resv/dma-resv-internal.h"
#include "dma-buf-internal.h"

struct dma_buf_registry {
	/* Serialises writers of @list and @count. */
	spinlock_t lock;
	struct list_head list;
	unsigned int count;
};

static DEFINE_PER_CPU(struct dma_buf_registry, registries);

/**
 * dma_buf_registry_add - publish a buffer
 * @dmabuf: the buffer, complete
 *
 * Context: Process.
 */
void dma_buf_registry_add(struct dma_buf *dmabuf)
{
	/* Any list will do, so the task may migrate. */
	struct dma_buf_registry *reg = raw_cpu_ptr(&registries);

	to_dma_buf_object(dmabuf)->registry = reg;
	guard(spinlock)(&reg->lock);
	list_add_tail_rcu(&dmabuf->list_node, &reg->list);
	reg->count++;
}

/**
 * dma_buf_registry_del - remove a buffer that is being released
 * @dmabuf: the buffer; its memory stays for an RCU grace period
 *
 * Context: Process.
 */
void dma_buf_registry_del(struct dma_buf *dmabuf)
{
	struct dma_buf_object *object = to_dma_buf_object(dmabuf);
	struct dma_buf_registry *reg = object->registry;

	guard(spinlock)(&reg->lock);
	list_del_rcu(&dmabuf->list_node);
	WRITE_ONCE(object->registry, NULL);
	reg->count--;
}

/* Get a buffer that was found under RCU; false if it is being released. */
static bool get_live(struct dma_buf *dmabuf)
{
	struct file *file = dmabuf->file;

	if (!atomic_long_inc_not_zero(&file->f_count))
		return false;
	/*
	 * The slab may reuse the memory of a file without a grace period: the
	 * reference may be to another file. It is to the buffer's own if the
	 * buffer is still on its list, which it leaves before its file is
	 * freed. Pairs with the unlock in dma_buf_registry_del().
	 */
	smp_rmb();
	if (READ_ONCE(to_dma_buf_object(dmabuf)->registry))
		return true;
	fput(file);
	return false;
}

static struct dma_buf *first_live(struct dma_buf_registry *reg,
				  struct list_head *pos)
{
	struct dma_buf *dmabuf;

	for (pos = rcu_dereference(list_next_rcu(pos)); pos != &reg->list;
	     pos = rcu_dereference(list_next_rcu(pos))) {
		dmabuf = list_entry_rcu(pos, struct dma_buf, list_node);
		if (get_live(dmabuf))
			return dmabuf;
	}
	return NULL;
}

/**
 * dma_buf_registry_next - get the next live buffer
 * @prev: the last buffer, whose reference this consumes; NULL for the first one
 *
 * A walk returns every buffer that is live from its beginning to its end.
 *
 * Context: Process.
 * Return: A buffer, with a reference for the caller; NULL at the end.
 */
struct dma_buf *dma_buf_registry_next(struct dma_buf *prev)
{
	struct dma_buf_registry *from = NULL;
	struct dma_buf_registry *reg;
	struct dma_buf *next = NULL;
	int cpu;

	if (prev)
		from = to_dma_buf_object(prev)->registry;
	scoped_guard(rcu) {
		for_each_possible_cpu(cpu) {
			reg = per_cpu_ptr(&registries, cpu);
			if (from && reg != from)
				continue;
			/* @prev stays on its list while it is referenced. */
			next = first_live(reg, from ? &prev->list_node :
						      &reg->list);
			if (next)
				break;
			from = NULL;
		}
	}
	if (prev)
		dma_buf_drop(prev);
	return next;
}

/* Print the attached devices; &dma_buf.lock suffices to walk the list. */
static void show_attachments(struct seq_file *seq, struct dma_buf *dmabuf)
{
	struct dma_buf_attachment *attach;

	seq_puts(seq, "\tAttached Devices:\n");
	guard(spinlock)(&dmabuf->lock);
	list_for_each_entry(attach, &dmabuf->attachments, node) {
		seq_putc(seq, '\t');
		dma_buf_print_text(seq, dev_name(attach->dev));
		seq_putc(seq, '\n');
	}
	seq_put_decimal_ull(seq, "Total ", dmabuf->num_attachments);
	seq_puts(seq, " devices attached\n\n");
}

static void show_buffer(struct seq_file *seq, struct dma_buf *dmabuf)
{
	struct file *file = dmabuf->file;
	char name[DMA_BUF_NAME_LEN];

	dma_buf_copy_name(dmabuf, name, "<none>");
	/* The walk's own reference does not count. */
	seq_printf(seq, "%08zu\t%08x\t%08x\t%08ld\t",
		   dmabuf->size, file->f_flags, (__force u32)file->f_mode,
		   dma_buf_count_users(dmabuf) - 1);
	dma_buf_print_text(seq, dmabuf->exp_name);
	seq_printf(seq, "\t%08lu\t", file_inode(file)->i_ino);
	dma_buf_print_text(seq, name);
	seq_putc(seq, '\n');
	dma_resv_describe_unlocked(dmabuf->resv, seq);
	show_attachments(seq, dmabuf);
}

static int bufinfo_show(struct seq_file *seq, void *unused)
{
	struct dma_buf *dmabuf = NULL;
	unsigned int count = 0;
	size_t size = 0;

	seq_puts(seq, "\nDma-buf Objects:\n");
	seq_printf(seq, "%-8s\t%-8s\t%-8s\t%-8s\texp_name\t%-8s\tname\n",
		   "size", "flags", "mode", "count", "ino");
	while ((dmabuf = dma_buf_registry_next(dmabuf))) {
		show_buffer(seq, dmabuf);
		if (seq_has_overflowed(seq)) {
			/* seq_file will call again, with a larger buffer. */
			dma_buf_drop(dmabuf);
			return 0;
		}
		count++;
		size += dmabuf->size;
		cond_resched();
	}
	seq_printf(seq, "\nTotal %d objects, %zu bytes\n", count, size);
	return 0;
}

static int bufinfo_open(struct inode *inode, struct file *file)
{
	size_t lines = 4;
	int cpu;

	/* An estimate, so that seq_file seldom has to start over. */
	for_each_possible_cpu(cpu)
		lines += READ_ONCE(per_cpu_ptr(&registries, cpu)->count) * 4;
	return single_open_size(file, bufinfo_show, NULL,
				size_mul(lines, 64));
}

static const struct file_operations bufinfo_ops = {
	.owner = THIS_MODULE,
	.open = bufinfo_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = single_release,
};

/**
 * dma_buf_registry_init - initialise the lists, and create the file in debugfs
 *
 * Context: Boot.
 * Return: 0.
 */
int __init dma_buf_registry_init(void)
{
	struct dma_buf_registry *reg;
	int cpu;

	for_each_possible_cpu(cpu) {
		reg = per_cpu_ptr(&registries, cpu);
		spin_lock_init(&reg->lock);
		INIT_LIST_HEAD(&reg->list);
	}
	debugfs_create_file("bufinfo", 0444,
			    debugfs_create_dir("dma_buf", NULL), NULL,
			    &bufinfo_ops);
	return 0;
}

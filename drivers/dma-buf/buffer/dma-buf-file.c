// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file of a buffer: the pseudo file system, the memory of the buffer, and
 * the file operations except ioctl and poll.
 *
 * Buffer, inode and private reservation object are one allocation. The inode
 * outlives the file while another task prints its path, so that task can still
 * read the name. Like every inode it is freed after an RCU grace period, so
 * readers can walk the registry without a lock.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dcache.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/fs.h>
#include <linux/huge_mm.h>
#include <linux/init.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/pseudo_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "../fence/print-text.h"
#include "dma-buf-internal.h"

static struct kmem_cache *object_cache __ro_after_init;
static struct vfsmount *mount __ro_after_init;

static struct dma_buf_object *to_object(struct inode *inode)
{
	return container_of(inode, struct dma_buf_object, inode);
}

static void init_inode_once(void *memory)
{
	struct dma_buf_object *object = memory;

	inode_init_once(&object->inode);
}

static struct inode *alloc_inode(struct super_block *sb)
{
	struct dma_buf_object *object = alloc_inode_sb(sb, object_cache,
							GFP_KERNEL);

	if (!object)
		return NULL;
	memset(object, 0, offsetof(struct dma_buf_object, inode));
	return &object->inode;
}

static void free_inode(struct inode *inode)
{
	kmem_cache_free(object_cache, to_object(inode));
}

static const struct super_operations super_ops = {
	.alloc_inode = alloc_inode,
	.free_inode = free_inode,
	.statfs = simple_statfs,
};

/* Format the path that /proc shows; must not sleep. */
static char *dname(struct dentry *dentry, char *buffer, int len)
{
	struct dma_buf *dmabuf = &to_object(d_inode(dentry))->dmabuf;
	char name[DMA_BUF_NAME_LEN];

	dma_buf_copy_name(dmabuf, name, "");
	return dynamic_dname(buffer, len, "/%s:%s", dentry->d_name.name, name);
}

static const struct dentry_operations dentry_ops = {
	.d_dname = dname,
};

static int init_fs_context(struct fs_context *fc)
{
	struct pseudo_fs_context *ctx = init_pseudo(fc, DMA_BUF_MAGIC);

	if (!ctx)
		return -ENOMEM;
	ctx->ops = &super_ops;
	ctx->dops = &dentry_ops;
	/*
	 * What devices write is no code: SB_I_NOEXEC makes mmap() refuse
	 * PROT_EXEC, and not add it for a READ_IMPLIES_EXEC personality.
	 */
	fc->s_iflags |= SB_I_NOEXEC | SB_I_NODEV;
	return 0;
}

static struct file_system_type fs_type = {
	.name = "dmabuf",
	.init_fs_context = init_fs_context,
	.kill_sb = kill_anon_super,
};

/**
 * dma_buf_file_llseek - implement &file_operations.llseek
 * @file: of a buffer
 * @offset: must be 0
 * @whence: SEEK_END or SEEK_SET
 *
 * Only tells the size: a buffer has no file position.
 *
 * Context: Process.
 * Return: The size of the buffer in bytes for SEEK_END; 0 for SEEK_SET; else
 * -EINVAL.
 */
loff_t dma_buf_file_llseek(struct file *file, loff_t offset, int whence)
{
	struct dma_buf *dmabuf = file->private_data;

	if (offset)
		return -EINVAL;
	switch (whence) {
	case SEEK_SET:
		return 0;
	case SEEK_END:
		return dmabuf->size;
	default:
		return -EINVAL;
	}
}

/**
 * dma_buf_check_mmap - check whether a part of a buffer can be mapped
 * @dmabuf: the buffer
 * @vma: the mapping; gives the size of the part
 * @pgoff: first page of the part
 *
 * Context: Any.
 * Return: 0; -EINVAL if the exporter has no &dma_buf_ops.mmap, or the part
 * reaches beyond the last whole page of the buffer; -EOVERFLOW if its end
 * overflows.
 */
int dma_buf_check_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma,
		       unsigned long pgoff)
{
	unsigned long end;

	if (!dmabuf->ops->mmap)
		return -EINVAL;
	if (check_add_overflow(pgoff, vma_pages(vma), &end))
		return -EOVERFLOW;
	return end > dmabuf->size >> PAGE_SHIFT ? -EINVAL : 0;
}

/**
 * dma_buf_file_mmap - implement &file_operations.mmap
 * @file: of a buffer
 * @vma: the mapping
 *
 * Context: Process, mmap lock held for writing.
 * Return: 0; an errno of dma_buf_check_mmap(); or the errno of the exporter.
 */
int dma_buf_file_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct dma_buf *dmabuf = file->private_data;
	int ret = dma_buf_check_mmap(dmabuf, vma, vma->vm_pgoff);

	return ret ?: dmabuf->ops->mmap(dmabuf, vma);
}

/* Print one line per key: escape what user space may have put into @value. */
static void show_key(struct seq_file *seq, const char *key, const char *value)
{
	seq_printf(seq, "%s:\t", key);
	dma_buf_print_text(seq, value);
	seq_putc(seq, '\n');
}

/**
 * dma_buf_file_show_fdinfo - implement &file_operations.show_fdinfo
 * @seq: output
 * @file: of a buffer
 *
 * Context: Process.
 */
void dma_buf_file_show_fdinfo(struct seq_file *seq, struct file *file)
{
	struct dma_buf *dmabuf = file->private_data;
	char name[DMA_BUF_NAME_LEN];

	seq_printf(seq, "size:\t%zu\n", dmabuf->size);
	seq_printf(seq, "count:\t%ld\n", dma_buf_count_users(dmabuf) - 1);
	show_key(seq, "exp_name", dmabuf->exp_name);
	if (dma_buf_copy_name(dmabuf, name, ""))
		show_key(seq, "name", name);
}

/**
 * dma_buf_count_users - count the users of a buffer
 * @dmabuf: the buffer
 *
 * Does not count the references of attachments, as each importer holds one of
 * its own besides.
 *
 * Context: Any.
 * Return: The number of references to the file that attachments do not hold.
 */
long dma_buf_count_users(struct dma_buf *dmabuf)
{
	/* Unlocked: two snapshots that need not match, for humans to read. */
	return file_count(dmabuf->file) - READ_ONCE(dmabuf->num_attachments);
}

/**
 * dma_buf_file_alloc - allocate a buffer
 * @size: of the buffer, in bytes
 * @resv: the reservation object; NULL to initialise a private one
 *
 * Context: Process, may sleep.
 * Return: The buffer, zeroed but for @size and @resv, for dma_buf_file_open()
 * or dma_buf_file_discard(); or ERR_PTR().
 */
struct dma_buf *dma_buf_file_alloc(size_t size, struct dma_resv *resv)
{
	static atomic64_t last_ino = ATOMIC64_INIT(0);
	struct dma_buf_object *object;
	struct inode *inode;

	inode = alloc_anon_inode(mount->mnt_sb);
	if (IS_ERR(inode))
		return ERR_CAST(inode);
	/* User space tells buffers apart by this, and get_next_ino() wraps. */
	inode->i_ino = atomic64_inc_return(&last_ino);
	inode_set_bytes(inode, size);
	i_size_write(inode, size);

	object = to_object(inode);
	if (!resv) {
		resv = &object->resv;
		dma_resv_init(resv);
	}
	object->dmabuf.size = size;
	object->dmabuf.resv = resv;
	return &object->dmabuf;
}

static void fini_private_resv(struct dma_buf *dmabuf)
{
	struct dma_buf_object *object = to_dma_buf_object(dmabuf);

	if (dmabuf->resv == &object->resv)
		dma_resv_fini(&object->resv);
}

/**
 * dma_buf_file_discard - free a buffer that has no file
 * @dmabuf: from dma_buf_file_alloc()
 *
 * Context: Process, may sleep.
 */
void dma_buf_file_discard(struct dma_buf *dmabuf)
{
	fini_private_resv(dmabuf);
	iput(&to_dma_buf_object(dmabuf)->inode);
}

/**
 * dma_buf_file_release - finish a buffer whose file is released
 * @dmabuf: a buffer that the exporter has released
 *
 * Does not free the memory: the inode, which is part of it, does.
 *
 * Context: Process, may sleep.
 */
void dma_buf_file_release(struct dma_buf *dmabuf)
{
	fini_private_resv(dmabuf);
}

/**
 * dma_buf_file_open - open the file of a buffer
 * @dmabuf: a buffer that is complete except for &dma_buf.file
 * @flags: access mode and O_NONBLOCK; other flags are ignored
 * @fops: operations of the file
 *
 * Context: Process, may sleep.
 * Return: 0, and the file owns the buffer, which its last fput() releases; or a
 * negative errno, and the caller still owns the buffer.
 */
int dma_buf_file_open(struct dma_buf *dmabuf, int flags,
		      const struct file_operations *fops)
{
	struct file *file;

	file = alloc_file_pseudo(&to_dma_buf_object(dmabuf)->inode, mount,
				 "dmabuf", flags & (O_ACCMODE | O_NONBLOCK),
				 fops);
	if (IS_ERR(file))
		return PTR_ERR(file);
	file->private_data = dmabuf;
	dmabuf->file = file;
	return 0;
}

/**
 * dma_buf_file_init - create the slab and mount the file system
 *
 * Context: Boot.
 * Return: 0 or a negative errno.
 */
int __init dma_buf_file_init(void)
{
	object_cache = kmem_cache_create("dma_buf", sizeof(struct dma_buf_object),
					 0, SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT,
					 init_inode_once);
	if (!object_cache)
		return -ENOMEM;
	mount = kern_mount(&fs_type);
	return PTR_ERR_OR_ZERO(mount);
}

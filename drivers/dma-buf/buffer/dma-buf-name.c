// SPDX-License-Identifier: GPL-2.0-only
/*
 * The name that user space gives to a buffer. The text lives as long as the
 * inode, so that a task which prints the path of a closed file can still read
 * it.
 *
 * *Locking.* &dma_buf.name_lock, a leaf lock, protects the name.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/dma-buf.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include <kunit/visibility.h>

#include "dma-buf-internal.h"

/**
 * dma_buf_store_name - replace the name of a buffer
 * @dmabuf: the buffer
 * @name: the name, padded with zero bytes; the last byte is zero
 *
 * Context: Any except interrupt context.
 */
VISIBLE_IF_KUNIT void dma_buf_store_name(struct dma_buf *dmabuf,
					 const char name[DMA_BUF_NAME_LEN])
{
	char *text = to_dma_buf_object(dmabuf)->name;

	guard(spinlock)(&dmabuf->name_lock);
	/* The last byte stays zero: a reader without the lock finds an end. */
	memcpy(text, name, DMA_BUF_NAME_LEN);
	/* Pairs with the address dependency of a reader without the lock. */
	smp_store_release(&dmabuf->name, text);
}

/**
 * dma_buf_set_name - name a buffer
 * @dmabuf: the buffer
 * @user: the name, in user space
 *
 * Context: Process, may sleep.
 * Return: 0; -EINVAL for a name of more than 31 characters; -EFAULT.
 */
long dma_buf_set_name(struct dma_buf *dmabuf, const char __user *user)
{
	char name[DMA_BUF_NAME_LEN] = {};
	long len = strncpy_from_user(name, user, sizeof(name));

	if (len < 0)
		return len;
	if (len == sizeof(name))
		return -EINVAL;

	dma_buf_store_name(dmabuf, name);
	return 0;
}

/**
 * dma_buf_copy_name - copy the name that user space gave to a buffer
 * @dmabuf: the buffer
 * @name: returned: the name, or @unnamed
 * @unnamed: substitute for a buffer without a name
 *
 * Context: Any except interrupt context.
 * Return: true if the buffer has a name.
 */
bool dma_buf_copy_name(struct dma_buf *dmabuf, char name[DMA_BUF_NAME_LEN],
		       const char *unnamed)
{
	guard(spinlock)(&dmabuf->name_lock);
	strscpy(name, dmabuf->name ?: unnamed, DMA_BUF_NAME_LEN);
	return dmabuf->name;
}

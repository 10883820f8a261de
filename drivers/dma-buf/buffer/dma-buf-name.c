// SPDX-License-Identifier: GPL-2.0-only
/*
 * The name that user space gives to a buffer. Its text lives as long as the inode,
 * so the name can still be read while somebody prints the path of a file that has
 * been closed.
 *
 * *Locking.* &dma_buf.name_lock, a spinlock that nothing is taken under.
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
 * @name: the name, zeroes up to its last byte
 *
 * Context: Any but interrupts.
 */
VISIBLE_IF_KUNIT void dma_buf_store_name(struct dma_buf *dmabuf,
					 const char name[DMA_BUF_NAME_LEN])
{
	char *text = to_dma_buf_object(dmabuf)->name;

	guard(spinlock)(&dmabuf->name_lock);
	/* Who does not lock finds an end: the last byte is zero all the time. */
	memcpy(text, name, DMA_BUF_NAME_LEN);
	/* And finds the text behind the pointer. */
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
 * dma_buf_copy_name - the name that user space gave
 * @dmabuf: the buffer
 * @name: returned: the name
 * @unnamed: what to return if there is none
 *
 * Context: Any but interrupts.
 * Return: true if there is a name.
 */
bool dma_buf_copy_name(struct dma_buf *dmabuf, char name[DMA_BUF_NAME_LEN],
		       const char *unnamed)
{
	guard(spinlock)(&dmabuf->name_lock);
	strscpy(name, dmabuf->name ?: unnamed, DMA_BUF_NAME_LEN);
	return dmabuf->name;
}

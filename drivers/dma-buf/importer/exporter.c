// SPDX-License-Identifier: GPL-2.0-only
/*
 * The test exporter: buffers that move, are revoked, map slowly or fail when
 * the test says so. place.c manages their memory.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "importer.h"

#define IMPORTER_BUFFER_FLAGS						\
	(DMABUF_IMPORTER_BUFFER_DYNAMIC |				\
	 DMABUF_IMPORTER_BUFFER_CONTIGUOUS | DMABUF_IMPORTER_BUFFER_LOW)

/*
 * The most that a test may slow mapping down by, in ms: it holds the
 * reservation lock, and the hung task detector reports waiters after 120 s.
 */
#define IMPORTER_MAX_SLOW_MS	10000

/**
 * struct importer_buffer - a buffer of the test exporter
 * @flags: DMABUF_IMPORTER_BUFFER_*; immutable
 * @num_pages: size in pages; immutable
 * @place: where the memory is; protected by the reservation lock
 * @pins: number of pins; protected by the reservation lock
 * @revoked: mapping and pinning fail; protected by the reservation lock
 * @fail_attach: 0 or the errno that attach returns; like all members below, a
 *	test may set it at any time, and it depends on no other member
 * @fail_map: 0 or the errno that map_dma_buf returns
 * @fail_pin: 0 or the errno that pin returns
 * @slow_map: how long map_dma_buf takes, in milliseconds
 * @need_mask: the address that devices must reach to attach
 */
struct importer_buffer {
	u32 flags;
	unsigned int num_pages;
	struct importer_place *place;
	unsigned int pins;
	bool revoked;
	int fail_attach;
	int fail_map;
	int fail_pin;
	unsigned int slow_map;
	u64 need_mask;
};

static int buffer_attach(struct dma_buf *dmabuf,
			 struct dma_buf_attachment *attach)
{
	struct importer_buffer *buf = dmabuf->priv;
	int ret = READ_ONCE(buf->fail_attach);

	if (ret)
		return ret;
	return dma_get_mask(attach->dev) < READ_ONCE(buf->need_mask) ? -EBUSY :
								       0;
}

static int buffer_pin(struct dma_buf_attachment *attach)
{
	struct importer_buffer *buf = attach->dmabuf->priv;
	int ret = READ_ONCE(buf->fail_pin);

	dma_resv_assert_held(attach->dmabuf->resv);
	if (ret)
		return ret;
	if (buf->revoked)
		return -ENODEV;
	buf->pins++;
	return 0;
}

static void buffer_unpin(struct dma_buf_attachment *attach)
{
	struct importer_buffer *buf = attach->dmabuf->priv;

	dma_resv_assert_held(attach->dmabuf->resv);
	buf->pins--;
}

static struct sg_table *buffer_map(struct dma_buf_attachment *attach,
				   enum dma_data_direction dir)
{
	struct importer_buffer *buf = attach->dmabuf->priv;
	int ret = READ_ONCE(buf->fail_map);

	dma_resv_assert_held(attach->dmabuf->resv);
	if (msleep_interruptible(READ_ONCE(buf->slow_map)))
		return ERR_PTR(-EINTR);
	if (ret)
		return ERR_PTR(ret);
	if (buf->revoked)
		return ERR_PTR(-ENODEV);
	return importer_place_map(buf->place, attach->dev, dir);
}

static void buffer_unmap(struct dma_buf_attachment *attach,
			 struct sg_table *sgt, enum dma_data_direction dir)
{
	importer_place_unmap(attach->dev, sgt, dir);
}

static void buffer_release(struct dma_buf *dmabuf)
{
	struct importer_buffer *buf = dmabuf->priv;

	importer_place_put(buf->place);
	kfree(buf);
}

static const struct dma_buf_ops buffer_static_ops = {
	.attach		= buffer_attach,
	.map_dma_buf	= buffer_map,
	.unmap_dma_buf	= buffer_unmap,
	.release	= buffer_release,
};

static const struct dma_buf_ops buffer_dynamic_ops = {
	.attach		= buffer_attach,
	.pin		= buffer_pin,
	.unpin		= buffer_unpin,
	.map_dma_buf	= buffer_map,
	.unmap_dma_buf	= buffer_unmap,
	.release	= buffer_release,
};

static struct dma_buf *create_buffer(const struct dmabuf_importer_buffer *arg)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct importer_buffer *buf;
	struct dma_buf *dmabuf;

	buf = kzalloc(sizeof(*buf), GFP_KERNEL_ACCOUNT);
	if (!buf)
		return ERR_PTR(-ENOMEM);
	buf->flags = arg->flags;
	buf->num_pages = DIV_ROUND_UP(arg->size, PAGE_SIZE);
	buf->place = importer_place_create(buf->num_pages, buf->flags);
	if (!buf->place) {
		kfree(buf);
		return ERR_PTR(-ENOMEM);
	}

	info.exp_name = "dmabuf-importer";
	info.ops = arg->flags & DMABUF_IMPORTER_BUFFER_DYNAMIC ?
		   &buffer_dynamic_ops : &buffer_static_ops;
	info.size = (size_t)buf->num_pages << PAGE_SHIFT;
	info.flags = O_RDWR;
	info.priv = buf;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		/* Only a successful export hands @buf to the dma-buf. */
		importer_place_put(buf->place);
		kfree(buf);
	}
	return dmabuf;
}

/**
 * importer_export - execute DMABUF_IMPORTER_EXPORT
 * @cmd: the ioctl
 *
 * Context: Process.
 * Return: 0 or a negative errno.
 */
int importer_export(struct importer_cmd *cmd)
{
	struct dmabuf_importer_buffer *arg = cmd->arg;
	struct dma_buf *dmabuf;
	int fd, ret;

	if (!arg->size || arg->size > DMABUF_IMPORTER_MAX_LENGTH ||
	    arg->flags & ~IMPORTER_BUFFER_FLAGS)
		return -EINVAL;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	dmabuf = create_buffer(arg);
	if (IS_ERR(dmabuf)) {
		put_unused_fd(fd);
		return PTR_ERR(dmabuf);
	}
	arg->fd = fd;
	ret = importer_respond(cmd);
	if (ret) {
		dma_buf_put(dmabuf);
		put_unused_fd(fd);
		return ret;
	}
	fd_install(fd, dmabuf->file);
	return 0;
}

/*
 * Notify the importers and start the move. Wait for fences of every usage: even
 * one of DMA_RESV_USAGE_BOOKKEEP says that a device uses the memory.
 */
static int begin_move(struct dma_buf *dmabuf, struct importer_move *move,
		      struct importer_place *to)
{
	struct importer_buffer *buf = dmabuf->priv;
	struct importer_place *from = buf->place;
	struct dma_fence *users;
	int ret;

	dma_resv_assert_held(dmabuf->resv);
	if (buf->revoked)
		return -ENODEV;
	if (buf->pins)
		return -EBUSY;
	ret = dma_resv_reserve_fences(dmabuf->resv, 1);
	if (ret)
		return ret;
	ret = dma_resv_get_singleton(dmabuf->resv, DMA_RESV_USAGE_BOOKKEEP,
				     &users);
	if (ret)
		return ret;

	dma_buf_move_notify(dmabuf);
	dma_resv_add_fence(dmabuf->resv, importer_move_fence(move),
			   DMA_RESV_USAGE_KERNEL);
	buf->place = to;
	importer_move_start(move, from, to, users);
	return 0;
}

static int move_buffer(struct dma_buf *dmabuf)
{
	struct importer_buffer *buf = dmabuf->priv;
	struct importer_place *to;
	struct importer_move *move;
	int ret = -ENOMEM;

	if (!dma_buf_is_dynamic(dmabuf))
		return -EOPNOTSUPP;
	to = importer_place_create(buf->num_pages, buf->flags);
	if (!to)
		return -ENOMEM;
	move = importer_move_create();
	if (!move)
		goto err_place;
	ret = dma_resv_lock_interruptible(dmabuf->resv, NULL);
	if (ret)
		goto err_move;
	ret = begin_move(dmabuf, move, to);
	dma_resv_unlock(dmabuf->resv);
	if (!ret)
		return 0;
err_move:
	importer_move_free(move);
err_place:
	importer_place_put(to);
	return ret;
}

/* Jobs that run may finish; the last mapping keeps the memory until then. */
static int revoke_buffer(struct dma_buf *dmabuf)
{
	struct importer_buffer *buf = dmabuf->priv;
	int ret;

	if (!dma_buf_is_dynamic(dmabuf))
		return -EOPNOTSUPP;
	ret = dma_resv_lock_interruptible(dmabuf->resv, NULL);
	if (ret)
		return ret;
	if (buf->pins) {
		ret = -EBUSY;
	} else if (!buf->revoked) {
		buf->revoked = true;
		dma_buf_move_notify(dmabuf);
	}
	dma_resv_unlock(dmabuf->resv);
	return ret;
}

static int set_error(int *where, s64 value)
{
	if (value > 0 || value < -MAX_ERRNO)
		return -EINVAL;
	WRITE_ONCE(*where, value);
	return 0;
}

static int control_buffer(struct dma_buf *dmabuf,
			  const struct dmabuf_importer_control *arg)
{
	struct importer_buffer *buf = dmabuf->priv;

	switch (arg->action) {
	case DMABUF_IMPORTER_MOVE:
		return arg->value ? -EINVAL : move_buffer(dmabuf);
	case DMABUF_IMPORTER_REVOKE:
		return arg->value ? -EINVAL : revoke_buffer(dmabuf);
	case DMABUF_IMPORTER_FAIL_ATTACH:
		return set_error(&buf->fail_attach, arg->value);
	case DMABUF_IMPORTER_FAIL_MAP:
		return set_error(&buf->fail_map, arg->value);
	case DMABUF_IMPORTER_FAIL_PIN:
		return set_error(&buf->fail_pin, arg->value);
	case DMABUF_IMPORTER_SLOW_MAP:
		if (arg->value < 0 || arg->value > IMPORTER_MAX_SLOW_MS)
			return -EINVAL;
		WRITE_ONCE(buf->slow_map, arg->value);
		return 0;
	case DMABUF_IMPORTER_NEED_MASK:
		if (arg->value < 0)
			return -EINVAL;
		WRITE_ONCE(buf->need_mask, arg->value);
		return 0;
	default:
		return -EINVAL;
	}
}

/**
 * importer_control - execute DMABUF_IMPORTER_CONTROL
 * @cmd: the ioctl
 *
 * Context: Process.
 * Return: 0 or a negative errno.
 */
int importer_control(struct importer_cmd *cmd)
{
	struct dmabuf_importer_control *arg = cmd->arg;
	struct dma_buf *dmabuf = dma_buf_get(arg->fd);
	int ret = -EINVAL;

	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	if (dmabuf->ops == &buffer_static_ops ||
	    dmabuf->ops == &buffer_dynamic_ops)
		ret = control_buffer(dmabuf, arg);
	dma_buf_put(dmabuf);
	return ret;
}

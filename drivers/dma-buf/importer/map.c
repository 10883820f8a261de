// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pins and mappings of the importer test driver. An attachment has up to two
 * mappings: one that its jobs share and that follows moves, and one that user
 * space requests in order to look at the addresses.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "importer.h"

static struct dma_resv *resv_of(struct importer_att *att)
{
	return att->attach->dmabuf->resv;
}

/*
 * The exporter is about to move the memory. Do not unmap here: submitted jobs
 * use the old place, and the last of them drops the mapping.
 */
static void importer_move_notify(struct dma_buf_attachment *attach)
{
	struct importer_att *att = attach->importer_priv;

	dma_resv_assert_held(attach->dmabuf->resv);
	att->stale = true;
	att->moves++;
}

const struct dma_buf_attach_ops importer_attach_ops = {
	.move_notify	= importer_move_notify,
};

const struct dma_buf_attach_ops importer_attach_ops_p2p = {
	.allow_peer2peer	= true,
	.move_notify		= importer_move_notify,
};

/* Does the segment cross no multiple of the device's segment boundary? */
static bool is_within_boundary(struct device *dev, dma_addr_t addr, u64 length)
{
	u64 mask = dma_get_seg_boundary(dev);

	return (addr & ~mask) == ((addr + length - 1) & ~mask);
}

/**
 * importer_meets_constraints - check a mapping against a device's limits
 * @dev: the device
 * @sgt: the exporter's table
 *
 * Exporters should respect the limits, but not every exporter looks at all of
 * them, and a device must not be started on addresses that it cannot handle.
 * Importers walk a table like this: by its DMA segments. The segments of pages
 * differ from them in number and length and concern the exporter alone.
 *
 * Context: Any.
 * Return: true if the device can work with the mapping.
 */
bool importer_meets_constraints(struct importer_dev *dev, struct sg_table *sgt)
{
	struct scatterlist *sg;
	int i;

	if (dev->flags & DMABUF_IMPORTER_DEV_CONTIGUOUS && sgt->nents > 1)
		return false;
	for_each_sgtable_dma_sg(sgt, sg, i) {
		dma_addr_t addr = sg_dma_address(sg);
		u64 length = sg_dma_len(sg);

		if (addr + length - 1 > dma_get_mask(dev->dev) ||
		    length > dma_get_max_seg_size(dev->dev) ||
		    !is_within_boundary(dev->dev, addr, length))
			return false;
	}
	return true;
}

/* Map the buffer, but refuse what the device cannot work with. */
static struct sg_table *map_checked(struct importer_att *att,
				    enum dma_data_direction dir)
{
	struct sg_table *sgt;

	dma_resv_assert_held(resv_of(att));
	sgt = dma_buf_map_attachment(att->attach, dir);
	if (IS_ERR(sgt) || importer_meets_constraints(att->dev, sgt))
		return sgt;
	dma_buf_unmap_attachment(att->attach, sgt, dir);
	return ERR_PTR(-EOPNOTSUPP);
}

/**
 * importer_mapping_put - drop the use of a mapping by a job or the attachment
 * @att: the attachment
 * @map: the mapping; unmapped and freed with its last user
 *
 * Context: Process, may sleep, reservation lock held.
 */
void importer_mapping_put(struct importer_att *att,
			  struct importer_mapping *map)
{
	dma_resv_assert_held(resv_of(att));
	if (--map->users)
		return;
	dma_buf_unmap_attachment(att->attach, map->sgt, DMA_BIDIRECTIONAL);
	kfree(map);
}

/**
 * importer_att_refresh - make &importer_att.map show where the memory is now
 * @att: the attachment
 *
 * Maps for both directions: the next job may need the other one, and an
 * exporter that keeps one mapping per device would refuse to change it.
 *
 * The memory stays where the mapping shows it until the caller drops the
 * reservation lock, or until a fence that it has added by then signals.
 *
 * Context: Process, may sleep, reservation lock held.
 * Return: 0, -ENOMEM, -EOPNOTSUPP or the exporter's errno.
 */
int importer_att_refresh(struct importer_att *att)
{
	struct importer_mapping *map;

	dma_resv_assert_held(resv_of(att));
	if (att->map && !att->stale)
		return 0;

	map = kzalloc(sizeof(*map), GFP_KERNEL_ACCOUNT);
	if (!map)
		return -ENOMEM;
	/*
	 * Drop the old mapping first: there may not be enough addresses or
	 * bounce buffers for two.
	 */
	if (att->map)
		importer_mapping_put(att, att->map);
	att->map = NULL;

	map->sgt = map_checked(att, DMA_BIDIRECTIONAL);
	if (IS_ERR(map->sgt)) {
		int ret = PTR_ERR(map->sgt);

		kfree(map);
		return ret;
	}
	map->users = 1;
	att->map = map;
	att->stale = false;
	att->maps++;
	return 0;
}

/**
 * importer_att_fini - drop the mappings and pins of an attachment
 * @att: the attachment, about to be detached; no job uses it
 *
 * Context: Process, may sleep. Takes the reservation lock.
 */
void importer_att_fini(struct importer_att *att)
{
	dma_resv_lock(resv_of(att), NULL);
	if (att->map)
		importer_mapping_put(att, att->map);
	if (att->user_sgt)
		dma_buf_unmap_attachment(att->attach, att->user_sgt,
					 att->user_dir);
	for (; att->pins; att->pins--)
		dma_buf_unpin(att->attach);
	dma_resv_unlock(resv_of(att));
}

static struct importer_att *find_att(struct importer_cmd *cmd)
{
	struct dmabuf_importer_id *arg = cmd->arg;
	struct importer_att *att;

	lockdep_assert_held(&cmd->importer->lock);
	if (arg->pad)
		return ERR_PTR(-EINVAL);
	att = xa_load(&cmd->importer->atts, arg->id);
	return att ?: ERR_PTR(-ENOENT);
}

/**
 * importer_pin - execute DMABUF_IMPORTER_PIN
 * @cmd: the ioctl
 *
 * Context: Process, &importer.lock held.
 * Return: 0 or a negative errno.
 */
int importer_pin(struct importer_cmd *cmd)
{
	struct importer_att *att = find_att(cmd);
	int ret;

	if (IS_ERR(att))
		return PTR_ERR(att);
	/* The core pins for static importers and warns if they call it. */
	if (!dma_buf_attachment_is_dynamic(att->attach))
		return -EINVAL;
	ret = dma_resv_lock_interruptible(resv_of(att), NULL);
	if (ret)
		return ret;
	ret = dma_buf_pin(att->attach);
	if (!ret)
		att->pins++;
	dma_resv_unlock(resv_of(att));
	return ret;
}

/**
 * importer_unpin - execute DMABUF_IMPORTER_UNPIN
 * @cmd: the ioctl
 *
 * Context: Process, &importer.lock held.
 * Return: 0 or a negative errno.
 */
int importer_unpin(struct importer_cmd *cmd)
{
	struct importer_att *att = find_att(cmd);
	int ret;

	if (IS_ERR(att))
		return PTR_ERR(att);
	if (!att->pins)
		return -EINVAL;
	ret = dma_resv_lock_interruptible(resv_of(att), NULL);
	if (ret)
		return ret;
	dma_buf_unpin(att->attach);
	att->pins--;
	dma_resv_unlock(resv_of(att));
	return 0;
}

static int copy_segments(struct dmabuf_importer_map *arg, struct sg_table *sgt)
{
	struct dmabuf_importer_segment __user *user =
		u64_to_user_ptr(arg->segments);
	struct scatterlist *sg;
	u32 i;

	for_each_sgtable_dma_sg(sgt, sg, i) {
		struct dmabuf_importer_segment segment = {
			.address = sg_dma_address(sg),
			.length = sg_dma_len(sg),
		};

		if (i >= arg->num_segments)
			break;
		if (copy_to_user(&user[i], &segment, sizeof(segment)))
			return -EFAULT;
	}
	arg->num_segments = sgt->nents;
	return 0;
}

static enum dma_data_direction direction_of(u32 flags)
{
	switch (flags) {
	case DMABUF_IMPORTER_READ:
		return DMA_TO_DEVICE;
	case DMABUF_IMPORTER_WRITE:
		return DMA_FROM_DEVICE;
	case DMABUF_IMPORTER_READ | DMABUF_IMPORTER_WRITE:
		return DMA_BIDIRECTIONAL;
	default:
		return DMA_NONE;
	}
}

/**
 * importer_map - execute DMABUF_IMPORTER_MAP
 * @cmd: the ioctl
 *
 * Context: Process, &importer.lock held.
 * Return: 0 or a negative errno.
 */
int importer_map(struct importer_cmd *cmd)
{
	struct dmabuf_importer_map *arg = cmd->arg;
	enum dma_data_direction dir = direction_of(arg->flags);
	struct importer_att *att;
	struct sg_table *sgt;
	int ret;

	lockdep_assert_held(&cmd->importer->lock);
	if (dir == DMA_NONE || arg->pad)
		return -EINVAL;
	att = xa_load(&cmd->importer->atts, arg->attachment);
	if (!att)
		return -ENOENT;
	if (att->user_sgt)
		return -EBUSY;

	ret = dma_resv_lock_interruptible(resv_of(att), NULL);
	if (ret)
		return ret;
	sgt = map_checked(att, dir);
	dma_resv_unlock(resv_of(att));
	if (IS_ERR(sgt))
		return PTR_ERR(sgt);

	/* Without the reservation lock, as this may fault; the table is ours. */
	ret = copy_segments(arg, sgt) ?: importer_respond(cmd);
	if (ret) {
		dma_buf_unmap_attachment_unlocked(att->attach, sgt, dir);
		return ret;
	}
	att->user_sgt = sgt;
	att->user_dir = dir;
	return 0;
}

/**
 * importer_unmap - execute DMABUF_IMPORTER_UNMAP
 * @cmd: the ioctl
 *
 * Context: Process, &importer.lock held.
 * Return: 0 or a negative errno.
 */
int importer_unmap(struct importer_cmd *cmd)
{
	struct importer_att *att = find_att(cmd);

	if (IS_ERR(att))
		return PTR_ERR(att);
	if (!att->user_sgt)
		return -EINVAL;
	dma_buf_unmap_attachment_unlocked(att->attach, att->user_sgt,
					  att->user_dir);
	att->user_sgt = NULL;
	return 0;
}

/**
 * importer_info - execute DMABUF_IMPORTER_INFO
 * @cmd: the ioctl
 *
 * Context: Process, &importer.lock held.
 * Return: 0 or a negative errno.
 */
int importer_info(struct importer_cmd *cmd)
{
	struct dmabuf_importer_info *arg = cmd->arg;
	struct importer_att *att;
	int ret;

	lockdep_assert_held(&cmd->importer->lock);
	att = xa_load(&cmd->importer->atts, arg->attachment);
	if (!att)
		return -ENOENT;
	ret = dma_resv_lock_interruptible(resv_of(att), NULL);
	if (ret)
		return ret;
	arg->pins = att->pins;
	arg->moves = att->moves;
	arg->maps = att->maps;
	arg->mapped = !!att->user_sgt;
	arg->p2p = att->attach->peer2peer;
	dma_resv_unlock(resv_of(att));
	return importer_respond(cmd);
}

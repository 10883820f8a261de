// SPDX-License-Identifier: GPL-2.0-only
/*
 * An exporter: buffers of single pages, which devices, processes and other
 * drivers can map. The pages do not move.
 *
 * Copyright the dma-buf project authors
 */
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/file.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "template.h"

#define TEMPLATE_SIZE_MAX	(64ULL << 20)

struct template_buffer {
	/*
	 * Protects the list. Nests inside the reservation lock, which the core
	 * holds when it maps, but not for CPU access.
	 */
	struct mutex lock;
	/* The device mappings, which CPU access synchronises. */
	struct list_head mappings;
	unsigned int count;
	struct page *pages[] __counted_by(count);
};

struct template_mapping {
	struct sg_table sgt;
	struct list_head node;
	struct device *dev;
	enum dma_data_direction dir;
};

/*
 * Refuse devices that cannot reach the memory. An IOMMU or a bounce buffer
 * helps a device that reaches a part of it, but not one that does no DMA at
 * all. Such a device has no mask, or an empty one, for which dma_get_mask()
 * returns 32 bits: look at the mask itself.
 */
static int template_attach(struct dma_buf *dmabuf,
			   struct dma_buf_attachment *attach)
{
	if (!attach->dev->dma_mask || !*attach->dev->dma_mask)
		return -EOPNOTSUPP;
	return 0;
}

static struct sg_table *template_map(struct dma_buf_attachment *attach,
				     enum dma_data_direction dir)
{
	struct template_buffer *buffer = attach->dmabuf->priv;
	struct template_mapping *mapping;
	int ret;

	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL);
	if (!mapping)
		return ERR_PTR(-ENOMEM);
	mapping->dev = attach->dev;
	/*
	 * The device may write only a part, or nothing. Unmapping copies a
	 * bounce buffer back as a whole, or invalidates the caches of all of
	 * it. So the rest, zeroes or data from the CPU, has to be copied in or
	 * cleaned first.
	 */
	mapping->dir = dir == DMA_FROM_DEVICE ? DMA_BIDIRECTIONAL : dir;
	ret = sg_alloc_table_from_pages_segment(&mapping->sgt, buffer->pages,
						buffer->count, 0,
						attach->dmabuf->size,
						dma_get_max_seg_size(attach->dev),
						GFP_KERNEL);
	if (ret)
		goto err_free;
	/*
	 * A buffer may well have several mappings at a time: fences order their
	 * use. CONFIG_DMA_API_DEBUG takes a mapping that synchronises for the
	 * only owner of the memory, so synchronise in a step of its own.
	 */
	ret = dma_map_sgtable(attach->dev, &mapping->sgt, mapping->dir,
			      DMA_ATTR_SKIP_CPU_SYNC);
	if (ret)
		goto err_table;
	dma_sync_sgtable_for_device(attach->dev, &mapping->sgt, mapping->dir);

	mutex_lock(&buffer->lock);
	list_add_tail(&mapping->node, &buffer->mappings);
	mutex_unlock(&buffer->lock);
	return &mapping->sgt;

err_table:
	sg_free_table(&mapping->sgt);
err_free:
	kfree(mapping);
	return ERR_PTR(ret);
}

static void template_unmap(struct dma_buf_attachment *attach,
			   struct sg_table *sgt, enum dma_data_direction dir)
{
	struct template_buffer *buffer = attach->dmabuf->priv;
	struct template_mapping *mapping =
		container_of(sgt, struct template_mapping, sgt);

	mutex_lock(&buffer->lock);
	list_del(&mapping->node);
	mutex_unlock(&buffer->lock);
	dma_sync_sgtable_for_cpu(attach->dev, sgt, mapping->dir);
	dma_unmap_sgtable(attach->dev, sgt, mapping->dir,
			  DMA_ATTR_SKIP_CPU_SYNC);
	sg_free_table(sgt);
	kfree(mapping);
}

/* The core waits for the fences before this call, and again after it. */
static int template_begin_cpu_access(struct dma_buf *dmabuf,
				     enum dma_data_direction dir)
{
	struct template_buffer *buffer = dmabuf->priv;
	struct template_mapping *mapping;

	mutex_lock(&buffer->lock);
	list_for_each_entry(mapping, &buffer->mappings, node)
		dma_sync_sgtable_for_cpu(mapping->dev, &mapping->sgt,
					 mapping->dir);
	mutex_unlock(&buffer->lock);
	return 0;
}

static int template_end_cpu_access(struct dma_buf *dmabuf,
				   enum dma_data_direction dir)
{
	struct template_buffer *buffer = dmabuf->priv;
	struct template_mapping *mapping;

	mutex_lock(&buffer->lock);
	list_for_each_entry(mapping, &buffer->mappings, node)
		dma_sync_sgtable_for_device(mapping->dev, &mapping->sgt,
					    mapping->dir);
	mutex_unlock(&buffer->lock);
	return 0;
}

/* The core has checked the range. A private mapping would not share writes. */
static int template_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma)
{
	struct template_buffer *buffer = dmabuf->priv;

	/* A shared mapping of a read-only file has VM_MAYSHARE alone. */
	if (!(vma->vm_flags & (VM_SHARED | VM_MAYSHARE)))
		return -EINVAL;
	vm_flags_set(vma, VM_DONTEXPAND | VM_DONTDUMP);
	return vm_map_pages(vma, buffer->pages, buffer->count);
}

/* The core calls this for the first user, and vunmap after the last one. */
static int template_vmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	struct template_buffer *buffer = dmabuf->priv;
	void *vaddr = vmap(buffer->pages, buffer->count, VM_MAP, PAGE_KERNEL);

	if (!vaddr)
		return -ENOMEM;
	iosys_map_set_vaddr(map, vaddr);
	return 0;
}

static void template_vunmap(struct dma_buf *dmabuf, struct iosys_map *map)
{
	vunmap(map->vaddr);
}

static void template_free(struct template_buffer *buffer)
{
	unsigned int i;

	for (i = 0; i < buffer->count && buffer->pages[i]; i++)
		__free_page(buffer->pages[i]);
	mutex_destroy(&buffer->lock);
	kvfree(buffer);
}

static void template_release(struct dma_buf *dmabuf)
{
	template_free(dmabuf->priv);
}

static const struct dma_buf_ops template_ops = {
	.attach = template_attach,
	.map_dma_buf = template_map,
	.unmap_dma_buf = template_unmap,
	.begin_cpu_access = template_begin_cpu_access,
	.end_cpu_access = template_end_cpu_access,
	.mmap = template_mmap,
	.vmap = template_vmap,
	.vunmap = template_vunmap,
	.release = template_release,
};

static struct template_buffer *template_alloc(unsigned int count)
{
	struct template_buffer *buffer;
	unsigned int i;

	buffer = kvzalloc(struct_size(buffer, pages, count), GFP_KERNEL_ACCOUNT);
	if (!buffer)
		return NULL;
	buffer->count = count;
	mutex_init(&buffer->lock);
	INIT_LIST_HEAD(&buffer->mappings);
	for (i = 0; i < count; i++) {
		/* Zeroed: the old contents may be another process's data. */
		buffer->pages[i] = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO |
					      __GFP_HIGHMEM);
		if (!buffer->pages[i]) {
			template_free(buffer);
			return NULL;
		}
	}
	return buffer;
}

/* After a successful export the dma-buf owns the buffer. */
static struct dma_buf *template_export(unsigned int count)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct template_buffer *buffer = template_alloc(count);
	struct dma_buf *dmabuf;

	if (!buffer)
		return ERR_PTR(-ENOMEM);
	info.ops = &template_ops;
	info.size = (size_t)count << PAGE_SHIFT;
	info.flags = O_RDWR;
	info.priv = buffer;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf))
		template_free(buffer);
	return dmabuf;
}

int template_create(struct template_create __user *arg)
{
	struct template_create data;
	struct dma_buf *dmabuf;
	int ret;

	if (copy_from_user(&data, arg, sizeof(data)))
		return -EFAULT;
	if (data.pad || !data.size || data.size > TEMPLATE_SIZE_MAX)
		return -EINVAL;

	/*
	 * Reserve the descriptor first and install it last: from then on the
	 * program may close it at any moment. A function that uses goto must
	 * not use CLASS(get_unused_fd) as well: the jump would skip the
	 * initialisation, and the end of the scope would release any
	 * descriptor.
	 */
	data.fd = get_unused_fd_flags(O_CLOEXEC);
	if (data.fd < 0)
		return data.fd;
	dmabuf = template_export(PAGE_ALIGN(data.size) >> PAGE_SHIFT);
	if (IS_ERR(dmabuf)) {
		ret = PTR_ERR(dmabuf);
		goto err_fd;
	}
	if (copy_to_user(arg, &data, sizeof(data))) {
		ret = -EFAULT;
		goto err_put;
	}
	fd_install(data.fd, dmabuf->file);
	return 0;

err_put:
	dma_buf_put(dmabuf);
err_fd:
	put_unused_fd(data.fd);
	return ret;
}

/* The namespace of dma-buf.h; fences and sync files are in none. */
MODULE_IMPORT_NS(DMA_BUF);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * An exporter like those of drivers: scattered pages, and a new table for each
 * mapping. Also buffers without memory, for very large numbers of buffers.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-mapping.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>

#include "bench.h"

/**
 * struct bench_export - a buffer
 * @node: in &bench_held.live; only bench_live() uses it
 * @dmabuf: the dma-buf
 * @n: number of pages, maybe 0
 * @pages: the memory
 */
struct bench_export {
	struct list_head node;
	struct dma_buf *dmabuf;
	unsigned int n;
	struct page *pages[];
};

static struct sg_table *export_map(struct dma_buf_attachment *attach,
				   enum dma_data_direction dir)
{
	struct bench_export *exp = attach->dmabuf->priv;
	struct scatterlist *sg;
	struct sg_table *sgt;
	unsigned int i;
	int ret;

	if (!exp->n)
		return ERR_PTR(-EOPNOTSUPP);
	sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	if (!sgt)
		return ERR_PTR(-ENOMEM);
	ret = sg_alloc_table(sgt, exp->n, GFP_KERNEL);
	if (ret)
		goto err_free;
	for_each_sgtable_sg(sgt, sg, i)
		sg_set_page(sg, exp->pages[i], PAGE_SIZE, 0);
	ret = dma_map_sgtable(attach->dev, sgt, dir, 0);
	if (ret)
		goto err_table;
	return sgt;

err_table:
	sg_free_table(sgt);
err_free:
	kfree(sgt);
	return ERR_PTR(ret);
}

static void export_unmap(struct dma_buf_attachment *attach,
			 struct sg_table *sgt, enum dma_data_direction dir)
{
	dma_unmap_sgtable(attach->dev, sgt, dir, 0);
	sg_free_table(sgt);
	kfree(sgt);
}

static void export_free(struct bench_export *exp)
{
	unsigned int i;

	for (i = 0; i < exp->n && exp->pages[i]; i++)
		__free_page(exp->pages[i]);
	kvfree(exp);
}

static void export_release(struct dma_buf *dmabuf)
{
	export_free(dmabuf->priv);
}

static const struct dma_buf_ops bench_export_ops = {
	.map_dma_buf = export_map,
	.unmap_dma_buf = export_unmap,
	.release = export_release,
};

/* Keeps the first page of each pair, so that no two are adjacent. */
static int export_get_pages(struct bench_export *exp)
{
	struct page *pair;
	unsigned int i;

	for (i = 0; i < exp->n; i++) {
		pair = alloc_pages(GFP_KERNEL, 1);
		if (!pair)
			return -ENOMEM;
		split_page(pair, 1);
		__free_page(pair + 1);
		exp->pages[i] = pair;
	}
	return 0;
}

struct dma_buf *bench_export(unsigned int pages)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct bench_export *exp;
	struct dma_buf *dmabuf;

	exp = kvzalloc(struct_size(exp, pages, pages), GFP_KERNEL);
	if (!exp)
		return ERR_PTR(-ENOMEM);
	exp->n = pages;
	if (export_get_pages(exp)) {
		export_free(exp);
		return ERR_PTR(-ENOMEM);
	}
	info.ops = &bench_export_ops;
	info.size = (size_t)max(pages, 1U) * PAGE_SIZE;
	info.flags = O_RDWR;
	info.priv = exp;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf))
		export_free(exp);
	else
		exp->dmabuf = dmabuf;
	return dmabuf;
}

/* Releases at once: a last fput() defers that to the return to user space. */
void bench_file_drop(struct file *file)
{
	__fput_sync(file);
}

/* Makes or drops buffers until there are @want. */
int bench_live(struct bench_held *held, unsigned int want)
{
	struct bench_export *exp;
	struct dma_buf *dmabuf;

	while (held->num_live < want) {
		dmabuf = bench_export(0);
		if (IS_ERR(dmabuf))
			return PTR_ERR(dmabuf);
		exp = dmabuf->priv;
		list_add(&exp->node, &held->live);
		held->num_live++;
	}
	while (held->num_live > want) {
		exp = list_first_entry(&held->live, struct bench_export, node);
		list_del(&exp->node);
		held->num_live--;
		bench_file_drop(exp->dmabuf->file);
	}
	return 0;
}

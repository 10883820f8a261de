/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A dma-buf is memory that devices and processes share by file descriptor. One
 * driver exports it; others attach their devices, map it for DMA and order
 * their work by the fences of its reservation object. This header declares the
 * operations that exporters implement and the functions that importers call.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef __DMA_BUF_H__
#define __DMA_BUF_H__

#include <linux/atomic.h>
#include <linux/dma-fence.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iosys-map.h>
#include <linux/list.h>
#include <linux/scatterlist.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <uapi/linux/dma-buf.h>

struct device;
struct dma_buf;
struct dma_buf_attachment;
struct dma_resv;
struct module;

/**
 * enum dma_buf_keep - how the core keeps a mapping while no importer uses it
 */
enum dma_buf_keep {
	/** @DMA_BUF_KEEP_NEVER: Not at all: unmap ends the mapping. */
	DMA_BUF_KEEP_NEVER,
	/**
	 * @DMA_BUF_KEEP_IDLE: Until the next map. The CPU owns the memory
	 * while the mapping is idle.
	 */
	DMA_BUF_KEEP_IDLE,
	/**
	 * @DMA_BUF_KEEP_AS_IS: Until the next map. The memory needs no handing
	 * over between CPU and device, as with a coherent device.
	 */
	DMA_BUF_KEEP_AS_IS,
} __packed;

/**
 * struct dma_buf_ops - operations that an exporter implements
 *
 * @map_dma_buf, @unmap_dma_buf and @release are mandatory. An exporter has both
 * of @pin and @unpin or neither, and all three of @keep_mapping,
 * @begin_device_access and @end_device_access or none of them.
 */
struct dma_buf_ops {
	/**
	 * @cache_sgt_mapping: The core keeps the mapping of an attachment from
	 * the first map until detach, and returns the same table for each map.
	 * Excludes @pin and @keep_mapping.
	 */
	bool cache_sgt_mapping;

	/**
	 * @attach: Accept or refuse a device that wants to use the buffer. May
	 * clear &dma_buf_attachment.peer2peer. Optional.
	 *
	 * Context: Process, may sleep. Reservation lock not held; the
	 * attachment is not on the buffer's list yet.
	 * Return: 0, or a negative errno for the importer; -EBUSY if other
	 * importers keep the memory where this device cannot reach it.
	 */
	int (*attach)(struct dma_buf *dmabuf,
		      struct dma_buf_attachment *attach);

	/**
	 * @detach: Undo @attach. Optional.
	 *
	 * Context: As @attach.
	 */
	void (*detach)(struct dma_buf *dmabuf,
		       struct dma_buf_attachment *attach);

	/**
	 * @pin: Keep the memory where this attachment can reach it. An exporter
	 * with @pin is dynamic: it may move unpinned memory. Optional.
	 *
	 * Context: Process, may sleep, reservation lock held.
	 * Return: 0 or a negative errno.
	 */
	int (*pin)(struct dma_buf_attachment *attach);

	/**
	 * @unpin: Undo @pin.
	 *
	 * Context: As @pin.
	 */
	void (*unpin)(struct dma_buf_attachment *attach);

	/**
	 * @map_dma_buf: Map the memory for the attachment's device. Each call
	 * returns a new table, which the importer owns until @unmap_dma_buf.
	 * Importers use only its DMA addresses and lengths.
	 *
	 * Context: Process, may sleep, reservation lock held.
	 * Return: The table, or ERR_PTR(): -EINTR if a signal interrupted the
	 * exporter.
	 */
	struct sg_table *(*map_dma_buf)(struct dma_buf_attachment *attach,
					enum dma_data_direction direction);

	/**
	 * @unmap_dma_buf: Undo @map_dma_buf and free the table.
	 *
	 * Context: Process, may sleep, reservation lock held. An exporter with
	 * @keep_mapping is also called without that lock, in memory reclaim
	 * among others, to end an idle kept mapping. It must then take no lock
	 * under which memory is allocated or a fence is waited for.
	 */
	void (*unmap_dma_buf)(struct dma_buf_attachment *attach,
			      struct sg_table *sgt,
			      enum dma_data_direction direction);

	/**
	 * @keep_mapping: Say whether the core may keep the mapping that
	 * @map_dma_buf has just made, once the importer has unmapped it. The
	 * core does not ask at the first map of an attachment. It ends a kept
	 * mapping with @unmap_dma_buf on detach, on a map in another direction,
	 * before a move, under memory pressure and in other cases, whether it
	 * was used again or not; see "kept mappings".
	 * Optional.
	 *
	 * Context: As @map_dma_buf.
	 * Return: &enum dma_buf_keep.
	 */
	enum dma_buf_keep (*keep_mapping)(struct dma_buf_attachment *attach);

	/**
	 * @begin_device_access: Hand the memory over to the device: the
	 * importer maps, and gets a table that DMA_BUF_KEEP_IDLE kept.
	 *
	 * Context: As @map_dma_buf.
	 */
	void (*begin_device_access)(struct dma_buf_attachment *attach,
				    struct sg_table *sgt);

	/**
	 * @end_device_access: Hand the memory back to the CPU: the importer
	 * unmaps a table that DMA_BUF_KEEP_IDLE keeps.
	 *
	 * Context: As @map_dma_buf.
	 */
	void (*end_device_access)(struct dma_buf_attachment *attach,
				  struct sg_table *sgt);

	/**
	 * @release: Free what &dma_buf.priv refers to, after the last reference
	 * was dropped. &dma_buf.file still points to valid memory.
	 *
	 * Context: Process, may sleep and take the reservation lock.
	 */
	void (*release)(struct dma_buf *dmabuf);

	/**
	 * @begin_cpu_access: Make what devices wrote visible to the CPU. Calls
	 * may nest and overlap. Optional.
	 *
	 * Context: Process, may sleep and take the reservation lock.
	 * Return: 0 or a negative errno.
	 */
	int (*begin_cpu_access)(struct dma_buf *dmabuf,
				enum dma_data_direction direction);

	/**
	 * @end_cpu_access: Make what the CPU wrote visible to devices.
	 * Optional.
	 *
	 * Context: As @begin_cpu_access.
	 * Return: 0 or a negative errno.
	 */
	int (*end_cpu_access)(struct dma_buf *dmabuf,
			      enum dma_data_direction direction);

	/**
	 * @begin_cpu_access_partial: As @begin_cpu_access, for @len bytes at
	 * @offset, a proper part of the buffer. Without it the core calls
	 * @begin_cpu_access. Optional.
	 *
	 * Context: As @begin_cpu_access.
	 * Return: 0 or a negative errno.
	 */
	int (*begin_cpu_access_partial)(struct dma_buf *dmabuf,
					enum dma_data_direction direction,
					size_t offset, size_t len);

	/**
	 * @end_cpu_access_partial: As @end_cpu_access, for such a part. Without
	 * it the core calls @end_cpu_access. Optional.
	 *
	 * Context: As @begin_cpu_access.
	 * Return: 0 or a negative errno.
	 */
	int (*end_cpu_access_partial)(struct dma_buf *dmabuf,
				      enum dma_data_direction direction,
				      size_t offset, size_t len);

	/**
	 * @mmap: Map the buffer into a process. The core has checked the range
	 * against the size. Optional.
	 *
	 * Context: Process, mmap lock held for writing.
	 * Return: 0 or a negative errno.
	 */
	int (*mmap)(struct dma_buf *dmabuf, struct vm_area_struct *vma);

	/**
	 * @vmap: Map the buffer into the kernel. The core calls it for the
	 * first user only. Optional.
	 *
	 * Context: Process, may sleep, reservation lock held.
	 * Return: 0 or a negative errno.
	 */
	int (*vmap)(struct dma_buf *dmabuf, struct iosys_map *map);

	/**
	 * @vunmap: Undo @vmap. The core calls it after the last user. Optional.
	 *
	 * Context: As @vmap.
	 */
	void (*vunmap)(struct dma_buf *dmabuf, struct iosys_map *map);
};

/**
 * struct dma_buf - a shared buffer
 *
 * A buffer lives as long as its file: get_dma_buf() and dma_buf_put() count
 * references to the file. The memory of this structure stays valid for an RCU
 * grace period longer.
 */
struct dma_buf {
	/** @size: in bytes; immutable. */
	size_t size;
	/** @file: the file; immutable, valid until @ops->release returns. */
	struct file *file;
	/**
	 * @attachments: list of &dma_buf_attachment.node; writers hold @resv
	 * and @lock, readers one of them.
	 */
	struct list_head attachments;
	/** @ops: the exporter's; it may replace them right after export. */
	const struct dma_buf_ops *ops;
	/** @vmapping_counter: users of @vmap_ptr; protected by @resv. */
	unsigned int vmapping_counter;
	/** @num_attachments: length of @attachments; writers hold @lock. */
	unsigned int num_attachments;
	/** @vmap_ptr: the kernel's mapping; protected by @resv. */
	struct iosys_map vmap_ptr;
	/** @exp_name: name of the exporter; immutable. */
	const char *exp_name;
	/**
	 * @name: the name that user space gave, or NULL. @name_lock protects
	 * the pointer and the text. The text lives as long as the buffer, and
	 * a reader without the lock, too, finds a zero byte among the first
	 * DMA_BUF_NAME_LEN.
	 */
	const char *name;
	/** @name_lock: protects @name; a leaf lock. */
	spinlock_t name_lock;
	/** @lock: protects @attachments for readers; a leaf lock. */
	spinlock_t lock;
	/** @owner: module of the exporter, with a reference; immutable. */
	struct module *owner;
	/** @list_node: in the registry of live buffers; RCU. */
	struct list_head list_node;
	/** @priv: private data of the exporter. */
	void *priv;
	/**
	 * @resv: lock and fences: the exporter's reservation object, or one
	 * that lives as long as the buffer; immutable.
	 */
	struct dma_resv *resv;
};

/**
 * struct dma_buf_attach_ops - operations that a dynamic importer implements
 */
struct dma_buf_attach_ops {
	/** @allow_peer2peer: the device can access memory that is not RAM. */
	bool allow_peer2peer;

	/**
	 * @move_notify: Note that the memory is about to move, and map it anew
	 * before the next use. The importer may unmap and unpin here what no
	 * submitted work uses. Tables that such work uses stay valid until it
	 * is done; the importer unmaps them then. The core calls this only
	 * while the importer holds a table or a pin. Mandatory.
	 *
	 * Context: Process, may sleep, reservation lock held. Must not wait
	 * for fences that the importer signals, nor attach or detach.
	 */
	void (*move_notify)(struct dma_buf_attachment *attach);
};

/**
 * struct dma_buf_attachment - a device that uses a buffer
 *
 * dma_buf_attach() makes an attachment, dma_buf_detach() frees it. In between
 * it holds a reference to the buffer.
 */
struct dma_buf_attachment {
	/** @dmabuf: the buffer, with a reference; immutable. */
	struct dma_buf *dmabuf;
	/** @dev: the device; immutable. */
	struct device *dev;
	/** @node: in &dma_buf.attachments. */
	struct list_head node;
	/** @sgt: the table that the core keeps, or NULL. */
	struct sg_table *sgt;
	/** @dir: direction of @sgt. */
	enum dma_data_direction dir;
	/** @peer2peer: the exporter may map memory that is not RAM. */
	bool peer2peer;
	/** @importer_ops: of a dynamic importer, else NULL; immutable. */
	const struct dma_buf_attach_ops *importer_ops;
	/** @importer_priv: private data of the importer. */
	void *importer_priv;
	/** @priv: private data of the exporter. */
	void *priv;
};

/**
 * struct dma_buf_export_info - parameters of a new buffer
 * @exp_name: name of the exporter; the string outlives the buffer
 * @owner: module of the exporter, or NULL
 * @ops: operations of the exporter
 * @size: in bytes
 * @flags: for the file: access mode and O_NONBLOCK
 * @resv: reservation object that outlives the buffer, or NULL for a new one
 * @priv: private data of the exporter
 */
struct dma_buf_export_info {
	const char *exp_name;
	struct module *owner;
	const struct dma_buf_ops *ops;
	size_t size;
	int flags;
	struct dma_resv *resv;
	void *priv;
};

/**
 * DEFINE_DMA_BUF_EXPORT_INFO - declare a &struct dma_buf_export_info
 * @name: of the variable, which names this module as exporter and owner; all
 *	other members are zero
 */
#define DEFINE_DMA_BUF_EXPORT_INFO(name)				\
	struct dma_buf_export_info name = {				\
		.exp_name = KBUILD_MODNAME,				\
		.owner = THIS_MODULE,					\
	}

/**
 * get_dma_buf - take another reference
 * @dmabuf: a buffer that the caller holds a reference to
 *
 * Context: Any.
 */
static inline void get_dma_buf(struct dma_buf *dmabuf)
{
	get_file(dmabuf->file);
}

/**
 * dma_buf_is_dynamic - tell whether the exporter may move the memory
 * @dmabuf: the buffer
 *
 * Context: Any.
 * Return: true if the memory may move unless it is pinned.
 */
static inline bool dma_buf_is_dynamic(struct dma_buf *dmabuf)
{
	return dmabuf->ops->pin;
}

/**
 * dma_buf_attachment_is_dynamic - tell whether the importer copes with moves
 * @attach: the attachment
 *
 * Context: Any.
 * Return: true if it does.
 */
static inline bool
dma_buf_attachment_is_dynamic(struct dma_buf_attachment *attach)
{
	return attach->importer_ops;
}

struct dma_buf *dma_buf_export(const struct dma_buf_export_info *exp_info);
int dma_buf_fd(struct dma_buf *dmabuf, int flags);
struct dma_buf *dma_buf_get(int fd);
void dma_buf_put(struct dma_buf *dmabuf);

struct dma_buf_attachment *dma_buf_attach(struct dma_buf *dmabuf,
					  struct device *dev);
struct dma_buf_attachment *
dma_buf_dynamic_attach(struct dma_buf *dmabuf, struct device *dev,
		       const struct dma_buf_attach_ops *importer_ops,
		       void *importer_priv);
void dma_buf_detach(struct dma_buf *dmabuf, struct dma_buf_attachment *attach);
int dma_buf_pin(struct dma_buf_attachment *attach);
void dma_buf_unpin(struct dma_buf_attachment *attach);
void dma_buf_move_notify(struct dma_buf *dmabuf);

struct sg_table *dma_buf_map_attachment(struct dma_buf_attachment *attach,
					enum dma_data_direction direction);
void dma_buf_unmap_attachment(struct dma_buf_attachment *attach,
			      struct sg_table *sg_table,
			      enum dma_data_direction direction);
struct sg_table *
dma_buf_map_attachment_unlocked(struct dma_buf_attachment *attach,
				enum dma_data_direction direction);
void dma_buf_unmap_attachment_unlocked(struct dma_buf_attachment *attach,
				       struct sg_table *sg_table,
				       enum dma_data_direction direction);

int dma_buf_begin_cpu_access(struct dma_buf *dmabuf,
			     enum dma_data_direction dir);
int dma_buf_end_cpu_access(struct dma_buf *dmabuf,
			   enum dma_data_direction dir);
int dma_buf_begin_cpu_access_partial(struct dma_buf *dmabuf,
				     enum dma_data_direction dir,
				     size_t offset, size_t len);
int dma_buf_end_cpu_access_partial(struct dma_buf *dmabuf,
				   enum dma_data_direction dir,
				   size_t offset, size_t len);
int dma_buf_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma,
		 unsigned long pgoff);
int dma_buf_vmap(struct dma_buf *dmabuf, struct iosys_map *map);
void dma_buf_vunmap(struct dma_buf *dmabuf, struct iosys_map *map);
int dma_buf_vmap_unlocked(struct dma_buf *dmabuf, struct iosys_map *map);
void dma_buf_vunmap_unlocked(struct dma_buf *dmabuf, struct iosys_map *map);

#endif /* __DMA_BUF_H__ */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A dma-buf is memory that devices and processes share by file descriptor: one
 * driver exports it, others attach their devices, map it for DMA and order
 * their work by the fences of its reservation object. This header declares
 * what exporters implement and what importers call.
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
 * enum dma_buf_keep - what becomes of a mapping while nobody uses it
 */
enum dma_buf_keep {
	/** @DMA_BUF_KEEP_NEVER: It goes with unmap. */
	DMA_BUF_KEEP_NEVER,
	/**
	 * @DMA_BUF_KEEP_IDLE: It is kept for the next map; the memory is the
	 * CPU's meanwhile.
	 */
	DMA_BUF_KEEP_IDLE,
	/**
	 * @DMA_BUF_KEEP_AS_IS: Likewise, and nothing has to be done to hand
	 * the memory over, as for devices that are coherent.
	 */
	DMA_BUF_KEEP_AS_IS,
} __packed;

/**
 * struct dma_buf_ops - what an exporter implements
 *
 * Of these @map_dma_buf, @unmap_dma_buf and @release are mandatory. @pin and
 * @unpin come together, and so do @keep_mapping, @begin_device_access and
 * @end_device_access.
 */
struct dma_buf_ops {
	/**
	 * @cache_sgt_mapping: the mapping of an attachment is kept from the
	 * first map until detach, shared by all who map it. Not together with
	 * @pin or @keep_mapping.
	 */
	bool cache_sgt_mapping;

	/**
	 * @attach: A device wants to use the buffer. May refuse, and may clear
	 * &dma_buf_attachment.peer2peer. Optional.
	 *
	 * Context: Process, may sleep. Reservation lock not held; the
	 * attachment is not on the buffer's list yet.
	 * Return: 0 or a negative errno, for the importer to see; -EBUSY says
	 * that the device cannot reach memory that others keep in place.
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
	 * @pin: Keep the memory where this attachment can reach it. Optional;
	 * an exporter that has it is dynamic: it may move unpinned memory.
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
	 * @map_dma_buf: Map the memory for the attachment's device. The table
	 * is the importer's until @unmap_dma_buf; each call returns one of its
	 * own. Only DMA addresses and lengths count for importers.
	 *
	 * Context: Process, may sleep, reservation lock held.
	 * Return: The table, or ERR_PTR(): -EINTR when a signal ended it.
	 */
	struct sg_table *(*map_dma_buf)(struct dma_buf_attachment *attach,
					enum dma_data_direction direction);

	/**
	 * @unmap_dma_buf: Undo @map_dma_buf and free the table.
	 *
	 * Context: Process, may sleep, reservation lock held. With
	 * @keep_mapping also without that lock, for a mapping that is kept and
	 * nobody uses, and in memory reclaim: it takes no lock then that is
	 * held while memory is allocated, or while a fence is waited for.
	 */
	void (*unmap_dma_buf)(struct dma_buf_attachment *attach,
			      struct sg_table *sgt,
			      enum dma_data_direction direction);

	/**
	 * @keep_mapping: Say what may become of the mapping that @map_dma_buf
	 * has just made, once the importer has unmapped it. The core ends a
	 * kept mapping with @unmap_dma_buf, used or not, when the device
	 * detaches or maps in another direction, when the memory moves or is
	 * short, and in other cases; see "kept mappings". Optional.
	 *
	 * Context: As @map_dma_buf.
	 * Return: &enum dma_buf_keep.
	 */
	enum dma_buf_keep (*keep_mapping)(struct dma_buf_attachment *attach);

	/**
	 * @begin_device_access: The importer takes up a mapping that was kept
	 * by DMA_BUF_KEEP_IDLE: hand the memory over to the device.
	 *
	 * Context: As @map_dma_buf.
	 */
	void (*begin_device_access)(struct dma_buf_attachment *attach,
				    struct sg_table *sgt);

	/**
	 * @end_device_access: The importer is done with such a mapping: hand
	 * the memory back to the CPU.
	 *
	 * Context: As @map_dma_buf.
	 */
	void (*end_device_access)(struct dma_buf_attachment *attach,
				  struct sg_table *sgt);

	/**
	 * @release: The last reference is gone, free what is behind
	 * &dma_buf.priv. &dma_buf.file is still valid memory.
	 *
	 * Context: Process, may sleep and take the reservation lock.
	 */
	void (*release)(struct dma_buf *dmabuf);

	/**
	 * @begin_cpu_access: Make the memory ready for the CPU. Calls may nest
	 * and overlap. Optional.
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
	 * @begin_cpu_access_partial: As @begin_cpu_access, for the @len bytes
	 * from @offset on, which lie in the buffer and are not all of it.
	 * Without it the whole is made ready. Optional.
	 *
	 * Context: As @begin_cpu_access.
	 * Return: 0 or a negative errno.
	 */
	int (*begin_cpu_access_partial)(struct dma_buf *dmabuf,
					enum dma_data_direction direction,
					size_t offset, size_t len);

	/**
	 * @end_cpu_access_partial: As @end_cpu_access, for a part. Without it
	 * the whole is made visible. Optional.
	 *
	 * Context: As @begin_cpu_access.
	 * Return: 0 or a negative errno.
	 */
	int (*end_cpu_access_partial)(struct dma_buf *dmabuf,
				      enum dma_data_direction direction,
				      size_t offset, size_t len);

	/**
	 * @mmap: Map the buffer into a process; the range has been checked.
	 * Optional.
	 *
	 * Context: Process, mmap lock held for writing.
	 * Return: 0 or a negative errno.
	 */
	int (*mmap)(struct dma_buf *dmabuf, struct vm_area_struct *vma);

	/**
	 * @vmap: Map the buffer into the kernel; called for the first user
	 * alone. Optional.
	 *
	 * Context: Process, may sleep, reservation lock held.
	 * Return: 0 or a negative errno.
	 */
	int (*vmap)(struct dma_buf *dmabuf, struct iosys_map *map);

	/**
	 * @vunmap: Undo @vmap, after the last user. Optional.
	 *
	 * Context: As @vmap.
	 */
	void (*vunmap)(struct dma_buf *dmabuf, struct iosys_map *map);
};

/**
 * struct dma_buf - a shared buffer
 *
 * Lives for as long as its file; get_dma_buf() and dma_buf_put() count
 * references to that. The memory stays for an RCU grace period longer.
 */
struct dma_buf {
	/** @size: in bytes; immutable. */
	size_t size;
	/** @file: the file; immutable, valid until @ops->release returns. */
	struct file *file;
	/** @attachments: of &dma_buf_attachment.node; @resv and @lock. */
	struct list_head attachments;
	/** @ops: of the exporter, who may replace it right after export. */
	const struct dma_buf_ops *ops;
	/** @vmapping_counter: users of @vmap_ptr; protected by @resv. */
	unsigned int vmapping_counter;
	/** @num_attachments: on @attachments; writers hold @lock. */
	unsigned int num_attachments;
	/** @vmap_ptr: the kernel's mapping; protected by @resv. */
	struct iosys_map vmap_ptr;
	/** @exp_name: of the exporter; immutable. */
	const char *exp_name;
	/**
	 * @name: set by user space, NULL before that; the text, too, changes
	 * under @name_lock. It ends within DMA_BUF_NAME_LEN bytes for those who
	 * look without the lock, too, and lives as long as the buffer.
	 */
	const char *name;
	/** @name_lock: protects @name; a leaf. */
	spinlock_t name_lock;
	/** @lock: protects @attachments for readers; a leaf. */
	spinlock_t lock;
	/** @owner: module of the exporter, with a reference; immutable. */
	struct module *owner;
	/** @list_node: in a list of live buffers. RCU. */
	struct list_head list_node;
	/** @priv: the exporter's. */
	void *priv;
	/**
	 * @resv: lock and fences; the exporter's own, or one that lives as
	 * long as the buffer. Immutable.
	 */
	struct dma_resv *resv;
};

/**
 * struct dma_buf_attach_ops - what a dynamic importer implements
 */
struct dma_buf_attach_ops {
	/** @allow_peer2peer: can deal with memory that is no RAM. */
	bool allow_peer2peer;

	/**
	 * @move_notify: The memory is about to move: map it anew before the
	 * next use. May unmap, and unpin, what no submitted work uses; the rest
	 * is unmapped once that work is done, until when it stays valid. Called
	 * only while the attachment is mapped or pinned. Mandatory.
	 *
	 * Context: Process, may sleep, reservation lock held. May not wait for
	 * fences that the importer signals, nor attach or detach.
	 */
	void (*move_notify)(struct dma_buf_attachment *attach);
};

/**
 * struct dma_buf_attachment - a device that uses a buffer
 *
 * Made by dma_buf_attach() and gone with dma_buf_detach(); keeps the buffer
 * alive in between.
 */
struct dma_buf_attachment {
	/** @dmabuf: the buffer, with a reference; immutable. */
	struct dma_buf *dmabuf;
	/** @dev: the device; immutable. */
	struct device *dev;
	/** @node: in &dma_buf.attachments. */
	struct list_head node;
	/** @sgt: the mapping that the core keeps, or NULL. */
	struct sg_table *sgt;
	/** @dir: direction of @sgt. */
	enum dma_data_direction dir;
	/** @peer2peer: may be given memory that is no RAM. */
	bool peer2peer;
	/** @importer_ops: of a dynamic importer, else NULL; immutable. */
	const struct dma_buf_attach_ops *importer_ops;
	/** @importer_priv: the importer's. */
	void *importer_priv;
	/** @priv: the exporter's. */
	void *priv;
};

/**
 * struct dma_buf_export_info - what describes a new buffer
 * @exp_name: name of the exporter; kept for as long as the buffer
 * @owner: module of the exporter, or NULL
 * @ops: what the exporter implements
 * @size: in bytes
 * @flags: for the file: access mode and O_NONBLOCK
 * @resv: reservation object that outlives the buffer, or NULL for a new one
 * @priv: the exporter's
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
 * @name: of the variable; names the module as exporter and owner, all else is
 *	zero
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
 * dma_buf_is_dynamic - may the exporter move the memory?
 * @dmabuf: the buffer
 *
 * Context: Any.
 * Return: true if it is unless pinned.
 */
static inline bool dma_buf_is_dynamic(struct dma_buf *dmabuf)
{
	return dmabuf->ops->pin;
}

/**
 * dma_buf_attachment_is_dynamic - does the importer cope with moves?
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

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Declarations that are private to the files of buffer/. A part that is
 * configured out has a stub here, so that callers need no #if.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_BUF_INTERNAL_H
#define _DMA_BUF_INTERNAL_H

#include <linux/device/bus.h>
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

struct dma_buf_registry;
struct poll_table_struct;
struct seq_file;
struct shrink_control;
struct shrinker;

/**
 * struct dma_buf_poll_wait - callback that waits for fences for all pollers
 * @cb: the callback on @fence
 * @fence: the fence that it waits for, with a reference; read under RCU
 * @work: moves on to the next fence, outside the lock of the last one
 * @object: the buffer; the file is referenced while @armed; immutable
 * @usage: which fences to wait for; immutable
 * @events: which pollers to wake, EPOLLIN or EPOLLOUT; immutable
 * @index: slot of the reservation object to look at next
 * @armed: 1 while it is waiting; changed by atomic_xchg() alone. The poller that
 *	set it, then @cb or @work, owns the mutable members
 */
struct dma_buf_poll_wait {
	struct dma_fence_cb cb;
	struct dma_fence __rcu *fence;
	struct work_struct work;
	struct dma_buf_object *object;
	enum dma_resv_usage usage;
	__poll_t events;
	unsigned int index;
	atomic_t armed;
};

/**
 * struct dma_buf_object - a buffer with the members that drivers do not see
 * @dmabuf: the buffer
 * @resv: the reservation object, if the exporter has given none
 * @name: the text of &dma_buf.name, once user space has set it
 * @registry: the list of live buffers that the buffer is on; NULL once removed
 * @poll: the wait queue of pollers
 * @cb_in: waits until the buffer may be read
 * @cb_out: waits until the buffer may be written
 * @inode: of &dma_buf.file; it frees the whole object an RCU grace period after
 *	the file. The constructor of the slab initialises it.
 */
struct dma_buf_object {
	struct dma_buf dmabuf;
	struct dma_resv resv;
	char name[DMA_BUF_NAME_LEN];
	struct dma_buf_registry *registry;
	wait_queue_head_t poll;
	struct dma_buf_poll_wait cb_in;
	struct dma_buf_poll_wait cb_out;
	struct inode inode;
};

static inline struct dma_buf_object *to_dma_buf_object(struct dma_buf *dmabuf)
{
	return container_of(dmabuf, struct dma_buf_object, dmabuf);
}

/* dma_buf_put() for the files beneath dma-buf.c, which must not call up. */
static inline void dma_buf_drop(struct dma_buf *dmabuf)
{
	fput(dmabuf->file);
}

/**
 * enum dma_buf_kept_state - state of the mapping that the core keeps
 * @DMA_BUF_KEPT_NONE: the core keeps no mapping
 * @DMA_BUF_KEPT_SHARED: all users share the mapping until detach
 * @DMA_BUF_KEPT_BUSY: for one user at a time; the importer has it mapped
 * @DMA_BUF_KEPT_IDLE: for one user at a time; the importer has unmapped it
 * @DMA_BUF_KEPT_CHANGING: the task that is changing the state owns the table
 * @DMA_BUF_KEPT_AWAITED: the same, and other tasks wait for it
 */
enum dma_buf_kept_state {
	DMA_BUF_KEPT_NONE,
	DMA_BUF_KEPT_SHARED,
	DMA_BUF_KEPT_BUSY,
	DMA_BUF_KEPT_IDLE,
	DMA_BUF_KEPT_CHANGING,
	DMA_BUF_KEPT_AWAITED,
};

/**
 * struct dma_buf_attached - an attachment with members that drivers do not see
 * @attach: the attachment
 * @kept: &enum dma_buf_kept_state; says who owns &dma_buf_attachment.sgt,
 *	&dma_buf_attachment.dir and @keep
 * @keep: how the core keeps the mapping while it is idle
 * @used: a hint: the importer took the mapping up since the last shrinker round
 * @node: in the list of mappings that are kept for one user at a time;
 *	protected by the lock of the list
 * @space: the address space that the kept mapping takes up
 * @maps_again: a hint: the importer has mapped the memory before
 * @map_count: number of tables that the importer holds
 * @pin_count: number of pins that the importer holds; protected by the
 *	reservation lock
 */
struct dma_buf_attached {
	struct dma_buf_attachment attach;
	atomic_t kept;
	enum dma_buf_keep keep;
	bool used;
	struct list_head node;
	const void *space;
	bool maps_again;
	atomic_t map_count;
	unsigned int pin_count;
};

static inline struct dma_buf_attached *
to_attached(struct dma_buf_attachment *attach)
{
	return container_of(attach, struct dma_buf_attached, attach);
}

/* dma-buf.c */
#if IS_ENABLED(CONFIG_KUNIT)
bool dma_buf_file_is_ours(const struct file *file);
#endif

/* dma-buf-name.c */
long dma_buf_set_name(struct dma_buf *dmabuf, const char __user *user);
#if IS_ENABLED(CONFIG_KUNIT)
void dma_buf_store_name(struct dma_buf *dmabuf,
			const char name[DMA_BUF_NAME_LEN]);
#endif
bool dma_buf_copy_name(struct dma_buf *dmabuf, char name[DMA_BUF_NAME_LEN],
		       const char *unnamed);

/* dma-buf-file.c */
struct dma_buf *dma_buf_file_alloc(size_t size, struct dma_resv *resv);
int dma_buf_file_open(struct dma_buf *dmabuf, int flags,
		      const struct file_operations *fops);
void dma_buf_file_discard(struct dma_buf *dmabuf);
void dma_buf_file_release(struct dma_buf *dmabuf);
loff_t dma_buf_file_llseek(struct file *file, loff_t offset, int whence);
int dma_buf_file_mmap(struct file *file, struct vm_area_struct *vma);
void dma_buf_file_show_fdinfo(struct seq_file *seq, struct file *file);
int dma_buf_check_mmap(struct dma_buf *dmabuf, struct vm_area_struct *vma,
		       unsigned long pgoff);
long dma_buf_count_users(struct dma_buf *dmabuf);
int dma_buf_file_init(void);

/* dma-buf-map.c */
int dma_buf_map_on_attach(struct dma_buf_attachment *attach);
void dma_buf_unmap_on_detach(struct dma_buf_attachment *attach);

/* dma-buf-mapping.c */
int dma_buf_pin_memory(struct dma_buf_attachment *attach);
void dma_buf_unpin_memory(struct dma_buf_attachment *attach);
long dma_buf_wait_for_moves(struct dma_buf_attachment *attach);
struct sg_table *dma_buf_map_memory(struct dma_buf_attachment *attach,
				    enum dma_data_direction dir);
void dma_buf_unmap_memory(struct dma_buf_attachment *attach,
			  struct sg_table *sgt, enum dma_data_direction dir);

/* dma-buf-kept.c */
void dma_buf_kept_share(struct dma_buf_attachment *attach, struct sg_table *sgt,
			enum dma_data_direction dir);
void dma_buf_kept_keep(struct dma_buf_attachment *attach, struct sg_table *sgt,
		       enum dma_data_direction dir);
struct sg_table *dma_buf_kept_take_up(struct dma_buf_attachment *attach,
				      enum dma_data_direction dir);
bool dma_buf_kept_put_down(struct dma_buf_attachment *attach,
			   struct sg_table *sgt);
void dma_buf_kept_drop(struct dma_buf_attachment *attach);
bool dma_buf_kept_detach(struct dma_buf_attachment *attach);
bool dma_buf_kept_make_room(struct device *dev);

/* dma-buf-kept-policy.c */
void dma_buf_kept_policy_init(void (*end)(struct device *dev));
bool dma_buf_kept_is_allowed(struct device *dev);
const void *dma_buf_kept_space(struct device *dev);
bool dma_buf_kept_charge(struct dma_buf_attachment *attach);
void dma_buf_kept_uncharge(struct dma_buf_attachment *attach);

#if IS_ENABLED(CONFIG_KUNIT)
extern unsigned int dma_buf_kept_policy;
extern unsigned long dma_buf_kept_limit;
void dma_buf_kept_watch(const struct bus_type *bus);
unsigned long dma_buf_shrink_kept(unsigned long nr);
unsigned long dma_buf_kept_scan(struct shrinker *shrinker,
				struct shrink_control *sc);
#endif

/* dma-buf-ioctl.c */
long dma_buf_ioctl(struct file *file, unsigned int cmd, unsigned long arg);

/* dma-buf-sync-file.c */
#if IS_ENABLED(CONFIG_SYNC_FILE)
long dma_buf_export_sync_file(struct dma_buf *dmabuf,
			      struct dma_buf_export_sync_file __user *user);
long dma_buf_import_sync_file(struct dma_buf *dmabuf,
			      const struct dma_buf_import_sync_file __user *user);
#else
static inline long
dma_buf_export_sync_file(struct dma_buf *dmabuf,
			 struct dma_buf_export_sync_file __user *user)
{
	return -ENOTTY;
}

static inline long
dma_buf_import_sync_file(struct dma_buf *dmabuf,
			 const struct dma_buf_import_sync_file __user *user)
{
	return -ENOTTY;
}
#endif

/* dma-buf-poll.c */
int dma_buf_poll_setup(void);
void dma_buf_poll_init(struct dma_buf *dmabuf);
__poll_t dma_buf_poll(struct file *file, struct poll_table_struct *wait);

/* dma-buf-registry.c */
void dma_buf_registry_add(struct dma_buf *dmabuf);
void dma_buf_registry_del(struct dma_buf *dmabuf);
struct dma_buf *dma_buf_registry_next(struct dma_buf *prev);
int dma_buf_registry_init(void);

/* dma-buf-debug.c */
#ifdef CONFIG_DMABUF_DEBUG
struct sg_table *dma_buf_debug_wrap(struct sg_table *sgt);
struct sg_table *dma_buf_debug_real(struct sg_table *sgt);
struct sg_table *dma_buf_debug_unwrap(struct sg_table *sgt);
void dma_buf_debug_detach(struct dma_buf_attachment *attach);
#else
static inline struct sg_table *dma_buf_debug_wrap(struct sg_table *sgt)
{
	return sgt;
}

static inline struct sg_table *dma_buf_debug_real(struct sg_table *sgt)
{
	return sgt;
}

static inline struct sg_table *dma_buf_debug_unwrap(struct sg_table *sgt)
{
	return sgt;
}

static inline void dma_buf_debug_detach(struct dma_buf_attachment *attach)
{
}
#endif

#endif /* _DMA_BUF_INTERNAL_H */

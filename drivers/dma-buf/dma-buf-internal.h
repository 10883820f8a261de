/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the subsystem share with each other and with nobody else.
 * A part that is configured out has a stub here, so that callers need no #if.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_BUF_INTERNAL_H
#define _DMA_BUF_INTERNAL_H

#include <linux/cleanup.h>
#include <linux/ctype.h>
#include <linux/device/bus.h>
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/seq_file.h>
#include <linux/types.h>

struct dma_fence;
struct dma_resv;
struct poll_table_struct;
struct shrink_control;
struct shrinker;

DEFINE_FREE(put_fence, struct dma_fence *, dma_fence_put(_T))

/*
 * Print text that user space chose into a file that is made of lines: what would
 * forge lines and columns, control characters, becomes \ooo as in /proc/mounts,
 * and so does the backslash. All else is printed as it is.
 */
static inline void dma_buf_print_text(struct seq_file *seq, const char *text)
{
	size_t len;

	for (;;) {
		len = 0;
		while (text[len] && !iscntrl(text[len]) && text[len] != '\\')
			len++;
		seq_write(seq, text, len);
		text += len;
		if (!*text)
			return;
		seq_printf(seq, "\\%03o", *text++);
	}
}

/* The same for a record of a trace, where there is no room for more characters. */
static inline void dma_buf_blank_text(char *text)
{
	for (; *text; text++)
		if (iscntrl(*text))
			*text = '?';
}

/* dma-buf.c */
void dma_buf_release_object(struct dma_buf *dmabuf);
long dma_buf_set_name(struct dma_buf *dmabuf, const char __user *user);
#if IS_ENABLED(CONFIG_KUNIT)
void dma_buf_store_name(struct dma_buf *dmabuf,
			const char name[DMA_BUF_NAME_LEN]);
#endif
bool dma_buf_copy_name(struct dma_buf *dmabuf, char name[DMA_BUF_NAME_LEN],
		       const char *unnamed);

/* dma-buf-file.c */
struct dma_buf *dma_buf_file_alloc(size_t size, struct dma_resv *resv);
int dma_buf_file_open(struct dma_buf *dmabuf, int flags);
void dma_buf_file_discard(struct dma_buf *dmabuf);
void dma_buf_file_release(struct dma_buf *dmabuf);
char *dma_buf_file_name_room(struct dma_buf *dmabuf);
bool dma_buf_file_is_ours(const struct file *file);
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

/**
 * enum dma_buf_kept_state - the mapping of an attachment that the core keeps
 * @DMA_BUF_KEPT_NONE: there is none
 * @DMA_BUF_KEPT_SHARED: for all users, until detach
 * @DMA_BUF_KEPT_BUSY: for one user at a time, who has it
 * @DMA_BUF_KEPT_IDLE: for one user at a time; nobody has it
 * @DMA_BUF_KEPT_CHANGING: somebody is about to change the state, and owns the table
 */
enum dma_buf_kept_state {
	DMA_BUF_KEPT_NONE,
	DMA_BUF_KEPT_SHARED,
	DMA_BUF_KEPT_BUSY,
	DMA_BUF_KEPT_IDLE,
	DMA_BUF_KEPT_CHANGING,
};

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
void dma_buf_kept_end_device(struct device *dev);

/* dma-buf-kept-policy.c */
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

/* dma-resv-query.c */
void dma_resv_describe_unlocked(struct dma_resv *obj, struct seq_file *seq);

/* Was a fence ever added? Of most buffers that a CPU fills none was. */
static inline bool dma_resv_was_used(struct dma_resv *obj)
{
	return rcu_access_pointer(obj->fences);
}

/* dma-fence-names.c */
const char *dma_fence_driver_name(struct dma_fence *fence);
const char *dma_fence_timeline_name(struct dma_fence *fence);

/* dma-fence.c */
void dma_fence_destroy_begin(struct dma_fence *fence);

/*
 * As dma_fence_is_signaled(), for callers in an RCU read-side critical section:
 * a maker who has not signalled yet stays valid until its end.
 */
static inline bool dma_fence_is_signaled_rcu(struct dma_fence *fence)
{
	bool done = test_bit_acquire(DMA_FENCE_FLAG_SIGNALED_BIT,
				     &fence->flags);

	if (!done && fence->ops->signaled && fence->ops->signaled(fence)) {
		dma_fence_signal(fence);
		done = true;
	}
	return done;
}

/* As dma_fence_get_status(), for callers in an RCU read-side critical section. */
static inline int dma_fence_get_status_rcu(struct dma_fence *fence)
{
	if (!dma_fence_is_signaled_rcu(fence))
		return 0;
	return fence->error < 0 ? fence->error : 1;
}

/* dma-fence-unwrap.c */
unsigned int dma_fence_unwrap_count(struct dma_fence *fence);

/* dma-fence-stub.c */
struct dma_fence *dma_fence_alloc_stub(ktime_t timestamp, int error);
void dma_fence_init_broken(struct dma_fence *fence);

/**
 * struct dma_fence_reaper - containers that lost their last reference
 * @todo: linked through &dma_fence.rcu, which nothing else uses by then
 */
struct dma_fence_reaper {
	struct callback_head *todo;
};

/* dma-fence-container.c */
void dma_fence_reap_container(struct dma_fence_reaper *reaper,
			      struct dma_fence *fence);
void dma_fence_container_release(struct dma_fence *fence);

/**
 * dma_fence_reap - drop a reference that a container held
 * @reaper: takes the fence if it is a container, and this was the last one
 * @fence: the fence, or NULL
 *
 * Context: Any.
 */
static inline void dma_fence_reap(struct dma_fence_reaper *reaper,
				  struct dma_fence *fence)
{
	if (!fence || !dma_fence_is_container(fence))
		dma_fence_put(fence);
	else if (refcount_dec_and_test(&fence->refcount.refcount))
		dma_fence_reap_container(reaper, fence);
}

/* dma-fence-array.c, dma-fence-chain.c */
void dma_fence_array_fini(struct dma_fence *fence,
			  struct dma_fence_reaper *reaper);
void dma_fence_chain_fini(struct dma_fence *fence,
			  struct dma_fence_reaper *reaper);

#endif /* _DMA_BUF_INTERNAL_H */

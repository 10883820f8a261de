/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Types and functions that the files of the importer test driver share.
 * importer.c explains how the driver works.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_BUF_IMPORTER_H
#define _DMA_BUF_IMPORTER_H

#include <linux/atomic.h>
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "dmabuf-importer.h"

struct importer_engine;
struct page;

/**
 * struct importer - an open file
 * @devs: &struct importer_dev by identifier; protected by @lock
 * @atts: &struct importer_att by identifier; protected by @lock
 * @jobs: &struct importer_job by identifier, until retired; protected by its
 *	own lock
 */
struct importer {
	/** @lock: serialises all ioctls but RELEASE, CANCEL, EXPORT and CONTROL */
	struct mutex lock;
	struct xarray devs;
	struct xarray atts;
	struct xarray jobs;
};

/**
 * struct importer_dev - a device with a queue of jobs
 * @importer: the open file; immutable
 * @id: identifier; immutable
 * @flags: DMABUF_IMPORTER_DEV_*; immutable
 * @engine: executes the jobs; immutable
 * @dev: the device that buffers are mapped for; immutable
 * @context: fence context of the jobs; immutable
 * @seqno: sequence number of the latest fence; protected by &importer.lock
 * @num_atts: number of attachments; protected by &importer.lock
 * @queue: &importer_job.node in the order of submission; @run works on the
 *	first one
 * @done: &importer_job.node of jobs whose fences have signalled, for @retire
 * @num_jobs: number of jobs that are queued and not yet retired; atomic
 * @idle: woken when @num_jobs drops to zero
 * @run: advances the first job of @queue
 * @retire: frees the jobs on @done
 */
struct importer_dev {
	struct importer *importer;
	u32 id;
	u32 flags;
	const struct importer_engine *engine;
	struct device *dev;
	u64 context;
	u64 seqno;
	unsigned int num_atts;
	/** @lock: protects @queue and @done; taken with interrupts off */
	spinlock_t lock;
	struct list_head queue;
	struct list_head done;
	atomic_t num_jobs;
	wait_queue_head_t idle;
	struct work_struct run;
	struct work_struct retire;
};

/**
 * struct importer_mapping - a mapping that jobs share
 * @sgt: the exporter's table; immutable
 * @users: one for the attachment and one for each job; protected by the
 *	reservation lock
 */
struct importer_mapping {
	struct sg_table *sgt;
	unsigned int users;
};

/**
 * struct importer_att - a device attached to a buffer
 * @dev: the device; immutable
 * @attach: the core's attachment; immutable
 * @id: identifier; immutable
 * @map: mapping for the next job, or NULL; protected by the reservation lock
 * @stale: the memory has moved since @map was made; protected by the
 *	reservation lock
 * @moves: number of moves announced; protected by the reservation lock
 * @maps: number of mappings made for jobs; protected by the reservation lock
 * @pins: number of pins by user space; protected by &importer.lock
 * @user_sgt: table of the mapping made by DMABUF_IMPORTER_MAP, or NULL;
 *	protected by &importer.lock
 * @user_dir: direction of @user_sgt; protected by &importer.lock
 * @num_jobs: number of jobs that hold a mapping; atomic, as jobs are retired
 *	without &importer.lock
 */
struct importer_att {
	struct importer_dev *dev;
	struct dma_buf_attachment *attach;
	u32 id;
	struct importer_mapping *map;
	bool stale;
	unsigned int moves;
	unsigned int maps;
	unsigned int pins;
	struct sg_table *user_sgt;
	enum dma_data_direction user_dir;
	atomic_t num_jobs;
};

/**
 * struct importer_operand - memory that a job reads or writes
 * @att: attachment to a buffer, or NULL for memory of the caller
 * @map: the mapping of @att that the job holds once it is published
 * @pages: the pinned pages of the caller, or NULL
 * @num_pages: number of @pages
 * @table: of @pages
 * @mapped: @table is mapped for the device
 * @dir: what the device does with the memory
 * @offset: byte offset of the operand in its table
 * @length: in bytes; 0 if the job does not use the operand
 */
struct importer_operand {
	struct importer_att *att;
	struct importer_mapping *map;
	struct page **pages;
	unsigned int num_pages;
	struct sg_table table;
	bool mapped;
	enum dma_data_direction dir;
	u64 offset;
	u64 length;
};

/* @src and @dst of a job; each adds at most one fence to wait for. */
#define IMPORTER_NUM_OPERANDS	2

/* Bit numbers in &importer_job.events. */
enum importer_job_event {
	/* User space lets the job start. */
	IMPORTER_JOB_RELEASED,
	/* The delay is over. */
	IMPORTER_JOB_DELAYED,
	/* User space has cancelled the job or closed the file. */
	IMPORTER_JOB_CANCELLED,
	/* The timeout has expired. */
	IMPORTER_JOB_TIMED_OUT,
	/* The dependency at &importer_job.next_dep has signalled. */
	IMPORTER_JOB_DEP_SIGNALED,
};

/**
 * struct importer_job - work for a device
 * @dev: the device; immutable
 * @id: identifier, 0 before importer_job_register(); immutable from then on
 * @node: in one of the lists of @dev; protected by &importer_dev.lock
 * @fence: signals when the job is over; the job holds a reference
 * @op: DMABUF_IMPORTER_COPY and so on; immutable
 * @value: the byte to fill with; immutable
 * @src: memory that the device reads; immutable once queued
 * @dst: memory that the device writes; immutable once queued
 * @length: in bytes; immutable
 * @fail: the errno to fail with instead of running, or 0; immutable
 * @delay_us: how long the ready job waits before it starts; immutable
 * @timeout_ms: how long the job may take once it is ready; immutable
 * @deps: fences to wait for, those from user space first; immutable once queued
 * @num_deps: number of @deps; immutable once queued
 * @num_explicit: number of @deps from user space; immutable once queued
 * @next_dep: index of the first of @deps not yet seen signalled; only for
 *	&importer_dev.run
 * @dep_armed: @dep_cb has been added to that fence; only for &importer_dev.run
 * @dep_cb: callback on the fence that the job waits for
 * @events: bits of &enum importer_job_event; atomic
 * @ready: all @deps have signalled and the timers run; only for
 *	&importer_dev.run
 * @started: the engine has the job; only for &importer_dev.run
 * @finished: @fence has signalled; protected by &importer_dev.lock
 * @delay: expires after @delay_us
 * @timeout: expires after @timeout_ms
 * @irq: finishes the job with @error from an interrupt
 * @error: 0 or the errno for @irq; written by the engine, or by the queue
 *	instead of it for @fail
 * @engine_node: in the queue of an engine that several devices share; protected
 *	by the engine
 */
struct importer_job {
	struct importer_dev *dev;
	u32 id;
	struct list_head node;
	struct dma_fence *fence;
	u32 op;
	u8 value;
	struct importer_operand src;
	struct importer_operand dst;
	u64 length;
	int fail;
	u32 delay_us;
	u32 timeout_ms;
	struct dma_fence **deps;
	unsigned int num_deps;
	unsigned int num_explicit;
	unsigned int next_dep;
	bool dep_armed;
	struct dma_fence_cb dep_cb;
	unsigned long events;
	bool ready;
	bool started;
	bool finished;
	struct hrtimer delay;
	struct timer_list timeout;
	struct irq_work irq;
	int error;
	struct list_head engine_node;
};

/**
 * struct importer_engine - operations of what executes jobs
 */
struct importer_engine {
	/**
	 * @get: Return a device with these constraints, or ERR_PTR().
	 *
	 * Context: Process, may sleep.
	 */
	struct device *(*get)(const struct dmabuf_importer_create_dev *arg);
	/** @put: Undo @get. */
	void (*put)(struct device *dev);
	/**
	 * @start: Begin to execute a job. The engine calls
	 * importer_job_finish() exactly once for it, from an interrupt.
	 *
	 * Context: Process, within a fence signalling section: must not wait
	 * for memory or fences, nor take a lock under which others do.
	 */
	void (*start)(struct importer_job *job);
};

extern const struct importer_engine importer_engine_sw;
extern const struct importer_engine importer_engine_edu;

/**
 * struct importer_cursor - a position in a table of DMA addresses
 * @sg: the current segment, or NULL at the end
 * @offset: in bytes from the start of @sg
 */
struct importer_cursor {
	struct scatterlist *sg;
	u64 offset;
};

/**
 * struct importer_cmd - an ioctl that is being executed
 * @importer: the open file
 * @user: the argument in user space
 * @arg: the kernel's copy of the argument
 * @size: size of the argument in bytes
 */
struct importer_cmd {
	struct importer *importer;
	void __user *user;
	void *arg;
	size_t size;
};

/**
 * importer_respond - copy the argument back to user space
 * @cmd: the ioctl
 *
 * Called while the ioctl can still undo what it has done.
 *
 * Context: Process, may fault. No reservation lock held.
 * Return: 0 or -EFAULT.
 */
static inline int importer_respond(struct importer_cmd *cmd)
{
	return copy_to_user(cmd->user, cmd->arg, cmd->size) ? -EFAULT : 0;
}

/* dev.c */
int importer_create_dev(struct importer_cmd *cmd);
int importer_destroy_dev(struct importer_cmd *cmd);
int importer_attach(struct importer_cmd *cmd);
int importer_detach(struct importer_cmd *cmd);
void importer_close_devs(struct importer *importer);

/* map.c */
int importer_pin(struct importer_cmd *cmd);
int importer_unpin(struct importer_cmd *cmd);
int importer_map(struct importer_cmd *cmd);
int importer_unmap(struct importer_cmd *cmd);
int importer_info(struct importer_cmd *cmd);
int importer_att_refresh(struct importer_att *att);
void importer_mapping_put(struct importer_att *att,
			  struct importer_mapping *map);
void importer_att_fini(struct importer_att *att);
bool importer_meets_constraints(struct importer_dev *dev,
				struct sg_table *sgt);
extern const struct dma_buf_attach_ops importer_attach_ops;
extern const struct dma_buf_attach_ops importer_attach_ops_p2p;

/* submit.c */
int importer_submit(struct importer_cmd *cmd);

/* operand.c */
int importer_operand_init(struct importer_dev *dev,
			  struct importer_operand *op,
			  const struct dmabuf_importer_operand *arg,
			  u64 length, enum dma_data_direction dir);
void importer_operand_fini(struct importer_dev *dev,
			   struct importer_operand *op);
void importer_operand_finish(struct importer_dev *dev,
			     struct importer_operand *op);
void importer_cursor_init(struct importer_cursor *cursor,
			  struct importer_operand *op);
u32 importer_cursor_peek(struct importer_cursor *cursor, dma_addr_t *addr,
			 u64 max);
void importer_cursor_advance(struct importer_cursor *cursor, u32 bytes);
u64 importer_checksum(u64 sum, const void *data, size_t length);
/* The 64 bit FNV-1a hash of no bytes. */
#define IMPORTER_CHECKSUM_INIT	0xcbf29ce484222325ULL

/* job.c */
struct importer_job *importer_job_alloc(struct importer_dev *dev);
int importer_job_register(struct importer_job *job);
void importer_job_event(struct importer_job *job,
			enum importer_job_event event);
void importer_job_finish(struct importer_job *job, int error);
void importer_job_free(struct importer_job *job);
int importer_release_job(struct importer_cmd *cmd);
int importer_cancel_job(struct importer_cmd *cmd);

/* queue.c */
void importer_dev_init_queue(struct importer_dev *dev);
void importer_job_queue(struct importer_job *job);
void importer_dev_settle(struct importer_dev *dev);
void importer_dev_drain(struct importer_dev *dev);

/* exporter.c */
int importer_export(struct importer_cmd *cmd);
int importer_control(struct importer_cmd *cmd);

/* place.c */
struct importer_place;
struct importer_move;

struct importer_place *importer_place_create(unsigned int num_pages, u32 flags);
struct importer_place *importer_place_get(struct importer_place *place);
void importer_place_put(struct importer_place *place);
struct sg_table *importer_place_map(struct importer_place *place,
				    struct device *dev,
				    enum dma_data_direction dir);
void importer_place_unmap(struct device *dev, struct sg_table *sgt,
			  enum dma_data_direction dir);
struct importer_move *importer_move_create(void);
void importer_move_free(struct importer_move *move);
struct dma_fence *importer_move_fence(struct importer_move *move);
void importer_move_start(struct importer_move *move,
			 struct importer_place *from,
			 struct importer_place *to, struct dma_fence *after);

/* fence.c */
struct dma_fence *importer_fence_create(u64 context, u64 seqno);
void importer_queue_work(struct work_struct *work);
int importer_wq_init(void);

#endif /* _DMA_BUF_IMPORTER_H */

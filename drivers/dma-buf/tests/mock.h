/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the suites are written with: an exporter, an importer and a maker of
 * fences that count their calls, fail when told to and check the contract that
 * they are called under; and a check that a warning fires. The test steps all
 * of them by hand, nothing here runs on its own or goes by the clock. What is
 * left behind at the end of a test fails it.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_BUF_TESTS_MOCK_H
#define _DMA_BUF_TESTS_MOCK_H

#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/list.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

/* mock_fence.c */

/**
 * struct mock_timeline - a maker of fences
 * @test: the test, at whose end all fences have to be gone
 * @context: of the fences
 * @seqno: of the fence made last; the test may set it
 * @name: of the timeline; NULL after mock_timeline_free_name()
 * @driver_name: of the driver; likewise
 * @created: fences made so far
 * @released: fences whose release operation was called
 * @late: calls of any operation but release for a fence that had signalled
 */
struct mock_timeline {
	struct kunit *test;
	/** @lock: of the fences made with MOCK_FENCE_SHARED_LOCK */
	spinlock_t lock;
	u64 context;
	u64 seqno;
	char *name;
	char *driver_name;
	atomic_t created;
	atomic_t released;
	atomic_t late;
};

enum mock_fence_flags {
	/* All fences of the timeline that have it share its lock. */
	MOCK_FENCE_SHARED_LOCK = 1 << 0,
	/* Only the mandatory operations and release. */
	MOCK_FENCE_BARE = 1 << 1,
	/* Sequence numbers of 64 bits. */
	MOCK_FENCE_64BIT = 1 << 2,
	/* The names stay valid for as long as the fence. */
	MOCK_FENCE_NAMES_PERSIST = 1 << 3,
};

/**
 * struct mock_fence - a fence; signal it with dma_fence_signal()
 * @base: the fence
 * @timeline: its maker
 * @done: what the signaled operation returns
 * @enable_returns_false: what it says
 * @signal_on_enable: the enable_signaling operation signals the fence
 * @enabled: calls of the enable_signaling operation
 * @polled: calls of the signaled operation
 * @deadlines: calls of the set_deadline operation
 * @deadline: of the last of these
 *
 * Freed an RCU grace period after the last reference, by default.
 */
struct mock_fence {
	struct dma_fence base;
	struct mock_timeline *timeline;
	/** @lock: of @base, unless the timeline's is used */
	spinlock_t lock;
	bool done;
	bool enable_returns_false;
	bool signal_on_enable;
	atomic_t enabled;
	atomic_t polled;
	atomic_t deadlines;
	ktime_t deadline;
};

static inline struct mock_fence *to_mock_fence(struct dma_fence *fence)
{
	return container_of(fence, struct mock_fence, base);
}

/* Of the test, which it fails on lack of memory: these never return NULL. */
struct mock_timeline *mock_timeline_create(struct kunit *test,
					   const char *name);
/* The next fence of the timeline, with the only reference. */
struct dma_fence *mock_fence_create(struct mock_timeline *timeline);
struct dma_fence *mock_fence_create_at(struct mock_timeline *timeline,
				       u64 seqno, unsigned int flags);
/* A fence with operations of the test, made up of the ones below or not. */
struct dma_fence *mock_fence_create_ops(struct mock_timeline *timeline,
					u64 seqno, unsigned int flags,
					const struct dma_fence_ops *ops);
/* As mock_fence_create_at(), for any thread: NULL on lack of memory. */
struct dma_fence *mock_fence_try_create(struct mock_timeline *timeline,
					u64 seqno, unsigned int flags);
/* Expects that nobody else has a reference, and drops it. */
void mock_fence_put_last(struct kunit *test, struct dma_fence *fence);
/* Shorthand: a signalled fence of the timeline. */
struct dma_fence *mock_fence_create_signaled(struct mock_timeline *timeline);

/* An array of references of its own to these. */
struct dma_fence *mock_array_of(struct kunit *test, int num,
				struct dma_fence **members);
/* A link of a chain; consumes the references to both. */
struct dma_fence *mock_link_after(struct kunit *test, struct dma_fence *prev,
				  struct dma_fence *fence, u64 seqno);

/* Fills the names with garbage and frees them, a grace period from now. */
void mock_timeline_free_names(struct mock_timeline *timeline);
/*
 * Waits until all fences of which nobody holds a reference are released and
 * freed, deferred work of files and containers included; returns how many have
 * been released since the timeline was made.
 */
int mock_timeline_released(struct mock_timeline *timeline);
/* Waits, for a bounded time, until that is @count. */
bool mock_timeline_wait_released(struct mock_timeline *timeline, int count);

const char *mock_fence_driver_name(struct dma_fence *fence);
const char *mock_fence_timeline_name(struct dma_fence *fence);
bool mock_fence_enable_signaling(struct dma_fence *fence);
bool mock_fence_signaled(struct dma_fence *fence);
void mock_fence_set_deadline(struct dma_fence *fence, ktime_t deadline);
void mock_fence_release(struct dma_fence *fence);

/* Adds a fence to a reservation object, which it locks meanwhile. */
void mock_resv_add(struct kunit *test, struct dma_resv *resv,
		   struct dma_fence *fence, enum dma_resv_usage usage);

/* mock.c */

/* In the order of struct dma_buf_ops; the last is the importer's. */
enum mock_op {
	MOCK_ATTACH,
	MOCK_DETACH,
	MOCK_PIN,
	MOCK_UNPIN,
	MOCK_MAP,
	MOCK_UNMAP,
	MOCK_KEEP,
	MOCK_BEGIN_DEVICE,
	MOCK_END_DEVICE,
	MOCK_RELEASE,
	MOCK_BEGIN_CPU_ACCESS,
	MOCK_END_CPU_ACCESS,
	MOCK_MMAP,
	MOCK_VMAP,
	MOCK_VUNMAP,
	MOCK_MOVE_NOTIFY,
	MOCK_NUM_OPS,
};

enum mock_exporter_flags {
	MOCK_STATIC = 0,
	/* Has pin and unpin. */
	MOCK_DYNAMIC = 1 << 0,
	/* The core keeps the mappings, and all users share them. */
	MOCK_CACHED = 1 << 1,
	/* The core is told whether to keep the mappings. */
	MOCK_KEPT = 1 << 2,
};

#define MOCK_LOG_SIZE 32

/**
 * struct mock_exporter - an exporter of one buffer
 * @test: the test, at whose end the buffer has to be gone
 * @ops: what it implements; the test may clear or replace what it likes
 * @info: what describes the buffer; likewise, before mock_export()
 * @dmabuf: the buffer; NULL before mock_export()
 * @pages: the memory, whole pages
 * @num_pages: how many
 * @calls: for each operation the number of calls, failed ones included
 * @fail: for each operation that can fail what it returns, if not 0
 * @log: the first calls in their order, see mock_expect_log()
 * @num_logged: how many
 * @hook: called in each operation, if set, before it does or fails anything
 * @hook_data: for @hook
 * @map_null: map_dma_buf returns NULL
 * @map_empty_segment: map_dma_buf returns a table with a segment of length 0
 * @keep: what keep_mapping returns
 * @mappings: what is mapped now
 * @direction: of the last map, begin_cpu_access or end_cpu_access
 * @vaddr: what vmap returned
 * @exports: successful exports so far; the test counts its own
 * @released: releases that are done
 */
struct mock_exporter {
	struct kunit *test;
	struct dma_buf_ops ops;
	struct dma_buf_export_info info;
	struct dma_buf *dmabuf;
	struct page **pages;
	unsigned int num_pages;
	atomic_t calls[MOCK_NUM_OPS];
	int fail[MOCK_NUM_OPS];
	enum mock_op log[MOCK_LOG_SIZE];
	atomic_t num_logged;
	void (*hook)(struct mock_exporter *exp, enum mock_op op);
	void *hook_data;
	bool map_null;
	bool map_empty_segment;
	enum dma_buf_keep keep;
	/** @lock: protects @mappings */
	spinlock_t lock;
	struct list_head mappings;
	enum dma_data_direction direction;
	void *vaddr;
	int exports;
	atomic_t released;
};

/**
 * struct mock_importer - an importer with a device
 * @test: the test
 * @dev: the device, with a DMA mask of 64 bits
 * @exp: of the buffer; its log shows calls of move_notify
 * @notified: calls of the move_notify operation
 * @on_move: called in move_notify, if set
 * @sgt: for the test
 */
struct mock_importer {
	struct kunit *test;
	struct device *dev;
	struct mock_exporter *exp;
	atomic_t notified;
	void (*on_move)(struct dma_buf_attachment *attach);
	struct sg_table *sgt;
};

/* All of them of the test, which they fail on error. */
struct mock_exporter *mock_exporter_create(struct kunit *test, size_t size,
					   unsigned int flags);
/* Exports it; the test owns the reference. */
struct dma_buf *mock_export(struct mock_exporter *exp);
/* Both in one. */
struct mock_exporter *mock_exporter_export(struct kunit *test, size_t size,
					   unsigned int flags);
/* Waits, for a bounded time, until all that was exported is released. */
bool mock_exporter_wait_released(struct mock_exporter *exp);
/* Drops the last reference to a buffer and expects that it was the last. */
void mock_exporter_put_last(struct mock_exporter *exp);
int mock_calls(struct mock_exporter *exp, enum mock_op op);
/* Expects these calls and no others, then forgets them; ends with MOCK_NUM_OPS. */
void mock_expect_log(struct mock_exporter *exp, const char *where,
		     const enum mock_op *ops);
#define MOCK_EXPECT_LOG(exp, ...)					\
	mock_expect_log(exp, __func__,					\
			(const enum mock_op[]){ __VA_ARGS__, MOCK_NUM_OPS })
#define MOCK_EXPECT_NO_CALLS(exp)					\
	mock_expect_log(exp, __func__, (const enum mock_op[]){ MOCK_NUM_OPS })

/* Until the end of the test mappings of the device may be kept. */
void mock_keep_mappings(struct kunit *test, struct device *dev);
/* Does that, too, if the exporter has mappings kept. */
struct mock_importer *mock_importer_create(struct kunit *test,
					   const char *name,
					   struct mock_exporter *exp);
extern const struct dma_buf_attach_ops mock_attach_ops;
extern const struct dma_buf_attach_ops mock_attach_ops_p2p;
/* Attaches the device, as a dynamic importer or a static one; may fail. */
struct dma_buf_attachment *mock_attach_try(struct mock_importer *imp,
					   bool dynamic);
/* Likewise, may not. */
struct dma_buf_attachment *mock_attach(struct mock_importer *imp,
				       bool dynamic);

/* mock_util.c */

/*
 * Between the two exactly @times warnings fire, and the place of each, as the
 * kernel log has it ("dma_buf_put+0x...", with file and line before it in some
 * configurations), has @where in it. Clears what has been warned about once.
 */
void mock_warn_begin(struct kunit *test);
void mock_warn_end(struct kunit *test, const char *where, unsigned int times);

/* Memory of a process, for the test's thread; readable and writable. */
void __user *mock_user_alloc(struct kunit *test, size_t size);
/* A page of it that begins with @data and cannot be written. */
void __user *mock_user_readonly(struct kunit *test, const void *data,
				size_t size);
/* An address that no process has. */
void __user *mock_user_bad(void);

/* Descriptors that are open or reserved in this thread. */
unsigned int mock_count_fds(void);
/* Makes get_unused_fd_flags() fail with -EMFILE, or work again. */
void mock_forbid_fds(bool forbid);

/* A signal becomes pending for this thread; mock_signal_end() takes it back. */
void mock_signal_begin(void);
void mock_signal_end(void);

/* Ends files whose last reference was dropped by a kernel thread. */
void mock_flush_files(void);

/* Another thread locks the object, until the holder is told to let go. */
struct task_struct *mock_resv_hold(struct kunit *test, struct dma_resv *resv);
void mock_resv_let_go(struct task_struct *holder);

/**
 * struct mock_poller - who polls a file
 * @woken: so many wake-ups
 * @key: what the last one was for
 * @head: the queue that it is on, or NULL
 *
 * On the queue from the first question until mock_poller_end().
 */
struct mock_poller {
	atomic_t woken;
	u32 key;
	wait_queue_head_t *head;
	/* private: */
	poll_table table;
	wait_queue_entry_t entry;
};

void mock_poller_begin(struct mock_poller *poller);
void mock_poller_end(struct mock_poller *poller);
/* Returns those of @events that are true. */
u32 mock_poller_ask(struct mock_poller *poller, struct file *file, u32 events);
/* Likewise, but stays off the queue unless it is on it, as EPOLL_CTL_MOD does. */
u32 mock_poller_modify(struct mock_poller *poller, struct file *file,
		       u32 events);

/* A file of debugfs, to be closed by __fput_sync(). */
struct file *mock_debugfs_open(struct kunit *test, const char *path,
			       int flags);

/* A file to print to, with room for @size bytes; the text is at its buf. */
struct seq_file *mock_seq_create(struct kunit *test, size_t size);

/* Waits for what each processor has to do in an irq_work at this time. */
void mock_irq_work_settle(void);

#endif /* _DMA_BUF_TESTS_MOCK_H */

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mocks for the suites: an exporter, an importer and a maker of fences that
 * count their calls, fail when told to and check the contract of each call; and
 * a check that a warning fires. The test steps all of them by hand: nothing
 * here runs on its own or by the clock. A mock that is left behind fails the
 * test.
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
 * @test: the test; at its end all fences must have been released
 * @context: context of the fences
 * @seqno: number of the latest fence; the test may set it
 * @name: name of the timeline; NULL after mock_timeline_free_names()
 * @driver_name: name of the driver; NULL after mock_timeline_free_names()
 * @created: number of fences made
 * @released: number of fences whose release operation was called
 * @late: calls of an operation other than release for a signalled fence
 */
struct mock_timeline {
	struct kunit *test;
	/** @lock: lock of all fences made with MOCK_FENCE_SHARED_LOCK */
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
	/* The fence uses the lock of the timeline. */
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
 * @done: return value of the signaled operation
 * @enable_returns_false: the enable_signaling operation returns false
 * @signal_on_enable: the enable_signaling operation signals the fence
 * @enabled: calls of the enable_signaling operation
 * @polled: calls of the signaled operation
 * @deadlines: calls of the set_deadline operation
 * @deadline: argument of the last of these
 *
 * By default freed a grace period after the last reference is dropped.
 */
struct mock_fence {
	struct dma_fence base;
	struct mock_timeline *timeline;
	/** @lock: lock of @base, unless the timeline's is used */
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

/* These fail the test without memory, and so never return NULL. */
struct mock_timeline *mock_timeline_create(struct kunit *test,
					   const char *name);
/* Makes the next fence of the timeline, with one reference. */
struct dma_fence *mock_fence_create(struct mock_timeline *timeline);
/* The same, with a context that no other fence has. */
struct dma_fence *mock_fence_create_alone(struct mock_timeline *timeline);
struct dma_fence *mock_fence_create_at(struct mock_timeline *timeline,
				       u64 seqno, unsigned int flags);
/* The same with operations of the test, which may use the ones below. */
struct dma_fence *mock_fence_create_ops(struct mock_timeline *timeline,
					u64 seqno, unsigned int flags,
					const struct dma_fence_ops *ops);
/* mock_fence_create_at() for any thread: returns NULL without memory. */
struct dma_fence *mock_fence_try_create(struct mock_timeline *timeline,
					u64 seqno, unsigned int flags);
/* Expects that the reference is the last one, and drops it. */
void mock_fence_put_last(struct kunit *test, struct dma_fence *fence);
/* Makes the next fence of the timeline, signalled. */
struct dma_fence *mock_fence_create_signaled(struct mock_timeline *timeline);

/* Makes an array with references of its own to @members. */
struct dma_fence *mock_array_of(struct kunit *test, int num,
				struct dma_fence **members);
/* Makes a link of a chain; consumes the references to @prev and @fence. */
struct dma_fence *mock_link_after(struct kunit *test, struct dma_fence *prev,
				  struct dma_fence *fence, u64 seqno);

/* Waits for a grace period, fills the names with garbage and frees them. */
void mock_timeline_free_names(struct mock_timeline *timeline);
/*
 * Waits until all fences without a reference are released and freed, deferred
 * releases of files included; returns the number of releases so far.
 */
int mock_timeline_released(struct mock_timeline *timeline);
/* Waits, for a bounded time, until @count fences have been released. */
bool mock_timeline_wait_released(struct mock_timeline *timeline, int count);

const char *mock_fence_driver_name(struct dma_fence *fence);
const char *mock_fence_timeline_name(struct dma_fence *fence);
bool mock_fence_enable_signaling(struct dma_fence *fence);
bool mock_fence_signaled(struct dma_fence *fence);
void mock_fence_set_deadline(struct dma_fence *fence, ktime_t deadline);
void mock_fence_release(struct dma_fence *fence);

/* Operations whose release takes the timeline's lock, like sw_sync's. */
extern const struct dma_fence_ops mock_fence_locking_ops;

/* mock_resv.c */

/* Adds a fence to a reservation object; takes its lock. */
void mock_resv_add(struct kunit *test, struct dma_resv *resv,
		   struct dma_fence *fence, enum dma_resv_usage usage);

#define MOCK_RESV_FENCES 24
#define MOCK_RESV_USAGES (DMA_RESV_USAGE_BOOKKEEP + 1)

/**
 * struct mock_resv - a reservation object, kunit's priv in the suites that
 *	have mock_resv_init() and mock_resv_exit()
 * @resv: the object
 * @timeline: for the fences
 * @num: number of @fences
 * @fences: owned by the test; at its end nobody else may have a reference
 */
struct mock_resv {
	struct dma_resv resv;
	struct mock_timeline *timeline;
	int num;
	struct dma_fence *fences[MOCK_RESV_FENCES];
};

int mock_resv_init(struct kunit *test);
void mock_resv_exit(struct kunit *test);
/* Takes over the reference to @fence. */
void mock_resv_own(struct kunit *test, struct dma_fence *fence);
/* Makes a fence of a timeline of its own, adds it and owns it. */
struct dma_fence *mock_resv_add_new(struct kunit *test,
				    enum dma_resv_usage usage);
/* The same for @num fences; fence i has usage i % MOCK_RESV_USAGES. */
void mock_resv_fill(struct kunit *test, int num);

/* mock.c */

/* In the order of struct dma_buf_ops; MOCK_MOVE_NOTIFY is the importer's. */
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
	/* Has cache_sgt_mapping: all users share one mapping. */
	MOCK_CACHED = 1 << 1,
	/* Has keep_mapping, begin_device_access and end_device_access. */
	MOCK_KEPT = 1 << 2,
};

#define MOCK_LOG_SIZE 32

/**
 * struct mock_exporter - an exporter of one buffer
 * @test: the test; at its end the buffer must have been released
 * @ops: the operations; the test may clear or replace any of them
 * @info: the export info; the test may change it before mock_export()
 * @dmabuf: the buffer; NULL before mock_export()
 * @pages: the memory
 * @num_pages: number of pages
 * @calls: number of calls of each operation, failed ones included
 * @fail: error that each operation returns; 0 to succeed
 * @log: the first calls in their order, see mock_expect_log()
 * @num_logged: number of calls since the log was emptied
 * @hook: called at the start of each operation, if set
 * @hook_data: for @hook
 * @map_null: map_dma_buf returns NULL
 * @map_empty_segment: map_dma_buf returns a table with a segment of length 0
 * @keep: return value of keep_mapping
 * @mappings: the mappings that exist
 * @direction: of the last map, begin_cpu_access or end_cpu_access
 * @vaddr: address that vmap returned; NULL if not mapped
 * @exports: successful exports; a test that exports by itself counts its own
 * @released: number of releases
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
 * @exp: exporter of the buffer; its log shows calls of move_notify
 * @notified: calls of the move_notify operation
 * @on_move: called in move_notify, if set
 * @sgt: for use by the test
 */
struct mock_importer {
	struct kunit *test;
	struct device *dev;
	struct mock_exporter *exp;
	atomic_t notified;
	void (*on_move)(struct dma_buf_attachment *attach);
	struct sg_table *sgt;
};

/* These fail the test on error. */
struct mock_exporter *mock_exporter_create(struct kunit *test, size_t size,
					   unsigned int flags);
/* Exports the buffer; the test owns the reference. */
struct dma_buf *mock_export(struct mock_exporter *exp);
/* Creates an exporter and exports its buffer. */
struct mock_exporter *mock_exporter_export(struct kunit *test, size_t size,
					   unsigned int flags);
/* Waits, for a bounded time, until all exported buffers are released. */
bool mock_exporter_wait_released(struct mock_exporter *exp);
/* Expects that the reference to the buffer is the last one, and drops it. */
void mock_exporter_put_last(struct mock_exporter *exp);
int mock_calls(struct mock_exporter *exp, enum mock_op op);
/*
 * Expects exactly the calls in @ops, which MOCK_NUM_OPS ends; empties the log.
 */
void mock_expect_log(struct mock_exporter *exp, const char *where,
		     const enum mock_op *ops);
#define MOCK_EXPECT_LOG(exp, ...)					\
	mock_expect_log(exp, __func__,					\
			(const enum mock_op[]){ __VA_ARGS__, MOCK_NUM_OPS })
#define MOCK_EXPECT_NO_CALLS(exp)					\
	mock_expect_log(exp, __func__, (const enum mock_op[]){ MOCK_NUM_OPS })

/* Lets the core keep mappings of the device until the end of the test. */
void mock_keep_mappings(struct kunit *test, struct device *dev);
/*
 * Makes an importer; the core may keep its mappings if @exp has keep_mapping.
 */
struct mock_importer *mock_importer_create(struct kunit *test,
					   const char *name,
					   struct mock_exporter *exp);
extern const struct dma_buf_attach_ops mock_attach_ops;
extern const struct dma_buf_attach_ops mock_attach_ops_p2p;
/* Attaches the device, as a dynamic or static importer; may fail. */
struct dma_buf_attachment *mock_attach_try(struct mock_importer *imp,
					   bool dynamic);
/*
 * The same, but fails the test on error. The attachment is as after a first
 * map, so that the core may keep the next one.
 */
struct dma_buf_attachment *mock_attach(struct mock_importer *imp,
				       bool dynamic);

/* mock_util.c */

/*
 * Expects exactly @times warnings between the two calls, each at a place that
 * contains @where. The place is as in the kernel log: "dma_buf_put+0x...", with
 * file and line before it in some configurations. The begin resets all
 * WARN_ON_ONCE().
 */
void mock_warn_begin(struct kunit *test);
void mock_warn_end(struct kunit *test, const char *where, unsigned int times);

/* Skips a race that has no window unless two threads run at the same time. */
void mock_need_two_cpus(struct kunit *test);

/* Skips what takes spinlocks with interrupts off: with PREEMPT_RT they sleep. */
void mock_need_spinning_locks(struct kunit *test);

/* Maps readable and writable user memory in the test's thread. */
void __user *mock_user_alloc(struct kunit *test, size_t size);
/* Maps a read-only page that begins with @data. */
void __user *mock_user_readonly(struct kunit *test, const void *data,
				size_t size);
/* Returns an address that no process can map. */
void __user *mock_user_bad(void);

/* Names a buffer as its ioctl does. */
void mock_set_name(struct kunit *test, struct dma_buf *dmabuf,
		   const char *name);

/* Counts the descriptors that are open or reserved in this thread. */
unsigned int mock_count_fds(void);
/* Makes get_unused_fd_flags() fail with -EMFILE, or work again. */
void mock_forbid_fds(bool forbid);

/* Makes a signal pending for this thread; mock_signal_end() clears it. */
void mock_signal_begin(void);
void mock_signal_end(void);

/* Releases files whose last reference was dropped by a kernel thread. */
void mock_flush_files(void);

/* Has another thread hold the lock until mock_resv_let_go(). */
struct task_struct *mock_resv_hold(struct kunit *test, struct dma_resv *resv);
void mock_resv_let_go(struct task_struct *holder);

/**
 * struct mock_poller - a poller of a file
 * @woken: number of wake-ups
 * @key: events of the last wake-up
 * @head: the wait queue that it is on, or NULL
 *
 * It is on the queue from the first mock_poller_ask() until mock_poller_end().
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
/* Polls the file, and returns those of @events that are ready. */
u32 mock_poller_ask(struct mock_poller *poller, struct file *file, u32 events);
/* Polls the file without queueing the poller, as EPOLL_CTL_MOD does. */
u32 mock_poller_modify(struct mock_poller *poller, struct file *file,
		       u32 events);

/* Opens a file of debugfs; close it by __fput_sync(). */
struct file *mock_debugfs_open(struct kunit *test, const char *path,
			       int flags);

/* Makes a seq_file with room for @size bytes; the text is in its buf. */
struct seq_file *mock_seq_create(struct kunit *test, size_t size);

/* Waits until each CPU has run the irq_work that is queued on it. */
void mock_irq_work_settle(void);

#endif /* _DMA_BUF_TESTS_MOCK_H */

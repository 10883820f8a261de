// SPDX-License-Identifier: GPL-2.0-only
/*
 * Helpers that belong to no mock: expected warnings, user memory, descriptors,
 * signals, deferred releases of files, pollers and a held lock.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/bitmap.h>
#include <linux/bug.h>
#include <linux/cleanup.h>
#include <linux/cpumask.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/irq_work.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/mman.h>
#include <linux/mount.h>
#include <linux/resource.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>
#include <trace/events/printk.h>

#include <asm/sections.h>

#include "../buffer/dma-buf-internal.h"
#include "mock.h"

#define MAX_PLACES 4

/* Warnings in the kernel log between mock_warn_begin() and mock_warn_end(). */
static struct {
	/* Protects the other members; taken while the kernel prints. */
	raw_spinlock_t lock;
	bool armed;
	unsigned int count;
	char places[MAX_PLACES][96];
} warnings = {
	.lock = __RAW_SPIN_LOCK_UNLOCKED(warnings.lock),
};

static void probe_console(void *unused, const char *text, size_t len)
{
	const char *place;

	guard(raw_spinlock_irqsave)(&warnings.lock);
	if (!warnings.armed || !strnstr(text, "WARNING: ", len))
		return;
	if (warnings.count < MAX_PLACES) {
		/* @text is not terminated. */
		place = strnstr(text, " at ", len) ?: text;
		strscpy(warnings.places[warnings.count], place,
			min(len - (place - text) + 1,
			    sizeof(warnings.places[0])));
	}
	warnings.count++;
}

void mock_warn_begin(struct kunit *test)
{
	static bool registered;

	if (!registered) {
		KUNIT_ASSERT_EQ(test,
				register_trace_console(probe_console, NULL), 0);
		registered = true;
	}
	/* The same as debugfs clear_warn_once. */
	generic_bug_clear_once();
	memset(__start_once, 0, __end_once - __start_once);

	pr_info("dma-buf-test: expect-warn begin\n");
	guard(raw_spinlock_irqsave)(&warnings.lock);
	warnings.armed = true;
	warnings.count = 0;
}

void mock_warn_end(struct kunit *test, const char *where, unsigned int times)
{
	scoped_guard(raw_spinlock_irqsave, &warnings.lock)
		warnings.armed = false;
	pr_info("dma-buf-test: expect-warn end\n");

	KUNIT_EXPECT_EQ_MSG(test, warnings.count, times,
			    "warnings, expected in %s", where);
	for (int i = 0; i < min(warnings.count, MAX_PLACES); i++)
		KUNIT_EXPECT_NOT_NULL_MSG(test,
					  strstr(warnings.places[i], where),
					  "warning%s, expected in %s",
					  warnings.places[i], where);
}

void mock_need_two_cpus(struct kunit *test)
{
	if (num_online_cpus() < 2)
		kunit_skip(test, "needs two processors");
}

void mock_need_spinning_locks(struct kunit *test)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		kunit_skip(test, "needs spinlocks that do not sleep");
}

void __user *mock_user_alloc(struct kunit *test, size_t size)
{
	unsigned long addr = kunit_vm_mmap(test, NULL, 0, PAGE_ALIGN(size),
					   PROT_READ | PROT_WRITE,
					   MAP_ANONYMOUS | MAP_PRIVATE, 0);

	KUNIT_ASSERT_NE(test, addr, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	return (void __user *)addr;
}

void __user *mock_user_readonly(struct kunit *test, const void *data,
				size_t size)
{
	struct file *file = shmem_file_setup("mock", PAGE_SIZE, 0);
	unsigned long addr;
	ssize_t written;
	loff_t pos = 0;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	written = kernel_write(file, data, size, &pos);
	addr = kunit_vm_mmap(test, file, 0, PAGE_SIZE, PROT_READ, MAP_PRIVATE,
			     0);
	fput(file);
	KUNIT_ASSERT_EQ(test, written, size);
	KUNIT_ASSERT_NE(test, addr, 0);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	return (void __user *)addr;
}

void __user *mock_user_bad(void)
{
	return (void __user *)(TASK_SIZE_MAX - PAGE_SIZE);
}

void mock_set_name(struct kunit *test, struct dma_buf *dmabuf,
		   const char *name)
{
	char __user *user = mock_user_alloc(test, PAGE_SIZE);

	KUNIT_ASSERT_EQ(test, copy_to_user(user, name, strlen(name) + 1), 0);
	KUNIT_ASSERT_EQ(test, dma_buf_set_name(dmabuf, user), 0);
}

unsigned int mock_count_fds(void)
{
	struct files_struct *files = current->files;
	struct fdtable *fdt;

	guard(spinlock)(&files->file_lock);
	fdt = files_fdtable(files);
	return bitmap_weight(fdt->open_fds, fdt->max_fds);
}

/* The limit is this thread's own, and ends with it. */
void mock_forbid_fds(bool forbid)
{
	current->signal->rlim[RLIMIT_NOFILE].rlim_cur =
		forbid ? 0 : INR_OPEN_CUR;
}

void mock_signal_begin(void)
{
	allow_signal(SIGUSR1);
	send_sig(SIGUSR1, current, 1);
}

void mock_signal_end(void)
{
	flush_signals(current);
	disallow_signal(SIGUSR1);
}

void mock_flush_files(void)
{
	flush_delayed_fput();
	/* The worker may have taken files just before, and not be done. */
	__flush_workqueue(system_wq);
}

/* Uses a mount of its own: when tests run at boot nothing is mounted yet. */
struct file *mock_debugfs_open(struct kunit *test, const char *path, int flags)
{
	struct file_system_type *type = get_fs_type("debugfs");
	struct vfsmount *mount;
	struct file *file;

	KUNIT_ASSERT_NOT_NULL(test, type);
	mount = kern_mount(type);
	KUNIT_ASSERT_FALSE(test, IS_ERR(mount));
	file = file_open_root_mnt(mount, path, flags, 0);
	/* The open file keeps the mount. */
	kern_unmount(mount);
	KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(file), "%s: %pe", path, file);
	return file;
}

static int hold(void *data)
{
	struct dma_resv *resv = data;

	dma_resv_lock(resv, NULL);
	set_current_state(TASK_UNINTERRUPTIBLE);
	while (!kthread_should_stop()) {
		schedule();
		set_current_state(TASK_UNINTERRUPTIBLE);
	}
	__set_current_state(TASK_RUNNING);
	dma_resv_unlock(resv);
	return 0;
}

struct task_struct *mock_resv_hold(struct kunit *test, struct dma_resv *resv)
{
	struct task_struct *holder = kthread_run(hold, resv, "mock-holder");

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, holder);
	while (!dma_resv_is_locked(resv))
		cond_resched();
	return holder;
}

void mock_resv_let_go(struct task_struct *holder)
{
	kthread_stop(holder);
}

struct seq_file *mock_seq_create(struct kunit *test, size_t size)
{
	struct seq_file *seq = kunit_kzalloc(test, sizeof(*seq), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, seq);
	/* One zeroed byte more, so that the text is always terminated. */
	seq->buf = kunit_kzalloc(test, size + 1, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, seq->buf);
	seq->size = size;
	return seq;
}

static int wake_poller(wait_queue_entry_t *entry, unsigned int mode, int flags,
		       void *key)
{
	struct mock_poller *poller = container_of(entry, struct mock_poller,
						  entry);

	poller->key = (__force u32)key_to_poll(key);
	atomic_inc(&poller->woken);
	return 0;
}

static void queue_poller(struct file *file, wait_queue_head_t *head,
			 poll_table *table)
{
	struct mock_poller *poller = container_of(table, struct mock_poller,
						  table);

	/* poll() queues once for each file, whatever it asks for later. */
	if (poller->head)
		return;
	poller->head = head;
	add_wait_queue(head, &poller->entry);
}

void mock_poller_begin(struct mock_poller *poller)
{
	poller->head = NULL;
	atomic_set(&poller->woken, 0);
	poller->key = 0;
	init_waitqueue_func_entry(&poller->entry, wake_poller);
	init_poll_funcptr(&poller->table, queue_poller);
}

void mock_poller_end(struct mock_poller *poller)
{
	if (poller->head)
		remove_wait_queue(poller->head, &poller->entry);
	poller->head = NULL;
}

u32 mock_poller_ask(struct mock_poller *poller, struct file *file, u32 events)
{
	poller->table._key = (__force __poll_t)events;
	return (__force u32)vfs_poll(file, &poller->table);
}

u32 mock_poller_modify(struct mock_poller *poller, struct file *file,
		       u32 events)
{
	poll_table table = { ._key = (__force __poll_t)events };

	return (__force u32)vfs_poll(file, &table);
}

static void nothing(struct irq_work *work)
{
}

/* An architecture that cannot interrupt itself would wait for its next tick. */
static bool run_irq_work_here(void)
{
	if (arch_irq_work_has_interrupt() || num_online_cpus() > 1 ||
	    IS_ENABLED(CONFIG_PREEMPT_RT))
		return false;
	scoped_guard(irqsave) {
		while (irq_work_needs_cpu())
			irq_work_run();
	}
	return true;
}

void mock_irq_work_settle(void)
{
	struct irq_work work;
	int cpu;

	if (run_irq_work_here())
		return;
	init_irq_work(&work, nothing);
	for_each_online_cpu(cpu) {
		/* The first may run before work that was queued earlier. */
		for (int i = 0; i < 2; i++) {
			irq_work_queue_on(&work, cpu);
			irq_work_sync(&work);
		}
	}
}

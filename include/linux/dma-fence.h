/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fence says when a piece of device work is done: it signals once, possibly
 * with an error, and stays signalled. This header declares the fence itself,
 * the operations that its maker implements and the functions that waiters call.
 * Containers of fences have headers of their own: dma-fence-array.h,
 * dma-fence-chain.h and, to look through both, dma-fence-unwrap.h.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef __LINUX_DMA_FENCE_H
#define __LINUX_DMA_FENCE_H

#include <linux/bitops.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/llist.h>
#include <linux/minmax.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/timekeeping.h>
#include <linux/wait.h>

struct dma_fence;
struct dma_fence_cb;
struct dma_fence_ops;
struct dma_fence_reaper;
struct seq_file;

/**
 * enum dma_fence_flag_bits - bit numbers in &dma_fence.flags
 * @DMA_FENCE_FLAG_SIGNALED_BIT: the fence has signalled; never cleared
 * @DMA_FENCE_FLAG_TIMESTAMP_BIT: &dma_fence.timestamp is valid; the signaller
 *	sets it shortly after the first bit
 * @DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT: the core has enabled signalling, by
 *	&dma_fence_ops.enable_signaling if there is one
 * @DMA_FENCE_FLAG_USER_BITS: the first bit that belongs to the driver
 */
enum dma_fence_flag_bits {
	DMA_FENCE_FLAG_SIGNALED_BIT,
	DMA_FENCE_FLAG_TIMESTAMP_BIT,
	DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT,
	DMA_FENCE_FLAG_USER_BITS,
};

/**
 * struct dma_fence - one piece of device work that will be done
 *
 * A driver embeds it in a structure of its own. &dma_fence_ops.release frees
 * that after an RCU grace period, because readers may look at the memory of a
 * fence that they hold no reference to. Without that operation the fence has to
 * be the first member of a slab object.
 */
struct dma_fence {
	/**
	 * @lock: protects @cb_list and serialises signalling; taken with
	 * interrupts off. The maker may share it among the fences of a
	 * timeline. Immutable.
	 */
	spinlock_t *lock;
	/** @ops: what the maker implements; NULL before initialisation. */
	const struct dma_fence_ops *ops;
	/*
	 * One follows the other: the callbacks until the fence signals, then
	 * the time when it did, and the RCU head once no reference is left.
	 */
	union {
		/** @cb_list: list of &dma_fence_cb.node; protected by @lock. */
		struct list_head cb_list;
		/** @timestamp: valid once its flag bit is set. */
		ktime_t timestamp;
		/** @rcu: defers the freeing of the memory. */
		struct rcu_head rcu;
	};
	/**
	 * @context: the timeline, from dma_fence_context_alloc(): fences of one
	 * context signal in the order of @seqno. Fences of context 0 have no
	 * order. Immutable.
	 */
	u64 context;
	/** @seqno: the position in @context. Immutable. */
	u64 seqno;
	/** @flags: bits of &enum dma_fence_flag_bits; atomic operations. */
	unsigned long flags;
	/** @refcount: see dma_fence_get() and dma_fence_put(). */
	struct kref refcount;
	/** @error: a negative errno or 0; stored before the fence signals. */
	int error;
};

/**
 * typedef dma_fence_func_t - run when a fence signals
 * @fence: the fence
 * @cb: the callback as it was registered; already off the fence's list, so the
 *	function may free it
 *
 * Context: Any, &dma_fence.lock held and interrupts off. The function must not
 * sleep, nor call a function that takes the lock of any fence.
 */
typedef void (*dma_fence_func_t)(struct dma_fence *fence,
				 struct dma_fence_cb *cb);

/**
 * struct dma_fence_cb - a callback to be run when a fence signals
 * @node: in &dma_fence.cb_list; an empty list once the callback has run
 * @func: the function, set by dma_fence_add_callback()
 *
 * The caller embeds it in a structure of its own and keeps that until the
 * callback has run or dma_fence_remove_callback() has returned.
 */
struct dma_fence_cb {
	struct list_head node;
	dma_fence_func_t func;
};

/**
 * struct dma_fence_deferred - what an array or a chain leaves for later
 * @node: in the list of a CPU
 * @func: the function to run, under no lock
 */
struct dma_fence_deferred {
	struct llist_node node;
	void (*func)(struct dma_fence_deferred *deferred);
};

/**
 * struct dma_fence_ops - the operations that the maker of a fence implements
 *
 * Once the fence has signalled, the core starts no operation but @release, and
 * the name operations if @names_persist allows it. An operation that it started
 * earlier may still run, so the rest of the maker stays for a grace period.
 */
struct dma_fence_ops {
	/**
	 * @use_64bit_seqno: The core compares &dma_fence.seqno as 64-bit
	 * values, which never wrap. Otherwise it compares the lower 32 bits,
	 * which may wrap.
	 */
	bool use_64bit_seqno;

	/**
	 * @names_persist: Both names stay valid for as long as the fence
	 * does. Otherwise the core asks for them only while the fence is
	 * pending, under RCU, and the maker may free the names a grace period
	 * after signalling. The core reads this member of a signalled fence
	 * only if the operations are constant data of the kernel image,
	 * because those of a module may be gone.
	 */
	bool names_persist;

	/**
	 * @get_driver_name: Mandatory.
	 *
	 * Context: Any, RCU read-side critical section.
	 * Return: The driver's name, never NULL.
	 */
	const char *(*get_driver_name)(struct dma_fence *fence);

	/**
	 * @get_timeline_name: Mandatory.
	 *
	 * Context: Any, RCU read-side critical section.
	 * Return: The name of the queue or timeline, never NULL.
	 */
	const char *(*get_timeline_name)(struct dma_fence *fence);

	/**
	 * @enable_signaling: A waiter has come: from now on the maker has to
	 * signal the fence without being polled. The core calls it at most
	 * once. Optional.
	 *
	 * Context: Any, &dma_fence.lock held, interrupts off.
	 * Return: false if the work is already done; the core then signals.
	 */
	bool (*enable_signaling)(struct dma_fence *fence);

	/**
	 * @signaled: Tell whether the work is done. It may report that late,
	 * but once it has returned true it never returns false. Optional.
	 *
	 * Context: Any, &dma_fence.lock held or in an RCU read-side critical
	 * section.
	 * Return: true if the work is done; the core then signals.
	 */
	bool (*signaled)(struct dma_fence *fence);

	/**
	 * @wait: Wait in place of dma_fence_default_wait(). Optional; new
	 * drivers do not implement it.
	 *
	 * Context: Process, may sleep. The core has enabled signalling.
	 * Return: As dma_fence_wait_timeout().
	 */
	signed long (*wait)(struct dma_fence *fence, bool intr,
			    signed long timeout);

	/**
	 * @release: Free the fence, whose last reference is gone. The memory
	 * has to stay for an RCU grace period. Optional; the core calls
	 * dma_fence_free() otherwise.
	 *
	 * Context: Any, interrupts included.
	 */
	void (*release)(struct dma_fence *fence);

	/** @fence_value_str: Print &dma_fence.seqno, for debugfs. Optional. */
	void (*fence_value_str)(struct dma_fence *fence, char *str, int size);

	/** @timeline_value_str: Print where the timeline is. Optional. */
	void (*timeline_value_str)(struct dma_fence *fence, char *str,
				   int size);

	/**
	 * @set_deadline: Note when a waiter needs the work, CLOCK_MONOTONIC. A
	 * hint. Repeated calls are common; the earliest time counts. Optional.
	 *
	 * Context: Any, RCU read-side critical section, &dma_fence.lock not
	 * held.
	 */
	void (*set_deadline)(struct dma_fence *fence, ktime_t deadline);

	/* private: only containers; drops the references that @fence holds */
	void (*fini)(struct dma_fence *fence, struct dma_fence_reaper *reaper);
};

extern const struct dma_fence_ops dma_fence_array_ops;
extern const struct dma_fence_ops dma_fence_chain_ops;

void dma_fence_init(struct dma_fence *fence, const struct dma_fence_ops *ops,
		    spinlock_t *lock, u64 context, u64 seqno);
void dma_fence_release(struct kref *kref);
void dma_fence_free(struct dma_fence *fence);
u64 dma_fence_context_alloc(unsigned int num);

void dma_fence_describe(struct dma_fence *fence, struct seq_file *seq);

int dma_fence_signal(struct dma_fence *fence);
int dma_fence_signal_locked(struct dma_fence *fence);
int dma_fence_signal_timestamp(struct dma_fence *fence, ktime_t timestamp);
int dma_fence_signal_timestamp_locked(struct dma_fence *fence,
				      ktime_t timestamp);
int dma_fence_add_callback(struct dma_fence *fence, struct dma_fence_cb *cb,
			   dma_fence_func_t func);
bool dma_fence_remove_callback(struct dma_fence *fence,
			       struct dma_fence_cb *cb);
void dma_fence_enable_sw_signaling(struct dma_fence *fence);
int dma_fence_get_status(struct dma_fence *fence);
void dma_fence_set_deadline(struct dma_fence *fence, ktime_t deadline);

signed long dma_fence_default_wait(struct dma_fence *fence, bool intr,
				   signed long timeout);
signed long dma_fence_wait_timeout(struct dma_fence *fence, bool intr,
				   signed long timeout);
signed long dma_fence_wait_any_timeout(struct dma_fence **fences, u32 count,
				       bool intr, signed long timeout,
				       u32 *idx);

struct dma_fence *dma_fence_get_stub(void);
struct dma_fence *dma_fence_allocate_private_stub(ktime_t timestamp);

#ifdef CONFIG_LOCKDEP
bool dma_fence_begin_signalling(void);
void dma_fence_end_signalling(bool cookie);
void __dma_fence_might_wait(void);
#else
static inline bool dma_fence_begin_signalling(void)
{
	return true;
}

static inline void dma_fence_end_signalling(bool cookie)
{
}

static inline void __dma_fence_might_wait(void)
{
}
#endif

/**
 * dma_fence_put - drop a reference
 * @fence: the fence, or NULL
 *
 * Context: Any. Dropping the last reference runs &dma_fence_ops.release.
 */
static inline void dma_fence_put(struct dma_fence *fence)
{
	if (fence)
		kref_put(&fence->refcount, dma_fence_release);
}

/**
 * dma_fence_get - take another reference
 * @fence: a fence that the caller holds a reference to, or NULL
 *
 * Context: Any.
 * Return: @fence.
 */
static inline struct dma_fence *dma_fence_get(struct dma_fence *fence)
{
	if (fence)
		kref_get(&fence->refcount);
	return fence;
}

/**
 * dma_fence_get_rcu - take a reference to a fence that may be going away
 * @fence: a fence found under RCU; not NULL
 *
 * If the maker reuses the memory of fences without a grace period, the result
 * may be another fence than the one found: see dma_fence_get_rcu_safe().
 *
 * Context: Any, RCU read-side critical section.
 * Return: @fence with a reference for the caller; NULL if its last reference
 * is gone.
 */
static inline struct dma_fence *dma_fence_get_rcu(struct dma_fence *fence)
{
	return kref_get_unless_zero(&fence->refcount) ? fence : NULL;
}

/**
 * dma_fence_get_rcu_safe - take a reference to the fence in an RCU slot
 * @fencep: the slot, which holds a reference to the fence in it
 *
 * Also right for fences in SLAB_TYPESAFE_BY_RCU memory.
 *
 * Context: Any, RCU read-side critical section.
 * Return: The fence, with a reference for the caller; NULL if there is none.
 */
static inline struct dma_fence *
dma_fence_get_rcu_safe(struct dma_fence __rcu **fencep)
{
	struct dma_fence *fence, *got;

	while ((fence = rcu_dereference(*fencep))) {
		got = dma_fence_get_rcu(fence);
		/*
		 * The memory may have become another fence before this took
		 * the reference. The fence is the right one if the slot, which
		 * holds a reference, still points to it. Pairs with smp_wmb()
		 * in dma_fence_init().
		 */
		smp_rmb();
		if (got && got == rcu_access_pointer(*fencep))
			return rcu_pointer_handoff(got);
		dma_fence_put(got);
	}
	return NULL;
}

/**
 * dma_fence_is_signaled_locked - check whether a fence has signalled
 * @fence: the fence
 *
 * Signals the fence if &dma_fence_ops.signaled says that the work is done. Does
 * not enable signalling: the fence may stay pending for as long as it is only
 * polled.
 *
 * Context: Any, &dma_fence.lock held.
 * Return: true once it has signalled.
 */
static inline bool dma_fence_is_signaled_locked(struct dma_fence *fence)
{
	bool done;

	done = test_bit_acquire(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags);
	if (!done && fence->ops->signaled && fence->ops->signaled(fence)) {
		dma_fence_signal_locked(fence);
		done = true;
	}
	return done;
}

/**
 * dma_fence_is_signaled - check whether a fence has signalled
 * @fence: the fence
 *
 * As dma_fence_is_signaled_locked(). The signaller may still be inside the
 * fence when this returns true: see "When the signaller has left" in
 * dma-fence.c.
 *
 * Context: Any; may take &dma_fence.lock.
 * Return: true once it has signalled.
 */
static inline bool dma_fence_is_signaled(struct dma_fence *fence)
{
	if (test_bit_acquire(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags))
		return true;
	if (!fence->ops->signaled)
		return false;

	/* The maker of a fence that is pending in here stays until the end. */
	guard(rcu)();
	if (test_bit_acquire(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags))
		return true;
	if (!fence->ops->signaled(fence))
		return false;
	dma_fence_signal(fence);
	return true;
}

/**
 * __dma_fence_is_later - compare two sequence numbers of one context
 * @f1: a number
 * @f2: another
 * @ops: operations of the fences that the numbers belong to
 *
 * Context: Any.
 * Return: true if @f1 comes after @f2.
 */
static inline bool __dma_fence_is_later(u64 f1, u64 f2,
					const struct dma_fence_ops *ops)
{
	if (!ops->use_64bit_seqno)
		return (s32)((u32)f1 - (u32)f2) > 0;
	return f1 > f2;
}

/**
 * dma_fence_is_later - check whether a fence comes after another
 * @f1: a fence
 * @f2: another of the same context
 *
 * Context: Any.
 * Return: true if @f1 comes after @f2; false, with a warning, if their contexts
 * differ.
 */
static inline bool dma_fence_is_later(struct dma_fence *f1,
				      struct dma_fence *f2)
{
	if (WARN_ON_ONCE(f1->context != f2->context))
		return false;
	return __dma_fence_is_later(f1->seqno, f2->seqno, f1->ops);
}

/**
 * dma_fence_is_later_or_same - check whether a fence can replace another
 * @f1: a fence
 * @f2: another of the same context
 *
 * Two fences with equal numbers are not the same: context 0 has no order.
 *
 * Context: Any.
 * Return: true if @f1 comes after @f2 or is @f2.
 */
static inline bool dma_fence_is_later_or_same(struct dma_fence *f1,
					      struct dma_fence *f2)
{
	return f1 == f2 || dma_fence_is_later(f1, f2);
}

/**
 * dma_fence_later - pick the later of two fences, if it is pending
 * @f1: a fence
 * @f2: another of the same context
 *
 * Context: Any; may take &dma_fence.lock of either.
 * Return: The later one, without a reference; NULL if it has signalled or,
 * with a warning, if the contexts differ.
 */
static inline struct dma_fence *dma_fence_later(struct dma_fence *f1,
						struct dma_fence *f2)
{
	struct dma_fence *last;

	if (WARN_ON_ONCE(f1->context != f2->context))
		return NULL;
	last = dma_fence_is_later(f1, f2) ? f1 : f2;
	return dma_fence_is_signaled(last) ? NULL : last;
}

/**
 * dma_fence_get_status_locked - return the status of a fence
 * @fence: the fence
 *
 * Context: Any, &dma_fence.lock held.
 * Return: 0 while pending, 1 when signalled, or the negative errno that it
 * signalled with.
 */
static inline int dma_fence_get_status_locked(struct dma_fence *fence)
{
	if (!dma_fence_is_signaled_locked(fence))
		return 0;
	return fence->error < 0 ? fence->error : 1;
}

/**
 * dma_fence_set_error - record that the work has failed
 * @fence: a fence that has not signalled
 * @error: a negative errno
 *
 * Context: Any; before the maker signals the fence.
 */
static inline void dma_fence_set_error(struct dma_fence *fence, int error)
{
	WARN_ON(test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags));
	WARN_ON(error >= 0 || error < -MAX_ERRNO);
	fence->error = error;
}

/**
 * dma_fence_timestamp - return when a fence signalled
 * @fence: a fence that has signalled
 *
 * Context: Any. Spins while the signaller is between the two flag bits.
 * Return: The time, CLOCK_MONOTONIC; for a pending fence the current time, with
 * a warning.
 */
static inline ktime_t dma_fence_timestamp(struct dma_fence *fence)
{
	if (WARN_ON(!test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags)))
		return ktime_get();

	/*
	 * Pairs with smp_mb__before_atomic() in
	 * dma_fence_signal_timestamp_locked().
	 */
	while (!test_bit_acquire(DMA_FENCE_FLAG_TIMESTAMP_BIT, &fence->flags))
		cpu_relax();
	return fence->timestamp;
}

/**
 * dma_fence_wait - wait for a fence without a limit
 * @fence: the fence
 * @intr: end the wait on a signal
 *
 * The wait succeeds even if the fence signals with an error. After success the
 * signaller is through with the fence, so that the caller may free it.
 *
 * Context: Process, may sleep.
 * Return: 0, -ERESTARTSYS on a signal, or what &dma_fence_ops.wait returns.
 */
static inline signed long dma_fence_wait(struct dma_fence *fence, bool intr)
{
	long ret = dma_fence_wait_timeout(fence, intr, MAX_SCHEDULE_TIMEOUT);

	return min(ret, 0L);
}

/**
 * dma_fence_is_array - check whether a fence is a &struct dma_fence_array
 * @fence: the fence, not NULL
 *
 * Context: Any.
 * Return: true for an array.
 */
static inline bool dma_fence_is_array(struct dma_fence *fence)
{
	return fence->ops == &dma_fence_array_ops;
}

/**
 * dma_fence_is_chain - check whether a fence is a &struct dma_fence_chain
 * @fence: the fence, not NULL
 *
 * Context: Any.
 * Return: true for a link of a chain.
 */
static inline bool dma_fence_is_chain(struct dma_fence *fence)
{
	return fence->ops == &dma_fence_chain_ops;
}

/**
 * dma_fence_is_container - check whether a fence is made of other fences
 * @fence: the fence, not NULL
 *
 * Context: Any.
 * Return: true for an array or a chain.
 */
static inline bool dma_fence_is_container(struct dma_fence *fence)
{
	return dma_fence_is_array(fence) || dma_fence_is_chain(fence);
}

#endif /* __LINUX_DMA_FENCE_H */

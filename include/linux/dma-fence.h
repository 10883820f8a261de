/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fence says when a piece of device work is done: it signals once, possibly
 * with an error, and stays signalled. This header declares the fence itself,
 * what a driver implements to make one and what others do with it. Containers
 * of fences have headers of their own: dma-fence-array.h, dma-fence-chain.h
 * and, to look through both, dma-fence-unwrap.h.
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
#include <linux/lockdep.h>
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
 * @DMA_FENCE_FLAG_TIMESTAMP_BIT: &dma_fence.timestamp is valid; follows
 *	shortly after the first bit
 * @DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT: &dma_fence_ops.enable_signaling was called
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
 * Embedded in a driver's own structure, which is freed by
 * &dma_fence_ops.release, after an RCU grace period: readers may look at the
 * memory of a fence that they hold no reference to. Without that operation
 * the fence has to be the first member of a slab object.
 */
struct dma_fence {
	/**
	 * @lock: given by the maker, who may share it among the fences of a
	 * timeline; taken with interrupts off. Protects @cb_list and
	 * signalling. Immutable.
	 */
	spinlock_t *lock;
	/** @ops: what the maker implements; NULL before initialisation. */
	const struct dma_fence_ops *ops;
	/*
	 * The three have consecutive lives: callbacks until the fence signals,
	 * then the time of it, and the RCU head once no reference is left.
	 */
	union {
		/** @cb_list: of &dma_fence_cb.node; protected by @lock. */
		struct list_head cb_list;
		/** @timestamp: valid once its flag bit is set. */
		ktime_t timestamp;
		/** @rcu: for the release of the memory. */
		struct rcu_head rcu;
	};
	/**
	 * @context: the timeline, from dma_fence_context_alloc(): fences of one
	 * context signal in the order of @seqno. 0 stands for no order at all.
	 */
	u64 context;
	/** @seqno: the position in @context. */
	u64 seqno;
	/** @flags: bits of &enum dma_fence_flag_bits; atomic. */
	unsigned long flags;
	/** @refcount: see dma_fence_get() and dma_fence_put(). */
	struct kref refcount;
	/** @error: a negative errno; stored before signalling, valid after. */
	int error;
};

/**
 * typedef dma_fence_func_t - what runs when a fence signals
 * @fence: the fence
 * @cb: the callback as it was registered; already off the fence's list and
 *	the function's to free
 *
 * Context: Any, &dma_fence.lock held and interrupts off. May not sleep, nor
 * call a function that takes the lock of any fence.
 */
typedef void (*dma_fence_func_t)(struct dma_fence *fence,
				 struct dma_fence_cb *cb);

/**
 * struct dma_fence_cb - a callback to be run when a fence signals
 * @node: in &dma_fence.cb_list; an empty list once the callback has run
 * @func: the function, set by dma_fence_add_callback()
 *
 * Embedded in a structure of the caller's, who keeps it until the callback has
 * run or dma_fence_remove_callback() has returned.
 */
struct dma_fence_cb {
	struct list_head node;
	dma_fence_func_t func;
};

/**
 * struct dma_fence_ops - what the maker of a fence implements
 *
 * Nothing but @release is called anew once the fence has signalled, except that
 * the name operations are if @names_persist says so. What was called before may
 * still run: it takes a grace period until the rest of the maker may go.
 */
struct dma_fence_ops {
	/**
	 * @use_64bit_seqno: numbers of this maker never wrap, and compare as
	 * 64 bit values; else the lower 32 bits compare, and may wrap.
	 */
	bool use_64bit_seqno;

	/**
	 * @names_persist: Both names stay valid for as long as the fence
	 * does. Without it the core asks for them only while the fence is
	 * pending, under RCU: what they point to may be freed a grace period
	 * after signalling. Of a signalled fence the core reads this only if
	 * the operations are constant data of the kernel image, because those
	 * of a module may be gone.
	 */
	bool names_persist;

	/**
	 * @get_driver_name: Mandatory.
	 *
	 * Context: Any, RCU read section.
	 * Return: The driver's name, never NULL.
	 */
	const char *(*get_driver_name)(struct dma_fence *fence);

	/**
	 * @get_timeline_name: Mandatory.
	 *
	 * Context: Any, RCU read section.
	 * Return: The name of what the fence belongs to, never NULL.
	 */
	const char *(*get_timeline_name)(struct dma_fence *fence);

	/**
	 * @enable_signaling: Somebody waits: from now on the maker has to
	 * signal the fence on its own. Called once at the most. Optional.
	 *
	 * Context: Any, &dma_fence.lock held, interrupts off.
	 * Return: false if the work is already done; the core then signals.
	 */
	bool (*enable_signaling)(struct dma_fence *fence);

	/**
	 * @signaled: Look whether the work is done; may miss it, may not
	 * change its mind. Optional.
	 *
	 * Context: Any, &dma_fence.lock held or in an RCU read section.
	 * Return: true if the work is done; the core then signals.
	 */
	bool (*signaled)(struct dma_fence *fence);

	/**
	 * @wait: Replaces dma_fence_default_wait(). Optional; new drivers
	 * leave it out.
	 *
	 * Context: Process, may sleep. Signalling has been enabled.
	 * Return: As dma_fence_wait_timeout().
	 */
	signed long (*wait)(struct dma_fence *fence, bool intr,
			    signed long timeout);

	/**
	 * @release: The last reference is gone. Optional, dma_fence_free() by
	 * default. The memory has to stay for an RCU grace period.
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
	 * @set_deadline: A hint when the work is wanted, CLOCK_MONOTONIC.
	 * Repeated calls are common, the earliest counts. Optional.
	 *
	 * Context: Any, RCU read section, no lock of the fence.
	 */
	void (*set_deadline)(struct dma_fence *fence, ktime_t deadline);

	/* private: containers alone; drops what @fence holds */
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
 * Context: Any. The last reference runs &dma_fence_ops.release.
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
 * Where the memory of fences is reused without a grace period the result may
 * be another fence than the one looked for: see dma_fence_get_rcu_safe().
 *
 * Context: Any, RCU read section.
 * Return: @fence with a reference for the caller, or NULL if it is too late.
 */
static inline struct dma_fence *dma_fence_get_rcu(struct dma_fence *fence)
{
	return kref_get_unless_zero(&fence->refcount) ? fence : NULL;
}

/**
 * dma_fence_get_rcu_safe - take a reference to the fence in an RCU slot
 * @fencep: the slot; who stores to it keeps a reference to what is in there
 *
 * Also right for fences in SLAB_TYPESAFE_BY_RCU memory.
 *
 * Context: Any, RCU read section.
 * Return: The fence, with a reference for the caller; NULL if there is none.
 */
static inline struct dma_fence *
dma_fence_get_rcu_safe(struct dma_fence __rcu **fencep)
{
	struct dma_fence *fence, *got;

	while ((fence = rcu_dereference(*fencep))) {
		got = dma_fence_get_rcu(fence);
		/*
		 * The memory may have become another fence before the count
		 * was taken. It is the right one if the slot, which holds a
		 * reference, points to it afterwards.
		 */
		smp_rmb();
		if (got && got == rcu_access_pointer(*fencep))
			return rcu_pointer_handoff(got);
		dma_fence_put(got);
	}
	return NULL;
}

/**
 * dma_fence_is_signaled_locked - is the work done?
 * @fence: the fence
 *
 * Signals the fence if its maker finds that it is done, and does not enable
 * signalling: a fence that nobody waits for may never turn true.
 *
 * Context: Any, &dma_fence.lock held.
 * Return: true once it has signalled.
 */
static inline bool dma_fence_is_signaled_locked(struct dma_fence *fence)
{
	bool done;

	lockdep_assert_held(fence->lock);

	done = test_bit_acquire(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags);
	if (!done && fence->ops->signaled && fence->ops->signaled(fence)) {
		dma_fence_signal_locked(fence);
		done = true;
	}
	return done;
}

/**
 * dma_fence_is_signaled - is the work done?
 * @fence: the fence
 *
 * As dma_fence_is_signaled_locked(). A maker who has not signalled yet stays
 * valid for an RCU read-side critical section. The signaller may still be
 * inside the fence when this returns: see "When the signaller has left".
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

	guard(rcu)();
	if (test_bit_acquire(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags))
		return true;
	if (!fence->ops->signaled(fence))
		return false;
	dma_fence_signal(fence);
	return true;
}

/**
 * __dma_fence_is_later - compare two numbers of one context
 * @f1: a number
 * @f2: another
 * @ops: of the fences that they belong to
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
 * dma_fence_is_later - does one fence come after another?
 * @f1: a fence
 * @f2: another of the same context
 *
 * Context: Any.
 * Return: true if @f1 comes after @f2; false, and a warning, if their contexts
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
 * dma_fence_is_later_or_same - does one fence stand in for another?
 * @f1: a fence
 * @f2: another of the same context
 *
 * Equal numbers do not make two fences the same: context 0 has no order.
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
 * dma_fence_later - what is left to wait for of two fences
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
 * dma_fence_get_status_locked - done, and how?
 * @fence: the fence
 *
 * Context: Any, &dma_fence.lock held.
 * Return: 0 while pending, 1 when signalled, or the negative errno that it
 * signalled with.
 */
static inline int dma_fence_get_status_locked(struct dma_fence *fence)
{
	lockdep_assert_held(fence->lock);

	if (!dma_fence_is_signaled_locked(fence))
		return 0;
	return fence->error < 0 ? fence->error : 1;
}

/**
 * dma_fence_set_error - say that the work has failed
 * @fence: a fence that has not signalled
 * @error: a negative errno
 *
 * Context: Any; before the maker signals.
 */
static inline void dma_fence_set_error(struct dma_fence *fence, int error)
{
	WARN_ON(test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags));
	WARN_ON(error >= 0 || error < -MAX_ERRNO);
	fence->error = error;
}

/**
 * dma_fence_timestamp - when did it signal?
 * @fence: a fence that has signalled
 *
 * Context: Any. Spins for the moment between the first two flag bits.
 * Return: CLOCK_MONOTONIC; the current time, and a warning, while pending.
 */
static inline ktime_t dma_fence_timestamp(struct dma_fence *fence)
{
	if (WARN_ON(!test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags)))
		return ktime_get();

	/* Pairs with the set_bit() behind the store in signalling. */
	while (!test_bit_acquire(DMA_FENCE_FLAG_TIMESTAMP_BIT, &fence->flags))
		cpu_relax();
	return fence->timestamp;
}

/**
 * dma_fence_wait - wait for as long as it takes
 * @fence: the fence
 * @intr: end the wait on a signal
 *
 * An error of the fence's is no error of the wait. When it returns success the
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
 * dma_fence_is_array - is it a &struct dma_fence_array?
 * @fence: the fence, not NULL
 *
 * Context: Any.
 * Return: true if it is.
 */
static inline bool dma_fence_is_array(struct dma_fence *fence)
{
	return fence->ops == &dma_fence_array_ops;
}

/**
 * dma_fence_is_chain - is it a &struct dma_fence_chain?
 * @fence: the fence, not NULL
 *
 * Context: Any.
 * Return: true if it is.
 */
static inline bool dma_fence_is_chain(struct dma_fence *fence)
{
	return fence->ops == &dma_fence_chain_ops;
}

/**
 * dma_fence_is_container - does it stand for other fences?
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

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Arrays: one fence over many, which signals when all of its members have
 * signalled, or when the first of them has. Flattening is in
 * dma-fence-unwrap.c, release in dma-fence-container.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence-array.h>
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "dma-fence-container.h"
#include "dma-fence-internal.h"

/**
 * DOC: Fence arrays
 *
 * An array is idle until somebody waits for it. Then the core *arms* it: it
 * puts a callback on each member. The callbacks together hold a reference to
 * the array, which the last of them hands on to array_run(). So an array that
 * signals with its first member, for which the first callback hands on another
 * reference, stays alive until the last member has signalled. A poller of an
 * array that is not armed looks at the members.
 *
 * Callbacks count down and defer the rest to array_run(), because they run
 * under the lock of a member: signalling there would nest the locks of two
 * fences, and dropping the last reference could take the member's lock again.
 *
 * A member may itself be a container. array_run() arms it, so that arming, like
 * release, takes the same stack for any depth. Polling does not look into it.
 *
 * *Locking*: &dma_fence_array.lock is &dma_fence.lock of the array and protects
 * nothing else. Inside it the core takes the lock of a member, unless that is a
 * container.
 */

/*
 * Bits in &dma_fence.flags: array_run() is about to run; it has to arm the
 * containers.
 */
enum { DEFERRED = DMA_FENCE_FLAG_USER_BITS, ARM_CONTAINERS };

/*
 * In &dma_fence_array.member_error of an array that signals on any: no member
 * has signalled yet. Positive, because errors are negative and 0 is success.
 */
enum { NO_RESULT = 1 };

static const char *array_driver_name(struct dma_fence *fence)
{
	return "dma_fence_array";
}

static const char *array_timeline_name(struct dma_fence *fence)
{
	return "unbound";
}

/* Return true if the array may signal while @pending members have not. */
static bool is_complete(struct dma_fence_array *array, int pending)
{
	return !pending ||
	       (array->signal_on_any && pending < array->num_fences);
}

/*
 * Store the result of a member that has signalled: the error of the first that
 * failed, or, for an array that signals on any, the result of the first. The
 * exchange lets only one win, so the result never changes again.
 */
static void note_result(struct dma_fence_array *array, struct dma_fence *member)
{
	int none = array->signal_on_any ? NO_RESULT : 0;
	int error = min(member->error, 0);

	if (error != none)
		cmpxchg(&array->member_error, none, error);
}

/*
 * Count a member that has signalled. Return true if array_run() has to look at
 * the array, because this was the last member, or the first of an array that
 * signals on any. The caller then owns one of the references of the callbacks.
 */
static bool member_done(struct dma_fence_array *array, struct dma_fence *member)
{
	/* Read first: after the count, another CPU may free the array. */
	int first = array->signal_on_any ? array->num_fences - 1 : 0;
	int pending;

	/* The decrement orders this: the last member sees all results. */
	note_result(array, member);
	pending = atomic_dec_return(&array->pending);
	return !pending || pending == first;
}

/* Return how many times member_done() will return true. */
static int num_events(struct dma_fence_array *array)
{
	return array->signal_on_any && array->num_fences > 1 ? 2 : 1;
}

/*
 * Several pollers and array_run() may do this at once. All store the same
 * value, and each does so before it signals.
 */
static void take_result(struct dma_fence_array *array)
{
	WRITE_ONCE(array->base.error, READ_ONCE(array->member_error));
}

/*
 * Have array_run() run; it takes over a reference. Return false if it will run
 * anyway. The caller holds the lock of a fence.
 */
static bool run_later(struct dma_fence_array *array)
{
	/* Ordered: a run that is still to come sees what the caller did. */
	if (test_and_set_bit(DEFERRED, &array->base.flags))
		return false;
	dma_fence_defer(&array->deferred);
	return true;
}

static void array_callback(struct dma_fence *member, struct dma_fence_cb *cb)
{
	struct dma_fence_array *array =
		container_of(cb, struct dma_fence_array_cb, cb)->array;

	if (!member_done(array, member) || run_later(array))
		return;
	/*
	 * Drop the reference, but not the last one, under the lock of a member:
	 * leave that to array_run(), which is not about to run then, because it
	 * would hold another reference.
	 */
	if (!refcount_dec_not_one(&array->base.refcount.refcount))
		run_later(array);
}

/* The caller holds a reference of its own. */
static void arm_member(struct dma_fence_array *array, unsigned int i)
{
	struct dma_fence_array_cb *cb = &array->callbacks[i];

	cb->array = array;
	if (dma_fence_add_callback(array->fences[i], &cb->cb, array_callback) &&
	    member_done(array, array->fences[i]))
		dma_fence_put(&array->base);
}

/*
 * Arm the members that are containers, or those that are not. Return whether
 * there are any of the other kind.
 */
static bool arm_members(struct dma_fence_array *array, bool containers)
{
	bool others = false;

	for (unsigned int i = 0; i < array->num_fences; i++) {
		if (dma_fence_is_container(array->fences[i]) == containers)
			arm_member(array, i);
		else
			others = true;
	}
	return others;
}

/* May run on two CPUs at once, if a second event defers it meanwhile. */
static void array_run(struct dma_fence_deferred *deferred)
{
	struct dma_fence_array *array =
		container_of(deferred, struct dma_fence_array, deferred);

	/* First, and ordered: pairs with run_later(). */
	test_and_clear_bit(DEFERRED, &array->base.flags);
	if (test_and_clear_bit(ARM_CONTAINERS, &array->base.flags))
		arm_members(array, true);

	if (is_complete(array, atomic_read_acquire(&array->pending)) &&
	    !test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &array->base.flags)) {
		take_result(array);
		dma_fence_signal(&array->base);
	}
	/* The reference that run_later() took over. */
	dma_fence_put(&array->base);
}

static bool array_enable_signaling(struct dma_fence *fence)
{
	struct dma_fence_array *array = to_dma_fence_array(fence);

	lockdep_assert_held(fence->lock);

	if (!array->num_fences)
		return false;

	/* The references that member_done() hands out. */
	refcount_add(num_events(array), &fence->refcount.refcount);
	if (arm_members(array, false)) {
		set_bit(ARM_CONTAINERS, &fence->flags);
		dma_fence_get(fence);
		/* A run that is deferred already will see the bit. */
		if (!run_later(array))
			dma_fence_put(fence);
	}

	/* If a callback has deferred a run too, that finds nothing to do. */
	if (!is_complete(array, atomic_read_acquire(&array->pending)))
		return true;
	take_result(array);
	return false;
}

/*
 * Do not look into containers: they may nest to any depth. The caller is in an
 * RCU read-side critical section or holds &dma_fence.lock, which implies one.
 */
static bool member_is_signaled(struct dma_fence *member)
{
	if (dma_fence_is_container(member))
		return test_bit_acquire(DMA_FENCE_FLAG_SIGNALED_BIT,
					&member->flags);
	return dma_fence_is_signaled_rcu(member);
}

/* Look at the members of an array that is not armed. */
static bool poll_members(struct dma_fence_array *array)
{
	/*
	 * A hint that pairs with WRITE_ONCE() below. A stale one is smaller and
	 * costs time only, because no member becomes pending again.
	 */
	unsigned int i = array->signal_on_any ? 0 :
			 READ_ONCE(array->first_unsignaled);

	for (; i < array->num_fences; i++) {
		if (member_is_signaled(array->fences[i]) ==
		    array->signal_on_any)
			break;
	}
	if (array->signal_on_any) {
		if (i < array->num_fences)
			note_result(array, array->fences[i]);
		return i < array->num_fences || !i;
	}

	WRITE_ONCE(array->first_unsignaled, i);
	if (i < array->num_fences)
		return false;
	for (i = 0; i < array->num_fences; i++)
		note_result(array, array->fences[i]);
	return true;
}

static bool array_signaled(struct dma_fence *fence)
{
	struct dma_fence_array *array = to_dma_fence_array(fence);

	if (test_bit(DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT, &fence->flags)) {
		if (!is_complete(array, atomic_read_acquire(&array->pending)))
			return false;
	} else if (!poll_members(array)) {
		return false;
	}
	take_result(array);
	return true;
}

static void array_set_deadline(struct dma_fence *fence, ktime_t deadline)
{
	struct dma_fence_array *array = to_dma_fence_array(fence);

	for (unsigned int i = 0; i < array->num_fences; i++) {
		/* Recursion into containers would have no bound. */
		if (!dma_fence_is_container(array->fences[i]))
			dma_fence_set_deadline(array->fences[i], deadline);
	}
}

/* kvfree() may sleep on vmalloc() memory, but a release must not sleep. */
static void free_members(struct dma_fence **fences)
{
	if (is_vmalloc_addr(fences))
		vfree_atomic(fences);
	else
		kfree(fences);
}

static void array_fini(struct dma_fence *fence, struct dma_fence_reaper *reaper)
{
	struct dma_fence_array *array = to_dma_fence_array(fence);

	for (unsigned int i = 0; i < array->num_fences; i++)
		dma_fence_reap(reaper, array->fences[i]);
	free_members(array->fences);
}

const struct dma_fence_ops dma_fence_array_ops = {
	.names_persist = true,
	.get_driver_name = array_driver_name,
	.get_timeline_name = array_timeline_name,
	.enable_signaling = array_enable_signaling,
	.signaled = array_signaled,
	.release = dma_fence_container_release,
	.set_deadline = array_set_deadline,
	.fini = array_fini,
};
EXPORT_SYMBOL(dma_fence_array_ops);

/**
 * dma_fence_array_alloc - allocate the memory of an array
 * @num_fences: the number of members
 *
 * Context: Process, may sleep.
 * Return: Memory for dma_fence_array_init(), which the caller frees by kfree()
 * if it does not initialise the array; NULL for no memory.
 */
struct dma_fence_array *dma_fence_array_alloc(int num_fences)
{
	struct dma_fence_array *array;

	if (num_fences < 0)
		return NULL;
	return kmalloc(struct_size(array, callbacks, num_fences),
		       GFP_KERNEL | __GFP_NOWARN);
}
EXPORT_SYMBOL(dma_fence_array_alloc);

/**
 * dma_fence_array_init - initialise an array
 * @array: from dma_fence_array_alloc() for at least @num_fences
 * @num_fences: the number of members; 0 warns, and the array counts as
 *	signalled
 * @fences: the members, from kmalloc() or kvmalloc(); the array takes over the
 *	memory and one reference to each
 * @context: the timeline of the array
 * @seqno: its position in it
 * @signal_on_any: signal with the first member instead of with all
 *
 * Context: Any. Allocates nothing.
 */
void dma_fence_array_init(struct dma_fence_array *array, int num_fences,
			  struct dma_fence **fences, u64 context,
			  unsigned int seqno, bool signal_on_any)
{
	if (WARN_ON_ONCE(num_fences <= 0 || !fences))
		num_fences = 0;

	array->num_fences = num_fences;
	array->fences = fences;
	atomic_set(&array->pending, num_fences);
	array->member_error = signal_on_any ? NO_RESULT : 0;
	array->first_unsignaled = 0;
	array->signal_on_any = signal_on_any;
	array->deferred.func = array_run;
	spin_lock_init(&array->lock);
	dma_fence_init(&array->base, &dma_fence_array_ops, &array->lock,
		       context, seqno);
}
EXPORT_SYMBOL(dma_fence_array_init);

/**
 * dma_fence_array_create - allocate and initialise an array
 * @num_fences: the number of members, not 0
 * @fences: the members, from kmalloc() or kvmalloc(); on success the array
 *	takes over the memory and one reference to each
 * @context: the timeline of the array
 * @seqno: its position in it
 * @signal_on_any: signal with the first member instead of with all
 *
 * Context: Process, may sleep.
 * Return: The array, with a reference for the caller; NULL for no memory, and
 * then the caller keeps @fences.
 */
struct dma_fence_array *dma_fence_array_create(int num_fences,
					       struct dma_fence **fences,
					       u64 context, unsigned int seqno,
					       bool signal_on_any)
{
	struct dma_fence_array *array = dma_fence_array_alloc(num_fences);

	if (array)
		dma_fence_array_init(array, num_fences, fences, context, seqno,
				     signal_on_any);
	return array;
}
EXPORT_SYMBOL(dma_fence_array_create);

/**
 * dma_fence_match_context - check whether a fence is of one timeline
 * @fence: any fence
 * @context: the timeline
 *
 * Context: Any.
 * Return: true if the fence, or each member of an array, is of @context.
 */
bool dma_fence_match_context(struct dma_fence *fence, u64 context)
{
	struct dma_fence *member;
	unsigned int i;

	dma_fence_array_for_each(member, i, fence) {
		if (member->context != context)
			return false;
	}
	return true;
}
EXPORT_SYMBOL(dma_fence_match_context);

/**
 * dma_fence_array_first - return the first member of an array
 * @head: any fence, or NULL
 *
 * Context: Any.
 * Return: The member, without a reference; NULL if the array has no members;
 * @head if it is not an array.
 */
struct dma_fence *dma_fence_array_first(struct dma_fence *head)
{
	if (!to_dma_fence_array(head))
		return head;
	return dma_fence_array_next(head, 0);
}
EXPORT_SYMBOL(dma_fence_array_first);

/**
 * dma_fence_array_next - return a member of an array
 * @head: any fence, or NULL
 * @index: position of the member
 *
 * Context: Any.
 * Return: The member, without a reference; NULL behind the last one, or if
 * @head is not an array.
 */
struct dma_fence *dma_fence_array_next(struct dma_fence *head,
				       unsigned int index)
{
	struct dma_fence_array *array = to_dma_fence_array(head);

	return array && index < array->num_fences ? array->fences[index] : NULL;
}
EXPORT_SYMBOL(dma_fence_array_next);

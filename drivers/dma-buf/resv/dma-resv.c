// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reservation objects: reserving slots for fences and adding them. Queries are
 * in dma-resv-query.c, walks in dma-resv-iter.c, and the list that holds the
 * fences is in dma-resv-list.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>

#include "dma-resv-internal.h"
#include "dma-resv-list.h"

/**
 * DOC: Reservation Object Overview
 *
 * A &struct dma_resv collects the fences of the work that uses a buffer. Each
 * fence has a usage, which says who must wait for it: see &enum dma_resv_usage.
 *
 * *Adding.* Under the lock, a driver calls dma_resv_reserve_fences(), which may
 * fail, submits its work and adds the fence by dma_resv_add_fence(), which
 * cannot fail. Within one timeline a fence replaces earlier ones, unless fewer
 * waiters would then wait; fences of context 0 have no order and replace none.
 * Otherwise it takes the slot of a signalled fence, if the search finds one.
 *
 * *Queries* need no lock: readers see every fence that was there when they
 * began, and may see some that were added since.
 *
 * *Locking.* &dma_resv.lock is a wait/die mutex: dma_resv_lock() with an
 * acquire context takes any number of them in any order. It serialises the
 * writers of the list, and protects what the exporter and the importers agree
 * that it protects; dma-buf-attach.c has the order of all locks of the
 * subsystem. Readers reach the list by RCU.
 */

DEFINE_WD_CLASS(reservation_ww_class);
EXPORT_SYMBOL(reservation_ww_class);

static struct dma_resv_list *held_list(struct dma_resv *obj)
{
	return rcu_dereference_protected(obj->fences, dma_resv_held(obj));
}

/**
 * dma_resv_init - initialise a reservation object
 * @obj: the object, which may be on the stack
 *
 * Context: Any.
 */
void dma_resv_init(struct dma_resv *obj)
{
	ww_mutex_init(&obj->lock, &reservation_ww_class);
	RCU_INIT_POINTER(obj->fences, NULL);
}
EXPORT_SYMBOL(dma_resv_init);

/**
 * dma_resv_fini - release the fences of a reservation object
 * @obj: the object, with neither writers nor readers left
 *
 * Context: Any.
 */
void dma_resv_fini(struct dma_resv *obj)
{
	struct dma_resv_list *list = rcu_dereference_protected(obj->fences,
							       true);

	dma_resv_list_put_fences(list);
	dma_resv_list_free(list);
	ww_mutex_destroy(&obj->lock);
}
EXPORT_SYMBOL(dma_resv_fini);

/*
 * Drop the references of @old to the fences that @list, which has the pending
 * ones in the same order, did not take over.
 */
static void put_left_behind(struct dma_resv_list *old,
			    struct dma_resv_list *list)
{
	unsigned int taken = 0;

	for (unsigned int i = 0; i < old->num_fences; i++) {
		if (taken < list->num_fences &&
		    list->slots[taken].word == old->slots[i].word)
			taken++;
		else
			dma_fence_put(dma_resv_list_fence(old, i));
	}
}

/*
 * Publish a new list with the pending fences of the old one and @num slots
 * reserved. It has slots for at least twice its fences, so that this stays
 * rare. Returns the list, or NULL if there is no memory.
 */
static struct dma_resv_list *renew(struct dma_resv *obj, unsigned int num,
				   gfp_t gfp)
{
	struct dma_resv_list *old = held_list(obj), *list;
	unsigned int pending = old ? old->num_fences : 0;
	struct dma_fence *fence;

	/* In the shortest list, counting would not save memory. */
	if (pending > DMA_RESV_LIST_MIN)
		pending = dma_resv_list_count_pending(old);
	list = dma_resv_list_alloc(pending + max(num, pending), gfp);
	if (!list)
		return NULL;

	for (unsigned int i = 0; old && i < old->num_fences; i++) {
		fence = dma_resv_list_fence(old, i);
		if (!dma_fence_is_signaled(fence))
			dma_resv_list_append(list, fence,
					     dma_resv_list_usage(old, i));
	}
	list->reserved = list->num_fences + num;
	rcu_assign_pointer(obj->fences, list);

	/* Only now: a reader of a published list relies on its references. */
	if (old) {
		put_left_behind(old, list);
		dma_resv_list_free(old);
	}
	return list;
}

/*
 * Reserve @num slots in a new list, because the old one has no room for them or
 * is too long. Returns 0 or -ENOMEM.
 */
static int make_room(struct dma_resv *obj, unsigned int num)
{
	struct dma_resv_list *old = held_list(obj);

	if (!old)
		return renew(obj, num, GFP_KERNEL) ? 0 : -ENOMEM;
	/* Keep earlier reservations that are not used up. */
	if (old->reserved > old->num_fences)
		num = max(num, old->reserved - old->num_fences);
	if (old->num_fences + num > old->capacity)
		return renew(obj, num, GFP_KERNEL) ? 0 : -ENOMEM;
	/* The old list is only too long: without memory, keep it. */
	if (!renew(obj, num, GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN))
		old->reserved = old->num_fences + num;
	return 0;
}

/**
 * dma_resv_reserve_fences - reserve slots for fences
 * @obj: the object
 * @num_fences: number of fences to be added before the object is unlocked
 *
 * Reservations do not add up: each counts from the slots now in use.
 *
 * Context: Process, may sleep, reservation lock held.
 * Return: 0; -ENOMEM; -EINVAL, with a warning, if @num_fences is 0.
 */
int dma_resv_reserve_fences(struct dma_resv *obj, unsigned int num_fences)
{
	struct dma_resv_list *list;
	unsigned int used, want;

	dma_resv_assert_held(obj);
	might_alloc(GFP_KERNEL);
	if (WARN_ON_ONCE(!num_fences))
		return -EINVAL;

	list = held_list(obj);
	used = list ? list->num_fences : 0;
	if (check_add_overflow(used, num_fences, &want))
		return -ENOMEM;
	if (!list || want > list->capacity || dma_resv_list_is_sparse(list))
		return make_room(obj, num_fences);
	list->reserved = max(list->reserved, want);
	return 0;
}
EXPORT_SYMBOL(dma_resv_reserve_fences);

/**
 * dma_resv_unreserve - forget the reserved slots that were not used
 * @obj: the object
 *
 * Otherwise every later list of the object has room for them. Drivers reserve a
 * few slots, but the core as many as user space asks for.
 *
 * Context: Any, reservation lock held.
 */
void dma_resv_unreserve(struct dma_resv *obj)
{
	struct dma_resv_list *list;

	dma_resv_assert_held(obj);
	list = held_list(obj);
	if (list)
		list->reserved = 0;
}

#ifdef CONFIG_DEBUG_MUTEXES
/**
 * dma_resv_reset_max_fences - forget the reserved slots that were not used
 * @obj: the object
 *
 * A driver that adds a fence without a reservation of its own gets a warning
 * then.
 *
 * Context: Process, reservation lock held.
 */
void dma_resv_reset_max_fences(struct dma_resv *obj)
{
	dma_resv_unreserve(obj);
}
EXPORT_SYMBOL(dma_resv_reset_max_fences);
#endif

/*
 * Return whether the list may use one more slot. As in every 6.12 kernel, a
 * driver may add more fences than it has reserved while there are slots. With
 * DEBUG_MUTEXES it must have reserved at least one since the last unlock.
 */
static bool has_slot(const struct dma_resv_list *list)
{
	return list->num_fences < list->capacity &&
	       (!IS_ENABLED(CONFIG_DEBUG_MUTEXES) || list->reserved);
}

/* Add a fence to a slot in use, or to one more. Return whether there is one. */
static bool add_to_slot(struct dma_resv_list *list, struct dma_fence *fence,
			enum dma_resv_usage usage)
{
	unsigned int i = dma_resv_list_find_slot(list, fence, usage);

	if (i != DMA_RESV_NO_SLOT)
		dma_resv_list_replace(list, i, dma_fence_get(fence), usage);
	else if (has_slot(list))
		dma_resv_list_append(list, dma_fence_get(fence), usage);
	else
		return false;
	return true;
}

/*
 * Handle a driver's bug: no slot is reserved for @fence. The fence must not be
 * lost, because its work is running. So replace a signalled fence, allocate a
 * list now or, as the last resort, wait for the fence.
 */
static void add_without_slot(struct dma_resv *obj, struct dma_fence *fence,
			     enum dma_resv_usage usage)
{
	struct dma_resv_list *list = held_list(obj);

	if (list && dma_resv_list_replace_done(list, fence, usage))
		return;
	WARN_ONCE(1, "dma_resv: fence added without a reservation\n");
	if (!list || list->num_fences == list->capacity)
		list = renew(obj, 1, GFP_NOWAIT);
	if (list)
		dma_resv_list_append(list, dma_fence_get(fence), usage);
	else
		dma_fence_wait(fence, false);
}

/**
 * dma_resv_add_fence - add a fence to a reservation object
 * @obj: the object
 * @fence: the fence, not a container; the object takes a reference of its own
 * @usage: what the work of the fence does with the buffer
 *
 * Warns if there is no slot. With CONFIG_DEBUG_MUTEXES it also warns if no slot
 * was reserved since the object was locked, unless it can replace a signalled
 * fence.
 *
 * Context: Any, reservation lock held and a slot reserved.
 */
void dma_resv_add_fence(struct dma_resv *obj, struct dma_fence *fence,
			enum dma_resv_usage usage)
{
	struct dma_resv_list *list;

	dma_resv_assert_held(obj);
	/* The context of a container is not the timeline of its members. */
	WARN_ON_ONCE(dma_fence_is_container(fence));

	list = held_list(obj);
	if (!list || !add_to_slot(list, fence, usage))
		add_without_slot(obj, fence, usage);
}
EXPORT_SYMBOL(dma_resv_add_fence);

/**
 * dma_resv_replace_fences - replace all fences of a context by one
 * @obj: the object
 * @context: the timeline; or 0 for all fences without an order
 * @replacement: the new fence; the object takes references of its own
 * @usage: the usage of @replacement
 *
 * For fences that keep memory in place, once something else guards that memory.
 * The caller may be in the middle of a walk over the same object.
 *
 * Context: Any, reservation lock held.
 */
void dma_resv_replace_fences(struct dma_resv *obj, uint64_t context,
			     struct dma_fence *replacement,
			     enum dma_resv_usage usage)
{
	struct dma_resv_list *list;

	dma_resv_assert_held(obj);
	list = held_list(obj);
	if (list)
		dma_resv_list_replace_context(list, context, replacement,
					      usage);
}
EXPORT_SYMBOL(dma_resv_replace_fences);

/**
 * dma_resv_copy_fences - copy the pending fences of another object
 * @dst: the object whose fences are replaced by those of @src, of all usages;
 *	no slot is reserved
 * @src: the other object; need not be locked
 *
 * Context: Process, may sleep, reservation lock of @dst held.
 * Return: 0, or -ENOMEM with @dst unchanged.
 */
int dma_resv_copy_fences(struct dma_resv *dst, struct dma_resv *src)
{
	struct dma_resv_collection all = { .with_usages = true };
	struct dma_resv_list *old;
	int ret;

	dma_resv_assert_held(dst);

	ret = dma_resv_collect(src, DMA_RESV_USAGE_BOOKKEEP, &all);
	if (ret)
		return ret;
	old = rcu_replace_pointer(dst->fences, all.list, dma_resv_held(dst));
	dma_resv_list_put_fences(old);
	dma_resv_list_free(old);
	return 0;
}
EXPORT_SYMBOL(dma_resv_copy_fences);

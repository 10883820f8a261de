// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reservation objects: making room for fences and adding them. Questions about
 * them are answered in dma-resv-query.c, walks are in dma-resv-iter.c, and the
 * list that holds them is in dma-resv-list.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-resv.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/sched/mm.h>

#include "dma-resv-list.h"

/**
 * DOC: Reservation Object Overview
 *
 * A &struct dma_resv collects the fences of the work that uses a buffer, each
 * with a usage that tells who has to wait for it: see &enum dma_resv_usage.
 *
 * *Adding.* Under the lock, dma_resv_reserve_fences() makes room, which may fail;
 * then the work is submitted, and dma_resv_add_fence() adds its fence, which may
 * not. Within one timeline a fence takes the place of earlier ones, unless that
 * made fewer wait; context 0 is no timeline, its fences have no order. Signalled
 * fences go as their slots are needed.
 *
 * *Asking* needs no lock: readers see each fence that was there when they began,
 * and maybe some that were added since.
 *
 * *Locking.* &dma_resv.lock is a wait/die mutex: dma_resv_lock() with an acquire
 * context takes many in any order. It protects the list against other writers,
 * and whatever the exporter and the importers agree it does; dma-buf-attach.c has
 * the order of the locks of the whole subsystem. The list is replaced and read by
 * RCU.
 */

DEFINE_WD_CLASS(reservation_ww_class);
EXPORT_SYMBOL(reservation_ww_class);

static struct dma_resv_list *held_list(struct dma_resv *obj)
{
	return rcu_dereference_protected(obj->fences, dma_resv_held(obj));
}

/**
 * dma_resv_init - initialise a reservation object
 * @obj: the object; may be on the stack
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
 * dma_resv_fini - drop all fences
 * @obj: an object that nobody uses any more
 *
 * Context: Any.
 */
void dma_resv_fini(struct dma_resv *obj)
{
	/* There are neither writers nor readers left. */
	struct dma_resv_list *list = rcu_dereference_protected(obj->fences,
							       true);

	dma_resv_list_put_fences(list);
	dma_resv_list_free(list);
	ww_mutex_destroy(&obj->lock);
}
EXPORT_SYMBOL(dma_resv_fini);

/*
 * @list has taken over from @old what was pending, in the same order, and the
 * references to it: drop those to the rest.
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
 * Publish a list of what is pending in the old one, with @num reserved and room
 * for at least as many again as it has, so that this stays rare. Returns it,
 * or NULL for no memory.
 */
static struct dma_resv_list *renew(struct dma_resv *obj, unsigned int num,
				   gfp_t gfp)
{
	struct dma_resv_list *old = held_list(obj), *list;
	unsigned int pending = old ? old->num_fences : 0;
	struct dma_fence *fence;

	/* What the shortest one holds is not worth counting. */
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

	/* Not before nobody new finds the old list: its slots hold references. */
	if (old) {
		put_left_behind(old, list);
		dma_resv_list_free(old);
	}
	return list;
}

/*
 * A new list with room for @num more, as the one there is has none or is too long
 * for what is pending. NULL for no memory.
 */
static noinline struct dma_resv_list *make_room(struct dma_resv *obj,
						unsigned int num)
{
	struct dma_resv_list *old = held_list(obj), *list;

	if (!old)
		return renew(obj, num, GFP_KERNEL);
	/* What was reserved before, and is not used up, holds. */
	if (old->reserved > old->num_fences)
		num = max(num, old->reserved - old->num_fences);
	if (old->num_fences + num > old->capacity)
		return renew(obj, num, GFP_KERNEL);
	/* It could go on as it is: nothing fails for that. */
	list = renew(obj, num, GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
	return list ?: old;
}

/**
 * dma_resv_reserve_fences - make room for fences
 * @obj: the object
 * @num_fences: so many will be added before it is unlocked
 *
 * Does not add up: counts from what is there now.
 *
 * Context: Process, may sleep, reservation lock held.
 * Return: 0; -ENOMEM; -EINVAL, with a warning, for zero.
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
	if (!list || want > list->capacity || dma_resv_list_is_sparse(list)) {
		list = make_room(obj, num_fences);
		if (!list)
			return -ENOMEM;
	}
	list->reserved = max(list->reserved, list->num_fences + num_fences);
	return 0;
}
EXPORT_SYMBOL(dma_resv_reserve_fences);

#ifdef CONFIG_DEBUG_MUTEXES
/**
 * dma_resv_reset_max_fences - forget what was reserved and not used
 * @obj: the object
 *
 * Shows those who add fences without a reservation of their own.
 *
 * Context: Process, reservation lock held.
 */
void dma_resv_reset_max_fences(struct dma_resv *obj)
{
	struct dma_resv_list *list = held_list(obj);

	dma_resv_assert_held(obj);
	if (list)
		list->reserved = 0;
}
EXPORT_SYMBOL(dma_resv_reset_max_fences);
#endif

/*
 * May the list use one more slot? Drivers that add more than they have reserved
 * go unnoticed while there is room: always have, and nothing is wrong with the
 * fence. With DEBUG_MUTEXES something has to be reserved since the last unlock.
 */
static bool has_slot(const struct dma_resv_list *list)
{
	return list && list->num_fences < list->capacity &&
	       (!IS_ENABLED(CONFIG_DEBUG_MUTEXES) || list->reserved);
}

/*
 * There is no slot, and no fence that has signalled either: a bug of the caller's.
 * The fence must not be lost, its work is running; so find memory now or, as the
 * last resort, wait for it. Returns a list with a slot, or NULL if the fence has
 * signalled.
 */
static struct dma_resv_list *make_slot(struct dma_resv *obj,
				       struct dma_fence *fence)
{
	struct dma_resv_list *list = held_list(obj);

	WARN_ONCE(1, "dma_resv: fence added without a reservation\n");
	if (list && list->num_fences < list->capacity)
		return list;
	list = renew(obj, 1, GFP_NOWAIT);
	if (!list)
		dma_fence_wait(fence, false);
	return list;
}

/**
 * dma_resv_add_fence - add a fence
 * @obj: the object
 * @fence: the fence, no container; the object takes a reference of its own
 * @usage: what its work does with the buffer
 *
 * Warns if there is no slot at all. With CONFIG_DEBUG_MUTEXES it warns as well if
 * nothing has been reserved since the object was locked, unless a slot is free
 * because its fence has signalled.
 *
 * Context: Any, reservation lock held and a slot reserved.
 */
void dma_resv_add_fence(struct dma_resv *obj, struct dma_fence *fence,
			enum dma_resv_usage usage)
{
	struct dma_resv_list *list = held_list(obj);
	unsigned int slot;

	dma_resv_assert_held(obj);
	/* Readers would take the container's context for a timeline. */
	WARN_ON_ONCE(dma_fence_is_container(fence));

	slot = list ? dma_resv_list_find_slot(list, fence, usage) :
		      DMA_RESV_NO_SLOT;
	if (slot == DMA_RESV_NO_SLOT && !has_slot(list)) {
		slot = dma_resv_list_find_any_done(list);
		if (slot == DMA_RESV_NO_SLOT)
			list = make_slot(obj, fence);
	}
	if (slot != DMA_RESV_NO_SLOT)
		dma_resv_list_replace(list, slot, dma_fence_get(fence), usage);
	else if (list)
		dma_resv_list_append(list, dma_fence_get(fence), usage);
}
EXPORT_SYMBOL(dma_resv_add_fence);

/**
 * dma_resv_replace_fences - put one fence in the place of a whole timeline
 * @obj: the object
 * @context: the timeline; or 0 for all fences of context 0, which is none
 * @replacement: what takes the place; the object takes its own references
 * @usage: usage of the replacement
 *
 * For fences that kept memory in place which is now free in another way. A
 * walk of the caller's over the same object may be under way.
 *
 * Context: Any, reservation lock held.
 */
void dma_resv_replace_fences(struct dma_resv *obj, uint64_t context,
			     struct dma_fence *replacement,
			     enum dma_resv_usage usage)
{
	struct dma_resv_list *list = held_list(obj);

	dma_resv_assert_held(obj);
	if (list)
		dma_resv_list_replace_context(list, context, replacement,
					      usage);
}
EXPORT_SYMBOL(dma_resv_replace_fences);

/**
 * dma_resv_copy_fences - take over the fences of another object
 * @dst: gets what is pending, of all usages, in place of what it has; nothing
 *	is reserved
 * @src: where from; need not be locked
 *
 * Context: Process, may sleep, lock of @dst held.
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

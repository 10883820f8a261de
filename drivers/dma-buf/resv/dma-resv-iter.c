// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walks over the fences of a reservation object, with its lock and without.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/rcupdate.h>

#include "dma-resv-internal.h"
#include "dma-resv-list.h"

/**
 * DOC: Walks over fences
 *
 * A *locked* walk sees all fences, including the signalled ones, and holds no
 * references: the lock keeps the fences.
 *
 * An *unlocked* walk sees the pending fences. It reads the list under RCU and
 * leaves the read-side critical section with a reference to one fence, so the
 * body may sleep. If the list has been replaced meanwhile, slot numbers mean
 * nothing any more: the walk starts again, which dma_resv_iter_is_restarted()
 * reports. A new list may have the address of the old one, so the walk compares
 * their ids.
 */

/* Point the walk at the first slot of @list, which may be NULL. */
static void restart(struct dma_resv_iter *cursor, struct dma_resv_list *list)
{
	cursor->index = 0;
	cursor->is_restarted = true;
	cursor->list_id = list ? list->id : 0;
	cursor->num_fences = dma_resv_list_length(list);
}

/*
 * Return the next pending fence with a reference, or NULL; ERR_PTR(-EAGAIN) if
 * its slot, which the walk stays at, has changed meanwhile.
 */
static struct dma_fence *next_rcu(struct dma_resv_iter *cursor,
				  struct dma_resv_list *list)
{
	struct dma_fence *fence;

	while (cursor->index < cursor->num_fences) {
		fence = dma_resv_list_look_rcu(list, cursor->index,
					       cursor->usage,
					       &cursor->fence_usage);
		if (IS_ERR(fence))
			return fence;
		cursor->index++;
		if (fence)
			return fence;
	}
	return NULL;
}

/**
 * dma_resv_iter_first_unlocked - start a walk without the lock
 * @cursor: the walk, after dma_resv_iter_begin()
 *
 * Context: Any.
 * Return: The first pending fence, valid until the next step; NULL if there is
 * none.
 */
struct dma_fence *dma_resv_iter_first_unlocked(struct dma_resv_iter *cursor)
{
	/* Most objects that are asked were never used. */
	if (!rcu_access_pointer(cursor->obj->fences)) {
		dma_fence_put(cursor->fence);
		cursor->fence = NULL;
		restart(cursor, NULL);
		return NULL;
	}
	/* Restart, as no list has this id. */
	cursor->list_id = U64_MAX;
	return dma_resv_iter_next_unlocked(cursor);
}
EXPORT_SYMBOL(dma_resv_iter_first_unlocked);

/**
 * dma_resv_iter_next_unlocked - continue a walk without the lock
 * @cursor: the walk
 *
 * Context: Any.
 * Return: The next pending fence, valid until the next step; after a restart
 * this may be the first one again. NULL at the end.
 */
struct dma_fence *dma_resv_iter_next_unlocked(struct dma_resv_iter *cursor)
{
	struct dma_resv *obj = cursor->obj;
	struct dma_resv_list *list;
	struct dma_fence *fence;

	dma_fence_put(cursor->fence);
	cursor->is_restarted = false;

	guard(rcu)();
	for (;;) {
		list = rcu_dereference(obj->fences);
		/* The hint saves an instruction in each step but the first. */
		if (unlikely(cursor->list_id != (list ? list->id : 0)))
			restart(cursor, list);

		fence = next_rcu(cursor, list);
		if (IS_ERR(fence))
			continue;
		/* In one read-side critical section an address is one list. */
		if (rcu_access_pointer(obj->fences) == list) {
			cursor->fence = fence;
			return fence;
		}
		dma_fence_put(fence);
	}
}
EXPORT_SYMBOL(dma_resv_iter_next_unlocked);

/**
 * dma_resv_iter_first - start a walk under the lock
 * @cursor: the walk, after dma_resv_iter_begin()
 *
 * Context: Any, reservation lock held.
 * Return: The first fence, valid while the lock is held; NULL if there is none.
 */
struct dma_fence *dma_resv_iter_first(struct dma_resv_iter *cursor)
{
	struct dma_fence *fence;

	dma_resv_assert_held(cursor->obj);

	cursor->index = 0;
	fence = dma_resv_iter_next(cursor);
	cursor->is_restarted = true;
	return fence;
}
EXPORT_SYMBOL_GPL(dma_resv_iter_first);

/**
 * dma_resv_iter_next - continue a walk under the lock
 * @cursor: the walk
 *
 * Context: Any, reservation lock held.
 * Return: The next fence, valid while the lock is held; NULL at the end.
 */
struct dma_fence *dma_resv_iter_next(struct dma_resv_iter *cursor)
{
	struct dma_resv_list *list;
	unsigned int i;

	dma_resv_assert_held(cursor->obj);

	cursor->is_restarted = false;
	list = rcu_dereference_protected(cursor->obj->fences,
					 dma_resv_held(cursor->obj));
	while (list && cursor->index < list->num_fences) {
		i = cursor->index++;
		cursor->fence_usage = dma_resv_list_usage(list, i);
		if (cursor->fence_usage <= cursor->usage)
			return dma_resv_list_fence(list, i);
	}
	return NULL;
}
EXPORT_SYMBOL_GPL(dma_resv_iter_next);

/* As next_rcu(), but from slot *@index - 1 downwards. */
static struct dma_fence *prev_rcu(struct dma_resv_list *list,
				  unsigned int *index,
				  enum dma_resv_usage wanted)
{
	enum dma_resv_usage usage;
	struct dma_fence *fence;

	while (*index) {
		fence = dma_resv_list_look_rcu(list, *index - 1, wanted, &usage);
		if (IS_ERR(fence))
			return fence;
		--*index;
		if (fence)
			return fence;
	}
	return NULL;
}

/**
 * dma_resv_get_pending - get a pending fence, the newest first
 * @obj: the object; need not be locked
 * @usage: get fences of this and of stronger usages
 * @index: look at the slots below this one, or at all for UINT_MAX; returned:
 *	the value to continue with
 *
 * A slot number is a hint: next time it may mean another fence. A caller that
 * starts with UINT_MAX and continues without a pause until NULL has seen all
 * that was pending at the start.
 *
 * Context: Any.
 * Return: The fence, with a reference for the caller; NULL if there is none.
 */
struct dma_fence *dma_resv_get_pending(struct dma_resv *obj,
				       enum dma_resv_usage usage,
				       unsigned int *index)
{
	struct dma_resv_list *list;
	struct dma_fence *fence;

	guard(rcu)();
	for (;;) {
		list = rcu_dereference(obj->fences);
		if (!list)
			return NULL;
		*index = min(*index, dma_resv_list_length(list));
		fence = prev_rcu(list, index, usage);
		if (rcu_access_pointer(obj->fences) != list)
			*index = UINT_MAX;
		else if (!IS_ERR(fence))
			return fence;
		if (!IS_ERR(fence))
			dma_fence_put(fence);
	}
}

/**
 * dma_resv_is_only_fence - return whether an object holds a single given fence
 * @obj: the object; need not be locked
 * @fence: the fence; only compared
 *
 * Context: Any.
 * Return: true if @fence was the only fence, at this moment.
 */
bool dma_resv_is_only_fence(struct dma_resv *obj, struct dma_fence *fence)
{
	struct dma_resv_list *list;

	guard(rcu)();
	list = rcu_dereference(obj->fences);
	return dma_resv_list_length(list) == 1 &&
	       dma_resv_slot_fence(dma_resv_slot_load(&list->slots[0])) == fence;
}

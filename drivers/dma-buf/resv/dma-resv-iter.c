// SPDX-License-Identifier: GPL-2.0-only
/*
 * Walks over the fences of a reservation object, with its lock and without.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/export.h>

#include "dma-resv-list.h"

/**
 * DOC: Walks over fences
 *
 * A *locked* walk sees each fence, those that have signalled too, and holds no
 * references: the lock keeps the fences.
 *
 * An *unlocked* walk sees what is pending. It reads the list under RCU and leaves
 * the read section with a reference to one fence, so the body may sleep. If the
 * list was replaced meanwhile, positions mean nothing any more: the walk begins
 * anew and says so by dma_resv_iter_is_restarted(). Lists are told apart by number:
 * a new one may have the address of the old one.
 */

/* Point the walk at the first slot of @list, which may be NULL. */
static void restart(struct dma_resv_iter *cursor, struct dma_resv_list *list)
{
	cursor->index = 0;
	cursor->is_restarted = true;
	cursor->list_id = list ? list->id : 0;
	/* Pairs with the release in dma_resv_list_append(). */
	cursor->num_fences = list ? smp_load_acquire(&list->num_fences) : 0;
}

/* Go on to the next pending fence, or to the first one. */
static __always_inline struct dma_fence *
step_unlocked(struct dma_resv_iter *cursor, bool first)
{
	struct dma_resv *obj = cursor->obj;
	struct dma_resv_list *list;
	struct dma_fence *fence;

	dma_fence_put(cursor->fence);
	cursor->is_restarted = false;

	guard(rcu)();
	for (;;) {
		list = rcu_dereference(obj->fences);
		if (first || cursor->list_id != (list ? list->id : 0))
			restart(cursor, list);
		first = false;

		fence = dma_resv_list_next_rcu(list, &cursor->index,
					       cursor->num_fences,
					       cursor->usage,
					       &cursor->fence_usage);
		if (IS_ERR(fence))
			continue;
		/* Same section, same address: the same list. */
		if (rcu_access_pointer(obj->fences) == list) {
			cursor->fence = fence;
			return fence;
		}
		dma_fence_put(fence);
	}
}

/**
 * dma_resv_get_pending - find a pending fence, the newest first
 * @obj: the object; need not be locked
 * @usage: of it and of stronger usages
 * @index: look at the slots below; returned: the one to go on with. UINT_MAX to
 *	begin with the last one
 *
 * A number of a slot is a hint: it may mean another fence the next time. Who
 * has begun with UINT_MAX and gone on to NULL, without a pause, has seen all
 * that was there at the beginning.
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
		/* Pairs with the release in dma_resv_list_append(). */
		*index = min(*index, smp_load_acquire(&list->num_fences));
		fence = dma_resv_list_prev_rcu(list, index, usage);
		if (rcu_access_pointer(obj->fences) != list)
			*index = UINT_MAX;
		else if (!IS_ERR(fence))
			return fence;
		if (!IS_ERR(fence))
			dma_fence_put(fence);
	}
}

/**
 * dma_resv_is_only_fence - is there no fence but this one?
 * @obj: the object; need not be locked
 * @fence: is only compared
 *
 * Context: Any.
 * Return: true if @fence was all that there was, at this moment.
 */
bool dma_resv_is_only_fence(struct dma_resv *obj, struct dma_fence *fence)
{
	struct dma_resv_list *list;

	guard(rcu)();
	list = rcu_dereference(obj->fences);
	/* Pairs with the release in dma_resv_list_append(). */
	return list && smp_load_acquire(&list->num_fences) == 1 &&
	       (READ_ONCE(list->slots[0]) & ~DMA_RESV_USAGE_BITS) ==
	       (unsigned long)fence;
}

static void put_collected(unsigned long *slots, unsigned int num)
{
	while (num--)
		dma_fence_put((struct dma_fence *)(slots[num] &
						   ~DMA_RESV_USAGE_BITS));
}

/* How many look pending. That is no answer, as they may change: a size. */
static unsigned int guess_pending(struct dma_resv_list *list, unsigned int end,
				  enum dma_resv_usage wanted)
{
	unsigned int pending = 0;

	for (unsigned int i = 0; i < end; i++) {
		/* Pairs with the release in dma_resv_list_store(). */
		unsigned long slot = smp_load_acquire(&list->slots[i]);
		struct dma_fence *fence = (struct dma_fence *)
					  (slot & ~DMA_RESV_USAGE_BITS);

		if ((slot & DMA_RESV_USAGE_BITS) <= wanted)
			pending += !test_bit(DMA_FENCE_FLAG_SIGNALED_BIT,
					     &fence->flags);
	}
	return pending;
}

/*
 * As dma_resv_collect(), of one list. Returns 0; -ENOSPC if there is more than
 * @room; -EAGAIN if it is not the object's list any more.
 */
static int collect_from(struct dma_resv *obj, struct dma_resv_list *list,
			unsigned int end, enum dma_resv_usage wanted,
			unsigned long *slots, unsigned int room,
			unsigned int *num)
{
	enum dma_resv_usage usage;
	struct dma_fence *fence;

	for (unsigned int i = 0; i < end;) {
		fence = dma_resv_list_look_rcu(list, i, wanted, &usage);
		if (!IS_ERR(fence))
			i++;
		else if (rcu_access_pointer(obj->fences) != list)
			return -EAGAIN;
		if (IS_ERR_OR_NULL(fence))
			continue;
		if (*num == room) {
			dma_fence_put(fence);
			return -ENOSPC;
		}
		slots[(*num)++] = (unsigned long)fence | usage;
	}
	return rcu_access_pointer(obj->fences) == list ? 0 : -EAGAIN;
}

/**
 * dma_resv_collect - take down all that is pending
 * @obj: the object; need not be locked
 * @usage: of it and of stronger usages
 * @slots: returned: fences, with a reference to each, and usages, in the form of
 *	&dma_resv_list.slots
 * @room: so many of them at most; 0 to ask for the room alone
 * @num: returned: how many
 *
 * One read section for all of them: half of what a walk takes.
 *
 * Context: Any.
 * Return: The room that it takes, which is for what is pending and does not count
 * what has signalled; if that is more than @room, nothing is returned but this.
 */
unsigned int dma_resv_collect(struct dma_resv *obj, enum dma_resv_usage usage,
			      unsigned long *slots, unsigned int room,
			      unsigned int *num)
{
	struct dma_resv_list *list;
	unsigned int end, need;
	int ret;

	*num = 0;
	guard(rcu)();
	for (;;) {
		list = rcu_dereference(obj->fences);
		/* Pairs with the release in dma_resv_list_append(). */
		end = list ? smp_load_acquire(&list->num_fences) : 0;
		need = room ? 0 : guess_pending(list, end, usage);
		if (need)
			return need;
		ret = collect_from(obj, list, end, usage, slots, room, num);
		if (!ret)
			return *num;
		put_collected(slots, *num);
		*num = 0;
		/* The guess was too low; all slots in use are enough. */
		if (ret == -ENOSPC)
			return end;
	}
}

/**
 * dma_resv_iter_first_unlocked - begin a walk without the lock
 * @cursor: after dma_resv_iter_begin()
 *
 * Context: Any.
 * Return: The first pending fence, valid until the next step; NULL if there is
 * none.
 */
struct dma_fence *dma_resv_iter_first_unlocked(struct dma_resv_iter *cursor)
{
	/* Nothing was ever added: nothing to look at. */
	if (!rcu_access_pointer(cursor->obj->fences)) {
		dma_fence_put(cursor->fence);
		cursor->fence = NULL;
		restart(cursor, NULL);
		return NULL;
	}
	return step_unlocked(cursor, true);
}
EXPORT_SYMBOL(dma_resv_iter_first_unlocked);

/**
 * dma_resv_iter_next_unlocked - go on without the lock
 * @cursor: the walk
 *
 * Context: Any.
 * Return: The next pending fence, valid until the next step, which may be the
 * first one again; NULL if there is none.
 */
struct dma_fence *dma_resv_iter_next_unlocked(struct dma_resv_iter *cursor)
{
	return step_unlocked(cursor, false);
}
EXPORT_SYMBOL(dma_resv_iter_next_unlocked);

/**
 * dma_resv_iter_first - begin a walk under the lock
 * @cursor: after dma_resv_iter_begin()
 *
 * Context: Any, reservation lock held.
 * Return: The first fence, valid while locked; NULL if there is none.
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
 * dma_resv_iter_next - go on under the lock
 * @cursor: the walk
 *
 * Context: Any, reservation lock held.
 * Return: The next fence, valid while locked; NULL if there is none.
 */
struct dma_fence *dma_resv_iter_next(struct dma_resv_iter *cursor)
{
	struct dma_resv_list *list;
	struct dma_fence *fence;

	dma_resv_assert_held(cursor->obj);

	cursor->is_restarted = false;
	list = rcu_dereference_protected(cursor->obj->fences,
					 dma_resv_held(cursor->obj));
	while (list && cursor->index < list->num_fences) {
		fence = dma_resv_list_entry(list, cursor->index++,
					    &cursor->fence_usage);
		if (cursor->fence_usage <= cursor->usage)
			return fence;
	}
	return NULL;
}
EXPORT_SYMBOL_GPL(dma_resv_iter_next);

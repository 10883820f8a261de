// SPDX-License-Identifier: GPL-2.0-only
/*
 * Collecting all pending fences of a reservation object at once, without its
 * lock: in one read-side critical section for all of them, where a walk needs
 * one for each.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/rcupdate.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "dma-resv-list.h"

/*
 * Count the fences that look pending. They may change: this only gives a size.
 */
static unsigned int guess_pending(struct dma_resv_list *list, unsigned int end,
				  enum dma_resv_usage wanted)
{
	unsigned int pending = 0;

	for (unsigned int i = 0; i < end; i++) {
		struct dma_resv_slot slot = dma_resv_slot_load(&list->slots[i]);

		if (dma_resv_slot_usage(slot) <= wanted)
			pending += !test_bit(DMA_FENCE_FLAG_SIGNALED_BIT,
					     &dma_resv_slot_fence(slot)->flags);
	}
	return pending;
}

static void put_collected(struct dma_resv_collection *to)
{
	while (to->num) {
		to->num--;
		dma_fence_put(to->with_usages ?
			      dma_resv_list_fence(to->list, to->num) :
			      to->fences[to->num]);
	}
}

/*
 * Collect from one list. Returns 0; -ENOSPC if there are more fences than room;
 * -EAGAIN if the object has another list by now.
 */
static int collect_from(struct dma_resv *obj, struct dma_resv_list *list,
			unsigned int end, enum dma_resv_usage wanted,
			struct dma_resv_collection *to)
{
	struct dma_resv_slot *slots = to->list ? to->list->slots : NULL;
	unsigned int i = 0, num = 0;
	enum dma_resv_usage usage;
	struct dma_fence *fence;
	int ret = 0;

	while (i < end) {
		fence = dma_resv_list_look_rcu(list, i, wanted, &usage);
		if (!IS_ERR(fence))
			i++;
		else if (rcu_access_pointer(obj->fences) != list)
			break;
		if (IS_ERR_OR_NULL(fence))
			continue;
		if (num == to->room) {
			dma_fence_put(fence);
			ret = -ENOSPC;
			break;
		}
		if (slots)
			slots[num++] = dma_resv_slot_make(fence, usage);
		else
			to->fences[num++] = fence;
	}
	to->num = num;
	return rcu_access_pointer(obj->fences) == list ? ret : -EAGAIN;
}

/**
 * dma_resv_try_collect - collect the pending fences if there is room
 * @obj: the object; need not be locked
 * @usage: collect fences of this and of stronger usages
 * @to: where to; empty, @to->room may be 0
 *
 * Context: Any.
 * Return: The number of fences collected; or a number above @to->room, for the
 * next attempt, and @to stays empty. This is how many were pending if there was
 * no room at all, else the number of slots in use.
 */
unsigned int dma_resv_try_collect(struct dma_resv *obj,
				  enum dma_resv_usage usage,
				  struct dma_resv_collection *to)
{
	struct dma_resv_list *list;
	unsigned int end, need;
	int ret;

	guard(rcu)();
	for (;;) {
		list = rcu_dereference(obj->fences);
		end = dma_resv_list_length(list);
		need = to->room ? 0 : guess_pending(list, end, usage);
		if (need)
			return need;
		ret = collect_from(obj, list, end, usage, to);
		if (!ret)
			return to->num;
		put_collected(to);
		if (ret == -ENOSPC)
			return end;
	}
}

static void free_room(struct dma_resv_collection *to)
{
	dma_resv_list_free(to->list);
	kfree(to->fences);
	to->list = NULL;
	to->fences = NULL;
	to->room = 0;
}

/* Replace the memory of an empty collection. Returns whether there is any. */
static bool make_room(struct dma_resv_collection *to, unsigned int num)
{
	if (to->room)
		free_room(to);
	if (to->with_usages) {
		to->list = dma_resv_list_alloc(num, GFP_KERNEL);
		to->room = to->list ? to->list->capacity : 0;
	} else {
		to->fences = kmalloc_array(num, sizeof(*to->fences),
					   GFP_KERNEL | __GFP_NOWARN);
		to->room = to->fences ? num : 0;
	}
	return to->room;
}

/**
 * dma_resv_collect - collect the pending fences
 * @obj: the object; need not be locked
 * @usage: collect fences of this and of stronger usages
 * @to: where to; zero but for @to->with_usages
 *
 * The memory is for what is pending; signalled fences do not count. The caller
 * owns what is in @to, and publishes or frees it.
 *
 * Context: Process, may sleep.
 * Return: 0, or -ENOMEM with @to empty.
 */
int dma_resv_collect(struct dma_resv *obj, enum dma_resv_usage usage,
		     struct dma_resv_collection *to)
{
	unsigned int need;

	might_alloc(GFP_KERNEL);
	while ((need = dma_resv_try_collect(obj, usage, to)) > to->room) {
		if (!make_room(to, need))
			return -ENOMEM;
	}
	if (!to->num)
		free_room(to);
	else if (to->with_usages)
		dma_resv_list_adopt(to->list, to->num);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of fences inside a reservation object: its memory and its slots.
 * dma-resv-index.c finds the slot of a timeline in constant time,
 * dma-resv-bound.c says when a list has grown too long, dma-resv.c gives the
 * fences their meaning and replaces the list.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/atomic.h>
#include <linux/build_bug.h>
#include <linux/err.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "dma-resv-list.h"

/**
 * DOC: Lists of fences
 *
 * A slot in use always holds a fence, with a reference. The writer replaces
 * fences in place and appends; it never moves or removes one, so a reader that
 * goes from the first slot to the last misses no fence that was there when it
 * began. Only a new list gets rid of fences.
 *
 * *Length.* The writer reuses the slot of a signalled fence when it comes upon
 * one. The other signalled fences must not pile up, since each walk under the
 * lock visits them: a list has at most
 *
 *	2 * pending + DMA_RESV_LIST_MIN + reserved
 *
 * slots in use, where *pending* is the number at the last reservation, and
 * *reserved* is what it reserved and others before it have left unused. (A
 * driver that adds more than it has reserved can fill the list.) A reservation
 * that finds more slots in use makes a new list of the pending fences. So a list
 * shrinks after a burst.
 *
 * Up to DMA_RESV_LIST_EXACT slots, each reservation looks whether enough fences
 * are pending, and the bound is strict. To do so in a longer list each time
 * would make adding quadratic.
 * There the bound is strict as long as *pending* does not fall. After it has
 * fallen, the list is within the bound again after at most as many reservations
 * as it has slots, and mostly after the next one, because each reservation
 * probes a slot. This costs DMA_RESV_LIST_LOOKS looks for each reservation, and
 * a few for each slot that comes into use.
 *
 * *Index.* Adding a fence has to find the slot of its timeline. A list of more
 * than DMA_RESV_LIST_SHORT slots therefore has a hash table of its contexts
 * behind the slots. Readers do not use it.
 *
 * *Locking.* The writer holds the lock of the reservation object. Readers are
 * in an RCU read-side critical section.
 */

static size_t size_of(unsigned int capacity)
{
	size_t size = struct_size_t(struct dma_resv_list, slots, capacity);

	static_assert(struct_size_t(struct dma_resv_list, slots,
				    DMA_RESV_LIST_MIN) == DMA_RESV_LIST_MIN_SIZE);
	static_assert(struct_size_t(struct dma_resv_list, slots,
				    DMA_RESV_LIST_SHORT) == DMA_RESV_LIST_SHORT_SIZE);
	/* An alignment for DMA of more than 32 bytes leaves some caches out. */
	BUILD_BUG_ON(KMALLOC_MIN_SIZE <= 32 &&
		     kmalloc_index(DMA_RESV_LIST_MIN_SIZE) ==
		     kmalloc_index(DMA_RESV_LIST_MIN_SIZE + 1));
	BUILD_BUG_ON(KMALLOC_MIN_SIZE <= 32 &&
		     kmalloc_index(DMA_RESV_LIST_SHORT_SIZE) ==
		     kmalloc_index(DMA_RESV_LIST_SHORT_SIZE + 1));

	if (capacity > DMA_RESV_LIST_SHORT)
		size = size_add(size, dma_resv_index_size(capacity));
	return size;
}

static struct dma_resv_list *alloc_long(unsigned int *capacity, gfp_t gfp)
{
	/* roundup_pow_of_two() must not overflow. */
	if (*capacity > INT_MAX / 2)
		return NULL;
	if (*capacity <= DMA_RESV_LIST_SHORT)
		*capacity = DMA_RESV_LIST_SHORT;
	else
		*capacity = roundup_pow_of_two(*capacity);
	return kvmalloc(size_of(*capacity), gfp | __GFP_NOWARN);
}

/**
 * dma_resv_list_alloc - allocate a list
 * @capacity: minimum number of slots
 * @gfp: how to allocate
 *
 * Context: As @gfp says.
 * Return: An empty list, or NULL if there is no memory.
 */
struct dma_resv_list *dma_resv_list_alloc(unsigned int capacity, gfp_t gfp)
{
	static atomic64_t ids = ATOMIC64_INIT(0);
	struct dma_resv_list *list;

	/*
	 * Most lists have this constant size: kmalloc() picks the cache early.
	 */
	if (capacity <= DMA_RESV_LIST_MIN) {
		capacity = DMA_RESV_LIST_MIN;
		list = kmalloc(DMA_RESV_LIST_MIN_SIZE, gfp);
	} else {
		list = alloc_long(&capacity, gfp);
	}
	if (!list)
		return NULL;
	list->id = atomic64_inc_return_relaxed(&ids);
	list->num_fences = 0;
	list->reserved = 0;
	list->capacity = capacity;
	list->hand = 0;
	if (dma_resv_list_has_tail(list)) {
		dma_resv_index_init(list);
		dma_resv_bound_init(list);
	}
	return list;
}

/**
 * dma_resv_list_free - free the memory of a list after a grace period
 * @list: the list, or NULL; keeps the references to its fences
 *
 * Context: Any.
 */
void dma_resv_list_free(struct dma_resv_list *list)
{
	if (list)
		kvfree_rcu(list, rcu);
}

/**
 * dma_resv_list_put_fences - drop the references of a list to its fences
 * @list: a list that is no longer published, or NULL
 *
 * Context: Any.
 */
void dma_resv_list_put_fences(struct dma_resv_list *list)
{
	for (unsigned int i = 0; list && i < list->num_fences; i++)
		dma_fence_put(dma_resv_list_fence(list, i));
}

/**
 * dma_resv_list_adopt - take over slots that the caller has filled
 * @list: a list that is not published and has no slot in use
 * @num_fences: number of slots filled, each with a reference to its fence
 *
 * The filled slots count as reserved.
 *
 * Context: Any.
 */
void dma_resv_list_adopt(struct dma_resv_list *list, unsigned int num_fences)
{
	list->num_fences = num_fences;
	list->reserved = num_fences;
	if (dma_resv_list_has_tail(list))
		dma_resv_index_fill(list);
}

/**
 * dma_resv_list_replace_context - replace all fences of a context by one
 * @list: the list
 * @context: the timeline; or 0, whose fences are spread over the index
 * @fence: the new fence; gets a reference for each slot
 * @usage: its usage
 *
 * Looks at each slot once at most, and with an index only at those that may
 * hold fences of @context.
 *
 * Context: Any; the writer.
 */
void dma_resv_list_replace_context(struct dma_resv_list *list, u64 context,
				   struct dma_fence *fence,
				   enum dma_resv_usage usage)
{
	bool has_index = dma_resv_list_has_tail(list), changed = false;

	if (has_index && context) {
		dma_resv_index_replace(list, context, fence, usage);
		return;
	}
	for (unsigned int i = 0; i < list->num_fences; i++) {
		if (dma_resv_list_fence(list, i)->context != context)
			continue;
		dma_resv_list_set(list, i, dma_fence_get(fence), usage);
		changed = true;
	}
	if (has_index && changed)
		dma_resv_index_fill(list);
}

/**
 * dma_resv_slot_reject_rcu - drop the fence that a reader does not want
 * @at: the slot that the reader found it in
 * @slot: what it found there
 *
 * Consumes a reference to the fence.
 *
 * Context: Any, RCU read-side critical section.
 * Return: NULL if the fence has signalled; ERR_PTR(-EAGAIN) if the slot has
 * changed.
 */
struct dma_fence *dma_resv_slot_reject_rcu(const struct dma_resv_slot *at,
					   struct dma_resv_slot slot)
{
	struct dma_fence *fence = dma_resv_slot_fence(slot);
	bool done;

	/*
	 * A later fence may have taken the slot before this one signalled. The
	 * reference keeps that fence from having the same address.
	 */
	done = dma_fence_is_signaled_rcu(fence) &&
	       !dma_resv_slot_has_changed(at, slot);
	dma_fence_put(fence);
	return done ? NULL : ERR_PTR(-EAGAIN);
}

/* Does not ask the makers: is_sparse() does, before signalled fences pile up. */
static unsigned int find_in_short(struct dma_resv_list *list,
				  struct dma_fence *fence,
				  enum dma_resv_usage usage)
{
	unsigned int done = DMA_RESV_NO_SLOT;
	struct dma_resv_slot slot;

	for (size_t i = 0; i < list->num_fences; i++) {
		slot = list->slots[i];
		if (dma_resv_slot_stands_for(slot, fence, usage))
			return i;
		if (test_bit_acquire(DMA_FENCE_FLAG_SIGNALED_BIT,
				     &dma_resv_slot_fence(slot)->flags))
			done = i;
	}
	return done;
}

/**
 * dma_resv_list_find_slot - find a slot in use that a new fence can take
 * @list: the list
 * @fence: the new fence
 * @usage: its usage
 *
 * Prefers the slot of an earlier fence of the same timeline to that of a
 * signalled fence. In the other order a reader could see an idle timeline that
 * never was idle::
 *
 *	CPU 0 (reader)			CPU 1 (writer, signaller)
 *	passes slot 0, whose
 *	fence has signalled
 *					puts the later fence into slot 0
 *					signals the earlier in slot 1
 *	finds the fence in slot 1
 *	signalled
 *
 * Context: Any; the writer.
 * Return: The number of the slot, or DMA_RESV_NO_SLOT.
 */
unsigned int dma_resv_list_find_slot(struct dma_resv_list *list,
				     struct dma_fence *fence,
				     enum dma_resv_usage usage)
{
	unsigned int i;

	if (!dma_resv_list_has_tail(list))
		return find_in_short(list, fence, usage);
	i = dma_resv_index_find(list, fence, usage);
	return i != DMA_RESV_NO_SLOT ? i : dma_resv_list_probe(list);
}

/**
 * dma_resv_list_replace_done - replace any signalled fence
 * @list: the list
 * @fence: the new fence; gets a reference if it is added
 * @usage: its usage
 *
 * Context: Any; the writer.
 * Return: Whether there was a signalled fence.
 */
bool dma_resv_list_replace_done(struct dma_resv_list *list,
				struct dma_fence *fence,
				enum dma_resv_usage usage)
{
	for (unsigned int i = 0; i < list->num_fences; i++) {
		if (!dma_fence_is_signaled(dma_resv_list_fence(list, i)))
			continue;
		dma_resv_list_replace(list, i, dma_fence_get(fence), usage);
		return true;
	}
	return false;
}

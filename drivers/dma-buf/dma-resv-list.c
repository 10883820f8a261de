// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of fences inside a reservation object: its memory, its slots and the
 * index that finds a timeline's slot in constant time. What the fences mean, and
 * when a list is replaced, is in dma-resv.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/hash.h>
#include <linux/log2.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "dma-resv-list.h"

/**
 * DOC: Lists of fences
 *
 * A slot, once in use, always holds a fence, with a reference. The writer
 * replaces fences in place and appends; it never moves or removes one, so a
 * reader that goes from the first slot to the last misses nothing that was there
 * when it began. To get rid of fences takes a new list.
 *
 * *Index.* Adding a fence has to find the slot of its timeline. A list of more
 * than INDEX_FROM slots therefore has a hash table of its contexts, chained by
 * slot number: one array for the first slot of each bucket and one for the next
 * slot of each slot, both behind the slots. Readers do not use it.
 *
 * *Locking.* The writer holds the lock of the reservation object. Readers are in
 * an RCU read section.
 */

/* Shorter lists are searched from end to end: a few cache lines. */
#define INDEX_FROM 8

/* End of a chain in the index; also: no such slot. */
#define NO_SLOT UINT_MAX

static u32 *index_buckets(struct dma_resv_list *list)
{
	return (u32 *)&list->slots[list->capacity];
}

static u32 *index_next(struct dma_resv_list *list)
{
	return index_buckets(list) + list->capacity;
}

static bool has_index(struct dma_resv_list *list)
{
	return list->capacity > INDEX_FROM;
}

static u32 *bucket_of(struct dma_resv_list *list, u64 context)
{
	return &index_buckets(list)[hash_64(context, ilog2(list->capacity))];
}

static void index_add(struct dma_resv_list *list, unsigned int i, u64 context)
{
	u32 *bucket;

	if (!has_index(list))
		return;
	bucket = bucket_of(list, context);
	index_next(list)[i] = *bucket;
	*bucket = i;
}

static void index_del(struct dma_resv_list *list, unsigned int i, u64 context)
{
	u32 *next = index_next(list);
	u32 *at;

	if (!has_index(list))
		return;
	for (at = bucket_of(list, context); *at != i; at = &next[*at])
		;
	*at = next[i];
}

/**
 * dma_resv_list_alloc - memory for a list
 * @capacity: at least so many slots
 * @gfp: how to allocate
 *
 * Context: As @gfp says.
 * Return: An empty list, or NULL for no memory.
 */
struct dma_resv_list *dma_resv_list_alloc(unsigned int capacity, gfp_t gfp)
{
	static atomic64_t ids = ATOMIC64_INIT(0);
	struct dma_resv_list *list;
	size_t size;

	if (capacity > INT_MAX / 2)
		return NULL;
	if (capacity > INDEX_FROM)
		capacity = roundup_pow_of_two(capacity);

	size = struct_size(list, slots, capacity);
	if (capacity > INDEX_FROM)
		size = size_add(size, array_size(capacity, 2 * sizeof(u32)));

	list = kvmalloc(size, gfp | __GFP_NOWARN);
	if (!list)
		return NULL;
	list->id = atomic64_inc_return_relaxed(&ids);
	list->num_fences = 0;
	list->reserved = 0;
	list->capacity = capacity;
	list->hand = 0;
	if (has_index(list))
		memset32(index_buckets(list), NO_SLOT, capacity);
	return list;
}

/**
 * dma_resv_list_free - give the memory back, after the readers
 * @list: the list, or NULL; its fences stay as they are
 *
 * Context: Any.
 */
void dma_resv_list_free(struct dma_resv_list *list)
{
	if (list)
		kvfree_rcu(list, rcu);
}

/**
 * dma_resv_list_put_fences - drop the references of a list
 * @list: a list that is no longer published, or NULL
 *
 * Context: Any.
 */
void dma_resv_list_put_fences(struct dma_resv_list *list)
{
	enum dma_resv_usage usage;

	for (unsigned int i = 0; list && i < list->num_fences; i++)
		dma_fence_put(dma_resv_list_entry(list, i, &usage));
}

static void store(struct dma_resv_list *list, unsigned int i,
		  struct dma_fence *fence, enum dma_resv_usage usage)
{
	/* The fence before the slot; pairs with dma_resv_list_get_rcu(). */
	smp_store_release(&list->slots[i], (unsigned long)fence | usage);
}

/**
 * dma_resv_list_append - use one more slot
 * @list: the list, with a free slot
 * @fence: what goes there; consumes a reference
 * @usage: and its usage
 *
 * Context: Any, lock held.
 */
void dma_resv_list_append(struct dma_resv_list *list, struct dma_fence *fence,
			  enum dma_resv_usage usage)
{
	unsigned int i = list->num_fences;

	index_add(list, i, fence->context);
	store(list, i, fence, usage);
	/* The slot before the count; pairs with the start of a walk. */
	smp_store_release(&list->num_fences, i + 1);
}

/**
 * dma_resv_list_replace - put another fence into a slot
 * @list: the list
 * @i: a slot in use
 * @fence: what goes there; consumes a reference
 * @usage: and its usage
 *
 * Context: Any, lock held.
 */
void dma_resv_list_replace(struct dma_resv_list *list, unsigned int i,
			   struct dma_fence *fence, enum dma_resv_usage usage)
{
	enum dma_resv_usage old_usage;
	struct dma_fence *old = dma_resv_list_entry(list, i, &old_usage);

	if (old->context != fence->context) {
		index_del(list, i, old->context);
		index_add(list, i, fence->context);
	}
	store(list, i, fence, usage);
	dma_fence_put(old);
}

/*
 * May slot @i hold @fence instead? Of one timeline the later fence stands for
 * the earlier one, but must not be waited for by fewer.
 */
static bool stands_for(struct dma_resv_list *list, unsigned int i,
		       struct dma_fence *fence, enum dma_resv_usage usage)
{
	enum dma_resv_usage old_usage;
	struct dma_fence *old = dma_resv_list_entry(list, i, &old_usage);

	return old->context == fence->context && old_usage >= usage &&
	       dma_fence_is_later_or_same(fence, old);
}

static bool is_done(struct dma_resv_list *list, unsigned int i)
{
	enum dma_resv_usage usage;

	return dma_fence_is_signaled(dma_resv_list_entry(list, i, &usage));
}

/*
 * The slot of the timeline comes first: were another one taken, a reader who has
 * passed that would find the earlier fence signalled and see no work, although
 * there was some all the time.
 */
static unsigned int find_in_short(struct dma_resv_list *list,
				  struct dma_fence *fence,
				  enum dma_resv_usage usage)
{
	unsigned int slot = list->num_fences;

	for (unsigned int i = 0; i < list->num_fences; i++) {
		if (stands_for(list, i, fence, usage))
			return i;
		if (slot == list->num_fences && is_done(list, i))
			slot = i;
	}
	return slot;
}

static unsigned int find_in_index(struct dma_resv_list *list,
				  struct dma_fence *fence,
				  enum dma_resv_usage usage)
{
	unsigned int i = *bucket_of(list, fence->context);

	while (i != NO_SLOT && !stands_for(list, i, fence, usage))
		i = index_next(list)[i];
	return i;
}

/**
 * dma_resv_list_find_slot - the slot that a fence can take
 * @list: the list
 * @fence: a fence that is to be added
 * @usage: and its usage
 *
 * That of an earlier fence of its timeline, or one whose fence has signalled.
 * Long lists are not searched for the latter: each call looks at the next two
 * slots, which is enough to reuse slots as fast as fences are added.
 *
 * Context: Any, lock held.
 * Return: Number of the slot; that of the first free one if there is none.
 */
unsigned int dma_resv_list_find_slot(struct dma_resv_list *list,
				     struct dma_fence *fence,
				     enum dma_resv_usage usage)
{
	unsigned int i;

	if (!has_index(list))
		return find_in_short(list, fence, usage);

	i = find_in_index(list, fence, usage);
	if (i != NO_SLOT)
		return i;
	for (int tries = 0; tries < 2 && list->num_fences; tries++) {
		if (list->hand >= list->num_fences)
			list->hand = 0;
		i = list->hand++;
		if (is_done(list, i))
			return i;
	}
	return list->num_fences;
}

/*
 * Look at slot @i. Returns the fence with a reference if it is pending and of a
 * usage wanted, else NULL; ERR_PTR(-EAGAIN) if it changed meanwhile.
 */
static __always_inline struct dma_fence *
look_rcu(struct dma_resv_list *list, unsigned int i,
	 enum dma_resv_usage wanted, enum dma_resv_usage *usage)
{
	/* Pairs with the release in store(). */
	unsigned long slot = smp_load_acquire(&list->slots[i]);
	struct dma_fence *fence;
	bool done;

	*usage = slot & DMA_RESV_USAGE_BITS;
	if (*usage > wanted)
		return NULL;

	/* The common case by far, one that has signalled, takes no reference. */
	fence = (struct dma_fence *)(slot & ~DMA_RESV_USAGE_BITS);
	done = test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &fence->flags);
	if (!done) {
		if (!dma_fence_get_rcu(fence))
			return ERR_PTR(-EAGAIN);
		/*
		 * That was the fence of this slot, and not another one in the
		 * same memory, if the slot refers to it still, since a slot
		 * holds a reference. Orders the look before the two that tell:
		 * at the slot here and at the list in the caller.
		 */
		smp_rmb();
		if (READ_ONCE(list->slots[i]) != slot) {
			dma_fence_put(fence);
			return ERR_PTR(-EAGAIN);
		}
		if (!dma_fence_is_signaled(fence))
			return fence;
	}

	/*
	 * A later one may have taken its place before it signalled. The
	 * reference, if there is one, keeps yet another one from getting the
	 * same address.
	 */
	smp_rmb();
	slot ^= READ_ONCE(list->slots[i]);
	if (!done)
		dma_fence_put(fence);
	return slot ? ERR_PTR(-EAGAIN) : NULL;
}

/**
 * dma_resv_list_next_rcu - find the next pending fence
 * @list: the list, or NULL
 * @index: slot to look at first; returned: the one after that of the fence, or
 *	the one to look at again
 * @end: slot to stop at; so many are in use
 * @wanted: leave out weaker usages than this
 * @usage: returned: usage of the fence
 *
 * The answer holds if @list is still the list of its object afterwards; what
 * an old list refers to may have become any other fence.
 *
 * Context: Any, RCU read section.
 * Return: The fence, with a reference for the caller; NULL if none of these
 * slots has one. ERR_PTR(-EAGAIN) if slot @index changed meanwhile.
 */
struct dma_fence *dma_resv_list_next_rcu(struct dma_resv_list *list,
					 unsigned int *index, unsigned int end,
					 enum dma_resv_usage wanted,
					 enum dma_resv_usage *usage)
{
	struct dma_fence *fence = NULL;
	unsigned int i = *index;

	while (i < end) {
		fence = look_rcu(list, i, wanted, usage);
		if (IS_ERR(fence))
			break;
		i++;
		if (fence)
			break;
	}
	*index = i;
	return fence;
}

/**
 * dma_resv_list_prev_rcu - find a pending fence from the end on
 * @list: the list
 * @index: look at the slots below this, which are in use; returned: that of the
 *	fence, or the one above the slot to look at again
 * @wanted: leave out weaker usages than this
 *
 * Context: Any, RCU read section.
 * Return: As dma_resv_list_next_rcu().
 */
struct dma_fence *dma_resv_list_prev_rcu(struct dma_resv_list *list,
					 unsigned int *index,
					 enum dma_resv_usage wanted)
{
	enum dma_resv_usage usage;
	struct dma_fence *fence;

	while (*index) {
		fence = look_rcu(list, *index - 1, wanted, &usage);
		if (IS_ERR(fence))
			return fence;
		--*index;
		if (fence)
			return fence;
	}
	return NULL;
}

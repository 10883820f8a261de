// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of fences inside a reservation object: its memory, its slots and the
 * index that finds a timeline's slot in constant time. What the fences mean, and
 * when a list is replaced, is in dma-resv.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/err.h>
#include <linux/hash.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/minmax.h>
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
 * *Length.* A slot whose fence has signalled is reused when the writer comes upon
 * it. What is not reused must not add up, as each walk under the lock visits it:
 * a list has at most
 *
 *	2 * pending + DMA_RESV_LIST_MIN + reserved
 *
 * slots in use, where *pending* is counted at the last reservation and *reserved*
 * is what that one was for. If there are more, the reservation makes a new list
 * of what is pending. So a list shrinks after a burst.
 *
 * Up to DMA_RESV_LIST_EXACT slots each reservation looks, and the bound is
 * strict. Looking through a longer list each time would make adding quadratic.
 * There the bound is strict for as long as *pending* does not fall. After it has
 * fallen, the list is within the bound again after as many reservations as it has
 * slots, at the latest; mostly with the next one, as each probes a slot. All this
 * costs DMA_RESV_LIST_LOOKS looks for each reservation and a few for each slot
 * that comes into use, see &struct census.
 *
 * *Index.* Adding a fence has to find the slot of its timeline. A list of more
 * than DMA_RESV_LIST_SHORT slots therefore has a hash table of its contexts, chained by
 * slot number: one array for the first slot of each bucket and one for the next
 * slot of each slot, both behind the slots. Readers do not use it. A fence of
 * context 0, which is no timeline, is entered by its address: what has no order
 * shares no bucket either.
 *
 * *Locking.* The writer holds the lock of the reservation object. Readers are in
 * an RCU read section.
 */

static u32 *index_buckets(struct dma_resv_list *list)
{
	return (u32 *)&list->slots[list->capacity];
}

static u32 *index_next(struct dma_resv_list *list)
{
	return index_buckets(list) + list->capacity;
}

/**
 * struct census - when to count what is pending in a long list
 * @looks: at so many slots the writer may look; earned by reservations, spent by
 *	counting
 * @limit: the bound, by what was pending at the last count; 0 before the first
 *
 * Behind the index.
 */
struct census {
	u32 looks;
	u32 limit;
};

static struct census *census_of(struct dma_resv_list *list)
{
	return (struct census *)(index_next(list) + list->capacity);
}

#if IS_ENABLED(CONFIG_DMABUF_KUNIT_TEST)
/* Steps along a bucket, of all lists; for tests, which have no other. */
u64 dma_resv_list_steps;

static void count_step(void)
{
	/* A test that counts is alone; no other one minds. */
	data_race(dma_resv_list_steps++);
}
#else
static void count_step(void) { }
#endif

/* One step along a bucket. */
static u32 *next_of(struct dma_resv_list *list, unsigned int i)
{
	count_step();
	return &index_next(list)[i];
}

/* The key of a fence in the index. */
static u64 key_of(const struct dma_fence *fence)
{
	return fence->context ?: (unsigned long)fence;
}

static u32 *bucket_of(struct dma_resv_list *list, u64 key)
{
	return &index_buckets(list)[hash_64(key, ilog2(list->capacity))];
}

/**
 * dma_resv_list_index_add - have a slot found by its fence's timeline
 * @list: a list with an index
 * @i: the slot
 * @fence: what it holds
 *
 * Context: Any, lock held.
 */
void dma_resv_list_index_add(struct dma_resv_list *list, unsigned int i,
			     const struct dma_fence *fence)
{
	u32 *bucket = bucket_of(list, key_of(fence));

	index_next(list)[i] = *bucket;
	*bucket = i;
}

static void index_del(struct dma_resv_list *list, unsigned int i,
		      const struct dma_fence *fence)
{
	u32 *at = bucket_of(list, key_of(fence));

	while (*at != i)
		at = next_of(list, *at);
	*at = index_next(list)[i];
}

static struct dma_resv_list *alloc_long(unsigned int *capacity, gfp_t gfp)
{
	struct dma_resv_list *list;
	size_t size;

	if (*capacity > INT_MAX / 2)
		return NULL;
	if (*capacity <= DMA_RESV_LIST_SHORT)
		*capacity = DMA_RESV_LIST_SHORT;
	else
		*capacity = roundup_pow_of_two(*capacity);

	size = struct_size(list, slots, *capacity);
	if (*capacity > DMA_RESV_LIST_SHORT)
		size = size_add(size_add(size, sizeof(struct census)),
				array_size(*capacity, 2 * sizeof(u32)));
	return kvmalloc(size, gfp | __GFP_NOWARN);
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

	/* Most are of this size, which the allocator likes to know beforehand. */
	if (capacity <= DMA_RESV_LIST_MIN) {
		capacity = DMA_RESV_LIST_MIN;
		list = kmalloc(struct_size(list, slots, DMA_RESV_LIST_MIN), gfp);
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
	if (dma_resv_list_has_index(list)) {
		memset32(index_buckets(list), DMA_RESV_NO_SLOT, capacity);
		*census_of(list) = (struct census){ .looks = capacity };
	}
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

/**
 * dma_resv_list_index_move - the slot gets another fence
 * @list: a list with an index
 * @i: the slot
 * @from: the fence so far
 * @to: that from now on
 *
 * Context: Any, lock held.
 */
void dma_resv_list_index_move(struct dma_resv_list *list, unsigned int i,
			      const struct dma_fence *from,
			      const struct dma_fence *to)
{
	if (key_of(from) == key_of(to))
		return;
	index_del(list, i, from);
	dma_resv_list_index_add(list, i, to);
}

/* Enter all slots in use. */
static void index_fill(struct dma_resv_list *list)
{
	enum dma_resv_usage usage;

	memset32(index_buckets(list), DMA_RESV_NO_SLOT, list->capacity);
	for (unsigned int i = 0; i < list->num_fences; i++)
		dma_resv_list_index_add(list, i,
					dma_resv_list_entry(list, i, &usage));
}

/* As dma_resv_list_replace(), but the index is the caller's business. */
static void replace_unindexed(struct dma_resv_list *list, unsigned int i,
			      struct dma_fence *fence,
			      enum dma_resv_usage usage)
{
	enum dma_resv_usage old_usage;
	struct dma_fence *old = dma_resv_list_entry(list, i, &old_usage);

	dma_resv_list_store(list, i, dma_fence_get(fence), usage);
	dma_fence_put(old);
}

/*
 * All slots of one timeline are in one bucket. Those that are replaced are taken
 * out first, lest they are met again, and entered again in the end.
 */
static void replace_indexed(struct dma_resv_list *list, u64 context,
			    struct dma_fence *fence, enum dma_resv_usage usage)
{
	u32 taken_out = DMA_RESV_NO_SLOT, *at = bucket_of(list, context), i;
	enum dma_resv_usage old_usage;

	while ((i = *at) != DMA_RESV_NO_SLOT) {
		u32 *next = next_of(list, i);

		if (dma_resv_list_entry(list, i, &old_usage)->context !=
		    context) {
			at = next;
			continue;
		}
		*at = *next;
		*next = taken_out;
		taken_out = i;
		replace_unindexed(list, i, fence, usage);
	}
	while ((i = taken_out) != DMA_RESV_NO_SLOT) {
		taken_out = *next_of(list, i);
		dma_resv_list_index_add(list, i, fence);
	}
}

/**
 * dma_resv_list_replace_context - put one fence into all slots of a context
 * @list: the list
 * @context: the timeline; or 0, whose fences are spread over the index
 * @fence: what goes there; gets a reference for each slot
 * @usage: and its usage
 *
 * Takes time for each slot once, and none for the slots of other timelines if
 * there is an index.
 *
 * Context: Any, lock held.
 */
void dma_resv_list_replace_context(struct dma_resv_list *list, u64 context,
				   struct dma_fence *fence,
				   enum dma_resv_usage usage)
{
	bool has_index = dma_resv_list_has_index(list), changed = false;
	enum dma_resv_usage old_usage;

	if (has_index && context) {
		replace_indexed(list, context, fence, usage);
		return;
	}
	for (unsigned int i = 0; i < list->num_fences; i++) {
		if (dma_resv_list_entry(list, i, &old_usage)->context !=
		    context)
			continue;
		replace_unindexed(list, i, fence, usage);
		changed = true;
	}
	if (has_index && changed)
		index_fill(list);
}

/**
 * dma_resv_list_find_in_index - the slot of a timeline in a long list
 * @list: a list with an index
 * @fence: a fence that is to be added
 * @usage: and its usage
 *
 * Context: Any, lock held.
 * Return: Number of a slot whose fence @fence stands for, or DMA_RESV_NO_SLOT.
 */
unsigned int dma_resv_list_find_in_index(struct dma_resv_list *list,
					 struct dma_fence *fence,
					 enum dma_resv_usage usage)
{
	unsigned int i = *bucket_of(list, key_of(fence));

	while (i != DMA_RESV_NO_SLOT &&
	       !dma_resv_list_stands_for(list, i, fence, usage))
		i = *next_of(list, i);
	return i;
}

/**
 * dma_resv_list_find_done - a slot whose fence has signalled
 * @list: a list with a slot in use
 *
 * Looks at the next two slots only, which is enough to reuse them as fast as
 * fences are added, if these signal in about the order in which they came.
 *
 * Context: Any, lock held.
 * Return: Number of the slot, or DMA_RESV_NO_SLOT.
 */
unsigned int dma_resv_list_find_done(struct dma_resv_list *list)
{
	enum dma_resv_usage usage;

	for (int tries = 0; tries < 2; tries++) {
		unsigned int i = list->hand < list->num_fences ? list->hand : 0;

		list->hand = i + 1;
		if (dma_fence_is_signaled(dma_resv_list_entry(list, i, &usage)))
			return i;
	}
	return DMA_RESV_NO_SLOT;
}

/**
 * dma_resv_list_find_any_done - look everywhere for a fence that has signalled
 * @list: the list, or NULL
 *
 * Context: Any, lock held.
 * Return: Number of the slot, or DMA_RESV_NO_SLOT.
 */
unsigned int dma_resv_list_find_any_done(struct dma_resv_list *list)
{
	enum dma_resv_usage usage;

	for (unsigned int i = 0; list && i < list->num_fences; i++) {
		if (dma_fence_is_signaled(dma_resv_list_entry(list, i, &usage)))
			return i;
	}
	return DMA_RESV_NO_SLOT;
}

/* Are so many pending? The slots filled last are looked at first. */
static bool has_pending(struct dma_resv_list *list, unsigned int wanted)
{
	unsigned int num = list->num_fences, i = list->hand;
	enum dma_resv_usage usage;

	for (unsigned int left = num; left; left--) {
		i = i ? i - 1 : num - 1;
		if (!dma_fence_is_signaled(dma_resv_list_entry(list, i, &usage)) &&
		    !--wanted)
			return true;
	}
	return false;
}

/**
 * dma_resv_list_count_pending - count the fences that have not signalled
 * @list: the list
 *
 * Context: Any, lock held.
 * Return: How many; they may be fewer by now.
 */
unsigned int dma_resv_list_count_pending(struct dma_resv_list *list)
{
	unsigned int pending = 0;
	enum dma_resv_usage usage;

	for (unsigned int i = 0; i < list->num_fences; i++)
		pending += !dma_fence_is_signaled(dma_resv_list_entry(list, i,
								      &usage));
	return pending;
}

/*
 * Is it time to look through a long list? Beyond the limit; when the looks that
 * were earned suffice twice; or when they suffice once and a probe has signalled.
 * The probe goes round with the hand, half a list away: if fences signal in the
 * order in which they came, it has signalled as soon as half of them have.
 */
static bool count_is_due(struct dma_resv_list *list)
{
	unsigned int num = list->num_fences, i = list->hand + num / 2;
	struct census *census = census_of(list);
	enum dma_resv_usage usage;

	census->looks = min(census->looks + DMA_RESV_LIST_LOOKS, 2 * num);
	if (num > census->limit || census->looks == 2 * num)
		return true;
	return census->looks >= num &&
	       dma_fence_is_signaled(dma_resv_list_entry(list, i < num ? i : i - num,
							 &usage));
}

/**
 * dma_resv_list_look_for_sparse - look whether too much of a list has signalled
 * @list: a list of more than the minimum
 *
 * Looks at as few slots as the bound on the length of a list allows.
 *
 * Context: Any, lock held.
 * Return: true if a new list has to be made; false also if it is not known.
 */
bool dma_resv_list_look_for_sparse(struct dma_resv_list *list)
{
	unsigned int num = list->num_fences, pending;
	struct census *census;

	if (num <= DMA_RESV_LIST_EXACT)
		return !has_pending(list, DIV_ROUND_UP(num - DMA_RESV_LIST_MIN, 2));
	if (!count_is_due(list))
		return false;

	pending = dma_resv_list_count_pending(list);
	census = census_of(list);
	census->looks -= min(census->looks, num);
	census->limit = 2 * pending + DMA_RESV_LIST_MIN;
	/* Well before the limit: the next count shall be worth its while. */
	return num > pending + pending / 2 + DMA_RESV_LIST_MIN;
}

/**
 * dma_resv_list_adopt - use slots that have been filled already
 * @list: an empty list that nobody else knows
 * @num_fences: so many of its slots hold a fence, with a reference, and a usage
 *
 * They count as reserved, so that room is enough until the object is unlocked.
 *
 * Context: Any.
 */
void dma_resv_list_adopt(struct dma_resv_list *list, unsigned int num_fences)
{
	list->num_fences = num_fences;
	list->reserved = num_fences;
	if (dma_resv_list_has_index(list))
		index_fill(list);
}

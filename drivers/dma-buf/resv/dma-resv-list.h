/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The list of fences inside a reservation object: slots that readers look at
 * under RCU while one writer, who holds the lock of the object, fills them.
 * What is done for each fence is inline.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_RESV_LIST_H
#define _DMA_RESV_LIST_H

#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/minmax.h>

#include "../fence/dma-fence-internal.h"

/**
 * struct dma_resv_list - the fences of a reservation object
 * @rcu: readers may look at it for a grace period after it was replaced
 * @id: tells lists apart, also from one that had the same address before
 * @num_fences: slots in use; stored after the slot, so that readers never see
 *	a count without the fence
 * @reserved: slots that adding may come to use at least; 0 if nothing has been
 *	reserved, writer
 * @capacity: slots there are, immutable
 * @hand: slot to look at next for a fence that has signalled, writer
 * @slots: fence and usage, see dma_resv_list_entry(); larger lists have an
 *	index behind it, see dma-resv-list.c
 */
struct dma_resv_list {
	struct rcu_head rcu;
	u64 id;
	unsigned int num_fences;
	unsigned int reserved;
	unsigned int capacity;
	unsigned int hand;
	unsigned long slots[];
};

struct dma_resv_list *dma_resv_list_alloc(unsigned int capacity, gfp_t gfp);
void dma_resv_list_free(struct dma_resv_list *list);
void dma_resv_list_put_fences(struct dma_resv_list *list);
void dma_resv_list_index_add(struct dma_resv_list *list, unsigned int i,
			     const struct dma_fence *fence);
void dma_resv_list_adopt(struct dma_resv_list *list, unsigned int num_fences);
void dma_resv_list_index_move(struct dma_resv_list *list, unsigned int i,
			      const struct dma_fence *from,
			      const struct dma_fence *to);
void dma_resv_list_replace_context(struct dma_resv_list *list, u64 context,
				   struct dma_fence *fence,
				   enum dma_resv_usage usage);
unsigned int dma_resv_list_find_in_index(struct dma_resv_list *list,
					 struct dma_fence *fence,
					 enum dma_resv_usage usage);
unsigned int dma_resv_list_count_pending(struct dma_resv_list *list);
bool dma_resv_list_look_for_sparse(struct dma_resv_list *list);
unsigned int dma_resv_list_find_done(struct dma_resv_list *list);
unsigned int dma_resv_list_find_any_done(struct dma_resv_list *list);

/* For tests. */
extern u64 dma_resv_list_steps;

/* dma-resv-iter.c */
struct dma_fence *dma_resv_get_pending(struct dma_resv *obj,
				       enum dma_resv_usage usage,
				       unsigned int *index);
bool dma_resv_is_only_fence(struct dma_resv *obj, struct dma_fence *fence);
unsigned int dma_resv_collect(struct dma_resv *obj, enum dma_resv_usage usage,
			      unsigned long *slots, unsigned int room,
			      unsigned int *num);

/* Fences are aligned: the two lowest bits of a slot are the usage. */
#define DMA_RESV_USAGE_BITS 3UL

/* What is in slot @i; for the writer, or under the lock. */
static inline struct dma_fence *dma_resv_list_entry(struct dma_resv_list *list,
						    unsigned int i,
						    enum dma_resv_usage *usage)
{
	unsigned long slot = list->slots[i];

	*usage = slot & DMA_RESV_USAGE_BITS;
	return (struct dma_fence *)(slot & ~DMA_RESV_USAGE_BITS);
}

/*
 * The first list of an object is of DMA_RESV_LIST_MIN slots, and those of up to
 * DMA_RESV_LIST_SHORT have no index but are searched from end to end. On 64 bit
 * both fill a slab object, of 96 and of 192 bytes, to the last byte.
 */
#define DMA_RESV_LIST_MIN 7
#define DMA_RESV_LIST_SHORT 19

/*
 * The bound on the length of a list, see there, is strict up to so many slots in
 * use; beyond, so many are looked at for each reservation.
 */
#define DMA_RESV_LIST_EXACT 32
#define DMA_RESV_LIST_LOOKS 4

/* So many slots are used before signalled ones are reused. */
#define DMA_RESV_LIST_FEW 9U

/* No slot; also the end of a chain in the index. */
#define DMA_RESV_NO_SLOT UINT_MAX

static inline bool dma_resv_list_has_index(const struct dma_resv_list *list)
{
	return list->capacity > DMA_RESV_LIST_SHORT;
}

static inline void dma_resv_list_store(struct dma_resv_list *list,
				       unsigned int i, struct dma_fence *fence,
				       enum dma_resv_usage usage)
{
	/* The fence before the slot; pairs with dma_resv_list_look_rcu(). */
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
static inline void dma_resv_list_append(struct dma_resv_list *list,
					struct dma_fence *fence,
					enum dma_resv_usage usage)
{
	unsigned int i = list->num_fences;

	if (dma_resv_list_has_index(list))
		dma_resv_list_index_add(list, i, fence);
	dma_resv_list_store(list, i, fence, usage);
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
static inline void dma_resv_list_replace(struct dma_resv_list *list,
					 unsigned int i,
					 struct dma_fence *fence,
					 enum dma_resv_usage usage)
{
	enum dma_resv_usage old_usage;
	struct dma_fence *old = dma_resv_list_entry(list, i, &old_usage);

	if (dma_resv_list_has_index(list) &&
	    (old->context != fence->context || !fence->context))
		dma_resv_list_index_move(list, i, old, fence);
	dma_resv_list_store(list, i, fence, usage);
	dma_fence_put(old);
}

/* Has too much of a list signalled? See "Lists of fences". */
static inline bool dma_resv_list_is_sparse(struct dma_resv_list *list)
{
	return list->num_fences > DMA_RESV_LIST_MIN &&
	       dma_resv_list_look_for_sparse(list);
}

/*
 * May slot @i hold @fence instead? Of one timeline the later fence stands for
 * the earlier one, but must not be waited for by fewer. Context 0 is no
 * timeline: there a fence stands for itself alone.
 */
static inline bool dma_resv_list_stands_for(struct dma_resv_list *list,
					    unsigned int i,
					    struct dma_fence *fence,
					    enum dma_resv_usage usage)
{
	enum dma_resv_usage old_usage;
	struct dma_fence *old = dma_resv_list_entry(list, i, &old_usage);

	if (likely(old->context != fence->context) || old_usage < usage)
		return false;
	return old == fence ||
	       (fence->context && dma_fence_is_later(fence, old));
}

/**
 * dma_resv_list_find_slot - the slot that a fence can take
 * @list: the list
 * @fence: a fence that is to be added
 * @usage: and its usage
 *
 * That of an earlier fence of its timeline, or else, if more than a few slots are
 * in use, one whose fence has signalled. The timeline's comes first:
 * were another one taken, a reader who has passed that would find the earlier
 * fence signalled and see no work, although there was some all the time.
 *
 * Context: Any, lock held.
 * Return: Number of the slot, or DMA_RESV_NO_SLOT.
 */
static inline unsigned int
dma_resv_list_find_slot(struct dma_resv_list *list, struct dma_fence *fence,
			enum dma_resv_usage usage)
{
	unsigned int num = list->num_fences, i;

	if (dma_resv_list_has_index(list)) {
		i = dma_resv_list_find_in_index(list, fence, usage);
		if (i != DMA_RESV_NO_SLOT)
			return i;
	} else {
		for (i = 0; i < num; i++)
			if (dma_resv_list_stands_for(list, i, fence, usage))
				return i;
	}
	/* While there are few, a signalled fence is in nobody's way. */
	if (num < min(list->capacity - 1, DMA_RESV_LIST_FEW))
		return DMA_RESV_NO_SLOT;
	return dma_resv_list_find_done(list);
}

/*
 * Look at slot @i. Returns the fence with a reference if it is pending and of a
 * usage wanted, else NULL; ERR_PTR(-EAGAIN) if it changed meanwhile.
 */
static __always_inline struct dma_fence *
dma_resv_list_look_rcu(struct dma_resv_list *list, unsigned int i,
		       enum dma_resv_usage wanted, enum dma_resv_usage *usage)
{
	/* Pairs with the release in dma_resv_list_store(). */
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
		if (!dma_fence_is_signaled_rcu(fence))
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
static __always_inline struct dma_fence *
dma_resv_list_next_rcu(struct dma_resv_list *list, unsigned int *index,
		       unsigned int end, enum dma_resv_usage wanted,
		       enum dma_resv_usage *usage)
{
	struct dma_fence *fence = NULL;
	unsigned int i = *index;

	while (i < end) {
		fence = dma_resv_list_look_rcu(list, i, wanted, usage);
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
static __always_inline struct dma_fence *
dma_resv_list_prev_rcu(struct dma_resv_list *list, unsigned int *index,
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

#endif /* _DMA_RESV_LIST_H */

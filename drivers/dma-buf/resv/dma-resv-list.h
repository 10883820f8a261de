/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The list of fences inside a reservation object, as the files of this
 * directory share it. Readers walk the list under RCU while one writer, who
 * holds the lock of the object, fills it. The list does not know its object:
 * the callers of its functions assert the lock.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _DMA_RESV_LIST_H
#define _DMA_RESV_LIST_H

#include <linux/bitops.h>
#include <linux/build_bug.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/kref.h>

#include "../fence/dma-fence-internal.h"

/**
 * struct dma_resv_slot - a fence and its usage in one word
 * @word: the address of the fence; the usage is in the bits that the alignment
 *	of fences leaves free
 *
 * A single word, so that a reader never sees one fence with the usage of
 * another.
 */
struct dma_resv_slot {
	unsigned long word;
};

#define DMA_RESV_SLOT_USAGE 3UL

static_assert(DMA_RESV_USAGE_BOOKKEEP <= DMA_RESV_SLOT_USAGE);
static_assert(__alignof__(struct dma_fence) > DMA_RESV_SLOT_USAGE);

static inline struct dma_resv_slot
dma_resv_slot_make(struct dma_fence *fence, enum dma_resv_usage usage)
{
	return (struct dma_resv_slot){ (unsigned long)fence | usage };
}

static inline struct dma_fence *dma_resv_slot_fence(struct dma_resv_slot slot)
{
	return (struct dma_fence *)(slot.word & ~DMA_RESV_SLOT_USAGE);
}

static inline enum dma_resv_usage dma_resv_slot_usage(struct dma_resv_slot slot)
{
	return slot.word & DMA_RESV_SLOT_USAGE;
}

/**
 * struct dma_resv_list - the fences of a reservation object
 * @rcu: keeps a replaced list for one grace period, for its readers
 * @id: identifies the list; unlike its address, it is never reused
 * @num_fences: slots in use; published after the slot, so that a reader never
 *	counts a slot without a fence
 * @reserved: slots that the writer may use, those in use included; 0 after
 *	dma_resv_unreserve(). Private to the writer
 * @capacity: number of @slots, immutable
 * @hand: slot that the search for a signalled fence probes next. Private to the
 *	writer
 * @slots: the fences, each with a reference; the tail of a longer list follows,
 *	see dma_resv_list_tail()
 */
struct dma_resv_list {
	struct rcu_head rcu;
	u64 id;
	unsigned int num_fences;
	unsigned int reserved;
	unsigned int capacity;
	unsigned int hand;
	struct dma_resv_slot slots[];
};

/**
 * struct dma_resv_list_tail - what a list of more than DMA_RESV_LIST_SHORT has
 * @looks: slots that the writer may look at to count pending fences; each
 *	reservation earns a few, each count spends them
 * @limit: the bound on the length, by the last count; 0 before the first
 * @index: @capacity bucket heads, then @capacity links from slot to slot
 *
 * Private to the writer: dma-resv-bound.c owns the first two, dma-resv-index.c
 * the index.
 */
struct dma_resv_list_tail {
	u32 looks;
	u32 limit;
	u32 index[];
};

/**
 * struct dma_resv_collection - the pending fences of an object
 * @with_usages: immutable, says where they go: into @list or into @fences
 * @list: a list, not published; NULL if no fence is pending
 * @fences: an array for kfree(); NULL if no fence is pending
 * @room: the number of fences that @list or @fences can hold
 * @num: the number of fences, each with a reference for the owner of this
 */
struct dma_resv_collection {
	bool with_usages;
	struct dma_resv_list *list;
	struct dma_fence **fences;
	unsigned int room;
	unsigned int num;
};

/*
 * The memory of the first list of an object, and of the longest list without a
 * tail. Both are sizes of kmalloc() caches, and the slots fill them completely:
 * 7 and 19 slots on 64 bit, 8 and 24 on 32 bit.
 */
#define DMA_RESV_LIST_MIN_SIZE (IS_ENABLED(CONFIG_64BIT) ? 96 : 64)
#define DMA_RESV_LIST_SHORT_SIZE (IS_ENABLED(CONFIG_64BIT) ? 192 : 128)

#define DMA_RESV_LIST_SLOTS(size) \
	((unsigned int)(((size) - sizeof(struct dma_resv_list)) / \
			sizeof(struct dma_resv_slot)))

#define DMA_RESV_LIST_MIN DMA_RESV_LIST_SLOTS(DMA_RESV_LIST_MIN_SIZE)
#define DMA_RESV_LIST_SHORT DMA_RESV_LIST_SLOTS(DMA_RESV_LIST_SHORT_SIZE)

/*
 * Up to DMA_RESV_LIST_EXACT slots each reservation enforces the bound on the
 * length of a list, see "Lists of fences": a look at every slot still costs
 * less than an allocation. Each reservation on a longer list earns
 * DMA_RESV_LIST_LOOKS looks.
 */
#define DMA_RESV_LIST_EXACT 32
#define DMA_RESV_LIST_LOOKS 4

/* The count of a list of more than DMA_RESV_LIST_EXACT slots is in its tail. */
static_assert(DMA_RESV_LIST_EXACT >= DMA_RESV_LIST_SHORT);

/* No slot; in the index, the end of a bucket. */
#define DMA_RESV_NO_SLOT UINT_MAX

static inline bool dma_resv_list_has_tail(const struct dma_resv_list *list)
{
	return list->capacity > DMA_RESV_LIST_SHORT;
}

static inline struct dma_resv_list_tail *
dma_resv_list_tail(struct dma_resv_list *list)
{
	return (struct dma_resv_list_tail *)&list->slots[list->capacity];
}

/* The fence in slot @i, for the writer. */
static inline struct dma_fence *
dma_resv_list_fence(const struct dma_resv_list *list, unsigned int i)
{
	return dma_resv_slot_fence(list->slots[i]);
}

static inline enum dma_resv_usage
dma_resv_list_usage(const struct dma_resv_list *list, unsigned int i)
{
	return dma_resv_slot_usage(list->slots[i]);
}

/*
 * Return whether @fence may take @slot. Within one timeline the later fence
 * stands for the earlier one, unless fewer waiters would wait for it. Fences of
 * context 0 have no order: each stands for itself alone.
 */
static inline bool dma_resv_slot_stands_for(struct dma_resv_slot slot,
					    struct dma_fence *fence,
					    enum dma_resv_usage usage)
{
	struct dma_fence *old = dma_resv_slot_fence(slot);

	if (old->context != fence->context || dma_resv_slot_usage(slot) < usage)
		return false;
	return old == fence ||
	       (fence->context && dma_fence_is_later(fence, old));
}

/* Return the number of slots that a reader may look at. */
static inline unsigned int dma_resv_list_length(struct dma_resv_list *list)
{
	/* Pairs with the release in append(). */
	return list ? smp_load_acquire(&list->num_fences) : 0;
}

/* Read a slot without the lock. */
static inline struct dma_resv_slot
dma_resv_slot_load(const struct dma_resv_slot *at)
{
	/* Makes the fence visible. Pairs with the release in store(). */
	return (struct dma_resv_slot){ smp_load_acquire(&at->word) };
}

/* Fill a slot, for the writer. */
static inline void dma_resv_slot_store(struct dma_resv_slot *at,
				       struct dma_fence *fence,
				       enum dma_resv_usage usage)
{
	/* Publishes the initialised fence. Pairs with the acquire in load(). */
	smp_store_release(&at->word, dma_resv_slot_make(fence, usage).word);
}

/*
 * Replace the fence in slot @i, but not in the index. Consumes a reference to
 * @fence.
 */
static inline void dma_resv_list_set(struct dma_resv_list *list, unsigned int i,
				     struct dma_fence *fence,
				     enum dma_resv_usage usage)
{
	struct dma_fence *old = dma_resv_list_fence(list, i);

	dma_resv_slot_store(&list->slots[i], fence, usage);
	dma_fence_put(old);
}

/* Read a slot again. Return whether it has changed since it was @slot. */
static inline bool dma_resv_slot_has_changed(const struct dma_resv_slot *at,
					     struct dma_resv_slot slot)
{
	/* Orders the look at the fence before this one at the slot. */
	smp_rmb();
	return READ_ONCE(at->word) != slot.word;
}

struct dma_fence *dma_resv_slot_reject_rcu(const struct dma_resv_slot *at,
					   struct dma_resv_slot slot);

/*
 * Get the fence that a reader has found pending in a slot, with a reference;
 * NULL if it has signalled; ERR_PTR(-EAGAIN) if the slot has changed.
 */
static inline struct dma_fence *
dma_resv_slot_get_rcu(const struct dma_resv_slot *at, struct dma_resv_slot slot)
{
	struct dma_fence *fence = dma_resv_slot_fence(slot);

	if (!kref_get_unless_zero(&fence->refcount))
		return ERR_PTR(-EAGAIN);
	/*
	 * Until then the memory may have become another fence, but not if the
	 * slot, which holds a reference, still refers to it.
	 */
	if (!dma_resv_slot_has_changed(at, slot) &&
	    !dma_fence_is_signaled_rcu(fence))
		return fence;
	return dma_resv_slot_reject_rcu(at, slot);
}

/*
 * Return the fence in slot @i with a reference, if it is pending and of a usage
 * not weaker than @wanted; NULL if not; ERR_PTR(-EAGAIN) if the slot has
 * changed meanwhile. A signalled fence, by far the common case, takes no
 * reference.
 *
 * The answer is valid only if @list is still the list of its object afterwards:
 * the memory of the fences of a replaced list may hold any other fence.
 */
static inline struct dma_fence *
dma_resv_list_look_rcu(struct dma_resv_list *list, unsigned int i,
		       enum dma_resv_usage wanted, enum dma_resv_usage *usage)
{
	const struct dma_resv_slot *at = &list->slots[i];
	struct dma_resv_slot slot = dma_resv_slot_load(at);

	*usage = dma_resv_slot_usage(slot);
	if (*usage > wanted)
		return NULL;
	if (!test_bit(DMA_FENCE_FLAG_SIGNALED_BIT,
		      &dma_resv_slot_fence(slot)->flags))
		return dma_resv_slot_get_rcu(at, slot);
	/* A later fence may have taken the slot before this one signalled. */
	return dma_resv_slot_has_changed(at, slot) ? ERR_PTR(-EAGAIN) : NULL;
}

/* dma-resv-list.c */
struct dma_resv_list *dma_resv_list_alloc(unsigned int capacity, gfp_t gfp);
void dma_resv_list_free(struct dma_resv_list *list);
void dma_resv_list_put_fences(struct dma_resv_list *list);
void dma_resv_list_adopt(struct dma_resv_list *list, unsigned int num_fences);
void dma_resv_list_replace_context(struct dma_resv_list *list, u64 context,
				   struct dma_fence *fence,
				   enum dma_resv_usage usage);
unsigned int dma_resv_list_find_slot(struct dma_resv_list *list,
				     struct dma_fence *fence,
				     enum dma_resv_usage usage);
bool dma_resv_list_replace_done(struct dma_resv_list *list,
				struct dma_fence *fence,
				enum dma_resv_usage usage);

/* dma-resv-collect.c */
unsigned int dma_resv_try_collect(struct dma_resv *obj,
				  enum dma_resv_usage usage,
				  struct dma_resv_collection *to);
int dma_resv_collect(struct dma_resv *obj, enum dma_resv_usage usage,
		     struct dma_resv_collection *to);

/* dma-resv-bound.c */
void dma_resv_bound_init(struct dma_resv_list *list);
unsigned int dma_resv_list_count_pending(const struct dma_resv_list *list);
unsigned int dma_resv_list_probe(struct dma_resv_list *list);
bool dma_resv_list_look_for_sparse(struct dma_resv_list *list);

/*
 * Return whether too much of a list has signalled. The shortest list never has.
 */
static inline bool dma_resv_list_is_sparse(struct dma_resv_list *list)
{
	return list->num_fences > DMA_RESV_LIST_MIN &&
	       dma_resv_list_look_for_sparse(list);
}

/* dma-resv-index.c */
size_t dma_resv_index_size(unsigned int capacity);
void dma_resv_index_init(struct dma_resv_list *list);
void dma_resv_index_fill(struct dma_resv_list *list);
void dma_resv_index_add(struct dma_resv_list *list, unsigned int i,
			const struct dma_fence *fence);
void dma_resv_index_set(struct dma_resv_list *list, unsigned int i,
			struct dma_fence *fence, enum dma_resv_usage usage);
unsigned int dma_resv_index_find(struct dma_resv_list *list,
				 struct dma_fence *fence,
				 enum dma_resv_usage usage);
void dma_resv_index_replace(struct dma_resv_list *list, u64 context,
			    struct dma_fence *fence,
			    enum dma_resv_usage usage);

/* Use one more slot, which must exist. Consumes a reference to @fence. */
static inline void dma_resv_list_append(struct dma_resv_list *list,
					struct dma_fence *fence,
					enum dma_resv_usage usage)
{
	unsigned int i = list->num_fences;

	if (dma_resv_list_has_tail(list))
		dma_resv_index_add(list, i, fence);
	dma_resv_slot_store(&list->slots[i], fence, usage);
	/* Publishes the slot. Pairs with the acquire in length(). */
	smp_store_release(&list->num_fences, i + 1);
}

/* Replace the fence in slot @i. Consumes a reference to @fence. */
static inline void dma_resv_list_replace(struct dma_resv_list *list,
					 unsigned int i,
					 struct dma_fence *fence,
					 enum dma_resv_usage usage)
{
	if (dma_resv_list_has_tail(list))
		dma_resv_index_set(list, i, fence, usage);
	else
		dma_resv_list_set(list, i, fence, usage);
}

/* Links followed in all indexes, for tests. */
extern u64 dma_resv_index_steps;

#endif /* _DMA_RESV_LIST_H */

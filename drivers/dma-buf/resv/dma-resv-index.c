// SPDX-License-Identifier: GPL-2.0-only
/*
 * The index of a long list of fences: a hash table from the context of a fence
 * to its slots, so that the writer finds the slot of a timeline in constant
 * time. Readers do not use it.
 *
 * The table is two arrays of slot numbers behind the slots: the first slot of
 * each bucket, and for each slot the next one of its bucket. A fence of context
 * 0 is entered by its address, since fences without an order are never searched
 * for by their context and must not share one bucket.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/compiler.h>
#include <linux/hash.h>
#include <linux/kconfig.h>
#include <linux/log2.h>
#include <linux/overflow.h>
#include <linux/string.h>

#include "dma-resv-list.h"

#if IS_ENABLED(CONFIG_DMABUF_KUNIT_TEST)
u64 dma_resv_index_steps;

static void count_step(void)
{
	/* A test that compares counts runs alone; no other reader exists. */
	data_race(dma_resv_index_steps++);
}
#else
static void count_step(void) { }
#endif

static u32 *heads_of(struct dma_resv_list *list)
{
	return dma_resv_list_tail(list)->index;
}

static u32 *links_of(struct dma_resv_list *list)
{
	return heads_of(list) + list->capacity;
}

/* The link from slot @i to the next slot of its bucket. */
static u32 *next_of(struct dma_resv_list *list, unsigned int i)
{
	count_step();
	return &links_of(list)[i];
}

static u64 key_of(const struct dma_fence *fence)
{
	return fence->context ?: (unsigned long)fence;
}

/* The capacity of a list with an index is a power of two. */
static u32 *head_of(struct dma_resv_list *list, u64 key)
{
	return &heads_of(list)[hash_64(key, ilog2(list->capacity))];
}

/**
 * dma_resv_index_size - return the size of the tail of a list
 * @capacity: the slots of the list
 *
 * Context: Any.
 * Return: The size in bytes, or SIZE_MAX if it overflows.
 */
size_t dma_resv_index_size(unsigned int capacity)
{
	return size_add(sizeof(struct dma_resv_list_tail),
			array_size(capacity, 2 * sizeof(u32)));
}

/**
 * dma_resv_index_init - make the index empty
 * @list: a list with a tail
 *
 * Context: Any; the writer.
 */
void dma_resv_index_init(struct dma_resv_list *list)
{
	memset32(heads_of(list), DMA_RESV_NO_SLOT, list->capacity);
}

/**
 * dma_resv_index_fill - make the index anew from the slots in use
 * @list: a list with a tail
 *
 * Context: Any; the writer.
 */
void dma_resv_index_fill(struct dma_resv_list *list)
{
	dma_resv_index_init(list);
	for (unsigned int i = 0; i < list->num_fences; i++)
		dma_resv_index_add(list, i, dma_resv_list_fence(list, i));
}

/**
 * dma_resv_index_add - enter a slot by its fence
 * @list: a list with a tail
 * @i: the slot
 * @fence: the fence that the slot holds, or is about to hold
 *
 * Context: Any; the writer.
 */
void dma_resv_index_add(struct dma_resv_list *list, unsigned int i,
			const struct dma_fence *fence)
{
	u32 *head = head_of(list, key_of(fence));

	links_of(list)[i] = *head;
	*head = i;
}

/* Enter slot @i by the fence @to instead of @from. */
static void move(struct dma_resv_list *list, unsigned int i,
		 const struct dma_fence *from, const struct dma_fence *to)
{
	u32 *at = head_of(list, key_of(from));

	while (*at != i)
		at = next_of(list, *at);
	*at = links_of(list)[i];
	dma_resv_index_add(list, i, to);
}

/**
 * dma_resv_index_set - replace the fence in a slot and in the index
 * @list: a list with a tail
 * @i: a slot in use
 * @fence: the new fence; consumes a reference
 * @usage: its usage
 *
 * Context: Any; the writer.
 */
void dma_resv_index_set(struct dma_resv_list *list, unsigned int i,
			struct dma_fence *fence, enum dma_resv_usage usage)
{
	struct dma_fence *old = dma_resv_list_fence(list, i);

	if (key_of(old) != key_of(fence))
		move(list, i, old, fence);
	dma_resv_list_set(list, i, fence, usage);
}

/**
 * dma_resv_index_find - find the slot of a timeline
 * @list: a list with a tail
 * @fence: a fence that is to be added
 * @usage: its usage
 *
 * Context: Any; the writer.
 * Return: The number of a slot whose fence @fence stands for, or
 * DMA_RESV_NO_SLOT.
 */
unsigned int dma_resv_index_find(struct dma_resv_list *list,
				 struct dma_fence *fence,
				 enum dma_resv_usage usage)
{
	unsigned int i = *head_of(list, key_of(fence));

	while (i != DMA_RESV_NO_SLOT &&
	       !dma_resv_slot_stands_for(list->slots[i], fence, usage))
		i = *next_of(list, i);
	return i;
}

/**
 * dma_resv_index_replace - replace all fences of a timeline by one
 * @list: a list with a tail
 * @context: the timeline, not 0
 * @fence: the new fence; gets a reference for each slot
 * @usage: its usage
 *
 * All slots of the timeline are in one bucket, and go to one bucket. That may be
 * the same, so they are entered again only after the search, which would meet
 * them twice otherwise.
 *
 * Context: Any; the writer.
 */
void dma_resv_index_replace(struct dma_resv_list *list, u64 context,
			    struct dma_fence *fence, enum dma_resv_usage usage)
{
	u32 *at = head_of(list, context), *head, i;
	u32 taken_out, *end = &taken_out;

	while ((i = *at) != DMA_RESV_NO_SLOT) {
		u32 *next = next_of(list, i);

		if (dma_resv_list_fence(list, i)->context != context) {
			at = next;
			continue;
		}
		*at = *next;
		*end = i;
		end = next;
		dma_resv_list_set(list, i, dma_fence_get(fence), usage);
	}
	head = head_of(list, key_of(fence));
	*end = *head;
	*head = taken_out;
}

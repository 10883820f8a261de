// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bound on the length of a list of fences, which "Lists of fences" in
 * dma-resv-list.c states: which slots of a long list to use again, when to
 * count the pending fences of a list, and whether too many of the others are
 * left in it.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/math.h>
#include <linux/minmax.h>

#include "dma-resv-list.h"

static bool has_signaled(const struct dma_resv_list *list, unsigned int i)
{
	return dma_fence_is_signaled(dma_resv_list_fence(list, i));
}

/**
 * dma_resv_bound_init - let the first reservation on a long list count
 * @list: a list with a tail
 *
 * Context: Any; the writer.
 */
void dma_resv_bound_init(struct dma_resv_list *list)
{
	struct dma_resv_list_tail *tail = dma_resv_list_tail(list);

	tail->looks = list->capacity;
	tail->limit = 0;
}

/*
 * Return whether @wanted fences are pending. Looks at the newest slots first.
 */
static bool has_pending(const struct dma_resv_list *list, unsigned int wanted)
{
	unsigned int num = list->num_fences, i = list->hand;

	for (unsigned int left = num; left; left--) {
		i = i ? i - 1 : num - 1;
		if (!has_signaled(list, i) && !--wanted)
			return true;
	}
	return false;
}

/**
 * dma_resv_list_count_pending - count the fences that have not signalled
 * @list: the list
 *
 * Context: Any; the writer.
 * Return: The number; fences may have signalled since they were counted.
 */
unsigned int dma_resv_list_count_pending(const struct dma_resv_list *list)
{
	unsigned int pending = 0;

	for (unsigned int i = 0; i < list->num_fences; i++)
		pending += !has_signaled(list, i);
	return pending;
}

/**
 * dma_resv_list_probe - look for a slot of a long list to use again
 * @list: the list
 *
 * Two probes for each fence added suffice to reuse slots as fast as they come
 * into use, if fences signal in about the order in which they came.
 *
 * Context: Any; the writer.
 * Return: A slot whose fence has signalled, or DMA_RESV_NO_SLOT.
 */
unsigned int dma_resv_list_probe(struct dma_resv_list *list)
{
	unsigned int probes = min(list->num_fences, 2U);

	for (unsigned int i = 0; i < probes; i++) {
		unsigned int at = list->hand < list->num_fences ? list->hand : 0;

		list->hand = at + 1;
		if (has_signaled(list, at))
			return at;
	}
	return DMA_RESV_NO_SLOT;
}

/*
 * Return whether to count the pending fences of a long list: when it is beyond
 * its limit, when the looks earned suffice for two counts, or when they suffice
 * for one and a probe has signalled. The probe is half a list ahead of the
 * hand: if fences signal in the order in which they came, it has signalled as
 * soon as half of them have.
 */
static bool count_is_due(struct dma_resv_list *list)
{
	unsigned int num = list->num_fences, probe = list->hand + num / 2;
	struct dma_resv_list_tail *tail = dma_resv_list_tail(list);

	tail->looks = min(tail->looks + DMA_RESV_LIST_LOOKS, 2 * num);
	if (num > tail->limit || tail->looks == 2 * num)
		return true;
	return tail->looks >= num &&
	       has_signaled(list, probe < num ? probe : probe - num);
}

/**
 * dma_resv_list_look_for_sparse - look whether too much of a list has signalled
 * @list: a list with more than DMA_RESV_LIST_MIN slots in use
 *
 * Looks at as few slots as the bound on the length of a list allows.
 *
 * Context: Any; the writer.
 * Return: true if the writer has to make a new list; false if not, or if it is
 * not time to count.
 */
bool dma_resv_list_look_for_sparse(struct dma_resv_list *list)
{
	unsigned int num = list->num_fences, pending;
	struct dma_resv_list_tail *tail;

	if (num <= DMA_RESV_LIST_EXACT)
		return !has_pending(list, DIV_ROUND_UP(num - DMA_RESV_LIST_MIN, 2));
	if (!count_is_due(list))
		return false;

	pending = dma_resv_list_count_pending(list);
	tail = dma_resv_list_tail(list);
	tail->looks -= min(tail->looks, num);
	tail->limit = 2 * pending + DMA_RESV_LIST_MIN;
	/* Well before the limit, so that a new list is worth the count. */
	return num > pending + pending / 2 + DMA_RESV_LIST_MIN;
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Looking through containers: the visit of the fences in a chain of arrays, and
 * the merge of several fences into the smallest one that stands for them all.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/dma-fence-array.h>
#include <linux/dma-fence-chain.h>
#include <linux/dma-fence-unwrap.h>
#include <linux/export.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "dma-buf-internal.h"

/* First fence of the link that the cursor is on, or of the next that has one. */
static struct dma_fence *enter_link(struct dma_fence_unwrap *cursor)
{
	struct dma_fence *fence;

	for (; cursor->chain;
	     cursor->chain = dma_fence_chain_walk(cursor->chain)) {
		cursor->array = dma_fence_chain_contained(cursor->chain);
		cursor->index = 0;
		fence = dma_fence_array_first(cursor->array);
		if (fence)
			return fence;
	}
	return NULL;
}

/**
 * dma_fence_unwrap_first - begin to visit
 * @head: chain, array or plain fence, or NULL
 * @cursor: gets a reference to @head
 *
 * Context: Any.
 * Return: The first fence, valid until the next step; NULL if there is none.
 */
struct dma_fence *dma_fence_unwrap_first(struct dma_fence *head,
					 struct dma_fence_unwrap *cursor)
{
	cursor->chain = dma_fence_get(head);
	return enter_link(cursor);
}
EXPORT_SYMBOL_GPL(dma_fence_unwrap_first);

/**
 * dma_fence_unwrap_next - go on
 * @cursor: where the visit is
 *
 * Context: Any.
 * Return: The next fence, valid until the next step; NULL if there is none, and
 * the cursor then holds no reference.
 */
struct dma_fence *dma_fence_unwrap_next(struct dma_fence_unwrap *cursor)
{
	struct dma_fence *fence;

	fence = dma_fence_array_next(cursor->array, ++cursor->index);
	if (fence)
		return fence;

	cursor->chain = dma_fence_chain_walk(cursor->chain);
	return enter_link(cursor);
}
EXPORT_SYMBOL_GPL(dma_fence_unwrap_next);

/**
 * dma_fence_unwrap_count - how many fences a visit sees
 * @fence: chain, array or plain fence
 *
 * Later there may be fewer, as chains lose links that have signalled; never more.
 *
 * Context: Any.
 * Return: The number.
 */
unsigned int dma_fence_unwrap_count(struct dma_fence *fence)
{
	struct dma_fence *link;
	unsigned int count = 0;

	if (!dma_fence_is_container(fence))
		return 1;
	dma_fence_chain_for_each(link, fence) {
		struct dma_fence *contained = dma_fence_chain_contained(link);
		struct dma_fence_array *array = to_dma_fence_array(contained);

		count += array ? array->num_fences : 1;
	}
	return count;
}

/* What one look at all the fences of a merge tells. */
struct survey {
	/* Fences that are pending. */
	unsigned int pending;
	/* The only one that need be waited for, unless @several. */
	struct dma_fence *last;
	bool several;
	/* Of those that have signalled, while none is pending. */
	ktime_t timestamp;
	bool signaled;
};

/* Can @new take the place of @old, or the other way round? */
static bool is_ordered(struct dma_fence *new, struct dma_fence *old)
{
	return new == old ||
	       (new->context == old->context && new->seqno != old->seqno);
}

static void survey_fence(struct survey *s, struct dma_fence *fence)
{
	if (dma_fence_is_signaled(fence)) {
		if (!s->pending) {
			ktime_t time = dma_fence_timestamp(fence);

			if (!s->signaled || ktime_after(time, s->timestamp))
				s->timestamp = time;
			s->signaled = true;
		}
		return;
	}

	s->pending++;
	if (s->several)
		return;
	if (s->last && !is_ordered(fence, s->last)) {
		s->several = true;
	} else if (!s->last || dma_fence_is_later(fence, s->last)) {
		dma_fence_put(s->last);
		s->last = dma_fence_get(fence);
	}
}

/* Context ascending; within one the latest first, equal ones side by side. */
static int compare(const void *pa, const void *pb)
{
	struct dma_fence *a = *(struct dma_fence **)pa;
	struct dma_fence *b = *(struct dma_fence **)pb;

	if (a->context != b->context)
		return a->context < b->context ? -1 : 1;
	if (dma_fence_is_later(a, b))
		return -1;
	if (dma_fence_is_later(b, a))
		return 1;
	return a == b ? 0 : a < b ? -1 : 1;
}

/*
 * Put those first in the array that all others can be left out for. Numbers
 * need not be unique in a context without order: of equals all are kept.
 */
static unsigned int reduce(struct dma_fence **fences, unsigned int num)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < num; i++) {
		if (kept && is_ordered(fences[i], fences[kept - 1]))
			dma_fence_put(fences[i]);
		else
			fences[kept++] = fences[i];
	}
	return kept;
}

/* Collect what is pending now, at most @room; sorted and reduced. */
static unsigned int collect(struct dma_fence **out, unsigned int room,
			    struct dma_fence **fences, unsigned int num_fences,
			    struct dma_fence_unwrap *cursors)
{
	unsigned int num = 0;
	bool sorted = true;

	for (unsigned int i = 0; i < num_fences; i++) {
		struct dma_fence *fence;

		dma_fence_unwrap_for_each(fence, &cursors[i], fences[i]) {
			/* Never more than were: none becomes pending again. */
			if (num == room || dma_fence_is_signaled(fence))
				continue;
			out[num] = dma_fence_get(fence);
			if (num && compare(&out[num - 1], &out[num]) > 0)
				sorted = false;
			num++;
		}
	}
	if (!sorted)
		sort(out, num, sizeof(*out), compare, NULL);
	return reduce(out, num);
}

/* The general case: several timelines were pending a moment ago. */
static struct dma_fence *merge_several(unsigned int pending,
				       struct dma_fence **fences,
				       unsigned int num_fences,
				       struct dma_fence_unwrap *cursors)
{
	struct dma_fence_array *array;
	struct dma_fence **members;
	struct dma_fence *only;
	unsigned int num;

	members = kvmalloc_array(pending, sizeof(*members), GFP_KERNEL);
	if (!members)
		return NULL;

	num = collect(members, pending, fences, num_fences, cursors);
	if (num < 2) {
		only = num ? members[0] :
			     dma_fence_allocate_private_stub(ktime_get());
		kvfree(members);
		return only;
	}

	array = dma_fence_array_create(num, members, dma_fence_context_alloc(1),
				       1, false);
	if (array)
		return &array->base;
	while (num--)
		dma_fence_put(members[num]);
	kvfree(members);
	return NULL;
}

/**
 * __dma_fence_unwrap_merge - one fence for several
 * @num_fences: how many
 * @fences: fences, containers or NULL; each stays the caller's
 * @cursors: room for as many, not initialised
 *
 * Looks through containers, leaves out what has signalled, and of those in one
 * timeline all but the last. Takes n log n time for n fences that remain; none
 * or one need no memory but for a signalled fence.
 *
 * Context: Process, may sleep.
 * Return: A fence with a reference for the caller: the only one that is
 * pending, an array, or, if all have signalled, one that did so when the last of
 * them did. NULL for no memory.
 */
struct dma_fence *__dma_fence_unwrap_merge(unsigned int num_fences,
					   struct dma_fence **fences,
					   struct dma_fence_unwrap *cursors)
{
	struct dma_fence *last __free(put_fence) = NULL;
	struct survey s = {};

	for (unsigned int i = 0; i < num_fences; i++) {
		struct dma_fence *fence;

		dma_fence_unwrap_for_each(fence, &cursors[i], fences[i])
			survey_fence(&s, fence);
	}
	last = s.last;
	if (!s.pending)
		return s.signaled ?
		       dma_fence_allocate_private_stub(s.timestamp) :
		       dma_fence_get_stub();
	if (!s.several)
		return no_free_ptr(last);
	return merge_several(s.pending, fences, num_fences, cursors);
}
EXPORT_SYMBOL_GPL(__dma_fence_unwrap_merge);

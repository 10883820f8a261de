// SPDX-License-Identifier: GPL-2.0-only
/*
 * Looking through containers: visiting the fences in a chain of arrays, and
 * merging several fences into the smallest one that stands for them all.
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
#include <linux/string.h>

#include "dma-fence-internal.h"

/* Return the first fence of the link at the cursor; skip links without any. */
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
 * dma_fence_unwrap_first - begin to visit the fences of a container
 * @head: chain, array or plain fence, or NULL
 * @cursor: takes a reference to @head
 *
 * Context: Any.
 * Return: The first fence, valid until the next step; NULL if @head has none.
 */
struct dma_fence *dma_fence_unwrap_first(struct dma_fence *head,
					 struct dma_fence_unwrap *cursor)
{
	cursor->chain = dma_fence_get(head);
	return enter_link(cursor);
}
EXPORT_SYMBOL_GPL(dma_fence_unwrap_first);

/**
 * dma_fence_unwrap_next - visit the next fence of a container
 * @cursor: the position of the visit
 *
 * Context: Any.
 * Return: The next fence, valid until the next step; NULL behind the last one,
 * and then the cursor holds no reference.
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
 * dma_fence_unwrap_count - count the fences that a visit returns
 * @fence: chain, array or plain fence
 *
 * A later visit may return fewer, because chains lose links that have
 * signalled, but never more.
 *
 * Context: Any.
 * Return: The number of fences.
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

/**
 * DOC: merging fences
 *
 * The result of a merge stands for all fences that went into it. Its status
 * does not depend on whether a fence failed before the merge or after it:
 *
 * * The last fence of a timeline stands for the whole timeline: a merge drops
 *   the earlier ones, with their errors. Fences of context 0 have no order, so
 *   none of them stands for another.
 * * Of the rest, a merge drops the fences that have signalled without an error.
 * * The fence that failed first gives the result its error. If other fences are
 *   pending, it is a member of the resulting array, which takes its error from
 *   the first member that failed.
 *
 * A chain is not a set of fences but a timeline that goes on. It loses the
 * links that have signalled, and their errors with them. Otherwise one failed
 * job would be an error of everything that follows it.
 */

/* The result of one pass over all the fences of a merge. */
struct survey {
	/* Numbers of fences that were pending and that had signalled. */
	unsigned int pending;
	unsigned int signaled;
	/* A pending fence, with a reference; stands for all unless @several. */
	struct dma_fence *last;
	/* No pending fence stands for all the others. */
	bool several;
	/* A fence has failed. */
	bool failed;
	/* When the last one signalled; valid only if none is pending. */
	ktime_t timestamp;
};

/* Return true if the later of the two fences stands for both. */
static bool is_ordered(struct dma_fence *a, struct dma_fence *b)
{
	return a == b || (a->context && a->context == b->context &&
			  a->seqno != b->seqno);
}

static void survey_signaled(struct survey *s, struct dma_fence *fence)
{
	ktime_t time;

	if (fence->error < 0)
		s->failed = true;
	if (!s->pending) {
		time = dma_fence_timestamp(fence);
		if (!s->signaled || ktime_after(time, s->timestamp))
			s->timestamp = time;
	}
	s->signaled++;
}

static void survey_fence(struct survey *s, struct dma_fence *fence)
{
	if (dma_fence_is_signaled(fence)) {
		survey_signaled(s, fence);
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

/* Order by context; within one the latest first, equal fences side by side. */
static int compare(const void *pa, const void *pb)
{
	struct dma_fence *a = *(struct dma_fence **)pa;
	struct dma_fence *b = *(struct dma_fence **)pb;

	if (a->context != b->context)
		return a->context < b->context ? -1 : 1;
	if (is_ordered(a, b) && a != b)
		return dma_fence_is_later(a, b) ? -1 : 1;
	return a == b ? 0 : a < b ? -1 : 1;
}

/* The fences that a merge has collected, with a reference to each. */
struct collection {
	struct dma_fence **fences;
	unsigned int num;
	unsigned int room;
	/* Collect fences that have signalled without an error, too. */
	bool all;
	/* Set by reduce(): the fence that failed first, or NULL. */
	struct dma_fence *failed;
};

static bool is_wanted(struct collection *c, struct dma_fence *fence)
{
	return c->all || !dma_fence_is_signaled(fence) || fence->error < 0;
}

/* Collect and sort, so that each timeline lies together, the latest first. */
static void collect(struct collection *c, struct dma_fence **fences,
		    unsigned int num_fences, struct dma_fence_unwrap *cursors)
{
	bool sorted = true;

	for (unsigned int i = 0; i < num_fences; i++) {
		struct dma_fence *fence, **end;

		dma_fence_unwrap_for_each(fence, &cursors[i], fences[i]) {
			/*
			 * The room suffices, because no fence has become pending
			 * again since the survey; the check is a safeguard.
			 */
			if (c->num == c->room || !is_wanted(c, fence))
				continue;
			end = &c->fences[c->num];
			*end = dma_fence_get(fence);
			if (c->num++ && compare(end - 1, end) > 0)
				sorted = false;
		}
	}
	if (!sorted)
		sort(c->fences, c->num, sizeof(*c->fences), compare, NULL);
}

static bool failed_before(struct dma_fence *a, struct dma_fence *b)
{
	return !b || ktime_before(dma_fence_timestamp(a), dma_fence_timestamp(b));
}

/*
 * Keep only the fences that stand for all others: the last pending one of each
 * timeline, and before them the fence that failed first. Keep all fences with
 * equal sequence numbers, because a timeline may use a number twice.
 */
static void reduce(struct collection *c)
{
	struct dma_fence *later = NULL, *pending = NULL, *failed = NULL, *fence;
	unsigned int kept = 0;

	for (unsigned int i = 0; i < c->num; i++) {
		fence = c->fences[i];
		if (!dma_fence_is_signaled(fence)) {
			if (!pending || !is_ordered(fence, pending)) {
				swap(c->fences[kept], c->fences[i]);
				kept++;
			}
			pending = fence;
		} else if (fence->error < 0 && failed_before(fence, failed) &&
			   (!later || !is_ordered(fence, later))) {
			failed = fence;
		}
		later = fence;
	}

	c->failed = dma_fence_get(failed);
	while (c->num > kept)
		dma_fence_put(c->fences[--c->num]);
	if (failed) {
		/* There is room: the failed fence was one of the others. */
		memmove(&c->fences[1], &c->fences[0], kept * sizeof(*c->fences));
		c->fences[0] = failed;
		c->num++;
	}
}

/* On success, consume the array of the collection and its references. */
static struct dma_fence *make_fence(struct collection *c, ktime_t timestamp)
{
	struct dma_fence_array *array;
	struct dma_fence *fence;

	if (c->num > 1) {
		array = dma_fence_array_create(c->num, c->fences,
					       dma_fence_context_alloc(1), 1,
					       false);
		return array ? &array->base : NULL;
	}
	if (c->num && !c->failed) {
		fence = c->fences[0];
	} else {
		fence = dma_fence_alloc_stub(timestamp,
					     c->failed ? c->failed->error : 0);
		if (!fence)
			return NULL;
		dma_fence_put(c->failed);
	}
	kvfree(c->fences);
	return fence;
}

/* Merge when the survey found several pending timelines or a failed fence. */
static struct dma_fence *merge_several(const struct survey *s,
				       struct dma_fence **fences,
				       unsigned int num_fences,
				       struct dma_fence_unwrap *cursors)
{
	struct collection c = {
		.room = s->failed ? s->pending + s->signaled : s->pending,
		.all = s->failed,
	};
	struct dma_fence *fence;

	c.fences = kvmalloc_array(c.room, sizeof(*c.fences), GFP_KERNEL);
	if (!c.fences)
		return NULL;

	collect(&c, fences, num_fences, cursors);
	reduce(&c);
	/* Fences that were pending in the survey have signalled just now. */
	fence = make_fence(&c, s->pending ? ktime_get() : s->timestamp);
	if (fence)
		return fence;
	while (c.num--)
		dma_fence_put(c.fences[c.num]);
	kvfree(c.fences);
	return NULL;
}

/**
 * __dma_fence_unwrap_merge - make one fence that stands for several
 * @num_fences: how many
 * @fences: fences, containers or NULL; the caller keeps its references
 * @cursors: room for @num_fences, not initialised
 *
 * Looks through containers and drops fences that have signalled and all but the
 * last of each timeline; see "merging fences" for errors. Takes n log n time
 * for the n fences that remain. If only one of them is pending and none has
 * failed, allocates nothing.
 *
 * Context: Process, may sleep.
 * Return: A fence with a reference for the caller: the only pending fence; an
 * array; or, if all have signalled, a fence that signalled when the last of
 * them did, with the error of the one that failed first. NULL for no memory.
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
	if (s.failed || s.several)
		return merge_several(&s, fences, num_fences, cursors);
	if (s.pending)
		return no_free_ptr(last);
	return s.signaled ? dma_fence_allocate_private_stub(s.timestamp) :
			    dma_fence_get_stub();
}
EXPORT_SYMBOL_GPL(__dma_fence_unwrap_merge);

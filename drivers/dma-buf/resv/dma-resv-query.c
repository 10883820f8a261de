// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queries of a reservation object: get its pending fences, wait for them, test
 * whether there are any, print them. All but dma_resv_describe() work without
 * the lock, on unlocked walks: "Walks over fences" says what these see.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/dma-fence-array.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

#include "dma-resv-internal.h"
#include "dma-resv-list.h"

static void drop_fences(struct dma_fence **fences, unsigned int num)
{
	while (num--)
		dma_fence_put(fences[num]);
	kfree(fences);
}

/**
 * dma_resv_get_fences - get all pending fences
 * @obj: the object; need not be locked
 * @usage: get fences of this and of stronger usages
 * @num_fences: returned: the number of fences
 * @fences: returned: an array for kfree(), with a reference to each fence for
 *	the caller; NULL if no fence is pending
 *
 * Context: Process, may sleep.
 * Return: 0; or -ENOMEM, with no fence and NULL returned.
 */
int dma_resv_get_fences(struct dma_resv *obj, enum dma_resv_usage usage,
			unsigned int *num_fences, struct dma_fence ***fences)
{
	struct dma_resv_collection all = {};
	int ret;

	ret = dma_resv_collect(obj, usage, &all);
	*num_fences = all.num;
	*fences = all.fences;
	return ret;
}
EXPORT_SYMBOL_GPL(dma_resv_get_fences);

/* Return whether one of two fences stands for the other. */
static bool have_order(struct dma_fence *one, struct dma_fence *two)
{
	return one->context && one->context == two->context &&
	       one->seqno != two->seqno;
}

/*
 * Return the fence that stands for all pending ones, with a reference; NULL if
 * no fence is pending; ERR_PTR(-E2BIG) if no single fence stands for all.
 */
static struct dma_fence *get_only_fence(struct dma_resv *obj,
					enum dma_resv_usage usage)
{
	struct dma_fence *fence, *only = NULL;
	struct dma_resv_iter cursor;
	bool several = false;

	dma_resv_iter_begin(&cursor, obj, usage);
	dma_resv_for_each_fence_unlocked(&cursor, fence) {
		if (dma_resv_iter_is_restarted(&cursor)) {
			dma_fence_put(only);
			only = NULL;
		}
		if (fence == only)
			continue;
		several = only && !have_order(only, fence);
		if (several)
			break;
		if (!only || dma_fence_is_later(fence, only)) {
			dma_fence_put(only);
			only = dma_fence_get(fence);
		}
	}
	dma_resv_iter_end(&cursor);
	if (!several)
		return only;
	dma_fence_put(only);
	return ERR_PTR(-E2BIG);
}

/**
 * dma_resv_get_singleton - get one fence that stands for all pending ones
 * @obj: the object; need not be locked
 * @usage: get fences of this and of stronger usages
 * @fence: returned: the only fence, or a fence array of all, with a reference
 *	for the caller; NULL if no fence is pending
 *
 * Context: Process, may sleep.
 * Return: 0; or -ENOMEM, with NULL returned.
 */
int dma_resv_get_singleton(struct dma_resv *obj, enum dma_resv_usage usage,
			   struct dma_fence **fence)
{
	struct dma_fence_array *array;
	struct dma_fence **fences;
	unsigned int num;
	int ret;

	*fence = get_only_fence(obj, usage);
	if (!IS_ERR(*fence))
		return 0;

	*fence = NULL;
	ret = dma_resv_get_fences(obj, usage, &num, &fences);
	if (ret || !num)
		return ret;

	if (num == 1) {
		*fence = fences[0];
		kfree(fences);
		return 0;
	}
	array = dma_fence_array_create(num, fences, dma_fence_context_alloc(1),
				       1, false);
	if (!array) {
		drop_fences(fences, num);
		return -ENOMEM;
	}
	*fence = &array->base;
	return 0;
}
EXPORT_SYMBOL_GPL(dma_resv_get_singleton);

/**
 * dma_resv_wait_timeout - wait until no fence is pending
 * @obj: the object; need not be locked
 * @usage: wait for fences of this and of stronger usages
 * @intr: whether a signal to the task ends the wait
 * @timeout: in jiffies, for all fences together; 0 to poll,
 *	MAX_SCHEDULE_TIMEOUT for no limit
 *
 * The wait succeeds even if a fence has signalled with an error.
 *
 * Context: Process, may sleep.
 * Return: The rest of @timeout, at least 1, once no fence is pending; 0 if the
 * time is up; -ERESTARTSYS after a signal to the task; or a negative value of a
 * driver's own &dma_fence_ops.wait.
 */
long dma_resv_wait_timeout(struct dma_resv *obj, enum dma_resv_usage usage,
			   bool intr, unsigned long timeout)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;
	long ret = timeout ?: 1;

	if (!dma_resv_was_used(obj))
		return ret;
	dma_resv_iter_begin(&cursor, obj, usage);
	dma_resv_for_each_fence_unlocked(&cursor, fence) {
		ret = dma_fence_wait_timeout(fence, intr, timeout);
		if (ret <= 0)
			break;
		/* A poll stays a poll: 1 is not the time left, but success. */
		if (timeout)
			timeout = ret;
	}
	dma_resv_iter_end(&cursor);
	return ret;
}
EXPORT_SYMBOL_GPL(dma_resv_wait_timeout);

/**
 * dma_resv_set_deadline - set a deadline on the pending fences
 * @obj: the object; need not be locked
 * @usage: set it on fences of this and of stronger usages
 * @deadline: the time by CLOCK_MONOTONIC at which the caller needs the fences
 *	signalled
 *
 * Context: Any.
 */
void dma_resv_set_deadline(struct dma_resv *obj, enum dma_resv_usage usage,
			   ktime_t deadline)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	dma_resv_iter_begin(&cursor, obj, usage);
	dma_resv_for_each_fence_unlocked(&cursor, fence)
		dma_fence_set_deadline(fence, deadline);
	dma_resv_iter_end(&cursor);
}
EXPORT_SYMBOL_GPL(dma_resv_set_deadline);

/**
 * dma_resv_test_signaled - test whether all fences have signalled
 * @obj: the object; need not be locked
 * @usage: test fences of this and of stronger usages
 *
 * Context: Any.
 * Return: true if no fence is pending.
 */
bool dma_resv_test_signaled(struct dma_resv *obj, enum dma_resv_usage usage)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	dma_resv_iter_begin(&cursor, obj, usage);
	fence = dma_resv_iter_first_unlocked(&cursor);
	dma_resv_iter_end(&cursor);
	return !fence;
}
EXPORT_SYMBOL_GPL(dma_resv_test_signaled);

static const char *usage_name(enum dma_resv_usage usage)
{
	static const char * const names[] = {
		[DMA_RESV_USAGE_KERNEL] = "kernel",
		[DMA_RESV_USAGE_WRITE] = "write",
		[DMA_RESV_USAGE_READ] = "read",
		[DMA_RESV_USAGE_BOOKKEEP] = "bookkeep",
	};

	return names[usage];
}

static void describe_fence(struct dma_resv_iter *cursor,
			   struct dma_fence *fence, struct seq_file *seq)
{
	seq_printf(seq, "\t%s fence:", usage_name(dma_resv_iter_usage(cursor)));
	dma_fence_describe(fence, seq);
}

/**
 * dma_resv_describe - print the fences that order access, for debugfs
 * @obj: the object
 * @seq: the file to print to
 *
 * Prints signalled fences, too, and leaves out those of
 * DMA_RESV_USAGE_BOOKKEEP.
 *
 * Context: Process, reservation lock held.
 */
void dma_resv_describe(struct dma_resv *obj, struct seq_file *seq)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	dma_resv_assert_held(obj);
	dma_resv_for_each_fence(&cursor, obj, DMA_RESV_USAGE_READ, fence)
		describe_fence(&cursor, fence, seq);
}
EXPORT_SYMBOL_GPL(dma_resv_describe);

/**
 * dma_resv_describe_unlocked - print the pending fences that order access
 * @obj: the object; need not be locked
 * @seq: the file to print to
 *
 * Context: Any.
 */
void dma_resv_describe_unlocked(struct dma_resv *obj, struct seq_file *seq)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	dma_resv_iter_begin(&cursor, obj, DMA_RESV_USAGE_READ);
	dma_resv_for_each_fence_unlocked(&cursor, fence)
		describe_fence(&cursor, fence, seq);
	dma_resv_iter_end(&cursor);
}

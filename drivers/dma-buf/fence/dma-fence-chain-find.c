// SPDX-License-Identifier: GPL-2.0-only
/*
 * The search for a point in a chain, and the jumps that make the next search
 * short. The life of a link is in dma-fence-chain.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/bitops.h>
#include <linux/cleanup.h>
#include <linux/dma-fence-chain.h>
#include <linux/export.h>
#include <linux/minmax.h>
#include <linux/rcupdate.h>

#include "dma-fence-chain-internal.h"

/**
 * DOC: Search of a chain
 *
 * A search goes back from a link to the oldest one that completes a point: its
 * number is not below the point, and that of the link before it is. A search
 * leaves jumps, in &dma_fence_chain.skip, for the searches that follow.
 *
 * Each link knows its depth, the number of links before it in its context.
 * Depths fall into blocks of 8, of 64, of 512 and so on. The *entry* of a block
 * is the first of its links that a search comes to and whose fence is pending.
 * An entry gets a jump to the entry of the next older block of the same size; a
 * link that enters blocks of several sizes at once counts for the largest. A
 * search takes a jump only if the point lies before the link that it leads to.
 *
 * A program that never searches pays nothing. A program that searches passes
 * each new link once, and few of the others: at most 80 of 4,096. Jumps need no
 * allocation. A jump holds a reference; the next walk drops it once the fence
 * of the link that it leads to has signalled, so that searches do not keep
 * signalled fences in memory.
 *
 * *Example.* Twenty links are pending, and each is named by its depth. Somebody
 * searches from the newest for the point of link 2. The search passes 18 links,
 * 19 to 2. It enters a block at 15 and at 7, and leaves a jump from 15 to 7::
 *
 *	block 16..23    block 8..15                  block 0..7
 *	19 18 17 16  |  15 14 13 12 11 10  9  8  |   7  6  5  4  3  2  1  0
 *	                 |                           ^
 *	                 `-- jumps over 14 to 8 -----'
 *
 * The same search then passes 11 links: 19 to 15 and 7 to 2. A search for the
 * point of link 10 or of link 7 does not jump: neither lies before link 7.
 *
 * With eight more links, a search from 27 also enters block 16..23, at 23, and
 * leaves a jump from 23 to 15. In a longer chain 127 enters a block of 64 links
 * as well and jumps to 63, which enters the next of these.
 *
 * *Locking.* A search runs in one RCU read-side critical section and takes no
 * lock. It sets a jump by compare and exchange.
 */

/* Return the link that @chain jumps to, else the one before it; under RCU. */
static struct dma_fence_chain *skip_or_prev(struct dma_fence_chain *chain)
{
	struct dma_fence *skip = rcu_dereference(chain->skip);

	return to_dma_fence_chain(skip ?: rcu_dereference(chain->prev));
}

/* Return true if the point @seqno of @context lies before @chain. */
static bool is_before(struct dma_fence_chain *chain, u64 context, u64 seqno)
{
	return chain->base.context == context && chain->prev_seqno >= seqno;
}

/*
 * A block of level n has 8^n links. A search takes up to 8 steps per level, so
 * larger blocks would cost steps and smaller ones levels.
 */
#define LEVEL_BITS 3

/*
 * Level 5, the last, jumps over 8^5 = 32,768 links. A longer chain is searched
 * by steps of that size.
 */
#define LEVELS 6

static void set_skip(struct dma_fence_chain *from, struct dma_fence_chain *to)
{
	struct dma_fence *skip;

	/* A link without references has dropped what it held: add nothing. */
	if (!dma_fence_get_rcu(&from->base))
		return;
	skip = dma_fence_get_rcu(&to->base);
	if (skip) {
		dma_fence_chain_replace(&from->skip, NULL, skip);
		/* After the exchange: see drop_older(). */
		dma_fence_chain_drop_idle_skip(from);
	}
	dma_fence_put(&from->base);
}

/*
 * The search has come to another block than that of @depth, the last entry.
 * Make @link its entry. @last has, for each level, the last entry without a
 * jump; up to the level of @link, these now jump to it. Skip a link whose fence
 * has signalled: a jump must not hold it. The next link then becomes the entry.
 */
static void leave_skips(struct dma_fence_chain *link, u32 *depth,
			struct dma_fence_chain *last[LEVELS])
{
	/* The level of the largest block that @link enters. */
	unsigned int level = min(__fls(*depth ^ link->depth) / LEVEL_BITS,
				 LEVELS - 1);

	if (test_bit(DMA_FENCE_FLAG_SIGNALED_BIT, &link->fence->flags))
		return;
	*depth = link->depth;
	for (unsigned int i = 1; i <= level; i++) {
		if (last[i])
			set_skip(last[i], link);
		last[i] = NULL;
	}
	if (!rcu_access_pointer(link->skip))
		last[level] = link;
}

/*
 * Go back from @chain to the first link that the point @seqno does not lie
 * before, and return that. If the chain ends earlier, because the rest has
 * signalled, return its last link and set @end. The caller is in an RCU
 * read-side critical section; the link may have lost its last reference.
 */
static struct dma_fence_chain *find_link(struct dma_fence_chain *chain,
					 u64 seqno, bool *end)
{
	struct dma_fence_chain *last[LEVELS] = {};
	u64 context = chain->base.context;
	struct dma_fence_chain *next;
	u32 depth = chain->depth;

	*end = false;
	while (chain->base.context == context) {
		if ((depth ^ chain->depth) >> LEVEL_BITS)
			leave_skips(chain, &depth, last);
		if (!is_before(chain, context, seqno))
			break;
		next = skip_or_prev(chain);
		if (!next || !is_before(next, context, seqno))
			next = to_dma_fence_chain(rcu_dereference(chain->prev));
		if (!next) {
			*end = true;
			break;
		}
		chain = next;
	}
	return chain;
}

/**
 * dma_fence_chain_find_seqno - find the link that completes a point
 * @pfence: a link of the timeline. On success the function consumes the
 *	reference to it and stores the fence that signals when the point is
 *	reached, with a reference for the caller, or NULL if the point has been
 *	reached.
 * @seqno: the point; 0 leaves @pfence as it is
 *
 * Context: Any.
 * Return: 0; -EINVAL, with @pfence unchanged, if that is not a link or its
 * number is lower than @seqno.
 */
int dma_fence_chain_find_seqno(struct dma_fence **pfence, uint64_t seqno)
{
	struct dma_fence_chain *head, *link;
	struct dma_fence *fence;
	bool end;

	if (!seqno)
		return 0;
	head = to_dma_fence_chain(*pfence);
	if (!head || head->base.seqno < seqno)
		return -EINVAL;
	/* The common case: the newest point. */
	if (!is_before(head, head->base.context, seqno))
		return 0;

	scoped_guard(rcu) {
		/* A link without references has been cut out: search again. */
		do {
			link = find_link(head, seqno, &end);
			fence = dma_fence_get_rcu(&link->base);
		} while (!fence);
	}
	if (end || (link != head && dma_fence_contained_is_signaled(fence)))
		fence = dma_fence_chain_walk(fence);
	dma_fence_put(*pfence);
	*pfence = fence;
	return 0;
}
EXPORT_SYMBOL(dma_fence_chain_find_seqno);

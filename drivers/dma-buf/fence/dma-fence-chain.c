// SPDX-License-Identifier: GPL-2.0-only
/*
 * Chains: a timeline of points, each a link that adds a fence to those before
 * it. The search for a point is in dma-fence-chain-find.c, flattening in
 * dma-fence-unwrap.c, release in dma-fence-container.c.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/bitops.h>
#include <linux/dma-fence-chain.h>
#include <linux/export.h>
#include <linux/init.h>
#include <linux/minmax.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "dma-fence-chain-internal.h"
#include "dma-fence-container.h"

/**
 * DOC: Fence chains
 *
 * A link signals when its own fence and all links before it have signalled. It
 * holds references to its fence and to the link before it, so the newest link
 * holds the whole chain.
 *
 * *Garbage.* A walk along a chain cuts out the links whose fence has signalled.
 * &dma_fence_chain.prev thus moves on to ever older links, while
 * &dma_fence_chain.prev_seqno keeps the number of the first one, which a search
 * compares. A link that has signalled holds no reference but that to its own
 * fence, in whatever order the fences of its chain have signalled: the newest
 * link does not keep the whole timeline in memory.
 *
 * *Waiting.* The first waiter *arms* a link: the link then holds a reference to
 * itself and has one callback, on the fence of the link at
 * &dma_fence_chain.cursor. When that fence signals, the cursor moves on to the
 * next older link whose fence is pending. Fences do not become pending again,
 * so the cursor looks at each once, in whatever order they signal. If it comes
 * to a link that is armed itself, it waits for that link, which stands for
 * everything older: if all n links are armed, none of them follows n fences on
 * its own. The cursor moves later (dma-fence-defer.c), because the callback runs
 * under the lock of another fence.
 *
 * *Locking.* &dma_fence_chain.lock is &dma_fence.lock of the link and protects
 * nothing else. The core takes the lock of a contained fence inside it, unless
 * that is a chain. &dma_fence_chain.prev and &dma_fence_chain.skip change by
 * compare and exchange and are read under RCU. Both hold a reference while the
 * link is alive. The memory that they point to stays until the end of the
 * read-side critical section in which a reader found the link.
 */

struct kmem_cache *dma_fence_chain_cache __ro_after_init;
EXPORT_SYMBOL(dma_fence_chain_cache);

static int __init chain_init(void)
{
	dma_fence_chain_cache = KMEM_CACHE(dma_fence_chain, SLAB_PANIC);
	return 0;
}
core_initcall(chain_init);

static const char *chain_driver_name(struct dma_fence *fence)
{
	return "dma_fence_chain";
}

static const char *chain_timeline_name(struct dma_fence *fence)
{
	return "unbound";
}

/* Return the link before @chain, with a reference. */
static struct dma_fence *get_prev(struct dma_fence_chain *chain)
{
	guard(rcu)();
	return dma_fence_get_rcu_safe(&chain->prev);
}

/**
 * dma_fence_chain_drop_idle_skip - drop a jump to a link that is done
 * @chain: the link that the jump starts at; the caller holds a reference
 *
 * A jump must not keep a link whose fence has signalled for a search that
 * nobody makes.
 *
 * Context: Any.
 */
void dma_fence_chain_drop_idle_skip(struct dma_fence_chain *chain)
{
	struct dma_fence *skip;

	guard(rcu)();
	skip = rcu_dereference(chain->skip);
	if (skip && test_bit(DMA_FENCE_FLAG_SIGNALED_BIT,
			     &to_dma_fence_chain(skip)->fence->flags))
		dma_fence_chain_replace(&chain->skip, skip, NULL);
}

/*
 * Drop the references to older links once all of them have signalled. Pairs
 * with set_skip(), which does not leave a jump behind:
 *
 *	CPU 0, drop_older()		CPU 1, set_skip()
 *
 *	finds all fences signalled
 *	exchanges skip for NULL
 *					exchanges NULL for a jump
 *					finds its fence signalled: drops it
 */
static void drop_older(struct dma_fence_chain *chain)
{
	dma_fence_put(unrcu_pointer(xchg(&chain->prev, RCU_INITIALIZER(NULL))));
	dma_fence_put(unrcu_pointer(xchg(&chain->skip, RCU_INITIALIZER(NULL))));
}

/**
 * dma_fence_chain_walk - step to the next older link that is pending
 * @fence: a link, or any fence, or NULL; consumes the reference to it
 *
 * Cuts out the links in between whose own fence has signalled.
 *
 * Context: Any.
 * Return: The next older link whose own fence is pending, or the pending fence
 * that the chain begins with, with a reference for the caller; NULL behind the
 * oldest one.
 */
struct dma_fence *dma_fence_chain_walk(struct dma_fence *fence)
{
	struct dma_fence_chain *chain = to_dma_fence_chain(fence);
	struct dma_fence *prev = NULL, *next;

	if (chain) {
		dma_fence_chain_drop_idle_skip(chain);
		prev = get_prev(chain);
	}
	while (prev && dma_fence_contained_is_signaled(prev)) {
		struct dma_fence_chain *link = to_dma_fence_chain(prev);
		bool cut;

		next = link ? get_prev(link) : NULL;
		/* One reference for the slot, one for the next step. */
		dma_fence_get(next);
		cut = dma_fence_chain_replace(&chain->prev, prev, next);
		dma_fence_put(prev);
		if (!cut) {
			dma_fence_put(next);
			next = get_prev(chain);
		}
		prev = next;
	}
	dma_fence_put(fence);
	return prev;
}
EXPORT_SYMBOL(dma_fence_chain_walk);

/**
 * dma_fence_chain_init - add a link to a chain
 * @chain: from dma_fence_chain_alloc()
 * @prev: the newest link so far, any other fence that comes before, or NULL
 * @fence: the fence that the link adds; not itself a link
 * @seqno: number of the point; if @prev is a link whose number is not lower,
 *	the new link begins a timeline of its own
 *
 * Consumes the references to @prev and @fence. The caller gets the first
 * reference to &dma_fence_chain.base.
 *
 * Context: Any. Allocates nothing.
 */
void dma_fence_chain_init(struct dma_fence_chain *chain,
			  struct dma_fence *prev, struct dma_fence *fence,
			  uint64_t seqno)
{
	struct dma_fence_chain *link = to_dma_fence_chain(prev);
	u64 context;

	WARN_ON_ONCE(dma_fence_is_chain(fence));

	chain->prev_seqno = 0;
	chain->depth = 0;
	if (link && seqno > prev->seqno) {
		context = prev->context;
		chain->prev_seqno = prev->seqno;
		chain->depth = link->depth + 1;
	} else {
		context = dma_fence_context_alloc(1);
		if (link)
			seqno = max(prev->seqno, seqno);
	}
	chain->fence = fence;
	chain->cursor = NULL;
	/* Not published yet. */
	RCU_INIT_POINTER(chain->prev, prev);
	RCU_INIT_POINTER(chain->skip, NULL);
	spin_lock_init(&chain->lock);
	dma_fence_init(&chain->base, &dma_fence_chain_ops, &chain->lock,
		       context, seqno);
}
EXPORT_SYMBOL(dma_fence_chain_init);

static void move(struct dma_fence_deferred *deferred);

/* The caller holds the lock of a fence. */
static void move_later(struct dma_fence_chain *chain)
{
	chain->deferred.func = move;
	dma_fence_defer(&chain->deferred);
}

static void chain_callback(struct dma_fence *fence, struct dma_fence_cb *cb)
{
	move_later(container_of(cb, struct dma_fence_chain, cb));
}

/* Return what to wait for at the cursor: see "Waiting" above. */
static struct dma_fence *awaited(struct dma_fence_chain *chain)
{
	struct dma_fence *link = chain->cursor;

	if (link != &chain->base && dma_fence_is_chain(link) &&
	    test_bit(DMA_FENCE_FLAG_ENABLE_SIGNAL_BIT, &link->flags))
		return link;
	return dma_fence_chain_contained(link);
}

/*
 * Put the callback on the next pending fence, beginning at the cursor; return
 * false if no fence is pending. Only one context at a time owns the cursor:
 * first chain_enable_signaling(), then each run of move(). Once the
 * callback is added, the next owner may run on another CPU, so do not touch
 * @chain any more.
 */
static bool arm(struct dma_fence_chain *chain, bool locked)
{
	struct dma_fence *fence;

	while (chain->cursor) {
		fence = awaited(chain);
		if (locked && dma_fence_is_chain(fence)) {
			/* The locks of two chains must not nest. */
			move_later(chain);
			return true;
		}
		/* After a callback it has signalled, as a rule. */
		if (!test_bit_acquire(DMA_FENCE_FLAG_SIGNALED_BIT,
				      &fence->flags) &&
		    !dma_fence_add_callback(fence, &chain->cb, chain_callback))
			return true;
		chain->cursor = dma_fence_chain_walk(chain->cursor);
	}
	return false;
}

static void move(struct dma_fence_deferred *deferred)
{
	struct dma_fence_chain *chain =
		container_of(deferred, struct dma_fence_chain, deferred);

	if (arm(chain, false))
		return;
	drop_older(chain);
	dma_fence_signal(&chain->base);
	/* The reference that the armed link held to itself. */
	dma_fence_put(&chain->base);
}

static bool chain_enable_signaling(struct dma_fence *fence)
{
	struct dma_fence_chain *chain = to_dma_fence_chain(fence);

	lockdep_assert_held(fence->lock);

	dma_fence_get(fence);
	chain->cursor = dma_fence_get(fence);
	if (arm(chain, true))
		return true;
	drop_older(chain);
	/* Not the last reference: the caller holds another. */
	dma_fence_put(fence);
	return false;
}

static bool chain_signaled(struct dma_fence *fence)
{
	struct dma_fence *link;

	dma_fence_chain_for_each(link, fence) {
		if (!dma_fence_contained_is_signaled(link)) {
			dma_fence_put(link);
			return false;
		}
	}
	drop_older(to_dma_fence_chain(fence));
	return true;
}

static void chain_set_deadline(struct dma_fence *fence, ktime_t deadline)
{
	struct dma_fence *link;

	dma_fence_chain_for_each(link, fence) {
		struct dma_fence *contained = dma_fence_chain_contained(link);

		if (!dma_fence_is_chain(contained))
			dma_fence_set_deadline(contained, deadline);
	}
}

/* Leave the pointers in place: a search may still be passing through. */
static void chain_fini(struct dma_fence *fence, struct dma_fence_reaper *reaper)
{
	struct dma_fence_chain *chain = to_dma_fence_chain(fence);

	/* Nobody walks or arms without a reference. */
	dma_fence_reap(reaper, rcu_dereference_protected(chain->prev, true));
	dma_fence_reap(reaper, rcu_dereference_protected(chain->skip, true));
	dma_fence_reap(reaper, chain->fence);
}

const struct dma_fence_ops dma_fence_chain_ops = {
	.use_64bit_seqno = true,
	.names_persist = true,
	.get_driver_name = chain_driver_name,
	.get_timeline_name = chain_timeline_name,
	.enable_signaling = chain_enable_signaling,
	.signaled = chain_signaled,
	.release = dma_fence_container_release,
	.set_deadline = chain_set_deadline,
	.fini = chain_fini,
};
EXPORT_SYMBOL(dma_fence_chain_ops);

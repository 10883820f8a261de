// SPDX-License-Identifier: GPL-2.0-only
/*
 * The one mapping that the core keeps for an attachment: shared by all its
 * users, or for one user at a time, from an unmap to the next map.
 * dma-buf-kept-policy.c decides for which devices, and how much.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/visibility.h>
#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/shrinker.h>
#include <linux/spinlock.h>
#include <linux/wait_bit.h>

#include "dma-buf-internal.h"

/**
 * DOC: kept mappings
 *
 * Importers map a buffer before each job and unmap it afterwards. Setting up
 * and tearing down an IOMMU mapping each time often costs more than the job. So
 * the core keeps the table with the attachment when the importer unmaps it, if
 * the exporter agrees, by &dma_buf_ops.keep_mapping, and the isolation of the
 * device does not suffer. It keeps a mapping from the second map on, since many
 * importers map only once. The next map in the same direction takes the table
 * up again. The core ends a kept mapping on a map in another direction, on
 * detach, before a move, when a map in its address space lacks room, before the
 * driver is unbound, when the policy forbids it, and under memory pressure.
 *
 * One user at a time has the table, and may modify it until it unmaps. Another
 * map in the meantime gets a new table, which the core does not keep.
 *
 * The CPU owns the memory while the kept mapping is idle, as it owns memory
 * that is not mapped: the core calls &dma_buf_ops.end_device_access on unmap
 * and &dma_buf_ops.begin_device_access on the next map. A coherent device that
 * reaches all memory needs no such hand-over, and the core does not call the
 * exporter at all.
 *
 * *Ownership.* A task claims the table by a compare-and-exchange of
 * &dma_buf_attached.kept to CHANGING, and owns it until it stores the next
 * state. A task that waits for that makes it AWAITED. So even an importer that
 * maps without the reservation lock, as some do, never gets a table that another
 * task is ending::
 *
 *	CPU 0, importer			CPU 1, shrinker
 *	---------------			---------------
 *	IDLE -> CHANGING succeeds
 *					IDLE -> CHANGING fails
 *	CHANGING -> BUSY		skips the mapping
 *
 *					IDLE -> CHANGING succeeds
 *	IDLE -> CHANGING fails		the exporter unmaps
 *	maps anew, not kept		CHANGING -> NONE
 *
 * *Ending.* Importers and exporters end a mapping under the reservation lock.
 * The shrinker, a map that lacks room, a change of the policy and the unbinding
 * of a driver do so without it: an unbind must not wait for a lock under which
 * others wait for fences of that driver. They find the attachments on a list of
 * all kept mappings. An attachment leaves the list after its mapping has ended,
 * and stays valid until then: detach, like a move, waits while another task
 * owns the table, and an owner waits for nobody.
 *
 * *Memory pressure.* The shrinker goes round the list. It skips a mapping that
 * is in use, gives one that was used since the last round a second chance, and
 * ends the others.
 *
 * *Locking.* The state protects the table and its direction. A leaf lock
 * protects the list.
 */

static LIST_HEAD(kept);
static DEFINE_SPINLOCK(kept_lock);
static unsigned long num_kept;

/* Become the owner of the table if the mapping is in @state. */
static bool claim(struct dma_buf_attachment *attach,
		  enum dma_buf_kept_state state)
{
	return atomic_cmpxchg(&to_attached(attach)->kept, state,
			      DMA_BUF_KEPT_CHANGING) == state;
}

/* Give up ownership. NONE lets a detach on another CPU free the attachment. */
static void settle(struct dma_buf_attachment *attach,
		   enum dma_buf_kept_state state)
{
	atomic_t *kept = &to_attached(attach)->kept;

	if (atomic_xchg(kept, state) == DMA_BUF_KEPT_AWAITED)
		wake_up_var(kept);
}

/* Return the state, or have settle() wake this task if another is the owner. */
static bool is_settled(struct dma_buf_attachment *attach,
		       enum dma_buf_kept_state *state)
{
	atomic_t *kept = &to_attached(attach)->kept;

	do {
		*state = atomic_read_acquire(kept);
		if (*state != DMA_BUF_KEPT_CHANGING)
			return *state != DMA_BUF_KEPT_AWAITED;
	} while (atomic_cmpxchg(kept, DMA_BUF_KEPT_CHANGING,
				DMA_BUF_KEPT_AWAITED) != DMA_BUF_KEPT_CHANGING);
	return false;
}

/*
 * Stop keeping the table, and end the mapping unless the importer has it. It is
 * on the list until then: end_device() takes what it does not find as ended.
 */
static void end_kept(struct dma_buf_attachment *attach, bool unmap)
{
	if (unmap)
		dma_buf_unmap_memory(attach, attach->sgt, attach->dir);
	WRITE_ONCE(attach->sgt, NULL);
	scoped_guard(spinlock, &kept_lock) {
		list_del(&to_attached(attach)->node);
		WRITE_ONCE(num_kept, num_kept - 1);
	}
	dma_buf_kept_uncharge(attach);
	settle(attach, DMA_BUF_KEPT_NONE);
}

/*
 * Wait until no other task owns the table and return the state; if that is IDLE
 * or BUSY, this task is the owner now.
 */
static enum dma_buf_kept_state claim_kept(struct dma_buf_attachment *attach)
{
	enum dma_buf_kept_state state;

	for (;;) {
		wait_var_event(&to_attached(attach)->kept,
			       is_settled(attach, &state));
		/* Another task may claim it first; then wait again. */
		if ((state != DMA_BUF_KEPT_IDLE && state != DMA_BUF_KEPT_BUSY) ||
		    claim(attach, state))
			return state;
	}
}

/**
 * dma_buf_kept_share - keep a mapping for all users until detach
 * @attach: the attachment
 * @sgt: the table
 * @dir: its direction
 *
 * Context: Process, reservation lock held.
 */
void dma_buf_kept_share(struct dma_buf_attachment *attach, struct sg_table *sgt,
			enum dma_data_direction dir)
{
	dma_resv_assert_held(attach->dmabuf->resv);
	if (!claim(attach, DMA_BUF_KEPT_NONE))
		return;
	WRITE_ONCE(attach->sgt, sgt);
	attach->dir = dir;
	settle(attach, DMA_BUF_KEPT_SHARED);
}

/**
 * dma_buf_kept_keep - keep a new mapping for one user at a time
 * @attach: the attachment
 * @sgt: the table, which the importer is about to get
 * @dir: its direction
 *
 * Does nothing if the attachment keeps another mapping already, or the exporter
 * or the policy does not allow it.
 *
 * Context: Process, may sleep, reservation lock held.
 */
void dma_buf_kept_keep(struct dma_buf_attachment *attach, struct sg_table *sgt,
		       enum dma_data_direction dir)
{
	dma_resv_assert_held(attach->dmabuf->resv);
	if (!claim(attach, DMA_BUF_KEPT_NONE))
		return;
	to_attached(attach)->keep = attach->dmabuf->ops->keep_mapping(attach);
	if (!to_attached(attach)->keep || !dma_buf_kept_charge(attach)) {
		settle(attach, DMA_BUF_KEPT_NONE);
		return;
	}
	WRITE_ONCE(attach->sgt, sgt);
	attach->dir = dir;
	WRITE_ONCE(to_attached(attach)->used, false);
	scoped_guard(spinlock, &kept_lock) {
		list_add_tail(&to_attached(attach)->node, &kept);
		WRITE_ONCE(num_kept, num_kept + 1);
	}
	/*
	 * A full barrier, which pairs with the one in end_device(): either this
	 * sees that the policy has changed, or that the driver is being
	 * unbound, or end_device() sees the mapping on the list.
	 */
	settle(attach, DMA_BUF_KEPT_BUSY);
	if (!dma_buf_kept_is_allowed(attach->dev) &&
	    claim(attach, DMA_BUF_KEPT_BUSY))
		end_kept(attach, false);
}

/**
 * dma_buf_kept_take_up - take up an idle kept mapping
 * @attach: the attachment
 * @dir: the direction; an idle mapping for another direction ends
 *
 * Context: Process, may sleep, reservation lock held.
 * Return: The table, which the importer owns now, counted; NULL if no idle
 * mapping fits; ERR_PTR() if a signal interrupted the wait for a move.
 */
struct sg_table *dma_buf_kept_take_up(struct dma_buf_attachment *attach,
				      enum dma_data_direction dir)
{
	struct sg_table *sgt;
	long ret;

	dma_resv_assert_held(attach->dmabuf->resv);
	if (atomic_read(&to_attached(attach)->kept) != DMA_BUF_KEPT_IDLE)
		return NULL;
	ret = dma_buf_wait_for_moves(attach);
	if (ret < 0)
		return ERR_PTR(ret);
	if (!claim(attach, DMA_BUF_KEPT_IDLE))
		return NULL;
	if (attach->dir != dir) {
		end_kept(attach, true);
		return NULL;
	}
	sgt = attach->sgt;
	if (to_attached(attach)->keep == DMA_BUF_KEEP_IDLE)
		attach->dmabuf->ops->begin_device_access(attach,
							 dma_buf_debug_real(sgt));
	WRITE_ONCE(to_attached(attach)->used, true);
	/* First: dma_buf_unmap_attachment() reads the count after the state. */
	atomic_inc(&to_attached(attach)->map_count);
	settle(attach, DMA_BUF_KEPT_BUSY);
	return sgt;
}

/**
 * dma_buf_kept_put_down - make a kept mapping idle, on unmap
 * @attach: the attachment
 * @sgt: the table that the importer gives back
 *
 * Context: Process, may sleep, reservation lock held.
 * Return: true if the core keeps the table; false if the caller must unmap it.
 */
bool dma_buf_kept_put_down(struct dma_buf_attachment *attach,
			   struct sg_table *sgt)
{
	enum dma_buf_kept_state state;
	bool is_kept;

	dma_resv_assert_held(attach->dmabuf->resv);
	if (READ_ONCE(attach->sgt) != sgt)
		return false;
	state = claim(attach, DMA_BUF_KEPT_BUSY) ? DMA_BUF_KEPT_BUSY :
						   claim_kept(attach);
	if (state != DMA_BUF_KEPT_BUSY && state != DMA_BUF_KEPT_IDLE)
		return false;
	/* Check again as the owner: some importers map without the lock. */
	is_kept = attach->sgt == sgt;
	if (!is_kept || WARN_ON_ONCE(state == DMA_BUF_KEPT_IDLE)) {
		settle(attach, state);
		return is_kept;
	}
	if (to_attached(attach)->keep == DMA_BUF_KEEP_IDLE)
		attach->dmabuf->ops->end_device_access(attach,
						       dma_buf_debug_real(sgt));
	settle(attach, DMA_BUF_KEPT_IDLE);
	return true;
}

/**
 * dma_buf_kept_drop - stop keeping a mapping
 * @attach: the attachment
 *
 * If the importer has the table, its unmap ends the mapping. An idle mapping
 * has ended when this returns. A shared mapping stays.
 *
 * Context: Process, may sleep, reservation lock held.
 */
void dma_buf_kept_drop(struct dma_buf_attachment *attach)
{
	enum dma_buf_kept_state state;

	dma_resv_assert_held(attach->dmabuf->resv);

	state = claim_kept(attach);
	if (state == DMA_BUF_KEPT_IDLE || state == DMA_BUF_KEPT_BUSY)
		end_kept(attach, state == DMA_BUF_KEPT_IDLE);
}

/**
 * dma_buf_kept_detach - end the kept mapping, in use or not
 * @attach: the attachment, which is being detached
 *
 * Context: Process, may sleep, reservation lock held.
 * Return: true if that was a mapping which all users shared.
 */
bool dma_buf_kept_detach(struct dma_buf_attachment *attach)
{
	dma_resv_assert_held(attach->dmabuf->resv);

	switch (claim_kept(attach)) {
	case DMA_BUF_KEPT_IDLE:
	case DMA_BUF_KEPT_BUSY:
		end_kept(attach, true);
		return false;
	case DMA_BUF_KEPT_SHARED:
		/* No claim: only detach ends a shared mapping. */
		dma_buf_unmap_memory(attach, attach->sgt, attach->dir);
		WRITE_ONCE(attach->sgt, NULL);
		atomic_set(&to_attached(attach)->kept, DMA_BUF_KEPT_NONE);
		return true;
	default:
		return false;
	}
}

/*
 * Claim a mapping on the list, to end it without the reservation lock. The
 * reference keeps the buffer until end_listed() is done with it.
 */
static bool claim_listed(struct dma_buf_attachment *attach,
			 enum dma_buf_kept_state state)
{
	lockdep_assert_held(&kept_lock);
	if (!claim(attach, state))
		return false;
	get_dma_buf(attach->dmabuf);
	return true;
}

static void end_listed(struct dma_buf_attachment *attach, bool unmap)
{
	struct dma_buf *dmabuf = attach->dmabuf;

	end_kept(attach, unmap);
	dma_buf_drop(dmabuf);
}

/* Claim an idle mapping that takes up addresses of @space. */
static struct dma_buf_attachment *claim_idle_in_space(const void *space)
{
	struct dma_buf_attached *attached;

	guard(spinlock)(&kept_lock);
	list_for_each_entry(attached, &kept, node) {
		if (attached->space == space &&
		    claim_listed(&attached->attach, DMA_BUF_KEPT_IDLE))
			return &attached->attach;
	}
	return NULL;
}

/**
 * dma_buf_kept_make_room - end all idle mappings in a device's address space
 * @dev: the device; a map for it has failed
 *
 * Context: Process, may sleep.
 * Return: true if a mapping has ended, so that the map is worth another try.
 */
bool dma_buf_kept_make_room(struct device *dev)
{
	const void *space = dma_buf_kept_space(dev);
	struct dma_buf_attachment *attach;
	bool ended = false;

	while ((attach = claim_idle_in_space(space))) {
		end_listed(attach, true);
		ended = true;
	}
	return ended;
}

/* Match @dev or, if that is NULL, any device that may not keep mappings. */
static bool is_to_end(struct dma_buf_attachment *attach, struct device *dev)
{
	return dev ? attach->dev == dev : !dma_buf_kept_is_allowed(attach->dev);
}

/* Tell whether a mapping is left to end, even one that another task owns. */
static bool is_listed(struct device *dev)
{
	struct dma_buf_attached *attached;

	guard(spinlock)(&kept_lock);
	list_for_each_entry(attached, &kept, node) {
		if (is_to_end(&attached->attach, dev))
			return true;
	}
	return false;
}

static struct dma_buf_attachment *claim_of_device(struct device *dev, bool *idle)
{
	struct dma_buf_attached *attached;
	struct dma_buf_attachment *attach;

	guard(spinlock)(&kept_lock);
	list_for_each_entry(attached, &kept, node) {
		attach = &attached->attach;
		if (!is_to_end(attach, dev))
			continue;
		*idle = claim_listed(attach, DMA_BUF_KEPT_IDLE);
		if (*idle || claim_listed(attach, DMA_BUF_KEPT_BUSY))
			return attach;
	}
	return NULL;
}

/*
 * Stop keeping mappings for a device or, if @dev is NULL, all those that the
 * policy no longer allows. When this returns, idle ones have ended; the
 * importer's unmap ends one in use. The caller's change forbids new ones.
 *
 * Context: Process, may sleep. Takes no lock under which others await fences.
 */
static void end_device(struct device *dev)
{
	struct dma_buf_attachment *attach;
	bool idle;

	/* Order that change before the list; pairs with dma_buf_kept_keep(). */
	smp_mb();
	for (;;) {
		while ((attach = claim_of_device(dev, &idle)))
			end_listed(attach, idle);
		if (!is_listed(dev))
			return;
		/* Sleep: an owner on this CPU may have a lower priority. */
		schedule_timeout_uninterruptible(1);
	}
}

/* Move past the next mapping on the list; claim it, or NULL if it stays. */
static struct dma_buf_attachment *claim_next(void)
{
	struct dma_buf_attached *attached;
	bool used;

	guard(spinlock)(&kept_lock);
	attached = list_first_entry_or_null(&kept, struct dma_buf_attached,
					    node);
	if (!attached)
		return NULL;
	list_move_tail(&attached->node, &kept);
	used = READ_ONCE(attached->used);
	WRITE_ONCE(attached->used, false);
	if (used || !claim_listed(&attached->attach, DMA_BUF_KEPT_IDLE))
		return NULL;
	return &attached->attach;
}

/**
 * dma_buf_shrink_kept - end idle mappings that were not used lately
 * @nr: number of mappings to look at
 *
 * Context: Process, may sleep.
 * Return: The number of mappings that ended.
 */
VISIBLE_IF_KUNIT unsigned long dma_buf_shrink_kept(unsigned long nr)
{
	struct dma_buf_attachment *attach;
	unsigned long n = 0;

	while (nr--) {
		attach = claim_next();
		if (!attach)
			continue;
		end_listed(attach, true);
		n++;
	}
	return n;
}

static unsigned long kept_count(struct shrinker *shrinker,
				struct shrink_control *sc)
{
	return READ_ONCE(num_kept) ?: SHRINK_EMPTY;
}

/*
 * An unmap may resume an IOMMU, and its driver may allocate with GFP_KERNEL for
 * that: do nothing for an allocation that must not enter a file system.
 */
VISIBLE_IF_KUNIT unsigned long dma_buf_kept_scan(struct shrinker *shrinker,
						 struct shrink_control *sc)
{
	if (!(sc->gfp_mask & __GFP_FS))
		return SHRINK_STOP;
	return dma_buf_shrink_kept(sc->nr_to_scan) ?: SHRINK_STOP;
}

static int __init dma_buf_kept_init(void)
{
	struct shrinker *shrinker;

	dma_buf_kept_policy_init(end_device);
	shrinker = shrinker_alloc(0, "dma-buf-kept-mappings");
	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = kept_count;
	shrinker->scan_objects = dma_buf_kept_scan;
	shrinker_register(shrinker);
	return 0;
}
subsys_initcall(dma_buf_kept_init);

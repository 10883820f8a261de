// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mapping of an attachment that the core keeps: for all users of it, or for
 * one at a time from its unmap to its next map. Which devices that is done for,
 * and how much, is in dma-buf-kept-policy.c.
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
 * Importers map a buffer before each piece of work and unmap it afterwards. To
 * set up and tear down an IOMMU mapping every time often costs more than the
 * work. So where the exporter agrees, by &dma_buf_ops.keep_mapping, and the
 * device's isolation does not suffer, the table stays with the attachment when
 * the importer unmaps it, and the next map in the same direction takes it up
 * again. The core ends a kept mapping on a map in another direction, on detach,
 * before a move, when a map for the device fails, when the driver of the device is
 * unbound, and when memory is short.
 *
 * One user has a table at a time, and may change it until it unmaps. An
 * attachment that is mapped again meanwhile gets another table, which is not
 * kept, however often that happens.
 *
 * While nobody has the table the memory belongs to the CPU, like memory that is
 * not mapped at all: &dma_buf_ops.end_device_access and
 * &dma_buf_ops.begin_device_access hand it over and back. For a device that is
 * coherent and reaches all memory there is nothing to hand over, and the core
 * does not call the exporter at all.
 *
 * *One state decides.* &dma_buf_attachment.kept is changed by compare and
 * exchange, and whoever makes the change owns the table. So an importer that maps
 * without the reservation lock, as some do, still never gets a table that somebody
 * else is ending::
 *
 *	CPU 0, importer			CPU 1, shrinker
 *
 *	IDLE -> CHANGING succeeds
 *					IDLE -> CHANGING fails
 *	CHANGING -> BUSY		looks at the next one
 *	has the table
 *
 *	IDLE -> CHANGING fails		IDLE -> CHANGING succeeds
 *	maps anew, not kept		has the exporter unmap
 *					CHANGING -> NONE
 *
 * *Who ends a mapping.* Importers and exporters do it under the reservation lock.
 * Three come from elsewhere and take no such lock: the shrinker, a map that lacks
 * room, and the unbinding of a driver, which must not wait for a lock under which
 * others wait for the fences of that driver. They find attachments in a list of
 * all that is kept. An attachment stays in there until its mapping has ended, and
 * is alive as long: detach, and moves, wait for one who is CHANGING it, who waits
 * for nobody.
 *
 * *Lack of memory.* The shrinker goes round the list: it leaves alone what is in
 * use, passes by once what was used since it came by the last time, and gives up
 * the rest.
 *
 * *Locking.* The state protects the table and its direction. The list has a lock
 * of its own, a leaf.
 */

static LIST_HEAD(kept);
static DEFINE_SPINLOCK(kept_lock);
static unsigned long num_kept;

/* Become the owner of the table if it is in this state. */
static bool claim(struct dma_buf_attachment *attach,
		  enum dma_buf_kept_state state)
{
	return atomic_cmpxchg(&to_attached(attach)->kept, state,
			      DMA_BUF_KEPT_CHANGING) == state;
}

/* The owner is through. The attachment may go with NONE. */
static void settle(struct dma_buf_attachment *attach,
		   enum dma_buf_kept_state state)
{
	atomic_t *kept = &to_attached(attach)->kept;

	atomic_set_release(kept, state);
	/* The state before the look for one who waits for it. */
	smp_mb();
	wake_up_var(kept);
}

/*
 * The owner ends the keeping, and the mapping unless the importer has it. In the
 * list until that is done: one who finds nothing of a device there goes on.
 */
static void end_kept(struct dma_buf_attachment *attach, bool unmap)
{
	if (unmap)
		dma_buf_unmap_memory(attach, attach->sgt, attach->dir);
	attach->sgt = NULL;
	scoped_guard(spinlock, &kept_lock) {
		list_del(&to_attached(attach)->node);
		num_kept--;
	}
	dma_buf_kept_uncharge(attach);
	settle(attach, DMA_BUF_KEPT_NONE);
}

/*
 * Become the owner of the table of one user at a time, idle or not, and tell which;
 * wait for one who is the owner. Or tell that there is none.
 */
static enum dma_buf_kept_state claim_kept(struct dma_buf_attachment *attach)
{
	enum dma_buf_kept_state state;

	for (;;) {
		wait_var_event(&to_attached(attach)->kept,
			       (state = atomic_read_acquire(&to_attached(attach)->kept)) !=
			       DMA_BUF_KEPT_CHANGING);
		/* Others may be faster after that. */
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
	attach->sgt = sgt;
	attach->dir = dir;
	settle(attach, DMA_BUF_KEPT_SHARED);
}

/**
 * dma_buf_kept_keep - keep a mapping that the importer gets just now
 * @attach: the attachment
 * @sgt: the table
 * @dir: its direction
 *
 * Nothing is done if another one is kept, or the policy does not allow it.
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
	attach->sgt = sgt;
	attach->dir = dir;
	to_attached(attach)->used = false;
	scoped_guard(spinlock, &kept_lock) {
		list_add_tail(&to_attached(attach)->node, &kept);
		num_kept++;
	}
	settle(attach, DMA_BUF_KEPT_BUSY);
	/*
	 * Either this sees that the driver is being unbound, or
	 * end_device() sees the mapping in the list.
	 */
	smp_mb();
	if (!dma_buf_kept_is_allowed(attach->dev) &&
	    claim(attach, DMA_BUF_KEPT_BUSY))
		end_kept(attach, false);
}

/**
 * dma_buf_kept_take_up - use a mapping that is kept
 * @attach: the attachment
 * @dir: the direction wanted; a mapping for another one ends
 *
 * Context: Process, may sleep, reservation lock held.
 * Return: The table, which is the importer's now; NULL if there is none;
 * ERR_PTR() if a signal ended the wait for a move.
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
	to_attached(attach)->used = true;
	settle(attach, DMA_BUF_KEPT_BUSY);
	return sgt;
}

/**
 * dma_buf_kept_put_down - the importer is done with a table for now
 * @attach: the attachment
 * @sgt: the table
 *
 * Context: Process, may sleep, reservation lock held.
 * Return: true if it is kept; false if it has to be unmapped.
 */
bool dma_buf_kept_put_down(struct dma_buf_attachment *attach,
			   struct sg_table *sgt)
{
	enum dma_buf_kept_state state;

	dma_resv_assert_held(attach->dmabuf->resv);
	if (READ_ONCE(attach->sgt) != sgt)
		return false;
	state = claim_kept(attach);
	if (state != DMA_BUF_KEPT_BUSY && state != DMA_BUF_KEPT_IDLE)
		return false;
	/* Another one by now, if the importer takes no lock. */
	if (state == DMA_BUF_KEPT_IDLE || attach->sgt != sgt) {
		settle(attach, state);
		return false;
	}
	if (to_attached(attach)->keep == DMA_BUF_KEEP_IDLE)
		attach->dmabuf->ops->end_device_access(attach,
						       dma_buf_debug_real(sgt));
	settle(attach, DMA_BUF_KEPT_IDLE);
	return true;
}

/**
 * dma_buf_kept_drop - do not keep a mapping any longer
 * @attach: the attachment
 *
 * A mapping that the importer has is left to it; it goes with its unmap. Any
 * other has ended when this returns.
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
 * dma_buf_kept_detach - end what is kept, whoever has it
 * @attach: the attachment, which is going
 *
 * Context: Process, may sleep, reservation lock held.
 * Return: true if there was a mapping for all users, which has ended.
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
		/* Nobody else ends that. */
		dma_buf_unmap_memory(attach, attach->sgt, attach->dir);
		attach->sgt = NULL;
		atomic_set(&to_attached(attach)->kept, DMA_BUF_KEPT_NONE);
		return true;
	default:
		return false;
	}
}

/*
 * Claim a mapping of those in the list, to end it without the reservation lock. A
 * reference keeps the buffer until that is done.
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

/* An idle mapping that takes up addresses of the same space. */
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
 * dma_buf_kept_make_room - give up what is kept in a device's address space
 * @dev: the device, which a buffer could not be mapped for
 *
 * Context: Process, may sleep.
 * Return: true if a mapping has ended, so that it may work now.
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

/* Of the device; or, if that is NULL, of one that nothing may be kept for. */
static bool is_to_end(struct dma_buf_attachment *attach, struct device *dev)
{
	return dev ? attach->dev == dev : !dma_buf_kept_is_allowed(attach->dev);
}

/* Is something left to end? Also if somebody is changing it. */
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
 * End what is kept for a device; or, for NULL, all that the policy does not allow
 * any more. A mapping that an importer has is left to the importer, any other has
 * ended when this returns. The policy allows no new one from now on.
 *
 * Context: Process, may sleep. Takes no lock that a fence is waited for under.
 */
static void end_device(struct device *dev)
{
	struct dma_buf_attachment *attach;
	bool idle;

	/* What the policy goes by before the list; see dma_buf_kept_keep(). */
	smp_mb();
	for (;;) {
		while ((attach = claim_of_device(dev, &idle)))
			end_listed(attach, idle);
		if (!is_listed(dev))
			return;
		/* Others end theirs just now, perhaps at a lower priority. */
		schedule_timeout_uninterruptible(1);
	}
}

/* Look at the next mapping; NULL if it stays. */
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
	used = attached->used;
	attached->used = false;
	if (used || !claim_listed(&attached->attach, DMA_BUF_KEPT_IDLE))
		return NULL;
	return &attached->attach;
}

/**
 * dma_buf_shrink_kept - give up mappings that are kept
 * @nr: look at so many
 *
 * Context: Process, may sleep.
 * Return: How many were given up.
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

/* To unmap may mean to resume an IOMMU, which drivers do with GFP_KERNEL. */
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

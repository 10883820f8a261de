// SPDX-License-Identifier: GPL-2.0-only
/*
 * The policy of kept mappings: for which devices, how many bytes and until
 * when. A kept mapping must not weaken the isolation of its device, nor use up
 * its address space, nor outlive its driver. dma-buf-kept.c keeps the mappings.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/visibility.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/device/bus.h>
#include <linux/dma-buf.h>
#include <linux/dma-map-ops.h>
#include <linux/init.h>
#include <linux/iommu.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "dma-buf-internal.h"

/**
 * DOC: policy of kept mappings
 *
 * *Isolation.* Through a kept mapping, a device reaches memory that its driver
 * has unmapped. A lazy IOMMU domain allows that for some milliseconds, and a
 * device without an IOMMU can always do it. A strict domain, or a port marked
 * as untrusted, is there to prevent it. So the core keeps nothing for devices
 * behind either, nor for devices with DMA operations of their own (Xen's bounce
 * buffers among them), unless the parameter "keep" is 2. CONFIG_DMABUF_DEBUG is
 * there to find importers that use what they have unmapped: by default, it
 * turns keeping off.
 *
 * *Space.* Kept mappings take up addresses. The core keeps at most a quarter of
 * the addresses that an IOMMU has for the device, counted over all devices in
 * the same domain, and never more bytes than the parameter "limit".
 *
 * *Drivers.* An attachment may outlive the driver of its device, through an
 * open file. The core ends what it keeps for a device before the driver is
 * unbound. It keeps nothing for a device on a bus unless a driver is bound, and
 * the bus is one whose unbinds the core watches: PCI and platform.
 */

/* The parameters are those of kept mappings, not of this file. */
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "dma_buf_kept."

/* Values of the parameter "keep". */
enum { KEEP_NOTHING, KEEP_IF_NOT_ISOLATED, KEEP_ALWAYS };

VISIBLE_IF_KUNIT unsigned int dma_buf_kept_policy =
	IS_ENABLED(CONFIG_DMABUF_DEBUG) ? KEEP_NOTHING : KEEP_IF_NOT_ISOLATED;

/*
 * Ends the mappings that the core keeps for a device or, for NULL, all those
 * that the policy no longer allows. NULL until dma_buf_kept_policy_init().
 */
static void (*end_device)(struct device *dev) __ro_after_init;

/* A stricter policy also ends mappings that are kept already. */
static int set_policy(const char *val, const struct kernel_param *kp)
{
	int ret = param_set_uint_minmax(val, kp, KEEP_NOTHING, KEEP_ALWAYS);

	if (!ret && end_device)
		end_device(NULL);
	return ret;
}

static const struct kernel_param_ops policy_ops = {
	.set = set_policy,
	.get = param_get_uint,
};

module_param_cb(keep, &policy_ops, &dma_buf_kept_policy, 0644);
MODULE_PARM_DESC(keep, "keep mappings from unmap to map: 0 never, 1 unless that weakens the isolation of the device, 2 even then; by default 1, or 0 with DMABUF_DEBUG");

VISIBLE_IF_KUNIT unsigned long dma_buf_kept_limit;
module_param_named(limit, dma_buf_kept_limit, ulong, 0644);
MODULE_PARM_DESC(limit, "most bytes of all mappings that are kept for one device, or one IOMMU domain; 0, the default, for half of the memory");

/* The mappings kept in one address space; goes with the last of them. */
struct kept_account {
	struct list_head node;
	const void *space;
	unsigned int num;
	u64 bytes;
};

static LIST_HEAD(accounts);
static DEFINE_SPINLOCK(accounts_lock);

/* Buses whose notifier tells the core when a driver is unbound. */
static struct kept_bus {
	const struct bus_type *bus;
	struct notifier_block nb;
} buses[4];

static bool is_watched(const struct bus_type *bus)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(buses); i++) {
		if (READ_ONCE(buses[i].bus) == bus)
			return true;
	}
	return false;
}

static bool has_strict_domain(struct iommu_domain *domain)
{
	return domain && domain->type != IOMMU_DOMAIN_IDENTITY &&
	       domain->type != IOMMU_DOMAIN_DMA_FQ;
}

static bool is_untrusted(struct device *dev)
{
	return dev_is_pci(dev) && to_pci_dev(dev)->untrusted;
}

/**
 * dma_buf_kept_is_allowed - tell whether a device may have mappings kept
 * @dev: the device
 *
 * Context: Process.
 * Return: true if it may.
 */
bool dma_buf_kept_is_allowed(struct device *dev)
{
	unsigned int policy = READ_ONCE(dma_buf_kept_policy);

	if (policy == KEEP_NOTHING)
		return false;
	/* A device on no bus has no driver to unbind. */
	if (dev->bus && (!is_watched(dev->bus) ||
			 READ_ONCE(dev->links.status) != DL_DEV_DRIVER_BOUND))
		return false;
	if (policy == KEEP_ALWAYS)
		return true;
	return !get_dma_ops(dev) && !is_untrusted(dev) &&
	       !has_strict_domain(iommu_get_domain_for_dev(dev));
}

/* Return the domain that translates the device's addresses, or NULL. */
static struct iommu_domain *translating_domain(struct device *dev)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	return domain && domain->type != IOMMU_DOMAIN_IDENTITY ? domain : NULL;
}

/**
 * dma_buf_kept_space - identify the address space of a device
 * @dev: the device
 *
 * Context: Process.
 * Return: A pointer to compare only: equal for devices in one IOMMU domain, and
 * different for all others.
 */
const void *dma_buf_kept_space(struct device *dev)
{
	struct iommu_domain *domain = translating_domain(dev);

	return domain ? (const void *)domain : dev;
}

/* Return a quarter of the addresses that an IOMMU has for the device. */
static u64 aperture_share(struct device *dev)
{
	struct iommu_domain *domain = translating_domain(dev);
	u64 end = dma_get_mask(dev);

	if (!domain)
		return U64_MAX;
	if (dev->bus_dma_limit)
		end = min(end, dev->bus_dma_limit);
	if (domain->geometry.force_aperture)
		end = min_t(u64, end, domain->geometry.aperture_end);
	return end / 4;
}

static u64 limit_of(struct device *dev)
{
	u64 limit = READ_ONCE(dma_buf_kept_limit);

	if (!limit)
		limit = (u64)totalram_pages() << (PAGE_SHIFT - 1);
	return min(limit, aperture_share(dev));
}

static struct kept_account *find_account(const void *space)
{
	struct kept_account *account;

	lockdep_assert_held(&accounts_lock);
	list_for_each_entry(account, &accounts, node) {
		if (account->space == space)
			return account;
	}
	return NULL;
}

/**
 * dma_buf_kept_charge - account for one more kept mapping, if allowed
 * @attach: the attachment
 *
 * Context: Process, may sleep.
 * Return: true if the core may keep the mapping, until dma_buf_kept_uncharge().
 */
bool dma_buf_kept_charge(struct dma_buf_attachment *attach)
{
	size_t size = attach->dmabuf->size;
	struct device *dev = attach->dev;
	struct kept_account *account;
	u64 limit;

	if (!dma_buf_kept_is_allowed(dev))
		return false;
	limit = limit_of(dev);
	/* For the uncharge: the device may move to another domain before. */
	to_attached(attach)->space = dma_buf_kept_space(dev);
	struct kept_account *new __free(kfree) = kzalloc(sizeof(*new),
							 GFP_KERNEL);

	guard(spinlock)(&accounts_lock);
	account = find_account(to_attached(attach)->space);
	if (size > limit || (account && account->bytes > limit - size))
		return false;
	if (!account) {
		if (!new)
			return false;
		account = no_free_ptr(new);
		account->space = to_attached(attach)->space;
		list_add(&account->node, &accounts);
	}
	account->num++;
	account->bytes += size;
	return true;
}

/**
 * dma_buf_kept_uncharge - undo dma_buf_kept_charge()
 * @attach: the attachment
 *
 * Context: Process, memory reclaim included.
 */
void dma_buf_kept_uncharge(struct dma_buf_attachment *attach)
{
	struct kept_account *account;

	guard(spinlock)(&accounts_lock);
	account = find_account(to_attached(attach)->space);
	if (WARN_ON_ONCE(!account))
		return;
	account->bytes -= attach->dmabuf->size;
	if (--account->num)
		return;
	list_del(&account->node);
	kfree(account);
}

static int bus_event(struct notifier_block *nb, unsigned long action,
		     void *data)
{
	/*
	 * Comes before the driver's remove(), and after the device has left
	 * DL_DEV_DRIVER_BOUND, so the policy allows no new mapping. Removing a
	 * device unbinds its driver first.
	 */
	if (action == BUS_NOTIFY_UNBIND_DRIVER)
		end_device(data);
	return NOTIFY_DONE;
}

/**
 * dma_buf_kept_watch - watch a bus, so that the core may keep mappings there
 * @bus: the bus; it is never unregistered
 *
 * Context: Process, may sleep; at boot, or in a test.
 */
VISIBLE_IF_KUNIT void dma_buf_kept_watch(const struct bus_type *bus)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(buses); i++) {
		if (buses[i].bus == bus)
			return;
		if (buses[i].bus)
			continue;
		buses[i].nb.notifier_call = bus_event;
		if (!bus_register_notifier(bus, &buses[i].nb))
			WRITE_ONCE(buses[i].bus, bus);
		return;
	}
}

/**
 * dma_buf_kept_policy_init - watch the PCI and platform buses
 * @end: called with a device before its driver is unbound, and with NULL after
 *	the policy has changed; may sleep
 *
 * Context: Boot.
 */
void __init dma_buf_kept_policy_init(void (*end)(struct device *dev))
{
	end_device = end;
#ifdef CONFIG_PCI
	dma_buf_kept_watch(&pci_bus_type);
#endif
	dma_buf_kept_watch(&platform_bus_type);
}

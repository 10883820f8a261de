// SPDX-License-Identifier: GPL-2.0-only
/*
 * For which devices the core keeps mappings, how much, and until when: what is
 * kept must neither weaken the isolation of a device, nor stand in its way, nor
 * outlive its driver. How a mapping is kept is in dma-buf-kept.c.
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
 * DOC: who has mappings kept
 *
 * *Isolation.* While a mapping is kept, the device reaches memory that its driver
 * has unmapped. That is what a lazy IOMMU domain allows for some milliseconds, and
 * a device without an IOMMU always; an administrator who chose a strict domain, or
 * marked a port as untrusted, did so against just that. So these keep nothing,
 * unless the parameter "keep" says otherwise, nor do devices whose DMA operations
 * are their own (Xen's bounce buffers among them). DMABUF_DEBUG is there to find
 * importers that use what they have unmapped, and turns keeping off.
 *
 * *Space.* What is kept takes up addresses. It gets a quarter of those that an
 * IOMMU has for a device and all others in the same domain, and never more bytes
 * than the parameter "limit".
 *
 * *Drivers.* An attachment may outlive the driver of its device, by way of an open
 * file. What is kept for it ends before the driver is unbound, and nothing is kept
 * for a device without a driver, or on a bus whose drivers nobody tells about.
 */

/* Of mappings that are kept, whichever file knows them. */
#undef MODULE_PARAM_PREFIX
#define MODULE_PARAM_PREFIX "dma_buf_kept."

/* Values of the parameter "keep". */
enum { KEEP_NOTHING, KEEP_IF_ISOLATED, KEEP_ALWAYS };

VISIBLE_IF_KUNIT unsigned int dma_buf_kept_policy =
	IS_ENABLED(CONFIG_DMABUF_DEBUG) ? KEEP_NOTHING : KEEP_IF_ISOLATED;

/*
 * Ends all mappings that are kept for a device; or, for NULL, those that the policy
 * does not allow any more. NULL itself while the kernel boots.
 */
static void (*end_device)(struct device *dev) __ro_after_init;

/* "Never" means that mappings which are kept already end, too. */
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
MODULE_PARM_DESC(keep, "keep mappings from unmap to map: 0 never, 1 where the isolation of the device allows it, 2 whatever the isolation");

VISIBLE_IF_KUNIT unsigned long dma_buf_kept_limit;
module_param_named(limit, dma_buf_kept_limit, ulong, 0644);
MODULE_PARM_DESC(limit, "most bytes of all mappings that are kept for one device, or one IOMMU domain; 0 for half of the memory");

/* What is kept in an address space, while there is something. */
struct kept_account {
	struct list_head node;
	const void *space;
	unsigned int num;
	u64 bytes;
};

static LIST_HEAD(accounts);
static DEFINE_SPINLOCK(accounts_lock);

/* Buses that tell when a driver is unbound. */
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
 * dma_buf_kept_is_allowed - tell whether mappings may be kept for a device
 * @dev: the device
 *
 * Context: Process.
 * Return: true if so.
 */
bool dma_buf_kept_is_allowed(struct device *dev)
{
	unsigned int policy = READ_ONCE(dma_buf_kept_policy);

	if (policy == KEEP_NOTHING)
		return false;
	/* A device on no bus has no driver that could be unbound. */
	if (dev->bus && (!is_watched(dev->bus) ||
			 READ_ONCE(dev->links.status) != DL_DEV_DRIVER_BOUND))
		return false;
	if (policy == KEEP_ALWAYS)
		return true;
	return !get_dma_ops(dev) && !is_untrusted(dev) &&
	       !has_strict_domain(iommu_get_domain_for_dev(dev));
}

/* The domain that translates the addresses of the device, or NULL. */
static struct iommu_domain *translating_domain(struct device *dev)
{
	struct iommu_domain *domain = iommu_get_domain_for_dev(dev);

	return domain && domain->type != IOMMU_DOMAIN_IDENTITY ? domain : NULL;
}

/**
 * dma_buf_kept_space - tell which address space mappings for a device are in
 * @dev: the device
 *
 * Context: Process.
 * Return: Something that devices of one IOMMU domain have in common, and no others.
 */
const void *dma_buf_kept_space(struct device *dev)
{
	struct iommu_domain *domain = translating_domain(dev);

	return domain ? (const void *)domain : dev;
}

/* A part of the addresses that an IOMMU has for the device. */
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
 * dma_buf_kept_charge - ask whether one more mapping may be kept
 * @attach: whose
 *
 * Context: Process, may sleep.
 * Return: true if so; then dma_buf_kept_uncharge() follows when it ends.
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
	/* Remembered: the device may get another one. */
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
 * dma_buf_kept_uncharge - a mapping is not kept any longer
 * @attach: whose
 *
 * Context: Process, in memory reclaim too.
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
	 * The driver's own remove follows; the device's state says so already. A
	 * device that goes is unbound before.
	 */
	if (action == BUS_NOTIFY_UNBIND_DRIVER)
		end_device(data);
	return NOTIFY_DONE;
}

/**
 * dma_buf_kept_watch - have mappings kept for the devices of a bus
 * @bus: the bus, which stays
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
 * dma_buf_kept_policy_init - watch the drivers of all devices
 * @end: called when a driver is about to be unbound, with its device, and when
 *	the policy has changed, with NULL; may sleep
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

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The edu engine of the importer test driver: a real bus master, QEMU's edu PCI
 * device. It moves up to 4096 bytes between memory below 256 MiB and its own
 * buffer, and interrupts. Each transfer takes a tenth of a second.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/init.h>
#include <linux/interrupt.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/refcount.h>
#include <linux/timer.h>

#include "importer.h"

#define EDU_VENDOR_ID		0x1234
#define EDU_DEVICE_ID		0x11e8

#define EDU_REG_ID		0x00
#define  EDU_ID_MASK		0xff
#define  EDU_ID			0xed
#define EDU_REG_IRQ_STATUS	0x24
#define EDU_REG_IRQ_ACK		0x64
#define EDU_REG_DMA_SRC		0x80
#define EDU_REG_DMA_DST		0x88
#define EDU_REG_DMA_COUNT	0x90
#define EDU_REG_DMA_CMD		0x98
#define  EDU_CMD_START		0x01
#define  EDU_CMD_TO_MEMORY	0x02
#define  EDU_CMD_IRQ		0x04

/* The widest address that its DMA engine reaches, by QEMU's default. */
#define EDU_DMA_BITS		28

/* The device's own buffer; only its DMA engine knows the address. */
#define EDU_BUFFER		0x40000
#define EDU_BUFFER_SIZE		4096

/*
 * The most that one transfer moves. Some versions of QEMU take a transfer of
 * the whole buffer for one beyond its end and abort. A cache line less keeps
 * the chunks of an aligned operand aligned.
 */
#define EDU_CHUNK		(EDU_BUFFER_SIZE - 64)

/* When to look for a lost interrupt: twenty times what a transfer takes. */
#define EDU_WATCHDOG		(2 * HZ)

/**
 * struct edu - the device
 * @pdev: the PCI device; immutable
 * @users: one for the binding, and one for each successful edu_get()
 * @unused: completed when @users drops to zero
 * @regs: BAR 0; immutable
 * @scratch: memory for data that the CPU makes or sums up; immutable
 * @scratch_dma: DMA address of @scratch; immutable
 * @queue: &importer_job.engine_node in order; the device works on the first one
 * @active: the device has begun the first job of @queue
 * @storing: the current transfer goes from the device to memory
 * @result: the job transfers its checksum, after all of the data
 * @src: where to read next
 * @dst: where to write next
 * @left: bytes of the data, or of the checksum, still to be transferred
 * @chunk: size of the current transfer in bytes
 * @sum: checksum of the data so far
 * @watchdog: checks a transfer whose interrupt does not arrive
 */
struct edu {
	struct pci_dev *pdev;
	refcount_t users;
	struct completion unused;
	void __iomem *regs;
	void *scratch;
	dma_addr_t scratch_dma;
	/** @lock: protects all below; taken with interrupts off */
	spinlock_t lock;
	struct list_head queue;
	bool active;
	bool storing;
	bool result;
	struct importer_cursor src;
	struct importer_cursor dst;
	u64 left;
	u32 chunk;
	u64 sum;
	struct timer_list watchdog;
};

/* The bound device, or NULL; protected by @edu_mutex. */
static struct edu *edu_device;
static DEFINE_MUTEX(edu_mutex);

static void edu_transfer(struct edu *edu, dma_addr_t addr)
{
	dma_addr_t src = edu->storing ? EDU_BUFFER : addr;
	dma_addr_t dst = edu->storing ? addr : EDU_BUFFER;
	u32 cmd = EDU_CMD_START | EDU_CMD_IRQ;

	lockdep_assert_held(&edu->lock);
	if (edu->storing)
		cmd |= EDU_CMD_TO_MEMORY;
	writeq(src, edu->regs + EDU_REG_DMA_SRC);
	writeq(dst, edu->regs + EDU_REG_DMA_DST);
	writeq(edu->chunk, edu->regs + EDU_REG_DMA_COUNT);
	mod_timer(&edu->watchdog, jiffies + EDU_WATCHDOG);
	/* Also orders the writes of the CPU to the scratch memory. */
	writeq(cmd, edu->regs + EDU_REG_DMA_CMD);
}

static bool edu_reads_src(struct edu *edu, struct importer_job *job)
{
	return !edu->result && job->op != DMABUF_IMPORTER_FILL;
}

static bool edu_writes_dst(struct edu *edu, struct importer_job *job)
{
	return edu->result || job->op != DMABUF_IMPORTER_CHECKSUM;
}

/*
 * Begin the first of a chunk's two transfers, from memory into the device. The
 * segments of both sides limit the size of the chunk. Returns -EFAULT at the
 * end of a table.
 */
static int edu_load(struct edu *edu, struct importer_job *job)
{
	dma_addr_t addr = edu->scratch_dma, unused;
	u32 n = min_t(u64, edu->left, EDU_CHUNK);

	lockdep_assert_held(&edu->lock);
	if (edu_writes_dst(edu, job))
		n = importer_cursor_peek(&edu->dst, &unused, n);
	if (n && edu_reads_src(edu, job))
		n = importer_cursor_peek(&edu->src, &addr, n);
	if (!n)
		return -EFAULT;

	if (edu->result)
		memcpy(edu->scratch,
		       (u8 *)&edu->sum + sizeof(edu->sum) - edu->left, n);
	else if (job->op == DMABUF_IMPORTER_FILL)
		memset(edu->scratch, job->value, n);
	edu->chunk = n;
	edu->storing = false;
	edu_transfer(edu, addr);
	return 0;
}

/* Begin the second transfer of the chunk, from the device into memory. */
static void edu_store(struct edu *edu, struct importer_job *job)
{
	dma_addr_t addr = edu->scratch_dma;

	lockdep_assert_held(&edu->lock);
	if (edu_writes_dst(edu, job))
		importer_cursor_peek(&edu->dst, &addr, edu->chunk);
	edu->storing = true;
	edu_transfer(edu, addr);
}

/* Account for a chunk that has arrived. Returns true if it was the last. */
static bool edu_account(struct edu *edu, struct importer_job *job)
{
	lockdep_assert_held(&edu->lock);
	if (edu_reads_src(edu, job))
		importer_cursor_advance(&edu->src, edu->chunk);
	if (edu_writes_dst(edu, job))
		importer_cursor_advance(&edu->dst, edu->chunk);
	else
		edu->sum = importer_checksum(edu->sum, edu->scratch,
					     edu->chunk);
	edu->left -= edu->chunk;
	if (edu->left)
		return false;
	if (edu->result || job->op != DMABUF_IMPORTER_CHECKSUM)
		return true;
	edu->result = true;
	edu->left = sizeof(edu->sum);
	return false;
}

static struct importer_job *edu_current(struct edu *edu)
{
	lockdep_assert_held(&edu->lock);
	return list_first_entry_or_null(&edu->queue, struct importer_job,
					engine_node);
}

/*
 * Return the errno with which a job must end early, or 0. Without this check a
 * cancelled job could go on for minutes.
 */
static int edu_stopped(struct importer_job *job)
{
	if (test_bit(IMPORTER_JOB_CANCELLED, &job->events))
		return -ECANCELED;
	return test_bit(IMPORTER_JOB_TIMED_OUT, &job->events) ? -ETIMEDOUT : 0;
}

/* Begin the first job of the queue. */
static int edu_begin(struct edu *edu, struct importer_job *job)
{
	int ret = edu_stopped(job);

	lockdep_assert_held(&edu->lock);
	if (ret)
		return ret;
	edu->result = false;
	edu->left = job->length;
	edu->sum = IMPORTER_CHECKSUM_INIT;
	if (job->src.length)
		importer_cursor_init(&edu->src, &job->src);
	importer_cursor_init(&edu->dst, &job->dst);
	ret = edu_load(edu, job);
	edu->active = !ret;
	return ret;
}

/*
 * A transfer may have ended: begin the next one of the job. If it was the last,
 * take the job off the queue, store its error and return it; else return NULL.
 */
static struct importer_job *edu_advance(struct edu *edu)
{
	struct importer_job *job = edu_current(edu);

	/* A late interrupt may belong to a transfer before the current one. */
	if (!edu->active || readq(edu->regs + EDU_REG_DMA_CMD) & EDU_CMD_START)
		return NULL;
	if (!edu->storing) {
		edu_store(edu, job);
		return NULL;
	}
	job->error = 0;
	if (!edu_account(edu, job)) {
		job->error = edu_stopped(job) ?: edu_load(edu, job);
		if (!job->error)
			return NULL;
	}
	edu->active = false;
	timer_delete(&edu->watchdog);
	list_del_init(&job->engine_node);
	return job;
}

/*
 * Begin the next job, and finish @job, which is off the queue. Finish it
 * without the lock, as callbacks of its fence are code of other drivers. Do the
 * same with a next job that cannot begin.
 */
static void edu_complete(struct edu *edu, struct importer_job *job)
{
	while (job) {
		struct importer_job *next, *failed = NULL;
		int ret = 0;

		scoped_guard(spinlock_irqsave, &edu->lock) {
			next = edu_current(edu);
			if (next && !edu->active)
				ret = edu_begin(edu, next);
			if (ret) {
				list_del_init(&next->engine_node);
				next->error = ret;
				failed = next;
			}
		}
		importer_job_finish(job, job->error);
		job = failed;
	}
}

static irqreturn_t edu_irq(int irq, void *data)
{
	struct edu *edu = data;
	struct importer_job *job;
	u32 status = readl(edu->regs + EDU_REG_IRQ_STATUS);

	if (!status)
		return IRQ_NONE;
	writel(status, edu->regs + EDU_REG_IRQ_ACK);
	scoped_guard(spinlock, &edu->lock)
		job = edu_advance(edu);
	edu_complete(edu, job);
	return IRQ_HANDLED;
}

/*
 * Continue after a lost interrupt. While the device is busy, the job cannot
 * give its memory back, so there is nothing to do but to look again later.
 */
static void edu_watchdog(struct timer_list *timer)
{
	struct edu *edu = from_timer(edu, timer, watchdog);
	struct importer_job *job = NULL;

	scoped_guard(spinlock_irqsave, &edu->lock) {
		/* Did the interrupt come at last and begin the next transfer? */
		if (timer_pending(&edu->watchdog) || !edu_current(edu))
			break;
		if (readq(edu->regs + EDU_REG_DMA_CMD) & EDU_CMD_START)
			mod_timer(&edu->watchdog, jiffies + EDU_WATCHDOG);
		else
			job = edu_advance(edu);
	}
	edu_complete(edu, job);
}

static void edu_start(struct importer_job *job)
{
	struct edu *edu = dev_get_drvdata(job->dev->dev);
	int ret = 0;

	scoped_guard(spinlock_irqsave, &edu->lock) {
		bool idle = list_empty(&edu->queue) && !edu->active;

		list_add_tail(&job->engine_node, &edu->queue);
		if (idle)
			ret = edu_begin(edu, job);
		if (ret)
			list_del_init(&job->engine_node);
	}
	if (ret) {
		job->error = ret;
		irq_work_queue(&job->irq);
	}
}

static struct device *edu_get(const struct dmabuf_importer_create_dev *arg)
{
	guard(mutex)(&edu_mutex);
	if (!edu_device)
		return ERR_PTR(-ENODEV);
	/* All share one device, whose limits are fixed. */
	if (arg->dma_mask || arg->segment_boundary || arg->max_segment)
		return ERR_PTR(-EINVAL);
	refcount_inc(&edu_device->users);
	return &edu_device->pdev->dev;
}

static void edu_drop(struct edu *edu)
{
	if (refcount_dec_and_test(&edu->users))
		complete(&edu->unused);
}

static void edu_put(struct device *dev)
{
	edu_drop(dev_get_drvdata(dev));
}

const struct importer_engine importer_engine_edu = {
	.get	= edu_get,
	.put	= edu_put,
	.start	= edu_start,
};

static int edu_init_hw(struct edu *edu)
{
	struct pci_dev *pdev = edu->pdev;
	int ret;

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	ret = pcim_iomap_regions(pdev, BIT(0), "dmabuf-importer");
	if (ret)
		return ret;
	edu->regs = pcim_iomap_table(pdev)[0];
	if ((readl(edu->regs + EDU_REG_ID) & EDU_ID_MASK) != EDU_ID)
		return -ENODEV;
	ret = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(EDU_DMA_BITS));
	if (ret)
		return ret;
	edu->scratch = dmam_alloc_coherent(&pdev->dev, EDU_BUFFER_SIZE,
					   &edu->scratch_dma, GFP_KERNEL);
	if (!edu->scratch)
		return -ENOMEM;
	pci_set_master(pdev);
	/* After pcim_enable_device(), devres frees the vectors. */
	ret = pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_ALL_TYPES);
	if (ret < 0)
		return ret;
	return devm_request_irq(&pdev->dev, pci_irq_vector(pdev, 0), edu_irq,
				IRQF_SHARED, "dmabuf-importer", edu);
}

static int edu_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct edu *edu;
	int ret;

	guard(mutex)(&edu_mutex);
	if (edu_device)
		return -EBUSY;
	edu = devm_kzalloc(&pdev->dev, sizeof(*edu), GFP_KERNEL);
	if (!edu)
		return -ENOMEM;
	edu->pdev = pdev;
	refcount_set(&edu->users, 1);
	init_completion(&edu->unused);
	spin_lock_init(&edu->lock);
	INIT_LIST_HEAD(&edu->queue);
	timer_setup(&edu->watchdog, edu_watchdog, 0);
	ret = edu_init_hw(edu);
	if (ret)
		return ret;
	pci_set_drvdata(pdev, edu);
	edu_device = edu;
	return 0;
}

/*
 * Files use the device and its jobs have memory mapped: wait until all of them
 * are closed. Nobody else gets the device from now on.
 */
static void edu_remove(struct pci_dev *pdev)
{
	struct edu *edu = pci_get_drvdata(pdev);

	scoped_guard(mutex, &edu_mutex)
		edu_device = NULL;
	edu_drop(edu);
	wait_for_completion(&edu->unused);
	timer_shutdown_sync(&edu->watchdog);
}

static const struct pci_device_id edu_ids[] = {
	{ PCI_DEVICE(EDU_VENDOR_ID, EDU_DEVICE_ID) },
	{ }
};

static struct pci_driver edu_driver = {
	.name		= "dmabuf-importer-edu",
	.id_table	= edu_ids,
	.probe		= edu_probe,
	.remove		= edu_remove,
};
builtin_pci_driver(edu_driver);

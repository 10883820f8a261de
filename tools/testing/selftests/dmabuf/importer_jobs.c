// SPDX-License-Identifier: GPL-2.0-only
/*
 * Jobs on devices of the importer test driver, with each engine: the bytes arrive,
 * fences signal in order and with the right status, and jobs that are held, delayed,
 * made to fail, timed out or cancelled end as they should.
 *
 * Copyright (C) the dma-buf project authors
 */
#include "importer_util.h"

FIXTURE(job)
{
	int imp, dev, fd, att;
	unsigned char *in, *out;
	size_t size;
};

FIXTURE_VARIANT(job)
{
	__u32 engine, flags, buffer;
	size_t size;
};

FIXTURE_VARIANT_ADD(job, software)
{
	.engine = SW, .flags = DYNAMIC, .size = 64 * PAGE,
	.buffer = DMABUF_IMPORTER_BUFFER_DYNAMIC,
};

FIXTURE_VARIANT_ADD(job, software_static)
{
	.engine = SW, .size = 64 * PAGE,
};

FIXTURE_VARIANT_ADD(job, edu)
{
	.engine = EDU, .flags = DYNAMIC, .size = 3 * PAGE,
	.buffer = DMABUF_IMPORTER_BUFFER_DYNAMIC | DMABUF_IMPORTER_BUFFER_LOW,
};

/* Copy bytes into the buffer and out of it, by jobs. */
static int put(FIXTURE_DATA(job) *self, __u64 offset, const void *data, __u64 length)
{
	return imp_copy(self->imp, self->dev, buffer(self->att, offset), user(data), length);
}

static int get(FIXTURE_DATA(job) *self, void *data, __u64 offset, __u64 length)
{
	return imp_copy(self->imp, self->dev, user(data), buffer(self->att, offset), length);
}

FIXTURE_SETUP(job)
{
	if (missing(IMPORTER_PATH))
		SKIP(return, NEEDS_IMPORTER);
	self->imp = imp_open();
	ASSERT_LE(0, self->imp);
	self->dev = imp_dev(self->imp, variant->engine, variant->flags);
	if (variant->engine == EDU && self->dev == -ENODEV)
		SKIP(return, NEEDS_EDU);
	ASSERT_LT(0, self->dev);
	self->size = variant->size;
	self->fd = imp_buffer(self->imp, self->size, variant->buffer);
	ASSERT_LE(0, self->fd);
	self->att = imp_attach(self->imp, self->dev, self->fd);
	ASSERT_LT(0, self->att);
	self->in = malloc(self->size);
	self->out = calloc(1, self->size);
	pattern(self->in, self->size, 1);
}

FIXTURE_TEARDOWN(job)
{
	free(self->in);
	free(self->out);
	close(self->fd);
	close(self->imp);
}

static struct dmabuf_importer_job fill_job(FIXTURE_DATA(job) *self, __u32 flags, __u8 value)
{
	return (struct dmabuf_importer_job){
		.dev = self->dev, .op = DMABUF_IMPORTER_FILL, .flags = flags | OUT_FENCE,
		.dst = buffer(self->att, 0), .length = 64, .value = value,
	};
}

/* Return the first byte of the buffer, or the status of the failed job. */
static int first_byte(FIXTURE_DATA(job) *self)
{
	unsigned char byte = 0;
	int ret = imp_copy(self->imp, self->dev, user(&byte), buffer(self->att, 0), 1);

	return ret == 1 ? byte : ret;
}

TEST_F(job, copy_there_and_back)
{
	ASSERT_EQ(1, put(self, 0, self->in, self->size));
	ASSERT_EQ(1, get(self, self->out, 0, self->size));
	EXPECT_EQ(0, memcmp(self->in, self->out, self->size));
}

/* A range may begin and end at any byte, and no byte outside it changes. */
TEST_F(job, copy_of_a_range)
{
	size_t n = PAGE + 77;

	ASSERT_EQ(1, imp_fill(self->imp, self->dev, self->att, self->size, 0xee));
	ASSERT_EQ(1, put(self, 4001, self->in + 13, n));
	ASSERT_EQ(1, get(self, self->out, 0, self->size));
	EXPECT_TRUE(all_bytes(self->out, 4001, 0xee));
	EXPECT_EQ(0, memcmp(self->out + 4001, self->in + 13, n));
	EXPECT_TRUE(all_bytes(self->out + 4001 + n, self->size - 4001 - n, 0xee));
}

TEST_F(job, copy_within_a_buffer)
{
	ASSERT_EQ(1, put(self, 0, self->in, PAGE));
	ASSERT_EQ(1, imp_copy(self->imp, self->dev, buffer(self->att, PAGE),
			      buffer(self->att, 0), PAGE));
	ASSERT_EQ(1, get(self, self->out, PAGE, PAGE));
	EXPECT_EQ(0, memcmp(self->in, self->out, PAGE));
}

TEST_F(job, checksum)
{
	struct dmabuf_importer_job job = {
		.dev = self->dev, .op = DMABUF_IMPORTER_CHECKSUM,
		.src = buffer(self->att, 5), .length = self->size - 5,
	};
	__u64 sum = 0;

	job.dst = user(&sum);
	ASSERT_EQ(1, put(self, 0, self->in, self->size));
	ASSERT_EQ(1, imp_run(self->imp, &job));
	EXPECT_EQ(fnv1a(self->in + 5, self->size - 5), sum);

	/* Store the result into a buffer, across the end of a page. */
	job.src = buffer(self->att, 0);
	job.length = 16;
	job.dst = buffer(self->att, PAGE - 3);
	ASSERT_EQ(1, imp_run(self->imp, &job));
	sum = 0;
	ASSERT_EQ(1, get(self, &sum, PAGE - 3, 8));
	EXPECT_EQ(fnv1a(self->in, 16), sum);
}

TEST_F(job, held_until_released)
{
	struct dmabuf_importer_job job = fill_job(self, HELD, 5), next = fill_job(self, 0, 6);

	ASSERT_EQ(1, imp_fill(self->imp, self->dev, self->att, 64, 1));
	ASSERT_EQ(0, imp_submit(self->imp, &job));
	ASSERT_EQ(0, imp_submit(self->imp, &next));
	EXPECT_EQ(0, sf_status(job.out_fence));
	/* Jobs behind it on the timeline wait, too. */
	EXPECT_EQ(0, poll_ms(next.out_fence, POLLIN, 50));
	EXPECT_EQ(0, imp_id(self->imp, DMABUF_IMPORTER_RELEASE, job.job));
	EXPECT_EQ(1, fence_result(next.out_fence));
	EXPECT_EQ(1, sf_status(job.out_fence));
	EXPECT_EQ(6, first_byte(self));
	close(job.out_fence);
	close(next.out_fence);
}

TEST_F(job, delayed)
{
	struct dmabuf_importer_job job = fill_job(self, 0, 5);
	__u64 start = now_ns(CLOCK_MONOTONIC);

	job.delay_us = 30000;
	EXPECT_EQ(1, imp_run(self->imp, &job));
	EXPECT_LE(30000000, now_ns(CLOCK_MONOTONIC) - start);
}

TEST_F(job, failing_carries_its_error_and_does_nothing)
{
	struct dmabuf_importer_job job = fill_job(self, 0, 5);

	ASSERT_EQ(1, imp_fill(self->imp, self->dev, self->att, 64, 1));
	job.error = -ENOLINK;
	EXPECT_EQ(-ENOLINK, imp_run(self->imp, &job));
	EXPECT_EQ(1, first_byte(self));
}

TEST_F(job, too_late_is_etimedout)
{
	struct dmabuf_importer_job job = fill_job(self, HELD, 5);

	ASSERT_EQ(1, imp_fill(self->imp, self->dev, self->att, 64, 1));
	job.timeout_ms = 20;
	EXPECT_EQ(-ETIMEDOUT, imp_run(self->imp, &job));
	EXPECT_EQ(1, first_byte(self));
}

TEST_F(job, cancelled_is_ecanceled)
{
	struct dmabuf_importer_job job = fill_job(self, HELD, 5), next = fill_job(self, HELD, 6);

	ASSERT_EQ(1, imp_fill(self->imp, self->dev, self->att, 64, 1));
	ASSERT_EQ(0, imp_submit(self->imp, &job));
	ASSERT_EQ(0, imp_submit(self->imp, &next));
	/* Fences of a timeline signal in order: the second one waits. */
	EXPECT_EQ(0, imp_id(self->imp, DMABUF_IMPORTER_CANCEL, next.job));
	EXPECT_EQ(0, poll_ms(next.out_fence, POLLIN, 50));
	EXPECT_EQ(0, imp_id(self->imp, DMABUF_IMPORTER_CANCEL, job.job));
	EXPECT_EQ(-ECANCELED, fence_result(next.out_fence));
	EXPECT_EQ(-ECANCELED, sf_status(job.out_fence));
	EXPECT_EQ(1, first_byte(self));
	EXPECT_TRUE(wait_until(imp_id(self->imp, DMABUF_IMPORTER_CANCEL, job.job) == -ENOENT));
	close(job.out_fence);
	close(next.out_fence);
}

TEST_F(job, waits_for_its_in_fences)
{
	struct dmabuf_importer_job job = fill_job(self, 0, 5);
	int tl = sw_open(), fences[3];

	ASSERT_LE(0, tl);
	fences[0] = sw_fence(tl, 2);
	fences[1] = sw_fence(tl, 1);
	fences[2] = sf_merge("both", fences[0], fences[1]);
	job.in_fences = (uintptr_t)fences;
	job.num_in_fences = 3;
	ASSERT_EQ(0, imp_submit(self->imp, &job));
	close(fences[0]);
	close(fences[1]);
	close(fences[2]);
	EXPECT_EQ(0, poll_ms(job.out_fence, POLLIN, 30));
	EXPECT_EQ(0, sw_inc(tl, 1));
	EXPECT_EQ(0, poll_ms(job.out_fence, POLLIN, 30));
	EXPECT_EQ(0, sw_inc(tl, 1));
	EXPECT_EQ(1, fence_result(job.out_fence));
	close(job.out_fence);
	close(tl);
}

TEST_F(job, failed_in_fence_fails_the_job)
{
	struct dmabuf_importer_job job = fill_job(self, 0, 5);
	int tl = sw_open(), fence;

	ASSERT_LE(0, tl);
	fence = sw_fence(tl, 1);
	job.in_fences = (uintptr_t)&fence;
	job.num_in_fences = 1;
	ASSERT_EQ(0, imp_submit(self->imp, &job));
	/* Closing the timeline signals its pending fences with an error. */
	close(tl);
	EXPECT_EQ(-ENOENT, fence_result(job.out_fence));
	close(job.out_fence);
	close(fence);
}

static int step_timeline(void *arg)
{
	return sw_inc(*(int *)arg, 1);
}

/*
 * The window: the job must not be freed before the callback has queued the worker.
 *
 *	CPU 0 (signaller)               CPU 1 (worker, queued by RELEASE)
 *	callback sets the bit
 *	                                sees the bit, finishes the job
 *	callback queues the worker      retires the job
 */
TEST_F(job, released_while_its_in_fence_signals)
{
	int i, fence, tl = sw_open();
	struct task t;

	ASSERT_LE(0, tl);
	for (i = 0; i < (variant->engine == EDU ? 10 : 200); i++) {
		struct dmabuf_importer_job job = fill_job(self, HELD, 5);

		fence = sw_fence(tl, i + 1);
		job.in_fences = (uintptr_t)&fence;
		job.num_in_fences = 1;
		ASSERT_EQ(0, imp_submit(self->imp, &job));
		ASSERT_EQ(0, task_start(&t, step_timeline, &tl));
		ASSERT_EQ(0, imp_id(self->imp, DMABUF_IMPORTER_RELEASE, job.job));
		EXPECT_EQ(1, fence_result(job.out_fence));
		EXPECT_EQ(0, task_join(&t));
		close(job.out_fence);
		close(fence);
	}
	close(tl);
}

/* Cancelling a job that waits for a fence does not affect the fence. */
TEST_F(job, cancelled_while_it_waits)
{
	struct dmabuf_importer_job job = fill_job(self, 0, 5);
	int tl = sw_open(), fence;

	ASSERT_LE(0, tl);
	fence = sw_fence(tl, 1);
	job.in_fences = (uintptr_t)&fence;
	job.num_in_fences = 1;
	ASSERT_EQ(0, imp_submit(self->imp, &job));
	EXPECT_EQ(0, imp_id(self->imp, DMABUF_IMPORTER_CANCEL, job.job));
	EXPECT_EQ(-ECANCELED, fence_result(job.out_fence));
	EXPECT_EQ(0, sf_status(fence));
	EXPECT_EQ(0, sw_inc(tl, 1));
	EXPECT_EQ(1, fence_result(fence));
	close(job.out_fence);
	close(fence);
	close(tl);
}

/* The fences of jobs outlive the file that submitted them. */
TEST_F(job, closing_the_file_cancels)
{
	struct dmabuf_importer_job next = fill_job(self, IMPLICIT, 6);
	struct dmabuf_importer_job held = fill_job(self, HELD, 5);
	unsigned long ino = db_ino(self->fd);

	ASSERT_EQ(0, imp_submit(self->imp, &held));
	ASSERT_EQ(0, imp_submit(self->imp, &next));
	close(self->imp);
	EXPECT_EQ(-ECANCELED, fence_result(held.out_fence));
	EXPECT_EQ(-ECANCELED, fence_result(next.out_fence));
	close(held.out_fence);
	close(next.out_fence);
	/* Nothing of the file holds the buffer. */
	close(self->fd);
	EXPECT_TRUE(buffer_gone(ino));
	self->imp = -1;
	self->fd = -1;
}

#define EDU_DRIVER "/sys/bus/pci/drivers/dmabuf-importer-edu/"

/* Find the PCI name of the bound device, such as 0000:00:04.0. */
static bool edu_slot(char name[256])
{
	DIR *dir = opendir(EDU_DRIVER);
	struct dirent *entry;

	name[0] = 0;
	while (dir && !name[0] && (entry = readdir(dir)))
		if (strchr(entry->d_name, ':'))
			snprintf(name, 256, "%s", entry->d_name);
	if (dir)
		closedir(dir);
	return name[0];
}

static int unbind_edu(void *slot)
{
	return write_file(EDU_DRIVER "unbind", slot);
}

/* A file keeps the device until it is closed; no other file gets it meanwhile. */
TEST(unbinding_waits_for_the_users)
{
	struct dmabuf_importer_job job;
	int imp, other, dev, fd, att;
	struct task unbind;
	char slot[256];

	if (missing(IMPORTER_PATH))
		SKIP(return, NEEDS_IMPORTER);
	if (!edu_slot(slot))
		SKIP(return, NEEDS_EDU);
	imp = imp_open();
	other = imp_open();
	ASSERT_LE(0, imp);
	ASSERT_LE(0, other);
	dev = imp_dev(imp, EDU, DYNAMIC);
	ASSERT_LT(0, dev);
	fd = imp_buffer(imp, 3 * PAGE, DMABUF_IMPORTER_BUFFER_LOW);
	ASSERT_LE(0, fd);
	att = imp_attach(imp, dev, fd);
	ASSERT_LT(0, att);
	job = (struct dmabuf_importer_job){
		.dev = dev, .op = DMABUF_IMPORTER_FILL, .flags = OUT_FENCE | HELD,
		.dst = buffer(att, 0), .length = 3 * PAGE, .value = 7,
	};
	ASSERT_EQ(0, imp_submit(imp, &job));

	ASSERT_EQ(0, task_start(&unbind, unbind_edu, slot));
	EXPECT_TRUE(wait_until(imp_dev(other, EDU, DYNAMIC) == -ENODEV));
	/* The device still works for the file that has it. */
	EXPECT_EQ(0, imp_id(imp, DMABUF_IMPORTER_RELEASE, job.job));
	EXPECT_EQ(1, fence_result(job.out_fence));
	EXPECT_EQ(1, imp_fill(imp, dev, att, 64, 5));
	close(imp);
	close(other);
	EXPECT_EQ(0, task_join(&unbind));

	EXPECT_EQ(0, write_file(EDU_DRIVER "bind", slot));
	imp = imp_open();
	EXPECT_LT(0, imp_dev(imp, EDU, DYNAMIC));
	close(imp);
	close(job.out_fence);
	close(fd);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wrong orders of attach, pin, map and detach, wrong arguments, and refusals by the
 * exporter: each gives its errno, and the devices still work afterwards.
 *
 * Copyright (C) the dma-buf project authors
 */
#include "importer_util.h"

FIXTURE(misuse)
{
	int imp, dev, fd, att, fixed_dev, fixed_att;
};

FIXTURE_SETUP(misuse)
{
	if (missing(IMPORTER_PATH))
		SKIP(return, NEEDS_IMPORTER);
	self->imp = imp_open();
	ASSERT_LE(0, self->imp);
	self->dev = imp_dev(self->imp, SW, DYNAMIC);
	ASSERT_LT(0, self->dev);
	self->fixed_dev = imp_dev(self->imp, SW, 0);
	ASSERT_LT(0, self->fixed_dev);
	self->fd = imp_buffer(self->imp, 4 * PAGE, DMABUF_IMPORTER_BUFFER_DYNAMIC);
	ASSERT_LE(0, self->fd);
	self->att = imp_attach(self->imp, self->dev, self->fd);
	ASSERT_LT(0, self->att);
}

/* After each refusal, a job still runs. */
FIXTURE_TEARDOWN(misuse)
{
	EXPECT_EQ(1, imp_fill(self->imp, self->dev, self->att, 4 * PAGE, 1));
	close(self->fd);
	close(self->imp);
}

TEST_F(misuse, unknown_command_is_enotty)
{
	char arg[256] = { 0 };

	EXPECT_EQ(-ENOTTY, do_ioctl(self->imp, _IO(DMABUF_IMPORTER_MAGIC, 0), arg));
	EXPECT_EQ(-ENOTTY, do_ioctl(self->imp, _IO(DMABUF_IMPORTER_MAGIC, 14), arg));
	EXPECT_EQ(-ENOTTY, do_ioctl(self->imp, _IOWR('b', 9, struct dmabuf_importer_job), arg));
}

TEST_F(misuse, bad_pointer_is_efault)
{
	EXPECT_EQ(-EFAULT, do_ioctl(self->imp, DMABUF_IMPORTER_CREATE_DEV, NULL));
	EXPECT_EQ(-EFAULT, do_ioctl(self->imp, DMABUF_IMPORTER_SUBMIT, NULL));
}

/* If the answer cannot be copied out, the ioctl undoes what it has made. */
TEST_F(misuse, answer_that_cannot_be_written_leaves_nothing)
{
	struct dmabuf_importer_create_dev dev = { .flags = DYNAMIC };
	struct dmabuf_importer_attach attach = { .dev = self->dev, .fd = self->fd };
	struct dmabuf_importer_buffer buf = { .size = PAGE };
	struct dmabuf_importer_map map = {
		.attachment = self->att, .flags = DMABUF_IMPORTER_READ,
	};
	struct dmabuf_importer_job job = {
		.dev = self->dev, .op = DMABUF_IMPORTER_FILL, .flags = OUT_FENCE | IMPLICIT,
		.dst = buffer(self->att, 0), .length = PAGE,
	};
	int imp = self->imp;

	EXPECT_ERRNO(EFAULT, do_ioctl(imp, DMABUF_IMPORTER_CREATE_DEV,
				      read_only_copy(&dev, sizeof(dev))));
	EXPECT_ERRNO(EFAULT, do_ioctl(imp, DMABUF_IMPORTER_ATTACH,
				      read_only_copy(&attach, sizeof(attach))));
	EXPECT_ERRNO(EFAULT, do_ioctl(imp, DMABUF_IMPORTER_EXPORT,
				      read_only_copy(&buf, sizeof(buf))));
	EXPECT_ERRNO(EFAULT, do_ioctl(imp, DMABUF_IMPORTER_MAP,
				      read_only_copy(&map, sizeof(map))));
	EXPECT_ERRNO(EFAULT, do_ioctl(imp, DMABUF_IMPORTER_SUBMIT,
				      read_only_copy(&job, sizeof(job))));
	/* The attachment is neither mapped nor in use by a job. */
	EXPECT_EQ(0, imp_id(imp, DMABUF_IMPORTER_DETACH, self->att));
	self->att = imp_attach(imp, self->dev, self->fd);
}

TEST_F(misuse, no_descriptor_left_is_emfile)
{
	struct dmabuf_importer_job job = {
		.dev = self->dev, .op = DMABUF_IMPORTER_FILL, .flags = OUT_FENCE,
		.dst = buffer(self->att, 0), .length = PAGE,
	};

	EXPECT_EMFILE(imp_submit(self->imp, &job));
	EXPECT_EMFILE(imp_buffer(self->imp, PAGE, 0));
}

TEST_F(misuse, create_dev_checks_its_arguments)
{
	static const struct dmabuf_importer_create_dev bad[] = {
		{ .engine = 2 },
		{ .flags = 8 },
		{ .flags = DMABUF_IMPORTER_DEV_P2P },
		{ .dma_mask = 0x1000 },
		{ .segment_boundary = 0x1000 },
		{ .segment_boundary = 0x7ff },
		{ .max_segment = 4095 },
	};
	struct dmabuf_importer_create_dev arg;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		arg = bad[i];
		EXPECT_EQ(-EINVAL, imp_dev_with(self->imp, &arg)) {
			TH_LOG("case %zu", i);
		}
	}
	arg = (struct dmabuf_importer_create_dev){ .dma_mask = 0xfff };
	EXPECT_EQ(-EIO, imp_dev_with(self->imp, &arg));
}

TEST_F(misuse, too_many_devices_is_enospc)
{
	int n = 2, ret;

	while ((ret = imp_dev(self->imp, SW, 0)) > 0)
		n++;
	EXPECT_EQ(-ENOSPC, ret);
	EXPECT_EQ(64, n);
}

TEST_F(misuse, unknown_ids_are_enoent)
{
	static const unsigned long cmds[] = {
		DMABUF_IMPORTER_DESTROY_DEV, DMABUF_IMPORTER_DETACH, DMABUF_IMPORTER_PIN,
		DMABUF_IMPORTER_UNPIN, DMABUF_IMPORTER_UNMAP, DMABUF_IMPORTER_RELEASE,
		DMABUF_IMPORTER_CANCEL,
	};
	struct dmabuf_importer_id pad = { .id = self->att, .pad = 1 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cmds); i++) {
		EXPECT_EQ(-ENOENT, imp_id(self->imp, cmds[i], 0));
		EXPECT_EQ(-ENOENT, imp_id(self->imp, cmds[i], 77));
		EXPECT_EQ(-EINVAL, do_ioctl(self->imp, cmds[i], &pad));
	}
	EXPECT_EQ(-ENOENT, imp_attach(self->imp, 77, self->fd));
	EXPECT_EQ(-ENOENT, imp_map(self->imp, 77, DMABUF_IMPORTER_READ, NULL, 0));
}

TEST_F(misuse, ids_of_another_file_are_enoent)
{
	int other = imp_open();

	ASSERT_LE(0, other);
	EXPECT_EQ(-ENOENT, imp_attach(other, self->dev, self->fd));
	EXPECT_EQ(-ENOENT, imp_id(other, DMABUF_IMPORTER_DETACH, self->att));
	close(other);
}

TEST_F(misuse, attach_of_no_buffer)
{
	EXPECT_EQ(-EBADF, imp_attach(self->imp, self->dev, -1));
	EXPECT_EQ(-EINVAL, imp_attach(self->imp, self->dev, self->imp));
}

TEST_F(misuse, destroy_dev_with_attachment_is_ebusy)
{
	EXPECT_EQ(-EBUSY, imp_id(self->imp, DMABUF_IMPORTER_DESTROY_DEV, self->dev));
	EXPECT_EQ(0, imp_id(self->imp, DMABUF_IMPORTER_DESTROY_DEV, self->fixed_dev));
	EXPECT_EQ(-ENOENT, imp_id(self->imp, DMABUF_IMPORTER_DESTROY_DEV, self->fixed_dev));
}

TEST_F(misuse, map_twice_is_ebusy_and_unmap_twice_einval)
{
	int imp = self->imp, att = self->att;

	EXPECT_EQ(-EINVAL, imp_id(imp, DMABUF_IMPORTER_UNMAP, att));
	EXPECT_LT(0, imp_map(imp, att, DMABUF_IMPORTER_READ, NULL, 0));
	EXPECT_EQ(-EBUSY, imp_map(imp, att, DMABUF_IMPORTER_READ, NULL, 0));
	EXPECT_EQ(0, imp_id(imp, DMABUF_IMPORTER_UNMAP, att));
	EXPECT_EQ(-EINVAL, imp_id(imp, DMABUF_IMPORTER_UNMAP, att));
	EXPECT_EQ(-EINVAL, imp_map(imp, att, 0, NULL, 0));
	EXPECT_EQ(-EINVAL, imp_map(imp, att, 4, NULL, 0));
}

TEST_F(misuse, unpin_without_pin_is_einval)
{
	int imp = self->imp, att = self->att;

	EXPECT_EQ(-EINVAL, imp_id(imp, DMABUF_IMPORTER_UNPIN, att));
	EXPECT_EQ(0, imp_id(imp, DMABUF_IMPORTER_PIN, att));
	EXPECT_EQ(0, imp_id(imp, DMABUF_IMPORTER_PIN, att));
	EXPECT_EQ(2, imp_info(imp, att).pins);
	EXPECT_EQ(0, imp_id(imp, DMABUF_IMPORTER_UNPIN, att));
	EXPECT_EQ(0, imp_id(imp, DMABUF_IMPORTER_UNPIN, att));
	EXPECT_EQ(-EINVAL, imp_id(imp, DMABUF_IMPORTER_UNPIN, att));
}

TEST_F(misuse, pin_of_static_importer_is_einval)
{
	self->fixed_att = imp_attach(self->imp, self->fixed_dev, self->fd);
	ASSERT_LT(0, self->fixed_att);
	EXPECT_EQ(-EINVAL, imp_id(self->imp, DMABUF_IMPORTER_PIN, self->fixed_att));
	/* A static importer keeps the memory in place while it is attached. */
	EXPECT_EQ(-EBUSY, imp_move(self->imp, self->fd));
	EXPECT_EQ(0, imp_id(self->imp, DMABUF_IMPORTER_DETACH, self->fixed_att));
	EXPECT_EQ(0, imp_move(self->imp, self->fd));
}

TEST_F(misuse, detach_in_use_is_ebusy)
{
	struct dmabuf_importer_job job = {
		.dev = self->dev, .op = DMABUF_IMPORTER_FILL, .flags = HELD | OUT_FENCE,
		.dst = buffer(self->att, 0), .length = PAGE,
	};
	int imp = self->imp, att = self->att;

	EXPECT_LT(0, imp_map(imp, att, DMABUF_IMPORTER_WRITE, NULL, 0));
	EXPECT_EQ(-EBUSY, imp_id(imp, DMABUF_IMPORTER_DETACH, att));
	EXPECT_EQ(0, imp_id(imp, DMABUF_IMPORTER_UNMAP, att));

	EXPECT_EQ(0, imp_id(imp, DMABUF_IMPORTER_PIN, att));
	EXPECT_EQ(-EBUSY, imp_id(imp, DMABUF_IMPORTER_DETACH, att));
	EXPECT_EQ(0, imp_id(imp, DMABUF_IMPORTER_UNPIN, att));

	ASSERT_EQ(0, imp_submit(imp, &job));
	EXPECT_EQ(-EBUSY, imp_id(imp, DMABUF_IMPORTER_DETACH, att));
	EXPECT_EQ(0, imp_id(imp, DMABUF_IMPORTER_RELEASE, job.job));
	EXPECT_EQ(1, fence_result(job.out_fence));
	close(job.out_fence);
	EXPECT_EQ(0, imp_id(imp, DMABUF_IMPORTER_DETACH, att));
	EXPECT_EQ(-ENOENT, imp_id(imp, DMABUF_IMPORTER_DETACH, att));
	self->att = imp_attach(imp, self->dev, self->fd);
}

TEST_F(misuse, submit_checks_its_arguments)
{
	const struct dmabuf_importer_job good = {
		.dev = self->dev, .op = DMABUF_IMPORTER_FILL,
		.dst = buffer(self->att, 0), .length = PAGE,
	};
	struct dmabuf_importer_job job;
	int not_a_fence = self->fd;

#define EXPECT_REFUSED(err, ...) do { \
	job = good; \
	__VA_ARGS__; \
	EXPECT_ERRNO(err, imp_submit(self->imp, &job)); \
} while (0)
	EXPECT_REFUSED(ENOENT, job.dev = 77);
	EXPECT_REFUSED(EINVAL, job.op = 3);
	EXPECT_REFUSED(EINVAL, job.flags = 8);
	EXPECT_REFUSED(EINVAL, job.pad = 1);
	EXPECT_REFUSED(EINVAL, job.length = 0);
	EXPECT_REFUSED(EINVAL, job.length = DMABUF_IMPORTER_MAX_LENGTH + 1ull);
	EXPECT_REFUSED(EINVAL, job.length = ~0ull);
	EXPECT_REFUSED(EINVAL, job.value = 256);
	EXPECT_REFUSED(EINVAL, job.error = 1);
	EXPECT_REFUSED(EINVAL, job.error = -4096);
	EXPECT_REFUSED(EINVAL, job.delay_us = DMABUF_IMPORTER_MAX_DELAY_US + 1);
	EXPECT_REFUSED(EINVAL, job.timeout_ms = DMABUF_IMPORTER_MAX_TIMEOUT_MS + 1);
	EXPECT_REFUSED(EINVAL, job.src = buffer(self->att, 0));
	EXPECT_REFUSED(EINVAL, job.dst.pad = 1);
	EXPECT_REFUSED(ENOENT, job.dst.attachment = 77);
	EXPECT_REFUSED(EINVAL, job.dst.offset = 3 * PAGE + 1);
	EXPECT_REFUSED(EINVAL, job.dst.offset = ~0ull);
	EXPECT_REFUSED(EFAULT, job.dst = user(NULL));
	EXPECT_REFUSED(EINVAL, job.dst = user((void *)-1));
	EXPECT_REFUSED(EFAULT, job.num_in_fences = 1);
	EXPECT_REFUSED(EINVAL, job.num_in_fences = 65);
	EXPECT_REFUSED(EINVAL, job.num_in_fences = 1;
		       job.in_fences = (uintptr_t)&not_a_fence);
	EXPECT_REFUSED(EINVAL, job.op = DMABUF_IMPORTER_COPY;
		       job.src = buffer(self->att, PAGE - 1));
	EXPECT_REFUSED(EINVAL, job.dev = self->fixed_dev);
}

TEST_F(misuse, read_only_memory_cannot_be_written)
{
	void *page = read_only_copy("x", 1);

	EXPECT_EQ(-EFAULT, imp_copy(self->imp, self->dev, user(page), buffer(self->att, 0), 1));
	EXPECT_EQ(1, imp_copy(self->imp, self->dev, buffer(self->att, 0), user(page), 1));
}

TEST_F(misuse, refused_attachment_gives_the_exporters_errno)
{
	static const int errors[] = { -EPERM, -EOPNOTSUPP, -ENXIO };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		EXPECT_EQ(0, imp_control(self->imp, self->fd, DMABUF_IMPORTER_FAIL_ATTACH,
					 errors[i]));
		EXPECT_EQ(errors[i], imp_attach(self->imp, self->dev, self->fd));
	}
	EXPECT_EQ(0, imp_control(self->imp, self->fd, DMABUF_IMPORTER_FAIL_ATTACH, 0));
}

TEST_F(misuse, failing_map_and_pin_give_the_exporters_errno)
{
	int imp = self->imp, fd = self->fd;

	EXPECT_EQ(0, imp_control(imp, fd, DMABUF_IMPORTER_FAIL_MAP, -ENOSPC));
	EXPECT_EQ(-ENOSPC, imp_map(imp, self->att, DMABUF_IMPORTER_READ, NULL, 0));
	EXPECT_EQ(-ENOSPC, imp_fill(imp, self->dev, self->att, PAGE, 1));
	/* The core maps at attach for a static importer. */
	EXPECT_EQ(-ENOSPC, imp_attach(imp, self->fixed_dev, fd));
	EXPECT_EQ(0, imp_control(imp, fd, DMABUF_IMPORTER_FAIL_MAP, 0));

	EXPECT_EQ(0, imp_control(imp, fd, DMABUF_IMPORTER_FAIL_PIN, -ENXIO));
	EXPECT_EQ(-ENXIO, imp_id(imp, DMABUF_IMPORTER_PIN, self->att));
	EXPECT_EQ(-ENXIO, imp_attach(imp, self->fixed_dev, fd));
	EXPECT_EQ(0, imp_control(imp, fd, DMABUF_IMPORTER_FAIL_PIN, 0));
	EXPECT_EQ(0, imp_move(imp, fd));
}

TEST_F(misuse, revoked_buffer_is_enodev)
{
	int imp = self->imp, fd = imp_buffer(imp, PAGE, DMABUF_IMPORTER_BUFFER_DYNAMIC);
	int att = imp_attach(imp, self->dev, fd);

	ASSERT_LT(0, att);
	EXPECT_EQ(1, imp_fill(imp, self->dev, att, PAGE, 1));
	EXPECT_EQ(0, imp_control(imp, fd, DMABUF_IMPORTER_REVOKE, 0));
	EXPECT_EQ(1, imp_info(imp, att).moves);
	EXPECT_EQ(-ENODEV, imp_fill(imp, self->dev, att, PAGE, 1));
	EXPECT_EQ(-ENODEV, imp_map(imp, att, DMABUF_IMPORTER_READ, NULL, 0));
	EXPECT_EQ(-ENODEV, imp_id(imp, DMABUF_IMPORTER_PIN, att));
	EXPECT_EQ(-ENODEV, imp_move(imp, fd));
	EXPECT_EQ(-ENODEV, imp_attach(imp, self->fixed_dev, fd));
	EXPECT_EQ(0, imp_id(imp, DMABUF_IMPORTER_DETACH, att));
	close(fd);
}

TEST_F(misuse, revoke_of_pinned_buffer_is_ebusy)
{
	int imp = self->imp, fd = imp_buffer(imp, PAGE, DMABUF_IMPORTER_BUFFER_DYNAMIC);
	int att = imp_attach(imp, self->dev, fd);

	ASSERT_LT(0, att);
	EXPECT_EQ(0, imp_id(imp, DMABUF_IMPORTER_PIN, att));
	EXPECT_EQ(-EBUSY, imp_control(imp, fd, DMABUF_IMPORTER_REVOKE, 0));
	EXPECT_EQ(1, imp_fill(imp, self->dev, att, PAGE, 1));
	EXPECT_EQ(0, imp_id(imp, DMABUF_IMPORTER_UNPIN, att));
	EXPECT_EQ(0, imp_control(imp, fd, DMABUF_IMPORTER_REVOKE, 0));
	close(fd);
}

TEST_F(misuse, peer_to_peer_is_for_those_who_ask)
{
	int dev = imp_dev(self->imp, SW, DYNAMIC | DMABUF_IMPORTER_DEV_P2P), att;

	ASSERT_LT(0, dev);
	att = imp_attach(self->imp, dev, self->fd);
	ASSERT_LT(0, att);
	EXPECT_EQ(1, imp_info(self->imp, att).p2p);
	EXPECT_EQ(0, imp_info(self->imp, self->att).p2p);
	EXPECT_EQ(1, imp_fill(self->imp, dev, att, PAGE, 1));
}

TEST_F(misuse, control_checks_its_arguments)
{
	int imp = self->imp, fd = self->fd, heap, fixed;

	EXPECT_EQ(-EBADF, imp_control(imp, -1, 0, 0));
	EXPECT_EQ(-EINVAL, imp_control(imp, imp, 0, 0));
	EXPECT_EQ(-EINVAL, imp_control(imp, fd, 7, 0));
	EXPECT_EQ(-EINVAL, imp_control(imp, fd, DMABUF_IMPORTER_MOVE, 1));
	EXPECT_EQ(-EINVAL, imp_control(imp, fd, DMABUF_IMPORTER_FAIL_MAP, 1));
	EXPECT_EQ(-EINVAL, imp_control(imp, fd, DMABUF_IMPORTER_FAIL_MAP, -4096));
	EXPECT_EQ(-EINVAL, imp_control(imp, fd, DMABUF_IMPORTER_SLOW_MAP, -1));
	heap = heap_alloc(PAGE);
	ASSERT_LE(0, heap);
	EXPECT_EQ(-EINVAL, imp_move(imp, heap));
	fixed = imp_buffer(imp, PAGE, 0);
	ASSERT_LE(0, fixed);
	EXPECT_EQ(-EOPNOTSUPP, imp_move(imp, fixed));
	EXPECT_EQ(-EINVAL, imp_buffer(imp, 0, 0));
	EXPECT_EQ(-EINVAL, imp_buffer(imp, PAGE, 8));
	EXPECT_EQ(-EINVAL, imp_buffer(imp, ~0ull, 0));
	close(fixed);
	close(heap);
}

/* A device whose constraints the buffer cannot meet is refused, without harm. */
TEST_F(misuse, contradicting_constraints)
{
	struct dmabuf_importer_create_dev small = { .flags = DYNAMIC, .dma_mask = 0xffffffff };
	struct dmabuf_importer_create_dev whole = {
		.flags = DYNAMIC | DMABUF_IMPORTER_DEV_CONTIGUOUS,
	};
	struct dmabuf_importer_create_dev pages = {
		.flags = DYNAMIC | DMABUF_IMPORTER_DEV_CONTIGUOUS, .max_segment = PAGE,
	};
	int imp = self->imp, one, dev, att;

	dev = imp_dev_with(imp, &small);
	ASSERT_LT(0, dev);
	EXPECT_EQ(0, imp_control(imp, self->fd, DMABUF_IMPORTER_NEED_MASK, 0x1ffffffff));
	EXPECT_EQ(-EBUSY, imp_attach(imp, dev, self->fd));
	EXPECT_EQ(0, imp_control(imp, self->fd, DMABUF_IMPORTER_NEED_MASK, 0));

	one = imp_buffer(imp, 4 * PAGE, DMABUF_IMPORTER_BUFFER_CONTIGUOUS);
	ASSERT_LE(0, one);
	dev = imp_dev_with(imp, &whole);
	att = imp_attach(imp, dev, one);
	EXPECT_EQ(1, imp_map(imp, att, DMABUF_IMPORTER_READ, NULL, 0));
	EXPECT_EQ(1, imp_fill(imp, dev, att, 4 * PAGE, 2));
	dev = imp_dev_with(imp, &pages);
	ASSERT_LT(0, dev);
	att = imp_attach(imp, dev, one);
	EXPECT_EQ(-EOPNOTSUPP, att < 0 ? att : imp_map(imp, att, DMABUF_IMPORTER_READ, NULL, 0));
	EXPECT_EQ(-EOPNOTSUPP, att < 0 ? att : imp_fill(imp, dev, att, PAGE, 2));
	close(one);
}

/* Segments keep to the limits; as many are reported as there is room for. */
TEST_F(misuse, segments_keep_to_the_constraints)
{
	struct dmabuf_importer_create_dev arg = {
		.flags = DYNAMIC, .max_segment = 2 * PAGE, .segment_boundary = 2 * PAGE - 1,
	};
	struct dmabuf_importer_segment seg[9];
	int imp = self->imp, fd, dev, att, n, i;
	__u64 sum = 0;

	fd = imp_buffer(imp, 8 * PAGE, DMABUF_IMPORTER_BUFFER_CONTIGUOUS);
	dev = imp_dev_with(imp, &arg);
	att = imp_attach(imp, dev, fd);
	ASSERT_LT(0, att);
	memset(seg, 0xff, sizeof(seg));
	n = imp_map(imp, att, DMABUF_IMPORTER_READ | DMABUF_IMPORTER_WRITE, seg, 8);
	ASSERT_LE(4, n);
	ASSERT_GE(8, n);
	for (i = 0; i < n; i++) {
		EXPECT_GE(2 * PAGE, seg[i].length);
		EXPECT_EQ(seg[i].address / (2 * PAGE),
			  (seg[i].address + seg[i].length - 1) / (2 * PAGE));
		sum += seg[i].length;
	}
	EXPECT_EQ(8 * PAGE, sum);
	EXPECT_EQ(~0ull, seg[n].length);
	EXPECT_EQ(0, imp_id(imp, DMABUF_IMPORTER_UNMAP, att));

	memset(seg, 0xff, sizeof(seg));
	EXPECT_EQ(n, imp_map(imp, att, DMABUF_IMPORTER_READ, seg, 1));
	EXPECT_NE(~0ull, seg[0].length);
	EXPECT_EQ(~0ull, seg[1].length);
	close(fd);
}

TEST_HARNESS_MAIN

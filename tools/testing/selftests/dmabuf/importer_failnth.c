// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fail each allocation that an ioctl of the importer test driver makes, its own, the
 * core's and the exporter's, in turn, by /proc/thread-self/fail-nth. A failing call
 * must return the right errno and leave nothing behind, and the next call must work.
 *
 * Copyright (C) the dma-buf project authors
 */
#include "fail_nth.h"
#include "importer_util.h"

#define MAX_NTH 2000

struct ctx {
	int imp, dev, fixed_dev;
	int fd, att; /* dynamic, mapped by jobs */
	int other, other_att;
	int heap;
	int fence; /* signalled */
	int made; /* identifier that prepare() has made */
	int victim; /* buffer to revoke */
	unsigned char *memory;
};

FIXTURE(nth)
{
	struct ctx c;
	int nth_fd;
};

/* One kind of call. No allocation is failed in prepare() and undo(). */
FIXTURE_VARIANT(nth)
{
	int (*prepare)(struct ctx *c);
	int (*call)(struct ctx *c);
	void (*undo)(struct ctx *c, int ret);
	bool never_fails; /* and may not allocate at all */
};

static void undo_dev(struct ctx *c, int ret)
{
	imp_id(c->imp, DMABUF_IMPORTER_DESTROY_DEV, ret);
}

static void undo_att(struct ctx *c, int ret)
{
	imp_id(c->imp, DMABUF_IMPORTER_DETACH, ret);
}

static void undo_fd(struct ctx *c, int ret)
{
	close(ret);
}

static void undo_map(struct ctx *c, int ret)
{
	imp_id(c->imp, DMABUF_IMPORTER_UNMAP, c->att);
}

static void undo_job(struct ctx *c, int ret)
{
	fence_result(ret);
	close(ret);
}

static int call_open(struct ctx *c)
{
	return imp_open();
}

FIXTURE_VARIANT_ADD(nth, open)
{
	.call = call_open, .undo = undo_fd,
};

static int call_create_dev(struct ctx *c)
{
	return imp_dev(c->imp, SW, DYNAMIC);
}

FIXTURE_VARIANT_ADD(nth, create_dev)
{
	.call = call_create_dev, .undo = undo_dev,
};

static int call_attach(struct ctx *c)
{
	return imp_attach(c->imp, c->dev, c->fd);
}

FIXTURE_VARIANT_ADD(nth, attach)
{
	.call = call_attach, .undo = undo_att,
};

static int call_attach_static(struct ctx *c)
{
	return imp_attach(c->imp, c->fixed_dev, c->fd);
}

FIXTURE_VARIANT_ADD(nth, attach_static)
{
	.call = call_attach_static, .undo = undo_att,
};

static int call_attach_heap(struct ctx *c)
{
	return imp_attach(c->imp, c->fixed_dev, c->heap);
}

FIXTURE_VARIANT_ADD(nth, attach_heap)
{
	.call = call_attach_heap, .undo = undo_att,
};

static int call_map(struct ctx *c)
{
	return imp_map(c->imp, c->att, DMABUF_IMPORTER_READ, NULL, 0);
}

FIXTURE_VARIANT_ADD(nth, map)
{
	.call = call_map, .undo = undo_map,
};

static int call_export(struct ctx *c)
{
	return imp_buffer(c->imp, 4 * PAGE, DMABUF_IMPORTER_BUFFER_DYNAMIC);
}

FIXTURE_VARIANT_ADD(nth, export)
{
	.call = call_export, .undo = undo_fd,
};

static int call_move(struct ctx *c)
{
	return imp_move(c->imp, c->fd);
}

FIXTURE_VARIANT_ADD(nth, move)
{
	.call = call_move,
};

static int submit(struct ctx *c, struct dmabuf_importer_job *job)
{
	int ret;

	job->dev = c->dev;
	job->flags = IMPLICIT | OUT_FENCE;
	ret = imp_submit(c->imp, job);
	return ret ? ret : job->out_fence;
}

/* Make the mapping stale, so that the job has to map. */
static int prepare_stale(struct ctx *c)
{
	return imp_move(c->imp, c->fd);
}

static int call_fill(struct ctx *c)
{
	struct dmabuf_importer_job job = {
		.op = DMABUF_IMPORTER_FILL, .dst = buffer(c->att, 0), .length = PAGE,
	};

	return submit(c, &job);
}

FIXTURE_VARIANT_ADD(nth, submit_fill_after_move)
{
	.prepare = prepare_stale, .call = call_fill, .undo = undo_job,
};

static int call_copy(struct ctx *c)
{
	struct dmabuf_importer_job job = {
		.op = DMABUF_IMPORTER_COPY, .dst = buffer(c->att, 0),
		.src = buffer(c->other_att, 0), .length = PAGE,
	};

	return submit(c, &job);
}

FIXTURE_VARIANT_ADD(nth, submit_copy_of_two_buffers)
{
	.prepare = prepare_stale, .call = call_copy, .undo = undo_job,
};

static int call_copy_user(struct ctx *c)
{
	struct dmabuf_importer_job job = {
		.op = DMABUF_IMPORTER_COPY, .dst = buffer(c->att, 0),
		.src = user(c->memory), .length = 4 * PAGE,
		.in_fences = (uintptr_t)&c->fence, .num_in_fences = 1,
	};

	return submit(c, &job);
}

FIXTURE_VARIANT_ADD(nth, submit_user_memory_and_in_fence)
{
	.call = call_copy_user, .undo = undo_job,
};

static int call_checksum(struct ctx *c)
{
	struct dmabuf_importer_job job = {
		.op = DMABUF_IMPORTER_CHECKSUM, .dst = user(c->memory),
		.src = buffer(c->att, 0), .length = PAGE,
	};

	return submit(c, &job);
}

FIXTURE_VARIANT_ADD(nth, submit_checksum)
{
	.call = call_checksum, .undo = undo_job,
};

/* Calls that must not fail for lack of memory. */

static int call_pin(struct ctx *c)
{
	return imp_id(c->imp, DMABUF_IMPORTER_PIN, c->att);
}

static int call_unpin(struct ctx *c)
{
	return imp_id(c->imp, DMABUF_IMPORTER_UNPIN, c->att);
}

static void undo_pin(struct ctx *c, int ret)
{
	call_unpin(c);
}

FIXTURE_VARIANT_ADD(nth, pin)
{
	.call = call_pin, .undo = undo_pin, .never_fails = true,
};

FIXTURE_VARIANT_ADD(nth, unpin)
{
	.prepare = call_pin, .call = call_unpin, .never_fails = true,
};

static int prepare_map(struct ctx *c)
{
	return call_map(c) < 0;
}

static int call_unmap(struct ctx *c)
{
	return imp_id(c->imp, DMABUF_IMPORTER_UNMAP, c->att);
}

FIXTURE_VARIANT_ADD(nth, unmap)
{
	.prepare = prepare_map, .call = call_unmap, .never_fails = true,
};

static int prepare_att(struct ctx *c)
{
	c->made = call_attach(c);
	return c->made < 0;
}

static int call_detach(struct ctx *c)
{
	return imp_id(c->imp, DMABUF_IMPORTER_DETACH, c->made);
}

FIXTURE_VARIANT_ADD(nth, detach)
{
	.prepare = prepare_att, .call = call_detach, .never_fails = true,
};

static int prepare_dev(struct ctx *c)
{
	c->made = call_create_dev(c);
	return c->made < 0;
}

static int call_destroy_dev(struct ctx *c)
{
	return imp_id(c->imp, DMABUF_IMPORTER_DESTROY_DEV, c->made);
}

FIXTURE_VARIANT_ADD(nth, destroy_dev)
{
	.prepare = prepare_dev, .call = call_destroy_dev, .never_fails = true,
};

static int call_info(struct ctx *c)
{
	struct dmabuf_importer_info info = { .attachment = c->att };

	return do_ioctl(c->imp, DMABUF_IMPORTER_INFO, &info);
}

FIXTURE_VARIANT_ADD(nth, info)
{
	.call = call_info, .never_fails = true,
};

static int prepare_held(struct ctx *c)
{
	struct dmabuf_importer_job job = {
		.dev = c->dev, .op = DMABUF_IMPORTER_FILL, .flags = HELD | IMPLICIT,
		.dst = buffer(c->att, 0), .length = PAGE,
	};
	int ret = imp_submit(c->imp, &job);

	c->made = job.job;
	return ret;
}

static int call_release(struct ctx *c)
{
	return imp_id(c->imp, DMABUF_IMPORTER_RELEASE, c->made);
}

FIXTURE_VARIANT_ADD(nth, release)
{
	.prepare = prepare_held, .call = call_release, .never_fails = true,
};

static int call_cancel(struct ctx *c)
{
	return imp_id(c->imp, DMABUF_IMPORTER_CANCEL, c->made);
}

FIXTURE_VARIANT_ADD(nth, cancel)
{
	.prepare = prepare_held, .call = call_cancel, .never_fails = true,
};

static int prepare_victim(struct ctx *c)
{
	if (c->victim)
		close(c->victim);
	c->victim = call_export(c);
	return c->victim < 0;
}

static int call_revoke(struct ctx *c)
{
	return imp_control(c->imp, c->victim, DMABUF_IMPORTER_REVOKE, 0);
}

FIXTURE_VARIANT_ADD(nth, revoke)
{
	.prepare = prepare_victim, .call = call_revoke, .never_fails = true,
};

FIXTURE_SETUP(nth)
{
	struct ctx *c = &self->c;

	if (missing(IMPORTER_PATH))
		SKIP(return, NEEDS_IMPORTER);
	self->nth_fd = fail_nth_open();
	if (self->nth_fd < 0)
		SKIP(return, NEEDS_FAIL_NTH);
	c->imp = imp_open();
	c->dev = imp_dev(c->imp, SW, DYNAMIC);
	c->fixed_dev = imp_dev(c->imp, SW, 0);
	c->fd = imp_buffer(c->imp, 4 * PAGE, DMABUF_IMPORTER_BUFFER_DYNAMIC);
	c->other = imp_buffer(c->imp, 4 * PAGE, DMABUF_IMPORTER_BUFFER_DYNAMIC);
	c->heap = heap_alloc(4 * PAGE);
	c->att = imp_attach(c->imp, c->dev, c->fd);
	c->other_att = imp_attach(c->imp, c->dev, c->other);
	c->memory = calloc(4, PAGE);
	ASSERT_LE(0, c->heap);
	ASSERT_LT(0, c->other_att);
	ASSERT_EQ(1, imp_fill(c->imp, c->dev, c->att, PAGE, 1));
	c->fence = sw_fence(sw_open(), 0);
	ASSERT_LE(0, c->fence);
}

/* The devices still work, and nothing holds the buffers. */
FIXTURE_TEARDOWN(nth)
{
	struct ctx *c = &self->c;
	unsigned long ino = db_ino(c->fd), other = db_ino(c->other);

	EXPECT_EQ(1, imp_fill(c->imp, c->dev, c->att, 4 * PAGE, 1));
	EXPECT_EQ(0, imp_move(c->imp, c->fd));
	EXPECT_EQ(0, imp_id(c->imp, DMABUF_IMPORTER_DETACH, c->att));
	EXPECT_EQ(0, imp_id(c->imp, DMABUF_IMPORTER_DETACH, c->other_att));
	EXPECT_EQ(0, imp_id(c->imp, DMABUF_IMPORTER_DESTROY_DEV, c->dev));
	EXPECT_EQ(0, imp_id(c->imp, DMABUF_IMPORTER_DESTROY_DEV, c->fixed_dev));
	close(c->fd);
	close(c->other);
	EXPECT_TRUE(buffer_gone(ino));
	EXPECT_TRUE(buffer_gone(other));
	close(c->imp);
}

TEST_F_TIMEOUT(nth, every_failing_allocation_is_survived, 280)
{
	struct ctx *c = &self->c;
	unsigned int nth, injected = 0, failed = 0;
	bool fired = true;
	int ret = 0, fds;

	for (nth = 1; fired && nth < MAX_NTH; nth++) {
		ASSERT_EQ(0, variant->prepare ? variant->prepare(c) : 0);
		fds = count_fds();
		ASSERT_EQ(0, fail_nth_arm(self->nth_fd, nth));
		ret = variant->call(c);
		fired = fail_nth_disarm(self->nth_fd);
		if (ret >= 0 && variant->undo)
			variant->undo(c, ret);
		if (ret < 0) {
			/* EFAULT: the page fault on memory of the process failed. */
			EXPECT_TRUE(!variant->never_fails && (ret == -ENOMEM || ret == -EFAULT)) {
				TH_LOG("allocation %u failed and the call said %d", nth, ret);
			}
			failed++;
		}
		EXPECT_EQ(fds, count_fds());
		injected += fired;
	}
	/* The last round injected no failure, so its call must succeed. */
	EXPECT_FALSE(fired);
	EXPECT_LE(0, ret);
	EXPECT_TRUE(injected || variant->never_fails);
	TH_LOG("%u allocations failed, %u made the call fail", injected, failed);
}

TEST_HARNESS_MAIN

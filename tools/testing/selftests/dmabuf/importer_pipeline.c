// SPDX-License-Identifier: GPL-2.0-only
/*
 * A camera, an encoder and a display of different speeds share a thousand buffers
 * and are ordered by implicit synchronisation alone. The program only submits their
 * jobs, hundreds of frames ahead, and checks every byte that comes out.
 *
 * Copyright (C) the dma-buf project authors
 */
#include "importer_util.h"

#define SLOTS 500 /* each has a frame and a packet: two buffers */
#define FRAMES 3400 /* of three jobs each */

struct slot {
	int frame_fd, packet_fd;
	int camera_att, encoder_in, encoder_out, display_att;
	int fence; /* of the display job, or -1 */
	__u32 seed;
	unsigned char *in, *out;
};

FIXTURE(pipeline)
{
	int imp, camera, encoder, display;
	struct slot *slots;
	int jobs;
};

FIXTURE_VARIANT(pipeline)
{
	__u32 display_flags;
	bool moving;
};

FIXTURE_VARIANT_ADD(pipeline, dynamic)
{
	.display_flags = DYNAMIC,
};

FIXTURE_VARIANT_ADD(pipeline, static_display)
{
	.display_flags = 0,
};

FIXTURE_VARIANT_ADD(pipeline, memory_moves)
{
	.display_flags = DYNAMIC, .moving = true,
};

static int slot_init(FIXTURE_DATA(pipeline) *self, struct slot *s)
{
	int imp = self->imp;

	s->frame_fd = imp_buffer(imp, PAGE, DMABUF_IMPORTER_BUFFER_DYNAMIC);
	s->packet_fd = imp_buffer(imp, PAGE, DMABUF_IMPORTER_BUFFER_DYNAMIC);
	s->camera_att = imp_attach(imp, self->camera, s->frame_fd);
	s->encoder_in = imp_attach(imp, self->encoder, s->frame_fd);
	s->encoder_out = imp_attach(imp, self->encoder, s->packet_fd);
	s->display_att = imp_attach(imp, self->display, s->packet_fd);
	s->in = malloc(PAGE);
	s->out = malloc(PAGE);
	s->fence = -1;
	return s->display_att < 0 ? s->display_att : 0;
}

FIXTURE_SETUP(pipeline)
{
	int i;

	if (missing(IMPORTER_PATH))
		SKIP(return, NEEDS_IMPORTER);
	if (bounces())
		SKIP(return, NEEDS_SHARED_MEMORY);
	raise_fd_limit();
	self->imp = imp_open();
	ASSERT_LE(0, self->imp);
	self->camera = imp_dev(self->imp, SW, DYNAMIC);
	self->encoder = imp_dev(self->imp, SW, DYNAMIC);
	self->display = imp_dev(self->imp, SW, variant->display_flags);
	ASSERT_LT(0, self->display);
	self->slots = calloc(SLOTS, sizeof(*self->slots));
	for (i = 0; i < SLOTS; i++)
		ASSERT_EQ(0, slot_init(self, &self->slots[i]));
}

FIXTURE_TEARDOWN(pipeline)
{
	unsigned long ino[2] = {
		db_ino(self->slots[0].frame_fd), db_ino(self->slots[SLOTS - 1].packet_fd),
	};
	int i;

	close(self->imp);
	for (i = 0; i < SLOTS; i++) {
		close(self->slots[i].frame_fd);
		close(self->slots[i].packet_fd);
		free(self->slots[i].in);
		free(self->slots[i].out);
	}
	free(self->slots);
	/* No job that was in flight still holds a buffer. */
	EXPECT_TRUE(buffer_gone(ino[0]));
	EXPECT_TRUE(buffer_gone(ino[1]));
}

/* Wait for the frame of a slot; true if what came out is what went in. */
static bool collect(struct slot *s)
{
	bool same;

	if (s->fence < 0)
		return true;
	same = fence_result(s->fence) == 1 && !memcmp(s->in, s->out, PAGE);
	close(s->fence);
	s->fence = -1;
	return same;
}

static int submit(FIXTURE_DATA(pipeline) *self, int dev, struct dmabuf_importer_operand dst,
		  struct dmabuf_importer_operand src, __u32 delay_us, int *fence)
{
	struct dmabuf_importer_job job = {
		.dev = dev, .op = DMABUF_IMPORTER_COPY, .flags = IMPLICIT | (fence ? OUT_FENCE : 0),
		.dst = dst, .src = src, .length = PAGE, .delay_us = delay_us,
		.timeout_ms = DMABUF_IMPORTER_MAX_TIMEOUT_MS,
	};
	int ret = imp_submit(self->imp, &job);

	if (!ret && fence)
		*fence = job.out_fence;
	self->jobs += !ret;
	return ret;
}

/* Submit all three jobs at once; only their fences order them. */
static int shoot(FIXTURE_DATA(pipeline) *self, struct slot *s, __u32 n)
{
	int ret;

	s->seed = n;
	pattern(s->in, PAGE, n);
	memset(s->out, 0, PAGE);
	ret = submit(self, self->camera, buffer(s->camera_att, 0), user(s->in),
		     n % 7 ? 0 : 100, NULL);
	if (!ret)
		ret = submit(self, self->encoder, buffer(s->encoder_out, 0),
			     buffer(s->encoder_in, 0), n % 5 ? 0 : 300, NULL);
	if (!ret)
		ret = submit(self, self->display, user(s->out), buffer(s->display_att, 0),
			     n % 16 ? 0 : 1000, &s->fence);
	return ret;
}

TEST_F_TIMEOUT(pipeline, no_byte_is_lost, 280)
{
	int fds, n;

	fds = count_fds();
	for (n = 0; n < FRAMES; n++) {
		struct slot *s = &self->slots[n % SLOTS];

		ASSERT_TRUE(collect(s)) {
			TH_LOG("frame %u is not what was shot", s->seed);
		}
		ASSERT_EQ(0, shoot(self, s, n));
		if (variant->moving && n % 3 == 0)
			ASSERT_EQ(0, imp_move(self->imp, self->slots[(n * 7) % SLOTS].frame_fd));
	}
	for (n = 0; n < SLOTS; n++) {
		ASSERT_TRUE(collect(&self->slots[n])) {
			TH_LOG("frame %u is not what was shot", self->slots[n].seed);
		}
	}
	EXPECT_EQ(3 * FRAMES, self->jobs);
	EXPECT_EQ(fds, count_fds());
}

TEST_HARNESS_MAIN

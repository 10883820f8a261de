// SPDX-License-Identifier: GPL-2.0-only
/*
 * The trace events that tools read: their names and fields, and that the life
 * of a fence shows as the right events in the right order. The test uses a
 * trace instance of its own.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <sys/prctl.h>

#include "dmabuf_util.h"

#define TRACING "/sys/kernel/tracing"
#define INSTANCE TRACING "/instances/dmabuf-test"
#define COMM "trace-case"

FIXTURE(trace)
{
	int tl;
	char text[1 << 18];
};

FIXTURE_SETUP(trace)
{
	if (missing(SW_SYNC_PATH))
		SKIP(return, NEEDS_SW_SYNC);
	if (missing(TRACING "/instances"))
		SKIP(return, "no tracefs: CONFIG_FTRACE and an enabled tracer");
	rmdir(INSTANCE); /* of a run that was cut off */
	ASSERT_EQ(0, mkdir(INSTANCE, 0700));
	ASSERT_EQ(0, prctl(PR_SET_NAME, COMM));
	self->tl = sw_open();
	ASSERT_LE(0, self->tl);
	ASSERT_EQ(0, write_file(INSTANCE "/events/dma_fence/enable", "1"));
	ASSERT_EQ(0, write_file(INSTANCE "/events/sync_trace/enable", "1"));
}

FIXTURE_TEARDOWN(trace)
{
	close(self->tl);
	write_file(INSTANCE "/events/enable", "0");
	EXPECT_EQ(0, rmdir(INSTANCE));
}

/* Finds the first event @name at or after @from that contains @with. */
static char *event(char *from, const char *name, const char *with)
{
	char want[64], *at, *end, *hit;

	snprintf(want, sizeof(want), " %s: ", name);
	for (at = from; at && (at = strstr(at, want)); at = end) {
		end = strchr(at, '\n');
		hit = strstr(at, with);
		if (hit && (!end || hit < end))
			return at;
	}
	return NULL;
}

TEST_F(trace, events_have_their_fields)
{
	static const char *const events[] = {
		"dma_fence_emit", "dma_fence_init", "dma_fence_destroy",
		"dma_fence_enable_signal", "dma_fence_signaled", "dma_fence_wait_start",
		"dma_fence_wait_end",
	};
	char path[128];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(events); i++) {
		snprintf(path, sizeof(path), TRACING "/events/dma_fence/%s/format", events[i]);
		ASSERT_LT(0, read_file(path, self->text, sizeof(self->text)));
		EXPECT_NE(NULL, strstr(self->text, "__data_loc char[] driver;"));
		EXPECT_NE(NULL, strstr(self->text, "__data_loc char[] timeline;"));
		EXPECT_NE(NULL, strstr(self->text, "unsigned int context;"));
		EXPECT_NE(NULL, strstr(self->text, "unsigned int seqno;"));
		EXPECT_NE(NULL, strstr(self->text,
				       "\"driver=%s timeline=%s context=%u seqno=%u\""));
	}
	ASSERT_LT(0, read_file(TRACING "/events/sync_trace/sync_timeline/format", self->text,
			       sizeof(self->text)));
	EXPECT_NE(NULL, strstr(self->text, "__data_loc char[] name;"));
	EXPECT_NE(NULL, strstr(self->text, "u32 value;"));
	EXPECT_NE(NULL, strstr(self->text, "\"name=%s value=%d\""));
}

TEST_F(trace, life_of_a_fence_shows_in_order)
{
	static const char fence_text[] = "driver=sw_sync timeline=" COMM " context=";
	int fence = sw_fence(self->tl, 7);
	char *at;

	ASSERT_LE(0, fence);
	EXPECT_EQ(0, poll_now(fence, POLLIN));
	ASSERT_EQ(0, sw_inc(self->tl, 7));
	close(fence);
	ASSERT_LT(0, read_file(INSTANCE "/trace", self->text, sizeof(self->text)));

	at = event(self->text, "dma_fence_init", fence_text);
	ASSERT_NE(NULL, at);
	EXPECT_NE(NULL, strstr(at, " seqno=7\n"));
	at = event(at, "dma_fence_enable_signal", fence_text);
	ASSERT_NE(NULL, at);
	/* The event precedes the increment and shows the old value. */
	at = event(at, "sync_timeline", "name=" COMM " value=0");
	ASSERT_NE(NULL, at);
	at = event(at, "dma_fence_signaled", fence_text);
	ASSERT_NE(NULL, at);
	at = event(at, "dma_fence_destroy", fence_text);
	EXPECT_NE(NULL, at);
}

/* A program's name must not forge an event: control characters become '?'. */
TEST_F(trace, name_adds_no_line)
{
	static const char fence_text[] = "driver=sw_sync timeline=a?b\\ context=";
	int tl, fence;

	ASSERT_EQ(0, prctl(PR_SET_NAME, "a\nb\\"));
	tl = sw_open();
	ASSERT_EQ(0, prctl(PR_SET_NAME, COMM));
	ASSERT_LE(0, tl);
	fence = sw_fence(tl, 1);
	ASSERT_LE(0, fence);
	ASSERT_EQ(0, sw_inc(tl, 1));
	ASSERT_LT(0, read_file(INSTANCE "/trace", self->text, sizeof(self->text)));
	EXPECT_NE(NULL, event(self->text, "dma_fence_init", fence_text));
	EXPECT_NE(NULL, event(self->text, "dma_fence_signaled", fence_text));
	EXPECT_NE(NULL, event(self->text, "sync_timeline", "name=a?b\\ value=0"));
	EXPECT_EQ(NULL, strstr(self->text, "timeline=a\n"));
	close(fence);
	close(tl);
}

static int begin_read(void *arg)
{
	return db_sync(*(int *)arg, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
}

TEST_F(trace, waits_show_begin_and_end)
{
	int fence = sw_fence(self->tl, 1), buf;
	struct task t;
	char *start, *end;

	if (missing(SYSTEM_HEAP))
		SKIP(return, NEEDS_HEAP);
	buf = heap_alloc(page_size());
	ASSERT_LE(0, buf);
	ASSERT_EQ(0, db_import(buf, DMA_BUF_SYNC_WRITE, fence));
	ASSERT_EQ(0, task_start(&t, begin_read, &buf));
	EXPECT_TRUE(task_asleep(&t));
	ASSERT_EQ(0, sw_inc(self->tl, 1));
	EXPECT_EQ(0, task_join(&t));
	ASSERT_LT(0, read_file(INSTANCE "/trace", self->text, sizeof(self->text)));

	start = event(self->text, "dma_fence_wait_start", "timeline=" COMM);
	ASSERT_NE(NULL, start);
	end = event(start, "dma_fence_signaled", "timeline=" COMM);
	ASSERT_NE(NULL, end);
	EXPECT_NE(NULL, event(end, "dma_fence_wait_end", "timeline=" COMM));
	close(buf);
	close(fence);
}

/* A fence that fails with its timeline is traced with its names. */
TEST_F(trace, fence_that_outlives_its_timeline_keeps_its_names)
{
	int tl = sw_open(), fence = sw_fence(tl, 5);
	char *at;

	ASSERT_LE(0, fence);
	close(tl);
	EXPECT_EQ(-ENOENT, sf_status(fence));
	close(fence);
	ASSERT_LT(0, read_file(INSTANCE "/trace", self->text, sizeof(self->text)));
	at = event(self->text, "dma_fence_signaled", "driver=sw_sync timeline=" COMM);
	ASSERT_NE(NULL, at);
	EXPECT_NE(NULL, event(at, "dma_fence_destroy", "timeline="));
}

TEST_HARNESS_MAIN

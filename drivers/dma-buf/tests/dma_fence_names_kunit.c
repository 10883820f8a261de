// SPDX-License-Identifier: GPL-2.0-only
/*
 * The names of a fence, in descriptions and trace events. Fences outlive their
 * makers: most cases free the memory of the names first.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/cleanup.h>
#include <linux/dma-fence.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/trace_events.h>
#include <linux/tracepoint.h>

#include <trace/events/dma_fence.h>

#include "../fence/dma-fence-internal.h"
#include "mock.h"

static int names_test_init(struct kunit *test)
{
	test->priv = mock_timeline_create(test, "a timeline");
	return 0;
}

static void expect_names(struct kunit *test, struct dma_fence *fence,
			 const char *driver, const char *timeline)
{
	guard(rcu)();
	KUNIT_EXPECT_STREQ(test, dma_fence_driver_name(fence), driver);
	KUNIT_EXPECT_STREQ(test, dma_fence_timeline_name(fence), timeline);
}

static void expect_text(struct kunit *test, struct dma_fence *fence,
			const char *text)
{
	char buf[128];
	struct seq_file seq = { .buf = buf, .size = sizeof(buf) };

	dma_fence_describe(fence, &seq);
	seq_putc(&seq, '\0');
	KUNIT_EXPECT_FALSE(test, seq_has_overflowed(&seq));
	KUNIT_EXPECT_STREQ(test, buf, text);
}

static void describe_pending(struct kunit *test)
{
	struct dma_fence *fence = mock_fence_create_at(test->priv, 42, 0);

	expect_names(test, fence, "mock", "a timeline");
	expect_text(test, fence, "mock a timeline seq 42 unsignalled\n");
	mock_fence_put_last(test, fence);
}

/* A description must not use the freed names: KASAN watches their memory. */
static void describe_signaled_maker_gone(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *fence = mock_fence_create_at(timeline, U64_MAX, 0);

	dma_fence_signal(fence);
	mock_timeline_free_names(timeline);
	expect_names(test, fence, "detached-driver", "signaled-timeline");
	expect_text(test, fence,
		    "detached-driver signaled-timeline seq 18446744073709551615 signalled\n");
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->late), 0);
	mock_fence_put_last(test, fence);
}

/* The description polls the fence, which signals it. */
static void describe_finds_it_done(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *fence = mock_fence_create_at(timeline, 1, 0);

	to_mock_fence(fence)->done = true;
	expect_text(test, fence, "detached-driver signaled-timeline seq 1 signalled\n");
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->late), 0);
	mock_fence_put_last(test, fence);
}

static void describe_names_persist(struct kunit *test)
{
	struct dma_fence *fence;

	fence = mock_fence_create_at(test->priv, 7, MOCK_FENCE_NAMES_PERSIST);
	expect_text(test, fence, "mock a timeline seq 7 unsignalled\n");
	dma_fence_signal(fence);
	expect_names(test, fence, "mock", "a timeline");
	expect_text(test, fence, "mock a timeline seq 7 signalled\n");
	mock_fence_put_last(test, fence);
}

/* A name stays valid for the read-side critical section that looked it up. */
static void timeline_name_lasts_read_section(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *fence = mock_fence_create(timeline);
	const char *name;

	rcu_read_lock();
	name = dma_fence_timeline_name(fence);
	dma_fence_signal(fence);
	KUNIT_EXPECT_STREQ(test, name, "a timeline");
	KUNIT_EXPECT_STREQ(test, dma_fence_timeline_name(fence),
			   "signaled-timeline");
	rcu_read_unlock();
	mock_fence_put_last(test, fence);
}

static const char *name_of_gone(struct dma_fence *fence)
{
	return "gone";
}

static bool signaled_of_gone(struct dma_fence *fence)
{
	return false;
}

static long wait_of_gone(struct dma_fence *fence, bool intr, long timeout)
{
	return -ENODEV;
}

static void deadline_of_gone(struct dma_fence *fence, ktime_t deadline)
{
	fence->error = -ENODEV;
}

/*
 * After the signal the module with the operations may be unloaded. The test
 * replaces them by operations whose use would show.
 */
static void signal_ends_use_of_ops(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence_ops *ops = kunit_kzalloc(test, sizeof(*ops), GFP_KERNEL);
	struct dma_fence *fence;

	KUNIT_ASSERT_NOT_NULL(test, ops);
	ops->get_driver_name = name_of_gone;
	ops->get_timeline_name = name_of_gone;
	ops->release = mock_fence_release;
	fence = mock_fence_create_ops(timeline, 1, 0, ops);
	expect_names(test, fence, "gone", "gone");
	dma_fence_signal(fence);

	ops->names_persist = true;
	ops->signaled = signaled_of_gone;
	ops->wait = wait_of_gone;
	ops->set_deadline = deadline_of_gone;
	expect_text(test, fence,
		    "detached-driver signaled-timeline seq 1 signalled\n");
	dma_fence_set_deadline(fence, 1);
	KUNIT_EXPECT_EQ(test, dma_fence_get_status(fence), 1);
	KUNIT_EXPECT_EQ(test, dma_fence_wait_timeout(fence, false, 5), 5);
	mock_fence_put_last(test, fence);
	mock_timeline_released(timeline);
}

#ifdef CONFIG_EVENT_TRACING
enum event { INIT, EMIT, ENABLE, SIGNALED, WAIT_START, WAIT_END, DESTROY };

static const char * const event_names[] = {
	[INIT] = "dma_fence_init",
	[EMIT] = "dma_fence_emit",
	[ENABLE] = "dma_fence_enable_signal",
	[SIGNALED] = "dma_fence_signaled",
	[WAIT_START] = "dma_fence_wait_start",
	[WAIT_END] = "dma_fence_wait_end",
	[DESTROY] = "dma_fence_destroy",
};

/* The events of one timeline in their order. */
struct trace_log {
	u64 context;
	int num;
	enum event events[16];
};

static void log_event(struct trace_log *log, struct dma_fence *fence,
		      enum event event)
{
	if (fence->context == log->context &&
	    log->num < ARRAY_SIZE(log->events))
		log->events[log->num++] = event;
}

#define PROBE(name, event)						\
	static void probe_##name(void *log, struct dma_fence *fence)	\
	{								\
		log_event(log, fence, event);				\
	}
PROBE(init, INIT)
PROBE(emit, EMIT)
PROBE(enable_signal, ENABLE)
PROBE(signaled, SIGNALED)
PROBE(wait_start, WAIT_START)
PROBE(wait_end, WAIT_END)
PROBE(destroy, DESTROY)

static void probe_all(struct kunit *test, struct trace_log *log)
{
	KUNIT_ASSERT_EQ(test, register_trace_dma_fence_init(probe_init, log),
			0);
	register_trace_dma_fence_emit(probe_emit, log);
	register_trace_dma_fence_enable_signal(probe_enable_signal, log);
	register_trace_dma_fence_signaled(probe_signaled, log);
	register_trace_dma_fence_wait_start(probe_wait_start, log);
	register_trace_dma_fence_wait_end(probe_wait_end, log);
	register_trace_dma_fence_destroy(probe_destroy, log);
}

static void unprobe_all(struct trace_log *log)
{
	unregister_trace_dma_fence_init(probe_init, log);
	unregister_trace_dma_fence_emit(probe_emit, log);
	unregister_trace_dma_fence_enable_signal(probe_enable_signal, log);
	unregister_trace_dma_fence_signaled(probe_signaled, log);
	unregister_trace_dma_fence_wait_start(probe_wait_start, log);
	unregister_trace_dma_fence_wait_end(probe_wait_end, log);
	unregister_trace_dma_fence_destroy(probe_destroy, log);
	tracepoint_synchronize_unregister();
}

static void trace_dma_fence_in_order(struct kunit *test)
{
	static const enum event expected[] = {
		INIT, EMIT, WAIT_START, ENABLE, WAIT_END, SIGNALED,
		WAIT_START, WAIT_END, DESTROY,
	};
	struct mock_timeline *timeline = test->priv;
	struct trace_log log = { .context = timeline->context };
	struct dma_fence *fence;

	probe_all(test, &log);
	fence = mock_fence_create(timeline);
	trace_dma_fence_emit(fence);
	dma_fence_wait_timeout(fence, false, 0);
	dma_fence_enable_sw_signaling(fence);
	dma_fence_signal(fence);
	dma_fence_signal(fence);
	dma_fence_wait_timeout(fence, false, 0);
	mock_fence_put_last(test, fence);
	unprobe_all(&log);

	KUNIT_EXPECT_EQ(test, log.num, ARRAY_SIZE(expected));
	for (int i = 0; i < ARRAY_SIZE(expected); i++)
		KUNIT_EXPECT_STREQ(test, event_names[log.events[i]],
				   event_names[expected[i]]);
}

/* An enabled event must not ask the maker for its names after the signal. */
static void trace_dma_fence_maker_gone(struct kunit *test)
{
	struct mock_timeline *timeline = test->priv;
	struct dma_fence *fence;
	int late;

	KUNIT_ASSERT_EQ(test, trace_set_clr_event("dma_fence", NULL, 1), 0);
	fence = mock_fence_create(timeline);
	dma_fence_enable_sw_signaling(fence);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->late), 0);

	/* The maker itself signals, so its names are still valid in there. */
	dma_fence_signal(fence);
	late = atomic_read(&timeline->late);
	KUNIT_EXPECT_GE(test, late, 2);
	mock_timeline_free_names(timeline);
	trace_dma_fence_emit(fence);
	dma_fence_wait_timeout(fence, false, 0);
	mock_fence_put_last(test, fence);
	trace_set_clr_event("dma_fence", NULL, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->late), late);
}

/* Tools parse the fields and the text. */
static void trace_dma_fence_format(struct kunit *test)
{
	static const struct {
		const char *type;
		const char *name;
	} fields[] = {
		{ "__data_loc char[]", "driver" },
		{ "__data_loc char[]", "timeline" },
		{ "unsigned int", "context" },
		{ "unsigned int", "seqno" },
	};

	for (int i = 0; i < ARRAY_SIZE(event_names); i++) {
		struct trace_event_fields *field;
		struct trace_event_file *file;

		file = trace_get_event_file(NULL, "dma_fence", event_names[i]);
		KUNIT_ASSERT_FALSE_MSG(test, IS_ERR(file), "%s",
				       event_names[i]);
		KUNIT_EXPECT_STREQ(test, file->event_call->print_fmt,
				   "\"driver=%s timeline=%s context=%u seqno=%u\", __get_str(driver), __get_str(timeline), REC->context, REC->seqno");
		field = file->event_call->class->fields_array;
		for (int j = 0; j < ARRAY_SIZE(fields); j++, field++) {
			KUNIT_ASSERT_NOT_NULL(test, field->type);
			KUNIT_EXPECT_STREQ(test, field->type, fields[j].type);
			KUNIT_EXPECT_STREQ(test, field->name, fields[j].name);
		}
		KUNIT_EXPECT_NULL(test, field->type);
		trace_put_event_file(file);
	}
}
#endif

static struct kunit_case dma_fence_names_cases[] = {
	KUNIT_CASE(describe_pending),
	KUNIT_CASE(describe_signaled_maker_gone),
	KUNIT_CASE(describe_finds_it_done),
	KUNIT_CASE(describe_names_persist),
	KUNIT_CASE(timeline_name_lasts_read_section),
	KUNIT_CASE(signal_ends_use_of_ops),
#ifdef CONFIG_EVENT_TRACING
	KUNIT_CASE(trace_dma_fence_in_order),
	KUNIT_CASE(trace_dma_fence_maker_gone),
	KUNIT_CASE(trace_dma_fence_format),
#endif
	{}
};

static struct kunit_suite dma_fence_names_suite = {
	.name = "dma_fence_names",
	.init = names_test_init,
	.test_cases = dma_fence_names_cases,
};

kunit_test_suite(dma_fence_names_suite);

MODULE_LICENSE("GPL");

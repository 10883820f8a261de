/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace event of the software timeline. Tools read its fields and its printed
 * form, so neither changes. The name is that of a program; control characters
 * in it are recorded as question marks.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM sync_trace

#if !defined(_SYNC_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _SYNC_TRACE_H

#include <linux/tracepoint.h>

#include "../fence/print-text.h"
#include "sync_timeline.h"

/* Traces the value before the step; the caller holds &sync_timeline.lock. */
TRACE_EVENT(sync_timeline,
	TP_PROTO(struct sync_timeline *timeline),
	TP_ARGS(timeline),
	TP_STRUCT__entry(
		__string(name, timeline->name)
		__field(u32, value)
	),
	TP_fast_assign(
		__assign_str(name);
		dma_buf_blank_text(__get_str(name));
		__entry->value = lower_32_bits(timeline->now);
	),
	TP_printk("name=%s value=%d", __get_str(name), __entry->value)
);

#endif /* _SYNC_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../../drivers/dma-buf/sync
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE sync_trace
#include <trace/define_trace.h>

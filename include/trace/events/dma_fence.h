/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events in the life of a fence.
 *
 * Copyright (C) 2026 the dma-buf project authors
 *
 * Tools read the fields and the printed form, so both stay as they are. A maker
 * may name a timeline after a program, so the events record control characters
 * as question marks, by a function of drivers/dma-buf/, where they are defined.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dma_fence

#if !defined(_TRACE_DMA_FENCE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_DMA_FENCE_H

#include <linux/tracepoint.h>

struct dma_fence;

/* Names from functions that return generic ones if the maker may be gone. */
DECLARE_EVENT_CLASS(dma_fence,
	TP_PROTO(struct dma_fence *fence),
	TP_ARGS(fence),
	TP_STRUCT__entry(
		__string(driver, dma_fence_driver_name(fence))
		__string(timeline, dma_fence_timeline_name(fence))
		__field(unsigned int, context)
		__field(unsigned int, seqno)
	),
	TP_fast_assign(
		__assign_str(driver);
		__assign_str(timeline);
		dma_buf_blank_text(__get_str(driver));
		dma_buf_blank_text(__get_str(timeline));
		__entry->context = fence->context;
		__entry->seqno = fence->seqno;
	),
	TP_printk("driver=%s timeline=%s context=%u seqno=%u",
		  __get_str(driver), __get_str(timeline),
		  __entry->context, __entry->seqno)
);

/*
 * The same for the moment of signalling, with the names of the maker: the fence
 * has signalled, but its maker is the caller.
 */
DECLARE_EVENT_CLASS(dma_fence_by_maker,
	TP_PROTO(struct dma_fence *fence),
	TP_ARGS(fence),
	TP_STRUCT__entry(
		__string(driver, fence->ops->get_driver_name(fence))
		__string(timeline, fence->ops->get_timeline_name(fence))
		__field(unsigned int, context)
		__field(unsigned int, seqno)
	),
	TP_fast_assign(
		__assign_str(driver);
		__assign_str(timeline);
		dma_buf_blank_text(__get_str(driver));
		dma_buf_blank_text(__get_str(timeline));
		__entry->context = fence->context;
		__entry->seqno = fence->seqno;
	),
	TP_printk("driver=%s timeline=%s context=%u seqno=%u",
		  __get_str(driver), __get_str(timeline),
		  __entry->context, __entry->seqno)
);

/* A driver has submitted the work. */
DEFINE_EVENT(dma_fence, dma_fence_emit,
	     TP_PROTO(struct dma_fence *fence), TP_ARGS(fence));

DEFINE_EVENT(dma_fence, dma_fence_init,
	     TP_PROTO(struct dma_fence *fence), TP_ARGS(fence));

DEFINE_EVENT(dma_fence, dma_fence_destroy,
	     TP_PROTO(struct dma_fence *fence), TP_ARGS(fence));

DEFINE_EVENT(dma_fence, dma_fence_enable_signal,
	     TP_PROTO(struct dma_fence *fence), TP_ARGS(fence));

DEFINE_EVENT(dma_fence_by_maker, dma_fence_signaled,
	     TP_PROTO(struct dma_fence *fence), TP_ARGS(fence));

DEFINE_EVENT(dma_fence, dma_fence_wait_start,
	     TP_PROTO(struct dma_fence *fence), TP_ARGS(fence));

DEFINE_EVENT(dma_fence, dma_fence_wait_end,
	     TP_PROTO(struct dma_fence *fence), TP_ARGS(fence));

#endif /* _TRACE_DMA_FENCE_H */

#include <trace/define_trace.h>

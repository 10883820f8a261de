/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The page orders that the system heap tries; for system_heap.c and its tests.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */
#ifndef _SYSTEM_HEAP_H
#define _SYSTEM_HEAP_H

#include <linux/types.h>

/* A PMD, 1 MiB, 64 KiB and a single page. */
#define HEAP_ORDERS_MAX 4

/**
 * struct heap_orders - page orders
 * @nr: entries of @order in use
 * @order: the orders, the largest first
 */
struct heap_orders {
	unsigned int nr;
	u8 order[HEAP_ORDERS_MAX];
};

#if IS_ENABLED(CONFIG_KUNIT)
void system_heap_orders_init(struct heap_orders *orders,
			     unsigned int page_shift, unsigned int pmd_shift,
			     unsigned int max_order);
#endif

#endif /* _SYSTEM_HEAP_H */

// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of runs that a page-backed buffer consists of, as its readers see
 * it: how long a run is, and a cursor over contiguous parts. The other files of
 * the page-backed buffer use this one; it calls none of them. heap-pages.c
 * fills the table and gives the memory back.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <linux/limits.h>
#include <linux/minmax.h>
#include <linux/mm.h>

#include "heap-pages.h"

/**
 * heap_run_pages - return the length of a run
 * @buf: the buffer
 * @i: index of the run
 *
 * A run ends where the next one starts, the last one with the buffer.
 *
 * Context: Any.
 * Return: The number of pages.
 */
unsigned long heap_run_pages(const struct heap_pages *buf, unsigned int i)
{
	pgoff_t end = i + 1 < buf->nr_runs ? buf->runs[i + 1].start :
					     buf->nr_pages;

	return end - buf->runs[i].start;
}

/* Return the index of the run that contains page @pgoff of the buffer. */
static unsigned int heap_pages_find(const struct heap_pages *buf, pgoff_t pgoff)
{
	unsigned int low = 0, high = buf->nr_runs - 1, mid;

	while (low < high) {
		mid = low + (high - low + 1) / 2;
		if (buf->runs[mid].start <= pgoff)
			low = mid;
		else
			high = mid - 1;
	}
	return low;
}

/**
 * heap_extent_start - prepare to walk over a part of a buffer
 * @ext: the cursor
 * @buf: the buffer, exported
 * @start: page to start at
 * @end: page to stop at; cut to the end of the buffer
 * @max: length limit of an extent, in pages; not zero
 *
 * The caller may set &heap_extent.boundary afterwards.
 *
 * Context: Any.
 */
void heap_extent_start(struct heap_extent *ext, const struct heap_pages *buf,
		       pgoff_t start, pgoff_t end, unsigned long max)
{
	ext->buf = buf;
	ext->run = start ? heap_pages_find(buf, start) : 0;
	ext->next = start;
	ext->end = min(end, buf->nr_pages);
	ext->max = max;
	ext->boundary = ULONG_MAX;
	ext->pfn = 0;
	ext->nr = 0;
}

/**
 * heap_extent_next - find the next extent
 * @ext: the cursor; &heap_extent.pfn and &heap_extent.nr describe the extent
 *	afterwards
 *
 * Context: Any.
 * Return: True if there is an extent, false at the end of the walk.
 */
bool heap_extent_next(struct heap_extent *ext)
{
	const struct heap_pages *buf = ext->buf;
	unsigned long limit, pfn, off, left, nr = 0;
	unsigned int run = ext->run;

	if (ext->next >= ext->end)
		return false;
	off = ext->next - buf->runs[run].start;
	pfn = page_to_pfn(buf->runs[run].page) + off;
	limit = min(ext->end - ext->next, ext->max);
	limit = min(limit - 1, ~pfn & ext->boundary) + 1;
	do {
		left = heap_run_pages(buf, run) - off;
		if (left > limit - nr) {
			nr = limit;
			break;
		}
		nr += left;
		off = 0;
		run++;
	} while (nr < limit && page_to_pfn(buf->runs[run].page) == pfn + nr);

	ext->run = run;
	ext->next += nr;
	ext->pfn = pfn;
	ext->nr = nr;
	return true;
}

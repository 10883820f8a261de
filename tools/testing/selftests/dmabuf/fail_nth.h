/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fails the nth allocation of a system call, by /proc/thread-self/fail-nth.
 *
 * Copyright (C) the dma-buf project authors
 */
#ifndef FAIL_NTH_H
#define FAIL_NTH_H

#include "dmabuf_util.h"

#define NEEDS_FAIL_NTH "no fail-nth: CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC, " \
	"CONFIG_FAULT_INJECTION_DEBUG_FS or _STACKTRACE_FILTER, or debugfs not mounted"

static inline bool starts_with(const char *text, const char *start)
{
	return !strncmp(text, start, strlen(start));
}

/*
 * The code of the kernel's DMA debugging: [start, end), empty if not built in. The
 * compiler puts its unlikely parts elsewhere: they are not looked at, or all that
 * is between would be taken for it.
 */
static inline void find_dma_debug(unsigned long *start, unsigned long *end)
{
	FILE *symbols = fopen("/proc/kallsyms", "r");
	bool inside = false;
	unsigned long addr;
	char name[512];

	*start = 0;
	*end = 0;
	/* kallsyms is sorted by address. */
	while (symbols && fscanf(symbols, "%lx %*c %511s%*[^\n]", &addr, name) == 2) {
		if (inside)
			*end = addr;
		inside = (starts_with(name, "debug_dma_") || starts_with(name, "add_dma_entry")) &&
			 !strstr(name, ".cold");
		if (inside && !*start)
			*start = addr;
	}
	if (symbols)
		fclose(symbols);
}

static inline int set_fault_attr(const char *name, const char *value)
{
	static const char *const kinds[] = { "failslab", "fail_page_alloc" };
	char path[128];
	size_t i;
	int ret = 0;

	for (i = 0; !ret && i < ARRAY_SIZE(kinds); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s/%s", kinds[i], name);
		ret = write_file(path, value);
	}
	return ret;
}

/*
 * Any allocation may fail, without a report in the log, except those of the
 * kernel's DMA debugging: a failure turns it off, with a splat.
 */
static inline int fail_nth_open(void)
{
	unsigned long start, end;
	char from[32], to[32];

	find_dma_debug(&start, &end);
	snprintf(from, sizeof(from), "%#lx", start);
	snprintf(to, sizeof(to), "%#lx", end);
	if (set_fault_attr("ignore-gfp-wait", "N") || set_fault_attr("verbose", "0") ||
	    set_fault_attr("stacktrace-depth", "32") || set_fault_attr("reject-start", from) ||
	    set_fault_attr("reject-end", to) ||
	    write_file("/sys/kernel/debug/fail_page_alloc/ignore-gfp-highmem", "N") ||
	    write_file("/sys/kernel/debug/fail_page_alloc/min-order", "0"))
		return -1;
	return open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
}

/* From here on the nth allocation of this thread fails. */
static inline int fail_nth_arm(int fd, unsigned int nth)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", nth);

	return pwrite(fd, text, len, 0) == len ? 0 : -1;
}

/* Returns true if the nth allocation was reached. */
static inline bool fail_nth_disarm(int fd)
{
	char left[16] = "";

	/* The read itself may make the nth allocation. */
	if (pread(fd, left, sizeof(left) - 1, 0) < 0)
		left[0] = '1';
	while (pwrite(fd, "0", 1, 0) < 0)
		;
	return atoi(left) == 0;
}

#endif

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads the kernel's list of dma-bufs. The list proves that the program
 * released everything: it has each buffer that a descriptor, a mapping, a
 * framebuffer or the queue of a driver holds, whatever the program believes.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "bufinfo.h"
#include "util.h"

#define DEBUGFS		"/sys/kernel/debug"
#define BUFINFO		DEBUGFS "/dma_buf/bufinfo"
/* Kernel threads drop the last references, a moment after the program. */
#define SETTLE_MS	5000

static bool mounted_here;

int bufinfo_open(void)
{
	if (!access(BUFINFO, R_OK))
		return 0;
	if (mount("debugfs", DEBUGFS, "debugfs", 0, NULL) < 0 && errno != EBUSY)
		return fail_errno("bufinfo", "mount debugfs on %s", DEBUGFS);
	mounted_here = true;
	if (access(BUFINFO, R_OK))
		return fail_errno("bufinfo", "%s (needs root and CONFIG_DEBUG_FS)", BUFINFO);
	return 0;
}

void bufinfo_close(void)
{
	if (mounted_here)
		umount(DEBUGFS);
	mounted_here = false;
}

/* Add " name" for each device that is attached, once. */
static void note_device(char *devices, size_t size, const char *line)
{
	size_t used = strlen(devices);
	char name[64];

	if (sscanf(line, " %63s", name) != 1 || strstr(devices, name))
		return;
	snprintf(devices + used, size - used, " %s", name);
}

/*
 * One pass over the file. The devices of a buffer are listed, one per line,
 * between "Attached Devices:" and "Total N devices attached"; the last line has
 * the total.
 */
static int scan(unsigned int *count, size_t *bytes, char *devices, size_t size, bool show)
{
	bool total = false, in_devices = false;
	char line[512];
	FILE *f = fopen(BUFINFO, "re");

	if (!f)
		return fail_errno("bufinfo", "open %s", BUFINFO);
	if (devices)
		devices[0] = '\0';
	while (fgets(line, sizeof(line), f)) {
		if (show)
			fputs(line, stdout);
		if (strstr(line, "devices attached"))
			in_devices = false;
		else if (in_devices && devices)
			note_device(devices, size, line);
		else if (strstr(line, "Attached Devices:"))
			in_devices = true;
		else if (sscanf(line, "Total %u objects, %zu bytes", count, bytes) == 2)
			total = true;
	}
	fclose(f);
	if (!total)
		return fail(EPROTO, "bufinfo", "%s has no line with the total", BUFINFO);
	return 0;
}

int bufinfo_count(unsigned int *count)
{
	size_t bytes;

	return scan(count, &bytes, NULL, 0, false);
}

int bufinfo_say(void)
{
	char devices[256];
	unsigned int count;
	size_t bytes;
	int ret;

	ret = scan(&count, &bytes, devices, sizeof(devices), false);
	if (!ret)
		say("bufinfo", "the kernel counts %u buffers, %zu bytes; attached devices:%s",
		    count, bytes, devices[0] ? devices : " none");
	return ret;
}

int bufinfo_expect_gone(unsigned int before)
{
	double end = now_ms() + SETTLE_MS;
	unsigned int count;
	size_t bytes;
	int ret;

	for (;;) {
		ret = scan(&count, &bytes, NULL, 0, false);
		if (ret)
			return ret;
		if (count <= before || now_ms() > end)
			break;
		sleep_ms(20);
	}
	if (count > before) {
		scan(&count, &bytes, NULL, 0, true);
		return fail(EBUSY, "bufinfo", "%u buffers are left, %u were there at the start",
			    count, before);
	}
	if (before)
		say("bufinfo", "no buffer of ours is left (%u belong to somebody else)", count);
	else
		say("bufinfo", "no buffer is left");
	return 0;
}

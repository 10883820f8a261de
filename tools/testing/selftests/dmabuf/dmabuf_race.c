// SPDX-License-Identifier: GPL-2.0-only
/*
 * Buffers under concurrent use: threads export, close, name, list, poll and map
 * them and add fences at once. Each case runs for a bounded time, names its
 * window, and checks what must hold at any interleaving; a debug kernel finds
 * the rest.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <sys/epoll.h>

#include "dmabuf_util.h"

#define RUN_NS 2000000000ull

struct shared {
	int fd;
	int heap;
	int tl;
	atomic_bool stop;
	atomic_bool stop_signalling; /* when nobody is left to wait for a fence */
	atomic_uint imported; /* the latest point on the buffer */
	atomic_uint promised; /* the value that the timeline has or is about to have */
};

FIXTURE(race)
{
	struct shared s;
	struct task t[8];
	int n;
};

FIXTURE_SETUP(race)
{
	if (missing(SYSTEM_HEAP))
		SKIP(return, NEEDS_HEAP);
	if (missing(SW_SYNC_PATH))
		SKIP(return, NEEDS_SW_SYNC);
	if (missing(BUFINFO_PATH))
		SKIP(return, NEEDS_BUFINFO);

	self->s.heap = open(SYSTEM_HEAP, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->s.heap);
	self->s.fd = heap_alloc(4 * page_size());
	ASSERT_LE(0, self->s.fd);
	self->s.tl = sw_open();
	ASSERT_LE(0, self->s.tl);
}

FIXTURE_TEARDOWN(race)
{
	unsigned long ino = db_ino(self->s.fd);

	/* The threads have left no fence on the buffer. */
	close(self->s.tl);
	close(self->s.fd);
	EXPECT_TRUE(buffer_gone(ino));
	close(self->s.heap);
}

#define START(fn) ASSERT_EQ(0, task_start(&self->t[self->n++], fn, &self->s))
#define RUN() EXPECT_EQ(0, run_tasks(self->t, self->n, &self->s))

/* Runs the threads, the first one longest; returns the failure of any. */
static int run_tasks(struct task *t, int n, struct shared *s)
{
	__u64 end = now_ns(CLOCK_MONOTONIC) + RUN_NS;
	int ret = 0, one, i;

	while (now_ns(CLOCK_MONOTONIC) < end)
		poll(NULL, 0, 50);
	atomic_store(&s->stop, true);
	for (i = n - 1; i >= 0; i--) {
		if (!i)
			atomic_store(&s->stop_signalling, true);
		one = task_join(&t[i]);
		ret = ret ? ret : one;
	}
	return ret;
}

static int alloc_and_close(void *arg)
{
	struct shared *s = arg;
	unsigned long last = 0, ino;

	while (!atomic_load(&s->stop)) {
		int fd = heap_alloc_from(s->heap, page_size(), O_RDWR | O_CLOEXEC);

		if (fd < 0)
			return fd;
		ino = db_ino(fd);
		close(fd);
		if (ino <= last)
			return -ERANGE;
		last = ino;
	}
	return 0;
}

static int list_buffers(void *arg)
{
	struct shared *s = arg;
	unsigned long ino = db_ino(s->fd);
	size_t size = 1 << 18;
	char *text = malloc(size);
	long ret = 0;

	/* The buffer that stays must be in every listing. */
	while (!atomic_load(&s->stop) && ret >= 0) {
		ret = read_file(BUFINFO_PATH, text, size);
		if (ret >= 0 && !bufinfo_find(text, ino))
			ret = -ENOENT;
	}
	free(text);
	return ret < 0 ? ret : 0;
}

/*
 * Window: a walk over the list meets a buffer whose last reference is dropped.
 */
TEST_F_TIMEOUT(race, listing_against_export_and_close, 120)
{
	START(alloc_and_close);
	START(alloc_and_close);
	START(list_buffers);
	START(list_buffers);
	RUN();
}

static int rename_buffer(void *arg)
{
	struct shared *s = arg;
	char name[DMA_BUF_NAME_LEN];
	int ret = 0, i = 0, len;

	/* A name repeats one letter: a torn one has two. */
	while (!atomic_load(&s->stop) && !ret) {
		len = i % (DMA_BUF_NAME_LEN - 1) + 1;
		memset(name, 'a' + i++ % 26, len);
		name[len] = '\0';
		ret = db_set_name(s->fd, name);
	}
	return ret;
}

static bool torn(const char *name, size_t len)
{
	size_t i;

	for (i = 1; i < len; i++)
		if (name[i] != name[0])
			return true;
	return false;
}

static int read_name_by_path(void *arg)
{
	const size_t prefix = strlen("/dmabuf:");
	struct shared *s = arg;
	char path[64], link[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd);
	while (!atomic_load(&s->stop)) {
		ssize_t n = readlink(path, link, sizeof(link));

		if (n < (ssize_t)prefix)
			return -EIO;
		if (torn(link + prefix, n - prefix))
			return -ERANGE;
	}
	return 0;
}

static int read_name_by_fdinfo(void *arg)
{
	struct shared *s = arg;
	char path[64], text[1024], *at;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", s->fd);
	while (!atomic_load(&s->stop)) {
		if (read_file(path, text, sizeof(text)) < 0)
			return -EIO;
		at = strstr(text, "\nname:\t");
		if (at && torn(at + 7, strcspn(at + 7, "\n")))
			return -ERANGE;
	}
	return 0;
}

/* Window: a path is printed from a name that is being replaced and freed. */
TEST_F_TIMEOUT(race, naming_against_reading_the_name, 120)
{
	START(rename_buffer);
	START(rename_buffer);
	START(read_name_by_path);
	START(read_name_by_fdinfo);
	START(list_buffers);
	RUN();
}

/* A round: poll arms a new buffer, then fence and descriptor go at once. */
static int arm_and_close(void *arg)
{
	struct shared *s = arg;
	int ep = epoll_create1(EPOLL_CLOEXEC), round = 0;

	while (!atomic_load(&s->stop)) {
		int fd = heap_alloc_from(s->heap, page_size(), O_RDWR | O_CLOEXEC);
		unsigned int point = atomic_load(&s->promised) + 1;
		int fence = sw_fence(s->tl, point);
		struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT };

		if (fd < 0 || fence < 0 || db_import(fd, DMA_BUF_SYNC_WRITE, fence))
			return -EIO;
		poll_now(fd, POLLIN | POLLOUT);
		if (round++ % 2 && epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev))
			return -errno;
		close(fd);
		close(fence);
	}
	close(ep);
	return 0;
}

static int keep_signalling(void *arg)
{
	struct shared *s = arg;
	int ret = 0;

	while (!atomic_load(&s->stop_signalling) && !ret) {
		atomic_fetch_add(&s->promised, 1);
		ret = sw_inc(s->tl, 1);
	}
	return ret;
}

/* Window: the fence calls a poll callback while the file is being closed. */
TEST_F_TIMEOUT(race, closing_against_armed_callbacks, 120)
{
	START(keep_signalling);
	START(arm_and_close);
	START(arm_and_close);
	START(arm_and_close);
	RUN();
}

static int import_points(void *arg)
{
	struct shared *s = arg;
	unsigned int point;
	int ret = 0;

	while (!atomic_load(&s->stop) && !ret) {
		int fence;

		point = atomic_load(&s->promised) + 3;
		fence = sw_fence(s->tl, point);
		if (fence < 0)
			return fence;
		ret = db_import(s->fd, DMA_BUF_SYNC_WRITE, fence);
		close(fence);
		if (!ret)
			atomic_store(&s->imported, point);
	}
	return ret;
}

/* An exported sync_file waits for all fences that were added before. */
static int check_exports(void *arg)
{
	struct shared *s = arg;
	unsigned int before, promised;
	int ret = 0;

	while (!atomic_load(&s->stop) && !ret) {
		int sf, status;

		before = atomic_load(&s->imported);
		sf = db_export(s->fd, DMA_BUF_SYNC_READ);
		if (sf < 0)
			return sf;
		status = sf_status(sf);
		promised = atomic_load(&s->promised);
		if (status < 0 || (status == 1 && (int)(promised - before) < 0))
			ret = -ERANGE;
		close(sf);
	}
	return ret;
}

static int check_poll(void *arg)
{
	struct shared *s = arg;
	unsigned int before, promised;
	int ret = 0;

	while (!atomic_load(&s->stop) && !ret) {
		before = atomic_load(&s->imported);
		ret = poll_ms(s->fd, POLLIN, 1000);
		promised = atomic_load(&s->promised);
		if (ret == POLLIN && (int)(promised - before) < 0)
			return -ERANGE;
		if (ret > 0)
			ret = 0;
	}
	return ret;
}

static int check_sync(void *arg)
{
	struct shared *s = arg;
	unsigned int before, promised;
	int ret = 0;

	while (!atomic_load(&s->stop) && !ret) {
		before = atomic_load(&s->imported);
		ret = db_sync(s->fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_READ);
		promised = atomic_load(&s->promised);
		if (!ret && (int)(promised - before) < 0)
			return -ERANGE;
	}
	return ret;
}

/* Window: a reader walks the fences while a slot is being filled or reused. */
TEST_F_TIMEOUT(race, importing_against_waiting, 120)
{
	START(keep_signalling);
	START(import_points);
	START(check_exports);
	START(check_poll);
	START(check_sync);
	RUN();
}

/*
 * Many contexts: the list of fences grows, is copied and shrinks under readers.
 */
static int import_contexts(void *arg)
{
	struct shared *s = arg;

	while (!atomic_load(&s->stop)) {
		int tl[8], i, fence, ret;

		for (i = 0; i < 8; i++) {
			tl[i] = sw_open();
			fence = sw_fence(tl[i], 1);
			ret = db_import(s->fd, i % 2 ? DMA_BUF_SYNC_READ : DMA_BUF_SYNC_WRITE,
					fence);
			close(fence);
			if (ret)
				return ret;
		}
		for (i = 0; i < 8; i++)
			close(tl[i]); /* fails the fence, which is over then */
	}
	return 0;
}

static int export_all(void *arg)
{
	struct shared *s = arg;

	while (!atomic_load(&s->stop)) {
		int sf = db_export(s->fd, DMA_BUF_SYNC_RW), count;

		if (sf < 0)
			return sf;
		count = sf_count(sf);
		close(sf);
		if (count < 1 || count > 3 * 8)
			return -ERANGE;
	}
	return 0;
}

/* Window: the list of fences is replaced by a larger one while it is read. */
TEST_F_TIMEOUT(race, growing_against_exporting, 120)
{
	START(import_contexts);
	START(import_contexts);
	START(import_contexts);
	START(export_all);
	START(list_buffers);
	RUN();
}

static int map_and_touch(void *arg)
{
	struct shared *s = arg;
	size_t size = 32 * page_size();

	while (!atomic_load(&s->stop)) {
		int fd = heap_alloc_from(s->heap, size, O_RDWR | O_CLOEXEC);
		char *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		size_t i;

		if (fd < 0 || map == MAP_FAILED)
			return -ENOMEM;
		close(fd);
		for (i = 0; i < size; i += 64)
			if (map[i])
				return -ERANGE;
		memset(map, 0xa5, size);
		munmap(map, size);
	}
	return 0;
}

/* Window: pages of a buffer being freed go into one that is being allocated. */
TEST_F_TIMEOUT(race, memory_is_zero_in_every_thread, 120)
{
	START(map_and_touch);
	START(map_and_touch);
	START(map_and_touch);
	RUN();
}

static int dup_and_close(void *arg)
{
	struct shared *s = arg;
	char path[64], text[1024];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", s->fd);
	while (!atomic_load(&s->stop)) {
		int copy = dup(s->fd);

		if (copy < 0 || read_file(path, text, sizeof(text)) < 0)
			return -EIO;
		if (!strstr(text, "\nexp_name:\tsystem\n"))
			return -ERANGE;
		close(copy);
	}
	return 0;
}

/* Window: bufinfo and fdinfo read the reference count while it changes. */
TEST_F_TIMEOUT(race, describing_against_dup, 120)
{
	START(dup_and_close);
	START(dup_and_close);
	START(rename_buffer);
	START(list_buffers);
	RUN();
}

TEST_HARNESS_MAIN

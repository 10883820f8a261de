/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Helpers for all dma-buf selftests: buffers from the system heap, fences from
 * sw_sync, the ioctls as functions, counting of descriptors, bufinfo, and
 * threads whose sleep can be observed.
 *
 * A function that wraps a system call returns its result or -errno, so that a
 * test compares with one constant. Nothing here decides pass or fail.
 *
 * Copyright (C) the dma-buf project authors
 */
#ifndef DMABUF_UTIL_H
#define DMABUF_UTIL_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/sync_file.h>
#include <linux/udmabuf.h>

#include "kselftest_harness.h"

#define SW_SYNC_PATH "/sys/kernel/debug/sync/sw_sync"
#define SW_SYNC_INFO "/sys/kernel/debug/sync/info"
#define BUFINFO_PATH "/sys/kernel/debug/dma_buf/bufinfo"
#define SYSTEM_HEAP "/dev/dma_heap/system"

/*
 * How many times slower the machine is than when it is idle; guest-tests has
 * measured it. All time limits are multiplied by this.
 */
static inline int slowness(void)
{
	const char *text = getenv("DMABUF_SLOWNESS");
	int times = text ? atoi(text) : 1;

	return times < 1 ? 1 : times > 100 ? 100 : times;
}

/* Bound of every wait for something that must happen; guests are slow. */
#define WAIT_MS (20000 * slowness())

static inline int run_tests(int argc, char **argv)
{
	struct __fixture_metadata *fixture;
	struct __test_metadata *test;

	for (fixture = __fixture_list; fixture; fixture = fixture->next)
		for (test = fixture->tests; test; test = test->next)
			test->timeout *= slowness();
	return test_harness_run(argc, argv);
}

#undef TEST_HARNESS_MAIN
#define TEST_HARNESS_MAIN \
	int main(int argc, char **argv) { exit(run_tests(argc, argv)); }

/* The ABI of sw_sync: no header declares it. */
struct sw_sync_create {
	__u32 value;
	char name[32];
	__s32 fence;
};

struct sw_sync_deadline {
	__u64 deadline_ns;
	__u32 pad;
	__s32 fence_fd;
};

#define SW_SYNC_CREATE_FENCE _IOWR('W', 0, struct sw_sync_create)
#define SW_SYNC_INC _IOW('W', 1, __u32)
#define SW_SYNC_GET_DEADLINE _IOWR('W', 2, struct sw_sync_deadline)

/*
 * The call fails with this errno, and the number of descriptors is unchanged.
 */
#define EXPECT_ERRNO(err, call) do { \
	int fds_before_ = count_fds(); \
	EXPECT_EQ(-(err), (call)); \
	EXPECT_EQ(fds_before_, count_fds()); \
} while (0)

/* Without a free descriptor the call fails with EMFILE and leaks none. */
#define EXPECT_EMFILE(call) do { \
	int fds_before_ = count_fds(), ret_; \
	forbid_new_fds(true); \
	ret_ = (call); \
	forbid_new_fds(false); \
	EXPECT_EQ(-EMFILE, ret_); \
	EXPECT_EQ(fds_before_, count_fds()); \
} while (0)

static inline size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

static inline int sys_ret(long ret)
{
	return ret < 0 ? -errno : (int)ret;
}

#define do_ioctl(fd, cmd, arg) sys_ret(ioctl(fd, cmd, arg))

static inline __u64 now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static inline int count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = -3; /* ".", ".." and the directory itself */

	if (!dir)
		return -errno;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static inline long read_file(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t got = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while (got < size - 1 && (n = read(fd, buf + got, size - 1 - got)) > 0)
		got += n;
	close(fd);
	buf[got] = '\0';
	return got;
}

static inline int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret;

	if (fd < 0)
		return -errno;
	ret = sys_ret(write(fd, text, strlen(text)));
	close(fd);
	return ret < 0 ? ret : 0;
}

/* A copy of @arg that can be read but not written: copying back to it fails. */
static inline void *read_only_copy(const void *arg, size_t size)
{
	void *page = mmap(NULL, page_size(), PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		abort();
	memcpy(page, arg, size);
	mprotect(page, page_size(), PROT_READ);
	return page;
}

/* Keeps the process from opening descriptors; false restores the limit. */
static inline void forbid_new_fds(bool on)
{
	static struct rlimit saved;
	struct rlimit none;

	if (!on) {
		setrlimit(RLIMIT_NOFILE, &saved);
		return;
	}
	getrlimit(RLIMIT_NOFILE, &saved);
	none = saved;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
}

static inline void raise_fd_limit(void)
{
	struct rlimit lim;

	getrlimit(RLIMIT_NOFILE, &lim);
	lim.rlim_cur = lim.rlim_max < 8192 ? lim.rlim_max : 8192;
	setrlimit(RLIMIT_NOFILE, &lim);
}

/* Buffers */

static inline int heap_alloc_from(int heap, size_t len, int fd_flags)
{
	struct dma_heap_allocation_data data = { .len = len, .fd_flags = fd_flags };
	int ret = do_ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &data);

	return ret ? ret : (int)data.fd;
}

static inline int heap_alloc(size_t len)
{
	int heap = open(SYSTEM_HEAP, O_RDWR | O_CLOEXEC), fd;

	if (heap < 0)
		return -errno;
	fd = heap_alloc_from(heap, len, O_RDWR | O_CLOEXEC);
	close(heap);
	return fd;
}

/* The CMA heap is named after its area; these are the known names. */
static inline int cma_heap_open(void)
{
	static const char *const names[] = {
		"reserved", "linux,cma", "default-pool", "default_cma_region",
	};
	char path[64];
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "/dev/dma_heap/%s", names[i]);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 || errno != ENOENT)
			return sys_ret(fd);
	}
	return -ENOENT;
}

/* A memfd with the seal that udmabuf requires: it cannot shrink. */
static inline int sealed_memfd(size_t size)
{
	int fd = memfd_create("dmabuf-test", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, size) || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK)) {
		int ret = -errno;

		if (fd >= 0)
			close(fd);
		return ret;
	}
	return fd;
}

static inline int udmabuf_create(int dev, int memfd, __u64 offset, __u64 size)
{
	struct udmabuf_create arg = {
		.memfd = memfd, .flags = UDMABUF_FLAGS_CLOEXEC, .offset = offset, .size = size,
	};

	return do_ioctl(dev, UDMABUF_CREATE, &arg);
}

static inline int udmabuf_alloc(size_t size)
{
	int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), memfd, fd;

	if (dev < 0)
		return -errno;
	memfd = sealed_memfd(size);
	fd = memfd < 0 ? memfd : udmabuf_create(dev, memfd, 0, size);
	if (memfd >= 0)
		close(memfd);
	close(dev);
	return fd;
}

static inline int db_sync(int fd, __u64 flags)
{
	struct dma_buf_sync sync = { .flags = flags };

	return do_ioctl(fd, DMA_BUF_IOCTL_SYNC, &sync);
}

static inline int db_sync_range(int fd, __u64 flags, __u32 offset, __u32 len)
{
	struct dma_buf_sync_partial sync = { .flags = flags, .offset = offset, .len = len };

	return do_ioctl(fd, DMA_BUF_IOCTL_SYNC_PARTIAL, &sync);
}

static inline int db_export(int fd, __u32 flags)
{
	struct dma_buf_export_sync_file arg = { .flags = flags, .fd = -1 };
	int ret = do_ioctl(fd, DMA_BUF_IOCTL_EXPORT_SYNC_FILE, &arg);

	return ret ? ret : arg.fd;
}

static inline int db_import(int fd, __u32 flags, int sync_file)
{
	struct dma_buf_import_sync_file arg = { .flags = flags, .fd = sync_file };

	return do_ioctl(fd, DMA_BUF_IOCTL_IMPORT_SYNC_FILE, &arg);
}

static inline int db_set_name(int fd, const char *name)
{
	return do_ioctl(fd, DMA_BUF_SET_NAME_B, name);
}

static inline unsigned long db_ino(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

/* sw_sync timelines and sync_files */

static inline int sw_open(void)
{
	return sys_ret(open(SW_SYNC_PATH, O_RDWR | O_CLOEXEC));
}

static inline int sw_fence(int timeline, __u32 value)
{
	struct sw_sync_create data = { .value = value, .fence = -1 };
	int ret = do_ioctl(timeline, SW_SYNC_CREATE_FENCE, &data);

	return ret ? ret : data.fence;
}

static inline int sw_inc(int timeline, __u32 by)
{
	return do_ioctl(timeline, SW_SYNC_INC, &by);
}

static inline int sf_merge(const char *name, int fd1, int fd2)
{
	struct sync_merge_data data = { .fd2 = fd2, .fence = -1 };
	int ret;

	snprintf(data.name, sizeof(data.name), "%s", name);
	ret = do_ioctl(fd1, SYNC_IOC_MERGE, &data);
	return ret ? ret : data.fence;
}

/* The status: 1 signalled, 0 active, or the error of the fence or the ioctl. */
static inline int sf_status(int fd)
{
	struct sync_file_info info = { 0 };
	int ret = do_ioctl(fd, SYNC_IOC_FILE_INFO, &info);

	return ret ? ret : info.status;
}

static inline int sf_count(int fd)
{
	struct sync_file_info info = { 0 };
	int ret = do_ioctl(fd, SYNC_IOC_FILE_INFO, &info);

	return ret ? ret : (int)info.num_fences;
}

/* Gets the fences inside, at most @max; returns their number. */
static inline int sf_fences(int fd, struct sync_fence_info *out, int max)
{
	struct sync_file_info info = {
		.num_fences = max, .sync_fence_info = (uintptr_t)out,
	};
	int ret = do_ioctl(fd, SYNC_IOC_FILE_INFO, &info);

	return ret ? ret : (int)info.num_fences;
}

/* Polls for @events for @ms; returns the revents, 0 for none, or -errno. */
static inline int poll_ms(int fd, short events, int ms)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	int ret = sys_ret(poll(&pfd, 1, ms));

	return ret <= 0 ? ret : pfd.revents;
}

static inline int poll_now(int fd, short events)
{
	return poll_ms(fd, events, 0);
}

/*
 * Waits until another thread or process makes @cond true; false after WAIT_MS.
 */
#define wait_until(cond) ({ \
	__u64 end_ = now_ns(CLOCK_MONOTONIC) + WAIT_MS * 1000000ull; \
	bool ok_; \
	while (!(ok_ = (cond)) && now_ns(CLOCK_MONOTONIC) < end_) \
		sched_yield(); \
	ok_; \
})

/* Returns the text from the line of bufinfo for inode @ino on, or NULL. */
static inline char *bufinfo_find(char *text, unsigned long ino)
{
	char *line = text, *next;

	for (; line && *line; line = next ? next + 1 : NULL) {
		unsigned long size, flags, mode, count, found;
		char exp[64];

		next = strchr(line, '\n');
		if (sscanf(line, "%lu\t%lx\t%lx\t%lu\t%63s\t%lu",
			   &size, &flags, &mode, &count, exp, &found) == 6 && found == ino)
			return line;
	}
	return NULL;
}

/* Returns 1 if a buffer with that inode exists, 0 if not, or -errno. */
static inline int bufinfo_has(unsigned long ino)
{
	size_t size = 1 << 20;
	char *text = malloc(size);
	long ret = read_file(BUFINFO_PATH, text, size);

	if (ret >= 0)
		ret = !!bufinfo_find(text, ino);
	free(text);
	return ret;
}

/* The release after the last put may run in another task: wait for it. */
static inline bool buffer_gone(unsigned long ino)
{
	return wait_until(bufinfo_has(ino) == 0);
}

/* Threads whose sleep inside the kernel can be observed */

struct task {
	pthread_t thread;
	atomic_int tid;
	int (*fn)(void *arg);
	void *arg;
	int ret;
};

static inline void *task_main(void *arg)
{
	struct task *t = arg;

	atomic_store(&t->tid, syscall(SYS_gettid));
	t->ret = t->fn(t->arg);
	return NULL;
}

static inline int task_start(struct task *t, int (*fn)(void *), void *arg)
{
	t->fn = fn;
	t->arg = arg;
	t->ret = -1;
	atomic_store(&t->tid, 0);
	return -pthread_create(&t->thread, NULL, task_main, t);
}

static inline int task_join(struct task *t)
{
	pthread_join(t->thread, NULL);
	return t->ret;
}

/* The scheduler state of a thread: 'S' sleeping, 'R' running, 0 gone. */
static inline char task_state(pid_t tid)
{
	char path[64], buf[512], *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	if (read_file(path, buf, sizeof(buf)) <= 0)
		return 0;
	p = strrchr(buf, ')');
	return p ? p[2] : 0;
}

/* Waits until the thread sleeps in the kernel, interruptibly. */
static inline bool task_asleep(struct task *t)
{
	return wait_until(atomic_load(&t->tid) &&
			  task_state(atomic_load(&t->tid)) == 'S');
}

/* A skip names what the kernel lacks; a full run counts it as a failure. */
#define NEEDS_HEAP "no " SYSTEM_HEAP ": CONFIG_DMABUF_HEAPS_SYSTEM"
#define NEEDS_SW_SYNC "no " SW_SYNC_PATH ": CONFIG_SW_SYNC, or debugfs not mounted"
#define NEEDS_BUFINFO "no " BUFINFO_PATH ": CONFIG_DEBUG_FS, or debugfs not mounted"

static inline bool missing(const char *path)
{
	return access(path, F_OK) != 0;
}

/*
 * Through bounce buffers, devices that keep a buffer mapped see neither each
 * other's writes nor what a driver writes by the CPU.
 */
#define NEEDS_SHARED_MEMORY "swiotlb=force: each device has a copy of the buffer"

static inline bool bounces(void)
{
	char buf[2048];
	char *option;

	if (read_file("/proc/cmdline", buf, sizeof(buf)) <= 0)
		return false;
	option = strstr(buf, "swiotlb=");
	if (!option)
		return false;
	option[strcspn(option, "\n ")] = 0;
	return strstr(option, "force");
}

#endif /* DMABUF_UTIL_H */

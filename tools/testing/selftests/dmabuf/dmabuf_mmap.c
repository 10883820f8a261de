// SPDX-License-Identifier: GPL-2.0-only
/*
 * Mapping a dma-buf into a process: whole, in parts, at an offset, past the end,
 * after fork and after the descriptor is closed, for every kind of buffer that
 * user space can make here (system heap, CMA heap, udmabuf). Faults: dmabuf_faults.c.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <setjmp.h>
#include <sys/personality.h>
#include <sys/wait.h>

#include "dmabuf_setup.h"

#define PAGES 8

FIXTURE(map)
{
	int fd;
	size_t size;
};

FIXTURE_VARIANT(map)
{
	enum source source;
};

FIXTURE_VARIANT_ADD(map, system_heap)
{
	.source = FROM_SYSTEM,
};

FIXTURE_VARIANT_ADD(map, cma_heap)
{
	.source = FROM_CMA,
};

FIXTURE_VARIANT_ADD(map, udmabuf)
{
	.source = FROM_UDMABUF,
};

FIXTURE_SETUP(map)
{
	self->size = PAGES * page_size();
	self->fd = alloc_from(variant->source, self->size);
	if (self->fd == -ENOENT)
		SKIP(return, NEEDS_SOURCE);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(map)
{
	close(self->fd);
}

static void *map_pages(int fd, size_t first, size_t n)
{
	return mmap(NULL, n * page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    first * page_size());
}

/* Writes the page's number into the first word of each page. */
static void mark(void *map, size_t pages, unsigned int salt)
{
	size_t i;

	for (i = 0; i < pages; i++)
		__atomic_store_n((unsigned int *)(map + i * page_size()), salt + i,
				 __ATOMIC_RELAXED);
}

static bool marked(void *map, size_t pages, unsigned int salt)
{
	size_t i;

	for (i = 0; i < pages; i++)
		if (__atomic_load_n((unsigned int *)(map + i * page_size()),
				    __ATOMIC_RELAXED) != salt + i)
			return false;
	return true;
}

TEST_F(map, whole_buffer_reads_zero_then_what_was_written)
{
	unsigned char *map = map_pages(self->fd, 0, PAGES);
	size_t i;

	ASSERT_NE(MAP_FAILED, map);
	for (i = 0; i < self->size; i++)
		ASSERT_EQ(0, map[i]);
	mark(map, PAGES, 100);
	EXPECT_TRUE(marked(map, PAGES, 100));
	munmap(map, self->size);
	map = map_pages(self->fd, 0, PAGES);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_TRUE(marked(map, PAGES, 100));
	munmap(map, self->size);
}

TEST_F(map, two_mappings_show_one_memory)
{
	void *a = map_pages(self->fd, 0, PAGES), *b = map_pages(self->fd, 0, PAGES);

	ASSERT_NE(MAP_FAILED, a);
	ASSERT_NE(MAP_FAILED, b);
	mark(a, PAGES, 7);
	EXPECT_TRUE(marked(b, PAGES, 7));
	munmap(a, self->size);
	mark(b, PAGES, 9);
	EXPECT_TRUE(marked(b, PAGES, 9));
	munmap(b, self->size);
}

TEST_F(map, offset_picks_the_page)
{
	void *all = map_pages(self->fd, 0, PAGES), *part;
	size_t first, n;

	ASSERT_NE(MAP_FAILED, all);
	mark(all, PAGES, 50);
	for (first = 0; first < PAGES; first++) {
		for (n = 1; first + n <= PAGES; n++) {
			part = map_pages(self->fd, first, n);
			ASSERT_NE(MAP_FAILED, part);
			ASSERT_TRUE(marked(part, n, 50 + first));
			munmap(part, n * page_size());
		}
	}
	munmap(all, self->size);
}

static int try_map(int fd, size_t len, off_t off)
{
	void *map = mmap(NULL, len, PROT_READ, MAP_SHARED, fd, off);

	if (map == MAP_FAILED)
		return -errno;
	munmap(map, len);
	return 0;
}

TEST_F(map, past_the_end_is_einval)
{
	size_t page = page_size();

	EXPECT_EQ(0, try_map(self->fd, self->size, 0));
	EXPECT_EQ(-EINVAL, try_map(self->fd, self->size + 1, 0));
	EXPECT_EQ(-EINVAL, try_map(self->fd, self->size, page));
	EXPECT_EQ(-EINVAL, try_map(self->fd, page, self->size));
	EXPECT_EQ(-EINVAL, try_map(self->fd, page, 1ll << 40));
	EXPECT_EQ(-EINVAL, try_map(self->fd, 2 * page, self->size - page));
	EXPECT_EQ(0, try_map(self->fd, page, self->size - page));
}

/* pgoff + pages wraps to a small number. */
TEST_F(map, wrapping_offset_is_refused)
{
	EXPECT_NE(0, try_map(self->fd, 2 * page_size(), -(off_t)page_size()));
	EXPECT_NE(0, try_map(self->fd, page_size(), INT64_MAX - page_size() + 1));
}

static sigjmp_buf fault_jmp;

static void on_fault(int sig)
{
	siglongjmp(fault_jmp, sig);
}

/* Touches @addr, and returns the signal that this raises, or 0. */
static int touch(char *addr, bool write)
{
	struct sigaction sa = { .sa_handler = on_fault }, segv, bus;
	int sig;

	sigaction(SIGSEGV, &sa, &segv);
	sigaction(SIGBUS, &sa, &bus);
	sig = sigsetjmp(fault_jmp, 1);
	if (!sig) {
		if (write)
			__atomic_store_n(addr, 1, __ATOMIC_RELAXED);
		else
			__atomic_load_n(addr, __ATOMIC_RELAXED);
	}
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &bus, NULL);
	return sig;
}

/* CVE-2023-2008: a mapping grown beyond the buffer must not reach other memory. */
TEST_F(map, growing_a_mapping_reaches_nothing_past_the_end)
{
	size_t page = page_size();
	void *map = map_pages(self->fd, 0, PAGES), *grown;

	ASSERT_NE(MAP_FAILED, map);
	mark(map, PAGES, 3);
	grown = mremap(map, self->size, 2 * self->size, MREMAP_MAYMOVE);
	if (grown == MAP_FAILED) {
		EXPECT_EQ(EFAULT, errno);
		EXPECT_TRUE(marked(map, PAGES, 3));
		munmap(map, self->size);
		return;
	}
	EXPECT_TRUE(marked(grown, PAGES, 3));
	EXPECT_EQ(SIGBUS, touch(grown + self->size, false));
	EXPECT_EQ(SIGBUS, touch(grown + self->size, true));
	EXPECT_EQ(SIGBUS, touch(grown + 2 * self->size - page, false));
	munmap(grown, 2 * self->size);
}

TEST_F(map, mapping_moves_and_shrinks)
{
	size_t half = self->size / 2;
	void *map = map_pages(self->fd, 0, PAGES), *moved, *room;

	ASSERT_NE(MAP_FAILED, map);
	mark(map, PAGES, 21);
	room = mmap(NULL, self->size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, room);
	moved = mremap(map, self->size, self->size, MREMAP_MAYMOVE | MREMAP_FIXED, room);
	ASSERT_EQ(room, moved);
	EXPECT_TRUE(marked(moved, PAGES, 21));
	ASSERT_EQ(moved, mremap(moved, self->size, half, 0));
	EXPECT_TRUE(marked(moved, PAGES / 2, 21));
	EXPECT_EQ(SIGSEGV, touch(moved + half, false));
	munmap(moved, half);
}

TEST_F(map, hole_in_a_mapping)
{
	size_t page = page_size();
	char *map = map_pages(self->fd, 0, PAGES);

	ASSERT_NE(MAP_FAILED, map);
	mark(map, PAGES, 31);
	ASSERT_EQ(0, munmap(map + 3 * page, 2 * page));
	EXPECT_TRUE(marked(map, 3, 31));
	EXPECT_EQ(SIGSEGV, touch(map + 3 * page, false));
	EXPECT_EQ(SIGSEGV, touch(map + 4 * page, false));
	EXPECT_TRUE(marked(map + 5 * page, 3, 36));
	munmap(map, self->size);
}

TEST_F(map, protection_can_be_taken_and_given_back)
{
	char *map = map_pages(self->fd, 0, PAGES);

	ASSERT_NE(MAP_FAILED, map);
	mark(map, PAGES, 11);
	ASSERT_EQ(0, mprotect(map, self->size, PROT_READ));
	EXPECT_EQ(SIGSEGV, touch(map, true));
	EXPECT_TRUE(marked(map, PAGES, 11));
	ASSERT_EQ(0, mprotect(map, self->size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, touch(map + 1, true));
	munmap(map, self->size);
}

/* Devices write to a buffer: executable, it would be an attack surface. */
TEST_F(map, is_never_executable)
{
	char *map;

	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->size, PROT_READ | PROT_EXEC, MAP_SHARED,
				   self->fd, 0));
	EXPECT_EQ(EPERM, errno);
	map = map_pages(self->fd, 0, PAGES);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(-EACCES, sys_ret(mprotect(map, self->size, PROT_READ | PROT_EXEC)));
	EXPECT_EQ(-EACCES, sys_ret(mprotect(map, page_size(), PROT_EXEC)));
	mark(map, PAGES, 5);
	EXPECT_TRUE(marked(map, PAGES, 5));
	munmap(map, self->size);
}

/* Whether the mapping at @map is executable; -1 if there is none. */
static int maps_exec(const void *map)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long start;
	char line[512], perms[8];
	int found = -1;

	while (f && found < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%*x %7s", &start, perms) == 2 &&
		    start == (unsigned long)map)
			found = perms[2] == 'x';
	if (f)
		fclose(f);
	return found;
}

/* Old programs with READ_IMPLIES_EXEC must still be able to map a buffer. */
TEST_F(map, maps_for_a_program_that_reads_and_executes)
{
	int status;
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		void *map, *anon;

		personality(READ_IMPLIES_EXEC);
		anon = mmap(NULL, page_size(), PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		map = map_pages(self->fd, 0, PAGES);
		if (map == MAP_FAILED || maps_exec(anon) != 1)
			_exit(1);
		_exit(maps_exec(map) == 0 ? 0 : 2);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

TEST_F(map, memory_lives_as_long_as_its_mapping)
{
	void *map = map_pages(self->fd, 0, PAGES);
	unsigned long ino = db_ino(self->fd);

	if (missing(BUFINFO_PATH))
		SKIP(return, NEEDS_BUFINFO);
	ASSERT_NE(MAP_FAILED, map);
	mark(map, PAGES, 60);
	ASSERT_EQ(0, close(self->fd));
	EXPECT_EQ(1, bufinfo_has(ino));
	EXPECT_TRUE(marked(map, PAGES, 60));
	munmap(map, self->size);
	EXPECT_TRUE(buffer_gone(ino));
	self->fd = -1;
}

TEST_F(map, child_shares_the_mapping)
{
	void *map = map_pages(self->fd, 0, PAGES);
	int status;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, map);
	mark(map, PAGES, 70);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		bool ok = marked(map, PAGES, 70);

		mark(map, PAGES, 80);
		_exit(ok ? 0 : 1);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_TRUE(marked(map, PAGES, 80));
	munmap(map, self->size);
}

/* The kernel copies from and to the mapping, as in a write to a pipe. */
TEST_F(map, kernel_copies_from_and_to_the_mapping)
{
	char *map = map_pages(self->fd, 0, PAGES), back[64];
	int pipefd[2];

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, pipe(pipefd));
	memcpy(map + page_size() - 8, "over the page's edge", 21);
	ASSERT_EQ(21, write(pipefd[1], map + page_size() - 8, 21));
	ASSERT_EQ(21, read(pipefd[0], back, sizeof(back)));
	EXPECT_STREQ("over the page's edge", back);
	ASSERT_EQ(5, write(pipefd[1], "back", 5));
	ASSERT_EQ(5, read(pipefd[0], map + self->size - 5, 5));
	EXPECT_STREQ("back", map + self->size - 5);
	close(pipefd[0]);
	close(pipefd[1]);
	munmap(map, self->size);
}

TEST_F(map, private_mapping_is_never_shared)
{
	char *map = mmap(NULL, self->size, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->fd, 0);
	void *shared = map_pages(self->fd, 0, PAGES);

	ASSERT_NE(MAP_FAILED, shared);
	if (variant->source != FROM_SYSTEM) {
		EXPECT_EQ(MAP_FAILED, map);
		EXPECT_EQ(EINVAL, errno);
	} else if (map != MAP_FAILED) {
		mark(shared, PAGES, 90);
		mark(map, PAGES, 95);
		EXPECT_TRUE(marked(shared, PAGES, 90));
		munmap(map, self->size);
	}
	munmap(shared, self->size);
}

/*
 * Else it would be entered page by page, wherever the memory is. The mm aligns only
 * what ends at a boundary, too.
 */
TEST(large_mapping_is_aligned_for_huge_pages)
{
	const size_t size = (8 << 20) + page_size(), huge = 2 << 20;
	int fd = alloc_from(FROM_SYSTEM, size);
	void *map;

	ASSERT_LE(0, fd);
	if (access("/sys/kernel/mm/transparent_hugepage/enabled", F_OK) || sizeof(long) < 8) {
		close(fd);
		SKIP(return, "needs transparent huge pages and 64 bits");
	}
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, (uintptr_t)map % huge);
	munmap(map, size);
	close(fd);
}

TEST_HARNESS_MAIN

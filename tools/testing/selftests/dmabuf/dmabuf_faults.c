// SPDX-License-Identifier: GPL-2.0-only
/*
 * Real-time programs map their buffers first and count on touching them without
 * a fault later, for every kind of buffer that user space can make here,
 * whether they lock or populate the mapping or not.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <sys/wait.h>

#include "dmabuf_setup.h"

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

FIXTURE(faults)
{
	int fd;
	size_t size;
};

FIXTURE_VARIANT(faults)
{
	enum source source;
	int flags;
	bool lock;
};

FIXTURE_VARIANT_ADD(faults, system_heap)
{
	.source = FROM_SYSTEM,
};

FIXTURE_VARIANT_ADD(faults, system_heap_populated)
{
	.source = FROM_SYSTEM, .flags = MAP_POPULATE,
};

FIXTURE_VARIANT_ADD(faults, system_heap_locked)
{
	.source = FROM_SYSTEM, .lock = true,
};

FIXTURE_VARIANT_ADD(faults, cma_heap_locked)
{
	.source = FROM_CMA, .lock = true,
};

FIXTURE_VARIANT_ADD(faults, udmabuf_populated)
{
	.source = FROM_UDMABUF, .flags = MAP_POPULATE,
};

FIXTURE_VARIANT_ADD(faults, udmabuf_locked)
{
	.source = FROM_UDMABUF, .lock = true,
};

/* Not a multiple of a huge page: the rest is mapped by small pages. */
FIXTURE_SETUP(faults)
{
	self->size = (8u << 20) + 3 * page_size();
	self->fd = alloc_from(variant->source, self->size);
	if (self->fd == -ENOENT)
		SKIP(return, NEEDS_SOURCE);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(faults)
{
	close(self->fd);
}

/* Counts the faults of reading or writing a word of each page. */
static long count_faults(char *map, size_t size, bool write)
{
	struct rusage before, after;
	size_t at;

	/* The first call faults in what the calls themselves touch. */
	getrusage(RUSAGE_SELF, &after);
	getrusage(RUSAGE_SELF, &before);
	for (at = 0; at < size; at += page_size()) {
		if (write)
			__atomic_store_n(map + at, 1, __ATOMIC_RELAXED);
		else
			__atomic_load_n(map + at, __ATOMIC_RELAXED);
	}
	getrusage(RUSAGE_SELF, &after);
	return after.ru_minflt + after.ru_majflt - before.ru_minflt - before.ru_majflt;
}

static char *map_for_good(int fd, size_t size, int prot, int flags, bool lock)
{
	char *map = mmap(NULL, size, prot, MAP_SHARED | flags, fd, 0);

	if (map != MAP_FAILED && lock && mlock(map, size)) {
		munmap(map, size);
		return MAP_FAILED;
	}
	return map;
}

TEST_F(faults, none_after_mmap)
{
	char *map = map_for_good(self->fd, self->size, PROT_READ | PROT_WRITE, variant->flags,
				 variant->lock);

	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, count_faults(map, self->size, true));
	munmap(map, self->size);

	map = map_for_good(self->fd, self->size, PROT_READ, variant->flags, variant->lock);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(0, count_faults(map, self->size, false));
	munmap(map, self->size);
}

TEST_F(faults, none_after_mprotect)
{
	char *map = map_for_good(self->fd, self->size, PROT_READ, variant->flags,
				 variant->lock);

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, mprotect(map, self->size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, count_faults(map, self->size, true));
	munmap(map, self->size);
}

TEST_F(faults, none_in_a_child)
{
	char *map = map_for_good(self->fd, self->size, PROT_READ | PROT_WRITE, variant->flags,
				 variant->lock);
	int status;
	pid_t pid;

	ASSERT_NE(MAP_FAILED, map);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		/* This copies the stack, so that it does not fault later. */
		count_faults(map, page_size(), true);
		_exit(count_faults(map, self->size, true) ? 1 : 0);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	munmap(map, self->size);
}

/* After a part of a huge entry was moved away, the rest can be faulted in. */
TEST_F(faults, part_of_a_mapping_moves_away)
{
	size_t page = page_size(), at = (4u << 20) + page;
	char *map = map_for_good(self->fd, self->size, PROT_READ | PROT_WRITE, variant->flags,
				 variant->lock);
	char *room;

	ASSERT_NE(MAP_FAILED, map);
	mark(map, self->size / page, 1000);
	room = mmap(NULL, page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, room);
	ASSERT_EQ(room, mremap(map + at, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, room));
	EXPECT_TRUE(marked(map, at / page, 1000));
	EXPECT_TRUE(marked(room, 1, 1000 + at / page));
	EXPECT_TRUE(marked(map + at + page, (self->size - at) / page - 1, 1001 + at / page));
	munmap(room, page);
	munmap(map, self->size);
}

TEST_HARNESS_MAIN

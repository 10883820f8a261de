// SPDX-License-Identifier: GPL-2.0-only
/*
 * Each allocation of a system call fails in turn, by /proc/thread-self/fail-
 * nth, until the call meets no failure. A failing call must return ENOMEM and
 * leave no descriptor, fence or page behind, and the next call must work.
 * kmemleak finds slab leaks after the run; page leaks are checked here.
 *
 * Copyright (C) the dma-buf project authors
 */
#include "dmabuf_drm.h"
#include "fail_nth.h"

#define MAX_NTH 2000
#define BUFFER 1048576

struct ctx {
	int system, cma, udmabuf, vgem, vkms; /* device files */
	int fd; /* a buffer */
	int memfd;
	int tl[2], fence[2], merged; /* pending fences */
	int fresh, fresh_tl; /* a fence of a timeline of its own; or a large buffer */
	struct dumb dumb;
	__u32 handle;
	char text[1 << 14];
};

FIXTURE(nth)
{
	struct ctx c;
	int nth_fd;
};

/*
 * One kind of call. Nothing fails in prepare() before it and undo() after it.
 */
FIXTURE_VARIANT(nth)
{
	int (*prepare)(struct ctx *c);
	int (*call)(struct ctx *c);
	void (*undo)(struct ctx *c, int ret);
	bool thrifty; /* the call may do without any allocation */
	bool imports; /* the call puts fences on the buffer, or, failing, must not */
};

static void undo_close(struct ctx *c, int ret)
{
	close(ret);
}

static int call_system(struct ctx *c)
{
	return heap_alloc_from(c->system, BUFFER, O_RDWR | O_CLOEXEC);
}

FIXTURE_VARIANT_ADD(nth, heap_system)
{
	.call = call_system, .undo = undo_close,
};

static int call_cma(struct ctx *c)
{
	return heap_alloc_from(c->cma, BUFFER, O_RDWR | O_CLOEXEC);
}

FIXTURE_VARIANT_ADD(nth, heap_cma)
{
	.call = call_cma, .undo = undo_close,
};

static int call_set_name(struct ctx *c)
{
	return db_set_name(c->fd, "a name of some length");
}

FIXTURE_VARIANT_ADD(nth, set_name)
{
	.call = call_set_name, .thrifty = true,
};

static int call_export(struct ctx *c)
{
	return db_export(c->fd, DMA_BUF_SYNC_RW);
}

FIXTURE_VARIANT_ADD(nth, export_idle)
{
	.call = call_export, .undo = undo_close,
};

static int prepare_busy(struct ctx *c)
{
	return db_import(c->fd, DMA_BUF_SYNC_WRITE, c->merged);
}

FIXTURE_VARIANT_ADD(nth, export_two_fences)
{
	.prepare = prepare_busy, .call = call_export, .undo = undo_close,
};

static int prepare_fresh(struct ctx *c)
{
	c->fresh_tl = sw_open();
	c->fresh = sw_fence(c->fresh_tl, 1);
	return c->fresh < 0 ? c->fresh : 0;
}

static int call_import(struct ctx *c)
{
	return db_import(c->fd, DMA_BUF_SYNC_WRITE, c->fresh);
}

FIXTURE_VARIANT_ADD(nth, import_one_fence)
{
	.prepare = prepare_fresh, .call = call_import, .thrifty = true, .imports = true,
};

static int prepare_fresh_merge(struct ctx *c)
{
	int ret = prepare_fresh(c), both;

	if (ret)
		return ret;
	both = sf_merge("both", c->fresh, c->merged);
	close(c->fresh);
	c->fresh = both;
	return both < 0 ? both : 0;
}

FIXTURE_VARIANT_ADD(nth, import_merged_fences)
{
	.prepare = prepare_fresh_merge, .call = call_import, .thrifty = true, .imports = true,
};

static int call_merge(struct ctx *c)
{
	return sf_merge("merge", c->fence[0], c->fence[1]);
}

FIXTURE_VARIANT_ADD(nth, merge)
{
	.call = call_merge, .undo = undo_close,
};

static int call_merge_more(struct ctx *c)
{
	return sf_merge("merge", c->merged, c->fresh);
}

FIXTURE_VARIANT_ADD(nth, merge_of_merged)
{
	.prepare = prepare_fresh, .call = call_merge_more, .undo = undo_close,
};

static int call_info(struct ctx *c)
{
	struct sync_fence_info info[4];

	return sf_fences(c->merged, info, 4);
}

FIXTURE_VARIANT_ADD(nth, file_info)
{
	.call = call_info, .thrifty = true,
};

static int call_timeline(struct ctx *c)
{
	return sw_open();
}

FIXTURE_VARIANT_ADD(nth, timeline)
{
	.call = call_timeline, .undo = undo_close,
};

static int call_fence(struct ctx *c)
{
	return sw_fence(c->tl[0], 100);
}

FIXTURE_VARIANT_ADD(nth, fence)
{
	.call = call_fence, .undo = undo_close,
};

static int call_udmabuf(struct ctx *c)
{
	return udmabuf_create(c->udmabuf, c->memfd, 0, 16 * page_size());
}

FIXTURE_VARIANT_ADD(nth, udmabuf_create)
{
	.call = call_udmabuf, .undo = undo_close,
};

static int call_udmabuf_list(struct ctx *c)
{
	struct {
		struct udmabuf_create_list head;
		struct udmabuf_create_item list[4];
	} arg = { .head = { .flags = UDMABUF_FLAGS_CLOEXEC, .count = 4 } };
	int i;

	for (i = 0; i < 4; i++)
		arg.list[i] = (struct udmabuf_create_item){
			.memfd = c->memfd, .offset = i * page_size(), .size = page_size(),
		};
	return do_ioctl(c->udmabuf, UDMABUF_CREATE_LIST, &arg);
}

FIXTURE_VARIANT_ADD(nth, udmabuf_create_list)
{
	.call = call_udmabuf_list, .undo = undo_close,
};

static int prepare_udmabuf(struct ctx *c)
{
	c->fresh = call_udmabuf(c);
	return c->fresh < 0 ? c->fresh : 0;
}

static int call_first_sync(struct ctx *c)
{
	return db_sync(c->fresh, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW);
}

FIXTURE_VARIANT_ADD(nth, udmabuf_first_sync)
{
	.prepare = prepare_udmabuf, .call = call_first_sync, .thrifty = true,
};

static int call_map(struct ctx *c)
{
	void *map = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);

	return map == MAP_FAILED ? -errno : munmap(map, BUFFER);
}

FIXTURE_VARIANT_ADD(nth, mmap)
{
	.call = call_map,
};

/* The last page needs a page table beside the huge entries. */
#define LARGE ((4u << 20) + 4096)

static int prepare_large(struct ctx *c)
{
	c->fresh = heap_alloc_from(c->system, LARGE, O_RDWR | O_CLOEXEC);
	return c->fresh < 0 ? c->fresh : 0;
}

static int call_map_large(struct ctx *c)
{
	void *map = mmap(NULL, LARGE, PROT_READ | PROT_WRITE, MAP_SHARED, c->fresh, 0);

	return map == MAP_FAILED ? -errno : munmap(map, LARGE);
}

FIXTURE_VARIANT_ADD(nth, mmap_large)
{
	.prepare = prepare_large, .call = call_map_large,
};

static int call_gem_export(struct ctx *c)
{
	return prime_export(c->vgem, c->handle);
}

static int prepare_gem(struct ctx *c)
{
	int ret = dumb_create(c->vgem, 64, 64, &c->dumb);

	c->handle = c->dumb.handle;
	return ret;
}

FIXTURE_VARIANT_ADD(nth, prime_export)
{
	.prepare = prepare_gem, .call = call_gem_export, .undo = undo_close,
};

static int call_gem_import(struct ctx *c)
{
	return prime_import(c->vkms, c->fd, &c->handle);
}

static void undo_gem_import(struct ctx *c, int ret)
{
	gem_close(c->vkms, c->handle);
}

FIXTURE_VARIANT_ADD(nth, prime_import)
{
	.call = call_gem_import, .undo = undo_gem_import,
};

static int call_bufinfo(struct ctx *c)
{
	long ret = read_file(BUFINFO_PATH, c->text, sizeof(c->text));

	return ret < 0 ? ret : 0;
}

FIXTURE_VARIANT_ADD(nth, bufinfo)
{
	.prepare = prepare_busy, .call = call_bufinfo,
};

/* Opens what the calls need; returns what is missing, or NULL. */
static const char *open_devices(struct ctx *c, int *nth_fd)
{
	/* A page fault during the call would take the failure instead. */
	if (mlockall(MCL_CURRENT))
		return "the right to lock memory";
	*nth_fd = fail_nth_open();
	if (*nth_fd < 0)
		return NEEDS_FAIL_NTH;
	if (missing(SW_SYNC_PATH))
		return NEEDS_SW_SYNC;
	c->system = open(SYSTEM_HEAP, O_RDWR | O_CLOEXEC);
	c->cma = cma_heap_open();
	c->udmabuf = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	c->vgem = drm_open("vgem");
	c->vkms = drm_open("vkms");
	if (c->system < 0 || c->cma < 0 || c->udmabuf < 0 || c->vgem < 0 || c->vkms < 0)
		return "a heap, /dev/udmabuf, vgem or vkms: see the config file";
	return NULL;
}

static int make_objects(struct ctx *c)
{
	int i;

	c->fd = heap_alloc(BUFFER);
	c->memfd = sealed_memfd(16 * page_size());
	for (i = 0; i < 2; i++) {
		c->tl[i] = sw_open();
		c->fence[i] = sw_fence(c->tl[i], 1);
	}
	c->merged = sf_merge("pair", c->fence[0], c->fence[1]);
	c->fresh = -1;
	c->fresh_tl = -1;
	return c->fd < 0 || c->memfd < 0 || c->merged < 0 ? -1 : 0;
}

FIXTURE_SETUP(nth)
{
	const char *lack = open_devices(&self->c, &self->nth_fd);

	if (lack)
		SKIP(return, "%s", lack);
	ASSERT_EQ(0, make_objects(&self->c));
}

FIXTURE_TEARDOWN(nth)
{
	/* The end of the process closes its descriptors. */
	unsigned long ino = db_ino(self->c.fd);

	close(self->c.fd);
	EXPECT_TRUE(buffer_gone(ino));
}

static void release_fresh(struct ctx *c)
{
	if (c->fresh >= 0)
		close(c->fresh);
	if (c->fresh_tl >= 0)
		close(c->fresh_tl);
	c->fresh = -1;
	c->fresh_tl = -1;
	if (c->dumb.handle)
		gem_close(c->vgem, c->dumb.handle);
	c->dumb.handle = 0;
}

static bool is_memory_error(int ret)
{
	return ret == -ENOMEM || ret == -EFAULT;
}

TEST_F_TIMEOUT(nth, every_failing_allocation_is_survived, 600)
{
	struct ctx *c = &self->c;
	unsigned int nth, injected = 0, failed = 0;
	bool fired = true;
	int ret = 0, fds;

	for (nth = 1; fired && nth < MAX_NTH; nth++) {
		ASSERT_EQ(0, variant->prepare ? variant->prepare(c) : 0);
		fds = count_fds();
		ASSERT_EQ(0, fail_nth_arm(self->nth_fd, nth));
		ret = variant->call(c);
		fired = fail_nth_disarm(self->nth_fd);
		if (ret >= 0) {
			if (variant->undo)
				variant->undo(c, ret);
		} else {
			EXPECT_TRUE(is_memory_error(ret)) {
				TH_LOG("allocation %u failed and the call said %d", nth, ret);
			}
			if (variant->imports)
				EXPECT_EQ(POLLIN, poll_now(c->fd, POLLIN));
			failed++;
		}
		EXPECT_EQ(fds, count_fds());
		injected += fired;
		release_fresh(c);
	}
	/* The last round injected no failure, so the call must have worked. */
	EXPECT_FALSE(fired);
	EXPECT_LE(0, ret);
	EXPECT_TRUE(injected || variant->thrifty);
	TH_LOG("%u allocations failed, %u made the call fail", injected, failed);
}

static long available_kb(void)
{
	char text[4096], *at;

	if (read_file("/proc/meminfo", text, sizeof(text)) <= 0)
		return -1;
	at = strstr(text, "MemAvailable:");
	return at ? strtol(at + strlen("MemAvailable:"), NULL, 10) : -1;
}

FIXTURE(pages)
{
	struct ctx c;
	int nth_fd;
};

FIXTURE_VARIANT(pages)
{
	int (*call)(struct ctx *c);
};

FIXTURE_VARIANT_ADD(pages, heap_system)
{
	.call = call_system,
};

FIXTURE_VARIANT_ADD(pages, heap_cma)
{
	.call = call_cma,
};

FIXTURE_SETUP(pages)
{
	const char *lack = open_devices(&self->c, &self->nth_fd);

	if (lack)
		SKIP(return, "%s", lack);
}

FIXTURE_TEARDOWN(pages)
{
}

/*
 * Repeated failures: if each lost the buffer's pages, 64 MiB would be missing.
 */
TEST_F_TIMEOUT(pages, none_are_lost_by_failing_calls, 600)
{
	struct ctx *c = &self->c;
	unsigned int nth, round, failed = 0;
	bool fired = true;
	long before = available_kb();

	for (nth = 1; fired && nth < MAX_NTH; nth++) {
		for (round = 0; round < 128; round++) {
			int ret;

			ASSERT_EQ(0, fail_nth_arm(self->nth_fd, nth));
			ret = variant->call(c);
			fired = fail_nth_disarm(self->nth_fd);
			if (ret >= 0) {
				close(ret);
				break;
			}
			failed++;
		}
	}
	EXPECT_LT(0, failed);
	EXPECT_LT(before - available_kb(), 64 * 1024);
}

TEST_HARNESS_MAIN

// SPDX-License-Identifier: GPL-2.0-only
/*
 * PRIME: GEM objects of vgem and vkms passed to each other as dma-bufs, and
 * heap buffers passed to both. Two exports of an object give one buffer, two
 * imports of a buffer one handle; devices appear in bufinfo while they are
 * attached, and the last user frees the buffer. vgem's fences are implicit
 * fences.
 *
 * Copyright (C) the dma-buf project authors
 */
#include "dmabuf_drm.h"

FIXTURE(prime)
{
	int from, to;
	struct dumb dumb;
	int fd;
	unsigned long ino;
	__u32 handle; /* in @to */
};

FIXTURE_VARIANT(prime)
{
	const char *from; /* a driver, or NULL for the system heap */
	const char *to;
};

FIXTURE_VARIANT_ADD(prime, vgem_to_vkms)
{
	.from = "vgem", .to = "vkms",
};

FIXTURE_VARIANT_ADD(prime, vkms_to_vgem)
{
	.from = "vkms", .to = "vgem",
};

FIXTURE_VARIANT_ADD(prime, heap_to_vgem)
{
	.from = NULL, .to = "vgem",
};

FIXTURE_VARIANT_ADD(prime, heap_to_vkms)
{
	.from = NULL, .to = "vkms",
};

FIXTURE_SETUP(prime)
{
	if (missing(SYSTEM_HEAP))
		SKIP(return, NEEDS_HEAP);
	if (missing(BUFINFO_PATH))
		SKIP(return, NEEDS_BUFINFO);
	self->to = drm_open(variant->to);
	if (self->to < 0)
		SKIP(return, NEEDS_DRM, variant->to);
	if (variant->from) {
		self->from = drm_open(variant->from);
		if (self->from < 0)
			SKIP(return, NEEDS_DRM, variant->from);
		ASSERT_EQ(0, dumb_create(self->from, 64, 64, &self->dumb));
		self->fd = prime_export(self->from, self->dumb.handle);
	} else {
		self->from = -1;
		self->dumb.size = 64 * 64 * 4;
		self->fd = heap_alloc(self->dumb.size);
	}
	ASSERT_LE(0, self->fd);
	self->ino = db_ino(self->fd);
	ASSERT_EQ(0, prime_import(self->to, self->fd, &self->handle));
}

FIXTURE_TEARDOWN(prime)
{
	close(self->fd);
	close(self->from);
	close(self->to);
}

/* The number of attached devices in bufinfo, of which @name must be one. */
static int attached(unsigned long ino, const char *name)
{
	static char text[1 << 18];
	char *at, *list, *end;
	int n = -1;

	if (read_file(BUFINFO_PATH, text, sizeof(text)) < 0)
		return -EIO;
	at = bufinfo_find(text, ino);
	list = at ? strstr(at, "\tAttached Devices:\n") : NULL;
	end = list ? strstr(list, "Total ") : NULL;
	if (!end)
		return -ENOENT;
	n = strtol(end + 6, NULL, 10);
	*end = '\0';
	if (n && !strstr(list, name))
		return -ENODEV;
	return n;
}

TEST_F(prime, importer_is_attached_while_it_has_a_handle)
{
	EXPECT_EQ(1, attached(self->ino, variant->to));
	ASSERT_EQ(0, gem_close(self->to, self->handle));
	EXPECT_EQ(0, attached(self->ino, variant->to));
}

TEST_F(prime, exporter_and_dmabuf_show_one_memory)
{
	char *dma = mmap(NULL, self->dumb.size, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
	char *gem;

	ASSERT_NE(MAP_FAILED, dma);
	if (!variant->from) {
		munmap(dma, self->dumb.size);
		return;
	}
	gem = dumb_map(self->from, self->dumb.handle, self->dumb.size);
	ASSERT_NE(MAP_FAILED, gem);
	gem[0] = 'g';
	gem[self->dumb.size - 1] = 'h';
	EXPECT_EQ('g', dma[0]);
	EXPECT_EQ('h', dma[self->dumb.size - 1]);
	dma[5000] = 'd';
	EXPECT_EQ('d', gem[5000]);
	munmap(gem, self->dumb.size);
	munmap(dma, self->dumb.size);
}

TEST_F(prime, exported_twice_is_one_buffer)
{
	int again;

	if (!variant->from) {
		again = prime_export(self->to, self->handle);
	} else {
		again = prime_export(self->from, self->dumb.handle);
		ASSERT_LE(0, again);
		EXPECT_EQ(self->ino, db_ino(again));
		close(again);
		again = prime_export(self->to, self->handle);
	}
	/* The export of an imported object is the original buffer. */
	ASSERT_LE(0, again);
	EXPECT_EQ(self->ino, db_ino(again));
	close(again);
}

TEST_F(prime, imported_twice_is_one_handle)
{
	int copy = dup(self->fd);
	__u32 again = 0;

	ASSERT_EQ(0, prime_import(self->to, self->fd, &again));
	EXPECT_EQ(self->handle, again);
	ASSERT_EQ(0, prime_import(self->to, copy, &again));
	EXPECT_EQ(self->handle, again);
	EXPECT_EQ(1, attached(self->ino, variant->to));
	close(copy);
	/* There is one handle: one close removes it. */
	ASSERT_EQ(0, gem_close(self->to, self->handle));
	EXPECT_EQ(-EINVAL, gem_close(self->to, self->handle));
	ASSERT_EQ(0, prime_import(self->to, self->fd, &again));
	EXPECT_EQ(1, attached(self->ino, variant->to));
}

TEST_F(prime, own_object_comes_back_as_itself)
{
	__u32 back = 0;

	if (!variant->from)
		return;
	ASSERT_EQ(0, prime_import(self->from, self->fd, &back));
	EXPECT_EQ(self->dumb.handle, back);
	EXPECT_EQ(1, attached(self->ino, variant->to));
}

TEST_F(prime, imported_object_has_no_mapping_of_its_own)
{
	EXPECT_EQ(MAP_FAILED, dumb_map(self->to, self->handle, self->dumb.size));
}

TEST_F(prime, last_holder_frees)
{
	close(self->fd);
	self->fd = -1;
	if (variant->from) {
		close(self->from);
		self->from = -1;
	}
	EXPECT_EQ(1, bufinfo_has(self->ino));
	ASSERT_EQ(0, gem_close(self->to, self->handle));
	EXPECT_TRUE(buffer_gone(self->ino));
}

TEST_F(prime, closing_the_device_lets_go)
{
	close(self->to);
	self->to = -1;
	EXPECT_TRUE(wait_until(attached(self->ino, variant->to) == 0));
	close(self->fd);
	self->fd = -1;
	close(self->from);
	self->from = -1;
	EXPECT_TRUE(buffer_gone(self->ino));
}

TEST_F(prime, buffer_is_an_ordinary_dmabuf)
{
	int sf;

	EXPECT_EQ(self->dumb.size, lseek(self->fd, 0, SEEK_END));
	EXPECT_EQ(0, db_sync(self->fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW));
	EXPECT_EQ(0, db_sync(self->fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW));
	EXPECT_EQ(0, db_set_name(self->fd, "while attached"));
	EXPECT_EQ(POLLIN | POLLOUT, poll_now(self->fd, POLLIN | POLLOUT));
	sf = db_export(self->fd, DMA_BUF_SYNC_RW);
	EXPECT_LE(0, sf);
	EXPECT_EQ(1, sf_status(sf));
	close(sf);
}

TEST_F(prime, bad_arguments)
{
	__u32 handle;
	int pipefd[2];

	ASSERT_EQ(0, pipe(pipefd));
	EXPECT_ERRNO(EBADF, prime_import(self->to, -1, &handle));
	EXPECT_ERRNO(EINVAL, prime_import(self->to, pipefd[0], &handle));
	EXPECT_ERRNO(ENOENT, prime_export(self->to, 4711));
	EXPECT_ERRNO(EINVAL, prime_export_flags(self->to, self->handle, ~0u));
	EXPECT_EMFILE(prime_export(self->to, self->handle));
	close(pipefd[0]);
	close(pipefd[1]);
}

TEST_F(prime, access_mode_of_the_export)
{
	int rdonly, plain;

	if (!variant->from)
		return;
	rdonly = prime_export_flags(self->to, self->handle, DRM_CLOEXEC);
	plain = prime_export_flags(self->to, self->handle, DRM_RDWR);
	ASSERT_LE(0, rdonly);
	ASSERT_LE(0, plain);
	/* The first export sets the mode; close-on-exec is per descriptor. */
	EXPECT_EQ(O_RDWR, fcntl(rdonly, F_GETFL) & O_ACCMODE);
	EXPECT_EQ(FD_CLOEXEC, fcntl(rdonly, F_GETFD));
	EXPECT_EQ(0, fcntl(plain, F_GETFD));
	close(rdonly);
	close(plain);
}

struct importer {
	const char *driver;
	int fd;
	unsigned long ino;
	atomic_bool *stop;
};

static int import_and_close(void *arg)
{
	struct importer *im = arg;
	int dev = drm_open(im->driver), ret = 0;
	__u32 handle;

	while (!atomic_load(im->stop) && !ret) {
		ret = prime_import(dev, im->fd, &handle);
		if (!ret)
			ret = gem_close(dev, handle);
	}
	close(dev);
	return dev < 0 ? dev : ret;
}

/* Window: bufinfo walks the attachments while devices come and go. */
TEST_F_TIMEOUT(prime, attaching_against_listing, 120)
{
	__u64 end = now_ns(CLOCK_MONOTONIC) + 2000000000ull;
	atomic_bool stop = false;
	struct importer im = { variant->to, self->fd, self->ino, &stop };
	struct task t[3];
	int i, n;

	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, task_start(&t[i], import_and_close, &im));
	while (now_ns(CLOCK_MONOTONIC) < end) {
		n = attached(self->ino, variant->to);
		EXPECT_LE(1, n);
		EXPECT_LE(n, 4);
	}
	atomic_store(&stop, true);
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, task_join(&t[i]));
	EXPECT_EQ(1, attached(self->ino, variant->to));
}

/* The number of errors that DMA_API_DEBUG has found: it logs only the first. */
static long dma_api_errors(void)
{
	char text[32];

	if (read_file("/sys/kernel/debug/dma-api/error_count", text, sizeof(text)) < 0)
		return 0;
	return strtol(text, NULL, 10);
}

/*
 * vgem's device sets no segment limit, and gets contiguous memory in one
 * segment.
 */
TEST(heap_memory_is_mapped_by_the_rules)
{
	int heaps[2] = { open(SYSTEM_HEAP, O_RDWR | O_CLOEXEC), cma_heap_open() };
	int dev = drm_open("vgem"), fd, i;
	long before = dma_api_errors();
	__u32 handle;

	if (dev < 0)
		SKIP(return, NEEDS_DRM, "vgem");
	for (i = 0; i < 2; i++) {
		if (heaps[i] < 0)
			continue;
		fd = heap_alloc_from(heaps[i], 1 << 20, O_RDWR | O_CLOEXEC);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, prime_import(dev, fd, &handle));
		EXPECT_EQ(0, db_sync(fd, DMA_BUF_SYNC_START | DMA_BUF_SYNC_RW));
		EXPECT_EQ(0, db_sync(fd, DMA_BUF_SYNC_END | DMA_BUF_SYNC_RW));
		EXPECT_EQ(0, gem_close(dev, handle));
		close(fd);
		close(heaps[i]);
	}
	close(dev);
	EXPECT_EQ(before, dma_api_errors());
}

FIXTURE(vgem_fence)
{
	int dev;
	struct dumb dumb;
	int fd;
};

FIXTURE_SETUP(vgem_fence)
{
	self->dev = drm_open("vgem");
	if (self->dev < 0)
		SKIP(return, NEEDS_DRM, "vgem");
	ASSERT_EQ(0, dumb_create(self->dev, 64, 64, &self->dumb));
	self->fd = prime_export(self->dev, self->dumb.handle);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(vgem_fence)
{
	close(self->fd);
	close(self->dev);
}

TEST_F(vgem_fence, write_fence_is_implicit)
{
	struct sync_fence_info info;
	int fence = vgem_attach(self->dev, self->dumb.handle, true), sf;

	ASSERT_LT(0, fence);
	EXPECT_EQ(0, poll_now(self->fd, POLLIN | POLLOUT));
	sf = db_export(self->fd, DMA_BUF_SYNC_READ);
	ASSERT_LE(0, sf);
	ASSERT_EQ(1, sf_fences(sf, &info, 1));
	EXPECT_STREQ("vgem", info.driver_name);
	EXPECT_STREQ("unbound", info.obj_name);
	EXPECT_EQ(0, info.status);
	EXPECT_EQ(0, vgem_signal(self->dev, fence));
	EXPECT_EQ(POLLIN | POLLOUT, poll_ms(self->fd, POLLIN | POLLOUT, WAIT_MS));
	EXPECT_EQ(POLLIN, poll_now(sf, POLLIN));
	EXPECT_EQ(1, sf_status(sf));
	close(sf);
}

TEST_F(vgem_fence, read_fence_holds_writers)
{
	int fence = vgem_attach(self->dev, self->dumb.handle, false), sf;

	ASSERT_LT(0, fence);
	EXPECT_EQ(POLLIN, poll_now(self->fd, POLLIN | POLLOUT));
	sf = db_export(self->fd, DMA_BUF_SYNC_READ);
	EXPECT_EQ(1, sf_status(sf));
	close(sf);
	sf = db_export(self->fd, DMA_BUF_SYNC_WRITE);
	EXPECT_EQ(0, sf_status(sf));
	EXPECT_EQ(0, vgem_signal(self->dev, fence));
	EXPECT_EQ(1, sf_status(sf));
	close(sf);
}

TEST_F(vgem_fence, conflicting_fence_is_busy)
{
	int fence = vgem_attach(self->dev, self->dumb.handle, false);

	ASSERT_LT(0, fence);
	EXPECT_EQ(-EBUSY, vgem_attach(self->dev, self->dumb.handle, true));
	EXPECT_LT(0, vgem_attach(self->dev, self->dumb.handle, false));
	EXPECT_EQ(0, vgem_signal(self->dev, fence));
}

/* vgem respects the fences that user space has added to the buffer. */
TEST_F(vgem_fence, imported_sync_file_makes_it_busy)
{
	int tl, fence, attached;

	if (missing(SW_SYNC_PATH))
		SKIP(return, NEEDS_SW_SYNC);
	tl = sw_open();
	fence = sw_fence(tl, 1);
	ASSERT_LE(0, fence);
	ASSERT_EQ(0, db_import(self->fd, DMA_BUF_SYNC_WRITE, fence));
	EXPECT_EQ(-EBUSY, vgem_attach(self->dev, self->dumb.handle, false));
	ASSERT_EQ(0, sw_inc(tl, 1));
	attached = vgem_attach(self->dev, self->dumb.handle, true);
	EXPECT_LT(0, attached);
	EXPECT_EQ(0, vgem_signal(self->dev, attached));
	close(fence);
	close(tl);
}

/* A sync_file of a driver's fence works after the driver's file is closed. */
TEST_F(vgem_fence, sync_file_outlives_the_driver_file)
{
	struct sync_fence_info info;
	int sf;

	ASSERT_LT(0, vgem_attach(self->dev, self->dumb.handle, true));
	sf = db_export(self->fd, DMA_BUF_SYNC_WRITE);
	ASSERT_LE(0, sf);
	EXPECT_EQ(0, sf_status(sf));
	close(self->fd);
	close(self->dev);
	self->fd = -1;
	self->dev = -1;
	EXPECT_EQ(POLLIN, poll_ms(sf, POLLIN, WAIT_MS));
	ASSERT_EQ(1, sf_fences(sf, &info, 1));
	EXPECT_EQ(1, info.status);
	close(sf);
}

static int begin_write(void *arg)
{
	return db_sync(*(int *)arg, DMA_BUF_SYNC_START | DMA_BUF_SYNC_WRITE);
}

TEST_F(vgem_fence, cpu_access_waits_for_it)
{
	int fence = vgem_attach(self->dev, self->dumb.handle, false);
	struct task t;

	ASSERT_LT(0, fence);
	ASSERT_EQ(0, task_start(&t, begin_write, &self->fd));
	EXPECT_TRUE(task_asleep(&t));
	EXPECT_EQ(0, vgem_signal(self->dev, fence));
	EXPECT_EQ(0, task_join(&t));
}

TEST_HARNESS_MAIN

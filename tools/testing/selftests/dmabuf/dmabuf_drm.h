/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Helpers for the DRM selftests: finding a device by its driver's name, dumb
 * buffers, PRIME, and vgem's fences. Functions return -errno on failure.
 *
 * Copyright (C) the dma-buf project authors
 */
#ifndef DMABUF_DRM_H
#define DMABUF_DRM_H

#include <xf86drm.h>
#include <xf86drmMode.h>

#include "dmabuf_util.h"

#define NEEDS_DRM "no DRM device of driver %s: CONFIG_DRM_VGEM, CONFIG_DRM_VKMS"

/* vgem's private ioctls, which libdrm has no header for. */
struct vgem_fence_attach {
	__u32 handle;
	__u32 flags; /* 1: a write */
	__u32 out_fence;
	__u32 pad;
};

struct vgem_fence_signal {
	__u32 fence;
	__u32 flags;
};

#define VGEM_FENCE_WRITE 1
#define VGEM_FENCE_ATTACH DRM_IOWR(DRM_COMMAND_BASE + 1, struct vgem_fence_attach)
#define VGEM_FENCE_SIGNAL DRM_IOW(DRM_COMMAND_BASE + 2, struct vgem_fence_signal)

struct dumb {
	int dev;
	__u32 handle;
	__u32 pitch;
	__u64 size;
};

static inline bool drm_is(int dev, const char *driver)
{
	char name[32] = "";
	struct drm_version version = { .name = name, .name_len = sizeof(name) - 1 };

	return !ioctl(dev, DRM_IOCTL_VERSION, &version) && !strcmp(name, driver);
}

/* Opens the device with that driver, or returns -ENOENT. */
static inline int drm_open(const char *driver)
{
	char path[64];
	int i, dev;

	for (i = 0; i < 16; i++) {
		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		dev = open(path, O_RDWR | O_CLOEXEC);
		if (dev >= 0 && drm_is(dev, driver))
			return dev;
		if (dev >= 0)
			close(dev);
	}
	return -ENOENT;
}

/* Opens the first device with @capability, or returns -ENOENT. */
static inline int drm_open_capable(__u64 capability)
{
	struct drm_get_cap cap = { .capability = capability };
	char path[64];
	int i, dev;

	for (i = 0; i < 16; i++) {
		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		dev = open(path, O_RDWR | O_CLOEXEC);
		if (dev >= 0 && !ioctl(dev, DRM_IOCTL_GET_CAP, &cap) && cap.value)
			return dev;
		if (dev >= 0)
			close(dev);
	}
	return -ENOENT;
}

static inline int dumb_create(int dev, __u32 width, __u32 height, struct dumb *dumb)
{
	struct drm_mode_create_dumb arg = { .width = width, .height = height, .bpp = 32 };
	int ret = sys_ret(ioctl(dev, DRM_IOCTL_MODE_CREATE_DUMB, &arg));

	*dumb = (struct dumb){ dev, arg.handle, arg.pitch, arg.size };
	return ret;
}

/* Maps through the DRM device, not through a dma-buf. */
static inline void *dumb_map(int dev, __u32 handle, size_t size)
{
	struct drm_mode_map_dumb arg = { .handle = handle };

	if (ioctl(dev, DRM_IOCTL_MODE_MAP_DUMB, &arg))
		return MAP_FAILED;
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, dev, arg.offset);
}

static inline int gem_close(int dev, __u32 handle)
{
	struct drm_gem_close arg = { .handle = handle };

	return sys_ret(ioctl(dev, DRM_IOCTL_GEM_CLOSE, &arg));
}

static inline int prime_export_flags(int dev, __u32 handle, __u32 flags)
{
	struct drm_prime_handle arg = { .handle = handle, .flags = flags, .fd = -1 };
	int ret = sys_ret(ioctl(dev, DRM_IOCTL_PRIME_HANDLE_TO_FD, &arg));

	return ret ? ret : arg.fd;
}

static inline int prime_export(int dev, __u32 handle)
{
	return prime_export_flags(dev, handle, DRM_CLOEXEC | DRM_RDWR);
}

static inline int prime_import(int dev, int fd, __u32 *handle)
{
	struct drm_prime_handle arg = { .fd = fd };
	int ret = sys_ret(ioctl(dev, DRM_IOCTL_PRIME_FD_TO_HANDLE, &arg));

	*handle = arg.handle;
	return ret;
}

/* Puts a fence of vgem's own on the object; returns its number or -errno. */
static inline int vgem_attach(int dev, __u32 handle, bool write)
{
	struct vgem_fence_attach arg = {
		.handle = handle, .flags = write ? VGEM_FENCE_WRITE : 0,
	};
	int ret = sys_ret(ioctl(dev, VGEM_FENCE_ATTACH, &arg));

	return ret ? ret : (int)arg.out_fence;
}

static inline int vgem_signal(int dev, __u32 fence)
{
	struct vgem_fence_signal arg = { .fence = fence };

	return sys_ret(ioctl(dev, VGEM_FENCE_SIGNAL, &arg));
}

#endif /* DMABUF_DRM_H */

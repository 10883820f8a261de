// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which of the display's objects to use: a connector for the picture, the
 * writeback connector, the CRTC, its primary plane, the mode, and the numbers
 * of the properties. Nothing here changes the state of the display.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <drm_fourcc.h>
#include <xf86drm.h>

#include "display.h"
#include "util.h"

#define WHO	"display"

static const char *const src_names[] = { "SRC_X", "SRC_Y", "SRC_W", "SRC_H" };
static const char *const dst_names[] = { "CRTC_X", "CRTC_Y", "CRTC_W", "CRTC_H" };

/* Find the property @name of an object: its number, its value, or both. */
static int find_prop(struct display *d, __u32 object, __u32 type, const char *name,
		     __u32 *id, __u64 *value)
{
	drmModeObjectProperties *props = drmModeObjectGetProperties(d->fd, object, type);
	bool found = false;
	__u32 i;

	if (!props)
		return fail_errno(WHO, "properties of object %u", object);
	for (i = 0; i < props->count_props && !found; i++) {
		drmModePropertyRes *prop = drmModeGetProperty(d->fd, props->props[i]);

		if (!prop)
			continue;
		found = !strcmp(prop->name, name);
		if (found && id)
			*id = prop->prop_id;
		if (found && value)
			*value = props->prop_values[i];
		drmModeFreeProperty(prop);
	}
	drmModeFreeObjectProperties(props);
	return found ? 0 : fail(ENOENT, WHO, "object %u has no property %s", object, name);
}

static int find_plane_props(struct display *d)
{
	struct display_props *p = &d->prop;
	unsigned int i;
	int ret;

	ret = find_prop(d, d->plane, DRM_MODE_OBJECT_PLANE, "FB_ID", &p->plane_fb, NULL);
	if (!ret)
		ret = find_prop(d, d->plane, DRM_MODE_OBJECT_PLANE, "CRTC_ID",
				&p->plane_crtc, NULL);
	if (!ret)
		ret = find_prop(d, d->plane, DRM_MODE_OBJECT_PLANE, "IN_FENCE_FD",
				&p->plane_in_fence, NULL);
	for (i = 0; !ret && i < ARRAY_SIZE(src_names); i++) {
		ret = find_prop(d, d->plane, DRM_MODE_OBJECT_PLANE, src_names[i],
				&p->plane_src[i], NULL);
		if (!ret)
			ret = find_prop(d, d->plane, DRM_MODE_OBJECT_PLANE, dst_names[i],
					&p->plane_dst[i], NULL);
	}
	return ret;
}

static int find_props(struct display *d)
{
	const struct {
		__u32 object, type;
		const char *name;
		__u32 *id;
	} wanted[] = {
		{ d->crtc, DRM_MODE_OBJECT_CRTC, "MODE_ID", &d->prop.crtc_mode },
		{ d->crtc, DRM_MODE_OBJECT_CRTC, "ACTIVE", &d->prop.crtc_active },
		{ d->crtc, DRM_MODE_OBJECT_CRTC, "OUT_FENCE_PTR", &d->prop.crtc_out_fence },
		{ d->connector, DRM_MODE_OBJECT_CONNECTOR, "CRTC_ID", &d->prop.conn_crtc },
		{ d->writeback, DRM_MODE_OBJECT_CONNECTOR, "CRTC_ID", &d->prop.wb_crtc },
		{ d->writeback, DRM_MODE_OBJECT_CONNECTOR, "WRITEBACK_FB_ID", &d->prop.wb_fb },
		{ d->writeback, DRM_MODE_OBJECT_CONNECTOR, "WRITEBACK_OUT_FENCE_PTR",
		  &d->prop.wb_out_fence },
	};
	unsigned int i;
	int ret = find_plane_props(d);

	for (i = 0; !ret && i < ARRAY_SIZE(wanted); i++)
		ret = find_prop(d, wanted[i].object, wanted[i].type, wanted[i].name,
				wanted[i].id, NULL);
	return ret;
}

/* The mode that shows the frame pixel by pixel; vkms does not scale. */
static bool find_mode(struct display *d, const drmModeConnector *conn,
		      const struct layout *layout)
{
	int i;

	for (i = 0; i < conn->count_modes; i++) {
		if (conn->modes[i].hdisplay != layout->width ||
		    conn->modes[i].vdisplay != layout->height)
			continue;
		d->mode = conn->modes[i];
		return true;
	}
	return false;
}

static int find_connectors(struct display *d, const drmModeRes *res,
			   const struct layout *layout)
{
	int i;

	for (i = 0; i < res->count_connectors; i++) {
		drmModeConnector *conn = drmModeGetConnector(d->fd, res->connectors[i]);

		if (!conn)
			return fail_errno(WHO, "connector %u", res->connectors[i]);
		if (conn->connector_type == DRM_MODE_CONNECTOR_WRITEBACK)
			d->writeback = conn->connector_id;
		else if (!d->connector && conn->connection == DRM_MODE_CONNECTED &&
			 find_mode(d, conn, layout))
			d->connector = conn->connector_id;
		drmModeFreeConnector(conn);
	}
	if (!d->connector)
		return fail(ENODEV, WHO, "no connected output of %s has a mode of %ux%u",
			    d->node, layout->width, layout->height);
	if (!d->writeback)
		return fail(ENODEV, WHO, "%s has no writeback connector (vkms.enable_writeback=1)",
			    d->node);
	return 0;
}

static bool plane_fits(struct display *d, const drmModePlane *plane)
{
	__u64 type = 0;
	__u32 i;

	if (!(plane->possible_crtcs & 1) ||
	    find_prop(d, plane->plane_id, DRM_MODE_OBJECT_PLANE, "type", NULL, &type) ||
	    type != DRM_PLANE_TYPE_PRIMARY)
		return false;
	for (i = 0; i < plane->count_formats; i++) {
		if (plane->formats[i] == DRM_FORMAT_XRGB8888)
			return true;
	}
	return false;
}

static int find_plane(struct display *d)
{
	drmModePlaneRes *res = drmModeGetPlaneResources(d->fd);
	__u32 i;

	if (!res)
		return fail_errno(WHO, "planes of %s", d->node);
	for (i = 0; i < res->count_planes && !d->plane; i++) {
		drmModePlane *plane = drmModeGetPlane(d->fd, res->planes[i]);

		if (plane && plane_fits(d, plane))
			d->plane = plane->plane_id;
		drmModeFreePlane(plane);
	}
	drmModeFreePlaneResources(res);
	return d->plane ? 0 : fail(ENODEV, WHO, "no primary plane of %s shows XRGB8888", d->node);
}

int display_find(struct display *d, const struct layout *layout)
{
	drmModeRes *res = drmModeGetResources(d->fd);
	int ret;

	if (!res)
		return fail_errno(WHO, "resources of %s", d->node);
	if (res->count_crtcs > 0) {
		d->crtc = res->crtcs[0];
		ret = find_connectors(d, res, layout);
	} else {
		ret = fail(ENODEV, WHO, "%s has no CRTC", d->node);
	}
	drmModeFreeResources(res);
	if (!ret)
		ret = find_plane(d);
	if (!ret)
		ret = find_props(d);
	return ret;
}

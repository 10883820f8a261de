// SPDX-License-Identifier: GPL-2.0-only
/*
 * vivid through plain V4L2. The driver fills its own memory (V4L2_MEMORY_MMAP)
 * and exports it; the display and the codec import that very memory. The
 * program turns off all that vivid may draw over its pattern, so that each
 * pixel is known.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "camera.h"
#include "util.h"

#define WHO		"camera"
#define DRIVER		"vivid"
#define FRAMES_PER_S	30

static bool is_camera(int fd, __u32 caps)
{
	(void)fd;
	return (caps & V4L2_CAP_VIDEO_CAPTURE) && (caps & V4L2_CAP_STREAMING);
}

/* Of vivid's inputs only the webcam has no TV standard and no DV timings. */
static int select_webcam(struct camera *cam)
{
	struct v4l2_input input = { };

	while (!xioctl(cam->fd, VIDIOC_ENUMINPUT, &input)) {
		if (input.type == V4L2_INPUT_TYPE_CAMERA && !input.capabilities) {
			int index = input.index;

			if (xioctl(cam->fd, VIDIOC_S_INPUT, &index) < 0)
				return fail_errno(WHO, "VIDIOC_S_INPUT %d", index);
			return 0;
		}
		input.index++;
	}
	return fail(ENODEV, WHO, "%s has no webcam input", cam->node);
}

static int find_control(struct camera *cam, const char *name, struct v4l2_queryctrl *ctrl)
{
	memset(ctrl, 0, sizeof(*ctrl));
	ctrl->id = V4L2_CTRL_FLAG_NEXT_CTRL;
	while (!xioctl(cam->fd, VIDIOC_QUERYCTRL, ctrl)) {
		if (!strcmp((char *)ctrl->name, name))
			return 0;
		ctrl->id |= V4L2_CTRL_FLAG_NEXT_CTRL;
	}
	return fail(ENOENT, WHO, "%s has no control \"%s\"", cam->node, name);
}

/* Find control and choice by name: their numbers are private to vivid. */
static int set_menu(struct camera *cam, const char *name, const char *choice)
{
	struct v4l2_queryctrl ctrl;
	struct v4l2_querymenu menu = { };
	struct v4l2_control set = { };
	int ret;

	ret = find_control(cam, name, &ctrl);
	if (ret)
		return ret;
	menu.id = ctrl.id;
	for (menu.index = ctrl.minimum; menu.index <= (__u32)ctrl.maximum; menu.index++) {
		if (xioctl(cam->fd, VIDIOC_QUERYMENU, &menu) < 0 ||
		    strcmp((char *)menu.name, choice))
			continue;
		set.id = ctrl.id;
		set.value = menu.index;
		if (xioctl(cam->fd, VIDIOC_S_CTRL, &set) < 0)
			return fail_errno(WHO, "set \"%s\" to \"%s\"", name, choice);
		return 0;
	}
	return fail(ENOENT, WHO, "\"%s\" cannot be \"%s\"", name, choice);
}

static int set_format(struct camera *cam, __u32 width, __u32 height)
{
	struct v4l2_streamparm parm = {
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.parm.capture.timeperframe = { 1, FRAMES_PER_S },
	};
	struct v4l2_pix_format pix = {
		.width = width,
		.height = height,
		.pixelformat = PIXEL_FORMAT,
		.field = V4L2_FIELD_NONE,
	};
	int ret;

	ret = queue_set_format(&cam->queue, &pix);
	if (ret)
		return ret;
	if (xioctl(cam->fd, VIDIOC_S_PARM, &parm) < 0)
		return fail_errno(WHO, "VIDIOC_S_PARM (%d frames a second)", FRAMES_PER_S);
	cam->layout = (struct layout){
		.width = pix.width,
		.height = pix.height,
		.stride = pix.bytesperline,
		.size = pix.sizeimage,
	};
	return 0;
}

static int set_up(struct camera *cam, __u32 width, __u32 height)
{
	int ret;

	ret = select_webcam(cam);
	if (!ret)
		ret = set_menu(cam, "Test Pattern", "75% Colorbar");
	if (!ret)
		ret = set_menu(cam, "OSD Text Mode", "None");
	if (!ret)
		ret = set_format(cam, width, height);
	return ret;
}

static int start(struct camera *cam)
{
	unsigned int i;
	int ret;

	for (i = 0; i < cam->queue.count; i++) {
		ret = queue_put(&cam->queue, i, NULL, 0);
		if (ret)
			return ret;
	}
	return queue_start(&cam->queue);
}

int camera_open(struct camera *cam, __u32 width, __u32 height, unsigned int buffers)
{
	int ret;

	cam->fd = video_open(WHO, DRIVER, is_camera, cam->node);
	if (cam->fd < 0)
		return cam->fd;
	cam->queue = (struct queue){
		.who = WHO,
		.fd = cam->fd,
		.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
		.memory = V4L2_MEMORY_MMAP,
	};
	ret = set_up(cam, width, height);
	if (ret)
		return ret;
	say(WHO, "%s is %s: %ux%u XRGB8888, %u bytes a line, %d frames a second",
	    cam->node, DRIVER, cam->layout.width, cam->layout.height,
	    cam->layout.stride, FRAMES_PER_S);

	ret = queue_allocate(&cam->queue, buffers, WHO);
	if (ret)
		return ret;
	say(WHO, "exported its %u buffers as dma-bufs, %s to %s, %zu bytes each",
	    cam->queue.count, cam->queue.bufs[0].name,
	    cam->queue.bufs[cam->queue.count - 1].name, cam->queue.bufs[0].size);
	return start(cam);
}

static int camera_get(struct source *src, struct dequeued *frame)
{
	return queue_get(src->queue, frame);
}

static int camera_put(struct source *src, unsigned int index)
{
	return queue_put(src->queue, index, NULL, 0);
}

void camera_source(struct camera *cam, struct source *src)
{
	*src = (struct source){
		.name = WHO,
		.layout = cam->layout,
		.queue = &cam->queue,
		.get = camera_get,
		.put = camera_put,
	};
}

void camera_close(struct camera *cam)
{
	queue_release(&cam->queue);
	close_fd(&cam->fd);
}

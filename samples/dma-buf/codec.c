// SPDX-License-Identifier: GPL-2.0-only
/*
 * vicodec through the stateful V4L2 codec API, without a copy: the encoder
 * reads the camera's dma-bufs, the decoder reads the encoder's, and the display
 * reads the decoder's. Only one frame is in flight at a time, so that the path
 * of each buffer is easy to follow.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "codec.h"
#include "util.h"

#define DRIVER		"vicodec"
#define STREAM_BUFFERS	2
/* Quantiser, 1 (best) to 31; 1 keeps the bars within the check's tolerance. */
#define QUALITY		1

static __u32 first_format(int fd, __u32 type)
{
	struct v4l2_fmtdesc desc = { .type = type };

	return xioctl(fd, VIDIOC_ENUM_FMT, &desc) < 0 ? 0 : desc.pixelformat;
}

/* Of the driver's nodes, the encoder produces FWHT, the decoder consumes it. */
static bool is_encoder(int fd, __u32 caps)
{
	return (caps & V4L2_CAP_VIDEO_M2M) &&
	       first_format(fd, V4L2_BUF_TYPE_VIDEO_CAPTURE) == V4L2_PIX_FMT_FWHT;
}

static bool is_decoder(int fd, __u32 caps)
{
	return (caps & V4L2_CAP_VIDEO_M2M) &&
	       first_format(fd, V4L2_BUF_TYPE_VIDEO_OUTPUT) == V4L2_PIX_FMT_FWHT;
}

static struct queue make_queue(const char *who, int fd, __u32 type, __u32 memory)
{
	return (struct queue){ .who = who, .fd = fd, .type = type, .memory = memory };
}

static int set_quality(struct codec *codec)
{
	struct v4l2_control i_frames = { V4L2_CID_FWHT_I_FRAME_QP, QUALITY };
	struct v4l2_control p_frames = { V4L2_CID_FWHT_P_FRAME_QP, QUALITY };

	if (xioctl(codec->enc_fd, VIDIOC_S_CTRL, &i_frames) < 0 ||
	    xioctl(codec->enc_fd, VIDIOC_S_CTRL, &p_frames) < 0)
		return fail_errno("encoder", "set the quality");
	return 0;
}

static int open_encoder(struct codec *codec)
{
	const struct layout *in = &codec->from.layout;
	struct v4l2_pix_format raw = {
		.width = in->width,
		.height = in->height,
		.pixelformat = PIXEL_FORMAT,
		.field = V4L2_FIELD_NONE,
	};
	struct v4l2_pix_format stream = raw;
	int ret;

	codec->enc_fd = video_open("encoder", DRIVER, is_encoder, codec->enc_node);
	if (codec->enc_fd < 0)
		return codec->enc_fd;
	codec->enc_in = make_queue("encoder", codec->enc_fd, V4L2_BUF_TYPE_VIDEO_OUTPUT,
				   V4L2_MEMORY_DMABUF);
	codec->enc_out = make_queue("encoder", codec->enc_fd, V4L2_BUF_TYPE_VIDEO_CAPTURE,
				    V4L2_MEMORY_MMAP);
	stream.pixelformat = V4L2_PIX_FMT_FWHT;
	ret = set_quality(codec);
	if (!ret)
		ret = queue_set_format(&codec->enc_in, &raw);
	if (!ret)
		ret = queue_set_format(&codec->enc_out, &stream);
	if (ret)
		return ret;
	if (raw.bytesperline != in->stride || raw.sizeimage > in->size)
		return fail(EINVAL, "encoder", "lines of %u bytes, the camera's have %u",
			    raw.bytesperline, in->stride);
	ret = queue_allocate(&codec->enc_in, codec->from.queue->count, NULL);
	if (!ret)
		ret = queue_allocate(&codec->enc_out, STREAM_BUFFERS, "stream");
	if (!ret)
		ret = queue_start(&codec->enc_in);
	if (!ret)
		ret = queue_start(&codec->enc_out);
	if (ret)
		return ret;
	say("encoder", "%s is %s: imports the camera's dma-bufs, exports %u with FWHT frames",
	    codec->enc_node, DRIVER, codec->enc_out.count);
	return 0;
}

/* The decoder's input side; the output side waits for the first frame. */
static int open_decoder(struct codec *codec)
{
	struct v4l2_event_subscription sub = { .type = V4L2_EVENT_SOURCE_CHANGE };
	struct v4l2_pix_format stream = {
		.width = codec->from.layout.width,
		.height = codec->from.layout.height,
		.pixelformat = V4L2_PIX_FMT_FWHT,
		.field = V4L2_FIELD_NONE,
	};
	int ret;

	codec->dec_fd = video_open("decoder", DRIVER, is_decoder, codec->dec_node);
	if (codec->dec_fd < 0)
		return codec->dec_fd;
	codec->dec_in = make_queue("decoder", codec->dec_fd, V4L2_BUF_TYPE_VIDEO_OUTPUT,
				   V4L2_MEMORY_DMABUF);
	codec->dec_out = make_queue("decoder", codec->dec_fd, V4L2_BUF_TYPE_VIDEO_CAPTURE,
				    V4L2_MEMORY_MMAP);
	if (xioctl(codec->dec_fd, VIDIOC_SUBSCRIBE_EVENT, &sub) < 0)
		return fail_errno("decoder", "VIDIOC_SUBSCRIBE_EVENT");
	ret = queue_set_format(&codec->dec_in, &stream);
	if (!ret)
		ret = queue_allocate(&codec->dec_in, STREAM_BUFFERS, NULL);
	if (!ret)
		ret = queue_start(&codec->dec_in);
	return ret;
}

static int wait_source_change(struct codec *codec)
{
	struct v4l2_event event = { };
	int ret;

	ret = wait_fd(codec->dec_fd, POLLPRI, WAIT_MS);
	if (ret)
		return fail(-ret, "decoder", "waiting for it to read the stream's header: %s",
			    strerror(-ret));
	if (xioctl(codec->dec_fd, VIDIOC_DQEVENT, &event) < 0)
		return fail_errno("decoder", "VIDIOC_DQEVENT");
	if (event.type != V4L2_EVENT_SOURCE_CHANGE)
		return fail(EPROTO, "decoder", "event %u instead of a source change", event.type);
	return 0;
}

static int open_decoder_output(struct codec *codec, unsigned int buffers)
{
	struct v4l2_pix_format raw = {
		.width = codec->from.layout.width,
		.height = codec->from.layout.height,
		.pixelformat = PIXEL_FORMAT,
		.field = V4L2_FIELD_NONE,
	};
	unsigned int i;
	int ret;

	ret = wait_source_change(codec);
	if (!ret)
		ret = queue_set_format(&codec->dec_out, &raw);
	if (!ret)
		ret = queue_allocate(&codec->dec_out, buffers, "decoded");
	if (ret)
		return ret;
	codec->layout = (struct layout){
		.width = raw.width,
		.height = raw.height,
		.stride = raw.bytesperline,
		.size = raw.sizeimage,
	};
	for (i = 0; !ret && i < codec->dec_out.count; i++)
		ret = queue_put(&codec->dec_out, i, NULL, 0);
	if (!ret)
		ret = queue_start(&codec->dec_out);
	if (ret)
		return ret;
	say("decoder", "%s is %s: imports the encoder's dma-bufs, exports %u with %ux%u XRGB8888",
	    codec->dec_node, DRIVER, codec->dec_out.count, raw.width, raw.height);
	return 0;
}

/* Encode from the camera's memory; the camera gets the buffer back at once. */
static int encode(struct codec *codec, struct dequeued *stream)
{
	struct dequeued frame, used;
	int ret;

	ret = codec->from.get(&codec->from, &frame);
	if (ret)
		return ret;
	ret = queue_put(&codec->enc_in, frame.index, &codec->from.queue->bufs[frame.index],
			frame.bytes);
	if (!ret)
		ret = queue_get(&codec->enc_out, stream);
	if (!ret)
		ret = queue_get(&codec->enc_in, &used);
	if (!ret)
		ret = codec->from.put(&codec->from, used.index);
	if (!ret)
		detail("encoder", "camera frame %u: %u bytes of FWHT in stream-%u",
		       frame.sequence, stream->bytes, stream->index);
	return ret;
}

static int submit(struct codec *codec)
{
	struct dequeued stream;
	int ret;

	ret = encode(codec, &stream);
	if (!ret)
		ret = queue_put(&codec->dec_in, stream.index,
				&codec->enc_out.bufs[stream.index], stream.bytes);
	if (!ret)
		codec->pending++;
	return ret;
}

int codec_open(struct codec *codec, struct camera *cam, unsigned int buffers)
{
	unsigned int i;
	int ret;

	camera_source(cam, &codec->from);
	ret = open_encoder(codec);
	if (!ret)
		ret = open_decoder(codec);
	for (i = 0; !ret && i < codec->enc_out.count; i++)
		ret = queue_put(&codec->enc_out, i, NULL, 0);
	if (!ret)
		ret = submit(codec);
	if (!ret)
		ret = open_decoder_output(codec, buffers);
	return ret;
}

static int codec_get(struct source *src, struct dequeued *frame)
{
	struct codec *codec = src->priv;
	struct dequeued used;
	int ret = 0;

	if (!codec->pending)
		ret = submit(codec);
	if (!ret)
		ret = queue_get(&codec->dec_out, frame);
	if (!ret)
		ret = queue_get(&codec->dec_in, &used);
	if (ret)
		return ret;
	codec->pending--;
	/* The decoder has read the stream: return its memory to the encoder. */
	return queue_put(&codec->enc_out, used.index, NULL, 0);
}

static int codec_put(struct source *src, unsigned int index)
{
	return queue_put(src->queue, index, NULL, 0);
}

void codec_source(struct codec *codec, struct source *src)
{
	*src = (struct source){
		.name = "decoder",
		.layout = codec->layout,
		.queue = &codec->dec_out,
		.priv = codec,
		.get = codec_get,
		.put = codec_put,
	};
}

void codec_close(struct codec *codec)
{
	queue_release(&codec->dec_out);
	queue_release(&codec->dec_in);
	queue_release(&codec->enc_out);
	queue_release(&codec->enc_in);
	close_fd(&codec->dec_fd);
	close_fd(&codec->enc_fd);
}

// SPDX-License-Identifier: GPL-2.0-only
/*
 * From the camera to the screen without copying a frame: three drivers that
 * know nothing of each other (vivid, vkms and, with --decode, vicodec) share
 * buffers as dma-bufs and order their work by fences. At the end the display
 * writes what it shows into a buffer from a dma-buf heap, and the program
 * checks and saves that picture. Each stage has a file of its own; this file
 * has the order in which the stages act and pass their buffers on.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bufinfo.h"
#include "buffer.h"
#include "camera.h"
#include "codec.h"
#include "display.h"
#include "fence.h"
#include "picture.h"
#include "source.h"
#include "util.h"

#define WIDTH		640
#define HEIGHT		480
#define BUFFERS		4
#define HEAP		"system"
/* Report the first frames in full, and then one in ten in one line. */
#define FRAMES_TOLD	3
#define FRAMES_BETWEEN	10
/* Check only some pixels of a frame; the writeback is checked in full. */
#define SAMPLE_STEP	16
/* FWHT, the codec's format, is a little lossy; the direct path is lossless. */
#define TOLERANCE_DIRECT	0
#define TOLERANCE_DECODE	4

struct options {
	unsigned int frames;
	const char *out;
	bool decode;
};

struct pipeline {
	struct options opt;
	struct camera cam;
	struct codec codec;
	struct display display;
	struct source src;		/* of the frames on screen */
	__u32 fbs[QUEUE_MAX];	/* their framebuffers */
	struct buffer shot;		/* from the heap: what is on screen */
	__u32 shot_fb;
	int on_screen;			/* buffer that the display shows, or -1 */
	double total_ms;
	char path[512];			/* of the picture to save */
};

/* Make the output directory, and remove the result of an earlier run. */
static int prepare_output(struct pipeline *p)
{
	int len = snprintf(p->path, sizeof(p->path), "%s/camera-to-screen%s.png", p->opt.out,
			   p->opt.decode ? "-decode" : "");

	if (len >= (int)sizeof(p->path))
		return fail(ENAMETOOLONG, "picture", "%s: the path is too long", p->opt.out);
	if (mkdir(p->opt.out, 0777) < 0 && errno != EEXIST)
		return fail_errno("picture", "mkdir %s", p->opt.out);
	if (unlink(p->path) < 0 && errno != ENOENT)
		return fail_errno("picture", "remove the old %s", p->path);
	return 0;
}

/* Read a frame with the CPU, inside the brackets that allow it. */
static int check_frame(struct pipeline *p, const struct buffer *buf)
{
	struct picture pic = {
		.name = buf->name,
		.pixels = buf->pixels,
		.layout = p->src.layout,
	};
	int ret, end;

	ret = buffer_begin_read(buf);
	if (ret)
		return ret;
	ret = picture_check_bars(&pic, SAMPLE_STEP,
				 p->opt.decode ? TOLERANCE_DECODE : TOLERANCE_DIRECT);
	end = buffer_end_read(buf);
	return ret ? ret : end;
}

/* Commit the frame and wait until the display has it on screen. */
static int put_on_screen(struct pipeline *p, const struct buffer *buf,
			 struct display_frame *frame, char fence[2][FENCE_TEXT])
{
	int ret;

	ret = fence_of_writers(buf, &frame->in_fence);
	if (ret)
		return ret;
	ret = fence_describe(frame->in_fence, fence[0]);
	if (!ret)
		ret = display_show(&p->display, frame);
	if (!ret)
		ret = fence_wait(frame->out_fence, "the display's out-fence");
	if (!ret)
		ret = fence_describe(frame->out_fence, fence[1]);
	close_fd(&frame->in_fence);
	close_fd(&frame->out_fence);
	return ret;
}

/*
 * The display's out-fence has signalled: the new frame is on screen, and nobody
 * reads the previous one any more.
 */
static int hand_back(struct pipeline *p, unsigned int shown)
{
	int before = p->on_screen;

	p->on_screen = shown;
	return before < 0 ? 0 : p->src.put(&p->src, before);
}

static void tell_frame(struct pipeline *p, unsigned int n, const struct dequeued *frame,
		       char fence[2][FENCE_TEXT], int before, const double t[3])
{
	const struct buffer *bufs = p->src.queue->bufs;
	char who[24];

	snprintf(who, sizeof(who), "frame %u", n);
	if (n >= FRAMES_TOLD && n % FRAMES_BETWEEN) {
		detail(who, "%s, sequence %u: %.1f ms", bufs[frame->index].name,
		       frame->sequence, t[2] - t[0]);
		return;
	}
	if (n >= FRAMES_TOLD) {
		say(who, "%s, sequence %u: %.1f ms", bufs[frame->index].name,
		    frame->sequence, t[2] - t[0]);
		return;
	}
	say(who, "%s from the %s, sequence %u, after %.1f ms", bufs[frame->index].name,
	    p->src.name, frame->sequence, t[1] - t[0]);
	say("", "in-fence (%s): the display may read it", fence[0]);
	say("", "out-fence (%s) after %.1f ms: it is on screen", fence[1], t[2] - t[1]);
	if (before >= 0)
		say("", "so %s is free and goes back to the %s", bufs[before].name, p->src.name);
}

static int run_frame(struct pipeline *p, unsigned int n, struct display_frame *shown)
{
	const bool last = n + 1 == p->opt.frames;
	char fence[2][FENCE_TEXT];
	int before = p->on_screen, ret;
	struct dequeued frame;
	double t[3];

	t[0] = now_ms();
	ret = p->src.get(&p->src, &frame);
	if (ret)
		return ret;
	t[1] = now_ms();
	*shown = (struct display_frame){
		.fb = p->fbs[frame.index],
		.writeback_fb = last ? p->shot_fb : 0,
		.in_fence = -1,
		.out_fence = -1,
		.writeback_fence = -1,
	};
	ret = put_on_screen(p, &p->src.queue->bufs[frame.index], shown, fence);
	if (!ret)
		ret = hand_back(p, frame.index);
	if (ret)
		return ret;
	t[2] = now_ms();
	p->total_ms += t[2] - t[0];
	tell_frame(p, n, &frame, fence, before, t);
	return check_frame(p, &p->src.queue->bufs[frame.index]);
}

/* The writeback must show the bars, and be equal to the last frame. */
static int check_shot(struct pipeline *p, const struct picture *shot)
{
	const struct buffer *frame = &p->src.queue->bufs[p->on_screen];
	struct picture source = {
		.name = frame->name,
		.pixels = frame->pixels,
		.layout = p->src.layout,
	};
	int ret, end;

	ret = picture_check_bars(shot, 1, p->opt.decode ? TOLERANCE_DECODE : TOLERANCE_DIRECT);
	if (ret)
		return ret;
	ret = buffer_begin_read(frame);
	if (ret)
		return ret;
	ret = picture_check_equal(shot, &source);
	end = buffer_end_read(frame);
	if (ret || end)
		return ret ? ret : end;
	say("picture", "the writeback shows the test pattern and equals %s pixel by pixel",
	    frame->name);
	return 0;
}

/* After the last frame: wait for the writeback, check it, save it. */
static int take_shot(struct pipeline *p, struct display_frame *frame)
{
	struct picture shot = {
		.name = "writeback",
		.pixels = p->shot.pixels,
		.layout = p->src.layout,
	};
	char fence[FENCE_TEXT];
	int ret, end;

	ret = fence_wait(frame->writeback_fence, "the writeback's fence");
	if (!ret)
		ret = fence_describe(frame->writeback_fence, fence);
	if (ret)
		return ret;
	say("display", "writeback fence (%s): the screen is in %s", fence, p->shot.name);

	ret = buffer_begin_read(&p->shot);
	if (ret)
		return ret;
	ret = check_shot(p, &shot);
	if (!ret)
		ret = picture_save(&shot, p->path);
	if (!ret)
		say("picture", "saved as %s", p->path);
	end = buffer_end_read(&p->shot);
	return ret ? ret : end;
}

static int import_frames(struct pipeline *p)
{
	struct queue *q = p->src.queue;
	unsigned int i;
	int ret;

	for (i = 0; i < q->count; i++) {
		ret = display_import(&p->display, &q->bufs[i], &p->src.layout, &p->fbs[i]);
		if (!ret)
			ret = buffer_map(&q->bufs[i]);
		if (ret)
			return ret;
	}
	say("display", "imported the %s's %u buffers: it scans out that very memory",
	    p->src.name, q->count);
	return 0;
}

static int import_shot(struct pipeline *p)
{
	int ret;

	ret = buffer_from_heap(&p->shot, HEAP, p->src.layout.stride * p->src.layout.height,
			       "screenshot");
	if (!ret)
		ret = buffer_map(&p->shot);
	if (!ret)
		ret = display_import(&p->display, &p->shot, &p->src.layout, &p->shot_fb);
	if (!ret)
		say("heap", "dma_heap/" HEAP " exported %s of %zu bytes; the display imported it",
		    p->shot.name, p->shot.size);
	return ret;
}

static int set_up(struct pipeline *p)
{
	int ret;

	ret = camera_open(&p->cam, WIDTH, HEIGHT, BUFFERS);
	if (ret)
		return ret;
	if (p->opt.decode) {
		ret = codec_open(&p->codec, &p->cam, BUFFERS);
		if (ret)
			return ret;
		codec_source(&p->codec, &p->src);
	} else {
		camera_source(&p->cam, &p->src);
	}
	ret = display_open(&p->display, &p->src.layout);
	if (!ret)
		ret = import_frames(p);
	if (!ret)
		ret = import_shot(p);
	if (!ret)
		ret = bufinfo_say();
	return ret;
}

static void tear_down(struct pipeline *p)
{
	/* The reader releases its buffers first, then the writers. */
	display_close(&p->display);
	buffer_release(&p->shot);
	codec_close(&p->codec);
	camera_close(&p->cam);
}

static int run(struct pipeline *p)
{
	struct display_frame frame = { .writeback_fence = -1 };
	unsigned int n;
	int ret;

	ret = prepare_output(p);
	if (!ret)
		ret = set_up(p);
	for (n = 0; !ret && n < p->opt.frames; n++)
		ret = run_frame(p, n, &frame);
	if (!ret) {
		say("total", "%u frames, %.1f ms per frame, none copied", n, p->total_ms / n);
		ret = take_shot(p, &frame);
	}
	close_fd(&frame.writeback_fence);
	return ret;
}

static void print_help(FILE *to)
{
	fputs("usage: camera-to-screen [--frames N] [--out DIR] [--decode] [--verbose] [--help]\n"
	      "Shows frames of the test camera vivid on the test display vkms, by dma-buf.\n"
	      "  --frames N   show N frames (default 30)\n"
	      "  --out DIR    save what was on screen in DIR (default: here)\n"
	      "  --decode     encode and decode the frames on the way, with vicodec\n"
	      "  --verbose    a line for every frame and every check\n", to);
}

static int parse_frames(const char *text, unsigned int *frames)
{
	unsigned long value;
	char *end;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || text[0] < '0' || text[0] > '9' || !value || value > 1000000)
		return fail(EINVAL, "options", "--frames %s: a number from 1 to 1000000, please",
			    text);
	*frames = value;
	return 0;
}

/* Return: 0 to go on, 1 after --help, or a negative errno. */
static int parse(int argc, char **argv, struct options *opt)
{
	static const struct option known[] = {
		{ "frames", required_argument, NULL, 'f' },
		{ "out", required_argument, NULL, 'o' },
		{ "decode", no_argument, NULL, 'd' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c, ret = 0;

	while (!ret && (c = getopt_long(argc, argv, "f:o:dvh", known, NULL)) >= 0) {
		if (c == 'f')
			ret = parse_frames(optarg, &opt->frames);
		else if (c == 'o')
			opt->out = optarg;
		else if (c == 'd')
			opt->decode = true;
		else if (c == 'v')
			set_verbose(true);
		else
			ret = c == 'h' ? 1 : -EINVAL;
	}
	if (!ret && optind < argc)
		ret = fail(EINVAL, "options", "%s: not understood", argv[optind]);
	if (ret)
		print_help(ret > 0 ? stdout : stderr);
	return ret;
}

int main(int argc, char **argv)
{
	struct pipeline p = {
		.opt = { .frames = 30, .out = "." },
		.cam = CAMERA_NONE,
		.codec = CODEC_NONE,
		.display = DISPLAY_NONE,
		.shot = BUFFER_NONE,
		.on_screen = -1,
	};
	unsigned int before = 0;
	int ret, gone;

	ret = parse(argc, argv, &p.opt);
	if (ret)
		return ret > 0 ? EXIT_SUCCESS : EXIT_FAILURE;

	ret = bufinfo_open();
	if (!ret)
		ret = bufinfo_count(&before);
	if (!ret) {
		ret = run(&p);
		tear_down(&p);
		/* A failed run must leave nothing behind either. */
		gone = bufinfo_expect_gone(before);
		ret = ret ? ret : gone;
	}
	bufinfo_close();
	if (ret)
		fprintf(stderr, "camera-to-screen: FAILED\n");
	else
		say("done", "camera to screen%s: the right picture, nothing copied, nothing left",
		    p.opt.decode ? ", through the codec" : "");
	return ret ? EXIT_FAILURE : EXIT_SUCCESS;
}

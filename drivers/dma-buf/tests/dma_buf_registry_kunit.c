// SPDX-License-Identifier: GPL-2.0-only
/*
 * The walk over all live buffers, alone and while buffers come and go, and
 * debugfs dma_buf/bufinfo, which prints them.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "../buffer/dma-buf-internal.h"
#include "mock.h"

#define STABLE 5
#define THREADS 2
#define WALKS 60
/* No more than this in each thread, however long the walks take. */
#define CHURNS 20000

/* How often a walk visits @wanted. */
static int count_in_walk(struct dma_buf *wanted)
{
	struct dma_buf *dmabuf = NULL;
	int num = 0;

	/* A walk that comes back to where it was would have no end. */
	while (num < 2 && (dmabuf = dma_buf_registry_next(dmabuf)))
		num += dmabuf == wanted;
	if (dmabuf)
		dma_buf_put(dmabuf);
	return num;
}

static void registry_next_sees_live(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_create(test, PAGE_SIZE, 0);

	mock_export(exp);
	KUNIT_EXPECT_EQ(test, count_in_walk(exp->dmabuf), 1);
	/* The walk has dropped all its references. */
	mock_exporter_put_last(exp);
	KUNIT_EXPECT_EQ(test, count_in_walk(exp->dmabuf), 0);
}

/*
 * A walk finds the buffer, then that is removed and its file freed: what the
 * walk has a reference to may be another file with the same memory.
 */
static void registry_next_skips_removed(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	struct dma_buf_object *object = to_dma_buf_object(exp->dmabuf);
	struct dma_buf_registry *registry = object->registry;

	object->registry = NULL;
	KUNIT_EXPECT_EQ(test, count_in_walk(exp->dmabuf), 0);
	object->registry = registry;
	KUNIT_EXPECT_EQ(test, file_count(exp->dmabuf->file), 1);
	KUNIT_EXPECT_EQ(test, count_in_walk(exp->dmabuf), 1);
	mock_exporter_put_last(exp);
}

/* That is how such a walk notices. */
static void registry_del_clears_the_pointer(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	struct dma_buf_object *object = to_dma_buf_object(exp->dmabuf);

	dma_buf_registry_del(exp->dmabuf);
	KUNIT_EXPECT_NULL(test, object->registry);
	KUNIT_EXPECT_EQ(test, count_in_walk(exp->dmabuf), 0);
	dma_buf_registry_add(exp->dmabuf);
	KUNIT_EXPECT_EQ(test, count_in_walk(exp->dmabuf), 1);
	mock_exporter_put_last(exp);
}

/* A walk during the release does not visit the buffer. */
static void walk_in_release(struct mock_exporter *exp, enum mock_op op)
{
	if (op == MOCK_RELEASE)
		KUNIT_EXPECT_EQ(exp->test, count_in_walk(exp->dmabuf), 0);
}

static void registry_next_skips_ending(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);

	exp->hook = walk_in_release;
	mock_exporter_put_last(exp);
}

/*
 * Between the last put and the release the buffer is still in the list. A walk
 * that took a reference would revive a dead file.
 */
static void registry_next_skips_closed(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	struct file *file = exp->dmabuf->file;

	/* fput() does this before it defers the release. */
	atomic_long_dec(&file->f_count);
	KUNIT_EXPECT_EQ(test, count_in_walk(exp->dmabuf), 0);
	KUNIT_EXPECT_EQ(test, file_count(file), 0);
	atomic_long_inc(&file->f_count);
	KUNIT_EXPECT_EQ(test, count_in_walk(exp->dmabuf), 1);
	mock_exporter_put_last(exp);
}

/* A failed export leaves no buffer in the list. */
static void registry_next_skips_failed(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_create(test, PAGE_SIZE, 0);
	struct dma_buf *dmabuf = NULL;
	int before = 0, after = 0;

	while ((dmabuf = dma_buf_registry_next(dmabuf)))
		before++;
	exp->ops.release = NULL;
	mock_warn_begin(test);
	KUNIT_EXPECT_PTR_EQ(test, dma_buf_export(&exp->info),
			    ERR_PTR(-EINVAL));
	mock_warn_end(test, "dma_buf_export", 1);
	while ((dmabuf = dma_buf_registry_next(dmabuf)))
		after++;
	KUNIT_EXPECT_EQ(test, before, after);
}

static void registry_next_holds_reference(struct kunit *test)
{
	struct mock_exporter *a = mock_exporter_export(test, PAGE_SIZE, 0);
	struct mock_exporter *b = mock_exporter_export(test, PAGE_SIZE, 0);
	struct dma_buf *dmabuf = NULL;

	do {
		dmabuf = dma_buf_registry_next(dmabuf);
		KUNIT_ASSERT_NOT_NULL(test, dmabuf);
	} while (dmabuf != a->dmabuf && dmabuf != b->dmabuf);
	KUNIT_EXPECT_EQ(test, file_count(dmabuf->file), 2);

	/* The users drop both buffers while the walk stands on one of them. */
	dma_buf_put(a->dmabuf);
	dma_buf_put(b->dmabuf);
	mock_flush_files();
	KUNIT_EXPECT_EQ(test, mock_calls(dmabuf->priv, MOCK_RELEASE), 0);
	while ((dmabuf = dma_buf_registry_next(dmabuf)))
		KUNIT_EXPECT_FALSE(test, dmabuf == a->dmabuf ||
				   dmabuf == b->dmabuf);
	KUNIT_EXPECT_TRUE(test, mock_exporter_wait_released(a));
	KUNIT_EXPECT_TRUE(test, mock_exporter_wait_released(b));
}

static struct sg_table *churn_map(struct dma_buf_attachment *attach,
				  enum dma_data_direction direction)
{
	return NULL;
}

static void churn_unmap(struct dma_buf_attachment *attach,
			struct sg_table *sgt, enum dma_data_direction direction)
{
}

static void churn_release(struct dma_buf *dmabuf)
{
	atomic_t *live = dmabuf->priv;

	if (atomic_dec_and_test(live))
		wake_up_var(live);
}

static const struct dma_buf_ops churn_ops = {
	.map_dma_buf = churn_map,
	.unmap_dma_buf = churn_unmap,
	.release = churn_release,
};

static struct dma_buf *churn_export(atomic_t *live)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;

	info.ops = &churn_ops;
	info.size = PAGE_SIZE;
	info.priv = live;
	atomic_inc(live);
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf))
		atomic_dec(live);
	return dmabuf;
}

struct churn {
	/* Buffers that are not released, plus one for the test. */
	atomic_t live;
	/* Exports of all threads that failed. */
	atomic_t failed;
	atomic_t rounds;
};

static int churn_thread(void *data)
{
	struct churn *churn = data;
	struct dma_buf *dmabuf;

	for (int i = 0; i < CHURNS && !kthread_should_stop(); i++) {
		dmabuf = churn_export(&churn->live);
		if (IS_ERR(dmabuf)) {
			atomic_inc(&churn->failed);
			continue;
		}
		dma_buf_put(dmabuf);
		/* Leave some that are closed and not yet released. */
		if (i % 8 == 0)
			mock_flush_files();
		atomic_inc(&churn->rounds);
		cond_resched();
	}
	while (!kthread_should_stop())
		cond_resched();
	return 0;
}

static long wait_churn(struct churn *churn)
{
	return wait_var_event_timeout(&churn->live,
				      !atomic_read(&churn->live), 10 * HZ);
}

/*
 * The window: the walk finds a buffer whose last reference is being dropped, or
 * whose memory is another file already. Stable buffers are visited exactly
 * once.
 */
static void registry_next_races_churn(struct kunit *test)
{
	struct churn churn = { .live = ATOMIC_INIT(1) };
	struct task_struct *threads[THREADS];
	struct mock_exporter *stable[STABLE];
	struct dma_buf *dmabuf;
	int missed = 0, met;

	for (int i = 0; i < STABLE; i++)
		stable[i] = mock_exporter_export(test, PAGE_SIZE, 0);
	for (int i = 0; i < THREADS; i++) {
		threads[i] = kthread_run(churn_thread, &churn, "mock-churn");
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, threads[i]);
	}
	while (!atomic_read(&churn.rounds))
		cond_resched();

	for (int walk = 0; walk < WALKS; walk++) {
		met = 0;
		dmabuf = NULL;
		while ((dmabuf = dma_buf_registry_next(dmabuf))) {
			/* The walk's reference makes this safe. */
			KUNIT_EXPECT_EQ(test, dmabuf->size, PAGE_SIZE);
			for (int i = 0; i < STABLE; i++)
				met += dmabuf == stable[i]->dmabuf;
		}
		missed += met != STABLE;
	}
	for (int i = 0; i < THREADS; i++)
		kthread_stop(threads[i]);

	KUNIT_EXPECT_EQ(test, missed, 0);
	KUNIT_EXPECT_EQ(test, atomic_read(&churn.failed), 0);
	for (int i = 0; i < STABLE; i++)
		mock_exporter_put_last(stable[i]);
	mock_flush_files();
	if (!atomic_dec_and_test(&churn.live))
		KUNIT_EXPECT_NE(test, wait_churn(&churn), 0);
}

static char *read_bufinfo(struct kunit *test, size_t size)
{
	char *text = kunit_kzalloc(test, size + 1, GFP_KERNEL);
	char __user *user = mock_user_alloc(test, size);
	struct file *file = mock_debugfs_open(test, "dma_buf/bufinfo",
					      O_RDONLY);
	loff_t pos = 0;
	size_t len = 0;
	ssize_t ret;

	/* Read in pieces that are not aligned to lines. */
	while ((ret = vfs_read(file, user + len, min(size - len, 1000),
			       &pos)) > 0)
		len += ret;
	__fput_sync(file);
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_LT(test, len, size);
	KUNIT_ASSERT_NOT_NULL(test, text);
	KUNIT_ASSERT_EQ(test, copy_from_user(text, user, len), 0);
	return text;
}

#define HEADER "\nDma-buf Objects:\n" \
	"size    \tflags   \tmode    \tcount   \texp_name\tino     \tname\n"

/* The line that bufinfo prints for a buffer. */
static char *expect_line(struct kunit *test, struct mock_exporter *exp,
			 long count, const char *name)
{
	struct file *file = exp->dmabuf->file;
	char *line = kunit_kzalloc(test, 512, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, line);
	snprintf(line, 512, "%08zu\t%08x\t%08x\t%08ld\t%s\t%08lu\t%s\n",
		 exp->dmabuf->size, file->f_flags, (__force u32)file->f_mode,
		 count, exp->info.exp_name, file_inode(file)->i_ino, name);
	return line;
}

static void bufinfo_show_text(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, 3000, 0);
	struct mock_importer *a = mock_importer_create(test, "a", exp);
	struct mock_importer *b = mock_importer_create(test, "b", exp);
	struct mock_timeline *timeline = mock_timeline_create(test, "tl");
	struct dma_fence *fence = mock_fence_create_at(timeline, 7, 0);
	struct dma_fence *hidden = mock_fence_create_at(timeline, 8, 0);
	struct dma_buf_attachment *first, *second;
	char *text, *line;
	char rest[256];

	text = read_bufinfo(test, SZ_64K);
	KUNIT_EXPECT_TRUE(test, strstarts(text, HEADER));
	line = strstr(text, expect_line(test, exp, 1, "<none>"));
	KUNIT_ASSERT_NOT_NULL(test, line);
	line = strchr(line, '\n') + 1;
	KUNIT_EXPECT_TRUE(test, strstarts(line, "\tAttached Devices:\n"
					  "Total 0 devices attached\n\n"));

	mock_set_name(test, exp->dmabuf, "camera");
	first = mock_attach(a, false);
	second = mock_attach(b, true);
	mock_resv_add(test, exp->dmabuf->resv, fence, DMA_RESV_USAGE_WRITE);
	timeline->context++;
	mock_resv_add(test, exp->dmabuf->resv, hidden,
		      DMA_RESV_USAGE_BOOKKEEP);
	text = read_bufinfo(test, SZ_64K);
	line = strstr(text, expect_line(test, exp, 1, "camera"));
	KUNIT_ASSERT_NOT_NULL(test, line);
	line = strchr(line, '\n') + 1;
	snprintf(rest, sizeof(rest),
		 "\twrite fence:mock tl seq 7 unsignalled\n"
		 "\tAttached Devices:\n\t%s\n\t%s\n"
		 "Total 2 devices attached\n\n",
		 dev_name(b->dev), dev_name(a->dev));
	KUNIT_EXPECT_TRUE_MSG(test, strstarts(line, rest), "%s", line);

	dma_buf_detach(exp->dmabuf, first);
	dma_buf_detach(exp->dmabuf, second);
	dma_fence_signal(fence);
	dma_fence_put(fence);
	dma_fence_signal(hidden);
	dma_fence_put(hidden);
	mock_flush_files();
	mock_exporter_put_last(exp);
}

/* A buffer's name must not forge a line or a column. */
static void bufinfo_show_escapes(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_create(test, PAGE_SIZE, 0);
	struct file *file;
	char *text, *line, want[128];

	exp->info.exp_name = "mock\t\\1";
	mock_export(exp);
	file = exp->dmabuf->file;
	mock_set_name(test, exp->dmabuf, "a\n\nTotal 0 objects, 0 bytes\n");
	text = read_bufinfo(test, SZ_64K);
	KUNIT_EXPECT_NULL(test, strstr(text, "\nTotal 0 objects"));
	snprintf(want, sizeof(want), "\tmock\\011\\1341\t%08lu\t%s",
		 file_inode(file)->i_ino,
		 "a\\012\\012Total 0 objects, 0 bytes\\012\n");
	line = strstr(text, want);
	KUNIT_EXPECT_NOT_NULL_MSG(test, line, "%s", text);
	mock_exporter_put_last(exp);
}

/* A timeline may be named after a program, which chooses its own name. */
static void bufinfo_show_escapes_fences(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	struct mock_timeline *timeline = mock_timeline_create(test, "a\n\tb\\");
	struct dma_fence *fence = mock_fence_create_at(timeline, 7, 0);
	const char *line = "\twrite fence:mock a\\012\\011b\\134 seq 7 unsignalled\n";
	char *text;

	mock_resv_add(test, exp->dmabuf->resv, fence, DMA_RESV_USAGE_WRITE);
	text = read_bufinfo(test, SZ_64K);
	KUNIT_EXPECT_NOT_NULL_MSG(test, strstr(text, line), "%s", text);
	dma_fence_signal(fence);
	dma_fence_put(fence);
	mock_exporter_put_last(exp);
}

#define MANY 60

/*
 * The text is larger than the file's first buffer: nothing is lost or doubled.
 */
static void bufinfo_show_many(struct kunit *test)
{
	struct mock_exporter **exps = kunit_kcalloc(test, MANY, sizeof(*exps),
						    GFP_KERNEL);
	char *name = kunit_kzalloc(test, 400, GFP_KERNEL);
	char *text, *line;
	size_t size = 0;
	unsigned int num = 0, others = 0;

	KUNIT_ASSERT_NOT_NULL(test, exps);
	KUNIT_ASSERT_NOT_NULL(test, name);
	memset(name, 'x', 399);
	for (int i = 0; i < MANY; i++) {
		exps[i] = mock_exporter_create(test, PAGE_SIZE, 0);
		exps[i]->info.exp_name = name;
		mock_export(exps[i]);
	}
	text = read_bufinfo(test, SZ_128K);
	for (int i = 0; i < MANY; i++) {
		line = strstr(text, expect_line(test, exps[i], 1, "<none>"));
		KUNIT_EXPECT_NOT_NULL(test, line);
		KUNIT_EXPECT_NULL(test, line ?
				  strstr(line + 1, expect_line(test, exps[i],
							       1, "<none>")) :
				  NULL);
	}
	line = strstr(text, "\nTotal ");
	while (line && sscanf(line, "\nTotal %u objects, %zu bytes\n", &num,
			      &size) != 2) {
		others++;
		line = strstr(line + 1, "\nTotal ");
	}
	KUNIT_EXPECT_GE(test, num, MANY);
	KUNIT_EXPECT_EQ(test, others, num);
	KUNIT_EXPECT_GE(test, size, MANY * PAGE_SIZE);
	mock_flush_files();
	for (int i = 0; i < MANY; i++)
		mock_exporter_put_last(exps[i]);
}

/* Reading bufinfo must work when a driver hangs with the lock held. */
static void bufinfo_show_does_not_lock(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	struct task_struct *holder = mock_resv_hold(test, exp->dmabuf->resv);
	char *text = read_bufinfo(test, SZ_64K);

	mock_resv_let_go(holder);
	KUNIT_EXPECT_NOT_NULL(test, strstr(text, expect_line(test, exp, 1,
							     "<none>")));
	mock_flush_files();
	mock_exporter_put_last(exp);
}

/* bufinfo must not ask the maker of a signalled fence, which may be gone. */
static void bufinfo_show_maker_gone(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	struct mock_timeline *timeline = mock_timeline_create(test, "tl");
	struct dma_fence *fence = mock_fence_create(timeline);

	mock_resv_add(test, exp->dmabuf->resv, fence, DMA_RESV_USAGE_WRITE);
	dma_fence_signal(fence);
	mock_timeline_free_names(timeline);
	KUNIT_EXPECT_NULL(test, strstr(read_bufinfo(test, SZ_64K), "(freed)"));
	KUNIT_EXPECT_EQ(test, atomic_read(&timeline->late), 0);
	dma_fence_put(fence);
	mock_flush_files();
	mock_exporter_put_last(exp);
}

static struct kunit_case dma_buf_registry_cases[] = {
	KUNIT_CASE(registry_next_sees_live),
	KUNIT_CASE(registry_next_skips_closed),
	KUNIT_CASE(registry_next_skips_ending),
	KUNIT_CASE(registry_next_skips_removed),
	KUNIT_CASE(registry_del_clears_the_pointer),
	KUNIT_CASE(registry_next_skips_failed),
	KUNIT_CASE(registry_next_holds_reference),
	KUNIT_CASE_SLOW(registry_next_races_churn),
	KUNIT_CASE(bufinfo_show_text),
	KUNIT_CASE(bufinfo_show_escapes),
	KUNIT_CASE(bufinfo_show_escapes_fences),
	KUNIT_CASE_SLOW(bufinfo_show_many),
	KUNIT_CASE(bufinfo_show_does_not_lock),
	KUNIT_CASE(bufinfo_show_maker_gone),
	{}
};

static struct kunit_suite dma_buf_registry_suite = {
	.name = "dma_buf_registry",
	.test_cases = dma_buf_registry_cases,
};

kunit_test_suite(dma_buf_registry_suite);

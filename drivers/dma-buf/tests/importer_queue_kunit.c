// SPDX-License-Identifier: GPL-2.0-only
/*
 * The queue of a device of the importer test driver, with a mock engine that
 * tests step by hand. Flushing the worker makes each step deterministic.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/cleanup.h>
#include <linux/kref.h>
#include <linux/ktime.h>
#include <linux/slab.h>

#include "../importer/importer.h"
#include "mock.h"

/* A timeout that no test reaches. */
#define LONG_MS 60000

/**
 * struct queue_test - an open file with one device
 * @importer: the file
 * @dev: the device
 * @running: the job that the engine has started and not finished, or NULL
 * @started: number of jobs that the engine has started
 * @at_once: the engine finishes each job when it starts it
 * @context: fence context of the jobs
 */
struct queue_test {
	struct importer importer;
	struct importer_dev dev;
	struct importer_job *running;
	unsigned int started;
	bool at_once;
	u64 context;
};

static void engine_start(struct importer_job *job)
{
	struct queue_test *t = container_of(job->dev, struct queue_test, dev);

	t->started++;
	if (t->at_once)
		importer_job_finish(job, 0);
	else
		t->running = job;
}

static const struct importer_engine engine = { .start = engine_start };

static int queue_init(struct kunit *test)
{
	struct queue_test *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, t);
	mutex_init(&t->importer.lock);
	xa_init_flags(&t->importer.jobs, XA_FLAGS_ALLOC1);
	t->context = dma_fence_context_alloc(1);
	t->dev.importer = &t->importer;
	t->dev.engine = &engine;
	importer_dev_init_queue(&t->dev);
	test->priv = t;
	return 0;
}

/* Wait until the worker has handled all events so far. */
static void settle(struct queue_test *t)
{
	flush_work(&t->dev.run);
}

static void finish(struct queue_test *t, int error)
{
	struct importer_job *job = t->running;

	t->running = NULL;
	importer_job_finish(job, error);
	settle(t);
}

/* Jobs that a test has left behind end and release what they hold. */
static void queue_exit(struct kunit *test)
{
	struct queue_test *t = test->priv;
	struct importer_job *job;
	unsigned long id;

	xa_lock(&t->importer.jobs);
	xa_for_each(&t->importer.jobs, id, job)
		set_bit(IMPORTER_JOB_CANCELLED, &job->events);
	xa_unlock(&t->importer.jobs);
	settle(t);
	if (t->running)
		finish(t, 0);
	importer_dev_drain(&t->dev);
	KUNIT_EXPECT_TRUE(test, xa_empty(&t->importer.jobs));
	KUNIT_EXPECT_TRUE(test, list_empty(&t->dev.queue));
	KUNIT_EXPECT_TRUE(test, list_empty(&t->dev.done));
	xa_destroy(&t->importer.jobs);
	mutex_destroy(&t->importer.lock);
}

static struct importer_job *job_create(struct kunit *test)
{
	struct queue_test *t = test->priv;
	struct importer_job *job = importer_job_alloc(&t->dev);

	KUNIT_ASSERT_NOT_NULL(test, job);
	job->timeout_ms = LONG_MS;
	set_bit(IMPORTER_JOB_RELEASED, &job->events);
	job->deps = kcalloc(2, sizeof(*job->deps), GFP_KERNEL);
	job->fence = importer_fence_create(t->context, ++t->dev.seqno);
	KUNIT_ASSERT_NOT_NULL(test, job->deps);
	KUNIT_ASSERT_NOT_NULL(test, job->fence);
	KUNIT_ASSERT_EQ(test, 0, importer_job_register(job));
	return job;
}

/* Queue a job and let the worker look at it. Returns a fence reference. */
static struct dma_fence *job_queue(struct importer_job *job)
{
	struct queue_test *t = container_of(job->dev, struct queue_test, dev);
	struct dma_fence *fence = dma_fence_get(job->fence);

	scoped_guard(mutex, &t->importer.lock)
		importer_job_queue(job);
	settle(t);
	return fence;
}

static void job_depend(struct importer_job *job, struct dma_fence *fence,
		       bool explicit)
{
	job->deps[job->num_deps++] = dma_fence_get(fence);
	job->num_explicit += explicit;
}

static int tell(struct queue_test *t, int (*what)(struct importer_cmd *cmd),
		u32 id)
{
	struct dmabuf_importer_id arg = { .id = id };
	struct importer_cmd cmd = { .importer = &t->importer, .arg = &arg };
	int ret = what(&cmd);

	settle(t);
	return ret;
}

/* Expect a job retired with @status and its last reference here; drop that. */
static void expect_over(struct kunit *test, struct dma_fence *fence, int status)
{
	struct queue_test *t = test->priv;

	importer_dev_settle(&t->dev);
	KUNIT_EXPECT_EQ(test, status, dma_fence_get_status(fence));
	KUNIT_EXPECT_EQ(test, 1, kref_read(&fence->refcount));
	dma_fence_put(fence);
}

static void first_alone_is_started(struct kunit *test)
{
	struct queue_test *t = test->priv;
	struct importer_job *first = job_create(test);
	struct importer_job *second = job_create(test);
	struct dma_fence *fences[] = { job_queue(first), job_queue(second) };

	KUNIT_EXPECT_PTR_EQ(test, first, t->running);
	KUNIT_EXPECT_EQ(test, 1, t->started);
	finish(t, 0);
	KUNIT_EXPECT_PTR_EQ(test, second, t->running);
	expect_over(test, fences[0], 1);
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(fences[1]));
	finish(t, 0);
	expect_over(test, fences[1], 1);
	KUNIT_EXPECT_EQ(test, 0, atomic_read(&t->dev.num_jobs));
}

static void engine_error_is_the_fences(struct kunit *test)
{
	struct queue_test *t = test->priv;
	struct dma_fence *fence = job_queue(job_create(test));

	finish(t, -EIO);
	expect_over(test, fence, -EIO);
}

static void engine_may_finish_at_once(struct kunit *test)
{
	struct queue_test *t = test->priv;
	struct dma_fence *fence;

	t->at_once = true;
	fence = job_queue(job_create(test));
	expect_over(test, fence, 1);
	KUNIT_EXPECT_EQ(test, 1, t->started);
}

static void held_job_waits_for_release(struct kunit *test)
{
	struct queue_test *t = test->priv;
	struct importer_job *job = job_create(test);
	u32 id = job->id;
	struct dma_fence *fence;

	clear_bit(IMPORTER_JOB_RELEASED, &job->events);
	fence = job_queue(job);
	KUNIT_EXPECT_EQ(test, 0, t->started);
	KUNIT_EXPECT_EQ(test, 0, tell(t, importer_release_job, id));
	KUNIT_EXPECT_EQ(test, 1, t->started);
	finish(t, 0);
	expect_over(test, fence, 1);
	KUNIT_EXPECT_EQ(test, -ENOENT, tell(t, importer_release_job, id));
	KUNIT_EXPECT_EQ(test, -ENOENT, tell(t, importer_cancel_job, id));
}

static void delayed_job_is_late(struct kunit *test)
{
	struct queue_test *t = test->priv;
	struct importer_job *job = job_create(test);
	ktime_t before = ktime_get();
	struct dma_fence *fence;

	t->at_once = true;
	job->delay_us = 2000;
	fence = job_queue(job);
	KUNIT_EXPECT_LT(test, 0, dma_fence_wait_timeout(fence, false, 60 * HZ));
	KUNIT_EXPECT_LE(test, 2000, ktime_us_delta(ktime_get(), before));
	expect_over(test, fence, 1);
}

static void job_waits_for_all_fences(struct kunit *test)
{
	struct queue_test *t = test->priv;
	struct mock_timeline *tl = mock_timeline_create(test, "deps");
	struct dma_fence *deps[] = { mock_fence_create(tl), mock_fence_create(tl) };
	struct importer_job *job = job_create(test);
	struct dma_fence *fence;

	job_depend(job, deps[0], true);
	job_depend(job, deps[1], false);
	fence = job_queue(job);
	dma_fence_signal(deps[1]);
	settle(t);
	KUNIT_EXPECT_EQ(test, 0, t->started);
	dma_fence_signal(deps[0]);
	settle(t);
	KUNIT_EXPECT_EQ(test, 1, t->started);
	finish(t, 0);
	expect_over(test, fence, 1);
	dma_fence_put(deps[0]);
	dma_fence_put(deps[1]);
	KUNIT_EXPECT_TRUE(test, mock_timeline_wait_released(tl, 2));
}

/* The job fails with a fence from user space, not with the buffer's users. */
static void failed_fence_fails_who_asked_for_it(struct kunit *test)
{
	struct queue_test *t = test->priv;
	struct mock_timeline *tl = mock_timeline_create(test, "deps");
	struct dma_fence *dep = mock_fence_create(tl);
	struct importer_job *explicit = job_create(test);
	struct importer_job *implicit = job_create(test);
	struct dma_fence *fences[2];

	job_depend(explicit, dep, true);
	job_depend(implicit, dep, false);
	fences[0] = job_queue(explicit);
	fences[1] = job_queue(implicit);
	dma_fence_set_error(dep, -EREMOTEIO);
	dma_fence_signal(dep);
	settle(t);
	KUNIT_EXPECT_PTR_EQ(test, implicit, t->running);
	expect_over(test, fences[0], -EREMOTEIO);
	finish(t, 0);
	expect_over(test, fences[1], 1);
	dma_fence_put(dep);
	KUNIT_EXPECT_TRUE(test, mock_timeline_wait_released(tl, 1));
}

static void cancelled_while_it_waits_for_a_fence(struct kunit *test)
{
	struct queue_test *t = test->priv;
	struct mock_timeline *tl = mock_timeline_create(test, "deps");
	struct dma_fence *dep = mock_fence_create(tl);
	struct importer_job *job = job_create(test);
	struct dma_fence *fence;

	job_depend(job, dep, true);
	fence = job_queue(job);
	KUNIT_EXPECT_EQ(test, 0, tell(t, importer_cancel_job, job->id));
	expect_over(test, fence, -ECANCELED);
	KUNIT_EXPECT_EQ(test, 0, t->started);
	/* No callback is left that would use the freed job. */
	KUNIT_EXPECT_EQ(test, 1, kref_read(&dep->refcount));
	KUNIT_EXPECT_TRUE(test, list_empty(&dep->cb_list));
	dma_fence_signal(dep);
	dma_fence_put(dep);
	KUNIT_EXPECT_TRUE(test, mock_timeline_wait_released(tl, 1));
}

/* Fences of a timeline signal in order. */
static void cancelled_behind_another(struct kunit *test)
{
	struct queue_test *t = test->priv;
	struct dma_fence *first = job_queue(job_create(test));
	struct importer_job *job = job_create(test);
	struct dma_fence *second = job_queue(job);

	KUNIT_EXPECT_EQ(test, 0, tell(t, importer_cancel_job, job->id));
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(second));
	finish(t, 0);
	expect_over(test, first, 1);
	expect_over(test, second, -ECANCELED);
	KUNIT_EXPECT_EQ(test, 1, t->started);
}

/* The device may use the memory until the engine finishes the job. */
static void cancelled_while_it_runs(struct kunit *test)
{
	struct queue_test *t = test->priv;
	struct importer_job *job = job_create(test);
	struct dma_fence *fence = job_queue(job);

	KUNIT_EXPECT_EQ(test, 0, tell(t, importer_cancel_job, job->id));
	KUNIT_EXPECT_FALSE(test, dma_fence_is_signaled(fence));
	finish(t, 0);
	expect_over(test, fence, 1);
}

static void held_for_too_long_times_out(struct kunit *test)
{
	struct queue_test *t = test->priv;
	struct importer_job *job = job_create(test);
	struct dma_fence *fence;

	job->timeout_ms = 1;
	clear_bit(IMPORTER_JOB_RELEASED, &job->events);
	fence = job_queue(job);
	KUNIT_EXPECT_LT(test, 0, dma_fence_wait_timeout(fence, false, 60 * HZ));
	expect_over(test, fence, -ETIMEDOUT);
	KUNIT_EXPECT_EQ(test, 0, t->started);
}

static void job_that_shall_fail_is_not_run(struct kunit *test)
{
	struct queue_test *t = test->priv;
	struct importer_job *job = job_create(test);
	struct dma_fence *fence;

	job->fail = -ENOSPC;
	fence = job_queue(job);
	KUNIT_EXPECT_LT(test, 0, dma_fence_wait_timeout(fence, false, 60 * HZ));
	expect_over(test, fence, -ENOSPC);
	KUNIT_EXPECT_EQ(test, 0, t->started);
}

static struct kunit_case queue_cases[] = {
	KUNIT_CASE(first_alone_is_started),
	KUNIT_CASE(engine_error_is_the_fences),
	KUNIT_CASE(engine_may_finish_at_once),
	KUNIT_CASE(held_job_waits_for_release),
	KUNIT_CASE(delayed_job_is_late),
	KUNIT_CASE(job_waits_for_all_fences),
	KUNIT_CASE(failed_fence_fails_who_asked_for_it),
	KUNIT_CASE(cancelled_while_it_waits_for_a_fence),
	KUNIT_CASE(cancelled_behind_another),
	KUNIT_CASE(cancelled_while_it_runs),
	KUNIT_CASE(held_for_too_long_times_out),
	KUNIT_CASE(job_that_shall_fail_is_not_run),
	{}
};

static struct kunit_suite queue_suite = {
	.name = "dma_buf_importer_queue",
	.init = queue_init,
	.exit = queue_exit,
	.test_cases = queue_cases,
};

kunit_test_suite(queue_suite);

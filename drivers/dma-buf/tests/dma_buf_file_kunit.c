// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file of a buffer as user space sees it: position, stat, statfs, the path,
 * fdinfo and mmap.
 *
 * Copyright (C) 2026 the dma-buf project authors
 */

#include <kunit/test.h>
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/path.h>
#include <linux/seq_file.h>
#include <linux/shmem_fs.h>
#include <linux/statfs.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "../buffer/dma-buf-internal.h"
#include "mock.h"

#define PAGES 3
/* The last page is not whole. */
#define ODD_SIZE (2 * PAGE_SIZE + 1000)

struct seek_param {
	const char *desc;
	loff_t offset;
	int whence;
	loff_t ret;
};

static const struct seek_param seek_params[] = {
	{ "begin", 0, SEEK_SET, 0 },
	{ "end", 0, SEEK_END, ODD_SIZE },
	{ "begin and 1", 1, SEEK_SET, -EINVAL },
	{ "end and 1", 1, SEEK_END, -EINVAL },
	{ "end less 1", -1, SEEK_END, -EINVAL },
	{ "here", 0, SEEK_CUR, -EINVAL },
	{ "data", 0, SEEK_DATA, -EINVAL },
	{ "hole", 0, SEEK_HOLE, -EINVAL },
	{ "none", 0, SEEK_MAX + 1, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(seek, seek_params, desc);

static void file_llseek_whence(struct kunit *test)
{
	const struct seek_param *param = test->param_value;
	struct mock_exporter *exp = mock_exporter_export(test, ODD_SIZE, 0);
	struct file *file = exp->dmabuf->file;

	KUNIT_EXPECT_EQ(test, vfs_llseek(file, param->offset, param->whence),
			param->ret);
	KUNIT_EXPECT_EQ(test, file->f_pos, 0);
	mock_exporter_put_last(exp);
}

static void file_alloc_sets_stat(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, ODD_SIZE, 0);
	struct mock_exporter *next = mock_exporter_export(test, PAGE_SIZE, 0);
	struct inode *inode = file_inode(exp->dmabuf->file);
	struct kstatfs statfs;

	KUNIT_EXPECT_EQ(test, i_size_read(inode), ODD_SIZE);
	KUNIT_EXPECT_EQ(test, inode_get_bytes(inode), ODD_SIZE);
	KUNIT_EXPECT_EQ(test, inode->i_mode, 0600);
	KUNIT_EXPECT_TRUE(test, IS_PRIVATE(inode));
	KUNIT_EXPECT_GE(test, inode->i_ino, 1);
	/*
	 * Tools tell buffers apart by the inode number, which is never reused.
	 */
	KUNIT_EXPECT_GT(test, file_inode(next->dmabuf->file)->i_ino,
			inode->i_ino);
	KUNIT_EXPECT_EQ(test, vfs_statfs(&exp->dmabuf->file->f_path, &statfs),
			0);
	KUNIT_EXPECT_EQ(test, statfs.f_type, DMA_BUF_MAGIC);
	mock_exporter_put_last(exp);
	mock_exporter_put_last(next);
}

static void file_read_write_refused(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	char __user *user = mock_user_alloc(test, PAGE_SIZE);
	loff_t pos = 0;

	KUNIT_EXPECT_EQ(test, vfs_read(exp->dmabuf->file, user, 1, &pos),
			-EINVAL);
	KUNIT_EXPECT_EQ(test, vfs_write(exp->dmabuf->file, user, 1, &pos),
			-EINVAL);
	mock_exporter_put_last(exp);
}

static void file_is_ours_only_buffers(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	struct file *other = shmem_file_setup("other", PAGE_SIZE, 0);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, other);
	KUNIT_EXPECT_TRUE(test, dma_buf_file_is_ours(exp->dmabuf->file));
	KUNIT_EXPECT_FALSE(test, dma_buf_file_is_ours(other));
	fput(other);
	mock_exporter_put_last(exp);
}

static void dname_follows_name(struct kunit *test)
{
	static const char longest[] = "0123456789012345678901234567890";
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	struct path *path = &exp->dmabuf->file->f_path;
	char buf[64];

	KUNIT_EXPECT_STREQ(test, d_path(path, buf, sizeof(buf)), "/dmabuf:");
	mock_set_name(test, exp->dmabuf, "camera");
	KUNIT_EXPECT_STREQ(test, d_path(path, buf, sizeof(buf)),
			   "/dmabuf:camera");
	mock_set_name(test, exp->dmabuf, longest);
	KUNIT_EXPECT_STREQ(test, d_path(path, buf, sizeof(buf)),
			   "/dmabuf:0123456789012345678901234567890");
	KUNIT_EXPECT_PTR_EQ(test, d_path(path, buf, 8),
			    ERR_PTR(-ENAMETOOLONG));
	mock_set_name(test, exp->dmabuf, "");
	KUNIT_EXPECT_STREQ(test, d_path(path, buf, sizeof(buf)), "/dmabuf:");
	mock_exporter_put_last(exp);
}

/* A reader of /proc may hold the path beyond the life of the buffer. */
static void dname_outlives_buffer(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	struct path path = exp->dmabuf->file->f_path;
	char buf[64];

	mock_set_name(test, exp->dmabuf, "camera");
	path_get(&path);
	mock_exporter_put_last(exp);
	rcu_barrier();
	KUNIT_EXPECT_STREQ(test, d_path(&path, buf, sizeof(buf)),
			   "/dmabuf:camera");
	path_put(&path);
}

static void file_show_fdinfo_text(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, ODD_SIZE, 0);
	struct mock_importer *imp = mock_importer_create(test, "imp", exp);
	struct seq_file *seq = mock_seq_create(test, 256);
	struct file *file = exp->dmabuf->file;
	struct dma_buf_attachment *attach;
	char text[128];

	/* The reader has a reference of its own, as in /proc. */
	get_dma_buf(exp->dmabuf);
	file->f_op->show_fdinfo(seq, file);
	snprintf(text, sizeof(text), "size:\t%lu\ncount:\t1\nexp_name:\tmock\n",
		 ODD_SIZE);
	KUNIT_EXPECT_STREQ(test, seq->buf, text);

	/*
	 * The importer's reference is counted, that of its attachment is not.
	 */
	get_dma_buf(exp->dmabuf);
	attach = mock_attach(imp, true);
	mock_set_name(test, exp->dmabuf, "camera");
	seq = mock_seq_create(test, 256);
	file->f_op->show_fdinfo(seq, file);
	snprintf(text, sizeof(text),
		 "size:\t%lu\ncount:\t2\nexp_name:\tmock\nname:\tcamera\n",
		 ODD_SIZE);
	KUNIT_EXPECT_STREQ(test, seq->buf, text);

	dma_buf_detach(exp->dmabuf, attach);
	dma_buf_put(exp->dmabuf);
	dma_buf_put(exp->dmabuf);
	mock_exporter_put_last(exp);
}

struct text_param {
	const char *desc;
	const char *text;
	const char *shown;
};

static const struct text_param text_params[] = {
	{ "ordinary", "frame 3: a,b=\"c\" 'd' #%s", "frame 3: a,b=\"c\" 'd' #%s" },
	{ "UTF-8", "bild-\xc3\xa4\xe2\x82\xac", "bild-\xc3\xa4\xe2\x82\xac" },
	{ "newline", "x\nexp_name:\tudmabuf", "x\\012exp_name:\\011udmabuf" },
	{ "backslash", "a\\012b", "a\\134012b" },
	{ "return and escape", "a\r\033[2Jb", "a\\015\\033[2Jb" },
	{ "first and last", "\001\177", "\\001\\177" },
	{ "nothing else", "\n\n", "\\012\\012" },
};

KUNIT_ARRAY_PARAM_DESC(text, text_params, desc);

/* A name with a newline must not forge a line for another key. */
static void file_show_fdinfo_escapes(struct kunit *test)
{
	const struct text_param *param = test->param_value;
	struct mock_exporter *exp = mock_exporter_create(test, PAGE_SIZE, 0);
	struct seq_file *seq = mock_seq_create(test, 512);
	char text[256];

	exp->info.exp_name = param->text;
	mock_export(exp);
	mock_set_name(test, exp->dmabuf, param->text);
	exp->dmabuf->file->f_op->show_fdinfo(seq, exp->dmabuf->file);
	snprintf(text, sizeof(text),
		 "size:\t%lu\ncount:\t0\nexp_name:\t%s\nname:\t%s\n",
		 PAGE_SIZE, param->shown, param->shown);
	KUNIT_EXPECT_STREQ(test, seq->buf, text);
	mock_exporter_put_last(exp);
}

/* readlink() returns the name as it was set; /proc/PID/maps escapes it. */
static void dname_is_not_escaped(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	struct path *path = &exp->dmabuf->file->f_path;
	struct seq_file *seq = mock_seq_create(test, 64);
	char buf[64];

	mock_set_name(test, exp->dmabuf, "a\nb\\c");
	KUNIT_EXPECT_STREQ(test, d_path(path, buf, sizeof(buf)),
			   "/dmabuf:a\nb\\c");
	seq_path(seq, path, "\n");
	KUNIT_EXPECT_STREQ(test, seq->buf, "/dmabuf:a\\012b\\c");
	mock_exporter_put_last(exp);
}

struct mmap_param {
	const char *desc;
	unsigned long pgoff;
	unsigned long pages;
	int ret;
};

static const struct mmap_param mmap_params[] = {
	{ "first page", 0, 1, 0 },
	{ "last whole page", 1, 1, 0 },
	{ "all whole pages", 0, 2, 0 },
	{ "page that is not whole", 2, 1, -EINVAL },
	{ "one too many", 0, 3, -EINVAL },
	{ "over the end", 1, 2, -EINVAL },
	{ "past the end", 3, 1, -EINVAL },
	{ "offset that wraps", ULONG_MAX, 2, -EOVERFLOW },
	{ "offset that wraps to 0", ULONG_MAX, 1, -EOVERFLOW },
	{ "biggest offset", ULONG_MAX - 1, 1, -EINVAL },
};

KUNIT_ARRAY_PARAM_DESC(mmap, mmap_params, desc);

static void check_mmap_range(struct kunit *test)
{
	const struct mmap_param *param = test->param_value;
	struct mock_exporter *exp = mock_exporter_export(test, ODD_SIZE, 0);
	struct vm_area_struct vma = {
		.vm_start = PAGE_SIZE,
		.vm_end = PAGE_SIZE + param->pages * PAGE_SIZE,
	};

	KUNIT_EXPECT_EQ(test, dma_buf_check_mmap(exp->dmabuf, &vma,
						 param->pgoff), param->ret);
	exp->ops.mmap = NULL;
	KUNIT_EXPECT_EQ(test, dma_buf_check_mmap(exp->dmabuf, &vma,
						 param->pgoff), -EINVAL);
	MOCK_EXPECT_NO_CALLS(exp);
	mock_exporter_put_last(exp);
}

static unsigned long map(struct kunit *test, struct mock_exporter *exp,
			 unsigned long pgoff, unsigned long pages)
{
	/* This gives the thread an mm. */
	mock_user_alloc(test, PAGE_SIZE);
	return vm_mmap(exp->dmabuf->file, 0, pages * PAGE_SIZE,
		       PROT_READ | PROT_WRITE, MAP_SHARED, pgoff * PAGE_SIZE);
}

static void file_mmap_shows_memory(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test,
							 PAGES * PAGE_SIZE, 0);
	unsigned long addr = map(test, exp, 1, 2);
	void __user *user = (void __user *)addr;
	char buf[8];

	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	KUNIT_EXPECT_EQ(test, file_count(exp->dmabuf->file), 2);
	strscpy(page_address(exp->pages[1]), "page 1", PAGE_SIZE);
	strscpy(page_address(exp->pages[2]), "page 2", PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, copy_from_user(buf, user, 7), 0);
	KUNIT_EXPECT_STREQ(test, buf, "page 1");
	KUNIT_EXPECT_EQ(test, copy_from_user(buf, user + PAGE_SIZE, 7), 0);
	KUNIT_EXPECT_STREQ(test, buf, "page 2");
	KUNIT_EXPECT_EQ(test, copy_to_user(user, "user", 5), 0);
	KUNIT_EXPECT_STREQ(test, (char *)page_address(exp->pages[1]), "user");

	/* The mapping alone keeps the buffer alive. */
	dma_buf_put(exp->dmabuf);
	mock_flush_files();
	MOCK_EXPECT_LOG(exp, MOCK_MMAP);
	KUNIT_EXPECT_EQ(test, vm_munmap(addr, 2 * PAGE_SIZE), 0);
	KUNIT_EXPECT_TRUE(test, mock_exporter_wait_released(exp));
}

static void file_mmap_refused(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, ODD_SIZE, 0);

	KUNIT_EXPECT_EQ(test, map(test, exp, 0, 3), (unsigned long)-EINVAL);
	KUNIT_EXPECT_EQ(test, map(test, exp, 2, 1), (unsigned long)-EINVAL);
	MOCK_EXPECT_NO_CALLS(exp);
	exp->fail[MOCK_MMAP] = -EAGAIN;
	KUNIT_EXPECT_EQ(test, map(test, exp, 0, 2), (unsigned long)-EAGAIN);
	MOCK_EXPECT_LOG(exp, MOCK_MMAP);
	exp->ops.mmap = NULL;
	KUNIT_EXPECT_EQ(test, map(test, exp, 0, 2), (unsigned long)-EINVAL);
	MOCK_EXPECT_NO_CALLS(exp);
	mock_exporter_put_last(exp);
}

/*
 * Drivers replace f_mapping by their device's, to revoke all mappings at once.
 */
static void file_mmap_keeps_f_mapping(struct kunit *test)
{
	struct mock_exporter *exp = mock_exporter_export(test, PAGE_SIZE, 0);
	struct mock_exporter *device = mock_exporter_export(test, PAGE_SIZE, 0);
	struct file *other = device->dmabuf->file;
	unsigned long addr;

	exp->dmabuf->file->f_mapping = other->f_mapping;
	addr = map(test, exp, 0, 1);
	KUNIT_ASSERT_FALSE(test, IS_ERR_VALUE(addr));
	KUNIT_EXPECT_PTR_EQ(test, exp->dmabuf->file->f_mapping,
			    other->f_mapping);
	KUNIT_EXPECT_TRUE(test, mapping_mapped(other->f_mapping));
	KUNIT_EXPECT_EQ(test, vm_munmap(addr, PAGE_SIZE), 0);
	KUNIT_EXPECT_FALSE(test, mapping_mapped(other->f_mapping));
	mock_exporter_put_last(exp);
	mock_exporter_put_last(device);
}

static struct kunit_case dma_buf_file_cases[] = {
	KUNIT_CASE_PARAM(file_llseek_whence, seek_gen_params),
	KUNIT_CASE(file_alloc_sets_stat),
	KUNIT_CASE(file_read_write_refused),
	KUNIT_CASE(file_is_ours_only_buffers),
	KUNIT_CASE(dname_follows_name),
	KUNIT_CASE(dname_outlives_buffer),
	KUNIT_CASE(file_show_fdinfo_text),
	KUNIT_CASE_PARAM(file_show_fdinfo_escapes, text_gen_params),
	KUNIT_CASE(dname_is_not_escaped),
	KUNIT_CASE_PARAM(check_mmap_range, mmap_gen_params),
	KUNIT_CASE(file_mmap_shows_memory),
	KUNIT_CASE(file_mmap_refused),
	KUNIT_CASE(file_mmap_keeps_f_mapping),
	{}
};

static struct kunit_suite dma_buf_file_suite = {
	.name = "dma_buf_file",
	.test_cases = dma_buf_file_cases,
};

kunit_test_suite(dma_buf_file_suite);

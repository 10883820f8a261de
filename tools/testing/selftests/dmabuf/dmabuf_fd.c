// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file of a dma-buf: its size and seeking, that it cannot be read or
 * written as a stream, its inode, file system, path and name, and its lines in
 * /proc/pid/fdinfo.
 *
 * Copyright (C) the dma-buf project authors
 */
#include <sys/uio.h>
#include <sys/vfs.h>

#include <linux/magic.h>

#include "dmabuf_util.h"

FIXTURE(file)
{
	int fd;
	size_t size;
};

FIXTURE_VARIANT(file)
{
	size_t pages;
};

FIXTURE_VARIANT_ADD(file, one_page)
{
	.pages = 1,
};

FIXTURE_VARIANT_ADD(file, odd_pages)
{
	.pages = 37,
};

FIXTURE_SETUP(file)
{
	if (missing(SYSTEM_HEAP))
		SKIP(return, NEEDS_HEAP);
	self->size = variant->pages * page_size();
	self->fd = heap_alloc(self->size);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(file)
{
	EXPECT_EQ(0, close(self->fd));
}

static long long do_seek(int fd, off_t off, int whence)
{
	off_t ret = lseek(fd, off, whence);

	return ret < 0 ? -errno : ret;
}

TEST_F(file, seek_tells_the_size)
{
	EXPECT_EQ(self->size, do_seek(self->fd, 0, SEEK_END));
	EXPECT_EQ(0, do_seek(self->fd, 0, SEEK_SET));
	EXPECT_EQ(self->size, do_seek(self->fd, 0, SEEK_END));
}

TEST_F(file, seek_elsewhere_is_einval)
{
	static const int whence[] = { SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA, SEEK_HOLE, 77 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(whence); i++) {
		EXPECT_EQ(-EINVAL, do_seek(self->fd, 1, whence[i]));
		EXPECT_EQ(-EINVAL, do_seek(self->fd, -1, whence[i]));
		EXPECT_EQ(-EINVAL, do_seek(self->fd, self->size, whence[i]));
	}
	for (i = 0; i < ARRAY_SIZE(whence); i++)
		if (whence[i] != SEEK_SET && whence[i] != SEEK_END)
			EXPECT_EQ(-EINVAL, do_seek(self->fd, 0, whence[i]));
}

/* After a seek the position in /proc/self/fdinfo is still 0. */
TEST_F(file, seek_moves_nothing)
{
	char path[64], text[512];

	do_seek(self->fd, 0, SEEK_END);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->fd);
	ASSERT_LT(0, read_file(path, text, sizeof(text)));
	EXPECT_EQ(&text[0], strstr(text, "pos:\t0\n"));
}

TEST_F(file, streams_are_refused)
{
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };

	EXPECT_EQ(-EINVAL, sys_ret(read(self->fd, &byte, 1)));
	EXPECT_EQ(-EINVAL, sys_ret(write(self->fd, &byte, 1)));
	EXPECT_EQ(-ESPIPE, sys_ret(pread(self->fd, &byte, 1, 0)));
	EXPECT_EQ(-ESPIPE, sys_ret(pwrite(self->fd, &byte, 1, 0)));
	EXPECT_EQ(-EINVAL, sys_ret(readv(self->fd, &iov, 1)));
	EXPECT_EQ(-EINVAL, sys_ret(writev(self->fd, &iov, 1)));
}

TEST_F(file, stat_shows_size_and_private_mode)
{
	struct stat st;

	ASSERT_EQ(0, fstat(self->fd, &st));
	EXPECT_EQ(self->size, st.st_size);
	EXPECT_EQ(self->size / 512, st.st_blocks);
	EXPECT_EQ(0600, st.st_mode);
}

TEST_F(file, inode_numbers_increase_and_never_repeat)
{
	unsigned long last = db_ino(self->fd), ino;
	int i, fd;

	EXPECT_LT(0, last);
	for (i = 0; i < 100; i++) {
		fd = heap_alloc(page_size());
		ASSERT_LE(0, fd);
		ino = db_ino(fd);
		EXPECT_LT(last, ino);
		last = ino;
		close(fd);
	}
}

TEST_F(file, every_descriptor_of_a_buffer_has_its_inode)
{
	int copy = dup(self->fd);

	ASSERT_LE(0, copy);
	EXPECT_EQ(db_ino(self->fd), db_ino(copy));
	close(copy);
}

TEST_F(file, size_cannot_be_changed)
{
	EXPECT_EQ(-1, ftruncate(self->fd, 0));
	EXPECT_EQ(-1, ftruncate(self->fd, 2 * self->size));
	EXPECT_EQ(-1, fallocate(self->fd, 0, 0, self->size));
	EXPECT_EQ(self->size, do_seek(self->fd, 0, SEEK_END));
}

TEST_F(file, file_system_has_its_magic)
{
	struct statfs fs;

	ASSERT_EQ(0, fstatfs(self->fd, &fs));
	EXPECT_EQ(DMA_BUF_MAGIC, fs.f_type);
	EXPECT_EQ(0x444d4142, fs.f_type);
}

TEST_F(file, reopening_through_proc_is_refused)
{
	char path[64];
	int fds = count_fds();

	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	EXPECT_EQ(-1, open(path, O_RDWR));
	EXPECT_EQ(-1, open(path, O_RDONLY));
	EXPECT_EQ(fds, count_fds());
}

TEST_F(file, flags_are_those_of_the_export)
{
	EXPECT_EQ(O_RDWR, fcntl(self->fd, F_GETFL) & (O_ACCMODE | O_NONBLOCK | O_APPEND));
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->fd, F_GETFD));
}

FIXTURE(name)
{
	int fd;
	char text[4096];
};

FIXTURE_SETUP(name)
{
	if (missing(SYSTEM_HEAP))
		SKIP(return, NEEDS_HEAP);
	self->fd = heap_alloc(3 * page_size());
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(name)
{
	EXPECT_EQ(0, close(self->fd));
}

/* Reads the value of one key of fdinfo into @value; 0 if the key is not there. */
static int fdinfo_key(int fd, const char *key, char *value, size_t size)
{
	char path[64], text[2048], want[64], *line, *end;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	if (read_file(path, text, sizeof(text)) < 0)
		return -errno;
	snprintf(want, sizeof(want), "\n%s:\t", key);
	line = strstr(text, want);
	if (!line)
		return 0;
	line += strlen(want);
	end = strchr(line, '\n');
	snprintf(value, size, "%.*s", (int)(end - line), line);
	return 1;
}

TEST_F(name, fdinfo_has_size_count_and_exporter)
{
	ASSERT_EQ(1, fdinfo_key(self->fd, "size", self->text, sizeof(self->text)));
	EXPECT_EQ(3 * page_size(), strtoul(self->text, NULL, 10));
	ASSERT_EQ(1, fdinfo_key(self->fd, "count", self->text, sizeof(self->text)));
	EXPECT_STREQ("1", self->text);
	ASSERT_EQ(1, fdinfo_key(self->fd, "exp_name", self->text, sizeof(self->text)));
	EXPECT_STREQ("system", self->text);
}

TEST_F(name, fdinfo_shows_no_name_before_one_is_set)
{
	EXPECT_EQ(0, fdinfo_key(self->fd, "name", self->text, sizeof(self->text)));
	ASSERT_EQ(0, db_set_name(self->fd, "first"));
	ASSERT_EQ(1, fdinfo_key(self->fd, "name", self->text, sizeof(self->text)));
	EXPECT_STREQ("first", self->text);
}

TEST_F(name, fdinfo_keys_come_in_order)
{
	char path[64], *size, *count, *exp, *name;

	ASSERT_EQ(0, db_set_name(self->fd, "order"));
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->fd);
	ASSERT_LT(0, read_file(path, self->text, sizeof(self->text)));
	size = strstr(self->text, "\nsize:\t");
	count = strstr(self->text, "\ncount:\t");
	exp = strstr(self->text, "\nexp_name:\t");
	name = strstr(self->text, "\nname:\t");
	ASSERT_NE(NULL, size);
	EXPECT_LT(size, count);
	EXPECT_LT(count, exp);
	EXPECT_LT(exp, name);
}

TEST_F(name, fdinfo_counts_descriptors_and_mappings)
{
	void *map;
	int copy = dup(self->fd);

	ASSERT_LE(0, copy);
	ASSERT_EQ(1, fdinfo_key(self->fd, "count", self->text, sizeof(self->text)));
	EXPECT_STREQ("2", self->text);
	map = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, self->fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(1, fdinfo_key(self->fd, "count", self->text, sizeof(self->text)));
	EXPECT_STREQ("3", self->text);
	munmap(map, page_size());
	close(copy);
	ASSERT_EQ(1, fdinfo_key(self->fd, "count", self->text, sizeof(self->text)));
	EXPECT_STREQ("1", self->text);
}

TEST_F(name, change_is_seen_everywhere)
{
	static const char *const names[] = { "frame", "", "a name with spaces",
		"0123456789012345678901234567890" };
	char link[64], want[64], path[64];
	void *map = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, self->fd, 0);
	size_t i;
	ssize_t n;

	ASSERT_NE(MAP_FAILED, map);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		ASSERT_EQ(0, db_set_name(self->fd, names[i]));
		ASSERT_EQ(1, fdinfo_key(self->fd, "name", self->text, sizeof(self->text)));
		EXPECT_STREQ(names[i], self->text);

		n = readlink(path, link, sizeof(link) - 1);
		ASSERT_LT(0, n);
		link[n] = '\0';
		snprintf(want, sizeof(want), "/dmabuf:%s", names[i]);
		EXPECT_STREQ(want, link);
	}
	munmap(map, page_size());
}

/* The line of /proc/self/maps for @map. */
static bool maps_line(const void *map, char *line, size_t size)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long start;
	bool found = false;

	while (!found && f && fgets(line, size, f))
		found = sscanf(line, "%lx-", &start) == 1 && start == (unsigned long)map;
	if (f)
		fclose(f);
	return found;
}

TEST_F(name, maps_show_name_and_inode)
{
	void *map = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, self->fd, 0);
	char line[512], perms[8], path[128];
	unsigned long ino;
	int fields;

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, db_set_name(self->fd, "mapped"));
	ASSERT_TRUE(maps_line(map, line, sizeof(line)));
	fields = sscanf(line, "%*s %7s %*s %*s %lu %127s", perms, &ino, path);
	ASSERT_EQ(3, fields);
	EXPECT_STREQ("r--s", perms);
	EXPECT_EQ(db_ino(self->fd), ino);
	EXPECT_STREQ("/dmabuf:mapped", path);

	ASSERT_EQ(0, db_set_name(self->fd, "again"));
	ASSERT_TRUE(maps_line(map, line, sizeof(line)));
	EXPECT_NE(NULL, strstr(line, "/dmabuf:again"));
	munmap(map, page_size());
}

/*
 * Compositors read a client's exporter from fdinfo: a name must not forge it.
 */
TEST_F(name, newline_forges_no_line)
{
	static const char name[] = "x\nexp_name:\tudmabuf\\";
	static const char shown[] = "x\\012exp_name:\\011udmabuf\\134";
	static char text[1 << 16];
	char path[64], link[128], *line;
	ssize_t n;

	ASSERT_EQ(0, db_set_name(self->fd, name));
	ASSERT_EQ(1, fdinfo_key(self->fd, "exp_name", self->text, sizeof(self->text)));
	EXPECT_STREQ("system", self->text);
	ASSERT_EQ(1, fdinfo_key(self->fd, "name", self->text, sizeof(self->text)));
	EXPECT_STREQ(shown, self->text);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", self->fd);
	ASSERT_LT(0, read_file(path, self->text, sizeof(self->text)));
	EXPECT_EQ(NULL, strstr(self->text, "\nexp_name:\tudmabuf"));

	/* readlink() returns the name as it was set. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", self->fd);
	n = readlink(path, link, sizeof(link) - 1);
	ASSERT_LT(0, n);
	link[n] = '\0';
	ASSERT_EQ(0, strncmp(link, "/dmabuf:", 8));
	EXPECT_STREQ(name, link + 8);

	if (missing(BUFINFO_PATH))
		SKIP(return, NEEDS_BUFINFO);
	ASSERT_EQ(0, db_set_name(self->fd, "\n\nTotal 0 objects, 0 bytes\n"));
	ASSERT_LT(0, read_file(BUFINFO_PATH, text, sizeof(text)));
	EXPECT_EQ(NULL, strstr(text, "\nTotal 0 objects"));
	line = bufinfo_find(text, db_ino(self->fd));
	ASSERT_NE(NULL, line);
	*strchr(line, '\n') = '\0';
	EXPECT_STREQ("\\012\\012Total 0 objects, 0 bytes\\012", strrchr(line, '\t') + 1);
}

TEST_F(name, maps_escape_a_newline)
{
	void *map = mmap(NULL, page_size(), PROT_READ, MAP_SHARED, self->fd, 0);
	char line[512];

	ASSERT_NE(MAP_FAILED, map);
	ASSERT_EQ(0, db_set_name(self->fd, "a\nb"));
	ASSERT_TRUE(maps_line(map, line, sizeof(line)));
	EXPECT_NE(NULL, strstr(line, "/dmabuf:a\\012b\n"));
	munmap(map, page_size());
}

TEST_F(name, bufinfo_shows_name_or_none)
{
	static char text[1 << 16];
	char *line, *end;

	if (missing(BUFINFO_PATH))
		SKIP(return, NEEDS_BUFINFO);
	ASSERT_LT(0, read_file(BUFINFO_PATH, text, sizeof(text)));
	line = bufinfo_find(text, db_ino(self->fd));
	ASSERT_NE(NULL, line);
	end = strchr(line, '\n');
	*end = '\0';
	EXPECT_STREQ("<none>", strrchr(line, '\t') + 1);

	ASSERT_EQ(0, db_set_name(self->fd, "listed"));
	ASSERT_LT(0, read_file(BUFINFO_PATH, text, sizeof(text)));
	line = bufinfo_find(text, db_ino(self->fd));
	ASSERT_NE(NULL, line);
	end = strchr(line, '\n');
	*end = '\0';
	EXPECT_STREQ("listed", strrchr(line, '\t') + 1);
}

TEST_F(name, bufinfo_adds_up)
{
	static char text[1 << 16];
	char *line, *total;
	size_t objects, bytes, sum = 0, lines = 0;

	if (missing(BUFINFO_PATH))
		SKIP(return, NEEDS_BUFINFO);
	ASSERT_LT(0, read_file(BUFINFO_PATH, text, sizeof(text)));
	EXPECT_EQ(&text[0], strstr(text, "\nDma-buf Objects:\n"));
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (line[0] >= '0' && line[0] <= '9') {
			sum += strtoul(line, NULL, 10);
			lines++;
		}
		total = line;
	}
	ASSERT_EQ(2, sscanf(total, "Total %zu objects, %zu bytes", &objects, &bytes));
	EXPECT_EQ(lines, objects);
	EXPECT_EQ(sum, bytes);
	EXPECT_LE(3 * page_size(), bytes);
}

TEST_HARNESS_MAIN

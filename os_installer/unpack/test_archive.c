/* test_archive.c - the unpacking of archives made here, in a chroot: every compression, the limits
 * of the manifest, links, access control lists. What whole archives of malice do is tried by
 * tests/installer/.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os_installer/unpack/acl.h"
#include "os_installer/unpack/archive.h"

#define ARCHIVE_MAX (4U << 20)

static uint8_t archive[ARCHIVE_MAX];
static size_t archive_size;

struct member {
	const char *path;
	unsigned type;
	const char *link; /* target of AE_IFLNK; with AE_IFREG, of a hard link */
	const char *data;
	size_t size;
};

static void archive_make(const struct member *m, size_t count, int filter)
{
	struct archive *a = archive_write_new();

	archive_write_set_format_pax_restricted(a);
	assert_int_equal(archive_write_add_filter(a, filter), ARCHIVE_OK);
	assert_int_equal(
	    archive_write_open_memory(a, archive, sizeof(archive), &archive_size), ARCHIVE_OK);
	for (size_t i = 0; i < count; i++) {
		struct archive_entry *e = archive_entry_new();
		archive_entry_set_pathname(e, m[i].path);
		archive_entry_set_filetype(e, m[i].type);
		archive_entry_set_perm(e, m[i].type == AE_IFDIR ? 0755 : 0644);
		archive_entry_set_mtime(e, 1000000000, 0);
		if (m[i].link && m[i].type == AE_IFLNK)
			archive_entry_set_symlink(e, m[i].link);
		else if (m[i].link)
			archive_entry_set_hardlink(e, m[i].link);
		if (m[i].type == AE_IFREG && !m[i].link)
			archive_entry_set_size(e, (la_int64_t)m[i].size);
		assert_true(archive_write_header(a, e) >= ARCHIVE_WARN);
		if (m[i].size)
			archive_write_data(a, m[i].data, m[i].size);
		archive_entry_free(e);
	}
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
}

/* A few bytes at a time, so that everything is met at an edge. */
struct feed {
	size_t at, step;
};

static int feed_next(void *ctx, const uint8_t **data, uint32_t *len, struct err *e)
{
	struct feed *f = ctx;
	size_t left = archive_size - f->at;

	(void)e;
	*data = archive + f->at;
	*len = (uint32_t)(left < f->step ? left : f->step);
	f->at += *len;
	return *len > 0;
}

struct outcome {
	int result;
	struct err err;
	struct unpack_counters counters;
};

static char where[] = "/tmp/test_unpack.XXXXXX";
static bool can_chroot;

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	return ftw->level == 0 ? 0 : remove(path);
}

static struct outcome unpack(const struct unpack_limits *limits, size_t step)
{
	struct outcome *shared =
	    mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct outcome o;
	int status;

	if (!can_chroot) {
		printf("skipped: a chroot needs root\n");
		skip();
	}
	nftw(where, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	pid_t pid = fork();
	if (pid == 0) {
		struct feed f = {.step = step};
		struct byte_source source = {.ctx = &f, .next = feed_next};
		if (chroot(where) < 0 || chdir("/") < 0)
			_exit(9);
		shared->result = unpack_stream(&source, limits, &shared->counters, &shared->err);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	o = *shared;
	munmap(shared, sizeof(*shared));
	return o;
}

static const char *inside(const char *path)
{
	static char full[512];

	snprintf(full, sizeof(full), "%s/%s", where, path);
	return full;
}

static void holds(const char *path, const char *data, size_t size)
{
	char buf[4096];
	FILE *f = fopen(inside(path), "r");

	assert_non_null(f);
	assert_int_equal(fread(buf, 1, sizeof(buf), f), size);
	assert_memory_equal(buf, data, size);
	fclose(f);
}

static const struct member tree[] = {
    {"usr", AE_IFDIR, NULL, NULL, 0},
    {"usr/lib", AE_IFDIR, NULL, NULL, 0},
    {"lib", AE_IFLNK, "usr/lib", NULL, 0},
    {"./lib/module", AE_IFREG, NULL, "module", 6},
    {"hard", AE_IFREG, "usr/lib/module", NULL, 0},
    {"Ft\xc5\xb1", AE_IFREG, NULL, "name", 4},
    {"fifo", AE_IFIFO, NULL, NULL, 0},
    {"dev", AE_IFCHR, NULL, NULL, 0},
    {"disk", AE_IFBLK, NULL, NULL, 0},
};
#define TREE_COUNT (sizeof(tree) / sizeof(*tree))

static void test_formats(void **state)
{
	static const int filters[] = {
	    ARCHIVE_FILTER_ZSTD, ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_XZ, ARCHIVE_FILTER_NONE};
	struct unpack_limits limits = {.bytes = 10, .entries = TREE_COUNT};
	struct stat st, hard;

	(void)state;
	for (size_t i = 0; i < sizeof(filters) / sizeof(*filters); i++)
		for (size_t step = 7; step < ARCHIVE_MAX; step *= 50) {
			archive_make(tree, TREE_COUNT, filters[i]);
			struct outcome o = unpack(&limits, step);
			assert_string_equal(o.err.msg, "");
			assert_int_equal(o.result, 0);
			assert_int_equal(o.counters.entries, TREE_COUNT);
			assert_int_equal(o.counters.bytes, 10);
			assert_int_equal(o.counters.dropped, 2);
			holds("usr/lib/module", "module", 6);
			holds("Ft\xc5\xb1", "name", 4);
			assert_int_equal(lstat(inside("lib"), &st), 0);
			assert_true(S_ISLNK(st.st_mode));
			assert_int_equal(stat(inside("usr/lib/module"), &st), 0);
			assert_int_equal(stat(inside("hard"), &hard), 0);
			assert_int_equal(st.st_ino, hard.st_ino);
			assert_int_equal(st.st_mtime, 1000000000);
			assert_int_equal(lstat(inside("fifo"), &st), 0);
			assert_true(S_ISFIFO(st.st_mode));
			assert_int_equal(lstat(inside("dev"), &st), -1);
			assert_int_equal(lstat(inside("disk"), &st), -1);
		}
}

static void test_limits(void **state)
{
	static const struct {
		struct unpack_limits limits;
		int result;
		const char *says;
	} cases[] = {
	    {{10, TREE_COUNT}, 0, ""},
	    {{10, 0}, 0, ""},
	    {{9, TREE_COUNT}, -EFBIG,
		"has 4 bytes, more than the archive's manifest says is left (3)"},
	    {{1, TREE_COUNT}, -EFBIG, "./lib/module has 6 bytes"},
	    {{10, 3}, -EFBIG, "more than the 3 entries its manifest says"},
	    {{11, TREE_COUNT}, -EBADMSG, "with 10 bytes where its manifest says"},
	    {{10, TREE_COUNT + 1}, -EBADMSG, "holds 9 entries"},
	};

	(void)state;
	archive_make(tree, TREE_COUNT, ARCHIVE_FILTER_GZIP);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct outcome o = unpack(&cases[i].limits, 1000);
		assert_non_null(strstr(o.err.msg, cases[i].says));
		assert_int_equal(o.result, cases[i].result);
	}
}

/* An archive cut at every 512 bytes never passes for a whole one. */
static void test_cut(void **state)
{
	struct unpack_limits limits = {.bytes = 10, .entries = TREE_COUNT};

	(void)state;
	archive_make(tree, TREE_COUNT, ARCHIVE_FILTER_NONE);
	size_t whole = archive_size, ended = 0;
	for (size_t i = whole; i > 1024; i--)
		if (archive[i - 1]) {
			ended = (i + 511) / 512 * 512;
			break;
		}
	for (archive_size = 0; archive_size < ended; archive_size += 512)
		assert_true(unpack(&limits, 4096).result < 0);
	archive_size = ended;
}

static void test_inside(void **state)
{
	static const struct member hostile[] = {
	    {"/abs", AE_IFREG, NULL, "1", 1},
	    {"../../up", AE_IFREG, NULL, "2", 1},
	    {"out", AE_IFLNK, "/../../..", NULL, 0},
	    {"out/through", AE_IFREG, NULL, "3", 1},
	    {"file", AE_IFLNK, "/abs", NULL, 0},
	    {"file", AE_IFREG, NULL, "4", 1},
	    {"dev", AE_IFCHR, NULL, NULL, 0},
	};
	struct unpack_limits limits = {.bytes = 4, .entries = 7};

	(void)state;
	archive_make(hostile, 7, ARCHIVE_FILTER_ZSTD);
	struct outcome o = unpack(&limits, 4096);
	assert_int_equal(o.result, 0);
	holds("abs", "1", 1);
	holds("up", "2", 1);
	holds("through", "3", 1);
	holds("file", "4", 1);
	assert_int_equal(o.counters.dropped, 1);
}

static void test_acl(void **state)
{
	static const uint8_t access[] = {2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 7, 0,
	    0xe8, 3, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255, 16, 0, 7, 0, 255, 255, 255, 255, 32, 0,
	    0, 0, 255, 255, 255, 255};
	struct archive_entry *e = archive_entry_new();
	int type, permissions, tag, id;
	const char *name;

	(void)state;
	archive_entry_set_mode(e, AE_IFREG | 0670);
	archive_entry_acl_add_entry(
	    e, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, 7, ARCHIVE_ENTRY_ACL_USER, -1, "somebody");
	unpack_acl_adopt(e);
	assert_int_equal(archive_entry_acl_count(e, ARCHIVE_ENTRY_ACL_TYPE_ACCESS), 4);
	archive_entry_xattr_add_entry(e, "system.posix_acl_access", access, sizeof(access));
	unpack_acl_adopt(e);
	assert_int_equal(archive_entry_acl_reset(e, ARCHIVE_ENTRY_ACL_TYPE_ACCESS), 5);
	bool found = false;
	while (archive_entry_acl_next(e, ARCHIVE_ENTRY_ACL_TYPE_ACCESS, &type, &permissions, &tag,
		   &id, &name) == ARCHIVE_OK)
		if (tag == ARCHIVE_ENTRY_ACL_USER) {
			assert_int_equal(id, 1000);
			assert_int_equal(permissions, 7);
			found = true;
		}
	assert_true(found);
	/* Every cut of it, and every byte changed: never worse than ignored. */
	for (size_t n = 0; n < sizeof(access); n++) {
		uint8_t bad[sizeof(access)];
		memcpy(bad, access, sizeof(bad));
		archive_entry_xattr_clear(e);
		archive_entry_xattr_add_entry(e, "system.posix_acl_access", bad, n);
		unpack_acl_adopt(e);
		bad[n] ^= 0xff;
		archive_entry_xattr_clear(e);
		archive_entry_xattr_add_entry(e, "system.posix_acl_default", bad, sizeof(bad));
		unpack_acl_adopt(e);
	}
	archive_entry_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_formats),
	    cmocka_unit_test(test_limits),
	    cmocka_unit_test(test_cut),
	    cmocka_unit_test(test_inside),
	    cmocka_unit_test(test_acl),
	};

	if (!mkdtemp(where))
		return 1;
	chmod(where, 0755);
	pid_t pid = fork();
	int status = -1;
	if (pid == 0)
		_exit(chroot(where) < 0);
	waitpid(pid, &status, 0);
	can_chroot = status == 0;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	nftw(where, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	rmdir(where);
	return failed;
}

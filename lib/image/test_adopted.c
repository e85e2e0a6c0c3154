/* Folders of images that another tool filled: which of them count, and when they have changed. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/image/adopted.h"

static char top[] = "/tmp/test_adopted.XXXXXX";

static const char *path_of(const char *name)
{
	static char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", top, name);
	return path;
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(path_of(name), "w");

	assert_non_null(f);
	fputs(text, f);
	assert_int_equal(fclose(f), 0);
}

static void folders(const char *distro)
{
	static const char *const names[] = {"amd64", "x86_64", "arm64", "aarch64"};
	char name[64];

	mkdir(path_of(distro), 0755);
	for (size_t i = 0; i < 4; i++) {
		snprintf(name, sizeof(name), "%s/%s", distro, names[i]);
		assert_int_equal(mkdir(path_of(name), 0755), 0);
	}
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(top) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[PATH_MAX];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", top);
	return system(command);
}

static const char *found(const char *distro, enum vm_arch arch)
{
	static char where[64];
	struct adopted a;

	if (!adopted_find(top, distro, arch, &a))
		return "none";
	snprintf(where, sizeof(where), "%s/%s", a.folder, a.file);
	return where;
}

static void which_folder(void **state)
{
	(void)state;
	folders("os");
	assert_string_equal(found("os", VM_ARCH_AMD64), "none");
	assert_string_equal(found("nowhere", VM_ARCH_AMD64), "none");
	put("os/x86_64/rootfs.tar.gz", "x");
	put("os/aarch64/rootfs.tar.xz", "x");
	assert_string_equal(found("os", VM_ARCH_AMD64), "x86_64/rootfs.tar.gz");
	assert_string_equal(found("os", VM_ARCH_ARM64), "aarch64/rootfs.tar.xz");
	/* nginx looks in the folder of our name first. */
	put("os/amd64/rootfs.tar.zst", "x");
	assert_string_equal(found("os", VM_ARCH_AMD64), "amd64/rootfs.tar.zst");
	put("os/amd64/vmlinuz", "another");
	assert_string_equal(found("os", VM_ARCH_AMD64), "x86_64/rootfs.tar.gz");
	put("os/amd64/manifest.json", "{}");
	assert_string_equal(found("os", VM_ARCH_AMD64), "none");
	assert_string_equal(found("os", VM_ARCH_ARM64), "aarch64/rootfs.tar.xz");
	assert_int_equal(unlink(path_of("os/aarch64/rootfs.tar.xz")), 0);
	assert_int_equal(mkdir(path_of("os/aarch64/rootfs.tar.xz"), 0755), 0);
	assert_string_equal(found("os", VM_ARCH_ARM64), "none");
}

static void expect_changed(const struct adopted *before, const json_t *object, bool changed)
{
	struct adopted now;

	assert_true(adopted_find(top, "new", VM_ARCH_AMD64, &now));
	assert_int_equal(adopted_same(before, &now), !changed);
	assert_int_equal(adopted_made_of(object, &now), !changed);
}

static void when_it_changed(void **state)
{
	struct adopted before;
	struct timespec old[2];
	json_t *object;

	(void)state;
	folders("new");
	put("new/x86_64/rootfs.tar.gz", "text");
	assert_true(adopted_find(top, "new", VM_ARCH_AMD64, &before));
	object = adopted_json(&before);
	assert_false(adopted_made_of(NULL, &before));
	expect_changed(&before, object, false);
	old[0] = old[1] = before.st.st_mtim;

	/* Another size, another time, another file: each alone. */
	assert_int_equal(truncate(path_of("new/x86_64/rootfs.tar.gz"), 3), 0);
	assert_int_equal(utimensat(AT_FDCWD, path_of("new/x86_64/rootfs.tar.gz"), old, 0), 0);
	expect_changed(&before, object, true);
	put("new/x86_64/rootfs.tar.gz", "TEXT");
	old[1].tv_nsec ^= 1;
	assert_int_equal(utimensat(AT_FDCWD, path_of("new/x86_64/rootfs.tar.gz"), old, 0), 0);
	expect_changed(&before, object, true);
	old[1] = old[0];
	assert_int_equal(utimensat(AT_FDCWD, path_of("new/x86_64/rootfs.tar.gz"), old, 0), 0);
	expect_changed(&before, object, false);
	put("new/other", "TEXT");
	assert_int_equal(utimensat(AT_FDCWD, path_of("new/other"), old, 0), 0);
	char from[PATH_MAX];
	snprintf(from, sizeof(from), "%s", path_of("new/other"));
	assert_int_equal(rename(from, path_of("new/x86_64/rootfs.tar.gz")), 0);
	expect_changed(&before, object, true);

	assert_true(adopted_find(top, "new", VM_ARCH_AMD64, &before));
	json_object_set_new(object, "inode", json_integer((json_int_t)before.st.st_ino));
	expect_changed(&before, object, false);
	json_object_set_new(object, "by", json_string("another version"));
	assert_false(adopted_made_of(object, &before));
	json_decref(object);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(which_folder),
	    cmocka_unit_test(when_it_changed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/* test_tree.c - an unpacked image is made a machine's own: its name, its seed, nothing of the
 * image's identity; and no link in it leads out of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/test_program.h"
#include "os_installer/system/seed.h"
#include "os_installer/system/system.h"
#include "os_installer/system/tree.h"

static char folder[] = "/tmp/test_tree.XXXXXX";
static int tree = -1;
static struct err e;

static void make(const char *const *folders)
{
	for (; *folders; folders++)
		if (tree_mkdirs(tree, *folders, 0755, &e) < 0)
			fail_msg("%s", e.msg);
}

static void has(const char *name, const char *text)
{
	char *is = file_text(folder, name + 1);
	bool same = strcmp(is, text) == 0;

	if (!same)
		print_message("%s: %s\n", name, is);
	free(is);
	assert_true(same);
}

static int set_up(void **state)
{
	(void)state;
	strcpy(strrchr(folder, '.'), ".XXXXXX");
	assert_non_null(mkdtemp(folder));
	tree = tree_open(folder, &e);
	assert_true(tree >= 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(tree);
	folder_remove(folder);
	return 0;
}

static const struct plan plan = {.count = 1,
    .part = {{.role = PLAN_ROOT, .fs = STORAGE_FS_BTRFS, .mount = "/", .fs_uuid = "u-root"}}};

static void an_image_becomes_this_machines_system(void **state)
{
	static const char *const folders[] = {"/etc/ssh", "/usr", "/etc/cloud/cloud.cfg.d",
	    "/var/lib/dbus", "/var/lib/systemd", SEED_DIRECTORY, NULL};
	static const char *const gone[] = {"/etc/ssh/ssh_host_rsa_key",
	    "/etc/ssh/ssh_host_rsa_key.pub", "/var/lib/dbus/machine-id",
	    "/var/lib/systemd/random-seed", SEED_DIRECTORY "/vendor-data"};
	const struct config c = {.told = {.hostname = (char *)"web1", .fqdn = (char *)"web1.lab"}};
	const struct seed seed = {
	    .document = {{(char *)"id: 1", 5}, {(char *)"#cloud-config", 13}}};

	(void)state;
	make(folders);
	for (size_t i = 0; i < sizeof(gone) / sizeof(*gone); i++)
		file_says(folder, gone[i] + 1, "the image's");
	file_says(folder, "etc/ssh/sshd_config", "stays");
	file_says(folder, "etc/machine-id", "0123");
	file_says(folder, "etc/hosts", "127.0.0.1 localhost\n127.0.1.1 image\n");
	if (system_configure(tree, folder, &c, &plan, &seed, &e) < 0)
		fail_msg("%s", e.msg);
	has("/etc/hostname", "web1\n");
	has("/etc/hosts", "127.0.0.1 localhost\n127.0.1.1 web1.lab web1\n");
	has("/etc/machine-id", "");
	has("/etc/ssh/sshd_config", "stays");
	has(SEED_DIRECTORY "/meta-data", "id: 1");
	has(SEED_DIRECTORY "/user-data", "#cloud-config");
	for (size_t i = 0; i < sizeof(gone) / sizeof(*gone); i++)
		assert_false(tree_exists(tree, gone[i]));
	file_comes_to_say(folder, "etc/fstab", "UUID=u-root / btrfs", true);
	file_comes_to_say(folder, "etc/cloud/cloud.cfg.d/90-installer.cfg", "NoCloud", true);
	/* Without the program cloud-init would call it an error that it cannot grow the root. */
	file_comes_to_say(
	    folder, "etc/cloud/cloud.cfg.d/90-installer-storage.cfg", "resize_rootfs: false", true);
}

static void what_is_no_system_is_refused(void **state)
{
	const struct config c = {0};

	(void)state;
	make((const char *const[]){"/etc", NULL});
	assert_int_equal(system_configure(tree, folder, &c, &plan, NULL, &e), -EINVAL);
	assert_string_equal(e.msg, "the image has no /etc or /usr: it is no root file system");
	/* One without cloud-init, and without a name: it is as it was. */
	make((const char *const[]){"/usr", NULL});
	assert_int_equal(system_configure(tree, folder, &c, &plan, &(struct seed){0}, &e), 0);
	assert_false(tree_exists(tree, "/etc/hostname"));
	assert_false(tree_exists(tree, "/etc/cloud"));
}

static void links_of_an_image_stay_inside(void **state)
{
	char outside[] = "/tmp/test_outside.XXXXXX", path[PATH_MAX], *text = NULL;
	size_t len;

	(void)state;
	assert_non_null(mkdtemp(outside));
	file_says(outside, "secret", "mine");
	snprintf(path, sizeof(path), "%s/etc", folder);
	assert_int_equal(symlink(outside, path), 0);
	/* The absolute link means a folder of the tree, which is not there. */
	assert_true(tree_write(tree, "/etc/secret", "x", 1, 0644, &e) < 0);
	assert_true(tree_read(tree, "/etc/secret", 100, &text, &len, &e) < 0);
	assert_true(tree_mkdirs(tree, "/etc/deep", 0755, &e) < 0);
	assert_true(tree_file(tree, "/../../../../../../etc/passwd", &e) < 0);
	assert_int_equal(tree_remove(tree, "/etc/secret", &e), 0);
	file_comes_to_say(outside, "secret", "mine", true);
	/* A file's own link is replaced, not followed. */
	snprintf(path, sizeof(path), "%s/link", folder);
	assert_int_equal(symlink("/tmp", path), 0);
	assert_int_equal(tree_write(tree, "/link", "text", 4, 0600, &e), 0);
	has("/link", "text");
	folder_remove(outside);
}

static int count(void *ctx, const char *name)
{
	size_t *n = ctx;

	(*n)++;
	return strcmp(name, "stop") == 0 ? 7 : 0;
}

static void files_are_copied_renamed_and_listed(void **state)
{
	char *text = NULL;
	size_t len, n = 0;

	(void)state;
	make((const char *const[]){"/a/b", NULL});
	assert_int_equal(tree_write(tree, "/a/one", "content", 7, 0644, &e), 0);
	assert_int_equal(tree_copy(tree, "/a/one", "/a/b/two", 0600, &e), 0);
	assert_int_equal(tree_rename(tree, "/a/b/two", "/a/three", &e), 0);
	has("/a/three", "content");
	assert_int_equal(tree_list(tree, "/a", count, &n), 0);
	assert_int_equal(n, 3);
	assert_int_equal(tree_list(tree, "/none", count, &n), 0);
	assert_int_equal(tree_write(tree, "/a/b/stop", "", 0, 0644, &e), 0);
	assert_int_equal(tree_list(tree, "/a/b", count, &n), 7);
	assert_int_equal(tree_sync(tree, "/a", &e), 0);
	assert_int_equal(tree_read(tree, "/a/one", 100, &text, &len, &e), 0);
	assert_int_equal(len, 7);
	free(text);
	assert_int_equal(tree_read(tree, "/a/one", 6, &text, &len, &e), -EFBIG);
	assert_int_equal(tree_read(tree, "/none", 6, &text, &len, &e), -ENOENT);
	assert_int_equal(tree_copy(tree, "/none", "/x", 0600, &e), -ENOENT);
	assert_true(tree_copy(tree, "/a/one", "/none/x", 0600, &e) < 0);
	assert_true(tree_rename(tree, "/none", "/x", &e) < 0);
	assert_int_equal(tree_file(tree, "/a", &e), -EINVAL);
	assert_true(tree_directory(tree, "/a/one", &e) < 0);
	assert_true(tree_sync(tree, "/none", &e) < 0);
}

int main(void)
{
#define IN_TREE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	    IN_TREE(an_image_becomes_this_machines_system),
	    IN_TREE(what_is_no_system_is_refused),
	    IN_TREE(links_of_an_image_stay_inside),
	    IN_TREE(files_are_copied_renamed_and_listed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

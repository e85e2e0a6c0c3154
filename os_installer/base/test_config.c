/* test_config.c - the configuration parser: what it takes, what it refuses and with which words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "os_installer/base/config.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ROOTFS                                                                                     \
	"\"rootfs\":{\"format\":\"tar.zst\",\"size_bytes\":100000,\"sha256\":\"" HEX64             \
	"\",\"unpacked_bytes\":300000,\"entries\":10,\"chunk_bytes\":65536,\"chunks\":[\"" HEX64   \
	"\",\"" HEX64 "\"]}"
#define MINIMAL                                                                                    \
	"\"arch\":\"x86_64\",\"rootfs_url\":\"http://10.0.0.1/images/d/amd64/rootfs.tar.zst\""

static int warnings;

static void count_warning(const char *text)
{
	assert_non_null(strstr(text, "unknown key"));
	warnings++;
}

static struct config *parse(const char *text, struct err *e)
{
	struct config_where where;
	struct config *c = NULL;

	warnings = 0;
	if (config_parse(text, strlen(text), &c, &where, count_warning, e) < 0) {
		assert_true(e->msg[0] != '\0');
		assert_null(strchr(e->msg, '\n'));
		return NULL;
	}
	return c;
}

static void test_full(void **state)
{
	struct err e = ERR_INIT;
	struct config *c = parse(
	    "{\"format\":1,\"name\":\"web1\",\"mac\":\"52:54:00:00:00:01\","
	    "\"distro\":\"debian-13\",\"cloud_init_url\":\"http://10.0.0.1/cloud-init/web1/\","
	    "\"after_install\":\"poweroff\",\"reboot_on_success\":false,\"firmware\":\"uefi\","
	    "\"kernel_version\":\"6.12.1+deb13-amd64\",\"kernel_args\":\"quiet mitigations=off\","
	    "\"disks\":[{\"size\":\"8G\"}],\"surprise\":1," MINIMAL "," ROOTFS "}",
	    &e);

	(void)state;
	assert_non_null(c);
	assert_string_equal(c->told.hostname, "web1");
	assert_string_equal(c->told.cloud_init_url, "http://10.0.0.1/cloud-init/web1");
	assert_int_equal(c->told.after_install, VM_AFTER_POWEROFF);
	assert_int_equal(c->first_disk_bytes, 8ULL << 30);
	assert_true(c->has_rootfs);
	assert_int_equal(c->rootfs.chunk_count, 2);
	assert_int_equal(image_chunk_length(&c->rootfs, 0), 65536);
	assert_int_equal(image_chunk_length(&c->rootfs, 1), 100000 - 65536);
	assert_int_equal(warnings, 1);
	config_free(c);
}

static void test_disk(void **state)
{
	struct err e = ERR_INIT;
	struct config *c =
	    parse("{\"firmware\":\"bios\",\"disks\":[{\"size\":\"8G\",\"match\":"
		  "{\"serial\":\"VMLAB-1\",\"pick\":\"largest\"}}],"
		  "\"storage\":{\"root\":{\"fs\":\"xfs\"},\"swap\":\"1G\"}," MINIMAL "}",
		&e);

	(void)state;
	assert_non_null(c);
	assert_true(c->has_firmware);
	assert_int_equal(c->told.firmware, VM_FIRMWARE_BIOS);
	assert_true(c->has_match);
	assert_string_equal(c->match.serial, "VMLAB-1");
	assert_int_equal(c->match.pick, DISK_PICK_LARGEST);
	assert_int_equal(c->first_disk_bytes, 8ULL << 30);
	assert_int_equal(c->storage.count, 2);
	assert_int_equal(storage_root(&c->storage)->fs, STORAGE_FS_XFS);
	config_free(c);
	c = parse("{" MINIMAL "}", &e);
	assert_non_null(c);
	assert_false(c->has_firmware);
	assert_false(c->has_match);
	assert_int_equal(c->storage.count, 1);
	config_free(c);
}

/* pvmlab's seven keys. */
static void test_plain(void **state)
{
	struct err e = ERR_INIT;
	struct config *c =
	    parse("{\"cloud_init_url\":\"http://10.0.0.1/cloud-init/a\","
		  "\"distro\":\"ubuntu-24.04\",\"arch\":\"aarch64\","
		  "\"rootfs_url\":\"http://10.0.0.1/images/u/rootfs.tar.gz\","
		  "\"kmods_url\":\"http://10.0.0.1/m\",\"kernel_url\":\"http://10.0.0.1/k\","
		  "\"reboot_on_success\":false}",
		&e);

	(void)state;
	assert_non_null(c);
	assert_false(c->has_rootfs);
	assert_int_equal(c->told.after_install, VM_AFTER_SHELL);
	assert_int_equal(c->told.arch, VM_ARCH_ARM64);
	char *url = config_manifest_url(c);
	assert_string_equal(url, "http://10.0.0.1/images/u/manifest.json");
	free(url);
	static const char manifest[] = "{\"kernel_version\":\"6.1\"," ROOTFS "}";
	static const char part[] = "{\"kernel_version\":\"6.1\",\"rootfs\":{\"size_bytes\":5}}";
	assert_int_equal(config_add_manifest(c, part, sizeof(part) - 1, &e), -EINVAL);
	assert_string_equal(e.msg, "rootfs.sha256: is missing");
	assert_int_equal(config_add_manifest(c, "{}", 2, &e), -EINVAL);
	assert_string_equal(e.msg, "rootfs: must be an object");
	assert_false(c->has_rootfs);
	assert_int_equal(config_add_manifest(c, manifest, sizeof(manifest) - 1, &e), 0);
	assert_string_equal(c->told.kernel_version, "6.1");
	assert_true(c->has_rootfs);
	config_free(c);
}

static void test_endings(void **state)
{
	struct err e = ERR_INIT;
	struct config *c =
	    parse("{\"after_install\":\"kexec\",\"reboot_on_success\":true,\"hooks\":{"
		  "\"post_install\":[\"#!/bin/sh\\necho 1\\n\",\"echo 2\"]}," MINIMAL "}",
		&e);

	(void)state;
	assert_non_null(c);
	assert_int_equal(c->told.after_install, VM_AFTER_KEXEC);
	assert_string_equal(c->hooks[0], "#!/bin/sh\necho 1\n");
	assert_string_equal(c->hooks[1], "echo 2");
	assert_null(c->hooks[2]);
	assert_int_equal(warnings, 0);
	config_free(c);
	c = parse("{\"hooks\":{}," MINIMAL "}", &e);
	assert_non_null(c);
	assert_null(c->hooks[0]);
	config_free(c);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} table[] = {
	    {"", "empty"},
	    {"[]", "must be an object"},
	    {"{", "too early"},
	    {"{\"arch\":\"x86_64\"}", "rootfs_url: is missing"},
	    {"{\"rootfs_url\":\"http://a/b\"}", "arch: is missing"},
	    {"{" MINIMAL ",\"arch\":\"x86_64\"}", "given twice"},
	    {"{\"arch\":\"mips\",\"rootfs_url\":\"http://a/b\"}",
		"arch: \"mips\" is not known: write \"x86_64\""},
	    {"{\"arch\":\"x86_64\",\"rootfs_url\":\"file:///etc/shadow\"}",
		"is not an http:// URL"},
	    {"{\"arch\":\"x86_64\",\"rootfs_url\":\"http://a/b\\nc\"}",
		"rootfs_url: must not hold a line break"},
	    {"{\"arch\":\"x86_64\",\"rootfs_url\":7}", "rootfs_url: must be a text"},
	    {"{" MINIMAL ",\"format\":2}", "format: is not 1"},
	    {"{" MINIMAL ",\"hostname\":\"a b\"}", "hostname: \"a b\" is not a host name"},
	    {"{" MINIMAL ",\"hostname\":\"a\\nb\"}", "hostname: must not hold a line break"},
	    {"{" MINIMAL ",\"hostname\":\"-a\"}", "hostname: \"-a\" is not"},
	    {"{" MINIMAL ",\"kernel_version\":\"../../etc\"}",
		"kernel_version: \"../../etc\" is not"},
	    {"{" MINIMAL ",\"kernel_args\":\"a\\nmenuentry\"}",
		"kernel_args: must not hold a line break"},
	    {"{" MINIMAL ",\"kernel_args\":\"$(reboot)\"}", "is not kernel arguments"},
	    {"{" MINIMAL ",\"kernel_args\":\"a}\"}", "is not kernel arguments"},
	    {"{" MINIMAL ",\"after_install\":\"explode\"}",
		"after_install: \"explode\" is not known"},
	    {"{" MINIMAL ",\"reboot_on_success\":\"yes\"}", "reboot_on_success: must be true"},
	    {"{" MINIMAL ",\"rootfs\":[]}", "rootfs: must be an object"},
	    {"{" MINIMAL ",\"rootfs\":{}}", "rootfs.size_bytes: is missing"},
	    {"{" MINIMAL ",\"rootfs\":{\"format\":\"zip\"}}",
		"rootfs.format: \"zip\" is not known: write \"tar.zst\""},
	    {"{" MINIMAL ",\"storage\":[]}", "storage: must be"},
	    {"{" MINIMAL ",\"storage\":{\"swap\":\"much\"}}", "storage.swap: \"much\" is not"},
	    {"{" MINIMAL ",\"storage\":{\"partitions\":[{\"mount\":\"/etc\"}]}}",
		"storage.partitions[0].mount: "},
	    {"{" MINIMAL ",\"disks\":[{\"match\":{\"serial\":1}}]}", "disks[0].match.serial: must"},
	    {"{" MINIMAL ",\"disks\":[{\"match\":{}}]}", "disks[0].match: says nothing"},
	    {"{" MINIMAL ",\"hooks\":[]}", "hooks: is not an object"},
	    {"{" MINIMAL ",\"hooks\":{\"post_install\":\"x\"}}", "with a list"},
	    {"{" MINIMAL ",\"hooks\":{\"post_install\":[\"x\",7]}}",
		"hooks.post_install[1]: is no script"},
	    {"{" MINIMAL
	     ",\"hooks\":{\"post_install\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\","
	     "\"9\",\"10\",\"11\",\"12\",\"13\",\"14\",\"15\",\"16\",\"17\"]}}",
		"more than 16"},
	    {"{" MINIMAL ",\"disks\":{}}", "disks: is not"},
	    {"{" MINIMAL ",\"disks\":[{\"size\":\"huge\"}]}", "disks[0].size"},
	    {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "deeper than 32"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct err e = ERR_INIT;
		struct config *c = parse(table[i].text, &e);
		if (c || !strstr(e.msg, table[i].says)) {
			print_error("%s\n -> %s, expected \"%s\"\n", table[i].text,
			    c ? "accepted" : e.msg, table[i].says);
			fail();
		}
	}
}

static void test_position(void **state)
{
	static const char text[] = "{\n  \"arch\": \"x86_64\",\n  oops\n}";
	struct config_where where;
	struct config *c = NULL;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(config_parse(text, sizeof(text) - 1, &c, &where, NULL, &e), -EINVAL);
	assert_int_equal(where.line, 3);
	assert_true(where.column > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_full),
	    cmocka_unit_test(test_disk),
	    cmocka_unit_test(test_plain),
	    cmocka_unit_test(test_endings),
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_position),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Unit tests of the image part: the choice of modules, importing tarballs. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/image/image_name.h"
#include "vmlab/image/build.h"
#include "vmlab/image/mmdebstrap.h"
#include "vmlab/image/disk.h"
#include "vmlab/image/import.h"
#include "vmlab/image/list.h"
#include "vmlab/image/manifest.h"
#include "vmlab/image/modules.h"

/* ---- modules
 * -----------------------------------------------------------------------------------*/

static const char dep[] =
    "kernel/fs/ext4/ext4.ko.xz: kernel/lib/crc16.ko.xz kernel/fs/jbd2/jbd2.ko.xz\n"
    "kernel/fs/jbd2/jbd2.ko.xz:\n"
    "kernel/lib/crc16.ko.xz:\n"
    "kernel/fs/btrfs/btrfs.ko.xz:\n"
    "kernel/crypto/xxhash_generic.ko.xz:\n"
    "kernel/crypto/blake2b-generic.ko.xz:\n"
    "kernel/drivers/block/virtio_blk.ko.xz:\n"
    "kernel/drivers/net/virtio_net.ko.xz: kernel/drivers/net/net_failover.ko.xz\n"
    "kernel/drivers/net/net_failover.ko.xz: kernel/net/core/failover.ko.xz\n"
    "kernel/net/core/failover.ko.xz:\n"
    "kernel/fs/nls/nls_iso8859-1.ko.xz:\n"
    "kernel/sound/soundcore.ko.xz:\n";

static struct image_modules *choose(struct image_module_index *index)
{
	struct image_modules *m = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(image_modules_choose(index, &m, &e), 0);
	return m;
}

static bool chosen(const struct image_modules *m, const char *path)
{
	for (size_t i = 0; i < image_modules_count(m); i++)
		if (!strcmp(image_modules_path(m, i), path))
			return true;
	return false;
}

static void test_modules_closure(void **state)
{
	struct image_module_index index = {.dep = dep,
	    .alias = "# Aliases\nalias crypto-blake2b-256 blake2b_generic\n"
		     "alias virtio:d00000002v* virtio_blk\nalias snd-* soundcore\n",
	    .softdep = "softdep btrfs pre: blake2b-256 xxhash_generic\n"
		       "softdep btrfs pre: crypto-blake2b-256\nsoftdep soundcore pre: x\n",
	    .builtin = "kernel/fs/efivarfs/efivarfs.ko\n"};
	_cleanup_image_modules_ struct image_modules *m = choose(&index);
	_cleanup_free_ char *deps = image_modules_dep(m);
	_cleanup_free_ char *aliases = image_modules_filter(m, index.alias);
	_cleanup_free_ char *soft = image_modules_filter(m, index.softdep);

	(void)state;
	assert_true(chosen(m, "kernel/fs/ext4/ext4.ko.xz"));
	assert_true(chosen(m, "kernel/fs/jbd2/jbd2.ko.xz"));
	assert_true(chosen(m, "kernel/net/core/failover.ko.xz")); /* two steps away */
	assert_true(chosen(m, "kernel/crypto/xxhash_generic.ko.xz"));
	assert_true(chosen(m, "kernel/crypto/blake2b-generic.ko.xz")); /* through an alias */
	assert_true(chosen(m, "kernel/fs/nls/nls_iso8859-1.ko.xz"));   /* '-' is '_' */
	assert_false(chosen(m, "kernel/sound/soundcore.ko.xz"));
	assert_non_null(
	    strstr(deps, "kernel/fs/ext4/ext4.ko: kernel/lib/crc16.ko kernel/fs/jbd2/jbd2.ko\n"));
	assert_null(strstr(deps, ".xz"));
	assert_null(strstr(deps, "sound"));
	assert_string_equal(aliases, "alias crypto-blake2b-256 blake2b_generic\n"
				     "alias virtio:d00000002v* virtio_blk\n");
	assert_null(strstr(soft, "soundcore"));
	assert_true(image_modules_provides(m, &index, "ext4"));
	assert_true(image_modules_provides(m, &index, "efivarfs"));
	assert_false(image_modules_provides(m, &index, "vfat"));
}

static void test_modules_bad(void **state)
{
	static const char *const texts[] = {
	    "no colon here\n", ":\n", "../../../etc/passwd.ko:\n", "/lib/evil.ko:\n"};
	struct image_modules *m = NULL;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct image_module_index index = {.dep = texts[i]};
		assert_int_equal(image_modules_choose(&index, &m, &e), -EINVAL);
		assert_non_null(strstr(e.msg, "depmod"));
	}
	struct image_module_index none = {0};
	assert_int_equal(image_modules_choose(&none, &m, &e), -EINVAL);
	assert_true(image_modules_is_module("a/b.ko"));
	assert_true(image_modules_is_module("a/b.ko.zst"));
	assert_false(image_modules_is_module("a/modules.dep"));
	assert_false(image_modules_is_module(".ko"));
}

/* ---- tarballs
 * ----------------------------------------------------------------------------------*/

struct entry {
	const char *path;
	const char *data; /* NULL: a directory */
	const char *link; /* symbolic link */
	size_t len;       /* 0: data is text */
};

#define DIRECTORY(path) {path, NULL, NULL, 0}
#define TEXT(path, data) {path, data, NULL, 0}
#define LINK(path, target) {path, NULL, target, 0}

#define V "6.12.1-test"
#define MODULE_DEP                                                                                 \
	"kernel/fs/ext4/ext4.ko.gz: kernel/lib/crc16.ko\n"                                         \
	"kernel/lib/crc16.ko:\n"

/* "ext4 code\n", gzipped. */
static const char ext4_gz[] =
    "\037\213\010\000\000\000\000\000\002\377\113\255\050\061\121\110\316\117\111\345"
    "\002\000\132\042\363\346\012\000\000\000";

static char *folder;

static int setup(void **state)
{
	(void)state;
	folder = strdup("/tmp/test_image.XXXXXX");
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	_cleanup_free_ char *command = NULL;

	(void)state;
	if (asprintf(&command, "rm -rf '%s'", folder) < 0)
		return -1;
	int rc = system(command);
	free(folder);
	return rc;
}

static char *path_of(const char *name)
{
	char *path;

	assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
	return path;
}

/* Writes a tarball; `filter` is one of libarchive's names or NULL. Returns its path. */
static char *tarball(
    const char *name, const char *filter, const struct entry *entries, size_t count)
{
	char *path = path_of(name);
	struct archive *a = archive_write_new();

	archive_write_set_format_pax_restricted(a);
	if (filter)
		assert_int_equal(archive_write_add_filter_by_name(a, filter), ARCHIVE_OK);
	assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
	for (size_t i = 0; i < count; i++) {
		struct archive_entry *e = archive_entry_new();
		size_t len = entries[i].len    ? entries[i].len
			     : entries[i].data ? strlen(entries[i].data)
					       : 0;

		archive_entry_set_pathname(e, entries[i].path);
		archive_entry_set_perm(e, 0755);
		archive_entry_set_filetype(e, entries[i].link   ? AE_IFLNK
					      : entries[i].data ? AE_IFREG
								: AE_IFDIR);
		if (entries[i].link)
			archive_entry_set_symlink(e, entries[i].link);
		archive_entry_set_size(e, (int64_t)len);
		assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
		if (len)
			assert_int_equal(archive_write_data(a, entries[i].data, len), len);
		archive_entry_free(e);
	}
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
	return path;
}

static char big[300000];

/* Before the modules lies enough to make the file longer than any reader's first gulp. */
static const struct entry debian[] = {
    DIRECTORY("./"),
    LINK("./lib", "usr/lib"),
    TEXT("./usr/lib/os-release", "NAME=x\nPRETTY_NAME=\"Test\033 OS\374 1\"\n"),
    TEXT("./usr/bin/cloud-init", "#!/bin/sh\n"),
    TEXT("./usr/sbin/sshd", "x"),
    TEXT("./usr/sbin/grub-install", "x"),
    TEXT("./usr/lib/grub/x86_64-efi/moddep.lst", "x"),
    TEXT("./usr/lib/modules/" V "/kernel/lib/crc16.ko", "crc16 code"),
    {"./usr/lib/modules/" V "/kernel/fs/ext4/ext4.ko.gz", ext4_gz, NULL, sizeof(ext4_gz) - 1},
    TEXT("./usr/lib/modules/" V "/kernel/sound/snd.ko", "never"),
    TEXT("./usr/share/big", big),
    TEXT("./usr/lib/modules/" V "/modules.dep", MODULE_DEP),
    TEXT("./usr/lib/modules/" V "/modules.alias", "alias fs-ext4 ext4\n"),
    TEXT("./boot/vmlinuz-6.9.0-old", "old kernel"),
    TEXT("./boot/vmlinuz-" V, "the kernel"),
    TEXT("./boot/initrd.img-" V, "initramfs"),
    LINK("./vmlinuz", "boot/vmlinuz-" V),
};
#define DEBIAN_COUNT (sizeof(debian) / sizeof(*debian))

/* Text that does not compress away. */
static void big_init(void)
{
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(big) - 1; i++) {
		x = x * 1664525 + 1013904223;
		big[i] = (char)(33 + (x >> 24) % 90);
	}
}

static int import_fd(int fd, const char *name, struct err *e)
{
	_cleanup_free_ char *images = path_of("images");
	struct image_progress progress;
	struct image_import in = {.images_dir = images,
	    .name = name,
	    .arch = VM_ARCH_AMD64,
	    .fd = fd,
	    .progress = &progress};

	image_progress_init(&progress);
	return image_import(&in, e);
}

static int import(const char *path, const char *name, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	return import_fd(fd, name, e);
}

/* As it is written; and all is in it that the stack and the installer want of one. */
static json_t *manifest(const char *name)
{
	_cleanup_image_manifest_ struct image_manifest m = {0};
	_cleanup_free_ char *relative = NULL, *path = NULL, *text = NULL;
	struct image_where where;
	struct err e = ERR_INIT;
	size_t len;

	assert_true(asprintf(&relative, "images/%s/amd64/" IMAGE_MANIFEST_FILE, name) > 0);
	path = path_of(relative);
	if (file_read(path, IMAGE_MANIFEST_MAX_BYTES, &text, &len, &e) ||
	    image_manifest_parse(text, len, name, VM_ARCH_AMD64, true, &m, &where, &e))
		fail_msg("%s", e.msg);
	return json_incref(m.doc);
}

static const char *member(const json_t *doc, const char *object, const char *key)
{
	if (object)
		doc = json_object_get(doc, object);
	return json_string_value(json_object_get(doc, key));
}

/* The modules archive, decompressed and as one string of "path\n" with contents in between. */
static char *modules_text(const char *name)
{
	_cleanup_free_ char *relative = NULL, *path = NULL, *text = NULL;
	struct archive *a = archive_read_new();
	struct archive_entry *e;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_true(asprintf(&relative, "images/%s/amd64/modules.cpio.zst", name) > 0);
	path = path_of(relative);
	archive_read_support_filter_zstd(a);
	archive_read_support_format_cpio(a);
	assert_int_equal(archive_read_open_filename(a, path, 65536), ARCHIVE_OK);
	while (archive_read_next_header(a, &e) == ARCHIVE_OK) {
		char data[4096];
		la_ssize_t n = archive_read_data(a, data, sizeof(data));

		fprintf(f, "<%s>%.*s\n", archive_entry_pathname(e), n > 0 ? (int)n : 0, data);
	}
	archive_read_free(a);
	fclose(f);
	return steal_ptr(text);
}

static void check_import(const char *filter, const char *suffix, bool kept)
{
	_cleanup_free_ char *name = NULL, *path = NULL, *stored = NULL, *text = NULL;
	struct err e = ERR_INIT;
	struct stat st;
	json_t *doc;

	assert_true(asprintf(&name, "os-%s", filter ? filter : "plain") > 0);
	path = tarball("rootfs", filter, debian, DEBIAN_COUNT);
	assert_int_equal(import(path, name, &e), 0);
	doc = manifest(name);
	assert_string_equal(member(doc, NULL, "kernel_version"), V);
	assert_string_equal(member(doc, NULL, "os_name"), "Test? OS? 1");
	assert_string_equal(member(doc, "rootfs", "format"), suffix);
	assert_int_equal(
	    json_integer_value(json_object_get(json_object_get(doc, "rootfs"), "entries")),
	    DEBIAN_COUNT);
	assert_int_equal(json_array_size(json_object_get(doc, "provides")), 5);

	/* What was compressed already is kept byte by byte. */
	free(stored);
	assert_true(asprintf(&stored, "%s/images/%s/amd64/rootfs.%s", folder, name, suffix) > 0);
	assert_int_equal(stat(stored, &st), 0);
	assert_int_equal(st.st_size,
	    json_integer_value(json_object_get(json_object_get(doc, "rootfs"), "size_bytes")));
	if (kept) {
		_cleanup_free_ char *command = NULL;
		assert_true(asprintf(&command, "cmp '%s' '%s'", path, stored) > 0);
		assert_int_equal(system(command), 0);
	}
	text = modules_text(name);
	assert_non_null(strstr(text, "<lib/modules/" V "/kernel/fs/ext4/ext4.ko>ext4 code\n"));
	assert_non_null(strstr(text, "<lib/modules/" V "/kernel/lib/crc16.ko>crc16 code\n"));
	assert_non_null(strstr(text, "<lib/modules/" V "/modules.alias>alias fs-ext4 ext4\n"));
	assert_null(strstr(text, "snd"));
	json_decref(doc);
}

static void test_import_formats(void **state)
{
	(void)state;
	check_import(NULL, "tar.zst", false);
	check_import("bzip2", "tar.zst", false);
	check_import("zstd", "tar.zst", true);
	check_import("gzip", "tar.gz", true);
	check_import("xz", "tar.xz", true);
}

/* Nothing but what was there before may be left: no image, no temporary directory. */
static void assert_no_image(const char *name)
{
	_cleanup_free_ char *relative = NULL, *path = NULL;

	assert_true(asprintf(&relative, "images/%s", name) > 0);
	path = path_of(relative);
	assert_int_equal(access(path, F_OK), -1);
}

static char said[4000];

static void keep(enum log_level level, const char *line)
{
	if (level <= LOG_LEVEL_WARN)
		snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s\n", line);
}

/* Alpine's names: the flavour alone, modules as .ko.gz. */
static void test_import_alpine(void **state)
{
	static const struct entry alpine[] = {DIRECTORY("etc"), TEXT("sbin/mkinitfs", "x"),
	    TEXT("usr/sbin/grub-install", "x"), TEXT("usr/lib/grub/x86_64-efi/modinfo.sh", "x"),
	    TEXT("boot/vmlinuz-virt", "the kernel"), TEXT("boot/initramfs-virt", "initramfs"),
	    {"lib/modules/6.6.31-0-virt/kernel/fs/ext4/ext4.ko.gz", ext4_gz, NULL,
		sizeof(ext4_gz) - 1},
	    TEXT("lib/modules/6.6.31-0-virt/modules.dep", "kernel/fs/ext4/ext4.ko.gz:\n")};
	static const struct entry bare[] = {TEXT("lib/modules/6.6.31-0-virt/vmlinuz", "the kernel"),
	    {"lib/modules/6.6.31-0-virt/kernel/fs/ext4/ext4.ko.gz", ext4_gz, NULL,
		sizeof(ext4_gz) - 1},
	    TEXT("lib/modules/6.6.31-0-virt/modules.dep", "kernel/fs/ext4/ext4.ko.gz:\n")};
	_cleanup_free_ char *good =
	    tarball("alpine", "gzip", alpine, sizeof(alpine) / sizeof(*alpine));
	_cleanup_free_ char *bad = tarball("bare", "gzip", bare, sizeof(bare) / sizeof(*bare));
	struct err e = ERR_INIT;

	(void)state;
	said[0] = '\0';
	log_set_sink(keep);
	assert_int_equal(import(good, "alpine", &e), 0);
	assert_null(strstr(said, "will fail"));
	assert_null(strstr(said, "not boot"));
	assert_int_equal(import(bad, "bare", &e), 0);
	log_set_sink(NULL);
	assert_non_null(strstr(said, "no /boot/vmlinuz-<version>"));
	assert_non_null(strstr(said, "no program to make one"));
	assert_non_null(strstr(said, "no grub-install"));
	json_t *doc = manifest("alpine");
	assert_string_equal(
	    json_string_value(json_object_get(doc, "kernel_version")), "6.6.31-0-virt");
	json_decref(doc);
}

static void check_refused(
    const char *name, const struct entry *entries, size_t count, const char *sentence)
{
	_cleanup_free_ char *path = tarball("refused", "gzip", entries, count);
	struct err e = ERR_INIT;

	assert_true(import(path, name, &e) < 0);
	if (!strstr(e.msg, sentence))
		fail_msg("\"%s\" does not say \"%s\"", e.msg, sentence);
	assert_no_image(name);
}

static void test_import_incomplete_rootfs(void **state)
{
	static const struct entry no_kernel[] = {DIRECTORY("etc"), TEXT("etc/x", "1")};
	static const struct entry no_modules[] = {TEXT("boot/vmlinuz-" V, "kernel")};
	static const struct entry no_dep[] = {
	    TEXT("boot/vmlinuz-" V, "kernel"), TEXT("lib/modules/" V "/kernel/lib/crc16.ko", "x")};
	static const struct entry lost_module[] = {TEXT("boot/vmlinuz-" V, "kernel"),
	    TEXT("lib/modules/" V "/modules.dep", "kernel/fs/ext4/ext4.ko:\n")};
	/* The start of an ELF header: 64 bit, little endian, e_machine 183 (AArch64). */
	static const char elf[64] = "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0\267\0";
	static const struct entry arm[] = {
	    {"usr/bin/sh", elf, NULL, sizeof(elf)}, TEXT("boot/vmlinuz-" V, "kernel")};

	(void)state;
	check_refused("a", no_kernel, 2, "holds no kernel");
	check_refused("b", no_modules, 1, "no modules");
	check_refused("c", no_dep, 2, "run depmod");
	check_refused("e", arm, 2, "arm64 programs, not amd64");
	check_refused("d", lost_module, 2, "ext4.ko, which the rootfs does not hold");
}

/* Cut at any place, each format must be refused, and leave nothing. */
static void test_import_cut(void **state)
{
	static const char *const filters[] = {NULL, "zstd", "gzip", "xz"};

	(void)state;
	for (size_t f = 0; f < sizeof(filters) / sizeof(*filters); f++) {
		_cleanup_free_ char *path = tarball("cut", filters[f], debian, DEBIAN_COUNT);
		struct stat st;

		assert_int_equal(stat(path, &st), 0);
		/* Plain tar: also right before the end mark, where libarchive sees a good end. */
		off_t cuts[] = {0, 3, 100, 5120, st.st_size / 2, st.st_size * 9 / 10,
		    filters[f] ? st.st_size - 1 : st.st_size / 10240 * 10240 - 10240};
		for (size_t i = sizeof(cuts) / sizeof(*cuts); i-- > 0;) {
			struct err e = ERR_INIT;

			assert_int_equal(truncate(path, cuts[i]), 0);
			if (import(path, "cut", &e) == 0)
				fail_msg("%s cut at %ld was taken", filters[f] ? filters[f] : "tar",
				    (long)cuts[i]);
			assert_no_image("cut");
		}
	}
}

/* ---- whole disks ---- */

#define DISK_BYTES (8 << 20)

/* A raw disk with an MBR and something in it; `command` makes the file to import of it ("%s" twice:
 * from, to) or is NULL. */
static char *disk_make(const char *suffix, const char *command)
{
	_cleanup_free_ char *name = NULL, *raw = path_of("disk.raw"), *line = NULL;
	char block[512] = "boot code";
	FILE *f = fopen(raw, "w");

	assert_non_null(f);
	block[510] = 0x55;
	block[511] = (char)0xaa;
	assert_int_equal(fwrite(block, 1, sizeof(block), f), sizeof(block));
	fseek(f, 5 << 20, SEEK_SET);
	assert_int_equal(fwrite(block, 1, sizeof(block), f), sizeof(block));
	fclose(f);
	assert_int_equal(truncate(raw, DISK_BYTES), 0);
	if (!command)
		return steal_ptr(raw);
	assert_true(asprintf(&name, "disk.%s", suffix) > 0);
	char *out = path_of(name);
	assert_true(asprintf(&line, "%s <'%s' >'%s'", command, raw, out) > 0);
	if (system(line) != 0) {
		free(out);
		return NULL;
	}
	return out;
}

static int disk_import(const char *path, const char *name, const char *kernel_from, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *images = path_of("images");
	struct image_progress progress;
	struct image_disk d = {.in = {.images_dir = images,
				   .name = name,
				   .arch = VM_ARCH_AMD64,
				   .fd = fd,
				   .progress = &progress},
	    .path = path,
	    .kernel_from = kernel_from};

	image_progress_init(&progress);
	assert_true(fd >= 0);
	assert_int_equal(image_kind_look(fd, &d.kind, e), 0);
	assert_int_not_equal(d.kind, IMAGE_KIND_TARBALL);
	return image_disk_import(&d, e);
}

static void test_import_disk(void **state)
{
	static const struct {
		const char *suffix, *command, *format;
	} cases[] = {
	    {"raw", NULL, "raw.zst"},
	    {"gz", "gzip -c", "raw.gz"},
	    {"xz", "xz -c", "raw.xz"},
	    {"zst", "zstd -q -c", "raw.zst"},
	};
	_cleanup_free_ char *rootfs = tarball("for-disks", "gzip", debian, DEBIAN_COUNT);
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(import(rootfs, "kernel-source", &e), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_free_ char *path = disk_make(cases[i].suffix, cases[i].command);
		_cleanup_free_ char *stored = NULL, *command = NULL;
		if (!path) {
			printf("%s is not installed\n", cases[i].command);
			continue;
		}
		assert_int_equal(disk_import(path, "whole", i % 2 ? "kernel-source" : NULL, &e), 0);
		json_t *doc = manifest("whole"), *disk = json_object_get(doc, "rootfs");
		assert_string_equal(member(doc, "rootfs", "format"), cases[i].format);
		assert_int_equal(
		    json_integer_value(json_object_get(disk, "unpacked_bytes")), DISK_BYTES);
		assert_int_equal(json_integer_value(json_object_get(disk, "entries")), 0);
		assert_true(json_array_size(json_object_get(disk, "chunks")) > 0);
		assert_string_equal(member(doc, NULL, "kernel_version"), V);
		assert_non_null(member(doc, NULL, "kernel_from"));
		assert_true(asprintf(&stored, "%s/images/whole/amd64/disk.%s", folder,
				cases[i].format) > 0);
		assert_string_equal(strrchr(stored, '/') + 1, member(doc, "rootfs", "file"));
		if (cases[i].command) { /* kept byte by byte */
			assert_true(asprintf(&command, "cmp '%s' '%s'", path, stored) > 0);
			assert_int_equal(system(command), 0);
		}
		json_decref(doc);
	}
}

static void manifest_put(const char *name, const char *version, const char *created)
{
	_cleanup_free_ char *command = NULL;

	assert_true(
	    asprintf(&command,
		"mkdir -p '%s/images/%s/amd64' && cd '%s/images/%s/amd64' && echo k >vmlinuz && "
		"echo m >modules.cpio.zst && printf '{\"format\":1,\"kernel_version\":\"%%s\","
		"\"created\":\"%%s\",\"kernel\":{\"sha256\":\"%%s\"},"
		"\"modules\":{\"sha256\":\"%%s\"}}' %s %s $(sha256sum <vmlinuz | cut -c-64) "
		"$(sha256sum <modules.cpio.zst | cut -c-64) >manifest.json",
		folder, name, folder, name, version, created) > 0);
	assert_int_equal(system(command), 0);
}

/* When an image was made says nothing of how new its kernel is. */
static void test_newest_kernel(void **state)
{
	_cleanup_free_ char *raw = disk_make("raw", NULL);
	struct err e = ERR_INIT;

	(void)state;
	manifest_put("twelve", "6.1.0-40-cloud-amd64", "2026-03-01T00:00:00Z");
	manifest_put("nine", "6.9.1-amd64", "2026-02-01T00:00:00Z");
	manifest_put("thirteen", "6.12.48-cloud-amd64", "2025-01-01T00:00:00Z");
	manifest_put("again", "6.12.48-cloud-amd64", "2025-01-02T00:00:00Z");
	if (disk_import(raw, "newest", NULL, &e) != 0)
		fail_msg("%s", e.msg);
	json_t *doc = manifest("newest");
	assert_string_equal(member(doc, NULL, "kernel_from"), "again");
	assert_string_equal(member(doc, NULL, "kernel_version"), "6.12.48-cloud-amd64");
	json_decref(doc);
}

static void test_umask_does_not_matter(void **state)
{
	static const char *const files[] = {"", "/amd64", "/amd64/manifest.json", "/amd64/vmlinuz",
	    "/amd64/modules.cpio.zst", "/amd64/rootfs.tar.gz"};
	_cleanup_free_ char *path = tarball("masked", "gzip", debian, DEBIAN_COUNT);
	struct err e = ERR_INIT;
	mode_t before = umask(077);

	(void)state;
	int r = import(path, "masked", &e);
	umask(before);
	if (r < 0)
		fail_msg("%s", e.msg);
	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		_cleanup_free_ char *file = NULL;
		struct stat st;
		assert_true(asprintf(&file, "%s/images/masked%s", folder, files[i]) > 0);
		assert_int_equal(stat(file, &st), 0);
		assert_int_equal(st.st_mode & 0777, S_ISDIR(st.st_mode) ? 0755 : 0644);
	}
}

/* `tar -cf x.tar rootfs` instead of `tar -C rootfs -cf x.tar .`. */
static void test_import_one_folder_too_high(void **state)
{
	static const char *const tops[] = {"rootfs", "./my-root", "squashfs-root"};
	struct err e = ERR_INIT;

	(void)state;
	for (size_t t = 0; t < sizeof(tops) / sizeof(*tops); t++) {
		struct entry moved[DEBIAN_COUNT];
		char paths[DEBIAN_COUNT][200];
		for (size_t i = 0; i < DEBIAN_COUNT; i++) {
			const char *path = debian[i].path;
			while (!strncmp(path, "./", 2))
				path += 2;
			moved[i] = debian[i];
			snprintf(paths[i], sizeof(paths[i]), "%s/%s", tops[t], path);
			moved[i].path = paths[i];
		}
		_cleanup_free_ char *path = tarball("high.tar", NULL, moved, DEBIAN_COUNT);
		assert_int_equal(import(path, "refused", &e), -EINVAL);
		if (!strstr(e.msg, "lies in one folder") || !strstr(e.msg, "tar -C "))
			fail_msg("%s", e.msg);
		assert_no_image("refused");
	}
}

static void test_import_disk_refused(void **state)
{
	_cleanup_free_ char *raw = disk_make("raw", NULL),
			    *odd = disk_make("odd", "head -c 4200000");
	_cleanup_free_ char *partial = path_of("part.qcow2");
	_cleanup_free_ char *rootfs = tarball("for-disks", "gzip", debian, DEBIAN_COUNT);
	struct err e = ERR_INIT;
	char header[104] = "QFI\xfb\0\0\0\3\0\0\0\0\0\0\0\x70";

	(void)state;
	assert_int_equal(disk_import(raw, "refused", NULL, &e), -ENOENT);
	assert_non_null(strstr(e.msg, "vmlab image build debian-13"));
	assert_int_equal(import(rootfs, "kernel-source", &e), 0);
	assert_int_equal(disk_import(raw, "refused", "nowhere", &e), -ENOENT);
	assert_non_null(strstr(e.msg, "no image nowhere"));
	assert_no_image("refused");
	assert_int_equal(disk_import(odd, "refused", NULL, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "whole sectors"));
	assert_no_image("refused");

	/* A backing file would be read from this machine. */
	FILE *f = fopen(partial, "w");
	fwrite(header, 1, sizeof(header), f);
	fclose(f);
	assert_int_equal(disk_import(partial, "refused", NULL, &e), -EINVAL);
	assert_non_null(strstr(e.msg, "refers to another file"));
	assert_no_image("refused");
}

static void test_import_damaged_gzip(void **state)
{
	_cleanup_free_ char *path = tarball("bad.gz", "gzip", debian, DEBIAN_COUNT);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
	struct err e = ERR_INIT;
	struct stat st;
	unsigned char byte;

	(void)state;
	assert_int_equal(fstat(fd, &st), 0);
	/* A byte of the checksum: the data itself decodes without complaint. */
	assert_int_equal(pread(fd, &byte, 1, st.st_size - 8), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, st.st_size - 8), 1);
	assert_int_equal(import(path, "bad", &e), -EBADMSG);
	assert_no_image("bad");
}

static void test_import_not_a_tarball(void **state)
{
	_cleanup_free_ char *path = path_of("text");
	struct err e = ERR_INIT;
	FILE *f = fopen(path, "w");

	(void)state;
	for (int i = 0; i < 1000; i++)
		fprintf(f, "this is line %d of a text\n", i);
	fclose(f);
	assert_int_equal(import(path, "text", &e), -EBADMSG);
	assert_non_null(strstr(e.msg, "neither a tarball nor a disk"));
	assert_no_image("text");
}

/* A failure keeps the image that was there; a success replaces it, and rm removes it. */
static void test_import_replaces(void **state)
{
	_cleanup_free_ char *good = tarball("good", "zstd", debian, DEBIAN_COUNT);
	_cleanup_free_ char *images = path_of("images");
	_cleanup_free_ char *hidden = NULL;
	struct err e = ERR_INIT;
	struct stat st;
	json_t *doc;

	(void)state;
	assert_int_equal(import(good, "again", &e), 0);
	assert_int_equal(stat(good, &st), 0);
	assert_int_equal(truncate(good, st.st_size / 2), 0);
	assert_true(import(good, "again", &e) < 0);
	doc = manifest("again");
	assert_string_equal(member(doc, NULL, "kernel_version"), V);
	json_decref(doc);
	free(steal_ptr(good));
	good = tarball("good", NULL, debian, DEBIAN_COUNT);
	assert_int_equal(import(good, "again", &e), 0);
	assert_true(asprintf(&hidden, "test \"$(ls -A '%s/again')\" = amd64", images) > 0);
	assert_int_equal(system(hidden), 0);
	assert_int_equal(image_list_remove(images, "again", NULL, &e), 0);
	assert_no_image("again");
	assert_int_equal(image_list_remove(images, "again", NULL, &e), -ENOENT);
}

static void test_import_cancelled(void **state)
{
	_cleanup_free_ char *path = tarball("long", "zstd", debian, DEBIAN_COUNT);
	_cleanup_free_ char *images = path_of("images");
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct image_progress progress;
	volatile sig_atomic_t cancel = 1;
	struct image_import in = {.images_dir = images,
	    .name = "long",
	    .arch = VM_ARCH_AMD64,
	    .fd = fd,
	    .progress = &progress,
	    .cancel = &cancel};
	struct err e = ERR_INIT;

	(void)state;
	image_progress_init(&progress);
	assert_int_equal(image_import(&in, &e), -EINTR);
	assert_no_image("long");
}

/* ---- build
 * -------------------------------------------------------------------------------------*/

static bool has_item(const struct argv *a, const char *item)
{
	for (size_t i = 0; i < a->count; i++)
		if (strstr(a->items[i], item))
			return true;
	return false;
}

static void test_build_command(void **state)
{
	struct image_build b = {.recipe = image_recipe_find("debian-13"),
	    .arch = VM_ARCH_ARM64,
	    .include = "vim-tiny,htop"};
	_cleanup_argv_ struct argv a = ARGV_INIT, bad = ARGV_INIT;
	struct err e = ERR_INIT;

	(void)state;
	assert_null(image_recipe_find("debian-1"));
	assert_int_equal(image_build_command(&b, false, &a, &e), 0);
	assert_true(has_item(&a, "--mode=unshare"));
	assert_true(has_item(&a, "--architectures=arm64"));
	assert_true(has_item(&a, "linux-image-cloud-arm64,vim-tiny,htop"));
	assert_false(has_item(&a, "grub-pc-bin"));
	assert_string_equal(a.items[a.count - 2], "trixie");
	b.include = "vim $(reboot)";
	assert_int_equal(image_build_command(&b, false, &bad, &e), -EINVAL);
	b.include = "vim,-oX";
	assert_int_equal(image_build_command(&b, false, &bad, &e), -EINVAL);
	assert_string_equal(
	    mmdebstrap_stage("I: downloading packages with apt..."), "downloading packages");
	assert_null(mmdebstrap_stage("Setting up sudo"));
}

static void test_names(void **state)
{
	(void)state;
	assert_true(image_name_valid("debian-13"));
	assert_true(image_name_valid("rocky_9.4"));
	assert_false(image_name_valid(""));
	assert_false(image_name_valid("../x"));
	assert_false(image_name_valid(".hidden"));
	assert_false(image_name_valid("Debian"));
	assert_false(image_name_valid("a/b"));
	assert_false(image_name_valid("a\nb"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_modules_closure),
	    cmocka_unit_test(test_modules_bad),
	    cmocka_unit_test_setup_teardown(test_import_formats, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_import_alpine, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_import_incomplete_rootfs, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_import_cut, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_import_disk, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_newest_kernel, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_import_disk_refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_import_one_folder_too_high, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_umask_does_not_matter, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_import_damaged_gzip, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_import_not_a_tarball, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_import_replaces, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_import_cancelled, setup, teardown),
	    cmocka_unit_test(test_build_command),
	    cmocka_unit_test(test_names),
	};

	big_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}

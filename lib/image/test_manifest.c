/* What is read in a manifest, what is refused and in which words; and that what is written is read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/words.h"
#include "lib/image/manifest.h"

#define ZEROS "00000000000000000000000000000000"
#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define STORED(file, size) "\"file\":\"" file "\",\"size_bytes\":" size ",\"sha256\":\"" SHA "\""
#define START                                                                                      \
	"{\"format\":1,\"distro\":\"debian-13\",\"arch\":\"amd64\",\"kernel_version\":\"6.12~rc1\","
#define KERNEL "\"kernel\":{" STORED("vmlinuz", "5") "},"
#define MODULES "\"modules\":{" STORED("modules.cpio.zst", "6") "}"
#define ROOTFS(more) "\"rootfs\":{" STORED("rootfs.tar.gz", "70000") "," more "},"
#define UNPACKED "\"format\":\"tar.gz\",\"unpacked_bytes\":9,\"entries\":3,"
#define CHUNKS "\"chunk_bytes\":65536,\"chunks\":[\"" SHA "\",\"" SHA "\"]"
#define ALL START ROOTFS(UNPACKED CHUNKS) KERNEL MODULES

static int parse(const char *text, bool whole, struct image_manifest *m, struct image_where *where,
    struct err *e)
{
	return image_manifest_parse(
	    text, strlen(text), "debian-13", VM_ARCH_AMD64, whole, m, where, e);
}

static void formats(void **state)
{
	int disks = 0;

	(void)state;
	for (size_t i = 0; image_format_word(i); i++) {
		const char *word = image_format_word(i), *file = image_format_file(word);
		disks += image_format_is_disk(word);
		assert_string_equal(strchr(file, '.') + 1, word);
		assert_int_equal(strncmp(file, "disk.", 5) == 0, image_format_is_disk(word));
	}
	assert_int_equal(disks, 3);
	assert_int_equal(word_index(image_format_word, "raw"), -1);
	assert_null(image_format_file("raw"));
	assert_false(image_format_is_disk(NULL));
}

static void everything(void **state)
{
	_cleanup_image_manifest_ struct image_manifest m;
	struct image_where where;
	struct err e = ERR_INIT;

	(void)state;
	if (parse(ALL
		",\"os_name\":\"\\u001b\",\"provides\":[\"sshd\",\"cloud-init\"],"
		"\"network_renderers\":[],\"adopted\":{\"size_bytes\":7},\"later\":{\"x\":1}}",
		true, &m, &where, &e) < 0)
		fail_msg("%s", e.msg);
	assert_string_equal(m.kernel_version, "6.12~rc1");
	assert_string_equal(m.os_name, "\x1b");
	assert_null(m.created);
	assert_string_equal(m.rootfs.file, "rootfs.tar.gz");
	assert_string_equal(m.rootfs.format, "tar.gz");
	assert_int_equal(m.rootfs.size_bytes, 70000);
	assert_int_equal(m.rootfs.unpacked_bytes, 9);
	assert_int_equal(m.rootfs.entries, 3);
	assert_int_equal(m.rootfs.chunk_count, 2);
	assert_int_equal(image_chunk_length(&m.rootfs, 0), 65536);
	assert_int_equal(image_chunk_length(&m.rootfs, 1), 70000 - 65536);
	assert_true(digest_equal(&m.rootfs.sha256, &m.rootfs.chunks[1]));
	assert_int_equal(m.kernel.size_bytes, 5);
	assert_int_equal(m.modules.size_bytes, 6);
	assert_true(image_provides(&m, "sshd") && image_provides(&m, "cloud-init"));
	assert_false(image_provides(&m, "cloud"));
	assert_non_null(m.network_renderers);
	assert_int_equal(json_integer_value(json_object_get(m.adopted, "size_bytes")), 7);
	image_manifest_clear(&m);
	assert_false(image_provides(&m, "sshd"));
}

/* Older manifests and other tools' say less: what is not said is nothing. */
static void in_part(void **state)
{
	_cleanup_image_manifest_ struct image_manifest m;
	struct image_where where;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(parse("{}", false, &m, &where, &e), 0);
	assert_null(m.kernel_version);
	assert_null(m.provides);
	image_manifest_clear(&m);
	assert_int_equal(
	    parse("{\"rootfs\":{\"unpacked_bytes\":7,\"chunks\":[]},\"kernel\":{\"size_bytes\":1}}",
		false, &m, &where, &e),
	    0);
	assert_string_equal(m.rootfs.format, "tar.zst");
	assert_int_equal(m.rootfs.unpacked_bytes, 7);
	assert_int_equal(m.kernel.size_bytes, 1);
}

static void refused(void **state)
{
	static const struct {
		bool whole; /* else it is refused however little has to be said */
		const char *text, *says, *at;
	} cases[] = {
	    {false, "", "the file is empty", ""},
	    {false, "{", "", ""},
	    {false, "[]", "must be an object", "[]"},
	    {false, "{\"format\":1,\"format\":1}", "given twice", "\"format\":1}"},
	    {false, "{\"format\":2}", "format: has to be 1", "2}"},
	    {false, "{\"distro\":\"x\"}", "distro: has to be \"debian-13\"", "\"x\"}"},
	    {true, "{\"format\":1,\"distro\":\"debian-13\"}", "arch: is missing", "{"},
	    {true, START "\"x\":1}", "rootfs: is missing", "{"},
	    {false, START "\"kernel_from\":\"../x\"}", "kernel_from: \"../x\" is no name",
		"\"../x\"}"},
	    {false, START "\"rootfs\":{" STORED("../x", "5") "}}",
		"rootfs.file: \"../x\" is no name", "\"../x\""},
	    {false, START "\"rootfs\":{" STORED("a b", "5") "}}", "rootfs.file: \"a b\" is no name",
		"\"a b\""},
	    {true, START "\"rootfs\":{" STORED("", "5") "}}", "rootfs.file: is missing", "\"\","},
	    {true, START ROOTFS(UNPACKED CHUNKS) MODULES "}", "kernel: is missing", "{\"format"},
	    {false, START "\"kernel\":{" STORED("linux", "5") "}}",
		"kernel.file: has to be \"vmlinuz\"", "\"linux\""},
	    {false, START "\"kernel\":{" STORED("vmlinuz", "0") "}}",
		"kernel.size_bytes: 0 is out of range", "0,"},
	    {false, START "\"kernel\":{" STORED("vmlinuz", "\"5\"") "}}",
		"kernel.size_bytes: must be a whole number", "\"5\""},
	    {false, START "\"kernel\":{\"sha256\":\"" SHA "0\"}}",
		"kernel.sha256: is not a SHA-256", "\"" SHA},
	    {false, START "\"kernel\":{\"sha256\":\"" ZEROS ZEROS "\"}}",
		"kernel.sha256: is nothing but zeros", "\"" ZEROS},
	    {false, START "\"kernel\":[]}", "kernel: must be an object", "[]"},
	    {false, START ROOTFS("\"format\":\"qcow2%n\"") KERNEL MODULES "}",
		"rootfs.format: \"qcow2%n\" is not known: write \"tar.zst\"", "\"qcow2"},
	    {false, START ROOTFS("\"unpacked_bytes\":0") KERNEL MODULES "}",
		"rootfs.unpacked_bytes: 0 is out of range", "0}"},
	    {false, START ROOTFS("\"entries\":-1") KERNEL MODULES "}",
		"rootfs.entries: -1 is out of range", "-1}"},
	    {false, START ROOTFS("\"chunk_bytes\":1") KERNEL MODULES "}",
		"rootfs.chunk_bytes: 1 is out of range", "1}"},
	    {true, START ROOTFS(UNPACKED "\"chunk_bytes\":65536") KERNEL MODULES "}",
		"rootfs.chunks: is missing", "{\"file\":\"rootfs"},
	    {false,
		START ROOTFS("\"chunk_bytes\":65536,\"chunks\":[\"" SHA "\"]") KERNEL MODULES "}",
		"rootfs.chunks: has 1 entries where 70000 bytes in slices of 65536 make 2", "[\""},
	    {false, START ROOTFS("\"chunk_bytes\":65536,\"chunks\":{}") KERNEL MODULES "}",
		"rootfs.chunks: must be a list", "{}"},
	    {false,
		START ROOTFS("\"chunk_bytes\":65536,\"chunks\":[\"" SHA "\",\"zz\"]") KERNEL MODULES
		"}",
		"rootfs.chunks[1]: is not a SHA-256 of 64 hexadecimal digits", "\"zz\""},
	    {false,
		"{\"rootfs\":{\"sha256\":\"0123456789ABCDEF0123456789abcdef"
		"0123456789abcdef0123456789abcdef\"}}",
		"rootfs.sha256: is not a SHA-256", "\"0123"},
	    {false, ALL ",\"provides\":[\"sshd\",7]}", "provides[1]: must be a text", "7]"},
	    {false, ALL ",\"network_renderers\":\"eni\"}", "network_renderers: must be a list",
		"\"eni\""},
	    {false, ALL ",\"adopted\":true}", "adopted: must be an object", "true"},
	    {false, ALL ",\"os_name\":7}", "os_name: must be a text", "7}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		_cleanup_image_manifest_ struct image_manifest m, other;
		struct image_where where;
		struct err e = ERR_INIT;
		const char *text = cases[i].text;
		int in_part = parse(text, false, &other, &where, &e);
		image_manifest_clear(&other);
		assert_int_equal(parse(text, true, &m, &where, &e), -EINVAL);
		assert_int_equal(in_part, cases[i].whole ? 0 : -EINVAL);
		image_manifest_clear(&m);
		assert_true(parse(text, cases[i].whole, &m, &where, &e) < 0);
		if (!strstr(e.msg, cases[i].says))
			fail_msg("%s: \"%s\" does not say \"%s\"", text, e.msg, cases[i].says);
		assert_int_equal(where.line, 1);
		if (strncmp(text + where.column - 1, cases[i].at, strlen(cases[i].at)) != 0)
			fail_msg("%s: column %d", text, where.column);
	}
}

static void other_architecture(void **state)
{
	_cleanup_image_manifest_ struct image_manifest m;
	struct image_where where;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(image_manifest_parse("{\n \"arch\": \"amd64\"}", 19, "debian-13",
			     VM_ARCH_ARM64, false, &m, &where, &e),
	    -EINVAL);
	assert_string_equal(e.msg, "arch: has to be \"arm64\"");
	assert_int_equal(where.line, 2);
	assert_int_equal(where.column, 10);
}

/* ---- what is written is read ------------------------------------------------------------------*/

static unsigned draw(unsigned below)
{
	static uint32_t random = 1;

	random = random * 1664525 + 1013904223;
	return (random >> 8) % below;
}

static void draw_digest(struct digest *d)
{
	for (size_t i = 0; i < DIGEST_BYTES; i++)
		d->byte[i] = (uint8_t)(1 + draw(255));
}

static void draw_contents(struct image_contents *c, const char *file, bool whole)
{
	if (whole || draw(2))
		c->file = file;
	if (whole || draw(2))
		c->size_bytes = 1 + draw(5000000);
	if (whole || draw(2))
		draw_digest(&c->sha256);
}

static const char *draw_text(const char *const *texts, unsigned count, bool needed)
{
	unsigned i = draw(count + !needed);

	return i < count ? texts[i] : NULL;
}

#define DRAW(needed, ...)                                                                          \
	draw_text((const char *const[]){__VA_ARGS__},                                              \
	    sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *), needed)

static void draw_rootfs(struct image_contents *c, bool whole)
{
	c->format = image_format_word(draw(7));
	draw_contents(c, image_format_file(c->format), whole);
	if (whole || draw(2))
		c->unpacked_bytes = 1 + draw(1 << 24);
	if (c->unpacked_bytes)
		c->entries = draw(3) * 1000;
	if (whole || draw(2))
		c->chunk_bytes = IMAGE_CHUNK_BYTES_MIN + draw(9000);
	if (!c->size_bytes || !c->chunk_bytes || !(whole || draw(2)))
		return;
	c->chunk_count = (c->size_bytes + c->chunk_bytes - 1) / c->chunk_bytes;
	c->chunks = calloc(c->chunk_count, sizeof(*c->chunks));
	for (size_t i = 0; i < c->chunk_count; i++)
		draw_digest(&c->chunks[i]);
}

static struct image_manifest draw_manifest(bool whole)
{
	struct image_manifest m = {
	    .distro = DRAW(whole, "debian-13"),
	    .arch = DRAW(whole, "amd64"),
	    .created = DRAW(false, "2025-11-20T10:00:00Z", "some day"),
	    .os_name = DRAW(false, "Test OS 1", "\xc3\xa4\n\""),
	    .kernel_from = DRAW(false, "debian-12"),
	    .kernel_version = DRAW(whole, "6.12.41+deb13-amd64", "5.14.0-427.el9.x86_64"),
	    .doc = json_pack("{s:[s,s], s:[], s:{s:I}}", "provides", "sshd", "initramfs",
		"network_renderers", "adopted", "size_bytes", (json_int_t)draw(9)),
	};

	m.provides = draw(2) ? json_object_get(m.doc, "provides") : NULL;
	m.network_renderers = draw(2) ? json_object_get(m.doc, "network_renderers") : NULL;
	m.adopted = draw(2) ? json_object_get(m.doc, "adopted") : NULL;
	draw_rootfs(&m.rootfs, whole);
	draw_contents(&m.kernel, IMAGE_KERNEL_FILE, whole);
	draw_contents(&m.modules, IMAGE_MODULES_FILE, whole);
	return m;
}

static void expect_text(const char *a, const char *b)
{
	assert_string_equal(a ? a : "(none)", b ? b : "(none)");
}

static void expect_contents(const struct image_contents *a, const struct image_contents *b)
{
	expect_text(a->file, b->file);
	expect_text(a->format, b->format);
	assert_int_equal(a->size_bytes, b->size_bytes);
	assert_true(digest_equal(&a->sha256, &b->sha256));
	assert_int_equal(a->unpacked_bytes, b->unpacked_bytes);
	assert_int_equal(a->entries, b->entries);
	assert_int_equal(a->chunk_bytes, b->chunk_bytes);
	assert_int_equal(a->chunk_count, b->chunk_count);
	for (size_t i = 0; i < a->chunk_count; i++)
		assert_true(digest_equal(&a->chunks[i], &b->chunks[i]));
}

static void expect_same(const struct image_manifest *a, const struct image_manifest *b)
{
	expect_text(a->distro, b->distro);
	expect_text(a->arch, b->arch);
	expect_text(a->created, b->created);
	expect_text(a->os_name, b->os_name);
	expect_text(a->kernel_from, b->kernel_from);
	expect_text(a->kernel_version, b->kernel_version);
	expect_contents(&a->rootfs, &b->rootfs);
	expect_contents(&a->kernel, &b->kernel);
	expect_contents(&a->modules, &b->modules);
	assert_true(a->provides == b->provides || json_equal(a->provides, b->provides));
	assert_true(a->network_renderers == b->network_renderers ||
		    json_equal(a->network_renderers, b->network_renderers));
	assert_true(a->adopted == b->adopted || json_equal(a->adopted, b->adopted));
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	for (int i = 0; i < 3000; i++) {
		_cleanup_image_manifest_ struct image_manifest first = draw_manifest(i % 2), second;
		json_t *doc = image_manifest_json(&first);
		_cleanup_free_ char *text = json_dumps(doc, JSON_INDENT(2));
		struct image_where where;
		struct err e = ERR_INIT;
		if (parse(text, i % 2, &second, &where, &e) < 0)
			fail_msg("%d:%d: %s in %s", where.line, where.column, e.msg, text);
		/* Where a rootfs is spoken of it has a format. */
		if (!json_object_get(doc, "rootfs"))
			second.rootfs.format = first.rootfs.format;
		expect_same(&first, &second);
		json_t *again = image_manifest_json(&second);
		assert_true(json_equal(doc, again));
		json_decref(again);
		json_decref(doc);
	}
}

/* ---- of the kind "boot" ------------------------------------------------------------------ */

#define BOOT_START                                                                                 \
	"{\"format\":1,\"kind\":\"boot\",\"distro\":\"debian-13\",\"arch\":\"amd64\",\"boot\":{"
#define FILE_OF(key, name) "\"" key "\":{" STORED(name, "5") "}"

static void boot_images(void **state)
{
	static const char text[] = BOOT_START FILE_OF("kernel", "vmlinuz") ",\"initrds\":[{" STORED(
	    "initrd-1", "6") "},{" STORED("initrd-2",
	    "7") "}],\"args\":\"a=b\",\"unattended_args\":\"url={unattended_url}\"}}";
	_cleanup_image_manifest_ struct image_manifest m;
	const struct image_contents *files[IMAGE_BOOT_FILES_MAX];
	struct image_misuse misuse;
	struct image_where where;
	struct err e = ERR_INIT;

	(void)state;
	if (parse(text, true, &m, &where, &e) < 0)
		fail_msg("%d:%d: %s", where.line, where.column, e.msg);
	assert_true(m.boots && image_boot_unattended(&m.boot));
	assert_string_equal(image_boot_form(&m.boot), "kernel");
	assert_int_equal(image_boot_files(&m.boot, files), 3);
	assert_string_equal(files[2]->file, "initrd-2");
	assert_int_equal(files[2]->size_bytes, 7);
	assert_true(image_suits(&m, IMAGE_BOOTED, &misuse));
	assert_true(image_suits(&m, IMAGE_UNATTENDED, &misuse));
	assert_false(image_suits(&m, IMAGE_INSTALLED, &misuse));
	assert_non_null(strstr(misuse.advice, "\"image\": \"debian-13\""));
	m.boot.unattended_args = NULL;
	assert_false(image_suits(&m, IMAGE_UNATTENDED, &misuse));

	json_t *doc = image_manifest_json(&m), *read = json_loads(text, 0, NULL);
	json_object_del(json_object_get(read, "boot"), "unattended_args");
	assert_true(json_equal(doc, read));
	json_decref(doc);
	json_decref(read);
}

/* What a board's firmware loads is of no use to another. */
static void firmware(void **state)
{
	static const char text[] = BOOT_START FILE_OF("kernel", "vmlinuz") ",\"initrds\":[{" STORED(
	    "modules.cpio.zst", "6") "}],\"firmware\":[{" STORED("start4.elf",
	    "7") "},{" STORED("config.txt", "8") "}]}}";
	_cleanup_image_manifest_ struct image_manifest m;
	const struct image_contents *files[IMAGE_BOOT_FILES_MAX];
	struct image_misuse misuse;
	struct image_where where;
	struct err e = ERR_INIT;

	(void)state;
	if (parse(text, true, &m, &where, &e) < 0)
		fail_msg("%d:%d: %s", where.line, where.column, e.msg);
	assert_string_equal(image_boot_form(&m.boot), "firmware");
	assert_int_equal(image_boot_files(&m.boot, files), 4);
	assert_string_equal(files[3]->file, "config.txt");
	assert_true(image_suits(&m, IMAGE_FIRMWARE, &misuse));
	assert_false(image_suits(&m, IMAGE_BOOTED, &misuse));
	assert_non_null(strstr(misuse.advice, "\"mode\": \"shell\""));
	assert_false(image_suits(&m, IMAGE_INSTALLED, &misuse));
	json_t *doc = image_manifest_json(&m), *read = json_loads(text, 0, NULL);
	assert_true(json_equal(doc, read));
	json_decref(doc);
	json_decref(read);
	m.boot.firmwares = 0;
	assert_false(image_suits(&m, IMAGE_FIRMWARE, &misuse));
}

static void boot_images_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
	    {"}}", "has none of kernel, script, efi and iso"},
	    {FILE_OF("script", "a.ipxe") "," FILE_OF("iso", "b.iso") "}}", "more than one of"},
	    {FILE_OF("kernel", "k") "," FILE_OF("iso", "b.iso") "}}", "more than one of"},
	    {FILE_OF("efi", "k") ",\"initrds\":[{" STORED("i", "6") "}]}}", "no kernel"},
	    {FILE_OF("kernel", "k") "," FILE_OF("unattended_script", "u") "}}", "no script"},
	    {FILE_OF("iso", "k") ",\"args\":\"a\"}}", "which nothing takes"},
	    {FILE_OF("kernel", "../k") "}}", "boot.kernel.file"},
	    {FILE_OF("kernel", "k") ",\"args\":\"${x}\"}}", "boot.args"},
	    {FILE_OF("kernel", "k") ",\"args\":\"a={who}\"}}", "no placeholder"},
	    {FILE_OF("kernel", "k") ",\"args\":\"a || b\"}}", "the word ||"},
	    {FILE_OF("kernel", "k") ",\"initrds\":{}}}", "boot.initrds"},
	    {"\"kernel\":{\"file\":\"k\"}}}", "boot.kernel.size_bytes"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		_cleanup_image_manifest_ struct image_manifest m;
		_cleanup_free_ char *text = NULL;
		struct image_where where;
		struct err e = ERR_INIT;

		assert_true(asprintf(&text, "%s%s", BOOT_START, bad[i].text) > 0);
		assert_true(parse(text, true, &m, &where, &e) < 0);
		if (!strstr(e.msg, bad[i].says))
			fail_msg("%s\ninstead of %s", e.msg, bad[i].says);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(formats),
	    cmocka_unit_test(everything),
	    cmocka_unit_test(in_part),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(other_architecture),
	    cmocka_unit_test(what_is_written_is_read),
	    cmocka_unit_test(boot_images),
	    cmocka_unit_test(firmware),
	    cmocka_unit_test(boot_images_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/image/studio.h"

/* As NetbootStudio's tools write it. */
#define META(arch, unattended, file)                                                               \
	"created: \"2021-10-26_15:38:14\"\nimage_type: \"debian-liveimage\"\n"                     \
	"description: \"auto-built using debian-liveimage\"\nrelease: \"bullseye\"\n"              \
	"stage2_filename: \"stage2.ipxe\"\nsupports_unattended: " unattended                       \
	"\nstage2_unattended_filename: \"" file "\"\narch: \"" arch "\"\n"

static void what_it_says(void **state)
{
	struct err e = ERR_INIT;
	struct studio s;

	(void)state;
	assert_int_equal(studio_parse(META("arm64", "\"false\"", "none"), &s, &e), 0);
	assert_string_equal(s.script, "stage2.ipxe");
	assert_string_equal(s.unattended, "");
	assert_int_equal(s.arch, VM_ARCH_ARM64);
	assert_string_equal(s.description, "auto-built using debian-liveimage");
	/* Its tools write both the word and YAML's own truth. */
	assert_int_equal(studio_parse(META("none", "\"true\"", "auto.ipxe"), &s, &e), 0);
	assert_string_equal(s.unattended, "auto.ipxe");
	assert_int_equal(s.arch, VM_ARCH_NOT_SAID);
	assert_int_equal(studio_parse(META("x86_64", "True # so it is", "auto.ipxe"), &s, &e), 0);
	assert_string_equal(s.unattended, "auto.ipxe");
	assert_int_equal(s.arch, VM_ARCH_AMD64);
	assert_int_equal(studio_parse("stage2_filename: a.ipxe\r\narch: riscv64\r\n", &s, &e), 0);
	assert_string_equal(s.script, "a.ipxe");
	assert_int_equal(s.arch, VM_ARCH_OTHER);
}

/* What Python's yaml makes of texts that are not plain ASCII, or long. */
static void what_is_only_shown_refuses_nothing(void **state)
{
	static const char *const texts[] = {
	    "description: \"Gr\\xF6\\xDFe\"\n",
	    "description: 'it''s long and\n  goes on'\n",
	    "description: |\n  two\n  lines\n",
	    "created: \"2021-10-26_15:38:14 and something that is no time any more\"\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct err e = ERR_INIT;
		char text[300];
		struct studio s;
		snprintf(text, sizeof(text), "\xef\xbb\xbfstage2_filename: a.ipxe\n%s", texts[i]);
		if (studio_parse(text, &s, &e) < 0)
			fail_msg("%s: %s", text, e.msg);
		assert_string_equal(s.script, "a.ipxe");
		assert_string_equal(s.created, "");
	}
}

static void refused(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
	    {"", "not a list of keys"},
	    {"- a\n- b\n", "not a list of keys"},
	    {"arch: amd64\n", "has no \"stage2_filename\""},
	    {"stage2_filename: ../x\n", "no name of a file"},
	    {"stage2_filename: \"a b\"\n", "no name of a file"},
	    {"stage2_filename: \"a\\n\"\n", "no text in quotes"},
	    {"stage2_filename: \"a\n", "not a list"},
	    {"stage2_filename: |\n  a\n", "no plain text"},
	    {"stage2_filename: a\nsupports_unattended: true\n",
		"has no \"stage2_unattended_filename\""},
	    {"stage2_filename: a\narch: abcdefghijklmnopqrst\n", "is longer than"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct err e = ERR_INIT;
		struct studio s;
		if (studio_parse(bad[i].text, &s, &e) == 0)
			fail_msg("taken: %s", bad[i].text);
		if (i != 6 && !strstr(e.msg, bad[i].says))
			fail_msg("%s\ninstead of %s", e.msg, bad[i].says);
	}
}

static void the_folder(void **state)
{
	char dir[] = "/tmp/test_studio.XXXXXX", command[400];
	_cleanup_image_manifest_ struct image_manifest m = {0};
	struct err e = ERR_INIT;
	struct stat st;

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(studio_load(dir, "live", VM_ARCH_AMD64, &m, &st, &e), -ENOENT);
	snprintf(command, sizeof(command),
	    "mkdir %s/live && cd %s/live && printf '#!ipxe\n' >stage2.ipxe && cat >metadata.yaml",
	    dir, dir);
	FILE *f = popen(command, "w");
	fputs(META("amd64", "\"true\"", "auto.ipxe"), f);
	assert_int_equal(pclose(f), 0);
	assert_int_equal(studio_load(dir, "live", VM_ARCH_ARM64, &m, &st, &e), -ENOENT);
	if (studio_load(dir, "live", VM_ARCH_AMD64, &m, &st, &e) < 0)
		fail_msg("%s", e.msg);
	assert_true(m.boots && image_boot_unattended(&m.boot));
	assert_string_equal(m.created, "2021-10-26T15:38:14Z");
	assert_int_equal(m.boot.script.size_bytes, 7);
	assert_int_equal(m.boot.unattended_script.size_bytes, 0); /* it is not there */
	snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_it_says),
	    cmocka_unit_test(what_is_only_shown_refuses_nothing),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(the_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

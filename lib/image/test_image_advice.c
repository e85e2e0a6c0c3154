/* What is said of an image that is not there: only commands that can work. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/image/image_advice.h"
#include "lib/base/near.h"

static void test_near(void **state)
{
	static const char *const words[] = {"debian-13", "debian-12", NULL, "alpine", "memory"};
	static const struct {
		const char *text, *near;
	} cases[] = {{"debain-13", "debian-13"}, {"Debian-12", "debian-12"},
	    {"debian12", "debian-12"}, {"alpin", "alpine"}, {"mem", "memory"}, {"alp", "alpine"},
	    {"al", NULL}, {"ubuntu", NULL}, {"", NULL},
	    {"a-name-that-is-far-too-long-for-anything-a-name-that-is-far-too-long", NULL}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *near = near_word(cases[i].text, words, 5);
		if (!near != !cases[i].near || (near && strcmp(near, cases[i].near) != 0))
			fail_msg("%s: %s", cases[i].text, near ? near : "nothing");
	}
}

static void test_advice(void **state)
{
	static const char *const present[] = {"mydistro", "rocky-9"};
	static const struct {
		const char *distro;
		enum vm_arch arch;
		const char *elsewhere;
		bool broken;
		const char *wanted;
	} cases[] = {
	    {"debian-13", VM_ARCH_ARM64, NULL, false,
		"build it with: vmlab image build debian-13 --arch arm64"},
	    {"debian-12", VM_ARCH_AMD64, "arm64", false,
		"build it with: vmlab image build debian-12 --arch amd64"},
	    {"debian-13", VM_ARCH_AMD64, NULL, true,
		"build it again with: vmlab image build debian-13 --arch amd64"},
	    {"debain-13", VM_ARCH_AMD64, NULL, false,
		"did you mean debian-13? Then correct distro in the definition, and build that one "
		"with: vmlab image build debian-13 --arch amd64"},
	    {"trixie", VM_ARCH_AMD64, NULL, false,
		"did you mean debian-13? Then correct distro in the definition, and build that one "
		"with: vmlab image build debian-13 --arch amd64"},
	    {"rocky9", VM_ARCH_AMD64, NULL, false,
		"did you mean rocky-9? Then correct distro in the definition"},
	    {"ubuntu", VM_ARCH_ARM64, "amd64", false,
		"it is there for amd64 only: import it for arm64, too, or correct arch in the "
		"definition"},
	    {"mydistro", VM_ARCH_AMD64, NULL, true,
		"import it again with: vmlab image import mydistro --arch amd64 FILE"},
	    {"ubuntu", VM_ARCH_AMD64, NULL, false,
		"there are mydistro, rocky-9; import it with: vmlab image import ubuntu --arch amd64 "
		"FILE"},
	};
	char buf[IMAGE_ADVICE_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		assert_string_equal(image_advice(cases[i].distro, cases[i].arch, present, 2,
					cases[i].elsewhere, cases[i].broken, buf),
		    cases[i].wanted);
}

/* A build is never advised of what has no recipe, whatever is there. */
static void test_no_command_that_fails(void **state)
{
	static const char *const names[] = {"debian-13", "debian-12", "debian-11", "debain-13",
	    "trixie", "x", "ubuntu-24.04", "debian",
	    "a0123456789012345678901234567890123456789012345678901234"};
	char buf[IMAGE_ADVICE_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		for (int bits = 0; bits < 8; bits++) {
			image_advice(names[i], bits & 1 ? VM_ARCH_ARM64 : VM_ARCH_AMD64, names + 2,
			    bits & 2 ? 1 : 0, bits & 4 ? "another" : NULL, false, buf);
			const char *build = strstr(buf, "vmlab image build ");
			if (!build)
				continue;
			char name[80];
			snprintf(
			    name, sizeof(name), "%.*s", (int)strcspn(build + 18, " "), build + 18);
			if (!image_recipe_find(name))
				fail_msg("%s: %s", names[i], buf);
		}
	for (size_t i = 0; i < image_recipe_count; i++)
		assert_non_null(strstr(image_recipe_names(), image_recipes[i].name));
}

static void test_folder(void **state)
{
	char folder[] = "/tmp/test_image_advice.XXXXXX", command[400], buf[IMAGE_ADVICE_SIZE];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(command, sizeof(command),
	    "cd %s && mkdir -p debian-13/amd64 own/arm64 half/amd64 && touch "
	    "debian-13/amd64/manifest.json own/arm64/manifest.json",
	    folder);
	assert_int_equal(system(command), 0);
	assert_string_equal(image_advice_for(folder, "debain-13", VM_ARCH_AMD64, false, buf),
	    "did you mean debian-13? Then correct distro in the definition");
	assert_non_null(strstr(image_advice_for(folder, "debain-13", VM_ARCH_ARM64, false, buf),
	    "build debian-13 --arch arm64"));
	assert_non_null(
	    strstr(image_advice_for(folder, "own", VM_ARCH_AMD64, false, buf), "for arm64 only"));
	assert_non_null(strstr(
	    image_advice_for(folder, "hulf", VM_ARCH_AMD64, false, buf), "there are debian-13; "));
	assert_non_null(
	    strstr(image_advice_for("/nowhere", "x", VM_ARCH_AMD64, false, buf), "import x"));
	snprintf(command, sizeof(command), "rm -r %s", folder);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_near),
	    cmocka_unit_test(test_advice),
	    cmocka_unit_test(test_no_command_that_fails),
	    cmocka_unit_test(test_folder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

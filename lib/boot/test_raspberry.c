/* Which machine is a Raspberry Pi, what it is told, and that its files agree with each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/boot/raspberry.h"
#include "lib/definition/test_vm_from.h"

#define PI(more) "{\"name\":\"pi1\",\"mac\":\"dc:a6:32:00:00:11\"," more "}"

static void folders(void **state)
{
	static const struct {
		const char *text, *folder; /* NULL: it is none */
		bool served, local;
	} cases[] = {
	    {PI("\"arch\":\"arm64\",\"serial\":\"a1b2c3d4\",\"mode\":\"shell\""), "a1b2c3d4", true,
		false},
	    {PI("\"arch\":\"aarch64\",\"serial\":\"A1B2C3D4\",\"mode\":\"local\""), "a1b2c3d4",
		false, true},
	    {PI("\"arch\":\"arm64\",\"serial\":\"10000000A1b2C3d4\",\"mode\":\"off\""), "a1b2c3d4",
		false, false},
	    {PI("\"arch\":\"arm64\",\"serial\":\"a1b2c3d4\""), "a1b2c3d4", false, false},
	    {PI("\"arch\":\"arm64\",\"serial\":\"a1b2c3d4\",\"pxeboot\":false"), "a1b2c3d4", false,
		true},
	    {PI("\"arch\":\"amd64\",\"serial\":\"a1b2c3d4\",\"mode\":\"shell\""), NULL, false,
		false},
	    {PI("\"arch\":\"arm64\",\"mode\":\"shell\""), NULL, false, false},
	    {PI("\"arch\":\"arm64\",\"serial\":\"../../etc\",\"mode\":\"shell\""), NULL, false,
		false},
	    {PI("\"arch\":\"arm64\",\"serial\":\"..a1b2c3\",\"mode\":\"shell\""), NULL, false,
		false},
	    {PI("\"arch\":\"arm64\",\"serial\":\"a1b2c3d\",\"mode\":\"local\""), NULL, false,
		false},
	    {PI("\"arch\":\"arm64\",\"serial\":\"a1b2c3d4e\",\"mode\":\"local\""), NULL, false,
		false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char folder[RASPBERRY_FOLDER_SIZE] = "";
		struct vm *vm = vm_from(cases[i].text);
		bool is = raspberry_folder(vm, folder);
		if (is != (cases[i].folder != NULL) ||
		    (is && strcmp(folder, cases[i].folder) != 0) ||
		    raspberry_served(vm) != cases[i].served ||
		    raspberry_stays_local(vm) != cases[i].local)
			fail_msg("%s: folder \"%s\", served %d, local %d", cases[i].text, folder,
			    raspberry_served(vm), raspberry_stays_local(vm));
		if (is)
			assert_true(raspberry_is_folder(folder));
		vm_free(vm);
	}
	assert_false(raspberry_is_folder("A1B2C3D4"));
	assert_false(raspberry_is_folder("initrds"));
	assert_false(raspberry_is_folder("a1b2c3d4e"));
	assert_false(raspberry_is_folder("../../.."));
}

static void words(void **state)
{
	const struct boot_urls urls = {.base = "http://192.168.100.1", .initrds = "/initrds"};
	struct vm *vm = vm_from(PI("\"arch\":\"arm64\",\"serial\":\"a1b2c3d4\",\"mode\":\"shell\","
				   "\"kernel_args\":\"console=ttyAMA10,115200\""));
	struct boot_plan room;

	(void)state;
	assert_string_equal(raspberry_words(vm, &urls, &room),
	    "ip=dhcp BOOTIF=01-dc-a6-32-00-00-11 console=tty0 console=ttyS1,115200"
	    " config_url=http://192.168.100.1/config/dc:a6:32:00:00:11 initrd.mode=shell"
	    " panic=30 quiet console=ttyAMA10,115200");
	vm_free(vm);
}

/* A name that is taken twice, or that config.txt does not have, is a file that nobody finds. */
static void files_agree(void **state)
{
	const struct raspberry_file *a, *b;
	size_t count = 0;

	(void)state;
	for (size_t i = 0; (a = raspberry_file_at(i)); i++, count++)
		for (size_t k = 0; k < i; k++) {
			b = raspberry_file_at(k);
			assert_string_not_equal(a->name, b->name);
		}
	assert_string_equal(raspberry_file_at(0)->name, "start4.elf");
	assert_true(count < IMAGE_FIRMWARE_MAX); /* config.txt is among them */
	assert_non_null(strstr(raspberry_config, "\nkernel=vmlinuz\n"));
	assert_non_null(
	    strstr(raspberry_config, "\ninitramfs initrd.zst,modules.cpio.zst followkernel\n"));
	/* The firmware cuts a longer line. */
	for (const char *line = raspberry_config; *line; line += strcspn(line, "\n") + 1)
		assert_true(strcspn(line, "\n") <= 98);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(folders),
	    cmocka_unit_test(words),
	    cmocka_unit_test(files_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

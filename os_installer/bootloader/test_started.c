/* test_started.c - the words of a kernel in boot loaders' configurations. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "os_installer/bootloader/grub_cfg.h"
#include "os_installer/bootloader/started.h"

#define KERNEL "vmlinuz-6.12.1-amd64"

/* As update-grub writes it. */
static const char debian[] =
    "if [ -s $prefix/grubenv ]; then\n"
    "  load_env\n"
    "fi\n"
    "menuentry 'Debian' --class debian {\n"
    "\tload_video\n"
    "\tinsmod gzio\n"
    "\techo\t'Loading Linux 6.12.9-amd64 ...'\n"
    "\tlinux\t/boot/vmlinuz-6.12.9-amd64 root=UUID=ab-cd ro  console=ttyS0,115200 quiet\n"
    "\tinitrd\t/boot/initrd.img-6.12.9-amd64\n"
    "}\n"
    "submenu 'Advanced' {\n"
    "\tmenuentry 'x' {\n"
    "\t\tlinux /boot/" KERNEL " root=UUID=ab-cd ro single # as it was\n"
    "\t}\n"
    "}\n";

static void of_a_grub_cfg(void **state)
{
	static const struct {
		const char *cfg, *kernel, *words;
	} cases[] = {
	    {debian, KERNEL, "root=UUID=ab-cd ro single"},
	    {debian, "vmlinuz-6.12.9-amd64", "root=UUID=ab-cd ro console=ttyS0,115200 quiet"},
	    {debian, "vmlinuz-other", "root=UUID=ab-cd ro console=ttyS0,115200 quiet"},
	    {"linux ($root)/" KERNEL " root=$x a='b c' d=\"e $f\" 'g $h' i\\ j $tuned ro", KERNEL,
		"a=b c g $h i j ro"},
	    {"linuxefi /" KERNEL "\n", KERNEL, ""},
	    {"  linux16 /" KERNEL " x", KERNEL, "x"},
	    {"set linux=/" KERNEL " x", KERNEL, NULL},
	    {"linux\n", KERNEL, NULL},
	    {"linux '/unclosed " KERNEL " x\nlinux /" KERNEL " y", KERNEL, "y"},
	    {"", KERNEL, NULL},
	    {"\\", KERNEL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *words = started_of_grub(cases[i].cfg, cases[i].kernel);
		if (!words != !cases[i].words || (words && strcmp(words, cases[i].words) != 0))
			fail_msg("%zu: %s", i, words ? words : "none");
		free(words);
	}
}

/* What the installer writes is read back. */
static void of_our_own(void **state)
{
	const struct grub_cfg c = {.title = "it's",
	    .boot_uuid = "11-22",
	    .kernel = "/boot/" KERNEL,
	    .initramfs = "/boot/i",
	    .cmdline = "root=UUID=11-22 ro quiet a=$(id) b='c' d;e"};
	struct err e = ERR_INIT;
	char *cfg;

	(void)state;
	assert_int_equal(grub_cfg_render(&c, &cfg, &e), 0);
	char *words = started_of_grub(cfg, KERNEL);
	assert_non_null(words);
	assert_string_equal(words, c.cmdline);
	free(words);
	free(cfg);
}

static void of_an_entry(void **state)
{
	static const char entry[] = "title Fedora\n"
				    "version 6\n"
				    "linux /" KERNEL "\n"
				    "initrd /initramfs.img $tuned_initrd\n"
				    "options root=UUID=ab ro rhgb $tuned_params\n";

	(void)state;
	char *words = started_of_entry(entry, KERNEL);
	assert_non_null(words);
	assert_string_equal(words, "root=UUID=ab ro rhgb");
	free(words);
	assert_null(started_of_entry(entry, "vmlinuz-other"));
	assert_null(started_of_entry("linux /" KERNEL "\n", KERNEL));
	assert_null(started_of_entry("options x\n", KERNEL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(of_a_grub_cfg),
	    cmocka_unit_test(of_our_own),
	    cmocka_unit_test(of_an_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

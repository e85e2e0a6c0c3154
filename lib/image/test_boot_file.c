#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/image/boot_args.h"
#include "lib/image/boot_file.h"
#include "lib/image/boot_image.h"

static uint8_t head[BOOT_FILE_HEAD_BYTES];

static void put(size_t at, const char *bytes, size_t n)
{
	memcpy(head + at, bytes, n);
}

static void make_pe(uint8_t subsystem, const char *machine)
{
	memset(head, 0, sizeof(head));
	put(0, "MZ", 2);
	head[0x3c] = 0x80;
	put(0x80, "PE\0\0", 4);
	put(0x84, machine, 2);
	head[0x80 + 24 + 68] = subsystem;
}

/* What is said of the first `len` bytes; NULL: it is one. */
static const char *said(enum boot_file kind, enum vm_arch arch, size_t len)
{
	static struct err e;

	e = (struct err)ERR_INIT;
	/* In memory of exactly that size: a byte more is found by the sanitizer. */
	uint8_t *copy = malloc(len ? len : 1);
	memcpy(copy, head, len);
	int r = boot_file_check(kind, arch, copy, len, &e);
	free(copy);
	assert_int_equal(r < 0, e.msg[0] != '\0');
	return r < 0 ? e.msg : NULL;
}

static void expect_said(enum boot_file kind, enum vm_arch arch, size_t len, const char *part)
{
	const char *got = said(kind, arch, len);

	if (!got || !strstr(got, part))
		fail_msg("%s\ninstead of %s", got ? got : "nothing", part);
}

static void kernels(void **state)
{
	(void)state;
	memset(head, 0, sizeof(head));
	put(0x1fe, "\x55\xaa", 2);
	put(0x202, "HdrS", 4);
	assert_null(said(BOOT_FILE_KERNEL, VM_ARCH_AMD64, sizeof(head)));
	expect_said(BOOT_FILE_KERNEL, VM_ARCH_ARM64, sizeof(head), "--arch amd64");
	expect_said(BOOT_FILE_KERNEL, VM_ARCH_AMD64, 0x205, "no kernel");
	expect_said(BOOT_FILE_EFI, VM_ARCH_AMD64, sizeof(head), "no program for UEFI");
	memset(head, 0, sizeof(head));
	put(0x38, "ARM\x64", 4);
	assert_null(said(BOOT_FILE_KERNEL, VM_ARCH_ARM64, 64));
	expect_said(BOOT_FILE_KERNEL, VM_ARCH_AMD64, 64, "is a kernel for arm64");
	make_pe(10, "\x64\xaa");
	assert_null(said(BOOT_FILE_KERNEL, VM_ARCH_ARM64, sizeof(head)));
	expect_said(BOOT_FILE_KERNEL, VM_ARCH_AMD64, sizeof(head), "is for arm64");
	make_pe(10, "\x4c\x01");
	put(0x1fe, "\x55\xaa", 2);
	put(0x202, "HdrS", 4);
	expect_said(BOOT_FILE_KERNEL, VM_ARCH_AMD64, sizeof(head), "PE machine 0x014c");
	put(0, "\x1f\x8b", 2);
	put(0x202, "none", 4);
	expect_said(BOOT_FILE_KERNEL, VM_ARCH_ARM64, sizeof(head), "is compressed");
	expect_said(BOOT_FILE_KERNEL, VM_ARCH_AMD64, 0, "is empty");
}

static void programs(void **state)
{
	(void)state;
	make_pe(10, "\x64\x86");
	assert_null(said(BOOT_FILE_EFI, VM_ARCH_AMD64, sizeof(head)));
	expect_said(BOOT_FILE_EFI, VM_ARCH_ARM64, sizeof(head), "add it with --arch amd64");
	make_pe(10, "\x4c\x01");
	expect_said(BOOT_FILE_EFI, VM_ARCH_AMD64, sizeof(head), "PE machine 0x014c");
	make_pe(3, "\x64\x86"); /* a program of Windows' console */
	expect_said(BOOT_FILE_EFI, VM_ARCH_AMD64, sizeof(head), "no program for UEFI");
	make_pe(10, "\x64\x86");
	memset(head + 0x3c, 0xff, 4);
	expect_said(BOOT_FILE_EFI, VM_ARCH_AMD64, sizeof(head), "no program for UEFI");
}

static void others(void **state)
{
	(void)state;
	memset(head, 0, sizeof(head));
	put(32769, "CD001", 5);
	assert_null(said(BOOT_FILE_ISO, VM_ARCH_AMD64, sizeof(head)));
	expect_said(BOOT_FILE_ISO, VM_ARCH_AMD64, 32770, "no ISO image");
	put(0, "#!ipxe", 6);
	assert_null(said(BOOT_FILE_SCRIPT, VM_ARCH_AMD64, 6));
	assert_null(said(BOOT_FILE_INITRD, VM_ARCH_AMD64, 6));
	put(6, "\r\n", 2);
	assert_null(said(BOOT_FILE_SCRIPT, VM_ARCH_AMD64, 8));
	put(6, "-x", 2);
	expect_said(BOOT_FILE_SCRIPT, VM_ARCH_AMD64, 8, "first line has to be #!ipxe");
	put(0, "\xef\xbb\xbf#!ipxe\n", 10);
	expect_said(BOOT_FILE_SCRIPT, VM_ARCH_AMD64, 10, "first line has to be #!ipxe");
}

/* Any bytes at any length: a verdict, and nothing read beyond them. */
static void noise(void **state)
{
	static const size_t places[] = {0, 0x38, 0x3c, 0x80, 0x84, 0x1fe, 0x202, 32769};

	(void)state;
	srandom(20261126);
	for (int i = 0; i < 4000; i++) {
		make_pe((uint8_t)random(), "\x64\x86");
		for (int k = 0; k < 4; k++)
			head[places[random() % 8] + (size_t)random() % 4] = (uint8_t)random();
		size_t len = (size_t)random() % (i % 2 ? 700 : sizeof(head));
		for (int kind = BOOT_FILE_KERNEL; kind <= BOOT_FILE_ISO; kind++)
			(void)said((enum boot_file)kind, (enum vm_arch)(i % VM_ARCH_COUNT), len);
	}
}

static void args(void **state)
{
	static const char *const good[] = {"", "quiet", "ds=nocloud;s={server}/x&y a|b",
	    "auto=true url={unattended_url} hostname={hostname} --- console=ttyS0,115200"};
	static const struct {
		const char *text, *says;
	} bad[] = {
	    {"a ${b}", "the character $"},
	    {"a='b'", "the character '"},
	    {"a {b}", "\"{b}\", which is no placeholder"},
	    {"a {b", "\"{b\", which is no placeholder"},
	    {"{name", "no placeholder"},
	    {"a ; b", "the word ;"},
	    {"|| b", "the word ||"},
	    {"a #b", "begins with #"},
	    {"a\tb", "control characters"},
	    {"\xc3\xa4", "plain ASCII"},
	    {"x BOOTIF=y", "must not set BOOTIF"},
	    {"initrd=x", "must not set initrd"},
	};
	struct err e = ERR_INIT;
	char text[BOOT_ARGS_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++)
		if (boot_args_check(good[i], &e) < 0)
			fail_msg("%s: %s", good[i], e.msg);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_true(boot_args_check(bad[i].text, &e) < 0);
		if (!strstr(e.msg, bad[i].says))
			fail_msg("%s: %s", bad[i].text, e.msg);
	}
	memset(text, 'a', sizeof(text));
	text[BOOT_ARGS_MAX + 1] = '\0';
	assert_true(boot_args_check(text, &e) < 0);
	text[BOOT_ARGS_MAX] = '\0';
	assert_int_equal(boot_args_check(text, &e), 0);
}

/* What is built is what a manifest's reader takes, and what messages and advice name. */
static void recipes(void **state)
{
	char text[BOOT_RECIPE_TEXT_SIZE], advice[IMAGE_ADVICE_SIZE];
	const struct boot_recipe *r;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; (r = boot_recipe_at(i)); i++) {
		assert_ptr_equal(boot_recipe_find(r->name), r);
		assert_non_null(strstr(boot_recipe_names(), r->name));
		assert_true(r->kernel || r->efi || r->raspberry);
		assert_true(!r->args || boot_args_check(r->args, &e) == 0);
		assert_true(!r->unattended_args || boot_args_check(r->unattended_args, &e) == 0);
		enum vm_arch arch = r->arm64_only ? VM_ARCH_ARM64 : VM_ARCH_AMD64;
		assert_true(boot_recipe_suits(r, arch));
		boot_image_advice(r->name, arch, advice);
		assert_non_null(strstr(advice, "vmlab image build"));
	}
	r = boot_recipe_find("debian-installer-13");
	assert_string_equal(boot_recipe_text(r->kernel, VM_ARCH_ARM64, text),
	    "usr/lib/debian-installer/images/13/arm64/text/debian-installer/arm64/linux");
	assert_null(boot_recipe_find("debian-installer"));
	assert_false(boot_recipe_suits(boot_recipe_find("raspberrypi"), VM_ARCH_AMD64));
	boot_image_advice("memtest86+", VM_ARCH_ARM64, advice);
	assert_non_null(strstr(advice, "vmlab image add memtest86+ --arch arm64"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(kernels),
	    cmocka_unit_test(programs),
	    cmocka_unit_test(others),
	    cmocka_unit_test(noise),
	    cmocka_unit_test(args),
	    cmocka_unit_test(recipes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

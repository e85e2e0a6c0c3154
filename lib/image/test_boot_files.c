#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "lib/image/boot_files.h"

/* All paths, joined by blanks. */
static const char *paths(enum boot_file file, const char *version)
{
	static char all[2000];
	char one[BOOT_FILE_SIZE];

	all[0] = '\0';
	for (unsigned n = 0; boot_file_path(file, n, version, one); n++)
		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s%s", n ? " " : "", one);
	return all;
}

static void names(void **state)
{
	(void)state;
	assert_string_equal(paths(BOOT_FILE_KERNEL, "6.6.31-0-virt"),
	    "/boot/vmlinuz-6.6.31-0-virt /boot/vmlinuz-virt");
	assert_string_equal(paths(BOOT_FILE_KERNEL, "6.1.0-28-cloud-amd64"),
	    "/boot/vmlinuz-6.1.0-28-cloud-amd64 /boot/vmlinuz-cloud-amd64 /boot/vmlinuz-amd64");
	assert_string_equal(paths(BOOT_FILE_KERNEL, "6.12.1+deb13"), "/boot/vmlinuz-6.12.1+deb13");
	assert_string_equal(paths(BOOT_FILE_INITRAMFS, "6.6.31-0-lts"),
	    "/boot/initrd.img-6.6.31-0-lts /boot/initramfs-6.6.31-0-lts.img /boot/initrd-6.6.31-0-lts "
	    "/boot/initramfs-6.6.31-0-lts /boot/initrd.img-lts /boot/initramfs-lts.img "
	    "/boot/initrd-lts /boot/initramfs-lts");
	assert_string_equal(paths(BOOT_FILE_INITRAMFS, "linux"),
	    "/boot/initrd.img-linux /boot/initramfs-linux.img /boot/initrd-linux /boot/initramfs-linux");
}

static void expansion(void **state)
{
	char out[BOOT_FILE_SIZE], longer[2 * BOOT_FILE_SIZE];

	(void)state;
	boot_text_expand("%v|%k|%f|%%|%x|%", "1", "2", "3", out);
	assert_string_equal(out, "1|2|3|%%|%x|%");
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	boot_text_expand("%v%v", longer, "", "", out);
	assert_int_equal(strlen(out), BOOT_FILE_SIZE - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names),
	    cmocka_unit_test(expansion),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

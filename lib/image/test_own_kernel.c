/* test_own_kernel.c - which of a machine's own boot files are missing, where nginx would look. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "lib/image/own_kernel.h"

static char dir[] = "/tmp/test_own_kernel.XXXXXX";

static void put(const char *path, unsigned mode)
{
	char command[300];

	snprintf(command, sizeof(command),
	    "cd %s && mkdir -p $(dirname %s) && echo x > %s && chmod %o %s", dir, path, path, mode,
	    path);
	assert_int_equal(system(command), 0);
}

static void expect(const struct vm *vm, const char *first, const char *second)
{
	struct own_kernel_gap gaps[OWN_KERNEL_FILES];
	const char *const wanted[] = {first, second};
	unsigned count = own_kernel_missing(dir, vm, gaps);

	assert_int_equal(count, !!first + !!second);
	for (unsigned i = 0; i < count; i++) {
		assert_string_equal(gaps[i].what, wanted[i]);
		assert_non_null(gaps[i].field);
		assert_true(gaps[i].advice[0] != '\0');
	}
}

static void test_missing(void **state)
{
	struct vm vm = {.name = (char *)"a",
	    .distro = (char *)"ubuntu",
	    .kernel = (char *)"k",
	    .initrd = (char *)"i"};

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chmod(dir, 0755), 0);
	expect(&vm, "kernel k is not there", "initrd i is not there");
	put("ubuntu/x86_64/k", 0644);
	expect(&vm, "initrd i is not there", NULL);
	put("ubuntu/amd64/i", 0600);
	expect(&vm, "initrd i cannot be read by the stack", NULL);
	put("ubuntu/amd64/i", 0644);
	expect(&vm, NULL, NULL);
	vm.arch = VM_ARCH_ARM64;
	expect(&vm, "kernel k is not there", "initrd i is not there");
	put("ubuntu/aarch64/i/file", 0644);
	put("ubuntu/arm64/k", 0644);
	expect(&vm, "initrd i is not there", NULL);
	char command[300];
	snprintf(command, sizeof(command),
	    "cd %s/ubuntu && mv arm64 real && ln -s real arm64 && mkdir gone && mv aarch64 gone",
	    dir);
	assert_int_equal(system(command), 0);
	expect(&vm, "kernel k is a link or behind one, and links are not followed",
	    "initrd i is a link or behind one, and links are not followed");
	snprintf(command, sizeof(command),
	    "cd %s/ubuntu && rm arm64 && mv real arm64 && ln -s k arm64/i", dir);
	assert_int_equal(system(command), 0);
	expect(&vm, "initrd i is a link or behind one, and links are not followed", NULL);
	vm.pxeboot = true;
	expect(&vm, NULL, NULL);
	vm.pxeboot = false;
	vm.initrd = NULL;
	expect(&vm, NULL, NULL);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_missing)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

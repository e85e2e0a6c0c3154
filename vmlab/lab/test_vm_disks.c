#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "vmlab/lab/start.h"
#include "vmlab/lab/vm_disks.h"

#define GIB ((uint64_t)1 << 30)

static void test_parse(void **state)
{
	struct vm_disks d;

	(void)state;
	assert_int_equal(vm_disks_parse("", &d), 0);
	assert_int_equal(d.bytes[0], 0);
	assert_int_equal(vm_disks_parse("0 8589934592\n2 1073741824\n", &d), 0);
	assert_int_equal(d.bytes[0], 8 * GIB);
	assert_int_equal(d.bytes[1], 0);
	assert_int_equal(d.bytes[2], GIB);
	assert_int_equal(vm_disks_parse("nonsense\n", &d), -EINVAL);
	assert_int_equal(vm_disks_parse("8 1\n", &d), -EINVAL);
	assert_int_equal(vm_disks_parse("0 \n", &d), -EINVAL);
	assert_int_equal(d.bytes[0], 8 * GIB);
}

static void tell(
    const struct vm_disks *d, const struct vm *vm, const char *const wanted[], size_t count)
{
	char *text;
	size_t len, lines = 0;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	vm_disks_tell(f, d, vm);
	assert_int_equal(fclose(f), 0);
	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	for (size_t i = 0; i < count; i++)
		if (!strstr(text, wanted[i]))
			fail_msg("\"%s\" is not in: %s", wanted[i], text);
	assert_int_equal(lines, count);
	free(text);
}

static void test_tell(void **state)
{
	struct vm vm = {.name = (char *)"web1", .disk_count = 2, .disk_bytes = {12 * GIB, GIB}};
	static const char *const grows[] = {
	    "web1: disk 0 grows from 8 GiB to 12 GiB\n", "growpart"};
	static const char *const stays[] = {"web1: disk 0 stays at 20 GiB"};
	static const char *const second[] = {"web1: disk 1 grows from 512 MiB to 1 GiB\n"};
	static const char *const less[] = {"web1: disk 2 (1 GiB)"};

	(void)state;
	tell(&(struct vm_disks){{0}}, &vm, NULL, 0);
	tell(&(struct vm_disks){{12 * GIB, GIB}}, &vm, NULL, 0);
	tell(&(struct vm_disks){{8 * GIB, GIB}}, &vm, grows, 2);
	tell(&(struct vm_disks){{20 * GIB, GIB}}, &vm, stays, 1);
	tell(&(struct vm_disks){{12 * GIB, GIB / 2}}, &vm, second, 1);
	tell(&(struct vm_disks){{12 * GIB, GIB, GIB}}, &vm, less, 1);
	assert_int_equal(vm_disks_after_start(&(struct vm_disks){{8 * GIB}}, &vm, 0), 12 * GIB);
	assert_int_equal(vm_disks_after_start(&(struct vm_disks){{20 * GIB}}, &vm, 0), 20 * GIB);
	assert_int_equal(vm_disks_after_start(&(struct vm_disks){{0}}, &vm, 1), GIB);
}

static void test_mac_holder(void **state)
{
	struct vm vm = {.name = (char *)"new", .mac = {{0x52, 0x54, 0, 0, 0, 1}}};
	struct container items[] = {
	    {.name = "lab-net", .role = "net", .spec = "port=1", .running = true},
	    {.name = "lab-vm-new",
		.role = "vm",
		.vm = "new",
		.running = true,
		.spec = "mac=52:54:00:00:00:01;arch=amd64"},
	    {.name = "lab-vm-other",
		.role = "vm",
		.vm = "other",
		.running = true,
		.spec = "mac=52:54:00:00:00:02;arch=amd64"},
	    {.name = "lab-vm-old",
		.role = "vm",
		.vm = "old",
		.running = true,
		.spec = "mac=52:54:00:00:00:01;arch=amd64"},
	};
	struct container_list list = {.items = items, .count = 4};

	(void)state;
	assert_ptr_equal(start_mac_holder(&list, &vm), &items[3]);
	items[3].running = false;
	assert_null(start_mac_holder(&list, &vm));
}

static void test_several(void **state)
{
	static const char *const vms[] = {"a", "My_VM.1"};
	static const char *const lines[] = {
	    "a 0 8589934592", "My_VM.1 1 1048576", "a 99 1", "b 0 5", "", "a x 3"};
	struct vm_disks d[2] = {{{0}}, {{0}}};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		vm_disks_take_line(lines[i], vms, 2, d);
	assert_int_equal(d[0].bytes[0], UINT64_C(8589934592));
	assert_int_equal(d[0].bytes[1], 0);
	assert_int_equal(d[1].bytes[1], 1048576);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_several),
	    cmocka_unit_test(test_parse),
	    cmocka_unit_test(test_tell),
	    cmocka_unit_test(test_mac_holder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

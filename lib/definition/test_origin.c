#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <string.h>

#include "lib/definition/field.h"
#include "lib/definition/origin.h"
#include "lib/definition/test_vm_from.h"

static void test_values_are_those_in_force(void **state)
{
	struct vm *vm =
	    vm_from("{\"name\":\"a\",\"mac\":\"52:54:00:00:00:01\",\"memory\":\"2048M\",\"cpus\":3,"
		    "\"packages\":[\"htop\"]}");
	json_t *values = vm_values(vm);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(values, "memory")), "2G");
	assert_int_equal(json_integer_value(json_object_get(values, "cpus")), 3);
	assert_int_equal(json_array_size(json_object_get(values, "packages")), 1);
	assert_string_equal(json_string_value(json_object_get(values, "hostname")), "a");
	assert_null(json_object_get(values, "users"));
	json_decref(values);
	vm_free(vm);
}

static void test_what_a_field_reaches(void **state)
{
	(void)state;
	assert_int_equal(vm_field_reach("packages"), VM_REACHES_DISK);
	assert_int_equal(vm_field_reach("distro"), VM_REACHES_DISK);
	assert_int_equal(vm_field_reach("memory"), VM_REACHES_MACHINE);
	assert_int_equal(vm_field_reach("disks"), VM_REACHES_MACHINE);
	assert_int_equal(vm_field_reach("mode"), VM_REACHES_NOTHING);
	assert_int_equal(vm_field_reach("nonsense"), VM_REACHES_NOTHING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values_are_those_in_force),
	    cmocka_unit_test(test_what_a_field_reaches),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

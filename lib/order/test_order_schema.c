/* The schema in the repository is that of the table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/order/order_schema.h"

#define PATH "vms/workflow.schema.json"

static void schema_file(void **state)
{
	json_t *schema = order_schema(), *file;

	(void)state;
	assert_non_null(schema);
	if (getenv("VM_UPDATE")) {
		FILE *f = fopen(PATH, "w");
		assert_non_null(f);
		assert_int_equal(json_dumpf(schema, f, JSON_INDENT(2)), 0);
		fputc('\n', f);
		assert_int_equal(fclose(f), 0);
	}
	file = json_load_file(PATH, 0, NULL);
	bool same = json_equal(file, schema);
	json_decref(file);
	json_decref(schema);
	if (!same)
		fail_msg("%s is out of date: make it again with VM_UPDATE=1 and this test", PATH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(schema_file)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

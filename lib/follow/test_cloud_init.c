/* What is said of a guest's cloud-init. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/follow/cloud_init.h"

static json_t *vm_with(const char *cloud_init)
{
	json_t *o = json_loads(cloud_init, JSON_DECODE_ANY, NULL);

	assert_non_null(o);
	return json_pack("{s:s, s:o}", "name", "web1", "cloud_init", o);
}

static void verdicts(void **state)
{
	static const struct {
		const char *cloud_init;
		enum cloud_init_verdict verdict;
		const char *error;
	} cases[] = {
	    {"null", CLOUD_INIT_WELL, NULL},
	    {"{}", CLOUD_INIT_WELL, NULL},
	    {"{\"status\":\"done\",\"errors\":[],\"recoverable_errors\":{}}", CLOUD_INIT_WELL,
		NULL},
	    {"{\"recoverable_errors\":{\"DEPRECATED\":[\"d\"]}}", CLOUD_INIT_WELL, NULL},
	    {"{\"recoverable_errors\":{\"WARNING\":[\"w\"]}}", CLOUD_INIT_WARNINGS, NULL},
	    {"{\"errors\":[\"a\",\"b\"]}", CLOUD_INIT_ERRORS, "a"},
	    {"{\"errors\":[],\"first_boot_errors\":[\"f\"]}", CLOUD_INIT_ERRORS, "f"},
	    {"{\"status\":\"error\"}", CLOUD_INIT_ERRORS, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		json_t *vm = vm_with(cases[i].cloud_init);
		const char *error = cloud_init_error(vm);
		if (cloud_init_judge(vm) != cases[i].verdict || !error != !cases[i].error ||
		    (error && strcmp(error, cases[i].error) != 0))
			fail_msg("%s", cases[i].cloud_init);
		json_decref(vm);
	}
}

static void lines(void **state)
{
	json_t *vm =
	    vm_with("{\"errors\":[\"e\\u001b[2J\"],\"first_boot_errors\":[\"e\\u001b[2J\",\"f\"],"
		    "\"recoverable_errors\":{\"WARNING\":[\"w\"],\"DEPRECATED\":[\"d\"]}}");
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	cloud_init_print(f, vm);
	fclose(f);
	assert_string_equal(text,
	    "  error    e\n  at first f\n  warning  w\n"
	    "  more     `vmlab ssh web1 sudo cat /var/log/cloud-init-output.log` shows what its "
	    "commands said\n");
	free(text);
	json_decref(vm);
	vm = vm_with("{\"errors\":[]}");
	f = open_memstream(&text, &len);
	cloud_init_print(f, vm);
	fclose(f);
	assert_string_equal(text, "");
	free(text);
	json_decref(vm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(verdicts),
	    cmocka_unit_test(lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

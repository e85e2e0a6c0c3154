/* What a YAML 1.1 reader makes of our documents is tried with cloud-init's own in
 * tests/consumers/test_consumers.py; here is what has to stand there for that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json/yaml_text.h"

static void values(void **state)
{
	static const struct {
		const char *json, *text;
	} cases[] = {
	    {"{}", "{}"},
	    {"[]", "[]"},
	    {"[1, true, null, \"yes\"]", "[\n 1,\n true,\n null,\n \"yes\"\n]"},
	    {"{\"a\": {\"b\": [{}]}}", "{\n \"a\": {\n  \"b\": [\n   {}\n  ]\n }\n}"},
	    {"[1e300]", "[\n 1.0000000000000001e+300\n]"},
	    {"[1e22, 9.5367431640625e-7]", "[\n 1.0e+22,\n 9.5367431640625e-7\n]"},
	    {"[0.5, -2.0]", "[\n 0.5,\n -2.0\n]"},
	    {"[\"\\u007f\\u0080\\u0085\\u009f\\u00a0\"]",
		"[\n \"\\u007f\\u0080\\u0085\\u009f\\u00a0\"\n]"},
	    {"[\"\\u2028\\u2029\\ufeff\\ufffe\\uffff\"]",
		"[\n \"\\u2028\\u2029\\ufeff\\ufffe\\uffff\"\n]"},
	    {"[\"\\ud83d\\ude00\\u00e4\\u0001\\t\\n\"]",
		"[\n \"\xf0\x9f\x98\x80\xc3\xa4\\u0001\\u0009\\n\"\n]"},
	    {"[\"\\\\ \\\"\"]", "[\n \"\\\\ \\\"\"\n]"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *json = json_loads(cases[i].json, 0, NULL);
		assert_non_null(json);
		char *text = yaml_text(json);
		assert_string_equal(text, cases[i].text);
		json_t *again = json_loads(text, 0, NULL);
		assert_true(json_equal(json, again));
		json_decref(again);
		json_decref(json);
		free(text);
	}
}

static void long_key(void **state)
{
	char key[1200];

	(void)state;
	memset(key, 'k', sizeof(key) - 1);
	key[sizeof(key) - 1] = '\0';
	json_t *json = json_pack("{s:i}", key, 1);
	char *text = yaml_text(json);
	assert_memory_equal(text, "{\n ? \"kkk", 9);
	key[1000] = '\0';
	json_t *short_enough = json_pack("{s:i}", key, 1);
	char *other = yaml_text(short_enough);
	assert_memory_equal(other, "{\n \"kkk", 7);
	free(text);
	free(other);
	json_decref(json);
	json_decref(short_enough);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(values),
	    cmocka_unit_test(long_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

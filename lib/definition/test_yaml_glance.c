/* That nothing good is called broken, tests/consumers/test_user_data.py asks cloud-init's own
 * parser. */
#include "lib/definition/yaml_glance.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *text;
	enum yaml_kind kind;
	int line;
} rows[] = {
    {"", YAML_EMPTY, 0},
    {"# a\n\n  # b\n", YAML_EMPTY, 0},
    {"a: 1\nb:\n  - x\n  - y: 2\nc: >\n  text: [ {\n  \" '\nd: e\n", YAML_MAPPING, 0},
    {"a:\n- b\n- c: d\n  e: f\ng: h\n", YAML_MAPPING, 0},
    {"a: it's\nb: say \"x\nc: a[0\n", YAML_MAPPING, 0},
    {"a: some text\n  'tis more\n  [ of it\nb: 1\n", YAML_MAPPING, 0},
    {"a: |\n  x\n\n   y\nb: 2\n", YAML_MAPPING, 0},
    {"a:\n  - |\n    [\n  - >-\n    '\n", YAML_MAPPING, 0},
    {"a: [1, 'x', \"]\", # ]\n  {b: c}]\nd: e\n", YAML_MAPPING, 0},
    {"a: \"two\n  lines\"\nb: 'it''s'\n", YAML_MAPPING, 0},
    {"\"a b\": 1\n'c': 2\n", YAML_MAPPING, 0},
    {"---\na: http://x/y:z # c: d\n...\n[", YAML_MAPPING, 0},
    {"a: 12:30\nb: &x [1]\nc: *x\nd: !!str 5\n", YAML_MAPPING, 0},
    {"a: 1\r\nb:\r\n  - c\r\n", YAML_MAPPING, 0},
    {"  a: 1\n  b: 2\n", YAML_MAPPING, 0},
    {"- a\n- b: c\n", YAML_LIST, 0},
    {"[1, 2]\n", YAML_LIST, 0},
    {"hello\n", YAML_SCALAR, 0},
    {"{a: 1}\n", YAML_UNSURE, 0},
    {"a: 1\n---\nb: 2\n", YAML_UNSURE, 0},
    {"foo: [", YAML_BROKEN, 1},
    {"a: 1\nfoo: {b: [c}\n", YAML_BROKEN, 2},
    {"a: 1\nb: \"x\nc: 2\n", YAML_BROKEN, 2},
    {"a: 1\nb: 'x\n", YAML_BROKEN, 2},
    {"a: 1\n\tb: 2\n", YAML_BROKEN, 2},
    {"a:\n\t- b\n", YAML_BROKEN, 2},
    {"a: 1\nb\nc: 2\n", YAML_BROKEN, 2},
    {"a: 1\nb: c: d\n", YAML_BROKEN, 2},
    {"a: 1\nruncmd: echo x: y\n", YAML_BROKEN, 2},
    {"a: @x\n", YAML_BROKEN, 1},
    {"a: %x\n", YAML_BROKEN, 1},
    {"a: 1\n- b\n", YAML_BROKEN, 2},
    {"- a\nb: 1\n", YAML_BROKEN, 2},
};

static void kinds(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct yaml_glance g;
		yaml_glance(rows[i].text, &g);
		if (g.kind != rows[i].kind || g.line != rows[i].line)
			fail_msg("%s\n  is %d, line %d: %s", rows[i].text, (int)g.kind, g.line,
			    g.why ? g.why : "");
	}
}

static void keys(void **state)
{
	struct yaml_glance g;

	(void)state;
	yaml_glance("a: 1\n\"b\":\n- c: 2\n  a: 3\nusers: [x]\n", &g);
	assert_int_equal(g.key_count, 3);
	assert_null(yaml_glance_key(&g, "c"));
	const struct yaml_key *b = yaml_glance_key(&g, "b");
	assert_non_null(b);
	assert_memory_equal(b->value, ":\n- c: 2\n  a: 3\n", b->value_len);
	assert_int_equal(yaml_glance_key(&g, "users")->value_len, strlen(": [x]\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(kinds),
	    cmocka_unit_test(keys),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

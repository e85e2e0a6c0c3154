/* Profiles: which layer a value comes from, what a profile's file may say, and which machines fit.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/definition/match.h"
#include "lib/definition/vm.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- layers -----------------------------------------------------------------------------------*/

static const json_t *from_object(void *profiles, const char *name, struct err *e)
{
	const json_t *fields = json_object_get(profiles, name);

	if (!fields)
		err_set(e, ENOENT, "is no profile");
	return fields;
}

static int parse_over(const char *text, const json_t *defaults, json_t *profiles, struct vm **vm,
    struct vm_where *where, struct err *e)
{
	const struct vm_base base = {defaults, from_object, profiles};
	const struct vm_listener nobody = {0};

	return vm_parse_all(text, strlen(text), &base, vm, where, &nobody, e);
}

/* A value of each kind of field that says where it is from: `n` is 1 to 9. */
static json_t *value_of(const char *field, int n)
{
	char text[20];

	snprintf(text, sizeof(text), "v%d", n);
	if (strcmp(field, "cpus") == 0)
		return json_integer(n + 10);
	if (strcmp(field, "memory") == 0)
		return json_integer(n * 100);
	if (strcmp(field, "pxeboot") == 0)
		return json_boolean(n % 2);
	if (strcmp(field, "runcmd") == 0 || strcmp(field, "packages") == 0)
		return json_pack("[s]", text);
	return json_string(text);
}

static void must_come_from(const struct vm *vm, const char *field, int n)
{
	char buf[VM_FIELD_TEXT_SIZE], want[VM_FIELD_TEXT_SIZE];
	json_t *value = n ? value_of(field, n) : NULL;
	const char *has = vm_field_text(vm, field, buf);

	if (strcmp(field, "runcmd") == 0 || strcmp(field, "packages") == 0) {
		assert_true(n ? json_equal(json_object_get(vm->more, field), value)
			      : json_object_get(vm->more, field) == NULL);
	} else if (strcmp(field, "memory") == 0) {
		snprintf(want, sizeof(want), "%llu", (n ? n * 100ULL : 1024ULL) << 20);
		assert_string_equal(has, want);
	} else if (strcmp(field, "cpus") == 0) {
		snprintf(want, sizeof(want), "%d", n ? n + 10 : 2);
		assert_string_equal(has, want);
	} else if (strcmp(field, "pxeboot") == 0) {
		assert_string_equal(has, !n || n % 2 ? "true" : "false");
	} else if (strcmp(field, "distro") == 0) {
		assert_string_equal(has, n ? json_string_value(value) : "debian-13");
	} else if (n) {
		assert_string_equal(has, json_string_value(value));
	} else {
		assert_null(has);
	}
	json_decref(value);
}

/* Over random sets of fields in random layers: the nearest that has a field gives it, whole. */
static void nearest_layer_gives_the_whole_value(void **state)
{
	static const char *const fields[] = {
	    "cpus", "memory", "distro", "kernel_args", "runcmd", "packages", "pxeboot"};
	enum { DEFAULTS, PROFILES, MOST = 4, OWN = PROFILES + MOST, LAYERS };

	(void)state;
	srandom(7);
	for (int round = 0; round < 3000; round++) {
		json_t *layer[LAYERS], *profiles = json_object(), *named = json_array();
		int used = (int)(random() % (MOST + 1)), from[COUNT(fields)] = {0};
		struct vm_where where;
		struct err e = ERR_INIT;
		struct vm *vm = NULL;
		for (int l = 0; l < LAYERS; l++)
			layer[l] = json_object();
		for (size_t f = 0; f < COUNT(fields); f++)
			for (int l = 0; l < LAYERS; l++) {
				if (random() % 3)
					continue;
				json_object_set_new(
				    layer[l], fields[f], value_of(fields[f], l + 1));
				if (l == DEFAULTS || l == OWN || l - PROFILES < used)
					from[f] = l + 1;
			}
		for (int p = 0; p < MOST; p++) {
			char name[16];
			snprintf(name, sizeof(name), "p%d", p);
			json_object_set(profiles, name, layer[PROFILES + p]);
			if (p < used)
				json_array_append_new(named, json_string(name));
		}
		json_object_set_new(layer[OWN], "name", json_string("a"));
		json_object_set_new(layer[OWN], "mac", json_string("52:54:00:00:00:01"));
		if (used == 1 && random() % 2)
			json_object_set(layer[OWN], "profile", json_array_get(named, 0));
		else if (used)
			json_object_set(layer[OWN], "profile", named);
		char *text = json_dumps(layer[OWN], 0);
		if (parse_over(text, layer[DEFAULTS], profiles, &vm, &where, &e) < 0)
			fail_msg("%s: %s", text, e.msg);
		for (size_t f = 0; f < COUNT(fields); f++)
			must_come_from(vm, fields[f], from[f]);
		vm_free(vm);
		free(text);
		for (int l = 0; l < LAYERS; l++)
			json_decref(layer[l]);
		json_decref(profiles);
		json_decref(named);
	}
}

static void profile_can_be_a_default(void **state)
{
	json_t *profiles = json_pack("{s:{s:i}, s:{s:i}}", "one", "cpus", 3, "two", "cpus", 4),
	       *defaults = json_pack("{s:s, s:i}", "profile", "one", "cpus", 9);
	struct vm_where where;
	struct vm *vm;

	(void)state;
	assert_int_equal(parse_over("{\"name\":\"a\",\"mac\":\"52:54:00:00:00:01\"}", defaults,
			     profiles, &vm, &where, NULL),
	    0);
	assert_int_equal(vm->cpus, 3);
	vm_free(vm);
	assert_int_equal(parse_over("{\"name\":\"a\",\"mac\":\"52:54:00:00:00:01\",\"profile\":"
				    "\"two\"}",
			     defaults, profiles, &vm, &where, NULL),
	    0);
	assert_int_equal(vm->cpus, 4);
	vm_free(vm);
	json_decref(profiles);
	json_decref(defaults);
}

static void bad_use_of_a_profile_is_told_at_its_name(void **state)
{
	static const struct {
		const char *more, *sentence;
		int column;
	} table[] = {
	    {"\"profile\":\"none\"", "\"profile\": \"none\" is no profile", 12},
	    {"\"profile\":[\"web\",\"none\"]", "\"profile[1]\": \"none\" is no profile", 19},
	    {"\"profile\":[\"web\",\"web\"]", "named twice", 19},
	    {"\"profile\":\"../web\"", "is no profile's name", 12},
	    {"\"profile\":3", "must be a text", 12},
	    {"\"profile\":\"arm\",\"firmware\":\"bios\"", "exists only with", 29},
	};
	json_t *profiles =
	    json_pack("{s:{s:i}, s:{s:s}}", "web", "cpus", 3, "arm", "arch", "arm64");

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		char text[300];
		struct vm_where where;
		struct err e = ERR_INIT;
		struct vm *vm;
		snprintf(text, sizeof(text), "{\"name\":\"a\",\"mac\":\"52:54:00:00:00:01\",\n %s}",
		    table[i].more);
		assert_int_equal(parse_over(text, NULL, profiles, &vm, &where, &e), -EINVAL);
		if (!strstr(e.msg, table[i].sentence))
			fail_msg("\"%s\" does not say \"%s\"", e.msg, table[i].sentence);
		assert_int_equal(where.line, 2);
		assert_int_equal(where.column, table[i].column);
	}
	json_decref(profiles);
}

/* ---- a profile's own file ---------------------------------------------------------------------*/

static void profile_files_are_checked(void **state)
{
	static const struct {
		const char *text, *sentence; /* NULL: good */
		int column;
	} table[] = {
	    {"{}", NULL, 0},
	    {"{\"$schema\":\"x\",\"cpus\":3,\"memory\":\"2G\",\"name\":\"\"}", NULL, 0},
	    {"{\"match\":{\"serial\":\"CZ*\"},\"name\":\"node-{serial}\"}", NULL, 0},
	    {"{\"match\":{\"product\":[\"R6*\",\"R7*\"],\"arch\":\"x86_64\",\"min_memory\":\"1G\"}}",
		NULL, 0},
	    {"{\"cpu\":3}", "did you mean \"cpus\"", 2},
	    {"{\"mac\":\"52:54:00:00:00:01\"}", "belongs to one machine", 8},
	    {"{\"ip\":\"192.168.100.9\"}", "belongs to one machine", 7},
	    {"{\"profile\":\"web\"}", "is not for a profile", 12},
	    {"{\"cpus\":0}", "\"cpus\"", 9},
	    {"{\"name\":\"node\"}", "gives every machine the same name", 9},
	    {"{\"name\":\"node-{product}\"}", "gives every machine the same name", 9},
	    {"{\"name\":\"node-{seral}\"}", "is no placeholder", 9},
	    {"{\"name\":\"a b-{serial}\"}", "is no pattern of a name", 9},
	    {"{\"match\":{}}", "would match every one", 10},
	    {"{\"match\":\"CZ*\"}", "must be an object", 10},
	    {"{\"match\":{\"seral\":\"x\"}}", "did you mean \"serial\"", 11},
	    {"{\"match\":{\"memory\":\"1G\"}}", "did you mean \"min_memory\"", 11},
	    {"{\"matches\":{\"serial\":\"x\"}}", "did you mean \"match\"", 2},
	    {"{\"unattended\":\"true\"}", "write true without quotes", 15},
	    {"{\"match\":{\"serial\":[]}}", "an empty list", 20},
	    {"{\"match\":{\"serial\":[\"a\",7]}}", "\"match.serial[1]\"", 25},
	    {"{\"match\":{\"arch\":\"sparc\"}}", "is no architecture", 18},
	    {"{\"match\":{\"min_disk\":5}}", "with its unit", 22},
	    {"{\"match\":{\"min_disk\":\"9G\",\"max_disk\":\"8G\"}}", "exchange them", 38},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		const struct vm_listener nobody = {0};
		struct vm_where where;
		struct err e = ERR_INIT;
		json_t *fields = NULL;
		int r = vm_profile_parse_all(
		    table[i].text, strlen(table[i].text), &fields, &where, &nobody, &e);
		if (r != (table[i].sentence ? -EINVAL : 0))
			fail_msg("%s: %d %s", table[i].text, r, e.msg);
		if (table[i].sentence && !strstr(e.msg, table[i].sentence))
			fail_msg("\"%s\" does not say \"%s\"", e.msg, table[i].sentence);
		if (table[i].sentence)
			assert_int_equal(where.column, table[i].column);
		json_decref(fields);
	}
}

/* ---- matching ---------------------------------------------------------------------------------*/

static const struct match_facts r640 = {.serial = "CZ3021ABCD",
    .uuid = "6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b",
    .mac = "52:54:00:00:00:11",
    .product = "PowerEdge R640",
    .manufacturer = "Dell Inc.",
    .arch = "amd64",
    .memory_bytes = UINT64_C(64) << 30,
    .disk_bytes = UINT64_C(500) << 30};

static bool fits(const char *match, const struct match_facts *facts)
{
	const struct vm_listener nobody = {0};
	struct vm_where where;
	struct err e = ERR_INIT;
	char text[400];
	json_t *profile;

	int n = snprintf(text, sizeof(text), "{\"match\":%s}", match);
	if (vm_profile_parse_all(text, (size_t)n, &profile, &where, &nobody, &e) < 0)
		fail_msg("%s: %s", match, e.msg);
	bool yes = match_fits(json_object_get(profile, "match"), facts);
	json_decref(profile);
	return yes;
}

static void all_that_is_given_must_hold(void **state)
{
	static const struct {
		const char *match;
		bool whole, bare; /* for a machine that shows all, and for one that shows nothing */
	} table[] = {
	    {"{\"serial\":\"CZ3021ABCD\"}", true, false},
	    {"{\"serial\":\"cz*\"}", true, false},
	    {"{\"serial\":\"*\"}", true, false},
	    {"{\"serial\":\"CZ3021\"}", false, false},
	    {"{\"serial\":[\"X*\",\"CZ????ABC[D-F]\"]}", true, false},
	    {"{\"product\":\"poweredge r6*\",\"manufacturer\":\"Dell*\"}", true, false},
	    {"{\"product\":\"poweredge r6*\",\"manufacturer\":\"HPE\"}", false, false},
	    {"{\"mac\":\"52:54:00:*\"}", true, false},
	    {"{\"uuid\":\"6F1C2A34-*\"}", true, false},
	    {"{\"arch\":\"x86_64\"}", true, false},
	    {"{\"arch\":[\"arm64\",\"amd64\"]}", true, false},
	    {"{\"arch\":\"arm64\"}", false, false},
	    {"{\"min_memory\":\"64G\",\"max_memory\":\"64G\"}", true, false},
	    {"{\"min_memory\":\"65G\"}", false, false},
	    {"{\"max_memory\":\"63G\"}", false, false},
	    {"{\"min_disk\":\"100G\",\"max_disk\":\"1T\"}", true, false},
	    {"{\"max_disk\":\"499G\"}", false, false},
	};
	const struct match_facts nothing = {0};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		if (fits(table[i].match, &r640) != table[i].whole)
			fail_msg("%s", table[i].match);
		if (fits(table[i].match, &nothing) != table[i].bare)
			fail_msg("%s, of nothing", table[i].match);
	}
}

static void several_that_fit_are_all_named(void **state)
{
	json_t *profiles = json_pack("{s:{s:{s:s}}, s:{s:{s:s}}, s:{s:i}, s:{s:{s:s}}}", "dell",
	    "match", "manufacturer", "Dell*", "big", "match", "min_memory", "32G", "plain", "cpus",
	    3, "arm", "match", "arch", "arm64");
	struct match_facts other = {.manufacturer = "Dell Inc."}, none = {.serial = "x"};
	struct err e = ERR_INIT;

	(void)state;
	assert_string_equal(match_choose(profiles, &other, &e), "dell");
	assert_null(match_choose(profiles, &r640, &e));
	assert_int_equal(e.code, ENOTUNIQ);
	assert_non_null(strstr(e.msg, "big and dell"));
	assert_null(match_choose(profiles, &none, &e));
	assert_int_equal(e.code, ENOENT);
	assert_null(match_choose(NULL, &r640, &e));
	assert_int_equal(e.code, ENOENT);
	json_decref(profiles);
}

static void names_are_made(void **state)
{
	static const struct {
		const char *pattern, *serial, *name; /* NULL: none */
	} table[] = {
	    {"node-{serial}", "CZ3021ABCD", "node-cz3021abcd"},
	    {"{serial}", "..a b//C..", "a-b-c"},
	    {"{product}-{mac}", "x", "poweredge-r640-52-54-00-00-00-11"},
	    {"n_{uuid}.lab", "x", "n-6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b-lab"},
	    {"node-{serial}", NULL, NULL},
	    {"{serial}", "---", NULL},
	    {"{serial}", "\xc3\xa4\xc3\xb6", NULL},
	    {"{serial}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
	    {"n{serial}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct match_facts facts = r640;
		char name[VM_LABEL_SIZE];
		struct err e = ERR_INIT;
		facts.serial = table[i].serial;
		int r = match_name(table[i].pattern, &facts, name, &e);
		if (r != (table[i].name ? 0 : -EINVAL))
			fail_msg("%s: %s %s", table[i].pattern, name, e.msg);
		if (table[i].name)
			assert_string_equal(name, table[i].name);
		else
			assert_true(e.msg[0] != '\0');
	}
}

/* Whatever a machine shows: no name, or one that DNS takes. */
static void any_facts_make_a_name_or_none(void **state)
{
	static const char *const patterns[] = {
	    "{serial}", "node-{serial}", "{serial}.{product}", "-{uuid}-", "_{mac}{serial}_"};
	char serial[80], product[80], name[VM_LABEL_SIZE];

	(void)state;
	srandom(11);
	for (int round = 0; round < 20000; round++) {
		struct match_facts facts = {
		    .serial = serial, .product = product, .uuid = serial, .mac = product};
		char *texts[] = {serial, product};
		struct err e = ERR_INIT;
		for (size_t t = 0; t < COUNT(texts); t++) {
			long len = random() % 79;
			for (long i = 0; i < len; i++)
				texts[t][i] =
				    (char)(random() % 4 ? 'A' + random() % 60 : 1 + random() % 255);
			texts[t][len] = '\0';
		}
		if (match_name(patterns[random() % (long)COUNT(patterns)], &facts, name, &e) == 0)
			assert_true(vm_label_valid(name));
		else
			assert_int_equal(e.code, EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nearest_layer_gives_the_whole_value),
	    cmocka_unit_test(profile_can_be_a_default),
	    cmocka_unit_test(bad_use_of_a_profile_is_told_at_its_name),
	    cmocka_unit_test(profile_files_are_checked),
	    cmocka_unit_test(all_that_is_given_must_hold),
	    cmocka_unit_test(several_that_fit_are_all_named),
	    cmocka_unit_test(names_are_made),
	    cmocka_unit_test(any_facts_make_a_name_or_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

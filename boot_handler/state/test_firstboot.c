/* What installed systems tell: the call that makes them ready, and cloud-init's events. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "boot_handler/state/firstboot.h"

#define BLOB "AAAAC3NzaC1lZDI1NTE5AAAAIC0Vg4s1Xb0mT2aYQf8kq3mJrRr1hR0e1m9s8Xb2Jb0x"

static int parse(const char *body, struct firstboot_ready *out)
{
	struct err e = ERR_INIT;

	return firstboot_ready_parse(body, strlen(body), out, &e);
}

static void forms(void **state)
{
	struct firstboot_ready out;

	(void)state;
	assert_int_equal(
	    parse("instance_id=iid-web1-1&hostname=web1&pub_key_ed25519=ssh-ed25519+" BLOB
		  "+root%40web1%0A&pub_key_rsa=N%2FA&pub_key_ecdsa=%zz&=&x=",
		&out),
	    0);
	assert_string_equal(out.host_key[0], "ssh-ed25519 " BLOB);
	assert_string_equal(out.host_key[1], "");
	assert_string_equal(out.host_key[2], "");
	assert_null(out.result);
	assert_null(firstboot_result(&out, NULL));
	assert_int_equal(parse("", &out), 0);
	assert_int_equal(parse("just words", &out), -EINVAL);
}

static void malformed(void **state)
{
	static const char *const bodies[] = {
	    "{",
	    "{}",
	    "{\"boot_id\": 1}",
	    "{\"boot_id\": \"a b\"}",
	    "{\"boot_id\": \"a\", \"boot_id\": \"b\"}",
	    "{\"boot_id\": \"a\", \"errors\": [[[[[[]]]]]]}",
	};
	struct firstboot_ready out;

	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		if (parse(bodies[i], &out) != -EINVAL)
			fail_msg("%s", bodies[i]);
		firstboot_ready_clear(&out);
	}
}

static json_t *kept(const char *body, const char *before)
{
	struct firstboot_ready out;

	assert_int_equal(parse(body, &out), 0);
	char *text = firstboot_result(&out, before);
	assert_non_null(text);
	assert_true(strlen(text) < MACHINE_CLOUD_INIT_SIZE);
	json_t *json = json_loads(text, 0, NULL);
	assert_non_null(json);
	firstboot_ready_clear(&out);
	free(text);
	return json;
}

static const char *word(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "(none)";
}

/* Whatever is sent, what is kept has its shape. */
static void results(void **state)
{
	json_t *r = kept(
	    "{\"boot_id\":\"x-1\",\"status\":\"error\",\"errors\":[\"a\\u001b[31m\\nb\",7],"
	    "\"recoverable_errors\":{\"WARNING\":[\"w\"],\"NOISE\":[\"n\"],\"ERROR\":[]},"
	    "\"user\":\"deb ian\",\"first_boot\":true,\"host_keys\":[\"ssh-ed25519 " BLOB "\"]}",
	    NULL);

	(void)state;
	assert_string_equal(word(r, "status"), "error");
	assert_string_equal(
	    json_string_value(json_array_get(json_object_get(r, "errors"), 0)), "a?[31m b");
	assert_int_equal(json_array_size(json_object_get(r, "errors")), 1);
	assert_int_equal(json_array_size(json_object_get(r, "first_boot_errors")), 1);
	assert_int_equal(json_object_size(json_object_get(r, "recoverable_errors")), 1);
	assert_true(json_is_null(json_object_get(r, "user")));
	json_decref(r);
	r = kept("{\"boot_id\":\"x\",\"status\":\"-\",\"errors\":{},\"user\":\"-oX\"}", NULL);
	assert_string_equal(word(r, "status"), "done");
	assert_true(json_is_null(json_object_get(r, "user")));
	json_decref(r);
}

/* More than fits loses its end, and says so. */
static void long_results(void **state)
{
	static char body[60000];
	static char line[1999];
	char *p = body;

	(void)state;
	memset(line, '"', sizeof(line) - 1);
	for (size_t i = 0; i + 1 < sizeof(line); i += 2)
		line[i] = '\\';
	p += sprintf(p, "{\"boot_id\":\"x\",\"first_boot\":true,\"errors\":[");
	for (int i = 0; i < 9; i++)
		p += sprintf(p, "%s\"%s\"", i ? "," : "", line);
	p += sprintf(p, "],\"recoverable_errors\":{\"WARNING\":[");
	for (int i = 0; i < 9; i++)
		p += sprintf(p, "%s\"%s\"", i ? "," : "", line);
	sprintf(p, "]}}");
	json_t *r = kept(body, NULL);
	assert_true(json_array_size(json_object_get(r, "errors")) > 0);
	json_decref(r);

	p = body + sprintf(body, "{\"boot_id\":\"x\",\"errors\":[");
	for (int i = 0; i < 12; i++)
		p += sprintf(p, "%s\"e%d\"", i ? "," : "", i);
	sprintf(p, "]}");
	r = kept(body, NULL);
	assert_string_equal(
	    json_string_value(json_array_get(json_object_get(r, "errors"), 8)), "and 4 more");
	json_decref(r);
}

static void later_boots(void **state)
{
	json_t *first =
	    kept("{\"boot_id\":\"1\",\"first_boot\":true,\"status\":\"error\",\"errors\":[\"e\"],"
		 "\"user\":\"debian\"}",
		NULL);
	char *text = json_dumps(first, 0);
	char *booting = firstboot_booting(text);
	char id[8];

	(void)state;
	json_decref(first);
	free(text);
	firstboot_id(booting, id, sizeof(id));
	assert_string_equal(id, "1");
	json_t *r = kept("{\"boot_id\":\"2\",\"status\":\"done\"}", booting);
	assert_int_equal(json_array_size(json_object_get(r, "errors")), 0);
	assert_int_equal(json_array_size(json_object_get(r, "first_boot_errors")), 1);
	json_decref(r);
	/* `cloud-init clean`, and everything went well. */
	r = kept("{\"boot_id\":\"3\",\"first_boot\":true,\"status\":\"done\"}", booting);
	assert_int_equal(json_array_size(json_object_get(r, "first_boot_errors")), 0);
	json_decref(r);
	free(booting);
	assert_null(firstboot_booting(NULL));
	assert_null(firstboot_booting(""));
}

static void events(void **state)
{
	static const struct {
		const char *body;
		const char *text;
		bool begins;
		bool failed;
	} cases[] = {
	    {"{\"name\":\"modules-final/config-runcmd\",\"event_type\":\"start\",\"timestamp\":1.5}",
		"modules-final: runcmd", true, false},
	    {"{\"name\":\"modules-final\",\"event_type\":\"finish\",\"result\":\"SUCCESS\"}",
		"modules-final", false, false},
	    {"{\"name\":\"init-network/config-ssh\",\"event_type\":\"finish\",\"result\":\"FAIL\"}",
		"init-network: ssh", false, true},
	    {"{\"name\":\"init-network/a/b\\u0007\",\"event_type\":\"start\"}",
		"init-network: a/b?", true, false},
	    {"{\"name\":\"01234567890123456789012345678901234567890123456789012345678901234567890\","
	     "\"event_type\":\"start\"}",
		"012345678901234567890123456789012345678901234567890123456789012", true, false},
	};
	static const char *const bad[] = {
	    "", "[]", "{}", "{\"name\":\"\",\"event_type\":\"start\"}"};
	struct firstboot_event event;
	struct err e = ERR_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(
		    firstboot_event_parse(cases[i].body, strlen(cases[i].body), &event, &e), 0);
		assert_string_equal(event.text, cases[i].text);
		assert_int_equal(event.begins, cases[i].begins);
		assert_int_equal(event.failed, cases[i].failed);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
		    firstboot_event_parse(bad[i], strlen(bad[i]), &event, &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(forms),
	    cmocka_unit_test(malformed),
	    cmocka_unit_test(results),
	    cmocka_unit_test(long_results),
	    cmocka_unit_test(later_boots),
	    cmocka_unit_test(events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

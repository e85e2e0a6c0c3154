#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <jansson.h>

#include "lib/machine/event.h"

#define EVENT_COUNTED(id, ...) +1
#define COUNT (0 EVENT_KINDS(EVENT_COUNTED))

/* Largest values of all fields fit: half an object would be no JSON. */
static void rows_are_whole(void **state)
{
	char data[EVENT_DATA_SIZE], quotes[500];
	struct event_value largest[EVENT_FIELDS_MAX];

	(void)state;
	memset(quotes, '"', sizeof(quotes) - 1);
	quotes[sizeof(quotes) - 1] = '\0';
	for (int i = 0; i < EVENT_FIELDS_MAX; i++)
		largest[i] = (struct event_value){.number = INT64_MIN, .text = quotes};
	assert_int_equal(event_kinds(), COUNT);
	assert_true(COUNT <= 64); /* a bit each in event_query.h */
	for (int kind = 0; kind < COUNT; kind++) {
		const struct event_info *info = event_info((enum event_kind)kind);
		assert_ptr_equal(event_info_find(info->name), info);
		event_data(info, largest, data);
		if (info->fields[0].name) {
			json_t *json = json_loads(data, 0, NULL);
			size_t i = 0;
			while (info->fields[i].name)
				assert_non_null(json_object_get(json, info->fields[i++].name));
			assert_int_equal(json_object_size(json), i);
			json_decref(json);
		} else {
			assert_string_equal(data, "");
		}
		event_data(info, NULL, data);
		assert_string_equal(data, "");
	}
	assert_null(event_info_find("nonsense"));
}

static void sentences(void **state)
{
	const struct event_info *ipxe = event_info(EVENT_IPXE);

	(void)state;
	assert_string_equal(event_sentence(ipxe, "local"), "iPXE: boots from disk");
	assert_string_equal(event_sentence(ipxe, "new"), "iPXE: {text}");
	assert_null(event_sentence(event_info(EVENT_STATE), "booting"));
	assert_string_equal(
	    event_sentence(event_info(EVENT_REFUSED), "/config"), "refused to {source}: {text}");
}

static void data(void **state)
{
	static const struct event_info two = {
	    .name = "two", .fields = {{"a", EVENT_NUMBER}, {"b", EVENT_TEXT}}};
	char text[EVENT_DATA_SIZE];

	(void)state;
	event_data(
	    &two, (const struct event_value[]){{.number = -1}, {.text = "x\"\\\n\xff"}}, text);
	assert_string_equal(text, "{\"a\":-1,\"b\":\"x\\\"\\\\ ?\"}");
	event_data(&two, (const struct event_value[]){{0}, {0}}, text);
	assert_string_equal(text, "{\"a\":0,\"b\":\"\"}");
}

/* Also as older state files have them: either alone. */
static void sources(void **state)
{
	static const struct {
		const char *word, *address, *whole;
	} cases[] = {
	    {"", "", ""},
	    {"vms", "", "vms"},
	    {"", "10.0.0.9", "10.0.0.9"},
	    {"", "fd00::9", "fd00::9"},
	    {"dhcp", "52:54:00:aa:bb:cc", "dhcp 52:54:00:aa:bb:cc"},
	    {"operator", "unix:", "operator unix:"},
	    {"deadline", "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
		"deadline ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255"},
	};
	char text[EVENT_SOURCE_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *who = cases[i].word[0] ? cases[i].word : cases[i].address;
		event_source(cases[i].word, cases[i].address, text);
		assert_string_equal(text, cases[i].whole);
		assert_string_equal(event_source_address(text), cases[i].address);
		assert_int_equal(event_source_who(text), strlen(who));
	}
}

static void severities(void **state)
{
	enum event_severity severity;

	(void)state;
	assert_int_equal(event_severity(event_info(EVENT_STATE), "failed"), EVENT_ERROR);
	assert_int_equal(event_severity(event_info(EVENT_STATE), "ready"), EVENT_INFO);
	assert_int_equal(event_severity(event_info(EVENT_STATE), "booting"), EVENT_DEBUG);
	assert_int_equal(event_severity(event_info(EVENT_DHCP_DISCOVER), ""), EVENT_DEBUG);
	assert_int_equal(
	    event_severity(event_info(EVENT_DHCP_DISCOVER), "no address available"), EVENT_WARNING);
	for (enum event_severity s = EVENT_DEBUG; s <= EVENT_ERROR; s++) {
		assert_int_equal(event_severity_parse(event_severity_name(s), &severity), 0);
		assert_int_equal(severity, s);
	}
	assert_true(event_severity_parse("fatal", &severity) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rows_are_whole),
	    cmocka_unit_test(sentences),
	    cmocka_unit_test(data),
	    cmocka_unit_test(sources),
	    cmocka_unit_test(severities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

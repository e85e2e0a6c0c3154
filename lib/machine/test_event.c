#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/machine/event.h"

#define EVENT_COUNTED(id, ...) +1
#define COUNT (0 EVENT_KINDS(EVENT_COUNTED))

/* Largest values of all fields fit: half an object would be no JSON. */
static void rows_are_whole(void **state)
{
	const int64_t largest[EVENT_FIELDS_MAX] = {INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN};
	char data[EVENT_DATA_SIZE];

	(void)state;
	for (int kind = 0; kind < COUNT; kind++) {
		const struct event_info *info = event_info((enum event_kind)kind);
		assert_ptr_equal(event_info_find(info->name), info);
		event_data(info, largest, data);
		if (info->fields[0])
			assert_int_equal(data[strlen(data) - 1], '}');
		else
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
	static const struct event_info two = {.name = "two", .fields = {"a", "b"}};
	char text[EVENT_DATA_SIZE];

	(void)state;
	event_data(&two, (const int64_t[]){-1, 2}, text);
	assert_string_equal(text, "{\"a\":-1,\"b\":2}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rows_are_whole),
	    cmocka_unit_test(sentences),
	    cmocka_unit_test(data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* test_lldp.c - announcements of switches, whole and broken: each in memory of exactly its length.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "os_installer/inventory/lldp.h"

#define FRAME(text) text, sizeof(text) - 1
#define LIFE "\x06\x02\x00\x78"
#define END "\x00\x00"

static void test_frames(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *chassis; /* NULL: it is none */
		const char *port, *system;
	} rows[] = {
	    {FRAME("\x02\x07\x04\x00\x1c\x73\x0a\x0b\x0c"
		   "\x04\x0b\x05"
		   "Ethernet12" LIFE "\x0a\x05leaf1"
		   "\x0c\x03"
		   "EOS" END "padding"),
		"00:1c:73:0a:0b:0c", "Ethernet12", "leaf1"},
	    {FRAME("\x02\x06\x05\x01\x0a\x00\x00\x01\x04\x07\x03\x02\x00\x00\x00\x00\x01" LIFE),
		"10.0.0.1", "02:00:00:00:00:01", ""},
	    {FRAME("\x02\x05\x07"
		   "a\x1b[m"
		   "\x04\x02\x07"
		   "1" LIFE "\x0a\x02\xff\xfe"),
		"a?[m", "1", "??"},
	    {FRAME(""), NULL, NULL, NULL},
	    {FRAME("\x02"), NULL, NULL, NULL},
	    {FRAME(LIFE), NULL, NULL, NULL},
	    {FRAME("\x04\x02\x07"
		   "1"
		   "\x02\x02\x07"
		   "1" LIFE),
		NULL, NULL, NULL},
	    {FRAME("\x02\x02\x07"
		   "1"
		   "\x04\x02\x07"
		   "1"
		   "\x06\x02\x00\x00"),
		NULL, NULL, NULL}, /* it leaves */
	    {FRAME("\x03\xff\x07"
		   "1"),
		NULL, NULL, NULL},
	    {FRAME("\x02\x00\x04\x01\x07" LIFE), "", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint8_t *data = malloc(rows[i].len ? rows[i].len : 1);
		struct lldp told;
		assert_non_null(data);
		memcpy(data, rows[i].bytes, rows[i].len);
		assert_int_equal(lldp_parse(data, rows[i].len, &told), rows[i].chassis != NULL);
		if (rows[i].chassis) {
			assert_string_equal(told.chassis, rows[i].chassis);
			assert_string_equal(told.port, rows[i].port);
			assert_string_equal(told.system, rows[i].system);
		}
		free(data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Orders as people write them: what is taken of them, and what every mistake is told as. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lib/order/order_read.h"

static int parse(const char *text, struct order_list *list, struct err *e)
{
	json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);

	assert_non_null(json);
	int r = order_list_parse(json, list, e);
	json_decref(json);
	return r;
}

static void taken(void **state)
{
	struct order_list list;
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(parse("{\"action\":\"reboot\"}", &list, &e), 0);
	assert_int_equal(list.count, 1);
	assert_int_equal(list.wish[0].action, ORDER_REBOOT);
	assert_null(list.wish[0].args);
	assert_int_equal(list.wish[0].timeout_s, order_row(ORDER_REBOOT)->timeout_s);
	order_list_clear(&list);
	assert_int_equal(parse("[{\"action\":\"inventory\",\"args\":{},\"deadline_s\":7},"
			       "{\"action\":\"local\",\"args\":{\"netboot\":\"off\"}},"
			       "{\"action\":\"local\",\"args\":null}]",
			     &list, &e),
	    0);
	assert_int_equal(list.count, 3);
	assert_int_equal(list.wish[0].timeout_s, 7);
	assert_string_equal(
	    json_string_value(json_object_get(list.wish[1].args, "netboot")), "off");
	assert_string_equal(json_string_value(json_object_get(list.wish[2].args, "netboot")), "on");
	order_list_clear(&list);
	assert_int_equal(
	    parse("{\"$schema\":\"x\",\"summary\":\"y\",\"orders\":[{\"action\":\"reboot\"}]}",
		&list, &e),
	    0);
	assert_int_equal(list.count, 1);
	order_list_clear(&list);
}

static void refused(void **state)
{
	static const struct {
		const char *text, *says;
	} rows[] = {
	    {"{}", "this must be an order"},
	    {"7", "this must be an order"},
	    {"[]", "this must be a list of 1 to 16 orders"},
	    {"[7]", "[0] must be an order"},
	    {"{\"orders\":{}}", "orders must be a list of 1 to 16 orders"},
	    {"{\"orders\":[{\"action\":\"reboot\"}],\"order\":1}", "order is not known: beside"},
	    {"{\"orders\":[{\"action\":\"reboot\"},{\"action\":\"format\"}]}",
		"orders[1].action \"format\" is no order: there are reboot, poweroff, "},
	    {"{\"action\":\"reboot\",\"args\":[]}", "args must be an object"},
	    {"{\"action\":\"reboot\",\"args\":{\"disk\":\"vda\"}}",
		"args.disk is not understood: reboot takes no arguments"},
	    {"{\"action\":\"local\",\"args\":{\"netbot\":\"off\"}}",
		"args.netbot is no argument of local, which takes netboot; did you mean \"netboot\"?"},
	    {"{\"action\":\"local\",\"args\":{\"netboot\":\"of\"}}",
		"args.netboot \"of\" is not known: write \"on\" or \"off\""},
	    {"{\"action\":\"local\",\"args\":{\"netboot\":true}}",
		"args.netboot must be a text in quotes"},
	    {"{\"action\":\"local\",\"netboot\":\"off\"}", "netboot belongs into \"args\""},
	    {"{\"action\":\"local\",\"deadline\":1}", "deadline is not known: an order has"},
	    {"{\"action\":\"local\",\"deadline_s\":0}", "deadline_s 0 is out of range"},
	    {"{\"action\":\"local\",\"deadline_s\":\"7\"}",
		"deadline_s must be a whole number from 1 to 604800, without quotes"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct order_list list;
		struct err e = ERR_INIT;
		assert_int_equal(parse(rows[i].text, &list, &e), -22);
		if (strncmp(e.msg, rows[i].says, strlen(rows[i].says)) != 0)
			fail_msg("%s: %s", rows[i].text, e.msg);
		order_list_clear(&list);
	}
}

static void too_many(void **state)
{
	char text[2000] = "[";
	struct order_list list;
	struct err e = ERR_INIT;

	(void)state;
	for (int i = 0; i <= ORDER_LIST_MAX; i++)
		strcat(strcat(text, i ? "," : ""), "{\"action\":\"reboot\"}");
	strcat(text, "]");
	assert_int_equal(parse(text, &list, &e), -22);
	order_list_clear(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(taken),
	    cmocka_unit_test(refused),
	    cmocka_unit_test(too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

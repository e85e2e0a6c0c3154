/* An order as a person reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "vmlab/follow/order_line.h"
#include "vmlab/follow/table.h"
#include "lib/base/test_capture.h"

static void lines(void **state)
{
	static const struct {
		const char *order, *line;
		bool ended;
	} rows[] = {
	    {"{\"action\":\"wipe\",\"state\":\"waiting\",\"waits_for\":\"its agent is not running\"}",
		"wipe waits: its agent is not running\n", false},
	    {"{\"action\":\"wipe\",\"state\":\"waiting\",\"waits_for\":null}", "wipe waits\n",
		false},
	    {"{\"action\":\"wipe\",\"state\":\"running\"}", "wipe is begun\n", false},
	    {"{\"action\":\"wipe\",\"state\":\"running\",\"phase\":\"blocks\",\"done_bytes\":1048576,\"total_bytes\":4194304}",
		"wipe: blocks 25 %, 1 MiB of 4 MiB\n", false},
	    {"{\"action\":\"wipe\",\"state\":\"running\",\"done_bytes\":2048,\"text\":\"a\\u001b[2Jb\"}",
		"wipe: 2 KiB, ab\n", false},
	    {"{\"action\":\"wipe\",\"state\":\"running\",\"phase\":\"look\",\"waits_for\":\"it is silent\"}",
		"wipe: look: it is silent\n", false},
	    {"{\"action\":\"wipe\",\"state\":\"done\",\"phase\":\"blocks\",\"text\":null}",
		"wipe done\n", true},
	    {"{\"action\":\"wipe\",\"state\":\"failed\",\"phase\":\"blocks\",\"text\":\"no disk\",\"hint\":\"plug it in\"}",
		"wipe failed in blocks: no disk\n  hint    plug it in\n", true},
	    {"{\"action\":\"wipe\",\"state\":\"stopped\",\"text\":\"why\"}", "wipe stopped: why\n",
		true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		json_t *order = json_loads(rows[i].order, 0, NULL);
		char *text = NULL;
		assert_non_null(order);
		CAPTURE(text, order_line(f, order));
		assert_string_equal(text, rows[i].line);
		assert_int_equal(order_has_ended(order), rows[i].ended);
		free(text);
		json_decref(order);
	}
}

static void in_the_list(void **state)
{
	json_t *vms =
	    json_pack("[{s:s, s:s, s:{s:s, s:s, s:s, s:i, s:i}}, {s:s, s:s, s:{s:s, s:s}}]", "name",
		"web1", "state", "ready", "order", "action", "backup", "state", "running", "phase",
		"copy", "done_bytes", 1 << 20, "total_bytes", 1 << 22, "name", "web2", "state",
		"ready", "order", "action", "wipe", "state", "waiting");
	struct table table = {.width = 0};
	char *text = NULL;

	(void)state;
	table_usual(&table, false);
	CAPTURE(text, table_print(f, &table, vms));
	assert_non_null(strstr(text, "ready, backup 25 %"));
	assert_non_null(strstr(text, "ready, wipe ordered"));
	free(text);
	json_decref(vms);
}

#define THERE "\"state\":\"agent\",\"agent\":{\"is\":\"there\"}"

static void in_the_agent(void **state)
{
	static const struct {
		const char *vm, *text;
	} rows[] = {
	    {"{" THERE ",\"order\":null}", "agent: waits for orders"},
	    {"{" THERE ",\"order\":{\"action\":\"wipe\",\"state\":\"running\",\"phase\":\"blocks\","
	     "\"done_bytes\":43,\"total_bytes\":100}}",
		"agent: wipe 43 %"},
	    {"{" THERE
	     ",\"order\":{\"action\":\"run\",\"state\":\"running\",\"phase\":\"script\"}}",
		"agent: run: script"},
	    {"{" THERE ",\"order\":{\"action\":\"run\",\"state\":\"waiting\"}}",
		"agent: run ordered"},
	    {"{\"state\":\"agent\",\"agent\":{\"is\":\"silent\"},\"order\":{\"action\":\"run\",\"state\":\"running\"}}",
		"agent: run, silent"},
	    {"{\"state\":\"agent\",\"agent\":{\"is\":\"starting\"},\"order\":{\"action\":\"run\",\"state\":\"waiting\"}}",
		"agent: starts"},
	    {"{\"state\":\"failed\",\"error\":{\"phase\":\"format\"},\"agent\":{},\"order\":null}",
		"failed: format, agent: waits for orders"},
	};
	struct table table = {.width = 0};
	struct err e = ERR_INIT;

	(void)state;
	assert_int_equal(table_choose(&table, "state", &e), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		json_t *vms = json_pack("[o]", json_loads(rows[i].vm, 0, NULL));
		char *text = NULL;
		CAPTURE(text, table_print(f, &table, vms));
		const char *cell = strchr(text, '\n') + 1;
		if (strlen(cell) != strlen(rows[i].text) + 1 ||
		    strncmp(cell, rows[i].text, strlen(rows[i].text)) != 0)
			fail_msg("row %zu: %s", i, cell);
		free(text);
		json_decref(vms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lines), cmocka_unit_test(in_the_list), cmocka_unit_test(in_the_agent)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

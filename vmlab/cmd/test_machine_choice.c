/* Which machines --on means. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "vmlab/cmd/machine_choice.h"

static const char machines[] =
    "[{\"kind\":\"declared\",\"name\":\"web1\",\"arch\":\"amd64\",\"state\":\"ready\",\"profile\":\"small\"},"
    "{\"kind\":\"declared\",\"name\":\"web2\",\"arch\":\"arm64\",\"state\":\"declared\",\"profile\":[\"rack1\",\"small\"]},"
    "{\"kind\":\"declared\",\"name\":\"db1\",\"arch\":\"amd64\",\"state\":\"ready\",\"profile\":null},"
    "{\"kind\":\"stranger\",\"name\":null,\"arch\":\"amd64\",\"profile\":\"rack1\"}]";

static void choices(void **state)
{
	static const struct {
		const char *expression, *names, *refused;
	} rows[] = {
	    {"all", "[\"web1\",\"web2\",\"db1\"]", NULL},
	    {"*", "[\"web1\",\"web2\",\"db1\"]", NULL},
	    {"web*", "[\"web1\",\"web2\"]", NULL},
	    {"db1", "[\"db1\"]", NULL},
	    {"db1,web2", "[\"web2\",\"db1\"]", NULL},
	    {"profile=small", "[\"web1\",\"web2\"]", NULL},
	    {"profile=rack*", "[\"web2\"]", NULL},
	    {"arch=amd64,!state=ready", NULL, "\"!state=ready\" leaves out all that"},
	    {"arch=amd64,!*", NULL, "\"!*\" leaves out all that \"arch=amd64,!*\" chooses"},
	    {"!all", NULL, "\"!all\" leaves out all"},
	    {"state=bogus", NULL,
		"there is no state \"bogus\": write declared, booting, installing, installed, ready, failed, "
		"waiting, agent or stalled"},
	    {"all,!state=reddy", NULL, "there is no state \"reddy\""},
	    {"state=stalled", NULL, "no declared machine has the state \"stalled\""},
	    {"state=decl*", "[\"web2\"]", NULL},
	    {"arch=x86", NULL, "there is no architecture \"x86\": write amd64 or arm64"},
	    {"profile=none", NULL, "no declared machine has the profile \"none\""},
	    {"profile=none,!*", NULL, "no declared machine has the profile \"none\""},
	    {"all,!web*", "[\"db1\"]", NULL},
	    {"!web*", "[\"db1\"]", NULL},
	    {"!web*,web2", "[\"web2\",\"db1\"]", NULL},
	    {"nobody", NULL, "no declared machine is \"nobody\""},
	    {"", NULL, "it names no machine"},
	    {"web1,,db1", NULL, "a term of it is empty"},
	    {"!", NULL, "a term of it is empty"},
	    {"serial=7", NULL, "machines are not chosen by \"serial\""},
	    {"prof=small", NULL, "machines are not chosen by \"prof\""},
	};
	json_t *list = json_loads(machines, 0, NULL);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct err e = ERR_INIT;
		json_t *names = machine_choice(list, rows[i].expression, &e);
		json_t *wanted = rows[i].names ? json_loads(rows[i].names, 0, NULL) : NULL;
		if (!wanted && (names || !strstr(e.msg, rows[i].refused)))
			fail_msg("%s: %s", rows[i].expression, e.msg);
		if (wanted && !json_equal(names, wanted))
			fail_msg("%s: others", rows[i].expression);
		json_decref(names);
		json_decref(wanted);
	}
	json_decref(list);

	struct err e = ERR_INIT;
	list = json_array();
	assert_null(machine_choice(list, "all", &e));
	assert_non_null(strstr(e.msg, "no machine is declared"));
	json_decref(list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(choices)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

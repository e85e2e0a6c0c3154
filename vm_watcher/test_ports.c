/* Which addresses are bound to which MAC addresses. That nft takes it: tests/stack/test_bound.py.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "vm_watcher/ports.h"
#include "lib/base/test_folder.h"

static char *render(const char *lease_text, const char *machine_text)
{
	struct vm_store_options o = {.dir = at("vms"), .no_inotify = true};
	struct leases leases = {0};
	struct err e = ERR_INIT;
	struct vm_store *store;
	size_t len;
	char *text;

	if (vm_store_open(&o, &store, &e) < 0)
		fail_msg("%s", e.msg);
	assert_int_equal(leases_read(&leases, lease_text), 0);
	assert_int_equal(leases_read_machines(&leases, machine_text), 0);
	const struct vm_snapshot *snap = vm_store_snapshot(store);
	assert_int_equal(ports_render(snap, &leases, &text, &len, &e), 0);
	assert_int_equal(strlen(text), len);
	vm_snapshot_unref(snap);
	vm_store_close(store);
	leases_clear(&leases);
	return text;
}

static void nothing_is_bound_without_machines(void **state)
{
	(void)state;
	char *text = render("", "");
	assert_string_equal(text,
	    "flush set bridge vmlab claimed4\nflush set bridge vmlab owners4\n"
	    "flush set bridge vmlab claimed6\nflush set bridge vmlab owners6\n");
	free(text);
}

static void has(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no \"%s\" in:\n%s", line, text);
}

static void declared_leased_and_seen_addresses_are_bound(void **state)
{
	(void)state;
	put("vms/a.json",
	    "{\"name\":\"a\",\"mac\":\"52:54:00:00:00:01\",\"ip\":\"192.168.100.11\","
	    "\"ipv6\":\"fd00::11\",\"network_config\":{\"version\":2,\"ethernets\":{\"eth0\":"
	    "{\"addresses\":[\"192.168.100.12/24\",\"fd00::12/64\"]}}}}");
	put("vms/b.json", "{\"name\":\"b\",\"mac\":\"52:54:00:00:00:02\"}");
	char *text = render("0 52:54:00:00:00:02 192.168.100.200 b *\n"
			    "0 52:54:00:00:00:77 192.168.100.201 * *\n"
			    "0 1 fd00::200 b 00:04:11:22\n",
	    "b 192.168.100.30 - 0 52:54:00:00:00:99\n"
	    "gone 192.168.100.31 - 0 -\n");
	has(text, "192.168.100.11 . 52:54:00:00:00:01,");
	has(text, "192.168.100.11 . 56:54:00:00:00:01,");
	has(text, "192.168.100.12 . 52:54:00:00:00:01,");
	has(text, "fd00::11 . 52:54:00:00:00:01,");
	has(text, "fd00::12 . 52:54:00:00:00:01,");
	has(text, "192.168.100.200 . 52:54:00:00:00:02,");
	has(text, "192.168.100.200 . 52:54:00:00:00:99,");
	has(text, "192.168.100.201 . 52:54:00:00:00:77,");
	has(text, "fd00::200 . 52:54:00:00:00:02,");
	has(text, "192.168.100.30 . 52:54:00:00:00:99,");
	assert_null(strstr(text, "192.168.100.31"));
	assert_null(strstr(text, "192.168.100.11 . 52:54:00:00:00:02"));
	free(text);
}

static void who_has_a_declared_address_by_lease_may_use_it_too(void **state)
{
	(void)state;
	put("vms/a.json",
	    "{\"name\":\"a\",\"mac\":\"52:54:00:00:00:01\",\"ip\":\"192.168.100.11\"}");
	char *text = render("0 52:54:00:00:00:02 192.168.100.11 b *\n", "");
	has(text, "192.168.100.11 . 52:54:00:00:00:01,");
	has(text, "192.168.100.11 . 52:54:00:00:00:02,");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_is_bound_without_machines),
	    cmocka_unit_test(declared_leased_and_seen_addresses_are_bound),
	    cmocka_unit_test(who_has_a_declared_address_by_lease_may_use_it_too),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

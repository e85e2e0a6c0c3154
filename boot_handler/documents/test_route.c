#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "boot_handler/http/guest.h"
#include "boot_handler/http/operator.h"

#define MAC "52:54:00:00:00:11"

struct row {
	const struct endpoint_table *side;
	const char *target;
	int want;         /* 0, ROUTE_NOT_FOUND, -EINVAL */
	const char *path; /* of the row that is found */
};

#define G &guest_endpoints
#define O &operator_endpoints

static const struct row table[] = {
    {G, "/ipxe?mac=" MAC, 0, "/ipxe"},
    {G, "/ipxe?mac=52-54-00-00-00-11&arch=x86_64&uuid=&serial=", 0, "/ipxe"},
    {G, "/ipxe?mac=52-54-00-00-00-11&choose=debian-installer-13", 0, "/ipxe"},
    {G, "/ipxe?mac=52-54-00-00-00-11&choose=", 0, "/ipxe"},
    {G, "/ipxe?mac=52-54-00-00-00-11&choose=..%2f", 0, "/ipxe"},
    {G, "/ipxe?mac=52%3A54%3a00%3A00%3A00%3A11", 0, "/ipxe"},
    {G, "/ipxe?uuid=123E4567-e89b-12d3-a456-426614174000", 0, "/ipxe"},
    {G, "/ipxe?mac=&serial=CZ%201", 0, "/ipxe"},
    {G, "/ipxe?x=1&&=&mac=" MAC "&", 0, "/ipxe"},
    {G, "/ipxe", -EINVAL, NULL},
    {G, "/ipxe?", -EINVAL, NULL},
    {G, "/ipxe?mac=", -EINVAL, NULL},
    {G, "/ipxe?mac=" MAC "&mac=" MAC, -EINVAL, NULL},
    {G, "/ipxe?mac=52:54:00:00:00", -EINVAL, NULL},
    {G, "/ipxe?mac=52:54:00:00:00:11%0a", -EINVAL, NULL},
    {G, "/ipxe?mac=52:54:00:00:00:11%00", -EINVAL, NULL},
    {G, "/ipxe?mac=%", -EINVAL, NULL},
    {G, "/ipxe?mac=%4", -EINVAL, NULL},
    {G, "/ipxe?mac=%zz", -EINVAL, NULL},
    {G, "/ipxe?mac=00:00:00:00:00:00", -EINVAL, NULL},
    {G, "/ipxe?mac=" MAC "&uuid=nonsense&serial=%", 0, "/ipxe"},
    {G, "/ipxe?uuid=nonsense", -EINVAL, NULL},
    {G, "/ipxe?mac=" MAC "&arch=aaaaaaaaaaaaaaaaaaaaaaaaaaaaa&product=%zz", 0, "/ipxe"},
    {G, "/ipxe/", ROUTE_NOT_FOUND, NULL},
    {G, "/config/" MAC, 0, "/config/<mac>"},
    {G, "/config/" MAC "?x=y", 0, "/config/<mac>"},
    {G, "/config/", -EINVAL, NULL},
    {G, "/config", ROUTE_NOT_FOUND, NULL},
    {G, "/config/" MAC "/x", ROUTE_NOT_FOUND, NULL},
    {G, "/config/..%2f..%2fetc%2fpasswd", -EINVAL, NULL},
    {G, "/cloud-init/web1/meta-data", 0, "/cloud-init/<name>/<document>"},
    {G, "/cloud-init/web1/user-data", 0, "/cloud-init/<name>/<document>"},
    {G, "/cloud-init/web1/vendor-data", 0, "/cloud-init/<name>/<document>"},
    {G, "/cloud-init/web1/network-config", 0, "/cloud-init/<name>/<document>"},
    {G, "/cloud-init/web1/", ROUTE_NOT_FOUND, NULL},
    {G, "/cloud-init/web1/passwd", ROUTE_NOT_FOUND, NULL},
    {G, "/cloud-init/My_VM.1/meta-data", 0, "/cloud-init/<name>/<document>"},
    {G, "/cloud-init/.web1/meta-data", -EINVAL, NULL},
    {G, "/cloud-init/web1%0a/meta-data", -EINVAL, NULL},
    {G, "/cloud-init/%24(id)/meta-data", -EINVAL, NULL},
    {G, "/report/" MAC, 0, "/report/<mac>"},
    {G, "/report/" MAC "?phase=ready", 0, "/report/<mac>"},
    {G, "/report/" MAC "?phase=rootfs", -EINVAL, NULL},
    {G, "/healthz", 0, "/healthz"},
    {G, "/api/v1/vms", ROUTE_NOT_FOUND, NULL},
    {G, "/api/v1/vms/web1/reinstall", ROUTE_NOT_FOUND, NULL},
    {G, "", ROUTE_NOT_FOUND, NULL},
    {G, "/", ROUTE_NOT_FOUND, NULL},
    {G, "*", ROUTE_NOT_FOUND, NULL},
    {G, "?mac=" MAC, ROUTE_NOT_FOUND, NULL},
    {G, "http://evil/ipxe?mac=" MAC, ROUTE_NOT_FOUND, NULL},
    {O, "/healthz", 0, "/healthz"},
    {O, "/readyz", 0, "/readyz"},
    {O, "/api/v1/vms", 0, "/api/v1/vms"},
    {O, "/api/v1/vms/web1", 0, "/api/v1/vms/<name>"},
    {O, "/api/v1/vms/web1/reinstall", 0, "/api/v1/vms/<name>/reinstall"},
    {O, "/api/v1/vms/web1/local", 0, "/api/v1/vms/<name>/local"},
    {O, "/api/v1/vms/web1/destroy", ROUTE_NOT_FOUND, NULL},
    {O, "/api/v1/vms/web1/local/x", ROUTE_NOT_FOUND, NULL},
    {O, "/api/v1/vms/", -EINVAL, NULL},
    {O, "/api/v1/vms/-x", -EINVAL, NULL},
    {O, "/api/v1/events", 0, "/api/v1/events"},
    {O, "/api/v1/holders", 0, "/api/v1/holders"},
    {O, "/api/v1/events?after=12&limit=5&vm=web1", 0, "/api/v1/events"},
    {O, "/api/v1/events?after=-1", -EINVAL, NULL},
    {O, "/api/v1/events?after=99999999999999999999", -EINVAL, NULL},
    {O, "/api/v1/events?limit=0", -EINVAL, NULL},
    {O, "/api/v1/events?limit=1001", -EINVAL, NULL},
    {O, "/api/v1/events?knid=dhcp", -EINVAL, NULL},
    {O, "/api/v1/stream?kind=dhcp", 0, "/api/v1/stream"},
    {O, "/api/v1/stream?Kind=dhcp", -EINVAL, NULL},
    {O, "/api/v1/machines/web1/console/stream?after=3", 0, "/api/v1/machines/<id>/console/stream"},
    {O, "/api/v1/machines/web1/console/stream?since=3", -EINVAL, NULL},
    {O, "/api/v2/vms", ROUTE_NOT_FOUND, NULL},
    {O, "/api/v1/holders/x", ROUTE_NOT_FOUND, NULL},
    {O, "/ipxe?mac=" MAC, ROUTE_NOT_FOUND, NULL},
};

static void routes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct row *row = &table[i];
		struct err e = ERR_INIT;
		const struct endpoint *found;
		struct route route;

		int r = endpoint_find(row->side, row->target, &route, &found, &e);
		if (r != row->want || (r == 0 && strcmp(found->path, row->path) != 0))
			fail_msg("%s: got %d path %s (%s)", row->target, r,
			    found ? found->path : "", e.msg);
		if (r != 0)
			assert_int_not_equal(strlen(e.msg), 0);
	}
}

static const struct endpoint *found;

static int find(
    const struct endpoint_table *side, const char *target, struct route *r, struct err *e)
{
	return endpoint_find(side, target, r, &found, e);
}

static void values(void **state)
{
	struct err e = ERR_INIT;
	struct route r;
	char mac[MAC_TEXT_SIZE];

	(void)state;
	assert_int_equal(find(G,
			     "/ipxe?mac=52-54-00-AA-00-11&arch=i386&"
			     "uuid=123E4567-E89B-12d3-a456-426614174000&serial=A%20b",
			     &r, &e),
	    0);
	assert_string_equal(mac_format(&r.mac, mac), "52:54:00:aa:00:11");
	assert_int_equal(r.arch, VM_ARCH_AMD64);
	assert_string_equal(r.uuid, "123e4567-e89b-12d3-a456-426614174000");
	assert_string_equal(r.serial, "A b");
	assert_int_equal(
	    find(G,
		"/ipxe?mac=" MAC "&serial=%20VMware-56%204d%2c%20x%20%20%20"
		"%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20",
		&r, &e),
	    0);
	assert_string_equal(r.serial, "VMware-56 4d, x");
	assert_int_equal(r.arch, VM_ARCH_NOT_SAID);
	assert_int_equal(find(G,
			     "/ipxe?mac=" MAC "&serial=Default%20string"
			     "&uuid=03000200-0400-0500-0006-000700080009",
			     &r, &e),
	    0);
	assert_string_equal(r.serial, "");
	assert_string_equal(r.uuid, "");
	/* Nothing left that tells the machine. */
	assert_int_equal(
	    find(G, "/ipxe?serial=None&uuid=FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", &r, &e),
	    -EINVAL);
	assert_int_equal(find(G, "/ipxe?mac=" MAC "&serial=%01x&arch=riscv64", &r, &e), 0);
	assert_string_equal(r.serial, "");
	assert_int_equal(r.arch, VM_ARCH_OTHER);
	assert_int_equal(find(O, "/api/v1/events?after=12&vm=web1", &r, &e), 0);
	assert_int_equal(r.after, 12);
	assert_int_equal(r.limit, ROUTE_EVENTS_LIMIT_DEFAULT);
	assert_string_equal(r.name, "web1");
	assert_int_equal(find(G, "/report/" MAC "?phase=ready", &r, &e), 0);
	assert_int_equal(r.report, ROUTE_REPORT_READY);
}

/* What each key leaves of a value. */
static void what_a_machine_shows(void **state)
{
	static const struct {
		const char *query, *platform, *manufacturer, *product, *asset, *version;
	} rows[] = {
	    {"&platform=efi&manufacturer=Dell%20Inc.&product=PowerEdge%20R640&asset=A%2F7&version=1.21.1+",
		"efi", "Dell Inc.", "PowerEdge R640", "A/7", "1.21.1+"},
	    {"&manufacturer=%20%20x%20%20&product=%1b%5b31mred&asset=Not%20Specified&version=%", "",
		"x", "?[31mred", "", ""},
	    {"&manufacturer=a%0ab&product=a%00b&asset=%e2%80%ae&version=%ff", "", "a b", "", "?",
		"?"},
	    {"&platform=aaaaaaaaaaaaaaaaaaaaaaaa&product=To%20be%20filled%20by%20O.E.M.",
		"aaaaaaaaaaaaaaa", "", "", "", ""},
	    {"&manufacturer&product=&asset==&=x", "", "", "", "=", ""},
	};
	struct err e = ERR_INIT;
	struct shown shown;
	struct route r;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		char target[400];

		snprintf(target, sizeof(target), "/ipxe?mac=" MAC "%s", rows[i].query);
		assert_int_equal(find(G, target, &r, &e), 0);
		route_shown(&r, &shown);
		assert_string_equal(shown.platform, rows[i].platform);
		assert_string_equal(shown.manufacturer, rows[i].manufacturer);
		assert_string_equal(shown.product, rows[i].product);
		assert_string_equal(shown.asset, rows[i].asset);
		assert_string_equal(shown.version, rows[i].version);
	}
	assert_int_equal(find(G, "/ipxe?mac=" MAC "&arch=x86_64", &r, &e), 0);
	route_shown(&r, &shown);
	assert_string_equal(shown.arch, "amd64");
	assert_int_equal(find(G, "/ipxe?mac=" MAC "&arch=riscv64", &r, &e), 0);
	route_shown(&r, &shown);
	assert_string_equal(shown.arch, "riscv64");
}

static void long_target(void **state)
{
	char target[ROUTE_TARGET_MAX + 100];
	struct err e = ERR_INIT;
	struct route r;

	(void)state;
	memset(target, 'a', sizeof(target));
	memcpy(target, "/ipxe?mac=" MAC "&x=", 30);
	target[sizeof(target) - 1] = '\0';
	assert_int_equal(find(G, target, &r, &e), -EINVAL);
	target[ROUTE_TARGET_MAX] = '\0';
	assert_int_equal(find(G, target, &r, &e), 0);
}

static void methods(void **state)
{
	struct err e = ERR_INIT;
	struct route r;

	(void)state;
	assert_int_equal(find(G, "/ipxe?mac=" MAC, &r, &e), 0);
	assert_true(endpoint_allows(found, "GET"));
	assert_true(endpoint_allows(found, "HEAD"));
	assert_false(endpoint_allows(found, "POST"));
	assert_string_equal(endpoint_methods(found), "GET, HEAD");
	assert_int_equal(find(G, "/report/" MAC, &r, &e), 0);
	assert_true(endpoint_allows(found, "POST"));
	assert_false(endpoint_allows(found, "GET"));
	assert_int_equal(find(O, "/api/v1/vms/web1/local", &r, &e), 0);
	assert_false(endpoint_allows(found, "GET"));
	assert_string_equal(endpoint_methods(found), "POST");
	assert_int_equal(find(O, "/api/v1/vms/web1/destroy", &r, &e), ROUTE_NOT_FOUND);
	assert_string_equal(e.msg, "there is no such action: the actions are reinstall and local");
}

/* A row that another hides is never found. */
static void every_row_is_found(void **state)
{
	static const struct endpoint_table *const tables[] = {G, O};
	struct err e = ERR_INIT;
	struct route r;

	(void)state;
	for (size_t t = 0; t < 2; t++)
		for (size_t i = 0; i < tables[t]->count; i++) {
			char target[200];
			size_t n = 0;
			for (const char *p = tables[t]->rows[i].path; *p; p++) {
				const char *stands = strncmp(p, "<mac>", 5) == 0    ? MAC
						     : strncmp(p, "<name>", 6) == 0 ? "web1"
						     : strncmp(p, "<id>", 4) == 0   ? "SN-1"
						     : *p == '<'                    ? "user-data"
										    : NULL;
				n += (size_t)snprintf(target + n, sizeof(target) - n, "%.*s",
				    stands ? 100 : 1, stands ? stands : p);
				if (stands)
					p = strchr(p, '>');
			}
			int rc = find(tables[t], target, &r, &e);
			assert_true(rc == 0 || rc == -EINVAL); /* /ipxe lacks its query */
			assert_ptr_equal(found, &tables[t]->rows[i]);
			assert_true(tables[t]->rows[i].run && tables[t]->rows[i].summary);
		}
}

static void decoding(void **state)
{
	char out[4];

	(void)state;
	assert_int_equal(route_decode("a+%62", 5, true, out, sizeof(out)), 3);
	assert_string_equal(out, "a b");
	assert_int_equal(route_decode("a+b", 3, false, out, sizeof(out)), 3);
	assert_string_equal(out, "a+b");
	assert_int_equal(route_decode("abcd", 4, false, out, sizeof(out)), -EINVAL);
	assert_int_equal(route_decode("%00", 3, false, out, sizeof(out)), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(routes),
	    cmocka_unit_test(values),
	    cmocka_unit_test(what_a_machine_shows),
	    cmocka_unit_test(long_target),
	    cmocka_unit_test(methods),
	    cmocka_unit_test(every_row_is_found),
	    cmocka_unit_test(decoding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

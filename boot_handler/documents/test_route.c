#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "boot_handler/documents/route.h"

#define MAC "52:54:00:00:00:11"

struct row {
	enum route_side side;
	const char *target;
	int want; /* 0, ROUTE_NOT_FOUND, -EINVAL */
	enum route_kind kind;
};

#define G ROUTE_SIDE_GUEST
#define O ROUTE_SIDE_OPERATOR

static const struct row table[] = {
    {G, "/ipxe?mac=" MAC, 0, ROUTE_IPXE},
    {G, "/ipxe?mac=52-54-00-00-00-11&arch=x86_64&uuid=&serial=", 0, ROUTE_IPXE},
    {G, "/ipxe?mac=52%3A54%3a00%3A00%3A00%3A11", 0, ROUTE_IPXE},
    {G, "/ipxe?uuid=123E4567-e89b-12d3-a456-426614174000", 0, ROUTE_IPXE},
    {G, "/ipxe?mac=&serial=CZ%201", 0, ROUTE_IPXE},
    {G, "/ipxe?x=1&&=&mac=" MAC "&", 0, ROUTE_IPXE},
    {G, "/ipxe", -EINVAL, 0},
    {G, "/ipxe?", -EINVAL, 0},
    {G, "/ipxe?mac=", -EINVAL, 0},
    {G, "/ipxe?mac=" MAC "&mac=" MAC, -EINVAL, 0},
    {G, "/ipxe?mac=52:54:00:00:00", -EINVAL, 0},
    {G, "/ipxe?mac=52:54:00:00:00:11%0a", -EINVAL, 0},
    {G, "/ipxe?mac=52:54:00:00:00:11%00", -EINVAL, 0},
    {G, "/ipxe?mac=%", -EINVAL, 0},
    {G, "/ipxe?mac=%4", -EINVAL, 0},
    {G, "/ipxe?mac=%zz", -EINVAL, 0},
    {G, "/ipxe?mac=00:00:00:00:00:00", -EINVAL, 0},
    {G, "/ipxe?mac=" MAC "&uuid=nonsense", -EINVAL, 0},
    {G, "/ipxe?mac=" MAC "&arch=aaaaaaaaaaaaaaaaaaaaaaaaaaaaa", -EINVAL, 0},
    {G, "/ipxe/", ROUTE_NOT_FOUND, 0},
    {G, "/config/" MAC, 0, ROUTE_CONFIG},
    {G, "/config/" MAC "?x=y", 0, ROUTE_CONFIG},
    {G, "/config/", -EINVAL, 0},
    {G, "/config", ROUTE_NOT_FOUND, 0},
    {G, "/config/" MAC "/x", ROUTE_NOT_FOUND, 0},
    {G, "/config/..%2f..%2fetc%2fpasswd", -EINVAL, 0},
    {G, "/cloud-init/web1/meta-data", 0, ROUTE_CLOUD_INIT},
    {G, "/cloud-init/web1/user-data", 0, ROUTE_CLOUD_INIT},
    {G, "/cloud-init/web1/vendor-data", 0, ROUTE_CLOUD_INIT},
    {G, "/cloud-init/web1/network-config", 0, ROUTE_CLOUD_INIT},
    {G, "/cloud-init/web1/", ROUTE_NOT_FOUND, 0},
    {G, "/cloud-init/web1/passwd", ROUTE_NOT_FOUND, 0},
    {G, "/cloud-init/My_VM.1/meta-data", 0, ROUTE_CLOUD_INIT},
    {G, "/cloud-init/.web1/meta-data", -EINVAL, 0},
    {G, "/cloud-init/web1%0a/meta-data", -EINVAL, 0},
    {G, "/cloud-init/%24(id)/meta-data", -EINVAL, 0},
    {G, "/report/" MAC, 0, ROUTE_REPORT},
    {G, "/report/" MAC "?phase=ready", 0, ROUTE_REPORT},
    {G, "/report/" MAC "?phase=rootfs", -EINVAL, 0},
    {G, "/healthz", 0, ROUTE_HEALTHZ},
    {G, "/api/v1/vms", ROUTE_NOT_FOUND, 0},
    {G, "/api/v1/vms/web1/reinstall", ROUTE_NOT_FOUND, 0},
    {G, "", ROUTE_NOT_FOUND, 0},
    {G, "/", ROUTE_NOT_FOUND, 0},
    {G, "*", ROUTE_NOT_FOUND, 0},
    {G, "?mac=" MAC, ROUTE_NOT_FOUND, 0},
    {G, "http://evil/ipxe?mac=" MAC, ROUTE_NOT_FOUND, 0},
    {O, "/healthz", 0, ROUTE_HEALTHZ},
    {O, "/readyz", 0, ROUTE_READYZ},
    {O, "/api/v1/vms", 0, ROUTE_VMS},
    {O, "/api/v1/vms/web1", 0, ROUTE_VM},
    {O, "/api/v1/vms/web1/reinstall", 0, ROUTE_ACTION},
    {O, "/api/v1/vms/web1/local", 0, ROUTE_ACTION},
    {O, "/api/v1/vms/web1/destroy", ROUTE_NOT_FOUND, 0},
    {O, "/api/v1/vms/web1/local/x", ROUTE_NOT_FOUND, 0},
    {O, "/api/v1/vms/", -EINVAL, 0},
    {O, "/api/v1/vms/-x", -EINVAL, 0},
    {O, "/api/v1/events", 0, ROUTE_EVENTS},
    {O, "/api/v1/holders", 0, ROUTE_HOLDERS},
    {O, "/api/v1/events?after=12&limit=5&vm=web1", 0, ROUTE_EVENTS},
    {O, "/api/v1/events?after=-1", -EINVAL, 0},
    {O, "/api/v1/events?after=99999999999999999999", -EINVAL, 0},
    {O, "/api/v1/events?limit=0", -EINVAL, 0},
    {O, "/api/v1/events?limit=1001", -EINVAL, 0},
    {O, "/api/v2/vms", ROUTE_NOT_FOUND, 0},
    {O, "/api/v1/holders/x", ROUTE_NOT_FOUND, 0},
    {O, "/ipxe?mac=" MAC, ROUTE_NOT_FOUND, 0},
};

static void routes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct row *row = &table[i];
		struct err e = ERR_INIT;
		struct route route;

		int r = route_parse(row->side, row->target, &route, &e);
		if (r != row->want || (r == 0 && route.kind != row->kind))
			fail_msg("%s: got %d kind %d (%s)", row->target, r, (int)route.kind, e.msg);
		if (r != 0)
			assert_int_not_equal(strlen(e.msg), 0);
	}
}

static void values(void **state)
{
	struct err e = ERR_INIT;
	struct route r;
	char mac[MAC_TEXT_SIZE];

	(void)state;
	assert_int_equal(route_parse(G,
			     "/ipxe?mac=52-54-00-AA-00-11&arch=i386&"
			     "uuid=123E4567-E89B-12d3-a456-426614174000&serial=A%20b",
			     &r, &e),
	    0);
	assert_string_equal(mac_format(&r.mac, mac), "52:54:00:aa:00:11");
	assert_int_equal(r.arch, VM_ARCH_AMD64);
	assert_string_equal(r.uuid, "123e4567-e89b-12d3-a456-426614174000");
	assert_string_equal(r.serial, "A b");
	assert_int_equal(
	    route_parse(G,
		"/ipxe?mac=" MAC "&serial=%20VMware-56%204d%2c%20x%20%20%20"
		"%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20%20",
		&r, &e),
	    0);
	assert_string_equal(r.serial, "VMware-56 4d, x");
	assert_int_equal(r.arch, VM_ARCH_NOT_SAID);
	assert_int_equal(route_parse(G,
			     "/ipxe?mac=" MAC "&serial=Default%20string"
			     "&uuid=03000200-0400-0500-0006-000700080009",
			     &r, &e),
	    0);
	assert_string_equal(r.serial, "");
	assert_string_equal(r.uuid, "");
	/* Nothing left that tells the machine. */
	assert_int_equal(
	    route_parse(G, "/ipxe?serial=None&uuid=FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", &r, &e),
	    -EINVAL);
	assert_int_equal(route_parse(G, "/ipxe?mac=" MAC "&serial=%01x&arch=riscv64", &r, &e), 0);
	assert_string_equal(r.serial, "");
	assert_int_equal(r.arch, VM_ARCH_OTHER);
	assert_int_equal(route_parse(O, "/api/v1/events?after=12&vm=web1", &r, &e), 0);
	assert_int_equal(r.after, 12);
	assert_int_equal(r.limit, ROUTE_EVENTS_LIMIT_DEFAULT);
	assert_string_equal(r.name, "web1");
	assert_int_equal(route_parse(G, "/report/" MAC "?phase=ready", &r, &e), 0);
	assert_int_equal(r.report, ROUTE_REPORT_READY);
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
	assert_int_equal(route_parse(G, target, &r, &e), -EINVAL);
	target[ROUTE_TARGET_MAX] = '\0';
	assert_int_equal(route_parse(G, target, &r, &e), 0);
}

static void methods(void **state)
{
	(void)state;
	assert_true(route_allows(ROUTE_IPXE, "GET"));
	assert_true(route_allows(ROUTE_IPXE, "HEAD"));
	assert_false(route_allows(ROUTE_IPXE, "POST"));
	assert_true(route_allows(ROUTE_REPORT, "POST"));
	assert_false(route_allows(ROUTE_REPORT, "GET"));
	assert_false(route_allows(ROUTE_ACTION, "GET"));
	assert_string_equal(route_methods(ROUTE_ACTION), "POST");
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
	    cmocka_unit_test(long_target),
	    cmocka_unit_test(methods),
	    cmocka_unit_test(decoding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Feeds any bytes to the route parser, on both sides; the first byte chooses the side. What comes
 * out must be what its type promises. */
#include "boot_handler/http/guest.h"
#include "boot_handler/http/operator.h"
#include "lib/base/test_promise.h"
#include "lib/definition/vm.h"
#include "lib/machine/test_shown.h"

static void check_shown(const struct shown *s)
{
	promise_shown(s);
	PROMISE(!s->loader[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	const struct endpoint *found;
	struct route route;
	struct shown shown;

	if (size == 0)
		return 0;
	char *target = promise_string(data + 1, size - 1);
	int r = endpoint_find(
	    data[0] & 1 ? &operator_endpoints : &guest_endpoints, target, &route, &found, &e);
	if (r != 0)
		PROMISE(e.msg[0] != '\0');
	if (r == 0) {
		PROMISE(!route.name[0] || vm_name_valid(route.name));
		route_shown(&route, &shown);
		check_shown(&shown);
		PROMISE(!route.machine[0] || smbios_serial_valid(route.machine));
		PROMISE(found->query != route_query_events ||
			(route.limit > 0 && route.limit <= ROUTE_EVENTS_LIMIT_MAX));
	}
	free(target);
	return 0;
}

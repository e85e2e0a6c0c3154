/* Feeds any bytes to the route parser, on both sides; the first byte chooses the side. What comes
 * out must be what its type promises. */
#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/guest.h"
#include "boot_handler/http/operator.h"
#include "lib/definition/vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	const struct endpoint *found;
	struct route route;

	if (size == 0)
		return 0;
	char *target = malloc(size);
	require(target != NULL);
	memcpy(target, data + 1, size - 1);
	target[size - 1] = '\0';
	int r = endpoint_find(
	    data[0] & 1 ? &operator_endpoints : &guest_endpoints, target, &route, &found, &e);
	if (r != 0)
		require(e.msg[0] != '\0');
	if (r == 0) {
		require(!route.name[0] || vm_name_valid(route.name));
		require(!strpbrk(route.serial, "\r\n"));
		require(route.uuid[strspn(route.uuid, "0123456789abcdef-")] == '\0');
		require(found->query != route_query_events ||
			(route.limit > 0 && route.limit <= ROUTE_EVENTS_LIMIT_MAX));
	}
	free(target);
	return 0;
}

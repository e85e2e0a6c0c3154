/* Feeds any bytes to the route parser, on both sides; the first byte chooses the side. What comes
 * out must be what its type promises. */
#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/guest.h"
#include "boot_handler/http/operator.h"
#include "lib/base/text.h"
#include "lib/definition/vm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
	if (!condition)
		abort();
}

/* One line that may be printed. */
static void require_clean(const char *text, size_t size)
{
	char clean[256];

	require(strnlen(text, size) < size);
	text_copy_clean(text, clean, sizeof(clean));
	require(strcmp(text, clean) == 0);
}

static void require_shown(const struct shown *s)
{
	require(s->uuid[strspn(s->uuid, "0123456789abcdef-")] == '\0');
	require(!s->serial[0] || smbios_serial_valid(s->serial));
	require_clean(s->arch, sizeof(s->arch));
	require_clean(s->platform, sizeof(s->platform));
	require_clean(s->version, sizeof(s->version));
	require_clean(s->manufacturer, sizeof(s->manufacturer));
	require_clean(s->product, sizeof(s->product));
	require_clean(s->asset, sizeof(s->asset));
	require(!s->loader[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct err e = ERR_INIT;
	const struct endpoint *found;
	struct route route;
	struct shown shown;

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
		route_shown(&route, &shown);
		require_shown(&shown);
		require(!route.machine[0] || smbios_serial_valid(route.machine));
		require(found->query != route_query_events ||
			(route.limit > 0 && route.limit <= ROUTE_EVENTS_LIMIT_MAX));
	}
	free(target);
	return 0;
}

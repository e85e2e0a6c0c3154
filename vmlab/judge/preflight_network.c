#include "vmlab/judge/preflight_network.h"

#include <string.h>

static const char *const kinds[] = {"vlans", "bonds", "bridges"};
#define KIND_COUNT (sizeof(kinds) / sizeof(*kinds))

static bool has_default_route(const json_t *interface)
{
	const json_t *routes = json_object_get(interface, "routes"), *route;
	size_t i;

	json_array_foreach(routes, i, route) {
		const char *to = json_string_value(json_object_get(route, "to"));
		if (to && strcmp(to, "default") == 0)
			return true;
	}
	return false;
}

static const char *version_2(const json_t *config)
{
	const json_t *interface;
	const char *name;

	for (size_t i = 0; i < KIND_COUNT; i++)
		if (json_object_size(json_object_get(config, kinds[i])) > 0)
			return kinds[i];
	json_object_foreach((json_t *)json_object_get(config, "ethernets"), name, interface) {
		if (has_default_route(interface))
			return "a route to default";
	}
	return NULL;
}

/* Its types are called as version 2's lists, but for the plural. */
static const char *version_1(const json_t *config)
{
	const json_t *list = json_object_get(config, "config"), *item;
	size_t i;

	json_array_foreach(list, i, item) {
		const char *type = json_string_value(json_object_get(item, "type"));
		for (size_t k = 0; type && k < KIND_COUNT; k++)
			if (strncmp(type, kinds[k], strlen(kinds[k]) - 1) == 0 &&
			    strlen(type) == strlen(kinds[k]) - 1)
				return kinds[k];
	}
	return NULL;
}

const char *preflight_network_wants(const json_t *network_config)
{
	const json_t *inner = json_object_get(network_config, "network");
	const json_t *config = inner ? inner : network_config;

	return json_integer_value(json_object_get(config, "version")) == 1 ? version_1(config)
									   : version_2(config);
}

bool preflight_network_can(const json_t *renderers)
{
	const json_t *name;
	size_t i;

	json_array_foreach(renderers, i, name) {
		const char *text = json_string_value(name);
		if (text && strcmp(text, "networkd") != 0)
			return true;
	}
	return !json_is_array(renderers);
}

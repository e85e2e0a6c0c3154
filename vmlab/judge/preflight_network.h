/* preflight_network.h - inside of preflight.h: what of a network_config an image can set up. Pure.
 */
#ifndef VMLAB_JUDGE_PREFLIGHT_NETWORK_H
#define VMLAB_JUDGE_PREFLIGHT_NETWORK_H

#include <jansson.h>
#include <stdbool.h>

/* What the configuration (cloud-init's network configuration, version 1 or 2, or NULL) has that
 * wants more than systemd-networkd's renderer of cloud-init: "vlans", "bonds", "bridges", "a route
 * to default"; NULL when nothing. */
const char *preflight_network_wants(const json_t *network_config);

/* True when one of the image's renderers (the manifest's "network_renderers") can do that, or when
 * it is not known which it has. */
bool preflight_network_can(const json_t *renderers);

#endif

#include "os_installer/agent/identity.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdbool.h>
#include <string.h>

#include "os_installer/base/cmdline.h"

/* PXELINUX' form: the hardware type, then the address. */
static bool bootif_find(const char *cmdline, struct mac *out)
{
	char text[64];

	return cmdline_get(cmdline, "BOOTIF", text, sizeof(text)) && strlen(text) > 3 &&
	       mac_parse(text + 3, strlen(text + 3), out, NULL) == 0;
}

static bool mac_of(const struct ifaddrs *all, const char *name, struct mac *out)
{
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		const struct sockaddr_ll *ll =
		    (const struct sockaddr_ll *)(const void *)i->ifa_addr;
		if (!ll || ll->sll_family != AF_PACKET || ll->sll_halen != sizeof(out->octet) ||
		    strcmp(i->ifa_name, name) != 0)
			continue;
		memcpy(out->octet, ll->sll_addr, sizeof(out->octet));
		return true;
	}
	return false;
}

/* The first with an IPv4 address, with this MAC where one is `wanted`. */
static bool card_find(const struct ifaddrs *all, const struct mac *wanted, struct identity *out)
{
	for (const struct ifaddrs *i = all; i; i = i->ifa_next) {
		struct mac mac;
		if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET ||
		    (i->ifa_flags & IFF_LOOPBACK) || !mac_of(all, i->ifa_name, &mac) ||
		    (wanted && !mac_equal(&mac, wanted)))
			continue;
		mac_format(&mac, out->mac);
		inet_ntop(AF_INET,
		    &((const struct sockaddr_in *)(const void *)i->ifa_addr)->sin_addr, out->ip,
		    sizeof(out->ip));
		return true;
	}
	return false;
}

int identity_find(const char *cmdline, struct identity *out, struct err *e)
{
	struct ifaddrs *all;
	struct mac bootif;
	bool named = bootif_find(cmdline, &bootif);

	if (getifaddrs(&all) < 0)
		return err_errno(e, "the network cards cannot be listed");
	bool found = (named && card_find(all, &bootif, out)) || card_find(all, NULL, out);
	freeifaddrs(all);
	if (!found)
		return err_set(e, ENODEV, "no network card has an address yet");
	if (named)
		mac_format(&bootif, out->mac);
	return 0;
}

/* lease.h - what dnsmasq tells when it gives out an address, as the datagram that lease_sender.h
 * sends and lease_receiver.h takes. One datagram is one event, as text: "add|old|del MAC|- IP END|-
 * [NAME] [arch=CODE] [uuid=UUID]", or "tftp - IP SIZE FILE". Or it is LEASE_LOG and lines of
 * dnsmasq's log of DHCP. The last two come from docker/stack/supervise.py.
 */
#ifndef BOOT_HANDLER_SOURCES_LEASE_H
#define BOOT_HANDLER_SOURCES_LEASE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/net/addr.h"
#include "lib/base/err.h"
#include "lib/machine/shown.h"

#define LEASE_SOCKET_DEFAULT "/run/boot_handler/lease.sock"
#define LEASE_LOG "log\n"
#define LEASE_TEXT_MAX 400 /* of a datagram, with a NUL */

struct lease {
	struct mac mac;
	bool has_mac; /* an IPv6 lease that was read from dnsmasq's file has none */
	bool six;
	bool gone;  /* "del" */
	bool added; /* "add": it is new, not told again */
	struct in_addr ip;
	struct in6_addr ip6;
	int64_t ends;   /* when it does, in seconds since the epoch; 0: never, or not told */
	char name[64];  /* the host's name without its domain; "" when dnsmasq gave none */
	bool fetched;   /* no lease: a file was sent to this address by TFTP... */
	int64_t size;   /* ...of so many bytes */
	char file[128]; /* ...below what is served; cleaned */
	/* What the firmware showed, as in struct shown; "": nothing. */
	char uuid[UUID_TEXT_SIZE];
	char arch[SHOWN_WORD_SIZE], platform[SHOWN_WORD_SIZE];
};

/* Its address as text; returns `out`. */
const char *lease_ip_text(const struct lease *lease, char out[INET6_ADDRSTRLEN]);

/* Parses a datagram. Pure. -EINVAL. */
must_check int lease_parse(const char *text, size_t len, struct lease *out, struct err *e);

/* What dnsmasq tells its script. NULL: it does not. */
struct lease_event {
	const char *action; /* "add", "old" or "del" */
	const char *mac, *ip, *ends, *name;
	const char *vendor_class, *client_id; /* options 60 and 61, as the client says them */
	const char *tags;
};

/* The datagram of it: its length, or -EINVAL where it is of no interest. Pure. */
must_check int lease_event_text(
    const struct lease_event *event, char out[LEASE_TEXT_MAX], struct err *e);

#endif

/* lease.h - what dnsmasq tells when it gives out an address: the sender, which dnsmasq runs as its
 * dhcp-script, and the receiver inside the daemon. One datagram is one event, as text:
 * "add|old|del MAC|- IP END|- [NAME] [arch=CODE] [uuid=UUID]", or "tftp - IP SIZE FILE". Or it is
 * LEASE_LOG and lines of dnsmasq's log of DHCP, which docker/stack/supervise.py passes on.
 */
#ifndef BOOT_HANDLER_SOURCES_LEASE_H
#define BOOT_HANDLER_SOURCES_LEASE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "boot_handler/sources/dhcp_log.h"
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

/* Parses a datagram. Pure. -EINVAL. */
must_check int lease_parse(const char *text, size_t len, struct lease *out, struct err *e);

/* What dnsmasq tells its script. NULL: it does not. */
struct lease_event {
	const char *action;                   /* "add", "old", "del" or "tftp" */
	const char *mac, *ip, *ends, *name;   /* of a file: ends is its size, name its path */
	const char *vendor_class, *client_id; /* options 60 and 61, as the client says them */
	const char *tags;
};

/* The datagram of it: its length, or -EINVAL where it is of no interest. Pure. */
must_check int lease_event_text(
    const struct lease_event *event, char out[LEASE_TEXT_MAX], struct err *e);

/* `boot_handler lease-event add|old|del MAC|DUID IP [HOSTNAME]` or `tftp SIZE IP FILE`
 * (dnsmasq(8), --dhcp-script); the MAC address of an IPv6 lease is in DNSMASQ_MAC, its end in
 * DNSMASQ_LEASE_EXPIRES, the client's option 60 in DNSMASQ_VENDOR_CLASS and 61 in
 * DNSMASQ_CLIENT_ID. Events that are no lease of an Ethernet machine are left alone. Returns the
 * exit status; waits for a daemon that is busy at most a second. */
int lease_event_main(int argc, char **argv);

struct lease_receiver;

/* Both are called in the receiver's thread. */
struct lease_handler {
	void (*leased)(void *ctx, const struct lease *lease);
	void (*said)(void *ctx, const struct dhcp_said *said);
	void *ctx;
};

must_check int lease_receiver_start(const char *path, const struct lease_handler *handler,
    struct lease_receiver **out, struct err *e);
void lease_receiver_stop(struct lease_receiver *r); /* NULL is allowed */

#endif

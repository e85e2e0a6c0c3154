/* route.h - request target (RFC 9112 origin-form) to a typed route. Pure: no I/O, no state.
 *
 * Everything a client can put into a path or query leaves this module as a parsed value: a MAC, a
 * name, a number, an enum. Later modules never see the client's text, except `serial`, which only
 * ever serves as a look-up key.
 */
#ifndef BOOT_HANDLER_DOCUMENTS_ROUTE_H
#define BOOT_HANDLER_DOCUMENTS_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/net/addr.h"
#include "lib/base/err.h"
#include "lib/machine/arch.h"
#include "lib/machine/smbios_id.h"

/* Longest request target looked at, in bytes; a longer one is malformed. */
#define ROUTE_TARGET_MAX 2048
#define ROUTE_EVENTS_LIMIT_DEFAULT 200
#define ROUTE_EVENTS_LIMIT_MAX 1000

enum route_side {
	ROUTE_SIDE_GUEST,    /* what machines of the lab may ask */
	ROUTE_SIDE_OPERATOR, /* what the operator may ask */
};

enum route_kind {
	ROUTE_IPXE,
	ROUTE_CONFIG,
	ROUTE_CLOUD_INIT,
	ROUTE_REPORT,
	ROUTE_HEALTHZ,
	ROUTE_READYZ,
	ROUTE_VMS,
	ROUTE_VM,
	ROUTE_ACTION,
	ROUTE_EVENTS,
	ROUTE_HOLDERS, /* who holds which name and address: vm_holders_text() */
};

enum route_document {
	ROUTE_META_DATA,
	ROUTE_USER_DATA,
	ROUTE_VENDOR_DATA,
	ROUTE_NETWORK_CONFIG,
};

/* Who reports, and in which form. */
enum route_report {
	ROUTE_REPORT_INSTALLER,  /* JSON of its phases */
	ROUTE_REPORT_READY,      /* ?phase=ready: firstboot.h's call */
	ROUTE_REPORT_CLOUD_INIT, /* ?phase=cloud-init: one of its events */
};

enum route_action { ROUTE_REINSTALL, ROUTE_LOCAL };

struct route {
	enum route_kind kind;
	bool has_mac;
	enum route_report report; /* ROUTE_REPORT */
	struct mac mac;
	enum vm_arch arch;
	enum route_document document;
	enum route_action action;
	/* Empty when absent, or one that vendors leave unset (smbios_id.h). */
	char uuid[UUID_TEXT_SIZE]; /* lower case */
	char serial[SMBIOS_SERIAL_MAX + 1];
	char name[64];  /* valid VM name; empty when absent */
	bool has_after; /* ROUTE_EVENTS: `after` was given; else the newest ones are wanted */
	uint64_t after; /* ROUTE_EVENTS: ids greater than this */
	unsigned limit; /* ROUTE_EVENTS: at most so many */
};

#define ROUTE_NOT_FOUND 1

/* Parses a target as it came over the wire (still percent-encoded, with its query). Returns 0,
 * ROUTE_NOT_FOUND (`e` then says so in a sentence, too), or -EINVAL for a known path with a
 * malformed value. */
must_check int route_parse(
    enum route_side side, const char *target, struct route *out, struct err *e);

/* True when `method` may be used on that kind of route; GET implies HEAD. */
bool route_allows(enum route_kind kind, const char *method);
/* For the Allow header. */
const char *route_methods(enum route_kind kind);

/* Decodes %XX of text[0..len) into out (NUL-terminated); '+' becomes a space when `form`. Returns
 * the decoded length, or -EINVAL: bad escape, NUL, or more than size - 1 bytes. */
must_check int route_decode(const char *text, size_t len, bool form, char *out, size_t size);

#endif

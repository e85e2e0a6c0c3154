/* route.h - the parts of a request target (RFC 9112 origin-form) as typed values. Pure: no I/O, no
 * state.
 *
 * Everything a client can put into a path or query leaves this module as a parsed value: a MAC, a
 * name, a number, an enum. The client's own text is in `serial`, `choice` and `machine` and what
 * route_shown() makes, bounded, one line of printable characters; and raw in `said`.
 */
#ifndef BOOT_HANDLER_DOCUMENTS_ROUTE_H
#define BOOT_HANDLER_DOCUMENTS_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/net/addr.h"
#include "lib/base/digest.h"
#include "lib/base/err.h"
#include "lib/machine/arch.h"
#include "lib/machine/event.h"
#include "lib/machine/shown.h"

/* Longest request target looked at, in bytes; a longer one is malformed. */
#define ROUTE_TARGET_MAX 2048
#define ROUTE_EVENTS_LIMIT_DEFAULT 200
#define ROUTE_EVENTS_LIMIT_MAX 1000
#define ROUTE_WAIT_MAX_S 60

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

/* Bytes of the target: not NUL-terminated. */
struct piece {
	const char *text;
	size_t len;
};

/* What /ipxe is told for people to read: of strangers alone, so route_shown() makes it text. */
enum route_said {
	ROUTE_SAID_ARCH,
	ROUTE_SAID_PLATFORM,
	ROUTE_SAID_VERSION,
	ROUTE_SAID_MANUFACTURER,
	ROUTE_SAID_PRODUCT,
	ROUTE_SAID_ASSET,
	ROUTE_SAID_COUNT,
};

struct route {
	struct piece query; /* as it came, of a page: see route_field() */
	bool has_mac;
	enum route_report report;
	struct mac mac;
	enum vm_arch arch;
	enum route_document document;
	struct piece said[ROUTE_SAID_COUNT]; /* as it came */
	char uuid[UUID_TEXT_SIZE];           /* as in struct shown */
	char serial[SMBIOS_SERIAL_MAX + 1];
	char name[64];                       /* valid VM name; empty when absent */
	char choice[80];                     /* at the menu; empty when absent */
	char machine[SMBIOS_SERIAL_MAX + 1]; /* a MAC address, UUID or serial number, not judged */
	bool has_after; /* `after` was given; else the newest ones are wanted */
	uint64_t after; /* ids greater than this */
	unsigned limit; /* at most so many */
	uint64_t kinds; /* of events, a bit each; 0: all */
	bool has_severity;
	enum event_severity severity; /* this or more */
	int64_t since_ms, until_ms;   /* 0: not given */
	unsigned wait_s;
	int64_t number;  /* of an order */
	uint64_t slice;  /* from 0 */
	char image[65];  /* what an image may be called */
	char secret[65]; /* not judged */
	struct digest sha256;
};

#define ROUTE_NOT_FOUND 1

/* Splits off the first segment of a path, which starts with '/'; false: there is none. */
bool route_segment(struct piece *path, struct piece *segment);

/* Parses a segment that an endpoint's path calls "<mac>", "<card>", "<name>", "<document>", "<id>",
 * "<n>", "<slice>", "<image>", "<hook>" or "<secret>". Returns 0, ROUTE_NOT_FOUND or -EINVAL, these
 * with a sentence. */
must_check int route_part(
    struct piece called, struct piece segment, struct route *out, struct err *e);

/* Queries: 0, or -EINVAL with a sentence. */
must_check int route_query_ipxe(struct piece query, struct route *out, struct err *e);
must_check int route_query_report(struct piece query, struct route *out, struct err *e);
must_check int route_query_events(struct piece query, struct route *out, struct err *e);
must_check int route_query_console(struct piece query, struct route *out, struct err *e);
/* Of these, those that choose events by what they are: any other word is refused. */
must_check int route_query_filter(struct piece query, struct route *out, struct err *e);
/* The id of an event. -EINVAL */
must_check int route_event_id(const char *text, uint64_t *out);
must_check int route_query_output(struct piece query, struct route *out, struct err *e);
must_check int route_query_slice(struct piece query, struct route *out, struct err *e);
must_check int route_query_poll(struct piece query, struct route *out, struct err *e);

/* What the machine shows of itself, but for its loader. The target must be there still. */
void route_shown(const struct route *route, struct shown *out);

/* The value of a query's, or a form's, field (application/x-www-form-urlencoded), decoded: the
 * first of that name. False, and "" in out: there is none, it is malformed, or longer than its
 * place. */
bool route_field(struct piece form, const char *name, char *out, size_t size);

/* Decodes %XX of text[0..len) into out (NUL-terminated); '+' becomes a space when `form`. Returns
 * the decoded length, or -EINVAL: bad escape, NUL, or more than size - 1 bytes. */
must_check int route_decode(const char *text, size_t len, bool form, char *out, size_t size);

#endif

/* event_choice.h - which events are wanted, as people write it on a command line and as the API is
 * asked for it. Pure but for the time zone.
 */
#ifndef VMLAB_CMD_EVENT_CHOICE_H
#define VMLAB_CMD_EVENT_CHOICE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

/* Zeroed: all. Texts are borrowed. */
struct event_choice {
	const char *kinds;          /* "dhcp,ipxe"; NULL: of any */
	const char *severity;       /* this and more; NULL: any */
	int64_t since_ms, until_ms; /* since 1970, from and before that; 0: open */
};

bool event_choice_is_any(const struct event_choice *c);

/* -EINVAL with what may be written instead. */
must_check int event_choice_set_kinds(struct event_choice *c, const char *text, struct err *e);
must_check int event_choice_set_severity(struct event_choice *c, const char *text, struct err *e);

/* "2026-01-31 12:00", with seconds or without, "2026-01-31" and "12:00" (of today) are of this
 * machine's time zone; "2026-01-31T12:00:00Z" is UTC, as events are told; "90s", "15m" and "2h" are
 * before `now_ms`. Returns -EINVAL for anything else. */
must_check int event_choice_time(const char *text, int64_t now_ms, int64_t *out, struct err *e);

/* As a query's parameters, each with a "&" before it; a new text, NULL without memory. */
char *event_choice_query(const struct event_choice *c);

#endif

/* agent_call.h - what the agent of a machine says besides its inventory. Pure. */
#ifndef BOOT_HANDLER_DOCUMENTS_AGENT_CALL_H
#define BOOT_HANDLER_DOCUMENTS_AGENT_CALL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/machine/shown.h"
#include "lib/net/addr.h"

#define AGENT_CALL_MAX_BYTES 4096
#define AGENT_ENDING_MAX_BYTES 8192
#define AGENT_FIGURES_MAX_BYTES 4096

/* What makes no sense is as good as absent. */
void agent_take_shown(const json_t *uuid, const json_t *serial, struct shown *out);

/* What an agent says when it comes: {"mac", "ip", "uuid", "serial"}, of which mac is enough. */
struct agent_greeting {
	struct mac mac;
	struct shown shown;
};
must_check int agent_greeting_parse(
    const char *body, size_t len, struct agent_greeting *out, struct err *e);

/* How far an order is: {"mac", "id", "phase", "done_bytes", "total_bytes", "text"}, of which the
 * first two are enough. */
struct agent_progress {
	struct mac mac;
	int64_t id;
	char phase[24], text[200]; /* "": not told */
	int64_t done_bytes, total_bytes;
};
must_check int agent_progress_parse(
    const char *body, size_t len, struct agent_progress *out, struct err *e);

/* How an order ended: {"mac", "id", "result": "ok" or "failed", "text", "phase", "hint",
 * "figures"}, of which the first three are enough. */
struct agent_ending {
	struct mac mac;
	int64_t id;
	bool ok;
	char text[200], phase[24], hint[200]; /* "": not told */
	json_t *figures;                      /* an object whose texts are cleaned, or NULL */
};
/* agent_ending_clear() in any case. */
must_check int agent_ending_parse(
    const char *body, size_t len, struct agent_ending *out, struct err *e);
void agent_ending_clear(struct agent_ending *ending);

#endif

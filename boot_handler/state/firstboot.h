/* firstboot.h - what an installed system tells of itself: cloud-init's result at each boot, and
 * where cloud-init is meanwhile. Pure. The sender is not trusted: texts are cut, cleaned and
 * counted here.
 */
#ifndef BOOT_HANDLER_STATE_FIRSTBOOT_H
#define BOOT_HANDLER_STATE_FIRSTBOOT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/machine/machine.h"
#include "lib/base/err.h"

/* The call that makes a machine ready: JSON from guest_ready.py, or the form that cloud-init's
 * phone_home posts (application/x-www-form-urlencoded), which brings nothing but host keys. */
struct firstboot_ready {
	char host_key[MACHINE_KEYS_MAX][MACHINE_KEY_SIZE]; /* "type base64"; empty when not sent */
	json_t *result; /* NULL for a form; else see firstboot_result() */
	bool first;     /* of this instance's boots; only with a result */
};

/* Unknown fields and unusable keys are ignored: that the machine called is what counts.
 * -EINVAL when the body is neither. */
must_check int firstboot_ready_parse(
    const char *body, size_t len, struct firstboot_ready *out, struct err *e);
void firstboot_ready_clear(struct firstboot_ready *r);

/* What is kept of a call, as compact JSON shorter than MACHINE_CLOUD_INIT_SIZE (malloc'ed; NULL
 * only when out of memory or for a form):
 *	{"status": "done"|"degraded"|"error", "errors": [TEXT...],
 *	 "recoverable_errors": {LEVEL: [TEXT...]}, "first_boot_errors": [TEXT...],
 *	 "boot_id": TEXT, "user": TEXT|null}
 * Errors of the first boot stay, as cloud-init does not try again what failed there: `before` is
 * the text kept until now, or NULL. */
char *firstboot_result(const struct firstboot_ready *r, const char *before);
/* The same once that machine boots again: status "booting", no errors but those of the first. */
char *firstboot_booting(const char *before);
/* The "boot_id" of a kept text, or "". */
void firstboot_id(const char *kept, char *buf, size_t size);

/* One of cloud-init's reporting events (its "webhook" handler). */
struct firstboot_event {
	char text[MACHINE_STAGE_SIZE]; /* "modules-final: runcmd" */
	bool begins;
	bool failed; /* it has ended so */
};

must_check int firstboot_event_parse(
    const char *body, size_t len, struct firstboot_event *out, struct err *e);

#endif

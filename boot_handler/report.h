/* report.h - what machines tell us: the installer's JSON and cloud-init's phone_home form. Pure.
 * The sender is not trusted: text is cut and cleaned of control characters here.
 */
#ifndef BOOT_HANDLER_REPORT_H
#define BOOT_HANDLER_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "boot_handler/machine.h"
#include "lib/err.h"

#define REPORT_BODY_MAX_BYTES (64 * 1024)
#define REPORT_LOG_MAX_BYTES (32 * 1024)

enum report_status { REPORT_RUNNING, REPORT_DONE, REPORT_FAILED };

struct report {
	enum machine_phase phase; /* never PHASE_NONE */
	enum report_status status;
	uint64_t bytes;
	uint64_t total_bytes;
	uint64_t rate_bytes_per_s;
	int64_t eta_s; /* -1: not said */
	bool already;     /* nothing was installed: the disk says that it is, by install `attempt` */
	unsigned attempt; /* 0: not said */
	char message[MACHINE_TEXT_SIZE];
	char hint[MACHINE_TEXT_SIZE];
	char *log; /* NULL, or the last lines, newline separated; freed by report_clear() */
};

/* Parses the body of POST /report/<mac>. -EINVAL with one sentence. */
must_check int report_parse(const char *body, size_t len, struct report *out, struct err *e);
void report_clear(struct report *r);

/* What cloud-init's phone_home posts (application/x-www-form-urlencoded). */
struct report_ready {
	char host_key[MACHINE_KEYS_MAX][MACHINE_KEY_SIZE]; /* "type base64"; empty when not sent */
};

/* Unknown fields and unusable keys are ignored: that the machine called is what counts.
 * -EINVAL when the body is no form at all. */
must_check int report_ready_parse(
    const char *body, size_t len, struct report_ready *out, struct err *e);

#endif

/* report.h - what the installer tells us. Pure.
 * The sender is not trusted: text is cut and cleaned of control characters here.
 */
#ifndef BOOT_HANDLER_STATE_REPORT_H
#define BOOT_HANDLER_STATE_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/machine/machine.h"
#include "lib/base/err.h"

#define REPORT_BODY_MAX_BYTES (64 * 1024)
#define REPORT_LOG_MAX_BYTES (32 * 1024)

enum report_status { REPORT_RUNNING, REPORT_DONE, REPORT_FAILED };

struct report {
	enum machine_phase phase; /* never PHASE_NONE */
	enum report_status status;
	uint64_t bytes;
	uint64_t total_bytes;
	uint64_t rate_bytes_per_s;
	int64_t eta_s;       /* -1: not said */
	uint64_t disk_bytes; /* of the disk it installs on; 0: not said */
	bool already; /* nothing was installed: the disk says that it is, by install `attempt` */
	unsigned attempt; /* 0: not said */
	char message[MACHINE_TEXT_SIZE];
	char hint[MACHINE_TEXT_SIZE];
	char *log; /* NULL, or the last lines, newline separated; freed by report_clear() */
};

/* Parses the body of POST /report/<mac>. -EINVAL with one sentence. */
must_check int report_parse(const char *body, size_t len, struct report *out, struct err *e);
void report_clear(struct report *r);

#endif

/* report.h - tells the server what the install does, over POST /report/<mac>.
 *
 * A thread of its own sends, so a slow or absent server never holds up the install: phases wait in
 * a short queue, byte counts replace each other, and what cannot be sent is dropped. Only the two
 * final reports (success, failure) are waited for.
 */
#ifndef OS_INSTALLER_REPORT_REPORT_H
#define OS_INSTALLER_REPORT_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "os_installer/disk/marker.h"

struct report;

struct report_bytes {
	uint64_t bytes;
	uint64_t total_bytes;
	uint64_t rate_bytes_per_s;
	int64_t eta_s; /* -1: not known */
};

/* `url` may be NULL: then nothing is sent. */
must_check int report_start(const char *url, struct report **out, struct err *e);

/* Ends the thread; what still waits is dropped. */
void report_stop(struct report *r);

/* Another URL from now on (the configuration names one). */
void report_set_url(struct report *r, const char *url);

/* The size of the disk that is installed on, told with each phase from now on. */
void report_set_disk(struct report *r, uint64_t bytes);

void report_phase(struct report *r, const char *phase, bool done);
void report_progress(struct report *r, const char *phase, const struct report_bytes *b);

/* Sends phase "report", status "done", and tries again for up to patience_s. */
must_check int report_success(
    struct report *r, const struct marker *found, unsigned patience_s, struct err *e);

/* Sends a failure with the log's last lines; tries again for up to two minutes. */
must_check int report_failure(
    struct report *r, const char *phase, const char *message, const char *hint, struct err *e);

#endif

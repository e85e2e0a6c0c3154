/* syslog.h - what machines say by syslog over UDP: RFC 3164 as BusyBox, rsyslog and others write
 * it. Pure but for syslog_open().
 */
#ifndef BOOT_HANDLER_SOURCES_SYSLOG_H
#define BOOT_HANDLER_SOURCES_SYSLOG_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"

/* One line as it can be shown: cut to its place, cleaned (lib/base/text.h). */
struct syslog_line {
	char program[32]; /* without its process id; "" where none is named */
	char text[1000];
};

/* False: nothing is said in it. Severity, time and host, where there are any, are left away: whose
 * it is tells its address, and when, our clock. */
bool syslog_parse(const char *bytes, size_t len, struct syslog_line *out);

/* What listen_udp() takes: a socket, or -errno. */
must_check int syslog_open(const char *where, struct err *e);

#endif

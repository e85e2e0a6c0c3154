/* dnsmasq.h - signals to the running dnsmasq: read the hosts files again, end. */
#ifndef VM_WATCHER_DNSMASQ_H
#define VM_WATCHER_DNSMASQ_H

#include <stdbool.h>

#include "lib/base/err.h"

#define DNSMASQ_NOT_RUNNING 1

/* The process in `pid_file` is there, and a dnsmasq. */
bool dnsmasq_runs(const char *pid_file);

/* Sends SIGHUP to the process in `pid_file` when that is a dnsmasq: a stale pid file must not hit
 * somebody else. Returns 0, DNSMASQ_NOT_RUNNING (no pid file yet, or its process is gone or another
 * program), or -errno. */
must_check int dnsmasq_reload(const char *pid_file, struct err *e);

/* Likewise SIGTERM; whoever started it starts it again. */
must_check int dnsmasq_end(const char *pid_file, struct err *e);

#endif

/* cgroup.h - a control group (version 2) below this program's own, for children of which nothing is
 * to be left: what is in it, and all that descends from that, stays in it, whoever its parent is
 * by now (Documentation/admin-guide/cgroup-v2.rst of the kernel). Of one thread.
 */
#ifndef OS_INSTALLER_BASE_CGROUP_H
#define OS_INSTALLER_BASE_CGROUP_H

#include <stdint.h>

#include "lib/base/err.h"

/* Where it is, made if it is not there: a path, that of a folder of the kernel's. -errno: this
 * kernel has none, or does not let this program have one. */
#define CGROUP_PATH_SIZE 512
must_check int cgroup_open(const char *name, char path[CGROUP_PATH_SIZE], struct err *e);

/* The calling process and all that it starts from now on. */
must_check int cgroup_join(const char *path, struct err *e);

/* Ends all in it with SIGKILL, and waits for that at most patience_ms. Returns how many processes
 * there were at first; *left are those there still are. */
unsigned cgroup_end(const char *path, int64_t patience_ms, unsigned *left);

#endif

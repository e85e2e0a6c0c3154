/* install.h - the phases of an install, in order, each reported. */
#ifndef OS_INSTALLER_INSTALL_H
#define OS_INSTALLER_INSTALL_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/definition/vm.h"
#include "os_installer/report/report.h"

struct install_options {
	const char *config_url;
	const char *disk;      /* NULL: chosen by the plan */
	const char *directory; /* where the new root is mounted meanwhile */
	const char *until;     /* NULL, or the name of the last phase to do */
	bool reinstall;        /* also where the disk says that this machine is installed */
	bool no_disk;          /* unpack into `directory` and stop: tests and benchmarks */
	bool no_nvram;         /* leave the firmware's boot menu alone */
};

/* What install_run() was doing when it failed, and what a person may do about it. */
struct install_failure {
	const char *phase;
	const char *hint;
	struct err err;
};

/* Runs all phases up to and including "report", or `until`. Unmounts what it mounted. On success
 * *after says what to do next. On failure `failure` is filled and the disk does not boot - unless
 * it was the report that failed. */
must_check int install_run(const struct install_options *o, struct report *r, enum vm_after *after,
    struct install_failure *failure);

#endif

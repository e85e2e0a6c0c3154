/* command.h - runs a program and waits for it: no shell, a fixed environment, output into the log.
 */
#ifndef OS_INSTALLER_BASE_COMMAND_H
#define OS_INSTALLER_BASE_COMMAND_H

#include <stdbool.h>

#include "lib/base/err.h"

/* Where a script that we run, in its chroot, finds the helpers of lib/unattended/stage4.h; told by
 * its environment, as STAGE4. */
#define COMMAND_STAGE4 "/run/vmlab/stage4.sh"

/* What programs that we start find in their environment, whoever started us. */
extern const char *const command_environment[];

struct command {
	const char *const *argv; /* NULL-terminated; argv[0] is looked up in the usual places */
	const char *root;        /* NULL, or the directory it is chrooted into */
	const char *name;        /* NULL, or what the log calls it instead of the program's name */
	bool loud;               /* its output is worth the console as well */
	unsigned timeout_s; /* 0: 300; then it and its children in its process group are killed */
};

/* Its output goes line by line to the log at debug level (the journal keeps it), at info level when
 * it is loud; the last line is
 * part of the error when it fails. Returns 0 when it exited with 0, else -errno (-ETIMEDOUT,
 * -ENOENT when there is no such program, -EIO for any other exit code). */
must_check int command_run(const struct command *c, struct err *e);

#endif

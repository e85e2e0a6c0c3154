/* hooks.h - the definition's own scripts, run inside the installed system. */
#ifndef OS_INSTALLER_SYSTEM_HOOKS_H
#define OS_INSTALLER_SYSTEM_HOOKS_H

#include "lib/base/err.h"

/* Runs the NULL-terminated list of scripts in order, as root in a chroot of `directory` (the tree's
 * own path), which needs the chroot mounts. Output goes to the log. Fails with the first that does
 * not exit with 0. */
must_check int hooks_run(
    int tree, const char *directory, const char *const *scripts, struct err *e);

#endif

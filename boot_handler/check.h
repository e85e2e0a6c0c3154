/* check.h - boot_handler --check: parse all that is read while serving and say what is wrong. */
#ifndef BOOT_HANDLER_CHECK_H
#define BOOT_HANDLER_CHECK_H

#include "boot_handler/options.h"

/* Prints "file:line:column: sentence" to stdout for each problem (warnings count) and a summary to
 * stderr. Returns the exit status: 0, 1 for problems, 2 when a folder cannot be read at all. */
int check_main(const struct options *options);

#endif

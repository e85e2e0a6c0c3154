/* kernel_args.h - the one rule for kernel arguments that a definition adds. Pure. */
#ifndef LIB_DEFINITION_KERNEL_ARGS_H
#define LIB_DEFINITION_KERNEL_ARGS_H

#include "lib/base/err.h"

/* The text goes into an iPXE script, onto the kernel's command line and into grub.cfg: what any of
 * them would expand, quote or end a command with is refused, and so is what the lab says itself.
 * 0, or -EINVAL with a sentence that can follow the text's name. */
must_check int kernel_args_check(const char *args, struct err *e);

#endif

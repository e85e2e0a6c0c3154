/* own_kernel.h - the files of an image's folder that a machine with "pxeboot": false and "kernel"
 * and "initrd" of its own boots, and which of them is not there. Looks at each call.
 */
#ifndef LIB_IMAGE_OWN_KERNEL_H
#define LIB_IMAGE_OWN_KERNEL_H

#include <stdbool.h>

#include "lib/definition/vm.h"

#define OWN_KERNEL_FILES 2

struct own_kernel_gap {
	const char *field; /* "kernel" or "initrd"; NULL: nothing is missing */
	char what[400];    /* "kernel vmlinuz-6 is not there" */
	char advice[400];
};

/* True when it boots such files. */
bool own_kernel_wanted(const struct vm *vm);

/* Fills gaps[] and returns their number; 0 also where none is wanted. `images_dir` may be NULL. */
unsigned own_kernel_missing(
    const char *images_dir, const struct vm *vm, struct own_kernel_gap gaps[OWN_KERNEL_FILES]);

#endif

/* disk_script.h - shell that finds the disk to install on, by the rules of
 * lib/definition/disk_choice.h: "match" of the definition's first disk, or else its size, or else
 * the largest. Pure.
 *
 * For the shells of other installers, BusyBox' too: it needs sysfs, and where "match" names a
 * serial number or WWN, udevadm. Every line may also be followed by a blank in place of its end.
 */
#ifndef LIB_UNATTENDED_DISK_SCRIPT_H
#define LIB_UNATTENDED_DISK_SCRIPT_H

#include <stdio.h>

#include "lib/definition/vm.h"

/* Afterwards $disk is such as "vda" and $disk_bytes its size; where none or several fit, the script
 * says so on stderr and exits with 1. */
void disk_script_write(const struct vm *vm, FILE *f);

#endif

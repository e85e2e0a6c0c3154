/* ending.h - how this system in memory ends. */
#ifndef OS_INSTALLER_BASE_ENDING_H
#define OS_INSTALLER_BASE_ENDING_H

#include "lib/definition/vm.h"

/* Writes out what is buffered and ends the machine: reboot, kexec, poweroff. Returns only when the
 * kernel refuses, with a line in the log. */
void machine_end(enum vm_after after);

#endif

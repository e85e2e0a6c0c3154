/* lab_console.h - where the lab's VMs keep their serial consoles for the stack
 * (lib/machine/console.h): <lab->dir>/console/, a folder for each MAC address below it.
 *
 * Everybody may write there, as a VM's container does it as a user of its own; who may come there
 * at all is decided by the lab's own folder above.
 */
#ifndef VMLAB_LAB_LAB_CONSOLE_H
#define VMLAB_LAB_LAB_CONSOLE_H

#include "lib/base/err.h"
#include "lib/net/addr.h"
#include "vmlab/lab/lab.h"

#define LAB_CONSOLES "/console" /* in lab->dir */

/* Makes the folder of all, and with `mac` that of one; what is there is left. */
must_check int lab_console_ensure(const struct lab *lab, const struct mac *mac, struct err *e);

/* Removes what is there of one, or of all. */
void lab_console_forget(const struct lab *lab, const struct mac *mac);
void lab_console_forget_all(const struct lab *lab);

#endif

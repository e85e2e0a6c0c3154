/* lab_dir.h - the lab's own folder on this machine, for its owner only.
 *
 *	<home>/labs/<lab>/api.sock   the operator's API, made by the stack
 *	<home>/labs/<lab>/dashboard.sock   the pages, for the relay of `vmlab dashboard`
 *	<home>/labs/<lab>/dashboard.html   its last link, for a browser to open
 *	<home>/labs/<lab>/token      what the API asks for over TCP, made by the stack
 *	<home>/labs/<lab>/port       the port that was chosen for --port auto
 *	<home>/labs/<lab>/settings   what the lab was given and keeps (lab_settings.h)
 *	<home>/labs/<lab>/stopping   what is being stopped (stopping.h)
 *	<home>/labs/<lab>/console/   VMs' serial consoles (lab_console.h)
 *	<home>/labs/<lab>/lock       who changes the lab at the moment
 */
#ifndef VMLAB_LAB_LAB_DIR_H
#define VMLAB_LAB_LAB_DIR_H

#include <stdio.h>

#include "lib/base/err.h"
#include "vmlab/lab/lab.h"

/* Makes the folder where it is missing. */
must_check int lab_dir_ensure(const struct lab *lab, struct err *e);

/* Takes the lab for this process alone: one command at a time changes a lab. While another one has
 * it, says on `out` which, and waits for at most timeout_ms. Returns 0 with *fd, which
 * holds the lab until it is closed or the process ends; -EBUSY with the holder's command. The
 * folder exists. `command` is what others are told of this process. */
must_check int lab_dir_lock(const struct lab *lab, const char *command, int64_t timeout_ms,
    FILE *out, int *fd, struct err *e);

/* Removes what of the lab is in there, and the folder; who holds the lock holds it still. */
void lab_dir_forget(const struct lab *lab);

/* For LAB_PORT_AUTO: the port chosen before if it is free, else a free one, remembered. */
must_check int lab_dir_choose_port(struct lab *lab, struct err *e);

#endif

/* lab_settings.h - what a lab was given and keeps: its network, domain, reach, strangers and folder
 * of images, in the file `settings` of the lab's own folder, so that the next `up` makes the same
 * lab again in a shell that does not say them.
 *
 * A line "key=value" for each that is not the default, "vms=" and "folder=" for whose they are:
 * before the engine was asked, a lab's folder is only guessed from its name.
 */
#ifndef VMLAB_LAB_LAB_SETTINGS_H
#define VMLAB_LAB_LAB_SETTINGS_H

#include "lib/base/err.h"
#include "vmlab/lab/lab.h"

/* Takes over what was kept and not given now. No file is no error. */
must_check int lab_settings_load(struct lab *lab, struct err *e);

/* Keeps what the lab has now. Its folder exists. */
must_check int lab_settings_keep(const struct lab *lab, struct err *e);

void lab_settings_forget(const struct lab *lab);

/* "domain lab.example, machines reach all": what is not the default; "" without. */
void lab_settings_describe(const struct lab *lab, char *buf, size_t size);

#endif

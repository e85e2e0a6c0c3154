/* installer.h - which other system's installer it is that a definition's image boots. */
#ifndef VMLAB_JUDGE_INSTALLER_H
#define VMLAB_JUDGE_INSTALLER_H

#include "lib/unattended/format.h"
#include "vmlab/lab/lab.h"

/* By the manifest of the image where it is there, or else by the image's name; NULL with a
 * sentence.
 */
const struct unattended_format *installer_of(
    const struct lab *lab, const struct vm *vm, struct err *e);

#endif

/* lab_find.h - finds the lab a command is about, and its containers.
 *
 * A lab belongs to the folder that holds its vms/: the labels of its containers and of its volumes
 * name it (lab_folder.h), so that it is found from there also after that folder was moved, and
 * never from another one that has the old name now. Without --lab or VMLAB_LAB a command works on
 * the lab of the folder it is in, whatever that lab is called.
 */
#ifndef VMLAB_LAB_LAB_FIND_H
#define VMLAB_LAB_LAB_FIND_H

#include "lib/base/err.h"
#include "vmlab/engine/engine.h"
#include "vmlab/lab/lab.h"

/* Settles the lab's name and lists its containers; then lab_adopt(). */
must_check int lab_find(
    struct lab *lab, const struct engine *en, struct container_list *containers, struct err *e);

/* One sentence on the lab that is not this folder's though it has its name or path. False: there is
 * none. */
bool lab_left_sentence(const struct lab *lab, char *text, size_t size);

/* Makes the volume with the lab's labels, unless it is there. A disk (`vm` is not NULL) carries the
 * name that it is of, and the machine's MAC address, by which it is found under another one. */
must_check int lab_make_volume(const struct lab *lab, const struct engine *en, const char *volume,
    const char *name, const struct vm *vm, struct err *e);

/* True when an older version, which called every lab "vmlab", has left disks that this folder's
 * new lab will not see. */
bool lab_older_one_left(
    const struct lab *lab, const struct engine *en, const struct container_list *containers);

#endif

/* raspberry.h - a folder on the TFTP server for each Raspberry Pi that is to boot from the network:
 * its cmdline.txt, and links to the files of its image and to our initrd.
 */
#ifndef VM_WATCHER_RASPBERRY_H
#define VM_WATCHER_RASPBERRY_H

#include "lib/store/store.h"
#include "vm_watcher/leases.h"

/* What the links lead to, beside the folders; docker/stack/entrypoint.sh makes both. */
#define RASPBERRY_LINK_IMAGE "raspberrypi"
#define RASPBERRY_LINK_INITRDS "initrds"

/* Makes the folders in `root`, which is there, as the definitions say, and removes those of boards
 * that are not served (any more): of other entries nothing is touched. `server` is where the stack
 * answers. Goes on after what fails; -errno with the first failure. */
must_check int raspberry_folders(const char *root, const struct vm_snapshot *snap,
    const struct leases *leases, struct in_addr server, struct err *e);

#endif

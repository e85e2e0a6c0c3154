/* raspberry.h - a folder on the TFTP server for each Raspberry Pi that is to boot from the network:
 * its cmdline.txt, and links to the files of its image and to our initrd; while it is ordered
 * another boot order, the update of its EEPROM.
 */
#ifndef VM_WATCHER_RASPBERRY_H
#define VM_WATCHER_RASPBERRY_H

#include "lib/store/store.h"
#include "vm_watcher/leases.h"

/* What the links lead to, beside the folders; docker/stack/entrypoint.sh makes both. */
#define RASPBERRY_LINK_IMAGE "raspberrypi"
#define RASPBERRY_LINK_INITRDS "initrds"

struct raspberry_place {
	const char *root;   /* the TFTP server's folder; it is there */
	const char *images; /* where the user's EEPROM images are (lib/boot/eeprom.h); NULL: none */
	struct in_addr server; /* where the stack answers */
};

/* Makes the folders as the definitions and what boot_handler tells say, and removes those of boards
 * that are not served (any more): of other entries nothing is touched. Goes on after what fails;
 * -errno with the first failure. */
must_check int raspberry_folders(const struct raspberry_place *place,
    const struct vm_snapshot *snap, const struct leases *leases, struct err *e);

#endif

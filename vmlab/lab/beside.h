/* beside.h - what a definition stands on that is not the lab's own folder, or not yet in it:
 * _defaults.json and _profiles/ beside it. */
#ifndef VMLAB_LAB_BESIDE_H
#define VMLAB_LAB_BESIDE_H

#include "lib/definition/vm.h"

struct beside {
	char *folder;
	json_t *defaults; /* NULL: none, or broken, which is told elsewhere */
	json_t *profiles; /* those asked for */
	struct vm_base base;
};

#define _cleanup_beside_ __attribute__((cleanup(beside_close)))

/* Reads what is in the folder; its base can be used until beside_close(), while it stays where it
 * is. Returns 0 or -ENOMEM. */
must_check int beside_open(struct beside *b, const char *folder, struct err *e);
void beside_close(struct beside *b);

#endif

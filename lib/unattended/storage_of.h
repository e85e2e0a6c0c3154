/* storage_of.h - a parsed definition's storage and first disk, for the emitters. Pure. */
#ifndef LIB_UNATTENDED_STORAGE_OF_H
#define LIB_UNATTENDED_STORAGE_OF_H

#include "lib/definition/storage.h"
#include "lib/definition/vm.h"

/* What the definition says, which was judged when it was read; without it the default. */
void storage_of(const struct vm *vm, struct storage *out);

#endif

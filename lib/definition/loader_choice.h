/* loader_choice.h - what a definition's "loader" can say: a word of docker/loaders/loaders.table,
 * or a file of the user's own in images/_loaders/. Pure. */
#ifndef LIB_DEFINITION_LOADER_CHOICE_H
#define LIB_DEFINITION_LOADER_CHOICE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/definition/vm.h"

/* NULL from the last on. */
const char *loader_word(size_t i);
/* Every other valid "loader" is a file's name, which has a dot in it. */
bool loader_is_own(const char *loader);
/* What the definition says, or what follows of it; NULL: what fits the firmware. Borrowed. */
const char *loader_of(const struct vm *vm);

#endif

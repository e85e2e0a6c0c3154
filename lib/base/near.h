/* near.h - which known word a mistyped one was meant to be. Pure. */
#ifndef LIB_BASE_NEAR_H
#define LIB_BASE_NEAR_H

#include <stddef.h>

/* The word of `words` (entries may be NULL) that is at most two letters away from `text`, else one
 * that begins or ends with it; NULL when none is. Case does not count. */
const char *near_word(const char *text, const char *const *words, size_t count);

#endif

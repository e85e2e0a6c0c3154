/* terminal_text.h - what was written for a terminal, as lines to read: control sequences (ECMA-48)
 * are left out, what was written over is there as it was last. Pure.
 */
#ifndef LIB_BASE_TERMINAL_TEXT_H
#define LIB_BASE_TERMINAL_TEXT_H

#include <stddef.h>

/* Clean text (text.h) of lines, never longer than what was given: the caller frees it; NULL without
 * memory. Of cursor movements those to another place begin a line. No more than one empty line
 * follows another. */
char *terminal_text(const char *bytes, size_t len);

#endif

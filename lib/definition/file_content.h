/* file_content.h - whether cloud-init can decode the "content" of a file it is to write. Pure.
 *
 * What it cannot decode ends its module: all files that follow are not written either.
 */
#ifndef LIB_DEFINITION_FILE_CONTENT_H
#define LIB_DEFINITION_FILE_CONTENT_H

#include <stdbool.h>

/* `encoding` is one of cloud-init's words, or NULL. Returns NULL, or what is wrong, to follow on
 * the name of the field; *certain tells whether cloud-init fails, or takes it for something else
 * than was meant. */
const char *file_content_fault(const char *content, const char *encoding, bool *certain);

#endif

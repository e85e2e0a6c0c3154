/* os_release.h - what a system calls itself: os-release(5). Pure. */
#ifndef LIB_IMAGE_OS_RELEASE_H
#define LIB_IMAGE_OS_RELEASE_H

#include <stdbool.h>
#include <stddef.h>

#define OS_RELEASE_MAX_BYTES (16 * 1024)

/* Copies the value of `key`, of several the last, without its quotes, cut to size. False, and
 * nothing written, when there is none. */
bool os_release_get(const char *text, const char *key, char *out, size_t size);

#endif

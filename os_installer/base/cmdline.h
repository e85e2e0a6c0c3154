/* cmdline.h - the kernel's command line (/proc/cmdline), as iPXE's script wrote it. */
#ifndef OS_INSTALLER_BASE_CMDLINE_H
#define OS_INSTALLER_BASE_CMDLINE_H

#include <stdbool.h>
#include <stddef.h>

/* Finds "key=value" among the words of `text` and copies the value. The last one counts, as for the
 * kernel; double quotes around a value or word are taken off. False when there is none or it does
 * not fit. */
bool cmdline_get(const char *text, const char *key, char *out, size_t size);

#endif

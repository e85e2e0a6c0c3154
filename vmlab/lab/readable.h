/* readable.h - whether the stack can read what lies here: its daemons run as users of their own, so
 * files and folders have to be readable for all. What vmlab makes for it is, whatever the umask.
 */
#ifndef VMLAB_LAB_READABLE_H
#define VMLAB_LAB_READABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"

/* Makes a folder (0755, whatever the umask) when there is none. Returns 0 or -errno. */
must_check int readable_mkdir(const char *path, struct err *e);

/* A sentence into buf when a file or folder that is there cannot be read by all; else false. */
bool readable_complaint(const char *path, char *buf, size_t size);

/* The same for the first such file directly in `folder`, or the folder itself. */
bool readable_folder_complaint(const char *folder, char *buf, size_t size);

/* For every image, images/<distro>/<arch>/ and its files. */
bool readable_images_complaint(const char *images_dir, char *buf, size_t size);

#endif

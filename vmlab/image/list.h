/* list.h - the images there are: shown, removed. */
#ifndef VMLAB_IMAGE_LIST_H
#define VMLAB_IMAGE_LIST_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/base/err.h"

/* To stdout: a table, or {"images":[...],"backups":[...]} without the rootfs's chunk digests. A
 * folder that does not exist holds no images. `backups` is the API's list; NULL, and null: they are
 * not known. */
must_check int image_list_print(
    const char *images_dir, const json_t *backups, bool json, struct err *e);

/* True when there is any, whole or another tool's. */
bool image_list_any(const char *images_dir);

/* Removes images/<name>/<arch>, or every architecture when arch is NULL. -ENOENT when there is no
 * such image. `name` must be a valid image name. */
must_check int image_list_remove(
    const char *images_dir, const char *name, const char *arch, struct err *e);

#endif

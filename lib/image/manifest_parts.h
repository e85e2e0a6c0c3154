/* manifest_parts.h - inside of manifest.h: what reads and writes parts of a manifest. */
#ifndef LIB_IMAGE_MANIFEST_PARTS_H
#define LIB_IMAGE_MANIFEST_PARTS_H

#include "lib/image/manifest.h"

/* Enters a member, for json_leave(). NULL: it is not there, which is told when it has to be. */
json_t *manifest_enter(struct json_reader *r, const json_t *object, const char *key, bool needed);
bool manifest_is_object(struct json_reader *r, const json_t *value);
/* A name or a version: exactly `wanted`, if not NULL. */
void manifest_read_name(struct json_reader *r, const json_t *object, const char *key, bool needed,
    const char *wanted, const char **out);
/* Size and digest of a file. */
void manifest_read_stored(
    struct json_reader *r, const json_t *object, bool whole, struct image_contents *out);
/* Nothing is put when nothing is known. False when out of memory. */
bool manifest_put_file(json_t *doc, const char *key, const struct image_contents *c);

/* Of the kind "boot"; manifest_boot.c. */
void manifest_read_boot(
    struct json_reader *r, const json_t *doc, bool whole, struct image_boot *out);
/* False when out of memory. */
bool manifest_put_boot(json_t *doc, const struct image_boot *b);

#endif

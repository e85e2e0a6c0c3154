/* image_verified.h - which images were seen to be what their manifests say: an installer compares
 * each slice with its sum before it writes it, and tells when all have come. What it was told of
 * when it asked is what it has compared, whatever the manifest says by then.
 */
#ifndef BOOT_HANDLER_STATE_IMAGE_VERIFIED_H
#define BOOT_HANDLER_STATE_IMAGE_VERIFIED_H

#include <jansson.h>

#include "boot_handler/state/state.h"

/* The installer of a machine is told of an image, by the SHA-256 of its rootfs in hex. */
void image_verified_given(struct state *s, const struct mac *mac, const char *vm, const char *image,
    const char *arch, const char *sha256);
/* It has all of it. */
void image_verified_done(struct state *s, const struct mac *mac, int64_t now_ms);

/* {"<image>/<arch>": {"vm","image","arch","sha256","at"}}, of each the last time: a new reference;
 * NULL with a sentence. */
json_t *image_verified_list(struct state *s, struct err *e);

#endif

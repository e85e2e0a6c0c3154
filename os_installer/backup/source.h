/* source.h - a disk image at any address: how long it is and what it is packed with, asked before
 * anything is written. Of such a file nothing is known but what its server says. */
#ifndef OS_INSTALLER_BACKUP_SOURCE_H
#define OS_INSTALLER_BACKUP_SOURCE_H

#include "lib/base/err.h"
#include "lib/image/manifest.h"

#define SOURCE_LOOK_BYTES 64U

/* Asks for its beginning. `out` gets size_bytes, chunk_bytes and chunk_count, no chunks; and
 * unpacked_bytes where that can be known, else 0. -EINVAL for an address that cannot be fetched
 * here. */
must_check int source_look(const char *url, struct image_contents *out, struct err *e);

/* What a file that begins with these bytes unpacks to; 0: that is not known. Pure. */
uint64_t source_unpacked_bytes(const uint8_t *start, size_t len, uint64_t file_bytes);

#endif

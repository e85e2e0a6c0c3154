/* decompress_inside.h - inside of decompress.h: what a reader of a compressed form, in the
 * decompressor's thread, takes its bytes from and passes on what comes out. */
#ifndef OS_INSTALLER_UNPACK_DECOMPRESS_INSIDE_H
#define OS_INSTALLER_UNPACK_DECOMPRESS_INSIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct decompressor;

#define DECOMPRESS_ZEROS_MIN_BYTES 4096U
#define DECOMPRESS_FAILED "the file cannot be decompressed: %s"

/* The next compressed bytes, as a byte_source's. */
must_check int decompress_source(
    struct decompressor *d, const uint8_t **data, uint32_t *len, struct err *e);

/* Waits for memory that is to be filled; NULL when no more is wanted. */
uint8_t *decompress_room(struct decompressor *d, size_t *len);
/* So much of it is. */
void decompress_filled(struct decompressor *d, size_t len);
/* So many zeros, of which none is written anywhere. False when no more is wanted. */
bool decompress_zeros(struct decompressor *d, uint64_t len);
/* What was filled is handed on, also when there is room left beside it. */
void decompress_end(struct decompressor *d);

/* zstd's frames, the first of which begins with `data`: 0 at their end or when no more is wanted,
 * -errno. */
must_check int decompress_zstd(
    struct decompressor *d, const uint8_t *data, uint32_t len, struct err *e);

#endif

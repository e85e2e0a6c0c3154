/* slicer.h - compresses a disk's bytes with zstd and cuts what comes out into slices of one length,
 * the last one shorter; together they are an image's raw.zst file. Pure: the same bytes give the
 * same slices each time, so that a slice that was sent is known by its sum. */
#ifndef OS_INSTALLER_BACKUP_SLICER_H
#define OS_INSTALLER_BACKUP_SLICER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

#define SLICER_HOLE_BYTES (1U << 20)

struct slicer_sink {
	void *ctx;
	size_t slice_bytes;
	/* Gives an empty buffer of slice_bytes. */
	int (*take)(void *ctx, uint8_t **slice, struct err *e);
	/* The one last taken holds a slice. */
	int (*give)(void *ctx, size_t len, struct err *e);
};

struct slicer;

/* `sink` is copied; `level` is zstd's. */
must_check int slicer_new(
    const struct slicer_sink *sink, int level, struct slicer **out, struct err *e);
void slicer_free(struct slicer *s); /* NULL is allowed */

/* The next bytes, as a frame of their own: the more there are, the less room they take, up to some
 * MiB. And the next zeros. 0, -errno, what the sink returned. */
must_check int slicer_data(struct slicer *s, const void *data, size_t len, struct err *e);
must_check int slicer_hole(struct slicer *s, uint64_t len, struct err *e);
/* There are no more: gives the last slice. */
must_check int slicer_end(struct slicer *s, struct err *e);

#endif

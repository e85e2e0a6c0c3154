/* used.h - which bytes of a file system are in use, as it says itself: runs in the order in which
 * they lie, so that nothing of its size is held in memory. Pure: reads through a callback.
 *
 * What it says is taken only where it was left in order and agrees with itself; of all else every
 * byte counts. A run may cover more than is in use, never less.
 */
#ifndef OS_INSTALLER_BACKUP_USED_H
#define OS_INSTALLER_BACKUP_USED_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct used_source {
	void *ctx;
	uint64_t bytes;
	/* All of it, or -errno. */
	int (*read)(void *ctx, uint64_t at, void *buf, size_t len, struct err *e);
};

struct used_run {
	uint64_t at, len; /* in bytes, from the start of the file system */
};

#define USED_UNSURE 1

struct used_kind {
	const char *names[4]; /* libblkid's, NULL-terminated */
	/* 0 with *state, which is one block for free(); USED_UNSURE when every byte has to be
	 * taken, with the reason; -errno. `s` is copied. */
	int (*open)(const struct used_source *s, void **state, struct err *e);
	/* 1 with the next run, none overlaps or comes before an earlier one; 0 after the last;
	 * -errno. */
	int (*next)(void *state, struct used_run *out, struct err *e);
};

/* NULL: one that is not known here. */
const struct used_kind *used_find(const char *name);

extern const struct used_kind used_btrfs, used_ext4, used_swap, used_vfat, used_xfs;

/* A state with `more` bytes behind it; `size` is that of a struct that begins with a used_source.
 */
must_check int used_state_new(
    const struct used_source *s, size_t size, size_t more, void **out, struct err *e);

#endif

/* top.h - whether a tarball was packed one folder too high: everything in `rootfs/`, and
 * nothing where it is looked for.
 */
#ifndef VMLAB_IMAGE_TOP_H
#define VMLAB_IMAGE_TOP_H

#include <stdbool.h>

#include "lib/base/err.h"

/* Zeroed: nothing seen yet. */
struct image_top {
	char *name; /* the first part of the first path */
	bool several;
	bool root_like; /* below it lies what makes a root file system */
};

/* Sees each path as it stands in the tarball. Returns 0 or -ENOMEM. */
must_check int image_top_note(struct image_top *t, const char *path, struct err *e);

/* After all: 0, or -EINVAL with a sentence that tells how to pack. */
must_check int image_top_check(const struct image_top *t, struct err *e);

void image_top_clear(struct image_top *t);

#endif

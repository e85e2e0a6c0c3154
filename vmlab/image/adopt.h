/* adopt.h - the stack's own `vmlab image import`, for folders that another tool filled
 * (lib/image/adopted.h): reads each tarball once it is whole, and keeps what an installation needs
 * besides it up to date in a folder of the stack's.
 *
 * One tarball is read at a time, by a child process with bounded memory. A tarball that is still
 * being written is left alone until it has kept still; one that changes is read again, also when it
 * does so while it is read; one that cannot be used is not tried again before it changes.
 */
#ifndef VMLAB_IMAGE_ADOPT_H
#define VMLAB_IMAGE_ADOPT_H

#include <signal.h>
#include <stddef.h>

#include "lib/image/adopted.h"
#include "lib/base/err.h"

struct image_adopt {
	const char *images_dir; /* only read */
	const char *made_dir;
	const char *alive; /* a file that is touched at every look; NULL: none */
};

/* Looks every two seconds until *cancel turns non-zero. -errno when it cannot work at all. */
must_check int image_adopt_run(
    const struct image_adopt *a, const volatile sig_atomic_t *cancel, struct err *e);

/* The child that reads. pid 0: none. */
struct image_adopt_read {
	int pid;
	int fd; /* where its sentence comes from */
};

#define IMAGE_ADOPT_READ_INIT {0, -1}

must_check int image_adopt_read_start(struct image_adopt_read *r, const struct image_adopt *a,
    const char *distro, enum vm_arch arch, const struct adopted *source, struct err *e);

/* 1 while it reads, 0 when all was made, -errno with the sentence it left. */
must_check int image_adopt_read_poll(struct image_adopt_read *r, struct err *e);

/* Ends it; it leaves nothing behind that another read does not remove. */
void image_adopt_read_stop(struct image_adopt_read *r);

/* `vmlab __adopt IMAGES MADE [ALIVE]`: what the stack runs. */
int image_adopt_main(int argc, char **argv);

#endif

/* work.h - the hidden directory an image is made in, beside the one it becomes in one step.
 * What failed leaves nothing; what a killed process left is removed by the next one.
 */
#ifndef VMLAB_IMAGE_WORK_H
#define VMLAB_IMAGE_WORK_H

#include "lib/base/err.h"
#include "lib/definition/vm.h"

struct image_work {
	char *parent; /* images/<name> */
	char *name;   /* .<arch>.<pid>.tmp; NULL when there is nothing to remove */
	int parent_fd;
	int fd; /* locked, so that others can tell it from one left by a killed process */
};

#define IMAGE_WORK_INIT {NULL, NULL, -1, -1}

must_check int image_work_open(struct image_work *w, const char *images_dir, const char *name,
    enum vm_arch arch, struct err *e);

/* Puts the finished directory into place. An older image is swapped out in one step, or, where the
 * file system cannot do that, moved aside first. */
must_check int image_work_publish(struct image_work *w, enum vm_arch arch, struct err *e);

/* Whether there is something of that architecture already. */
bool image_work_is_taken(const struct image_work *w, enum vm_arch arch);

#define IMAGE_WORK_TAKEN 1
/* The same where there is none yet; IMAGE_WORK_TAKEN: there is one, which stays. */
must_check int image_work_publish_new(struct image_work *w, enum vm_arch arch, struct err *e);

/* Removes what was not published. */
void image_work_close(struct image_work *w);

#endif

/* stage_image.h - an image to install that is as long as is asked for, and holds nothing: its
 * files' bytes seem random, since that is what compressed ones are. */
#ifndef VMLAB_SIMULATE_STAGE_IMAGE_H
#define VMLAB_SIMULATE_STAGE_IMAGE_H

#include "lib/base/err.h"
#include "vmlab/simulate/profile.h"

#define STAGE_IMAGE_NAME "simulated"

/* Makes <images_dir>/simulated/amd64/, which replaces one that is there. */
must_check int stage_image_make(
    const char *images_dir, const struct simulate_profile *p, struct err *e);

#endif

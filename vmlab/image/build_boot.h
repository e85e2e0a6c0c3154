/* build_boot.h - makes a boot image of a package in Debian's archive. */
#ifndef VMLAB_IMAGE_BUILD_BOOT_H
#define VMLAB_IMAGE_BUILD_BOOT_H

#include "lib/image/boot_image.h"
#include "vmlab/image/build.h"

/* `b` without its recipe. Needs no program of that architecture to run. */
must_check int image_build_boot(
    const struct image_build *b, const struct boot_recipe *recipe, struct err *e);

#endif

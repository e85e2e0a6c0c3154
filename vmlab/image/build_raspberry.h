/* build_raspberry.h - makes the image that Raspberry Pis boot from, of Debian's raspi-firmware and
 * its kernel for arm64 with that one's device trees and drivers.
 */
#ifndef VMLAB_IMAGE_BUILD_RASPBERRY_H
#define VMLAB_IMAGE_BUILD_RASPBERRY_H

#include "lib/image/boot_image.h"
#include "vmlab/image/build.h"

/* Needs depmod, and no program of that architecture to run. */
must_check int image_build_raspberry(
    const struct image_build *b, const struct boot_recipe *recipe, struct err *e);

#endif

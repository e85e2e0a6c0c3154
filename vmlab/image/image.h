/* image.h - `vmlab image build|import|add|ls|rm`: what a machine installs or boots.
 *
 * An image is the directory images/<name>/<arch>/ with manifest.json, rootfs.tar.zst (or .gz, .xz),
 * vmlinuz and modules.cpio.zst. It is made beside its place and renamed into it when complete, so
 * who reads it sees the old or the new one.
 */
#ifndef VMLAB_IMAGE_IMAGE_H
#define VMLAB_IMAGE_IMAGE_H

#include "vmlab/lab/lab.h"

extern const char image_help[];

/* argv[0] is "image"; images are in the lab's folder for them, else in ./images, and its
 * definitions tell which are in use. Returns the program's exit status: 0, 1 on failure, 2 on wrong
 * usage. */
int image_main(const struct lab *lab, int argc, char **argv);

#endif

/* image.h - `vmlab image build|import|ls|rm`: what a machine installs.
 *
 * An image is the directory images/<name>/<arch>/ with manifest.json, rootfs.tar.zst (or .gz, .xz),
 * vmlinuz and modules.cpio.zst. It is made beside its place and renamed into it when complete, so
 * who reads it sees the old or the new one.
 */
#ifndef VMLAB_IMAGE_H
#define VMLAB_IMAGE_H

/* argv[0] is "image". Returns the program's exit status: 0, 1 on failure, 2 on wrong usage. */
int image_main(int argc, char **argv);

#endif

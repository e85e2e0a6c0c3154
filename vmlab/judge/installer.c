#include "vmlab/judge/installer.h"

#include <errno.h>

#include "vmlab/image/manifest.h"

/* A manifest that cannot be read is told where the image is judged. */
const struct unattended_format *installer_of(
    const struct lab *lab, const struct vm *vm, struct err *e)
{
	_cleanup_image_manifest_ struct image_manifest image = {0};
	char buf[MENU_NAME_MAX + 1];
	const char *name = unattended_image(vm, buf);
	struct err unread = ERR_INIT;
	int r = lab->images_dir
		    ? image_manifest_load(lab->images_dir, name, vm->arch, &image, &unread)
		    : -ENOENT;
	const struct unattended_format *format =
	    unattended_format_of(name, r == 0 ? image.boot.unattended_format : NULL, e);

	if (!format && r == -ENOENT)
		err_set(e, ENOENT,
		    "there is no image %s for %s, so nothing tells which installer's file it takes: add it, or name one of those that `vmlab image ls` shows, or a file of your own",
		    name, vm_arch_name(vm->arch));
	return format;
}

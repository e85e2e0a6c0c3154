#include "vmlab/judge/installer.h"

#include "vmlab/image/manifest.h"

/* A manifest that cannot be read is told where the image is judged. */
const struct unattended_format *installer_of(
    const struct lab *lab, const struct vm *vm, struct err *e)
{
	_cleanup_image_manifest_ struct image_manifest image = {0};
	char buf[MENU_NAME_MAX + 1];
	const char *name = unattended_image(vm, buf);
	struct err unread = ERR_INIT;
	bool has = lab->images_dir &&
		   image_manifest_load(lab->images_dir, name, vm->arch, &image, &unread) == 0;

	return unattended_format_of(name, has ? image.boot.unattended_format : NULL, e);
}

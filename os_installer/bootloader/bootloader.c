#include "os_installer/bootloader/bootloader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The table: a loader is a file beside this one and a line here. Where an image has several for a
 * firmware, the first is taken. */
#define LOADERS(LOADER)                                                                            \
	LOADER(bootloader_grub_efi)                                                                \
	LOADER(bootloader_grub_bios)

#define DECLARED(loader) extern const struct bootloader_ops loader;
#define LISTED(loader) &loader,
LOADERS(DECLARED)
static const struct bootloader_ops *const loaders[] = {LOADERS(LISTED)};
#define LOADER_COUNT (sizeof(loaders) / sizeof(*loaders))

static const struct bootloader_ops *choose(const struct bootloader *b)
{
	enum vm_firmware firmware =
	    plan_partition(b->plan, PLAN_ESP) ? VM_FIRMWARE_UEFI : VM_FIRMWARE_BIOS;
	const struct bootloader_ops *first = NULL;

	for (size_t i = 0; i < LOADER_COUNT; i++) {
		if (loaders[i]->firmware != firmware)
			continue;
		if (loaders[i]->present(b))
			return loaders[i];
		if (!first)
			first = loaders[i];
	}
	return first;
}

int bootloader_stage(int tree, const char *directory, const struct config *c, const struct plan *p,
    struct bootloader *out, struct err *e)
{
	int r;

	*out = (struct bootloader){
	    .tree = tree, .directory = directory, .config = c, .plan = p, .arch = arch_of(c->arch)};
	release_read(tree, &out->release);
	if ((r = kernel_prepare(tree, directory, c->kernel_version, &out->kernel, e)) < 0 ||
	    (r = kernel_cmdline(tree, p, out->arch->console, c->kernel_args, &out->cmdline, e)) < 0)
		return r;
	out->ops = choose(out);
	return out->ops->stage(out, e);
}

int bootloader_activate(struct bootloader *b, struct err *e)
{
	return b->ops->activate ? b->ops->activate(b, e) : 0;
}

int bootloader_finish(struct bootloader *b, bool nvram, struct err *e)
{
	return b->ops->finish(b, nvram, e);
}

void bootloader_clear(struct bootloader *b)
{
	free(b->cmdline);
	free(b->own);
	b->cmdline = NULL;
	b->own = NULL;
}

const char *bootloader_on_boot(const struct bootloader *b, const char *path)
{
	return plan_boot(b->plan)->role == PLAN_ROOT ? path : path + strlen("/boot");
}

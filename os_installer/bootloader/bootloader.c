#include "os_installer/bootloader/bootloader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A file beside this one for each row of lib/image/bootloader.h. */
#define DECLARED(name_, ...) extern const struct bootloader_ops bootloader_##name_;
#define LISTED(name_, ...) &bootloader_##name_
#define NOTHING()
#define COMMA() ,
BOOTLOADERS(DECLARED, NOTHING)
static const struct bootloader_ops *const loaders[] = {BOOTLOADERS(LISTED, COMMA)};

static void choose(struct bootloader *b)
{
	enum vm_firmware firmware =
	    plan_partition(b->plan, PLAN_ESP) ? VM_FIRMWARE_UEFI : VM_FIRMWARE_BIOS;

	for (size_t i = 0; i < BOOTLOADER_COUNT; i++) {
		b->kind = &bootloader_kinds[i];
		b->ops = loaders[i];
		if (b->kind->firmware == firmware && b->ops->present(b))
			return;
	}
	b->kind = bootloader_first(firmware, false);
	b->ops = loaders[b->kind - bootloader_kinds];
}

int bootloader_stage(int tree, const char *directory, const struct config *c, const struct plan *p,
    struct bootloader *out, struct err *e)
{
	int r;

	*out = (struct bootloader){.tree = tree,
	    .directory = directory,
	    .config = c,
	    .plan = p,
	    .arch = arch_of(c->told.arch)};
	release_read(tree, &out->release);
	if ((r = kernel_prepare(tree, directory, c->told.kernel_version, &out->kernel, e)) < 0 ||
	    (r = kernel_cmdline(
		 tree, p, out->arch->console, c->told.kernel_args, &out->cmdline, e)) < 0)
		return r;
	choose(out);
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

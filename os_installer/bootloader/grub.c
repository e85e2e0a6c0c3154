#include "os_installer/bootloader/grub.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os_installer/bootloader/grub_cfg.h"
#include "os_installer/base/command.h"
#include "os_installer/system/tree.h"

/* ---- its own installer --------------------------------------------------------------------- */

static bool installer_find(const struct bootloader *b, char path[100])
{
	for (size_t i = 0; i < BOOTLOADER_PROGRAMS && b->kind->programs[i]; i++) {
		snprintf(path, 100, "/usr/sbin/%s", b->kind->programs[i]);
		if (tree_exists(b->tree, path))
			return true;
	}
	return false;
}

/* The directory of the target's modules tells whether the image has that GRUB at all. */
bool grub_present(const struct bootloader *b, const char *target)
{
	char modules[300], program[100];

	snprintf(modules, sizeof(modules), "/usr/lib/grub/%s/modinfo.sh", target);
	return installer_find(b, program) && tree_exists(b->tree, modules);
}

int grub_install(
    const struct bootloader *b, const char *target, const char *const *options, struct err *e)
{
	char program[100], package[BOOTLOADER_TEXT_SIZE];
	const char *argv[12] = {program};

	if (!grub_present(b, target) || !installer_find(b, program))
		return err_set(e, ENOENT, "the image has no GRUB for %s: build it with %s", target,
		    bootloader_text(b->kind->package, b->arch, package));
	for (size_t i = 0; i < 10 && options[i]; i++)
		argv[i + 1] = options[i];
	return command_run(
	    &(struct command){.argv = argv, .root = b->directory, .timeout_s = 300}, e);
}

/* ---- configuration ------------------------------------------------------------------------- */

int grub_text_write(int tree, const char *path, char *text, struct err *e)
{
	if (!text)
		return err_set(e, ENOMEM, "out of memory");
	int r = tree_write(tree, path, text, strlen(text), 0644, e);
	free(text);
	return r;
}

int grub_configure(const struct bootloader *b, struct err *e)
{
	struct grub_cfg cfg = {
	    .title = b->release.title,
	    .boot_uuid = plan_boot(b->plan)->fs_uuid,
	    .kernel = bootloader_on_boot(b, b->kernel.path),
	    .initramfs = bootloader_on_boot(b, b->kernel.initramfs),
	    .cmdline = b->cmdline,
	};
	char *text;
	int r;

	if ((r = tree_mkdirs(b->tree, "/boot/grub", 0755, e)) < 0 ||
	    (r = grub_cfg_render(&cfg, &text, e)) < 0 ||
	    (r = grub_text_write(b->tree, "/boot/grub/grub.cfg", text, e)) < 0)
		return r;
	if (!tree_exists(b->tree, "/etc/default/grub"))
		return 0;
	if ((r = tree_mkdirs(b->tree, "/etc/default/grub.d", 0755, e)) < 0 ||
	    (r = grub_cfg_render_defaults(
		 b->arch->console, b->config->told.kernel_args, &text, e)) < 0)
		return r;
	return grub_text_write(b->tree, "/etc/default/grub.d/90-installer.cfg", text, e);
}

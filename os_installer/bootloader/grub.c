#include "os_installer/bootloader/grub.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os_installer/bootloader/grub_cfg.h"
#include "os_installer/base/command.h"
#include "os_installer/system/tree.h"

/* ---- its own installer --------------------------------------------------------------------- */

static const char *installer_find(int tree)
{
	static const char *const programs[] = {"/usr/sbin/grub-install", "/usr/sbin/grub2-install"};

	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++)
		if (tree_exists(tree, programs[i]))
			return programs[i];
	return NULL;
}

/* The directory of the target's modules tells whether the image has that GRUB at all. */
bool grub_present(int tree, const char *target)
{
	char modules[300];

	snprintf(modules, sizeof(modules), "/usr/lib/grub/%s/modinfo.sh", target);
	return installer_find(tree) && tree_exists(tree, modules);
}

int grub_install(int tree, const char *directory, const char *target, const char *package,
    const char *const *options, struct err *e)
{
	const char *argv[12] = {installer_find(tree)};

	if (!grub_present(tree, target))
		return err_set(
		    e, ENOENT, "the image has no GRUB for %s: build it with %s", target, package);
	for (size_t i = 0; i < 10 && options[i]; i++)
		argv[i + 1] = options[i];
	return command_run(&(struct command){.argv = argv, .root = directory, .timeout_s = 300}, e);
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
	    (r = grub_cfg_render_defaults(b->arch->console, b->config->kernel_args, &text, e)) < 0)
		return r;
	return grub_text_write(b->tree, "/etc/default/grub.d/90-installer.cfg", text, e);
}

#include "os_installer/bootloader/kernel.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/log.h"
#include "lib/image/kernel_version.h"
#include "os_installer/base/command.h"
#include "os_installer/system/tree.h"

/* ---- finding it ---------------------------------------------------------------------------- */

static const char *kernel_suffix(const struct kernel *k)
{
	return k->path + strlen("/boot/vmlinuz-");
}

static bool file_find(int tree, enum boot_file file, const char *version, char path[BOOT_FILE_SIZE])
{
	for (unsigned n = 0; boot_file_path(file, n, version, path); n++)
		if (tree_exists(tree, path))
			return true;
	path[0] = '\0';
	return false;
}

struct search {
	int tree;
	struct kernel *best;
};

static void take_if_newer(struct kernel *best, const char *version, const char *path)
{
	if (strlen(version) >= sizeof(best->version) ||
	    (best->version[0] && kernel_version_compare(version, best->version) <= 0))
		return;
	strcpy(best->version, version);
	snprintf(best->path, sizeof(best->path), "%s", path);
}

static int kernel_with_modules(void *ctx, const char *version)
{
	const struct search *s = ctx;
	char path[BOOT_FILE_SIZE];

	if (file_find(s->tree, BOOT_FILE_KERNEL, version, path))
		take_if_newer(s->best, version, path);
	return 0;
}

/* Its modules have another name, or are built in. */
static int kernel_alone(void *ctx, const char *name)
{
	const struct search *s = ctx;
	char path[BOOT_FILE_SIZE];

	snprintf(path, sizeof(path), "/boot/%s", name);
	if (strncmp(name, "vmlinuz-", 8) == 0 && name[8])
		take_if_newer(s->best, name + 8, path);
	return 0;
}

static int newest_find(int tree, const char *version, struct kernel *k, struct err *e)
{
	struct search search = {tree, k};

	memset(k, 0, sizeof(*k));
	if (version && strlen(version) < sizeof(k->version) &&
	    file_find(tree, BOOT_FILE_KERNEL, version, k->path)) {
		strcpy(k->version, version);
		return 0;
	}
	tree_list(tree, "/lib/modules", kernel_with_modules, &search);
	if (!k->version[0])
		tree_list(tree, "/boot", kernel_alone, &search);
	if (!k->version[0])
		return err_set(
		    e, ENOENT, "the image has no kernel (/boot/vmlinuz-*): build it with one");
	if (version)
		log_warn("the image has no kernel %s, using %s", version, k->path);
	return 0;
}

/* The one that this distribution uses; NULL: none that is known. */
static const struct initramfs_tool *initramfs_tool_find(int tree)
{
	for (size_t i = 0; i < initramfs_tool_count; i++)
		if (tree_exists(tree, initramfs_tools[i].program))
			return &initramfs_tools[i];
	return NULL;
}

static int initramfs_make(int tree, const char *directory, const struct kernel *k, struct err *e)
{
	const struct initramfs_tool *tool = initramfs_tool_find(tree);
	char words[10][BOOT_FILE_SIZE];
	const char *argv[11] = {NULL};

	if (!tool)
		return err_set(e, ENOENT,
		    "the image has neither an initramfs for kernel %s nor a program to make one (update-initramfs, dracut, mkinitcpio, mkinitfs)",
		    k->version);
	log_info("making an initramfs kernel=%s tool=%s", k->version, tool->argv[0]);
	for (size_t n = 0; n < 10 && tool->argv[n]; n++) {
		boot_text_expand(tool->argv[n], k->version, kernel_suffix(k), "", words[n]);
		argv[n] = words[n];
	}
	return command_run(&(struct command){.argv = argv, .root = directory, .timeout_s = 900}, e);
}

static bool initramfs_find(int tree, struct kernel *k)
{
	return file_find(tree, BOOT_FILE_INITRAMFS, k->version, k->initramfs) ||
	       file_find(tree, BOOT_FILE_INITRAMFS, kernel_suffix(k), k->initramfs);
}

int kernel_find(int tree, struct kernel *out, struct err *e)
{
	int r = newest_find(tree, NULL, out, e);

	if (r == 0)
		(void)initramfs_find(tree, out);
	return r;
}

static int initramfs_ensure(int tree, const char *directory, struct kernel *k, struct err *e)
{
	if (initramfs_find(tree, k))
		return 0;
	int r = initramfs_make(tree, directory, k, e);
	if (r < 0)
		return r;
	if (!initramfs_find(tree, k))
		return err_set(
		    e, ENOENT, "making an initramfs for kernel %s left none in /boot", k->version);
	return 0;
}

int kernel_prepare(
    int tree, const char *directory, const char *version, struct kernel *out, struct err *e)
{
	int r = newest_find(tree, version, out, e);

	return r < 0 ? r : initramfs_ensure(tree, directory, out, e);
}

/* ---- its words ----------------------------------------------------------------------------- */

/* Words as they are, with one blank before each. */
static void put_words(FILE *f, const char *text)
{
	for (const char *p = text ? text : ""; *p;) {
		size_t n = strcspn(p, " ");
		if (n > 0)
			fprintf(f, " %.*s", (int)n, p);
		p += n + strspn(p + n, " ");
	}
}

int kernel_cmdline_render(const char *root_uuid, const char *console, const char *initramfs_args,
    const char *args, char **out, struct err *e)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return err_set(e, ENOMEM, "out of memory");
	fprintf(f, "root=UUID=%s ro quiet console=tty0 console=%s,115200", root_uuid, console);
	put_words(f, initramfs_args);
	put_words(f, args);
	if (fclose(f) != 0) {
		free(text);
		return err_set(e, ENOMEM, "out of memory");
	}
	*out = text;
	return 0;
}

int kernel_cmdline(int tree, const struct plan *p, const char *console, const char *args,
    char **out, struct err *e)
{
	const struct plan_partition *root = plan_partition(p, PLAN_ROOT);
	const struct initramfs_tool *tool = initramfs_tool_find(tree);
	char own[BOOT_FILE_SIZE] = "";

	if (tool && tool->arguments)
		boot_text_expand(tool->arguments, "", "", plan_fs_name(root), own);
	return kernel_cmdline_render(root->fs_uuid, console, own, args, out, e);
}

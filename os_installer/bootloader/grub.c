#include "os_installer/bootloader/bootloader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/boot_files.h"
#include "lib/cleanup.h"
#include "lib/log.h"
#include "os_installer/bootloader/grub_core.h"
#include "os_installer/bootloader/grub_cfg.h"
#include "os_installer/bootloader/nvram.h"
#include "os_installer/system/command.h"
#include "os_installer/system/tree.h"

#define ESP "/boot/efi"
#define STAGING_ID "installer"
#define OS_RELEASE_MAX_BYTES (64U << 10)
#define TEXT_SIZE 300

/* What differs between architectures. */
static const struct platform {
	const char *grub_target, *package, *file, *removable, *console;
} platforms[] = {
    [VM_ARCH_AMD64] = {"x86_64-efi", "grub-efi-amd64", "grubx64.efi", "BOOTX64.EFI", "ttyS0"},
    [VM_ARCH_ARM64] = {"arm64-efi", "grub-efi-arm64", "grubaa64.efi", "BOOTAA64.EFI", "ttyAMA0"},
};

#define BIOS_TARGET "i386-pc"
#define BIOS_IMAGES "/boot/grub/" BIOS_TARGET
#define CORE_MAX_BYTES (1U << 20) /* the BIOS boot partition's size */

/* ---- kernel and initramfs ---------------------------------------------------------------------- */

/* What was found of the kernel to start. */
struct kernel {
	char version[BOOT_VERSION_SIZE];
	char path[BOOT_FILE_SIZE]; /* "/boot/vmlinuz-..." */
};

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
	    (best->version[0] && strverscmp(version, best->version) <= 0))
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

static int kernel_find(int tree, const struct config *c, struct kernel *k, struct err *e)
{
	struct search search = {tree, k};

	memset(k, 0, sizeof(*k));
	if (c->kernel_version && strlen(c->kernel_version) < sizeof(k->version) &&
	    file_find(tree, BOOT_FILE_KERNEL, c->kernel_version, k->path)) {
		strcpy(k->version, c->kernel_version);
		return 0;
	}
	tree_list(tree, "/lib/modules", kernel_with_modules, &search);
	if (!k->version[0])
		tree_list(tree, "/boot", kernel_alone, &search);
	if (!k->version[0])
		return err_set(e, ENOENT, "the image has no kernel (/boot/vmlinuz-*): build it with one");
	if (c->kernel_version)
		log_warn("the image has no kernel %s, using %s", c->kernel_version, k->path);
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

static int initramfs_make(
    int tree, const char *directory, const struct kernel *k, struct err *e)
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

static int initramfs_ensure(int tree, const char *directory, const struct kernel *k,
    char path[BOOT_FILE_SIZE], struct err *e)
{
	if (file_find(tree, BOOT_FILE_INITRAMFS, k->version, path) ||
	    file_find(tree, BOOT_FILE_INITRAMFS, kernel_suffix(k), path))
		return 0;
	int r = initramfs_make(tree, directory, k, e);
	if (r < 0)
		return r;
	if (!file_find(tree, BOOT_FILE_INITRAMFS, k->version, path) &&
	    !file_find(tree, BOOT_FILE_INITRAMFS, kernel_suffix(k), path))
		return err_set(
		    e, ENOENT, "making an initramfs for kernel %s left none in /boot", k->version);
	return 0;
}

/* ---- GRUB -------------------------------------------------------------------------------------- */

/* Reads one value of os-release(5). */
static void os_release_get(const char *text, const char *key, char *out, size_t size)
{
	size_t key_len = strlen(key);

	for (const char *p = text; *p; p += strcspn(p, "\n"), p += *p == '\n') {
		if (strncmp(p, key, key_len) != 0 || p[key_len] != '=')
			continue;
		const char *v = p + key_len + 1;
		size_t len = strcspn(v, "\n");
		if (len >= 2 && (*v == '"' || *v == '\'') && v[len - 1] == *v) {
			v++;
			len -= 2;
		}
		snprintf(out, size, "%.*s", (int)len, v);
	}
}

static bool id_valid(const char *id)
{
	return id[0] >= 'a' && id[0] <= 'z' &&
	    strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(id) &&
	    strcmp(id, STAGING_ID) != 0;
}

/* Returns whether the family is Debian's. */
static bool distribution_read(int tree, struct bootloader *b)
{
	_cleanup_free_ char *text = NULL;
	char like[100] = "";
	size_t len;

	strcpy(b->id, "linux");
	strcpy(b->title, "Linux");
	if (tree_read(tree, "/etc/os-release", OS_RELEASE_MAX_BYTES, &text, &len, NULL) < 0)
		return false;
	os_release_get(text, "ID", b->id, sizeof(b->id));
	os_release_get(text, "PRETTY_NAME", b->title, sizeof(b->title));
	os_release_get(text, "ID_LIKE", like, sizeof(like));
	if (!id_valid(b->id))
		strcpy(b->id, "linux");
	return strcmp(b->id, "debian") == 0 || strstr(like, "debian");
}

/* The directory on the EFI partition that GRUB looks for its configuration in is compiled into a
 * ready-made image; it is the distribution's ID. */
static bool ready_image(int tree, const struct platform *p, char path[TEXT_SIZE])
{
	snprintf(path, TEXT_SIZE, "/usr/lib/grub/%s/monolithic/%s", p->grub_target, p->file);
	return tree_exists(tree, path);
}

/* `options` follow the program's name; the directory of the target's modules tells whether the image
 * has that GRUB at all. */
static int grub_install(int tree, const char *directory, const char *target, const char *package,
    const char *const *options, struct err *e)
{
	static const char *const programs[] = {"/usr/sbin/grub-install", "/usr/sbin/grub2-install"};
	char modules[TEXT_SIZE];
	const char *argv[12] = {NULL};

	snprintf(modules, sizeof(modules), "/usr/lib/grub/%s/modinfo.sh", target);
	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs) && !argv[0]; i++)
		if (tree_exists(tree, programs[i]))
			argv[0] = programs[i];
	if (!argv[0] || !tree_exists(tree, modules))
		return err_set(e, ENOENT, "the image has no GRUB for %s: build it with %s", target,
		    package);
	for (size_t i = 0; i < 10 && options[i]; i++)
		argv[i + 1] = options[i];
	return command_run(&(struct command){.argv = argv, .root = directory, .timeout_s = 300}, e);
}

static int grub_install_efi(
    int tree, const char *directory, const struct platform *p, bool debian, struct err *e)
{
	char target[40];
	const char *options[] = {target, "--efi-directory=" ESP, "--boot-directory=/boot",
	    "--bootloader-id=" STAGING_ID, "--no-nvram",
	    /* Debian's own switch: a plain image instead of a signed one, whose path is fixed. */
	    debian ? "--no-uefi-secure-boot" : NULL, NULL};

	snprintf(target, sizeof(target), "--target=%s", p->grub_target);
	return grub_install(tree, directory, p->grub_target, p->package, options, e);
}

/* Brings GRUB's image to its two places on the EFI partition, as *.new. */
static int image_stage(int tree, const char *directory, const struct platform *p, bool debian,
    const struct bootloader *b, struct err *e)
{
	char from[TEXT_SIZE], to[TEXT_SIZE];
	int r;

	bool ready = ready_image(tree, p, from);
	if (!ready) {
		if ((r = grub_install_efi(tree, directory, p, debian, e)) < 0)
			return r;
		snprintf(from, sizeof(from), ESP "/EFI/" STAGING_ID "/%s", p->file);
	}
	log_debug("GRUB image from %s", from);
	snprintf(to, sizeof(to), ESP "/EFI/BOOT/%s.new", p->removable);
	if ((r = tree_copy(tree, from, to, 0755, e)) < 0)
		return r;
	snprintf(to, sizeof(to), ESP "/EFI/%s/%s.new", b->id, p->file);
	return ready ? tree_copy(tree, from, to, 0755, e) : tree_rename(tree, from, to, e);
}

/* ---- GRUB for a BIOS --------------------------------------------------------------------------- */

/* Modules into /boot/grub, and a core image that finds them; nothing goes to the disk itself. */
static int bios_stage(
    int tree, const char *directory, const struct plan *p, struct bootloader *b, struct err *e)
{
	const struct plan_partition *part = plan_partition(p, PLAN_BIOS_BOOT);
	const char *options[] = {"--target=" BIOS_TARGET, "--boot-directory=/boot", "--no-bootsector",
	    p->disk.path, NULL};
	_cleanup_free_ char *sector = NULL, *core = NULL;
	size_t sector_len, core_len;
	int r;

	if ((r = grub_install(tree, directory, BIOS_TARGET, "grub-pc-bin", options, e)) < 0 ||
	    (r = tree_read(tree, BIOS_IMAGES "/boot.img", 512, &sector, &sector_len, e)) < 0 ||
	    (r = tree_read(tree, BIOS_IMAGES "/core.img", CORE_MAX_BYTES, &core, &core_len, e)) < 0)
		return r;
	b->core = grub_core_prepare(sector, sector_len, core, core_len, part->start_lba,
	    b->boot_sector, &b->core_len, e);
	return b->core ? 0 : -e->code;
}

/* ---- configuration ----------------------------------------------------------------------------- */

static int text_write(int tree, const char *path, char *text, struct err *e)
{
	int r = tree_write(tree, path, text, strlen(text), 0644, e);

	free(text);
	return r;
}

/* A path below /boot as it is on the file system that holds it. */
static const char *on_boot(const struct plan *p, const char *path)
{
	return plan_boot(p)->role == PLAN_ROOT ? path : path + strlen("/boot");
}

/* One for each name that GRUB may be started by. */
static int stubs_write(int tree, const struct plan *p, const struct bootloader *b, struct err *e)
{
	const char *const ids[] = {b->id, "BOOT"};
	char path[TEXT_SIZE];
	char *text;
	int r;

	for (size_t i = 0; i < 2; i++) {
		snprintf(path, sizeof(path), ESP "/EFI/%s/grub.cfg", ids[i]);
		if ((r = grub_cfg_render_stub(plan_boot(p)->fs_uuid, on_boot(p, "/boot/grub"), &text,
			 e)) < 0 ||
		    (r = text_write(tree, path, text, e)) < 0)
			return r;
	}
	return 0;
}

/* What kexec needs: the same command line, and the files by their paths in the tree. */
static int kexec_keep(struct bootloader *b, const struct grub_cfg *cfg, const char *kernel,
    const char *initramfs, struct err *e)
{
	char *text;
	int r = grub_cfg_cmdline(cfg, &text, e);

	if (r < 0)
		return r;
	snprintf(b->kernel, sizeof(b->kernel), "%s", kernel);
	snprintf(b->initramfs, sizeof(b->initramfs), "%s", initramfs);
	size_t len = strlen(text);
	if (len < sizeof(b->cmdline))
		memcpy(b->cmdline, text, len + 1);
	free(text);
	return 0;
}

static int configuration_write(int tree, const struct config *c, const struct plan *p,
    struct bootloader *b, const char *kernel, const char *initramfs, struct err *e)
{
	const struct platform *platform = &platforms[c->arch];
	const struct initramfs_tool *tool = initramfs_tool_find(tree);
	char arguments[BOOT_FILE_SIZE] = "";
	char *text;
	int r;

	if (tool && tool->arguments)
		boot_text_expand(tool->arguments, "", "", plan_fs_name(plan_partition(p, PLAN_ROOT)),
		    arguments);
	struct grub_cfg cfg = {
	    .title = b->title,
	    .root_uuid = plan_partition(p, PLAN_ROOT)->fs_uuid,
	    .boot_uuid = plan_boot(p)->fs_uuid,
	    .kernel = on_boot(p, kernel),
	    .initramfs = on_boot(p, initramfs),
	    .console = platform->console,
	    .arguments = arguments,
	    .kernel_args = c->kernel_args,
	};
	if ((r = kexec_keep(b, &cfg, kernel, initramfs, e)) < 0 ||
	    (r = tree_mkdirs(tree, "/boot/grub", 0755, e)) < 0 ||
	    (r = grub_cfg_render(&cfg, &text, e)) < 0 ||
	    (r = text_write(tree, "/boot/grub/grub.cfg", text, e)) < 0)
		return r;
	if (!b->core && (r = stubs_write(tree, p, b, e)) < 0)
		return r;
	if (!tree_exists(tree, "/etc/default/grub"))
		return 0;
	if ((r = tree_mkdirs(tree, "/etc/default/grub.d", 0755, e)) < 0 ||
	    (r = grub_cfg_render_defaults(platform->console, c->kernel_args, &text, e)) < 0)
		return r;
	return text_write(tree, "/etc/default/grub.d/90-installer.cfg", text, e);
}

/* ---- stages ------------------------------------------------------------------------------------ */

static int efi_stage(int tree, const char *directory, const struct platform *platform, bool debian,
    const struct bootloader *b, struct err *e)
{
	char path[TEXT_SIZE];
	int r;

	snprintf(path, sizeof(path), ESP "/EFI/%s", b->id);
	if ((r = tree_mkdirs(tree, path, 0755, e)) < 0 ||
	    (r = tree_mkdirs(tree, ESP "/EFI/BOOT", 0755, e)) < 0)
		return r;
	return image_stage(tree, directory, platform, debian, b, e);
}

int bootloader_stage(int tree, const char *directory, const struct config *c, const struct plan *p,
    struct bootloader *out, struct err *e)
{
	const struct platform *platform = &platforms[c->arch];
	char initramfs[BOOT_FILE_SIZE];
	struct kernel kernel;
	int r;

	memset(out, 0, sizeof(*out));
	out->file = platform->file;
	out->removable = platform->removable;
	bool debian = distribution_read(tree, out);
	if ((r = kernel_find(tree, c, &kernel, e)) < 0 ||
	    (r = initramfs_ensure(tree, directory, &kernel, initramfs, e)) < 0)
		return r;
	r = plan_partition(p, PLAN_BIOS_BOOT) ? bios_stage(tree, directory, p, out, e)
					      : efi_stage(tree, directory, platform, debian, out, e);
	return r < 0 ? r : configuration_write(tree, c, p, out, kernel.path, initramfs, e);
}

void bootloader_clear(struct bootloader *b)
{
	free(b->core);
	b->core = NULL;
}

int bootloader_activate(int tree, const struct bootloader *b, struct err *e)
{
	char from[TEXT_SIZE + 8], to[TEXT_SIZE];

	if (b->core)
		return 0;
	snprintf(to, sizeof(to), ESP "/EFI/%s/%s", b->id, b->file);
	snprintf(from, sizeof(from), "%s.new", to);
	int r = tree_rename(tree, from, to, e);
	if (r < 0)
		return r;
	snprintf(to, sizeof(to), ESP "/EFI/BOOT/%s", b->removable);
	snprintf(from, sizeof(from), "%s.new", to);
	return tree_rename(tree, from, to, e);
}

void bootloader_register(const struct bootloader *b, const struct plan *p)
{
	const struct plan_partition *esp = plan_partition(p, PLAN_ESP);
	struct err e = ERR_INIT;
	char file[TEXT_SIZE];

	snprintf(file, sizeof(file), "\\EFI\\%s\\%s", b->id, b->file);
	int r = nvram_entry_add(b->id, esp, (unsigned)(esp - p->part) + 1, file, &e);
	if (r == NVRAM_ABSENT)
		log_info("no EFI variables here: the disk boots by its removable name");
	else if (r < 0)
		log_warn("no boot entry made, the disk boots by its removable name: %s", e.msg);
	else
		log_debug("boot entry made title=%s file=%s", b->id, file);
}

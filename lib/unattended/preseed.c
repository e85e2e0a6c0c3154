/* preseed.c - debian-installer's answers, of Debian 12 and 13: appendix B of its guide, and
 * partman-auto-recipe.txt.
 *
 * A value goes from its blank to the end of the line, as it is: there is no quoting. What stands
 * here is one line without a backslash: names, sizes, URLs, and commands made of shell_word().
 */
#include "lib/unattended/format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/definition/storage.h"
#include "lib/unattended/disk_script.h"
#include "lib/unattended/storage_of.h"

#define MB 1000000u

static void answer(FILE *f, const char *question, const char *type, const char *value)
{
	fprintf(f, "d-i %s %s%s%s\n", question, type, value[0] ? " " : "", value);
}

/* ---- storage ------------------------------------------------------------------------------- */

static uint64_t to_mb(uint64_t bytes)
{
	return (bytes + MB - 1) / MB;
}

/* What takes the rest has to be able to do with little, so that the recipe fits a small disk. */
static void put_size(FILE *f, const struct storage_partition *p)
{
	uint64_t least = strcmp(p->mount, "/") == 0 ? 1500 : to_mb(file_systems[p->fs].min_bytes);

	if (p->unit == STORAGE_REST)
		fprintf(f, "%" PRIu64 " %" PRIu64 " -1", least, least + 1000000);
	else if (p->unit == STORAGE_PERCENT)
		for (int i = 0; i < 3; i++)
			fprintf(f, "%s'\"$((disk_bytes / 100000000 * %u))\"'", i ? " " : "",
			    (unsigned)p->amount);
	else
		fprintf(f, "%" PRIu64 " %" PRIu64 " %" PRIu64, to_mb(p->amount), to_mb(p->amount),
		    to_mb(p->amount));
}

static void put_partition(FILE *f, const struct storage_partition *p)
{
	const char *fs = file_systems[p->fs].name;

	put_size(f, p);
	if (p->fs == STORAGE_FS_SWAP) {
		fputs(" linux-swap method{ swap } format{ } . ", f);
		return;
	}
	if (p->fs == STORAGE_FS_VFAT)
		fs = "fat32";
	fprintf(f,
	    " %s method{ format } format{ } use_filesystem{ } filesystem{ %s } mountpoint{ %s } label{ %s } . ",
	    fs, fs, p->mount, p->label);
}

/* A word of a shell in single quotes, in which shares of the disk are computed. */
static void put_recipe(FILE *f, const struct vm *vm, const struct storage *storage)
{
	fputs("vmlab :: ", f);
	if (vm->firmware == VM_FIRMWARE_BIOS)
		fputs("1 1 1 free $iflabel{ gpt } $reusemethod{ } method{ biosgrub } . ", f);
	else
		fputs("537 537 537 free $iflabel{ gpt } $reusemethod{ } method{ efi } format{ } . ",
		    f);
	for (unsigned i = 0; i < storage->count; i++)
		put_partition(f, &storage->part[i]);
}

/* The disk is known only to the machine; and from it, what 20 % are. */
static int put_disk(const struct unattended_source *s, const struct storage *storage, FILE *f,
    const char *progress, struct err *e)
{
	_cleanup_free_ char *script = NULL;
	size_t len;
	FILE *text = open_memstream(&script, &len);

	if (!text)
		return err_set(e, ENOMEM, "out of memory");
	disk_script_write(s->vm, text);
	fprintf(text,
	    "debconf-set partman-auto/disk \"/dev/$disk\"; debconf-set grub-installer/bootdev \"/dev/$disk\"; debconf-set partman-auto/expert_recipe '");
	put_recipe(text, s->vm, storage);
	fputs("'; ", text);
	fputs(progress, text);
	if (fclose(text) != 0)
		return err_set(e, ENOMEM, "out of memory");
	for (char *p = script; *p; p++)
		*p = *p == '\n' ? ' ' : *p;
	answer(f, "partman/early_command", "string", script);
	return 0;
}

static int put_storage(
    const struct unattended_source *s, FILE *f, const char *progress, struct err *e)
{
	static const char *const fixed[][3] = {
	    {"partman-auto/method", "string", "regular"},
	    {"partman-auto/choose_recipe", "select", "vmlab"},
	    {"partman-partitioning/default_label", "string", "gpt"},
	    {"partman-partitioning/choose_label", "string", "gpt"},
	    {"partman-partitioning/confirm_write_new_label", "boolean", "true"},
	    {"partman-basicfilesystems/no_swap", "boolean", "false"},
	    {"partman-basicfilesystems/no_mount_point", "boolean", "false"},
	    {"partman-efi/non_efi_system", "boolean", "true"},
	    {"partman-lvm/device_remove_lvm", "boolean", "true"},
	    {"partman-md/device_remove_md", "boolean", "true"},
	    {"partman/choose_partition", "select", "finish"},
	    {"partman/confirm", "boolean", "true"},
	    {"partman/confirm_nooverwrite", "boolean", "true"},
	    {"partman/mount_style", "select", "uuid"},
	};
	struct storage storage;

	storage_of(s->vm, &storage);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		answer(f, fixed[i][0], fixed[i][1], fixed[i][2]);
	return put_disk(s, &storage, f, progress, e);
}

/* ---- the rest ------------------------------------------------------------------------------ */

static void put_system(const struct unattended_source *s, FILE *f)
{
	static const char *const fixed[][3] = {
	    {"debian-installer/locale", "string", "C.UTF-8"},
	    {"debian-installer/language", "string", "en"},
	    {"debian-installer/country", "string", "US"},
	    {"keyboard-configuration/xkb-keymap", "select", "us"},
	    {"netcfg/enable", "boolean", "true"},
	    {"netcfg/dhcp_timeout", "string", "60"},
	    {"hw-detect/load_firmware", "boolean", "false"},
	    {"clock-setup/utc", "boolean", "true"},
	    {"clock-setup/ntp", "boolean", "false"},
	    {"time/zone", "string", "Etc/UTC"},
	    {"passwd/root-login", "boolean", "true"},
	    /* None fits it; but "!" is what user-setup takes for no answer, and asks. */
	    {"passwd/root-password-crypted", "password", "*"},
	    {"passwd/make-user", "boolean", "false"},
	    {"apt-setup/cdrom/set-first", "boolean", "false"},
	    {"apt-setup/disable-cdrom-entries", "boolean", "true"},
	    {"mirror/http/proxy", "string", ""},
	    {"pkgsel/run_tasksel", "boolean", "false"},
	    {"pkgsel/upgrade", "select", "none"},
	    {"grub-installer/only_debian", "boolean", "true"},
	    {"grub-installer/with_other_os", "boolean", "false"},
	    /* The firmware's entry goes with its memory; and our GRUB looks nowhere else. */
	    {"grub-installer/force-efi-extra-removable", "boolean", "true"},
	    {"cdrom-detect/eject", "boolean", "false"},
	    {"finish-install/keep-consoles", "boolean", "true"},
	    {"finish-install/reboot_in_progress", "note", ""},
	};
	struct unattended_names names;

	unattended_names(s, &names);
	for (size_t i = 0; i < sizeof(fixed) / sizeof(*fixed); i++)
		answer(f, fixed[i][0], fixed[i][1], fixed[i][2]);
	answer(f, "netcfg/choose_interface", "select", "auto");
	answer(f, "netcfg/get_hostname", "string", names.host);
	answer(f, "netcfg/hostname", "string", names.host);
	answer(f, "netcfg/get_domain", "string", names.domain);
	if (s->vm->kernel_args)
		answer(f, "debian-installer/add-kernel-opts", "string", s->vm->kernel_args);
	if (s->vm->after_install == VM_AFTER_POWEROFF)
		answer(f, "debian-installer/exit/poweroff", "boolean", "true");
	fputs("popularity-contest popularity-contest/participate boolean false\n", f);
}

static void put_package(void *ctx, const char *word)
{
	fprintf(ctx, " %s", word);
}

static void put_packages(const struct vm *vm, FILE *f)
{
	fputs("d-i pkgsel/include string openssh-server sudo", f);
	unattended_each_package(vm, put_package, f);
	fputc('\n', f);
}

/* What os_installer would report, and no reason to stop where it cannot be told. */
static void progress(const struct unattended_source *s, const char *phase, char *out, size_t size)
{
	char url[UNATTENDED_URL_SIZE];

	snprintf(out, size,
	    "wget -q -O /dev/null --post-data='{\"phase\":\"%s\",\"status\":\"running\"}' %s || true",
	    phase, unattended_url(s, "report", url));
}

/* The network is there before this file is, and netcfg has taken its name from DHCP. */
static void put_end(const struct unattended_source *s, FILE *f)
{
	char stage4[UNATTENDED_URL_SIZE], done[UNATTENDED_URL_SIZE];
	struct unattended_names names;

	unattended_names(s, &names);
	bool alone = names.domain[0] == '\0';
	fprintf(f,
	    "d-i preseed/late_command string echo %s >/target/etc/hostname && sed -i '/^127[.]0[.]1[.]1/d' /target/etc/hosts && echo 127.0.1.1 %s%s%s >>/target/etc/hosts && wget -q -O /target/root/vmlab-stage4 %s && in-target /bin/sh /root/vmlab-stage4 && rm -f /target/root/vmlab-stage4 && sync && wget -q -O /dev/null %s\n",
	    names.host, names.full, alone ? "" : " ", alone ? "" : names.host,
	    unattended_url(s, "stage4", stage4), unattended_url(s, "done", done));
}

static int emit(const struct unattended_source *s, FILE *f, struct err *e)
{
	char call[1024];

	fprintf(f, "#_preseed_V1\n# Made of the definition of %s.\n", s->vm->name);
	progress(s, "config", call, sizeof(call));
	answer(f, "preseed/early_command", "string", call);
	put_system(s, f);
	progress(s, "partition", call, sizeof(call));
	int r = put_storage(s, f, call, e);
	put_packages(s->vm, f);
	put_end(s, f);
	return r;
}

static void gaps(const struct vm *vm, const struct unattended_teller *t)
{
	if (json_object_get(vm->more, "user_data"))
		t->gap(t->ctx, "user_data",
		    "has no effect: a system of debian-installer's has no cloud-init; use \"hooks\", \"runcmd\" and \"write_files\"");
	if (json_object_get(vm->more, "network_config"))
		t->gap(t->ctx, "network_config",
		    "has no effect: debian-installer configures the interface it boots from, by DHCP; write /etc/network/interfaces by \"write_files\"");
}

/* debian-installer's main menu names each part that it starts: main-menu.c. Before the network is
 * up nothing gets here. */
#define SELECTED(item, phase_)                                                                     \
	{.program = "main-menu", .begins = "INFO: Menu item '" item "' selected", .phase = phase_}
static const struct unattended_sign signs[] = {
    SELECTED("netcfg", PHASE_NETWORK),
    SELECTED("network-preseed", PHASE_CONFIG),
    SELECTED("partman-base", PHASE_PARTITION),
    SELECTED("bootstrap-base", PHASE_ROOTFS),
    SELECTED("pkgsel", PHASE_CONFIGURE),
    SELECTED("grub-installer", PHASE_BOOTLOADER),
    /* Stage 4, and the command that looks for the disk: it asks whether to go on without. */
    {.program = "in-target", .begins = "vmlab: stopped: "},
    {.program = "in-target", .begins = "vmlab: ", .phase = PHASE_HOOKS},
    {.program = "log-output", .begins = "no disk "},
    {.program = "log-output", .begins = "several disks match"},
    /* Now its menu is on the screen, and nobody is there. */
    {.program = "anna", .begins = "WARNING **: package retrieval failed"},
    {.program = "main-menu",
	.begins = "WARNING **: Configuring '",
	.names = "' failed with error code"},
    {.program = "main-menu",
	.begins = "INFO: Menu item '",
	.names = "' succeeded but requested to be left unconfigured"},
    {0},
};

static const char *const images[] = {"debian-installer", NULL};

const struct unattended_format unattended_preseed = {
    .name = "preseed",
    .suffix = ".preseed",
    .images = images,
    .emit = emit,
    .gaps = gaps,
    .signs = signs,
    /* Its guide, 2.5, and appendix of trixie's. With less the kernel may not even unpack it. */
    .memory_bytes = UINT64_C(780) * MB,
};

/* autoinstall.c - subiquity's answers, of Ubuntu's server: its "Autoinstall configuration reference
 * manual", and curtin's storage actions.
 *
 * It is JSON as a YAML reader takes it (lib/json/yaml_text.h) below "#cloud-config", so that it can
 * be cloud-init's user-data.
 */
#include "lib/unattended/format.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/definition/storage.h"
#include "lib/json/yaml_text.h"
#include "lib/unattended/disk_script.h"
#include "lib/unattended/people.h"
#include "lib/unattended/shell.h"
#include "lib/unattended/storage_of.h"

#define MIB (UINT64_C(1) << 20)
/* What stands for the disk until the first command has found it. */
#define DISK_PLACE "VMLAB_DISK"

static void cleanup_json(json_t **json)
{
	json_decref(*json);
}
#define _cleanup_json_ _cleanup_(cleanup_json)

/* ---- storage ------------------------------------------------------------------------------- */

static json_t *size_of(const struct storage_partition *p)
{
	if (p->unit == STORAGE_REST)
		return json_integer(-1);
	if (p->unit == STORAGE_PERCENT)
		return json_sprintf("%u%%", (unsigned)p->amount);
	return json_sprintf("%" PRIu64 "M", (p->amount + MIB - 1) / MIB);
}

/* A partition and, where it has one, its file system and place. Takes `size`. */
static void add_partition(json_t *actions, unsigned number, json_t *size, const char *flag,
    const char *fs, const char *label, const char *mount)
{
	json_t *partition = json_pack("{s:s, s:o, s:s, s:i, s:o, s:b, s:s}", "type", "partition",
	    "id", json_sprintf("part-%u", number), "device", "disk", "number", (int)number, "size",
	    size, "preserve", 0, "wipe", "superblock");

	if (flag)
		json_object_set_new(partition, "flag", json_string(flag));
	if (flag && strcmp(flag, "boot") == 0)
		json_object_set_new(partition, "grub_device", json_true());
	json_array_append_new(actions, partition);
	if (!fs)
		return;
	json_t *format = json_pack("{s:s, s:o, s:o, s:s, s:b}", "type", "format", "id",
	    json_sprintf("format-%u", number), "volume", json_sprintf("part-%u", number), "fstype",
	    fs, "preserve", 0);
	if (label && label[0])
		json_object_set_new(format, "label", json_string(label));
	json_array_append_new(actions, format);
	json_array_append_new(actions, json_pack("{s:s, s:o, s:o, s:s}", "type", "mount", "id",
					   json_sprintf("mount-%u", number), "device",
					   json_sprintf("format-%u", number), "path", mount));
}

static json_t *storage_json(const struct vm *vm)
{
	bool bios = vm->firmware == VM_FIRMWARE_BIOS;
	json_t *actions = json_pack("[{s:s, s:s, s:{s:s}, s:s, s:s, s:b, s:b}]", "type", "disk",
	    "id", "disk", "match", "path", DISK_PLACE, "ptable", "gpt", "wipe",
	    "superblock-recursive", "preserve", 0, "grub_device", bios);
	struct storage storage;

	storage_of(vm, &storage);
	add_partition(actions, 1, json_string(bios ? "1M" : "512M"), bios ? "bios_grub" : "boot",
	    bios ? NULL : "fat32", NULL, "/boot/efi");
	for (unsigned i = 0; i < storage.count; i++) {
		const struct storage_partition *p = &storage.part[i];
		const char *fs = p->fs == STORAGE_FS_VFAT ? "fat32" : file_systems[p->fs].name;
		bool swap = p->fs == STORAGE_FS_SWAP;

		add_partition(actions, i + 2, size_of(p), swap ? "swap" : NULL, fs, p->label,
		    swap ? "" : p->mount);
	}
	return json_pack("{s:{s:i}, s:o}", "swap", "size", 0, "config", actions);
}

/* ---- commands ------------------------------------------------------------------------------ */

static void add_command(json_t *list, const char *text)
{
	json_array_append_new(list, json_pack("[s, s, s]", "sh", "-c", text));
}

static json_t *early_commands(const struct unattended_source *s)
{
	_cleanup_free_ char *script = NULL;
	char url[UNATTENDED_URL_SIZE];
	json_t *list = json_array();
	size_t len;
	FILE *f = open_memstream(&script, &len);

	if (!f)
		return list;
	disk_script_write(s->vm, f);
	fputs("sed -i \"s|" DISK_PLACE "|/dev/$disk|\" /autoinstall.yaml\n", f);
	fprintf(f,
	    "curl -fsS -m 10 -o /dev/null --data-binary '{\"phase\":\"partition\",\"status\":\"running\"}' %s || true\n",
	    unattended_url(s, "report", url));
	if (fclose(f) == 0)
		add_command(list, script);
	return list;
}

static json_t *late_commands(const struct unattended_source *s)
{
	char url[UNATTENDED_URL_SIZE], text[2048];
	json_t *list = json_array();

	/* Its characters mean nothing in quotes: see kernel_args.c. */
	if (s->vm->kernel_args) {
		snprintf(text, sizeof(text),
		    "mkdir -p /target/etc/default/grub.d && echo 'GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX %s\"' >/target/etc/default/grub.d/90-vmlab.cfg && curtin in-target --target=/target -- update-grub",
		    s->vm->kernel_args);
		add_command(list, text);
	}
	snprintf(text, sizeof(text),
	    "curl -fsS --retry 5 -o /target/root/vmlab-stage4 %s && curtin in-target --target=/target -- /bin/sh /root/vmlab-stage4 && rm -f /target/root/vmlab-stage4",
	    unattended_url(s, "stage4", url));
	add_command(list, text);
	snprintf(text, sizeof(text), "sync && curl -fsS --retry 5 -o /dev/null %s",
	    unattended_url(s, "done", url));
	add_command(list, text);
	return list;
}

static json_t *error_commands(const struct unattended_source *s)
{
	char url[UNATTENDED_URL_SIZE], text[1024];
	json_t *list = json_array();

	snprintf(text, sizeof(text),
	    "curl -fsS -m 10 -o /dev/null --data-binary '{\"phase\":\"hooks\",\"status\":\"failed\",\"message\":\"the installer stopped: see its screen\"}' %s",
	    unattended_url(s, "report", url));
	add_command(list, text);
	return list;
}

/* ---- users: the new system's cloud-init makes them, and stage4 before it ------------------ */

static void set_text(json_t *object, const char *key, const char *text)
{
	if (text)
		json_object_set_new(object, key, json_string(text));
}

static void set_list(json_t *object, const char *key, const json_t *list)
{
	if (json_array_size(list) > 0)
		json_object_set_new(object, key, json_deep_copy(list));
}

static void add_user(void *ctx, const struct unattended_user *u)
{
	json_t *user = json_pack("{s:s, s:b}", "name", u->name, "lock_passwd", u->locked);

	set_text(user, "gecos", u->gecos);
	set_text(user, "primary_group", u->primary_group);
	set_text(user, "homedir", u->homedir);
	set_text(user, "shell", u->shell);
	set_text(user, "expiredate", u->expiredate);
	set_text(user, "hashed_passwd", u->hash);
	set_text(user, "plain_text_passwd", u->hash ? NULL : u->plain);
	set_list(user, "groups", u->groups);
	set_list(user, "ssh_authorized_keys", u->keys);
	if (u->uid >= 0)
		json_object_set_new(user, "uid", json_integer(u->uid));
	if (u->inactive >= 0)
		json_object_set_new(user, "inactive", json_sprintf("%d", u->inactive));
	if (u->system)
		json_object_set_new(user, "system", json_true());
	if (u->no_create_home)
		json_object_set_new(user, "no_create_home", json_true());
	if (u->no_user_group)
		json_object_set_new(user, "no_user_group", json_true());
	json_array_append_new(ctx, user);
}

/* The new system's cloud-init has no meta-data: where its user-data tell no name, it keeps the
 * lease's. */
static json_t *named(const struct unattended_source *s, json_t *data)
{
	struct unattended_names names;

	if (json_object_get(data, "hostname") || json_object_get(data, "fqdn"))
		return data;
	unattended_names(s, &names);
	json_object_set_new(data, "hostname", json_string(names.host));
	json_object_set_new(data, "fqdn", json_string(names.full));
	return data;
}

static json_t *user_data(const struct unattended_source *s, struct err *e)
{
	const json_t *own = json_object_get(s->vm->more, "user_data");
	json_t *users = json_array();

	if (json_is_object(own)) {
		json_decref(users);
		return named(s, json_deep_copy(own));
	}
	if (unattended_each_user(s, add_user, users, e) < 0) {
		json_decref(users);
		return NULL;
	}
	return named(s, json_pack("{s:s, s:b, s:b, s:o}", "manage_etc_hosts", "localhost",
			    "disable_root", 0, "ssh_pwauth", 0, "users", users));
}

/* ---- the rest ------------------------------------------------------------------------------ */

static void add_package(void *ctx, const char *word)
{
	json_array_append_new(ctx, json_string(word));
}

/* The definition's network_config where it is of netplan's form; NULL: it is not. */
static const json_t *netplan_of(const struct vm *vm)
{
	const json_t *own = json_object_get(vm->more, "network_config");
	const json_t *inner = json_object_get(own, "network");

	own = inner ? inner : own;
	return json_integer_value(json_object_get(own, "version")) == 2 ? own : NULL;
}

static json_t *network(const struct unattended_source *s)
{
	const json_t *own = netplan_of(s->vm);
	char mac[MAC_TEXT_SIZE];

	if (own)
		return json_deep_copy(own);
	json_t *interface = json_pack(
	    "{s:{s:s}, s:b}", "match", "macaddress", mac_format(&s->nic, mac), "dhcp4", 1);
	if (s->vm->has_ip6)
		json_object_set_new(interface, "dhcp6", json_true());
	return json_pack("{s:i, s:{s:o}}", "version", 2, "ethernets", "lab", interface);
}

static json_t *document(const struct unattended_source *s, struct err *e)
{
	json_t *packages = json_array(), *data = user_data(s, e);
	bool off = s->vm->after_install == VM_AFTER_POWEROFF;

	unattended_each_package(s->vm, add_package, packages);
	return json_pack(
	    "{s:{s:i, s:s, s:{s:s}, s:s, s:o, s:o, s:{s:b, s:b}, s:o, s:o, s:s, s:o, s:o, s:o}}",
	    "autoinstall", "version", 1, "locale", "C.UTF-8", "keyboard", "layout", "us",
	    "timezone", "Etc/UTC", "network", network(s), "storage", storage_json(s->vm), "ssh",
	    "install-server", 1, "allow-pw", 0, "packages", packages, "user-data", data, "shutdown",
	    off ? "poweroff" : "reboot", "early-commands", early_commands(s), "late-commands",
	    late_commands(s), "error-commands", error_commands(s));
}

static int emit(const struct unattended_source *s, FILE *f, struct err *e)
{
	_cleanup_json_ json_t *doc = document(s, e);
	_cleanup_free_ char *text = doc ? yaml_text(doc) : NULL;

	if (!text)
		return err_set(e, ENOMEM, "out of memory");
	fprintf(f, "#cloud-config\n%s\n", text);
	return 0;
}

static void gaps(const struct vm *vm, const struct unattended_teller *t)
{
	if (json_is_string(json_object_get(vm->more, "user_data")))
		t->gap(t->ctx, "user_data",
		    "has no effect: autoinstall takes an object of cloud-config, and this is a text");
	if (json_object_get(vm->more, "network_config") && !netplan_of(vm))
		t->gap(t->ctx, "network_config",
		    "has no effect: autoinstall takes version 2 only, as netplan does");
}

static const char *const images[] = {"ubuntu", NULL};

const struct unattended_format unattended_autoinstall = {
    .name = "autoinstall",
    .suffix = ".yaml",
    .images = images,
    .emit = emit,
    .gaps = gaps,
    .memory_bytes = 1536 * MIB, /* Ubuntu Server 24.04, "System requirements" */
};

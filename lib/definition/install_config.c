#include "lib/definition/install_config.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "lib/definition/field.h"
#include "lib/definition/kernel_args.h"

/* ---- what texts may hold ----------------------------------------------------------------------*/

bool install_token_valid(const char *s)
{
	return vm_text_is(s, VM_ALNUM "._+~-", 1, 128) && s[0] != '.' && s[0] != '-';
}

static bool valid_url(const char *s)
{
	if (strncmp(s, "http://", 7) != 0 || !s[7] || s[7] == '/' || strlen(s) > 2000)
		return false;
	for (const char *p = s; *p; p++)
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f ||
		    strchr("\"'`\\<>{}", *p))
			return false;
	return true;
}

static bool valid_kernel_args(const char *s)
{
	return kernel_args_check(s, NULL) == 0;
}

static bool valid_mac(const char *s)
{
	struct mac mac;

	return mac_parse(s, strlen(s), &mac, NULL) == 0;
}

/* ---- the keys ---------------------------------------------------------------------------------*/

/* pvmlab's spelling; its installer reads this, too. */
static const char *machine_name(size_t i)
{
	return i < VM_ARCH_COUNT ? arches[i].machine : NULL;
}

#define KIND(kind_, member_) .kind = kind_, .member = offsetof(struct install_config, member_)
#define TEXT(member_, valid_, is_) KIND(VM_TEXT, member_), .valid = valid_, .is = is_
#define URL(member_) TEXT(member_, valid_url, "an http:// URL")
#define NUMBER(member_, min_, max_) KIND(VM_NUMBER, member_), .min = min_, .max = max_
#define FLAG(member_) KIND(VM_FLAG, member_)
#define WORD(member_, word_) KIND(VM_WORD, member_), .word = word_
#define VALUE(member_) KIND(VM_STRUCTURED, member_)

static const struct vm_field keys[] = {
    {.name = "name", TEXT(name, vm_name_valid, "a machine's name")},
    {.name = "hostname", TEXT(hostname, vm_hostname_valid, "a host name")},
    {.name = "mac", TEXT(mac, valid_mac, "a MAC address")},
    {.name = "distro", TEXT(distro, install_token_valid, "an image's name")},
    {.name = "arch", WORD(arch, machine_name), .alias = vm_arch_name, .flags = VM_FIELD_REQUIRED},
    {.name = "firmware", WORD(firmware, vm_firmware_name)},
    {.name = "reboot_on_success", FLAG(reboot_on_success), .builtin = true},
    {.name = "after_install", WORD(after_install, vm_after_name)},
    {.name = "kernel_version", TEXT(kernel_version, install_token_valid, "a kernel version")},
    {.name = "rootfs", VALUE(rootfs)},
    {.name = "attempt", NUMBER(attempt, 0, INT32_MAX)},
    {.name = "reinstall", FLAG(reinstall), .builtin = true},
    {.name = "rootfs_url", URL(rootfs_url), .flags = VM_FIELD_REQUIRED},
    {.name = "kmods_url", TEXT(kmods_url, NULL, NULL)},
    {.name = "kernel_url", TEXT(kernel_url, NULL, NULL)},
    {.name = "cloud_init_url", URL(cloud_init_url)},
    {.name = "report_url", URL(report_url)},
    {.name = "kernel_args",
	TEXT(kernel_args, valid_kernel_args, "kernel arguments that a boot loader takes as text")},
    {.name = "fqdn", TEXT(fqdn, vm_hostname_valid, "a full host name")},
    {.name = "disks", VALUE(disks)},
    {.name = "storage", VALUE(storage)},
    {.name = "hooks", VALUE(hooks)},
};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

/* As of a row of definitions' table in one of these. */
static void copy(const struct vm *vm, const struct vm_field *f, struct install_config *out,
    const struct vm_field *key)
{
	const char *from = (const char *)vm + f->member;
	char *to = (char *)out + key->member;

	if (f->kind == VM_STRUCTURED)
		*(json_t **)to = json_object_get(vm->more, f->name);
	else if (f->kind == VM_TEXT)
		*(const char **)to = *(char *const *)from;
	else if (f->kind == VM_SIZE)
		*(uint64_t *)to = *(const uint64_t *)from;
	else if (f->kind == VM_FLAG)
		*(bool *)to = *(const bool *)from;
	else
		*(unsigned *)to = *(const unsigned *)from;
}

void install_config_from(const struct vm *vm, struct install_config *out)
{
	memset(out, 0, sizeof(*out));
	out->format = 1;
	for (size_t i = 0; i < KEYS; i++) {
		const struct vm_field *f = vm_field_find(keys[i].name);
		if (f && f->kind == keys[i].kind && (f->member || f->kind == VM_STRUCTURED))
			copy(vm, f, out, &keys[i]);
	}
}

json_t *install_config_print(const struct install_config *c)
{
	json_t *doc = json_pack("{s:i}", "format", (int)c->format);

	for (size_t i = 0; doc && i < KEYS; i++) {
		json_t *value = vm_field_json(&keys[i], c);
		if (value)
			json_object_set_new(doc, keys[i].name, value);
	}
	return doc;
}

int install_config_read(struct json_reader *r, json_t *doc, struct install_config *out)
{
	const json_t *format = json_object_get(doc, "format");
	const char *known[KEYS + 1] = {"format"};
	unsigned before = r->refusals;

	memset(out, 0, sizeof(*out));
	if (format && json_integer_value(format) != 1)
		(void)json_refuse_member(r, "format",
		    "is not 1: installer and server are of different versions, use the initrd of this server");
	for (size_t i = 0; i < KEYS; i++) {
		json_t *value = json_object_get(doc, keys[i].name);
		known[i + 1] = keys[i].name;
		vm_field_set_builtin(out, &keys[i]);
		json_enter(r, keys[i].name);
		if (!json_absent(value))
			(void)vm_field_read(r, &keys[i], value, out);
		else if (keys[i].flags & VM_FIELD_REQUIRED)
			(void)json_refuse(r, "is missing");
		json_leave(r);
	}
	json_known(r, doc, known, KEYS + 1);
	if (!out->reboot_on_success && json_absent(json_object_get(doc, "after_install")))
		out->after_install = VM_AFTER_SHELL;
	return r->refusals > before ? -EINVAL : 0;
}

#include "os_installer/base/config.h"

#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/size.h"
#include "lib/definition/kernel_args.h"
#include "lib/image/manifest.h"

#define NESTING_MAX 32

static void json_unref(json_t **j)
{
	json_decref(*j);
}

/* ---- values ------------------------------------------------------------------------------------
 */

static bool all_in(const char *text, const char *extra)
{
	for (const char *p = text; *p; p++) {
		bool alnum = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			     (*p >= '0' && *p <= '9');
		if (!alnum && !strchr(extra, *p))
			return false;
	}
	return true;
}

static bool valid_hostname(const char *s)
{
	size_t len = strlen(s);

	return len >= 1 && len <= 253 && all_in(s, ".-") && s[0] != '-' && s[0] != '.' &&
	       s[len - 1] != '-' && s[len - 1] != '.' && !strstr(s, "..");
}

static bool valid_token(const char *s)
{
	return strlen(s) <= 128 && s[0] != '.' && s[0] != '-' && all_in(s, "._+~-");
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

static bool valid_any(const char *s)
{
	(void)s;
	return true;
}

/* "", null and absent mean the same. */
static bool is_absent(const json_t *v)
{
	return !v || json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0);
}

/* ---- fields ------------------------------------------------------------------------------------
 */

struct field {
	const char *key;
	bool required;
	/* A string field: where it goes and what it may hold. */
	size_t offset;
	bool (*valid)(const char *s);
	const char *expects;
	/* Any other field. */
	int (*set)(struct config *c, const json_t *v, struct err *e);
};

static int set_format(struct config *c, const json_t *v, struct err *e)
{
	(void)c;
	if (!json_is_integer(v) || json_integer_value(v) != 1)
		return err_set(e, EINVAL,
		    "format is not 1: installer and server are of different versions, use the initrd of this server");
	return 0;
}

static int set_arch(struct config *c, const json_t *v, struct err *e)
{
	const char *text = json_string_value(v);

	if (!text || vm_arch_parse(text, &c->arch) < 0)
		return err_set(e, EINVAL, "arch is not " ARCH_OR);
	return 0;
}

static int set_firmware(struct config *c, const json_t *v, struct err *e)
{
	const char *text = json_string_value(v);

	c->has_firmware = true;
	if (text && strcmp(text, "uefi") == 0)
		c->firmware = VM_FIRMWARE_UEFI;
	else if (text && strcmp(text, "bios") == 0)
		c->firmware = VM_FIRMWARE_BIOS;
	else
		return err_set(e, EINVAL, "firmware is not \"uefi\" or \"bios\"");
	return 0;
}

static int set_after(struct config *c, const json_t *v, struct err *e)
{
	const char *text = json_string_value(v);

	if (text && strcmp(text, "reboot") == 0)
		c->after_install = VM_AFTER_REBOOT;
	else if (text && strcmp(text, "kexec") == 0)
		c->after_install = VM_AFTER_KEXEC;
	else if (text && strcmp(text, "poweroff") == 0)
		c->after_install = VM_AFTER_POWEROFF;
	else if (text && strcmp(text, "shell") == 0)
		c->after_install = VM_AFTER_SHELL;
	else
		return err_set(e, EINVAL,
		    "after_install is not \"reboot\", \"kexec\", \"poweroff\" or \"shell\"");
	return 0;
}

static int set_rootfs(struct config *c, const json_t *v, struct err *e)
{
	c->has_manifest = true;
	return manifest_parse(v, &c->manifest, e);
}

/* Puts the name of what is wrong before a parser's sentence. */
static int refuse_below(const char *key, const struct json_path *bad, struct err *e)
{
	char path[120];

	json_path_format(bad, path, sizeof(path));
	return err_wrap(e, "%s%s%s", key, path[0] ? "." : "", path);
}

static int set_match(struct config *c, const json_t *v, struct err *e)
{
	struct json_path bad;

	if (is_absent(v))
		return 0;
	c->has_match = true;
	int r = disk_match_parse(v, &c->match, &bad, e);
	return r < 0 ? refuse_below("disks[0].match", &bad, e) : 0;
}

static int set_disks(struct config *c, const json_t *v, struct err *e)
{
	if (!json_is_array(v))
		return err_set(e, EINVAL, "disks is not an array");
	if (json_array_size(v) == 0)
		return 0;
	const json_t *first = json_array_get(v, 0);
	if (json_is_object(first)) {
		int r = set_match(c, json_object_get(first, "match"), e);
		if (r < 0)
			return r;
		first = json_object_get(first, "size");
	}
	if (json_is_integer(first) && json_integer_value(first) > 0)
		c->first_disk_bytes = (uint64_t)json_integer_value(first);
	else if (json_is_string(first) &&
		 size_parse(json_string_value(first), &c->first_disk_bytes) < 0)
		return err_set(e, EINVAL, "disks[0].size is no size such as \"20G\"");
	return 0;
}

static int set_storage(struct config *c, const json_t *v, struct err *e)
{
	struct json_path bad;
	int r = storage_parse(v, &c->storage, &bad, e);

	return r < 0 ? refuse_below("storage", &bad, e) : 0;
}

static int set_hooks(struct config *c, const json_t *v, struct err *e)
{
	const json_t *list = json_object_get(v, "post_install"), *script;
	size_t i;

	if (!json_is_object(v) || (list && !json_is_array(list)))
		return err_set(e, EINVAL, "hooks is not an object with a list post_install");
	if (json_array_size(list) > VM_HOOKS_MAX)
		return err_set(
		    e, EINVAL, "hooks.post_install has more than %d scripts", VM_HOOKS_MAX);
	c->hooks = calloc(json_array_size(list) + 1, sizeof(*c->hooks));
	if (!c->hooks)
		return err_set(e, ENOMEM, "out of memory");
	json_array_foreach(list, i, script) {
		if (!json_is_string(script) || json_string_length(script) == 0)
			return err_set(e, EINVAL, "hooks.post_install[%zu] is no script", i);
		c->hooks[i] = strdup(json_string_value(script));
		if (!c->hooks[i])
			return err_set(e, ENOMEM, "out of memory");
	}
	return 0;
}

static int set_attempt(struct config *c, const json_t *v, struct err *e)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < 0 || n > INT32_MAX)
		return err_set(e, EINVAL, "attempt is not a number of installs");
	c->attempt = (unsigned)n;
	return 0;
}

static int set_reinstall(struct config *c, const json_t *v, struct err *e)
{
	if (!json_is_boolean(v))
		return err_set(e, EINVAL, "reinstall is not true or false");
	c->keep_installed = json_is_false(v);
	return 0;
}

static int set_reboot(struct config *c, const json_t *v, struct err *e)
{
	if (!json_is_boolean(v))
		return err_set(e, EINVAL, "reboot_on_success is not true or false");
	if (json_is_false(v))
		c->after_install = VM_AFTER_SHELL;
	return 0;
}

#define STRING(member) .offset = offsetof(struct config, member)
#define IGNORED .offset = SIZE_MAX, .valid = valid_any

/* In the order they are applied: after_install says more than reboot_on_success, so it comes later.
 */
static const struct field fields[] = {
    {"format", .set = set_format},
    {"name", STRING(name), .valid = vm_name_valid, .expects = "a machine's name"},
    {"hostname", STRING(hostname), .valid = valid_hostname, .expects = "a host name"},
    {"mac", STRING(mac), .valid = valid_mac, .expects = "a MAC address"},
    {"attempt", .set = set_attempt},
    {"reinstall", .set = set_reinstall},
    {"fqdn", STRING(fqdn), .valid = valid_hostname, .expects = "a full host name"},
    {"distro", STRING(distro), .valid = valid_token, .expects = "an image's name"},
    {"arch", .required = true, .set = set_arch},
    {"cloud_init_url", STRING(cloud_init_url), .valid = valid_url, .expects = "an http:// URL"},
    {"rootfs_url", .required = true, STRING(rootfs_url), .valid = valid_url,
	.expects = "an http:// URL"},
    {"kmods_url", IGNORED},
    {"kernel_url", IGNORED},
    {"report_url", STRING(report_url), .valid = valid_url, .expects = "an http:// URL"},
    {"firmware", .set = set_firmware},
    {"reboot_on_success", .set = set_reboot},
    {"after_install", .set = set_after},
    {"rootfs", .set = set_rootfs},
    {"kernel_version", STRING(kernel_version), .valid = valid_token, .expects = "a kernel version"},
    {"kernel_args", STRING(kernel_args), .valid = valid_kernel_args,
	.expects = "printable text without quotes, $, ;, backslash or braces"},
    {"disks", .set = set_disks},
    {"storage", .set = set_storage},
    {"hooks", .set = set_hooks},
};

#define FIELD_COUNT (sizeof(fields) / sizeof(*fields))

static int string_apply(struct config *c, const struct field *f, const json_t *v, struct err *e)
{
	const char *text = json_string_value(v);

	if (!text)
		return err_set(e, EINVAL, "%s is not a string", f->key);
	if (!f->valid(text))
		return err_set(e, EINVAL, "%s is not %s", f->key, f->expects);
	if (f->offset == SIZE_MAX)
		return 0;
	char *copy = strdup(text);
	if (!copy)
		return err_set(e, ENOMEM, "out of memory");
	*(char **)((char *)c + f->offset) = copy;
	return 0;
}

static int fields_apply(struct config *c, const json_t *doc, struct err *e)
{
	for (size_t i = 0; i < FIELD_COUNT; i++) {
		const struct field *f = &fields[i];
		const json_t *v = json_object_get(doc, f->key);
		if (is_absent(v)) {
			if (f->required)
				return err_set(e, EINVAL, "%s is missing", f->key);
			continue;
		}
		int r = f->set ? f->set(c, v, e) : string_apply(c, f, v, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static void unknown_keys_warn(json_t *doc, void (*warn)(const char *text))
{
	const char *key;
	json_t *v;

	json_object_foreach(doc, key, v) {
		bool known = false;
		for (size_t i = 0; i < FIELD_COUNT && !known; i++)
			known = strcmp(key, fields[i].key) == 0;
		if (!known) {
			char text[160];
			snprintf(text, sizeof(text), "unknown key \"%.100s\" is ignored", key);
			warn(text);
		}
	}
}

/* ---- text --------------------------------------------------------------------------------------
 */

/* jansson allows 2048 levels; nobody means more than a few. */
static bool nested_too_deep(const char *text, size_t len)
{
	int depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > NESTING_MAX)
				return true;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	return false;
}

static int text_load(
    const char *text, size_t len, json_t **out, struct config_where *where, struct err *e)
{
	json_error_t je;

	where->line = where->column = 0;
	if (len > CONFIG_MAX_BYTES)
		return err_set(e, EINVAL, "longer than %u bytes", CONFIG_MAX_BYTES);
	if (nested_too_deep(text, len))
		return err_set(e, EINVAL, "nested deeper than %d levels", NESTING_MAX);
	*out = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
	if (!*out) {
		where->line = je.line;
		where->column = je.column;
		return err_set(e, EINVAL, "not valid JSON: %s", je.text);
	}
	if (!json_is_object(*out))
		return err_set(e, EINVAL, "not a JSON object");
	return 0;
}

int config_parse(const char *text, size_t len, struct config **out, struct config_where *where,
    void (*warn)(const char *text), struct err *e)
{
	_cleanup_(json_unref) json_t *doc = NULL;
	int r = text_load(text, len, &doc, where, e);

	if (r < 0)
		return r;
	struct config *c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(e, ENOMEM, "out of memory");
	storage_default(&c->storage);
	r = fields_apply(c, doc, e);
	if (r == 0 && !c->hostname && c->name) {
		char label[VM_LABEL_SIZE];
		vm_label_make(c->name, label);
		c->hostname = strdup(label);
		if (!c->hostname)
			r = err_set(e, ENOMEM, "out of memory");
	}
	if (r < 0) {
		config_free(c);
		return r;
	}
	if (c->cloud_init_url) {
		size_t end = strlen(c->cloud_init_url);
		while (end > 0 && c->cloud_init_url[end - 1] == '/')
			c->cloud_init_url[--end] = '\0';
	}
	if (warn)
		unknown_keys_warn(doc, warn);
	*out = c;
	return 0;
}

int config_add_manifest(struct config *c, const char *text, size_t len, struct err *e)
{
	_cleanup_(json_unref) json_t *doc = NULL;
	struct config_where where;
	int r = text_load(text, len, &doc, &where, e);

	if (r < 0)
		return r;
	manifest_clear(&c->manifest);
	r = manifest_parse(json_object_get(doc, "rootfs"), &c->manifest, e);
	if (r < 0)
		return r;
	c->has_manifest = true;
	const char *version = json_string_value(json_object_get(doc, "kernel_version"));
	if (!c->kernel_version && version && valid_token(version))
		c->kernel_version = strdup(version);
	return 0;
}

char *config_manifest_url(const struct config *c)
{
	const char *slash = strrchr(c->rootfs_url, '/');
	char *url = NULL;

	if (asprintf(
		&url, "%.*s/" IMAGE_MANIFEST_FILE, (int)(slash - c->rootfs_url), c->rootfs_url) < 0)
		return NULL;
	return url;
}

struct plan_request config_plan_request(const struct config *c)
{
	return (struct plan_request){
	    .firmware = c->firmware,
	    .storage = &c->storage,
	    .match = c->has_match ? &c->match : NULL,
	    .first_disk_bytes = c->first_disk_bytes,
	    .unpacked_bytes = c->manifest.unpacked_bytes,
	    .entries = c->manifest.entries,
	};
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < FIELD_COUNT; i++)
		if (!fields[i].set && fields[i].offset != SIZE_MAX)
			free(*(char **)((char *)c + fields[i].offset));
	for (char **hook = c->hooks; hook && *hook; hook++)
		free(*hook);
	free(c->hooks);
	manifest_clear(&c->manifest);
	free(c);
}

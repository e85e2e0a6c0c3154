/* read.c - readers of a definition's single values. */
#include "lib/base/size.h"
#include "lib/definition/field.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>

#include "lib/base/near.h"

#include "lib/machine/smbios_id.h"

#define MIB (UINT64_C(1) << 20)
#define MEMORY_MIN_BYTES (64 * MIB)
#define MEMORY_MAX_BYTES (16 * MIB * MIB) /* 16 TiB */
#define CPUS_MAX 512

/* ---- where we are, and refusing ---------------------------------------------------------------*/

void vm_path_key(struct vm_reader *r, const char *key)
{
	if (r->path.depth < JSON_PATH_STEPS_MAX)
		r->path.step[r->path.depth++].key = key;
}

void vm_path_index(struct vm_reader *r, size_t index)
{
	if (r->path.depth < JSON_PATH_STEPS_MAX) {
		r->path.step[r->path.depth].key = NULL;
		r->path.step[r->path.depth++].index = index;
	}
}

void vm_path_leave(struct vm_reader *r)
{
	r->path.depth--;
}

static struct vm_where locate(const struct vm_reader *r, bool key)
{
	struct vm_where where = {0, 0};
	size_t offset;

	if (!r->from_defaults && json_text_find(r->text, r->len, &r->path, key, &offset))
		json_text_position(r->text, offset, &where.line, &where.column);
	return where;
}

int vm_refuse_at(struct vm_reader *r, struct vm_where where)
{
	if (r->refusals++ == 0) {
		r->first = *r->e;
		r->first_where = where;
	} else if (r->listener.error) {
		r->listener.error(r->listener.ctx, where, r->e->msg);
	}
	return -EINVAL;
}

int vm_refuse_err(struct vm_reader *r)
{
	char path[120];

	err_wrap(r->e, "\"%s\"%s", json_path_format(&r->path, path, sizeof(path)),
	    r->from_defaults ? " (from _defaults.json)" : "");
	return vm_refuse_at(r, locate(r, false));
}

int vm_refuse(struct vm_reader *r, const char *fmt, ...)
{
	char sentence[800];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);
	err_set(r->e, EINVAL, "%s", sentence);
	return vm_refuse_err(r);
}

int vm_unknown_key(struct vm_reader *r, const char *key, const char *const *known, size_t count)
{
	char sentence[400], path[120];

	if (r->from_defaults)
		return 0; /* told when _defaults.json was read */
	const char *nearest = near_word(key, known, count);
	vm_path_key(r, key);
	struct vm_where where = locate(r, true);
	json_path_format(&r->path, path, sizeof(path));
	vm_path_leave(r);
	snprintf(sentence, sizeof(sentence), "\"%s\" is not a known field%s%s%s%s", path,
	    r->strict ? "" : " and is ignored", nearest ? ": did you mean \"" : "",
	    nearest ? nearest : "", nearest ? "\"?" : "");
	if (r->strict) {
		err_set(r->e, EINVAL, "%s", sentence);
		return vm_refuse_at(r, where);
	}
	if (r->listener.warn)
		r->listener.warn(r->listener.ctx, where, sentence);
	return 0;
}

void vm_warn(struct vm_reader *r, const char *sentence)
{
	char text[400], path[120];

	if (!r->listener.warn || r->from_defaults)
		return;
	snprintf(text, sizeof(text), "\"%s\" %s", json_path_format(&r->path, path, sizeof(path)),
	    sentence);
	r->listener.warn(r->listener.ctx, locate(r, false), text);
}

/* ---- kinds of values --------------------------------------------------------------------------*/

bool vm_value_empty(const json_t *value)
{
	return !value || json_is_null(value) ||
	       (json_is_string(value) && !json_string_length(value));
}

static const char *type_name(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a text";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	default:
		return "null";
	}
}

/* A text on one line: no control characters, in ASCII (C0, DEL) or as U+0080 to U+009F. */
int vm_want_string(struct vm_reader *r, const json_t *value, const char **out)
{
	if (!json_is_string(value))
		return vm_refuse(r, "must be a text in quotes, not %s", type_name(value));
	const char *s = json_string_value(value);
	for (const unsigned char *p = (const unsigned char *)s; *p; p++)
		if (*p < 0x20 || *p == 0x7f || (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f))
			return vm_refuse(r,
			    "must not hold a line break or another control character (code %u)",
			    *p == 0xc2 ? p[1] : *p);
	*out = s;
	return 0;
}

bool vm_text_is(const char *text, const char *allowed_bytes, size_t min, size_t max)
{
	size_t len = strlen(text);

	return len >= min && len <= max && strspn(text, allowed_bytes) == len;
}

static int want_integer(
    struct vm_reader *r, const json_t *value, json_int_t min, json_int_t max, json_int_t *out)
{
	if (!json_is_integer(value))
		return vm_refuse(r, "must be a whole number from %lld to %lld%s", (long long)min,
		    (long long)max, json_is_string(value) ? ", without quotes" : "");
	*out = json_integer_value(value);
	if (*out < min || *out > max)
		return vm_refuse(r, "%lld is out of range: write a whole number from %lld to %lld",
		    (long long)*out, (long long)min, (long long)max);
	return 0;
}

int vm_want_size(struct vm_reader *r, const json_t *value, uint64_t *bytes)
{
	const char *s;

	if (!json_is_string(value))
		return vm_refuse(r, "must be a size with its unit, such as \"10G\"");
	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	if (size_parse(s, bytes) < 0)
		return vm_refuse(r,
		    "\"%.40s\" is not a size: write digits and K, M, G or T, such as \"10G\"", s);
	return 0;
}

/* One of `count` words; *out is its index. */
static int want_choice(struct vm_reader *r, const json_t *value, const char *(*word)(unsigned),
    unsigned count, unsigned *out)
{
	char list[120] = "";
	const char *s;

	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	for (*out = 0; *out < count; ++*out)
		if (strcmp(s, word(*out)) == 0)
			return 0;
	for (unsigned i = 0; i < count; i++) {
		size_t used = strlen(list);
		snprintf(list + used, sizeof(list) - used, "%s\"%s\"", i ? ", " : "", word(i));
	}
	return vm_refuse(r, "\"%.40s\" is not known: write one of %s", s, list);
}

/* A file in the image directory: no path, nothing hidden. */
static int want_file_name(struct vm_reader *r, const json_t *value, char **out)
{
	const char *s;

	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	if (!vm_text_is(s, VM_ALNUM "._+-", 1, 128) || s[0] == '.' || s[0] == '-')
		return vm_refuse(r,
		    "must be the name of a file in the image's directory: letters, digits, '.', '_', '+' and '-', no slash");
	*out = (char *)s;
	return 0;
}

/* ---- who the machine is -----------------------------------------------------------------------*/

bool vm_name_valid(const char *name)
{
	return vm_text_is(name, VM_ALNUM "-_.", 1, VM_LABEL_SIZE - 1) && !strchr("-_.", name[0]) &&
	       !strchr("-.", name[strlen(name) - 1]);
}

bool vm_label_valid(const char *label)
{
	return vm_name_valid(label) && vm_text_is(label, VM_LOWER VM_DIGIT "-", 1, 63);
}

void vm_label_make(const char *name, char label[VM_LABEL_SIZE])
{
	size_t len = strlen(name);

	for (size_t i = 0; i <= len; i++)
		label[i] =
		    name[i] == '_' || name[i] == '.' ? '-' : (char)tolower((unsigned char)name[i]);
	while (len > 0 && label[len - 1] == '-')
		label[--len] = '\0'; /* a name may end with '_' */
}

/* /etc/hosts of most distributions, and cloud-init, which takes a host named localhost for one that
 * has no name yet. */
static bool hostname_taken(const char *s)
{
	static const char *const taken[] = {"localhost", "localhost4", "localhost6",
	    "ip6-localhost", "ip6-loopback", "ip6-localnet", "ip6-mcastprefix", "ip6-allnodes",
	    "ip6-allrouters", "ip6-allhosts"};
	size_t label = strcspn(s, ".");

	for (size_t i = 0; i < sizeof(taken) / sizeof(*taken); i++)
		if (strlen(taken[i]) == label && strncasecmp(s, taken[i], label) == 0)
			return true;
	return false;
}

int vm_read_name(struct vm_reader *r, json_t *value)
{
	const char *s;

	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	if (!vm_name_valid(s))
		return vm_refuse(r,
		    "\"%.70s\" is not a name: write 1 to 63 lower-case letters, digits and hyphens with no hyphen at either end (capitals, '_' and '.' are taken, and become lower case and '-' in the host name)",
		    s);
	if (hostname_taken(s))
		return vm_refuse(
		    r, "\"%s\" is a name that every system has for itself: choose another", s);
	r->draft.name = (char *)s;
	vm_label_make(s, r->label);
	r->draft.label = r->label;
	if (strcmp(r->label, "provisioner") == 0)
		return vm_refuse(
		    r, "\"%s\" is the stack's own name in the lab's DNS: choose another", s);
	return 0;
}

static bool hostname_valid(const char *s)
{
	if (!vm_text_is(s, VM_ALNUM "-.", 1, 253))
		return false;
	while (*s) {
		size_t label = strcspn(s, ".");
		if (label < 1 || label > 63 || s[0] == '-' || s[label - 1] == '-')
			return false;
		s += label;
		if (*s == '.' && *++s == '\0')
			return false;
	}
	return true;
}

int vm_read_hostname(struct vm_reader *r, json_t *value)
{
	const char *s;

	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	if (!hostname_valid(s))
		return vm_refuse(r,
		    "\"%.70s\" is not a host name: write letters, digits and hyphens, labels separated by single dots",
		    s);
	if (hostname_taken(s))
		return vm_refuse(
		    r, "\"%s\" is a name that every system has for itself: choose another", s);
	r->draft.hostname = (char *)s;
	return 0;
}

int vm_read_role(struct vm_reader *r, json_t *value)
{
	const char *s;

	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	if (strlen(s) > 64)
		return vm_refuse(r, "is longer than 64 bytes: shorten it");
	r->draft.role = (char *)s;
	return 0;
}

int vm_read_uuid(struct vm_reader *r, json_t *value)
{
	const char *s;

	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	if (!smbios_uuid_parse(s, r->uuid))
		return vm_refuse(r,
		    "\"%.40s\" is not a UUID: write one such as 6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b",
		    s);
	if (smbios_uuid_unset(r->uuid))
		return vm_refuse(r,
		    "%s is what firmware shows whose vendor set no UUID, the same on many machines: leave it out, the MAC address tells this one",
		    s);
	r->draft.uuid = r->uuid;
	return 0;
}

int vm_read_serial(struct vm_reader *r, json_t *value)
{
	const char *s;

	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	if (!smbios_serial_valid(s))
		return vm_refuse(r,
		    "must be the SMBIOS serial number: 1 to %d printable ASCII characters with no space at either end",
		    SMBIOS_SERIAL_MAX);
	if (smbios_serial_unset(s))
		return vm_refuse(r,
		    "\"%s\" is what firmware shows whose vendor set no serial number, the same on many machines: leave it out, the MAC address tells this one",
		    s);
	r->draft.serial = (char *)s;
	return 0;
}

/* ---- addresses --------------------------------------------------------------------------------*/

int vm_read_mac(struct vm_reader *r, json_t *value)
{
	const char *s;

	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	if (mac_parse(s, strlen(s), &r->draft.mac, r->e) < 0)
		return vm_refuse_err(r);
	return 0;
}

int vm_read_ip(struct vm_reader *r, json_t *value)
{
	struct cidr4 c;
	const char *s;

	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	if (cidr4_parse(s, false, &c, r->e) < 0)
		return vm_refuse_err(r);
	uint32_t host = ntohl(c.addr.s_addr);
	if (host >> 24 == 0 || host >> 24 == 127 || host >> 28 >= 14)
		return vm_refuse(r, "\"%s\" is an address no machine can have", s);
	r->draft.ip = c.addr;
	r->draft.ip_prefix = c.prefix;
	return 0;
}

int vm_read_subnet(struct vm_reader *r, json_t *value)
{
	const char *s;

	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	if (cidr4_parse(s, true, &r->subnet, r->e) < 0)
		return vm_refuse_err(r);
	return 0;
}

int vm_read_ipv6(struct vm_reader *r, json_t *value)
{
	struct cidr6 c;
	const char *s;

	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	if (cidr6_parse(s, false, &c, r->e) < 0)
		return vm_refuse_err(r);
	if (IN6_IS_ADDR_UNSPECIFIED(&c.addr) || IN6_IS_ADDR_LOOPBACK(&c.addr) ||
	    IN6_IS_ADDR_MULTICAST(&c.addr) || IN6_IS_ADDR_LINKLOCAL(&c.addr) ||
	    IN6_IS_ADDR_V4MAPPED(&c.addr))
		return vm_refuse(r, "\"%s\" is not an address that can be given to a machine", s);
	r->draft.ip6 = c.addr;
	r->draft.ip6_prefix = c.prefix;
	r->draft.has_ip6 = true;
	return 0;
}

int vm_read_subnetv6(struct vm_reader *r, json_t *value)
{
	const char *s;

	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	if (cidr6_parse(s, true, &r->subnet6, r->e) < 0)
		return vm_refuse_err(r);
	return 0;
}

/* ---- the machine ------------------------------------------------------------------------------*/

int vm_read_arch(struct vm_reader *r, json_t *value)
{
	const char *s;

	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	if (vm_arch_parse(s, &r->draft.arch) < 0)
		return vm_refuse(r, "\"%.40s\" is not known: write " ARCH_OR_QUOTED, s);
	return 0;
}

int vm_read_cpus(struct vm_reader *r, json_t *value)
{
	json_int_t n = 0;

	if (want_integer(r, value, 1, CPUS_MAX, &n) < 0)
		return -EINVAL;
	r->draft.cpus = (unsigned)n;
	return 0;
}

int vm_read_memory(struct vm_reader *r, json_t *value)
{
	uint64_t bytes;

	if (json_is_integer(value)) {
		json_int_t mib = json_integer_value(value);
		bytes = mib < 0 || (uint64_t)mib > MEMORY_MAX_BYTES / MIB ? 0 : (uint64_t)mib * MIB;
	} else if (!json_is_string(value)) {
		return vm_refuse(r, "must be a whole number of MiB, or a size such as \"1G\"");
	} else if (vm_want_size(r, value, &bytes) < 0) {
		return -EINVAL;
	}
	if (bytes < MEMORY_MIN_BYTES || bytes > MEMORY_MAX_BYTES)
		return vm_refuse(
		    r, "is out of range: write 64 (a number means MiB) or \"64M\" up to \"16T\"");
	r->draft.memory_bytes = bytes;
	return 0;
}

static const char *firmware_word(unsigned i)
{
	return vm_firmware_name((enum vm_firmware)i);
}

int vm_read_firmware(struct vm_reader *r, json_t *value)
{
	unsigned i;

	if (want_choice(r, value, firmware_word, 2, &i) < 0)
		return -EINVAL;
	r->draft.firmware = (enum vm_firmware)i;
	return 0;
}

/* ---- what it boots ----------------------------------------------------------------------------*/

int vm_read_distro(struct vm_reader *r, json_t *value)
{
	const char *s;

	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	if (!vm_text_is(s, VM_LOWER VM_DIGIT "._-", 1, 64) || strchr("._-", s[0]))
		return vm_refuse(r,
		    "\"%.70s\" is not an image name: write lower-case letters, digits, '.', '_' and '-', such as \"debian-13\"",
		    s);
	r->draft.distro = (char *)s;
	return 0;
}

static const char *mode_word(unsigned i)
{
	return vm_mode_name((enum vm_mode)i);
}

int vm_read_mode(struct vm_reader *r, json_t *value)
{
	unsigned i;

	if (want_choice(r, value, mode_word, 3, &i) < 0)
		return -EINVAL;
	r->draft.mode = (enum vm_mode)i;
	return 0;
}

static const char *after_word(unsigned i)
{
	return vm_after_name((enum vm_after)i);
}

int vm_read_after_install(struct vm_reader *r, json_t *value)
{
	unsigned i;

	if (want_choice(r, value, after_word, 4, &i) < 0)
		return -EINVAL;
	r->draft.after_install = (enum vm_after)i;
	return 0;
}

int vm_read_pxeboot(struct vm_reader *r, json_t *value)
{
	if (!json_is_boolean(value))
		return vm_refuse(r, "must be true or false, without quotes");
	r->draft.pxeboot = json_is_true(value);
	return 0;
}

int vm_read_kernel(struct vm_reader *r, json_t *value)
{
	return want_file_name(r, value, &r->draft.kernel);
}

int vm_read_initrd(struct vm_reader *r, json_t *value)
{
	return want_file_name(r, value, &r->draft.initrd);
}

/* The last one counts: another of these would lead the installer elsewhere, or the kernel to a file
 * that is not there. */
static int kernel_args_ours(struct vm_reader *r, const char *args)
{
	static const char *const ours[] = {"BOOTIF=", "config_url=", "initrd.mode=", "initrd="};

	for (const char *word = args; *word;) {
		word += strspn(word, " ");
		for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
			if (strncmp(word, ours[i], strlen(ours[i])) == 0)
				return vm_refuse(r,
				    "must not set %.*s, which the lab sets itself: remove it",
				    (int)strlen(ours[i]) - 1, ours[i]);
		word += strcspn(word, " ");
	}
	return 0;
}

/* The text goes into an iPXE script, onto the kernel's command line and into grub.cfg: what any of
 * them would expand, quote or end a command with is refused. */
int vm_read_kernel_args(struct vm_reader *r, json_t *value)
{
	const char *s;

	if (vm_want_string(r, value, &s) < 0)
		return -EINVAL;
	if (strlen(s) > 1024)
		return vm_refuse(r, "is longer than 1024 bytes: shorten it");
	for (const char *p = s; *p; p++) {
		if ((unsigned char)*p >= 0x7f)
			return vm_refuse(r, "must be plain ASCII: boot loaders know nothing else");
		if (strchr("\"'\\$;&|<>{}#`", *p))
			return vm_refuse(r,
			    "must not hold the character %c, which a boot loader takes as its own: remove it",
			    *p);
	}
	if (kernel_args_ours(r, s) < 0)
		return -EINVAL;
	r->draft.kernel_args = (char *)s;
	return 0;
}

/* ---- carried along for pvmlab -----------------------------------------------------------------*/

int vm_read_ssh_port(struct vm_reader *r, json_t *value)
{
	json_int_t n = 0;

	return want_integer(r, value, 0, 65535, &n);
}

int vm_read_carried_text(struct vm_reader *r, json_t *value)
{
	const char *s;

	return vm_want_string(r, value, &s);
}

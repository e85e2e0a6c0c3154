/* The processors: /proc/cpuinfo's first one, how the kernel counts them, SMBIOS type 4 for what
 * the kernel does not know (DSP0134, 7.5). */
#include "os_installer/inventory/parts.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "os_installer/inventory/below.h"
#include "os_installer/inventory/smbios.h"
#include "os_installer/inventory/unset.h"

#define CPUS_MAX 4096
#define CPUINFO_BYTES 16384

/* What decides where a machine can be used: the word in cpuinfo. */
static const char *const flags_that_matter[] = {
    /* x86 */
    "lm",
    "vmx",
    "svm",
    "hypervisor",
    "sse4_2",
    "avx",
    "avx2",
    "avx512f",
    "amx_tile",
    "sha_ni",
    "rdrand",
    "sgx",
    "sev",
    /* arm64 */
    "asimd",
    "atomics",
    "crc32",
    "sha2",
    "sve",
    "sve2",
    /* both */
    "aes",
};

/* ---- cpuinfo -----------------------------------------------------------------------------------
 */

/* The value of the first line "key : value"; "" when there is none. Cuts the line it finds. */
static const char *line_of(char *text, const char *key)
{
	size_t len = strlen(key);

	for (char *p = text; p && *p; p = strchr(p, '\n'), p += p != NULL) {
		char *value = p + len;
		if (strncmp(p, key, len) != 0)
			continue;
		value += strspn(value, " \t");
		if (*value != ':')
			continue;
		value[strcspn(value, "\n")] = '\0';
		return value + 1;
	}
	return "";
}

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = text; (p = strstr(p, word)); p += len)
		if ((p == text || isspace((unsigned char)p[-1])) &&
		    (!p[len] || isspace((unsigned char)p[len])))
			return true;
	return false;
}

static json_t *flags_of(const char *text)
{
	json_t *flags = json_array();

	for (size_t i = 0; i < sizeof(flags_that_matter) / sizeof(*flags_that_matter); i++)
		if (has_word(text, flags_that_matter[i]))
			json_array_append_new(flags, json_string(flags_that_matter[i]));
	return flags;
}

/* The copy is line_of()'s to cut. */
static const char *value_of(const char *text, const char *const *keys, char *copy)
{
	const char *value = "";

	for (; *keys && !*value; keys++)
		value = line_of(strcpy(copy, text), *keys);
	return value;
}

/* ---- how many ----------------------------------------------------------------------------------
 */

struct place {
	long long package, die, core;
};

struct counted {
	struct place *at; /* CPUS_MAX of them */
	size_t threads;
};

static bool cpu_take(void *ctx, const char *folder, const char *name)
{
	struct counted *c = ctx;
	struct place *p = &c->at[c->threads];

	if (strncmp(name, "cpu", 3) != 0 || !isdigit((unsigned char)name[3]) ||
	    !below_number(&p->core, 10, "%s/%s/topology/core_id", folder, name))
		return false;
	if (!below_number(&p->package, 10, "%s/%s/topology/physical_package_id", folder, name))
		p->package = -1;
	if (!below_number(&p->die, 10, "%s/%s/topology/die_id", folder, name))
		p->die = -1;
	c->threads++;
	return true;
}

static int by_place(const void *a, const void *b)
{
	const struct place *p = a, *q = b;
	long long left[] = {p->package, p->die, p->core}, right[] = {q->package, q->die, q->core};

	for (size_t i = 0; i < 3; i++)
		if (left[i] != right[i])
			return left[i] < right[i] ? -1 : 1;
	return 0;
}

static json_t *count_json(size_t count)
{
	return count ? json_integer((json_int_t)count) : json_null();
}

static void count_add(json_t *o, const char *root)
{
	struct counted c = {calloc(CPUS_MAX, sizeof(*c.at)), 0};
	size_t sockets = 0, cores = 0;
	char folder[4096];

	snprintf(folder, sizeof(folder), "%s/sys/devices/system/cpu", root);
	if (c.at)
		below_each(folder, CPUS_MAX, cpu_take, &c);
	if (c.threads)
		qsort(c.at, c.threads, sizeof(*c.at), by_place);
	for (size_t i = 0; i < c.threads; i++) {
		sockets += i == 0 || c.at[i].package != c.at[i - 1].package;
		cores += i == 0 || by_place(&c.at[i], &c.at[i - 1]) != 0;
	}
	free(c.at);
	json_object_set_new(o, "sockets", count_json(sockets));
	json_object_set_new(o, "cores", count_json(cores));
	json_object_set_new(o, "threads", count_json(c.threads));
}

/* ---- all of it ---------------------------------------------------------------------------------
 */

/* The first processor's string at that offset. */
static void firmware_says(const char *root, size_t offset, char *buf, size_t size)
{
	_cleanup_smbios_ struct smbios_table t = smbios_read(root);
	struct smbios_entry s;

	buf[0] = '\0';
	for (size_t at = 0; !buf[0] && smbios_next(&t, &at, &s);)
		if (s.type == SMBIOS_PROCESSOR)
			smbios_text(&s, offset, buf, size);
}

static json_t *name_of(
    const char *root, const char *cpuinfo, const char *const *keys, size_t smbios_offset)
{
	char name[BELOW_TEXT_SIZE];
	_cleanup_free_ char *copy = malloc(CPUINFO_BYTES);

	if (!copy)
		return NULL;
	snprintf(name, sizeof(name), "%s", value_of(cpuinfo, keys, copy));
	below_clean(name);
	if (!name[0])
		firmware_says(root, smbios_offset, name, sizeof(name));
	return unset_or_words(name);
}

json_t *inventory_cpu(const char *root)
{
	static const char *const models[] = {"model name", "cpu model", NULL};
	static const char *const vendors[] = {"vendor_id", NULL};
	static const char *const flags[] = {"flags", "Features", NULL};
	_cleanup_free_ char *text = malloc(CPUINFO_BYTES), *copy = malloc(CPUINFO_BYTES);
	json_t *o = json_object();

	if (!text || !copy || !o) {
		json_decref(o);
		return NULL;
	}
	ssize_t n = below_bytes(text, CPUINFO_BYTES - 1, "%s/proc/cpuinfo", root);
	text[n < 0 ? 0 : n] = '\0';
	json_object_set_new(o, "arch", json_string(VMLAB_ARCH));
	json_object_set_new(o, "model", name_of(root, text, models, 0x10));
	json_object_set_new(o, "vendor", name_of(root, text, vendors, 0x07));
	count_add(o, root);
	json_object_set_new(o, "flags", flags_of(value_of(text, flags, copy)));
	return o;
}

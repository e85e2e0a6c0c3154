#include "docker/vm/machine.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_SIZE 120

/* A variable: what it is when it is not set, and what its value must be. */
struct setting {
	const char *name, *builtin;
	const char *pattern; /* an extended regular expression for all of it, in the C locale */
	const char *give;    /* ends "… is not valid: give " */
	const char *(*word)(
	    size_t i); /* in place of pattern and give: one of these, NULL after the last */
};

static const char *arch_word(size_t i)
{
	return i < VM_ARCH_COUNT ? arches[i].name : NULL;
}

static const char *bus_word(size_t i)
{
	return disk_buses[i] ? disk_buses[i]->name : NULL;
}

static const char *firmware_word(size_t i)
{
	static const char *const words[] = {"uefi", "bios", NULL};

	return words[i];
}

static const char *nic_rom_word(size_t i)
{
	static const char *const words[] = {"firmware", "ipxe", NULL};

	return words[i];
}

/* In the order of enum machine_accel. */
static const char *accel_word(size_t i)
{
	static const char *const words[] = {"auto", "kvm", "tcg", NULL};

	return words[i];
}

enum {
	NAME,
	MAC,
	ARCH,
	CPUS,
	MEMORY,
	DISKS,
	DISK_BUS,
	FIRMWARE,
	UUID,
	SERIAL,
	ACCEL,
	BRIDGE,
	NICS,
	CLOCK,
	DISK_FILTER,
	NIC_ROM,
	STOP_TIMEOUT,
	STUCK_TIMEOUT,
	SETTINGS
};

static const struct setting settings[SETTINGS] = {
    [NAME] = {"VM_NAME", "", "[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9_])?",
	"a name such as web1", NULL},
    [MAC] = {"VM_MAC", "", "([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}",
	"an address such as 52:54:00:00:00:01", NULL},
    [ARCH] = {"VM_ARCH", "amd64", NULL, NULL, arch_word},
    [CPUS] = {"VM_CPUS", "1", "[1-9][0-9]{0,2}", "a number of CPUs", NULL},
    [MEMORY] = {"VM_MEMORY_MIB", "2048", "[1-9][0-9]{1,6}", "a number of MiB", NULL},
    [DISKS] = {"VM_DISKS_BYTES", "", "([1-9][0-9]{5,18}( +[1-9][0-9]{5,18})*)?", "sizes in bytes",
	NULL},
    [DISK_BUS] = {"VM_DISK_BUS", "virtio", NULL, NULL, bus_word},
    [FIRMWARE] = {"VM_FIRMWARE", "uefi", NULL, NULL, firmware_word},
    [UUID] = {"VM_UUID", "", "([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})?", "a UUID",
	NULL},
    [SERIAL] = {"VM_SERIAL", "", "([[:graph:]]([[:print:]]{0,62}[[:graph:]])?)?",
	"at most 64 printable ASCII characters with no blank at either end", NULL},
    [ACCEL] = {"VM_ACCEL", "auto", NULL, NULL, accel_word},
    [BRIDGE] = {"VM_BRIDGE", "lab0", "[A-Za-z0-9][A-Za-z0-9_.-]{0,14}", "an interface name", NULL},
    [NICS] = {"VM_NICS", "1", "[12]", "1 or 2", NULL},
    [CLOCK] = {"VM_CLOCK", "", "([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})?",
	"a date and time", NULL},
    [DISK_FILTER] = {"VM_DISK_FILTER", "", "log|/[A-Za-z0-9/._-]+|", "log or a file's path", NULL},
    [NIC_ROM] = {"VM_NIC_ROM", "firmware", NULL, NULL, nic_rom_word},
    [STOP_TIMEOUT] = {"VM_STOP_TIMEOUT", "60", "[0-9]{1,4}", "a number of seconds", NULL},
    [STUCK_TIMEOUT] = {"VM_STUCK_TIMEOUT", "120", "[0-9]{1,5}", "a number of seconds", NULL},
};

static const char *value_of(char *const *environment, const struct setting *s)
{
	size_t len = strlen(s->name);

	for (; *environment; environment++)
		if (strncmp(*environment, s->name, len) == 0 && (*environment)[len] == '=')
			return (*environment)[len + 1] ? *environment + len + 1 : s->builtin;
	return s->builtin;
}

/* The index of `value` among the words; -1 when it is none of them. */
static int word_index(const struct setting *s, const char *value)
{
	for (size_t i = 0; s->word(i); i++)
		if (strcmp(s->word(i), value) == 0)
			return (int)i;
	return -1;
}

/* "a, b or c" */
static void list_words(const struct setting *s, char out[static WORDS_SIZE])
{
	size_t at = 0;

	for (size_t i = 0; s->word(i) && at < WORDS_SIZE; i++) {
		const char *glue = s->word(i + 1) ? ", " : " or ";
		at +=
		    (size_t)snprintf(out + at, WORDS_SIZE - at, "%s%s", i ? glue : "", s->word(i));
	}
}

static bool matches(const char *pattern, const char *value)
{
	char whole[120];
	regex_t re;

	snprintf(whole, sizeof(whole), "^(%s)$", pattern);
	if (regcomp(&re, whole, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	bool found = regexec(&re, value, 0, NULL, 0) == 0;
	regfree(&re);
	return found;
}

static int check(const struct setting *s, const char *value, struct err *e)
{
	char words[WORDS_SIZE];

	if (s->word ? word_index(s, value) >= 0 : matches(s->pattern, value))
		return 0;
	if (s->word)
		list_words(s, words);
	return err_set(
	    e, EINVAL, "%s='%s' is not valid: give %s", s->name, value, s->word ? words : s->give);
}

/* `prefix`, then the address from its nth digit on, in small letters and without colons: with "tap"
 * and all of it 15 characters, as many as an interface's name may have. */
static void tap_name(char out[static 16], const char *prefix, const char *mac, unsigned skip)
{
	size_t at = (size_t)snprintf(out, 16, "%s", prefix);

	for (; *mac && at < 15; mac++)
		if (*mac != ':' && skip > 0)
			skip--;
		else if (*mac != ':')
			out[at++] = (char)tolower((unsigned char)*mac);
	out[at] = '\0';
}

static void make_nics(struct machine *m, const char *mac, unsigned count)
{
	struct machine_nic *first = &m->nics[0], *second = &m->nics[1];

	m->nic_count = count;
	snprintf(first->mac, sizeof(first->mac), "%s", mac);
	tap_name(first->tap, "tap", mac, 0);
	if (count < 2)
		return;
	/* A locally administered address of its own. */
	snprintf(second->mac, sizeof(second->mac), "56%s", mac + 2);
	tap_name(second->tap, "tap2", mac, 2);
}

static size_t count_words(const char *text)
{
	size_t count = 0;

	for (; *text; text += strcspn(text, " "), text += strspn(text, " "))
		count++;
	return count;
}

/* What the patterns have let through fits. */
static unsigned number(const char *digits)
{
	return (unsigned)strtoul(digits, NULL, 10);
}

int machine_parse(char *const *environment, struct machine *m, struct err *e)
{
	const char *values[SETTINGS];

	for (size_t i = 0; i < SETTINGS; i++) {
		values[i] = value_of(environment, &settings[i]);
		int rc = check(&settings[i], values[i], e);
		if (rc < 0)
			return rc;
	}
	*m = (struct machine){
	    .name = values[NAME],
	    .arch = qemu_arch_find(values[ARCH]),
	    .cpus = number(values[CPUS]),
	    .memory_mib = number(values[MEMORY]),
	    .disk_bus = disk_bus_find(values[DISK_BUS]),
	    .disk_count = count_words(values[DISKS]),
	    .bios = strcmp(values[FIRMWARE], "bios") == 0,
	    .uuid = values[UUID],
	    .serial = values[SERIAL],
	    .accel = (enum machine_accel)word_index(&settings[ACCEL], values[ACCEL]),
	    .bridge = values[BRIDGE],
	    .clock = values[CLOCK],
	    .disk_filter = values[DISK_FILTER],
	    .nic_rom = strcmp(values[NIC_ROM], "ipxe") == 0,
	};
	make_nics(m, values[MAC], number(values[NICS]));
	if (m->bios && !m->arch->is->bios)
		return err_set(
		    e, EINVAL, "%s machines have no BIOS: set VM_FIRMWARE=uefi", m->arch->is->name);
	return 0;
}

void machine_print(char *const *environment, const struct machine *m, FILE *f)
{
	for (size_t i = 0; i < SETTINGS; i++)
		fprintf(f, "%s=%s\n", settings[i].name, value_of(environment, &settings[i]));
	fputs("VM_TAPS=", f);
	for (unsigned i = 0; i < m->nic_count; i++)
		fprintf(f, "%s%s", i ? " " : "", m->nics[i].tap);
	fputs("\nVM_PORTS=", f);
	for (unsigned i = 0; i < m->nic_count; i++)
		fprintf(f, "%s%s %s", i ? " " : "", m->nics[i].tap, m->nics[i].mac);
	fprintf(f, "\nVM_FLASH_BYTES=%" PRIu32 "\nVM_PM1_PORT=", m->arch->flash_bytes);
	if (m->arch->pm1_port)
		fprintf(f, "0x%x", m->arch->pm1_port);
	fputc('\n', f);
}

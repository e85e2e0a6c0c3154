#include "docker/vm/machine.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/words.h"

static const char *value_of(char *const *environment, const struct vm_setting *s)
{
	size_t len = strlen(s->name);

	for (; *environment; environment++)
		if (strncmp(*environment, s->name, len) == 0 && (*environment)[len] == '=')
			return (*environment)[len + 1] ? *environment + len + 1 : s->builtin;
	return s->builtin;
}

const char *machine_setting(const struct machine *m, const char *name)
{
	return m->values[vm_setting_find(name) - vm_settings];
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

static int read_settings(char *const *environment, struct machine *m, struct err *e)
{
	char give[VM_SETTING_GIVE_SIZE];

	for (size_t i = 0; i < vm_setting_count; i++) {
		const struct vm_setting *s = &vm_settings[i];
		m->values[i] = value_of(environment, s);
		if (!vm_setting_takes(s, m->values[i]))
			return err_set(e, EINVAL, "%s='%s' is not valid: give %s", s->name,
			    m->values[i], vm_setting_give(s, give));
	}
	return 0;
}

int machine_parse(char *const *environment, struct machine *m, struct err *e)
{
	int rc = read_settings(environment, m, e);

	if (rc < 0)
		return rc;
	m->name = machine_setting(m, "VM_NAME");
	m->arch = qemu_arch_find(machine_setting(m, "VM_ARCH"));
	m->cpus = number(machine_setting(m, "VM_CPUS"));
	m->memory_mib = number(machine_setting(m, "VM_MEMORY_MIB"));
	m->disk_bus = disk_bus_find(machine_setting(m, "VM_DISK_BUS"));
	m->disk_count = count_words(machine_setting(m, "VM_DISKS_BYTES"));
	m->bios = strcmp(machine_setting(m, "VM_FIRMWARE"), "bios") == 0;
	m->secure_boot = strcmp(machine_setting(m, "VM_SECURE_BOOT"), "true") == 0;
	m->accel = (enum machine_accel)word_index(
	    vm_setting_find("VM_ACCEL")->word, machine_setting(m, "VM_ACCEL"));
	m->nic_rom = strcmp(machine_setting(m, "VM_NIC_ROM"), "ipxe") == 0;
	m->http = strcmp(machine_setting(m, "VM_NIC_ROM"), "http") == 0;
	make_nics(m, machine_setting(m, "VM_MAC"), number(machine_setting(m, "VM_NICS")));
	if (m->bios && !m->arch->is->bios)
		return err_set(
		    e, EINVAL, "%s machines have no BIOS: set VM_FIRMWARE=uefi", m->arch->is->name);
	if (m->bios && m->http)
		return err_set(
		    e, EINVAL, "a BIOS has no HTTP Boot: set VM_NIC_ROM=ipxe, or VM_FIRMWARE=uefi");
	if (m->secure_boot && m->bios)
		return err_set(e, EINVAL, "a BIOS has no Secure Boot: set VM_SECURE_BOOT=false");
	if (m->secure_boot && !m->arch->secure_machine)
		return err_set(e, EINVAL,
		    "%s machines have no Secure Boot here: set VM_SECURE_BOOT=false",
		    m->arch->is->name);
	return 0;
}

const char *machine_flash(const struct machine *m, char out[MACHINE_FLASH_SIZE])
{
	snprintf(
	    out, MACHINE_FLASH_SIZE, "%s%s", m->arch->is->name, m->secure_boot ? "-secure" : "");
	return out;
}

void machine_print(const struct machine *m, FILE *f)
{
	char flash[MACHINE_FLASH_SIZE];

	for (size_t i = 0; i < vm_setting_count; i++)
		fprintf(f, "%s=%s\n", vm_settings[i].name, m->values[i]);
	fputs("VM_TAPS=", f);
	for (unsigned i = 0; i < m->nic_count; i++)
		fprintf(f, "%s%s", i ? " " : "", m->nics[i].tap);
	fputs("\nVM_PORTS=", f);
	for (unsigned i = 0; i < m->nic_count; i++)
		fprintf(f, "%s%s %s", i ? " " : "", m->nics[i].tap, m->nics[i].mac);
	fprintf(f,
	    "\nVM_FLASH=%s\nVM_FLASH_BYTES=%" PRIu32 "\nVM_PM1_PORT=", machine_flash(m, flash),
	    m->arch->flash_bytes);
	if (m->arch->pm1_port)
		fprintf(f, "0x%x", m->arch->pm1_port);
	fputc('\n', f);
}

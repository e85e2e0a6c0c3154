/* identity.c - who a machine is: names, numbers and addresses, and what its kernel is told. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "lib/base/hash_table.h"
#include "lib/definition/field.h"
#include "lib/definition/kernel_args.h"

/* ---- names ------------------------------------------------------------------------------------*/

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

int vm_judge_name(struct json_reader *r, const char *text)
{
	struct vm_reader *vr = vm_reader_of(r);

	if (!vm_name_valid(text))
		return json_refuse(r,
		    "\"%.70s\" is not a name: write 1 to 63 lower-case letters, digits and hyphens with no hyphen at either end (capitals, '_' and '.' are taken, and become lower case and '-' in the host name)",
		    text);
	if (hostname_taken(text))
		return json_refuse(
		    r, "\"%s\" is a name that every system has for itself: choose another", text);
	vm_label_make(text, vr->label);
	vr->draft.label = vr->label;
	if (strcmp(vr->label, "provisioner") == 0)
		return json_refuse(
		    r, "\"%s\" is the stack's own name in the lab's DNS: choose another", text);
	return 0;
}

bool vm_hostname_valid(const char *s)
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

int vm_judge_hostname(struct json_reader *r, const char *text)
{
	if (!vm_hostname_valid(text))
		return json_refuse(r,
		    "\"%.70s\" is not a host name: write letters, digits and hyphens, labels separated by single dots",
		    text);
	if (hostname_taken(text))
		return json_refuse(
		    r, "\"%s\" is a name that every system has for itself: choose another", text);
	return 0;
}

/* ---- what firmware shows ----------------------------------------------------------------------*/

int vm_judge_uuid(struct json_reader *r, const char *text)
{
	struct vm_reader *vr = vm_reader_of(r);

	if (!smbios_uuid_parse(text, vr->uuid))
		return json_refuse(r,
		    "\"%.40s\" is not a UUID: write one such as 6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b",
		    text);
	if (smbios_uuid_unset(vr->uuid))
		return json_refuse(r,
		    "%s is what firmware shows whose vendor set no UUID, the same on many machines: leave it out, the MAC address tells this one",
		    text);
	vr->draft.uuid = vr->uuid;
	return 0;
}

int vm_judge_serial(struct json_reader *r, const char *text)
{
	if (!smbios_serial_valid(text))
		return json_refuse(r,
		    "must be the SMBIOS serial number: 1 to %d printable ASCII characters with no space at either end",
		    SMBIOS_SERIAL_MAX);
	if (smbios_serial_unset(text))
		return json_refuse(r,
		    "\"%s\" is what firmware shows whose vendor set no serial number, the same on many machines: leave it out, the MAC address tells this one",
		    text);
	return 0;
}

/* The first octet is that of QEMU's addresses, which docker/vm/machine.c replaces for a second
 * card.
 */
struct mac vm_mac_make(const char *serial, const char *uuid)
{
	uint64_t hash = serial ? smbios_serial_hash(serial, 1) : hash_bytes(uuid, strlen(uuid), 2);
	struct mac mac = {{0x52}};

	for (size_t i = 1; i < sizeof(mac.octet); i++)
		mac.octet[i] = (uint8_t)(hash >> (8 * i));
	return mac;
}

/* ---- addresses --------------------------------------------------------------------------------*/

int vm_judge_mac(struct json_reader *r, const char *text)
{
	return mac_parse(text, strlen(text), &vm_draft(r)->mac, &r->why) < 0 ? json_refuse_why(r)
									     : 0;
}

int vm_judge_ip(struct json_reader *r, const char *text)
{
	struct cidr4 c;

	if (cidr4_parse(text, false, &c, &r->why) < 0)
		return json_refuse_why(r);
	uint32_t host = ntohl(c.addr.s_addr);
	if (host >> 24 == 0 || host >> 24 == 127 || host >> 28 >= 14)
		return json_refuse(r, "\"%s\" is an address no machine can have", text);
	vm_draft(r)->ip = c.addr;
	vm_draft(r)->ip_prefix = c.prefix;
	return 0;
}

int vm_judge_subnet(struct json_reader *r, const char *text)
{
	return cidr4_parse(text, true, &vm_reader_of(r)->subnet, &r->why) < 0 ? json_refuse_why(r)
									      : 0;
}

int vm_judge_ipv6(struct json_reader *r, const char *text)
{
	struct cidr6 c;

	if (cidr6_parse(text, false, &c, &r->why) < 0)
		return json_refuse_why(r);
	if (IN6_IS_ADDR_UNSPECIFIED(&c.addr) || IN6_IS_ADDR_LOOPBACK(&c.addr) ||
	    IN6_IS_ADDR_MULTICAST(&c.addr) || IN6_IS_ADDR_LINKLOCAL(&c.addr) ||
	    IN6_IS_ADDR_V4MAPPED(&c.addr))
		return json_refuse(
		    r, "\"%s\" is not an address that can be given to a machine", text);
	vm_draft(r)->ip6 = c.addr;
	vm_draft(r)->ip6_prefix = c.prefix;
	vm_draft(r)->has_ip6 = true;
	return 0;
}

int vm_judge_subnetv6(struct json_reader *r, const char *text)
{
	return cidr6_parse(text, true, &vm_reader_of(r)->subnet6, &r->why) < 0 ? json_refuse_why(r)
									       : 0;
}

/* ---- the kernel -------------------------------------------------------------------------------*/

int vm_judge_kernel_args(struct json_reader *r, const char *text)
{
	return kernel_args_check(text, &r->why) < 0 ? json_refuse_why(r) : 0;
}

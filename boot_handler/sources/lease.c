#include "boot_handler/sources/lease.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/text.h"
#include "lib/machine/arch.h"

/* "-": not told. */
static bool parse_end(const char *text, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strcmp(text, "-") == 0 ? 0 : strtoll(text, &end, 10);
	return strcmp(text, "-") == 0 || (*text && !*end && errno == 0 && *out >= 0);
}

/* ---- what firmware shows: "PXEClient:Arch:00007:UNDI:003016" (option 60, PXE 2.1) and, of some
 * firmware, its UUID as client identifier of type 0 (option 61). Of option 97 dnsmasq tells but the
 * tag "rpi" that it sets by it.
 * ---- */

/* IANA's Processor Architecture Types that tell one of ours. 0 is a BIOS, and a Raspberry Pi: see
 * has_tag(). */
static void set_system(unsigned code, struct lease *out)
{
	static const struct {
		unsigned code;
		enum vm_arch arch;
	} systems[] = {{7, VM_ARCH_AMD64}, {9, VM_ARCH_AMD64}, {11, VM_ARCH_ARM64},
	    {16, VM_ARCH_AMD64}, {19, VM_ARCH_ARM64}};

	for (size_t i = 0; i < sizeof(systems) / sizeof(*systems); i++)
		if (systems[i].code == code) {
			snprintf(out->arch, sizeof(out->arch), "%s", vm_arch_name(systems[i].arch));
			snprintf(out->platform, sizeof(out->platform), "efi");
		}
}

/* Five decimal digits, of U-Boot hexadecimal ones. False: it is no such text. */
static bool system_code(const char *vendor_class, unsigned *code)
{
	static const char *const begins[] = {"PXEClient:Arch:", "HTTPClient:Arch:"};
	char *end;

	for (size_t i = 0; vendor_class && i < sizeof(begins) / sizeof(*begins); i++) {
		size_t len = strlen(begins[i]);
		if (strncmp(vendor_class, begins[i], len) != 0)
			continue;
		const char *digits = vendor_class + len;
		if (strspn(digits, "0123456789abcdefABCDEF") != 5)
			return false;
		*code =
		    (unsigned)strtoul(digits, &end, strspn(digits, "0123456789") == 5 ? 10 : 16);
		return true;
	}
	return false;
}

/* "00:" and the UUID's 16 bytes as SMBIOS has them: of the first three numbers the low byte first.
 */
static bool client_uuid(const char *client_id, char out[UUID_TEXT_SIZE])
{
	static const int order[] = {
	    3, 2, 1, 0, -1, 5, 4, -1, 7, 6, -1, 8, 9, -1, 10, 11, 12, 13, 14, 15};
	char text[UUID_TEXT_SIZE];
	size_t n = 0;

	if (!client_id || strlen(client_id) != 17 * 3 - 1 || strncmp(client_id, "00:", 3) != 0)
		return false;
	for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
		if (order[i] < 0) {
			text[n++] = '-';
			continue;
		}
		memcpy(text + n, client_id + 3 * (1 + order[i]), 2);
		n += 2;
	}
	text[n] = '\0';
	return smbios_uuid_parse(text, out) && !smbios_uuid_unset(out);
}

static bool has_tag(const char *tags, const char *tag)
{
	size_t len = strlen(tag);

	for (const char *p = tags; p && *p; p += strcspn(p, " "), p += strspn(p, " "))
		if (strcspn(p, " ") == len && strncmp(p, tag, len) == 0)
			return true;
	return false;
}

/* "arch=…", "=rpi" (no name has a "=") or "uuid=…" */
static bool parse_shown(const char *word, struct lease *out)
{
	unsigned code;

	if (strncmp(word, "arch=", 5) == 0) {
		code = (unsigned)strtoul(word + 5, NULL, 10);
		set_system(code, out);
		return true;
	}
	if (strcmp(word, "=rpi") == 0) {
		snprintf(out->arch, sizeof(out->arch), "%s", vm_arch_name(VM_ARCH_ARM64));
		snprintf(out->platform, sizeof(out->platform), "rpi");
		return true;
	}
	return strncmp(word, "uuid=", 5) == 0 && smbios_uuid_parse(word + 5, out->uuid) &&
	       !smbios_uuid_unset(out->uuid);
}

static int parse_ip(const char *ip, struct lease *out, struct err *e)
{
	out->six = strchr(ip, ':');
	if (inet_pton(out->six ? AF_INET6 : AF_INET, ip,
		out->six ? (void *)&out->ip6 : (void *)&out->ip) != 1)
		return err_set(e, EINVAL, "the lease event has no IP address");
	return 0;
}

/* The folder that is served is called so (docker/stack/dnsmasq.conf). */
#define SERVED "/tftp/"

static int parse_fetched(
    const char *ip, const char *size, const char *file, struct lease *out, struct err *e)
{
	const char *served = file ? strstr(file, SERVED) : NULL;

	if (!file || !parse_end(size, &out->size))
		return err_set(e, EINVAL, "the event of a file has to be: tftp - IP SIZE FILE");
	out->fetched = true;
	text_copy_clean(served ? served + strlen(SERVED) : file, out->file, sizeof(out->file));
	return parse_ip(ip, out, e);
}

const char *lease_ip_text(const struct lease *lease, char out[INET6_ADDRSTRLEN])
{
	struct in6_addr either = lease->six ? lease->ip6 : ip4_mapped(lease->ip);

	return ip_text(&either, out);
}

int lease_parse(const char *text, size_t len, struct lease *out, struct err *e)
{
	char copy[LEASE_TEXT_MAX];
	char *rest = copy;

	if (len >= sizeof(copy) || memchr(text, '\0', len))
		return err_set(e, EINVAL, "the lease event is too long or holds a NUL");
	memcpy(copy, text, len);
	copy[len] = '\0';
	const char *action = strsep(&rest, " ");
	const char *mac = strsep(&rest, " ");
	const char *ip = strsep(&rest, " ");
	const char *ends = strsep(&rest, " ");
	memset(out, 0, sizeof(*out));
	if (ends && strcmp(action, "tftp") == 0)
		return parse_fetched(ip, ends, rest, out, e);
	const char *word = strsep(&rest, " ");
	const char *name = word && !strchr(word, '=') ? word : NULL;
	bool good = ends && parse_end(ends, &out->ends);
	for (word = name ? strsep(&rest, " ") : word; good && word; word = strsep(&rest, " "))
		good = parse_shown(word, out);
	if (!good)
		return err_set(e, EINVAL,
		    "the lease event has to be: add|old|del MAC|- IP END|- [NAME] [arch=CODE|=rpi] [uuid=UUID]");
	out->gone = strcmp(action, "del") == 0;
	out->added = strcmp(action, "add") == 0;
	if (!out->gone && !out->added && strcmp(action, "old") != 0)
		return err_set(e, EINVAL, "the lease event has to be add, old, del or tftp");
	out->has_mac = strcmp(mac, "-") != 0;
	if (out->has_mac && mac_parse(mac, strlen(mac), &out->mac, e) < 0)
		return -EINVAL;
	if (parse_ip(ip, out, e) < 0)
		return -EINVAL;
	if (name)
		snprintf(out->name, sizeof(out->name), "%.*s", (int)strcspn(name, "."), name);
	return 0;
}

/* ---- the datagram ------------------------------------------------------------------------ */

/* What there is room for. Returns its length. */
static int add_shown(const struct lease_event *event, char *out, size_t size)
{
	char uuid[UUID_TEXT_SIZE];
	unsigned code;
	int n = 0;

	if (has_tag(event->tags, "rpi"))
		n = snprintf(out, size, " =rpi");
	else if (system_code(event->vendor_class, &code))
		n = snprintf(out, size, " arch=%u", code);
	if (n >= 0 && n < (int)size && client_uuid(event->client_id, uuid))
		n += snprintf(out + n, size - (size_t)n, " uuid=%s", uuid);
	return n;
}

static const char *or_dash(const char *text)
{
	return text && *text ? text : "-";
}

int lease_event_text(const struct lease_event *event, char out[LEASE_TEXT_MAX], struct err *e)
{
	struct lease lease;
	int n = snprintf(out, LEASE_TEXT_MAX, "%s %s %s %s%s%s", event->action, or_dash(event->mac),
	    event->ip, or_dash(event->ends), event->name ? " " : "",
	    event->name ? event->name : "");

	if (n > 0 && n < LEASE_TEXT_MAX)
		n += add_shown(event, out + n, LEASE_TEXT_MAX - (size_t)n);
	if (n < 0 || n >= LEASE_TEXT_MAX)
		return err_set(e, EINVAL, "the lease event is too long");
	return lease_parse(out, (size_t)n, &lease, e) < 0 ? -EINVAL : n;
}

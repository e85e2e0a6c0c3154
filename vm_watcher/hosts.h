/* hosts.h - definitions as dnsmasq reads them: DHCP reservations and DNS names.
 *
 * Pure: text out of definitions that lib/definition/ has validated, so that nothing in a file
 * can add a line or an option. Formats: dnsmasq(8), --dhcp-hostsfile and --addn-hosts; hosts(5).
 */
#ifndef VM_WATCHER_HOSTS_H
#define VM_WATCHER_HOSTS_H

#include <stdbool.h>
#include <stdio.h>

#include "vm_watcher/leases.h"
#include "lib/store/store.h"

/* What of a machine is no part of its definition. */
struct hosts_seen {
	const struct mac *nic; /* another card that it asked with; NULL: none */
	bool netboot_off;      /* so ordered */
};

/* One machine's line "mac[,nic],id:*[,set:TAG...][,ip][,[ipv6]],name.domain". Firmware, installer
 * and system tell different client identifiers: "id:*" makes them one machine. The domain is there
 * because dnsmasq reads a bare "10m", "600" or "ignore" as something else than a name. To dnsmasq a
 * line with an IPv6 address alone is none for IPv4, and of lines that fit the last counts: before
 * it stands one without address and without the name, which would be taken for a second claim of
 * that address. Its tag keeps dnsmasq from taking a name of the machine's own instead; the IPv4
 * name is then among the DNS lines. Tags say which loader docker/stack/dnsmasq.conf gives:
 * "nonetboot" none (also a Raspberry Pi that boots what it has), "loader-WORD" one of the table,
 * "loader-own" and "own-FILE" the user's. */
void hosts_dhcp_line(
    FILE *f, const struct vm *vm, const char *domain, const struct hosts_seen *seen);

/* One machine's lines "ip name.domain name", with the addresses that it has. */
void hosts_dns_lines(FILE *f, const struct vm *vm, const char *domain, const struct leases *leases);

/* Both files as text, ordered by name. The caller frees both strings. */
struct hosts_text {
	char *dhcp, *dns;
	size_t dhcp_len, dns_len;
};
must_check int hosts_render(const struct vm_snapshot *snap, const char *domain,
    const struct leases *leases, struct hosts_text *out, struct err *e);
void hosts_text_free(struct hosts_text *t);

/* What dnsmasq's dhcp-optsfile= says to machines with the tag "own-FILE": the file, by TFTP or,
 * where the firmware asked for that, by its URL at `server`. */
void hosts_opts_lines(FILE *f, const char *loader, struct in_addr server);
/* Those of all definitions. The caller frees *out. */
must_check int hosts_render_opts(
    const struct vm_snapshot *snap, struct in_addr server, char **out, size_t *len, struct err *e);

#endif

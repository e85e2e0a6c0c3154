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

/* One machine's line "mac[,nic],id:*[,ip][,[ipv6]],name.domain". Firmware, installer and system
 * tell different client identifiers: "id:*" makes them one machine. The domain is there because
 * dnsmasq reads a bare "10m", "600" or "ignore" as something else than a name. To dnsmasq a line
 * with an IPv6 address alone is none for IPv4, and of lines that fit the last counts: before it
 * stands one without address and without the name, which would be taken for a second claim of that
 * address. Its tag keeps dnsmasq from taking a name of the machine's own instead; the IPv4 name is
 * then among the DNS lines. */
void hosts_dhcp_line(FILE *f, const struct vm *vm, const char *domain, const struct mac *nic);

/* One machine's lines "ip name.domain name", with the addresses that it has; none when dnsmasq
 * knows them by itself. */
void hosts_dns_lines(FILE *f, const struct vm *vm, const char *domain, const struct leases *leases);

/* Both files as text, ordered by name. The caller frees both strings. */
struct hosts_text {
	char *dhcp, *dns;
	size_t dhcp_len, dns_len;
};
must_check int hosts_render(const struct vm_snapshot *snap, const char *domain,
    const struct leases *leases, struct hosts_text *out, struct err *e);
void hosts_text_free(struct hosts_text *t);

#endif

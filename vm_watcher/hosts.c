#include "vm_watcher/hosts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char header[] =
    "# Made by vm_watcher from the VM definitions; changes here are lost.\n";

static void dhcp_identity(FILE *f, const struct vm *vm, const struct mac *nic)
{
	char mac[MAC_TEXT_SIZE];

	fputs(mac_format(&vm->mac, mac), f);
	if (nic)
		fprintf(f, ",%s", mac_format(nic, mac));
	fputs(",id:*", f);
}

void hosts_dhcp_line(FILE *f, const struct vm *vm, const char *domain, const struct mac *nic)
{
	char ip[INET6_ADDRSTRLEN];

	if (vm->has_ip6 && !vm->ip.s_addr) {
		dhcp_identity(f, vm, nic);
		fputs(",set:unnamed\n", f);
	}
	dhcp_identity(f, vm, nic);
	if (vm->ip.s_addr)
		fprintf(f, ",%s", inet_ntop(AF_INET, &vm->ip, ip, sizeof(ip)));
	if (vm->has_ip6)
		fprintf(f, ",[%s]", inet_ntop(AF_INET6, &vm->ip6, ip, sizeof(ip)));
	fprintf(f, ",%s.%s\n", vm->label, domain);
}

void hosts_dns_lines(FILE *f, const struct vm *vm, const char *domain, const struct leases *leases)
{
	char text[INET6_ADDRSTRLEN];
	struct in_addr ip;
	struct in6_addr ip6;

	leases_address(leases, vm, &ip, &ip6);
	if (ip.s_addr)
		fprintf(f, "%s %s.%s %s\n", inet_ntop(AF_INET, &ip, text, sizeof(text)), vm->label,
		    domain, vm->label);
	if (!IN6_IS_ADDR_UNSPECIFIED(&ip6))
		fprintf(f, "%s %s.%s %s\n", inet_ntop(AF_INET6, &ip6, text, sizeof(text)),
		    vm->label, domain, vm->label);
}

/* Closes a memory stream; false when something did not fit into memory. */
static bool stream_close(FILE *f)
{
	bool failed = ferror(f);

	return fclose(f) == 0 && !failed;
}

int hosts_render(const struct vm_snapshot *snap, const char *domain, const struct leases *leases,
    struct hosts_text *out, struct err *e)
{
	*out = (struct hosts_text){NULL, NULL, 0, 0};
	FILE *dhcp = open_memstream(&out->dhcp, &out->dhcp_len);
	FILE *dns = open_memstream(&out->dns, &out->dns_len);
	bool good = dhcp && dns;

	if (good) {
		fputs(header, dhcp);
		fputs(header, dns);
	}
	for (size_t i = 0; good && i < vm_snapshot_count(snap); i++) {
		const struct vm *vm = vm_snapshot_at(snap, i);
		const struct mac *nic = leases_nic(leases, vm);
		hosts_dhcp_line(
		    dhcp, vm, domain, nic && !vm_snapshot_by_mac(snap, nic) ? nic : NULL);
		hosts_dns_lines(dns, vm, domain, leases);
	}
	if (dhcp)
		good = stream_close(dhcp) && good;
	if (dns)
		good = stream_close(dns) && good;
	if (good)
		return 0;
	hosts_text_free(out);
	return err_set(e, ENOMEM, "out of memory for the hosts files");
}

void hosts_text_free(struct hosts_text *t)
{
	free(t->dhcp);
	free(t->dns);
	*t = (struct hosts_text){NULL, NULL, 0, 0};
}

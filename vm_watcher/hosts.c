#include "vm_watcher/hosts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/boot/raspberry.h"
#include "lib/definition/loader_choice.h"

static const char header[] =
    "# Made by vm_watcher from the VM definitions; changes here are lost.\n";

static void dhcp_identity(FILE *f, const struct vm *vm, const struct hosts_seen *seen)
{
	const char *loader = loader_of(vm);
	char mac[MAC_TEXT_SIZE];

	fputs(mac_format(&vm->mac, mac), f);
	if (seen->nic)
		fprintf(f, ",%s", mac_format(seen->nic, mac));
	fputs(",id:*", f);
	if (seen->netboot_off || boot_mode_of(vm) == &boot_mode_off || raspberry_stays_local(vm))
		fputs(",set:nonetboot", f);
	if (loader && loader_is_own(loader))
		fprintf(f, ",set:loader-own,set:own-%s", loader);
	else if (loader)
		fprintf(f, ",set:loader-%s", loader);
}

void hosts_dhcp_line(
    FILE *f, const struct vm *vm, const char *domain, const struct hosts_seen *seen)
{
	char ip[INET6_ADDRSTRLEN];

	if (vm->has_ip6 && !vm->ip.s_addr) {
		dhcp_identity(f, vm, seen);
		fputs(",set:unnamed\n", f);
	}
	dhcp_identity(f, vm, seen);
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

/* As options, since dnsmasq reads those again while it runs, and "dhcp-boot" not. */
void hosts_opts_lines(FILE *f, const char *loader, struct in_addr server)
{
	char ip[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, &server, ip, sizeof(ip));
	for (int http = 0; http < 2; http++) {
		fprintf(f, "tag:own-%s,tag:pxe,tag:!nonetboot,tag:!ipxe,tag:%shttp,", loader,
		    http ? "" : "!");
		fprintf(f, "option:bootfile-name,%s%s%sown/%s\n", http ? "http://" : "",
		    http ? ip : "", http ? "/loaders/" : "", loader);
	}
	fprintf(f, "tag:own-%s,tag:pxe,tag:!nonetboot,tag:!ipxe,option:server-ip-address,%s\n",
	    loader, ip);
}

static bool told_before(const struct vm_snapshot *snap, size_t i, const char *loader)
{
	while (i-- > 0) {
		const char *other = vm_snapshot_at(snap, i)->loader;
		if (other && strcmp(other, loader) == 0)
			return true;
	}
	return false;
}

/* Closes a memory stream; false when something did not fit into memory. */
static bool stream_close(FILE *f)
{
	bool failed = ferror(f);

	return fclose(f) == 0 && !failed;
}

int hosts_render_opts(
    const struct vm_snapshot *snap, struct in_addr server, char **out, size_t *len, struct err *e)
{
	FILE *f = open_memstream(out, len);

	if (f)
		fputs(header, f);
	for (size_t i = 0; f && i < vm_snapshot_count(snap); i++) {
		const char *loader = vm_snapshot_at(snap, i)->loader;
		if (loader && loader_is_own(loader) && !told_before(snap, i, loader))
			hosts_opts_lines(f, loader, server);
	}
	if (f && stream_close(f))
		return 0;
	free(*out);
	*out = NULL;
	return err_set(e, ENOMEM, "out of memory for the loaders of machines");
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
		struct hosts_seen seen = {.nic = nic && !vm_snapshot_by_mac(snap, nic) ? nic : NULL,
		    .netboot_off = leases_netboot_off(leases, vm)};
		hosts_dhcp_line(dhcp, vm, domain, &seen);
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

/* Arbitrary bytes as a definition: what the hosts files get out of it is one line of their kind. */
#include <arpa/inet.h>

#include "lib/base/test_promise.h"
#include "vm_watcher/hosts.h"

/* Reads the line back: MAC, "id:*", tags, then addresses, then the name; nothing else. */
static void check_dhcp(char *text, const struct vm *vm)
{
	struct in_addr ip = {0};
	struct in6_addr ip6;
	struct mac mac;
	char *newline = strchr(text, '\n');

	PROMISE(newline && newline[1] == '\0');
	*newline = '\0';
	char *field = strtok(text, ",");
	PROMISE(
	    field && mac_parse(field, strlen(field), &mac, NULL) == 0 && mac_equal(&mac, &vm->mac));
	field = strtok(NULL, ",");
	PROMISE(field && strcmp(field, "id:*") == 0);
	field = strtok(NULL, ",");
	while (field && strncmp(field, "set:", 4) == 0)
		field = strtok(NULL, ",");
	if (vm->ip.s_addr) {
		PROMISE(field && inet_pton(AF_INET, field, &ip) == 1 && ip.s_addr == vm->ip.s_addr);
		field = strtok(NULL, ",");
	}
	if (vm->has_ip6) {
		PROMISE(field && field[0] == '[' && field[strlen(field) - 1] == ']');
		field[strlen(field) - 1] = '\0';
		PROMISE(inet_pton(AF_INET6, field + 1, &ip6) == 1);
		field = strtok(NULL, ",");
	}
	char *dot = field ? strchr(field, '.') : NULL;
	PROMISE(dot && strcmp(dot, ".pvmlab.local") == 0 && !strtok(NULL, ","));
	*dot = '\0';
	PROMISE(strcmp(field, vm->label) == 0);
}

static void check_dns(const char *text, const struct vm *vm)
{
	int lines = 0;

	for (const char *p = text; (p = strchr(p, '\n')); p++)
		lines++;
	PROMISE(lines == (vm->ip.s_addr != 0) + vm->has_ip6);
	for (const char *p = text; *p; p++)
		PROMISE(strchr("abcdefghijklmnopqrstuvwxyz0123456789-.: \n", *p));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct leases leases;
	struct vm_where where;
	struct vm *vm = NULL;
	char *dhcp = NULL, *dns = NULL;
	size_t len;

	if (vm_parse((const char *)data, size, NULL, &vm, &where, NULL, NULL, NULL) < 0)
		return 0;
	FILE *f = open_memstream(&dhcp, &len);
	hosts_dhcp_line(f, vm, "pvmlab.local", &(struct hosts_seen){0});
	fclose(f);
	f = open_memstream(&dns, &len);
	hosts_dns_lines(f, vm, "pvmlab.local", &leases);
	fclose(f);
	check_dhcp(dhcp, vm);
	check_dns(dns, vm);
	free(dhcp);
	free(dns);
	vm_free(vm);
	return 0;
}

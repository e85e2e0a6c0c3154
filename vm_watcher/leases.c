#include "vm_watcher/leases.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/hash_table.h"
#include "lib/base/text.h"

#define LEASE_S 3600 /* as docker/stack/dnsmasq.conf gives them */

/* ---- reading ------------------------------------------------------------------------------- */

static bool parse_mac(const char *text, size_t len, struct mac *out)
{
	return mac_parse(text, len, out, NULL) == 0;
}

/* DUID-LLT and DUID-LL of Ethernet (RFC 8415, 11.2 and 11.4) end with the MAC address. */
static bool duid_mac(const char *duid, struct mac *out)
{
	size_t len = strlen(duid), mac = MAC_TEXT_SIZE - 1;
	bool llt = strncmp(duid, "00:01:00:01:", 12) == 0 && len == 14 * 3 - 1;
	bool ll = strncmp(duid, "00:03:00:01:", 12) == 0 && len == 10 * 3 - 1;

	return (llt || ll) && parse_mac(duid + len - mac, mac, out);
}

/* "expiry mac|iaid address name client-id|duid" */
static bool parse_lease(char *line, void *item)
{
	struct lease_line *out = item;
	char *word[5];

	memset(out, 0, sizeof(*out));
	for (int i = 0; i < 5; i++)
		if (!(word[i] = strsep(&line, " ")))
			return false;
	if (inet_pton(AF_INET, word[2], &out->ip) == 1)
		out->has_mac = parse_mac(word[1], strlen(word[1]), &out->mac);
	else if (inet_pton(AF_INET6, word[2], &out->ip6) == 1)
		out->has_mac = duid_mac(word[4], &out->mac);
	else
		return false;
	out->ends = strtoll(word[0], NULL, 10);
	if (strcmp(word[3], "*") != 0)
		snprintf(out->name, sizeof(out->name), "%.*s", (int)strcspn(word[3], "."), word[3]);
	return true;
}

static bool parse_machine(char *line, void *item)
{
	struct machine_line *out = item;
	char *word[4], *nic;

	memset(out, 0, sizeof(*out));
	for (int i = 0; i < 4; i++)
		if (!(word[i] = strsep(&line, " ")))
			return false;
	if (!vm_name_valid(word[0]))
		return false;
	snprintf(out->name, sizeof(out->name), "%s", word[0]);
	if (inet_pton(AF_INET, word[1], &out->ip) != 1)
		out->ip.s_addr = 0;
	if (inet_pton(AF_INET6, word[2], &out->ip6) != 1)
		out->ip6 = in6addr_any;
	out->booted_ms = strtoll(word[3], NULL, 10);
	nic = strsep(&line, " ");
	out->has_nic = nic && parse_mac(nic, strlen(nic), &out->nic);
	const char *off = strsep(&line, " "), *eeprom = strsep(&line, " ");
	out->netboot_off = off && strcmp(off, "off") == 0;
	out->eeprom = eeprom_wish_parse(eeprom ? eeprom : "-");
	return true;
}

static int by_key(const void *a, const void *b)
{
	const struct lease_line *x = a, *y = b;

	if (!x->ip.s_addr != !y->ip.s_addr)
		return x->ip.s_addr ? -1 : 1;
	return x->ip.s_addr ? memcmp(&x->mac, &y->mac, sizeof(x->mac)) : strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(
	    ((const struct machine_line *)a)->name, ((const struct machine_line *)b)->name);
}

static int by_nic(const void *a, const void *b)
{
	const struct machine_line *const *x = a, *const *y = b;

	return memcmp(&(*x)->nic, &(*y)->nic, sizeof((*x)->nic));
}

/* The lines that parse() takes, ordered; NULL: no memory. */
static void *read_lines(const char *text, size_t size, bool (*parse)(char *line, void *item),
    int (*order)(const void *a, const void *b), size_t *count)
{
	_cleanup_free_ char *copy = strdup(text);
	char *items = calloc(text_lines(text), size), *rest = copy, *line;

	*count = 0;
	if (!copy || !items) {
		free(items);
		return NULL;
	}
	while ((line = strsep(&rest, "\n")))
		*count += parse(line, items + *count * size);
	qsort(items, *count, size, order);
	return items;
}

int leases_read(struct leases *l, const char *text)
{
	size_t count;
	struct lease_line *lines = read_lines(text, sizeof(*lines), parse_lease, by_key, &count);

	if (!lines)
		return -ENOMEM;
	free(l->lines);
	l->lines = lines;
	l->count = count;
	for (l->count4 = 0; l->count4 < count && lines[l->count4].ip.s_addr;)
		l->count4++;
	return 0;
}

int leases_read_machines(struct leases *l, const char *text)
{
	size_t count;
	struct machine_line *machines =
	    read_lines(text, sizeof(*machines), parse_machine, by_name, &count);
	const struct machine_line **nics =
	    machines ? calloc(count + 1, sizeof(struct machine_line *)) : NULL;

	if (!nics) {
		free(machines);
		return -ENOMEM;
	}
	free(l->machines);
	free(l->nics);
	l->machines = machines;
	l->machine_count = count;
	l->nics = nics;
	l->nic_count = 0;
	for (size_t i = 0; i < count; i++)
		if (machines[i].has_nic)
			nics[l->nic_count++] = &machines[i];
	qsort(nics, l->nic_count, sizeof(nics[0]), by_nic);
	return 0;
}

void leases_clear(struct leases *l)
{
	free(l->lines);
	free(l->machines);
	free(l->nics);
	memset(l, 0, sizeof(*l));
}

static const struct machine_line *machine(const struct leases *l, const char *name)
{
	struct machine_line key;

	if (!l || l->machine_count == 0)
		return NULL;
	snprintf(key.name, sizeof(key.name), "%s", name);
	return bsearch(&key, l->machines, l->machine_count, sizeof(key), by_name);
}

const struct mac *leases_nic(const struct leases *l, const struct vm *vm)
{
	const struct machine_line *m = l && l->nic_count ? machine(l, vm->name) : NULL;

	return m && m->has_nic ? &m->nic : NULL;
}

bool leases_netboot_off(const struct leases *l, const struct vm *vm)
{
	const struct machine_line *m = machine(l, vm->name);

	return m && m->netboot_off;
}

struct eeprom_wish leases_eeprom(const struct leases *l, const struct vm *vm)
{
	const struct machine_line *m = machine(l, vm->name);

	return m ? m->eeprom : (struct eeprom_wish){.kind = NULL};
}

/* The machine that asked with a card which no definition has. */
static const struct vm *asked_with(
    const struct leases *l, const struct vm_snapshot *snap, const struct mac *nic)
{
	const struct machine_line line = {.nic = *nic}, *key = &line;
	const struct machine_line **found =
	    l->nic_count ? bsearch(&key, l->nics, l->nic_count, sizeof(key), by_nic) : NULL;

	return found ? vm_snapshot_by_name(snap, (*found)->name) : NULL;
}

/* ---- deciding ------------------------------------------------------------------------------- */

/* The name is the one that the machine had when it got the lease: a MAC address tells better. */
const struct vm *leases_holder(
    const struct leases *l, const struct vm_snapshot *snap, const struct lease_line *lease)
{
	if (lease->has_mac) {
		const struct vm *vm = vm_snapshot_by_mac(snap, &lease->mac);
		return vm ? vm : asked_with(l, snap, &lease->mac);
	}
	return lease->name[0] ? vm_snapshot_by_label(snap, lease->name) : NULL;
}

static bool is_declared(const struct lease_line *lease, const struct vm *vm)
{
	return lease->ip.s_addr ? vm->ip.s_addr == lease->ip.s_addr
				: vm->has_ip6 && ip6_equal(&vm->ip6, &lease->ip6);
}

/* The first lease of that MAC address, or NULL. */
static const struct lease_line *lease4(const struct leases *l, const struct mac *mac)
{
	struct lease_line key = {.ip = {1}, .mac = *mac};

	return l->count4 ? bsearch(&key, l->lines, l->count4, sizeof(key), by_key) : NULL;
}

/* A machine may have several IPv6 leases: the declared one counts most. */
static const struct lease_line *lease6(const struct leases *l, const struct vm *vm)
{
	const struct lease_line *first = l->lines + l->count4, *end = l->lines + l->count;
	struct lease_line key = {0};

	if (first == end)
		return NULL;
	snprintf(key.name, sizeof(key.name), "%s", vm->label);
	const struct lease_line *any =
	    bsearch(&key, first, (size_t)(end - first), sizeof(key), by_key);
	for (const struct lease_line *i = any; i && i >= first && by_key(i, &key) == 0; i--)
		if (is_declared(i, vm))
			return i;
	for (const struct lease_line *i = any; i && i < end && by_key(i, &key) == 0; i++)
		if (is_declared(i, vm))
			return i;
	return any;
}

void leases_address(
    const struct leases *l, const struct vm *vm, struct in_addr *ip, struct in6_addr *ip6)
{
	const struct machine_line *m = machine(l, vm->name);
	const struct mac *nic = leases_nic(l, vm);
	const struct lease_line *lease = lease4(l, nic ? nic : &vm->mac);
	const struct lease_line *six = lease6(l, vm);

	*ip = m && m->ip.s_addr ? m->ip : lease ? lease->ip : vm->ip;
	*ip6 = six ? six->ip6 : vm->has_ip6 ? vm->ip6 : in6addr_any;
	if (m && ip6_is_set(&m->ip6))
		*ip6 = m->ip6;
}

/* The machine of which the leased address is declared, or NULL. */
static const struct vm *owner(const struct vm_snapshot *snap, const struct lease_line *lease)
{
	struct in6_addr address = lease->ip.s_addr ? ip4_mapped(lease->ip) : lease->ip6;

	return vm_snapshot_declaring(snap, &address);
}

/* It asked what to boot since: the system that had the lease is gone. */
static bool has_booted(const struct leases *l, const struct leases *before, bool first,
    const struct vm *vm, const struct lease_line *lease)
{
	const struct machine_line *now = machine(l, vm->name), *then = machine(before, vm->name);

	if (!now)
		return false;
	if (first)
		return now->booted_ms && lease->ends &&
		       lease->ends - LEASE_S <= now->booted_ms / 1000;
	return before && now->booted_ms > (then ? then->booted_ms : 0);
}

void leases_conflicts(const struct leases *l, const struct leases *before, bool first,
    const struct vm_snapshot *snap,
    void (*drop)(void *ctx, const struct lease_line *lease, const struct vm *vm), void *ctx)
{
	for (size_t i = 0; i < l->count; i++) {
		const struct lease_line *lease = &l->lines[i];
		const struct vm *vm = owner(snap, lease);
		bool six = !lease->ip.s_addr;

		if (vm && leases_holder(l, snap, lease) != vm)
			drop(ctx, lease, vm);
		else if (six && (vm || (vm = leases_holder(l, snap, lease))) && vm->has_ip6 &&
			 has_booted(l, before, first, vm, lease))
			drop(ctx, lease, vm);
	}
}

void leases_signs(const struct leases *l, const struct vm_snapshot *snap, struct leases_signs *out)
{
	*out = (struct leases_signs){0};
	for (size_t i = 0; i < l->count; i++) {
		const struct lease_line *lease = &l->lines[i];
		const struct vm *vm = leases_holder(l, snap, lease);
		bool six = !lease->ip.s_addr;

		if (!vm || !(six ? vm->has_ip6 : vm->ip.s_addr != 0))
			continue;
		if (!is_declared(lease, vm) && six)
			out->astray6 += hash_bytes(&lease->ip6, sizeof(lease->ip6), 2);
		else if (!is_declared(lease, vm))
			out->astray += hash_bytes(&lease->ip, sizeof(lease->ip), 1);
		else if (six)
			out->held6++;
	}
}

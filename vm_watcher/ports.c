#include "vm_watcher/ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/process.h"

#define NFT "/usr/sbin/nft"
#define SECOND_CARD                                                                                \
	0x56 /* first octet of its MAC address, which is otherwise the first card's: see           \
		docker/vm/machine.sh */

/* ---- owners --------------------------------------------------------------------------------- */

struct owned {
	FILE *all, *owners; /* elements of the sets of one family */
};

struct sets {
	struct owned four, six;
};

static void bind_to(struct sets *s, const struct in6_addr *address, const struct mac *mac)
{
	const struct owned *o = IN6_IS_ADDR_V4MAPPED(address) ? &s->four : &s->six;
	char text[INET6_ADDRSTRLEN], hex[MAC_TEXT_SIZE];

	fprintf(o->all, "%s,\n", ip_text(address, text));
	fprintf(o->owners, "%s . %s,\n", text, mac_format(mac, hex));
}

/* All cards of a machine may use its addresses: Linux answers for each on any. */
static void bind_machine(struct sets *s, const struct vm *vm, const struct leases *leases,
    const struct in6_addr *address)
{
	const struct mac *nic = leases_nic(leases, vm);
	struct mac second = vm->mac;

	second.octet[0] = SECOND_CARD;
	bind_to(s, address, &vm->mac);
	bind_to(s, address, &second);
	if (nic)
		bind_to(s, address, nic);
}

static void bind_declared(struct sets *s, const struct vm *vm, const struct leases *leases)
{
	struct in6_addr ip = ip4_mapped(vm->ip);

	if (vm->ip.s_addr)
		bind_machine(s, vm, leases, &ip);
	if (vm->has_ip6)
		bind_machine(s, vm, leases, &vm->ip6);
	for (unsigned i = 0; i < vm->static_count; i++)
		bind_machine(s, vm, leases, &vm->statics[i]);
}

static void bind_lease(struct sets *s, const struct vm_snapshot *snap, const struct leases *leases,
    const struct lease_line *lease)
{
	const struct vm *vm = leases_holder(leases, snap, lease);
	struct in6_addr address = lease->ip.s_addr ? ip4_mapped(lease->ip) : lease->ip6;

	if (vm)
		bind_machine(s, vm, leases, &address);
	if (lease->has_mac)
		bind_to(s, &address, &lease->mac);
}

static void bind_seen(struct sets *s, const struct vm_snapshot *snap, const struct leases *leases,
    const struct machine_line *m)
{
	const struct vm *vm = vm_snapshot_by_name(snap, m->name);
	struct in6_addr ip = ip4_mapped(m->ip);

	if (vm && m->ip.s_addr)
		bind_machine(s, vm, leases, &ip);
	if (vm && ip6_is_set(&m->ip6))
		bind_machine(s, vm, leases, &m->ip6);
}

/* ---- text ----------------------------------------------------------------------------------- */

struct stream {
	FILE *f;
	char *text;
	size_t len;
};

enum { ALL4, OWNERS4, ALL6, OWNERS6, STREAMS };

static const char *const set_names[STREAMS] = {"claimed4", "owners4", "claimed6", "owners6"};

static bool streams_open(struct stream *streams)
{
	bool good = true;

	for (int i = 0; i < STREAMS; i++) {
		streams[i].f = open_memstream(&streams[i].text, &streams[i].len);
		good = good && streams[i].f;
	}
	return good;
}

static bool streams_close(struct stream *streams)
{
	bool good = true;

	for (int i = 0; i < STREAMS; i++) {
		good = streams[i].f && !ferror(streams[i].f) && good;
		if (streams[i].f && fclose(streams[i].f) != 0)
			good = false;
	}
	return good;
}

static bool write_commands(const struct stream *streams, char **out, size_t *len)
{
	FILE *f = open_memstream(out, len);

	for (int i = 0; f && i < STREAMS; i++) {
		fprintf(f, "flush set bridge vmlab %s\n", set_names[i]);
		if (streams[i].len)
			fprintf(f, "add element bridge vmlab %s {\n%s}\n", set_names[i],
			    streams[i].text);
	}
	return f && !ferror(f) && fclose(f) == 0;
}

int ports_render(const struct vm_snapshot *snap, const struct leases *leases, char **out,
    size_t *len, struct err *e)
{
	struct stream streams[STREAMS] = {0};

	*out = NULL;
	bool good = streams_open(streams);
	struct sets sets = {
	    {streams[ALL4].f, streams[OWNERS4].f}, {streams[ALL6].f, streams[OWNERS6].f}};
	for (size_t i = 0; good && i < vm_snapshot_count(snap); i++)
		bind_declared(&sets, vm_snapshot_at(snap, i), leases);
	for (size_t i = 0; good && i < leases->count; i++)
		bind_lease(&sets, snap, leases, &leases->lines[i]);
	for (size_t i = 0; good && i < leases->machine_count; i++)
		bind_seen(&sets, snap, leases, &leases->machines[i]);
	good = streams_close(streams) && good && write_commands(streams, out, len);
	for (int i = 0; i < STREAMS; i++)
		free(streams[i].text);
	if (good)
		return 0;
	free(*out);
	*out = NULL;
	return err_set(e, ENOMEM, "out of memory for the addresses of the machines");
}

/* ---- effect --------------------------------------------------------------------------------- */

int ports_apply(const char *file, struct err *e)
{
	const struct process nft = {
	    .argv = (const char *const[]){NFT, "-f", file, NULL},
	    .environment = (const char *const[]){NULL},
	    .bond = PROCESS_BESIDE,
	};
	int status;

	int r = process_run(&nft, NULL, NULL, &status, e);
	if (r == 0 && status != 0)
		r = err_set(e, EIO, "%s does not take %s", NFT, file);
	return r;
}

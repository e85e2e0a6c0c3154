/* The part of state.h that is about addresses: leases, and where machines called from. */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "boot_handler/sources/lease_effect.h"
#include "boot_handler/state/machine_address.h"
#include "boot_handler/state/state.h"
#include "boot_handler/state/state_inside.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"

#define LEASE_EVENT_EVERY_MS 2000
#define AT_ONCE 16

/* A guest may ask, release and decline as often as it likes: that is not to fill the events of all.
 */
static const struct pace_rule lease_pace = {.free = 60, .first_ms = 1000, .most_ms = 60000};

static void lease_event(
    struct state *s, struct machine *m, enum event_kind kind, const char *text, int64_t now)
{
	if (pace_wait_ms(&m->lease_pace, &lease_pace, now) > 0)
		return;
	state_record(s, m, kind, text, now);
	if (!pace_take(&m->lease_pace, &lease_pace, now))
		return;
	state_record(s, m, EVENT_LEASE, "too often: from now on not each is told", now);
	log_warn(
	    "the leases of a machine come and go too often: not each is an event any more vm=%s",
	    m->name);
}

static void given_event(
    struct state *s, struct machine *m, const struct lease *l, bool other, int64_t now)
{
	char text[INET6_ADDRSTRLEN];

	/* One boot asks several times. A renewed IPv6 lease is no step of it. */
	if (!other && (l->six || now - m->leased_at_ms < LEASE_EVENT_EVERY_MS))
		return;
	lease_event(s, m, EVENT_DHCP, lease_ip_text(l, text), now);
	if (!l->six)
		m->leased_at_ms = now;
}

/* The locked machine is known by these from now on. False: it was before. */
static bool set_addresses(struct state *s, struct machine *m, const struct machine_addresses *after)
{
	struct machine_addresses before = m->address;

	m->address = *after;
	if (before.leased_ip.s_addr == after->leased_ip.s_addr &&
	    before.seen_ip.s_addr == after->seen_ip.s_addr &&
	    ip6_equal(&before.leased_ip6, &after->leased_ip6) &&
	    ip6_equal(&before.seen_ip6, &after->seen_ip6))
		return false;
	machine_readdress(&s->table, m);
	machine_mark_dirty(&s->table, m);
	state_tell_addresses(s);
	return true;
}

static void forget_address(struct state *s, struct machine *m, const struct in6_addr *address)
{
	machine_lock(&s->table, m);
	struct machine_addresses a = m->address;
	struct in6_addr leased = ip4_mapped(a.leased_ip), seen = ip4_mapped(a.seen_ip);

	if (ip6_equal(&leased, address))
		a.leased_ip.s_addr = 0;
	if (ip6_equal(&seen, address))
		a.seen_ip.s_addr = 0;
	if (ip6_equal(&a.leased_ip6, address))
		a.leased_ip6 = in6addr_any;
	if (ip6_equal(&a.seen_ip6, address))
		a.seen_ip6 = in6addr_any;
	set_addresses(s, m, &a);
	machine_unlock(&s->table, m);
}

void state_taken(struct state *s, const struct mac *by, const struct lease *l)
{
	struct in6_addr address = l->six ? l->ip6 : ip4_mapped(l->ip);
	struct machine *found[AT_ONCE];
	size_t n;

	do {
		n = machine_table_at(&s->table, &address, mac_number(by), found, AT_ONCE);
		for (size_t i = 0; i < n; i++)
			forget_address(s, found[i], &address);
	} while (n == AT_ONCE);
}

void state_leased(struct state *s, const struct vm *vm, const struct lease *l)
{
	struct machine *m = machine_table_lock(&s->table, &vm->mac, vm->name);
	int64_t now = wall_ms();

	if (!m)
		return;
	struct lease_effect f = lease_effect(vm, &m->address, l);
	bool other = set_addresses(s, m, &f.after);
	if (f.released)
		lease_event(s, m, EVENT_LEASE, "released", now);
	if (f.given) {
		given_event(s, m, l, other, now);
		if (machine_life(m).state == MACHINE_BOOTING)
			m->moved_at_ms =
			    now; /* firmware, iPXE or the initrd's system has come up */
		machine_touch(&s->table, m, now);
	}
	machine_unlock(&s->table, m);
	if (f.taken)
		state_taken(s, &vm->mac, l);
}

/* What it has by DHCP is the lease's to tell: only another address is remembered. */
void state_seen_from(struct state *s, const struct mac *mac, const char *name, const char *source)
{
	struct in_addr ip = {0};
	struct in6_addr ip6 = in6addr_any;

	if (inet_pton(AF_INET, source, &ip) != 1 && inet_pton(AF_INET6, source, &ip6) != 1)
		return;
	struct machine *m = machine_table_lock(&s->table, mac, name);
	if (!m)
		return;
	struct machine_addresses a = m->address;
	if (ip.s_addr)
		a.seen_ip.s_addr = ip.s_addr == a.leased_ip.s_addr ? 0 : ip.s_addr;
	else
		a.seen_ip6 = ip6_equal(&ip6, &a.leased_ip6) ? in6addr_any : ip6;
	set_addresses(s, m, &a);
	machine_unlock(&s->table, m);
}

static void forget_card(struct state *s, struct machine *m, uint64_t nic, const char *owner)
{
	struct mac card = mac_from_number(nic);
	char text[MACHINE_STAGE_SIZE], mac[MAC_TEXT_SIZE];

	machine_lock(&s->table, m);
	if (atomic_load(&m->nic) == nic) {
		struct machine_addresses none = {.booted_ms = m->address.booted_ms};

		/* Whom it was seen as is not it: it is to be learned anew. */
		atomic_store(&m->last_seen_ms, 0);
		machine_set_nic(&s->table, m, 0);
		set_addresses(s, m, &none);
		state_tell_addresses(s);
		snprintf(
		    text, sizeof(text), "%s is declared for %s", mac_format(&card, mac), owner);
		state_record(s, m, EVENT_CARD, text, wall_ms());
		log_info("forgets the card that another is declared with vm=%s mac=%s of=%s",
		    m->name, mac, owner);
	}
	machine_unlock(&s->table, m);
}

void state_forget_cards(
    struct state *s, const char *(*owner)(void *ctx, const struct mac *card), void *ctx)
{
	for (struct machine *m = atomic_load(&s->table.nics); m; m = m->next_nic) {
		uint64_t nic = atomic_load(&m->nic);
		struct mac card = mac_from_number(nic);
		const char *name = nic ? owner(ctx, &card) : NULL;

		if (name)
			forget_card(s, m, nic, name);
	}
}

void state_on_addresses(struct state *s, void (*changed)(void *ctx), void *ctx)
{
	s->addresses_changed = changed;
	s->addresses_ctx = ctx;
}

void state_tell_addresses(struct state *s)
{
	if (s->addresses_changed)
		s->addresses_changed(s->addresses_ctx);
}

bool state_addresses(struct state *s, const struct mac *mac, struct machine_addresses *out)
{
	struct machine *m = machine_table_find(&s->table, mac_number(mac));

	memset(out, 0, sizeof(*out));
	if (!m)
		return false;
	machine_lock(&s->table, m);
	*out = m->address;
	out->nic = mac_from_number(atomic_load(&m->nic));
	out->netboot_off = machine_life(m).netboot_off;
	machine_unlock(&s->table, m);
	return true;
}

bool state_is_anothers(struct state *s, const struct mac *mac, const struct in6_addr *address,
    bool (*counts)(void *ctx, const struct mac *mac), void *ctx)
{
	return machine_table_any_at(&s->table, address, mac_number(mac), counts, ctx);
}

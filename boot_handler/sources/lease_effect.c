#include "boot_handler/sources/lease_effect.h"

static bool is_known(const struct machine_addresses *known, const struct lease *lease)
{
	return lease->six ? ip6_equal(&known->leased_ip6, &lease->ip6)
			  : known->leased_ip.s_addr == lease->ip.s_addr;
}

/* A machine may have several IPv6 leases, of firmware and of the system before: while it has the
 * declared one, the others are not where it is. */
static bool is_minor(
    const struct vm *vm, const struct machine_addresses *known, const struct lease *lease)
{
	return lease->six && vm->has_ip6 && !ip6_equal(&lease->ip6, &vm->ip6) &&
	       ip6_equal(&known->leased_ip6, &vm->ip6);
}

static void put(struct machine_addresses *a, const struct lease *lease)
{
	if (lease->six) {
		a->leased_ip6 = lease->gone ? in6addr_any : lease->ip6;
		a->ends6 = lease->gone ? 0 : lease->ends;
	} else {
		a->leased_ip.s_addr = lease->gone ? 0 : lease->ip.s_addr;
		a->ends = lease->gone ? 0 : lease->ends;
	}
	if (lease->gone)
		return;
	/* What it has by DHCP is the lease's to tell. */
	if (lease->six && ip6_equal(&a->seen_ip6, &lease->ip6))
		a->seen_ip6 = in6addr_any;
	if (!lease->six && a->seen_ip.s_addr == lease->ip.s_addr)
		a->seen_ip.s_addr = 0;
}

struct lease_effect lease_effect(
    const struct vm *vm, const struct machine_addresses *known, const struct lease *lease)
{
	struct lease_effect f = {.after = *known};
	bool had = is_known(known, lease);
	int64_t ended = lease->six ? known->ends6 : known->ends;
	/* When it was to end is not known after a restart of this program. */
	bool renewed = had && ended && lease->ends && lease->ends != ended;

	if (lease->gone) {
		f.released = had;
		if (had)
			put(&f.after, lease);
		return f;
	}
	/* It has several, of its cards or of the system before: the one that it renewed last
	 * counts. */
	if (!had && !lease->added && ended && lease->ends && lease->ends <= ended)
		return f;
	f.taken = !had || lease->added;
	if (is_minor(vm, known, lease))
		return f;
	f.given = !had || lease->added || renewed;
	put(&f.after, lease);
	return f;
}

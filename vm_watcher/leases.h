/* leases.h - who has which address: dnsmasq's lease file, and what boot_handler tells of machines.
 *
 * Pure. A declared address is its machine's: whatever lease stands in the way of that is named
 * here.
 */
#ifndef VM_WATCHER_LEASES_H
#define VM_WATCHER_LEASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/boot/eeprom.h"
#include "lib/store/store.h"

struct lease_line {
	struct in_addr ip; /* 0: an IPv6 lease */
	struct in6_addr ip6;
	struct mac mac; /* IPv4: the client's; IPv6: of its DUID, where that is made of one */
	bool has_mac;
	char name[64]; /* the declared machine's, without domain; "" for a stranger's */
	int64_t ends;  /* in seconds since the epoch; 0: never */
};

/* What boot_handler tells of one machine. */
struct machine_line {
	char name[64];
	struct in_addr ip; /* an address that it has without a lease; 0: none */
	struct in6_addr ip6;
	int64_t booted_ms; /* when it last asked what to boot; 0: not known */
	struct mac nic;    /* the card it asked with, when that is not the definition's */
	bool has_nic;
	bool netboot_off; /* the operator said: no network boot */
	struct eeprom_wish eeprom;
};

struct leases {
	struct lease_line *lines; /* IPv4 by MAC address, then IPv6 by name */
	size_t count, count4;
	struct machine_line *machines;    /* ordered by name */
	const struct machine_line **nics; /* those of them that have one, ordered by it */
	size_t machine_count, nic_count;
};

/* dnsmasq's lease file (dnsmasq(8), --dhcp-leasefile). Lines of no interest are left out. Replaces
 * what there was; -ENOMEM. */
must_check int leases_read(struct leases *l, const char *text);
/* boot_handler's file, a line "name ip|- ip6|- booted_ms nic|- off|- eeprom|-" each. Likewise. */
must_check int leases_read_machines(struct leases *l, const char *text);
void leases_clear(struct leases *l);

/* The addresses that a machine has: where it was seen, else by lease, else as declared; zero when
 * there is none. */
void leases_address(
    const struct leases *l, const struct vm *vm, struct in_addr *ip, struct in6_addr *ip6);

/* The card that the machine asked with, when that is not the definition's; NULL: none. */
const struct mac *leases_nic(const struct leases *l, const struct vm *vm);

/* Its network boot was ordered off. */
bool leases_netboot_off(const struct leases *l, const struct vm *vm);

/* What its EEPROM is to become. */
struct eeprom_wish leases_eeprom(const struct leases *l, const struct vm *vm);

/* The machine that a lease is of, as far as the file tells; NULL: a stranger's. */
const struct vm *leases_holder(
    const struct leases *l, const struct vm_snapshot *snap, const struct lease_line *lease);

/* Calls `drop` for each lease that keeps a machine from its declared address: one that is held by
 * another machine, or, IPv6, by a system that was on this one before its last network boot
 * (`before` is what the machines were the last time; NULL, or empty, for none). The `first` time
 * nobody knows what was before: then it is the lease that tells how old it is. `vm` is whom it
 * belongs to. */
void leases_conflicts(const struct leases *l, const struct leases *before, bool first,
    const struct vm_snapshot *snap,
    void (*drop)(void *ctx, const struct lease_line *lease, const struct vm *vm), void *ctx);

/* What may tell that dnsmasq withholds a declared address for what a DECLINE said; of those by IPv4
 * it has a count, too. All are to be compared with what they were before. */
struct leases_signs {
	uint64_t astray,
	    astray6;  /* of the machines that have another lease than the declared one; 0: none */
	size_t held6; /* declared IPv6 addresses with a lease */
};
void leases_signs(const struct leases *l, const struct vm_snapshot *snap, struct leases_signs *out);

#endif

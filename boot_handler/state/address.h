/* address.h - which addresses a machine has, what to say where that is not what its definition
 * declares, and the file by which vm_watcher's DNS follows. */
#ifndef BOOT_HANDLER_STATE_ADDRESS_H
#define BOOT_HANDLER_STATE_ADDRESS_H

#include <stdio.h>

#include "lib/machine/machine.h"
#include "boot_handler/state/state.h"
#include "lib/boot/eeprom.h"
#include "lib/store/store.h"

/* Pure. The MAC address that it is known by: the definition's, or the one learned where that has
 * none; false as long as it was not heard of. */
bool address_mac(const struct vm *vm, const struct machine_row *row, struct mac *out);

/* Pure. The one it was seen to have, else the leased one, else the declared one; zero: none. */
struct in_addr address_ip(const struct vm *vm, const struct machine_addresses *a);
struct in6_addr address_ip6(const struct vm *vm, const struct machine_addresses *a);

/* Pure. Writes a sentence for "ip" (six: for "ipv6") into buf; false when it has the declared one,
 * or nothing is known or declared. */
#define ADDRESS_TEXT_SIZE 300
bool address_problem(const struct vm *vm, const struct machine_addresses *a, bool six, char *buf);

/* Pure. The line of one machine, "name ip|- ip6|- booted_ms nic|- off|- eeprom|-": the addresses
 * that dnsmasq cannot know, when it last asked what to boot (IPv6: a lease of the system before is
 * in its way), the card that it asked with when that is not the definition's, whether its network
 * boot is off, and what its EEPROM is to become. Nothing when there is nothing to tell. */
void address_line(FILE *f, const struct vm *vm, const struct machine_addresses *a,
    const struct eeprom_wish *eeprom);

/* What the EEPROM of that machine is to become; called in the file's thread. */
typedef void address_eeprom(void *ctx, const struct vm *vm, struct eeprom_wish *out);

struct address_options {
	const char *path; /* of the file */
	struct state *state;
	struct vm_store *store;
	address_eeprom *eeprom;
	void *ctx; /* of eeprom */
};

/* Keeps the file up to date, in a thread of its own, at most every half second. */
struct address_file;
must_check int address_file_start(
    const struct address_options *options, struct address_file **out, struct err *e);
void address_file_stop(struct address_file *a); /* NULL is allowed */
/* Something may have changed. Safe in every thread; cheap. */
void address_file_changed(void *a);

#endif

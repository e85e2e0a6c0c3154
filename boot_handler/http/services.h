/* services.h - what a handler of requests may reach: set up by main.c before the first request,
 * then only read. The parts protect themselves; see their headers. */
#ifndef BOOT_HANDLER_HTTP_SERVICES_H
#define BOOT_HANDLER_HTTP_SERVICES_H

#include <stdatomic.h>

#include "boot_handler/state/address.h"
#include "boot_handler/state/declare.h"
#include "lib/boot/boot.h"
#include "boot_handler/sources/backup.h"
#include "boot_handler/sources/image.h"
#include "boot_handler/sources/image_list.h"
#include "boot_handler/sources/keys.h"
#include "boot_handler/sources/lease_memory.h"
#include "boot_handler/state/outlook.h"
#include "boot_handler/state/state.h"
#include "lib/store/store.h"

struct server;
struct streams;
struct metrics;
struct sessions;
struct consoles;
struct sender;

/* One for what they ask, and one for what they tell and wait for. */
#define SERVICES_GUEST_LISTENERS 2

struct services {
	struct vm_store *store;
	struct images *images;
	struct backups *backups;        /* NULL: no disk becomes an image */
	struct image_list *boot_images; /* of them; NULL: menus have none */
	const char *images_dir;         /* theirs */
	const char *vms_dir;            /* the store's */
	struct state *state;
	struct keys *keys;
	struct lease_memory undeclared;
	struct address_file *addresses; /* NULL: none */
	struct boot_urls urls;
	const struct boot_stranger *strangers;                     /* what they get; NULL: wait */
	_Atomic(struct server *) guests[SERVICES_GUEST_LISTENERS]; /* NULL: there is none */
	struct streams *streams;                                   /* who follows what happens */
	struct metrics *metrics;
	struct sender *sender; /* of webhooks; NULL: nobody sends */
	struct declarer declarer;
	atomic_bool declares;    /* some profile may: the store's thread is to know who asks */
	atomic_bool declare_due; /* it was told, and has not looked yet */
	const char *domain;
	struct outlook_limits limits;
	struct sessions *sessions; /* of browsers; NULL: there are none */
	struct consoles *consoles; /* NULL: no machine's is here */
	const char *xterm_dir;     /* xterm.js' files; NULL: none */
	const char *certificate;   /* fingerprint of the operator's over TCP; NULL: none */
	const char *notices;       /* see options.h */
	char dns[INET_ADDRSTRLEN]; /* this server's address in the lab; "" without --lab */
	bool
	    any_source; /* machines' addresses are not to be known here: whoever asks is answered */
	atomic_bool store_unreadable; /* the last look at vms/ failed */
};

/* As strangers_seen(), and the store's thread is woken where a profile may declare it. */
bool services_stranger_seen(struct services *services, const struct stranger_sight *sight);

/* Whether some definition has what the stranger shows. */
bool services_declares(const struct services *services, const struct vm_snapshot *snapshot,
    const struct stranger *stranger);
/* Another card (NULL: it told none) may ask for the machine by what it tells of itself when the
 * machine's is gone. */
bool services_may_be_its_card(
    struct services *services, const struct vm *vm, const struct mac *card);
/* It asks with this card; what dnsmasq told of the card so far is the machine's. */
void services_learn_card(struct services *services, const struct vm *vm, const struct mac *card);
/* False: it is a stranger's. */
bool services_take_lease(struct services *services, const struct lease *lease);
/* Those of strangers that have a definition by now are taken. */
void services_replay_leases(struct services *services);
/* Forgets of whom learned cards are that a definition has by now. */
void services_forget_cards(struct services *services);
/* Forgets the strangers that have a definition by now. */
void services_forget_declared(struct services *services);

/* The definition with this MAC address, or of the machine that last asked with this card; NULL. */
const struct vm *services_vm_by_mac(
    const struct services *services, const struct vm_snapshot *snapshot, const struct mac *mac);

/* The definition with this address (IPv4 as ip4_mapped()), or else of the machine that has it by
 * what is known of it; NULL. */
const struct vm *services_vm_at(const struct services *services, const struct vm_snapshot *snapshot,
    const struct in6_addr *address);

#endif

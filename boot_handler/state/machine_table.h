/* machine_table.h - inside of state.h: all machines by their MAC address, found without a lock.
 *
 * A machine, once there, stays for ever. Its first part is atomic and read by requests; the rest is
 * under its lock. What changed is chained for the writer.
 */
#ifndef BOOT_HANDLER_STATE_MACHINE_TABLE_H
#define BOOT_HANDLER_STATE_MACHINE_TABLE_H

#include <pthread.h>
#include <stdatomic.h>

#include "boot_handler/state/curve.h"
#include "boot_handler/state/state_line.h"
#include "lib/machine/event.h"
#include "lib/machine/lifecycle.h"
#include "lib/machine/machine.h"
#include "lib/base/pace.h"
#include "lib/image/image_name.h"

#define MACHINE_BUCKETS (1u << 17) /* 1 MiB of pointers: chains stay short at 100,000 machines */
#define MACHINE_STRIPES 64
#define MACHINE_AT_BUCKETS (1u << 16)
#define MACHINE_ADDRESSES 4

/* One address by which a machine is known. */
struct machine_at {
	struct machine_at *next;
	struct machine *machine;
	struct in6_addr address; /* IPv4 as ip4_mapped(); ::, and then in no list: none */
};

/* `hot` is written under the lock and read without. */
struct machine {
	struct machine *next;       /* of the bucket; fixed */
	struct machine *next_dirty; /* owned by whoever set `dirty` */
	uint64_t mac;
	_Atomic uint64_t hot;
	_Atomic int64_t last_seen_ms;
	atomic_uint asks;            /* for an install, in this attempt */
	_Atomic(const char *) asked; /* what was answered last: boot_choice_name(); NULL: nothing */
	_Atomic int64_t asked_ms;    /* when the last ipxe event was */
	atomic_bool dirty;
	_Atomic uint64_t
	    nic; /* MAC of the card it asked with; 0: the definition's. Written locked */
	struct machine *next_nic; /* of the table's list; fixed once it is in it */
	atomic_bool in_nics;
	atomic_bool calls; /* it tells at each boot what cloud-init made of it */

	char name[MACHINE_NAME_SIZE]; /* this and the rest: under the lock */
	enum machine_phase phase;
	enum machine_phase error_phase;
	struct machine_addresses address;
	uint64_t bytes;
	uint64_t total_bytes;
	uint64_t rate_bytes_per_s;
	int64_t eta_s;
	uint64_t disk_bytes;
	int64_t phase_ms, began_ms; /* as in its row */
	int64_t changed_at_ms;
	int64_t moved_at_ms;
	int64_t leased_at_ms;
	struct pace lease_pace;        /* of lease events */
	struct pace pace[EVENT_PACES]; /* of its events, by what their kind's row says */
	int64_t refused_at_ms;
	int64_t chose_at_ms;
	int64_t agent_at_ms;
	int64_t logged_at_ms[STATE_LINES];
	char chosen_image[IMAGE_NAME_SIZE]; /* at its menu; "": none */
	struct curve *curve; /* while its image is written, in that phase; NULL: it is not */
	enum machine_phase curve_phase;
	char *error_reason;
	char *error_hint;
	char *host_key[MACHINE_KEYS_MAX];
	char *cloud_init;
	char stage[MACHINE_STAGE_SIZE];
	unsigned stage_events;                   /* recorded since it began to boot */
	struct machine_at at[MACHINE_ADDRESSES]; /* under the table's at_lock */
};

struct machine_table {
	_Atomic(struct machine *) bucket[MACHINE_BUCKETS];
	pthread_mutex_t stripe[MACHINE_STRIPES];
	_Atomic(struct machine *) dirty; /* a stack: pushed by all, taken whole by the writer */
	_Atomic(struct machine *) nics; /* those that ever asked with another card; never shrinks */
	pthread_mutex_t at_lock;        /* taken with a machine's lock held, never the other way */
	struct machine_at *at[MACHINE_AT_BUCKETS]; /* see machine_address.h */
};

/* The table is zeroed memory before. */
void machine_table_init(struct machine_table *t);
void machine_table_clear(struct machine_table *t);

/* NULL: never heard of. */
struct machine *machine_table_find(struct machine_table *t, uint64_t mac);
/* Finds or makes it, locks it and notes its name. NULL only when memory is short. */
struct machine *machine_table_lock(
    struct machine_table *t, const struct mac *mac, const char *name);
void machine_lock(struct machine_table *t, const struct machine *m);
void machine_unlock(struct machine_table *t, const struct machine *m);

/* Notes the card that the locked machine asked with; 0: that of its definition. */
void machine_set_nic(struct machine_table *t, struct machine *m, uint64_t nic);
/* The machine that last asked with that card, which is not its definition's; NULL: none. */
struct machine *machine_table_find_nic(struct machine_table *t, uint64_t nic);

struct life machine_life(const struct machine *m);
void machine_set_life(struct machine *m, struct life memory); /* locked */

/* It has been heard from; a change to be written when that is news. */
void machine_touch(struct machine_table *t, struct machine *m, int64_t now);
void machine_mark_dirty(struct machine_table *t, struct machine *m);
/* All changed ones, chained by next_dirty. */
struct machine *machine_table_take_dirty(struct machine_table *t);

#endif

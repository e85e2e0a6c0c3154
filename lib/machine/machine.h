/* machine.h - what is remembered about one machine, and the words for it. No behaviour. */
#ifndef LIB_MACHINE_MACHINE_H
#define LIB_MACHINE_MACHINE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/net/addr.h"
#include "lib/base/err.h"

enum machine_state {
	MACHINE_DECLARED,
	MACHINE_BOOTING,
	MACHINE_INSTALLING,
	MACHINE_INSTALLED,
	MACHINE_READY,
	MACHINE_FAILED,
};

/* The installer's phases, in their order. */
enum machine_phase {
	PHASE_NONE,
	PHASE_NETWORK,
	PHASE_CONFIG,
	PHASE_PLAN,
	PHASE_PARTITION,
	PHASE_FORMAT,
	PHASE_ROOTFS,
	PHASE_CONFIGURE,
	PHASE_HOOKS, /* only with hooks in the definition */
	PHASE_BOOTLOADER,
	PHASE_REPORT,
	PHASE_REBOOT,
};

#define MACHINE_NAME_SIZE 64
#define MACHINE_ATTEMPT_MAX (1 << 24) /* what a machine may say of itself */
#define MACHINE_TEXT_SIZE 1024        /* as long as the installer's; reason and hint of a failure */
#define MACHINE_KEY_SIZE 1536         /* one SSH public key: an 8192-bit RSA key fits */
#define MACHINE_KEYS_MAX 3
#define MACHINE_CLOUD_INIT_SIZE 8192 /* see firstboot.h */
#define MACHINE_STAGE_SIZE 64

/* A copy of everything known about a machine; times in milliseconds since the epoch, 0: never. */
struct machine_row {
	struct mac mac;
	char name[MACHINE_NAME_SIZE]; /* the definition's name when it was last seen */
	enum machine_state state;
	bool local;       /* the operator said: boot from disk */
	bool reinstall;   /* the operator said: install at the next PXE boot */
	bool ordered;     /* the install that is going on was ordered so */
	bool netboot_off; /* the operator said: no network boot */
	unsigned attempt;
	enum machine_phase phase;
	uint64_t bytes;
	uint64_t total_bytes;
	uint64_t rate_bytes_per_s;
	int64_t eta_s; /* -1: not known */
	uint64_t
	    disk_bytes; /* of the disk it was installed on, as the installer saw it; 0: not told */
	int64_t changed_at_ms;
	int64_t last_seen_ms;
	struct mac nic; /* the card it asked with, when that is not the definition's; zero: none */
	struct in_addr leased_ip;   /* by the lab's DHCP; 0: none */
	struct in6_addr leased_ip6; /* ::, as below: none */
	struct in_addr seen_ip;     /* where it called from when that was no lease; 0: none */
	struct in6_addr seen_ip6;
	int64_t began_ms; /* the attempt, or its first boot; 0: that has ended, or was not seen */
	int64_t phase_ms; /* when the phase began; 0: it has ended, or that is not known */
	enum machine_phase error_phase;
	/* Not in the state file: */
	int64_t moved_at_ms; /* when it got on last, or when the state file was read */
	unsigned asks;       /* of iPXE in this attempt, before the installer's first report */
	const char *asked;   /* what it was told to boot last: boot_choice_name(); NULL: nothing */
	int64_t asked_at_ms; /* when that was news */
	int64_t agent_at_ms; /* when its agent last said that it is there */
	char error_reason[MACHINE_TEXT_SIZE]; /* empty: no error */
	char error_hint[MACHINE_TEXT_SIZE];
	char host_key[MACHINE_KEYS_MAX][MACHINE_KEY_SIZE];
	char cloud_init[MACHINE_CLOUD_INIT_SIZE]; /* JSON; empty: it has not told */
	char stage[MACHINE_STAGE_SIZE];           /* where cloud-init is; not kept in the file */
};

/* The addresses that a machine is known by; zero where there is none. */
struct machine_addresses {
	struct mac nic; /* the card it asked with, when that is not the definition's; zero: none */
	struct in_addr leased_ip, seen_ip;
	struct in6_addr leased_ip6, seen_ip6;
	int64_t ends, ends6; /* when the leases end, in seconds since the epoch; 0: not known */
	int64_t booted_ms;   /* when it last asked what to boot; 0: not since this program runs */
	bool netboot_off;
};

const char *machine_state_name(enum machine_state state);
const char *machine_phase_name(enum machine_phase phase); /* NULL for PHASE_NONE */
/* Whether a word, which may be NULL, is that state's. */
bool machine_state_is(const char *word, enum machine_state state);
/* Return 0, or -EINVAL for an unknown word. */
must_check int machine_state_parse(const char *text, enum machine_state *out);
must_check int machine_phase_parse(const char *text, enum machine_phase *out);

/* A MAC as a number: its six octets, first one most significant. */
uint64_t mac_number(const struct mac *mac);
struct mac mac_from_number(uint64_t number);

#endif

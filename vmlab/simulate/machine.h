/* machine.h - one simulated machine: it is switched on, goes through its steps (step.h), may have
 * faults, and comes to an end. One thread; it stays where it is in memory.
 */
#ifndef VMLAB_SIMULATE_MACHINE_H
#define VMLAB_SIMULATE_MACHINE_H

#include <nettle/sha2.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/image/manifest.h"
#include "lib/net/addr.h"
#include "vmlab/simulate/dhcp_frame.h"
#include "vmlab/simulate/ipxe_answer.h"
#include "vmlab/simulate/loop.h"
#include "vmlab/simulate/profile.h"
#include "vmlab/simulate/tally.h"
#include "vmlab/simulate/tftp.h"
#include "vmlab/simulate/transfer.h"
#include "vmlab/simulate/wire.h"

/* How it went, with the word for it in results. */
/* clang-format off */
#define MACHINE_ENDINGS(row) \
	row(GOING, "going") \
	row(READY, "ready") \
	row(FAILED, "failed") \
	row(SILENT, "silent") /* as its fault is */ \
	row(WAITS, "waiting") /* no definition has it, and it was told so */ \
	row(ELSEWHERE, "elsewhere") /* it was sent to what is not simulated: a menu, an agent, … */
/* clang-format on */

#define MACHINE_ENDING_ENUM(name, word) MACHINE_##name,
enum machine_ending { MACHINE_ENDINGS(MACHINE_ENDING_ENUM) MACHINE_ENDING_COUNT };
extern const char *const machine_ending_words[MACHINE_ENDING_COUNT];

struct machine;

/* What all machines of one simulation have in common. */
struct simulation {
	struct loop loop;
	struct wire wire;
	struct tally tally;
	struct simulate_profile profile;
	bool declared; /* definitions are there for all but those with a wrong MAC */
	struct machine *machines;
	unsigned count;
	unsigned ended[MACHINE_ENDING_COUNT]; /* how many are at which ending */
	uint64_t received;                    /* bytes of bodies */
	int64_t first_on_us, last_ready_us;
};

/* Of DHCP, one exchange at a time. */
struct machine_lease {
	struct dhcp_message sent, offer;
	enum dhcp_speaker speaker;
	struct loop_timer timer; /* until it is sent again */
	unsigned tries;
	bool asks;
	struct in_addr ip, server; /* ours, and where its loader is */
	char file[128];
};

/* Of the installation, from its configuration. */
struct machine_install {
	json_t *config; /* what the rest is borrowed from; NULL: none yet */
	const char *rootfs_url, *report_url, *cloud_init_url;
	struct image_contents rootfs;
	struct sha256_ctx slice;
	uint64_t good_bytes, slice_bytes; /* verified, and of the slice at hand */
	struct loop_timer progress;
	bool installed;
};

/* Of the installed system. */
struct machine_system {
	char report_url[300];
	unsigned event; /* the next one of cloud-init's */
};

struct machine {
	struct simulation *sim;
	unsigned number;                    /* from 1 */
	unsigned faults;                    /* bits 1 << simulate_fault */
	unsigned silence_step, reboot_step; /* where these strike */
	struct mac mac;
	uint8_t uuid[16];
	uint64_t random;
	enum machine_ending ending;
	bool on;

	/* The step at hand. */
	unsigned step, next_step, turn;
	bool asked_twice;
	int64_t begun_us, deadline_us;
	/* What the server is measured by: when it was asked first, and when its answer came to the
	 * kernel. 0: as begun, and now. */
	int64_t asked_us, answered_us;
	int64_t waits_until_us; /* as it is told to; 0: it is not */
	struct loop_timer timer, cut;

	struct machine_lease lease;
	struct machine_install install;
	struct machine_system system;
	struct ipxe_answer answer;
	struct tftp tftp;
	struct transfers transfers;
	struct transfer transfer, side;
	char url[700], body[700], side_url[300], side_body[300];
};

/* Switched on after `after_s` seconds. The rest was zeroed. */
void machine_init(struct machine *m, struct simulation *sim, unsigned number, double after_s);
void machine_clear(struct machine *m);

/* An answer of a DHCP server; for whom it is, is found here. `sim` is a simulation. */
void machines_heard(void *sim, const struct dhcp_message *answer, int64_t at_us);

/* The MAC address of a machine, and one that no definition has. */
struct mac machine_mac(unsigned number, bool wrong);

/* ---- for steps ----------------------------------------------------------------------------- */

/* The step at hand has ended: well, or with what became of it. */
void machine_step_ended(struct machine *m, const char *problem);
/* The same machine after `seconds` of waiting that is not the server's. */
void machine_wait(struct machine *m, double seconds);
void machine_end(struct machine *m, enum machine_ending ending);
/* Power off, and on again after a reboot's time. */
void machine_reboot(struct machine *m);

#endif

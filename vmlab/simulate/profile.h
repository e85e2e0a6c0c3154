/* profile.h - what a simulation is to be like: how the machines are switched on, how long what is
 * not the server's takes, and which machines have which fault. Read from a JSON file; without one
 * everything has a default. Pure.
 */
#ifndef VMLAB_SIMULATE_PROFILE_H
#define VMLAB_SIMULATE_PROFILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/json/read.h"

#define SIMULATE_MACHINES_MAX 10000

/* What can be wrong with a machine. */
/* clang-format off */
#define SIMULATE_FAULTS(row) \
	row(SILENCE, "silence", "says nothing any more from some step of its installation on") \
	row(SLOW, "slow", "receives no more than slow_rate bytes a second") \
	row(REPEAT, "repeat", "asks everything twice") \
	row(REBOOT, "reboot", "loses power once in the middle of its installation, and starts over") \
	row(WRONG_MAC, "wrong_mac", "has a MAC address that no definition has")
/* clang-format on */

#define SIMULATE_FAULT_ENUM(name, word, text) SIMULATE_##name,
enum simulate_fault { SIMULATE_FAULTS(SIMULATE_FAULT_ENUM) SIMULATE_FAULT_COUNT };

extern const char *const simulate_fault_words[SIMULATE_FAULT_COUNT];

/* Which machines: each with that chance, or those of the list (of json_t, borrowed; NULL: none). */
struct simulate_share {
	double chance;
	const json_t *list;
};

struct simulate_profile {
	int64_t seed;
	double over_s;       /* the machines are switched on within this time */
	double speed;        /* waiting that is not the server's goes so many times faster */
	double patience_s;   /* for one step, with all that is asked again; of real time */
	double firmware_s;   /* from power on to the first DISCOVER */
	double kernel_s;     /* from a kernel's start to its first DISCOVER */
	double disk_s;       /* formatting, and what follows the last byte of the image */
	double reboot_s;     /* from the end of the installation to power on */
	double first_boot_s; /* cloud-init's stages together */
	uint64_t rootfs_bytes, kernel_bytes, modules_bytes; /* of the image that is made for it */
	uint64_t slow_rate;                                 /* bytes a second */
	uint64_t disk_rate; /* likewise, at which a disk takes its image; 0: as it comes */
	struct simulate_share fault[SIMULATE_FAULT_COUNT];
	json_t *doc; /* what the lists are borrowed from */
};

/* `doc`: an object, or NULL for nothing but defaults; a reference is taken. Returns 0 or -EINVAL,
 * when all that is wrong was refused. Clear in any case. */
must_check int simulate_profile_read(
    struct json_reader *r, json_t *doc, unsigned machines, struct simulate_profile *out);
void simulate_profile_clear(struct simulate_profile *p);

/* The faults of machine `number`, from 1: a bit 1 << fault each. The same for the same seed. */
unsigned simulate_faults_of(const struct simulate_profile *p, unsigned number);

/* Numbers that seem random: the next of *state, and one of [0, 1). */
uint64_t simulate_random(uint64_t *state);
double simulate_random_share(uint64_t *state);

#endif

/* step.h - what a machine does from power on to ready, one step after the other: a table. */
#ifndef VMLAB_SIMULATE_STEP_H
#define VMLAB_SIMULATE_STEP_H

#include "lib/base/err.h"
#include "vmlab/simulate/machine.h"

/* Steps that are measured, with their names in results. */
/* clang-format off */
#define STEP_ROWS(row) \
	row(OFFER, "DHCP offer") \
	row(ACK, "DHCP ack") \
	row(LOADER_SIZE, "TFTP: loader's size") \
	row(LOADER, "TFTP: loader") \
	row(AUTOEXEC, "TFTP: autoexec.ipxe") \
	row(IPXE, "/ipxe") \
	row(FILES, "kernel, initrds") \
	row(CONFIG, "/config") \
	row(SEED, "/cloud-init") \
	row(REPORT, "/report") \
	row(PROGRESS, "/report: bytes") \
	row(ROOTFS, "rootfs") \
	row(INSTALLED, "/report: installed") \
	row(EVENT, "/report: cloud-init") \
	row(READY, "/report: ready")
/* clang-format on */

#define STEP_ROW_ENUM(name, text) STEP_ROW_##name,
enum step_row { STEP_ROW_NONE, STEP_ROWS(STEP_ROW_ENUM) STEP_ROW_COUNT };
extern const char *const step_row_names[STEP_ROW_COUNT];

struct step_told;

struct step {
	enum step_row row;
	/* Begins it; machine_step_ended() is called later. */
	int (*begin)(struct machine *m, struct err *e);
	/* Judges what came; may set m->next_step. NULL: what came is good. */
	int (*judge)(struct machine *m, struct err *e);
	enum dhcp_speaker speaker;
	double (*seconds)(const struct simulate_profile *p); /* of a wait */
	const struct step_told *told;
};

extern const struct step steps[];
extern const unsigned step_count;

/* Faults strike from the first up to the last of these. */
extern const unsigned step_first, step_last_of_install;

/* A machine's DHCP server has answered, at a time of stamp.h. */
void step_heard(struct machine *m, const struct dhcp_message *answer, int64_t at_us);
/* Whatever is under way ends, without a word to anybody. */
void step_stop(struct machine *m);

#endif

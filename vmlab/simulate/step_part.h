/* step_part.h - the parts of which the table of steps is made: how each kind begins and is judged.
 */
#ifndef VMLAB_SIMULATE_STEP_PART_H
#define VMLAB_SIMULATE_STEP_PART_H

#include "vmlab/simulate/step.h"

/* Some steps are gone to by name. */
enum step_name {
	STEP_FIRMWARE,
	STEP_OFFER,
	STEP_ACK,
	STEP_LOADER_SIZE,
	STEP_LOADER,
	STEP_AUTOEXEC,
	STEP_ASK,
	STEP_FILES,
	STEP_KERNEL,
	STEP_INSTALLER_OFFER,
	STEP_INSTALLER_ACK,
	STEP_TELL_NETWORK,
	STEP_CONFIG,
	STEP_TELL_CONFIG,
	STEP_SEED,
	STEP_TELL_PLAN,
	STEP_FORMAT,
	STEP_TELL_ROOTFS,
	STEP_ROOTFS,
	STEP_TELL_CONFIGURE,
	STEP_CONFIGURE,
	STEP_INSTALLED,
	STEP_TELL_REBOOT,
	STEP_REBOOT,
	STEP_ASK_LATER,
	STEP_DISK,
	STEP_SYSTEM_OFFER,
	STEP_SYSTEM_ACK,
	STEP_MODULE,
	STEP_EVENT,
	STEP_READY,
	STEP_COUNT,
};

/* What the installer tells, in its order; a phase of NULL ends it. */
struct step_told {
	const char *phase, *status;
};

int step_wait(struct machine *m, struct err *e);
int step_kernel(struct machine *m, struct err *e);
int step_offer(struct machine *m, struct err *e);
int step_ack(struct machine *m, struct err *e);
int step_ack_judge(struct machine *m, struct err *e);
int step_loader(struct machine *m, struct err *e);
int step_ask(struct machine *m, struct err *e);
int step_ask_again(struct machine *m, struct err *e);
int step_ask_judge(struct machine *m, struct err *e);
int step_files(struct machine *m, struct err *e);
int step_files_judge(struct machine *m, struct err *e);
int step_config(struct machine *m, struct err *e);
int step_config_judge(struct machine *m, struct err *e);
int step_seed(struct machine *m, struct err *e);
int step_seed_judge(struct machine *m, struct err *e);
int step_tell(struct machine *m, struct err *e);
int step_tell_judge(struct machine *m, struct err *e);
int step_rootfs(struct machine *m, struct err *e);
int step_rootfs_judge(struct machine *m, struct err *e);
int step_installed(struct machine *m, struct err *e);
int step_reboot(struct machine *m, struct err *e);
int step_module(struct machine *m, struct err *e);
int step_event(struct machine *m, struct err *e);
int step_event_judge(struct machine *m, struct err *e);
int step_ready(struct machine *m, struct err *e);
int step_ready_judge(struct machine *m, struct err *e);

/* A GET of m->url, or a POST of m->body to it. */
struct step_request {
	bool post, closes;                                              /* of struct transfer */
	size_t text_max;                                                /* 0: a sentence */
	bool (*take)(struct transfer *t, const char *data, size_t len); /* NULL: kept */
	uint64_t from;
	uint64_t rate; /* bytes a second at most; 0: any */
};
int step_request(struct machine *m, const struct step_request *r, struct err *e);
/* For how long a connection may be still. */
long step_stall_s(const struct machine *m);
/* Refuses an answer with another status, with its first line. */
int step_want_status(struct machine *m, long wanted, struct err *e);
/* In the middle of a reboot, or of an installation that is taken up anew. */
void step_install_forget(struct machine *m);
/* Stops what is beside the step at hand. */
void step_install_stop(struct machine *m);

#endif

/* follow.h - follows machines on their way, through the API's events and states, until each has
 * arrived, failed or time is up; shows each stage as it happens.
 *
 * On a terminal: one line per thing that happened, and one status line at the bottom that is
 * redrawn. Elsewhere: plain lines, and progress in bytes every 5 s.
 */
#ifndef VMLAB_FOLLOW_FOLLOW_H
#define VMLAB_FOLLOW_FOLLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/boot/boot.h"
#include "vmlab/lab/command.h"
#include "lib/follow/stages.h"

enum follow_outcome { FOLLOW_GOING, FOLLOW_ARRIVED, FOLLOW_FAILED };

struct follow_vm {
	const char *name; /* borrowed */
	enum boot_end goal;
	int64_t begin_ms;              /* since 1970: events before are another story */
	int64_t print_from_ms;         /* events before are counted in, but not printed */
	bool has_container;            /* its container is watched */
	char container[VM_LABEL_SIZE]; /* the VM's name that it has */
	/* Owned by follow_run() from here on. */
	enum follow_outcome outcome;
	struct stages stages;
	bool flawed;                  /* it has arrived, but cloud-init tells of errors */
	bool booted_local, restarted; /* as it was told last: boot_mode_restarts() */
	bool to_agent;                /* it was told to boot the agent, last */
	const char *started;  /* where it is, when its boot has ended with itself; or NULL */
	char module[80];      /* of cloud-init: what it does, not said yet; else empty */
	int64_t module_at_ms; /* since when */
	int64_t plain_at_ms, probed_at_ms;
	int64_t moved_at_ms, explained_at_ms;
	char phase[24];  /* of the last phase event */
	char plain[160]; /* what was said of its progress last, without a terminal */
	char last_line[160];
	json_t *state;
};

/* Follows until all have an outcome. Returns STATUS_OK when all arrived well, STATUS_FAILED, or
 * STATUS_INTERRUPTED. Lines go to `out`. */
int follow_run(
    struct session *s, struct follow_vm *vms, size_t count, int64_t timeout_ms, FILE *out);
void follow_vm_clear(struct follow_vm *vm);

/* Pure: has the machine arrived, as far as its state tells? A stall of before vm->begin_ms counts
 * once its stage's limit is over since then, too: the machine was started anew. */
enum follow_outcome follow_judge(const struct follow_vm *vm, const json_t *state, int64_t now_ms);

#endif

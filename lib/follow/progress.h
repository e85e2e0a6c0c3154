/* progress.h - the API's JSON as lines a person follows. Pure: JSON in, text out. Everything that
 * came from a guest is cleaned of what could drive a terminal.
 */
#ifndef LIB_FOLLOW_PROGRESS_H
#define LIB_FOLLOW_PROGRESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A sentence of lib/machine/event.h, with the event's values in it. */
void progress_fill(FILE *f, const char *sentence, const json_t *event);

/* What an event means, without newline: "DHCP: 192.168.100.11", "installer: partition". Returns
 * false, and writes nothing, for events not worth a line: those of severity debug are so to who
 * does not ask for all. */
bool progress_event(FILE *f, const json_t *event, bool all);

/* The state of one VM in a few words: "installing: rootfs 45 %", "ready", "failed: partition",
 * "waiting: no image", "stalled: boot". */
void progress_state(FILE *f, const json_t *vm);

/* Where it was seen to stand until somebody does something, and what that is; NULL: nowhere, it
 * goes on by itself. */
const char *progress_stays(const json_t *vm);

/* As progress_state(), with bytes, rate and the time left where there are any:
 * "rootfs 45 %, 66 MiB of 148 MiB, 32 MiB/s, 3 s left". */
void progress_detail(FILE *f, const json_t *vm);

/* One VM on the status line: what the API says of it, and the stage it is in, for how long. */
struct progress_item {
	const json_t *vm;
	const char *stage;
	int64_t stage_ms;
};

/* The progress of several VMs on one terminal line of `columns`, cut at its edge:
 * "web1  rootfs 45 %, 66 MiB of 148 MiB, 32 MiB/s, 3 s left", "web1  cloud-init 12 s",
 * "web1  rootfs 45 %  |  db1  firmware 3 s". */
void progress_status_line(
    FILE *f, const struct progress_item *items, size_t count, unsigned columns);

/* "stalled: boot" in whole sentences: what it waits for, or how long it has not got on, and what to
 * do. */
void progress_outlook(FILE *f, const json_t *vm);

/* Why an install failed: phase, reason, hint and the installer's last log lines, from
 * GET /api/v1/vms/<name>. */
void progress_failure(FILE *f, const json_t *vm, size_t log_lines);

/* All the installer has told, for one VM as the API gives it: a failure's phase, reason and hint
 * above the log's lines. */
void progress_installer_log(FILE *f, const json_t *vm);

/* 0-100, or -1 when the size is not known. */
int progress_percent(const json_t *vm);

#endif

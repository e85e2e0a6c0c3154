/* stages.h - how long each part of a machine's way from power-on to ready took. Pure: fed with the
 * API's events, oldest first.
 *
 * After an install "reboot" lasts until iPXE sends the machine to its disk. One that comes without
 * iPXE was started by the installer: that is "kexec", until the new system has its address, then
 * "disk boot" until cloud-init tells of itself.
 */
#ifndef LIB_FOLLOW_STAGES_H
#define LIB_FOLLOW_STAGES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define STAGES_MAX 40
#define STAGE_NAME_SIZE 24

struct stage {
	char name[STAGE_NAME_SIZE];
	int64_t start_ms;
};

/* Times are milliseconds since 1970. */
struct stages {
	struct stage items[STAGES_MAX];
	size_t count;
	int64_t end_ms;  /* 0: still going */
	bool kexec;      /* the installer is to start the system itself: what the wait is called */
	int64_t sign_ms; /* of the first address after the install; 0: none yet */
};

/* The same from events alone, of a machine that has gone this way several times. */
struct stages_history {
	int64_t on_ms; /* when it was last switched on; -1: not known */
	bool on_seen;
	struct stages now, finished; /* the last that came to its end */
};

/* The machine was switched on. */
void stages_begin(struct stages *s, int64_t at_ms);

/* One event of GET /api/v1/events. Ignored before stages_begin() and when older than that. */
void stages_event(struct stages *s, const json_t *event);

/* One event of all that there are of the machine, oldest first. A way of which it is not known when
 * the machine was switched on begins with the address that its firmware gets. */
void stages_history_event(struct stages_history *h, const json_t *event);

/* The end was seen some other way than by an event, e.g. SSH answers. */
void stages_end(struct stages *s, int64_t at_ms);

/* The stage it is in, for how long. */
const char *stages_current(const struct stages *s, int64_t now_ms, int64_t *spent_ms);

/* Milliseconds spent in all stages of that name; -1 when there was none. */
int64_t stages_spent_ms(const struct stages *s, const char *name);
int64_t stages_total_ms(const struct stages *s);

/* One row a stage, one column a machine, and the sum. */
void stages_print_table(
    FILE *f, size_t count, const char *const names[], const struct stages *const list[]);

/* {"total_ms":N,"stages":[{"name","ms"}]}; new reference. */
json_t *stages_json(const struct stages *s);

#endif

/* timeline.h - how a machine came from power-on to ready, attempt by attempt: what each stage took,
 * when it began, and what earlier attempts took. Made of events; the stages are
 * lib/follow/stages.h's. */
#ifndef BOOT_HANDLER_PAGES_TIMELINE_H
#define BOOT_HANDLER_PAGES_TIMELINE_H

#include <jansson.h>

#include "boot_handler/pages/html.h"
#include "lib/follow/stages.h"

#define TIMELINE_ATTEMPTS 20

/* The newest ones, oldest first; the last may not have ended. */
struct timeline {
	struct stages attempt[TIMELINE_ATTEMPTS];
	size_t count;
	int64_t median_ms[STAGES_MAX]; /* of the last one's stages in those before it; -1: none */
	int64_t now_ms;
};

/* Of a machine's events, oldest first. Pure. */
void timeline_make(const json_t *events, int64_t now_ms, struct timeline *out);
/* Milliseconds spent in the stage at that place of an attempt, so far. */
int64_t timeline_spent_ms(const struct timeline *t, const struct stages *s, size_t stage);

void timeline_put(struct html *h, const struct timeline *t);

#endif

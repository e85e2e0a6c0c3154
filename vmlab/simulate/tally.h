/* tally.h - what a simulation has counted so far: how long each step took, what was asked again,
 * and which reasons machines failed for. One thread.
 */
#ifndef VMLAB_SIMULATE_TALLY_H
#define VMLAB_SIMULATE_TALLY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmlab/simulate/histogram.h"

#define TALLY_REASONS_MAX 50
#define TALLY_REASON_SIZE 200

struct tally_step {
	struct histogram took; /* from the question to the answer, as the kernel saw both */
	struct histogram own;  /* the rest: the delay of who asks */
	uint64_t again;        /* asked once more, since nothing came or what came was no good */
};

struct tally {
	const char *const *names; /* of the steps, NULL where one is not counted */
	struct tally_step *steps;
	size_t count;
	struct {
		char text[TALLY_REASON_SIZE];
		unsigned machines;
	} reason[TALLY_REASONS_MAX];
	unsigned reasons, failed;
};

/* `names` is borrowed. False without memory. */
bool tally_open(struct tally *t, const char *const *names, size_t count);
void tally_close(struct tally *t);

/* One more machine that failed; "" for what is behind the last that there is room for. */
void tally_fail(struct tally *t, const char *reason);

/* New references: a list of an object for each step that happened, and one for each reason. */
json_t *tally_steps_json(const struct tally *t);
json_t *tally_failures_json(const struct tally *t);

#endif

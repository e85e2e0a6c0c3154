/* preflight.h - what can be known of an installation from definition, image and this machine before
 * anything starts. Pure; subject.h gathers the facts.
 */
#ifndef VMLAB_JUDGE_PREFLIGHT_H
#define VMLAB_JUDGE_PREFLIGHT_H

#include "vmlab/judge/subject.h"

struct preflight_finding {
	bool fatal;        /* it cannot be installed so; else it may, but hardly as meant */
	const char *field; /* of the definition; static */
	char text[1000];   /* one sentence */
};

#define PREFLIGHT_MAX 8

struct preflight {
	size_t count;
	struct preflight_finding finding[PREFLIGHT_MAX];
};

/* Nothing is found of a machine that this lab does not install. */
void preflight_check(const struct subject *s, struct preflight *out);

/* The least memory in which the installer of such an image runs; without an image what any needs.
 */
uint64_t preflight_min_memory(const struct subject *s);

bool preflight_fatal(const struct preflight *p);

#endif

/* goal.h - what to wait for after a machine was started: what the server says that it expects of
 * it, or lib/boot where the server does not know the machine yet. Pure.
 */
#ifndef VMLAB_FOLLOW_GOAL_H
#define VMLAB_FOLLOW_GOAL_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/boot/boot.h"
#include "vmlab/engine/engine.h"

/* A machine's next network boot, and where that ends. */
struct goal_expected {
	const char *does; /* boot_choice_word() */
	enum boot_end ends;
};

/* Of the API's object, borrowed from it; false when that says nothing. */
bool goal_told(const json_t *vm, struct goal_expected *out);
/* Of a machine never heard of. */
struct goal_expected goal_defined(const struct vm *vm, bool has_needed, bool noreboot);

/* True when it will boot from its disk. */
bool goal_is_disk(const struct goal_expected *expected);

struct goal_facts {
	struct goal_expected expected;
	const char *state; /* the API's word before the start; NULL: unknown machine */
	bool has_image;    /* what it boots is here, though the server may not have seen it yet */
	bool was_running;  /* its container ran already, and the state is of this time */
};

enum goal_kind {
	GOAL_FOLLOW,   /* *end says until where */
	GOAL_NO_IMAGE, /* what it would install or boot is not there: it waits */
	GOAL_UNKNOWN,  /* boots something of its own that reports nothing */
};

enum goal_kind goal_decide(const struct goal_facts *facts, enum boot_end *end);

/* When a running container was started, in ms since 1970; `otherwise` when it does not say. */
int64_t goal_container_start_ms(const struct container *c, int64_t otherwise);

#endif

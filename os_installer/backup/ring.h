/* ring.h - hands filled buffers from one thread to another: so many are filled or being emptied at
 * once, and who is faster waits. Either side can end it; the other then sees why. */
#ifndef OS_INSTALLER_BACKUP_RING_H
#define OS_INSTALLER_BACKUP_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

struct ring;

struct ring_slot {
	uint8_t *data; /* the ring's, of its slots' size */
	/* The giver's to set. */
	size_t len;
	uint64_t number;
	uint64_t count;
};

must_check int ring_new(unsigned slots, size_t slot_bytes, struct ring **out, struct err *e);
void ring_free(struct ring *r); /* NULL is allowed; after both sides have ended */

/* The giver: waits for an empty one. -ECANCELED when the taker has ended. */
must_check int ring_take(struct ring *r, struct ring_slot **out);
/* The one taken last is filled. */
void ring_give(struct ring *r);
/* There are no more; `result` is 0, or -errno with `e`. */
void ring_end(struct ring *r, int result, const struct err *e);

/* The taker: gives back the one it had and waits for the next. 1, 0 at the end, or what
 * ring_end() was told. */
must_check int ring_next(struct ring *r, struct ring_slot **out, struct err *e);
/* It wants no more. */
void ring_stop(struct ring *r);

#endif

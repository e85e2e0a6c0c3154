/* handover.h - passes filled buffers from one process to its child through shared memory, without
 * copying: a ring of slots, a pipe for "slot filled" and one for "slot free again".
 *
 * The parent makes it, forks, and calls handover_producer(); the child calls handover_consumer().
 * A side that dies is noticed by the other.
 */
#ifndef OS_INSTALLER_UNPACK_HANDOVER_H
#define OS_INSTALLER_UNPACK_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

#define HANDOVER_SLOTS 3

struct handover;

must_check int handover_new(uint32_t slot_bytes, struct handover **out, struct err *e);
void handover_free(struct handover *h);

void handover_producer(struct handover *h);
void handover_consumer(struct handover *h);

/* Producer: waits up to timeout_ms for a free slot (or for the consumer's end), so that the caller
 * can do something meanwhile. True when handover_take() would not wait. */
bool handover_wait(struct handover *h, int timeout_ms);

/* Producer: waits for a free slot. -EPIPE when the consumer is gone. */
must_check int handover_take(struct handover *h, uint8_t **buffer, struct err *e);
/* Producer: passes on the slot taken last, with len > 0 bytes. */
must_check int handover_give(struct handover *h, uint32_t len, struct err *e);
/* Producer: there will be no more. Without this, the consumer takes the end for an accident. */
must_check int handover_finish(struct handover *h, struct err *e);

/* Consumer: gives back the slot it held and waits for the next. Returns 1, 0 at the regular end,
 * -EPIPE when the producer is gone without having finished. */
must_check int handover_next(
    struct handover *h, const uint8_t **buffer, uint32_t *len, struct err *e);

#endif

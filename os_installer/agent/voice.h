/* voice.h - tells the server of an order while it is carried out: how far it is, once a second, and
 * what it writes, each byte at its offset. A thread of its own: a server that does not answer holds
 * nobody up.
 */
#ifndef OS_INSTALLER_AGENT_VOICE_H
#define OS_INSTALLER_AGENT_VOICE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"
#include "os_installer/agent/board.h"
#include "os_installer/agent/server.h"

/* What waits to be sent, at most; then the oldest of it is dropped, and the offset tells. */
#define VOICE_WAITING_MAX (1U << 20)

struct voice;

/* Of an order that has no number nothing is told. All must outlive it; `board` may be NULL. */
must_check int voice_start(const struct server *s, const struct server_order *order,
    struct board *board, struct voice **out, struct err *e);

/* The next bytes that the order wrote. Does not wait. */
void voice_output(struct voice *v, const void *data, size_t len);

/* Whether the server said that the order is over: cancelled, or too late. */
bool voice_is_over(struct voice *v);

/* Sends what was written until now, for as long as it takes a server to answer, and ends. */
void voice_end(struct voice *v);

#endif

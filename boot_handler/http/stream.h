/* stream.h - who follows what happens, as server-sent events (the HTML standard, 9.2): at most
 * STREAMS_MAX, none with a thread of its own.
 *
 * Events are told once they are on disk, in batches every STREAM_EVERY_MS:
 *	id: 17
 *	data: {"events":[...],"last":17}
 * The last ones are kept in memory, older ones are read from the state file: whoever reads slowly,
 * or comes again with the id that it saw last, gets what it has missed, and nothing twice. Where
 * the state file has them no more, or is another than it saw, it is told so by an event "gap". Of
 * each client a batch at most is kept, STREAM_BATCH_BYTES and one event more, and only until the
 * listener has it: who does not read has a place. Of those who are behind one at a time is read
 * for, by a thread of its own, so that others do not wait for the file.
 */
#ifndef BOOT_HANDLER_HTTP_STREAM_H
#define BOOT_HANDLER_HTTP_STREAM_H

#include "boot_handler/http/server.h"
#include "boot_handler/state/event_query.h"
#include "boot_handler/state/state.h"

#define STREAMS_MAX 1024
#define STREAM_EVERY_MS 500
#define STREAM_KEEPALIVE_MS 15000
#define STREAM_BATCH_BYTES ((size_t)16 * 1024)

struct streams;

/* Before the first event is recorded. Who was told nothing for `keepalive_ms` gets an empty
 * comment.
 */
must_check int streams_new(
    struct state *state, int64_t keepalive_ms, struct streams **out, struct err *e);
/* After this nobody sleeps: to be called before server_stop(). NULL is allowed. */
void streams_stop(struct streams *s);
/* After server_stop(). NULL is allowed. */
void streams_free(struct streams *s);

/* Events that are on disk by now, in their order. */
void streams_put(struct streams *s, const struct event *events, size_t count);

/* Answers with a stream of what fits the query: what is after `after`, or, with `newest`, what
 * happens from now on. -ENOSPC with a sentence: too many do. */
must_check int streams_answer(
    struct streams *s, const struct event_query *query, struct server_answer *a, struct err *e);

/* Whether one who has seen all up to `*after` can be told all that follows: 0 in *first, else the
 * first that there is, or will be. An `*after` beyond the newest that there is, which is of another
 * state file, becomes the newest. */
must_check int streams_gap(struct streams *s, uint64_t *after, uint64_t *first, struct err *e);

/* The newest event that is on disk; 0: there is none. */
uint64_t streams_last(struct streams *s);

/* How many follow now. */
unsigned streams_count(struct streams *s);

#endif

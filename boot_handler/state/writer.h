/* writer.h - the one thread that writes the state file.
 *
 * Others hand it events and logs, and tell it that machines changed; it fetches the changed rows
 * itself (so ten changes of one machine cost one write) and commits everything in one transaction.
 * Urgent changes are committed within about 30 ms, the rest (last_seen) every minute. When writing
 * fails, what was to be written is kept and tried again each second.
 * All functions are safe in every thread.
 */
#ifndef BOOT_HANDLER_STATE_WRITER_H
#define BOOT_HANDLER_STATE_WRITER_H

#include "boot_handler/state/db.h"
#include "lib/machine/machine.h"
#include "lib/base/err.h"

/* Who hears of events once they are on disk, in their order; called by the writer's thread only. */
struct writer_listener {
	void (*heard)(void *ctx, const struct event *events, size_t count); /* NULL: nobody */
	void *ctx;
};

/* Events waiting to be written; more than this at once are counted and dropped. */
#define WRITER_EVENTS_MAX 16384

/* Where changed rows come from; called by the writer's thread only. */
struct writer_source {
	void *ctx;
	/* Copies the next changed machine into row; false when there is none. */
	bool (*next)(void *ctx, struct machine_row *row);
	/* That machine's row could not be written: it is to be offered again. */
	void (*failed)(void *ctx, const struct mac *mac);
};

/* What else than machines has rows; called by the writer's thread only, in this order. */
struct writer_aside {
	void *ctx;
	/* Sets aside what is to be written now; false: nothing. `last`: it will not be asked again.
	 */
	bool (*due)(void *ctx, bool last);
	int (*put)(void *ctx, struct db *db, struct err *e);
	/* It was not written: it is to be set aside again. */
	void (*failed)(void *ctx);
};

struct writer;

/* Takes over `db` also when it fails. `last_event` is the newest id in the file. */
#define WRITER_ASIDES 4
must_check int writer_start(struct db *db, uint64_t last_event, const struct writer_source *source,
    const struct writer_aside asides[WRITER_ASIDES], struct writer **out, struct err *e);
/* Writes what is left, then ends the thread and closes the database. NULL is allowed. */
void writer_stop(struct writer *w);

void writer_listen(struct writer *w, const struct writer_listener *listener);

/* Gives the event its id, and its severity by its kind and text, and queues it. */
void writer_event(struct writer *w, struct event *event);
/* Queues the last lines of a log; takes over `text` (malloc'ed). */
void writer_log(struct writer *w, const struct mac *mac, char *text);
/* Likewise another text of it; `what`, a literal, tells which. */
void writer_kept(struct writer *w, const struct mac *mac, const char *what, char *text);
/* Something changed that should be on disk soon. */
void writer_kick(struct writer *w);

/* Waits until everything queued or changed before this call is committed, at most 3 s. With
 * `probe` writes even when nothing changed. -ETIMEDOUT or the error of the failed commit. */
must_check int writer_flush(struct writer *w, bool probe, struct err *e);

#endif

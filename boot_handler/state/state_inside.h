/* state_inside.h - inside of state.h: what its files share. */
#ifndef BOOT_HANDLER_STATE_STATE_INSIDE_H
#define BOOT_HANDLER_STATE_STATE_INSIDE_H

#include <pthread.h>

#include "boot_handler/state/db.h"
#include "boot_handler/state/machine_table.h"
#include "boot_handler/state/writer.h"

struct state {
	struct machine_table table;
	struct machine *taken; /* changed ones; writer's thread only */
	struct strangers *strangers;
	struct orders *orders;
	struct outputs *outputs;
	struct inventories *inventories;
	struct hooks *hooks;
	struct writer *writer;
	struct db *reader;
	pthread_mutex_t reader_lock;
	pthread_mutex_t heard_lock;
	struct pace heard; /* of strangers, under that lock */
	void (*addresses_changed)(void *ctx);
	void *addresses_ctx;
};

/* An event of the locked machine; false: of such too many come, and it is not told. */
bool state_record(
    struct state *s, struct machine *m, enum event_kind kind, const char *text, int64_t now);
/* Of a kind with fields: their values, in the row's order. */
bool state_record_data(struct state *s, struct machine *m, enum event_kind kind, const char *text,
    const struct event_value *values, int64_t now);

/* At most one of a kind in 5 s; the machine is locked. */
bool state_is_due(int64_t *last_ms, int64_t now);

/* A change of the locked machine's life, now: recorded and logged where its state is another. */
void state_change_life(struct state *s, struct machine *m, struct life life, int64_t now);
bool state_record_state(
    struct state *s, struct machine *m, enum machine_state state, unsigned attempt, int64_t now);
/* What the last attempt told of itself; of the boot before. The machine is locked. */
void state_forget_progress(struct machine *m);
void state_begin_boot(struct machine *m);
/* What cloud-init made of it, taken over; NULL: nothing is known. */
void state_keep_result(struct machine *m, char *result);
/* Frees the text for a copy of `with`; NULL or "": for none. */
void machine_replace_text(char **text, const char *with);

/* What state_on_addresses() is about. */
void state_tell_addresses(struct state *s);

#endif

/* order_inside.h - inside of order.h: what its files share. All but orders_*() is called locked. */
#ifndef BOOT_HANDLER_STATE_ORDER_INSIDE_H
#define BOOT_HANDLER_STATE_ORDER_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "boot_handler/state/order.h"

#define ORDER_DUE_SLOTS (1u << 14)
#define ORDER_AGENTS 8192u

/* When the agent of a machine came, and was heard of last. */
struct order_agent {
	_Atomic uint64_t mac; /* read without the lock, to know that there is none */
	int64_t since_ms;     /* 0: it has left */
	int64_t at_ms;
};

struct order_kept {
	struct order is;
	size_t bytes; /* of arguments and figures */
	bool dirty;   /* differs from its row in the state file */
	bool news;    /* it has ended, and nobody was told yet */
	bool due;     /* it is counted in its slot */
	/* The operator's change that is not on disk yet; see orders_settle(). */
	struct order_before *before; /* or NULL: what it was */
	bool fresh;                  /* it was not there at all */
};

struct orders {
	pthread_mutex_t lock;
	struct order_kept *items; /* by id */
	size_t count, room, bytes;
	int64_t last_id;
	unsigned dirty, open, news;
	/* How many of the machines that share a slot have something to be booted for: boots ask
	 * for nothing else where that is none. */
	_Atomic uint16_t due[ORDER_DUE_SLOTS];
	struct order_agent agents[ORDER_AGENTS];
	int64_t began_ms; /* before, nobody can have been heard of */
	int64_t *gone;    /* rows of the file that memory has no more */
	size_t gone_count, gone_room;
	/* What is being written; the writer's thread only. */
	struct order *rows;
	size_t rows_count;
	int64_t *drops;
	size_t drops_count;
};

void order_copy(const struct order *from, struct order *to);
bool order_is_open(const struct order *o);
bool order_is_for(const struct order *o, const struct order_cards *cards);
/* NULL: this machine has no such order, and `e` says so. */
struct order_kept *order_kept_find(
    struct orders *t, const struct order_cards *cards, int64_t id, struct err *e);

/* It is about to be changed by the operator: it stays held until it is let go. */
must_check int order_hold(struct order_kept *k, struct err *e);
void order_let_go(struct order_kept *k);
bool order_is_held(const struct order_kept *k);
/* 0, or -ETIMEDOUT with the sentence. */
must_check int order_check_held(const struct order_kept *k, struct err *e);

/* It was changed: its row is to be written, and what its machine boots may be another. */
void order_mark(struct orders *t, struct order_kept *k);
/* Its agent was heard of; 0: it ends. */
void order_hear(struct orders *t, const struct order_cards *cards, int64_t now_ms);
/* When its agent was heard of last; 0: not since this memory begins. */
int64_t order_heard_ms(const struct orders *t, const struct order_cards *cards);
/* Sets its state, and the count of open ones. */
void order_set_state(struct orders *t, struct order_kept *k, enum order_state state);
/* It ends. */
void order_finish(
    struct orders *t, struct order_kept *k, const struct order_end *how, int64_t now_ms);
/* Whether its time is over; then it ends. */
bool order_overdue(struct orders *t, struct order_kept *k, int64_t now_ms);

/* -EBUSY: so many more of that machine cannot be open. */
must_check int order_check_open(
    const struct orders *t, const struct mac *mac, unsigned more, struct err *e);
/* -EBUSY: what it is to make has the name of what another makes, that is open. */
must_check int order_check_name(const struct orders *t, const struct order *o, struct err *e);
/* Lets the oldest that have ended go until arguments and figures are no more than may be. */
void order_make_bytes(struct orders *t);
/* Memory has it no more; it is not an open one. */
void order_forget(struct orders *t, struct order_kept *k);
/* Its row in the file goes. False: out of memory. */
bool order_gone(struct orders *t, int64_t id);

/* One of the file; the lowest id has to come first. */
void order_restore(struct orders *t, const struct order *row);

#endif

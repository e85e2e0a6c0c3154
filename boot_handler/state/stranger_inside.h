/* stranger_inside.h - inside of stranger.h: what its files share. */
#ifndef BOOT_HANDLER_STATE_STRANGER_INSIDE_H
#define BOOT_HANDLER_STATE_STRANGER_INSIDE_H

#include <pthread.h>

#include "boot_handler/state/stranger.h"
#include "lib/base/hash_table.h"

/* Whether a place differs from its row in the state file. */
enum stranger_dirt {
	STRANGER_WRITTEN,
	STRANGER_LAZY,   /* to be written once a minute */
	STRANGER_URGENT, /* an order: at once */
};

struct stranger_place {
	struct stranger is;
	bool used;
	enum stranger_dirt dirt;
	bool due;               /* it asked, and was not handed out for that */
	uint64_t told;          /* strangers_is_news()'s */
	unsigned before, after; /* in the ring of those that can be displaced, or the free ones */
};

/* What is being written; the writer's thread only. */
struct stranger_batch {
	struct stranger *rows;
	unsigned *gone; /* places that nobody has any more */
	size_t count, gone_count;
};

struct strangers {
	pthread_mutex_t lock;
	/* One more than there may be: it begins the ring, the one seen last behind it. */
	struct stranger_place *places;
	unsigned free; /* chained by `after`; STRANGERS_MAX: none */
	unsigned ignored;
	unsigned urgent;       /* places */
	struct hash_table ids; /* of MAC addresses, UUIDs and serial numbers */
	uint64_t seed;         /* of their hashes: nobody is to know which are alike */
	int64_t written_ms;    /* when those that can wait were last */
	unsigned cursor;       /* where to go on with them */
	unsigned due;          /* places */
	unsigned due_cursor;   /* where to go on with them */
	struct stranger_batch batch;
};

void stranger_mark(struct strangers *t, struct stranger_place *p, enum stranger_dirt dirt);
/* Sets whether it is handed out. */
void stranger_set_due(struct strangers *t, struct stranger_place *p, bool due);
/* Whether it shows that MAC address, UUID or serial number. */
bool stranger_is_called(const struct stranger *s, const char *id);
/* Finds the free places anew: after the last stranger_restore(). */
void strangers_chain_free(struct strangers *t);
/* Puts one of the state file where it was; the oldest has to come first. */
void stranger_restore(struct strangers *t, const struct stranger *row);

#endif

/* stranger.h - machines that asked and that no definition has: what they showed, when, how often.
 *
 * At most STRANGERS_MAX: a new one takes the place of the one that was unseen for longest, but
 * never of one that the operator ignores. A machine is known again by its MAC address, its UUID or
 * its serial number, so that its other cards are no other machines. One short lock. Written to the
 * state file by stranger_file.h. All functions are safe in every thread.
 */
#ifndef BOOT_HANDLER_STATE_STRANGER_H
#define BOOT_HANDLER_STATE_STRANGER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/definition/menu_choice.h"
#include "lib/machine/shown.h"
#include "lib/net/addr.h"

#define STRANGERS_MAX 10000
#define STRANGERS_IGNORED_MAX 5000
#define STRANGER_MACS 4
#define STRANGER_CHOICE_SIZE (MENU_CHOICE_MAX + 1)

struct stranger {
	unsigned slot; /* its place: stays while it is remembered; below STRANGERS_MAX */
	struct mac mac[STRANGER_MACS]; /* the one it asked with last is the first; zero: no more */
	struct shown shown;
	struct in_addr ip; /* where it was last; 0, ::: not known */
	struct in6_addr ip6;
	int64_t first_seen_ms, last_seen_ms;
	int64_t asked; /* how often */
	bool ignored;
	char chosen[STRANGER_CHOICE_SIZE]; /* at the menu, last; "": nothing */
	int64_t chosen_at_ms;
	int64_t memory_bytes, disk_bytes; /* by its inventory: in all, its largest; 0: not told */
};

/* One time that a machine asked. Borrowed. */
struct stranger_sight {
	const struct mac *mac;     /* NULL: not told */
	const struct shown *shown; /* NULL: nothing */
	const char *loader;        /* that asks; NULL: its firmware or system, by DHCP */
	const char *chose;         /* at the menu; NULL: nothing this time */
	bool goes_on;              /* after it has asked: not to be counted again */
	struct in_addr ip;
	struct in6_addr ip6;
	int64_t memory_bytes, disk_bytes; /* 0: not told */
	int64_t now_ms;
};

struct strangers;

must_check int strangers_new(struct strangers **out, struct err *e);
void strangers_free(struct strangers *t); /* NULL is allowed */

/* True: it was not known. */
bool strangers_seen(struct strangers *t, const struct stranger_sight *sight);

/* The one that shows `id`: as strangers_ignore(). */
must_check int strangers_find(
    struct strangers *t, const char *id, struct stranger *out, struct err *e);

/* The one at a place; false: nobody is there. */
bool strangers_at(struct strangers *t, unsigned slot, struct stranger *out);

/* The one with that card is on disk with what is written next: something was asked of it. */
void strangers_keep(struct strangers *t, const struct mac *mac);

/* Forgets those for whom declared() holds; it must not block. */
void strangers_forget(
    struct strangers *t, bool (*declared)(void *ctx, const struct stranger *stranger), void *ctx);

/* One that has asked since it was handed out last; false: there is none. */
bool strangers_next_due(struct strangers *t, struct stranger *out);
/* The one at that place is to be handed out again; or all are. */
void strangers_due_again(struct strangers *t, unsigned slot);
void strangers_all_due(struct strangers *t);

/* Whether the last that this was called with for that place was something else. */
bool strangers_is_news(struct strangers *t, unsigned slot, uint64_t what);

/* How many show that MAC address, UUID or serial number. Looks at all. */
unsigned strangers_called(struct strangers *t, const char *id);

/* Ignores, or no longer, the one that shows `id`: a MAC address, a UUID or a serial number. *out is
 * what it is then. -ENOENT, or -EBUSY where that names more than one or too many are ignored. */
must_check int strangers_ignore(
    struct strangers *t, const char *id, bool ignore, struct stranger *out, struct err *e);

#endif

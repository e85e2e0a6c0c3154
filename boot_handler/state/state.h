/* state.h - what happened to every machine: the table in memory that answers requests, and its
 * way to and from the state file.
 * What a boot, a report or an order makes of a machine decides lib/machine/lifecycle.h.
 *
 * Memory is authoritative: a request reads one atomic word, never the file. Changes of state take
 * one short lock of that machine and are written behind by writer.h's thread; state_save() waits
 * for that, for what must not be forgotten (installed, failed, ready, the operator's orders).
 * All functions are safe in every thread. Times come from the wall clock.
 */
#ifndef BOOT_HANDLER_STATE_STATE_H
#define BOOT_HANDLER_STATE_STATE_H

#include "lib/boot/boot.h"
#include "boot_handler/state/db.h"
#include "boot_handler/state/firstboot.h"
#include "boot_handler/state/hook.h"
#include "boot_handler/state/inventory.h"
#include "boot_handler/state/order.h"
#include "boot_handler/state/output.h"
#include "boot_handler/sources/lease.h"
#include "lib/machine/machine.h"
#include "boot_handler/state/report.h"
#include "boot_handler/state/state_line.h"
#include "boot_handler/state/stranger.h"
#include "lib/base/err.h"

struct state;

/* Opens (or makes) the state file at `path` and loads it. */
must_check int state_open(const char *path, struct state **out, struct err *e);
/* Writes what is left and closes. NULL is allowed. No other call may be running. */
void state_close(struct state *s);

/* What a boot decision needs to know of a machine; all zero for one never seen. Lock-free. */
struct life state_life(struct state *s, const struct mac *mac);

/* A PXE boot of this machine was answered with `choice`. An install starts the next attempt,
 * unless one has started and not even the installer has come up since; from its disk, a machine
 * that tells of each boot is no more than installed until it does. Lock-free when nothing changes,
 * and then an event is recorded at most every 5 s (every minute while it cannot even load the
 * installer). Returns the attempt's number.
 * On disk some 30 ms later, not before the answer, which a hall of machines waits for: who is
 * killed in between counts one attempt less, and takes the installer's reports all the same. */
unsigned state_booted(
    struct state *s, const struct mac *mac, const char *name, struct boot_choice choice);

/* It asked for what to boot with this card: mostly its definition's, but a machine is found by UUID
 * and serial number, too. Remembered, as what follows has to be made for that card. True: it is
 * another than before. */
bool state_asked_with(
    struct state *s, const struct mac *mac, const char *name, const struct mac *nic);
/* The card it last asked with, else the definition's; true when that is another. */
bool state_nic(struct state *s, const struct mac *mac, struct mac *nic);
/* The machine that last asked with this card, if no definition has it. */
bool state_by_nic(struct state *s, const struct mac *nic, struct mac *mac);

/* Someone chose this at the menu that the machine showed: an event, at most every 5 s. `image` is
 * the boot image of the choice, or NULL; it is remembered, until another is or we end. */
void state_chose(struct state *s, const struct mac *mac, const char *name, const char *choice,
    const char *image);
/* That image; false: none. */
bool state_chosen_image(struct state *s, const struct mac *mac, char image[IMAGE_NAME_SIZE]);

/* A definition was written for it, by what this profile says. */
void state_declared(struct state *s, const struct mac *mac, const char *name, const char *profile);

/* Whom the calling thread acts for from now on: the source of the events that it records, as in
 * event_source(): a word, "" for a machine that is known by its address; and the address that it
 * speaks from, "" where there is none. Borrowed until the next call. */
void state_source(const char *word, const char *address);

/* Something about this machine was refused to the calling thread's source, and nothing changed: an
 * event, at most every 5 s. */
void state_refused(struct state *s, const struct mac *mac, const char *name, const char *what);

/* Whether such a line of the log may be written now. */
bool state_line_is_due(
    struct state *s, const struct mac *mac, const char *name, enum state_line line);

/* It runs the agent: an event, at most every 5 s. */
void state_agent(struct state *s, const struct mac *mac, const char *name);
/* An event of a machine of which nothing else changes; `name` "": no definition has it. Of a kind
 * that no machine can cause: as many as this is called. `values`: those of the kind's fields, or
 * NULL. */
void state_tell(struct state *s, const struct mac *mac, const char *name, enum event_kind kind,
    const char *text, const struct event_value *values);
/* The same of what a machine or anyone on its network can cause: of one machine only so many, by
 * its kind's `pace`, and of all strangers together. `name` NULL: no definition has it; then the
 * event is under its MAC address. */
void state_heard(struct state *s, const struct mac *mac, const char *name, enum event_kind kind,
    const char *text, const struct event_value *values);

/* The machine has been heard from. */
void state_seen(struct state *s, const struct mac *mac, const char *name);

#define STATE_IGNORED 1   /* it comes too late (or a reinstall is due): nothing changed */
#define STATE_IMPORTANT 2 /* changed, and state_save() should be called before answering */

/* The installer's report. Takes over r->log. Returns 0, STATE_IGNORED or STATE_IMPORTANT. */
must_check int state_reported(
    struct state *s, const struct mac *mac, const char *name, struct report *r);

/* An installer said something, and so gets on; `log`, which is taken over, are its last lines:
 * NULL: those told before stay. Not of a machine that is installed. */
void state_logged(struct state *s, const struct mac *mac, const char *name, char *log);

/* An installer that is not ours has ended well. STATE_IGNORED: a reinstall is due. Twice is as good
 * as once; state_save() should be called before answering. */
must_check int state_done(struct state *s, const struct mac *mac, const char *name);

/* cloud-init has finished. STATE_IGNORED when this machine is not installed. */
must_check int state_became_ready(
    struct state *s, const struct mac *mac, const char *name, const struct firstboot_ready *ready);

/* cloud-init is on its way. Ignored of a machine that is not installed; of one boot at most
 * STATE_STAGE_EVENTS_MAX become events of ours. */
#define STATE_STAGE_EVENTS_MAX 400
void state_cloud_init(
    struct state *s, const struct mac *mac, const char *name, const struct firstboot_event *event);

/* The operator's orders; the last one counts. */
void state_reinstall(struct state *s, const struct mac *mac, const char *name);
void state_local(struct state *s, const struct mac *mac, const char *name);
/* An order wrote a system onto its disk. */
void state_deployed(struct state *s, const struct mac *mac, const char *name);
/* One erased the disk that its system was on: nothing is installed. */
void state_wiped(struct state *s, const struct mac *mac, const char *name);
/* It is again what state_row() said before one of these, with its name, as that order could not be
 * kept; what it told in between is told again or lost. */
void state_put_back(struct state *s, const struct machine_row *row);
/* Beside those: whether it boots from the network at all. */
void state_netboot(struct state *s, const struct mac *mac, const char *name, bool on);

/* dnsmasq gave or took an address of this machine, or tells it again: see lease_effect.h. Not a
 * word more than that is an event, and of one machine only so many (lib/base/pace.h). */
void state_leased(struct state *s, const struct vm *vm, const struct lease *lease);
/* A card that a definition has is that machine's: whoever asked with it without one is not known by
 * it, and by the addresses that it had, any more. owner() tells the name of the machine whose
 * definition has the card, NULL: none has. */
void state_forget_cards(
    struct state *s, const char *(*owner)(void *ctx, const struct mac *card), void *ctx);
/* A call that was this machine's own came from `source` (an address as text; anything else is left
 * alone). Not to be told of what firmware asks for: a system may have another address. */
void state_seen_from(struct state *s, const struct mac *mac, const char *name, const char *source);
/* dnsmasq gave the lease's address to the machine with the MAC address `by`: whoever was known by
 * it before, is not any more. */
void state_taken(struct state *s, const struct mac *by, const struct lease *lease);
/* `changed` is called, in any thread, when state_addresses() of some machine may tell something
 * else. NULL: nobody is. To be set before the first request and after the last one. */
void state_on_addresses(struct state *s, void (*changed)(void *ctx), void *ctx);
/* The addresses that it is known by, leased and seen, each zero when there is none. The one that it
 * has is the seen one, else the leased one. False for a machine never seen. */
bool state_addresses(struct state *s, const struct mac *mac, struct machine_addresses *out);
/* True when another machine for which counts() holds is known by that address (IPv4 as
 * ip4_mapped()). counts() must not block. */
bool state_is_anothers(struct state *s, const struct mac *mac, const struct in6_addr *address,
    bool (*counts)(void *ctx, const struct mac *mac), void *ctx);

/* Copies all that is known; false, and a blank "declared" row, for a machine never seen. */
bool state_row(struct state *s, const struct mac *mac, struct machine_row *row);

/* Those that no definition has; they end with `s`. */
struct strangers *state_strangers(struct state *s);
/* Likewise; state_save() after a change that must not be forgotten. */
struct orders *state_orders(struct state *s);
struct outputs *state_outputs(struct state *s);
struct inventories *state_inventories(struct state *s);
struct hooks *state_hooks(struct state *s);
/* hooks_update(); on disk within moments, or with whatever is written next. */
void state_keep_hook(struct state *s, const struct hook *hook, bool soon);
/* The text of one, from the file: NULL when it is not there any more. The caller frees it. */
must_check int state_inventory(struct state *s, int64_t id, char **out, struct err *e);

/* Waits until everything changed so far is on disk; see writer_flush(). */
must_check int state_save(struct state *s, struct err *e);
/* Tells whether the file can be written, by writing. */
must_check int state_probe(struct state *s, struct err *e);

/* `heard` is called in one thread with each event that is on disk from now on, in their order; it
 * must not wait long. NULL: nobody, when it returns after a
 * state_save(). */
void state_on_events(
    struct state *s, void (*heard)(void *ctx, const struct event *events, size_t count), void *ctx);
must_check int state_last_event(struct state *s, uint64_t *last, struct err *e);

/* Events and logs, from the file; see db.h. */
must_check int state_events(struct state *s, const struct event_query *query,
    void (*event)(void *ctx, const struct event *event), void *ctx, struct err *e);
must_check int state_log(struct state *s, const struct mac *mac, char **out, struct err *e);

/* What else is kept of a machine, the last of each. */
enum state_kept {
	STATE_INSTALLED_WITH, /* its definition's values as its disk has them, a JSON object */
	STATE_STARTED_WITH,   /* as its VM has them, likewise */
	STATE_CURVE,          /* how its image came onto its disk: curve.h */
	STATE_GIVEN,          /* the image that its installer was told of last: image_verified.h */
	STATE_VERIFIED,       /* the image whose last byte its installer has written, likewise */
};
/* Takes `text` over; NULL: nothing happens. */
void state_keep(struct state *s, const struct mac *mac, enum state_kept what, char *text);
/* From the file, once it is there: the caller frees it; NULL: there is none. */
must_check int state_kept(
    struct state *s, const struct mac *mac, enum state_kept what, char **out, struct err *e);
/* Of every machine that has one. */
must_check int state_each_kept(struct state *s, enum state_kept what,
    void (*each)(void *ctx, const char *mac, const char *text), void *ctx, struct err *e);
/* The curve of the installation that goes on, else of the last; likewise. */
must_check int state_curve(struct state *s, const struct mac *mac, char **out, struct err *e);

#endif

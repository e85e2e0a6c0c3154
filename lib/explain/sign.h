/* sign.h - what was seen of one machine on its way, and of what it depends on: a row a kind of
 * sign. The server fills those that it knows, the command line those that only the host knows;
 * rule.h judges them together. Pure.
 *
 * A new sign is a row of EXPLAIN_SIGNS, and an explain_see() where it is seen.
 */
#ifndef LIB_EXPLAIN_SIGN_H
#define LIB_EXPLAIN_SIGN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/machine/machine.h"

/* EXPLAIN_<id>, its name in JSON, and what it says to a person: "{about}", "{what}" and "{count}"
 * stand for what is known of it. Numbers of seconds and the like are in `count`. */
/* clang-format off */
#define EXPLAIN_SIGNS(row) \
	/* What serves it. */ \
	row(NO_ENGINE, "no-engine", "{what}") \
	row(STACK_DOWN, "stack-down", "{what}") \
	row(API_SILENT, "api-silent", "{what}") \
	row(SERVICE_DOWN, "service-down", "{what}") \
	row(NOT_READY, "not-ready", "{what}") \
	row(STACK, "stack", "the stack answers") \
	/* Its definition. */ \
	row(STRANGER, "stranger", "it asked {count} times; {what}") \
	row(CLAIMED, "claimed", "{what}") \
	row(FILE_REFUSED, "file-refused", "{what}") \
	row(FILE_BROKEN, "file-broken", "{what}") \
	row(HOPELESS, "hopeless", "{what}") \
	row(DEFINITION, "definition", "{about} is in force") \
	/* What it boots. */ \
	row(IMAGE_ABSENT, "image-absent", "{what}") \
	row(IMAGE_OTHER_ARCH, "image-other-arch", "{what}") \
	row(IMAGE_CUT, "image-cut", "{what}") \
	row(OWN_FILE, "own-file", "{what}") \
	row(IMAGE, "image", "every file of the image {about} is there") \
	/* Whether it is on. */ \
	row(VM_ABSENT, "vm-absent", "this lab has no VM of that name") \
	row(VM_STOPPED, "vm-stopped", "{what}") \
	row(VM_CRASHED, "vm-crashed", "{what}") \
	row(VM_KILLED, "vm-killed", "{what}") \
	row(POWER, "power", "it was switched on") \
	/* DHCP. */ \
	row(DISCOVER, "discover", "it asked for an address") \
	row(DISCOVER_VAIN, "discover-vain", "{what}") \
	row(OFFER, "offer", "it was offered {about}") \
	row(NAK, "nak", "{what}") \
	row(DECLINE, "decline", "{what}") \
	row(DIFFERS, "differs", "{what}") \
	row(ADDRESS, "address", "it got {about}") \
	/* The loader, and what it asks. */ \
	row(NETBOOT_OFF, "netboot-off", "network boot is off, by the operator") \
	row(MODE_OFF, "mode-off", "its definition says that it gets no loader") \
	row(TFTP_FAILED, "tftp-failed", "{what}") \
	row(TFTP, "tftp", "it fetched {about} by TFTP") \
	row(WRONG_ARCH, "wrong-arch", "{what}") \
	row(REFUSED, "refused", "{what}") \
	row(LOOP, "loop", "{what}") \
	row(ASKED, "asked", "it asked what to boot and was told: {about}") \
	row(CONSOLE_DENIED, "console-denied", "its console: {what}") \
	row(CONSOLE_PXE, "console-pxe", "its console: {what}") \
	row(CONSOLE_TFTP, "console-tftp", "its console: {what}") \
	row(CONSOLE_MEMORY, "console-memory", "its console: {what}") \
	row(CONSOLE_IPXE, "console-ipxe", "its console: {what}") \
	/* Kernel and installer. */ \
	row(FETCH_FAILED, "fetch-failed", "{what}") \
	row(FETCH, "fetch", "it fetched {about}") \
	row(CONSOLE_PANIC, "console-panic", "its console: {what}") \
	row(CONSOLE_KILLED, "console-killed", "its console: {what}") \
	row(PHASE, "phase", "its installer began: {about}") \
	row(STALLED, "stalled", "{what}") \
	row(FAILED, "failed", "its installer reported: {what}") \
	row(LOG, "log", "its installer's log ends: {what}") \
	row(MARKED, "marked", "its installer's log: {what}") \
	row(INSTALLED, "installed", "it was installed") \
	/* The installed system. */ \
	row(CONSOLE_NO_BOOT, "console-no-boot", "its console: {what}") \
	row(CONSOLE_NO_ROOT, "console-no-root", "its console: {what}") \
	row(DEPLOYED, "deployed", "an image was put on its disk, as ordered") \
	row(CAME_BACK, "came-back", "it was sent to its disk {count} times") \
	row(RETURNED, "returned", "it came back over the network and was told: {about}") \
	row(CLOUD_INIT, "cloud-init", "cloud-init: {about}") \
	row(CLOUD_INIT_ERRORS, "cloud-init-errors", "cloud-init: {what}") \
	row(READY, "ready", "it said that it is ready") \
	/* The agent. */ \
	row(AGENT, "agent", "its agent called") \
	row(ORDER_FAILED, "order-failed", "order {count}, {about}: {what}") \
	row(ORDER_WAITS, "order-waits", "order {count}, {about}, was given") \
	row(ORDER_SILENT, "order-silent", "order {count}, {about}, was begun") \
	/* Where it is. */ \
	row(HEARD, "heard", "it was heard of last") \
	row(STATE, "state", "its state became {about}")
/* clang-format on */

#define EXPLAIN_SIGN_ID(id, ...) EXPLAIN_##id,
enum explain_sign { EXPLAIN_SIGNS(EXPLAIN_SIGN_ID) EXPLAIN_SIGN_COUNT };

#define EXPLAIN_ABOUT_SIZE 128
#define EXPLAIN_FROM_SIZE 64
#define EXPLAIN_TEXT_SIZE 1100

struct explain_seen {
	int64_t count;                  /* how often, or the number that it is about; 0: never */
	int64_t at_ms;                  /* the last time, since 1970; 0: not known when */
	int64_t turn;                   /* the last of those seen until then: of one moment, too */
	char about[EXPLAIN_ABOUT_SIZE]; /* a word: a phase, a file, an address */
	char from[EXPLAIN_FROM_SIZE];   /* who told: an address, "dnsmasq", "console" */
	char what[EXPLAIN_TEXT_SIZE];   /* a sentence, cleaned */
	char hint[EXPLAIN_TEXT_SIZE];   /* what to do, where who told says so itself */
};

/* Large: on the heap, zeroed. */
struct explain_facts {
	char name[MACHINE_NAME_SIZE]; /* or how it was named */
	int64_t now_ms;
	int64_t turns; /* how often something was seen */
	struct explain_seen seen[EXPLAIN_SIGN_COUNT];
};

const char *explain_sign_name(enum explain_sign sign);
/* What it says to a person. */
const char *explain_sign_says(enum explain_sign sign);

/* Once more, and what is known of this time; NULL leaves a text as it was. Returns it. */
struct explain_seen *explain_see(struct explain_facts *f, enum explain_sign sign, int64_t at_ms,
    const char *about, const char *from, const char *what);

static inline bool explain_is_seen(const struct explain_facts *f, enum explain_sign sign)
{
	return f->seen[sign].count > 0;
}
/* Later than the other one, which may never have been. */
static inline bool explain_is_later(
    const struct explain_facts *f, enum explain_sign sign, enum explain_sign than)
{
	const struct explain_seen *a = &f->seen[sign], *b = &f->seen[than];

	return a->count > 0 && (b->count == 0 || a->at_ms > b->at_ms ||
				   (a->at_ms == b->at_ms && a->turn > b->turn));
}
/* What its state is. */
bool explain_state_is(const struct explain_facts *f, enum machine_state state);

/* {"<sign>":{"count","turn","at","about","from","what","hint"}}; a new reference. */
json_t *explain_facts_json(const struct explain_facts *f);
/* Adds what such an object has to `f`; what is not known here is left alone. */
void explain_facts_take(struct explain_facts *f, const json_t *facts);

#endif

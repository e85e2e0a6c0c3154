/* event.h - what can happen to a machine: a row a kind. The server stores an event and tells it in
 * the API, the command line tells it to a person and counts stages by it, all by the row.
 *
 * A new kind is a row of EVENT_KINDS, and a state_record() where it happens.
 */
#ifndef LIB_MACHINE_EVENT_H
#define LIB_MACHINE_EVENT_H

#include "lib/machine/machine.h"

#define EVENT_SAYS_MAX 12
#define EVENT_FIELDS_MAX 4
#define EVENT_DATA_SIZE 128

/* What an event says to a person: "{text}", "{phase}" and "{field}" stand for values of it. */
struct event_says {
	const char *text; /* of an event with this text; NULL: with any */
	const char *sentence;
};

/* What is known of a kind. */
struct event_info {
	const char *name;
	struct event_says says[EVENT_SAYS_MAX];   /* the first that fits; none: no person is told */
	const char *stage;                        /* of a boot that begins with it; NULL: none */
	bool begins;                              /* it is told by a machine just switched on */
	const char *fields[EVENT_FIELDS_MAX + 1]; /* its numbers, members of "data" in the API */
};

/* EVENT_<id>, name, and what else there is to say of it. */
/* clang-format off */
#define EVENT_KINDS(row) \
	row(DHCP, "dhcp", .says = {{NULL, "DHCP: {text}"}}, .begins = true) \
	row(IPXE, "ipxe", .says = { \
		{"install", "iPXE: loads the installer"}, \
		{"shell", "iPXE: loads the installer's shell"}, \
		{"boot", "iPXE: loads its boot image"}, \
		{"local", "iPXE: boots from disk"}, \
		{"agent", "iPXE: loads the agent"}, \
		{"menu", "iPXE: shows its menu"}, \
		{"off", "iPXE: its network boot is off"}, \
		{"wait", "iPXE: nothing to do yet, asks again every 10 s"}, \
		{"no-image", "iPXE: its image is missing, asks again every 10 s"}, \
		{"failed", "iPXE: the install failed, waits for a reinstall"}, \
		{NULL, "iPXE: {text}"}}, .begins = true) \
	row(CHOICE, "choice", .says = {{NULL, "chosen at the menu: {text}"}}, .begins = true) \
	row(PHASE, "phase", .says = {{NULL, "installer: {phase}"}}, .stage = "{phase}", .begins = true) \
	row(STATE, "state", .says = { \
		{"installed", "installed"}, {"ready", "ready"}, {"failed", "failed"}}, \
		.fields = {"attempt"}) \
	row(LEASE, "lease", .says = {{NULL, "DHCP: {text}"}}) \
	row(ACTION, "action", .says = {{NULL, "asked for: {text}"}}) \
	row(REFUSED, "refused", .says = {{NULL, "refused to {source}: {text}"}}) \
	row(CARD, "card", .says = {{NULL, "its card is another machine's by now: {text}"}}) \
	row(DECLARED, "declared", .says = {{NULL, "declared by its profile {text}"}}) \
	row(AGENT, "agent", .says = {{NULL, "the agent is there"}}, .stage = "agent") \
	row(INVENTORY, "inventory", .says = {{NULL, "inventory: {text}"}}) \
	/* An order of the agent's, and how it ended: "reboot done". */ \
	row(ORDER, "order", .says = {{NULL, "order: {text}"}}, .fields = {"order"}) \
	/* A stage or module of cloud-init begins, or has failed. */ \
	row(CLOUD_INIT, "cloud-init", .says = {{NULL, "cloud-init: {text}"}})
/* clang-format on */

#define EVENT_ID(id, ...) EVENT_##id,
enum event_kind { EVENT_KINDS(EVENT_ID) };

struct event {
	uint64_t id;
	int64_t at_ms;
	struct mac mac;
	char vm[MACHINE_NAME_SIZE];
	enum event_kind kind;
	enum machine_phase phase;
	char text[MACHINE_STAGE_SIZE];
	char source[INET6_ADDRSTRLEN]; /* an address, "dhcp", "operator"; or "": nobody */
	uint64_t bytes;
	uint64_t total_bytes;
	char data[EVENT_DATA_SIZE]; /* the row's fields as JSON; "": it has none */
};

const struct event_info *event_info(enum event_kind kind);
/* NULL: a kind that is not known. */
const struct event_info *event_info_find(const char *name);

/* What an event of that kind and text says to a person; NULL: nothing. */
const char *event_sentence(const struct event_info *info, const char *text);

/* {"field":value,...} of the row's fields in their order; "" for a kind without. */
void event_data(const struct event_info *info, const int64_t *values, char out[EVENT_DATA_SIZE]);

#endif

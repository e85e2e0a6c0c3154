/* event.h - what can happen to a machine: a row a kind. The server stores an event and tells it in
 * the API, the command line tells it to a person and counts stages by it, all by the row.
 *
 * A new kind is a row of EVENT_KINDS, and a state_record() where it happens: it bounds what
 * machines can cause by the row's `pace`.
 */
#ifndef LIB_MACHINE_EVENT_H
#define LIB_MACHINE_EVENT_H

#include "lib/base/err.h"
#include "lib/machine/machine.h"

#define EVENT_SAYS_MAX 12
#define EVENT_FIELDS_MAX 4
#define EVENT_TEXT_SIZE 160
#define EVENT_FIELD_TEXT_MAX 100 /* bytes of a field's text, as JSON has them */
#define EVENT_DATA_SIZE 320
#define EVENT_SOURCE_SIZE (INET6_ADDRSTRLEN + 16)

/* How much it is to a person: each is more than those before. The state file has the numbers. */
enum event_severity {
	EVENT_DEBUG = -1, /* a step of many, told to those who ask for all */
	EVENT_INFO = 0,
	EVENT_WARNING = 1, /* what somebody may have to look at */
	EVENT_ERROR = 2,   /* it goes no further without somebody */
};

/* What an event says to a person: "{text}", "{phase}" and "{field}" stand for values of it. */
struct event_says {
	const char *text; /* of an event with this text; NULL: with any */
	const char *sentence;
	enum event_severity severity;
};

enum event_field_type { EVENT_NUMBER, EVENT_TEXT };

struct event_field {
	const char *name; /* NULL: there are no more */
	enum event_field_type type;
};

/* Of one field. */
struct event_value {
	int64_t number;
	const char *text; /* of others, too; NULL is "" */
};

/* Who can cause one, and so at whose pace they are recorded: a machine may do all that the state
 * lets it do as often as it likes, and must not fill the events of all by it. */
enum event_pace {
	EVENT_FREE,   /* the operator, the host or a file of theirs: as many as there are */
	EVENT_HEARD,  /* anyone on the machines' network */
	EVENT_STEP,   /* the machine itself: a step of its life */
	EVENT_TOLD,   /* likewise: what its installer or system tells on the way, which is more */
	EVENT_LEASED, /* it and dnsmasq, whose leases come and go: state_leased() */
	EVENT_PACES,
};

/* What is known of a kind. */
struct event_info {
	const char *name;
	enum event_pace pace;
	struct event_says says[EVENT_SAYS_MAX]; /* the first that fits; none: no person is told */
	const char *stage;                      /* of a boot that begins with it; NULL: none */
	bool begins;                            /* it is told by a machine just switched on */
	/* What else is known of it: members of "data" in the API. */
	struct event_field fields[EVENT_FIELDS_MAX + 1];
};

/* EVENT_<id>, name, and what else there is to say of it. */
/* clang-format off */
#define EVENT_KINDS(row) \
	/* The host has given its VM a port of the bridge, or taken it away: seen only while we run. */ \
	row(POWER, "power", .says = {{"on", "powered on"}, {"off", "powered off"}}) \
	/* What dnsmasq says of its answers. DHCP is the one that the machine took. */ \
	row(DHCP_DISCOVER, "dhcp-discover", .pace = EVENT_HEARD, .says = { \
		{"", "DHCP: asks for an address", EVENT_DEBUG}, \
		{NULL, "DHCP: asks for an address in vain: {text}", EVENT_WARNING}}) \
	row(DHCP_OFFER, "dhcp-offer", .pace = EVENT_HEARD, .says = {{NULL, "DHCP: is offered {ip}", EVENT_DEBUG}}, \
		.fields = {{"ip", EVENT_TEXT}}) \
	row(DHCP_NAK, "dhcp-nak", .pace = EVENT_HEARD, .says = {{NULL, "DHCP: is refused {ip}: {text}", EVENT_WARNING}}, \
		.fields = {{"ip", EVENT_TEXT}}) \
	row(DHCP_DECLINE, "dhcp-decline", .pace = EVENT_HEARD, .says = { \
		{NULL, "DHCP: does not take {ip}, which somebody else uses", EVENT_WARNING}}, \
		.fields = {{"ip", EVENT_TEXT}}) \
	row(DHCP, "dhcp", .pace = EVENT_LEASED, .says = {{NULL, "DHCP: {text}"}}, .begins = true) \
	row(TFTP, "tftp", .pace = EVENT_HEARD, .says = {{NULL, "TFTP: {file}", EVENT_DEBUG}}, \
		.fields = {{"file", EVENT_TEXT}, {"size", EVENT_NUMBER}}) \
	row(IPXE, "ipxe", .pace = EVENT_STEP, .says = { \
		{"install", "iPXE: loads the installer"}, \
		{"shell", "iPXE: loads the installer's shell"}, \
		{"boot", "iPXE: loads its boot image"}, \
		{"local", "iPXE: boots from disk"}, \
		{"agent", "iPXE: loads the agent"}, \
		{"menu", "iPXE: shows its menu"}, \
		{"off", "iPXE: its network boot is off"}, \
		{"wait", "iPXE: nothing to do yet, asks again every 10 s"}, \
		{"no-image", "iPXE: its image is missing, asks again every 10 s", EVENT_WARNING}, \
		{"failed", "iPXE: the install failed, waits for a reinstall", EVENT_WARNING}, \
		{NULL, "iPXE: {text}"}}, .begins = true) \
	row(CHOICE, "choice", .pace = EVENT_STEP, .says = {{NULL, "chosen at the menu: {text}"}}, .begins = true) \
	/* A kernel, initrd or archive of modules over HTTP: which of them, or that it got none. */ \
	row(FETCH, "fetch", .pace = EVENT_HEARD, .says = { \
		{"failed", "HTTP: {file} cannot be had, status {status}", EVENT_WARNING}, \
		{NULL, "HTTP: {text}, {bytes} bytes in {ms} ms", EVENT_DEBUG}}, \
		.fields = {{"file", EVENT_TEXT}, {"bytes", EVENT_NUMBER}, {"ms", EVENT_NUMBER}, \
			{"status", EVENT_NUMBER}}) \
	row(PHASE, "phase", .pace = EVENT_TOLD, .says = {{NULL, "installer: {phase}"}}, .stage = "{phase}", .begins = true) \
	row(PHASE_END, "phase-end", .pace = EVENT_TOLD, .says = {{NULL, "installer: {text} is done", EVENT_DEBUG}}, \
		.fields = {{"ms", EVENT_NUMBER}}) \
	row(STATE, "state", .pace = EVENT_STEP, .says = { \
		{"installed", "installed"}, {"ready", "ready"}, {"failed", "failed", EVENT_ERROR}}, \
		/* "ms" since the boot that installs, of "ready" since it was installed; 0: it was not \
		   seen to begin. */ \
		.fields = {{"attempt", EVENT_NUMBER}, {"ms", EVENT_NUMBER}}) \
	row(LEASE, "lease", .pace = EVENT_LEASED, .says = {{NULL, "DHCP: {text}"}}) \
	row(ACTION, "action", .says = {{NULL, "asked for: {text}"}}) \
	row(REFUSED, "refused", .pace = EVENT_HEARD, .says = {{NULL, "refused to {source}: {text}", EVENT_WARNING}}) \
	row(CARD, "card", .says = { \
		{NULL, "its card is another machine's by now: {text}", EVENT_WARNING}}) \
	row(DECLARED, "declared", .says = {{NULL, "declared by its profile {text}"}}) \
	/* Its file in vms/ as it is in force. */ \
	row(DEFINITION, "definition", .says = { \
		{"added", "its definition is there: {file}"}, \
		{"changed", "its definition has changed: {file}"}, \
		{"removed", "its definition is gone: {file}"}}, .fields = {{"file", EVENT_TEXT}}) \
	/* That a sentence of `vmlab validate` is true from now on. */ \
	row(PROBLEM, "problem", .says = {{NULL, "{file}:{line}: {text}", EVENT_WARNING}}, \
		.fields = {{"file", EVENT_TEXT}, {"line", EVENT_NUMBER}, {"column", EVENT_NUMBER}}) \
	row(AGENT, "agent", .pace = EVENT_STEP, .says = {{NULL, "the agent is there"}}, .stage = "agent") \
	row(INVENTORY, "inventory", .pace = EVENT_STEP, .says = {{NULL, "inventory: {text}"}}) \
	/* An order of the agent's, and how it ended: "reboot done". */ \
	row(ORDER, "order", .says = {{NULL, "order: {text}"}}, .fields = {{"order", EVENT_NUMBER}}) \
	/* A stage or module of cloud-init begins, or has failed. */ \
	row(CLOUD_INIT, "cloud-init", .pace = EVENT_TOLD, .says = {{NULL, "cloud-init: {text}"}}) \
	row(CLOUD_INIT_END, "cloud-init-end", .pace = EVENT_TOLD, .says = { \
		{NULL, "cloud-init: {text} is done", EVENT_DEBUG}})
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
	enum event_severity severity;
	bool stranger; /* no definition has the machine */
	char text[EVENT_TEXT_SIZE];
	char source[EVENT_SOURCE_SIZE]; /* see event_source() */
	uint64_t bytes;
	uint64_t total_bytes;
	char data[EVENT_DATA_SIZE]; /* the row's fields as JSON; "": it has none */
};

const struct event_info *event_info(enum event_kind kind);
/* Who caused an event, and from where: a word ("dhcp", "operator"), a blank and an address; one of
 * them where there is no other; "": nobody. So it is in the state file, where older ones have
 * either alone. Cleaned. */
void event_source(const char *word, const char *address, char out[EVENT_SOURCE_SIZE]);
/* The address in that, within it: of IP, of a card, or "unix:", a local socket as nginx calls it;
 * "": none. */
const char *event_source_address(const char *source);
/* How much of it says who: the word, or the address where there is none. */
size_t event_source_who(const char *source);

/* NULL: a kind that is not known. */
const struct event_info *event_info_find(const char *name);

/* How many kinds there are. */
size_t event_kinds(void);

/* What an event of that kind and text says to a person; NULL: nothing. */
const char *event_sentence(const struct event_info *info, const char *text);
enum event_severity event_severity(const struct event_info *info, const char *text);

/* "debug", "info", "warning" or "error". */
const char *event_severity_name(enum event_severity severity);
/* -EINVAL: none is called so. */
must_check int event_severity_parse(const char *name, enum event_severity *out);

/* {"field":value,...} of the row's fields in their order, each text cut to EVENT_FIELD_TEXT_MAX and
 * cleaned; "" for a kind without, or without values. */
void event_data(
    const struct event_info *info, const struct event_value *values, char out[EVENT_DATA_SIZE]);

#endif

#include "boot_handler/http/explain_events.h"

#include <jansson.h>
#include <string.h>

#include "boot_handler/http/events.h"

#define RAN_MS (600 * 1000)

/* An event that is a sign; the first that fits. `about`: NULL: its text; else a field of its data,
 * or "phase". */
static const struct {
	enum event_kind kind;
	const char *text; /* NULL: any */
	enum explain_sign sign;
	const char *about;
} rows[] = {
    {EVENT_POWER, "on", EXPLAIN_POWER, NULL},
    {EVENT_DHCP_DISCOVER, "", EXPLAIN_DISCOVER, NULL},
    {EVENT_DHCP_DISCOVER, NULL, EXPLAIN_DISCOVER_VAIN, NULL},
    {EVENT_DHCP_OFFER, NULL, EXPLAIN_OFFER, "ip"},
    {EVENT_DHCP_NAK, NULL, EXPLAIN_NAK, "ip"},
    {EVENT_DHCP_DECLINE, NULL, EXPLAIN_DECLINE, "ip"},
    {EVENT_DHCP, NULL, EXPLAIN_ADDRESS, NULL},
    {EVENT_TFTP, NULL, EXPLAIN_TFTP, "file"},
    {EVENT_IPXE, NULL, EXPLAIN_ASKED, NULL},
    {EVENT_FETCH, "failed", EXPLAIN_FETCH_FAILED, "file"},
    {EVENT_FETCH, NULL, EXPLAIN_FETCH, NULL},
    {EVENT_PHASE, NULL, EXPLAIN_PHASE, "phase"},
    {EVENT_STATE, "installed", EXPLAIN_INSTALLED, NULL},
    {EVENT_ACTION, "deployed", EXPLAIN_DEPLOYED, NULL},
    {EVENT_REFUSED, NULL, EXPLAIN_REFUSED, NULL},
    {EVENT_AGENT, NULL, EXPLAIN_AGENT, NULL},
    {EVENT_CLOUD_INIT, NULL, EXPLAIN_CLOUD_INIT, NULL},
};

/* A system that ran for a while, and was started anew, has not come back. */
static void came_back(struct explain_facts *f, const struct event *event)
{
	struct explain_seen *disk = &f->seen[EXPLAIN_CAME_BACK];
	bool soon = disk->count > 0 && event->at_ms - disk->at_ms <= RAN_MS;
	bool again = strcmp(event->text, "local") == 0;

	if (!soon)
		disk->count = 0;
	if (again || !soon)
		f->seen[EXPLAIN_RETURNED].count = 0;
	if (again || soon)
		explain_see(f, again ? EXPLAIN_CAME_BACK : EXPLAIN_RETURNED, event->at_ms,
		    event->text, event->source, NULL);
}

/* It is installed anew, also where it was before. */
static void deployed(struct explain_facts *f, const struct event *event)
{
	f->seen[EXPLAIN_CAME_BACK].count = f->seen[EXPLAIN_RETURNED].count = 0;
	explain_see(f, EXPLAIN_INSTALLED, event->at_ms, NULL, event->source, NULL);
}

/* Whoever is given an order may be started anew for it. */
static void ordered(struct explain_facts *f, const struct event *event)
{
	if (!strchr(event->text, ' ') && f->seen[EXPLAIN_RETURNED].count == 0)
		f->seen[EXPLAIN_CAME_BACK].count = 0;
}

/* What came before these is of another boot. */
static void begin_anew(struct explain_facts *f, const struct event *event)
{
	switch (event->kind) {
	case EVENT_DHCP:
		f->seen[EXPLAIN_OFFER].count = f->seen[EXPLAIN_OFFER].count > 0;
		break;
	case EVENT_IPXE:
		came_back(f, event);
		break;
	case EVENT_ACTION:
		if (strcmp(event->text, "deployed") == 0)
			deployed(f, event);
		break;
	case EVENT_ORDER:
		ordered(f, event);
		break;
	case EVENT_POWER:
	case EVENT_STATE:
	case EVENT_PHASE:
	case EVENT_CLOUD_INIT:
		f->seen[EXPLAIN_CAME_BACK].count = f->seen[EXPLAIN_RETURNED].count = 0;
		break;
	default:
		break;
	}
}

static void take(struct explain_facts *f, const struct event *event, size_t row)
{
	json_t *json = event_json(event);
	const char *about = rows[row].about, *phase = machine_phase_name(event->phase);
	const char *what = json_string_value(json_object_get(json, "sentence"));

	if (!about)
		about = event->text;
	else if (strcmp(about, "phase") == 0)
		about = phase;
	else
		about = json_string_value(json_object_get(json_object_get(json, "data"), about));
	explain_see(
	    f, rows[row].sign, event->at_ms, about, event->source[0] ? event->source : NULL, what);
	json_decref(json);
}

void explain_event(struct explain_facts *f, const struct event *event)
{
	begin_anew(f, event);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		if (event->kind != rows[i].kind ||
		    (rows[i].text && strcmp(event->text, rows[i].text) != 0))
			continue;
		/* Firmware boots by IPv4; what a system gets besides tells nothing. */
		if (rows[i].sign != EXPLAIN_ADDRESS || !strchr(event->text, ':'))
			take(f, event, i);
		return;
	}
}

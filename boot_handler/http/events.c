#include "boot_handler/http/events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/json_value.h"
#include "boot_handler/http/machine.h"
#include "boot_handler/http/stream.h"
#include "lib/base/cleanup.h"
#include "lib/follow/progress.h"

static json_t *sentence_json(const json_t *json)
{
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return json_null();
	bool says = progress_event(f, json, true);
	return fclose(f) == 0 && says ? json_string(text) : json_null();
}

json_t *event_json(const struct event *event)
{
	char mac[MAC_TEXT_SIZE];
	const char *who = event->source;
	json_t *json = json_pack(
	    "{s:I, s:o, s:s, s:s?, s:s, s:s, s:s, s:o, s:o, s:o, s:I, s:I, s:o*}", "id",
	    (json_int_t)event->id, "at", time_json(event->at_ms), "vm", event->vm, "mac",
	    mac_number(&event->mac) ? mac_format(&event->mac, mac) : NULL, "severity",
	    event_severity_name(event->severity), "kind", event_info(event->kind)->name, "text",
	    event->text, "source", *who ? json_stringn(who, event_source_who(who)) : json_null(),
	    "address", text_or_null(event_source_address(who)), "phase",
	    text_or_null(machine_phase_name(event->phase)), "bytes", (json_int_t)event->bytes,
	    "total_bytes", (json_int_t)event->total_bytes, "data",
	    event->data[0] ? json_loads(event->data, 0, NULL) : NULL);

	if (json)
		json_object_set_new(json, "sentence", sentence_json(json));
	return json;
}

/* ---- which ------------------------------------------------------------------------------- */

/* By its cards, as before it was declared and under another name it was the same machine. Of one
 * that is not known any more events may be. */
static int choose_machine(const struct services *services, const struct vm_snapshot *snapshot,
    const char *id, struct event_query *q, struct err *e)
{
	struct machine_named named;

	int r = machine_find_id(services, snapshot, id, &named, e);
	if (r == 0) {
		memcpy(q->mac, named.cards.mac, named.cards.count * sizeof(*q->mac));
		q->macs = named.cards.count;
	} else if (mac_parse(id, strlen(id), &q->mac[0], NULL) == 0) {
		q->macs = 1;
	} else if (vm_name_valid(id)) {
		q->vm = id;
	} else {
		return r;
	}
	return 0;
}

int events_query_of(const struct services *services, const struct vm_snapshot *snapshot,
    const struct route *route, struct event_query *out, struct err *e)
{
	*out = (struct event_query){
	    .newest = !route->has_after,
	    .after = route->after,
	    .limit = route->limit,
	    .vm = route->name,
	    .kinds = route->kinds,
	    .has_least = route->has_severity,
	    .least = route->severity,
	    .since_ms = route->since_ms,
	    .until_ms = route->until_ms,
	};
	return route->machine[0] ? choose_machine(services, snapshot, route->machine, out, e) : 0;
}

int events_query(const struct call *c, struct event_query *out, struct err *e)
{
	return events_query_of(c->services, c->snapshot, c->request->route, out, e);
}

/* ---- a page ------------------------------------------------------------------------------ */

struct event_list {
	json_t *events;
	uint64_t last;
};

static void add_event(void *ctx, const struct event *event)
{
	struct event_list *list = ctx;

	json_array_append_new(list->events, event_json(event));
	list->last = event->id;
}

static json_t *gap_json(uint64_t after, uint64_t first)
{
	return first
		   ? json_pack("{s:I, s:I}", "after", (json_int_t)after, "first", (json_int_t)first)
		   : NULL;
}

/* "last" is where to go on: the last event handed out, not the last there is. "gap" is as a stream
 * tells it. */
int events_list(const struct call *c, struct server_answer *a, struct err *e)
{
	struct event_query query;
	uint64_t first = 0;

	int r = events_query(c, &query, e);
	if (r == 0 && !query.newest)
		r = streams_gap(c->services->streams, &query.after, &first, e);
	if (r < 0)
		return r;
	struct event_list list = {json_array(), query.after};
	r = state_events(c->services->state, &query, add_event, &list, e);
	if (r < 0) {
		json_decref(list.events);
		return r;
	}
	return answer_json(a,
	    json_pack("{s:o, s:I, s:o*}", "events", list.events, "last", (json_int_t)list.last,
		"gap", gap_json(query.after, first)),
	    e);
}

/* ---- live -------------------------------------------------------------------------------- */

int events_stream(const struct call *c, struct server_answer *a, struct err *e)
{
	const struct route *route = c->request->route;
	struct event_query query;

	int r = events_query(c, &query, e);
	if (r < 0)
		return r;
	query.newest = !route->has_after && !c->request->last_event_id;
	if (c->request->last_event_id &&
	    route_event_id(c->request->last_event_id, &query.after) < 0)
		return err_set(
		    e, EINVAL, "Last-Event-ID is malformed: give the id that the stream gave");
	return streams_answer(c->services->streams, &query, a, e);
}

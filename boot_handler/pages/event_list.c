#include "boot_handler/pages/event_list.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "boot_handler/http/events.h"
#include "boot_handler/pages/page.h"

static void add(void *ctx, const struct event *event)
{
	json_array_append_new(ctx, event_json(event));
}

json_t *event_list(const struct call *c, const struct machine_named *named, bool all, struct err *e)
{
	struct event_query query = {.newest = true,
	    .limit = EVENT_LIST_MAX,
	    .macs = named->cards.count,
	    .has_least = !all,
	    .least = EVENT_INFO};
	json_t *list = json_array();

	memcpy(query.mac, named->cards.mac, named->cards.count * sizeof(*query.mac));
	if (state_events(c->services->state, &query, add, list, e) == 0)
		return list;
	json_decref(list);
	return NULL;
}

/* Whatever machines there were, so many are remembered. */
#define LAST_MAX 20000

static struct {
	pthread_mutex_t lock;
	json_t *of; /* NULL: nothing was read yet */
	uint64_t read;
} last = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void remember(json_t *event)
{
	const char *vm = page_text(event, "vm");

	last.read = (uint64_t)page_number(event, "id");
	if (!*page_text(event, "sentence"))
		return;
	if (json_object_size(last.of) == LAST_MAX)
		json_object_clear(last.of);
	json_object_set(last.of, vm, event);
}

/* How many there were. */
static size_t read_more(const struct call *c, bool newest)
{
	struct event_query query = {.newest = newest,
	    .after = last.read,
	    .limit = EVENT_LIST_MAX,
	    .has_least = true,
	    .least = EVENT_INFO};
	struct err unread = ERR_INIT;
	json_t *list = json_array(), *event;
	size_t i;

	if (state_events(c->services->state, &query, add, list, &unread) == 0)
		json_array_foreach(list, i, event) {
			remember(event);
		}
	size_t count = json_array_size(list);
	json_decref(list);
	return count;
}

json_t *event_list_last(const struct call *c)
{
	pthread_mutex_lock(&last.lock);
	bool first = !last.of;
	if (first)
		last.of = json_object();
	while (read_more(c, first) == EVENT_LIST_MAX && !first)
		;
	json_t *copy = json_copy(last.of); /* its events are never changed */
	pthread_mutex_unlock(&last.lock);
	return copy;
}

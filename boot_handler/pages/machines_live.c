#include "boot_handler/pages/machines_live.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/json_value.h"
#include "boot_handler/pages/machine_list.h"
#include "boot_handler/pages/machines_page.h"
#include "boot_handler/pages/page.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

/* ---- what has changed -------------------------------------------------------------------- */

static json_t *html_json(struct html *h)
{
	_cleanup_free_ char *text = html_steal(h);

	return json_string(text ? text : "");
}

static json_t *formed_json(const struct call *c, const json_t *row)
{
	struct html h = HTML_INIT;

	machines_page_put_row(&h, c, row, wall_ms());
	return json_pack("{s:O, s:o}", "id", json_object_get(row, "id"), "html", html_json(&h));
}

/* NULL: it has all of them. */
static json_t *values_json(const struct board_row *row, uint64_t after)
{
	json_t *json = NULL;

	for (size_t i = 0; i < BOARD_VALUES; i++) {
		json_t *value = json_object_get(row->row, board_values[i]);

		if (row->set[i] <= after)
			continue;
		if (!json)
			json = json_pack("{s:O}", "id", json_object_get(row->row, "id"));
		json_object_set(json, board_values[i], value ? value : json_null());
	}
	return json;
}

static json_t *rows_json(const struct call *c, const struct machine_list *list, uint64_t after)
{
	json_t *rows = json_array();

	for (size_t i = 0; i < list->count; i++) {
		const struct board_row *row = list->rows[i];
		json_t *json =
		    row->formed > after ? formed_json(c, row->row) : values_json(row, after);

		if (json)
			json_array_append_new(rows, json);
	}
	return rows;
}

/* A search finds by values, too. */
static bool may_be_ordered_anew(const struct machine_list *list, uint64_t after)
{
	return list->search[0] || list->board->ordered > after;
}

static json_t *order_json(const struct machine_list *list)
{
	json_t *order = json_array();

	for (size_t i = 0; i < list->count; i++)
		json_array_append(order, json_object_get(list->rows[i]->row, "id"));
	return order;
}

static char *changes_text(const struct call *c, const struct machine_list *list, uint64_t after)
{
	struct html counts = HTML_INIT;

	machines_page_put_counts(&counts, list->board);
	json_t *json = json_pack("{s:I, s:o, s:o}", "version", (json_int_t)list->board->version,
	    "counts", html_json(&counts), "rows", rows_json(c, list, after));
	if (may_be_ordered_anew(list, after))
		json_object_set_new(json, "order", order_json(list));
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	return text;
}

/* ---- once for all who ask for the same --------------------------------------------------- */

#define MADE_MAX 8

/* From a version to another, for one who may order or not. */
struct made {
	uint64_t after, version;
	bool orders;
	char search[MACHINE_SEARCH_SIZE], filter[16];
	char *text;
};

static struct {
	pthread_mutex_t lock;
	struct made of[MADE_MAX];
	size_t next;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_it(
    const struct made *m, const struct machine_list *list, uint64_t after, bool orders)
{
	return m->text && m->after == after && m->version == list->board->version &&
	       m->orders == orders && strcmp(m->search, list->search) == 0 &&
	       strcmp(m->filter, list->filter) == 0;
}

static struct made *make(const struct call *c, const struct machine_list *list, uint64_t after)
{
	struct made *m = &cache.of[cache.next++ % MADE_MAX];

	free(m->text);
	*m = (struct made){.after = after,
	    .version = list->board->version,
	    .orders = page_may_order(c),
	    .text = changes_text(c, list, after)};
	memcpy(m->search, list->search, sizeof(m->search));
	memcpy(m->filter, list->filter, sizeof(m->filter));
	return m;
}

static char *changes(const struct call *c, const struct machine_list *list, uint64_t after)
{
	const struct made *found = NULL;

	pthread_mutex_lock(&cache.lock);
	for (size_t i = 0; i < MADE_MAX && !found; i++)
		if (is_it(&cache.of[i], list, after, page_may_order(c)))
			found = &cache.of[i];
	if (!found)
		found = make(c, list, after);
	char *text = found->text ? strdup(found->text) : NULL;
	pthread_mutex_unlock(&cache.lock);
	return text;
}

/* 0: not given, or no number. */
static uint64_t number_in(const struct call *c, const char *name)
{
	char text[24];
	uint64_t number = 0;

	if (route_field(c->request->route->query, name, text, sizeof(text)) &&
	    route_event_id(text, &number) < 0)
		number = 0;
	return number;
}

int machines_live(const struct call *c, struct server_answer *a, struct err *e)
{
	_cleanup_machine_list_ struct machine_list list = {.rows = NULL};

	int r = machine_list_make(c, number_in(c, "heard"), &list, e);
	if (r < 0)
		return r;
	char *text = changes(c, &list, number_in(c, "after"));
	if (!text)
		return err_set(e, ENOMEM, "out of memory");
	server_answer_text(a, JSON_TYPE, text);
	return 0;
}

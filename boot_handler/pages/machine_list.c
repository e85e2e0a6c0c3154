#include "boot_handler/pages/machine_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/pages/machine_rows.h"
#include "boot_handler/pages/page.h"

static bool needs_somebody(const char *state)
{
	return strcmp(state, "failed") == 0 || strcmp(state, "stalled") == 0 ||
	       strcmp(state, "waiting") == 0;
}

static bool holds(const json_t *value, const char *wanted)
{
	const json_t *item;
	size_t i;

	if (json_is_string(value))
		return strcasestr(json_string_value(value), wanted);
	json_array_foreach(value, i, item) {
		if (holds(item, wanted))
			return true;
	}
	return false;
}

static bool is_searched(const json_t *row, const char *wanted)
{
	static const char *const keys[] = {
	    "id", "says", "ip", "declared_ip", "image", "macs", "uuid", "serial", "what"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (holds(json_object_get(row, keys[i]), wanted))
			return true;
	return false;
}

static bool is_filtered(const char *state, const char *filter)
{
	if (!*filter)
		return strcmp(state, "ignored") != 0;
	if (strcmp(filter, "attention") == 0)
		return needs_somebody(state);
	return strcmp(state, filter) == 0;
}

static void take(struct machine_list *list, const struct board_row *row)
{
	if (!is_filtered(page_text(row->row, "state"), list->filter) ||
	    (list->search[0] && !is_searched(row->row, list->search)))
		return;
	if (list->count < MACHINE_LIST_MAX)
		list->rows[list->count++] = row;
	list->found++;
}

static void read_query(const struct call *c, struct machine_list *list)
{
	struct piece query = c->request->route->query;
	char filter[sizeof(list->filter)];

	(void)route_field(query, "q", list->search, sizeof(list->search));
	if (!route_field(query, "state", filter, sizeof(filter)))
		return;
	for (const struct machine_filter *f = machine_filters; f->word; f++)
		if (strcmp(f->word, filter) == 0)
			memcpy(list->filter, filter, sizeof(filter));
}

int machine_list_make(const struct call *c, uint64_t heard, struct machine_list *out, struct err *e)
{
	*out = (struct machine_list){.rows = calloc(MACHINE_LIST_MAX, sizeof(*out->rows))};
	if (!out->rows)
		return err_set(e, ENOMEM, "out of memory");
	read_query(c, out);
	int r = board_get(c, heard, &out->board, e);
	for (size_t i = 0; r == 0 && i < out->board->count; i++)
		take(out, &out->board->rows[i]);
	return r;
}

void machine_list_clear(struct machine_list *list)
{
	board_unref(list->board);
	free(list->rows);
	*list = (struct machine_list){.rows = NULL};
}

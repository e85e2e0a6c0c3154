#include "boot_handler/pages/machine_rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/machines.h"
#include "boot_handler/http/vm_json.h"
#include "boot_handler/pages/event_list.h"
#include "boot_handler/pages/page.h"
#include "lib/base/cleanup.h"
#include "lib/follow/progress.h"

const struct machine_filter machine_filters[] = {
    {"", "all but ignored"},
    {"attention", "needs attention"},
    {"failed", "failed"},
    {"stalled", "stalled"},
    {"waiting", "waiting"},
    {"unknown", "unknown"},
    {"installing", "installing"},
    {"agent", "in the agent"},
    {"booting", "booting"},
    {"declared", "not seen yet"},
    {"installed", "installed"},
    {"ready", "ready"},
    {"ignored", "ignored"},
    {NULL, NULL},
};

/* The place of a state among them: those that need somebody come first. */
static size_t rank(const char *state)
{
	size_t i = 0;

	while (machine_filters[i].word && strcmp(machine_filters[i].word, state) != 0)
		i++;
	return i;
}

/* ---- a declared machine ------------------------------------------------------------------ */

static void put_said(
    json_t *row, const char *key, void (*write)(FILE *f, const json_t *vm), const json_t *vm)
{
	_cleanup_free_ char *text = page_said(write, vm);

	json_object_set_new(row, key, json_string(text ? text : ""));
}

static void put_why(json_t *row, const json_t *vm)
{
	const json_t *outlook = json_object_get(vm, "outlook");
	const json_t *from = json_is_object(outlook) ? outlook : json_object_get(vm, "error");

	json_object_set_new(row, "why", json_string(page_text(from, "reason")));
	json_object_set_new(row, "hint", json_string(page_text(from, "hint")));
}

static void put_address(json_t *row, const json_t *vm)
{
	const char *ip = page_text(vm, "ip"), *declared = page_text(vm, "declared_ip");

	json_object_set_new(row, "ip", json_string(ip));
	json_object_set_new(row, "declared_ip",
	    json_string(*declared && strcmp(declared, ip) != 0 ? declared : ""));
}

static json_t *declared_row(const json_t *vm, const json_t *event)
{
	bool installs = strcmp(page_text(vm, "state"), "installing") == 0;
	const char *image = page_text(vm, "image");
	json_t *row = json_pack("{s:O, s:O, s:O, s:i, s:s, s:s, s:O?, s:[O?]}", "id",
	    json_object_get(vm, "name"), "name", json_object_get(vm, "name"), "state",
	    json_object_get(vm, "state"), "percent", installs ? progress_percent(vm) : -1, "image",
	    *image ? image : page_text(vm, "distro"), "event", page_text(event, "sentence"), "seen",
	    json_object_get(vm, "last_seen"), "macs", json_object_get(vm, "mac"));

	if (!row)
		return NULL;
	put_said(row, "says", progress_state, vm);
	if (installs)
		put_said(row, "detail", progress_detail, vm);
	put_why(row, vm);
	put_address(row, vm);
	json_object_set(row, "event_at", json_object_get(event, "at"));
	return row;
}

/* ---- a machine without a definition ------------------------------------------------------ */

static json_t *stranger_row(const json_t *machine)
{
	bool ignored = json_is_true(json_object_get(machine, "ignored"));
	json_t *macs = json_object_get(machine, "macs");
	const char *maker = page_text(machine, "manufacturer"), *id = page_text(machine, "uuid");
	_cleanup_free_ char *what = NULL;

	if (asprintf(&what, "%s%s%s", maker, *maker ? " " : "", page_text(machine, "product")) < 0)
		what = NULL;
	if (json_array_size(macs) > 0)
		id = json_string_value(json_array_get(macs, 0));
	else if (!*id)
		id = page_text(machine, "serial");
	return json_pack(
	    "{s:s, s:n, s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:O?, s:O?,"
	    " s:O?}",
	    "id", id, "name", "state", ignored ? "ignored" : "unknown", "says",
	    ignored ? "ignored" : "unknown: no definition", "percent", -1, "ip",
	    page_text(machine, "ip"), "declared_ip", "", "image", "", "why",
	    page_text(machine, "problem"), "what", what ? what : "", "uuid",
	    page_text(machine, "uuid"), "serial", page_text(machine, "serial"), "event", "", "macs",
	    macs, "seen", json_object_get(machine, "last_seen"), "asked",
	    json_object_get(machine, "asked"));
}

/* ---- all of them, in order --------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	size_t p = rank(page_text(x, "state")), q = rank(page_text(y, "state"));

	return p != q ? (p > q) - (p < q) : strverscmp(page_text(x, "id"), page_text(y, "id"));
}

static int put_in_order(json_t **rows, struct err *e)
{
	size_t count = json_array_size(*rows);
	_cleanup_free_ json_t **list = calloc(count + 1, sizeof(json_t *));
	json_t *sorted = json_array();

	if (!list || !sorted) {
		json_decref(sorted);
		return err_set(e, ENOMEM, "out of memory");
	}
	for (size_t i = 0; i < count; i++)
		list[i] = json_array_get(*rows, i);
	qsort(list, count, sizeof(json_t *), compare);
	for (size_t i = 0; i < count; i++)
		json_array_append(sorted, list[i]);
	json_decref(*rows);
	*rows = sorted;
	return 0;
}

/* Takes over `row`; NULL is none. */
static void take(json_t *rows, json_t *row)
{
	if (row)
		json_array_append_new(rows, row);
}

int machine_rows_make(const struct call *c, json_t **out, struct err *e)
{
	json_t *last = event_list_last(c);

	*out = json_array();
	for (size_t i = 0; i < vm_snapshot_count(c->snapshot); i++) {
		const struct vm *vm = vm_snapshot_at(c->snapshot, i);
		json_t *json = vm_json(c->services, c->snapshot, vm);

		take(*out, declared_row(json, json_object_get(last, vm->name)));
		json_decref(json);
	}
	for (unsigned slot = 0; slot < STRANGERS_MAX; slot++) {
		json_t *json = machines_stranger(c->services, c->snapshot, slot);

		if (json)
			take(*out, stranger_row(json));
		json_decref(json);
	}
	json_decref(last);
	return put_in_order(out, e);
}

/* The part of machine_page.h that shows a definition: its lines, and below each what is wrong with
 * it, or how the machine is otherwise. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/vm_json.h"
#include "boot_handler/pages/machine_page.h"
#include "boot_handler/pages/page.h"
#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/definition/origin.h"

#define FILE_MAX_BYTES ((size_t)64 * 1024)

/* On no line: about the whole file, or where the machine is. */
static void put_problem(struct html *h, const json_t *p)
{
	html_put(h, "<span class=\"problem\"");
	if (json_is_true(json_object_get(p, "warning")))
		html_put(h, " data-warning");
	html_put(h, ">");
	html_text(h, page_text(p, "text"));
	if (json_is_true(json_object_get(p, "serving_last_good")))
		html_put(h, " (the machine goes by the last good version)");
	html_put(h, "</span>");
}

static void put_problems(struct html *h, const json_t *problems, const char *file, int64_t line)
{
	const json_t *p;
	size_t i;

	json_array_foreach(problems, i, p) {
		if (page_number(p, "line") == line && strcmp(page_text(p, "file"), file) == 0)
			put_problem(h, p);
	}
}

/* ---- what it is otherwise ---------------------------------------------------------------- */

static void put_old(struct html *h, const json_t *old)
{
	_cleanup_free_ char *text = json_is_string(old)
					? strdup(json_string_value(old))
					: json_dumps(old, JSON_COMPACT | JSON_ENCODE_ANY);

	html_put(h, "<span class=\"problem\" data-warning>runs with the old value: ");
	html_text(h, json_is_null(old) ? "none" : text);
	html_put(h, "</span>");
}

/* Of each field that this reaches: where the machine has another value. */
static void add_old(json_t *old, json_t *now, const json_t *had, enum vm_reach reach)
{
	const char *field;
	json_t *value;

	json_object_foreach((json_t *)had, field, value) {
		if (vm_field_reach(field) == reach &&
		    !json_equal(value, json_object_get(now, field)))
			json_object_set(old, field, value);
	}
	json_object_foreach(now, field, value) {
		if (vm_field_reach(field) == reach && !json_object_get(had, field))
			json_object_set_new(old, field, json_null());
	}
}

static int add_kept(const struct call *c, const struct vm *vm, json_t *old, enum state_kept kept,
    enum vm_reach reach, struct err *e)
{
	_cleanup_free_ char *text = NULL;

	int r = state_kept(c->services->state, &vm->mac, kept, &text, e);
	json_t *now = vm_values(vm), *had = text ? json_loads(text, 0, NULL) : NULL;
	if (json_is_object(had))
		add_old(old, now, had, reach);
	json_decref(had);
	json_decref(now);
	return r;
}

/* An address is taken over at its next lease. */
static void add_address(json_t *old, const json_t *vm, const char *field, const char *declared)
{
	const char *now = page_text(vm, field);

	if (*now && strcmp(now, page_text(vm, declared)) != 0)
		json_object_set_new(old, field, json_string(now));
}

/* {field: the value that the machine has}, where its definition says another by now. */
static int find_old(
    const struct call *c, const struct vm *vm, const json_t *json, json_t *old, struct err *e)
{
	int r = add_kept(c, vm, old, STATE_INSTALLED_WITH, VM_REACHES_DISK, e);

	if (r == 0)
		r = add_kept(c, vm, old, STATE_STARTED_WITH, VM_REACHES_MACHINE, e);
	add_address(old, json, "ip", "declared_ip");
	add_address(old, json, "ipv6", "declared_ipv6");
	return r;
}

/* The one whose line this is, which is told then. */
static void put_old_value(struct html *h, json_t *old, const char *line)
{
	const char *key = line + strspn(line, " \t{,"),
		   *end = *key == '"' ? strchr(key + 1, '"') : NULL;
	char field[64];

	if (!end || end - key > (ptrdiff_t)sizeof(field))
		return;
	snprintf(field, sizeof(field), "%.*s", (int)(end - key - 1), key + 1);
	const json_t *value = json_object_get(old, field);
	if (!value)
		return;
	put_old(h, value);
	json_object_del(old, field);
}

/* Those that have no line: it was removed, or a profile or _defaults.json says them. */
static void put_old_rest(struct html *h, const json_t *old)
{
	const char *field;
	json_t *value;

	if (json_object_size(old) == 0)
		return;
	html_put(h, "<h2>Not in this file</h2>");
	json_object_foreach((json_t *)old, field, value) {
		html_put(h, "<p><code>");
		html_text(h, field);
		html_put(h, "</code>");
		put_old(h, value);
		html_put(h, "</p>");
	}
}

static void put_lines(
    struct html *h, char *text, json_t *old, const json_t *problems, const char *file)
{
	int64_t number = 0;

	html_put(h, "<ol class=\"code\">");
	for (char *line; (line = strsep(&text, "\n"));) {
		if (!text && !*line)
			break;
		html_put(h, "<li><code>");
		html_text(h, line);
		html_put(h, "</code>");
		put_problems(h, problems, file, ++number);
		put_old_value(h, old, line);
		html_put(h, "</li>");
	}
	html_put(h, "</ol>");
}

/* It may hold hashes of passwords. */
static int check_may(const struct call *c, const struct machine_named *named, struct err *e)
{
	if (!named->vm)
		return err_set(e, ENOENT, "%s has no definition", named->name);
	if (!page_may_order(c))
		return err_set(e, EPERM,
		    "a definition may hold hashes of passwords: this session may not see it; `vmlab dashboard` opens one that may");
	return 0;
}

int machine_page_definition(const struct call *c, struct server_answer *a, struct err *e)
{
	_cleanup_html_ struct html h = HTML_INIT;
	_cleanup_free_ char *text = NULL;
	struct machine_named named;
	json_t *vm = NULL;
	size_t len;

	int r = machine_page_find(c, &named, &vm, e);
	if (r == 0)
		r = check_may(c, &named, e);
	const char *file = r == 0 ? vm_snapshot_file(c->snapshot, named.vm) : "";
	if (r == 0)
		r = file_read_beneath(c->services->vms_dir, file, FILE_MAX_BYTES, &text, &len, e);
	json_t *old = json_object();
	if (r == 0)
		r = find_old(c, named.vm, vm, old, e);
	if (r == 0) {
		json_t *problems = vm_problems_json(c->services->state, c->snapshot);

		machine_page_begin(&h, c, &named, vm, MACHINE_DEFINITION);
		html_put(&h, "<h2 class=\"mono\">");
		html_text(&h, file);
		html_put(&h, "</h2><div class=\"whole\">");
		put_problems(&h, problems, file, 0);
		html_put(&h, "</div>");
		put_lines(&h, text, old, problems, file);
		put_old_rest(&h, old);
		json_decref(problems);
		r = page_end(&h, a, e);
	}
	json_decref(old);
	json_decref(vm);
	return r;
}

/* The part of machine_page.h that shows a definition: its lines, and below each what is wrong with
 * it, or how the machine is otherwise. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/vm_json.h"
#include "boot_handler/pages/machine_page.h"
#include "boot_handler/pages/page.h"
#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"

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

/* The line whose value the machine does not have: an address is taken over at its next lease. */
static void put_old_value(struct html *h, const json_t *vm, const char *line)
{
	static const struct {
		const char *key, *declared, *now;
	} fields[] = {{"\"ip\"", "declared_ip", "ip"}, {"\"ipv6\"", "declared_ipv6", "ipv6"}};

	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		const char *now = page_text(vm, fields[i].now);

		if (strncmp(line + strspn(line, " \t{,"), fields[i].key, strlen(fields[i].key)) !=
			0 ||
		    !*now || strcmp(now, page_text(vm, fields[i].declared)) == 0)
			continue;
		html_put(h, "<span class=\"problem\" data-warning>runs with the old value: ");
		html_text(h, now);
		html_put(h, "</span>");
	}
}

static void put_lines(
    struct html *h, char *text, const json_t *vm, const json_t *problems, const char *file)
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
		put_old_value(h, vm, line);
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
	if (r == 0) {
		json_t *problems = vm_problems_json(c->services->state, c->snapshot);

		machine_page_begin(&h, c, &named, vm, MACHINE_DEFINITION);
		html_put(&h, "<h2 class=\"mono\">");
		html_text(&h, file);
		html_put(&h, "</h2><div class=\"whole\">");
		put_problems(&h, problems, file, 0);
		html_put(&h, "</div>");
		put_lines(&h, text, vm, problems, file);
		json_decref(problems);
		r = page_end(&h, a, e);
	}
	json_decref(vm);
	return r;
}

#include "boot_handler/pages/machine_page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/explain.h"
#include "boot_handler/http/vm_json.h"
#include "boot_handler/pages/curve_picture.h"
#include "boot_handler/pages/event_list.h"
#include "boot_handler/pages/orders_page.h"
#include "boot_handler/pages/page.h"
#include "boot_handler/pages/stranger_page.h"
#include "boot_handler/pages/timeline.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/size.h"
#include "lib/follow/progress.h"

#define JSON_FREE __attribute__((cleanup(free_json)))
static void free_json(json_t **json)
{
	json_decref(*json);
}

/* ---- what all parts have ----------------------------------------------------------------- */

int machine_page_find(const struct call *c, struct machine_named *named, json_t **vm, struct err *e)
{
	int r = machine_find(c, named, e);

	*vm = r == 0 && named->vm ? vm_json(c->services, c->snapshot, named->vm) : NULL;
	return r;
}

static const struct {
	const char *path, *title;
	bool declared; /* only of a machine with a definition */
} tabs[] = {
    [MACHINE_OVERVIEW] = {"", "Overview", false},
    [MACHINE_EVENTS] = {"/events", "Events", false},
    [MACHINE_LOG] = {"/log", "Installer log", true},
    [MACHINE_CONSOLE] = {"/console", "Console", false},
    [MACHINE_DEFINITION] = {"/definition", "Definition", true},
    [MACHINE_ORDERS] = {"/orders", "Orders", false},
};

static void put_tabs(struct html *h, const struct machine_named *named, enum machine_tab chosen)
{
	html_put(h, "<nav class=\"tabs\" aria-label=\"Parts of this machine\">");
	for (size_t i = 0; i < sizeof(tabs) / sizeof(tabs[0]); i++) {
		if (tabs[i].declared && !named->vm)
			continue;
		html_put(h, "<a href=\"/machines/");
		html_url_part(h, named->name);
		html_text(h, tabs[i].path);
		html_put(h, "\"");
		if (i == chosen)
			html_put(h, " aria-current=\"page\"");
		html_put(h, ">");
		html_text(h, tabs[i].title);
		html_put(h, "</a>");
	}
	html_put(h, "</nav>");
}

static void put_state(struct html *h, const json_t *vm)
{
	_cleanup_free_ char *says = page_said(progress_state, vm), *detail = NULL;
	int percent = strcmp(page_text(vm, "state"), "installing") == 0 ? progress_percent(vm) : -1;

	html_put(h, "<div id=\"state\" data-live class=\"now\"><span class=\"state\"");
	html_attr(h, "data-state", page_text(vm, "state"));
	html_put(h, ">");
	html_text(h, says);
	html_put(h, "</span>");
	if (percent >= 0) {
		detail = page_said(progress_detail, vm);
		html_put(h, "<progress max=\"100\" aria-label=\"installed\" value=\"");
		html_number(h, percent);
		html_put(h, "\"></progress><span>");
		html_text(h, detail);
		html_put(h, "</span>");
	}
	html_put(h, "</div>");
}

/* After an order, by the word in the query. */
static void put_done(struct html *h, const struct call *c)
{
	char word[24];

	(void)route_field(c->request->route->query, "done", word, sizeof(word));
	const char *said = orders_page_done(word);
	if (said) {
		html_put(h, "<p class=\"notice good\" role=\"status\">");
		html_text(h, said);
		html_put(h, "</p>");
	}
}

void machine_page_begin(struct html *h, const struct call *c, const struct machine_named *named,
    const json_t *vm, enum machine_tab tab)
{
	page_begin(h, c, named->name, PAGE_MACHINES);
	html_put(h, "<div class=\"head\"");
	html_attr(h, "data-of", named->name);
	html_put(h, "><h1>");
	html_text(h, named->name);
	html_put(h, "</h1>");
	if (vm)
		put_state(h, vm);
	else
		html_put(h, "<div class=\"now\"><span class=\"state\" data-state=\"unknown\">"
			    "no definition</span></div>");
	html_put(h, "</div>");
	put_tabs(h, named, tab);
	put_done(h, c);
}

/* ---- overview ---------------------------------------------------------------------------- */

static void put_reason(struct html *h, const json_t *from)
{
	if (!json_is_object(from))
		return;
	html_put(h, "<div class=\"notice bad\"><p><b>");
	html_text(h, page_text(from, *page_text(from, "stage") ? "stage" : "phase"));
	html_put(h, "</b>: ");
	html_text(h, page_text(from, "reason"));
	html_put(h, "</p>");
	if (*page_text(from, "hint")) {
		html_put(h, "<p>");
		html_advice(h, page_text(from, "hint"));
		html_put(h, "</p>");
	}
	html_put(h, "</div>");
}

static void put_evidence(struct html *h, const json_t *evidence)
{
	const json_t *seen;
	size_t i;

	html_put(h, "<ul class=\"evidence\">");
	json_array_foreach(evidence, i, seen) {
		html_put(h, "<li>");
		html_time(h, page_time(seen, "at"), wall_ms());
		html_put(h, " ");
		html_text(h, page_text(seen, "text"));
		if (*page_text(seen, "from")) {
			html_put(h, " <span class=\"dim\">(");
			html_text(h, page_text(seen, "from"));
			html_put(h, ")</span>");
		}
		html_put(h, "</li>");
	}
	html_put(h, "</ul>");
}

/* A broken link, its evidence and what to do, as `vmlab explain` says them. */
static void put_broken(struct html *h, const json_t *broken)
{
	html_put(h, "<div class=\"notice bad\"><p><b>");
	html_text(h, page_text(broken, "link"));
	html_put(h, "</b>: ");
	html_text(h, page_text(broken, "sentence"));
	html_put(h, "</p>");
	put_evidence(h, json_object_get(broken, "evidence"));
	html_put(h, "<p><b>What to do</b>: ");
	html_advice(h, page_text(broken, "hint"));
	html_put(h, "</p></div>");
}

/* One that is ready or installs has nothing to be explained. */
static bool is_in_doubt(const json_t *vm)
{
	const char *state = page_text(vm, "state");

	return json_is_object(json_object_get(vm, "outlook")) ||
	       (strcmp(state, "ready") != 0 && strcmp(state, "installing") != 0);
}

static void put_why(
    struct html *h, const struct call *c, const struct machine_named *named, const json_t *vm)
{
	struct err unread = ERR_INIT;
	JSON_FREE json_t *explained = is_in_doubt(vm) ? machine_explained(c, named, &unread) : NULL;
	const json_t *broken = json_object_get(explained, "broken"), *other;
	size_t i;

	html_put(h, "<div id=\"why\" data-live>");
	if (json_is_object(broken)) {
		put_broken(h, broken);
		json_array_foreach(json_object_get(explained, "also"), i, other) {
			put_broken(h, other);
		}
	} else {
		put_reason(h, json_object_get(vm, "outlook"));
		put_reason(h, json_object_get(vm, "error"));
	}
	html_put(h, "</div>");
}

static void put_fact(struct html *h, const char *name, const char *value)
{
	if (!*value)
		return;
	html_put(h, "<div><dt>");
	html_text(h, name);
	html_put(h, "</dt><dd>");
	html_text(h, value);
	html_put(h, "</dd></div>");
}

static void put_address(
    struct html *h, const json_t *vm, const char *name, const char *now, const char *declared)
{
	const char *ip = page_text(vm, now), *wanted = page_text(vm, declared);

	if (!*ip && !*wanted)
		return;
	html_put(h, "<div><dt>");
	html_text(h, name);
	html_put(h, "</dt><dd class=\"mono\">");
	html_text(h, *ip ? ip : wanted);
	if (*wanted && *ip && strcmp(ip, wanted) != 0) {
		html_put(h, " <span class=\"warn\">declared: ");
		html_text(h, wanted);
		html_put(h, "</span>");
	}
	html_put(h, "</dd></div>");
}

static void put_sizes(struct html *h, const json_t *vm)
{
	const json_t *disks = json_object_get(vm, "disks_bytes"), *disk;
	char size[SIZE_TEXT_SIZE];
	size_t i;

	put_fact(h, "Memory", size_text_short((uint64_t)page_number(vm, "memory_bytes"), size));
	if (json_array_size(disks) == 0)
		return;
	html_put(h, "<div><dt>Disks</dt><dd>");
	json_array_foreach(disks, i, disk) {
		if (i)
			html_put(h, " + ");
		html_text(h, size_text_short((uint64_t)json_integer_value(disk), size));
	}
	html_put(h, "</dd></div>");
}

static void put_when(struct html *h, const char *name, int64_t at_ms)
{
	if (at_ms <= 0)
		return;
	html_put(h, "<div><dt>");
	html_text(h, name);
	html_put(h, "</dt><dd>");
	html_time(h, at_ms, wall_ms());
	html_put(h, "</dd></div>");
}

/* Of what a script is called where that alone says little. */
static const char *network_boot_words(const char *does)
{
	static const struct {
		const char *does, *words;
	} told[] = {
	    {"local", "its disk"},
	    {"failed", "waits, as its install failed"},
	    {"no-image", "waits, as its image is missing"},
	    {"wait", "waits"},
	};

	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
		if (strcmp(told[i].does, does) == 0)
			return told[i].words;
	return does;
}

static void put_facts(struct html *h, const json_t *vm)
{
	const json_t *expected = json_object_get(vm, "expected");

	bool off = json_is_false(json_object_get(vm, "netboot"));

	html_put(h, "<dl class=\"facts\" id=\"facts\" data-live>");
	put_address(h, vm, "Address", "ip", "declared_ip");
	put_address(h, vm, "IPv6 address", "ipv6", "declared_ipv6");
	put_fact(h, "MAC", page_text(vm, "mac"));
	put_fact(h, "Architecture", page_text(vm, "arch"));
	put_fact(h, "Mode", page_text(vm, "mode"));
	put_fact(h, "Image", page_text(vm, *page_text(vm, "image") ? "image" : "distro"));
	put_fact(
	    h, "Next network boot", off ? "off" : network_boot_words(page_text(expected, "does")));
	put_fact(h, "User", page_text(vm, "user"));
	put_sizes(h, vm);
	put_when(h, "Last change", page_time(vm, "changed_at"));
	put_when(h, "Last seen", page_time(vm, "last_seen"));
	html_put(h, "</dl>");
}

static void put_curve(struct html *h, const struct call *c, const struct vm *vm)
{
	struct err unread = ERR_INIT;
	_cleanup_free_ char *text = NULL;

	if (state_curve(c->services->state, &vm->mac, &text, &unread) < 0 || !text)
		return;
	json_t *curve = json_loads(text, 0, NULL);
	curve_picture_put(h, curve);
	json_decref(curve);
}

static void put_timeline(struct html *h, const struct call *c, const struct machine_named *named)
{
	struct err unread = ERR_INIT;
	JSON_FREE json_t *events = event_list(c, named, false, &unread);
	struct timeline *timeline = malloc(sizeof(*timeline));

	html_put(h, "<section id=\"timeline\" data-live aria-labelledby=\"timeline-title\">"
		    "<h2 id=\"timeline-title\">Timeline</h2>");
	if (events && timeline) {
		timeline_make(events, wall_ms(), timeline);
		timeline_put(h, timeline);
	} else {
		html_text(h, unread.msg);
	}
	put_curve(h, c, named->vm);
	html_put(h, "</section>");
	free(timeline);
}

int machine_page(const struct call *c, struct server_answer *a, struct err *e)
{
	_cleanup_html_ struct html h = HTML_INIT;
	struct machine_named named;
	JSON_FREE json_t *vm = NULL;

	int r = machine_page_find(c, &named, &vm, e);
	if (r < 0)
		return r;
	machine_page_begin(&h, c, &named, vm, MACHINE_OVERVIEW);
	if (vm) {
		put_why(&h, c, &named, vm);
		put_facts(&h, vm);
		put_timeline(&h, c, &named);
		orders_page_boot_forms(&h, c, &named, vm);
	} else {
		stranger_page_put(&h, c, &named);
	}
	return page_end(&h, a, e);
}

/* ---- events ------------------------------------------------------------------------------ */

static void put_event(struct html *h, const json_t *event)
{
	html_put(h, "<tr");
	html_attr(h, "data-severity", page_text(event, "severity"));
	html_put(h, "><td class=\"mono\">");
	html_moment(h, page_time(event, "at"));
	html_put(h, "</td><td>");
	html_text(h, page_text(event, "kind"));
	html_put(h, "</td><td>");
	html_text(h, page_text(event, *page_text(event, "sentence") ? "sentence" : "text"));
	html_put(h, "</td><td class=\"mono mid\">");
	html_text(h, page_text(event, "source"));
	html_put(h, "</td></tr>\n");
}

int machine_page_events(const struct call *c, struct server_answer *a, struct err *e)
{
	_cleanup_html_ struct html h = HTML_INIT;
	struct machine_named named;
	JSON_FREE json_t *vm = NULL, *events = NULL;

	int r = machine_page_find(c, &named, &vm, e);
	if (r < 0)
		return r;
	events = event_list(c, &named, true, e);
	if (!events)
		return -EIO;
	machine_page_begin(&h, c, &named, vm, MACHINE_EVENTS);
	html_put(&h, "<div id=\"events\" data-live>");
	if (json_array_size(events) == 0)
		html_put(&h, "<p class=\"notice\">Nothing has happened to it yet.</p>");
	else
		html_put(&h,
		    "<div class=\"scroll\" role=\"region\" aria-label=\"Events\" "
		    "tabindex=\"0\"><table class=\"events\"><thead><tr>"
		    "<th scope=\"col\">When (UTC)</th><th scope=\"col\">Kind</th>"
		    "<th scope=\"col\">What</th><th scope=\"col\" class=\"mid\">From</th></tr>"
		    "</thead><tbody>\n");
	for (size_t i = json_array_size(events); i-- > 0;)
		put_event(&h, json_array_get(events, i));
	if (json_array_size(events) > 0)
		html_put(&h, "</tbody></table></div>");
	html_put(&h, "</div>");
	return page_end(&h, a, e);
}

/* ---- the installer's log ----------------------------------------------------------------- */

int machine_page_log(const struct call *c, struct server_answer *a, struct err *e)
{
	_cleanup_html_ struct html h = HTML_INIT;
	_cleanup_free_ char *log = NULL;
	struct machine_named named;
	JSON_FREE json_t *vm = NULL;

	int r = machine_page_find(c, &named, &vm, e);
	if (r == 0 && !named.vm)
		r = err_set(e, ENOENT, "%s has no definition, so it was not installed", named.name);
	if (r == 0)
		r = state_log(c->services->state, &named.vm->mac, &log, e);
	if (r < 0)
		return r;
	machine_page_begin(&h, c, &named, vm, MACHINE_LOG);
	put_reason(&h, json_object_get(vm, "error"));
	html_put(&h, "<div id=\"log\" data-live>");
	if (log && *log) {
		html_put(&h,
		    "<pre class=\"log\" tabindex=\"0\" aria-label=\"Installer log\" role=\"region\">");
		html_text(&h, log);
		html_put(&h, "</pre>");
	} else {
		html_put(&h,
		    "<p class=\"notice\">No installer has told anything yet: its last lines "
		    "are here from its first report on.</p>");
	}
	html_put(&h, "</div>");
	return page_end(&h, a, e);
}

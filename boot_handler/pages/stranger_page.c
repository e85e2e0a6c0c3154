#include "boot_handler/pages/stranger_page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/machines.h"
#include "boot_handler/pages/page.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"

/* ---- shown ------------------------------------------------------------------------------- */

static void put_facts(struct html *h, const json_t *machine)
{
	static const struct {
		const char *key, *name;
	} facts[] = {{"uuid", "UUID"}, {"serial", "Serial number"}, {"manufacturer", "Vendor"},
	    {"product", "Product"}, {"asset", "Asset tag"}, {"arch", "Architecture"},
	    {"platform", "Firmware"}, {"loader", "Loader"}, {"ip", "Address"}, {"ipv6", "Address"},
	    {"profile", "Profile that fits"}, {"problem", "Problem"}};

	html_put(h, "<dl class=\"facts\" id=\"facts\" data-live>");
	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		if (!*page_text(machine, facts[i].key))
			continue;
		html_put(h, "<div><dt>");
		html_text(h, facts[i].name);
		html_put(h, "</dt><dd>");
		html_text(h, page_text(machine, facts[i].key));
		html_put(h, "</dd></div>");
	}
	html_put(h, "<div><dt>Asked</dt><dd>");
	html_number(h, page_number(machine, "asked"));
	html_put(h, "&#215;</dd></div><div><dt>First seen</dt><dd>");
	html_time(h, page_time(machine, "first_seen"), wall_ms());
	html_put(h, "</dd></div><div><dt>Last seen</dt><dd>");
	html_time(h, page_time(machine, "last_seen"), wall_ms());
	html_put(h, "</dd></div></dl>");
}

static void put_command(struct html *h, const char *id)
{
	html_put(h, "<p>On the machine that runs the lab:</p><pre>vmlab adopt ");
	html_text(h, id);
	html_put(h, " NAME</pre>");
}

static void put_adopt(struct html *h, const struct call *c, const char *id, const json_t *machine)
{
	html_put(h, "<section id=\"adopt\" aria-labelledby=\"adopt-title\"><h2 id=\"adopt-title\">"
		    "Adopt</h2><p>It gets a definition, with what it showed.</p>");
	if (!page_may_order(c) || !declarer_may_write(&c->services->declarer)) {
		put_command(h, id);
	} else {
		html_put(h, "<form method=\"post\" class=\"order\"");
		html_url(h, "action", "/machines/", id, "/adopt");
		html_put(h, "><label>Name<input name=\"name\" required maxlength=\"63\" "
			    "autocomplete=\"off\" spellcheck=\"false\"");
		html_attr(h, "value", page_text(machine, "declares_as"));
		html_put(h, "></label><button>Adopt</button></form>");
	}
	html_put(h, "</section>");
}

static void put_ignore(struct html *h, const char *id, bool ignored)
{
	html_put(h, "<section aria-labelledby=\"ignore-title\"><h2 id=\"ignore-title\">Ignore</h2>"
		    "<p>An ignored machine is not listed, and is answered as before.</p>"
		    "<form method=\"post\"");
	if (ignored) {
		html_url(h, "action", "/machines/", id, "/unignore");
		html_put(h, "><button>List it again</button></form></section>");
	} else {
		html_url(h, "action", "/machines/", id, "/ignore");
		html_put(h, "><button>Ignore</button></form></section>");
	}
}

void stranger_page_put(struct html *h, const struct call *c, const struct machine_named *named)
{
	struct err e = ERR_INIT;
	struct stranger found;

	if (strangers_find(state_strangers(c->services->state), named->name, &found, &e) < 0) {
		html_put(h, "<p class=\"notice\">");
		html_text(h, e.msg);
		html_put(h, "</p>");
		return;
	}
	json_t *machine = machines_stranger(c->services, c->snapshot, found.slot);
	put_facts(h, machine);
	put_adopt(h, c, named->name, machine);
	if (page_may_order(c))
		put_ignore(h, named->name, found.ignored);
	json_decref(machine);
}

/* ---- orders ------------------------------------------------------------------------------ */

static char *address_of(const char *id, const char *rest)
{
	struct html h = HTML_INIT;

	html_put(&h, "/machines");
	if (id) {
		html_put(&h, "/");
		html_url_part(&h, id);
	}
	html_text(&h, rest);
	return html_steal(&h);
}

/* The API's handler does it; what it answers is for programs. */
static int forward(const struct call *c,
    int (*run)(const struct call *c, struct server_answer *a, struct err *e),
    struct server_answer *a, struct err *e)
{
	struct server_answer ignored = {0};

	int r = run(c, &ignored, e);
	if (r < 0)
		return r;
	free((void *)ignored.body);
	return page_sent_to(a, address_of(NULL, ""), e);
}

int stranger_page_ignore(const struct call *c, struct server_answer *a, struct err *e)
{
	return forward(c, machines_ignore, a, e);
}

int stranger_page_unignore(const struct call *c, struct server_answer *a, struct err *e)
{
	return forward(c, machines_unignore, a, e);
}

int stranger_page_adopt(const struct call *c, struct server_answer *a, struct err *e)
{
	struct piece body = {c->request->body, c->request->body_len};
	struct services *services = c->services;
	struct stranger stranger;
	char name[80];

	(void)route_field(body, "name", name, sizeof(name));
	int r = strangers_find(
	    state_strangers(services->state), c->request->route->machine, &stranger, e);
	if (r == 0)
		r = declarer_adopt(&services->declarer, c->snapshot, &stranger, name, e);
	return r < 0 ? r : page_sent_to(a, address_of(NULL, ""), e);
}

#include "boot_handler/pages/machines_page.h"

#include <string.h>

#include "boot_handler/pages/machine_list.h"
#include "boot_handler/pages/machine_rows.h"
#include "boot_handler/pages/page.h"
#include "lib/base/clock.h"

/* ---- search and filter ------------------------------------------------------------------- */

static void put_option(struct html *h, const struct machine_filter *f, const char *chosen)
{
	html_put(h, "<option");
	html_attr(h, "value", f->word);
	if (strcmp(f->word, chosen) == 0)
		html_put(h, " selected");
	html_put(h, ">");
	html_text(h, f->title);
	html_put(h, "</option>");
}

static void put_search(struct html *h, const struct machine_list *list)
{
	html_put(h, "<form class=\"search\" method=\"get\" action=\"/machines\" role=\"search\">"
		    "<label>Search<input type=\"search\" name=\"q\" maxlength=\"99\" "
		    "placeholder=\"name, address, MAC, image, serial\"");
	html_attr(h, "value", list->search);
	html_put(h, "></label><label>Show<select name=\"state\">");
	for (const struct machine_filter *f = machine_filters; f->word; f++)
		put_option(h, f, list->filter);
	html_put(h, "</select></label><button>Show</button></form>");
}

static void put_count(struct html *h, const struct machine_filter *f, int64_t count)
{
	html_put(h, "<li><a");
	html_url(h, "href", "/machines?state=", f->word, "");
	html_put(h, "><span class=\"dot\"");
	html_attr(h, "data-state", f->word);
	html_put(h, "></span><b>");
	html_number(h, count);
	html_put(h, "</b> ");
	html_text(h, f->title);
	html_put(h, "</a></li>");
}

/* How many there are of each state that any has. */
void machines_page_put_counts(struct html *h, const struct board *board)
{
	html_put(h, "<ul class=\"counts\" id=\"counts\" aria-label=\"Machines by state\">");
	for (const struct machine_filter *f = machine_filters; f->word; f++) {
		int64_t count = page_number(board->counts, f->word);

		if (count > 0)
			put_count(h, f, count);
	}
	html_put(h, "</ul>");
}

/* ---- a row ------------------------------------------------------------------------------- */

static void put_machine(struct html *h, const json_t *row)
{
	const char *id = page_text(row, "id");

	html_put(h, "<th role=\"rowheader\" scope=\"row\"><a");
	html_url(h, "href", "/machines/", id, "");
	html_put(h, ">");
	html_text(h, id);
	html_put(h, "</a><span class=\"sub thin\">");
	html_text(h, page_text(row, "ip"));
	html_put(h, "</span>");
	if (*page_text(row, "what")) {
		html_put(h, "<span class=\"sub\">");
		html_text(h, page_text(row, "what"));
		html_put(h, "</span>");
	}
	if (*page_text(row, "uuid")) {
		html_put(h, "<span class=\"sub\">UUID ");
		html_text(h, page_text(row, "uuid"));
		html_put(h, "</span>");
	}
	if (*page_text(row, "serial")) {
		html_put(h, "<span class=\"sub\">serial ");
		html_text(h, page_text(row, "serial"));
		html_put(h, "</span>");
	}
	html_put(h, "</th>");
}

static void put_progress(struct html *h, const json_t *row)
{
	html_put(
	    h, "<progress max=\"100\" data-part=\"percent\" aria-label=\"installed\" value=\"");
	html_number(h, page_number(row, "percent"));
	html_put(h, "\"></progress>");
}

static void put_line(struct html *h, const char *text)
{
	html_put(h, "<span class=\"sub\">");
	html_advice(h, text);
	html_put(h, "</span>");
}

static void put_state(struct html *h, const json_t *row)
{
	html_put(h, "<td role=\"cell\"><span class=\"state\"");
	html_attr(h, "data-state", page_text(row, "state"));
	html_put(h, " data-part=\"says\">");
	html_text(h, page_text(row, "says"));
	html_put(h, "</span>");
	if (page_number(row, "percent") >= 0)
		put_progress(h, row);
	html_put(h, "<span class=\"sub\" data-part=\"detail\">");
	html_text(h, page_text(row, "detail"));
	html_put(h, "</span>");
	if (*page_text(row, "why"))
		put_line(h, page_text(row, "why"));
	if (*page_text(row, "hint"))
		put_line(h, page_text(row, "hint"));
	html_put(h, "</td>");
}

static void put_address(struct html *h, const json_t *row)
{
	html_put(h, "<td role=\"cell\" class=\"mono mid\"><span data-part=\"ip\">");
	html_text(h, page_text(row, "ip"));
	html_put(h, "</span>");
	if (*page_text(row, "declared_ip")) {
		html_put(h, "<span class=\"sub warn\">declared: ");
		html_text(h, page_text(row, "declared_ip"));
		html_put(h, "</span>");
	}
	html_put(h, "</td>");
}

static void put_ignore(struct html *h, const json_t *row)
{
	html_put(h, "<form method=\"post\"");
	if (strcmp(page_text(row, "state"), "ignored") == 0) {
		html_url(h, "action", "/machines/", page_text(row, "id"), "/unignore");
		html_put(h, "><button class=\"quiet\">List again</button></form>");
	} else {
		html_url(h, "action", "/machines/", page_text(row, "id"), "/ignore");
		html_put(h, "><button class=\"quiet\">Ignore</button></form>");
	}
}

static void put_adopt(struct html *h, const json_t *row)
{
	html_put(h, "<a");
	html_url(h, "href", "/machines/", page_text(row, "id"), "#adopt");
	html_put(h, ">Adopt</a> ");
}

/* Of one without a definition what may be done with it, and how often it has asked. */
static void put_stranger(struct html *h, const struct call *c, const json_t *row)
{
	html_put(h, "<td role=\"cell\" class=\"wide\">asked ");
	html_number(h, page_number(row, "asked"));
	html_put(h, "&#215;</td><td role=\"cell\" class=\"wide\"><span class=\"actions\">");
	put_adopt(h, row);
	if (page_may_order(c))
		put_ignore(h, row);
	html_put(h, "</span></td>");
}

static void put_declared(struct html *h, const json_t *row, int64_t now_ms)
{
	html_put(h, "<td role=\"cell\" class=\"wide\">");
	html_text(h, page_text(row, "image"));
	html_put(h, "</td><td role=\"cell\" class=\"wide\"><span data-part=\"event\">");
	html_text(h, page_text(row, "event"));
	html_put(h, "</span><span class=\"sub\" data-part=\"event_at\">");
	html_time(h, page_time(row, "event_at"), now_ms);
	html_put(h, "</span></td>");
}

void machines_page_put_row(struct html *h, const struct call *c, const json_t *row, int64_t now_ms)
{
	html_put(h, "<tr role=\"row\"");
	html_attr(h, "data-machine", page_text(row, "id"));
	html_attr(h, "data-state", page_text(row, "state"));
	html_put(h, ">");
	put_machine(h, row);
	put_state(h, row);
	put_address(h, row);
	if (json_is_null(json_object_get(row, "name")))
		put_stranger(h, c, row);
	else
		put_declared(h, row, now_ms);
	html_put(h, "<td role=\"cell\" class=\"mid\" data-part=\"seen\">");
	html_time(h, page_time(row, "seen"), now_ms);
	html_put(h, "</td></tr>\n");
}

/* ---- the page ---------------------------------------------------------------------------- */

static void put_none(struct html *h, const struct machine_list *list)
{
	if (*list->search || *list->filter)
		html_put(h,
		    "<p class=\"notice\">No machine is like that. <a href=\"/machines\">Show "
		    "all</a></p>");
	else
		html_put(h,
		    "<p class=\"notice\">There is no machine yet: <code>vmlab new web1</code> "
		    "writes the definition of one, and whatever asks by DHCP or iPXE without "
		    "one shows up here.</p>");
}

static const struct {
	const char *title, *class; /* NULL: at any width */
} columns[] = {{"Machine", NULL}, {"State", NULL}, {"Address", "mid"}, {"Image", "wide"},
    {"Last event", "wide"}, {"Seen", "mid"}};

static void put_columns(struct html *h)
{
	html_put(h, "<thead role=\"rowgroup\"><tr role=\"row\">");
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
		html_put(h, "<th role=\"columnheader\" scope=\"col\"");
		html_attr(h, "class", columns[i].class);
		html_put(h, ">");
		html_text(h, columns[i].title);
		html_put(h, "</th>");
	}
	html_put(h, "</tr></thead>");
}

/* The style makes boxes of other kinds of a table's, which not every browser tells as a table then:
 * each part says what it is. */
static void put_table(struct html *h, const struct call *c, const struct machine_list *list)
{
	int64_t now_ms = wall_ms();

	html_put(h, "<div class=\"scroll\" role=\"region\" aria-label=\"Machines\" tabindex=\"0\">"
		    "<table class=\"machines\" id=\"machines\" role=\"table\">");
	put_columns(h);
	html_put(h, "<tbody role=\"rowgroup\">\n");
	for (size_t i = 0; i < list->count; i++)
		machines_page_put_row(h, c, list->rows[i]->row, now_ms);
	html_put(h, "</tbody></table></div>");
	if (list->found > list->count) {
		html_put(h, "<p class=\"notice\">These are the first ");
		html_number(h, MACHINE_LIST_MAX);
		html_put(h, " of ");
		html_number(h, (int64_t)list->found);
		html_put(h, ": search for what you look for.</p>");
	}
}

/* With the version that its script goes on from. */
static void put_list(struct html *h, const struct call *c, const struct machine_list *list)
{
	html_put(h, "<div id=\"list\" data-version=\"");
	html_number(h, (int64_t)list->board->version);
	html_put(h, "\">");
	if (list->count > 0)
		put_table(h, c, list);
	else
		put_none(h, list);
	html_put(h, "</div>");
}

/* Files that cannot be used belong to no machine of the list. */
static void put_problems(struct html *h, const struct call *c)
{
	size_t count = vm_snapshot_problem_count(c->snapshot);

	if (count == 0)
		return;
	html_put(h, "<details class=\"problems\"><summary>Problems of definitions (");
	html_number(h, (int64_t)count);
	html_put(h, ")</summary><ul>");
	for (size_t i = 0; i < count && i < 100; i++) {
		const struct vm_problem *p = vm_snapshot_problem_at(c->snapshot, i);

		html_put(h, "<li><code>");
		html_text(h, p->file);
		html_put(h, ":");
		html_number(h, p->where.line);
		html_put(h, "</code> ");
		html_text(h, p->text);
		html_put(h, "</li>");
	}
	html_put(h, "</ul></details>");
}

int machines_page(const struct call *c, struct server_answer *a, struct err *e)
{
	_cleanup_machine_list_ struct machine_list list = {.rows = NULL};
	_cleanup_html_ struct html h = HTML_INIT;

	/* Who has just ordered something is to see it. */
	int r = machine_list_make(c, BOARD_NOW, &list, e);
	if (r < 0)
		return r;
	page_begin(&h, c, "Machines", PAGE_MACHINES);
	html_put(&h, "<div class=\"head\"><h1>Machines</h1>");
	put_search(&h, &list);
	html_put(&h, "</div>");
	machines_page_put_counts(&h, list.board);
	put_problems(&h, c);
	put_list(&h, c, &list);
	return page_end(&h, a, e);
}

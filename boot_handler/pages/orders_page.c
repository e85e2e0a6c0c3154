#include "boot_handler/pages/orders_page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/http/machine_order.h"
#include "boot_handler/http/vm_order.h"
#include "boot_handler/pages/machine_page.h"
#include "boot_handler/pages/page.h"
#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/terminal_text.h"

/* ---- what a machine's next boots do -------------------------------------------------------- */

enum boot_order {
	BOOT_ORDER_REINSTALL,
	BOOT_ORDER_LOCAL,
	BOOT_ORDER_OFF,
	BOOT_ORDER_ON,
	BOOT_ORDERS
};

static const struct {
	const char *word, *title, *summary, *done;
	bool destructive;
	int (*order)(struct services *services, const struct vm *vm, struct err *e);
} boot_orders[BOOT_ORDERS] = {
    [BOOT_ORDER_REINSTALL] = {"reinstall", "Reinstall",
	"It is installed anew at its next network boot. What is on its disk is gone then.",
	"It is installed at its next network boot: start it anew.", true, vm_order_reinstall},
    [BOOT_ORDER_LOCAL] = {"local", "Boot from disk", "Its next network boots lead to its disk.",
	"It boots from its disk from now on.", false, vm_order_local},
    [BOOT_ORDER_OFF] = {"netboot-off", "Network boot off",
	"It gets an address and no loader, so its firmware goes on to the disk.",
	"Network boot is off.", false, vm_order_netboot_off},
    [BOOT_ORDER_ON] = {"netboot-on", "Network boot on",
	"It boots from the network again, as its definition says.", "Network boot is on.", false,
	vm_order_netboot_on},
};

const char *orders_page_done(const char *word)
{
	for (size_t i = 0; i < BOOT_ORDERS; i++)
		if (strcmp(boot_orders[i].word, word) == 0)
			return boot_orders[i].done;
	if (strcmp(word, "ordered") == 0)
		return "Ordered: its agent begins when it is there.";
	return strcmp(word, "cancelled") == 0 ? "Cancelled, with what was to follow it." : NULL;
}

static void put_confirm(struct html *h, const char *name)
{
	html_put(h, "<label>Type <b>");
	html_text(h, name);
	html_put(h, "</b> to confirm<input name=\"confirm\" required autocomplete=\"off\" "
		    "autocapitalize=\"none\" spellcheck=\"false\"></label>");
}

static void put_boot_order(struct html *h, const struct machine_named *named, size_t i)
{
	html_put(h, "<form class=\"order\" method=\"post\"");
	html_url(h, "action", "/machines/", named->name, "/boot");
	html_put(h, "><h3>");
	html_text(h, boot_orders[i].title);
	html_put(h, "</h3><p>");
	html_text(h, boot_orders[i].summary);
	html_put(h, "</p><input type=\"hidden\" name=\"order\"");
	html_attr(h, "value", boot_orders[i].word);
	html_put(h, ">");
	if (boot_orders[i].destructive) {
		put_confirm(h, named->name);
		html_put(h, "<button class=\"danger\">");
	} else {
		html_put(h, "<button>");
	}
	html_text(h, boot_orders[i].title);
	html_put(h, "</button></form>");
}

void orders_page_boot_forms(
    struct html *h, const struct call *c, const struct machine_named *named, const json_t *vm)
{
	bool off = json_is_false(json_object_get(vm, "netboot"));

	if (!page_may_order(c) || !named->vm)
		return;
	html_put(h, "<section aria-labelledby=\"boot-title\"><h2 id=\"boot-title\">Boot</h2>"
		    "<div class=\"orders\">");
	put_boot_order(h, named, BOOT_ORDER_LOCAL);
	put_boot_order(h, named, off ? BOOT_ORDER_ON : BOOT_ORDER_OFF);
	put_boot_order(h, named, BOOT_ORDER_REINSTALL);
	html_put(h, "</div></section>");
}

static char *address_of(const char *id, const char *rest)
{
	struct html h = HTML_INIT;

	html_put(&h, "/machines/");
	html_url_part(&h, id);
	html_text(&h, rest);
	return html_steal(&h);
}

static int check_confirmed(
    const struct machine_named *named, struct piece form, bool destructive, struct err *e)
{
	char typed[256];

	(void)route_field(form, "confirm", typed, sizeof(typed));
	if (!destructive || strcmp(typed, named->name) == 0)
		return 0;
	return err_set(e, EINVAL,
	    "this destroys what is on the disk of %s: it is not done, as its name was not typed in to confirm it",
	    named->name);
}

int orders_page_boot(const struct call *c, struct server_answer *a, struct err *e)
{
	struct piece form = {c->request->body, c->request->body_len};
	struct machine_named named;
	char word[24], rest[40];
	size_t i = 0;

	int r = machine_find(c, &named, e);
	if (r < 0)
		return r;
	if (!named.vm)
		return err_set(e, EBUSY, "%s has no definition: adopt it first", named.name);
	(void)route_field(form, "order", word, sizeof(word));
	while (i < BOOT_ORDERS && strcmp(boot_orders[i].word, word) != 0)
		i++;
	if (i == BOOT_ORDERS)
		return err_set(e, EINVAL, "there is no such order: open the page anew");
	r = check_confirmed(&named, form, boot_orders[i].destructive, e);
	if (r == 0)
		r = vm_order(c->services, named.vm, boot_orders[i].order, e);
	if (r < 0)
		return r;
	snprintf(rest, sizeof(rest), "?done=%s", word);
	return page_sent_to(a, address_of(named.name, rest), e);
}

/* ---- the agent's orders: shown -------------------------------------------------------------- */

static void put_words(struct html *h, const struct order_arg *arg)
{
	html_put(h, "<select");
	html_attr(h, "name", arg->name);
	html_put(h, ">");
	for (const char *const *word = arg->words; *word; word++) {
		html_put(h, "<option>");
		html_text(h, *word);
		html_put(h, "</option>");
	}
	html_put(h, "</select>");
}

static void put_input(struct html *h, const struct order_arg *arg)
{
	html_put(h, "<input autocomplete=\"off\" spellcheck=\"false\"");
	html_attr(h, "name", arg->name);
	if (arg->kind == ORDER_ARG_COUNT) {
		html_put(h, " type=\"number\" min=\"1\" max=\"");
		html_number(h, arg->most);
		html_put(h, "\"");
		if (arg->usual) {
			html_put(h, " value=\"");
			html_number(h, arg->usual);
			html_put(h, "\"");
		}
	}
	if (arg->kind == ORDER_ARG_DISK)
		html_put(h, " list=\"disks\" placeholder=\"name or serial number\"");
	if (arg->required)
		html_put(h, " required");
	html_put(h, ">");
}

static void put_arg(struct html *h, const struct order_arg *arg)
{
	html_put(h, "<label>");
	html_text(h, arg->name);
	html_put(h, "<span class=\"sub\">");
	html_text(h, arg->summary);
	html_put(h, "</span>");
	if (arg->kind == ORDER_ARG_WORD) {
		put_words(h, arg);
	} else if (arg->kind == ORDER_ARG_SCRIPT) {
		html_put(h, "<textarea rows=\"6\" spellcheck=\"false\"");
		html_attr(h, "name", arg->name);
		html_put(h, " required></textarea>");
	} else {
		put_input(h, arg);
	}
	html_put(h, "</label>");
}

/* What its row in lib/machine/order.h says. */
static void put_form(struct html *h, const struct machine_named *named, const struct order_row *row)
{
	html_put(h, "<details class=\"order\"><summary><b>");
	html_text(h, row->name);
	html_put(h, "</b> ");
	html_text(h, row->summary);
	html_put(h, "</summary><form method=\"post\"");
	html_url(h, "action", "/machines/", named->name, "/orders");
	html_put(h, "><input type=\"hidden\" name=\"action\"");
	html_attr(h, "value", row->name);
	html_put(h, ">");
	for (const struct order_arg *arg = row->args; arg && arg->name; arg++)
		put_arg(h, arg);
	if (row->destructive) {
		put_confirm(h, named->name);
		html_put(h, "<button class=\"danger\">Order ");
	} else {
		html_put(h, "<button>Order ");
	}
	html_text(h, row->name);
	html_put(h, "</button></form></details>");
}

static void put_disks(struct html *h, const struct call *c, const struct machine_named *named)
{
	json_t *told = machine_told(c->services, &named->cards);
	const json_t *disk;
	size_t i;

	html_put(h, "<datalist id=\"disks\">");
	json_array_foreach(json_object_get(told, "disks"), i, disk) {
		html_put(h, "<option");
		html_attr(h, "value", page_text(disk, "name"));
		html_put(h, ">");
		html_text(h, page_text(disk, "model"));
		html_put(h, "</option>");
	}
	html_put(h, "</datalist>");
	json_decref(told);
}

static void put_forms(struct html *h, const struct call *c, const struct machine_named *named)
{
	if (!page_may_order(c))
		return;
	html_put(h,
	    "<section aria-labelledby=\"new-title\"><h2 id=\"new-title\">New order</h2>"
	    "<p>The agent, our system in the machine's memory, carries it out: it starts at "
	    "the next network boot.</p>");
	put_disks(h, c, named);
	for (size_t i = 0; order_row(i); i++)
		put_form(h, named, order_row(i));
	html_put(h, "</section>");
}

static bool is_open(const json_t *order)
{
	const char *state = page_text(order, "state");

	return strcmp(state, order_state_name(ORDER_WAITING)) == 0 ||
	       strcmp(state, order_state_name(ORDER_RUNNING)) == 0;
}

/* How a page's colours call it. */
static const char *colour(const json_t *order)
{
	const char *state = page_text(order, "state");

	if (strcmp(state, order_state_name(ORDER_DONE)) == 0)
		return "ready";
	if (strcmp(state, order_state_name(ORDER_RUNNING)) == 0)
		return "installing";
	return strcmp(state, order_state_name(ORDER_FAILED)) == 0 ? "failed" : "declared";
}

static void put_order_cells(struct html *h, const struct machine_named *named, const json_t *order)
{
	int64_t id = page_number(order, "id");

	html_put(h, "<th scope=\"row\"><a");
	html_put(h, " href=\"/machines/");
	html_url_part(h, named->name);
	html_put(h, "/orders/");
	html_number(h, id);
	html_put(h, "\">");
	html_number(h, id);
	html_put(h, " ");
	html_text(h, page_text(order, "action"));
	html_put(h, "</a></th><td><span class=\"state\"");
	html_attr(h, "data-state", colour(order));
	html_put(h, ">");
	html_text(h, page_text(order, "state"));
	html_put(h, "</span></td><td>");
	html_text(h, page_text(order, "text"));
	html_put(h, "<span class=\"sub\">");
	html_advice(h, page_text(order, *page_text(order, "hint") ? "hint" : "waits_for"));
	html_put(h, "</span></td><td class=\"mid\">");
	html_moment(h, page_time(order, "created"));
	html_put(h, "</td>");
}

static void put_cancel(struct html *h, const struct machine_named *named, const json_t *order)
{
	html_put(h, "<form method=\"post\" action=\"/machines/");
	html_url_part(h, named->name);
	html_put(h, "/orders/");
	html_number(h, page_number(order, "id"));
	html_put(h, "/cancel\"><button class=\"quiet\">Cancel</button></form>");
}

static void put_orders(
    struct html *h, const struct call *c, const struct machine_named *named, const json_t *orders)
{
	const json_t *order;
	size_t i;

	html_put(h, "<div id=\"orders\" data-live>");
	if (json_array_size(orders) == 0) {
		html_put(h, "<p class=\"notice\">Nothing was ordered yet.</p></div>");
		return;
	}
	html_put(h,
	    "<div class=\"scroll\" role=\"region\" aria-label=\"Orders\" tabindex=\"0\">"
	    "<table><thead><tr><th scope=\"col\">Order</th><th scope=\"col\">State</th>"
	    "<th scope=\"col\">What it says</th><th scope=\"col\" class=\"mid\">Given (UTC)</th>");
	if (page_may_order(c))
		html_put(h, "<td></td>");
	html_put(h, "</tr></thead><tbody>");
	json_array_foreach(orders, i, order) {
		html_put(h, "<tr>");
		put_order_cells(h, named, order);
		if (page_may_order(c)) {
			html_put(h, "<td>");
			if (is_open(order))
				put_cancel(h, named, order);
			html_put(h, "</td>");
		}
		html_put(h, "</tr>\n");
	}
	html_put(h, "</tbody></table></div></div>");
}

/* ---- given ---------------------------------------------------------------------------------- */

/* Browsers end lines as RFC 9110 does, scripts do not. */
static void end_lines(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++)
		if (*p != '\r' || p[1] != '\n')
			*to++ = *p;
	*to = '\0';
}

/* {"action", "args"} of the form's fields; a new reference. */
static json_t *said_by(struct piece form, const struct order_row *row)
{
	_cleanup_free_ char *text = malloc(ORDER_SCRIPT_MAX_BYTES + 1);
	json_t *args = json_object();

	for (const struct order_arg *arg = row->args; text && arg && arg->name; arg++) {
		if (!route_field(form, arg->name, text, ORDER_SCRIPT_MAX_BYTES + 1) || !*text)
			continue;
		end_lines(text);
		json_object_set_new(args, arg->name, order_arg_of_text(arg, text));
	}
	return json_pack("{s:s, s:o}", "action", row->name, "args", args);
}

static int give(const struct call *c, struct server_answer *a, struct err *e)
{
	struct piece form = {c->request->body, c->request->body_len};
	struct server_answer ignored = {0};
	struct machine_named named;
	enum order_action action;
	char word[24];

	int r = machine_find(c, &named, e);
	if (r < 0)
		return r;
	(void)route_field(form, "action", word, sizeof(word));
	if (order_action_parse(word, &action) < 0)
		return err_set(e, EINVAL, "there is no such order: open the page anew");
	r = check_confirmed(&named, form, order_row(action)->destructive, e);
	if (r < 0)
		return r;
	json_t *said = said_by(form, order_row(action));
	r = machine_orders_give(c, &named, said, &ignored, e);
	json_decref(said);
	if (r < 0)
		return r;
	free((void *)ignored.body);
	return page_sent_to(a, address_of(named.name, "/orders?done=ordered"), e);
}

static int show(const struct call *c, struct server_answer *a, struct err *e)
{
	_cleanup_html_ struct html h = HTML_INIT;
	struct machine_named named;
	json_t *vm = NULL;

	int r = machine_page_find(c, &named, &vm, e);
	if (r < 0)
		return r;
	json_t *orders = machine_orders_list(c, &named);
	machine_page_begin(&h, c, &named, vm, MACHINE_ORDERS);
	put_orders(&h, c, &named, orders);
	put_forms(&h, c, &named);
	json_decref(orders);
	json_decref(vm);
	return page_end(&h, a, e);
}

int orders_page(const struct call *c, struct server_answer *a, struct err *e)
{
	return c->request->post ? give(c, a, e) : show(c, a, e);
}

int orders_page_cancel(const struct call *c, struct server_answer *a, struct err *e)
{
	struct server_answer ignored = {0};
	struct machine_named named;

	int r = machine_find(c, &named, e);
	if (r == 0)
		r = machine_order_cancel(c, &ignored, e);
	if (r < 0)
		return r;
	free((void *)ignored.body);
	return page_sent_to(a, address_of(named.name, "/orders?done=cancelled"), e);
}

/* ---- one of them ---------------------------------------------------------------------------- */

/* As a terminal would have it in the end; any bytes. */
static void put_output(struct html *h, const char *bytes, size_t len)
{
	_cleanup_free_ char *text = len > 0 ? terminal_text(bytes, len) : NULL;

	if (text && *text) {
		html_put(h, "<pre class=\"log\" tabindex=\"0\" role=\"region\" "
			    "aria-label=\"What it wrote\">");
		html_text(h, text);
		html_put(h, "</pre>");
	} else {
		html_put(h, "<p class=\"dim\">It has written nothing.</p>");
	}
}

int orders_page_one(const struct call *c, struct server_answer *a, struct err *e)
{
	_cleanup_html_ struct html h = HTML_INIT;
	_cleanup_order_ struct order order = {0};
	_cleanup_free_ char *bytes = NULL;
	struct machine_named named;
	json_t *vm = NULL;
	size_t len = 0;

	int r = machine_page_find(c, &named, &vm, e);
	if (r == 0)
		r = orders_find(state_orders(c->services->state), &named.cards,
		    c->request->route->number, &order, e);
	if (r == 0)
		r = outputs_read(state_outputs(c->services->state), order.id, &bytes, &len, e);
	if (r == 0) {
		machine_page_begin(&h, c, &named, vm, MACHINE_ORDERS);
		html_put(&h, "<h2>Order ");
		html_number(&h, order.id);
		html_put(&h, ": ");
		html_text(&h, order_action_name(order.action));
		html_put(&h, "</h2><div id=\"order\" data-live><p>");
		html_text(&h, order_state_name(order.state));
		html_put(&h, " ");
		html_text(&h, order.text);
		html_put(&h, "</p>");
		put_output(&h, bytes, len);
		html_put(&h, "</div>");
		r = page_end(&h, a, e);
	}
	json_decref(vm);
	return r;
}

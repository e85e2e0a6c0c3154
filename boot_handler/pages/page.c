#include "boot_handler/pages/page.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot_handler/pages/console.inc"
#include "boot_handler/pages/icon.inc"
#include "boot_handler/pages/script.inc"
#include "boot_handler/pages/style.inc"
#include "lib/base/clock.h"

#define PAGE_TYPE "text/html; charset=utf-8"

/* Nothing but what this listener serves is loaded or run, nothing is framed, and addresses of pages
 * are told to nobody else. Not "no-referrer": then a form would not say where it comes from. */
#define PAGE_HEADERS                                                                                               \
	{"Content-Security-Policy",                                                                                \
	    "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"}, \
	    {"X-Content-Type-Options", "nosniff"}, {"Referrer-Policy", "same-origin"},                             \
	    {"Cross-Origin-Opener-Policy", "same-origin"},                                                         \
	    {"Cross-Origin-Resource-Policy", "same-origin"}, {"X-Frame-Options", "DENY"}

static const struct server_header page_headers[] = {
    PAGE_HEADERS, {"Cache-Control", "no-store"}, {NULL, NULL}};
/* Their addresses change with what they hold. */
static const struct server_header file_headers[] = {
    PAGE_HEADERS, {"Cache-Control", "max-age=31536000, immutable"}, {NULL, NULL}};

/* ---- values ------------------------------------------------------------------------------ */

bool page_may_order(const struct call *c)
{
	return c->request->role >= ROLE_ADMIN;
}

const char *page_text(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

int64_t page_number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

int64_t page_time(const json_t *o, const char *key)
{
	int64_t at_ms = time_parse(json_string_value(json_object_get(o, key)));

	return at_ms > 0 ? at_ms : 0;
}

char *page_said(void (*write)(FILE *f, const json_t *json), const json_t *json)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	write(f, json);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}

/* ---- files ------------------------------------------------------------------------------- */

static int answer_file(struct server_answer *a, const char *type, const char *text, size_t len)
{
	a->type = type;
	a->headers = file_headers;
	a->kind = SERVER_BODY_COPY;
	a->body = text;
	a->len = len;
	return 0;
}

int page_style(const struct call *c, struct server_answer *a, struct err *e)
{
	(void)c;
	(void)e;
	return answer_file(a, "text/css; charset=utf-8", style_css, sizeof(style_css) - 1);
}

int page_script(const struct call *c, struct server_answer *a, struct err *e)
{
	(void)c;
	(void)e;
	return answer_file(a, "text/javascript; charset=utf-8", script_js, sizeof(script_js) - 1);
}

int page_console_script(const struct call *c, struct server_answer *a, struct err *e)
{
	(void)c;
	(void)e;
	return answer_file(a, "text/javascript; charset=utf-8", console_js, sizeof(console_js) - 1);
}

void page_answer_file(struct server_answer *a, const char *type, char *text, size_t len)
{
	(void)answer_file(a, type, text, len);
	a->kind = SERVER_BODY_OWNED;
}

int page_icon(const struct call *c, struct server_answer *a, struct err *e)
{
	(void)c;
	(void)e;
	return answer_file(a, "image/svg+xml", icon_svg, sizeof(icon_svg) - 1);
}

/* FNV-1a: of an older version's file the address is another. */
static void put_version(struct html *h, const char *text)
{
	uint32_t hash = 2166136261U;

	for (const char *p = text; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619U;
	html_number(h, hash);
}

/* ---- the frame --------------------------------------------------------------------------- */

static void put_head(struct html *h, const char *title)
{
	html_put(h, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
		    "<meta name=\"color-scheme\" content=\"light dark\"><title>");
	html_text(h, title);
	html_put(h, " – vmlab</title><link rel=\"icon\" href=\"/assets/icon.svg\">"
		    "<link rel=\"stylesheet\" href=\"/assets/style.css?");
	put_version(h, style_css);
	html_put(h, "\">");
}

static void put_script(struct html *h)
{
	html_put(h, "<script defer src=\"/assets/script.js?");
	put_version(h, script_js);
	html_put(h, "\"></script>");
}

void page_put_console_script(struct html *h)
{
	html_put(h, "<script type=\"module\" src=\"/assets/console.js?");
	put_version(h, console_js);
	html_put(h, "\"></script>");
}

static void put_navigation(struct html *h, const struct call *c, enum page_part part)
{
	html_put(h, "<header class=\"top\"><a class=\"brand\" href=\"/machines\">vmlab</a>"
		    "<nav aria-label=\"Pages\"><a href=\"/machines\"");
	if (part == PAGE_MACHINES)
		html_put(h, " aria-current=\"page\"");
	html_put(h, ">Machines</a><a href=\"/images\"");
	if (part == PAGE_IMAGES)
		html_put(h, " aria-current=\"page\"");
	html_put(h, ">Images</a></nav><p class=\"live\" id=\"live\" role=\"status\"></p>");
	if (c->request->role < ROLE_ADMIN)
		html_put(h, "<span class=\"tag\">read only</span>");
	if (c->request->role < ROLE_OWNER)
		html_put(h, "<form method=\"post\" action=\"/logout\"><button class=\"quiet\">"
			    "Sign out</button></form>");
	html_put(h, "</header>");
}

void page_begin(struct html *h, const struct call *c, const char *title, enum page_part part)
{
	put_head(h, title);
	put_script(h);
	html_put(h, "</head><body><a class=\"skip\" href=\"#main\">Skip to content</a>");
	put_navigation(h, c, part);
	html_put(h, "<main id=\"main\">");
}

static bool finish(struct html *h, struct server_answer *a)
{
	html_put(h, "</main></body></html>\n");
	char *text = html_steal(h);
	if (!text)
		return false;
	server_answer_text(a, PAGE_TYPE, text);
	a->headers = page_headers;
	return true;
}

int page_end(struct html *h, struct server_answer *a, struct err *e)
{
	return finish(h, a) ? 0 : err_set(e, ENOMEM, "out of memory");
}

static void put_sign_in(struct html *h)
{
	html_put(h,
	    "<h1>Sign in</h1><p>This page opens with a link that works once. On the machine "
	    "that runs the lab, as the user it belongs to:</p><pre>vmlab dashboard</pre>"
	    "<p>prints one that is good for a minute. With <code>--read</code> the session "
	    "may look and not order.</p>");
}

void page_error(struct server_answer *a, unsigned status, const char *sentence)
{
	_cleanup_html_ struct html h = HTML_INIT;
	bool sign_in = status == 401;

	a->status = status;
	put_head(&h, sign_in ? "Sign in" : "Refused");
	html_put(&h, "</head><body><main id=\"main\" class=\"narrow\">");
	if (sign_in) {
		put_sign_in(&h);
	} else {
		html_put(&h, "<h1>That did not work</h1><p class=\"notice bad\">");
		html_text(&h, sentence);
		html_put(&h, "</p><p><a href=\"/machines\">To the machines</a></p>");
	}
	(void)finish(&h, a);
}

int page_let_in(struct server_answer *a, char *cookie, struct err *e)
{
	_cleanup_html_ struct html h = HTML_INIT;

	put_head(&h, "Signed in");
	html_put(&h, "<meta http-equiv=\"refresh\" content=\"0;url=/machines\"></head><body>"
		     "<main id=\"main\" class=\"narrow\"><h1>Signed in</h1>"
		     "<p><a href=\"/machines\">To the machines</a></p>");
	a->own_name = "Set-Cookie";
	a->own_value = cookie;
	return page_end(&h, a, e);
}

int page_signed_out(struct server_answer *a, char *cookie, struct err *e)
{
	_cleanup_html_ struct html h = HTML_INIT;

	put_head(&h, "Signed out");
	html_put(&h, "</head><body><main id=\"main\" class=\"narrow\"><h1>Signed out</h1>"
		     "<p><code>vmlab dashboard</code> opens the next session.</p>");
	a->own_name = cookie ? "Set-Cookie" : NULL;
	a->own_value = cookie;
	return page_end(&h, a, e);
}

int page_sent_to(struct server_answer *a, char *address, struct err *e)
{
	if (!address)
		return err_set(e, ENOMEM, "out of memory");
	a->status = 303;
	a->headers = page_headers;
	a->own_name = "Location";
	a->own_value = address;
	return 0;
}

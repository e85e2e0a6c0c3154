/* html.h - the one emitter of HTML: markup is a literal of the program, whatever else goes into a
 * page is a value, written by what it is: text, attribute, part of an address, number, point of
 * time.
 *
 * Of a value no character can begin or end markup, and what would steer the order of characters, is
 * invisible or no UTF-8 becomes '?' (lib/base/text.h). There is no way to write a value as it is. A
 * page that finds no memory is empty and has failed; writers go on without asking.
 */
#ifndef BOOT_HANDLER_PAGES_HTML_H
#define BOOT_HANDLER_PAGES_HTML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct html {
	char *text; /* not NUL-terminated while it is written */
	size_t len, room;
	bool failed;
};

#define HTML_INIT {NULL, 0, 0, false}

/* Markup: a literal, or this does not compile. */
#define html_put(h, literal) html_literal((h), "" literal "", sizeof(literal) - 1)
void html_literal(struct html *h, const char *markup, size_t len);

/* Text between tags; lines and tabs stay. NULL: nothing. */
void html_text(struct html *h, const char *text);

/* Text in which what stands between two backquotes is a command: <code>. NULL: nothing. */
void html_advice(struct html *h, const char *text);

/* ` name="value"`; the name is a literal. NULL: no attribute. */
#define html_attr(h, name, value)                                                                  \
	html_attr_begun((h), " " name "=\"", sizeof(" " name "=\"") - 1, (value))
void html_attr_begun(struct html *h, const char *begin, size_t len, const char *value);

/* ` name="before<value>after"`: an address whose one part is a value, percent-encoded, so that it
 * is one segment of a path or one value of a query; the rest are literals. */
#define html_url(h, name, before, value, after)                                                    \
	(html_put((h), " " name "=\"" before), html_url_part((h), (value)),                        \
	    html_put((h), after "\""))
/* That part alone. */
void html_url_part(struct html *h, const char *value);

void html_number(struct html *h, int64_t number);

/* <time>: how long before `now_ms` that was, "3 min ago", and for machines and on demand when. 0, a
 * time that is not known: nothing. Milliseconds since 1970. */
void html_time(struct html *h, int64_t at_ms, int64_t now_ms);
/* <time>: when, "2025-01-31 12:00:00", UTC; the page's script tells it in the reader's zone. */
void html_moment(struct html *h, int64_t at_ms);

/* What was written, NUL-terminated: the caller frees it. NULL: there was no memory. */
char *html_steal(struct html *h);
void html_clear(struct html *h);
#define _cleanup_html_ __attribute__((cleanup(html_clear)))

#endif

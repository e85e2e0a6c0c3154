/* page.h - what all pages share: the frame around them, the headers that keep a browser from
 * running or framing anything but ours, errors, and the values of the API's JSON, which pages are
 * made of.
 */
#ifndef BOOT_HANDLER_PAGES_PAGE_H
#define BOOT_HANDLER_PAGES_PAGE_H

#include <jansson.h>

#include "boot_handler/http/call.h"
#include "boot_handler/pages/html.h"

enum page_part { PAGE_ELSEWHERE, PAGE_MACHINES, PAGE_IMAGES };

/* The page up to its content; `title` is also its heading. */
void page_begin(struct html *h, const struct call *c, const char *title, enum page_part part);
/* The rest, and the answer. */
must_check int page_end(struct html *h, struct server_answer *a, struct err *e);

/* Of an endpoint_table: a page that says the sentence; 401: how to sign in. */
void page_error(struct server_answer *a, unsigned status, const char *sentence);

/* After an order: the browser is sent to `address`, malloc'ed, which is taken over. */
must_check int page_sent_to(struct server_answer *a, char *address, struct err *e);

/* The page of a new session, with its cookie, malloc'ed, which is taken over; and of one that
 * ended, NULL: there is no cookie. It goes on by a page of ours and not by a redirect: a link that
 * was followed from somewhere else would come there without the cookie. */
must_check int page_let_in(struct server_answer *a, char *cookie, struct err *e);
must_check int page_signed_out(struct server_answer *a, char *cookie, struct err *e);

/* Whether whoever asks may order; else there are no forms. */
bool page_may_order(const struct call *c);

/* "" where there is none. */
const char *page_text(const json_t *o, const char *key);
/* 0 where there is none. */
int64_t page_number(const json_t *o, const char *key);
/* Of a text that is a time, in ms; 0 where there is none. */
int64_t page_time(const json_t *o, const char *key);

/* What `write` says about `json`, as text: the caller frees it. */
char *page_said(void (*write)(FILE *f, const json_t *json), const json_t *json);

/* The files that pages name. */
int page_style(const struct call *c, struct server_answer *a, struct err *e);
int page_script(const struct call *c, struct server_answer *a, struct err *e);
int page_console_script(const struct call *c, struct server_answer *a, struct err *e);
/* <script> of it; `h` is inside <body>. */
void page_put_console_script(struct html *h);
/* Of a file that is none of ours: its answer, which takes over `text`. */
void page_answer_file(struct server_answer *a, const char *type, char *text, size_t len);
int page_icon(const struct call *c, struct server_answer *a, struct err *e);

#endif

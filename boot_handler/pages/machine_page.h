/* machine_page.h - /machines/<id> and what is below it: one machine, declared or not, each part of
 * it at an address of its own. */
#ifndef BOOT_HANDLER_PAGES_MACHINE_PAGE_H
#define BOOT_HANDLER_PAGES_MACHINE_PAGE_H

#include <jansson.h>

#include "boot_handler/http/machine.h"
#include "boot_handler/pages/html.h"

enum machine_tab {
	MACHINE_OVERVIEW,
	MACHINE_EVENTS,
	MACHINE_LOG,
	MACHINE_CONSOLE,
	MACHINE_DEFINITION,
	MACHINE_ORDERS,
};

/* The page up to the tab's content. `vm` is the API's document; NULL: it has no definition. */
void machine_page_begin(struct html *h, const struct call *c, const struct machine_named *named,
    const json_t *vm, enum machine_tab tab);
/* The one that the path names, and its document, a new reference; NULL: it has no definition. */
must_check int machine_page_find(
    const struct call *c, struct machine_named *named, json_t **vm, struct err *e);

/* Handlers of rows in pages.c. */
int machine_page(const struct call *c, struct server_answer *a, struct err *e);
int machine_page_events(const struct call *c, struct server_answer *a, struct err *e);
int machine_page_log(const struct call *c, struct server_answer *a, struct err *e);
int machine_page_definition(const struct call *c, struct server_answer *a, struct err *e);

#endif

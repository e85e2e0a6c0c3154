/* orders_page.h - what can be ordered of a machine, as forms, and what was. What is gone afterwards
 * takes the machine's name, typed. */
#ifndef BOOT_HANDLER_PAGES_ORDERS_PAGE_H
#define BOOT_HANDLER_PAGES_ORDERS_PAGE_H

#include <jansson.h>

#include "boot_handler/http/machine.h"
#include "boot_handler/pages/html.h"

/* What its next boots do: no agent is needed. Nothing for who may not order. */
void orders_page_boot_forms(
    struct html *h, const struct call *c, const struct machine_named *named, const json_t *vm);

/* The sentence after the order that the word means; NULL: none. */
const char *orders_page_done(const char *word);

/* Handlers of rows in pages.c. */
int orders_page(const struct call *c, struct server_answer *a, struct err *e);
int orders_page_one(const struct call *c, struct server_answer *a, struct err *e);
int orders_page_cancel(const struct call *c, struct server_answer *a, struct err *e);
int orders_page_boot(const struct call *c, struct server_answer *a, struct err *e);

#endif

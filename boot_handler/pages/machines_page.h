/* machines_page.h - /machines: all of them in one table, and the same rows for the page's script.
 */
#ifndef BOOT_HANDLER_PAGES_MACHINES_PAGE_H
#define BOOT_HANDLER_PAGES_MACHINES_PAGE_H

#include "boot_handler/http/call.h"

/* Handlers of rows in pages.c. */
int machines_page(const struct call *c, struct server_answer *a, struct err *e);
int machines_page_rows(const struct call *c, struct server_answer *a, struct err *e);

#endif

/* stranger_page.h - a machine without a definition: what it showed, and what may be done with it.
 */
#ifndef BOOT_HANDLER_PAGES_STRANGER_PAGE_H
#define BOOT_HANDLER_PAGES_STRANGER_PAGE_H

#include "boot_handler/http/machine.h"
#include "boot_handler/pages/html.h"

void stranger_page_put(struct html *h, const struct call *c, const struct machine_named *named);

/* Handlers of rows in pages.c. */
int stranger_page_ignore(const struct call *c, struct server_answer *a, struct err *e);
int stranger_page_unignore(const struct call *c, struct server_answer *a, struct err *e);
int stranger_page_adopt(const struct call *c, struct server_answer *a, struct err *e);

#endif

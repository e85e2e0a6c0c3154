/* console_page.h - /machines/<id>/console: the machine's serial console. Without a script what it
 * printed last, as text; with it a terminal, xterm.js, which is loaded on this page alone.
 */
#ifndef BOOT_HANDLER_PAGES_CONSOLE_PAGE_H
#define BOOT_HANDLER_PAGES_CONSOLE_PAGE_H

#include "boot_handler/http/call.h"

/* Handlers of rows in pages.c. */
int console_page(const struct call *c, struct server_answer *a, struct err *e);
int console_page_xterm(const struct call *c, struct server_answer *a, struct err *e);
int console_page_xterm_style(const struct call *c, struct server_answer *a, struct err *e);

#endif

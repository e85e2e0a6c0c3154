/* machines_page.h - /machines: all of them, those that need somebody first; search and filter in
 * the address. */
#ifndef BOOT_HANDLER_PAGES_MACHINES_PAGE_H
#define BOOT_HANDLER_PAGES_MACHINES_PAGE_H

#include "boot_handler/pages/html.h"
#include "boot_handler/pages/machine_board.h"

int machines_page(const struct call *c, struct server_answer *a, struct err *e);

/* Parts of it: a row of its table, of machine_rows.h, and how many machines there are of each
 * state. */
void machines_page_put_row(struct html *h, const struct call *c, const json_t *row, int64_t now_ms);
void machines_page_put_counts(struct html *h, const struct board *board);

#endif

/* machine_list.h - which of all machines /machines shows, by the search and the filter in its
 * address. The page and its script get the same rows. */
#ifndef BOOT_HANDLER_PAGES_MACHINE_LIST_H
#define BOOT_HANDLER_PAGES_MACHINE_LIST_H

#include "boot_handler/pages/machine_board.h"

#define MACHINE_LIST_MAX 1000 /* rows of a page */
#define MACHINE_SEARCH_SIZE 100

struct machine_list {
	char search[MACHINE_SEARCH_SIZE];
	char filter[16]; /* a word of machine_filters */
	const struct board *board;
	const struct board_row **rows; /* the board's */
	size_t count;                  /* at most MACHINE_LIST_MAX */
	size_t found;                  /* so many there are */
};

/* What the query of the request asks for, not older than event `heard`, as of board_get();
 * machine_list_clear() in any case. */
must_check int machine_list_make(
    const struct call *c, uint64_t heard, struct machine_list *out, struct err *e);
void machine_list_clear(struct machine_list *list);
#define _cleanup_machine_list_ __attribute__((cleanup(machine_list_clear)))

#endif

/* machine_board.h - the rows of /machines as they were at one moment, and since when each is so:
 * made once for all who look, so that many pages that stay up to date cost what one does.
 *
 * A board never changes. A row is formed anew when anything of it changes but its values, those
 * that move while a machine goes on: a page then needs the row itself, else only the values.
 */
#ifndef BOOT_HANDLER_PAGES_MACHINE_BOARD_H
#define BOOT_HANDLER_PAGES_MACHINE_BOARD_H

#include <jansson.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "boot_handler/http/call.h"

#define BOARD_VALUES 6
extern const char *const board_values[BOARD_VALUES];

/* Each number is a version: the board's in which that was so first. */
struct board_row {
	json_t *row; /* of machine_rows.h */
	uint64_t formed;
	uint64_t set[BOARD_VALUES];
};

struct board {
	atomic_uint references;
	uint64_t version;
	uint64_t ordered; /* no row came, went, moved or was formed anew since */
	int64_t made_ms;
	uint64_t heard; /* all that happened up to this event is in it */
	json_t *counts; /* {state: how many} */
	json_t *places; /* {id: its place in `rows`} */
	size_t count;
	struct board_row rows[];
};

/* The board that follows `old` (NULL: none) with these rows, which are borrowed; NULL: no memory.
 * Pure. */
struct board *board_next(const struct board *old, uint64_t version, const json_t *rows);

/* How all machines are, not older than half a second, and not than event `heard`; BOARD_NOW: as
 * they are now. board_unref() it. Any thread. */
#define BOARD_NOW UINT64_MAX
must_check int board_get(
    const struct call *c, uint64_t heard, const struct board **out, struct err *e);
/* NULL is allowed. */
void board_unref(const struct board *b);

static inline void board_unref_at(const struct board **b)
{
	board_unref(*b);
}
#define _cleanup_board_ __attribute__((cleanup(board_unref_at)))

#endif

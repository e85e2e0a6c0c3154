/* board.h - what an order's process writes for the agent to read, in memory that both have: how far
 * it is, what it found, how it ended. What stands there outlives the process.
 */
#ifndef OS_INSTALLER_AGENT_BOARD_H
#define OS_INSTALLER_AGENT_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"

#define BOARD_FIGURES_SIZE 4097 /* what a server takes, and a NUL */

struct said {
	char phase[32];       /* "": it has not said */
	uint64_t done_bytes;  /* in it */
	uint64_t total_bytes; /* 0: unknown */
	char text[200];
	char hint[400];
	char figures[BOARD_FIGURES_SIZE]; /* a JSON object, or "" */
	bool ended; /* the order's function returned; false: something ended the process */
	bool ok;
	struct err why; /* when it is not */
};

struct board;

must_check int board_new(struct board **out, struct err *e);
void board_free(struct board *b);

/* Between the two the caller has it for itself; a process that dies there harms nobody. */
struct said *board_take(struct board *b);
void board_give(struct board *b);

#endif

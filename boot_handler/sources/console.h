/* console.h - the serial consoles of this lab's VMs, as lib/machine/console.h has them: of each a
 * log, and a FIFO that takes what is typed.
 *
 * VMs' containers write there, whom nobody trusts: no link is followed, nothing but a plain file is
 * read and nothing but a FIFO is written to. A machine has a console here when one of its cards
 * has a folder.
 */
#ifndef BOOT_HANDLER_SOURCES_CONSOLE_H
#define BOOT_HANDLER_SOURCES_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/net/addr.h"

#define CONSOLE_MACS 5

/* Whose it is. */
struct console_of {
	const char *root; /* where the folders are; NULL: nowhere. Borrowed */
	struct mac mac[CONSOLE_MACS];
	unsigned count;
};

bool console_is_here(const struct console_of *of);

/* The log, to read; -1: nothing was printed yet, or it has none here. */
int console_open_log(const struct console_of *of);

/* True: the log is not there any more, as another or none is by now. */
bool console_log_is_gone(int fd);

/* How many bytes were ever printed, as the log has it. */
uint64_t console_printed(int fd);

/* Reads at that place of all that was printed; how many bytes, 0: none, or it cannot be read. */
size_t console_read(int fd, uint64_t at, char *buf, size_t size);

/* Where its last `size` bytes begin, or the first line in these. */
uint64_t console_tail_at(int fd, size_t size);

/* Types; never blocks. -ENOENT: it has no console here; -EBUSY: it is not running, or takes no more
 * for now, with how much of it was taken. */
must_check int console_type(
    const struct console_of *of, const char *bytes, size_t len, struct err *e);

/* True when it runs: somebody would read what is typed. */
bool console_runs(const struct console_of *of);

#endif

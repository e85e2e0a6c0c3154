/* stranger_file.h - strangers on their way to and from the state file.
 *
 * An order of the operator is written at once, what machines do once a minute: then at most
 * STRANGERS_A_MINUTE, in turn, so that no flood of them becomes one of writes. A row is a place:
 * the file holds no more of them than memory does.
 */
#ifndef BOOT_HANDLER_STATE_STRANGER_FILE_H
#define BOOT_HANDLER_STATE_STRANGER_FILE_H

#include "boot_handler/state/stranger.h"
#include "boot_handler/state/writer.h"

#define STRANGERS_A_MINUTE 1000
#define STRANGERS_EVERY_MS 59000

/* Before anything else is done with them. */
must_check int strangers_load(struct strangers *t, struct db *db, struct err *e);

/* For writer_start(). */
struct writer_aside strangers_aside(struct strangers *t);

/* Inside of that: sets aside what is due, and how much it is; `all`: whether due or not. */
size_t strangers_collect(struct strangers *t, int64_t now_ms, bool all);

#endif

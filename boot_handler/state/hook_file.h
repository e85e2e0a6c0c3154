/* hook_file.h - webhooks on their way to and from the state file. */
#ifndef BOOT_HANDLER_STATE_HOOK_FILE_H
#define BOOT_HANDLER_STATE_HOOK_FILE_H

#include "boot_handler/state/hook.h"
#include "boot_handler/state/writer.h"

/* Before anything else is done with them. */
must_check int hooks_load(struct hooks *t, struct db *db, struct err *e);

/* For writer_start(). */
struct writer_aside hooks_aside(struct hooks *t);

#endif

/* writeback.h - sends what is written to a file system on to its disk while more is being written.
 * Left alone, the kernel keeps some hundred MiB in memory and the disk idle until the end.
 */
#ifndef OS_INSTALLER_UNPACK_WRITEBACK_H
#define OS_INSTALLER_UNPACK_WRITEBACK_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/base/err.h"

struct writeback;

/* Starts a thread that writes the file system of the current directory out whenever *written_bytes
 * has grown enough. *written_bytes has to live until writeback_stop() or the process's end. */
must_check int writeback_start(
    const _Atomic uint64_t *written_bytes, struct writeback **out, struct err *e);

/* Ends and frees it. Returns the first write error the disk gave, which the kernel tells only once:
 * a later sync may know nothing of it. What was written last may still be in memory. */
must_check int writeback_stop(struct writeback *w, struct err *e);

#endif

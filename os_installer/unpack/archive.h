/* archive.h - writes the entries of a tar stream below the current root directory.
 *
 * Kept: numeric owners, modes, times, extended attributes, ACLs, file capabilities, hard links,
 * sparse files, FIFOs. Dropped: device nodes and sockets. An archive with more bytes or entries
 * than its manifest says fails.
 */
#ifndef OS_INSTALLER_UNPACK_ARCHIVE_H
#define OS_INSTALLER_UNPACK_ARCHIVE_H

#include <stdint.h>

#include "lib/base/err.h"
#include "os_installer/unpack/unpack.h"

/* What the manifest says the archive holds: more than that fails, before it is written. */
struct unpack_limits {
	uint64_t bytes;   /* of all files together, holes included */
	uint64_t entries; /* 0: not said */
};

/* Unpacks a compressed tar stream into the current directory, which must be the root directory of a
 * chroot: that is what keeps ".." and links of a hostile archive inside. Reads the source to its
 * very end; after a failure the process has to end, see decompress.h. */
must_check int unpack_stream(const struct byte_source *source, const struct unpack_limits *limits,
    struct unpack_counters *counters, struct err *e);

/* An unpack_target's `write`, without a ctx: that with the manifest's limits, while a thread sends
 * on to the disk what is written. */
must_check int unpack_archive(void *ctx, const struct byte_source *source,
    const struct image_contents *m, struct unpack_counters *counters, struct err *e);

#endif

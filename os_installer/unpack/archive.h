/* unpack.h - writes the entries of a tar stream below the current root directory. The child process
 * of rootfs.c runs this after its chroot; see rootfs.h for what is kept and dropped.
 */
#ifndef OS_INSTALLER_UNPACK_ARCHIVE_H
#define OS_INSTALLER_UNPACK_ARCHIVE_H

#include <stdatomic.h>
#include <stdint.h>

#include "lib/err.h"
#include "os_installer/unpack/decompress.h"

/* Written by the unpacking side, read by another process. */
struct unpack_counters {
	_Atomic uint64_t bytes;
	_Atomic uint64_t entries;
	_Atomic uint64_t dropped;
};

/* What the manifest says the archive holds: more than that fails, before it is written. */
struct unpack_limits {
	uint64_t bytes;   /* of all files together, holes included */
	uint64_t entries; /* 0: not said */
};

/* Unpacks a compressed tar stream into the current directory, which must be the root directory of a
 * chroot: that is what keeps ".." and links of a hostile archive inside. Reads the source to its very
 * end; after a failure the process has to end, see decompress.h. */
must_check int unpack_stream(const struct byte_source *source, const struct unpack_limits *limits,
    struct unpack_counters *counters, struct err *e);

#endif

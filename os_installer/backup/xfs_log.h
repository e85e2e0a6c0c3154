/* xfs_log.h - whether an XFS was unmounted: then the last thing in its log is a record that says
 * so. Pure, as used.h. */
#ifndef OS_INSTALLER_BACKUP_XFS_LOG_H
#define OS_INSTALLER_BACKUP_XFS_LOG_H

#include "os_installer/backup/used.h"

#define XFS_LOG_BLOCK_BYTES 512U

struct xfs_log {
	uint64_t at;     /* in bytes */
	uint64_t blocks; /* of XFS_LOG_BLOCK_BYTES */
};

/* 1: it was; 0: it was not, or it cannot be told; -errno. */
must_check int xfs_log_is_clean(
    const struct used_source *s, const struct xfs_log *log, struct err *e);

#endif

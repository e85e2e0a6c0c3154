/* backup.h - a whole disk, by its used bytes, as compressed slices to the server: one thread reads,
 * one compresses, one sends. Slices that the server has are not sent again. Holds some 25 MiB at
 * level 3. */
#ifndef OS_INSTALLER_BACKUP_BACKUP_H
#define OS_INSTALLER_BACKUP_BACKUP_H

#include <stdint.h>

#include "lib/base/err.h"
#include "os_installer/backup/upload.h"

struct backup_figures {
	uint64_t disk_bytes;
	uint64_t used_bytes; /* that were read */
	uint64_t read_bytes; /* so far */
	uint64_t file_bytes; /* compressed */
	uint64_t sent_bytes; /* of these, now */
	uint64_t slices;
	unsigned retries;
};

struct backup {
	int fd; /* of the disk, open for reading; borrowed */
	const char *path;
	uint64_t disk_bytes;
	uint32_t sector_bytes; /* by which its partition table counts */
	int level;             /* zstd's */
	struct upload *upload;
	/* Called often, in the caller's thread. */
	void (*tick)(void *ctx, const struct backup_figures *f);
	void *ctx;
};

/* Sends all slices; upload_finish() is the caller's. 0 or -errno; `f` in any case. */
must_check int backup_run(const struct backup *b, struct backup_figures *f, struct err *e);

#endif

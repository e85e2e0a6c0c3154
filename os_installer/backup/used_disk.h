/* used_disk.h - which bytes of a whole disk are in use: of its partitions what their file systems
 * say (used.h), of all else every byte. Reads the disk, which must not change meanwhile. */
#ifndef OS_INSTALLER_BACKUP_USED_DISK_H
#define OS_INSTALLER_BACKUP_USED_DISK_H

#include <stdint.h>

#include "lib/base/err.h"
#include "os_installer/backup/used.h"

struct used_disk;

/* `fd` is borrowed; `path` is for the log, which says of each partition what is taken. */
must_check int used_disk_open(int fd, const char *path, uint64_t bytes, uint32_t sector_bytes,
    struct used_disk **out, struct err *e);
void used_disk_free(struct used_disk *d); /* NULL is allowed */

/* Of all runs together. */
uint64_t used_disk_bytes(const struct used_disk *d);

/* The first run that ends behind `at`, which never goes back: 1, 0 after the last, -errno. */
must_check int used_disk_run(struct used_disk *d, uint64_t at, struct used_run *out, struct err *e);

/* From the start again. */
void used_disk_rewind(struct used_disk *d);

#endif

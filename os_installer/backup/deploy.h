/* deploy.h - a whole disk image onto a disk, as it is: what lies on it stays as the image has it,
 * but for a GPT's copy, which is moved to the end of a larger disk, and cloud-init's seed, where
 * there is one to put in. Verified by slices where there
 * is a manifest; the first sectors are written last, so that a disk that is not complete never
 * boots. */
#ifndef OS_INSTALLER_BACKUP_DEPLOY_H
#define OS_INSTALLER_BACKUP_DEPLOY_H

#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/definition/disk_choice.h"
#include "lib/image/manifest.h"
#include "os_installer/system/seed.h"
#include "os_installer/unpack/unpack.h"

struct deploy {
	const struct disk *disk;
	const char *url;                       /* of the file */
	const struct image_contents *contents; /* unpacked_bytes, sector_bytes 0: not known */
	const char *mac; /* of this machine: what another one's disk says of its install goes */
	void (*tick)(void *ctx, const struct unpack_progress *p);
	void *ctx;
	/* NULL: none. Put in where the image's system has cloud-init; its root is mounted there. */
	const struct seed *seed;
	const char *directory;
};

struct deployed {
	struct unpack_progress progress;
	bool seeded;
};

/* -ENOSPC and -ENOTSUP before anything is written when it is known to be too large, or made for
 * other sectors than the disk's. `out` in any case. */
must_check int deploy_run(const struct deploy *d, struct deployed *out, struct err *e);

#endif

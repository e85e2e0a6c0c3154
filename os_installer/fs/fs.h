/* fs.h - the file systems that the installer makes, mounts and grows: a table of kinds, a file for
 * each beside this one. Which of them a definition may ask for, and their least sizes, are
 * lib/machine/file_system.h's.
 */
#ifndef OS_INSTALLER_FS_FS_H
#define OS_INSTALLER_FS_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/plan/plan.h"

#define FS_NAME_SIZE 32
#define FS_GROW_UNKNOWN 1

/* GPT partition type: UEFI 2.10 table 5.7; Discoverable Partitions Specification. */
#define FS_GPT_LINUX "0FC63DAF-8483-4772-8E79-3D69D8477DE4"

/* What is not set a kind does not have. */
struct fs_kind {
	const char *name;     /* the kernel's, and lib/machine/file_system.h's */
	const char *gpt_type; /* of a partition that holds it */
	/* Makes it on part->path, which has `bytes`. */
	int (*make)(const struct plan_partition *part, uint64_t bytes, struct err *e);

	const char *install_options; /* it is mounted with while the system is installed */
	const char *root_options, *data_options; /* in fstab; NULL: "defaults" */
	bool checked;                            /* fsck looks at it when the system starts */

	const char *const
	    *roots; /* mount options to find "/" by, NULL-terminated; NULL: one of none */
	/* What cloud-init grows a root with, and the package that has it. */
	const char *growing_program, *growing_package;
	/* Makes it take `bytes` by the kernel, while it is mounted: `fd` is its root directory. -1
	 * with errno. */
	int (*grow)(int fd, uint64_t bytes);
	/* By a program, unmounted, for what the kernel does not do; and that program's name. */
	int (*grow_unmounted)(const char *device, struct err *e);
	const char *grow_unmounted_program;
};

/* NULL: not one of ours. */
const struct fs_kind *fs_find(const char *name);

/* Of a partition with a file system or swap; never NULL, since every one of
 * lib/machine/file_system.h has a kind (test_fs.c). */
const struct fs_kind *fs_of(const struct plan_partition *part);

/* The GPT type of such a partition. */
const char *fs_gpt_type(const struct plan_partition *part);

/* Makes the file systems and swap areas of a plan that has been carried out (disk/disk.h). */
must_check int fs_format(const struct plan *p, struct err *e);

/* The kernel's name of the file system on a device, of ours or not. FS_GROW_UNKNOWN when there is
 * none. */
must_check int fs_probe(const char *device, char name[FS_NAME_SIZE], struct err *e);

/* Makes what is mounted at `where` take `bytes`. FS_GROW_UNKNOWN for what cannot be grown this way
 * (`kind` NULL included). */
must_check int fs_grow(
    const struct fs_kind *kind, const char *where, uint64_t bytes, struct err *e);

#endif

/* method.h - how an image gets onto a disk: a table of methods, a file for each beside this one.
 * What is the same for all of them, and the order of it all, is install.h's.
 */
#ifndef OS_INSTALLER_METHOD_METHOD_H
#define OS_INSTALLER_METHOD_METHOD_H

#include <stdbool.h>

#include "lib/definition/disk_choice.h"
#include "lib/base/err.h"
#include "lib/plan/plan.h"
#include "os_installer/base/config.h"
#include "lib/image/manifest.h"
#include "os_installer/system/mounts.h"
#include "os_installer/system/seed.h"
#include "os_installer/unpack/unpack.h"

/* One install, as a method sees it. */
struct job {
	/* Given; borrowed. */
	const struct config *config;
	const struct seed *seed; /* NULL: none */
	const char *directory;   /* where the new root is mounted meanwhile */
	bool nvram;              /* the firmware's boot menu may be written */
	struct plan plan;        /* from the phase "plan" on */
	/* The method's to make; the hooks run in it, and the end unmounts it. */
	struct mounts mounts;
	int tree;            /* of the new root (system/tree.h); -1: not there */
	enum vm_after after; /* kexec becomes a reboot where there can be none */
	void *own;
};

/* The phases, as install.c names them. */
struct install_method {
	const char *name;
	bool (*takes)(const struct image_contents *m);
	/* plan_make(), or another of lib/plan/plan.h. */
	must_check int (*plan)(const struct plan_request *q, const struct disk *disks, size_t count,
	    struct plan *out, struct err *e);
	must_check int (*partition)(struct job *j, struct err *e);
	/* NULL: nothing to do. */
	must_check int (*format)(struct job *j, struct err *e);
	/* Makes ready what "rootfs" unpacks to. */
	must_check int (*target)(struct job *j, struct unpack_target *out, struct err *e);
	/* Leaves the root file system mounted and its tree open. */
	must_check int (*configure)(struct job *j, struct err *e);
	/* Unmounts everything; makes the disk bootable as its very last, then lets it say that it
	 * is installed. */
	must_check int (*bootloader)(struct job *j, struct err *e);
	/* Also after a failure, and where nothing was begun. */
	void (*clear)(struct job *j);
};

/* The one that takes it; there always is one. */
const struct install_method *method_find(const struct image_contents *m);

/* Unpacks an archive into directories, and needs no disk for that. */
extern const struct install_method method_archive;

#endif

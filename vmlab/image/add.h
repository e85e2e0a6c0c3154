/* add.h - makes a boot image of files that are there: each judged by its content, copied (or shared
 * with the original where the file system can), digested, and put into place in one step.
 */
#ifndef VMLAB_IMAGE_ADD_H
#define VMLAB_IMAGE_ADD_H

#include <signal.h>

#include "lib/image/manifest.h"
#include "vmlab/image/progress.h"

/* A file that goes into it. */
struct image_add_file {
	const char *path; /* NULL: there is none */
	int fd;           /* -1: `path` is opened; else it is only what the file is called */
};

struct image_add {
	const char *images_dir; /* created when missing */
	const char *name;
	enum vm_arch arch;
	const char *os_name; /* for people; or NULL */
	struct image_add_file kernel, script, efi, iso, initrd[IMAGE_INITRDS_MAX];
	unsigned initrds;
	const char *args, *unattended_args; /* or NULL */
	bool replace;                       /* else one that is there is not touched: -EEXIST */
	struct image_progress *progress;
	const volatile sig_atomic_t *cancel;
};

/* Prints a summary to stderr. */
must_check int image_add(const struct image_add *add, struct err *e);

#endif

/* backups.h - the images that machines' disks became by order: the lab's stack has them, beside its
 * state, and tells of them while it runs. */
#ifndef VMLAB_LAB_BACKUPS_H
#define VMLAB_LAB_BACKUPS_H

#include <jansson.h>

#include "lib/image/manifest.h"
#include "vmlab/lab/lab.h"

enum backups_answer {
	BACKUPS_HAVE,
	BACKUPS_LACK,
	BACKUPS_SILENT, /* the lab was up once, and its stack does not answer */
};

/* All of them, as the API lists them, into a new reference; HAVE also where there are none. LACK:
 * the lab was never up, or keeps none. `out` is NULL unless it is HAVE. */
enum backups_answer backups_list(const struct lab *lab, json_t **out);

/* One. With HAVE *out is what is known of its manifest, to be cleared. */
enum backups_answer backups_find(
    const struct lab *lab, const char *name, enum vm_arch arch, struct image_manifest *out);

/* Removes it, of all architectures. -ENOENT: the stack has none of that name; else as api_get(). */
must_check int backups_remove(const struct lab *lab, const char *name, struct err *e);

#endif

/* adopted.h - a folder of images that another tool filled: a root file system's tarball without a
 * manifest.json, as pvmlab's tool pulls them (images/<distro>/x86_64/rootfs.tar.gz).
 *
 * The tarball stays where and as it is, and nothing is written beside it. What an installation
 * needs as well is made in a folder of the stack's own, <made>/<distro>/<arch>/
 * (vmlab/image/adopt.h); its manifest tells of which tarball it was made. While there is none,
 * <made>/<distro>/<arch>.json says why.
 */
#ifndef LIB_IMAGE_ADOPTED_H
#define LIB_IMAGE_ADOPTED_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "lib/definition/vm.h"

struct adopted {
	const char *folder; /* below images/<distro>: either name of the architecture */
	const char *file;
	struct stat st;
};

/* True when there is such a tarball, and no image of ours that goes before it. */
bool adopted_find(
    const char *images_dir, const char *distro, enum vm_arch arch, struct adopted *out);

bool adopted_same(const struct adopted *a, const struct adopted *b);

/* What the manifest is to say of the tarball; NULL when out of memory. */
json_t *adopted_json(const struct adopted *a);

/* True when the manifest with this object was made of this tarball as it is now, by this version.
 */
bool adopted_made_of(const json_t *object, const struct adopted *a);

#endif

/* studio.h - a folder of images as NetbootStudio has its boot images: scripts of iPXE, and a
 * metadata.yaml that names them. It is a boot image of ours as it is: images/<name>/metadata.yaml.
 */
#ifndef LIB_IMAGE_STUDIO_H
#define LIB_IMAGE_STUDIO_H

#include <sys/stat.h>

#include "lib/image/manifest.h"

#define STUDIO_FILE "metadata.yaml"

/* Reads it as the manifest it would be for that architecture; files have the size that they have
 * now, 0 for none. `st` is the file's. 0, -ENOENT: there is none, or it is for another
 * architecture, or -errno with a sentence. image_manifest_clear() in any case. */
must_check int studio_load(const char *images_dir, const char *name, enum vm_arch arch,
    struct image_manifest *out, struct stat *st, struct err *e);

/* The pure part: what the text says. *arch is VM_ARCH_NOT_SAID for one that is for any. */
struct studio {
	char script[130], unattended[130]; /* "": it has none */
	char created[32], description[200];
	enum vm_arch arch;
};
must_check int studio_parse(const char *text, struct studio *out, struct err *e);

#endif

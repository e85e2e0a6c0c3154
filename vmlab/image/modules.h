/* modules.h - which kernel modules an installer can need, and the index files that a busybox
 * modprobe needs for just those.
 *
 * Works on the text of depmod's files (modules.dep and so on, see modules.dep(5)); pure, no I/O.
 * Names are compared as modprobe does: '-' and '_' are the same, the suffix .ko[.xz|.zst|.gz] does
 * not count.
 */
#ifndef VMLAB_IMAGE_MODULES_H
#define VMLAB_IMAGE_MODULES_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/err.h"

/* The texts as found below lib/modules/<version>/; NULL when the file was not there.
 * NUL-terminated, borrowed. */
struct image_module_index {
	const char *dep;
	const char *alias;
	const char *symbols;
	const char *softdep;
	const char *builtin;
};

struct image_modules;

/* Chooses from `index` all modules of the table in modules.c and everything they depend on
 * (modules.dep, and modules.softdep as far as it can be resolved). `index` may go away afterwards.
 * -EINVAL when modules.dep is missing or does not read as one. */
must_check int image_modules_choose(
    const struct image_module_index *index, struct image_modules **out, struct err *e);
void image_modules_free(struct image_modules *m);

/* The chosen ones, ordered by path. */
size_t image_modules_count(const struct image_modules *m);

/* Path as in modules.dep, with its compression suffix; borrowed. */
const char *image_modules_path(const struct image_modules *m, size_t i);

/* Length of a module path without .xz, .zst or .gz. */
size_t image_modules_plain_length(const char *path);

/* True when the path ends in .ko or a compressed form of it. */
bool image_modules_is_module(const char *path);

/* The same index files for the chosen modules only, as plain .ko; caller frees. NULL only when out
 * of memory; "" when there was no such file. */
char *image_modules_dep(const struct image_modules *m);
char *image_modules_filter(const struct image_modules *m, const char *text);

/* True when module `name` (e.g. "ext4") was chosen or is listed in modules.builtin. */
bool image_modules_provides(
    const struct image_modules *m, const struct image_module_index *index, const char *name);

static inline void cleanup_image_modules(struct image_modules **m)
{
	image_modules_free(*m);
}
#define _cleanup_image_modules_ __attribute__((cleanup(cleanup_image_modules)))

#endif

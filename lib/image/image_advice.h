/* image_advice.h - what to do about an image that a definition names and that is not there. Never
 * names a command that would fail.
 */
#ifndef LIB_IMAGE_IMAGE_ADVICE_H
#define LIB_IMAGE_IMAGE_ADVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/definition/vm.h"

/* What `vmlab image build` makes, and the release it makes it from. */
struct image_recipe {
	const char *name;
	const char *suite;
};

extern const struct image_recipe image_recipes[];
extern const size_t image_recipe_count;

/* NULL: it cannot be built. */
const struct image_recipe *image_recipe_find(const char *name);

/* All of them, for messages. */
const char *image_recipe_names(void);

#define IMAGE_ADVICE_SIZE 400

/* Pure: one sentence for images/<distro>/<arch>. `present`: the images of that architecture there
 * are; `elsewhere`: another one that it is there for, or NULL; `broken`: it is there, but not
 * usable. Plain ASCII without quotes when the names are: iPXE shows it, too. Returns buf. */
const char *image_advice(const char *distro, enum vm_arch arch, const char *const *present,
    size_t count, const char *elsewhere, bool broken, char buf[IMAGE_ADVICE_SIZE]);

/* Whether the image has a manifest there; and the name of another architecture that it is there
 * for, or NULL. `images_dir` may be NULL. */
bool image_has_manifest(const char *images_dir, const char *name, enum vm_arch arch);
const char *image_other_arch(const char *images_dir, const char *name, enum vm_arch arch);

/* The same for a folder of images, which it looks through. */
const char *image_advice_for(const char *images_dir, const char *distro, enum vm_arch arch,
    bool broken, char buf[IMAGE_ADVICE_SIZE]);

#endif

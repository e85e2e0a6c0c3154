/* boot_image.h - a boot image as a machine is told of it: its files, and where they are. */
#ifndef LIB_IMAGE_BOOT_IMAGE_H
#define LIB_IMAGE_BOOT_IMAGE_H

#include "lib/image/image_advice.h"
#include "lib/image/image_name.h"
#include "lib/image/manifest.h"

#define BOOT_IMAGE_FOLDER_SIZE 160

struct boot_image {
	char name[IMAGE_NAME_SIZE];
	char folder[BOOT_IMAGE_FOLDER_SIZE]; /* of its files, below images/ */
	const char *title;                   /* to people, any text; NULL: none */
	struct image_boot boot;
};

/* What `vmlab image build` makes of a package of Debian's. In its texts "%a" is Debian's word for
 * the architecture; a file that is NULL is not in it. */
struct boot_recipe {
	const char *name, *title, *suite, *package;
	const char *kernel, *initrd, *efi; /* in the package, without a slash before */
	const char *args, *unattended_args;
	bool amd64_only, arm64_only;
	bool raspberry; /* no file of it is named here: see lib/boot/raspberry.h */
};

/* NULL from the last on. */
const struct boot_recipe *boot_recipe_at(size_t i);
const struct boot_recipe *boot_recipe_find(const char *name);
/* All of them, for messages. */
const char *boot_recipe_names(void);

/* Whether there is one for that architecture. */
bool boot_recipe_suits(const struct boot_recipe *recipe, enum vm_arch arch);

/* One of its texts for that architecture. Returns out. */
#define BOOT_RECIPE_TEXT_SIZE 160
const char *boot_recipe_text(const char *format, enum vm_arch arch, char *out);

/* How one comes by that image: a sentence's end. Returns buf. */
const char *boot_image_advice(const char *name, enum vm_arch arch, char buf[IMAGE_ADVICE_SIZE]);

#endif

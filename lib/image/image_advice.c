#include "lib/image/image_advice.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/image/adopted.h"
#include "lib/base/cleanup.h"
#include "lib/base/near.h"
#include "lib/image/manifest.h"

#define NAMES_MAX 256
#define NAMES_SHOWN 5

const struct image_recipe image_recipes[] = {
    {"debian-13", "trixie"},
    {"debian-12", "bookworm"},
};

const size_t image_recipe_count = sizeof(image_recipes) / sizeof(*image_recipes);

const struct image_recipe *image_recipe_find(const char *name)
{
	for (size_t i = 0; i < image_recipe_count; i++)
		if (strcmp(image_recipes[i].name, name) == 0)
			return &image_recipes[i];
	return NULL;
}

const char *image_recipe_names(void)
{
	return "debian-13, debian-12";
}

/* A release's own name, such as "trixie", counts as near, too. */
static const char *nearest(const char *distro, const char *const *present, size_t count)
{
	const char *names[sizeof(image_recipes) / sizeof(*image_recipes)];
	const char *near = near_word(distro, present, count);

	for (size_t i = 0; i < image_recipe_count; i++) {
		if (strcasecmp(distro, image_recipes[i].suite) == 0)
			return image_recipes[i].name;
		names[i] = image_recipes[i].name;
	}
	return near ? near : near_word(distro, names, image_recipe_count);
}

static bool is_among(const char *name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void list_names(FILE *f, const char *const *present, size_t count)
{
	for (size_t i = 0; i < count && i < NAMES_SHOWN; i++)
		fprintf(f, "%s%s", i ? ", " : "there are ", present[i]);
	if (count > NAMES_SHOWN)
		fprintf(f, " and %zu more", count - NAMES_SHOWN);
	fputs(count ? "; " : "", f);
}

const char *image_advice(const char *distro, enum vm_arch arch, const char *const *present,
    size_t count, const char *elsewhere, bool broken, char buf[IMAGE_ADVICE_SIZE])
{
	const char *a = vm_arch_name(arch), *near = NULL;
	FILE *f = fmemopen(buf, IMAGE_ADVICE_SIZE, "w");

	buf[0] = '\0';
	if (!f)
		return buf;
	if (image_recipe_find(distro))
		fprintf(f, "build it%s with: vmlab image build %s --arch %s",
		    broken ? " again" : "", distro, a);
	else if (broken)
		fprintf(f, "import it again with: vmlab image import %s --arch %s FILE", distro, a);
	else if (elsewhere)
		fprintf(f,
		    "it is there for %s only: import it for %s, too, or correct arch in the definition",
		    elsewhere, a);
	else if ((near = nearest(distro, present, count)) && is_among(near, present, count))
		fprintf(f, "did you mean %s? Then correct distro in the definition", near);
	else if (near)
		fprintf(f,
		    "did you mean %s? Then correct distro in the definition, and build that one with: vmlab image build %s --arch %s",
		    near, near, a);
	else {
		list_names(f, present, count);
		fprintf(f, "import it with: vmlab image import %s --arch %s FILE", distro, a);
	}
	fclose(f);
	buf[IMAGE_ADVICE_SIZE - 1] = '\0';
	return buf;
}

bool image_has_manifest(const char *images_dir, const char *name, enum vm_arch arch)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s/%s/" IMAGE_MANIFEST_FILE, images_dir, name,
	    vm_arch_name(arch));

	return n > 0 && n < (int)sizeof(path) && access(path, F_OK) == 0;
}

const char *image_other_arch(const char *images_dir, const char *distro, enum vm_arch arch)
{
	for (int i = 0; images_dir && i < VM_ARCH_COUNT; i++)
		if ((enum vm_arch)i != arch &&
		    image_has_manifest(images_dir, distro, (enum vm_arch)i))
			return arches[i].name;
	return NULL;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

const char *image_advice_for(const char *images_dir, const char *distro, enum vm_arch arch,
    bool broken, char buf[IMAGE_ADVICE_SIZE])
{
	_cleanup_closedir_ DIR *d = images_dir ? opendir(images_dir) : NULL;
	char *names[NAMES_MAX] = {NULL};
	struct adopted found;
	size_t count = 0;

	if (images_dir && adopted_find(images_dir, distro, arch, &found)) {
		snprintf(buf, IMAGE_ADVICE_SIZE, "the stack makes it by itself of %s/%s",
		    found.folder, found.file);
		return buf;
	}
	for (const struct dirent *entry; d && count < NAMES_MAX && (entry = readdir(d));)
		if (entry->d_name[0] != '.' &&
		    image_has_manifest(images_dir, entry->d_name, arch) &&
		    (names[count] = strdup(entry->d_name)))
			count++;
	qsort(names, count, sizeof(*names), by_text);
	image_advice(distro, arch, (const char *const *)names, count,
	    image_other_arch(images_dir, distro, arch), broken, buf);
	while (count > 0)
		free(names[--count]);
	return buf;
}

#include "boot_handler/sources/image_list.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/image/studio.h"

#define RECHECK_MS 1000
#define STALE_MS 10000 /* older than that it is waited for a newer one */
#define RETIRED_FOR_MS 60000

/* One that is replaced stays until no request can have it: they end within seconds. */
struct listed {
	struct boot_offers offers;
	struct listed *older;
	int64_t retired_ms;
};

struct of_arch {
	pthread_mutex_t lock;
	_Atomic(struct listed *) listed;
	_Atomic int64_t looked_at_ms; /* 0: never */
};

struct image_list {
	struct images *images;
	const char *dir;
	struct of_arch arch[VM_ARCH_COUNT];
};

struct names {
	char name[IMAGE_LIST_FOLDERS][IMAGE_NAME_SIZE];
	size_t count;
	bool cut; /* there are more */
};

/* ---- looking ----------------------------------------------------------------------------- */

static bool is_there(const char *dir, const char *name, const char *file)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/%s/%s", dir, name, file);

	return n > 0 && n < (int)sizeof(path) && access(path, F_OK) == 0;
}

/* Worth reading; whether it is good for anything is images_boot()'s to say. */
static bool has_manifest(const char *dir, const char *name, enum vm_arch arch)
{
	char file[40];

	snprintf(file, sizeof(file), "%s/" IMAGE_MANIFEST_FILE, vm_arch_name(arch));
	return is_there(dir, name, file) || is_there(dir, name, STUDIO_FILE);
}

/* False: the folder cannot be read. */
static bool read_names(const char *path, enum vm_arch arch, struct names *names)
{
	_cleanup_closedir_ DIR *dir = opendir(path);

	if (!dir)
		return false;
	for (const struct dirent *d; (d = readdir(dir)) != NULL;) {
		if (!image_name_valid(d->d_name) || !has_manifest(path, d->d_name, arch))
			continue;
		if (names->count == IMAGE_LIST_FOLDERS) {
			names->cut = true;
			break;
		}
		memcpy(names->name[names->count++], d->d_name, strlen(d->d_name) + 1);
	}
	return true;
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void look(struct image_list *l, enum vm_arch arch, struct boot_offers *out)
{
	_cleanup_free_ struct names *names = calloc(1, sizeof(*names));

	if (!names || !read_names(l->dir, arch, names))
		return;
	qsort(names->name, names->count, IMAGE_NAME_SIZE, compare);
	out->cut = names->cut;
	for (size_t i = 0; i < names->count; i++) {
		const struct boot_image *image =
		    images_boot(l->images, names->name[i], arch, IMAGE_BOOTED);

		if (!image)
			continue;
		if (out->count == BOOT_OFFERS_MAX) {
			out->cut = true;
			break;
		}
		out->image[out->count++] = image;
	}
}

/* ---- publishing -------------------------------------------------------------------------- */

static bool same(const struct boot_offers *a, const struct boot_offers *b)
{
	return a->count == b->count && a->cut == b->cut &&
	       memcmp(a->image, b->image, a->count * sizeof(*a->image)) == 0;
}

static void drop_retired(struct listed *newest, int64_t before_ms)
{
	struct listed **link = newest ? &newest->older : NULL;

	while (link && *link) {
		struct listed *old = *link;
		if (old->retired_ms > before_ms) {
			link = &old->older;
			continue;
		}
		*link = old->older;
		free(old);
	}
}

/* Called with the lock held. */
static void look_again(struct image_list *l, enum vm_arch arch)
{
	struct of_arch *a = &l->arch[arch];
	struct listed *current = atomic_load(&a->listed);
	struct listed *next = calloc(1, sizeof(*next));
	int64_t now = wall_ms();

	if (!next)
		return;
	drop_retired(current, now - RETIRED_FOR_MS);
	look(l, arch, &next->offers);
	if (current && same(&next->offers, &current->offers)) {
		free(next);
	} else {
		next->older = current;
		if (current)
			current->retired_ms = now;
		atomic_store_explicit(&a->listed, next, memory_order_release);
	}
	atomic_store_explicit(&a->looked_at_ms, wall_ms(), memory_order_release);
}

static int64_t age_ms(const struct of_arch *a)
{
	int64_t looked = atomic_load_explicit(&a->looked_at_ms, memory_order_acquire);
	int64_t now = wall_ms();

	return looked && now >= looked ? now - looked : INT64_MAX;
}

const struct boot_offers *image_list_get(struct image_list *l, enum vm_arch arch)
{
	if (!l || (unsigned)arch >= VM_ARCH_COUNT)
		return NULL;

	struct of_arch *a = &l->arch[arch];
	int64_t age = age_ms(a);
	/* One looks; others make do with what there was, unless that is too old. */
	if (age >= RECHECK_MS && (age < STALE_MS ? pthread_mutex_trylock(&a->lock)
						 : pthread_mutex_lock(&a->lock)) == 0) {
		if (age_ms(a) >= RECHECK_MS)
			look_again(l, arch);
		pthread_mutex_unlock(&a->lock);
	}
	const struct listed *listed = atomic_load_explicit(&a->listed, memory_order_acquire);
	/* What an old one names may be gone. */
	return listed && age_ms(a) < 2 * STALE_MS ? &listed->offers : NULL;
}

/* ---- life -------------------------------------------------------------------------------- */

int image_list_new(struct images *images, const char *dir, struct image_list **out, struct err *e)
{
	struct image_list *l = calloc(1, sizeof(*l));

	if (!l)
		return err_set(e, ENOMEM, "out of memory");
	l->images = images;
	l->dir = dir;
	for (int i = 0; i < VM_ARCH_COUNT; i++)
		pthread_mutex_init(&l->arch[i].lock, NULL);
	*out = l;
	return 0;
}

void image_list_free(struct image_list *l)
{
	for (int i = 0; l && i < VM_ARCH_COUNT; i++) {
		struct listed *listed = atomic_load(&l->arch[i].listed);

		drop_retired(listed, INT64_MAX);
		free(listed);
		pthread_mutex_destroy(&l->arch[i].lock);
	}
	free(l);
}

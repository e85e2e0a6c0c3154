#include "boot_handler/sources/image.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot_handler/sources/image_made.h"
#include "lib/base/clock.h"
#include "lib/base/atomic_file.h"
#include "lib/base/bytes.h"
#include "lib/base/cleanup.h"
#include "lib/image/files.h"
#include "lib/image/image_advice.h"
#include "lib/image/studio.h"
#include "lib/base/log.h"
#include "lib/base/text.h"

#define RECHECK_MS 1000
#define IMAGE_FOLDER_MAX (PATH_MAX - 160) /* a file's name fits behind it */
#define BUCKETS 64
#define ENTRIES_MAX 4096

#define RETIRED_FOR_MS 60000

enum { NOT_LOOKED, COMPLETE, BOOTS, INCOMPLETE };

/* What machines are told of a boot image. One that is replaced stays until no request can have it:
 * they end within seconds. */
struct published {
	struct boot_image image;
	json_t *doc; /* which has its texts */
	struct published *older;
	int64_t retired_ms;
};

/* One image somebody asked for, there or not. Kept for ever: their number is bounded. */
struct entry {
	struct entry *next; /* fixed */
	char *distro;
	enum vm_arch arch;
	_Atomic int64_t looked_at_ms;
	atomic_int outcome;
	_Atomic(struct published *) published; /* with BOOTS */

	const char *root; /* below which its folder is, its rootfs not counted */
	bool studio;      /* its files are in the folder of its name, for any architecture */
	struct stat seen; /* this and the rest: under the lock */
	struct image_manifest image; /* without a doc: none that is usable */
	struct err bad;              /* why the manifest is unusable */
	struct image_missing missing;
};

struct images {
	char *dir;
	const char *made;       /* NULL: nowhere */
	const char *backups;    /* NULL: nowhere */
	const char *installers; /* NULL: not known */
	_Atomic(struct entry *) bucket[BUCKETS];
	unsigned count;
	pthread_mutex_t lock;
};

/* ---- looking ----------------------------------------------------------------------------- */

static int image_folder(const char *dir, const char *distro, const char *arch, char *out)
{
	int n = snprintf(out, IMAGE_FOLDER_MAX, "%s/%s/%s", dir, distro, arch);

	return n < 0 || n >= IMAGE_FOLDER_MAX ? -ENAMETOOLONG : 0;
}

static void manifest_path(const char *folder, char out[PATH_MAX])
{
	snprintf(out, PATH_MAX, "%s/" IMAGE_MANIFEST_FILE, folder);
}

__attribute__((format(printf, 2, 3))) static bool lacks(struct entry *entry, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(entry->missing.what, sizeof(entry->missing.what), fmt, ap);
	va_end(ap);
	return false;
}

static bool files_are_there(const char *rootfs_folder, const char *folder, struct entry *entry)
{
	return image_files_are_there(rootfs_folder, folder, &entry->image, entry->missing.what);
}

static int load(const char *path, const char *distro, enum vm_arch arch, struct image_manifest *out,
    struct image_where *where, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	*where = (struct image_where){0, 0};
	int r = file_read(path, IMAGE_MANIFEST_MAX_BYTES, &text, &len, e);
	return r < 0 ? r : image_manifest_parse(text, len, distro, arch, true, out, where, e);
}

static void read_manifest(const char *path, struct entry *entry)
{
	struct image_where where;

	image_manifest_clear(&entry->image);
	entry->bad = (struct err)ERR_INIT;
	if (load(path, entry->distro, entry->arch, &entry->image, &where, &entry->bad) == 0) {
		log_info("image found distro=%s arch=%s kernel=%s", entry->distro,
		    vm_arch_name(entry->arch),
		    entry->image.boots ? image_boot_form(&entry->image.boot)
				       : entry->image.kernel_version);
		return;
	}
	image_manifest_clear(&entry->image);
	if (where.line)
		log_warn("%s:%d:%d: %s", path, where.line, where.column, entry->bad.msg);
}

/* Reads what changed, `st` being the manifest's. False when it is not usable. */
static bool manifest_is_usable(const char *path, const struct stat *st, struct entry *entry)
{
	if (st->st_ino != entry->seen.st_ino || st->st_size != entry->seen.st_size ||
	    st->st_mtim.tv_sec != entry->seen.st_mtim.tv_sec ||
	    st->st_mtim.tv_nsec != entry->seen.st_mtim.tv_nsec) {
		read_manifest(path, entry);
		/* What could not even be read may be readable next time. */
		if (entry->image.doc || entry->bad.code == EINVAL)
			entry->seen = *st;
	}
	if (!entry->image.doc)
		return lacks(entry, "its manifest.json is unusable: %.300s", entry->bad.msg);
	return true;
}

static bool without_manifest(struct entry *entry, int code)
{
	memset(&entry->seen, 0, sizeof(entry->seen));
	image_manifest_clear(&entry->image);
	if (entry->missing.what[0])
		return false;
	return lacks(entry, "%s",
	    code == EACCES
		? "its folder cannot be read by the stack: chmod -R a+rX the folder of images"
		: "there is no manifest.json");
}

/* Another tool's boot image; read each time, since what it names may have changed. False: there is
 * none. */
static bool look_at_studio(const struct images *im, struct entry *entry, bool *usable)
{
	struct image_manifest m;
	char folder[IMAGE_FOLDER_MAX];
	struct err e = ERR_INIT;
	struct stat st;
	int rc = studio_load(im->dir, entry->distro, entry->arch, &m, &st, &e);

	if (rc == -ENOENT) {
		image_manifest_clear(&m);
		return false;
	}
	*usable = false;
	memset(&entry->seen, 0, sizeof(entry->seen));
	entry->studio = true;
	if (rc == 0 && entry->image.doc && json_equal(m.doc, entry->image.doc)) {
		image_manifest_clear(&m);
	} else {
		image_manifest_clear(&entry->image);
		entry->image = m;
	}
	int n = snprintf(folder, sizeof(folder), "%s/%s", im->dir, entry->distro);
	if (rc < 0)
		(void)lacks(entry, "%.300s", e.msg);
	else if (n > 0 && n < IMAGE_FOLDER_MAX)
		*usable = files_are_there(folder, folder, entry);
	return true;
}

/* The folder has no manifest: perhaps one was made for it. */
static bool look_elsewhere(const struct images *im, struct entry *entry, int code)
{
	bool usable;

	if (look_at_studio(im, entry, &usable))
		return usable;
	char folder[IMAGE_FOLDER_MAX], rootfs_folder[IMAGE_FOLDER_MAX], path[PATH_MAX];
	const char *arch = vm_arch_name(entry->arch);
	struct adopted source;
	struct stat st;

	if (!im->made || !adopted_find(im->dir, entry->distro, entry->arch, &source))
		return without_manifest(entry, code);
	if (image_folder(im->made, entry->distro, arch, folder) < 0 ||
	    image_folder(im->dir, entry->distro, source.folder, rootfs_folder) < 0)
		return without_manifest(entry, ENAMETOOLONG);
	manifest_path(folder, path);
	if (stat(path, &st) < 0) {
		image_made_why(folder, &source, &entry->missing);
		return without_manifest(entry, ENOENT);
	}
	entry->root = im->made;
	if (!manifest_is_usable(path, &st, entry))
		return false;
	if (!adopted_made_of(entry->image.adopted, &source)) {
		image_made_why(folder, &source, &entry->missing);
		return false;
	}
	return files_are_there(rootfs_folder, folder, entry);
}

/* A machine's disk became it. False: there is none. */
static bool look_at_backup(const struct images *im, struct entry *entry, bool *usable)
{
	char folder[IMAGE_FOLDER_MAX], path[PATH_MAX];
	struct stat st;

	if (!im->backups ||
	    image_folder(im->backups, entry->distro, vm_arch_name(entry->arch), folder) < 0)
		return false;
	manifest_path(folder, path);
	if (stat(path, &st) < 0)
		return false;
	entry->root = im->backups;
	*usable = manifest_is_usable(path, &st, entry) && files_are_there(folder, folder, entry);
	return true;
}

static bool look(struct images *im, struct entry *entry)
{
	char folder[IMAGE_FOLDER_MAX], path[PATH_MAX];
	struct stat st;
	bool usable;

	entry->root = im->dir;
	entry->missing = (struct image_missing){0};
	entry->studio = false;
	if (image_folder(im->dir, entry->distro, vm_arch_name(entry->arch), folder) < 0)
		return without_manifest(entry, ENAMETOOLONG);
	manifest_path(folder, path);
	if (stat(path, &st) < 0) {
		int code = errno;
		return look_at_backup(im, entry, &usable) ? usable
							  : look_elsewhere(im, entry, code);
	}
	return manifest_is_usable(path, &st, entry) && files_are_there(folder, folder, entry);
}

/* The stack's image may have been built for one architecture. */
static bool installer_is_there(const struct images *im, enum vm_arch arch)
{
	char path[PATH_MAX];

	if (!im->installers)
		return true;
	int n =
	    snprintf(path, sizeof(path), "%s/%s/initrd.zst", im->installers, vm_arch_name(arch));
	return n > 0 && n < (int)sizeof(path) && access(path, R_OK) == 0;
}

static void drop_retired(struct published *newest, int64_t before_ms)
{
	struct published **link = newest ? &newest->older : NULL;

	while (link && *link) {
		struct published *old = *link;
		if (old->retired_ms > before_ms) {
			link = &old->older;
			continue;
		}
		*link = old->older;
		json_decref(old->doc);
		free(old);
	}
}

/* Called with the lock held, of a complete boot image. False without memory. */
static bool publish(struct entry *entry)
{
	struct published *current = atomic_load(&entry->published);
	int64_t now = wall_ms();

	drop_retired(current, now - RETIRED_FOR_MS);
	if (current && current->doc == entry->image.doc)
		return true;
	struct published *next = calloc(1, sizeof(*next));
	if (!next)
		return lacks(entry, "there is no memory for it");
	snprintf(next->image.folder, sizeof(next->image.folder), "%s%s%s", entry->distro,
	    entry->studio ? "" : "/", entry->studio ? "" : vm_arch_name(entry->arch));
	snprintf(next->image.name, sizeof(next->image.name), "%s", entry->distro);
	next->image.title = entry->image.os_name;
	next->image.boot = entry->image.boot;
	next->doc = json_incref(entry->image.doc);
	next->older = current;
	if (current)
		current->retired_ms = now;
	atomic_store_explicit(&entry->published, next, memory_order_release);
	return true;
}

/* Called with the lock held. */
static void look_again(struct images *im, struct entry *entry)
{
	int outcome = look(im, entry) ? COMPLETE : INCOMPLETE;

	if (outcome == COMPLETE && entry->image.boots)
		outcome = publish(entry) ? BOOTS : INCOMPLETE;
	if (outcome == COMPLETE && !installer_is_there(im, entry->arch)) {
		outcome = INCOMPLETE;
		(void)lacks(entry, "this stack was built without the installer for %s",
		    vm_arch_name(entry->arch));
		snprintf(entry->missing.advice, sizeof(entry->missing.advice),
		    "build it for both architectures: make load; then vmlab up");
	} else if (outcome == INCOMPLETE && !entry->missing.advice[0])
		image_advice_for(im->dir, entry->distro, entry->arch, entry->seen.st_ino != 0,
		    entry->missing.advice);
	atomic_store_explicit(&entry->outcome, outcome, memory_order_release);
	atomic_store_explicit(&entry->looked_at_ms, wall_ms(), memory_order_release);
}

static unsigned bucket_of(const char *distro, enum vm_arch arch)
{
	unsigned h = 5381 + (unsigned)arch;

	while (*distro)
		h = h * 33 + (unsigned char)*distro++;
	return h % BUCKETS;
}

static struct entry *find_in(struct entry *entry, const char *distro, enum vm_arch arch)
{
	while (entry && (entry->arch != arch || strcmp(entry->distro, distro) != 0))
		entry = entry->next;
	return entry;
}

/* Called with the lock held. */
static struct entry *add(struct images *im, const char *distro, enum vm_arch arch)
{
	_Atomic(struct entry *) *bucket = &im->bucket[bucket_of(distro, arch)];
	struct entry *entry = find_in(atomic_load(bucket), distro, arch);

	if (entry || im->count == ENTRIES_MAX)
		return entry;
	entry = calloc(1, sizeof(*entry));
	if (!entry || !(entry->distro = strdup(distro))) {
		free(entry);
		return NULL;
	}
	entry->arch = arch;
	entry->next = atomic_load(bucket);
	atomic_store_explicit(bucket, entry, memory_order_release);
	im->count++;
	return entry;
}

/* The entry, freshly looked at, with the lock held (also when NULL). */
static struct entry *lock_entry(struct images *im, const char *distro, enum vm_arch arch)
{
	pthread_mutex_lock(&im->lock);
	struct entry *entry = distro ? add(im, distro, arch) : NULL;
	if (entry && wall_ms() - atomic_load(&entry->looked_at_ms) >= RECHECK_MS)
		look_again(im, entry);
	return entry;
}

/* The entry as it was looked at within RECHECK_MS; NULL: none can be had. */
static struct entry *fresh_entry(
    struct images *im, const char *distro, enum vm_arch arch, int *outcome)
{
	*outcome = NOT_LOOKED;
	if (!distro)
		return NULL;
	struct entry *entry = find_in(
	    atomic_load_explicit(&im->bucket[bucket_of(distro, arch)], memory_order_acquire),
	    distro, arch);

	if (entry) {
		*outcome = atomic_load_explicit(&entry->outcome, memory_order_acquire);
		int64_t looked = atomic_load_explicit(&entry->looked_at_ms, memory_order_relaxed);
		int64_t now = wall_ms();

		if (*outcome != NOT_LOOKED && now >= looked && now - looked < RECHECK_MS)
			return entry;
	}
	entry = lock_entry(im, distro, arch);
	*outcome = entry ? atomic_load(&entry->outcome) : NOT_LOOKED;
	pthread_mutex_unlock(&im->lock);
	return entry;
}

bool images_has(struct images *im, const char *distro, enum vm_arch arch)
{
	int outcome;

	(void)fresh_entry(im, distro, arch, &outcome);
	return outcome == COMPLETE;
}

const struct boot_image *images_boot(
    struct images *im, const char *name, enum vm_arch arch, enum image_use use)
{
	int outcome;
	struct entry *entry = fresh_entry(im, name, arch, &outcome);
	const struct published *p =
	    outcome == BOOTS ? atomic_load_explicit(&entry->published, memory_order_acquire) : NULL;

	if (!p || (use == IMAGE_UNATTENDED && !image_boot_unattended(&p->image.boot)))
		return NULL;
	return &p->image;
}

void images_facts(struct images *im, const char *distro, enum vm_arch arch, enum image_use use,
    struct image_facts *out)
{
	const struct entry *entry = lock_entry(im, distro, arch);
	int outcome = entry ? atomic_load(&entry->outcome) : NOT_LOOKED;
	struct image_misuse misuse;

	out->complete = outcome == COMPLETE || outcome == BOOTS;
	out->cloud_init = entry && image_provides(&entry->image, "cloud-init");
	out->missing =
	    entry ? entry->missing : (struct image_missing){"its distro is not known", ""};
	if (use != IMAGE_INSTALLED && entry && !out->complete && !entry->seen.st_ino)
		boot_image_advice(distro, arch, out->missing.advice);
	if (out->complete && !image_suits(&entry->image, use, &misuse)) {
		out->complete = false;
		snprintf(out->missing.what, sizeof(out->missing.what), "%s", misuse.what);
		snprintf(out->missing.advice, sizeof(out->missing.advice), "%s", misuse.advice);
	}
	pthread_mutex_unlock(&im->lock);
}

static uint64_t size_of(const struct image_manifest *m)
{
	const struct image_contents *files[IMAGE_BOOT_FILES_MAX];
	size_t count = m->boots ? image_boot_files(&m->boot, files) : 0;
	uint64_t sum =
	    m->boots ? 0 : m->rootfs.size_bytes + m->kernel.size_bytes + m->modules.size_bytes;

	for (size_t i = 0; i < count; i++)
		sum += files[i]->size_bytes;
	return sum;
}

void images_tell(struct images *im, const char *distro, enum vm_arch arch, struct image_told *out)
{
	const struct entry *entry = lock_entry(im, distro, arch);
	int outcome = entry ? atomic_load(&entry->outcome) : NOT_LOOKED;
	const struct image_manifest *m = entry && entry->image.doc ? &entry->image : NULL;

	*out = (struct image_told){.complete = outcome == COMPLETE || outcome == BOOTS};
	if (entry)
		out->missing = entry->missing;
	if (m) {
		out->size_bytes = size_of(m);
		text_copy_clean(
		    m->kernel_version ? m->kernel_version : "", out->kernel, sizeof(out->kernel));
		text_copy_clean(m->created ? m->created : "", out->created, sizeof(out->created));
		text_copy_clean(
		    m->boots ? image_boot_form(&m->boot) : "", out->form, sizeof(out->form));
		if (!bytes_are_zero(m->rootfs.sha256.byte, DIGEST_BYTES))
			hex_encode(m->rootfs.sha256.byte, DIGEST_BYTES, out->sha256);
	}
	pthread_mutex_unlock(&im->lock);
}

void images_folder(struct images *im, const char *distro, enum vm_arch arch, char *out, size_t size)
{
	const struct entry *entry = lock_entry(im, distro, arch);

	out[0] = '\0';
	if (entry && entry->image.doc)
		snprintf(out, size, "%s/%s/%s", entry->root, entry->distro, vm_arch_name(arch));
	pthread_mutex_unlock(&im->lock);
}

int images_get(struct images *im, const char *distro, enum vm_arch arch, struct image_manifest *out,
    struct err *e)
{
	const struct entry *entry = lock_entry(im, distro, arch);
	int r = 0;

	*out = (struct image_manifest){0};
	if (!entry || atomic_load(&entry->outcome) != COMPLETE) {
		r = err_set(e, ENOENT, "the image images/%s/%s cannot be used: %s; %s",
		    distro ? distro : "?", vm_arch_name(arch),
		    !entry               ? "its distro is not known"
		    : entry->image.boots ? "it is one that is booted, not installed"
					 : entry->missing.what,
		    entry ? entry->missing.advice : "name one in the definition");
	} else {
		*out = entry->image;
		out->rootfs.chunks = NULL;
		out->rootfs.chunk_count = 0;
		json_incref(out->doc);
	}
	pthread_mutex_unlock(&im->lock);
	return r;
}

/* ---- life and checks --------------------------------------------------------------------- */

int images_new(const char *dir, const char *made, const char *backups, const char *installers,
    struct images **out, struct err *e)
{
	struct images *im = calloc(1, sizeof(*im));

	if (!im || !(im->dir = strdup(dir))) {
		free(im);
		return err_set(e, ENOMEM, "out of memory");
	}
	im->made = made;
	im->backups = backups;
	im->installers = installers;
	pthread_mutex_init(&im->lock, NULL);
	*out = im;
	return 0;
}

void images_free(struct images *im)
{
	if (!im)
		return;
	for (int i = 0; i < BUCKETS; i++) {
		struct entry *entry = atomic_load(&im->bucket[i]);

		while (entry) {
			struct entry *next = entry->next;

			struct published *published = atomic_load(&entry->published);
			drop_retired(published, INT64_MAX);
			if (published)
				json_decref(published->doc);
			free(published);
			image_manifest_clear(&entry->image);
			free(entry->distro);
			free(entry);
			entry = next;
		}
	}
	pthread_mutex_destroy(&im->lock);
	free(im->dir);
	free(im);
}

int images_readable(struct images *im, struct err *e)
{
	_cleanup_closedir_ DIR *dir = opendir(im->dir);

	if (!dir)
		return err_errno(e, "the images folder %s cannot be read", im->dir);
	return 0;
}

static int check_one(struct images *im, const char *distro, enum vm_arch arch,
    void (*problem)(void *ctx, const char *file, int line, int column, const char *text), void *ctx)
{
	_cleanup_image_manifest_ struct image_manifest image = {0};
	struct entry probe = {.arch = arch};
	char folder[IMAGE_FOLDER_MAX], path[PATH_MAX];
	struct image_where where;
	struct err e = ERR_INIT;
	struct stat st;

	if (image_folder(im->dir, distro, vm_arch_name(arch), folder) < 0)
		return 0;
	manifest_path(folder, path);
	if (stat(path, &st) < 0 && errno == ENOENT)
		return 0;
	if (load(path, distro, arch, &image, &where, &e) < 0) {
		problem(ctx, path, where.line, where.column, e.msg);
		return 1;
	}
	probe.image = image;
	if (files_are_there(folder, folder, &probe))
		return 0;
	problem(ctx, path, 0, 0, probe.missing.what);
	return 1;
}

int images_check(struct images *im,
    void (*problem)(void *ctx, const char *file, int line, int column, const char *text), void *ctx,
    struct err *e)
{
	_cleanup_closedir_ DIR *dir = opendir(im->dir);
	int problems = 0;

	if (!dir)
		return err_errno(e, "the images folder %s cannot be read", im->dir);
	for (const struct dirent *d; (d = readdir(dir)) != NULL;) {
		if (d->d_name[0] == '.')
			continue;
		for (int i = 0; i < VM_ARCH_COUNT; i++)
			problems += check_one(im, d->d_name, (enum vm_arch)i, problem, ctx);
	}
	return problems;
}
